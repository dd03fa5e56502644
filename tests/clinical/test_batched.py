"""Whatever the source, small blocks give what one block gives: rows, problems, account and bytes; here and on a Dask client."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tests.clinical.conftest import lookup_of
from unibase.clinical.formats.registrations import read_people
from unibase.clinical.sources import record_bounds
from unibase.clinical.timelines import meds
from unibase.clinical.timelines.batched import build_batched
from unibase.clinical.timelines.centre import TimelineTask, opener
from unibase.clinical.timelines.door import Door, LocalDoor, VaultDoor
from unibase.clinical.timelines.target import BuildReport, Target
from unibase.flows.stages.clinical import stage_records
from unibase.groundwork.cluster import dask_client
from unibase.groundwork.problems import UserError

SUBJECTS = 3


def same(task: TimelineTask, way: Door, again: Door | None = None, client: Any = None) -> pl.DataFrame:
    """Read a source in one block and in small ones, check that nothing differs, and return the problems."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        notes = {"source_format": task.format}

        def build(name: str, way: Door, client: Any) -> BuildReport:
            out = folder / name
            target = Target(out, task.centre, task.format, way, notes, subjects_per_shard=SUBJECTS)
            return build_batched(opener(task), target, client)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(record_bounds, "BLOCK", 8 << 20)
            whole = build("whole", way, None)
        report = build("parts", again or way, client)
        assert_frame_equal(report.account, whole.account)
        events = meds.read_dataset(folder / "whole")
        assert_frame_equal(meds.read_dataset(folder / "parts"), events)
        assert (report.events, report.subjects) == (events.height, events["subject_id"].n_unique())
        account = report.account
        assert account.filter(pl.col("rows") != pl.col("used") + pl.col("refused") + pl.col("silent")).is_empty()
        assert account["events"].sum() == events.height
        files = [
            sorted(p.relative_to(folder / one) for p in (folder / one).rglob("*") if p.is_file()) for one in ("whole", "parts")
        ]
        assert files[0] == files[1]
        for file in files[0]:
            assert (folder / "whole" / file).read_bytes() == (folder / "parts" / file).read_bytes(), file
        return pl.read_parquet(folder / "whole" / "metadata" / "problems.parquet")


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Any:
    """Cut files every 700 bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record_bounds, "BLOCK", 700)
        yield


@pytest.mark.parametrize(("centre", "format"), [("A", "omop"), ("B", "fhir"), ("C", "osiris-rwd")])
def test_simulated_centres(simulated: Path, centre: str, format: Any) -> None:
    source = next(
        path
        for path in (simulated / f"centre_{centre.lower()}").iterdir()
        if path.name in {"omop", "fhir", "osiris_rwd", "osiris-rwd"}
    )
    way = VaultDoor(lookup_of(read_people(format, source, centre)))
    assert same(TimelineTask(format, source, centre, way.lookup), way).height


FIELDS = st.sampled_from(
    ["", "", "1", "2", "x y z", 'say "no"', '5" nail', "a;b", "a,b", "two\nlines", "été", "UN", "12.5", "NA", "Not Collected"]
)
DAYS = st.sampled_from(["2020-02-03", "2020-02-30", "2020-02-03 10:11:12", "soon", "", "2019", "2021-07"])
PERSON = st.sampled_from(["1", "2", "3", "4", "5", "11", "99", "", "1 "])
ENCODINGS = st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "cp1252", "latin-1"])


def quoted(text: str, delimiter: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in (delimiter, '"', "\n", "\r")) else text


@st.composite
def csv_file(draw: st.DrawFn, columns: list[tuple[str, st.SearchStrategy[str]]], most: int = 25) -> bytes:
    """A CSV file with what goes wrong in them: comments, short rows, blank lines, open and stray quotes, bytes of another encoding."""
    delimiter, end = draw(st.sampled_from([",", ";", "\t"])), draw(st.sampled_from(["\n", "\r\n"]))
    names = [name for name, _ in columns]
    lines = [delimiter.join(name.upper() if draw(st.booleans()) else name for name in names)]
    for _ in range(draw(st.integers(0, most))):
        kind = draw(st.sampled_from(["row"] * 8 + ["comment", "short", "blank", "stray"]))
        row = [quoted(draw(field), delimiter) for _, field in columns]
        if kind == "comment":
            lines.append("# une remarque é")
        elif kind == "short":
            lines.append(delimiter.join(row[:-1]))
        elif kind == "blank":
            lines.append("")
        elif kind == "stray":
            lines.append(delimiter.join([*row[:-1], 'x"y']))
        else:
            lines.append(delimiter.join(row))
    text = end.join(lines) + (end if draw(st.booleans()) else "")
    content = text.encode(draw(ENCODINGS))
    return content + b"\x81" if draw(st.integers(0, 9)) == 5 else content


def put(folder: Path, name: str, content: bytes, *, compressed: bool) -> None:
    (folder / (name + ".gz" if compressed else name)).write_bytes(gzip.compress(content, mtime=0) if compressed else content)


PEOPLE = [
    ("person_id", PERSON),
    ("year_of_birth", st.sampled_from(["1950", "1999", "", "x"])),
    ("gender_source_value", st.sampled_from(["M", "F", "U"])),
    ("person_source_value", st.sampled_from(["P1", "P2", ""])),
]
MEASUREMENTS = [
    ("measurement_id", st.sampled_from(["7", "8"])),
    ("person_id", PERSON),
    ("measurement_concept_id", st.sampled_from(["3000963", "0", "", "44", "x"])),
    ("measurement_date", DAYS),
    ("value_as_number", FIELDS),
    ("unit_source_value", st.sampled_from(["g/dL", "g/L", "furlong", ""])),
    ("value_source_value", FIELDS),
]
CONDITIONS = [
    ("person_id", PERSON),
    ("condition_concept_id", st.sampled_from(["201826", "0", ""])),
    ("condition_start_date", DAYS),
    ("condition_end_date", DAYS),
    ("condition_source_value", st.sampled_from(["C34.1", "", "free text"])),
]
DEATHS = [("person_id", PERSON), ("death_date", st.sampled_from(["2019-01-01", "2021-01-01", "1940-01-01", "2021-01-40", ""]))]
CONCEPTS = b"concept_id,vocabulary_id,concept_code\n3000963,LOINC,718-7\n201826,SNOMED,44054006\n3000963,LOINC,other\n44,None,x\n"
EXAMPLES = settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])


@EXAMPLES
@given(data=st.data())
def test_omop_in_csv(data: st.DataObject) -> None:
    draw = data.draw
    with tempfile.TemporaryDirectory() as name:
        source = Path(name)
        tables = {"person": PEOPLE, "measurement": MEASUREMENTS, "2b_condition_occurrence": CONDITIONS, "death": DEATHS}
        for table, columns in tables.items():
            # Columns that a further file has and the first has not come after its own.
            for suffix in [".csv"] if table == "person" else draw(st.sampled_from([[".csv"], [".csv", ".txt"], [".tsv"]])):
                kept = columns if suffix != ".txt" else columns[::-1][: draw(st.integers(2, len(columns)))]
                put(source, table + suffix, draw(csv_file(kept)), compressed=suffix != ".txt" and draw(st.booleans()))
        if draw(st.booleans()):
            (source / "concept.csv").write_bytes(CONCEPTS)
        if draw(st.booleans()):
            (source / "famille_dupont.csv").write_bytes(b"a,b\n1,2\n")
        if draw(st.booleans()):
            pl.DataFrame({"person_id": [1, 2, 77], "visit_start_date": [None, "2020-01-01", "2020-02-02"]}).write_parquet(
                source / "visit_occurrence.parquet", row_group_size=2
            )
        task = TimelineTask("omop", source, "A")
        same(task, LocalDoor(), LocalDoor())


MAPPING = """
mapping: 1
name: registry
systems: [ipp]
nulls: ["NA"]
missing: ["Not Collected"]
tables:
  - name: tumours
    files: [tumours, tumeurs]
    columns: {id: patient}
    person: patient
    events:
      - {code: "ICD10//{icd}", date: seen, end: until}
      - {code: "LOINC//718-7", date: seen, number: value, unit: g/dL}
  - name: status
    person: patient
    persons: PERSONS
    events:
      - {code: MEDS_BIRTH, date: born}
      - {code: MEDS_DEATH, date: died, undated: true}
      - {code: "SEX//{sex}", static: true, values: {sex: {"1": M, "2": F}}}
  - name: tumours
    files: [tumours]
    person: patient
    events:
      - {code: "LOINC//21908-9", date: seen, text: stage}
other_tables: {notes: free text}
"""
TUMOURS = [
    ("patient", PERSON),
    ("icd", st.sampled_from(["C34.1", "x y", "", "C50"])),
    ("seen", DAYS),
    ("until", DAYS),
    ("value", FIELDS),
    ("stage", st.sampled_from(["II", "IV", "Dupont", "UN", ""])),
]
STATUS = [("patient", PERSON), ("born", DAYS), ("died", DAYS), ("sex", st.sampled_from(["1", "2", "9", ""]))]


@EXAMPLES
@given(data=st.data())
def test_declared_tables(data: st.DataObject) -> None:
    draw = data.draw
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source"
        source.mkdir()
        spelled = [("id", PERSON), *TUMOURS[1:]] if draw(st.booleans()) else TUMOURS
        put(source, "tumours.csv", draw(csv_file(TUMOURS)), compressed=draw(st.booleans()))
        if draw(st.booleans()):
            put(source, "tumours.tsv", draw(csv_file(draw(st.permutations(TUMOURS)))), compressed=False)
        put(source, "tumeurs.csv", draw(csv_file(spelled)), compressed=False)
        put(source, "status.csv", draw(csv_file(STATUS)), compressed=False)
        for other in draw(st.sets(st.sampled_from(["notes", "dupont"]))):
            put(source, f"{other}.csv", draw(csv_file(STATUS, 4)), compressed=False)
        rules = folder / "mapping.yaml"
        rules.write_text(MAPPING.replace("PERSONS", draw(st.sampled_from(["true", "false"]))), encoding="utf-8")
        same(TimelineTask("csv", source, "A", None, rules), LocalDoor(), LocalDoor())


def mostly(usual: list[Any], *strange: Any) -> st.SearchStrategy[Any]:
    """One of the usual values, or once in a while a strange one."""
    return st.integers(0, 9).flatmap(lambda n: st.sampled_from(list(strange) if n == 9 else usual))


IDS = mostly(["1", "2", "3", "4", "5", "11"], "é", None, 7, "\ud800")
TIMES = mostly(["2020-02-03T10:11:12+01:00", "2019", "2021-04-05", None], "2020-02-30", "soon", 2019)
LOINC = {"coding": [{"system": "http://loinc.org", "code": "718-7"}]}
CODES = mostly([LOINC], None, "x", {"coding": [{"code": "a"}]}, {"text": "un texte"})


def referring(what: str) -> st.SearchStrategy[Any]:
    known = mostly(["1", "2", "3", "4"], "é", "99").map(lambda one: {"reference": f"{what}/{one}"})
    return mostly([True], False).flatmap(
        lambda usual: known if usual else st.sampled_from([None, "Patient/1", {"reference": "urn:uuid:1"}])
    )


def resource(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    extensions = mostly([None, [{"url": "http://x.org/race"}]], [{"url": "http://x.org/age"}, {"url": "race"}], "x")
    known = st.fixed_dictionaries({"id": IDS, "extension": extensions, **fields})
    return known.map(lambda values: {"resourceType": kind} | {key: one for key, one in values.items() if one is not None})


PERIODS = st.fixed_dictionaries({"start": TIMES, "end": TIMES}) | mostly([{}], None, "2020")
RESOURCES = st.one_of(
    resource(
        "Patient", birthDate=TIMES, gender=st.sampled_from(["male", "female", "x", None]), deceasedDateTime=TIMES,
        identifier=st.sampled_from([None, [{"value": "P1"}], ["x"]]),
    ),
    resource("Encounter", subject=referring("Patient"), period=PERIODS),
    resource("Medication", code=CODES, identifier=st.sampled_from([None, [{"value": "L 1"}]])),
    resource("Condition", subject=referring("Patient"), code=CODES, onsetDateTime=TIMES, encounter=referring("Encounter")),
    resource(
        "MedicationRequest", subject=referring("Patient"), medicationReference=referring("Medication"), authoredOn=TIMES,
        encounter=referring("Encounter"), medicationCodeableConcept=CODES,
    ),
    resource(
        "Observation", subject=referring("Patient"), code=CODES, effectiveDateTime=TIMES, status=st.sampled_from(["final", "not-done"]),
        valueQuantity=mostly([None, {"value": 12, "unit": "g/dL"}], {"value": "x", "unit": "furlong"}, "12"),
        valueString=st.sampled_from([None, "Mme Dupont", "\ud800", "3"]),
    ),
    resource("Claim"),
    resource("Organization"),
)  # fmt: skip
LINES = st.integers(0, 9).flatmap(
    lambda n: (
        st.sampled_from(["", "  ", "{", "[]", "1", '{"resourceType": 3}'])
        if n == 9
        else RESOURCES.map(lambda one: json.dumps(one, ensure_ascii=n > 4))
    )
)


@EXAMPLES
@given(data=st.data())
def test_fhir(data: st.DataObject) -> None:
    draw = data.draw
    with tempfile.TemporaryDirectory() as name:
        source = Path(name)
        for number in range(draw(st.integers(1, 4))):
            first = [
                json.dumps({"resourceType": "Patient", "id": str(one), "gender": "male", "birthDate": "1950"})
                for one in range(1, 6)
            ]
            lines = [*(first if number == 0 else []), *draw(st.lists(LINES, max_size=30))]
            content = "\n".join(lines).encode("utf-8", "surrogatepass") + draw(st.sampled_from([b"", b"\n", b"\n\xff\n"]))
            put(source, f"{draw(st.sampled_from('abc'))}{number}.ndjson", content, compressed=draw(st.booleans()))
        same(TimelineTask("fhir", source, "A"), LocalDoor(), LocalDoor())


def test_on_dask(simulated: Path, tmp_path: Path) -> None:
    source = simulated / "centre_b" / "fhir"
    way = VaultDoor(lookup_of(read_people("fhir", source, "B")))
    task = TimelineTask("fhir", source, "B", way.lookup)
    with dask_client(workers=2) as client:
        same(task, way, client=client)
        # As a stage of a study does: from a task, on all workers.
        written = client.submit(stage_records, None, (task, tmp_path / "there")).result()
    assert stage_records(None, (task, tmp_path / "here")) == written
    for file in (path for path in (tmp_path / "here").rglob("*") if path.is_file()):
        assert file.read_bytes() == (tmp_path / "there" / file.relative_to(tmp_path / "here")).read_bytes()


def test_a_column_that_is_not_there_is_told_once_and_an_empty_file_is_refused(tmp_path: Path) -> None:
    declared = (
        "mapping: 1\nname: ours\nsystems: [ipp]\ntables:\n  - name: acts\n    person: ipp\n    events:\n"
        '      - {code: "ACT//{act}", date: day}\n      - {code: HB, date: day, number: hb, when: {kind: [x]}}\n'
    )
    (tmp_path / "mapping.yaml").write_text(declared, encoding="utf-8")
    (tmp_path / "in").mkdir()
    task = TimelineTask("csv", tmp_path / "in", "A", None, tmp_path / "mapping.yaml")
    for text, absent in (
        ("ipp,dayYear,act\n1,2020,A\n2,2020,B\n", {"hb", "kind"}),
        ("ipp,act,hb,kind\n1,A,2,x\n", {"day"}),
        ("ipp\n", {"act", "day", "hb", "kind"}),
    ):
        (tmp_path / "in" / "acts.csv").write_text(text, encoding="utf-8")
        told = same(task, LocalDoor()).filter(pl.col("reason") == "missing-column")["unit"].to_list()
        assert told == sorted(f"A/csv/acts/{name}" for name in absent)
    (tmp_path / "in" / "acts.csv").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="Table acts has no column ipp"):
        same(task, LocalDoor())
    with pytest.raises(UserError, match="Table acts has no column ipp"):
        build_batched(opener(task), Target(tmp_path / "out", "A", "csv", LocalDoor()))


def test_a_cell_is_no_bad_code_of_a_rule_that_is_not_for_its_row(tmp_path: Path) -> None:
    declared = (
        "mapping: 1\nname: ours\nsystems: [ipp]\ntables:\n  - name: suivi\n    person: ipp\n    events:\n"
        '      - {code: "ICD10//{code}", date: day, when: {kind: [diagnosis]}}\n'
        '      - {code: "ATC//{code}", date: day, when: {kind: [drug]}}\n'
    )
    (tmp_path / "mapping.yaml").write_text(declared, encoding="utf-8")
    (tmp_path / "in").mkdir()
    rows = "1,2020-01-02,diagnosis,C34.1\n1,2020-01-03,drug,L01XA01\n1,2020-01-04,drug,cisplatine\n1,2020-01-05,stage,pT2\n"
    (tmp_path / "in" / "suivi.csv").write_text(f"ipp,day,kind,code\n{rows}", encoding="utf-8")
    found = same(TimelineTask("csv", tmp_path / "in", "A", None, tmp_path / "mapping.yaml"), LocalDoor())
    assert found.filter(pl.col("reason") == "unknown-code")["unit"].to_list() == ["A/csv/suivi#3/code"]


def test_a_line_nested_without_end_is_one_malformed_line(tmp_path: Path) -> None:
    (tmp_path / "Patient.ndjson").write_text('{"resourceType": "Patient", "id": "1"}\n', encoding="utf-8")
    deep = '{"resourceType": "Observation", "x": ' + "[" * 200_000 + "]" * 200_000 + "}"
    good = '{"resourceType": "Encounter", "id": "e", "status": "finished", "subject": {"reference": "Patient/1"}, "period": {"start": "2020-01-01"}}'
    (tmp_path / "Encounter.ndjson").write_text(f"{good}\n{deep}\n", encoding="utf-8")
    told = same(TimelineTask("fhir", tmp_path, "A"), LocalDoor(), LocalDoor())
    assert told["reason"].to_list().count("malformed-json") == 1
