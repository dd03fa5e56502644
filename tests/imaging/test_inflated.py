"""Packed files that inflate to gigabytes are refused by name, whoever reads them; honest ones are read as before."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from tests.imaging.deidentify_help import ct, run, save
from unibase.groundwork import inflating
from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.opened import read_dataset
from unibase.omics.readers.tabular import content

ZEROS = bytes(3_000_000)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflating, "ALWAYS_ALLOWED", 1_000_000)


def deflated(folder: Path, further: bytes) -> Path:
    """Write a deflated DICOM file whose data set ends in a private element with `further` as its value."""
    plain, path = save(ct(), folder / "plain"), folder / "deflated.dcm"
    header = pydicom.dcmread(plain)
    header.add_new(0x00291010, "OB", further)
    header.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    header.save_as(path, enforce_file_format=True)
    return path


def test_a_deflated_file_is_read_as_before(tmp_path: Path) -> None:
    assert read_dataset(deflated(tmp_path, b"ab"))[0x00291010].value == b"ab"


READERS: dict[str, Callable[[Path], object]] = {
    "an image": lambda folder: read_dataset(deflated(folder, ZEROS)),
    "de-identification": lambda folder: run(deflated(folder, ZEROS), folder / "out"),
    "a table": lambda folder: content(packed(folder, [ZEROS])),
    "a table of many members": lambda folder: content(packed(folder, [ZEROS[:400_000]] * 8)),
}


def packed(folder: Path, members: list[bytes]) -> Path:
    (folder / "x.tsv.gz").write_bytes(b"".join(gzip.compress(one) for one in members))
    return folder / "x.tsv.gz"


@pytest.mark.parametrize("kind", READERS)
def test_what_inflates_to_too_much_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    with pytest.raises(Unusable) as told:
        READERS[kind](tmp_path)
    assert told.value.reason == "inflates-too-far"
    assert "250 times" in told.value.message


@pytest.mark.parametrize("times", [1, 10, 249])
def test_what_shrinks_as_files_do_is_not_refused(times: int) -> None:
    packed_bytes = gzip.compress(bytes(range(256)) * times)
    assert len(inflating.gunzip(packed_bytes)) == 256 * times


def test_a_stream_that_ends_early_is_no_bomb() -> None:
    packed_bytes = zlib.compress(ZEROS[:9000])[2:-4]
    assert inflating.inflate(packed_bytes) == ZEROS[:9000]
    with pytest.raises(EOFError):
        inflating.inflate(packed_bytes[: len(packed_bytes) // 2])
