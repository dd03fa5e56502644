"""Whose a file says it is: what is read from its first bytes is what pydicom reads from all of its header."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tests.imaging.deidentify_help import PYDICOM_FILES, ct, save
from unibase.imaging.dicom.opened import read_dataset
from unibase.imaging.dicom.owner import _FIRST, read_owner

STUDY = "1.2.3.4.55.6.7.1"


def by_pydicom(path: Path) -> tuple[str, str]:
    try:
        header = read_dataset(path)
    except Exception:
        return "", ""
    return str(header.get("PatientID") or "").strip(), str(header.get("StudyInstanceUID") or "").strip()


@pytest.mark.parametrize("path", [p for p in sorted(PYDICOM_FILES.rglob("*")) if p.is_file()], ids=lambda path: path.name)
def test_the_files_of_pydicom(path: Path) -> None:
    assert read_owner(path) == by_pydicom(path)


SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("IPP0012345", "IPP0012345"),
        (" 00123 ", "00123"),
        ("", ""),
        (None, ""),
        ("Élodie-7", "Élodie-7"),
        ("12\\34", "['12', '34']"),  # two values where one is allowed: as the copy's own reader says it
    ],
)
def test_a_number_in_every_encoding(tmp_path: Path, syntax: str, number: str | None, said: str) -> None:
    ds = ct(PatientID=number)
    ds.SpecificCharacterSet = "ISO_IR 100"
    path = save(ds, tmp_path / "a.dcm", syntax)
    assert read_owner(path) == (said, STUDY) == by_pydicom(path)


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (element(0x0020000D, b"UI", b"1.2.3\0") + element(0x00100020, b"LO", b"A7"), ("A7", "1.2.3")),  # out of order
        (element(0x00100020, b"LO", b"A7") + element(0x0020000D, b"UI", b"1.2.3\0")[:-2], None),  # cut in the value
        (element(0x00100020, b"LO", b"A7"), ("A7", "")),
        (element(0x00081030, b"LO", b"x" * 17_000) + element(0x00100020, b"LO", b"A7"), ("A7", "")),  # beyond what is read first
    ],
    ids=["out of order", "cut", "no exam", "far behind"],
)
def test_what_does_not_stand_where_it_is_looked_for(tmp_path: Path, body: bytes, said: tuple[str, str] | None) -> None:
    whole = save(ct(), tmp_path / "whole.dcm").read_bytes()
    front = whole[: 144 + int.from_bytes(whole[140:144], "little")]
    path = tmp_path / "a.dcm"
    path.write_bytes(front + body)
    assert read_owner(path) == by_pydicom(path)
    assert said is None or read_owner(path) == said


@pytest.mark.parametrize("inside", [2, 5, 8, 10])
def test_a_number_that_goes_on_behind_what_is_read_first_is_read_whole(tmp_path: Path, inside: int) -> None:
    whole = save(ct(), tmp_path / "whole.dcm").read_bytes()
    front = whole[: 144 + int.from_bytes(whole[140:144], "little")]
    study = element(0x0020000D, b"UI", b"1.2.34")
    filler = element(0x00081030, b"LO", b"x" * (_FIRST - inside - len(front) - 16 - len(study)))
    path = tmp_path / "a.dcm"
    # In an order that the standard does not have, so that both stand there once the number was cut.
    path.write_bytes(front + filler + study + element(0x00100020, b"LO", b"A7B8C9D0E1"))
    assert read_owner(path) == ("A7B8C9D0E1", "1.2.34") == by_pydicom(path)


def test_what_is_not_there_is_of_nobody(tmp_path: Path) -> None:
    assert read_owner(tmp_path / "absent") == ("", "")
    (tmp_path / "empty").touch()
    assert read_owner(tmp_path / "empty") == ("", "")
