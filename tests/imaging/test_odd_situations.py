"""Situations that outsiders brought: each is right to the voxel, or refused or noted by name. The truth is the drawn array."""

from __future__ import annotations

import copy
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from tests.imaging.dicom_maker import write_rtstruct, write_series
from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.volume import read_series
from unibase.imaging.grid import Array
from unibase.imaging.plain.image import read_image
from unibase.imaging.plain.listing import read_listing
from unibase.imaging.regions.mask import Roi
from unibase.imaging.regions.masks import open_masks

IMAGE = np.random.default_rng(3).integers(0, 1000, (9, 20, 22)).astype(np.int16)
SQUARE = np.zeros(IMAGE.shape, bool)
SQUARE[2:6, 5:15, 6:18] = True
HOLE = np.zeros(IMAGE.shape, bool)
HOLE[2:6, 8:12, 10:14] = True


def outlines(mask: Array) -> list[Array]:
    """Return the outline of a box in every slice that it has, in mm on a grid of 1 x 1.5 x 2 mm."""
    z, y, x = np.nonzero(mask)
    left, right, top, bottom = x.min() - 0.5, x.max() + 0.5, (y.min() - 0.5) * 1.5, (y.max() + 0.5) * 1.5
    return [np.array([(left, top, k), (right, top, k), (right, bottom, k), (left, bottom, k)]) for k in 2.0 * np.unique(z)]


def keyhole(mask: Array, hole: Array) -> list[Array]:
    """Return one outline a slice that goes round a box, in through a channel, and round the hole the other way."""
    return [np.vstack([out, out[:1], inner[::-1], inner[-1:]]) for out, inner in zip(outlines(mask), outlines(hole), strict=True)]


def regions(folder: Path, rois: list[tuple[str, list[Any]]], change: Callable[[Any], None] = lambda _: None) -> list[Roi]:
    write_series(folder / "ct", IMAGE, spacing=(1.0, 1.5, 2.0))
    path = write_rtstruct(folder / "rs.dcm", rois)
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return open_masks(path, read_series(folder / "ct"))


def split_in_two_items(dataset: Any) -> None:
    (whole,) = dataset.ROIContourSequence
    rest = copy.deepcopy(whole)
    whole.ContourSequence, rest.ContourSequence = whole.ContourSequence[:2], rest.ContourSequence[2:]
    dataset.ROIContourSequence.append(rest)


def renumber(*numbers: int) -> Callable[[Any], None]:
    def change(dataset: Any) -> None:
        for number, roi, drawn in zip(numbers, dataset.StructureSetROISequence, dataset.ROIContourSequence, strict=True):
            roi.ROINumber = drawn.ReferencedROINumber = number
        dataset.ROIContourSequence = dataset.ROIContourSequence[::-1]

    return change


def with_exponents(dataset: Any) -> None:
    for contour in dataset.ROIContourSequence[0].ContourSequence:
        contour.ContourData = [f"{float(value):.6e}" for value in contour.ContourData]


def nothing(_: Any) -> None:
    """Leave the structure set as it is."""


G = [("G", outlines(SQUARE))]
RIGHT: list[tuple[str, list[tuple[str, list[Any]]], Callable[[Any], None], list[Array]]] = [
    ("keyhole", [("G", keyhole(SQUARE, HOLE))], nothing, [SQUARE & ~HOLE]),
    ("hole as an outline", [("G", outlines(SQUARE) + outlines(HOLE))], nothing, [SQUARE & ~HOLE]),
    ("contours of one region in two items", G, split_in_two_items, [SQUARE]),
    ("gaps in the numbers, another order", [*G, ("H", outlines(HOLE))], renumber(40, 3), [SQUARE, HOLE]),
    ("one name twice", [*G, ("G", outlines(HOLE))], nothing, [SQUARE, HOLE]),
    ("numbers with exponents", G, with_exponents, [SQUARE]),
    ("first point repeated", [("G", [np.vstack([one, one[:1]]) for one in outlines(SQUARE)])], nothing, [SQUARE]),
    ("a point beside", [("G", [*outlines(SQUARE), ("POINT", np.array([[1.0, 1.0, 2.0]]))])], nothing, [SQUARE]),
]


@pytest.mark.parametrize(("rois", "change", "want"), [case[1:] for case in RIGHT], ids=[case[0] for case in RIGHT])
def test_structure_sets_that_are_right(tmp_path: Path, rois: Any, change: Any, want: list[Array]) -> None:
    found = regions(tmp_path, rois, change)
    assert len(found) == len(want)
    for roi, mask in zip(found, want, strict=True):
        assert np.array_equal(roi.read().region.full(), mask), roi.roi_name


def test_one_number_of_two_regions_is_refused_and_takes_no_other_with_it(tmp_path: Path) -> None:
    found = regions(tmp_path, [*G, ("H", outlines(HOLE)), ("K", outlines(HOLE))], renumber(4, 4, 5))
    for roi in found[:2]:
        with pytest.raises(Unusable, match="have the ROI Number 4"):
            roi.read()
    assert np.array_equal(found[2].read().region.full(), HOLE)


def test_another_patient_is_noted_and_not_named(tmp_path: Path) -> None:
    (roi,) = regions(tmp_path, G, lambda dataset: setattr(dataset, "PatientID", "HIDDEN-7"))
    assert roi.read().notes == ("patient-id-differs",)
    assert "HIDDEN-7" not in repr(roi)
    (same,) = regions(tmp_path / "same", G)
    assert same.read().notes == ()


def plain(path: Path, array: Array = SQUARE) -> Path:
    image = sitk.GetImageFromArray(array.astype(np.uint8))
    image.SetSpacing((1.0, 1.5, 2.0))
    sitk.WriteImage(image, str(path), useCompression=path.suffix == ".mha")
    return path


@pytest.mark.parametrize(
    ("space", "note"),
    [
        ("space: left-posterior-superior", ()),
        ("space: RAS", ()),
        ("space: left-anterior-superior", ()),
        ("space: scanner-xyz", ("space-not-of-the-patient",)),
        ("space: 3D-right-handed", ("space-not-of-the-patient",)),
        ("space dimension: 3", ("space-not-of-the-patient",)),
        (None, ()),
    ],
)
def test_a_space_that_is_not_named_by_the_patient_is_told(tmp_path: Path, space: str | None, note: tuple[str, ...]) -> None:
    places = "space directions: (1,0,0) (0,1,0) (0,0,2)\nspace origin: (0,0,0)\n" if space else ""
    text = f"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 3 3 2\nencoding: raw\n{f'{space}{chr(10)}' if space else ''}{places}\n"
    path = tmp_path / "CHU-été.nrrd"
    path.write_bytes(text.encode() + bytes(18))
    assert read_image(path).notes == note


@pytest.mark.parametrize(("shift", "note"), [(-5.0, ("sform-qform-differ",)), (-0.05, ()), (0.0, ())])
def test_two_forms_of_a_nifti_file_that_differ_are_noted(tmp_path: Path, shift: float, note: tuple[str, ...]) -> None:
    path = plain(tmp_path / "a.nii")
    content = bytearray(path.read_bytes())
    content[280:296] = struct.pack("<4f", -1, 0, 0, shift)
    path.write_bytes(content)
    (roi,) = open_masks(path, read_image(path))
    assert roi.read().notes == note == read_image(path).notes


def test_forms_of_an_oblique_file_agree(tmp_path: Path) -> None:
    image = sitk.ReadImage(str(plain(tmp_path / "b.nii")))
    turn, _ = np.linalg.qr(np.random.default_rng(8).normal(size=(3, 3)))
    for sign in (1, -1):  # right-handed and left-handed
        image.SetDirection((turn * [1, 1, sign]).ravel().tolist())
        sitk.WriteImage(image, str(tmp_path / "c.nii"))
        assert read_image(tmp_path / "c.nii").notes == ()


def test_a_compressed_size_that_is_too_small_is_refused(tmp_path: Path) -> None:
    path = plain(tmp_path / "a.mha")
    assert np.array_equal(open_masks(path, read_image(path))[0].read().region.full(), SQUARE)
    path.write_bytes(re.sub(rb"CompressedDataSize = \d+", b"CompressedDataSize = 20", path.read_bytes()))
    with pytest.raises(Unusable, match="ends too early"):
        read_image(path)


def test_a_fourth_axis_of_one_is_none(tmp_path: Path) -> None:
    path = plain(tmp_path / "a.nii")
    content = bytearray(path.read_bytes())
    content[40:50] = struct.pack("<5h", 4, *SQUARE.shape[::-1], 1)
    path.write_bytes(content)
    assert np.array_equal(open_masks(path, read_image(path))[0].read().region.full(), SQUARE)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_a_list_in_the_encodings_of_spreadsheets(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "l.csv").write_bytes("Âge;Image;Mask\n61;é.nii;m.nii\n".encode(encoding))
    (row,) = read_listing(tmp_path / "l.csv")
    assert (row.image.name, row.kept) == ("é.nii", {"Âge": "61"})
