"""DICOM SEG: round trips through highdicom, and real files of dcmqi and highdicom."""

from __future__ import annotations

from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.sr.codedict import codes

from tests.imaging.dicom_maker import uid, write_series
from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.volume import Volume, read_series
from unibase.imaging.regions.masks import open_masks, read_masks

SIZE = (9, 14, 11)  # slices, rows, columns
RNG = np.random.default_rng(4)
REGIONS = np.stack([RNG.random(SIZE) < 0.2, RNG.random(SIZE) < 0.3], axis=-1)
REGIONS[[0, 1, 5]] = False
OBLIQUE = (0.8, 0.6, 0.0, 0.0, 0.0, -1.0)


def write_seg(path: Path, sources: list[Path], pixels: np.ndarray, kind: str, **options: object) -> Path:
    descriptions = [
        hd.seg.SegmentDescription(
            segment_number=index + 1,
            segment_label=f"Region {index + 1}",
            segmented_property_category=codes.SCT.Tissue,
            segmented_property_type=codes.SCT.Tissue,
            algorithm_type="MANUAL",
        )
        for index in range(2)
    ]
    segmentation = hd.seg.Segmentation(
        source_images=[pydicom.dcmread(source) for source in sources],
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=descriptions,
        series_instance_uid=uid(60),
        series_number=2,
        sop_instance_uid=uid(60, 1),
        instance_number=1,
        manufacturer="Test",
        manufacturer_model_name="Test",
        software_versions="1",
        device_serial_number="1",
        **options,
    )
    segmentation.save_as(path)
    return path


def series(tmp_path: Path, **options: object) -> tuple[list[Path], Volume]:
    options = {"spacing": (0.8, 1.3, 2.5), "origin": (-20.0, 14.0, 7.0), **options}
    paths = write_series(tmp_path / "ct", np.zeros(SIZE, dtype=np.int16), **options)  # type: ignore[arg-type]
    return paths, read_series(tmp_path / "ct")


@pytest.mark.parametrize("orientation", [(1.0, 0, 0, 0, 1.0, 0), OBLIQUE, (1.0, 0, 0, 0, -1.0, 0)])
@pytest.mark.parametrize("omit", [True, False])
def test_binary_overlapping_segments(tmp_path: Path, orientation: tuple[float, ...], omit: bool) -> None:
    paths, volume = series(tmp_path, orientation=orientation)
    path = write_seg(tmp_path / "seg.dcm", paths, REGIONS.astype(np.uint8), "BINARY", omit_empty_frames=omit)
    masks = read_masks(path, volume)
    assert [mask.roi_name for mask in masks] == ["Region 1", "Region 2"]
    for index, mask in enumerate(masks):
        assert np.array_equal(mask.array, REGIONS[..., index])


def test_slices_given_in_any_order(tmp_path: Path) -> None:
    paths, volume = series(tmp_path)
    order = RNG.permutation(SIZE[0])
    path = write_seg(tmp_path / "seg.dcm", [paths[i] for i in order], REGIONS[order].astype(np.uint8), "BINARY")
    for index, mask in enumerate(read_masks(path, volume)):
        assert np.array_equal(mask.array, REGIONS[..., index])


def test_fractional_at_its_threshold(tmp_path: Path) -> None:
    paths, volume = series(tmp_path)
    fractions = np.where(REGIONS, RNG.integers(1, 11, REGIONS.shape) / 10, 0.0)
    path = write_seg(tmp_path / "seg.dcm", paths, fractions, "FRACTIONAL", max_fractional_value=100)
    for threshold in (0.5, 0.3):
        for index, mask in enumerate(read_masks(path, volume, threshold=threshold)):
            assert np.array_equal(mask.array, np.round(fractions[..., index] * 100) >= threshold * 100)


def test_labelmap(tmp_path: Path) -> None:
    paths, volume = series(tmp_path)
    labels = np.where(REGIONS[..., 0], 1, np.where(REGIONS[..., 1], 2, 0)).astype(np.uint8)
    path = write_seg(tmp_path / "seg.dcm", paths, labels, "LABELMAP")
    for index, mask in enumerate(read_masks(path, volume)):
        assert np.array_equal(mask.array, labels == index + 1)


def test_segments_of_a_part_of_the_slices(tmp_path: Path) -> None:
    paths, volume = series(tmp_path)
    path = write_seg(tmp_path / "seg.dcm", paths[2:5], REGIONS[2:5].astype(np.uint8), "BINARY")
    for index, mask in enumerate(read_masks(path, volume)):
        want = np.zeros(SIZE, dtype=bool)
        want[2:5] = REGIONS[2:5, ..., index]
        assert np.array_equal(mask.array, want)


def test_one_slice(tmp_path: Path) -> None:
    paths, volume = series(tmp_path)
    path = write_seg(tmp_path / "seg.dcm", paths[3:4], REGIONS[3:4].astype(np.uint8), "BINARY")
    mask = read_masks(path, volume)[0].array
    assert np.array_equal(mask[3], REGIONS[3, ..., 0])
    assert mask.sum() == REGIONS[3, ..., 0].sum()


def test_another_grid_is_refused_or_resampled_on_request(tmp_path: Path) -> None:
    paths, _ = series(tmp_path)
    path = write_seg(tmp_path / "seg.dcm", paths, REGIONS.astype(np.uint8), "BINARY")
    fine = tmp_path / "fine"
    write_series(fine, np.zeros((18, 28, 22), dtype=np.int16), spacing=(0.4, 0.65, 1.25), origin=(-20.0, 14.0, 7.0), number=8)
    volume = read_series(fine)
    with pytest.raises(Unusable, match="mask-geometry"):
        read_masks(path, volume)
    mask = read_masks(path, volume, resample=True)[0]
    assert mask.notes == ("drawn-on-another-series", "resampled")
    assert np.array_equal(mask.array[::2, ::2, ::2], REGIONS[..., 0])


def test_another_frame_of_reference_is_refused(tmp_path: Path) -> None:
    paths, _ = series(tmp_path)
    path = write_seg(tmp_path / "seg.dcm", paths, REGIONS.astype(np.uint8), "BINARY")
    write_series(tmp_path / "other", np.zeros(SIZE, dtype=np.int16), spacing=(0.8, 1.3, 2.5), frame=901, number=8)
    with pytest.raises(Unusable, match="frame-of-reference"):
        read_masks(path, read_series(tmp_path / "other"))


def test_an_empty_segment_is_named(tmp_path: Path) -> None:
    paths, volume = series(tmp_path)
    pixels = REGIONS.astype(np.uint8).copy()
    pixels[..., 1] = 0
    path = write_seg(tmp_path / "seg.dcm", paths, pixels, "BINARY", omit_empty_frames=False)
    first, second = open_masks(path, volume)
    assert np.array_equal(first.read().array, REGIONS[..., 0])
    with pytest.raises(Unusable, match="empty-region"):
        second.read()


def test_nifti_and_nrrd_masks(tmp_path: Path) -> None:
    _, volume = series(tmp_path)
    labels = np.where(REGIONS[..., 0], 1, np.where(REGIONS[..., 1], 2, 0)).astype(np.uint8)
    for name in ("mask.nii.gz", "mask.nrrd"):
        sitk.WriteImage(volume.grid.to_sitk(labels), str(tmp_path / name))
        masks = read_masks(tmp_path / name, volume)
        assert [(mask.roi_name, mask.number) for mask in masks] == [("mask:1", 1), ("mask:2", 2)]
        assert all(np.array_equal(mask.array, labels == mask.number) for mask in masks)
    moved = volume.grid.to_sitk(labels)
    moved.SetOrigin((-20.0, 14.0, 8.0))
    sitk.WriteImage(moved, str(tmp_path / "moved.nrrd"))
    with pytest.raises(Unusable, match="mask-geometry"):
        read_masks(tmp_path / "moved.nrrd", volume)


def test_names_and_layers_of_a_slicer_segmentation(tmp_path: Path) -> None:
    _, volume = series(tmp_path)
    layers = [volume.grid.to_sitk(REGIONS[..., index].astype(np.uint8)) for index in range(2)]
    image = sitk.Compose(layers)
    for index, name in enumerate(("GTV", "Lung")):
        image.SetMetaData(f"Segment{index}_Name", name)
        image.SetMetaData(f"Segment{index}_LabelValue", "1")
        image.SetMetaData(f"Segment{index}_Layer", str(index))
    sitk.WriteImage(image, str(tmp_path / "s.seg.nrrd"))
    masks = read_masks(tmp_path / "s.seg.nrrd", volume)
    assert [mask.roi_name for mask in masks] == ["GTV", "Lung"]
    assert all(np.array_equal(mask.array, REGIONS[..., index]) for index, mask in enumerate(masks))


def test_real_files_of_dcmqi(real_data: Path) -> None:
    folder = real_data / "dicom/dcmqi/data/segmentations"
    volume = read_series(folder / "ct-3slice")
    (liver,) = read_masks(folder / "liver.dcm", volume)
    stored = pydicom.dcmread(folder / "liver.dcm").pixel_array.astype(bool)
    assert liver.array.sum() == stored.sum() == 107098
    overlapping = read_masks(folder / "partial_overlaps.dcm", volume)
    assert [mask.roi_name for mask in overlapping] == ["GREEN", "ORANGE", "PURPLE", "LIGHT_BLUE", "DARK_BLUE"]
    assert sum(mask.array.astype(int) for mask in overlapping).max() > 1


def test_real_labelmap_whose_middle_slice_was_left_out(real_data: Path) -> None:
    folder = real_data / "dicom/dcmqi/data/segmentations"
    for images in ("24x38x3/image", "24x38x3/multiframe"):
        (liver,) = read_masks(folder / "sparse-labelmap-noppv.dcm", read_series(folder / images))
        stored = pydicom.dcmread(folder / "sparse-labelmap-noppv.dcm").pixel_array
        assert np.array_equal(liver.array[[0, 2]], stored == 1)
        assert not liver.array[1].any()
