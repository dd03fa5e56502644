"""Structure sets and segmentations as hospitals have them: references, approvals, copies, what the image cuts off."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pydicom
import pytest
import SimpleITK as sitk

from tests.imaging.dicom_maker import uid, write_rtstruct, write_series
from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.commands import PlainRun, extract_plain
from unibase.imaging.dicom.series import read_index
from unibase.imaging.dicom.volume import read_series
from unibase.imaging.options import Choices
from unibase.imaging.radiomics.plan import plan_units
from unibase.imaging.radiomics.settings import make_settings
from unibase.imaging.radiomics.task import Asked
from unibase.imaging.regions.masks import open_masks

IMAGE = np.random.default_rng(3).integers(-50, 250, (8, 20, 22)).astype(np.int16)
FIRST = make_settings({"featureClass": {"firstorder": ["Mean"], "shape": ["VoxelVolume"]}})


def square(low: float, high: float, slices: range) -> list[np.ndarray]:
    return [np.array([[low, low, 2.0 * k], [high, low, 2.0 * k], [high, high, 2.0 * k], [low, high, 2.0 * k]]) for k in slices]


GTV, SMALL = square(3.5, 11.5, range(1, 6)), square(4.5, 8.5, range(2, 5))


def ct(home: Path, array: np.ndarray = IMAGE, **options: Any) -> list[Path]:
    return write_series(home, array, spacing=(1, 1, 2), **options)


def structure(path: Path, contours: Any = None, change: Any = None, **options: Any) -> Path:
    write_rtstruct(path, [("GTV", GTV if contours is None else contours)], **options)
    if change is not None:
        dataset = pydicom.dcmread(path)
        change(dataset)
        dataset.save_as(path)
    return path


def refer_to(instances: list[str]) -> Any:
    """Have a structure set name the instances it was drawn on."""

    def change(dataset: Any) -> None:
        (frame,) = dataset.ReferencedFrameOfReferenceSequence
        series = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
        series.ContourImageSequence = []
        for instance in instances:
            item = pydicom.Dataset()
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", instance
            series.ContourImageSequence.append(item)

    return change


def measured(home: Path, regions: Any = None, **choices: Any) -> tuple[list[dict[str, Any]], Any]:
    out = home.parent / "out.parquet"
    run = PlainRun(Choices(**{"engine": "unibase", "several": "each", **choices}), regions)
    result = extract_plain(home, out, FIRST, run)
    return pl.read_parquet(out).to_dicts(), result


def test_a_frame_of_its_own_is_used_with_right_references_alone(tmp_path: Path) -> None:
    ct(tmp_path / "ct")
    volume = read_series(tmp_path / "ct")
    right = refer_to(list(volume.instance_uids))
    (roi,) = open_masks(structure(tmp_path / "rs.dcm", frame=901, change=right), volume)
    assert roi.read().notes == ("frame-of-reference-of-its-own",)
    for path in (
        structure(tmp_path / "other.dcm", frame=901, change=refer_to([uid(9, 9)]), series=9),
        structure(tmp_path / "silent.dcm", frame=901),
        structure(tmp_path / "none.dcm", frame=901, series=None),
    ):
        (roi,) = open_masks(path, volume)
        with pytest.raises(Unusable, match="frame-of-reference"):
            roi.read()


def test_what_a_structure_set_was_drawn_on_is_noted(tmp_path: Path) -> None:
    ct(tmp_path / "ct")
    volume = read_series(tmp_path / "ct")
    notes = []
    for series in (1, 5, None):
        (roi,) = open_masks(structure(tmp_path / f"{series}.dcm", series=series), volume)
        notes.append(roi.read().notes)
    assert notes == [(), ("drawn-on-another-series",), ("image-not-named",)]


def approval(status: str, label: str, day: str) -> Any:
    def change(dataset: Any) -> None:
        dataset.ApprovalStatus, dataset.StructureSetLabel, dataset.StructureSetDate = status, label, day
        dataset.ReviewerName = "Reader^One"

    return change


def two_readings(home: Path, first: str = "UNAPPROVED", second: str = "APPROVED") -> None:
    ct(home / "ct")
    structure(home / "1.dcm", change=approval(first, "DRAFT", "20200103"), number=71)
    structure(home / "2.dcm", SMALL, change=approval(second, "FINAL", "20200102"), number=72)


def test_draft_and_approved_stand_beside_one_another_with_who_and_when(tmp_path: Path) -> None:
    two_readings(tmp_path / "in")
    rows, _ = measured(tmp_path / "in")
    told = sorted((row["mask_label"], row["mask_approval"], row["mask_reader"], str(row["mask_time"])) for row in rows)
    assert told == [
        ("DRAFT", "UNAPPROVED", "Reader^One", "2020-01-03 12:00:00"),
        ("FINAL", "APPROVED", "Reader^One", "2020-01-02 12:00:00"),
    ]
    # Several counts over all files of a series.
    with pytest.raises(UserError, match="2 regions of 2 files match the target GTV"):
        measured(tmp_path / "in", {"GTV": ["gtv"]}, several="refuse")
    (union,), _ = measured(tmp_path / "in", {"GTV": ["gtv"]}, several="union")
    assert union["mask_label"] == "DRAFT + FINAL" and union["mask_notes"] == "union, union-of-files"
    assert union["shape_VoxelVolume"] == 8 * 8 * 5 * 2


@pytest.mark.parametrize(
    ("first", "second", "label", "told"),
    [
        ("UNAPPROVED", "APPROVED", "FINAL", "superseded"),
        ("APPROVED", "APPROVED", "DRAFT", "superseded"),
        ("APPROVED", "REJECTED", "DRAFT", "superseded"),
        ("UNAPPROVED", "REJECTED", None, "not-approved"),
    ],
)
def test_newest_approved_is_a_rule(tmp_path: Path, first: str, second: str, label: str | None, told: str) -> None:
    two_readings(tmp_path / "in", first, second)
    regions = {"GTV": ["gtv"]}
    if label is None:
        with pytest.raises(UserError, match="No approved structure set"):
            measured(tmp_path / "in", regions, structure_sets="newest-approved", several="refuse")
        return
    (row,), result = measured(tmp_path / "in", regions, structure_sets="newest-approved", several="refuse")
    assert row["mask_label"] == label
    assert result.regions.filter(pl.col("status") == "refused")["reason"].to_list() == [told]


def test_what_the_image_cuts_off_stands_in_the_row_or_is_refused(tmp_path: Path) -> None:
    ct(tmp_path / "in/ct", IMAGE[:4])
    structure(tmp_path / "in/rs.dcm")
    (row,), _ = measured(tmp_path / "in")
    assert row["mask_notes"] == "contour-outside-slices" and row["mask_coverage"] == pytest.approx(3 / 5)
    with pytest.raises(UserError, match="holds 60% of the region"):
        measured(tmp_path / "in", cut_off="refuse")
    structure(tmp_path / "in/rs.dcm", square(-4.5, 5.5, range(1, 3)))
    (row,), _ = measured(tmp_path / "in")
    # 6 of 10 columns and rows lie in the image.
    assert row["mask_notes"] == "cut-off-at-edge" and row["mask_coverage"] == pytest.approx(0.36)


def test_interpolated_contours_are_contours(tmp_path: Path) -> None:
    ct(tmp_path / "in/ct")
    kinds = [("INTERPOLATED_PLANAR" if k % 2 else "CLOSED_PLANAR", points) for k, points in enumerate(GTV)]
    structure(tmp_path / "in/rs.dcm", kinds)
    (row,), _ = measured(tmp_path / "in")
    assert row["shape_VoxelVolume"] == 8 * 8 * 5 * 2 and row["mask_notes"] is None


def test_a_series_in_two_folders_and_a_copied_exam_are_measured_once(tmp_path: Path) -> None:
    paths = ct(tmp_path / "in/DIR001")
    (tmp_path / "in/DIR002").mkdir()
    for path in paths[4:]:
        path.rename(tmp_path / "in/DIR002" / path.name)
    structure(tmp_path / "in/rs.dcm")
    (row,), _ = measured(tmp_path / "in")
    want = IMAGE[1:6, 4:12, 4:12].mean()
    assert row["firstorder_Mean"] == pytest.approx(want)
    shutil.copytree(tmp_path / "in", tmp_path / "twice/a")
    shutil.copytree(tmp_path / "in", tmp_path / "twice/b")
    (row,), _ = measured(tmp_path / "twice")
    assert row["firstorder_Mean"] == pytest.approx(want)


def test_a_structure_set_of_nothing_here_is_told_by_place(tmp_path: Path) -> None:
    ct(tmp_path / "in/ct")
    structure(tmp_path / "in/rs.dcm")
    structure(tmp_path / "in/strange.dcm", series=40, study=41, frame=42, number=43)
    rows, result = measured(tmp_path / "in")
    assert len(rows) == 1
    assert [(one["unit"], one["reason"]) for one in result.quarantined] == [("strange.dcm", "mask-without-image")]
    plan = plan_units(read_index(tmp_path / "in", subject_of=lambda _: 1).series, tmp_path / "in", tmp_path, Asked(FIRST))
    assert [row["SeriesInstanceUID"] for row in plan.unplaced] == [uid(43)]


def test_plain_masks_go_with_dicom_images_and_structure_sets_with_plain_images(tmp_path: Path) -> None:
    ct(tmp_path / "in/P1/ct")
    volume = read_series(tmp_path / "in/P1/ct")
    mask = np.zeros(IMAGE.shape, dtype=np.uint8)
    mask[1:6, 4:12, 4:12] = 1
    (tmp_path / "in/P1/nifti").mkdir()
    sitk.WriteImage(volume.grid.to_sitk(mask), str(tmp_path / "in/P1/nifti/mask.nii.gz"))
    # The mask of another case, whose image is missing, goes with nothing.
    (tmp_path / "in/P2").mkdir()
    shutil.copy(tmp_path / "in/P1/nifti/mask.nii.gz", tmp_path / "in/P2/mask.nii.gz")
    rows, result = measured(tmp_path / "in")
    assert [row["firstorder_Mean"] for row in rows] == [pytest.approx(IMAGE[mask > 0].mean())]
    assert [one["unit"] for one in result.quarantined] == ["P2/mask.nii.gz"]
    plain = tmp_path / "plain/P1"
    plain.mkdir(parents=True)
    sitk.WriteImage(volume.grid.to_sitk(IMAGE), str(plain / "ct.nii.gz"))
    structure(plain / "rs.dcm")
    (row,), _ = measured(tmp_path / "plain")
    assert row["firstorder_Mean"] == pytest.approx(IMAGE[mask > 0].mean()) and row["mask_notes"] == "frame-not-checked"
