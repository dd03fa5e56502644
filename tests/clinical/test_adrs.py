"""Tumour responses of a timeline: lesions to visits, visits to responses, responses to the best of them."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clinical.whole import read_events
from unibase.clinical.derived.adrs import ADRS, response_events
from unibase.clinical.derived.endpoint_definitions import Endpoints
from unibase.clinical.derived.endpoints import derive, derive_responses
from unibase.clinical.derived.lesions import measurements
from unibase.clinical.derived.recist import Lesion, Visit, recist
from unibase.clinical.timelines.centre import TimelineTask
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import EVENTS
from unibase.privacy.subjects import Subject, SubjectLookup

INDEX = date(2020, 1, 1)
START = pl.DataFrame({"subject_id": [1], "time": [datetime(2020, 1, 1)]})
Row = tuple[int, str, float | None, str | None]
"""Day after the index, code without its prefix, size in mm, text."""


def timeline(*rows: Row, unit: str | None = "mm") -> pl.DataFrame:
    times = [datetime(2020, 1, 1) + timedelta(days=day) for day, *_ in rows]
    day = pl.Series(times, dtype=pl.Datetime("us"))
    return EVENTS.conform(
        pl.DataFrame(
            {
                "subject_id": [1] * len(rows),
                "time": day,
                "code": [f"LESION//{code}" for _, code, _, _ in rows],
                "numeric_value": [size for *_, size, _ in rows],
                "text_value": [text for *_, text in rows],
                "time_min": day,
                "time_max": day,
                "unit": [unit] * len(rows),
                "source": ["A/csv/tr"] * len(rows),
                "source_row": list(range(1, len(rows) + 1)),
            },
            schema_overrides={"numeric_value": pl.Float32, "text_value": pl.String, "unit": pl.String},
        )
    )


def responses(events: pl.DataFrame, code: str = "BOR", text: str = "", folder: Path | None = None) -> pl.DataFrame:
    definitions = None
    if folder is not None:
        (folder / "definitions.yaml").write_text(f"endpoints: 1\n{text}", encoding="utf-8")
        definitions = Endpoints.read(folder / "definitions.yaml")
    return derive_responses(events, START, [code], endpoints=definitions)


def values(adrs: pl.DataFrame, code: str) -> list[tuple[int, str | None]]:
    rows = adrs.filter(pl.col("PARAMCD") == code).select("ADT", "AVALC").rows()
    return [((day - INDEX).days if day else -1, value) for day, value in rows]


BASE: list[Row] = [(-7, "TARGET//T1", 60.0, None), (-7, "TARGET//T2", 40.0, None), (-6, "NON_TARGET//N1", None, "PRESENT")]


def test_the_last_measurement_before_the_index_is_the_baseline_and_a_visit_may_take_days() -> None:
    events = timeline(
        (-20, "TARGET//T1", 90.0, None),
        *BASE,
        (50, "TARGET//T1", 40.0, None),
        (53, "TARGET//T2", 30.0, None),
        (55, "NON_TARGET//N1", None, "PRESENT"),
    )
    found = responses(events)
    assert values(found, "OVR") == [(55, "PR")]
    row = found.row(0, named=True)
    assert (row["TRGRESP"], row["NTRGRESP"], row["NEWLPROG"], row["SUMDIAM"]) == ("PR", "NON-CR/NON-PD", "N", 70.0)
    assert (row["SRCDOM"], row["SRCSEQ"], row["STARTDT"], row["AVAL"]) == ("A/csv/tr", 5, INDEX, 2)
    assert values(found, "BOR") == [(55, "PR")]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # Progression dates from the first day of its visit.
        ([(60, "TARGET//T1", 90.0, None), (62, "TARGET//T2", 40.0, None)], [(60, "PD")]),
        ([(60, "NEW//L1", 8.0, None), (63, "TARGET//T1", 60.0, None)], [(60, "PD")]),
        ([(60, "NEW//L1", None, "EQUIVOCAL"), (60, "TARGET//T1", 60.0, None), (60, "TARGET//T2", 40.0, None)], [(60, "SD")]),
        ([(60, "NON_TARGET//N1", None, "UNEQUIVOCAL"), (60, "TARGET//T1", 60.0, None)], [(60, "PD")]),
        # A target that could not be measured, and one that was not looked at.
        ([(60, "TARGET//T1", None, "NE"), (60, "TARGET//T2", 30.0, None)], [(60, "NE")]),
        ([(60, "TARGET//T2", 30.0, None)], [(60, "NE")]),
        # All gone, but the non-target lesion was not looked at.
        ([(60, "TARGET//T1", 0.0, None), (60, "TARGET//T2", 0.0, None)], [(60, "PR")]),
        (
            [(60, "TARGET//T1", 0.0, None), (60, "TARGET//T2", 0.0, None), (60, "NON_TARGET//N1", None, "absent")],
            [(60, "CR")],
        ),
        # Two visits when more days lie between than a visit may take.
        ([(60, "TARGET//T1", 30.0, None), (75, "TARGET//T2", 30.0, None)], [(60, "NE"), (75, "NE")]),
        # Of two measurements in one visit the later counts.
        ([(60, "TARGET//T1", 90.0, None), (61, "TARGET//T1", 30.0, None), (61, "TARGET//T2", 30.0, None)], [(61, "PR")]),
    ],
)
def test_visits(rows: list[Row], expected: list[tuple[int, str]]) -> None:
    assert values(responses(timeline(*BASE, *rows)), "OVR") == expected


def test_a_node_counts_by_its_short_axis_and_is_normal_below_ten_millimetres() -> None:
    declared = [(-7, "TARGET//T1", 30.0, None), (-7, "SHORT_AXIS//T1", 20.0, None), (-7, "NODE//T1", None, None)]
    alone = [(-7, "SHORT_AXIS//T1", 20.0, None)]
    after: list[Row] = [(60, "TARGET//T1", 14.0, None), (60, "SHORT_AXIS//T1", 9.0, None)]
    for before in (declared, alone):
        found = responses(timeline(*before, *after))
        assert found.select("AVALC", "SUMDIAM").row(0) == ("CR", 9.0)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([(-40, "TARGET//T1", 60.0, None), (60, "TARGET//T1", 30.0, None)], "no-baseline"),
        ([(-4, "TARGET//T1", 6.0, None), (60, "TARGET//T1", 3.0, None)], "unmeasurable-target"),
        ([(-4, f"TARGET//T{n}", 20.0, None) for n in range(6)], "too-many-targets"),
    ],
)
def test_who_cannot_be_assessed_has_no_response_and_a_reason(rows: list[Row], problem: str) -> None:
    for code in ("BOR", "IBOR"):
        found = responses(timeline(*rows), code)
        assert found["AVALC"].null_count() == found.height == 2
        assert found["problem"].unique().to_list() == [problem]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ((60, "TARGET//T9", 12.0, None), "lesion-without-baseline"),
        ((60, "NON_TARGET//N1", None, "no idea"), "unknown-state"),
    ],
)
def test_what_is_not_understood_is_said_and_left_out(row: Row, problem: str) -> None:
    events = timeline(*BASE, (60, "TARGET//T1", 60.0, None), (60, "TARGET//T2", 40.0, None), row)
    found = responses(events)
    assert values(found, "OVR") == [(60, "SD")]
    assert found["problem"].unique().to_list() == [problem]


def test_a_day_known_in_part_is_a_visit_of_its_own_and_is_marked() -> None:
    events = timeline(*BASE, (60, "TARGET//T1", 60.0, None), (66, "TARGET//T1", 30.0, None), (66, "TARGET//T2", 20.0, None))
    partial = (pl.col("source_row") == 4) & (pl.col("code") == "LESION//TARGET//T1")
    events = events.with_columns(
        pl.when(partial).then(None).otherwise("time").alias("time"),
        pl.when(partial).then(pl.col("time_min") - pl.duration(days=20)).otherwise("time_min").alias("time_min"),
    )
    found = responses(events)
    assert values(found, "OVR") == [(60, "NE"), (66, "PR")]
    assert found["problem"].unique().to_list() == ["partial-date"]


def test_centimetres_are_ten_millimetres_and_other_units_are_no_size() -> None:
    rows: list[Row] = [(-7, "TARGET//T1", 6.0, None), (60, "TARGET//T1", 4.0, None)]
    assert responses(timeline(*rows, unit="cm"))["SUMDIAM"][0] == 40.0
    assert responses(timeline(*rows, unit="kg"))["AVALC"].to_list() == ["MISSING"]


def test_without_any_lesion_the_best_response_is_missing() -> None:
    found = responses(EVENTS.empty())
    assert found.select("PARAMCD", "AVALC", "AVAL", "problem").rows() == [("BOR", "MISSING", 7, None)]
    assert found.schema == ADRS


def test_immune_responses_wait_for_confirmation_and_end_with_it() -> None:
    sizes = {60: 130.0, 90: 65.0, 120: 130.0, 150: 140.0, 180: 20.0}
    rows = [(day, "TARGET//T1", size, None) for day, size in sizes.items()]
    events = timeline((-7, "TARGET//T1", 100.0, None), *rows)
    assert values(responses(events, "IBOR"), "IOVR") == [(60, "iUPD"), (90, "iPR"), (120, "iUPD"), (150, "iCPD"), (180, "iCPD")]
    assert values(responses(events, "IBOR"), "IBOR") == [(90, "iPR")]
    assert values(responses(events), "BOR") == [(60, "PD")]
    only = timeline((-7, "TARGET//T1", 100.0, None), (60, "TARGET//T1", 130.0, None))
    assert values(responses(only, "IBOR"), "IBOR") == [(60, "iUPD")]


def test_reported_responses_are_taken_as_the_centre_says_them() -> None:
    events = timeline((60, "x", None, "PR"), (100, "x", None, "LOINC//LA28366-5"), (130, "x", None, "better"))
    events = events.with_columns(
        pl.when(pl.col("source_row") == 2).then(pl.lit("LOINC//88040-1")).otherwise(pl.lit("RECIST//OVRLRESP")).alias("code")
    )
    found = responses(events, "BORREP")
    assert values(found, "OVRREP") == [(60, "PR"), (100, "CR"), (130, None)]
    assert values(found, "BORREP") == [(100, "CR")]
    assert found.filter(pl.col("AVALC").is_null())["problem"].to_list() == ["unknown-response"]


def test_a_progression_from_lesions_ends_progression_free_survival() -> None:
    events = timeline(*BASE, (60, "TARGET//T1", 60.0, None), (60, "TARGET//T2", 40.0, None), (100, "NEW//L1", 9.0, None))
    derived = response_events(responses(events))
    assert derive(events, START, "PFS").select("AVAL", "CNSR").row(0) == (101, 1)
    ended = derive(pl.concat([events, derived]), START, "PFS")
    assert ended.select("AVAL", "CNSR", "EVNTDESC", "SRCDOM", "SRCSEQ").row(0) == (101, 0, "DISEASE PROGRESSION", "A/csv/tr", 6)


def test_a_study_declares_its_own_responses(tmp_path: Path) -> None:
    events = timeline((-60, "TARGET//T1", 60.0, None), (20, "TARGET//T1", 60.0, None))
    text = (
        "response:\n  OURS: {version: '1', text: Ours, criteria: RECIST 1.1, baseline_days: 90}\n"
        "best_response:\n  BEST: {version: '1', text: Best of ours, of: OURS, stable_days: 14}\n"
    )
    found = responses(events, "BEST", text, tmp_path)
    assert found.select("PARAMCD", "AVALC").rows() == [("OURS", "SD"), ("BEST", "SD")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "best_response: {B: {version: '1', text: b, of: NONE}}",
            r"best_response\.B\.of: no response NONE; known: IOVR, LOVR, MOVR, MOVRREP, OVR, OVRREP, POVR, PSAOVR, ROVR",
        ),
        ("response: {O: {version: '1', text: o, criteria: WHO}}", r"response\.O\.criteria"),
        ("best_response: {B: {version: '1', text: b, of: OVR, confirm_days: 0}}", r"best_response\.B\.confirm_days"),
    ],
)
def test_a_wrong_definition_is_told_by_its_key(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        responses(EVENTS.empty(), "BOR", text, tmp_path)


def test_an_unknown_response_is_told() -> None:
    with pytest.raises(UserError, match="No best response is named NOPE"):
        responses(EVENTS.empty(), "NOPE")


@given(
    st.lists(st.lists(st.one_of(st.none(), st.integers(0, 1200)), min_size=2, max_size=2), min_size=1, max_size=6),
    st.randoms(use_true_random=False),
)
def test_the_timeline_gives_what_the_lesions_give(visits: list[list[int | None]], random: object) -> None:
    """Tenths of millimetres pass through float32 events in any order of rows, and give what `recist` says of them."""
    lesions = [Lesion("T1", 30.3), Lesion("T2", 20.7)]
    rows: list[Row] = [(-1, f"TARGET//{one.name}", one.diameter, None) for one in lesions]
    seen = []
    for number, sizes in enumerate(visits, start=1):
        exact = {one.name: None if size is None else size / 10 for one, size in zip(lesions, sizes, strict=True)}
        rows += [(number * 30, f"TARGET//{name}", size, None if size is not None else "NE") for name, size in exact.items()]
        seen.append(Visit(exact))
    random.shuffle(rows)  # type: ignore[attr-defined]
    found = values(responses(timeline(*rows)), "OVR")
    assert found == [(30 * n, one.overall) for n, one in enumerate(recist(lesions, seen), start=1)]


def test_lesions_come_from_omop_by_a_concept_of_the_centre_and_from_fhir_by_a_coding(tmp_path: Path) -> None:
    files = {
        "omop/person.csv": "person_id,gender_concept_id,year_of_birth\n1,8507,1950\n",
        "omop/concept.csv": "concept_id,vocabulary_id,concept_code\n2000000001,LESION,TARGET//T1\n8588,UCUM,mm\n",
        "omop/measurement.csv": "measurement_id,person_id,measurement_concept_id,measurement_date,value_as_number,unit_concept_id,"
        "measurement_source_concept_id\n1,1,0,2020-01-01,30.5,8588,2000000001\n",
        "fhir/Patient.ndjson": json.dumps({"resourceType": "Patient", "id": "1"}),
        "fhir/Observation.ndjson": json.dumps(
            {
                "resourceType": "Observation",
                "status": "final",
                "subject": {"reference": "Patient/1"},
                "effectiveDateTime": "2020-01-01",
                "code": {"coding": [{"system": "https://centre.example/lesion", "code": "TARGET//T1"}]},
                "valueQuantity": {"value": 3.05, "system": "http://unitsofmeasure.org", "code": "cm"},
            }
        ),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    for source in ("omop", "fhir"):
        lookup = SubjectLookup({("A", source, "1"): Subject(1, 0)})
        found, _ = measurements(read_events(TimelineTask(source, tmp_path / source, "A", lookup)).events)
        assert [(one.kind, one.lesion, one.size, one.day) for one in found[1]] == [("TARGET", "T1", 30.5, INDEX)]
