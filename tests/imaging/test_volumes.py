"""Series to volumes: order, geometry, rescaling, and everything that is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.imaging.dicom_maker import write_series
from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.read_as import USUAL, Reading
from unibase.imaging.dicom.spacing import axes, place_slices
from unibase.imaging.dicom.volume import read_series
from unibase.imaging.grid import Grid
from unibase.imaging.plain.image import read_image

ARRAY = np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7) - 60


def refusal(folder: Path, **options: object) -> str:
    with pytest.raises(Unusable) as caught:
        read_series(folder, **options)  # type: ignore[arg-type]
    return caught.value.reason


@pytest.mark.parametrize(
    "orientation",
    [
        (1.0, 0, 0, 0, 1.0, 0),
        (0, 1.0, 0, 0, 0, -1.0),
        (1.0, 0, 0, 0, 0, -1.0),
        (0.8, 0.6, 0, -0.36, 0.48, 0.8),
        (-1.0, 0, 0, 0, 1.0, 0),
    ],
)
@pytest.mark.parametrize("reverse_names", [True, False])
def test_as_simpleitk_reads_it_whatever_the_orientation(
    tmp_path: Path, orientation: tuple[float, ...], reverse_names: bool
) -> None:
    write_series(
        tmp_path,
        ARRAY,
        orientation=orientation,
        reverse_names=reverse_names,
        spacing=(0.7, 1.1, 2.5),
        origin=(-3.0, 8.5, 120.25),
        slope=2,
        intercept=-1024,
    )
    volume = read_series(tmp_path)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    image = reader.Execute()
    assert np.array_equal(volume.array, sitk.GetArrayFromImage(image))
    assert np.array_equal(volume.array, ARRAY * 2.0 - 1024)
    assert volume.stored_type == sitk.GetArrayFromImage(image).dtype.name
    assert volume.grid.difference(Grid.of(image)) == ""
    assert volume.array.dtype == np.float64
    assert volume.unit == "HU"


def test_fractional_slope_gives_float64(tmp_path: Path) -> None:
    write_series(tmp_path, ARRAY, slope=0.37)
    volume = read_series(tmp_path)
    assert volume.stored_type == "float64"
    assert np.array_equal(volume.array, ARRAY * 0.37)


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_missing_slice_is_refused(tmp_path: Path, lost: int) -> None:
    write_series(tmp_path, ARRAY)[lost].unlink()
    assert refusal(tmp_path) == "missing-slice"


def test_uneven_distances_are_refused_or_told(tmp_path: Path) -> None:
    write_series(tmp_path, ARRAY, offsets=[0, 2, 4, 7, 9])
    assert refusal(tmp_path) == "missing-slice"
    assert read_series(tmp_path, reading=Reading(even=False)).grid.slice_offsets == (0.0, 2.0, 4.0, 7.0, 9.0)


def test_rounded_positions_are_one_even_grid(tmp_path: Path) -> None:
    write_series(tmp_path, ARRAY, offsets=[0.0, 1.3, 2.5, 3.8, 5.0], spacing=(1, 1, 1.25))
    assert read_series(tmp_path).grid.spacing[2] == 1.25


def test_gantry_tilt_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path, ARRAY, shear=(0.0, 0.27), spacing=(1, 1, 3))
    assert refusal(tmp_path) == "gantry-tilt"


def test_two_volumes_in_one_series_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path, np.concatenate([ARRAY, ARRAY]), offsets=[*range(5), *range(5)])
    assert refusal(tmp_path) == "duplicate-slice"


def test_copies_of_a_file_do_not_count_twice(tmp_path: Path) -> None:
    paths = write_series(tmp_path, ARRAY)
    before = read_series(tmp_path)
    shutil.copy(paths[2], tmp_path / "copy.dcm")
    assert np.array_equal(read_series(tmp_path).array, before.array)
    changed = pydicom.dcmread(paths[2])
    changed.PixelData = bytes(len(changed.PixelData))
    changed.save_as(tmp_path / "copy.dcm")
    assert refusal(tmp_path) == "duplicate-slice"


def test_truncated_files_are_refused(tmp_path: Path) -> None:
    paths = write_series(tmp_path, ARRAY)
    whole = paths[1].read_bytes()
    for cut in (len(whole) - 11, len(whole) - 84):
        paths[1].write_bytes(whole[:cut])
        assert refusal(tmp_path) in ("truncated-file", "missing-slice")
    paths[1].write_bytes(whole[: len(whole) - 11])
    assert refusal(tmp_path) == "truncated-file"


@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000"])
def test_lossless_compression(tmp_path: Path, compressor: str) -> None:
    """JPEG Lossless (which pydicom has no decoder for here) and JPEG 2000; and both when they are cut off."""
    stored = np.random.default_rng(0).integers(0, 3000, (3, 64, 64)).astype(np.int16)
    for path in write_series(tmp_path / "plain", stored, slope=2, intercept=-1024):
        dataset = pydicom.dcmread(path)
        # GDCM writes what it read, that is rescaled values: the copy goes without rescaling, which is put back after.
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
        dataset.save_as(path)
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.LoadPrivateTagsOn()
        image = reader.Execute()
        writer = sitk.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.KeepOriginalImageUIDOn()
        writer.SetUseCompression(True)
        writer.SetCompressor(compressor)
        (tmp_path / "packed").mkdir(exist_ok=True)
        writer.SetFileName(str(tmp_path / "packed" / path.name))
        writer.Execute(image)
        packed = pydicom.dcmread(tmp_path / "packed" / path.name)
        assert packed.file_meta.TransferSyntaxUID.is_compressed
        packed.RescaleSlope, packed.RescaleIntercept = 2, -1024
        packed.SeriesInstanceUID, packed.FrameOfReferenceUID = dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID
        packed.ImagePositionPatient, packed.SliceThickness = dataset.ImagePositionPatient, dataset.SliceThickness
        packed.save_as(tmp_path / "packed" / path.name)
    volume = read_series(tmp_path / "packed")
    assert np.array_equal(volume.array, stored * 2.0 - 1024)
    one = sorted((tmp_path / "packed").iterdir())[1]
    cut = pydicom.dcmread(one)
    frame = next(pydicom.encaps.generate_frames(cut.PixelData, number_of_frames=1))
    cut.PixelData = pydicom.encaps.encapsulate([frame[: len(frame) // 2]])
    cut.save_as(one)
    assert refusal(tmp_path / "packed") == "truncated-file"


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PixelSpacing", [1.0, 1.1]),
        ("ImageOrientationPatient", [1, 0, 0, 0, 0.98, 0.198997]),
        ("FrameOfReferenceUID", "1.2.3"),
        ("Modality", "MR"),
    ],
)
def test_slices_that_do_not_belong_together_are_refused(tmp_path: Path, keyword: str, value: object) -> None:
    path = write_series(tmp_path, ARRAY)[2]
    dataset = pydicom.dcmread(path)
    setattr(dataset, keyword, value)
    dataset.save_as(path)
    assert refusal(tmp_path) == "inconsistent-series"


def test_images_without_a_place_or_in_colour_are_refused(tmp_path: Path) -> None:
    for name, change in (("place", {"ImagePositionPatient": None}), ("colour", {"SamplesPerPixel": 3})):
        write_series(tmp_path / name, ARRAY, **change)  # type: ignore[arg-type]
        assert refusal(tmp_path / name) == "unsupported-image"


def test_several_series_need_a_name(tmp_path: Path) -> None:
    write_series(tmp_path, ARRAY, number=1)
    for path in write_series(tmp_path / "more", ARRAY + 1, number=2):
        path.rename(tmp_path / f"b{path.name}")
    assert refusal(tmp_path) == "several-series"
    from tests.imaging.dicom_maker import uid

    assert np.array_equal(read_series(tmp_path, uid(2)).array, ARRAY + 1.0)


def test_half_written_files_of_a_killed_run_do_not_count(tmp_path: Path) -> None:
    paths = write_series(tmp_path, ARRAY)
    (tmp_path / ".tmp-1.dcm").write_bytes(paths[0].read_bytes()[:-20])
    assert read_series(tmp_path).array.shape == ARRAY.shape


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("nothing")
    assert refusal(tmp_path) == "no-image-series"
    assert refusal(tmp_path / "absent") == "no-image-series"


def test_one_slice_takes_its_thickness(tmp_path: Path) -> None:
    write_series(tmp_path, ARRAY[:1], spacing=(1, 1, 4.5))
    assert read_series(tmp_path).grid.spacing == (1.0, 1.0, 4.5)


def test_no_refusal_tells_a_value(tmp_path: Path) -> None:
    write_series(tmp_path, ARRAY, patient="SECRET42")[1].unlink()
    with pytest.raises(Unusable) as caught:
        read_series(tmp_path)
    assert "SECRET42" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_nifti_and_nrrd_and_planes(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(ARRAY.astype(np.float32))
    image.SetSpacing((0.7, 1.1, 2.5))
    for name in ("a.nii.gz", "a.nrrd"):
        sitk.WriteImage(image, str(tmp_path / name))
        volume = read_image(tmp_path / name)
        assert np.array_equal(volume.array, ARRAY)
        assert volume.stored_type == "float32"
    sitk.WriteImage(image[:, :, 2], str(tmp_path / "plane.nrrd"))
    assert read_image(tmp_path / "plane.nrrd").array.shape == (1, 6, 7)
    sitk.WriteImage(sitk.Compose(image, image), str(tmp_path / "vector.nrrd"))
    for name, reason in (("vector.nrrd", "unsupported-image"), ("absent.nrrd", "unreadable-image")):
        with pytest.raises(Unusable, match=reason):
            read_image(tmp_path / name)
    (tmp_path / "broken.nrrd").write_bytes(b"NRRD0004\nnothing")
    with pytest.raises(Unusable, match="truncated-file"):
        read_image(tmp_path / "broken.nrrd")


def test_enhanced_multiframe_is_the_same_volume_as_its_classic_slices(real_data: Path) -> None:
    folder = real_data / "dicom/dcmqi/data/segmentations/24x38x3"
    classic, enhanced = read_series(folder / "image"), read_series(folder / "multiframe")
    assert np.array_equal(classic.array, enhanced.array)
    assert classic.grid.difference(enhanced.grid) == ""


def test_real_enhanced_mr(real_data: Path) -> None:
    from unibase.imaging.dicom.volume import read_files

    for path in sorted((real_data / "dicom/enhanced_mr").rglob("*.dcm")):
        if path.name.startswith("6_"):
            volume = read_files([path])
            assert volume.array.shape == (6, 64, 64)
            positions = [
                np.array(frame.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
                for frame in pydicom.dcmread(path).PerFrameFunctionalGroupsSequence
            ]
            assert any(np.allclose(volume.grid.origin, position) for position in positions)
        else:
            with pytest.raises(Unusable, match="several-volumes"):
                read_files([path])


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(6)), st.floats(0.5, 6), st.tuples(st.floats(-300, 300), st.floats(-300, 300), st.floats(-300, 300)))
def test_slice_distance_is_found_in_any_order(order: list[int], distance: float, origin: tuple[float, float, float]) -> None:

    row, column, normal = axes(np.array([0.8, 0.6, 0.0, -0.36, 0.48, 0.8]))
    positions = np.array([np.array(origin) + index * distance * normal for index in order])
    positions = positions[np.argsort(positions @ normal)]
    found = place_slices(positions, np.array([row, column, normal]), 0.0, USUAL)
    assert (found.offsets, found.places, found.drift) == ((), tuple(range(6)), None)
    assert found.distance == pytest.approx(distance, rel=1e-9)
