"""Lines of FHIR that are read shape by shape say what the reader of single resources makes of them, one by one."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from unibase.clinical.formats import fhir, fhir_blocks, fhir_shapes
from unibase.clinical.formats.fhir_blocks import Block, BlockRead, read_block
from unibase.clinical.formats.fhir_fields import Context
from unibase.clinical.formats.fhir_source_events import frame_of, read_lines
from unibase.clinical.formats.fhir_versions import hashes_of, hashes_of_lines

PERIODS = {"e1": ("2020-01-01T10:00:00Z", "2020-01-05"), "e2": ("2020-02-01", None), "e3": (None, "2020-03-01"), "e4": ("", None)}
DRUGS = {"m1": "ATC//L01XA01", "m2": "ATC//L01XA01\nRxNorm//40048"}


def known(encounters: set[str], medications: set[str]) -> Context:
    """What is known of some ids: no more than a reader was asked for."""
    return Context(
        {one: DRUGS[one] for one in medications & DRUGS.keys()}, {one: PERIODS[one] for one in encounters & PERIODS.keys()}
    )


def one_by_one(content: bytes) -> BlockRead:
    """The oracle: every line parsed and read by itself."""
    lines = [(number, fhir.parse_line(line)) for number, line in enumerate(content.split(b"\n"), start=8) if line.strip()]
    asked = [fhir.references(one) for _, found in lines for one in found or []]
    context = known({one for one, _ in asked if one}, {one for _, one in asked if one})
    return BlockRead(frame_of(read_lines(lines, context)), context.problems, context.tally)


def by_shape(content: bytes) -> BlockRead:
    starts = fhir_shapes.starts_of_lines(content)
    return read_block(Block(content, starts, fhir_shapes.filled_lines(content, starts), before=7), known)


def assert_same(content: bytes) -> None:
    expected, found = one_by_one(content), by_shape(content)
    assert_frame_equal(found.frame, expected.frame, check_exact=True)
    assert found.problems == expected.problems
    assert list(found.tally.items()) == list(expected.tally.items())


IDS = st.sampled_from(
    ["p1", "p2", "e1", "e2", "m1"] * 4
    + [
        "p1",
        "p2",
        "a-1",
        "12",
        "e1",
        "e2",
        "e3",
        "e4",
        "e9",
        "m1",
        "m2",
        "m9",
        "é",
        "",
        " p1",
        "x y",
        'q"q',
        "b\\c",
        "7046029-0001",
    ]
)
DATES = st.sampled_from(
    ["2020-01-02", "2020-01-03", "2021-05-06T07:08:09Z"] * 5
    + [
        "2020-01-02",
        "2020-01-02T03:04:05+01:00",
        "2020-02-30",
        "2020",
        "2020-05",
        "soon",
        "",
        "9999-12-31",
        "2020-01-02T00:00:00.000Z",
        "a\tb",
    ]
)
NUMBERS = st.sampled_from(
    [12.5, 33.9, 7, 0] * 4
    + [0, 1, -1, 0.0, 12.5, 33.9, 1e30, 1.5e-7, 12345678.1234567, 123456789012345678, True, None, "12", "x"]
)
PLACES = st.sampled_from(
    [
        "Patient/{}",
        "Encounter/{}",
        "Medication/{}",
        "http://a/fhir/Patient/{}",
        "urn:uuid:{}",
        "#{}",
        "Group/{}",
        "{}",
        "Patient/{}/_history/2",
        "",
    ]
)
CODES = st.sampled_from(
    [
        ("http://loinc.org", "718-7"),
        ("http://snomed.info/sct", "419099009"),
        ("http://loinc.org", "67162-8"),
        ("urn:x", "1"),
        (None, "2"),
        ("urn:x", None),
    ]
)


@st.composite
def references(draw: st.DrawFn, usual: str) -> object:
    place = usual if draw(st.integers(0, 5)) else draw(PLACES)
    return draw(st.sampled_from([None, "text", {}])) if not draw(st.integers(0, 30)) else {"reference": place.format(draw(IDS))}


@st.composite
def concepts(draw: st.DrawFn) -> object:
    return {"coding": [{"system": s, "code": c, "display": "été"} for s, c in draw(st.lists(CODES, min_size=1, max_size=2))]}


@st.composite
def quantities(draw: st.DrawFn) -> object:
    return {"value": draw(NUMBERS), "unit": draw(st.sampled_from(["g/dL", "%"]))}


@st.composite
def periods(draw: st.DrawFn) -> object:
    return {name: draw(DATES) for name in draw(st.sampled_from([["start"], ["end"], ["start", "end"], []]))}


FIELDS: Mapping[str, st.SearchStrategy[object]] = {
    "id": IDS, "subject": references("Patient/{}"), "encounter": references("Encounter/{}"), "code": concepts(), "valueQuantity": quantities(),
    "effectiveDateTime": DATES, "effectivePeriod": periods(), "issued": DATES, "recordedDate": DATES, "onsetDateTime": DATES,
    "performedDateTime": DATES, "authoredOn": DATES, "period": periods(), "medicationReference": references("Medication/{}"),
    "medicationCodeableConcept": concepts(), "valueInteger": NUMBERS, "focus": st.lists(references("Patient/{}"), max_size=1),
    "contained": st.just([{"resourceType": "Medication", "id": "m1", "code": {"coding": [{"system": "http://snomed.info/sct", "code": "1"}]}}]),
    "status": st.sampled_from(["final", "entered-in-error", "planned", "odd", 'a"b']), "birthDate": DATES, "deceasedDateTime": DATES,
    "meta": st.fixed_dictionaries({"lastUpdated": DATES, "versionId": st.just("1")}), "valueString": st.sampled_from(["12", "bénin", "id"]),
    "component": st.lists(st.fixed_dictionaries({"code": concepts(), "valueQuantity": quantities()}), max_size=2), "note": DATES,
    "extension": st.just([{"url": "http://x/y", "valueString": "z"}]), "modifierExtension": st.just([{"url": "http://x/y"}]),
}  # fmt: skip
USUAL = {
    "Observation": "id subject code effectiveDateTime valueQuantity", "Condition": "id subject encounter code",
    "MedicationRequest": "id subject encounter medicationReference", "Procedure": "id subject code performedDateTime",
    "Encounter": "id subject period", "Patient": "id birthDate deceasedDateTime", "Medication": "id code", "Basic": "id subject",
}  # fmt: skip


@st.composite
def alike(draw: st.DrawFn) -> list[str]:
    """Lines of one kind and the same fields; among them what is no resource at all."""
    kind = draw(st.sampled_from(sorted(USUAL)))
    names = [*USUAL[kind].split(), *draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=3))]
    values = {name: draw(FIELDS[name]) for name in names}
    out: list[str] = []
    for _ in range(draw(st.integers(1, 5))):
        for name in draw(st.lists(st.sampled_from(names), max_size=3)):
            values[name] = draw(FIELDS[name])
        blank = draw(st.sampled_from([None, (",", ":")]))
        out.append(json.dumps({"resourceType": kind, **values}, ensure_ascii=draw(st.booleans()), separators=blank))
    return out


ODD = [
    "",
    "  ",
    "{",
    "[]",
    '{"id":"a"}',
    '{"resourceType":"Patient","id":"a","id":"b"}',
    '{"resourceType":"Bundle","entry":[]}',
    '"',
    "\x00",
]


@st.composite
def blocks(draw: st.DrawFn) -> bytes:
    lines = [line for group in draw(st.lists(alike(), min_size=1, max_size=4)) for line in group]
    lines += draw(st.lists(st.sampled_from(ODD), max_size=2))
    if draw(st.booleans()):
        lines = draw(st.permutations(lines))
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    text = end.join(lines) + (end if draw(st.booleans()) else "")
    return text.encode() + (b"" if draw(st.integers(0, 9)) else b"\xff\n")


@given(blocks())
def test_shape_by_shape_is_one_by_one(content: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fhir_shapes, "LEAST", 1)
        assert_same(content)


LINE = (
    '{"resourceType":"%s","id":"%d","subject":{"reference":"Patient/p%d"},"encounter":{"reference":"Encounter/e%d"},'
    '"code":{"coding":[{"system":"http://loinc.org","code":"718-7"}]},"%s":"2020-01-0%d","valueQuantity":{"value":%s}}\n'
)


def written(kind: str = "Observation", date: str = "effectiveDateTime", number: str = "{}.5", lines: int = 9) -> bytes:
    rows = [LINE % (kind, k, k % 3, k % 5, date, k % 9 + 1, number.format(k)) for k in range(lines)]
    return "".join(rows).encode()


def test_lines_of_one_shape_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # What was filled in of nine lines is what each says, and none of them was parsed.
    parsed: list[int] = []
    monkeypatch.setattr(
        fhir_blocks, "_one_by_one", lambda block, lines, find: parsed.extend(lines) or BlockRead(frame_of([]), [], {})
    )
    found = by_shape(written()).frame
    assert not parsed
    assert found["person"].to_list() == [f"p{k % 3}" for k in range(9)]
    assert found["numeric_value"].to_list() == [k + 0.5 for k in range(9)]
    assert found["source_row"].to_list() == list(range(8, 17))
    assert found["start"].to_list() == [f"2020-01-0{k + 1}" for k in range(9)]


@pytest.mark.parametrize(
    ("number", "odd"),
    [("{}.5", 0), ("{}", 0), ("-{}.25", 0), ("{}e3", 9), ("0{}", 9), ("{}.", 9), ("1234567890123456{}", 9), ('"{}"', 9), ("{}.12345678", 9)],
)  # fmt: skip
def test_numbers_that_are_filled_in(number: str, odd: int) -> None:
    """One that a parser may round otherwise, or refuses, is left to the reader of single resources."""
    content = written(number=number)
    starts = fhir_shapes.starts_of_lines(content)
    parts = fhir_shapes.parted(content, starts, np.ones(9, dtype=np.bool_))
    assert parts is not None
    assert len(parts.odd) == odd
    assert_same(content)


@pytest.mark.parametrize(("kind", "date"), [("Condition", "note"), ("Condition", "recordedDate"), ("MedicationRequest", "note")])
def test_encounters_by_cases(kind: str, date: str) -> None:
    assert_same(written(kind, date, lines=25))


def test_a_character_that_no_text_may_hold() -> None:
    content = written().replace(b"2020-01-03", b"2020\t01")
    assert [one.row for one in one_by_one(content).problems] == [10]
    assert_same(content)
    assert_same(content.rstrip(b"\n"))


def test_a_death_that_a_number_denies() -> None:
    content = written(lines=12).replace(b"http://loinc.org", b"http://snomed.info/sct").replace(b"718-7", b"419099009")
    content = content.replace(b'"value":3.5', b'"value":0')
    assert one_by_one(content).frame.filter(pl.col("code") == "MEDS_DEATH").height == 11
    assert_same(content)


def test_names_of_lines_and_of_resources_are_one() -> None:
    lines = [
        '{"resourceType":"Patient","id":"p1"}',
        '{"id": "p1", "resourceType": "Patient"}',
        "{}",
        '{"resourceType":"Patient","id":"p_1"}',
    ]
    resources = [{"resourceType": "Patient", "id": "p1"}] * 2 + [{"resourceType": "Patient"}] * 2
    assert hashes_of_lines(pl.Series(lines)).tolist() == hashes_of(resources).tolist()
