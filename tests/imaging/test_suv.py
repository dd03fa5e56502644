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
from tests.imaging.odd_series import Maker, pattern, save
from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.body import DIVISORS, Body, SuvKind
from unibase.imaging.dicom.planes import image_header
from unibase.imaging.dicom.read_as import Reading
from unibase.imaging.dicom.suv import check_values, uptake_of
from unibase.imaging.dicom.volume import read_series

ARRAY = np.arange(1, 28, dtype=np.int16).reshape(3, 3, 3)
HALF_LIFE = 6586.2
DOSE = 350e6
WEIGHT = 72.0
SLOPE = 300.0
"""Bq/ml of a stored value: SUV from 0.1 to 3."""


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


def pet(folder: Path, item: Dataset | None = None, slope: float = SLOPE, **changes: Any) -> Path:
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


def factor(folder: Path, slope: float = SLOPE) -> float:
    volume = read_series(folder)
    assert volume.unit == "SUVbw"
    ratios = volume.array / (ARRAY * slope)
    assert np.ptp(ratios) < 1e-15 * ratios.max()
    return float(ratios.flat[0])


def test_bqml_corrected_to_the_start_of_the_scan(tmp_path: Path) -> None:
    # Injected at 09:20, series at 10:20 before the first acquisition at 10:21: one hour of decay.
    want = WEIGHT * 1000 / (DOSE * 2 ** (-3600 / HALF_LIFE))
    assert factor(pet(tmp_path)) == pytest.approx(want, rel=1e-14)


@pytest.mark.parametrize(("weight", "age"), [(20.0, "061Y"), (19.0, "017Y"), (19.0, "061M"), (19.0, "")])
def test_weights_that_are_believed(tmp_path: Path, weight: float, age: str) -> None:
    want = weight * 1000 / (DOSE * 2 ** (-3600 / HALF_LIFE))
    assert factor(pet(tmp_path, PatientWeight=weight, PatientAge=age)) == pytest.approx(want, rel=1e-14)


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


def test_philips_scales_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    pet(tmp_path, Units="CNTS")
    for path in tmp_path.iterdir():
        dataset = pydicom.dcmread(path)
        block = dataset.private_block(0x7053, "Philips PET Private Group", create=True)
        block.add_new(0x00, "DS", "0.002")
        block.add_new(0x09, "DS", "3.25")
        dataset.save_as(path)
    with pytest.raises(Unusable, match="contradict each other"):
        read_series(tmp_path)


def test_philips_scales_that_agree_are_taken_as_they_are_written(tmp_path: Path) -> None:
    # Twice the same, but for the digits that a DS of 16 characters has.
    by_activity = 3.25 * WEIGHT * 1000 / (DOSE * 2 ** (-3600 / HALF_LIFE))
    pet(tmp_path, Units="CNTS")
    for path in tmp_path.iterdir():
        dataset = pydicom.dcmread(path)
        block = dataset.private_block(0x7053, "Philips PET Private Group", create=True)
        block.add_new(0x00, "DS", f"{by_activity:.8f}")
        block.add_new(0x09, "DS", "3.25")
        dataset.save_as(path)
    assert factor(tmp_path) == pytest.approx(float(f"{by_activity:.8f}"), rel=1e-14)


def test_a_private_time_in_another_zone_is_brought_to_the_clock_of_the_file(tmp_path: Path) -> None:
    pet(tmp_path, SeriesTime="130000", TimezoneOffsetFromUTC="+0100")
    for path in tmp_path.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.private_block(0x0071, "SIEMENS MED PT", create=True).add_new(0x22, "DT", "20200102091500+0000")
        dataset.save_as(path)
    assert factor(tmp_path) == pytest.approx(WEIGHT * 1000 / (DOSE * 2 ** (-55 * 60 / HALF_LIFE)), rel=1e-14)


def test_gml_is_suv_already(tmp_path: Path) -> None:
    assert factor(pet(tmp_path / "a", slope=0.1, Units="GML"), 0.1) == 1.0
    assert factor(pet(tmp_path / "b", slope=0.1, Units="GML", SUVType="BW"), 0.1) == 1.0


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
    assert read_series(tmp_path, reading=Reading(suv=None)).array.shape == ARRAY.shape


def test_units_that_differ_between_slices_are_refused(tmp_path: Path) -> None:
    pet(tmp_path)
    path = sorted(tmp_path.iterdir())[1]
    dataset = pydicom.dcmread(path)
    dataset.Units = "GML"
    dataset.save_as(path)
    with pytest.raises(Unusable, match="differ between slices"):
        read_series(tmp_path)


def cleared(folder: Path, changes: dict[str, Any]) -> Path:
    """Remove from every file what is given as None."""
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        for keyword in [keyword for keyword, value in changes.items() if value is None]:
            if keyword in dataset:
                delattr(dataset, keyword)
        dataset.save_as(path)
    return folder


def after(seconds: float, half_life: float = HALF_LIFE, dose: float = DOSE) -> float:
    """The factor of an image corrected to a start this long after the injection."""
    return WEIGHT * 1000 / (dose * 2 ** (-seconds / half_life))


def coded(meaning: str, value: str = "X", **changes: Any) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "99X", meaning
    return tracer(RadionuclideCodeSequence=[code], **changes)


DAYS, CLOCKS = ("SeriesDate", "AcquisitionDate"), ("SeriesTime", "AcquisitionTime")

READ: dict[str, tuple[Dataset, dict[str, Any], float]] = {
    "both in one zone": (
        tracer(RadiopharmaceuticalStartDateTime="20200102072000+0000"),
        {"TimezoneOffsetFromUTC": "+0200"},
        after(3600),
    ),
    "the zone is told by the time beside it": (
        tracer(RadiopharmaceuticalStartDateTime="20200102082000+0000", RadiopharmaceuticalStartTime="092000"),
        {},
        after(3600),
    ),
    "the zone is told by the acquisition": (
        tracer(RadiopharmaceuticalStartDateTime="20200102032000-0500"),
        {"AcquisitionDateTime": "20200102102100+0100"},
        after(3600),
    ),
    "the evening before": (
        tracer(RadiopharmaceuticalStartDateTime=None, RadiopharmaceuticalStartTime="233000"),
        {"SeriesTime": "003000", "AcquisitionTime": "003100"},
        after(3600),
    ),
    "a clock read to the minute": (
        tracer(RadiopharmaceuticalStartTime="092100"),
        {},
        after(3600),
    ),
    "gallium": (
        coded("^68^Gallium", RadionuclideHalfLife=4062.6, RadionuclideTotalDose=150e6),
        {},
        after(3600, 4062.6, 150e6),
    ),
    "zirconium after three days": (
        coded(
            "Zr-89", RadionuclideHalfLife=282280.0, RadionuclideTotalDose=40e6, RadiopharmaceuticalStartDateTime="20191230102000"
        ),
        {},
        after(3 * 86400, 282280.0, 40e6),
    ),
    "the clock was set forward after the injection": (
        tracer(RadiopharmaceuticalStartDateTime="20200329013000+0100"),
        {**dict.fromkeys(DAYS, "20200329"), **dict.fromkeys(CLOCKS, "033000"), "TimezoneOffsetFromUTC": "+0200"},
        after(3600),
    ),
    "set forward, with the time of the wall beside it": (
        tracer(RadiopharmaceuticalStartDateTime="20200329013000+0100", RadiopharmaceuticalStartTime="013000"),
        {**dict.fromkeys(DAYS, "20200329"), **dict.fromkeys(CLOCKS, "033000"), "TimezoneOffsetFromUTC": "+0200"},
        after(3600),
    ),
    "a dynamic scan that begins with the injection": (
        tracer(RadiopharmaceuticalStartDateTime="20200102101900"),
        {"SeriesType": ["DYNAMIC", "IMAGE"]},
        after(60),
    ),
    "half-life as GE rounds it": (tracer(Radiopharmaceutical="FDG", RadionuclideHalfLife=6588.0), {}, after(3600, 6588.0)),
    "Siemens' time of decay correction, after a new reconstruction": (tracer(), {"SeriesTime": "130000"}, after(55 * 60)),
}
"""What is read: tracer, changes of the header, and the factor worked by hand."""


@pytest.mark.parametrize("name", READ)
def test_clocks_and_tracers_that_are_read(tmp_path: Path, name: str) -> None:
    item, changes, want = READ[name]
    pet(tmp_path, item, **changes)
    if name.startswith("Siemens"):
        for path in tmp_path.iterdir():
            dataset = pydicom.dcmread(path)
            dataset.private_block(0x0071, "SIEMENS MED PT", create=True).add_new(0x22, "DT", "20200102101500.000000")
            dataset.save_as(path)
    assert factor(tmp_path) == pytest.approx(want, rel=1e-12)


REFUSED: dict[str, tuple[Dataset, dict[str, Any], str]] = {
    "weight in grams": (tracer(), {"PatientWeight": 72000}, "not within 1 to 400 kg"),
    "an adult of 7 kg": (tracer(), {"PatientWeight": 7.2, "PatientAge": "061Y"}, "for an adult"),
    "weight and height": (tracer(), {"PatientWeight": 7.2, "PatientSize": 1.75}, "PatientSize"),
    "dose in kilobecquerel": (tracer(RadionuclideTotalDose=350e3), {}, "unit is in doubt"),
    "dose a thousand times": (tracer(RadionuclideTotalDose=350e9), {}, "unit is in doubt"),
    "half-life of another nuclide, by code": (
        coded("^18^Fluorine", "C-111A1", RadionuclideHalfLife=4062.6),
        {},
        "not that of F-18",
    ),
    "half-life of another nuclide, by name": (
        tracer(Radiopharmaceutical="FDG", RadionuclideHalfLife=1221.8),
        {},
        "not that of F-18",
    ),
    "half-life in minutes": (tracer(RadionuclideHalfLife=109.77), {}, "no nuclide"),
    "a nuclide without SUV": (coded("^22^Sodium", RadionuclideHalfLife=8.2e7), {}, "no nuclide"),
    "uptake of seven hours": (tracer(RadiopharmaceuticalStartDateTime="20200102032000"), {}, "within 5 h"),
    "corrected to administration, injected after the scan": (
        tracer(RadiopharmaceuticalStartDateTime="20200102112000"),
        {"DecayCorrection": "ADMIN"},
        "injection",
    ),
    "corrected to administration, uptake of seven hours": (
        tracer(RadiopharmaceuticalStartDateTime="20200102032000"),
        {"DecayCorrection": "ADMIN"},
        "within 5 h",
    ),
    "a weight one gram above the most": (tracer(), {"PatientWeight": 400.001}, "not within 1 to 400 kg"),
    "an adult just below 20 kg": (tracer(), {"PatientWeight": 19.999, "PatientAge": "018Y"}, "for an adult"),
    "date-time against time": (tracer(RadiopharmaceuticalStartTime="102000"), {}, "contradict"),
    "zone of the tracer alone": (tracer(RadiopharmaceuticalStartDateTime="20200102072000+0000"), {}, "offset from UTC"),
    "date-time and time an hour apart, in one zone": (
        tracer(RadiopharmaceuticalStartDateTime="20200102072000+0000", RadiopharmaceuticalStartTime="102000"),
        {"TimezoneOffsetFromUTC": "+0200"},
        "contradict",
    ),
    "series time at planning": (tracer(), {"SeriesTime": "094000"}, "different starts"),
    "a night on which the clock may have been changed": (
        tracer(RadiopharmaceuticalStartDateTime="20200329013000"),
        {**dict.fromkeys(DAYS, "20200329"), **dict.fromkeys(CLOCKS, "033000")},
        "clock may have been changed",
    ),
    "the archive wrote its offset of summer to a scan of winter": (
        tracer(RadiopharmaceuticalStartDateTime="20200102082000+0000"),
        {"TimezoneOffsetFromUTC": "+0200"},
        "less than 5 min",
    ),
    "the scan is said to be the injection": (
        tracer(RadiopharmaceuticalStartDateTime="20200102102000"),
        {"SeriesType": ["WHOLE BODY", "IMAGE"]},
        "less than 5 min",
    ),
    "series long before its first slice, without a reference": (
        tracer(RadiopharmaceuticalStartDateTime="20200102083000"),
        {"SeriesTime": "092000", "FrameReferenceTime": 0},
        "long before Acquisition Time",
    ),
    "days of uptake without a date": (
        coded(
            "^89^Zr",
            RadionuclideHalfLife=282280.0,
            RadiopharmaceuticalStartDateTime=None,
            RadiopharmaceuticalStartTime="092000",
            RadionuclideTotalDose=40e6,
        ),
        {},
        "may take days",
    ),
    "lean body mass by no named formula": (tracer(), {"Units": "GML", "SUVType": "LBM"}, "SUV Type"),
    "lean body mass without height": (tracer(), {"Units": "GML", "SUVType": "LBMJANMA"}, "height or sex"),
    "an intercept": (tracer(), {"RescaleIntercept": -1024}, "Rescale Intercept"),
    "no slope": (tracer(), {"RescaleSlope": None}, "Rescale Slope"),
    "activity called SUV": (tracer(), {"Units": "GML"}, "mean SUV"),
    "not corrected, and said to be corrected": (tracer(), {"DecayCorrection": "NONE"}, "Decay Correction"),
}
"""What is refused: tracer, changes of the header, and words of the message."""


@pytest.mark.parametrize("name", REFUSED)
def test_what_nobody_would_believe_is_refused_by_name(tmp_path: Path, name: str) -> None:
    item, changes, words = REFUSED[name]
    cleared(pet(tmp_path, item, **changes), changes)
    with pytest.raises(Unusable) as caught:
        read_series(tmp_path)
    assert caught.value.reason == "suv-not-computable"
    assert words in caught.value.message
    assert caught.value.remedy


def test_an_image_that_was_not_corrected_for_decay(tmp_path: Path) -> None:
    pet(tmp_path, DecayCorrection="NONE", CorrectedImage=["ATTN"])
    rate = math.log(2) / HALF_LIFE
    mean = math.log(rate * 180 / (1 - math.exp(-rate * 180))) / rate
    assert factor(tmp_path) == pytest.approx(after(61 * 60 + mean), rel=1e-9)


@pytest.mark.parametrize(
    ("kind", "over_weight"),
    [
        # By hand for 72 kg, 1.70 m, female.
        ("LBMJANMA", 9270 / (8780 + 244 * 72 / 1.7**2)),
        ("LBMJAMES128", (1.07 * 72 - 148 * (72 / 170) ** 2) / 72),
        ("BSA", 10 * 0.007184 * 72**0.425 * 170**0.725 / 72),
        ("IBW", (45.5 + 0.91 * (170 - 152)) / 72),
    ],
)
def test_other_suv_is_led_back_to_body_weight(tmp_path: Path, kind: str, over_weight: float) -> None:
    unit = "CM2ML" if kind == "BSA" else "GML"
    pet(tmp_path, slope=0.1, Units=unit, SUVType=kind, PatientSize=1.7, PatientSex="F")
    assert factor(tmp_path, 0.1) == pytest.approx(1 / over_weight, rel=1e-12)


def test_weight_that_differs_between_slices_is_refused(tmp_path: Path) -> None:
    pet(tmp_path)
    path = sorted(tmp_path.iterdir())[1]
    dataset = pydicom.dcmread(path)
    dataset.PatientWeight = 80
    dataset.save_as(path)
    with pytest.raises(Unusable, match="differs between slices"):
        read_series(tmp_path)


def test_enhanced_pet_by_its_time_of_decay_correction(tmp_path: Path) -> None:
    item = Dataset()
    item.RescaleSlope, item.RescaleIntercept, item.RescaleType = SLOPE, 0, "BQML"
    shared = Dataset()
    shared.PixelValueTransformationSequence = [item]
    dataset = Maker().enhanced(
        "PT",
        [(0, number) for number in range(3)],
        shared=shared,
        PatientWeight=WEIGHT,
        RadiopharmaceuticalInformationSequence=[tracer()],
        DecayCorrectionDateTime="20200102102000",
        DecayCorrected="YES",
        AttenuationCorrected="YES",
        AcquisitionDateTime="20200102102100",
        SeriesDate="20200102",
        SeriesTime="102000",
    )
    save(tmp_path, [dataset])
    volume = read_series(tmp_path)
    expected = np.stack([pattern(0, number) for number in range(3)]) * SLOPE * after(3600)
    assert volume.unit == "SUVbw"
    assert np.allclose(volume.array, expected, rtol=1e-12)


OTHER_SUV: list[tuple[SuvKind, str, float]] = [
    # By hand for 72 kg, 1.70 m, female.
    ("lbm-janmahasatian", "SUVlbm (Janmahasatian)", 9270 / (8780 + 244 * 72 / 1.7**2)),
    ("lbm-james", "SUVlbm (James)", (1.07 * 72 - 148 * (72 / 170) ** 2) / 72),
    ("bsa", "SUVbsa", 10 * 0.007184 * 72**0.425 * 170**0.725 / 72),
    ("ibw", "SUVibw", (45.5 + 0.91 * (170 - 152)) / 72),
]


@pytest.mark.parametrize(("kind", "unit", "over_weight"), OTHER_SUV)
def test_another_suv_on_request(tmp_path: Path, kind: SuvKind, unit: str, over_weight: float) -> None:
    pet(tmp_path, PatientSize=1.7, PatientSex="F")
    volume = read_series(tmp_path, reading=Reading(suv=kind))
    assert volume.unit == unit
    assert np.allclose(volume.array, read_series(tmp_path).array * over_weight, rtol=1e-12)


@pytest.mark.parametrize("kind", ["lbm-janmahasatian", "bsa", "ibw"])
def test_another_suv_without_height_is_refused(tmp_path: Path, kind: SuvKind) -> None:
    pet(tmp_path, PatientSex="F")
    with pytest.raises(Unusable, match=r"PatientSize \(0010,1020\)"):
        read_series(tmp_path, reading=Reading(suv=kind))


def test_a_stored_suv_that_is_asked_for_needs_no_height(tmp_path: Path) -> None:
    pet(tmp_path, slope=0.1, Units="GML", SUVType="LBMJANMA")
    volume = read_series(tmp_path, reading=Reading(suv="lbm-janmahasatian"))
    assert np.allclose(volume.array, ARRAY * 0.1)
    with pytest.raises(Unusable, match="height or sex"):
        read_series(tmp_path)


PEER = [
    # What @cornerstonejs/calculate-suv expects of 75 kg and 1.85 m, in kg and in m2 times 10; its James of a man takes 120 in
    # place of 128 and is left out.
    ("lbm-janmahasatian", "M", 60.91533588651974),
    ("lbm-janmahasatian", "F", 49.21437996837613),
    ("lbm-james", "F", 55.92567567567568),
    ("bsa", "", 19.813758427117767),
]


@pytest.mark.parametrize(("kind", "sex", "value"), PEER)
def test_divisors_are_those_of_a_peer(kind: SuvKind, sex: str, value: float) -> None:
    assert DIVISORS[kind].value(Body(75.0, 1.85, sex)) == pytest.approx(value, rel=1e-12)


def test_the_uptake_is_the_time_from_injection_to_scan(tmp_path: Path) -> None:
    folder = pet(tmp_path)
    headers = [header for path in sorted(folder.iterdir()) if (header := image_header(path)) is not None]
    nuclide, seconds = uptake_of(headers)
    assert (nuclide, seconds) == ("F-18", 3660.0)  # injected at 09:20, first acquisition at 10:21


def test_a_pet_without_an_intercept_has_none(tmp_path: Path) -> None:
    folder = pet(tmp_path / "a")
    want = factor(folder)
    for path in folder.iterdir():
        file = pydicom.dcmread(path)
        del file.RescaleIntercept
        file.save_as(path)
    assert factor(folder) == want


def test_the_mean_of_the_body_is_that_of_its_bright_half() -> None:
    # The mean of all would be 85: within the bounds, and not the body's.
    with pytest.raises(Unusable, match="suv-not-computable"):
        check_values(np.array([150.0] * 50 + [20.0] * 50))
    check_values(np.array([90.0] * 50 + [20.0] * 50))
    check_values(np.array([0.001] * 5000 + [0.5] * 40))
