"""Who objects leaves: staging, the tables of the next night, and every night after, in whatever channel it was said."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.flows.small_study import MAPPING, write_study
from unibase.flows.runs.pipeline import stage
from unibase.flows.runs.quarantine_table import read_quarantine
from unibase.flows.runs.run import open_run
from unibase.flows.study.validation import read_study
from unibase.groundwork.problems import UserError

STAGES = ("people", "clinical", "deidentify", "index", "timeline")


def night(home: Path) -> tuple[dict[str, int], list[str]]:
    """Run the stages of one night; return the subject of each number known, and what was said."""
    study, said = read_study(home / "study.yaml"), []
    study.work.create()
    with open_run(study, say=said.append) as run:
        for name in STAGES:
            stage(name)(run)
        known = {identifier: subject.subject_id for (_, _, identifier), subject in run.lookup.by_identifier.items()}
    return known, said


def traces(home: Path, subject: int) -> list[str]:
    """Where a pseudonym stands below staging: names of files and folders, bytes, rows of tables."""
    found = []
    for path in sorted((home / "work" / "staging").rglob("*")):
        if str(subject) in path.name:
            found.append(f"name {path.name}")
        elif path.suffix == ".parquet":
            frame = pl.read_parquet(path)
            if "subject_id" in frame.columns and frame.filter(pl.col("subject_id") == subject).height:
                found.append(f"row {path.name}")
        elif path.is_file() and str(subject).encode() in path.read_bytes():
            found.append(f"bytes {path.name}")
    return found


def change(home: Path, *pairs: tuple[str, str]) -> None:
    text = (home / "study.yaml").read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    (home / "study.yaml").write_text(text, encoding="utf-8")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return write_study(tmp_path)


def test_a_number_in_the_study_file_leaves_the_next_night_and_stays_out(home: Path) -> None:
    before, _ = night(home)
    mine, other = before["IPP001"], before["IPP002"]
    assert traces(home, mine) and traces(home, other)
    kept = traces(home, other)
    change(home, ("    people: people.csv\n", '    people: people.csv\n    objections: ["IPP001"]\n'))
    after, said = night(home)
    assert "IPP001" not in after and traces(home, mine) == [] and traces(home, other) == kept
    assert "people: 1 persons object and are left out" in said
    quarantine = read_quarantine(home / "work" / "staging")
    assert set(quarantine["reason"]) <= {"objects", "impossible-date", "unreadable-date"}
    # Nobody says it any more, and the person comes back with the night's export: the register remembers.
    change(home, ('    objections: ["IPP001"]\n', ""))
    later, _ = night(home)
    assert later == after and traces(home, mine) == []


def test_the_person_stays_out_under_another_number(home: Path) -> None:
    who = "identifier,person_key,birth_family_name,given_names,birth_date,sex,birth_place_code"
    anne = "Garandeau,Anne,1961-04-02,F,75112"
    (home / "people.csv").write_text(
        f"{who}\nIPP001,IPP001,{anne}\nIPP002,IPP002,{anne}\nIPP003,IPP003,,,,,\nIPP004,IPP004,,,,,\n"
    )
    change(home, ("    people: people.csv\n", '    people: people.csv\n    objections: ["IPP002"]\n'))
    known, _ = night(home)
    assert set(known) == {"IPP003", "IPP004"}


def test_a_column_of_a_mapped_table_says_who_objects(home: Path) -> None:
    (home / "mapping.yaml").write_text(
        MAPPING + "  - name: refusals\n    files: [refusals]\n    person: ipp\n    objection: {column: accord, stays: [oui]}\n"
    )
    (home / "records" / "refusals.csv").write_text("ipp,accord\nIPP001,OUI\nIPP002,Non\nIPP003,\nIPP009,refus\n")
    known, said = night(home)
    assert set(known) == {"IPP001", "IPP003", "IPP004"}
    assert "people: 1 persons object and are left out; 1 numbers in the register are nobody's in the ledger" in said


def test_a_column_that_the_study_file_names_must_be_there(home: Path) -> None:
    told = "objection: {table: acts, person: ipp, column: refus, values: [oui]}"
    change(home, ("mapping: mapping.yaml}", f"mapping: mapping.yaml, {told}}}"))
    with pytest.raises(UserError, match="no column refus in table acts"):
        night(home)
    text = (home / "records" / "acts.csv").read_text().splitlines()
    rows = [f"{line},{'refus' if at == 0 else 'OUI' if 'IPP002' in line else 'non'}" for at, line in enumerate(text)]
    (home / "records" / "acts.csv").write_text("\n".join(rows) + "\n")
    known, _ = night(home)
    assert set(known) == {"IPP001", "IPP003", "IPP004"}


def test_a_number_without_quotes_is_refused(home: Path) -> None:
    # YAML would read 00123 as another number.
    change(home, ("    people: people.csv\n", "    people: people.csv\n    objections: [00123]\n"))
    with pytest.raises(UserError, match="objections"):
        read_study(home / "study.yaml")
