"""Files cut anywhere are refused; whole files of every format and number type are read."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from tests.imaging.dicom_maker import write_rtstruct, write_series
from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.volume import read_series
from unibase.imaging.plain.image import read_grid, read_image
from unibase.imaging.plain.whole import check_whole
from unibase.imaging.regions.masks import open_masks

ARRAY = np.random.default_rng(5).integers(-500, 500, (5, 6, 7)).astype(np.int16)
CUTS = 25


def written(path: Path, array: np.ndarray = ARRAY, compress: bool = False) -> Path:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.7, 0.8, 3.0))
    image.SetOrigin((-3.0, 4.0, 5.0))
    sitk.WriteImage(image, str(path), useCompression=compress)
    return path


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha"])
def test_a_file_cut_at_any_place_is_refused(tmp_path: Path, name: str, compress: bool) -> None:
    path = written(tmp_path / name, compress=compress)
    assert np.array_equal(read_image(path).array, ARRAY)
    whole = path.read_bytes()
    cuts = sorted({*np.linspace(0, len(whole) - 1, CUTS).astype(int).tolist(), len(whole) - 1, len(whole) - 2})
    for cut in cuts:
        path.write_bytes(whole[:cut])
        with pytest.raises(Unusable, match="truncated-file"):
            read_image(path)


@pytest.mark.parametrize("kind", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.hdr", "a.nhdr", "a.mhd"])
def test_whole_files_of_every_type_are_read(tmp_path: Path, name: str, kind: str) -> None:
    array = np.abs(ARRAY % 100).astype(kind)
    for compress in (False, True):
        volume = read_image(written(tmp_path / name, array, compress))
        assert np.array_equal(volume.array, array) and volume.stored_type == kind and volume.dimensions == 3
        assert read_grid(tmp_path / name) == volume.grid


@pytest.mark.parametrize(("header", "data"), [("a.hdr", "a.img"), ("a.nhdr", "a.raw"), ("a.mhd", "a.raw")])
def test_a_data_file_of_its_own_cut_or_absent(tmp_path: Path, header: str, data: str) -> None:
    path = written(tmp_path / header)
    whole = (tmp_path / data).read_bytes()
    (tmp_path / data).write_bytes(whole[:-1])
    with pytest.raises(Unusable, match="truncated-file"):
        read_image(path)
    (tmp_path / data).unlink()
    with pytest.raises(Unusable, match="truncated-file"):
        read_image(path)


@pytest.mark.parametrize(("header", "kept"), [("a.mhd", b"ElementDataFile ="), ("a.nhdr", b"data file:")])
def test_a_header_that_is_cut_before_the_name_of_its_data_file(tmp_path: Path, header: str, kept: bytes) -> None:
    whole = written(tmp_path / header).read_bytes()
    (tmp_path / header).write_bytes(whole[: whole.index(kept) + len(kept)])
    with pytest.raises(Unusable, match="truncated-file"):
        read_image(tmp_path / header)


def test_one_wrong_byte_in_a_compressed_file_fails_its_checksum(tmp_path: Path) -> None:
    path = written(tmp_path / "a.nii.gz")
    whole = bytearray(path.read_bytes())
    whole[-6] ^= 1
    path.write_bytes(whole)
    with pytest.raises(Unusable, match="truncated-file"):
        check_whole(path)


def test_a_big_endian_and_a_misnamed_file_are_read(tmp_path: Path) -> None:
    plain = written(tmp_path / "a.nii").read_bytes()
    # A compressed file without the suffix that says so.
    (tmp_path / "b.nii").write_bytes(gzip.compress(plain))
    check_whole(tmp_path / "b.nii")
    (tmp_path / "b.nii").write_bytes(gzip.compress(plain[:-1]))
    with pytest.raises(Unusable, match="truncated-file"):
        check_whole(tmp_path / "b.nii")
    swapped = bytearray(plain)
    for start, width, count in ((0, 4, 1), (40, 2, 8), (72, 2, 1), (108, 4, 1)):
        for item in range(count):
            place = start + item * width
            swapped[place : place + width] = swapped[place : place + width][::-1]
    (tmp_path / "c.nii").write_bytes(swapped)
    check_whole(tmp_path / "c.nii")
    (tmp_path / "c.nii").write_bytes(swapped[:-1])
    with pytest.raises(Unusable, match="truncated-file"):
        check_whole(tmp_path / "c.nii")


def test_a_structure_set_cut_at_any_place_gives_no_fewer_contours(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", np.zeros((4, 12, 12), dtype=np.int16))
    square = [[2.5, 2.5], [8.5, 2.5], [8.5, 8.5], [2.5, 8.5]]
    contours = [np.array([[x, y, float(k)] for x, y in square]) for k in range(4)]
    path = write_rtstruct(tmp_path / "rs.dcm", [("GTV", contours)])
    volume = read_series(tmp_path / "ct")
    whole = path.read_bytes()
    tags = sorted(pydicom.dcmread(path).keys())
    assert tags[-1] == 0x30060039  # What stands after the contours does not change them.
    for cut in np.linspace(140, len(whole) - 1, CUTS).astype(int):
        path.write_bytes(whole[:cut])
        with pytest.raises(Unusable, match=r"truncated-file|unreadable-mask"):
            open_masks(path, volume)
