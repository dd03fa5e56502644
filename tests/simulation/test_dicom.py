"""The DICOM files: readable, valid, in geometry that agrees, with uptake that comes back as SUV."""

from __future__ import annotations

import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pydicom
import pytest

from unibase.simulation.invented_persons import make_person
from unibase.simulation.phantom import SCANNERS, Region, make_chest


def truth(tree: Path, table: str) -> pl.DataFrame:
    return pl.read_parquet(tree / "truth" / f"{table}.parquet")


def slices(folder: Path) -> list[pydicom.Dataset]:
    datasets = [pydicom.dcmread(path) for path in folder.glob("*.dcm")]
    return sorted(datasets, key=lambda ds: float(ds.ImagePositionPatient[2]))


def series_rows(tree: Path, modality: str) -> list[dict[str, object]]:
    gap = set(truth(tree, "broken").filter(pl.col("reason") == "missing-slice")["unit"])
    rows = truth(tree, "imaging").filter(pl.col("modality") == modality)
    return [row for row in rows.iter_rows(named=True) if row["SeriesInstanceUID"] not in gap]


def inside_polygon(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Even-odd rule, an oracle that shares nothing with the phantom's closed form."""
    inside = np.zeros(len(points), dtype=bool)
    x, y = points.T
    for (x1, y1), (x2, y2) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        crosses = (y1 > y) != (y2 > y)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside ^= crosses & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return inside


def test_every_file_but_the_truncated_one_reads(tree: Path) -> None:
    truncated = truth(tree, "broken").filter(pl.col("reason") == "truncated-file")["path"].to_list()
    seen: set[str] = set()
    for path in tree.rglob("*.dcm"):
        if path.relative_to(tree).as_posix() in truncated:
            with pytest.raises(Exception, match=r".+"):
                _ = pydicom.dcmread(path).pixel_array
            continue
        ds = pydicom.dcmread(path)
        assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
        assert ds.SOPInstanceUID not in seen
        seen.add(ds.SOPInstanceUID)
        assert ds.PatientID == path.relative_to(tree).parts[2]
        if "PixelData" in ds:
            assert ds.pixel_array.size


@pytest.mark.parametrize("modality", ["CT", "PT"])
def test_series_are_regular(tree: Path, modality: str) -> None:
    for row in series_rows(tree, modality):
        series = slices(tree / str(row["folder"]))
        assert len(series) == row["instances"]
        z = np.array([float(ds.ImagePositionPatient[2]) for ds in series])
        np.testing.assert_allclose(np.diff(z), float(series[0].SliceThickness), atol=1e-3)
        for tag in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "PatientID", "Rows"):
            assert len({str(ds[tag].value) for ds in series}) == 1
        assert {ds.SeriesInstanceUID for ds in series} == {row["SeriesInstanceUID"]}


def test_the_missing_slice_is_missing_inside_the_tumour(tree: Path) -> None:
    row = truth(tree, "broken").filter(pl.col("reason") == "missing-slice").row(0, named=True)
    z = np.array([float(ds.ImagePositionPatient[2]) for ds in slices(tree / row["path"])])
    gaps = np.diff(z)
    assert np.isclose(gaps.max(), 2 * np.median(gaps))
    assert (gaps > 1.5 * np.median(gaps)).sum() == 1


def test_accents_survive_in_every_character_set(tree: Path) -> None:
    names = truth(tree, "identifiers").filter(pl.col("kind") == "name:family").select("centre", "value")
    known = set(names.iter_rows())
    sets = set()
    for centre in "abc":
        for folder in (tree / f"centre_{centre}" / "dicom").iterdir():
            if folder.name.startswith("QC"):
                continue
            ds = pydicom.dcmread(next(folder.rglob("CT*.dcm")), stop_before_pixels=True)
            assert (centre.upper(), str(ds.PatientName).split("^")[0]) in known
            sets.add(str(ds.SpecificCharacterSet))
    assert len(sets) == 3


def test_rtstruct_lies_on_its_slices_and_encloses_the_tumour(tree: Path) -> None:
    checked = 0
    for row in [*series_rows(tree, "CT"), *series_rows(tree, "PT")]:
        if row["centre"] == "B":
            continue
        folder = tree / str(row["folder"])
        series = slices(folder)
        (path,) = (folder.parent / f"rtstruct-{str(row['modality']).lower()}").glob("*.dcm")
        structure = pydicom.dcmread(path)
        by_uid = {ds.SOPInstanceUID: ds for ds in series}
        frame = structure.ReferencedFrameOfReferenceSequence[0]
        assert frame.FrameOfReferenceUID == series[0].FrameOfReferenceUID
        referenced = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
        assert referenced.SeriesInstanceUID == row["SeriesInstanceUID"]
        assert {i.ReferencedSOPInstanceUID for i in referenced.ContourImageSequence} == set(by_uid)
        assert next(roi.ROIName for roi in structure.StructureSetROISequence) == row["target_roi"]
        voxels, volume = 0, 0.0
        for contour in structure.ROIContourSequence[0].ContourSequence:
            image = by_uid[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
            polygon = np.array(contour.ContourData, dtype=float).reshape(-1, 3)
            assert len(polygon) == contour.NumberOfContourPoints
            np.testing.assert_allclose(polygon[:, 2], float(image.ImagePositionPatient[2]), atol=1e-3)
            dy, dx = map(float, image.PixelSpacing)
            x0, y0, _ = map(float, image.ImagePositionPatient)
            grid = np.stack(np.meshgrid(x0 + dx * np.arange(image.Columns), y0 + dy * np.arange(image.Rows)), axis=-1)
            voxels += int(inside_polygon(grid.reshape(-1, 2), polygon[:, :2]).sum())
            x, y = polygon[:, 0], polygon[:, 1]
            volume += 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) * float(image.SliceThickness)
        assert voxels == pytest.approx(row["tumour_voxels"], rel=0.05, abs=6)
        assert volume == pytest.approx(row["tumour_mm3"], rel=0.1)
        checked += 1
    assert checked >= 15


def test_seg_marks_the_voxels_of_the_tumour(tree: Path) -> None:
    import highdicom as hd

    checked = 0
    for row in [*series_rows(tree, "CT"), *series_rows(tree, "PT")]:
        if row["centre"] != "B":
            continue
        folder = tree / str(row["folder"])
        series = slices(folder)
        (path,) = (folder.parent / f"seg-{str(row['modality']).lower()}").glob("*.dcm")
        seg = hd.seg.segread(path)
        assert [d.SegmentLabel for d in seg.SegmentSequence] == ["GTV primary", "Lung_L"]
        uids = [ds.SOPInstanceUID for ds in series]
        mask = seg.get_pixels_by_source_instance(
            uids, segment_numbers=[1], ignore_spatial_locations=False, assert_missing_frames_are_empty=True
        )[..., 0]
        assert int(mask.sum()) == row["tumour_voxels"]
        values = np.stack([ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept) for ds in series])
        if row["modality"] == "CT":
            assert values[mask > 0].mean() == pytest.approx(row["tumour_mean"], abs=1e-6)
            assert values[mask > 0].std() == pytest.approx(row["tumour_sd"], abs=1e-6)
        checked += 1
    assert checked >= 8


def test_suv_comes_back_from_the_header(tree: Path) -> None:
    """SUVbw by the definition, from header values alone, against the uptake the phantom was given."""
    for row in series_rows(tree, "PT"):
        series = slices(tree / str(row["folder"]))
        head = series[0]
        drug = head.RadiopharmaceuticalInformationSequence[0]
        assert (head.Units, head.DecayCorrection) == ("BQML", "START")
        start = datetime.strptime(head.SeriesDate + head.SeriesTime, "%Y%m%d%H%M%S.%f")
        injected = datetime.strptime(drug.RadiopharmaceuticalStartDateTime, "%Y%m%d%H%M%S.%f")
        assert 50 * 60 < (start - injected).total_seconds() < 80 * 60
        dose = float(drug.RadionuclideTotalDose) * 0.5 ** ((start - injected).total_seconds() / float(drug.RadionuclideHalfLife))
        suv = np.stack([ds.pixel_array * float(ds.RescaleSlope) for ds in series]) * float(head.PatientWeight) * 1000 / dose
        assert suv.max() == pytest.approx(row["tumour_max"], rel=1e-3)


def test_headers_are_rich_in_identifiers_and_the_truth_has_them_all(tree: Path) -> None:
    known = set(truth(tree, "identifiers")["value"])
    folder = next(path for path in (tree / "centre_a" / "dicom").iterdir() if path.name[0] == "8")
    for path in (next(folder.rglob("CT*.dcm")), next(folder.rglob("RS*.dcm"))):
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        for element in ds.iterall():
            if element.VR == "UI" and not str(element.value).startswith("1.2.840.10008"):
                assert str(element.value) in known, element.tag
            if element.VR in ("DA", "PN") and element.value:
                assert str(element.value) in known, element.tag
        for keyword in ("PatientID", "AccessionNumber", "PatientAddress", "PatientTelephoneNumbers", "AdmissionID"):
            assert str(ds[keyword].value) in known
        assert any(element.tag.is_private for element in ds)


def test_the_phantom_masks_agree_between_grids() -> None:
    person = make_person(5, 2, ("A",))
    for scanner in SCANNERS:
        chest = make_chest(5, person, scanner)
        volumes = [chest.tumour.mask(grid).sum() * np.prod(grid.spacing) for grid in (chest.ct, chest.pet)]
        assert volumes[0] == pytest.approx(volumes[1], rel=0.12)
        for grid in (chest.ct, chest.pet):
            mask = chest.tumour.mask(grid)
            assert not mask[[0, -1]].any() and not mask[:, [0, -1]].any() and not mask[:, :, [0, -1]].any()


def test_a_round_region_is_a_sphere() -> None:
    sphere = Region((0.0, 0.0, 0.0), 10.0, (10.0, 10.0))
    polygon = sphere.outline(6.0, points=360)
    assert polygon is not None
    np.testing.assert_allclose(np.hypot(*polygon.T), 8.0)
    assert sphere.outline(10.0) is None


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")
def test_dciodvfy_finds_no_error(tree: Path) -> None:
    truncated = {tree / path for path in truth(tree, "broken").filter(pl.col("reason") == "truncated-file")["path"]}
    chosen = [
        next(path for path in sorted(tree.glob(pattern)) if path not in truncated)
        for pattern in (
            "centre_a/**/CT00003.dcm", "centre_b/**/CT00003.dcm", "centre_c/**/CT00003.dcm", "centre_a/**/PT00003.dcm",
            "centre_b/**/PT00003.dcm", "centre_a/**/RSCT.dcm", "centre_c/**/RSPT.dcm", "centre_b/**/SEGCT.dcm", "centre_b/**/SEGPT.dcm",
            "**/QC*/*/*.dcm", "**/dose/CT*.dcm", "**/SC*.dcm", "**/US*.dcm", "**/PDF*.dcm",
        )
    ]  # fmt: skip
    for path in chosen:
        done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False, errors="replace")
        errors = [line for line in done.stderr.splitlines() if line.startswith("Error")]
        assert not errors, (path.name, errors)
