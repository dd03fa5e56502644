"""The rules of docs/clinical-rules.md, row by row: the page is the specification and the manual at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any, cast, get_args

import polars as pl
import pytest

from tests.clinical.test_derivations import events, index
from unibase.clinical.derived.endpoints import derive
from unibase.clinical.derived.recist import Lesion, Visit, irecist, overall_response, recist
from unibase.clinical.formats import omop, omop_concepts
from unibase.clinical.formats.fhir_fields import Context
from unibase.clinical.formats.fhir_source_events import read_resources
from unibase.clinical.formats.mapping import map_table
from unibase.clinical.formats.mapping_rules import TableMapping
from unibase.clinical.sources.events import SOURCE_EVENTS
from unibase.clinical.sources.problem_rows import RowProblem
from unibase.clinical.sources.reading import SourceTable
from unibase.clinical.timelines.cutoff import CutOff, keep_until
from unibase.clinical.timelines.door import pass_table
from unibase.clinical.timelines.plausibility import refuted_deaths, settle
from unibase.clinical.words.acts import FHIR_INTENT, FHIR_STATUS, FHIR_VERIFICATION, REFUTED
from unibase.clinical.words.date_forms import Order
from unibase.clinical.words.partial_dates import UNKNOWN_MIN, add_dates
from unibase.clinical.words.tnm import Kind, category
from unibase.clinical.words.units import convert_expressions

PAGE = Path(__file__).resolve().parents[2] / "docs" / "clinical-rules.md"


def rows(header: str) -> list[tuple[str, ...]]:
    """The rows of the tables of the page that have this header."""
    found: list[tuple[str, ...]] = []
    lines = iter(PAGE.read_text(encoding="utf-8").splitlines())
    for line in lines:
        if line.replace(" ", "") == header.replace(" ", ""):
            next(lines)
            found += [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in _until_blank(lines)]
    assert found, header
    return found


def _until_blank(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if not line.startswith("|"):
            return
        yield line


ACTS = rows("| resource | field | word | becomes |")
DATED = {"Encounter": {"period": {"start": "2020-01-01"}}, "Immunization": {"occurrenceDateTime": "2020-01-01"}}
CODE = {"coding": [{"system": "http://loinc.org", "code": "718-7"}]}


def resource(kind: str, field: str, word: str) -> dict[str, Any]:
    said: Any = {"coding": [{"code": word}]} if field in {"verificationStatus", "dataAbsentReason"} else word
    said = True if word == "true" else said
    moment = "2020-01-01"
    dates = dict.fromkeys(
        ("onsetDateTime", "effectiveDateTime", "performedDateTime", "authoredOn", "whenHandedOver", "started"), moment
    )
    return {
        "resourceType": kind, "id": "1", "subject": {"reference": "Patient/p"}, "patient": {"reference": "Patient/p"}, "code": CODE,
        "medicationCodeableConcept": CODE, "vaccineCode": CODE, "type": CODE, "modality": [{"code": "CT"}], **dates,
        "collection": {"collectedDateTime": moment}, **DATED.get(kind, {}), field: said,
    }  # fmt: skip


@pytest.mark.parametrize(("kind", "field", "word", "becomes"), ACTS)
def test_acts_of_fhir(kind: str, field: str, word: str, becomes: str) -> None:
    table = read_resources([(1, [resource(kind, field, word)])], kind, Context(), frozenset())
    if becomes.startswith("set aside"):
        assert table.events.is_empty()
        assert [problem.reason for problem in table.problems] == [becomes.split("`")[1]]
        return
    code = table.events["code"].item()
    prefix = becomes.strip("`") if becomes != "event" else ""
    assert code.startswith(prefix) and not (becomes == "event" and code.startswith(("PLANNED//", "SUSPECTED//")))
    assert not table.problems


LOW = {
    "resourceType": "Observation",
    "id": "1",
    "subject": {"reference": "Patient/p"},
    "code": CODE,
    "effectiveDateTime": "2020-01-01",
}


@pytest.mark.parametrize(
    ("text", "number", "kept", "told"),
    [("12,5", 12.5, None, []), ("12.5", 12.5, None, []), ("-0,125", -0.125, None, []), ("1,234", None, None, ["not-a-number"]),
     ("12", 12.0, None, []), ("cT1c", None, "cT1c", [])],
)  # fmt: skip
def test_numbers_that_fhir_writes_as_texts(text: str, number: float | None, kept: str | None, told: list[str]) -> None:
    table = read_resources([(1, [{**LOW, "valueString": text}])], "Observation", Context(), frozenset({"cT1c"}))
    assert (table.events["numeric_value"].item(), table.events["text_value"].item()) == (number, kept)
    assert [problem.reason for problem in table.problems] == told


@pytest.mark.parametrize(
    ("unit", "code", "number", "kept"),
    [("g/dL", "g/dL", 12.5, "g/dL"), ("g/L", "g/dL", None, None), ("mg/L", "g/L", None, None), ("beats/minute", "/min", 12.5, "/min"),
     ("G/DL", "g/dL", 12.5, "g/dL"), ("minutes", "min", 12.5, "min"), ("g/dL", None, 12.5, "g/dL"), ("mmHg", "mm[Hg]", 12.5, "mm[Hg]"),
     ("K/uL", "10*3/uL", 12.5, "10*3/uL"), ("mmol/L", "mg/dL", None, None),
     ("U/L", "[IU]/L", 12.5, "[IU]/L"), ("%", "%", 12.5, "%"), ("unknown", "g/dL", 12.5, "g/dL")],
)  # fmt: skip
def test_words_and_code_of_a_unit_that_are_two_units(unit: str, code: str | None, number: float | None, kept: str | None) -> None:
    quantity = {"value": 12.5, "unit": unit, **({"code": code} if code else {})}
    table = read_resources([(1, [{**LOW, "valueQuantity": quantity}])], "Observation", Context(), frozenset())
    assert (table.events["numeric_value"].item(), table.events["unit"].item()) == (number, kept)
    assert [problem.reason for problem in table.problems] == ([] if number else ["unknown-unit"])


@pytest.mark.parametrize(("said", "reasons"), [("family-history", ["about-another"]), ("problem-list-item", [])])
def test_a_condition_of_the_family(said: str, reasons: list[str]) -> None:
    condition = {**LOW, "resourceType": "Condition", "onsetDateTime": "2020-01-01", "category": [{"coding": [{"code": said}]}]}
    table = read_resources([(1, [condition])], "Condition", Context(), frozenset())
    assert [problem.reason for problem in table.problems] == reasons
    assert table.events.is_empty() == bool(reasons)


@pytest.mark.parametrize(
    ("said", "dead", "told"),
    [(True, True, "missing-date"), ("true", True, "missing-date"), (1, True, "missing-date"), (False, False, None), ("false", False, None),
     ("0", False, None), ("perhaps", False, "malformed-resource")],
)  # fmt: skip
def test_deceased_as_sources_write_it(said: object, dead: bool, told: str | None) -> None:
    patient = {"resourceType": "Patient", "id": "7", "gender": "male", "deceasedBoolean": said}
    table = read_resources([(1, [patient])], "Patient", Context(), frozenset())
    assert ("MEDS_DEATH" in table.events["code"].to_list()) == dead
    assert [problem.reason for problem in table.problems] == ([told] if told else [])


def test_every_word_has_its_row() -> None:
    said = {(kind, field, word) for kind, field, word, _ in ACTS}
    assert {(kind, "status", word) for kind, words in FHIR_STATUS.items() for word in words} <= said
    assert {("MedicationRequest", "intent", word) for word in FHIR_INTENT} <= said
    assert {("Condition", "verificationStatus", word) for word in FHIR_VERIFICATION} <= said


@pytest.mark.parametrize(("concept", "becomes"), rows("| condition_status_concept_id | becomes |"))
def test_condition_status_of_omop(concept: str, becomes: str) -> None:
    frame = pl.DataFrame(
        {"source_row": [1], "person_id": ["7"], "condition_source_value": ["C34.1"], "condition_start_date": ["2020-01-01"],
         "condition_status_concept_id": [concept]}
    )  # fmt: skip
    table = omop.read_event_table(
        "condition_occurrence", SourceTable("condition_occurrence", frame, 1), omop_concepts.no_concepts(), frozenset()
    )
    assert table.events["code"].to_list() == [(becomes.strip("`") if becomes != "event" else "") + "ICD10//C34.1"]


@pytest.mark.parametrize(("column", "word", "kept"), [("rsstat", "NOT DONE", 0), ("RSSTAT", "not done", 0), ("rsstat", "", 1), ("faoccur", "N", 0), ("faoccur", "Y", 1)])  # fmt: skip
def test_what_sdtm_says_was_not_done(column: str, word: str, kept: int) -> None:
    frame = pl.DataFrame({"source_row": [1], "usubjid": ["7"], column.lower(): [word], "dtc": ["2020-01-01"], "resp": ["PR"]})
    events, _ = mapped([{"code": "RECIST//OVRLRESP", "date": "DTC", "text": "RESP"}], frame)
    assert events.height == kept


def mapped(rules: list[dict[str, Any]], frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    table = {"name": "t", "person": "usubjid", "events": rules}
    mapping = TableMapping.model_validate({"mapping": 1, "name": "m", "systems": ["ipp"], "tables": [table]})
    found = map_table(mapping, mapping.tables[0], SourceTable("t", frame, frame.height))
    return found.events, [problem.reason for problem in found.problems]


BORN = "1950-01-01"
EXPORT = CutOff(date(2024, 6, 30), False)
KNOWN = pl.DataFrame({"person": ["7"], "subject_id": [70], "shift_days": [0]})
DEATHS = rows("| what the source says | death | day | told |")


@pytest.mark.parametrize(("said", "death", "day", "told"), DEATHS)
def test_death_and_its_day_in_declared_tables(said: str, death: str, day: str, told: str) -> None:
    status, written = said.split(", ")
    written = {"no date": "", "before the birth": "1900-01-01", "after the day of the export": "2099-05-05"}.get(written, written)
    frame = pl.DataFrame({"source_row": [1], "usubjid": ["7"], "state": ["1" if status == "dead" else ""], "day": [written]})
    rules = [{"code": "MEDS_DEATH", "date": "day", "happened": {"state": ["1"]}}]
    check_death(*mapped(rules, frame), death, day, told)


@pytest.mark.parametrize(("said", "death", "day", "told"), [row for row in DEATHS if row[0].startswith("dead")])
@pytest.mark.parametrize("form", ["omop", "fhir"])
def test_death_and_its_day_where_a_record_says_dead(form: str, said: str, death: str, day: str, told: str) -> None:
    written = said.split(", ")[1]
    written = {"no date": "", "before the birth": "1900-01-01", "after the day of the export": "2099-05-05"}.get(written, written)
    if form == "omop":
        frame = pl.DataFrame({"source_row": [1], "person_id": ["7"], "death_date": [written]})
        table = omop.read_event_table("death", SourceTable("death", frame, 1), omop_concepts.no_concepts(), frozenset())
    else:
        patient = {"resourceType": "Patient", "id": "7", "gender": "male", "deceasedBoolean": True}
        patient |= {"deceasedDateTime": written} if written else {}
        table = read_resources([(1, [patient])], "Patient", Context(), frozenset())
    found = table.events.filter(pl.col("code") == "MEDS_DEATH")
    check_death(found, [problem.reason for problem in table.problems], death, day, told)


def check_death(events: pl.DataFrame, reasons: list[str], death: str, day: str, told: str) -> None:
    birth = pl.DataFrame({"person": ["7"], "code": ["MEDS_BIRTH"], "time": [datetime(1950, 1, 1)], "source_row": [2]})
    birth = birth.with_columns(time_min="time", time_max="time")
    events = pl.concat([events, birth], how="diagonal_relaxed").select(pl.col(name).cast(t) for name, t in SOURCE_EVENTS.items())
    passed = pass_table(events, KNOWN, set(), "A/x/y", EXPORT)
    reasons += [problem.reason for problem in passed.problems]
    refuted = refuted_deaths(passed.events)
    reasons += ["impossible-date"] * refuted.height
    settled = settle(passed.events, refuted, pl.DataFrame({"subject_id": [70], "latest": [EXPORT.moment]}))
    found = settled.filter(pl.col("code").str.contains("DEATH"))
    assert reasons == ([told.strip("`")] if told else [])
    if death == "no":
        assert found.is_empty()
        return
    row = found.row(0, named=True)
    assert row["code"] == (REFUTED if death == "marked" else "MEDS_DEATH")
    if death == "yes" and day == "unknown":
        assert (row["time"], row["time_min"], row["time_max"]) == (None, UNKNOWN_MIN, EXPORT.moment)
    elif death == "yes":
        ends = day.split(" to ")
        assert [str(row["time_min"].date()), str(row["time_max"].date())] == [ends[0], ends[-1]]


@pytest.mark.parametrize(("order", "text", "low", "high", "problem"), rows("| order | text | time_min | time_max | problem |"))
def test_dates(order: str, text: str, low: str, high: str, problem: str) -> None:
    written, _, pivot = order.partition(", two_digit_years ")
    assert written in get_args(Order)
    found = add_dates(pl.DataFrame({"d": [text]}), "d", cast(Order, written), pivot=int(pivot) if pivot else None).row(
        0, named=True
    )
    seconds = [str(found[name].replace(microsecond=0)) if found[name] else "" for name in ("time_min", "time_max")]
    assert (seconds, found["problem"] or "") == ([low, high], problem)


@pytest.mark.parametrize(("decimal", "text", "number", "sign", "problem"), rows("| decimal | text | number | sign | problem |"))
def test_numbers(decimal: str, text: str, number: str, sign: str, problem: str) -> None:
    frame = pl.DataFrame({"source_row": [1], "usubjid": ["7"], "day": ["2020-01-01"], "hb": [text]})
    table = {"name": "t", "person": "usubjid", "events": [{"code": "LOINC//1-8", "date": "day", "number": "hb"}]}
    mapping = TableMapping.model_validate(
        {"mapping": 1, "name": "m", "systems": ["ipp"], "tables": [table], "decimal": decimal or None}
    )
    found = map_table(mapping, mapping.tables[0], SourceTable("t", frame, 1))
    row = found.events.row(0, named=True)
    assert row["numeric_value"] == (pytest.approx(float(number)) if number else None)
    assert (row["text_value"] or "", [one.reason for one in found.problems]) == (sign, [problem] if problem else [])


UNITS = rows("| code | unit of the source | number | kept | unit | problem |")


@pytest.mark.parametrize(("code", "unit", "number", "kept", "kept_unit", "problem"), UNITS)
def test_units(code: str, unit: str, number: str, kept: str, kept_unit: str, problem: str) -> None:
    frame = pl.DataFrame({"source_row": [1], "code": [f"LOINC//{code}"], "numeric_value": [float(number)], "unit": [unit]})
    told: list[RowProblem] = []
    row = convert_expressions(frame, told).row(0, named=True)
    assert (row["numeric_value"], row["unit"] or "") == (pytest.approx(float(kept), rel=1e-5), kept_unit)
    assert [one.reason for one in told] == ([problem] if problem else [])


@pytest.mark.parametrize(("column", "days", "before", "after"), rows("| column | days | before | after |"))
def test_shifts(column: str, days: str, before: str, after: str) -> None:
    moment = datetime.fromisoformat(before)
    row = {
        "person": ["7"],
        "code": ["VISIT//AMB"],
        "source_row": [1],
        **{key: [moment] for key in ("time", "time_min", "time_max")},
        column: [moment],
    }
    frame = pl.DataFrame(row).select(
        (pl.col(name) if name in row else pl.lit(None)).cast(dtype).alias(name) for name, dtype in SOURCE_EVENTS.items()
    )
    passed = pass_table(frame, KNOWN.with_columns(shift_days=pl.lit(int(days))), set(), "A/x/y")
    assert passed.events[column].item() == datetime.fromisoformat(after)


@pytest.mark.parametrize(("written", "days", "earliest", "latest"), rows("| written | days | at the earliest | at the latest |"))
def test_shifts_of_partial_dates(written: str, days: str, earliest: str, latest: str) -> None:
    dated = add_dates(pl.DataFrame({"d": [written], "source_row": [1], "code": ["VISIT//AMB"], "person": ["7"]}), "d")
    frame = dated.select(
        (pl.col(name) if name in dated.columns else pl.lit(None)).cast(dtype).alias(name) for name, dtype in SOURCE_EVENTS.items()
    )
    event = pass_table(frame, KNOWN.with_columns(shift_days=pl.lit(int(days))), set(), "A/x/y").events.row(0, named=True)
    assert (event["time_min"].isoformat(" "), str(event["time_max"])) == (f"{earliest} 00:00:00", f"{latest} 23:59:59.999999")


@pytest.mark.parametrize(("row", "until", "becomes"), rows("| row | cut-off | becomes |"))
def test_cut_off(row: str, until: str, becomes: str) -> None:
    frame = add_dates(pl.DataFrame({"d": [row], "source_row": [4], "code": ["VISIT//AMB"]}), "d").drop("problem")
    events = frame.select((pl.col(n) if n in frame.columns else pl.lit(None)).cast(t).alias(n) for n, t in SOURCE_EVENTS.items())
    day, whose = until.split(", of the ")
    kept = keep_until(events, CutOff(date.fromisoformat(day), whose == "study"))
    assert kept.events.height == (1 if becomes == "event" else 0)
    reasons = [problem.reason for problem in kept.problems] + [key.split("\t")[0] for key in kept.tally]
    assert reasons == ([] if becomes == "event" else [becomes.split("`")[1]])
    assert len(kept.gone) == len(reasons)


def sizes_of(said: str) -> dict[str, float | None]:
    return {f"lesion {n}": None if size == "?" else float(size) for n, size in enumerate(said.split("+"))}


def visit_of(said: str) -> Visit:
    sizes, *new = said.split(" ")
    return Visit(sizes_of(sizes), new_lesion=bool(new), **({"new_lesion_sum": float(new[1])} if new[1:] else {}))


@pytest.mark.parametrize(
    ("baseline", "said", "expected", "immune", "why"), rows("| baseline | visits | RECIST 1.1 | iRECIST | why |")
)
def test_response_over_visits(baseline: str, said: str, expected: str, immune: str, why: str) -> None:
    lesions = [Lesion(name, size or 0.0) for name, size in sizes_of(baseline).items()]
    visits = [visit_of(one) for one in said.split("; ")]
    assert "; ".join(one.overall for one in recist(lesions, visits)) == expected
    assert "; ".join(irecist(lesions, visits)) == immune


@pytest.mark.parametrize(("target", "other", "new", "overall"), rows("| target | non-target | new lesion | overall |"))
def test_response_at_a_visit(target: Any, other: Any, new: str, overall: str) -> None:
    assert overall_response(target, other, new == "yes") == overall


@pytest.mark.parametrize(("found", "endpoint", "days", "happened"), rows("| found | endpoint | days | event |"))
def test_progression_and_censoring(found: str, endpoint: str, days: str, happened: str) -> None:
    made = []
    for one in found.split(", "):
        word, day = one.rsplit(" ", 1)
        made.append((1, "IMAGING//CT", day) if word == "CT" else (1, "RECIST//OVRLRESP", day, word))
    row = derive(events(*made), index((1, "2021-01-10")), endpoint).row(0, named=True)
    assert (row["AVAL"], row["CNSR"]) == (int(days), 0 if happened == "yes" else 1)


WORDS = {"CHANGE": "DERIVED//TREATMENT_CHANGE", "LINE": "DERIVED//LINE", "STOP": "DERIVED//TREATMENT_STOP"}


@pytest.mark.parametrize(("record", "endpoint", "days", "cnsr", "words"), rows("| on record | endpoint | days | CNSR | words |"))
def test_new_therapies_missed_visits_and_competing_events(record: str, endpoint: str, days: str, cnsr: str, words: str) -> None:
    made = []
    for one in record.split(", "):
        word, *cause, day = one.split(" ")
        if word == "DEATH":
            made.append((1, "MEDS_DEATH", day, *cause))
        else:
            made.append((1, WORDS[word], day) if word in WORDS else (1, "RECIST//OVRLRESP", day, word))
    row = derive(events(*made), index((1, "2021-01-10")), endpoint).row(0, named=True)
    assert (row["AVAL"], row["CNSR"], row["EVNTDESC"] or row["CNSDTDSC"]) == (int(days), int(cnsr), words)


def test_a_partial_date_may_leave_open_which_event_came_first() -> None:
    made = events((1, "RECIST//OVRLRESP", "2021-04", "PD"), (1, "MEDS_DEATH", "2021-04-20"))
    row = derive(made, index((1, "2021-01-10")), "TTP").row(0, named=True)
    assert (row["CNSR"], row["problem"]) == (2, "order-unknown")


@pytest.mark.parametrize(("kind", "written", "value", "prefix"), rows("| of | written | value | prefix |"))
def test_stage_and_tnm(kind: Kind, written: str, value: str, prefix: str) -> None:
    found = category(kind, written)
    assert (found.value if found else "", (found and found.prefix) or "") == (value, prefix)
