"""A custodian corrects a person: what stands, until when, what follows, and what is left of it when the person is erased."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tests.flows.small_study import write_study
from tests.flows.test_objections import night
from tests.flows.test_rights_desk import published
from tests.privacy.test_identity import INS_ONE, INS_TWO
from tests.releases.examples import make_inputs
from unibase.flows.runs.run import open_run
from unibase.flows.stages.people import needles
from unibase.flows.study.places import CORRECTIONS
from unibase.flows.study.validation import read_study
from unibase.flows.vault import rights_desk
from unibase.flows.vault.correcting import correct, take_back
from unibase.flows.vault.marking import mark_releases
from unibase.groundwork.files import write_json
from unibase.groundwork.problems import UserError
from unibase.privacy.audit import AuditLog
from unibase.privacy.ledger import persons
from unibase.releases.catalogue.marked_versions import read_marks
from unibase.releases.content.publish import publish_release
from unibase.releases.read.difference import diff

HEAD = "identifier,ins,birth_family_name,given_names,birth_date,sex\n"
ANNE, TWO = f"IPP001,{INS_ONE},Garandeau,Paule,1984-11-02,F\n", f"IPP002,{INS_TWO},Kowalski,Bruno,1971-12-24,M\n"


def listed(home: Path, *rows: str) -> Path:
    (home / "people.csv").write_text(HEAD + "".join(rows), encoding="utf-8")
    return home / "study.yaml"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return write_study(tmp_path)


def known(home: Path, number: str) -> dict[str, str | None]:
    rows = persons.ledger_people(home / "work" / "vault" / "identity")
    return rows.filter(pl.col("identifier") == number).row(0, named=True)


CASES = {
    # what is corrected, and the row of the people file that the hospital sends once it has corrected it itself
    "an INS": ({"ins": INS_TWO}, f"IPP001,{INS_TWO},Garandeau,Paule,1984-11-02,F\n"),
    "an INS that is not known": ({"ins": "none"}, "IPP001,,Garandeau,Paule,1984-11-02,F\n"),
    "a date of birth": ({"birth_date": "1984-02-11"}, f"IPP001,{INS_ONE},Garandeau,Paule,1984-02-11,F\n"),
    "a name": ({"birth_family_name": "Garandel"}, f"IPP001,{INS_ONE},Garandel,Paule,1984-11-02,F\n"),
    "given names and sex": ({"given_names": "Paul", "sex": "m"}, f"IPP001,{INS_ONE},Garandeau,Paul,1984-11-02,M\n"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_correction_stands_until_the_hospital_makes_it(name: str, home: Path) -> None:
    right, row = CASES[name]
    study = listed(home, ANNE)
    before, _ = night(home)
    assert "--nightly" in correct(study, "IPP001", None, right)
    after, said = night(home)
    wanted = {trait: None if value == "none" else value.upper() if trait == "sex" else value for trait, value in right.items()}
    assert {trait: known(home, "IPP001")[trait] for trait in wanted} == wanted and after == before
    assert any("as the custodian corrected them" in line for line in said)
    listed(home, row)
    later, said = night(home)
    assert {trait: known(home, "IPP001")[trait] for trait in wanted} == wanted and later == before
    assert not any("corrected" in line for line in said)


def test_a_correction_that_is_taken_back_leaves_what_the_hospital_says(home: Path) -> None:
    study = listed(home, ANNE)
    night(home)
    correct(study, "IPP001", None, {"birth_date": "1984-02-11"})
    night(home)
    assert "Taken back: 1 values" in take_back(study, "IPP001", None)
    night(home)
    assert known(home, "IPP001")["birth_date"] == "1984-11-02"


def test_a_third_value_of_the_source_counts_and_is_told(home: Path) -> None:
    study = listed(home, ANNE)
    night(home)
    correct(study, "IPP001", None, {"birth_date": "1984-02-11"})
    night(home)
    listed(home, ANNE.replace("1984-11-02", "1985-02-11"))
    _, said = night(home)
    assert known(home, "IPP001")["birth_date"] == "1985-02-11"
    assert any("1 records the source now says neither" in line for line in said)


def test_a_link_by_a_wrong_ins_is_undone_and_releases_that_held_it_are_marked(home: Path) -> None:
    # Two persons under one INS, of whom one has nothing else that would contradict it.
    study = listed(home, ANNE, f"IPP002,{INS_ONE},,,,\n")
    before, _ = night(home)
    assert before["IPP001"] == before["IPP002"]
    published(home, "1.0.0", sorted(set(before.values())))
    manifest = home / "releases" / "trial" / "1.0.0" / "manifest.json"
    write_json(manifest, {**json.loads(manifest.read_text()), "ledger_revision": 1})
    answer = correct(study, "IPP002", None, {"ins": INS_TWO})
    assert "Releases and extracts that hold the person: 1" in answer
    after, said = night(home)
    assert after["IPP001"] != after["IPP002"] and any("links undone" in line for line in said)
    opened = read_study(study)
    mark_releases(opened, opened.read_key(), set(after.values()))
    assert read_marks(home / "releases" / "trial") == {"1.0.0": ("identity",)}
    assert "corrected in ins" in rights_desk.history(study, "IPP002", None)


def test_a_number_that_was_given_to_another_person_gets_a_new_pseudonym(home: Path) -> None:
    study = listed(home, ANNE)
    before, _ = night(home)
    now = {"ins": INS_TWO, "birth_family_name": "Kowalski", "given_names": "Bruno", "birth_date": "1971-12-24", "sex": "M"}
    correct(study, "IPP001", "A", now)
    after, said = night(home)
    assert after["IPP001"] != before["IPP001"] and any("another person stands now: 1" in line for line in said)
    assert night(home)[0] == after


def test_a_correction_is_corrected_and_the_wrong_values_may_be_in_no_release(home: Path) -> None:
    study = listed(home, ANNE)
    night(home)
    correct(study, "IPP001", None, {"birth_family_name": "Garandel", "ins": INS_TWO})
    night(home)
    correct(study, "IPP001", None, {"birth_family_name": "Garandelle"})
    night(home)
    assert known(home, "IPP001")["birth_family_name"] == "Garandelle"
    with open_run(read_study(study), say=lambda _: None) as run:
        searched = {str(one.value) for one in needles(run)}
    assert {INS_ONE, INS_TWO, "Paule Garandeau", "Paule Garandelle"} <= searched


WRONG: tuple[tuple[dict[str, str], str], ...] = (
    ({}, "Name what is to be corrected"),
    ({"ins": INS_ONE[:-1] + "0"}, "the last two check"),
    ({"birth_date": "12/03/1956"}, "YYYY-MM-DD"),
    ({"birth_date": "1956-02-31"}, "YYYY-MM-DD"),
    ({"sex": "X"}, "F or M"),
    ({"birth_family_name": " "}, "or `none`"),
    ({"given_names": "Paule"}, "nothing to correct"),
)


@pytest.mark.parametrize(("right", "words"), WRONG)
def test_what_cannot_be_a_value_is_refused_and_no_value_is_told(right: dict[str, str], words: str, home: Path) -> None:
    study = listed(home, ANNE)
    night(home)
    with pytest.raises(UserError, match=words) as caught:
        correct(study, "IPP001", None, right)
    assert not any(value.strip() and value in str(caught.value) for value in right.values() if len(value) > 2)
    with pytest.raises(UserError, match="Nothing of this number was corrected"):
        take_back(study, "IPP001", None)


def test_the_log_holds_no_value_and_an_erased_person_leaves_no_correction(home: Path) -> None:
    study = listed(home, ANNE, TWO)
    night(home)
    correct(study, "IPP001", None, {"birth_family_name": "Garandel"})
    correct(study, "IPP002", None, {"given_names": "Brunon"})
    night(home)
    log = AuditLog(read_study(study).audit.path)
    (first, _) = [one for one in log.entries() if one["action"] == "person-correct"]
    assert first["details"]["traits"] == ["birth_family_name"] and "Garandel" not in log.path.read_text()
    path = CORRECTIONS.of(home / "work")
    assert path.stat().st_mode & 0o777 == 0o600
    rights_desk.erase(study, "IPP001", None)
    assert pl.read_parquet(path)["right"].to_list() == ["Brunon"]
    assert b"Garandel" not in path.read_bytes()


def test_the_difference_of_two_releases_names_the_ledgers_revision_after_a_correction(home: Path, tmp_path: Path) -> None:
    study = listed(home, ANNE, f"IPP002,{INS_ONE},,,,\n")
    before, _ = night(home)
    out = [_released(home, tmp_path, "1.0.0", before)]
    correct(study, "IPP002", None, {"ins": INS_TWO})
    after, _ = night(home)
    out.append(_released(home, tmp_path, "1.0.1", after))
    found = diff(*out)
    assert found.causes["Ledger"] == ["revision 1 to 2"] and "Ledger     revision 1 to 2" in found.text()
    changed = found.cells.filter(pl.col("table") == "subjects")
    assert changed.height and changed["cause"].str.contains("who is who in the identity ledger, revision 1 to 2").all()
    # A night that changes nobody names no revision.
    night(home)
    assert "Ledger" not in diff(out[1], _released(home, tmp_path, "1.0.2", after)).causes


def _released(home: Path, folder: Path, version: str, subjects: dict[str, int]) -> Path:
    """Publish a release by the ledger as it stands; who the persons are decides the age that it tells."""
    with open_run(read_study(home / "study.yaml"), say=lambda _: None) as run:
        revision = run.ledger_revision
    inputs = make_inputs(folder / "in", subjects=12)
    age = pl.lit(60 + len(set(subjects.values()))).alias("age_at_index")
    inputs = replace(inputs, version=version, subjects=inputs.subjects.with_columns(age), ledger_revision=revision)
    return publish_release(inputs, folder / "out")
