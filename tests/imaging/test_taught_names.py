"""A physician or a mother whose name is a word, named by one file, is sought in the texts of all files of the hospital."""

from __future__ import annotations

import itertools
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tests.imaging.deidentify_help import PATIENT_ID, PYDICOM_FILES, ct, run, save
from tests.known_keys import known_key
from unibase.flows.cli.plain_files import PlainDeidentification, deidentify_folder
from unibase.imaging.confidentiality.identifiers import Identifiers
from unibase.imaging.confidentiality.taught_names import names_taught
from unibase.imaging.confidentiality.texts.known import Knowledge
from unibase.privacy.keys import write_key_file

TEACHES = {
    "ReferringPhysicianName": ("GRAND^Paul", {"grand"}),
    "PhysiciansOfRecord": ("Durand^Zoé\\MASSE-PAGE^Léa", {"masse", "page"}),
    "PerformingPhysicianName": ("White^J.", {"white"}),
    "OperatorsName": ("Rolling", {"rolling"}),
    "ResponsiblePerson": ("Lampe^Lucie", {"lampe"}),
    "PatientComments": ("vu avec sa mère Lucie Lampe, Dr Grand", {"lampe", "grand"}),
    "ImageComments": ("relu par Page", {"page"}),
    "PatientName": ("GRAND^Zoé", set()),
    "SeriesDescription": ("TDM grand champ", set()),
}


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_what_a_header_teaches(syntax: str, tmp_path: Path) -> None:
    for keyword, (value, words) in TEACHES.items():
        others = {} if keyword == "ReferringPhysicianName" else {"ReferringPhysicianName": ""}
        assert names_taught(save(ct(**others, **{keyword: value}), tmp_path / "a.dcm", syntax)) == words, keyword


def test_other_bytes_teach_the_same_or_nothing(tmp_path: Path) -> None:
    ds = ct(ReferringPhysicianName="GRAND^Paul")
    ds.PixelData = ds.pixel_array.astype(">u2").tobytes()
    assert names_taught(save(ds, tmp_path / "big.dcm", ExplicitVRBigEndian)) == {"grand"}
    sequence = pydicom.Dataset()
    sequence.PersonName = "Page^X"
    assert names_taught(save(ct(ReferringPhysicianName="", ReferencedPatientSequence=[sequence]), tmp_path / "b.dcm")) == {"page"}
    (tmp_path / "none").write_bytes(b"PN\xff\xff" * 400)
    assert names_taught(tmp_path / "none") == names_taught(tmp_path / "absent") == frozenset()
    for path in itertools.islice(sorted(PYDICOM_FILES.glob("*.dcm")), 40):
        names_taught(path)


KNOWN = Identifiers(Knowledge(taught=("grand", "page", "masse")))
GOES = {
    "TDM thorax GRAND": "TDM thorax",
    "avis page demande": "avis demande",
    "vu Masse ce jour": "vu ce jour",
    "masse du foie": "masse du foie",
    "MASSE HEPATIQUE": "MASSE HEPATIQUE",
    "grand axe de la masse": "grand axe de la masse",
}


@pytest.mark.parametrize(("text", "kept"), GOES.items())
def test_which_words_go(text: str, kept: str) -> None:
    assert KNOWN.clean(text) == kept
    assert KNOWN.clean("SOMATOM Grand", "term") == "SOMATOM Grand", "a model is no person"


def test_one_file_teaches_the_others_whatever_the_order(tmp_path: Path) -> None:
    key = tmp_path / "study.key"
    write_key_file(known_key("taught"), key)
    copies = []
    for number, names in enumerate((("a", "b"), ("z", "b"))):
        source = tmp_path / f"in{number}"
        save(ct(ReferringPhysicianName="GRAND^Paul", SOPInstanceUID="1.2.3.1"), source / f"{names[0]}.dcm")
        save(ct(SeriesDescription="thorax grand", SOPInstanceUID="1.2.3.2"), source / f"{names[1]}.dcm")
        deidentify_folder(PlainDeidentification(source, tmp_path / f"out{number}", key))
        copies.append({path.name: path.read_bytes() for path in (tmp_path / f"out{number}").rglob("*.dcm")})
    assert copies[0] == copies[1] and len(copies[0]) == 2
    assert not [one for one in copies[0].values() if b"grand" in one.lower()]


def test_alone_a_file_keeps_the_word(tmp_path: Path) -> None:
    source = save(ct(SeriesDescription="thorax grand", PatientID=PATIENT_ID), tmp_path / "a.dcm")
    assert run(source, tmp_path / "a")[1].SeriesDescription == "thorax grand"
    result, copy, _ = run(source, tmp_path / "b", taught=("grand",))
    assert copy.SeriesDescription == "thorax" and result["met"] == ["grand"]
