"""The rights desk, as a custodian uses it: who is it, where are they released, let them leave, erase them."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from tests.flows.small_study import write_study
from tests.flows.test_objections import night, traces
from unibase.flows.vault import rights_desk
from unibase.groundwork.files import write_json
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import write_parquet
from unibase.privacy.audit import AuditLog
from unibase.privacy.keys import read_key_file
from unibase.privacy.ledger.persons import ledger_people, revisions


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


def test_the_register_names_releases_and_extracts_and_the_notice_names_no_person(home: Path) -> None:
    study = home / "study.yaml"
    known, _ = night(home)
    published(home, "1.0.0", list(known.values()))
    published(home, "1.1.0", [number for name, number in known.items() if name != "IPP002"])
    log = AuditLog(home / "work" / "vault" / "audit.jsonl")
    given = {"project": "lung", "version": 1, "approval": "CE-7", "release": "trial 1.0.0", "expires": "2030-01-01"}
    log.append("someone", "extract", 4, {**given, "subjects": []})
    log.append("someone", "extract", 4, {**given, "project": "named"})
    told = rights_desk.register(study, "IPP002", "A")
    assert f"release trial 1.0.0: subject {known['IPP002']}" in told
    assert "1.1.0" not in told
    assert "extract lung version 1, approval CE-7: subject" in told
    assert told.count("may be in it") == 1  # which subjects were named one by one is not logged
    notice = home / "notice.txt"
    rights_desk.write_notice(study, "IPP002", None, notice)
    text = notice.read_text(encoding="utf-8")
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
