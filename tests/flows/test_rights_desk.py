"""The rights desk, as a custodian uses it: who is it, where are they released, let them leave, erase them."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from tests.flows.small_study import write_study
from tests.flows.test_objections import night, traces
from unibase.flows.study.validation import read_study
from unibase.flows.vault import rights_desk
from unibase.flows.vault.marking import mark_releases, marks_of
from unibase.groundwork.files import write_json
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import write_parquet
from unibase.privacy.audit import AuditLog
from unibase.privacy.keys import read_key_file
from unibase.privacy.ledger.persons import ledger_people, revisions
from unibase.releases.catalogue.marked_versions import read_marks


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return write_study(tmp_path)


def published(home: Path, version: str, subjects: list[int]) -> None:
    """Write what the desk reads of a release: its manifest and its subjects."""
    folder = home / "releases" / "trial" / version
    write_parquet(pl.DataFrame({"subject_id": subjects}), folder / "tables" / "subjects.parquet")
    write_parquet(pl.DataFrame({"subject_id": subjects}), folder / "tables" / "analysis.parquet")
    key = read_key_file(home / "vault.key").fingerprint
    write_json(folder / "manifest.json", {"study": "trial", "version": version, "key_fingerprint": key, "files": {}})


def test_a_person_is_found_leaves_and_may_come_back(home: Path) -> None:
    study = home / "study.yaml"
    before, _ = night(home)
    subject = before["IPP002"]
    assert f"subject_id {subject}" in rights_desk.find(study, " IPP002 ", None)
    assert "does not object" in rights_desk.find(study, "IPP002", "A")
    assert "--nightly" in rights_desk.exclude(study, "IPP002", None)
    after, said = night(home)
    assert set(before) - set(after) == {"IPP002"} and not traces(home, subject)
    assert any("1 persons object" in line for line in said)
    assert "; objects" in rights_desk.find(study, "IPP002", None)
    assert "No objection is left" in rights_desk.readmit(study, "IPP002", None)
    assert night(home)[0] == before


@pytest.mark.parametrize("written", ["1 61 04 75 112 042 37", " ipp002"])
def test_the_desk_knows_who_objects_as_a_build_does(written: str, home: Path) -> None:
    ins = "161047511204237"
    (home / "people.csv").write_text(f"identifier,ins\nIPP001,\nIPP002,{ins}\n")
    study = home / "study.yaml"
    text = study.read_text()
    study.write_text(text.replace("    people: people.csv\n", f'    people: people.csv\n    objections: ["{written}"]\n'))
    assert set(night(home)[0]) == {"IPP001"}
    assert "; objects" in rights_desk.find(study, "IPP002", None)
    assert "Still out: the sources say so (study-file)" in rights_desk.readmit(study, "IPP002", None)


def test_the_history_of_a_number_is_told_and_audited_without_it(home: Path) -> None:
    study = home / "study.yaml"
    night(home)
    rights_desk.exclude(study, "IPP002", None)
    told = rights_desk.history(study, "IPP002", "A").splitlines()
    assert [line.partition(": ")[2] for line in told] == [
        "listed under ipp IPP002",
        "is a person of its own",
        "A IPP002, told by custodian",
    ]
    entry = read_study(study).audit.entries()[-1]
    assert entry["action"] == "person-history" and "IPP002" not in json.dumps(entry)
    with pytest.raises(UserError, match="never knew this number"):
        rights_desk.history(study, "IPP002", "nowhere")


def test_the_register_names_releases_and_extracts_and_the_notice_names_no_person(home: Path) -> None:
    study = home / "study.yaml"
    known, _ = night(home)
    published(home, "1.0.0", list(known.values()))
    published(home, "1.1.0", [number for name, number in known.items() if name != "IPP002"])
    log = AuditLog(home / "work" / "vault" / "audit.jsonl")
    given = {"project": "lung", "version": 1, "approval": "CE-7", "release": "trial 1.0.0", "expires": "2030-01-01"}
    log.append("someone", "extract", 4, {**given, "subjects": [], "given_to": "INSERM U1234"})
    log.append("someone", "extract", 4, {**given, "project": "named"})
    assert "1.0.0" in rights_desk.recipient(study, "1.0.0", "CHU-été, dpo@example.org")
    rights_desk.recipient(study, "1.1.0", "somebody else")
    with pytest.raises(UserError, match=r"no release 9.9.9. Published are: 1.0.0, 1.1.0"):
        rights_desk.recipient(study, "9.9.9", "CHU-été")
    told = rights_desk.register(study, "IPP002", "A")
    assert f"release trial 1.0.0: subject {known['IPP002']}; received by CHU-été, dpo@example.org" in told
    assert "received by INSERM" in told and "somebody else" not in told
    assert "1.1.0" not in told
    assert "extract lung version 1, approval CE-7: subject" in told
    assert told.count("may be in it") == 1  # which subjects were named one by one is not logged
    notice = home / "notice.txt"
    rights_desk.write_notice(study, "IPP002", None, notice)
    text = notice.read_text(encoding="utf-8")
    assert "received by CHU-été, dpo@example.org" in text and "received by INSERM U1234" in text
    assert "trial 1.0.0" in text and "IPP002" not in text and "Dupontel" not in text
    assert "IPP002" not in log.path.read_text(encoding="utf-8")


def test_an_erased_person_is_nowhere_in_the_vault_and_stays_out_when_they_come_back(home: Path) -> None:
    study = home / "study.yaml"
    before, _ = night(home)
    rights_desk.exclude(study, "IPP003", None)
    assert "Erased from the vault" in rights_desk.erase(study, "IPP003", None)
    ledger = home / "work" / "vault" / "identity"
    assert "IPP003" not in ledger_people(ledger)["identifier"].to_list()
    # The chain verifies, and says what was done to it.
    assert len(revisions(ledger)) == 1
    assert [one["records"] for one in json.loads((ledger / "erasures.json").read_text())] == [1]
    for path in (ledger, home / "work" / "vault" / "people.parquet", home / "work" / "vault" / "objections.parquet"):
        for file in [path] if path.is_file() else path.rglob("*"):
            if file.suffix == ".parquet":
                cells = pl.read_parquet(file).select(pl.concat_str(pl.all().cast(pl.String), ignore_nulls=True))
                assert not cells.to_series().str.contains("IPP003").any(), file
    # Nothing was taken out of people.csv: the next night brings the same rows again.
    after, _ = night(home)
    assert {number: after[number] for number in after} == {k: v for k, v in before.items() if k != "IPP003"}
    assert not traces(home, before["IPP003"])
    assert len(revisions(ledger)) == 1
    with pytest.raises(UserError, match="knows nobody"):
        rights_desk.find(study, "IPP003", None)


def test_a_number_nobody_has_needs_its_hospital_and_is_kept(home: Path) -> None:
    study = home / "study.yaml"
    night(home)
    with pytest.raises(UserError, match="--centre: A"):
        rights_desk.exclude(study, "IPP999", None)
    assert "stays out" in rights_desk.exclude(study, "IPP999", "A")
    with open(home / "people.csv", "a", encoding="utf-8") as file:
        file.write("IPP999\n")
    assert "IPP999" not in night(home)[0]


def test_releases_that_hold_a_person_who_left_or_was_another_are_marked(home: Path) -> None:
    known, _ = night(home)
    ids = list(known.values())
    published(home, "1.0.0", ids)
    published(home, "1.1.0", [known["IPP001"]])
    study = read_study(home / "study.yaml")
    assert not mark_releases(study, study.read_key(), ids)
    folder = home / "releases" / "trial"
    assert read_marks(folder) == {}
    left = [one for one in ids if one != known["IPP002"]]
    assert mark_releases(study, study.read_key(), left) and not mark_releases(study, study.read_key(), left)
    assert read_marks(folder) == {"1.0.0": ("left",)}
    assert mark_releases(study, study.read_key(), ids) and read_marks(folder) == {}


A, B, C = ("lyon", "1"), ("CHU-été", "7"), ("lyon", "9")


@pytest.mark.parametrize(
    ("now", "known", "marks"),
    [
        ({A: "a", B: "a", C: "c"}, {11, 13}, ()),
        ({A: "a", B: "b", C: "c"}, {11, 12, 13}, ("identity",)),  # split
        ({A: "a", B: "a", C: "a"}, {11}, ("identity",)),  # merged
        ({A: "a", B: "a", C: "c"}, {13}, ("left",)),  # objects
        ({A: "a", B: "a"}, {11}, ("left",)),  # erased
        ({A: "a", B: "b"}, {11, 12}, ("identity", "left")),
        ({A: "d", B: "d", C: "c"}, {13, 14}, ("identity",)),  # another person under the number
    ],
)
def test_marks_of_a_release(now: dict[tuple[str, str], str], known: set[int], marks: tuple[str, ...]) -> None:
    assert marks_of({11, 13}, {"a": 11, "c": 13}, {A: "a", B: "a", C: "c"}, now, known) == marks
