"""The custodian goes back from pseudonyms to persons and sources; without key and vault nobody does; no trace holds a value."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from tests.flows.demo import unibase
from tests.flows.small_study import write_study
from unibase.flows.runs.pipeline import stage
from unibase.flows.runs.run import open_run
from unibase.flows.study.validation import read_study
from unibase.flows.vault.reidentify import Vault, reidentify, vault_of_folder, vault_of_study
from unibase.groundwork.problems import UserError
from unibase.privacy.keys import Key


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_study(tmp_path_factory.mktemp("study"))
    study = read_study(folder / "study.yaml")
    study.work.create()
    with open_run(study) as run:
        for name in ("people", "clinical", "deidentify"):
            stage(name)(run)
    return folder


@pytest.fixture
def vault(home: Path) -> Vault:
    return vault_of_study(home / "study.yaml")


def copies(home: Path) -> list[pydicom.FileDataset]:
    return [pydicom.dcmread(path) for path in sorted((home / "work" / "staging").rglob("*.dcm"))]


def originals(home: Path) -> dict[str, list[pydicom.FileDataset]]:
    found: dict[str, list[pydicom.FileDataset]] = {}
    for path in sorted((home / "dicom").rglob("*.dcm")):
        ds = pydicom.dcmread(path)
        found.setdefault(str(ds.PatientID), []).append(ds)
    return found


def test_a_subject_is_the_person_whose_dates_are_those_moved_back(home: Path, vault: Vault) -> None:
    from datetime import datetime, timedelta

    seen = set()
    for copy in copies(home):
        said = reidentify(vault, [str(copy.PatientID)], "care")
        (number,) = [number for number in originals(home) if f"ipp {number}" in said]
        days = int(said.split("the shifted one ")[1].split(" days")[0])
        true = datetime.strptime(str(copy.StudyDate), "%Y%m%d") + timedelta(days=days)
        assert f"{true:%Y%m%d}" in {str(ds.StudyDate) for ds in originals(home)[number]}
        seen.add(number)
    assert seen == set(originals(home))


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"])
def test_a_uid_is_that_of_the_source_file(home: Path, vault: Vault, keyword: str) -> None:
    sources = {str(ds[keyword].value): str(ds.filename) for group in originals(home).values() for ds in group}
    for copy in copies(home):
        said = reidentify(vault, [str(copy[keyword].value)], "correction")
        (found,) = [uid for uid in sources if f"is {keyword} {uid}\n" in said]
        assert keyword == "FrameOfReferenceUID" or sources[found] in said


def test_each_use_is_in_the_audit_log_and_no_value_is(home: Path, vault: Vault) -> None:
    subject = str(copies(home)[0].PatientID)
    before = vault.audit.verify()
    reidentify(vault, [subject, "12345678"], "rights")
    assert vault.audit.verify() == before + 1
    last = vault.audit.entries()[-1]
    assert (last["action"], last["subject_count"]) == ("re-identify", 1)
    assert last["details"] == {"reason": "rights", "pseudonyms": [subject], "not_found": 1, "key": vault.key.fingerprint}
    log = vault.audit.path.read_text(encoding="utf-8")
    assert not any(value in log for value in ("IPP00", "12345678", "Dupontel", "1.2.3.4.55"))


def test_another_key_opens_nothing(home: Path, vault: Vault) -> None:
    other = Vault(vault.folder, Key(bytes(32)), vault.sources)
    for copy in copies(home):
        said = reidentify(other, [str(copy.PatientID), str(copy.SOPInstanceUID)], "check")
        assert said.count("not found under the key") == 2 and "IPP00" not in said and "1.2.3.4.55" not in said


def test_without_key_or_vault_it_is_refused(home: Path, tmp_path: Path, vault: Vault) -> None:
    with pytest.raises(UserError, match="--key-file"):
        vault_of_folder(vault.folder, None, None)
    with pytest.raises(UserError, match="Only who holds the vault"):
        reidentify(Vault(tmp_path, vault.key, {}), ["1234"], "check")
    closed = write_study(tmp_path)
    (closed / "vault.key").unlink()
    with pytest.raises(UserError, match=r"No key at"):
        vault_of_study(closed / "study.yaml")


def test_what_is_no_pseudonym_is_not_repeated(vault: Vault) -> None:
    before = vault.audit.verify()
    with pytest.raises(UserError) as caught:
        reidentify(vault, ["Dupontel"], "check")
    assert "Dupontel" not in str(caught.value)
    assert vault.audit.verify() == before


def test_from_the_command_line(home: Path) -> None:
    copy = copies(home)[0]
    asked = (str(copy.StudyInstanceUID), str(copy.PatientID))
    ended = unibase("reidentify", home / "study.yaml", *asked, "--reason", "check")
    assert ended.returncode == 0 and ended.stderr == ""
    assert ended.stdout.count(f"subject_id {copy.PatientID}") == 2 and ended.stdout.count("ipp IPP00") == 1
    assert unibase("reidentify", home / "study.yaml", *asked).returncode != 0
