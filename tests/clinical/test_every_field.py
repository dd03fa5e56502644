"""Every row and every field of a file is accounted for, in each format that hospitals export: five odd files a format, one table.

A case is a source as it is written, the codes that must come out, and what must be told, by place and reason. What each must give
was written down by hand from what the file says. Beside that, every column or field is read, left out by name, or told.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyreadstat
import pytest
from python_calamine import CalamineWorkbook

from tests.clinical.test_account import observation
from tests.clinical.test_odd_sources import PATIENT, condition
from tests.clinical.test_redcap import FIELDS, RAW, mapped
from tests.clinical.test_workbooks import sheet, write_xlsx
from unibase.clinical.formats.fhir_read_fields import NOT_EVENTS, READ
from unibase.clinical.formats.mapping_absent import _named
from unibase.clinical.formats.mapping_rules import read_mapping
from unibase.clinical.timelines.centre import TimelineTask, convert

Told = list[tuple[str, str]]
Write = Callable[[Path], object]

HEAD = ["IPP", "CODE", "JOUR", "HB", "UNITE"]
ROW = ["00123", "C34.1", "2020-03-04", "12.5", "g/dL"]
TABLE = """mapping: 1
name: registre
systems: [ipp]
nulls: [NA]
OPTIONS
tables:
  - name: suivi
    person: IPP
    events:
      - {code: "ICD10//{CODE}", date: JOUR}
      - {code: LOINC//718-7, date: JOUR, number: HB, unit: "{UNITE}"}
"""
LUNG, HB = "ICD10//C34.1", "LOINC//718-7"
BOTH = [LUNG, HB]


@dataclass(frozen=True)
class Case:
    """A source and what it must give; `fields` is whether all columns of a table are looked for in mapping and account."""

    name: str
    write: Write
    codes: list[str]
    told: Told = field(default_factory=list)
    mapping: str = TABLE.replace("OPTIONS\n", "")
    form: str = "csv"


def workbook(*rows: list[str], head: list[str] = HEAD, numbers: bool = False, **others: str) -> Write:
    sheets = {"Feuil1" if not others else "suivi": sheet([head, *rows], numbers), **others}
    return lambda folder: write_xlsx(folder / "suivi.xlsx", sheets)


def frame(*rows: list[object], head: list[str] = HEAD) -> pd.DataFrame:
    return pd.DataFrame([*rows], columns=head)


def xpt(made: pd.DataFrame, **options: Any) -> Write:
    return lambda folder: pyreadstat.write_xport(made, str(folder / "suivi.xpt"), table_name="SUIVI", **options)


def sav(made: pd.DataFrame, **options: Any) -> Write:
    return lambda folder: pyreadstat.write_sav(made, str(folder / "suivi.sav"), **options)


def text(content: str, name: str = "suivi.csv", encoding: str = "utf-8") -> Write:
    return lambda folder: (folder / name).write_bytes(content.encode(encoding))


def lines(*resources: object, name: str = "a.ndjson") -> Write:
    content = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in resources)
    packed = gzip.compress(content.encode(), mtime=0) if name.endswith(".gz") else content.encode()
    return lambda folder: (folder / name).write_bytes(packed)


def bundle(kind: str, *resources: dict[str, Any], **more: Any) -> Write:
    entries = [{"resource": one} for one in resources]
    return lambda folder: (folder / "b.json").write_text(
        json.dumps({"resourceType": "Bundle", "type": kind, "entry": entries, **more})
    )


def meds(**columns: list[object]) -> Write:
    def write(folder: Path) -> None:
        (folder / "data").mkdir()
        pl.DataFrame(columns).with_columns(pl.col("time").str.to_datetime(time_unit="us")).write_parquet(
            folder / "data" / "0.parquet"
        )

    return write


def database(**tables: str) -> Write:
    def write(folder: Path) -> None:
        with duckdb.connect(str(folder / "osiris.duckdb")) as connection:
            for name, content in tables.items():
                connection.execute(f"CREATE TABLE {name} AS {content}")

    return write


DATE, EXTRA = "suivi#1/jour", [("suivi", "unread-column")]
XLSX = [
    Case("xlsx: texts", workbook(ROW), BOTH),
    Case("xlsx: days and numbers typed", workbook(["123", *ROW[1:]], numbers=True), BOTH),
    Case("xlsx: a column more", workbook([*ROW, "vu"], head=[*HEAD, "REMARQUE"]), BOTH, EXTRA),
    Case("xlsx: a sheet more", workbook(ROW, Notes=sheet([["un"], ["mot"]], False)), BOTH, [("unread-1", "unknown-table")]),
    Case("xlsx: 31 February", workbook([*ROW[:2], "2020-02-31", *ROW[3:]]), [], [(DATE, "impossible-date")]),
]
SAS = [
    Case("xpt: texts", xpt(frame(ROW)), BOTH),
    Case("xpt: numbers of persons", xpt(frame([123.0, *ROW[1:3], 12.5, "g/dL"])), BOTH),
    Case("xpt: a number is missing", xpt(frame([*ROW[:3], None, None], [*ROW[:3], 12.5, "g/dL"])), [LUNG, LUNG, HB]),
    Case("xpt: a column more", xpt(frame([*ROW, 70.0], head=[*HEAD, "POIDS"])), BOTH, EXTRA),
    Case("xpt: no date", xpt(frame([*ROW[:2], "mars", *ROW[3:]])), [], [(DATE, "unreadable-date")]),
]
SPSS = [
    Case("sav: texts", sav(frame(ROW)), BOTH),
    Case("sav: a day is typed", sav(frame([*ROW[:2], pd.Timestamp("2020-03-04"), 12.5, "g/dL"])), BOTH),
    Case("sav: user missing", sav(frame([*ROW[:3], 999.0, "g/dL"]), missing_ranges={"HB": [999.0]}), [LUNG], [("suivi/hb", "not-collected")]),
    Case("sav: a column more", sav(frame([*ROW, 1.0], head=[*HEAD, "SEXE"]), variable_value_labels={"SEXE": {1: "Homme"}}), BOTH, EXTRA),
    Case("sav: a code that is none", sav(frame([ROW[0], "poumon", *ROW[2:]])), [HB], [("suivi#1/code", "unknown-code")]),
]  # fmt: skip


def of_redcap(export: str) -> Write:
    """Write the export; its mapping is drafted from the dictionary when the case is run."""
    return text(export, "Study_DATA.csv")


ECOG = ["REDCAP//ecog", "REDCAP//ecog", "REDCAP//hb", "REDCAP//hb", "REDCAP//smoker", "REDCAP//smoker", "REDCAP//stop_date"]
PEOPLE = ["MEDS_BIRTH", "MEDS_BIRTH", "SEX//F", "SEX//M"]
SYMPTOMS = ["REDCAP//symptoms//1", "REDCAP//symptoms//2"]
EVENT = [("demographics", "unread-column")]
REDCAP = [
    Case("redcap: codes", of_redcap(RAW), [*PEOPLE, *ECOG, *SYMPTOMS], EVENT),
    Case("redcap: a word for a number", of_redcap(RAW.replace("10.9", "high")), [*PEOPLE, *ECOG, *SYMPTOMS],
         [*EVENT, ("visit#4/hb", "not-a-number")]),
    Case("redcap: a choice that is none", of_redcap(RAW.replace("10.9,9", "10.9,7")), [*PEOPLE, *ECOG[1:], *SYMPTOMS],
         [*EVENT, ("visit#4/ecog", "unknown-value")]),
    Case("redcap: an impossible day", of_redcap(RAW.replace("2021-06-04", "2021-06-31")), [*PEOPLE, *ECOG[:-1], *SYMPTOMS],
         [*EVENT, ("visit#2/stop_date", "impossible-date")]),
    Case("redcap: no day of the visit", of_redcap(RAW.replace("2021-04-05", "")),
         [*PEOPLE, *ECOG, *SYMPTOMS], [*EVENT, *[("visit#4/visit_date", "missing-date")]]),
]  # fmt: skip

OLD = condition(meta={"lastUpdated": "2020-01-01T00:00:00Z"}, onsetDateTime="2019-01-01")
NEW = condition(meta={"lastUpdated": "2021-01-01T00:00:00Z"})
PERSON = ["MEDS_BIRTH", "SEX//M"]
TWO_CODES = {
    "coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": one} for one in ("C34.1", "C34.9")]
    + [{"system": "http://hospital.example/c", "code": "x"}]
}
BUNDLES = [
    Case("bundle: a search", bundle("searchset", PATIENT, condition()), [*PERSON, LUNG], form="fhir"),
    Case("bundle: a page is lacking", bundle("searchset", PATIENT, condition(), link=[{"relation": "next", "url": "http://a/2"}]),
         [*PERSON, LUNG], [("Patient", "missing-page")], form="fhir"),
    Case("bundle: in a bundle", bundle("collection", PATIENT, {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": condition()}]}),
         [*PERSON, LUNG], form="fhir"),
    Case("bundle: a list of resources", lines([PATIENT, condition(bodySite=[{}])], name="b.json"), [*PERSON, LUNG],
         [("Patient#2/Condition.bodySite", "unread-field")], form="fhir"),
    Case("bundle: a type that is not read", bundle("searchset", PATIENT, {"resourceType": "Claim", "id": "1"}), PERSON,
         [("Patient#2", "unknown-resource")], form="fhir"),
]  # fmt: skip
NDJSON = [
    Case("ndjson: gzip", lines(PATIENT, condition(), name="a.ndjson.gz"), [*PERSON, LUNG], form="fhir"),
    Case("ndjson: a line cut", lines(PATIENT, '{"resourceType": "Cond'), PERSON, [("Patient#2", "malformed-json")], form="fhir"),
    Case("ndjson: two versions", lines(PATIENT, OLD, NEW), [*PERSON, LUNG], [("Patient#2", "older-version")], form="fhir"),
    Case("ndjson: codes more", lines(PATIENT, condition(code=TWO_CODES)), [*PERSON, LUNG],
         [("Patient#2/ICD10", "second-coding"), ("Patient#2/C (http___hospital.example_c)", "unknown-code-system")], form="fhir"),
    Case("ndjson: another value, no date", lines(PATIENT, observation(valueQuantity=None, valueRatio={}, effectiveDateTime=None)), [*PERSON, HB],
         [("Patient#2/date", "missing-date"), ("Patient#2/valueRatio", "unread-value")], form="fhir"),
]  # fmt: skip
MEDS = [
    Case("meds: plain", meds(subject_id=[1], time=["2020-03-04"], code=[LUNG]), [LUNG], form="meds"),
    Case("meds: sex as gender", meds(subject_id=[1, 1], time=[None, "2020-03-04"], code=["GENDER//F", HB], numeric_value=[None, 12.5]), [HB, "SEX//F"], form="meds"),
    Case("meds: a column more", meds(subject_id=[1], time=["2020-03-04"], code=[LUNG], ward=["x"]), [LUNG], [("data", "unread-column")], form="meds"),
    Case("meds: no code", meds(subject_id=[1, 1], time=["2020-03-04"] * 2, code=[None, LUNG]), [LUNG], [("data#1/code", "missing-code")], form="meds"),
    Case("meds: a free text", meds(subject_id=[1], time=["2020-03-04"], code=[LUNG], text_value=["seen by her doctor"]), [LUNG],
         [("data#1/text_value", "text-withheld")], form="meds"),
]  # fmt: skip

PORTAL = """mapping: 1
name: portal
systems: [ipp]
nulls: [NA, "[Not Available]"]
tables:
  - name: treatment
    files: [data_timeline_treatment]
    person: PATIENT_ID
    events: [{code: "DRUG//{AGENT}", date: START_DATE, end: STOP_DATE, since: "2000-01-01"}]
  - name: patient
    files: [data_clinical_patient]
    person: PATIENT_ID
    events: [{code: MEDS_DEATH, date: DAYS, since: "2000-01-01", happened: {OS_STATUS: ["1:DECEASED"]}}, {code: "SEX//{SEX}", static: true, values: {SEX: {Male: M, Female: F}}}]
"""
DRUG_HEAD, DRUG = "PATIENT_ID\tSTART_DATE\tSTOP_DATE\tAGENT\n", "data_timeline_treatment.txt"
SEEN = "PATIENT_ID\tSEX\tOS_STATUS\tDAYS\n"


def portal(
    name: str,
    told: Told,
    codes: list[str],
    treatment: str = "P1\t339\t490\tCISPLATIN\n",
    patient: str = "",
    head: str = DRUG_HEAD,
) -> Case:
    def write(folder: Path) -> None:
        text(head + treatment, DRUG)(folder)
        text("#Patient\tSex\tStatus\tDays\n#STRING\tSTRING\tSTRING\tNUMBER\n" + SEEN + patient, "data_clinical_patient.txt")(
            folder
        )

    return Case(f"cbioportal: {name}", write, codes, [("patient", "title-line"), *told], PORTAL)


CISPLATIN = "DRUG//CISPLATIN"
CBIOPORTAL = [
    portal("days since the start", [], [CISPLATIN]),
    portal("dead, and no day", [("patient#1/days", "missing-date")], [CISPLATIN, "MEDS_DEATH", "SEX//F"], patient="P1\tFemale\t1:DECEASED\t[Not Available]\n"),
    portal("a day that is a word", [("treatment#1/start_date", "unreadable-date")], [], treatment="P1\tweek 3\t490\tCISPLATIN\n"),
    portal("days that look like a year", [], [CISPLATIN], treatment="P1\t1987\t2001\tCISPLATIN\n"),
    portal("a column more", [("treatment", "unread-column")], [CISPLATIN], "P1\t339\t490\tCISPLATIN\tx\n", head=DRUG_HEAD.replace("\n", "\tNOTE\n")),
]  # fmt: skip

CDISC = """mapping: 1
name: trial
systems: [ipp]
tables:
  - name: suivi
    person: USUBJID
    events:
      - {code: "LB//{LBTESTCD}", date: LBDTC, number: LBSTRESN}
"""
LB, LBROW = ["USUBJID", "LBTESTCD", "LBDTC", "LBSTRESN", "LBSTAT"], ["01-001", "HGB", "2020-03-04", 12.5, ""]


def trial(name: str, row: list[object], codes: list[str], told: Told | None = None, head: list[str] = LB) -> Case:
    return Case(f"sdtm: {name}", xpt(frame(row, head=head)), codes, told or [], CDISC)


TRIALS = [
    trial("plain", LBROW[:4], ["LB//HGB"], head=LB[:4]),
    trial("not done", [*LBROW[:3], None, "NOT DONE"], [], [*EXTRA, ("suivi#1/lbstat", "not-done")]),
    trial("the month alone", [*LBROW[:2], "2020-03", 12.5], ["LB//HGB"], head=LB[:4]),
    trial("a column more", [*LBROW[:4], "Y"], ["LB//HGB"], EXTRA, head=[*LB[:4], "ANL01FL"]),
    trial("the day a number of SAS", [*LBROW[:2], pd.Timestamp("2020-03-04"), 12.5], ["LB//HGB"], head=LB[:4]),
]

RSS = """mapping: 1
name: pmsi
systems: [ipp]
date_order: dmy
tables:
  - name: suivi
    person: IPP
    widths: {IPP: [1, 8], ENTREE: [9, 16], DP: [17, 22], SEXE: [23, 23]}
    not_mapped: {SEXE: in the people file}
    events: [{code: "ICD10//{DP}", date: ENTREE}]
"""
PMSI = [
    Case("pmsi: a line", text("0000012304032020C341  1\n", "suivi.txt"), [LUNG], mapping=RSS),
    Case(
        "pmsi: a line cut",
        text("0000012304032020C341  1\n00000456\n", "suivi.txt"),
        [LUNG],
        [("suivi", "wrong-column-count")],
        RSS,
    ),
    Case("pmsi: Windows-1252", text("é000012304032020C341  1\n", "suivi.txt", "cp1252"), [LUNG], [("suivi", "not-utf-8")], RSS),
    Case("pmsi: 31 February", text("0000012331022020C341  1\n", "suivi.txt"), [], [("suivi#1/entree", "impossible-date")], RSS),
    Case("pmsi: no code", text("0000012304032020poumon1\n", "suivi.txt"), [], [("suivi#1/dp", "unknown-code")], RSS),
]

OSIRIS = """mapping: 1
name: osiris-sql
systems: [ipp]
tables:
  - name: patient
    person: Ext_PatientID
    persons: true
    not_mapped: {PK_PatientID: key}
    events: [{code: MEDS_BIRTH, date: BirthDate}, {code: MEDS_DEATH, date: DeathDate, happened: {DeathStatus: ["true"]}}]
  - name: tumorpathologyevent
    person: Ext_PatientID
    joins: [{table: patient, on: {FK_PatientID: PK_PatientID}, columns: [Ext_PatientID]}]
    events: [{code: "ICDO3//{MorphologyCode}", date: DiagnosisDate}]
"""
PATIENTS = (
    "SELECT 7 AS PK_PatientID, '00123' AS Ext_PatientID, DATE '1950-02-21' AS BirthDate, {} AS DeathStatus, {} AS DeathDate"
)
TUMOURS = "SELECT {} AS FK_PatientID, DATE '2020-03-04' AS DiagnosisDate, '8140/3' AS MorphologyCode"
ALIVE, ADENO = PATIENTS.format("false", "NULL::DATE"), "ICDO3//8140/3"


def osiris(name: str, codes: list[str], told: Told | None = None, patient: str = ALIVE, tumour: str = TUMOURS.format(7)) -> Case:
    return Case(f"osiris sql: {name}", database(Patient=patient, TumorPathologyEvent=tumour), codes, told or [], OSIRIS)


SQL = [
    osiris("joined by the key", ["MEDS_BIRTH", ADENO]),
    osiris("dead, and no day", ["MEDS_BIRTH", "MEDS_DEATH", ADENO], [("patient#1/deathdate", "missing-date")], PATIENTS.format("true", "NULL::DATE")),
    osiris("a patient who is not there", ["MEDS_BIRTH"], [("tumorpathologyevent#1", "missing-person"), ("tumorpathologyevent#1/fk_patientid", "unknown-key")], tumour=TUMOURS.format(8)),
    osiris("a column more", ["MEDS_BIRTH", ADENO], [("patient", "unread-column")], ALIVE + ", 'x' AS Ethnicity"),
    Case("osiris sql: a table is not there", database(Patient=ALIVE), ["MEDS_BIRTH"], [("tumorpathologyevent", "missing-table")], OSIRIS),
]  # fmt: skip

CASES = [*XLSX, *SAS, *SPSS, *REDCAP, *BUNDLES, *NDJSON, *MEDS, *CBIOPORTAL, *TRIALS, *PMSI, *SQL]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_row_and_field_is_accounted_for(case: Case, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    case.write(source)
    mapping = _mapping(case, tmp_path)
    databases = sorted(source.glob("*.duckdb"))
    task = TimelineTask(case.form, databases[0] if databases else source, "CHU-été", mapping=mapping, cutoff="none")
    account = convert(task, tmp_path / "out").account
    assert account.filter(pl.col("rows") != pl.col("used") + pl.col("refused") + pl.col("silent")).is_empty()
    problems = pl.read_parquet(tmp_path / "out" / "metadata" / "problems.parquet")
    places = problems.select(pl.col("unit").str.splitn("/", 3).struct[2].alias("place"), "reason")
    codes = pl.read_parquet(tmp_path / "out" / "data" / "*.parquet")["code"].to_list()
    assert (sorted(codes), sorted(places.rows())) == (sorted(case.codes), sorted(case.told))
    messages = " ".join(problems["message"])
    untold = [name for name in _fields(source, case, mapping) if name.lower() not in messages and not _in(places, name)]
    assert untold == []


def _mapping(case: Case, folder: Path) -> Path | None:
    if case in REDCAP:
        drafted, _ = mapped(folder, RAW, FIELDS)
        return drafted
    if case.form != "csv":
        return None
    (folder / "mapping.yaml").write_text(case.mapping, encoding="utf-8")
    return folder / "mapping.yaml"


def _in(places: pl.DataFrame, name: str) -> bool:
    return any(place.split("/")[-1].split(".")[-1] == name for place in places["place"])


def _fields(source: Path, case: Case, mapping: Path | None) -> list[str]:
    """Return the columns or fields of a source that no rule reads or leaves out by name."""
    if mapping is not None:
        known = {name for rule in read_mapping(mapping).tables for name in _named(rule)}
        return [name for columns in _columns(source).values() for name in columns if name.lower() not in known]
    if case.form == "fhir":
        return [
            name for one in _resources(source) if (kind := one["resourceType"]) in READ for name in one if name not in READ[kind]
        ]
    known = {"subject_id", "time", "code", "numeric_value", "text_value"}
    return [name for path in source.rglob("*.parquet") for name in pl.read_parquet_schema(path) if name not in known]


def _columns(source: Path) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in source.iterdir():
        if path.suffix == ".xpt":
            found[path.name] = list(pyreadstat.read_xport(str(path))[0].columns)
        elif path.suffix == ".sav":
            found[path.name] = list(pyreadstat.read_sav(str(path))[0].columns)
        elif path.suffix == ".xlsx":
            found[path.name] = [str(one) for one in CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()[0]]
        elif path.suffix == ".csv":
            found[path.name] = path.read_text("utf-8").splitlines()[0].split(",")
    return found


def _resources(source: Path) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for path in source.iterdir():
        content = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text("utf-8")
        for line in [content] if path.suffix == ".json" else content.splitlines():
            if line.endswith("}") or line.endswith("]"):
                loaded = json.loads(line)
                listed = loaded if isinstance(loaded, list) else [loaded]
                out += [entry["resource"] for one in listed for entry in one.get("entry", [])] + listed
    return [one for one in out if one["resourceType"] not in ("Bundle", *NOT_EVENTS)]


@pytest.mark.parametrize(
    ("first", "days", "day", "told"),
    [
        ("2020-01-31", "30", "2020-03-01", []),
        ("2020-01-31", "-31", "2019-12-31", []),
        ("2020-01-31", "0.0", "2020-01-31", []),
        ("2020-01-31", "1.5", None, ["unreadable-date"]),
        ("2020-01-31", "1987", "2025-07-10", []),
        ("2020-01", "30", None, ["missing-date"]),
        ("", "30", None, ["missing-date"]),
    ],
)
def test_days_count_from_a_day_of_the_row(first: str, days: str, day: str | None, told: list[str], tmp_path: Path) -> None:
    rule = '{code: "ICD10//{CODE}", date: DAYS, since: FIRST}'
    mapping = (
        TABLE[: TABLE.index("      - {code: LOINC")].replace("OPTIONS\n", "").replace('{code: "ICD10//{CODE}", date: JOUR}', rule)
    )
    (tmp_path / "mapping.yaml").write_text(mapping, encoding="utf-8")
    (tmp_path / "suivi.csv").write_text(f"IPP,CODE,FIRST,DAYS\n1,C34.1,{first},{days}\n", encoding="utf-8")
    convert(
        TimelineTask("csv", tmp_path / "suivi.csv", "lyon", mapping=tmp_path / "mapping.yaml", cutoff="none"), tmp_path / "out"
    )
    found = pl.read_parquet(tmp_path / "out" / "data" / "*.parquet")["time"].dt.strftime("%F").to_list()
    problems = pl.read_parquet(tmp_path / "out" / "metadata" / "problems.parquet")["reason"].to_list()
    assert ([one for one in found if one], problems) == ([day] if day else [], told)


@pytest.mark.parametrize(("date", "events"), [("2020-03-04", 1), ("", 1), ("2020-02-31", 0)])
def test_an_act_without_a_day_is_told_and_not_lost(date: str, events: int, tmp_path: Path) -> None:
    """A tick says that there was chemotherapy, whether or not somebody wrote when."""
    rule = "{code: TREATMENT//CHEMO, date: JOUR, when: {CHEMO: [O]}}"
    mapping = (
        TABLE[: TABLE.index("      - {code: LOINC")].replace("OPTIONS\n", "").replace('{code: "ICD10//{CODE}", date: JOUR}', rule)
    )
    (tmp_path / "mapping.yaml").write_text(mapping, encoding="utf-8")
    (tmp_path / "suivi.csv").write_text(f"IPP,JOUR,CHEMO\n1,{date},O\n2,2020-03-04,N\n", encoding="utf-8")
    convert(
        TimelineTask("csv", tmp_path / "suivi.csv", "lyon", mapping=tmp_path / "mapping.yaml", cutoff="none"), tmp_path / "out"
    )
    problems = pl.read_parquet(tmp_path / "out" / "metadata" / "problems.parquet")
    assert pl.read_parquet(tmp_path / "out" / "data" / "*.parquet").height == events
    assert problems.height == (date != "2020-03-04")
