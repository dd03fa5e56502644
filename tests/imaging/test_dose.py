"""Dose of regions: against the formula of a linear dose in a box, and a peer's resampling (ITK)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset

from tests.imaging.dicom_maker import base, uid, write_rtstruct, write_series
from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.dicom.volume import read_series
from unibase.imaging.dose.histogram import Fractions, dose_of, metrics_of
from unibase.imaging.dose.measured import Wanted, measure_doses
from unibase.imaging.dose.metric_names import check_metric
from unibase.imaging.dose.rtdose import read_dose
from unibase.imaging.regions.masks import read_masks

# A dose that rises by 1 Gy for each mm along x, 0.5 along z: linear, so that any right interpolation gives it exactly.
DOSE_SHAPE, DOSE_SPACING, DOSE_ORIGIN = (7, 15, 21), (2.5, 2.0, 3.0), (-5.0, -3.0, -4.0)


def dose_file(path: Path, order: int = 1, **changes: Any) -> Path:
    dataset: Dataset = base("CT", uid(70, 1), uid(70), uid(500))
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.481.2"
    dataset.Modality, dataset.FrameOfReferenceUID = "RTDOSE", uid(900)
    z, _, x = np.mgrid[: DOSE_SHAPE[0], : DOSE_SHAPE[1], : DOSE_SHAPE[2]]
    gray = 40 + (x * DOSE_SPACING[0] + DOSE_ORIGIN[0]) + 0.5 * (z * DOSE_SPACING[2] + DOSE_ORIGIN[2])
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = DOSE_SHAPE
    dataset.PixelSpacing = [DOSE_SPACING[1], DOSE_SPACING[0]]
    offsets = [n * DOSE_SPACING[2] for n in range(DOSE_SHAPE[0])][::order]
    dataset.ImagePositionPatient = [*DOSE_ORIGIN[:2], DOSE_ORIGIN[2] + offsets[0]]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.GridFrameOffsetVector = [offset - offsets[0] for offset in offsets]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 32
    dataset.HighBit, dataset.PixelRepresentation = 31, 0
    dataset.DoseGridScaling, dataset.DoseUnits, dataset.DoseType, dataset.DoseSummationType = 1e-4, "GY", "PHYSICAL", "PLAN"
    dataset.PixelData = np.round(gray[::order] * 1e4).astype("<u4").tobytes()
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def plan(folder: Path, **changes: Any) -> Path:
    write_series(folder / "ct", np.zeros((5, 20, 30), np.int16), spacing=(1.0, 1.0, 3.0))
    square = [[(4.5, 4.5, 3.0 * k), (24.5, 4.5, 3.0 * k), (24.5, 14.5, 3.0 * k), (4.5, 14.5, 3.0 * k)] for k in (1, 2, 3)]
    write_rtstruct(folder / "rs.dcm", [("PTV", [np.array(one) for one in square])])
    dose_file(folder / "rd.dcm", **changes)
    return folder


def truth() -> np.ndarray:
    """The dose at the voxels of the region: columns 5 to 24, rows 5 to 14, slices 1 to 3."""
    z, _, x = np.meshgrid([3.0, 6.0, 9.0], np.arange(5, 15), np.arange(5, 25), indexing="ij")
    return (40 + x + 0.5 * z).ravel()


@pytest.mark.parametrize("order", [1, -1])
def test_a_linear_dose_is_read_at_every_voxel(tmp_path: Path, order: int) -> None:
    plan(tmp_path, order=order)
    volume = read_series(tmp_path / "ct")
    (mask,) = read_masks(tmp_path / "rs.dcm", volume)
    assert np.allclose(dose_of(mask.region, volume.grid, read_dose(tmp_path / "rd.dcm")), truth(), atol=2e-4)


def test_offsets_may_be_places(tmp_path: Path) -> None:
    near = read_dose(dose_file(tmp_path / "a.dcm"))
    there = read_dose(dose_file(tmp_path / "b.dcm", GridFrameOffsetVector=[DOSE_ORIGIN[2] + 3.0 * n for n in range(7)]))
    points = np.random.default_rng(1).uniform((-5, -3, -4), (40, 20, 13), (50, 3))
    assert np.array_equal(near.at(points), there.at(points), equal_nan=True)
    assert np.isnan(near.at(np.array([[-5.1, 0.0, 0.0], [0.0, 0.0, 14.1]]))).all()


def test_as_itk_resamples_it(tmp_path: Path) -> None:
    dose = read_dose(dose_file(tmp_path / "rd.dcm"))
    dose.array[...] = np.random.default_rng(2).uniform(0, 70, dose.array.shape)
    image = sitk.GetImageFromArray(dose.array)
    image.SetSpacing(DOSE_SPACING)
    image.SetOrigin(DOSE_ORIGIN)
    points = np.random.default_rng(3).uniform((-4, -2, -3), (40, 20, 13), (40, 3))
    peer = [image.EvaluateAtPhysicalPoint(point.tolist(), sitk.sitkLinear) for point in points]
    assert np.allclose(dose.at(points), peer, atol=1e-9)


def test_metrics_are_those_of_the_sorted_voxels(tmp_path: Path) -> None:
    frame, refused = measure_doses(
        plan(tmp_path), tmp_path / "out.parquet", None, Wanted(("Dmean", "Dmin", "Dmax", "D50", "V60Gy"))
    )
    told = dict(zip(frame["metric"], frame["value"], strict=True))
    assert not refused
    assert told["Dmean"] == pytest.approx(truth().mean(), abs=1e-3)
    assert (told["Dmin"], told["Dmax"]) == pytest.approx((truth().min(), truth().max()), abs=1e-3)
    assert told["D50"] == pytest.approx(np.median(truth()), abs=0.05)
    assert told["V60Gy"] == pytest.approx(100 * (truth() >= 60).mean(), abs=1.0)
    assert frame["volume_cc"].unique().to_list() == pytest.approx([600 * 3 / 1000])
    assert frame["dose_coverage"].unique().to_list() == [1.0]


def test_d_of_a_volume_by_hand() -> None:
    # Ten voxels of 0.1 cc, 1 to 10 Gy: the highest 0.5 cc are 10, 9, 8, 7, 6; at 0.5 cc it falls from 6 to 5.
    doses = np.arange(1.0, 11.0)
    told = metrics_of(doses, 0.1, ["D50", "D0.5cc", "D2cc", "V5Gy", "D0", "D100"])
    assert [value for _, value, _ in told][:2] == pytest.approx([5.5, 5.5])
    assert np.isnan(told[2][1])
    assert [value for _, value, _ in told][3:] == pytest.approx([60.0, 10.0, 1.0])


def test_eqd2_of_every_voxel(tmp_path: Path) -> None:
    fractions = Fractions(20, 10.0)
    frame, _ = measure_doses(plan(tmp_path), tmp_path / "out.csv", None, Wanted(("Dmean",), fractions))
    assert frame["value"].to_list() == pytest.approx([float(fractions.eqd2(truth()).mean())], abs=1e-3)
    assert frame["kind"].to_list() == ["EQD2"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"DoseUnits": "RELATIVE"}, "not GY"),
        ({"DoseType": "ERROR"}, "ERROR"),
        ({"GridFrameOffsetVector": [0.0, 3.0]}, "Grid Frame Offset Vector"),
        ({"GridFrameOffsetVector": [0.0, 3.0, 6.0, 3.0, 12.0, 15.0, 18.0]}, "Grid Frame Offset Vector"),
        ({"DoseGridScaling": None}, "DoseGridScaling"),
    ],
)
def test_a_dose_that_does_not_say_what_it_is_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(Unusable, match=words):
        read_dose(dose_file(tmp_path / "rd.dcm", **changes))


def test_a_dose_of_another_frame_or_cut_short_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No dose has the frame of reference"):
        measure_doses(plan(tmp_path / "a", FrameOfReferenceUID=uid(901)), tmp_path / "out.parquet")
    plan(tmp_path / "b")
    dataset = pydicom.dcmread(tmp_path / "b/rd.dcm")
    dataset.PixelData = dataset.PixelData[:-400]
    dataset.save_as(tmp_path / "b/rd.dcm")
    with pytest.raises(UserError, match="ends too early"):
        measure_doses(tmp_path / "b", tmp_path / "out.parquet")
    with pytest.raises(UserError, match="holds no RTDOSE"):
        measure_doses(tmp_path / "a/ct", tmp_path / "out.parquet")


@pytest.mark.parametrize("metric", ["D", "V95%", "D20Gy", "Vmean", "mean", "D-5"])
def test_what_is_no_metric_is_refused(metric: str) -> None:
    with pytest.raises(UserError, match="no metric"):
        check_metric(metric)
