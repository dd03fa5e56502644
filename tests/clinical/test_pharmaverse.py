"""ADTTE, BOR and confirmed BOR of the pharmaverse example (Apache-2.0) as the oracle: from ADSL + ADRS, then from SDTM.

The release contradicts itself in 9 overall-survival rows: their ADT is not the LSTALVDT of its own ADSL, which the row
names as its source. They are listed here by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random

import polars as pl
import pytest

from tests.clinical.whole import read_events
from unibase.clinical.derived.endpoint_definitions import Endpoints
from unibase.clinical.derived.endpoints import derive, derive_responses
from unibase.clinical.derived.recist import Lesion, NonTarget, Visit, recist
from unibase.clinical.timelines.centre import TimelineTask
from unibase.clinical.words.concepts import Concepts
from unibase.groundwork.tables import EVENTS
from unibase.privacy.subjects import Subject, SubjectLookup

HERE = Path(__file__).parent / "declared"
CONTRADICTED = {
    "01-703-1258", "01-704-1009", "01-704-1017", "01-704-1266", "01-704-1332", "01-708-1216", "01-710-1070", "01-710-1271",
    "01-718-1427",
}  # fmt: skip


def table(real_data: Path, name: str) -> pl.DataFrame:
    return pl.read_csv(real_data / "clinical" / "pharmaverse" / f"{name}.csv", infer_schema=False, null_values="NA")


def events_of(real_data: Path, mapping: str, files: list[str], folder: Path) -> tuple[pl.DataFrame, dict[int, str]]:
    """Read the named files through a declared mapping; return events and the USUBJID of each subject."""
    for name in files:
        (folder / f"{name}.csv").symlink_to(real_data / "clinical" / "pharmaverse" / f"{name}.csv")
    names = sorted(table(real_data, "sdtm_dm")["USUBJID"].unique())
    lookup = SubjectLookup({("P", "usubjid", name): Subject(number, 0) for number, name in enumerate(names, start=1)})
    result = read_events(TimelineTask("csv", folder, "P", lookup, HERE / f"{mapping}.yaml"))
    assert result.account.filter(pl.col("rows") != pl.col("used") + pl.col("refused") + pl.col("silent")).is_empty()
    return result.events, dict(enumerate(names, start=1))


@pytest.fixture(scope="module")
def adam(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, dict[int, str]]:
    return events_of(real_data, "adam", ["adam_adsl", "adam_adrs_onco"], tmp_path_factory.mktemp("adam"))


@pytest.fixture(scope="module")
def sdtm(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, dict[int, str]]:
    files = ["sdtm_dm", "sdtm_ds", "sdtm_ex", "sdtm_ae", "sdtm_rs_onco_recist"]
    return events_of(real_data, "sdtm", files, tmp_path_factory.mktemp("sdtm"))


def randomised(events: pl.DataFrame) -> pl.DataFrame:
    return events.filter(pl.col("code") == "ADSL//RANDDT").select("subject_id", "time")


def compared(events: pl.DataFrame, names: dict[int, str], real_data: Path, parameters: dict[str, str]) -> pl.DataFrame:
    """Join our ADTTE to the release's, by subject and parameter."""
    concepts = Concepts.read(HERE / "concepts.yaml")
    # A partial day counts as its last, which is how the example's ADRS was made; ADRS itself holds full dates.
    full = events.with_columns(pl.col("time_max").alias("time"), pl.col("time_max").alias("time_min"))
    ours = [
        derive(full, randomised(events), code, concepts).with_columns(pl.lit(theirs).alias("theirs"))
        for code, theirs in parameters.items()
    ]
    mine = pl.concat(ours).with_columns(pl.col("subject_id").replace_strict(names).alias("USUBJID"))
    release = table(real_data, "adam_adtte_onco").select(
        "USUBJID",
        pl.col("PARAMCD").alias("theirs"),
        pl.col("CNSR").cast(pl.Int64).alias("cnsr"),
        pl.col("AVAL").cast(pl.Int64).alias("aval"),
        "ADT",
    )
    release = release.filter(pl.col("theirs").is_in(list(parameters.values())))
    return release.rename({"ADT": "adt"}).join(mine, on=["USUBJID", "theirs"], how="full", coalesce=True)


def test_adtte_from_adsl_and_adrs(adam: tuple[pl.DataFrame, dict[int, str]], real_data: Path) -> None:
    both = compared(*adam, real_data, {"OS": "OS", "PFS": "PFS", "DOR": "RSD"})
    assert both.height == 512
    assert both.filter(pl.col("CNSR") == pl.col("cnsr")).height == 512
    differ = both.filter(pl.col("AVAL") != pl.col("aval"))
    assert both["AVAL"].null_count() == 0
    assert both.filter(pl.col("AVAL") == pl.col("aval")).height == 503
    assert set(differ["USUBJID"]) == CONTRADICTED
    assert set(differ["theirs"]) == {"OS"}
    # What the release says it took the date from says otherwise, and agrees with ours.
    alive = table(real_data, "adam_adsl").select("USUBJID", pl.col("LSTALVDT").str.to_date())
    checked = differ.join(alive, on="USUBJID")
    assert checked.filter(pl.col("ADT") == pl.col("LSTALVDT")).height == 9
    assert checked.filter(pl.col("adt").str.to_date() == pl.col("LSTALVDT")).is_empty()


def test_survival_from_sdtm(sdtm: tuple[pl.DataFrame, dict[int, str]], real_data: Path) -> None:
    both = compared(*sdtm, real_data, {"PFS": "PFS", "DOR": "RSD"})
    assert both.height == 258
    assert both.filter((pl.col("CNSR") == pl.col("cnsr")) & (pl.col("AVAL") == pl.col("aval"))).height == 258
    # Overall survival: the dates of laboratory results and visits, which ADSL took LSTALVDT from as well, are not in the
    # data; deaths and their days must be the same, and no censoring can come later than a known sign of life allows.
    events, names = sdtm
    concepts = Concepts.read(HERE / "concepts.yaml")
    concepts.by_name["last_contact"].codes[:] = ["SDTM//DM", "SDTM//EX", "SDTM//AESTDTC", "SDTM//AEENDTC"]
    ours = derive(events, randomised(events), "OS", concepts).with_columns(
        pl.col("subject_id").replace_strict(names).alias("USUBJID")
    )
    theirs = (
        table(real_data, "adam_adtte_onco")
        .filter(pl.col("PARAMCD") == "OS")
        .select("USUBJID", pl.col("CNSR").cast(pl.Int64).alias("cnsr"), pl.col("AVAL").cast(pl.Int64).alias("aval"))
    )
    joined = ours.join(theirs, on="USUBJID")
    assert joined.height == 254
    assert joined.filter(pl.col("CNSR") == pl.col("cnsr")).height == 254
    dead = joined.filter(pl.col("CNSR") == 0)
    assert dead.height == 3
    assert (dead["AVAL"] == dead["aval"]).all()


@pytest.mark.parametrize("source", ["adam", "sdtm"])
@pytest.mark.parametrize("parameter", ["BOR", "CBOR"])
def test_best_overall_response(source: str, parameter: str, request: pytest.FixtureRequest, real_data: Path) -> None:
    events, names = request.getfixturevalue(source)
    index = pl.DataFrame({"subject_id": list(names)}).join(randomised(events), on="subject_id", how="left")
    found = derive_responses(events, index, [f"{parameter}REP"], Concepts.read(HERE / "concepts.yaml"))
    best = found.filter(pl.col("PARAMCD") == f"{parameter}REP").with_columns(
        pl.col("subject_id").replace_strict(names).alias("USUBJID")
    )
    adrs = table(real_data, "adam_adrs_onco").filter(pl.col("PARAMCD") == parameter)
    both = adrs.select(
        "USUBJID", pl.col("AVALC").alias("avalc"), pl.col("AVAL").cast(pl.Int64).alias("aval"), pl.col("ADT").alias("adt")
    ).join(best, on="USUBJID")
    assert both.height == 306
    assert both.filter(pl.col("AVALC") == pl.col("avalc")).height == 306
    assert both.filter(pl.col("AVAL") == pl.col("aval")).height == 306
    assert both.filter(pl.col("ADT").eq_missing(pl.col("adt").str.to_date())).height == 306


@pytest.mark.parametrize(
    ("evaluator", "reader"),
    [("INVESTIGATOR", None), ("INDEPENDENT ASSESSOR", "RADIOLOGIST 1"), ("INDEPENDENT ASSESSOR", "RADIOLOGIST 2")],
)
def test_overall_responses_from_the_lesions(real_data: Path, evaluator: str, reader: str | None) -> None:
    """TR and TU to OVRLRESP: nodes by their short axis, others by their longest diameter."""
    mine = (pl.col("EVAL") == evaluator) & pl.col("EVALID").eq_missing(pl.lit(reader, dtype=pl.String))
    identified = table(real_data, "sdtm_tu_onco_recist").rename({"TUEVAL": "EVAL", "TUEVALID": "EVALID"}).filter(mine)
    measured = table(real_data, "sdtm_tr_onco_recist").rename({"TREVAL": "EVAL", "TREVALID": "EVALID"}).filter(mine)
    given = table(real_data, "sdtm_rs_onco_recist").rename({"RSEVAL": "EVAL", "RSEVALID": "EVALID"}).filter(mine)
    compared = 0
    for subject in sorted(given["USUBJID"].unique()):
        own = identified.filter(pl.col("USUBJID") == subject)
        nodes = {
            row["TULNKID"]: row["TULOC"] == "LYMPH NODE"
            for row in own.filter(pl.col("TUSTRESC") == "TARGET").iter_rows(named=True)
        }
        sizes: dict[str, dict[str, float]] = {}
        states: dict[str, list[str]] = {}
        for row in measured.filter(pl.col("USUBJID") == subject).iter_rows(named=True):
            lesion, visit = row["TRLNKID"], row["VISITNUM"]
            if row["TRTESTCD"] == "TUMSTATE":
                states.setdefault(visit, []).append(row["TRSTRESC"])
            elif row["TRTESTCD"] == ("LPERP" if nodes.get(lesion) else "LDIAM") and row["TRSTRESC"] is not None:
                sizes.setdefault(visit, {})[lesion] = float(row["TRSTRESC"])
        responses = given.filter(pl.col("USUBJID") == subject).sort(pl.col("VISITNUM").cast(pl.Float64))
        new = own.filter(pl.col("TUSTRESC") == "NEW")["VISITNUM"].to_list()
        start = sizes.get("1", {})
        lesions = [Lesion(name, start[name], node) for name, node in nodes.items()]
        visits = [
            Visit(dict(sizes.get(number, {})), non_target(states.get(number, []), "1" in states), number in new)
            for number in responses["VISITNUM"]
        ]
        found = [response.overall for response in recist(lesions, visits)]
        expected = responses["RSSTRESC"].to_list()
        if (reader, subject) == ("RADIOLOGIST 2", "01-701-1133"):
            # After a complete response a lesion of 4.95 mm is back. The release asks for 5 mm more than a nadir of zero and
            # says PR after CR; a lesion that comes back after CR is progression (Schwartz et al., Eur J Cancer 2016;62:132).
            assert (expected[2], found[2]) == ("PR", "PD")
            expected[2] = "PD"
        assert found == expected, subject
        compared += len(found)
    assert compared == 22


def non_target(states: list[str], had_some: bool) -> NonTarget:
    if not had_some:
        return "NA"
    if not states or "NOT EVALUABLE" in states:
        return "NE"
    if "UNEQUIVOCAL PROGRESSION" in states or "UNEQUIVOCAL" in states:
        return "PD"
    return "CR" if set(states) <= {"ABSENT"} else "NON-CR/NON-PD"


def test_responses_from_the_lesions_of_the_timeline(real_data: Path, tmp_path: Path) -> None:
    """TR and TU as events, then the responses of all visits and the best of them, against what the investigators reported."""
    files = ["sdtm_dm", "sdtm_ds", "sdtm_tu_onco_recist", "sdtm_tr_onco_recist", "sdtm_rs_onco_recist"]
    events, names = events_of(real_data, "sdtm_lesions", files, tmp_path)
    codes = ["BOR", "CBOR", "BORREP", "CBORREP"]
    adrs = derive_responses(events, randomised(events), codes, Concepts.read(HERE / "concepts.yaml"))
    adrs = adrs.with_columns(pl.col("subject_id").replace_strict(names).alias("USUBJID"))
    given = table(real_data, "sdtm_rs_onco_recist").filter(pl.col("RSEVAL") == "INVESTIGATOR")
    given = given.sort("USUBJID", pl.col("VISITNUM").cast(pl.Float64))
    ours = adrs.filter(pl.col("PARAMCD") == "OVR").sort("USUBJID", "ADT", maintain_order=True)
    assert ours.select("USUBJID", "AVALC").rows() == given.select("USUBJID", "RSSTRESC").rows()
    assert ours.height == 22
    for code in ("BOR", "CBOR"):
        both = [
            adrs.filter(pl.col("PARAMCD") == name).sort("USUBJID").select("USUBJID", "AVALC", "AVAL", "ADT")
            for name in (code, f"{code}REP")
        ]
        assert both[0].rows() == both[1].rows()
        assert both[0].height == 254
        release = table(real_data, "adam_adrs_onco").filter(pl.col("PARAMCD") == code)
        same = both[0].join(release.select("USUBJID", pl.col("AVALC").alias("given")), on="USUBJID")
        assert same.height == 254
        assert same.filter(pl.col("AVALC") == pl.col("given")).height == 254


STOPPED = """endpoints: 1
endpoint:
  PFSNACT: &pfs
    version: "1.0.0"
    text: Progression Free Survival prior to NACT
    origin: index
    events: [{concept: progression, text: PD}, {concept: death, text: DEATH}]
    censor: {concept: tumour_assessment, text: LAST, otherwise: imaging_examination}
    stop_at: [{concept: new_therapy, text: NACT}]
  PFSMISS: {<<: *pfs, stop_at: [], missed_days: 126}
"""
NACT = {"01-701-1015": "2014-06-18", "01-701-1028": "2014-01-14", "01-701-1034": "2014-12-16", "01-701-1097": "2013-12-31"}
"""First dates of new anticancer therapy, as admiralonco's vignette on them has it (nactdt.Rmd, CM and PR together)."""


@dataclass(frozen=True)
class Visits:
    """What the release says of one subject: randomisation, evaluable assessments, first progression, death."""

    start: date
    assessed: list[date]
    ends: list[date]

    def by_admiral(self, nact: date | None, missed: int | None) -> tuple[date, int]:
        """Return ADT and CNSR by adtte.Rmd: events before NACT, else the last assessment before it, else randomisation."""
        before = [day for day in [self.start, *self.assessed] if nact is None or day == self.start or day < nact]
        ends = [day for day in self.ends if nact is None or day < nact]
        if not ends:
            return max(before), 1
        seen = max(day for day in before if day < min(ends) or day == self.start)
        return (seen, 1) if missed is not None and (min(ends) - seen).days > missed else (min(ends), 0)


def visits_of(real_data: Path, starts: dict[str, date]) -> dict[str, Visits]:
    adrs = table(real_data, "adam_adrs_onco").filter((pl.col("PARAMCD") == "OVR") & (pl.col("ANL01FL") == "Y"))
    found = adrs.select("USUBJID", "AVALC", pl.col("ADT").str.to_date()).sort("ADT")
    dead = dict(table(real_data, "adam_adsl").select("USUBJID", pl.col("DTHDT").str.to_date()).drop_nulls().iter_rows())
    out = {}
    for name, start in starts.items():
        own = found.filter(pl.col("USUBJID") == name)
        progressed = own.filter(pl.col("AVALC") == "PD")["ADT"].to_list()[:1]
        out[name] = Visits(
            start, own.filter(pl.col("AVALC") != "NE")["ADT"].to_list(), [*progressed, *([dead[name]] if name in dead else [])]
        )
    return out


@pytest.mark.parametrize("seed", [None, 0, 1, 2])
def test_progression_free_survival_with_new_therapy_and_missed_visits(
    seed: int | None, adam: tuple[pl.DataFrame, dict[int, str]], real_data: Path, tmp_path: Path
) -> None:
    """The rules of admiralonco's ADTTE vignette, worked out apart from ours, on the release, with its NACT dates and with drawn ones.

    Ours differs in two ways, which `docs/clinical.md` names: what is found on the day of the new therapy counts, and a therapy before
    the start stops nothing.
    """
    events, names = adam
    (tmp_path / "concepts.yaml").write_text((HERE / "concepts.yaml").read_text() + '  new_therapy: {codes: ["CM//NACT"]}\n')
    (tmp_path / "endpoints.yaml").write_text(STOPPED)
    concepts, endpoints = Concepts.read(tmp_path / "concepts.yaml"), Endpoints.read(tmp_path / "endpoints.yaml")
    index = randomised(events)
    starts = {names[subject]: day for subject, day in index.with_columns(pl.col("time").dt.date()).iter_rows()}
    visits = visits_of(real_data, starts)
    nact = {name: date.fromisoformat(day) for name, day in NACT.items() if name in starts}
    if seed is not None:
        drawn = Random(seed)
        nact = {name: start + timedelta(days=drawn.randrange(1, 200)) for name, start in starts.items() if drawn.random() < 0.6}
        nact |= {name: drawn.choice(one.assessed) for name, one in visits.items() if one.assessed and drawn.random() < 0.3}
    numbers = {name: number for number, name in names.items()}
    days = pl.DataFrame({"subject_id": [numbers[name] for name in nact], "time": list(nact.values())}).with_columns(
        pl.col("time").cast(pl.Datetime("us")), pl.lit("CM//NACT").alias("code"), pl.lit("P/csv/cm").alias("source"))  # fmt: skip
    therapy = days.with_columns(time_min="time", time_max="time").with_row_index("source_row")
    all_events = EVENTS.conform(pl.concat([events, therapy.cast({"source_row": events.schema["source_row"]})], how="diagonal"))
    for code, missed in (("PFSNACT", None), ("PFSMISS", 126)):
        stops = nact if missed is None else {}
        ours = derive(all_events, index, code, concepts, endpoints)
        found = {names[row["subject_id"]]: (row["ADT"], row["CNSR"]) for row in ours.iter_rows(named=True)}
        differ = {name for name, one in visits.items() if found[name] != one.by_admiral(stops.get(name), missed)}
        expected = {
            name for name in differ if stops.get(name) in visits[name].assessed or stops.get(name, date.max) <= starts[name]
        }
        assert (len(found), differ - expected) == (254, set())
        assert code == "PFSMISS" or (len(differ) == 1 if seed is None else 0 < len(differ) < 8)
