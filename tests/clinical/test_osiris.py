"""OSIRIS pivot as published, OSIRIS-RWD items of the minimum data set, and OSIRIS-RWD there and back."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.clinical.conftest import lookup_of
from tests.clinical.whole import read_events
from unibase.clinical.formats.mapping_rules import EventRule, TableRule, field_table, packaged_mapping
from unibase.clinical.formats.osiris_rwd import write_osiris_rwd
from unibase.clinical.formats.registrations import read_people
from unibase.clinical.timelines.centre import TimelineTask
from unibase.privacy.subjects import Subject, SubjectLookup


def columns_of(rule: TableRule) -> set[str]:
    fields = field_table(packaged_mapping("osiris"))
    return set(fields.filter(pl.col("table") == rule.name)["field"])


def test_every_field_of_the_pivot_is_mapped_or_named(real_data: Path) -> None:
    mapping = packaged_mapping("osiris")
    rules = {name.lower(): rule for rule in mapping.tables for name in rule.files}
    others = {name.lower() for name in mapping.other_tables}
    seen = 0
    for path in sorted((real_data / "clinical" / "osiris" / "pivot").glob("*.csv")):
        if path.stem.lower() in others:
            continue
        header = path.read_text(encoding="utf-8").splitlines()[0].split(",")
        assert set(header) == columns_of(rules[path.stem.lower()]), path.stem
        seen += len(header)
    assert seen > 90


def test_every_item_of_osiris_rwd_is_mapped_or_named(real_data: Path) -> None:
    text = (real_data / "clinical" / "osiris" / "rwd" / "MDS_Osiris_RWD.txt").read_text(encoding="utf-8")
    items = set(re.findall(r"^(?:\d+\. .*? )?(\d{1,2}\.\d{1,2}) (?:obligatoire|optionnel)", text, re.MULTILINE | re.IGNORECASE))
    assert len(items) == 103
    fields = field_table(packaged_mapping("osiris-rwd"))
    mapped = {item for cell in fields["item"] for item in cell.split()}
    named = set(re.findall(r"not mapped: (\d+\.\d+):", " ".join(fields["use"])))
    person = {"1.1"}
    assert items == mapped | named | person
    # 2.3 and 2.4 are objections: obeyed, never events.
    assert named == {"1.2", "2.3", "2.4", "12.2", "13.6", "15.6", "16.1"}
    assert not mapped & named


def test_variables_are_named_as_in_the_guide() -> None:
    fields = set(field_table(packaged_mapping("osiris-rwd"))["field"])
    for name in (
        "PatientBirthDate",
        "DeathStatusLastContact",
        "CancerDiagnosticDate",
        "TNMEventTValue",
        "DrugCode",
        "BiomarkerValueNum",
    ):
        assert name in fields


def test_the_published_pivot_files_load(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "clinical" / "osiris" / "pivot"
    people = read_people("osiris", folder, "P")
    assert people.select("system", "identifier", "birth_date", "sex").rows() == [
        ("ipp", "L036", None, None), ("ipp", "L304", "1967-11-08", "M"), ("osiris", "L036", None, None), ("osiris", "L304", "1967-11-08", "M"),
    ] or set(people["identifier"]) == {"L304"}  # fmt: skip
    result = read_events(TimelineTask("osiris", folder, "P", lookup_of(people, shift=0)))
    account = result.account
    assert account.filter(pl.col("rows") != pl.col("used") + pl.col("refused") + pl.col("silent")).is_empty()
    codes = set(result.events["code"])
    assert {
        "MEDS_BIRTH", "MEDS_DEATH", "SEX//M", "ICDO3//C00.8", "ICDO3//8002/3", "ICD10//R60.9", "OSIRIS//TREATMENT//UMLS:C0728940",
        "OSIRIS//TUMOR_EVENT//UMLS:C0677930", "OSIRIS//LAST_NEWS", "OSIRIS//FAMILY_HISTORY//C00.5",
    } <= codes  # fmt: skip
    # Comment lines, empty rows and prose in the files are kept with a reason, and none of their words travels.
    reasons = set(result.problems["reason"])
    assert {"comment-line", "empty-row", "missing-person", "not-clinical", "unknown-code"} <= reasons
    everything = " ".join(result.problems["message"]) + " ".join(codes) + " ".join(result.events["text_value"].drop_nulls())
    for word in ("Vincent", "Laetitia", "tete", "NGS v", "pipeline v3"):
        assert word not in everything


def test_rows_in_every_dress(table: Callable[[str, str], Path]) -> None:
    header = "PatientId;CancerDiagnosticDateYear;CancerDiagnosticDateMonth;CancerDiagnosticDateDay;CancerDiagnosisTopographyCode;TumorSize\n"
    folder = table(
        "patient.csv", "PatientId;PatientGender;PatientBirthDateYear;PatientBirthDateMonth;PatientBirthDateDay\nP1;F;1950;UN;UN\n"
    )
    rows = [
        "P1;2021;03;UN;C34.1;12,5",
        "P1;2021;02;30;C34.1;1",
        "P1;UN;UN;UN;C34.1;Not Collected",
        "P2;2021;03;04;C34.1;2",
        ";2021;03;04;C34.1;2",
    ]
    rows += ["P1;2021;03;04;quelque chose;3", "P1;2021;03;04;C34.1", "# fin du fichier"]
    table("cancer.csv", header + "\n".join(rows) + "\n")
    lookup = SubjectLookup({("C", "osiris", "P1"): Subject(7, 0)})
    result = read_events(TimelineTask("osiris-rwd", folder, "C", lookup))
    found = {
        unit.removeprefix("C/osiris-rwd/").split("/")[0] + ":" + reason
        for unit, reason in result.problems.select("unit", "reason").iter_rows()
    }
    assert {
        "cancer#2:impossible-date", "cancer#3:not-collected", "cancer#4:unknown-person", "cancer#5:missing-person", "cancer#6:unknown-code",
        "cancer#7:wrong-column-count", "cancer#8:comment-line",
    } <= found  # fmt: skip
    size = result.events.filter(pl.col("code") == "OSIRIS_RWD//8.11")
    assert 12.5 in size["numeric_value"].to_list()
    birth = result.events.filter(pl.col("code") == "MEDS_BIRTH").row(0, named=True)
    assert birth["time"] is None
    assert (birth["time_min"].year, birth["time_max"].year) == (1950, 1950)


TEXTS = [
    "OUI",
    "NON",
    "INCONNU",
    "C34.1",
    "C22.0",
    "1",
    "7",
    "in",
    "out",
    "Y",
    "T2",
    "N1",
    "M0",
    "c",
    "TNM",
    "IIIA",
    "Droit",
    "R",
    "Biopsie",
    "PS",
]
CODES = {"ICDO3": ["C34.1", "C22.0", "C50.9"], "ICD10": ["E11.9", "I10", "C34.1"], "ATC": ["L01XA01", "L01BA04"], "CCAM": ["GFFA001"], "LOINC": ["718-7", "1988-5"], "IMAGING_RECORD": ["CT", "PT"], "OSIRIS_RWD": ["KPS"]}  # fmt: skip


def random_table(rule: TableRule, source: random.Random, rows: int) -> pl.DataFrame:
    """Random rows in the columns of the guide: every field filled or empty, dates of every precision."""
    columns: dict[str, list[str | None]] = {}
    out: list[dict[str, str | None]] = []
    for _ in range(rows):
        row: dict[str, str | None] = {rule.person: str(source.randint(1, 50))}
        for event in rule.events:
            _fill(row, event, source)
        out.append(row)
    for row in out:
        for name in row:
            columns.setdefault(name, [])
    return pl.DataFrame({name: [row.get(name) for row in out] for name in columns}, schema=dict.fromkeys(columns, pl.String))


def _fill(row: dict[str, str | None], event: EventRule, source: random.Random) -> None:
    vocabulary = event.code.split("//")[0]
    for name in re.findall(r"\{(\w+)\}", event.code):
        choices = ["8140/3", "8070/3"] if "Morphology" in name else CODES.get(vocabulary, ["M", "F"])
        row.setdefault(name, source.choice(choices))
    for name, values in event.when.items():
        row.setdefault(name, source.choice(["Poids", "Taille", "PS"]) if len(values) else None)
    if event.number:
        row.setdefault(
            event.number, source.choice([str(source.randint(0, 200)), f"{source.randint(0, 1999) / 10:.1f}".removesuffix(".0")])
        )
    if event.text:
        row.setdefault(event.text, source.choice([*TEXTS, None]))
    if event.unit and event.unit.startswith("{"):
        row.setdefault(event.unit[1:-1], "U/L")
    if event.date and f"{event.date}Year" not in row:
        exact = event.clock is not None
        # A death before other records would be refuted, and rightly so.
        row[f"{event.date}Year"] = (
            "2100" if event.code == "MEDS_DEATH" else str(source.randint(1950, 2024)) if exact or source.random() < 0.9 else "UN"
        )
        row[f"{event.date}Month"] = f"{source.randint(1, 12):02d}" if exact or source.random() < 0.7 else "UN"
        row[f"{event.date}Day"] = f"{source.randint(1, 28):02d}" if exact or source.random() < 0.6 else "UN"
    if event.clock:
        row.setdefault(event.clock, f"{source.randint(0, 23):02d} - {source.randint(0, 59):02d}")


@pytest.mark.parametrize("seed", range(2))
def test_osiris_rwd_there_and_back(tmp_path: Path, seed: int) -> None:
    source = random.Random(seed)
    mapping = packaged_mapping("osiris-rwd")
    tables: dict[str, pl.DataFrame] = {}
    (tmp_path / "in").mkdir()
    for rule in mapping.tables:
        frame = random_table(rule, source, 50)
        if rule.persons:
            frame = frame.with_columns(pl.Series(rule.person, [str(k) for k in range(1, 51)]))
        tables[rule.name] = frame
        frame.write_csv(tmp_path / "in" / f"{rule.name}.csv")
    lookup = SubjectLookup({("C", "osiris", str(number)): Subject(number, 0) for number in range(1, 51)})
    result = read_events(TimelineTask("osiris-rwd", tmp_path / "in", "C", lookup, cutoff="none"))
    lost = result.problems.filter(~pl.col("reason").is_in(["missing-date", "unknown-value", "status-against-date"]))
    assert lost.is_empty(), lost
    write_osiris_rwd(result.events, tmp_path / "out")
    for name, before in tables.items():
        after = pl.read_csv(tmp_path / "out" / f"{name}.csv", infer_schema=False)
        rows = result.events.filter(pl.col("source") == f"C/osiris-rwd/{name}")["source_row"].unique().sort()
        kept = before.with_row_index("row", offset=1).filter(pl.col("row").is_in(rows.implode())).drop("row")
        # A row without any value but its person holds nothing that could come back.
        assert kept.height == after.height
        assert after.select(before.columns).rows() == kept.rows(), name
    shutil.rmtree(tmp_path / "out")


def test_the_simulated_centre_comes_back(simulated: Path, tmp_path: Path) -> None:
    folder = simulated / "centre_c" / "osiris_rwd"
    people = read_people("osiris-rwd", folder, "C")
    numbered = SubjectLookup({("C", "osiris", number): Subject(int(number), 0) for number in people["identifier"].unique()})
    first = read_events(TimelineTask("osiris-rwd", folder, "C", numbered))
    write_osiris_rwd(first.events, tmp_path / "again")
    numbers = SubjectLookup({("C", "osiris", str(s)): Subject(s, 0) for s in first.events["subject_id"].unique()})
    again = read_events(TimelineTask("osiris-rwd", tmp_path / "again", "C", numbers))
    columns = [name for name in first.events.columns if name not in {"source_row"}]
    assert again.events.select(columns).sort(columns).equals(first.events.select(columns).sort(columns))
