"""Masks as DICOM SEG and features as a TID 1500 report: valid by dciodvfy, read back by other readers to the voxel."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from tests.imaging.dicom_maker import write_rtstruct, write_series
from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.volume import Volume, read_files
from unibase.imaging.regions.mask import Mask
from unibase.imaging.regions.masks import read_masks
from unibase.imaging.sending.anatomy import meant_by
from unibase.imaging.sending.results import Measured, report, segmentation, write_object

SQUARE = [np.array([[10.0, 12, 2 * z], [20, 12, 2 * z], [20, 22, 2 * z], [10, 22, 2 * z]]) for z in range(3, 7)]
OTHER = [np.array([[15.0, 15, 2 * z], [30, 15, 2 * z], [30, 30, 2 * z]]) for z in range(2, 5)]
VALUES = {
    "shape_MeshVolume": 812.53125,
    "firstorder_Mean": -12.3456789012345,
    "firstorder_Energy": 1.5e12,
    "glcm_Contrast": float("nan"),
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[Volume, list[Dataset], list[Mask]]:
    """An oblique-free CT whose files are not in the order of its slices, and two structures that overlap."""
    folder = tmp_path_factory.mktemp("scene")
    image = np.random.default_rng(1).integers(-100, 400, (10, 40, 40)).astype(np.int16)
    files = write_series(folder / "ct", image, spacing=(1, 1, 2), reverse_names=True)
    write_rtstruct(folder / "rs.dcm", [("GTV", SQUARE), ("Poumon gauche", OTHER)], series=1)
    volume = read_files(files)
    return volume, [pydicom.dcmread(path) for path in files], read_masks(folder / "rs.dcm", volume)


def errors(path: Path) -> list[str]:
    """Return what dciodvfy finds wrong of an object; nothing where it is not installed: the other readers judge then."""
    if shutil.which("dciodvfy") is None:
        return []
    told = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, check=False).stderr.decode("latin-1")
    return [line for line in told.splitlines() if line.startswith("Error")]


def test_masks_go_out_and_come_back_to_the_voxel(scene: tuple[Volume, list[Dataset], list[Mask]], tmp_path: Path) -> None:
    volume, images, masks = scene
    path = write_object(segmentation(volume, images, masks), tmp_path)
    assert errors(path) == []
    for ours, back in zip(masks, read_masks(path, volume), strict=True):
        assert back.roi_name == ours.roi_name and np.array_equal(back.array, ours.array) and ours.array.sum() > 100
    other = hd.seg.segread(path)
    frames = other.get_pixels_by_source_instance(
        list(volume.instance_uids), segment_numbers=[1, 2], assert_missing_frames_are_empty=True
    )
    assert np.array_equal(np.moveaxis(frames, -1, 0).astype(bool), np.stack([mask.array for mask in masks]))
    kinds = [one.SegmentedPropertyTypeCodeSequence[0] for one in other.SegmentSequence]
    assert [one.CodeMeaning for one in kinds] == ["Neoplasm", "Lung"]
    assert kinds[1].SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Left"
    assert (other.PatientID, other.StudyInstanceUID) == (images[0].PatientID, images[0].StudyInstanceUID)
    assert [one.SegmentAlgorithmType for one in other.SegmentSequence] == ["MANUAL", "MANUAL"]


def test_the_same_masks_give_the_same_bytes_and_other_masks_another_uid(
    scene: tuple[Volume, list[Dataset], list[Mask]], tmp_path: Path
) -> None:
    volume, images, masks = scene
    one = write_object(segmentation(volume, images, masks), tmp_path / "1")
    two = write_object(segmentation(volume, list(reversed(images)), masks), tmp_path / "2")
    assert one.name == two.name and one.read_bytes() == two.read_bytes()
    assert write_object(segmentation(volume, images, masks[:1]), tmp_path).name != one.name
    machine = segmentation(volume, images, masks, {masks[0].roi_name: "TotalSegmentator 2.4"})
    assert machine.SOPInstanceUID != pydicom.dcmread(one).SOPInstanceUID
    assert [item.SegmentAlgorithmType for item in machine.SegmentSequence] == ["AUTOMATIC", "MANUAL"]
    assert errors(write_object(machine, tmp_path)) == []


def test_features_go_out_as_a_report_that_points_at_the_segments(
    scene: tuple[Volume, list[Dataset], list[Mask]], tmp_path: Path
) -> None:
    volume, images, masks = scene
    seg = segmentation(volume, images, masks)
    measured = [
        Measured("GTV", VALUES),
        Measured("GTV", {"firstorder_Mean": 3.0}, "wavelet-LLH"),
        Measured("Poumon gauche", VALUES),
    ]
    path = write_object(report(seg, images, measured), tmp_path)
    assert errors(path) == [] and path.read_bytes() == write_object(report(seg, images, measured), tmp_path / "2").read_bytes()
    groups = hd.sr.srread(path).content.get_volumetric_roi_measurement_groups()
    assert len(groups) == 3 and [one.tracking_identifier for one in groups] == ["GTV", "GTV", "Poumon gauche"]
    found = {item.name.value: (item.name.scheme_designator, item.value, item.unit.value) for item in groups[0].get_measurements()}
    assert found == {
        "RNU0": ("IBSI", 812.53125, "mm3"),
        "Q4LE": ("IBSI", pytest.approx(-12.3456789, rel=1e-9), "1"),
        "N8CA": ("IBSI", 1.5e12, "1"),
    }
    (filtered,) = groups[1].get_measurements()
    assert filtered.name.scheme_designator == "99UNIBASE" and filtered.name.meaning == "wavelet-LLH firstorder_Mean"
    assert groups[2].referenced_segment.referenced_sop_instance_uid == seg.SOPInstanceUID
    with pytest.raises(KeyError):
        report(seg, images, [Measured("Heart", VALUES)])


def test_an_image_whose_files_are_not_all_there_is_refused(scene: tuple[Volume, list[Dataset], list[Mask]]) -> None:
    volume, images, masks = scene
    with pytest.raises(Unusable, match="not one a file"):
        segmentation(volume, images[1:], masks)


@pytest.mark.parametrize(
    ("name", "kind", "side"),
    [
        ("GTV", "Neoplasm", None), ("gtv_2", "Neoplasm", None), ("Tumeur", "Neoplasm", None), ("lésion 3", "Neoplasm", None),
        ("Lung_L", "Lung", "Left"), ("poumon droit", "Lung", "Right"), ("LEFT KIDNEY", "Kidney", "Left"), ("Foie", "Liver", None),
        ("Moelle épinière", "Spinal cord", None), ("Rate", "Spleen", None), ("Lung", "Lung", None),
        ("GTV minus heart", "Tissue", None), ("PTV 50", "Tissue", None), ("heart rate", "Tissue", None), ("Liver-GTV", "Tissue", None),
        ("left right lung", "Lung", None), ("", "Tissue", None),
    ],
)  # fmt: skip
def test_a_name_says_what_it_says_plainly_and_no_more(name: str, kind: str, side: str | None) -> None:
    meant = meant_by(name)
    assert meant.kind[1] == kind and (meant.side[1] if meant.side else None) == side
