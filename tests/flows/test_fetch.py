"""The stage `fetch` as a user meets it: folders with archives, a DICOMDIR, a store, a DIMSE node, and a real Orthanc."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import polars as pl
import pydicom
import pytest
from pydicom.fileset import FileSet

from tests.flows import orthanc as real
from tests.imaging.deidentify_help import ct, save
from tests.known_keys import known_key
from unibase.flows.runs.dicom_files import images_of
from unibase.flows.runs.run import open_run
from unibase.flows.stages.deidentify import deidentify_centre
from unibase.flows.stages.fetch import fetch_centre
from unibase.flows.stages.people import resolve_people
from unibase.flows.study.named_sources import check_sources
from unibase.flows.study.validation import read_study
from unibase.groundwork.problems import SourceAway, UserError
from unibase.groundwork.tables import QUARANTINE
from unibase.groundwork.work import Outcome
from unibase.privacy.keys import write_key_file

CENTRE = "CHU-été"
STUDY = """\
study: gate
release: {version: 1.0.0}
key: {file: vault.key}
centres:
  CHU-été: {people: people.csv, dicom: %s}
index: {concept: treatment_start}
"""
PEOPLE = ("IPP1", "IPP2")


def instances(folder: Path) -> list[Path]:
    """Write a study of two instances for each person, in folders of their own, and one of somebody who is in no ledger."""
    paths = []
    for person, number in enumerate((*PEOPLE, "IPP9"), 1):
        for n in (1, 2):
            uid = f"1.2.840.99.{person}"
            about = {
                "PatientID": number,
                "StudyInstanceUID": uid,
                "SeriesInstanceUID": f"{uid}.1",
                "AccessionNumber": f"A{person}",
                "StudyID": "1",
            }
            paths.append(save(ct(**about, SOPInstanceUID=f"{uid}.1.{n}", InstanceNumber=n), folder / number / f"IM{n}"))
    return paths


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "people.csv").write_text("identifier\n" + "\n".join(PEOPLE) + "\n")
    write_key_file(known_key("vault.key"), tmp_path / "vault.key")
    return tmp_path


class Night:
    """One run of the stages that images go through."""

    def __init__(self, home: Path, dicom: str, more: str = "") -> None:
        (home / "study.yaml").write_text(STUDY % dicom + more, encoding="utf-8")
        self.study = read_study(home / "study.yaml")
        self.study.work.create()
        self.said: list[str] = []
        self.fetched: list[Outcome] = []
        self.copies: list[Outcome] = []

    def run(self) -> Night:
        check_sources(self.study)
        with open_run(self.study, say=self.said.append) as run:
            resolve_people(run)
            self.fetched = fetch_centre(run, CENTRE)
            self.copies = deidentify_centre(run, CENTRE)
        return self

    @property
    def refused(self) -> list[tuple[str, str]]:
        return [(one.key, one.reason) for one in self.fetched if one.status == "quarantined"]

    @property
    def used(self) -> dict[str, str]:
        return {one.key: one.reason or one.status for one in self.copies}


def zip_of(folder: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder).as_posix())


def test_archives_among_files_are_folders_and_a_second_night_unpacks_none(home: Path) -> None:
    instances(home / "all")
    shutil.copytree(home / "all/IPP1", home / "dicom/plain")
    zip_of(home / "all/IPP2", home / "dicom/per patient/2.zip")
    (home / "dicom/broken.zip").write_bytes((home / "dicom/per patient/2.zip").read_bytes()[:-30])
    night = Night(home, "dicom").run()
    assert night.used == {
        "per patient/2.zip!/IM1": "done",
        "per patient/2.zip!/IM2": "done",
        "plain/IM1": "done",
        "plain/IM2": "done",
    }
    assert night.refused == [("broken.zip", "unreadable-archive")]
    written = QUARANTINE.read(night.study.work.staging / f"quarantine/fetch-{CENTRE}.parquet")
    assert written["reason"].to_list() == ["unreadable-archive"] and "broken" not in str(written.rows())
    images = images_of(night.study, CENTRE)
    assert images is not None and all(images.path(key).is_file() for key in night.used)

    again = night.run()
    assert not any(one.repeated for one in (*again.fetched, *again.copies))
    zip_of(home / "all/IPP1", home / "dicom/per patient/2.zip")
    changed = night.run()
    assert {one.key: one.repeated for one in changed.copies}["per patient/2.zip!/IM1"]
    (home / "dicom/per patient/2.zip").unlink()
    assert night.run().used == {"plain/IM1": "done", "plain/IM2": "done"}
    assert not list((night.study.work.vault / "fetched").rglob("IM*"))


def test_one_archive_may_be_the_whole_source(home: Path) -> None:
    instances(home / "all")
    zip_of(home / "all", home / "export.zip")
    used = Night(home, "export.zip").run().used
    assert used["export.zip!/IPP1/IM1"] == "done" and used["export.zip!/IPP9/IM1"] == "unknown-patient" and len(used) == 6


def medium(home: Path) -> Path:
    """Return the DICOMDIR of a CD that pydicom writes."""
    files = FileSet()
    for path in instances(home / "all")[:4]:
        files.add(pydicom.dcmread(path))
    files.write(home / "cd")
    return home / "cd/DICOMDIR"


def test_a_medium_gives_what_its_dicomdir_names_and_what_is_missing_is_told(home: Path) -> None:
    dicomdir = medium(home)
    gone = next(path for path in sorted(dicomdir.parent.rglob("*")) if path.is_file() and path.name != "DICOMDIR")
    gone.unlink()
    (home / "cd/AUTORUN.INF").write_text("[autorun]")
    for path in sorted(home.glob("cd/*/*/*/*")):
        path.rename(path.with_name(path.name.lower() + ";1"))
    night = Night(home, "cd/DICOMDIR").run()
    assert len(night.used) == 3 and set(night.used.values()) == {"done"}
    assert [reason for _, reason in night.refused] == ["medium-lacks-file"]
    # As a folder, the same is told; what no image is, `deidentify` refuses as ever.
    folder = Night(home, "cd").run()
    assert [reason for _, reason in folder.refused] == ["medium-lacks-file"] and folder.used["AUTORUN.INF"] == "not-dicom"
    dicomdir.write_bytes(b"no")
    with pytest.raises(SourceAway):
        Night(home, "cd/DICOMDIR").run()


def test_what_a_dicomdir_does_not_name_is_told(home: Path) -> None:
    dicomdir = medium(home)
    (dicomdir.parent / "READ.ME").write_text("no image")
    shutil.copy(home / "all/IPP9/IM1", dicomdir.parent / "later")
    assert Night(home, "cd/DICOMDIR").run().refused == [("later", "medium-hides-file")]
    assert Night(home, "cd").run().refused == []


@pytest.fixture
def bucket() -> Iterator[Any]:
    files = fsspec.filesystem("memory")
    files.store.clear()
    yield files
    files.store.clear()


def test_a_store_is_copied_once_and_followed(home: Path, bucket: Any) -> None:
    instances(home / "all")
    zip_of(home / "all/IPP2", home / "2.zip")
    bucket.pipe("/lyon/été/IM1", (home / "all/IPP1/IM1").read_bytes())
    bucket.pipe("/lyon/2.zip", (home / "2.zip").read_bytes())
    night = Night(home, "memory://lyon").run()
    assert night.used == {"2.zip!/IM1": "done", "2.zip!/IM2": "done", "été/IM1": "done"} and not night.refused
    assert not any(one.repeated for one in night.run().fetched)
    bucket.rm("/lyon/2.zip")
    bucket.pipe("/lyon/été/IM1", (home / "all/IPP1/IM2").read_bytes())
    assert [(one.key, one.repeated) for one in night.run().fetched] == [("été/IM1", True)] and list(night.used) == ["été/IM1"]
    bucket.rm("/lyon/été/IM1")
    with pytest.raises(SourceAway, match="gives nothing, and gave something before"):
        night.run()


def test_names_of_a_store_that_are_one_name_here_are_told(home: Path, bucket: Any) -> None:
    one, other = (path.read_bytes() for path in instances(home / "all")[:2])
    bucket.pipe({"/lyon/a/IM1": one, "/lyon/a//IM1": one, "/lyon/b\\IM2": other})
    bucket.store["/lyon/a/IM1/below"] = bucket.store["/lyon/a/IM1"]
    night = Night(home, "memory://lyon").run()
    assert night.used == {"a/IM1": "done", "b/IM2": "done"}
    assert night.refused == [("a/IM1", "unsafe-member"), ("a/IM1/below", "unsafe-member")]
    assert not any(one.repeated for one in night.run().fetched if one.status == "done")


def test_an_address_that_nothing_here_opens_is_told_with_what_opens_it(home: Path) -> None:
    with pytest.raises(UserError, match=r"Addresses of gs:// are opened by gcsfs, not installed here"):
        Night(home, "gs://bucket/lyon").run()


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.Orthanc]:
    """Orthanc with a password, that knows us, holding three studies."""
    if not real.PROGRAM:
        pytest.skip("no Orthanc on this machine (Debian: orthanc, orthanc-dicomweb)")
    folder = tmp_path_factory.mktemp("orthanc")
    with real.orthanc(folder, user="unibase", password="s3cret word", ours=real.free_port()) as one:
        for path in instances(folder / "in"):
            one.put(path.read_bytes())
        yield one


WAYS = {
    "dicomweb": "dicomweb: '{web}', credentials: {{user_env: PACS_USER, password_env: PACS_PASSWORD}}",
    "get": "dimse: {{host: 127.0.0.1, port: {dicom}, called: ORTHANC}}",
    "move": "dimse: {{host: 127.0.0.1, port: {dicom}, called: ORTHANC, retrieve: move, listen_host: 127.0.0.1, listen_port: {ours}}}",
}


def source(pacs: real.Orthanc, way: str, more: str = "") -> str:
    return "{" + WAYS[way].format(web=pacs.web, dicom=pacs.dicom, ours=pacs.ours) + more + ", pace: {tries: 1}}"


@pytest.mark.parametrize("way", WAYS)
def test_orthanc_gives_the_studies_of_the_ledger_whole_and_once(
    home: Path, pacs: real.Orthanc, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACS_USER", "unibase")
    monkeypatch.setenv("PACS_PASSWORD", "s3cret word")
    night = Night(home, source(pacs, way)).run()
    names = [f"1.2.840.99.{person}/1.2.840.99.{person}.1.{n}.dcm" for person in (1, 2) for n in (1, 2)]
    assert night.used == dict.fromkeys(names, "done") and night.refused == []
    original = pydicom.dcmread(next(pacs.folder.glob("in/IPP1/IM1")))
    came = pydicom.dcmread(night.study.work.vault / f"fetched/{CENTRE}/studies/{names[0]}")
    assert came == original and came.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID
    assert not any(one.repeated for one in night.run().fetched)
    everything = b"".join(path.read_bytes() for path in night.study.work.root.rglob("*") if path.is_file())
    assert b"s3cret" not in everything and b"s3cret" not in "".join(night.said).encode()


def test_orthanc_is_asked_for_a_list_of_requests_and_what_is_not_there_is_told(home: Path, pacs: real.Orthanc) -> None:
    (home / "list.csv").write_text("accession;note\nA1;x\nA9;typed wrong\nA3;somebody else\n", encoding="utf-8-sig")
    night = Night(home, source(pacs, "get", ", studies: {accessions: list.csv, modalities: [CT]}")).run()
    assert len(night.used) == 2 and night.refused == [("accession A3", "not-in-archive"), ("accession A9", "not-in-archive")]
    assert any("1 studies that were not asked for" in line for line in night.said)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("called: ORTHANC", "called: ELSEWHERE", "it is not called ELSEWHERE"),
        ("called: ORTHANC", "called: ORTHANC, calling: NOBODY", "do not know our AE title"),
        ("127.0.0.1, port: {dicom}", "127.0.0.1, port: 1", "does not answer an association"),
    ],
)
def test_what_is_wrong_of_titles_and_ports_is_told(home: Path, pacs: real.Orthanc, before: str, after: str, said: str) -> None:
    wrong = source(pacs, "get").replace(before.format(dicom=pacs.dicom), after)
    with pytest.raises(UserError, match=said):
        Night(home, wrong).run()


def test_numbers_that_answer_nothing_are_counted(home: Path, pacs: real.Orthanc) -> None:
    told = "2 of 3 hospital numbers have no study there that is asked for"
    assert not any("no study there" in line for line in Night(home, source(pacs, "get")).run().said)
    (home / "people.csv").write_text("identifier\nIPP1\n0IPP2\nIPP3\n")
    night = Night(home, source(pacs, "get")).run()
    assert any(told in line for line in night.said) and not any("IPP3" in line for line in night.said)


def test_a_number_that_stands_for_many_is_not_asked_for(home: Path, pacs: real.Orthanc) -> None:
    (home / "people.csv").write_text("identifier\nIPP*\n")
    with pytest.raises(UserError, match=r"1 hospital or accession numbers of centre CHU-été hold \*"):
        Night(home, source(pacs, "get")).run()


def test_a_wrong_or_missing_password_is_told_and_not_shown(
    home: Path, pacs: real.Orthanc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACS_USER", "unibase")
    with pytest.raises(UserError, match="PACS_PASSWORD, which `credentials` names, is not set"):
        Night(home, source(pacs, "dicomweb")).run()
    monkeypatch.setenv("PACS_PASSWORD", "guessed")
    with pytest.raises(UserError, match="refuses us") as told:
        Night(home, source(pacs, "dicomweb")).run()
    assert "guessed" not in str(told.value)


def test_what_is_fetched_stays_closed_to_others(home: Path, pacs: real.Orthanc) -> None:
    night = Night(home, source(pacs, "get")).run()
    assert night.study.work.vault.stat().st_mode & 0o077 == 0
    table = pl.read_parquet(night.study.work.staging / f"quarantine/fetch-{CENTRE}.parquet")
    assert table.height == 0
