"""A tilted gantry resampled and missing slices filled, only where a study asks for it, and said of every value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset

from tests.imaging.odd_series import Maker, save
from unibase.groundwork.problems import Unusable
from unibase.imaging.boxed import Boxed
from unibase.imaging.dicom.read_as import Reading
from unibase.imaging.dicom.volume import Volume, read_series

RESAMPLE, FILL = Reading(tilt="resample"), Reading(missing_slices="fill")


def tilted(degrees: float, along: int = 1, count: int = 7) -> list[Dataset]:
    """Slices 3 mm apart along z, each shifted in its plane as far as a gantry turned by some degrees shifts it."""
    slices = Maker(1).stack(count=count)
    noise = np.random.default_rng(3).integers(0, 400, (count, *slices[0].pixel_array.shape), dtype=np.uint16)
    for number, dataset in enumerate(slices):
        position = [float(item) for item in dataset.ImagePositionPatient]
        position[along] += 3.0 * number * np.tan(np.radians(degrees))
        dataset.ImagePositionPatient = [f"{item:.10f}" for item in position]
        dataset.PixelData = noise[number].tobytes()
    return slices


def by_simpleitk(datasets: list[Dataset], volume: Volume) -> np.ndarray:
    """The oracle: SimpleITK samples a volume whose third axis is oblique, which it takes as it is, on the right-angled grid."""
    stack = np.stack(
        [dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept) for dataset in datasets]
    )
    places = np.array([[float(item) for item in dataset.ImagePositionPatient] for dataset in datasets])
    step = (places[-1] - places[0]) / (len(datasets) - 1)
    image = sitk.GetImageFromArray(stack)
    image.SetOrigin(places[0].tolist())
    image.SetSpacing([*volume.grid.spacing[:2], float(np.linalg.norm(step))])
    image.SetDirection(np.column_stack([np.eye(3)[:, 0], np.eye(3)[:, 1], step / np.linalg.norm(step)]).ravel().tolist())
    onto = volume.grid.to_sitk(np.zeros(volume.grid.shape))
    return sitk.GetArrayFromImage(sitk.Resample(image, onto, sitk.Transform(), sitk.sitkLinear, float(stack.min())))


@pytest.mark.parametrize(("degrees", "along"), [(12.0, 1), (-20.0, 1), (7.5, 0)])
def test_a_tilt_is_resampled_as_simpleitk_samples_it(tmp_path: Path, degrees: float, along: int) -> None:
    datasets = tilted(degrees, along)
    save(tmp_path, datasets)
    with pytest.raises(Unusable, match="gantry-tilt") as caught:
        read_series(tmp_path)
    assert "features.tilt" in caught.value.remedy
    volume = read_series(tmp_path, reading=RESAMPLE)
    oracle = by_simpleitk(datasets, volume)
    for number, (top, bottom, left, right) in enumerate(volume.seen.windows):
        inside = (number, slice(top, bottom + 1), slice(left, right + 1))
        assert np.abs(volume.array[inside] - oracle[inside]).max() < 1e-6
        assert volume.array[inside].size >= (datasets[0].Rows - 1) * (datasets[0].Columns - 1)
    assert (volume.notes, volume.stored_type) == (("tilt-resampled",), "float64")


def test_a_shift_of_whole_voxels_moves_values_and_changes_none(tmp_path: Path) -> None:
    spacing = float(Maker(1).stack()[0].PixelSpacing[0])
    datasets = tilted(float(np.degrees(np.arctan(spacing / 3))))
    save(tmp_path, datasets)
    volume = read_series(tmp_path, reading=RESAMPLE)
    rows = datasets[0].Rows
    for number, dataset in enumerate(datasets):
        values = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        assert np.allclose(volume.array[number, number : number + rows], values, atol=0.05)


def test_a_region_beyond_what_was_scanned_is_told(tmp_path: Path) -> None:
    save(tmp_path, tilted(20.0))
    volume = read_series(tmp_path, reading=RESAMPLE)
    inside, outside = np.zeros(volume.grid.shape, dtype=bool), np.zeros(volume.grid.shape, dtype=bool)
    inside[0, :2, :2] = outside[-1, :2, :2] = True
    assert volume.notes_of(Boxed.of(inside)) == ()
    assert volume.notes_of(Boxed.of(outside)) == ("not-scanned-in-region",)


def test_slices_shifted_without_order_are_no_tilt(tmp_path: Path) -> None:
    datasets = tilted(12.0)
    datasets[3].ImagePositionPatient[1] = float(datasets[3].ImagePositionPatient[1]) + 4
    save(tmp_path, datasets)
    with pytest.raises(Unusable, match="not evenly"):
        read_series(tmp_path, reading=RESAMPLE)


def test_a_missing_slice_is_filled_between_its_neighbours(tmp_path: Path) -> None:
    whole = Maker(1).stack(count=9)
    save(tmp_path, [*whole[:4], *whole[5:]])
    with pytest.raises(Unusable, match="1 slice is missing") as caught:
        read_series(tmp_path)
    assert "missing_slices: fill" in caught.value.remedy
    volume = read_series(tmp_path, reading=FILL)
    assert volume.array.shape[0] == 9 and volume.seen.filled == (4,) and volume.notes == ("slices-filled",)
    assert np.array_equal(volume.array[4], (volume.array[3] + volume.array[5]) / 2)
    # The slice that was taken out lies half way between its neighbours, so that its values are known.
    truth = whole[4].pixel_array * float(whole[4].RescaleSlope) + float(whole[4].RescaleIntercept)
    assert np.allclose(volume.array[4], truth)


@pytest.mark.parametrize("lost", [[4, 5, 6, 7], [2, 4, 6, 8]])
def test_more_than_can_be_filled_is_refused(tmp_path: Path, lost: list[int]) -> None:
    save(tmp_path, [dataset for number, dataset in enumerate(Maker(1).stack(count=12)) if number not in lost])
    with pytest.raises(Unusable, match="more than can be filled"):
        read_series(tmp_path, reading=FILL)


def test_uneven_distances_are_no_missing_slices(tmp_path: Path) -> None:
    datasets = Maker(1).stack(count=9)
    for dataset in datasets[5:]:
        dataset.ImagePositionPatient[2] = float(dataset.ImagePositionPatient[2]) + 1.4
    save(tmp_path, datasets)
    with pytest.raises(Unusable, match="uneven"):
        read_series(tmp_path, reading=FILL)


def test_a_tilted_series_with_a_gap_is_straightened_and_filled(tmp_path: Path) -> None:
    datasets = tilted(12.0)
    save(tmp_path, [*datasets[:3], *datasets[4:]])
    both = read_series(tmp_path, reading=Reading(tilt="resample", missing_slices="fill"))
    assert both.notes == ("slices-filled", "tilt-resampled") and both.seen.filled == (3,)
    save(tmp_path / "whole", datasets)
    assert read_series(tmp_path / "whole", reading=RESAMPLE).grid == both.grid
