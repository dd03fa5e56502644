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
    study = read_study(home / "study.yaml")
    said: list[str] = []
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


@pytest.mark.parametrize(
    ("system", "listed", "written"),
    [
        ("nip", "IPP002", "IPP002"),
        ("nip", "00123", "123"),
        ("nip", "123", " 00123 "),
        ("ipp", "IPP002", "2610475112042 84"),
        ("ipp", "IPP002", "261047511204284"),
    ],
)
def test_a_number_that_a_person_wrote_down_is_found_in_any_system(home: Path, system: str, listed: str, written: str) -> None:
    ins = "261047511204284"
    rows = [f"ipp,IPP00{n},IPP00{n},," for n in (1, 3, 4)] + [f"{system},{listed},IPP002,{ins},1961-04-02"]
    (home / "people.csv").write_text("\n".join(["system,identifier,person_key,ins,birth_date", *rows]) + "\n")
    change(home, ("    people: people.csv\n", f'    people: people.csv\n    objections: ["{written}"]\n'))
    known, said = night(home)
    assert set(known) == {"IPP001", "IPP003", "IPP004"}
    assert "people: 1 persons object and are left out" in said


def test_an_objection_that_comes_before_the_person(home: Path) -> None:
    change(home, ("    people: people.csv\n", '    people: people.csv\n    objections: ["IPP777"]\n'))
    _, said = night(home)
    assert any("1 numbers in the register are nobody's" in line for line in said)
    with (home / "people.csv").open("a") as file:
        file.write("IPP777\n" if "," not in (home / "people.csv").read_text() else "IPP777" + "," * 20 + "\n")
    known, _ = night(home)
    assert "IPP777" not in known and "IPP001" in known


def test_whom_the_hospital_lists_no_more_leaves(home: Path) -> None:
    before, _ = night(home)
    mine, other = before["IPP001"], before["IPP002"]
    lines = (home / "people.csv").read_text().splitlines(keepends=True)
    (home / "people.csv").write_text("".join(line for line in lines if "IPP001" not in line))
    after, said = night(home)
    assert "IPP001" not in after and traces(home, mine) == [] and traces(home, other)
    assert "people: 1 numbers are listed no more by their hospital; whoever has no other is left out" in said
    change(home, ("    people: people.csv\n", "    people: people.csv\n    keep_unlisted: true\n"))
    assert night(home)[0]["IPP001"] == mine


def test_an_export_of_persons_that_broke_off_stops_the_night(home: Path) -> None:
    lines = (home / "people.csv").read_text().splitlines(keepends=True)
    more = [line.replace("IPP001", f"IPP9{n:02d}") for line in lines if "IPP001" in line for n in range(40)]
    (home / "people.csv").write_text("".join([*lines, *more]))
    night(home)
    (home / "people.csv").write_text("".join(lines))
    with pytest.raises(UserError, match=r"of 44 persons of the last night, 40 are listed no more.*keep_unlisted"):
        night(home)


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


def test_who_objects_stays_out_when_their_number_is_given_to_another_person(home: Path) -> None:
    head = "identifier;birth_family_name;given_names;birth_date;sex\n"
    anne, paul = "Garandeau;Anne;1961-04-02;F", "Kervella;Paul Yann;1950-11-23;M"
    change(home, ("    people: people.csv\n", '    people: people.csv\n    objections: ["IPP001"]\n'))
    change(home, ("concepts: concepts.yaml\n", "  CHU-été: {people: b.csv}\nconcepts: concepts.yaml\n"))
    (home / "people.csv").write_text(f"{head}IPP001;{anne}\nIPP002;;;;\n", encoding="utf-8")
    (home / "b.csv").write_text(f"{head}9;{anne}\n12;{paul}\n", encoding="utf-8")
    assert set(night(home)[0]) == {"IPP002", "12"}
    change(home, ('    objections: ["IPP001"]\n', ""))
    (home / "people.csv").write_text(f"{head}IPP001;{paul}\nIPP002;;;;\n", encoding="utf-8")
    known, said = night(home)
    assert set(known) == {"IPP002"}  # Paul has the number that objected: he is left out until somebody looks at it.
    assert any("is another person's now. Both are left out" in line for line in said)
    assert set(night(home)[0]) == {"IPP002"}


@pytest.mark.parametrize("told_in", ["the mapping", "nothing"])
def test_a_source_that_may_say_who_objects_is_needed_on_its_first_night(tmp_path: Path, told_in: str) -> None:
    home = write_study(tmp_path)
    if told_in == "the mapping":
        rule = '    objection: {column: refus, stays: ["non"]}\n'
        (home / "mapping.yaml").write_text(MAPPING + rule, encoding="utf-8")
    (home / "records" / "acts.csv").write_text("ip", encoding="utf-8")  # an export that broke off
    if told_in == "nothing":
        night(home)
        return
    with pytest.raises(UserError, match="It may say who objects"):
        night(home)


@pytest.mark.parametrize(
    ("listed", "told", "left"),
    [
        (["nip,0012,x", "nip,13,y"], ["nip 12"], {"13"}),  # zeros that a spreadsheet took
        (["nip,0012,x", "nip,12,y"], ["nip 12"], {"0012"}),  # two numbers of the hospital: the one that was written
        (["nip,0012,x", "nip,13,y"], ["ipp 12"], {"13"}),  # the hospital lists no number called `ipp`
        (["nip,12,x", "ipp,13,y"], ["ipp 12"], {"12", "13"}),  # it does, and this one is nobody's
    ],
)
def test_numbers_of_a_source_that_nobody_has_as_they_are_written(
    listed: list[str], told: list[str], left: set[str], tmp_path: Path
) -> None:
    home = write_study(tmp_path)
    (home / "people.csv").write_text("system,identifier,person_key\n" + "\n".join(listed) + "\n")
    rows = "".join(f"{one.split()[1]},non\n" for one in told)
    (home / "records" / "refusals.csv").write_text("who,accord\n" + rows)
    column = f"objection: {{table: refusals, person: who, column: accord, values: [refus, non], system: {told[0].split()[0]}}}"
    change(home, ("mapping: mapping.yaml}", f"mapping: mapping.yaml, {column}}}"))
    assert set(night(home)[0]) == left
