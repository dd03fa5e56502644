"""SUVbw against the formula worked by hand, for the units and decay corrections that vendors write."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from tests.imaging.dicom_maker import write_series
from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.volume import read_series

ARRAY = np.arange(1, 28, dtype=np.int16).reshape(3, 3, 3)
HALF_LIFE = 6586.2
DOSE = 350e6
WEIGHT = 72.0


def tracer(**changes: Any) -> Dataset:
    item = Dataset()
    item.RadionuclideTotalDose = DOSE
    item.RadionuclideHalfLife = HALF_LIFE
    item.RadiopharmaceuticalStartDateTime = "20200102092000"
    for keyword, value in changes.items():
        if value is None:
            delattr(item, keyword)
        else:
            setattr(item, keyword, value)
    return item


def pet(folder: Path, item: Dataset | None = None, slope: float = 1.5, **changes: Any) -> Path:
    attributes: dict[str, Any] = {
        "Units": "BQML",
        "DecayCorrection": "START",
        "CorrectedImage": ["DECY", "ATTN", "SCAT"],
        "PatientWeight": WEIGHT,
        "RadiopharmaceuticalInformationSequence": [item or tracer()],
        "FrameReferenceTime": 90000.0,
        "ActualFrameDuration": 180000,
        **changes,
    }
    attributes = {keyword: value for keyword, value in attributes.items() if value is not None}
    write_series(folder, ARRAY, modality="PT", slope=slope, **attributes)
    return folder


def factor(folder: Path) -> float:
    volume = read_series(folder)
    assert volume.unit == "SUVbw"
    ratios = volume.array / (ARRAY * 1.5)
    assert np.ptp(ratios) < 1e-15 * ratios.max()
    return float(ratios.flat[0])


def test_bqml_corrected_to_the_start_of_the_scan(tmp_path: Path) -> None:
    # Injected at 09:20, series at 10:20 before the first acquisition at 10:21: one hour of decay.
    want = WEIGHT * 1000 / (DOSE * 2 ** (-3600 / HALF_LIFE))
    assert factor(pet(tmp_path)) == pytest.approx(want, rel=1e-14)


def test_bqml_corrected_to_administration(tmp_path: Path) -> None:
    assert factor(pet(tmp_path, DecayCorrection="ADMIN")) == pytest.approx(WEIGHT * 1000 / DOSE, rel=1e-14)


def test_start_time_without_date_is_of_the_day_of_the_series(tmp_path: Path) -> None:
    item = tracer(RadiopharmaceuticalStartDateTime=None, RadiopharmaceuticalStartTime="092000.00")
    want = WEIGHT * 1000 / (DOSE * 2 ** (-3600 / HALF_LIFE))
    assert factor(pet(tmp_path, item)) == pytest.approx(want, rel=1e-14)


def test_ge_series_written_after_the_scan_tells_its_start(tmp_path: Path) -> None:
    pet(tmp_path, SeriesTime="130000")
    for path in tmp_path.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", "20200102101500.00")
        dataset.save_as(path)
    assert factor(tmp_path) == pytest.approx(WEIGHT * 1000 / (DOSE * 2 ** (-55 * 60 / HALF_LIFE)), rel=1e-14)


def test_series_written_after_the_scan_without_private_tags(tmp_path: Path) -> None:
    pet(tmp_path, SeriesTime="130000")
    rate = math.log(2) / HALF_LIFE
    average = math.log(rate * 180 / (1 - math.exp(-rate * 180))) / rate
    # Acquired at 10:21:00 and referenced 90 s after the start of the scan.
    elapsed = 61 * 60 - 90 + average
    # The start of the scan is a moment in whole microseconds.
    assert factor(tmp_path) == pytest.approx(WEIGHT * 1000 / (DOSE * 2 ** (-elapsed / HALF_LIFE)), rel=1e-9)


def test_philips_counts_with_both_scale_factors(tmp_path: Path) -> None:
    for number, (element, value, want) in enumerate(
        [(0x00, "0.00042", 0.00042), (0x09, "3.25", 3.25 * WEIGHT * 1000 / (DOSE * 2 ** (-3600 / HALF_LIFE)))]
    ):
        folder = pet(tmp_path / str(number), Units="CNTS")
        for path in folder.iterdir():
            dataset = pydicom.dcmread(path)
            dataset.private_block(0x7053, "Philips PET Private Group", create=True).add_new(element, "DS", value)
            dataset.save_as(path)
        assert factor(folder) == pytest.approx(want, rel=1e-14)


def test_gml_is_suv_already(tmp_path: Path) -> None:
    assert factor(pet(tmp_path / "a", Units="GML")) == 1.0
    assert factor(pet(tmp_path / "b", Units="GML", SUVType="BW")) == 1.0


@pytest.mark.parametrize(
    ("item", "changes", "words"),
    [
        (tracer(), {"Units": "GML", "SUVType": "LBM"}, "SUV Type"),
        (tracer(), {"Units": "CM2ML"}, "Units"),
        (tracer(), {"Units": None}, "Units"),
        (tracer(), {"Units": "CNTS"}, "Philips"),
        (tracer(), {"DecayCorrection": "NONE"}, "Decay Correction"),
        (tracer(), {"DecayCorrection": None}, "Decay Correction"),
        (tracer(), {"CorrectedImage": ["ATTN"]}, "Corrected Image"),
        (tracer(), {"PatientWeight": None}, "PatientWeight"),
        (tracer(), {"PatientWeight": 0}, "PatientWeight"),
        (tracer(RadionuclideTotalDose=None), {}, "RadionuclideTotalDose"),
        (tracer(RadionuclideTotalDose=350.0), {}, "unit is in doubt"),
        (tracer(RadionuclideHalfLife=None), {}, "RadionuclideHalfLife"),
        (tracer(RadiopharmaceuticalStartDateTime=None), {}, "Radiopharmaceutical Start"),
        (tracer(RadiopharmaceuticalStartDateTime="20200102112000"), {}, "injection"),
        (tracer(RadiopharmaceuticalStartDateTime="20191231092000"), {}, "injection"),
        (tracer(), {"RadiopharmaceuticalInformationSequence": None}, "Radiopharmaceutical Information"),
        (tracer(), {"AcquisitionTime": None}, "Acquisition"),
        (tracer(), {"SeriesTime": "130000", "FrameReferenceTime": None}, "Frame Reference Time"),
    ],
)
def test_what_the_header_leaves_open_is_refused(tmp_path: Path, item: Dataset, changes: dict[str, Any], words: str) -> None:
    missing = [keyword for keyword, value in changes.items() if value is None]
    pet(tmp_path, item, **changes)
    for path in tmp_path.iterdir():
        dataset = pydicom.dcmread(path)
        for keyword in missing:
            if keyword in dataset:
                delattr(dataset, keyword)
        dataset.save_as(path)
    with pytest.raises(Unusable) as caught:
        read_series(tmp_path)
    assert caught.value.reason == "suv-not-computable"
    assert words in caught.value.message
    assert read_series(tmp_path, suv=False).array.shape == ARRAY.shape


def test_units_that_differ_between_slices_are_refused(tmp_path: Path) -> None:
    pet(tmp_path)
    path = sorted(tmp_path.iterdir())[1]
    dataset = pydicom.dcmread(path)
    dataset.Units = "GML"
    dataset.save_as(path)
    with pytest.raises(Unusable, match="differ between slices"):
        read_series(tmp_path)
