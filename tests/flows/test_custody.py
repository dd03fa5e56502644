"""The custodian's way from the command line: review, decision, past state, new key, two custodians."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pydicom
import pytest

from tests.flows.demo import unibase
from tests.flows.small_study import STUDIES, write_study
from tests.known_keys import known_key
from unibase.flows.runs.pipeline import stage
from unibase.flows.runs.run import open_run
from unibase.flows.study.validation import read_study
from unibase.flows.vault import custodian
from unibase.flows.vault.reidentify import vault_of_study
from unibase.groundwork.problems import UserError
from unibase.privacy.audit import AuditLog
from unibase.privacy.keys import read_key_file, write_key_file
from unibase.privacy.subjects import SubjectLookup

STUDY = """\
study: trial
release: {version: 1.0.0}
key: {file: vault.key}
centres:
  A: {people: a.csv}
  B: {people: b.csv}
index: {concept: treatment_start}
"""
HEAD = "identifier,birth_family_name,given_names,birth_date,sex,birth_place_code\n"
# The same person with a slip in the name and an initial for a given name: a person must decide.
A = HEAD + "A1,Lefebvre,Marie,1961-04-02,F,\nA2,Durand,Paul,1950-01-09,M,75056\n"
B = HEAD + "B1,Lefevre,M,1961-04-02,F,\nB2,Nguyen,Linh,1971-11-30,F,69123\n"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    write_key_file(known_key("vault.key"), tmp_path / "vault.key")
    for name, text in (("study.yaml", STUDY), ("a.csv", A), ("b.csv", B)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    people(tmp_path / "study.yaml")
    return tmp_path / "study.yaml"


def people(file: Path) -> None:
    from unibase.flows.stages.people import resolve_people

    content = read_study(file)
    content.work.create()
    with open_run(content) as run:
        resolve_people(run)


def lookup(file: Path) -> SubjectLookup:
    with open_run(read_study(file)) as run:
        return run.lookup


def subject(file: Path, centre: str, number: str) -> int:
    found = lookup(file).find(centre, "ipp", number)
    assert found is not None
    return found.subject_id


def test_a_decision_joins_two_records_and_the_past_can_be_opened_again(study: Path) -> None:
    before = subject(study, "A", "A1"), subject(study, "B", "B1"), subject(study, "B", "B2")
    assert before[0] != before[1]
    assert "pairs to decide: 1." in custodian.review(study)
    page = study.parent / "work" / "vault" / "review.html"
    assert "Lefevre" in page.read_text(encoding="utf-8") and page.stat().st_mode & 0o077 == 0
    links = study.parent / "links.csv"
    links.write_text("left_centre,left_key,right_centre,right_key,relation\nA,A1,B,B1,same\n", encoding="utf-8")
    assert "revision 2: 1 persons merged into another, 0 split off; pairs to decide: 0." in custodian.decide(study, links)
    after = subject(study, "A", "A1"), subject(study, "B", "B1"), subject(study, "B", "B2")
    assert after == (before[0], before[0], before[2])
    assert custodian.decide(study, links).startswith("Nothing new: the ledger stays at revision 2")
    # The next night finds the decision in the ledger, without the file.
    links.unlink()
    people(study)
    assert subject(study, "B", "B1") == before[0]
    assert [line.split()[:3] for line in custodian.history(study).splitlines()[1:3]] == [["1", "4", "4"], ["2", "4", "3"]]
    study.write_text(STUDY + "ledger_revision: 1\n", encoding="utf-8")
    people(study)
    assert (subject(study, "A", "A1"), subject(study, "B", "B1"), subject(study, "B", "B2")) == before


def test_a_new_key_changes_every_pseudonym_and_no_link(study: Path) -> None:
    old = lookup(study).by_identifier
    said = custodian.rotate(study, study.parent / "new.key")
    assert "4 pseudonyms old and new" in said
    (table,) = (study.parent / "work" / "vault").glob("pseudonyms-*.csv")
    assert table.stat().st_mode & 0o077 == 0
    pairs = dict(pl.read_csv(table).iter_rows())
    study.write_text(STUDY.replace("vault.key", "new.key"), encoding="utf-8")
    new = lookup(study).by_identifier
    assert {key: pairs[subject.subject_id] for key, subject in old.items()} == {key: s.subject_id for key, s in new.items()}
    assert not set(pairs) & set(pairs.values())
    with pytest.raises(UserError, match="exists and is not overwritten"):
        custodian.rotate(study, study.parent / "new.key")


def test_two_custodians_stage_together_and_neither_holds_both_ends(study: Path, tmp_path: Path) -> None:
    for name in ("first.key", "second.key"):
        write_key_file(known_key(name), tmp_path / name)
    sent, answer = tmp_path / "sent.csv", tmp_path / "subjects.csv"
    custodian.tokens(study, tmp_path / "first.key", sent)
    assert sent.read_text(encoding="utf-8").splitlines()[0] == "token"
    custodian.subjects(sent, tmp_path / "second.key", answer, 1826)
    own = subject(study, "A", "A1")
    study.write_text(STUDY + f"custodians: {{tokens: work/vault/tokens.csv, subjects: {answer}}}\n", encoding="utf-8")
    with_both = lookup(study).by_identifier
    assert len({s.subject_id for s in with_both.values()}) == 4
    assert subject(study, "A", "A1") != own
    # What crosses between them names no record, and no pseudonym can be made from either key alone.
    for text in (sent.read_text(encoding="utf-8"), answer.read_text(encoding="utf-8")):
        assert not any(number in text.replace(os.linesep, ",").split(",") for number in ("A1", "A2", "B1", "B2"))
    from unibase.privacy.ledger.persons import open_lookup

    for name in ("first.key", "second.key"):
        alone = open_lookup(study.parent / "work" / "vault" / "identity", read_key_file(tmp_path / name)).by_identifier
        assert not {s.subject_id for s in alone.values()} & {s.subject_id for s in with_both.values()}
    (tmp_path / "b.csv").write_text(B + "B3,Petit,Jean,1940-05-05,M,13055\n", encoding="utf-8")
    people(study)
    with pytest.raises(UserError, match="1 records have no token yet"):
        lookup(study)


def test_a_custodian_goes_the_whole_way_from_the_command_line(study: Path, tmp_path: Path) -> None:
    def said(*arguments: object, code: int = 0) -> str:
        ended = unibase(*arguments)
        assert ended.returncode == code, ended.stderr
        return ended.stdout if code == 0 else ended.stderr

    links, key, sent = tmp_path / "links.csv", tmp_path / "first.key", tmp_path / "sent.csv"
    assert "pairs to decide: 1." in said("ledger", "review", study)
    columns = "left_centre,left_key,right_centre,right_key,relation\n"
    for rows, told in (
        ("A,A1,B,nobody,same\n", "row 1: no such person_key in centre B"),
        ("A,A1,B,B1,perhaps\n", "column relation: must be `same`, `different` or `related`"),
    ):
        links.write_text(columns + rows, encoding="utf-8")
        assert told in said("ledger", "decide", study, links, code=1)
    links.write_text(columns + "A,A1,B,B1,same\n", encoding="utf-8")
    assert "revision 2: 1 persons merged" in said("ledger", "decide", study, links)
    assert [line.split()[:3] for line in said("ledger", "history", study).splitlines()[1:3]] == [["1", "4", "4"], ["2", "4", "3"]]
    assert "3 pseudonyms old and new" in said("key", "rotate", study, key)
    assert "exists and is not overwritten" in said("key", "rotate", study, key, code=1)
    assert "3 tokens for the study custodian" in said("custodian", "tokens", study, sent, "--key-file", key)
    answer = tmp_path / "subjects.csv"
    assert "pseudonyms of 3 persons" in said("custodian", "subjects", sent, answer, "--key-file", study.parent / "vault.key")
    assert "no column `token`" in said("custodian", "subjects", links, answer, "--key-file", key, code=1)


def test_an_image_follows_the_study_custodians_shift(tmp_path: Path) -> None:
    home = write_study(tmp_path)
    file = home / "study.yaml"
    people(file)
    for name in ("first.key", "second.key"):
        write_key_file(known_key(name), tmp_path / name)
    custodian.tokens(file, tmp_path / "first.key", tmp_path / "sent.csv")
    file.write_text(file.read_text() + "custodians: {tokens: work/vault/tokens.csv, subjects: subjects.csv}\n")
    seen = []
    # The same key gives the same pseudonyms; only the shifts differ.
    for most in (1826, 300):
        custodian.subjects(tmp_path / "sent.csv", tmp_path / "second.key", tmp_path / "subjects.csv", most)
        with open_run(read_study(file)) as run:
            for name in ("clinical", "deidentify"):
                stage(name)(run)
            shifts = {subject.subject_id: subject.shift_days for subject in run.lookup.by_identifier.values()}
        seen.append(shifts)
        for copy in map(pydicom.dcmread, (home / "work" / "staging").rglob("*.dcm")):
            true = datetime.strptime(str(copy.StudyDate), "%Y%m%d") - timedelta(days=shifts[int(str(copy.PatientID))])
            assert f"{true:%Y%m%d}" in {day for days in STUDIES.values() for day in days}
    assert seen[0].keys() == seen[1].keys() and seen[0] != seen[1]
    custodian.subjects(tmp_path / "sent.csv", tmp_path / "second.key", tmp_path / "subjects.csv", 5_000)
    with pytest.raises(UserError, match="other than 1 to 1826 days"):
        lookup(file)


def test_both_custodians_together_go_back_to_one_person(study: Path, tmp_path: Path) -> None:
    for name in ("first.key", "second.key"):
        write_key_file(known_key(name), tmp_path / name)
    sent, kept, one = tmp_path / "sent.csv", tmp_path / "kept.csv", tmp_path / "one.csv"
    custodian.tokens(study, tmp_path / "first.key", sent)
    custodian.subjects(sent, tmp_path / "second.key", kept, 1826)
    study.write_text(STUDY + "custodians: {tokens: work/vault/tokens.csv, subjects: kept.csv}\n", encoding="utf-8")
    asked = str(subject(study, "A", "A2"))
    other = str(subject(study, "B", "B2"))
    ended = unibase("custodian", "reveal", kept, one, asked, "--reason", "care")
    assert ended.returncode == 0, ended.stderr
    assert AuditLog(tmp_path / "custodian.audit.jsonl").entries()[-1]["details"] == {"reason": "care", "pseudonyms": [asked]}
    # After staging the study custodian's answer is taken away: alone nobody goes back.
    kept.unlink()
    ended = unibase("reidentify", study, asked, "--reason", "care")
    assert ended.returncode == 1 and "No file of a custodian" in ended.stderr
    ended = unibase("reidentify", study, asked, other, "--reason", "care", "--subjects", one)
    assert ended.returncode == 0, ended.stderr
    assert "A: ipp A2, Durand Paul" in ended.stdout
    assert f"{other}: not found among those revealed." in ended.stdout and "Nguyen" not in ended.stdout
    with pytest.raises(UserError, match="no pseudonyms of"):
        custodian.reveal(one, tmp_path / "two.csv", [int(other)], "care")
    with pytest.raises(UserError, match="Name at least one"):
        custodian.reveal(one, tmp_path / "two.csv", [], "care")
    with pytest.raises(UserError, match="two custodians, on whose keys"):
        custodian.rotate(study, tmp_path / "new.key")
    study.write_text(STUDY, encoding="utf-8")
    with pytest.raises(UserError, match="has no custodians"):
        vault_of_study(study, one)


def test_a_new_second_key_changes_every_pseudonym_and_no_link(study: Path, tmp_path: Path) -> None:
    links = tmp_path / "links.csv"
    links.write_text("left_centre,left_key,right_centre,right_key,relation\nA,A1,B,B1,same\n", encoding="utf-8")
    custodian.decide(study, links)
    found = []
    for name in ("first.key", "second.key", "third.key"):
        write_key_file(known_key(name), tmp_path / name)
    custodian.tokens(study, tmp_path / "first.key", tmp_path / "sent.csv")
    study.write_text(STUDY + "custodians: {tokens: work/vault/tokens.csv, subjects: subjects.csv}\n", encoding="utf-8")
    for name in ("second.key", "third.key"):
        custodian.subjects(tmp_path / "sent.csv", tmp_path / name, tmp_path / "subjects.csv", 1826)
        found.append({where: one.subject_id for where, one in lookup(study).by_identifier.items()})
    old, new = found
    assert not set(old.values()) & set(new.values())
    assert len(set(zip(old.values(), new.values(), strict=True))) == len(set(old.values())) == 3
    assert old["A", "ipp", "A1"] == old["B", "ipp", "B1"] and new["A", "ipp", "A1"] == new["B", "ipp", "B1"]
