"""Images of two and of four dimensions: projections without thickness, pictures without millimetres, volumes over time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pydicom
import pytest
import SimpleITK as sitk
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.commands import PlainRun, extract_plain
from unibase.imaging.dicom.projections import spacing_of
from unibase.imaging.options import Choices
from unibase.imaging.plain.image import plain_volumes, read_image
from unibase.imaging.radiomics.settings import make_settings

SETTINGS = make_settings({"featureClass": {"firstorder": ["Mean"], "shape": None}})
RNG = np.random.default_rng(2222)
PLANE = RNG.integers(0, 255, (40, 30)).astype(np.uint8)
MARK = np.zeros(PLANE.shape, dtype=np.uint8)
MARK[10:20, 5:25] = 1
MEAN = PLANE[MARK > 0].mean()


def projection(path: Path, modality: str = "DX", frames: int = 1, **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3.4"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality, ds.PatientID = "1.2.3", "1.2.3.1", modality, "1"
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = *PLANE.shape, 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    if frames > 1:
        ds.NumberOfFrames = frames
    ds.PixelData = b"".join((PLANE + np.uint8(k)).tobytes() for k in range(frames))
    for keyword, value in more.items():
        setattr(ds, keyword, value)
    ds.save_as(path)
    return path


def mark(path: Path, spacing: float) -> None:
    image = sitk.GetImageFromArray(MARK)
    image.SetSpacing((spacing, spacing))
    sitk.WriteImage(image, str(path))


def measured(folder: Path, out: Path, **choices: Any) -> pl.DataFrame:
    extract_plain(folder, out, SETTINGS, PlainRun(Choices(several="each", **choices)))
    return pl.read_parquet(out)


def test_a_projection_has_an_area_and_no_thickness(tmp_path: Path) -> None:
    projection(tmp_path / "in/dx.dcm", ImagerPixelSpacing=[0.2, 0.2])
    mark(tmp_path / "in/mask.nrrd", 0.2)
    row = measured(tmp_path / "in", tmp_path / "o.parquet").row(0, named=True)
    assert (row["Modality"], row["firstorder_Mean"]) == ("DX", pytest.approx(MEAN))
    assert row["shape2D_PixelSurface"] == pytest.approx(200 * 0.04)
    assert not [name for name in row if name.startswith("shape_")]


def test_a_projection_says_that_low_is_white(tmp_path: Path) -> None:
    projection(tmp_path / "in/mg.dcm", "MG", PixelSpacing=[0.1, 0.1], PhotometricInterpretation="MONOCHROME1")
    mark(tmp_path / "in/mask.nrrd", 0.1)
    assert "MONOCHROME1" in measured(tmp_path / "in", tmp_path / "o.parquet")["unit"][0]


def test_frames_of_a_cine_are_volumes_with_names(tmp_path: Path) -> None:
    region = Dataset()
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.05
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    projection(tmp_path / "in/us.dcm", "US", frames=3, SequenceOfUltrasoundRegions=[region])
    mark(tmp_path / "in/mask.nrrd", 0.5)
    table = measured(tmp_path / "in", tmp_path / "o.parquet")
    assert table["volume"].to_list() == [f"image {k} of 3" for k in (1, 2, 3)]
    # Rows count up by one a frame; bytes wrap at 256 as they were written.
    expected = [(PLANE + np.uint8(k))[MARK > 0].mean() for k in range(3)]
    assert table["firstorder_Mean"].to_list() == pytest.approx(expected)
    assert table["shape2D_PixelSurface"][0] == pytest.approx(200 * 0.25)
    one = measured(tmp_path / "in", tmp_path / "p.parquet", volumes=("image 2 of .*",))
    assert one["volume"].to_list() == ["image 2 of 3"]


def test_a_projection_without_spacing_is_refused(tmp_path: Path) -> None:
    header = pydicom.dcmread(projection(tmp_path / "us.dcm", "US"))
    with pytest.raises(Unusable, match="no spacing"):
        spacing_of(header)


def test_a_picture_is_measured_in_pixels_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(np.stack([PLANE] * 3, axis=2)).save(tmp_path / "in/a.png")
    Image.fromarray(MARK * 255).save(tmp_path / "in/a_mask.png")
    row = measured(tmp_path / "in", tmp_path / "o.parquet").row(0, named=True)
    assert (row["firstorder_Mean"], row["mask_notes"]) == (pytest.approx(MEAN), "pixels-without-size")
    assert row["shape2D_PixelSurface"] == 200


def test_a_picture_cut_anywhere_is_truncated(tmp_path: Path) -> None:
    Image.fromarray(PLANE).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    for size in range(8, len(whole), max(1, len(whole) // 25)):
        (tmp_path / "b.png").write_bytes(whole[:size])
        with pytest.raises(Unusable, match="truncated-file"):
            read_image(tmp_path / "b.png")


def test_colours_are_no_intensities(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(np.stack([PLANE, PLANE // 2, PLANE], axis=2)).save(tmp_path / "in/a.png")
    Image.fromarray(MARK).save(tmp_path / "in/a_mask.png")
    with pytest.raises(UserError, match="several values per voxel"):
        measured(tmp_path / "in", tmp_path / "o.parquet")


def test_an_image_over_time_is_measured_volume_by_volume(tmp_path: Path) -> None:
    over_time = RNG.integers(0, 1000, (4, 5, 9, 9)).astype(np.int16)
    (tmp_path / "in").mkdir()
    sitk.WriteImage(sitk.GetImageFromArray(over_time, isVector=False), str(tmp_path / "in/dce.nii.gz"))
    inside = np.zeros((5, 9, 9), dtype=np.uint8)
    inside[1:4, 2:6, 3:7] = 1
    sitk.WriteImage(sitk.GetImageFromArray(inside), str(tmp_path / "in/dce_mask.nii.gz"))
    table = measured(tmp_path / "in", tmp_path / "o.parquet")
    assert table["volume"].to_list() == [f"volume {k} of 4" for k in (1, 2, 3, 4)]
    assert table["firstorder_Mean"].to_list() == pytest.approx([volume[inside > 0].mean() for volume in over_time])
    assert table["source_digest"].n_unique() == table["region"].n_unique() == 4
    read = [make() for _, make in plain_volumes(tmp_path / "in/dce.nii.gz")]
    assert all(np.array_equal(volume.array, part) for volume, part in zip(read, over_time, strict=True))
