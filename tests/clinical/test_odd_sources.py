"""Sources as hospitals have them: titles above a header, columns of one name, words for dead and for yes, FHIR of servers that fail.

The right values are written down by hand, from FHIR R4 (modifierExtension, focus, history) and from what each file says.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.clinical.whole import read_rows
from unibase.clinical.formats.omop_columns import add_moments
from unibase.clinical.sources.reading import read_tables
from unibase.clinical.timelines.centre import TimelineTask, convert
from unibase.clinical.timelines.door import LocalDoor
from unibase.clinical.timelines.meds import read_dataset

MAPPING = """mapping: 1
name: odd
systems: [ipp]
tables:
  - name: t
    person: IPP
    events: [{code: "ICD10//{Code}", date: Date}, DEATH]
"""
DEATH = "{code: MEDS_DEATH, date: Died, happened: {Status: ['1']}}"
YES = "{code: TREATMENT//CHEMO, date: Date, when: {Chemo: [O]}}"


def read(folder: Path, form: str, files: dict[str, str], mapping: str = "") -> tuple[list[str], list[tuple[str, str]]]:
    """Return the codes that come out of some files, and the places and reasons of what is told."""
    (folder / "source").mkdir()
    for name, text in files.items():
        (folder / "source" / name).write_text(text, encoding="utf-8")
    (folder / "mapping.yaml").write_text(mapping, encoding="utf-8")
    task = TimelineTask(form, folder / "source", "lyon", mapping=folder / "mapping.yaml" if mapping else None)
    found = read_rows(task, LocalDoor())
    told = (
        found.problems.select(pl.col("unit").str.splitn("/", 3).struct[2].alias("place"), "reason").sort("place", "reason").rows()
    )
    return found.events["code"].to_list(), told


@pytest.mark.parametrize(
    ("text", "columns", "rows", "told"),
    [
        ("Export du 04/03/2021;;\n;;\nIPP;Date;Code\n1;2021;C34\n", ["ipp", "date", "code"], 1, ["title-line"]),
        ("sep=;\nIPP;Date\n1;2021\n2;2022\n", ["ipp", "date"], 2, []),
        ("IPP;Date;Date\n1;2021;2022\n", ["ipp", "date_2", "date_3"], 1, ["repeated-column"]),
        (";IPP\n0;1\n", ["column_1", "ipp"], 1, []),
        ("IPP\n1\n2\n", ["ipp"], 2, []),
        ("#Patient\tSex\n#Id\tSex\n#STRING\tSTRING\n#1\t1\nPATIENT_ID\tSEX\nP1\tMale\n", ["patient_id", "sex"], 1, ["title-line"]),
        ("#IPP;Sex\n1;M\n", ["#ipp", "sex"], 1, []),
        ("Liste des patients\nDupont, Jean\n", ["liste des patients"], 1, ["wrong-column-count"]),
        ("IPP,Note\n1,\"a\nb\"\n", ["ipp", "note"], 1, []),
    ],
)  # fmt: skip
def test_headers_of_csv(tmp_path: Path, text: str, columns: list[str], rows: int, told: list[str]) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    table = read_tables([tmp_path / "t.csv"], "t")
    assert ([name for name in table.frame.columns if name != "source_row"], table.rows) == (columns, rows)
    assert [problem.reason for problem in table.problems] == told


def test_a_mapping_takes_none_of_two_columns_of_one_name(tmp_path: Path) -> None:
    text = "IPP;Date;Code;Date\n1;2021-03-04;C341;2022-01-01\n"
    codes, told = read(tmp_path, "csv", {"t.csv": text}, MAPPING.replace(", DEATH", ""))
    assert codes == ["ICD10//C34.1"]
    assert told == [("t", "unread-column"), ("t/Date", "missing-column"), ("t/date", "repeated-column")]


@pytest.mark.parametrize(
    ("rule", "unit", "told"),
    [
        ('number: Hb, unit: "{Unite}"', "g/dL", []),
        ("number: Hb, unit: Unite", "{unknown}", ["Unite"]),
        ("number: Hb, unit: unite", "{unknown}", ["unite"]),
        ("number: Hb, unit: g/dL", "g/dL", []),
        ("number: Hb, unit: g", "g", ["g"]),                       # a unit, and a column of the table
        ('number: "{Hb}", unit: g/dL', "g/dL", []),                # what these keys name is a column, in braces or not
        ('number: Hb, unit: "10*3{cells}/uL"', "10*3{cells}/uL", []),     # a note of UCUM
        ('number: Hb, unit: "{Unite}/L"', "{Unite}/L", ["{Unite}"]),
    ],
)  # fmt: skip
def test_a_unit_that_is_the_name_of_a_column(tmp_path: Path, rule: str, unit: str, told: list[str]) -> None:
    events = f'[{{code: "LAB//HB", date: Date, {rule}}}]'
    mapping = MAPPING.split("    events:")[0].replace("tables:", "complete: false\ntables:") + f"    events: {events}\n"
    _, found = read(tmp_path, "csv", {"t.csv": "IPP;Date;Hb;Unite;g\n1;2021-03-04;12;g/dL;1\n"}, mapping)
    assert [place.removeprefix("t/") for place, reason in found if reason == "column-as-text"] == told
    task = TimelineTask("csv", tmp_path / "source", "lyon", mapping=tmp_path / "mapping.yaml")
    assert read_rows(task, LocalDoor()).events.filter(pl.col("code") == "LAB//HB")["unit"].to_list() == [unit]


@pytest.mark.parametrize(
    ("code", "made", "told"),
    [
        ("ICD10//{Code}", "ICD10//C34.1", []),
        ("{Code}", "C341", []),
        ("Code", "Code", ["Code"]),
        ("ICD10//Code", "ICD10//Code", ["Code"]),
        ("LAB//HB", "LAB//HB", []),
        ("ICD10//Date", "ICD10//Date", []),   # what the event reads of the column is its date
    ],
)  # fmt: skip
def test_a_code_that_is_the_name_of_a_column(tmp_path: Path, code: str, made: str, told: list[str]) -> None:
    mapping = MAPPING.replace("ICD10//{Code}", code).replace(", DEATH", "")
    codes, found = read(tmp_path, "csv", {"t.csv": "IPP;Date;Code\n1;2021-03-04;C341\n"}, mapping)
    assert [place.removeprefix("t/") for place, reason in found if reason == "column-as-text"] == told
    assert codes == [made] or (told and not codes)


@pytest.mark.parametrize(
    ("status", "died", "dead", "told"),
    [
        ("1", "2021-03-04", True, []),
        ("1", "", True, ["missing-date"]),
        ("0", "", False, []),
        ("Vivant", "", False, []),
        ("N", "2021-03-04", True, ["status-against-date"]),
        ("dcd", "", False, ["unknown-value"]),
        ("PDV", "", False, ["unknown-value"]),
        ("9", "2021-03-04", True, ["unknown-value"]),
        ("", "1600-01-01", False, ["impossible-date"]),
        ("0", "9999-12-31", False, ["impossible-date"]),
        ("", "1900-01-01", False, ["impossible-date"]),
        ("", "01JAN1600:00:00:00", False, ["impossible-date"]),
        ("", "1753-01-01 00:00:00", False, ["impossible-date"]),
        ("", "1899-12-30", False, ["impossible-date"]),
        ("1", "1600-01-01", True, ["impossible-date"]),
        ("", "1600-03-01", True, ["impossible-date"]),
        ("", "2021-01-01", True, []),
        ("", "2021-03-04 23:59:59.999999", True, []),
        ("", "99/99/9999", False, ["unreadable-date"]),
    ],
)  # fmt: skip
def test_words_of_a_vital_status(tmp_path: Path, status: str, died: str, dead: bool, told: list[str]) -> None:
    text = f"IPP;Date;Code;Status;Died\n1;2021-01-01;C34.1;{status};{died}\n"
    codes, problems = read(tmp_path, "csv", {"t.csv": text}, MAPPING.replace("DEATH", DEATH, 1))
    assert (("MEDS_DEATH" in codes), [reason for _, reason in problems]) == (dead, told)


@pytest.mark.parametrize(("word", "made", "told"), [("O", 1, 0), ("o", 1, 0), ("N", 0, 0), ("", 0, 0), ("Oui", 0, 1), ("VRAI", 0, 1), ("9", 0, 1)])  # fmt: skip
def test_another_word_for_yes_is_told(tmp_path: Path, word: str, made: int, told: int) -> None:
    text = f"IPP;Date;Code;Chemo\n1;2021-01-01;C34.1;{word}\n"
    codes, problems = read(tmp_path, "csv", {"t.csv": text}, MAPPING.replace("DEATH", YES, 1))
    assert (codes.count("TREATMENT//CHEMO"), len(problems)) == (made, told)


LUNG = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "c341"}]}
PATIENT = {"resourceType": "Patient", "id": "1", "gender": "male", "birthDate": "1950-01-01"}


def condition(**further: Any) -> dict[str, Any]:
    subject = {"reference": "Patient/1"}
    return {"resourceType": "Condition", "id": "c", "subject": subject, "code": LUNG, "onsetDateTime": "2021-03-04", **further}


@pytest.mark.parametrize(
    ("further", "read_as", "told"),
    [
        ({}, "ICD10//C34.1", None),
        ({"modifierExtension": [{"url": "http://a/no", "valueBoolean": True}]}, None, "unknown-modifier"),
        ({"subject": {"reference": "Group/1"}}, None, "about-another"),
        ({"subject": {"reference": "http://a/fhir/Patient/1/_history/2"}}, "ICD10//C34.1", None),
        ({"focus": [{"reference": "RelatedPerson/2"}]}, None, "about-another"),
        ({"focus": [{"reference": "Condition/2"}]}, "ICD10//C34.1", None),
        ({"focus": [{"reference": "Patient/1"}]}, "ICD10//C34.1", None),
        ({"verificationStatus": {"text": "Refuted"}}, None, "not-done"),
    ],
)  # fmt: skip
def test_what_a_fhir_resource_is_about(tmp_path: Path, further: dict[str, Any], read_as: str | None, told: str | None) -> None:
    lines = "\n".join(json.dumps(one) for one in (PATIENT, condition(**further)))
    codes, problems = read(tmp_path, "fhir", {"a.ndjson": lines})
    assert [code for code in codes if code.startswith("ICD10")] == ([read_as] if read_as else [])
    assert [reason for _, reason in problems] == ([told] if told else [])


AJCC8 = {"type": {"text": "AJCC 8th edition"}}


@pytest.mark.parametrize(
    ("stage", "read", "told"),
    [
        ({"summary": {"coding": [{"system": "http://cancerstaging.org", "code": "3A"}]}}, "3A", []),
        ({"summary": {"text": "Stade IIIA"}}, "IIIA", []),
        ({"summary": {"text": "avancé, voir lettre"}}, None, ["text-withheld"]),
        ({"summary": {"text": "IIIA"}, **AJCC8}, "IIIA", ["unread-field"]),
        ({"assessment": [{"reference": "Observation/o"}]}, None, ["unread-field"]),
        ({"summary": {"text": "IIIA"}, "assessment": [{"reference": "Observation/o"}], **AJCC8}, None, ["unread-field"] * 2),
        ({"summary": {}}, None, []),
    ],
)
def test_the_stage_of_a_condition(tmp_path: Path, stage: dict[str, Any], read: str | None, told: list[str]) -> None:
    """What it says of the edition, or leaves to an Observation that the export may lack, is told."""
    (tmp_path / "source").mkdir()
    lines = "\n".join(json.dumps(one) for one in (PATIENT, condition(stage=[stage])))
    (tmp_path / "source" / "a.ndjson").write_text(lines, encoding="utf-8")
    found = read_rows(TimelineTask("fhir", tmp_path / "source", "lyon"), LocalDoor())
    stages = found.events.filter(pl.col("code") == "LOINC//21908-9")["text_value"].to_list()
    assert (stages, found.problems["reason"].to_list()) == ([read] if read else [], told)


def bundle(*resources: dict[str, Any], **further: Any) -> str:
    entries = [{"resource": one} for one in resources]
    return json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": [*entries, *further.pop("more", [])], **further})


def links(own: str, following: str | None) -> list[dict[str, str]]:
    return [{"relation": "self", "url": own}, *([{"relation": "next", "url": following}] if following else [])]


@pytest.mark.parametrize(
    ("files", "diagnoses", "told"),
    [
        ({"1": bundle(PATIENT, condition(), link=links("p1", "p2"))}, 1, ["missing-page"]),
        ({"1": bundle(PATIENT, link=links("p1", "p2")), "2": bundle(condition(), link=links("p2", None))}, 1, []),
        ({"1": bundle(PATIENT, link=links("p1", "p2")), "2": bundle(condition(), link=links("p2", "p3"))}, 1, ["missing-page"]),
        ({"1": bundle(PATIENT, link=links("p1", "x")), "2": bundle(condition(), link=links("y", None))}, 1, []),
        ({"1": bundle(PATIENT, condition(), more=[{"request": {"method": "DELETE", "url": "Condition/c"}}])}, 0, ["deleted", "older-version"]),
        ({"1": bundle(PATIENT, {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]})}, 0, ["server-error"]),
        ({"1": bundle(PATIENT, {"resourceType": "OperationOutcome", "issue": [{"severity": "warning"}]})}, 0, []),
        ({"1": bundle({**PATIENT, "link": [{"type": "replaced-by", "other": {"reference": "Patient/2"}}]})}, 0, ["replaced-person"]),
    ],
)  # fmt: skip
def test_exports_of_servers(tmp_path: Path, files: dict[str, str], diagnoses: int, told: list[str]) -> None:
    codes, problems = read(tmp_path, "fhir", {f"{name}.json": text for name, text in files.items()})
    assert (codes.count("ICD10//C34.1"), sorted(reason for _, reason in problems)) == (diagnoses, told)


def test_a_medication_of_ingredients_alone(tmp_path: Path) -> None:
    drugs = [
        {"itemCodeableConcept": {"coding": [{"system": "http://www.whocc.no/atc", "code": code}]}}
        for code in ("L01XA01", "L01BC05")
    ]
    given = {"resourceType": "MedicationAdministration", "id": "g", "status": "completed", "subject": {"reference": "Patient/1"}}
    given |= {"medicationReference": {"reference": "Medication/m"}, "effectiveDateTime": "2021-03-04"}
    medication = {"resourceType": "Medication", "id": "m", "ingredient": drugs}
    codes, problems = read(tmp_path, "fhir", {"a.ndjson": "\n".join(json.dumps(one) for one in (PATIENT, medication, given))})
    assert (sorted(code for code in codes if code.startswith("ATC")), problems) == (["ATC//L01BC05", "ATC//L01XA01"], [])


def test_no_number_is_no_value(tmp_path: Path) -> None:
    person = "person_id,gender_concept_id,year_of_birth\n1,8507,1950\n"
    head = "measurement_id,person_id,measurement_concept_id,measurement_date,value_as_number,measurement_source_value"
    rows = "\n".join([head, "1,1,0,2021-03-04,NaN,718-7", "2,1,0,2021-03-05,12.1,718-7"])
    (tmp_path / "source").mkdir()
    for name, text in {"person": person, "measurement": rows}.items():
        (tmp_path / "source" / f"{name}.csv").write_text(text, encoding="utf-8")
    found = read_rows(TimelineTask("omop", tmp_path / "source", "CHU-été"), LocalDoor())
    values = found.events.filter(pl.col("code") == "LOINC//718-7")["numeric_value"].to_list()
    assert values == [None, pytest.approx(12.1)]
    assert found.problems["reason"].to_list() == ["not-a-number"]


WIDTHS = """mapping: 1
name: rss
systems: [ipp]
date_order: dmy
tables:
  - name: rss
    person: IPP
    widths: {ipp: [1, 5], entree: [6, 13], dp: [14, 19], service: [20, 29]}
    events: [{code: "ICD10//{dp}", date: entree}]
"""


def test_lines_of_fixed_widths(tmp_path: Path) -> None:
    """As the PMSI writes them: places from 1, days without separators, codes without dots, accents that are one sign."""
    lines = ["0012304032021C341  Pneumologi", "00124  032021C509  Été", "0012520012020I10"]
    codes, told = read(tmp_path, "csv", {"rss.txt": "\r\n".join(lines) + "\r\n"}, WIDTHS)
    assert sorted(codes) == ["ICD10//C34.1", "ICD10//I10"]
    assert told == [("rss", "wrong-column-count"), ("rss#2/entree", "unreadable-date")]


@pytest.mark.parametrize(
    ("content", "people", "told"),
    [
        ("\ufeff0012304032021C341\n0012404032021C509\n".encode(), 2, []),
        (b"0012304032021C341\r\n0012404032021C509\r\n\x1a", 2, []),
        ("0012304032021C341\n0é12404032021C509\n".encode("cp1252"), 2, ["not-utf-8"]),
        (b"0012304032021C341\n\n0012404032021C509\n\n", 2, ["empty-row", "empty-row"]),
        (b"0012304032021C341  Pneumologi Z515\n0012404032021C509\n", 2, ["unread-column"]),
    ],
)
def test_files_of_fixed_widths_as_they_come(tmp_path: Path, content: bytes, people: int, told: list[str]) -> None:
    """With the mark of UTF-8 before the first line, that of DOS behind the last, other encodings, and places that nobody named."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "rss.txt").write_bytes(content)
    mapping = WIDTHS.replace(", service: [20, 29]", ", service: [20, 29]" if b"Pneumo" in content else "")
    (tmp_path / "mapping.yaml").write_text(mapping, encoding="utf-8")
    found = read_rows(TimelineTask("csv", tmp_path / "source", "lyon", mapping=tmp_path / "mapping.yaml"), LocalDoor())
    reasons = [one for one in found.problems["reason"].to_list() if one != "wrong-column-count"]
    assert (found.events["subject_id"].n_unique(), sorted(reasons)) == (people, told)


def zoned(zone: str) -> pl.DataFrame:
    """Midnight and half past ten of 4 July 2020 by the clock of a zone."""
    times = pl.Series("at", ["2020-07-04 00:00", "2020-07-04 10:30"]).str.to_datetime(time_unit="us").dt.replace_time_zone(zone)
    return pl.DataFrame({"person": [1, 1], "at": times})


@pytest.mark.parametrize("zone", ["Europe/Paris", "UTC"])
@pytest.mark.parametrize("form", ["meds", "csv", "omop"])
def test_times_with_a_zone_are_those_of_its_clock_and_told(tmp_path: Path, form: str, zone: str) -> None:
    source, frame = tmp_path / "source", zoned(zone)
    (source / "data").mkdir(parents=True) if form == "meds" else source.mkdir()
    (tmp_path / "mapping.yaml").write_text(MAPPING.replace(", DEATH", ""), encoding="utf-8")
    if form == "meds":
        made = frame.select(
            pl.col("person").alias("subject_id"), pl.col("at").alias("time"), pl.lit("LOINC//718-7 ").alias("code")
        )
        made.write_parquet(source / "data" / "0.parquet")
    elif form == "csv":
        frame.select(pl.col("person").alias("IPP"), pl.col("at").alias("Date"), pl.lit("C34").alias("Code")).write_parquet(
            source / "t.parquet"
        )
    else:
        person = pl.DataFrame({"person_id": [1], "gender_concept_id": [8507], "year_of_birth": [1950]})
        person.write_parquet(source / "person.parquet")
        made = frame.select(
            pl.int_range(1, 3).alias("measurement_id"), pl.col("person").alias("person_id"), pl.lit(0).alias("measurement_concept_id"),
            pl.date(2020, 7, 4).alias("measurement_date"), pl.col("at").alias("measurement_datetime"),
            pl.lit("718-7").alias("measurement_source_value"))  # fmt: skip
        made.write_parquet(source / "measurement.parquet")
    mapping = tmp_path / "mapping.yaml" if form == "csv" else None
    convert(TimelineTask(form, source, "CHU-été", mapping=mapping, cutoff="none"), tmp_path / "out")
    found = read_dataset(tmp_path / "out").filter(pl.col("code").is_in(["LOINC//718-7", "ICD10//C34"]))
    assert [str(time) for time in found["time"]] == ["2020-07-04 00:00:00", "2020-07-04 10:30:00"]
    assert str(found["time_max"][0]) == "2020-07-04 23:59:59.999999"
    problems = pl.read_parquet(tmp_path / "out" / "metadata" / "problems.parquet")
    assert problems.filter(pl.col("reason") == "zoned-time").height == 1


def test_the_day_of_omop_decides_against_a_time_in_utc() -> None:
    """Midnight of 4 July in Paris, which Spark writes as 22:00 of the day before in UTC."""
    utc = zoned("Europe/Paris").with_columns(pl.col("at").dt.convert_time_zone("UTC"), pl.date(2020, 7, 4).alias("day"))
    found = add_moments(utc, "day", "at")
    assert [str(time) for time in found["time"]] == ["2020-07-04 00:00:00", "2020-07-04 08:30:00"]
    assert str(found["time_max"][0]) == "2020-07-04 23:59:59.999999"


@pytest.mark.parametrize(
    ("person", "code", "told"),
    [
        ("185057800608436", "3400930000001", []),
        ("1.85058E+14", "3400930000001", ["rounded-number"]),
        ("1,85058e+14", "3400930000001", ["rounded-number"]),
        ("12", "3.40093E+12", ["unknown-code"]),
        ("1E5", "3400930000001", []),
    ],
)
def test_numbers_that_a_spreadsheet_rounded(tmp_path: Path, person: str, code: str, told: list[str]) -> None:
    """Two patients, or two packs, whose long numbers begin alike would be one."""
    mapping = MAPPING.replace(", DEATH", "").replace("ICD10//", "CIP13//")
    codes, problems = read(tmp_path, "csv", {"t.csv": f"IPP;Date;Code\n{person};2021-03-04;{code}\n"}, mapping)
    assert (codes, [reason for _, reason in problems]) == ([] if told else [f"CIP13//{code}"], told)
