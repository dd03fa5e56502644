"""Thirty wrong links of ten kinds among 2,000 subjects: how many the checks of concordance find, and their false alarms.

    python -m benchmarks.planted_links [SUBJECTS] [SEED]

Tables of subjects are drawn as a link of two hospitals leaves them, with what is odd and right: births a few days apart, results
that come in after death, transfers, ages off by a year, an image without sex, tumours of both sides. Three subjects are planted
of each kind. A false alarm is a subject of whom nothing was planted and something is found. All rates are assumptions.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from unibase.groundwork.tables import EVENTS, FEATURES, SAMPLE_MAP, SERIES, Table
from unibase.linking.concordance import check_concordance
from unibase.linking.series_checks import shared_series

CENTRES = ("lyon", "CHU-été")
DAY = timedelta(days=1)
EACH = 3
type Row = dict[str, object]


@dataclass
class Subject:
    """What is known of one subject, as rows of tables."""

    number: int
    sex: str
    birth: datetime
    diagnosis: datetime
    death: datetime | None
    side: str
    events: list[Row] = field(default_factory=list)
    series: list[Row] = field(default_factory=list)
    samples: list[Row] = field(default_factory=list)
    regions: list[Row] = field(default_factory=list)

    def event(
        self, code: str, time: datetime, centre: str = CENTRES[0], end: datetime | None = None, value: float | None = None
    ) -> None:
        """Add an event of a day."""
        self.events.append(
            {
                "subject_id": self.number,
                "code": code,
                "time": time,
                "time_min": time,
                "time_max": time + DAY,
                "end_time": end,
                "numeric_value": value,
                "source": f"{centre}/omop/visits",
                "source_row": len(self.events) + 1,
            }
        )

    def image(self, time: datetime, sex: str | None = None, age: float | None = None, uid: str | None = None) -> None:
        """Add a series of a CT of the chest; sex and age in its header are the subject's where not told."""
        years = (time - self.birth).days / 365.25
        self.series.append(
            {
                "subject_id": self.number,
                "SeriesInstanceUID": uid or f"2.25.{self.number}.{len(self.series)}",
                "Modality": "CT",
                "series_time": time,
                "PatientSex": sex or self.sex,
                "PatientAge": float(int(years)) if age is None else age,
                "BodyPartExamined": "CHEST",
            }
        )

    def sample(self, time: datetime, kind: str = "tumour") -> None:
        """Add a sample."""
        self.samples.append(
            {
                "assay": "rna",
                "primary": self.number,
                "colname": f"s{self.number}-{len(self.samples)}",
                "sample_time": time,
                "sample_type": kind,
            }
        )

    def region(self, name: str) -> None:
        """Add the features of a region of the first series."""
        uid = self.series[0]["SeriesInstanceUID"]
        self.regions.append({"subject_id": self.number, "SeriesInstanceUID": uid, "roi_name": name})


def ordinary(number: int, rng: np.random.Generator) -> Subject:
    """Return a subject known to two hospitals, with what is odd and right."""
    sex = "F" if rng.random() < 0.5 else "M"
    birth = datetime(1930, 1, 1) + int(rng.integers(20_000)) * DAY
    diagnosis = datetime(2014, 1, 1) + int(rng.integers(2_000)) * DAY
    died = diagnosis + int(rng.integers(200, 1_500)) * DAY if rng.random() < 0.6 else None
    one = Subject(number, sex, birth, diagnosis, died, "R" if rng.random() < 0.5 else "L")
    for centre in CENTRES:
        # One date in fifty is a slip of some days.
        one.event("MEDS_BIRTH", birth + (int(rng.integers(-9, 10)) * DAY if rng.random() < 0.02 else 0 * DAY), centre)
        one.event(f"SEX//{sex}", birth, centre)
        one.event("ICD10CM//C34.11" if one.side == "R" else "ICD10CM//C34.12", diagnosis, centre)
    if rng.random() < 0.03:
        one.event("ICD10CM//C34.12" if one.side == "R" else "ICD10CM//C34.11", diagnosis + 90 * DAY)
    if died:
        one.event("MEDS_DEATH", died)
        one.event("MEDS_DEATH", died + int(rng.integers(0, 3)) * DAY, CENTRES[1])
    _stays(one, rng)
    _images_and_samples(one, rng)
    return one


def _stays(one: Subject, rng: np.random.Generator) -> None:
    """Add stays one after the other in two hospitals, and results, some of which come in after death."""
    start = one.diagnosis
    for at in range(int(rng.integers(1, 6))):
        days = int(rng.integers(1, 9))
        # The day of a transfer is one of both hospitals.
        one.event("VISIT//IP", start, CENTRES[at % 2], end=start + days * DAY)
        start += (days + int(rng.choice([0, 0, 5, 30]))) * DAY
    last = one.death or one.diagnosis + 400 * DAY
    for _ in range(6):
        one.event("LOINC//718-7", one.diagnosis + int(rng.integers((last - one.diagnosis).days)) * DAY, value=12.0)
    if one.death and rng.random() < 0.1:
        one.event("LOINC//718-7", one.death + int(rng.integers(1, 6)) * DAY, value=11.0)


def _images_and_samples(one: Subject, rng: np.random.Generator) -> None:
    for at in range(int(rng.integers(1, 6))):
        time = one.diagnosis + (at * 60 - 20) * DAY
        if one.death is None or time < one.death:
            off = int(rng.integers(-1, 2)) if rng.random() < 0.02 else 0
            one.image(time, age=float(int((time - one.birth).days / 365.25) + off), sex="O" if rng.random() < 0.02 else None)
    one.region("GTV_D" if one.side == "R" else "GTV_G")
    one.sample(one.diagnosis + int(rng.integers(-60, 30)) * DAY)
    if rng.random() < 0.1:
        one.sample(one.diagnosis - int(rng.integers(1, 3_000)) * DAY, "blood")


def _two_sexes(one: Subject) -> None:
    one.event("SEX//M" if one.sex == "F" else "SEX//F", one.birth, CENTRES[1])


def _two_births(one: Subject) -> None:
    one.event("MEDS_BIRTH", one.birth + 4_018 * DAY, CENTRES[1])


def _results_of_the_dead(one: Subject) -> None:
    one.death = one.death or one.diagnosis + 500 * DAY
    one.event("MEDS_DEATH", one.death)
    one.event("LOINC//718-7", one.death + 40 * DAY, CENTRES[1], value=12.0)


def _two_deaths(one: Subject) -> None:
    one.death = one.death or one.diagnosis + 500 * DAY
    one.event("MEDS_DEATH", one.death)
    one.event("MEDS_DEATH", one.death + 400 * DAY, CENTRES[1])


def _foreign_series(one: Subject) -> None:
    while len(one.series) < 3:
        one.image(one.diagnosis + len(one.series) * DAY)
    one.image(one.diagnosis + 20 * DAY, age=(one.diagnosis - one.birth).days / 365.25 - 17)


def _organ(one: Subject) -> None:
    if one.sex == "F":
        one.event("ICD10CM//C61", one.diagnosis, CENTRES[1])
    else:
        one.region("Uterus")


def _other_side(one: Subject) -> None:
    one.events = [row for row in one.events if "C34" not in str(row["code"])]
    one.event("ICD10CM//C34.11" if one.side == "R" else "ICD10CM//C34.12", one.diagnosis)
    one.region("GTV_G" if one.side == "R" else "GTV_D")


def _two_places(one: Subject) -> None:
    for centre in CENTRES:
        one.event("VISIT//IP", one.diagnosis + 150 * DAY, centre, end=one.diagnosis + 158 * DAY)


def _early_sample(one: Subject) -> None:
    one.sample(one.diagnosis - 2_600 * DAY)


def _shared_series(one: Subject) -> None:
    one.image(one.diagnosis + 10 * DAY, uid="2.25.1.0")


KINDS: dict[str, tuple[Callable[[Subject], None], str]] = {
    "two sexes": (_two_sexes, "sex"),
    "two births, 11 years apart": (_two_births, "births"),
    "results 40 days after death": (_results_of_the_dead, "after-death"),
    "two deaths, 400 days apart": (_two_deaths, "deaths"),
    "one series of another age": (_foreign_series, "foreign-series"),
    "an organ of the other sex": (_organ, "organ"),
    "a region on the other side": (_other_side, "laterality"),
    "stays in two places at once": (_two_places, "two-places"),
    "a tumour sample 7 years early": (_early_sample, "sample-date"),
    "a series of another subject": (_shared_series, "shared-series"),
}


@dataclass(frozen=True)
class Outcome:
    """Of each kind, how many planted subjects its check named; and who else is named, by which check."""

    found: dict[str, int]
    false: pl.DataFrame
    others: int


def run(subjects: int, seed: int) -> Outcome:
    """Draw the subjects, plant what is wrong and check all of them.

    Args:
        subjects: How many.
        seed: Same seed, same subjects.
    """
    rng = np.random.default_rng(seed)
    everyone = [ordinary(number, rng) for number in range(1, subjects + 1)]
    # Subject 1 is whose series the shared ones are.
    wrong = rng.choice(np.arange(1, subjects), len(KINDS) * EACH, replace=False)
    planted = {kind: [everyone[at] for at in wrong[n * EACH : (n + 1) * EACH]] for n, kind in enumerate(KINDS)}
    for kind, mine in planted.items():
        for one in mine:
            KINDS[kind][0](one)
    findings = check(everyone)
    named = set(findings.select("subject_id", "check").iter_rows())
    found = {kind: sum((one.number, KINDS[kind][1]) in named for one in mine) for kind, mine in planted.items()}
    touched = [1, *(one.number for mine in planted.values() for one in mine)]
    false = findings.filter(~pl.col("subject_id").is_in(touched)).select("subject_id", "check").unique()
    return Outcome(found, false, subjects - len(touched))


def check(everyone: list[Subject]) -> pl.DataFrame:
    """Return the findings of all checks on the tables of all subjects."""
    series = _table(SERIES, [row for one in everyone for row in one.series])
    found = check_concordance(
        _table(EVENTS, [row for one in everyone for row in one.events]),
        series,
        _table(SAMPLE_MAP, [row for one in everyone for row in one.samples]),
        features=_table(FEATURES, [row for one in everyone for row in one.regions]),
        centres=CENTRES,
    )
    return pl.concat([found, shared_series(series)])


def _table(table: Table, rows: list[Row]) -> pl.DataFrame:
    """Return rows with all columns of a table; those that no check reads are empty."""
    schema = table.schema()
    filled = [{**dict.fromkeys(schema), **row} for row in rows]
    return pl.DataFrame(filled, schema=schema, orient="row")


def main() -> None:
    subjects, seed = (int(one) for one in (sys.argv[1:] + ["2000", "19"][len(sys.argv) - 1 :])[:2])
    told = run(subjects, seed)
    for kind, count in told.found.items():
        print(f"{kind:<32}{count} of {EACH}")
    alarms = told.false["subject_id"].n_unique()
    print(
        f"found {sum(told.found.values())} of {EACH * len(KINDS)}; false alarms {alarms} of {told.others} ({alarms / told.others:.2%})"
    )
    print(told.false.group_by("check").len().sort("check"))


if __name__ == "__main__":
    main()
