"""Real objects after de-identification: references resolve, pixels and SUV inputs are the same, no new error of form.

Oracles: pydicom's reading, `dciodvfy` of dicom3tools, and the volumes and masks that features are computed from.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from tests.imaging.deidentify_help import ANYONE, KEY, PYDICOM_FILES, every_element, run
from unibase.groundwork.problems import Unusable
from unibase.imaging.confidentiality.deidentified import DeidentifyTask, deidentify_file
from unibase.imaging.dicom.opened import read_dataset
from unibase.imaging.dicom.volume import read_series
from unibase.imaging.options import DeidentifyOptions
from unibase.imaging.regions.masks import read_masks
from unibase.privacy import pseudonyms

PATIENTS = ["STS_001", "STS_002", "STS_003", "STS_008"]


def referenced(ds: Dataset) -> set[str]:
    found: set[str] = set()

    def visit(element: Any, depth: int) -> None:
        if element.keyword == "ReferencedSOPInstanceUID":
            found.add(str(element.value))

    every_element(ds, visit)
    return found


RUN_ONE = """
import sys
from pathlib import Path
from tests.imaging.deidentify_help import ANYONE, KEY
from imaging.confidentiality.deidentified import DeidentifyOptions, DeidentifyTask, deidentify_file
for name in sys.argv[2:]:
    deidentify_file(DeidentifyTask(Path(name), sys.argv[1], "A", DeidentifyOptions(), KEY, ANYONE))
"""


def test_references_resolve_after_separate_processes(real_data: Path, tmp_path: Path) -> None:
    """The RTSTRUCT and its images, the SR and its SEG: each pair cleaned by two processes that never met."""
    folder = real_data / "ibsi" / "ibsi_1_ct_radiomics_phantom" / "dicom"
    sarcoma = real_data / "dicom" / "sts" / "STS_001"
    report = real_data / "dicom" / "dcmqi" / "data" / "sr-example"
    groups = [
        [next((folder / "mask").glob("*.dcm")), report / "sr.dcm", report / "rwvm.dcm", sarcoma / "CT" / "mask" / "RS.dcm"],
        [*sorted((folder / "image").glob("*.dcm")), report / "seg.dcm", sarcoma / "PET" / "mask" / "RS.dcm"],
    ]
    before = {}
    for number, group in enumerate(groups):
        subprocess.run([sys.executable, "-c", RUN_ONE, str(tmp_path / str(number)), *map(str, group)], check=True, cwd=Path.cwd())
        for file in group:
            ds = pydicom.dcmread(file, stop_before_pixels=True)
            before[str(ds.SOPInstanceUID)] = referenced(ds)
    after = {}
    for file in tmp_path.rglob("*.dcm"):
        ds = pydicom.dcmread(file, stop_before_pixels=True)
        after[str(ds.SOPInstanceUID)] = referenced(ds)
    assert len(after) == len(before)
    resolved_before = sum(len(uids & before.keys()) for uids in before.values())
    resolved_after = sum(len(uids & after.keys()) for uids in after.values())
    assert resolved_after == resolved_before > 50
    assert sum(map(len, after.values())) == sum(map(len, before.values()))
    # The two structure sets of the sarcoma patient name 268 images each, which are not in this data.
    shared_before = [uids for uids in before.values() if len(uids) == 268]
    shared_after = [uids for uids in after.values() if len(uids) == 268]
    assert len(shared_before) == len(shared_after) == 2
    expected = [sorted(pseudonyms.uid(KEY, one) for one in uids) for uids in shared_before]
    assert sorted(map(sorted, shared_after)) == sorted(expected)


@pytest.mark.parametrize("patient", [PATIENTS[0], *(pytest.param(name, marks=pytest.mark.slow) for name in PATIENTS[1:])])
@pytest.mark.parametrize("series", ["CT", "PET", "MR_T1"])
def test_volumes_and_masks_are_the_same(real_data: Path, tmp_path: Path, patient: str, series: str) -> None:
    """Features are functions of the volume, its geometry and the mask; all three are identical, SUV included."""
    source = real_data / "dicom" / "sts" / patient / series
    for file in sorted(source.rglob("*.dcm")):
        deidentify_file(DeidentifyTask(file, tmp_path / file.parent.name, "A", DeidentifyOptions(), KEY, ANYONE))
    (images,) = {file.parent for file in (tmp_path / "image").rglob("*.dcm")}
    before, after = read_series(source / "image"), read_series(images)
    np.testing.assert_array_equal(before.array, after.array)
    for one, other in zip(
        read_masks(source / "mask" / "RS.dcm", before), read_masks(next((tmp_path / "mask").rglob("*.dcm")), after), strict=True
    ):
        assert one.roi_name == other.roi_name
        np.testing.assert_array_equal(one.array, other.array)
    for name in ("spacing", "origin", "direction", "unit"):
        if hasattr(before, name):
            assert np.array_equal(getattr(before, name), getattr(after, name)), name


SUV_INPUTS = (
    "PatientWeight", "PatientSex", "PatientSize", "Units", "DecayCorrection", "CorrectedImage", "SeriesTime", "AcquisitionTime",
    "RescaleSlope", "RescaleIntercept", "FrameReferenceTime", "ActualFrameDuration", "SUVType",
)  # fmt: skip


def test_suv_inputs_are_kept_and_intervals_exact(real_data: Path, tmp_path: Path) -> None:
    source = next((real_data / "dicom" / "sts" / "STS_001" / "PET" / "image").glob("*.dcm"))
    ds = pydicom.dcmread(source)
    nested = ds.RadiopharmaceuticalInformationSequence[0]
    nested.RadiopharmaceuticalStartDateTime = f"{ds.SeriesDate}081500.25+0100"
    nested.RadiopharmaceuticalStartTime = "081500.25"
    nested.RadionuclideTotalDose = "370000000"
    nested.RadionuclideHalfLife = "6586.2"
    ds.TimezoneOffsetFromUTC = "+0200"
    changed = tmp_path / "in.dcm"
    ds.save_as(changed)
    _, clean, _ = run(changed, tmp_path / "out", ANYONE)
    for keyword in SUV_INPUTS:
        if keyword in ds:
            assert clean[keyword].value == ds[keyword].value, keyword
    kept = clean.RadiopharmaceuticalInformationSequence[0]
    for keyword in ("RadionuclideTotalDose", "RadionuclideHalfLife", "RadiopharmaceuticalStartTime"):
        assert kept[keyword].value == nested[keyword].value
    # 08:15 in +0100 is 09:15 in the file's own zone, which is not told.
    assert kept.RadiopharmaceuticalStartDateTime == f"{clean.SeriesDate}091500.25"
    assert "TimezoneOffsetFromUTC" not in clean
    assert clean.SeriesDate != ds.SeriesDate


def errors_of_form(file: Path) -> Counter[str]:
    output = subprocess.run(["dciodvfy", "-new", str(file)], capture_output=True, check=False).stderr.decode("latin-1")
    lines = (line for line in output.splitlines() if line.startswith("Error"))
    # Values are left out: a pseudonym is another value of the same element.
    return Counter(re.sub(r"value = ?<.*?>|= <.*?>|\d{4,}.*", "", line) for line in lines)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy of dicom3tools is not installed")
@pytest.mark.parametrize(
    "policy", ["research", pytest.param("strict", marks=pytest.mark.slow), pytest.param("longitudinal", marks=pytest.mark.slow)]
)
def test_no_new_error_of_form(real_data: Path, tmp_path: Path, policy: Any) -> None:
    files = sorted((real_data / "dicom").rglob("*.dcm"))
    files = [file for i, file in enumerate(files) if "sts" not in file.parts or i % 200 == 0] + sorted(
        PYDICOM_FILES.glob("*.dcm")
    )
    checked, new = 0, {}
    for number, file in enumerate(files):
        task = DeidentifyTask(file, tmp_path / str(number), "A", DeidentifyOptions(policy=policy), KEY, ANYONE)
        try:
            result = deidentify_file(task)
        except Unusable:
            continue
        checked += 1
        more = errors_of_form(Path(result["path"])) - errors_of_form(file)
        if more:
            new[file.name] = dict(more)
    assert checked > 60
    assert new == {}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("SC_rgb_rle.dcm", "burned-in-annotation"),
        ("examples_ybr_color.dcm", "burned-in-annotation"),
        ("MR_truncated.dcm", "truncated-file"),
        ("rtplan_truncated.dcm", "truncated-file"),
        ("no_meta.dcm", "not-dicom"),
        ("meta_missing_tsyntax.dcm", "malformed-file"),
    ],
)
def test_what_is_refused_and_why(tmp_path: Path, name: str, reason: str) -> None:
    file = PYDICOM_FILES / name
    with pytest.raises(Unusable) as caught:
        run(file, tmp_path / "out", ANYONE)
    assert caught.value.reason == reason
    assert caught.value.remedy


def test_every_pixel_is_bit_identical(real_data: Path, tmp_path: Path) -> None:
    compared = 0
    for number, file in enumerate([*sorted((real_data / "dicom").rglob("*.dcm"))[::15], *PYDICOM_FILES.glob("*.dcm")]):
        try:
            _, clean, _ = run(file, tmp_path / str(number), ANYONE)
        except Unusable:
            continue
        source = read_dataset(file, pixels=True)
        for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"):
            if keyword in source:
                same = clean[keyword].value == source[keyword].value
                # A comment inside a compressed frame is blanked: then what it decodes to is compared.
                assert same or np.array_equal(clean.pixel_array, source.pixel_array), file.name
                compared += 1
    assert compared > 70
