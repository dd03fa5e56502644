"""What holds of every timeline, on random ones: no endpoint outlives a person, nothing counts after the cut-off, no death is lost."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.clinical.conftest import lookup_of
from tests.clinical.test_derivations import index
from tests.clinical.whole import read_events
from unibase.clinical.derived.endpoints import derive, with_entry
from unibase.clinical.formats.registrations import read_people
from unibase.clinical.sources.reading import find_tables, read_tables
from unibase.clinical.timelines.centre import TimelineTask
from unibase.clinical.words.acts import REFUTED
from unibase.groundwork.tables import EVENTS
from unibase.privacy.subjects import Subject, SubjectLookup

SUBJECTS = 10_000
START = datetime(2020, 1, 1)
CODES = (
    "VISIT//AMB", "LOINC//718-7", "ATC//L01XA01", "RxNorm//56946", "CCAM//ZZNL001", "IMAGING//CT", "IMAGING_RECORD//CT", "LESION//TARGET//T1",
    "OSIRIS_RWD//9.1", "OSIRIS_RWD//14.1", "SNOMED//419835002", "ICD10//C34.1", "SPECIMEN//x", "PLANNED//VISIT//AMB", "SUSPECTED//ICD10//C34",
    "PRESCRIBED//ATC//L01XA01", "REPORT//LOINC//1-8", "MEDS_BIRTH",
)  # fmt: skip
RESPONSES = ("CR", "PR", "SD", "PD", "pd", "NE", "Progressive Disease", "NON-CR/NON-PD", None)


def random_timelines(seed: int) -> pl.DataFrame:
    """EVENTS of many subjects: acts, responses, partial dates, deaths that are known, unknown, early, late, twice, refuted."""
    rng = np.random.default_rng(seed)
    rows = 6 * SUBJECTS
    subject = rng.integers(1, SUBJECTS + 1, rows)
    kinds = rng.integers(0, len(CODES) + 8, rows)
    codes = [CODES[k] if k < len(CODES) else "RECIST//OVRLRESP" for k in kinds]
    texts = [
        RESPONSES[k] if code == "RECIST//OVRLRESP" else None
        for k, code in zip(rng.integers(0, len(RESPONSES), rows), codes, strict=True)
    ]
    days = rng.integers(-200, 900, rows)
    width = rng.choice([0, 0, 0, 30, 365], rows)
    dead = rng.choice(SUBJECTS, SUBJECTS // 2, replace=False) + 1
    more = len(dead)
    frame = pl.DataFrame(
        {
            "subject_id": np.concatenate([subject, dead]),
            "code": codes + list(rng.choice(["MEDS_DEATH", "MEDS_DEATH", REFUTED], more)),
            "text_value": [*texts, *[None] * more],
            "day": np.concatenate([days, rng.integers(-50, 900, more)]),
            "width": np.concatenate([width, rng.choice([0, 0, 30, 365, 100_000], more)]),
        },
        schema_overrides={"text_value": pl.String},
    )
    low = pl.lit(START) + pl.duration(days="day")
    unknown = pl.col("width") == 100_000
    exact = pl.when(pl.col("width") == 0).then(low)
    frame = frame.with_columns(
        time=exact,
        time_min=pl.when(unknown).then(pl.lit(datetime(1678, 1, 1))).otherwise(low),
        time_max=pl.when(unknown)
        .then(pl.lit(datetime(2022, 12, 31)))
        .otherwise(low + pl.duration(days=pl.col("width") + 1) - pl.duration(microseconds=1)),
        source=pl.lit("lyon/csv/x"),
    )
    return EVENTS.conform(frame.drop("day", "width").with_row_index("source_row", offset=1))


@pytest.mark.parametrize("seed", range(2))
def test_of_ten_thousand_random_timelines(seed: int) -> None:
    events = random_timelines(seed)
    at = index(*((subject, "2020-01-01") for subject in range(1, SUBJECTS + 1)))
    found = {code: derive(events, at, code) for code in ("OS", "PFS", "PFS_CONTACT", "DFS", "TNT")}
    survival = found["OS"].select("subject_id", "AVAL_MIN", "AVAL_MAX", "CNSR", "problem")
    assert survival.height == SUBJECTS
    for code in ("PFS", "PFS_CONTACT", "DFS", "TNT"):
        both = found[code].join(survival, on="subject_id", suffix="_os")
        shorter = both.filter((pl.col("AVAL_MAX_os") < pl.col("AVAL_MAX")) | (pl.col("AVAL_MIN_os") < pl.col("AVAL_MIN")))
        # Where a death lies before what is on record after it, the table says so.
        told = shorter["problem_os"].is_in(["alive-after-death", "two-death-dates", "event-before-start"])
        assert shorter.filter(~told).is_empty(), (code, shorter.filter(~told).head(3).to_dicts())
    # No death is lost: an event, or a problem.
    dead = events.filter(pl.col("code").is_in(["MEDS_DEATH", REFUTED]))["subject_id"].unique()
    lost = survival.filter(pl.col("subject_id").is_in(dead.implode()) & (pl.col("CNSR") == 1) & pl.col("problem").is_null())
    assert lost.is_empty()
    # No time is negative or turned round, and who enters enters before the end, or it is said.
    for frame in found.values():
        assert frame.filter((pl.col("AVAL_MIN") < 1) | (pl.col("AVAL_MIN") > pl.col("AVAL_MAX"))).is_empty()
        entered = with_entry(frame, at.select("subject_id", (pl.col("index_time") + timedelta(days=100)).alias("time")))
        assert entered.filter((pl.col("ENTRY") >= pl.col("AVAL")) & (pl.col("problem") != "entry-after-end")).is_empty()


def test_a_censored_subject_that_was_last_seen_before_the_index_is_censored_on_the_index_day() -> None:
    events = (
        random_timelines(5)
        .filter(pl.col("code") == "VISIT//AMB")
        .with_columns(pl.col("time", "time_min", "time_max") - pl.duration(days=2000))
    )
    row = derive(events, index((int(events["subject_id"][0]), "2020-01-01")), "OS").row(0, named=True)
    assert (row["AVAL"], row["CNSR"], row["CNSDTDSC"], row["SRCDOM"], row["SRCSEQ"]) == (1, 1, "INDEX DATE", None, None)
    assert row["ADT"] == row["STARTDT"] == date(2020, 1, 1)


MAPPING = """mapping: 1
name: registre
systems: [ipp]
tables:
  - name: suivi
    person: ipp
    events:
      - {code: MEDS_BIRTH, date: naissance}
      - {code: VISIT//AMB, date: visite}
      - {code: MEDS_DEATH, date: deces, happened: {statut: [décédé]}}
      - {code: "ATC//{atc}", date: visite, end: fin, recorded: saisie}
"""
DEATHS = (
    "2021-03-04",
    "2021-03",
    "2021",
    "",
    "2021-02-30",
    "9999-12-31",
    "99/99/9999",
    "1900-01-01",
    "2099-01-01",
    "2020-01-05",
    "inconnu",
)


def test_of_a_random_register_no_death_is_lost_and_nothing_lies_after_the_cut_off(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    (tmp_path / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
    (tmp_path / "in").mkdir()
    rows, dead = ["ipp;naissance;visite;deces;statut;atc;fin;saisie"], set()
    for person in range(1, 301):
        days = [date(2020, 1, 1) + timedelta(days=int(day)) for day in rng.integers(0, 1800, 3)]
        rows += [f"{person};1950-01-01;{day};;;L01XA01;{day + timedelta(days=400)};{day}" for day in days]
        if rng.random() < 0.6:
            dead.add(person)
            rows.append(f"{person};;;{rng.choice(DEATHS)};décédé;;;")
    (tmp_path / "in" / "suivi.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    lookup = SubjectLookup({("CHU-été", "ipp", str(person)): Subject(person, -person % 300) for person in range(1, 301)})
    task = TimelineTask("csv", tmp_path / "in", "CHU-été", lookup, tmp_path / "mapping.yaml", cutoff=date(2023, 6, 30))
    told = read_events(task)
    account = told.account.row(0, named=True)
    assert account["rows"] == account["used"] + account["refused"] + account["silent"] == len(rows) - 1
    ends = pl.lit(date(2023, 6, 30)) + pl.duration(days=-pl.col("subject_id") % 300)
    shifted = told.events.with_columns(ends.alias("until"))
    assert shifted.filter(pl.max_horizontal("time", "end_time", "recorded_time").dt.date() > pl.col("until")).is_empty()
    assert shifted.filter(pl.col("time_min").dt.date() > pl.col("until")).is_empty()
    births = told.events.filter(pl.col("code") == "MEDS_BIRTH").unique("subject_id", maintain_order=True)
    at = births.select("subject_id", (pl.col("time") + timedelta(days=25_567)).alias("index_time"))
    survival = derive(told.events, at, "OS")
    lost = survival.filter(pl.col("subject_id").is_in(sorted(dead)) & (pl.col("CNSR") == 1) & pl.col("problem").is_null())
    # The cut-off of a study is no loss: who died after it was alive at it.
    late = told.problems.filter(pl.col("reason") == "after-cutoff").height
    assert late and lost.height <= sum("2099" in row for row in rows)


TIMES = ("time", "end_time", "recorded_time")


@pytest.mark.parametrize(("centre", "format", "folder"), [("A", "omop", "centre_a/omop"), ("A", "omop", "parquet"), ("B", "fhir", "centre_b/fhir"), ("C", "osiris-rwd", "centre_c/osiris_rwd")])  # fmt: skip
def test_every_time_of_every_event_moves_by_the_shift_of_its_subject(
    simulated: Path, tmp_path: Path, centre: str, format: str, folder: str
) -> None:
    source = next(
        (path for path in (simulated / folder, simulated / folder.replace("_rwd", "-rwd")) if path.exists()), tmp_path / "parquet"
    )
    if folder == "parquet":
        source.mkdir()
        for name, paths in find_tables(simulated / "centre_a" / "omop").items():
            frame = read_tables(paths, name).frame.drop("source_row")
            whole = [column for column in frame.columns if column.endswith("concept_id") or column == "person_id"]
            days = [column for column in frame.columns if column.endswith("_date") and name != "concept"]
            frame = frame.with_columns(pl.col(c).cast(pl.Int64, strict=False) for c in whole)
            frame.with_columns(pl.col(c).str.to_date("%Y-%m-%d", strict=False) for c in days).write_parquet(
                source / f"{name}.parquet"
            )
    people = read_people(format, source, centre)
    moving = lookup_of(people)
    still = SubjectLookup({key: Subject(one.subject_id, 0) for key, one in moving.by_identifier.items()})
    moved, plain = (read_events(TimelineTask(format, source, centre, lookup)).events for lookup in (moving, still))
    shifts = {one.subject_id: one.shift_days for one in moving.by_identifier.values()}
    keys = ["subject_id", "source", "source_row", "code", "numeric_value", "text_value", "unit"]
    numbered = pl.int_range(pl.len()).over(keys).alias("n")
    moved, plain = (frame.sort(*keys, "time", nulls_last=True).with_columns(numbered) for frame in (moved, plain))
    both = moved.join(plain, on=[*keys, "n"], nulls_equal=True, how="full", suffix="_plain", coalesce=True)
    assert both.height == moved.height == plain.height
    by = pl.duration(days=pl.col("subject_id").replace_strict(shifts, return_dtype=pl.Int64))
    counted: dict[str, Any] = {}
    for name in TIMES:
        there = both.filter(pl.col(name).is_not_null() | pl.col(f"{name}_plain").is_not_null())
        assert there.filter(pl.col(name).eq_missing(pl.col(f"{name}_plain") + by).not_()).is_empty(), name
        counted[name] = there.height
    exact = both.filter((pl.col("time_max") - pl.col("time_min")) < timedelta(days=1))
    for name in ("time_min", "time_max"):
        assert exact.filter(pl.col(name) != pl.col(f"{name}_plain") + by).is_empty()
    assert counted["time"] > 100
