"""From the stored units of a PET series to SUV: by body weight (g/ml), or what a study asks for instead.

Follows the vendor-neutral computation published by QIBA (SUV pseudo-code, "Computation of SUV from DICOM"): units GML
as they are, BQML with decay correction to START, ADMIN or none, CNTS with the scale factors in Philips' private block.
Whatever the header leaves open, contradicts, or nobody would believe is refused by name; no value is guessed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.body import DICOM_TYPES, DIVISORS, HEIGHT, WEIGHT, Body, SuvKind, over_weight
from unibase.imaging.dicom.header import Header
from unibase.imaging.dicom.pet_facts import completed
from unibase.imaging.dicom.planes import Plane
from unibase.imaging.dicom.private import private_numbers, private_value
from unibase.imaging.dicom.read_as import Reading
from unibase.imaging.dicom.suv_times import (
    acquisitions,
    average_time,
    check_clock_change,
    decay_corrected_to,
    injection,
    is_static,
    scan_start,
)
from unibase.imaging.dicom.tracers import Nuclide, check_dose, check_uptake, nuclide_of, refuse
from unibase.imaging.grid import Array

ADULT_WEIGHT = 20.0
"""Least plausible weight of a person of 18 years or more in kg."""

MASS_INDEX = (6.0, 120.0)
"""Plausible body mass index in kg/m2, where the header tells the height."""

BODY_MEAN = (0.02, 100.0)
"""Plausible mean SUV over the bright half of an image; that of a body is about 1."""

PHILIPS_TOLERANCE = 0.1
"""How far Philips' scale of SUV may be from what its scale of activity gives, as a fraction."""

_PHILIPS = "Philips PET Private Group"
_UNIT_WORDS = {"BQ/ML": "BQML", "BQML": "BQML", "G/ML": "GML", "GML": "GML", "{SUVBW}G/ML": "GML"}


@dataclass(frozen=True)
class Suv:
    """How a PET becomes SUV.

    Attributes:
        factors: For each slice, what its rescaled values are multiplied with.
        over_weight: Factor from SUV by body weight to the SUV that was asked for.
        notes: What was taken from the study's table, as short codes.
    """

    factors: list[float]
    over_weight: float = 1.0
    notes: tuple[str, ...] = ()


def suv_of(planes: Sequence[Plane], reading: Reading) -> Suv | None:
    """Return how a volume becomes the SUV that is asked for.

    Args:
        planes: All planes of the volume.
        reading: Which SUV, and what a study's table says of this PET.

    Returns:
        The factors; None when it is no PET, or its own unit is asked for.

    Raises:
        Unusable: `suv-not-computable`, naming the attribute that is missing, contradictory, implausible or not supported.
    """
    if planes[0].text("Modality") != "PT" or reading.suv is None:
        return None
    headers, notes = headers_of(planes, reading)
    if reading.suv != "bw" and {_stored_as(header) for header in headers} == {reading.suv}:
        # It is what is asked for: no height is needed to lead it there and back.
        return Suv([1.0] * len(headers), 1.0, notes)
    factors = _suv_factors(headers)
    if reading.suv == "bw":
        return Suv(factors, 1.0, notes)
    over = over_weight(reading.suv, _body_of(headers))
    if over is None:
        what = "PatientSize (0010,1020)" + ("" if reading.suv == "bsa" else " or PatientSex (0010,0040)")
        raise refuse(f"{what} is missing, and SUV by {DIVISORS[reading.suv].words} depends on it.")
    return Suv([factor * over for factor in factors], over, notes)


def headers_of(planes: Sequence[Plane], reading: Reading) -> tuple[list[Header], tuple[str, ...]]:
    """Return the headers of a PET, completed by the study's table where it says something of it, and notes of what was.

    `planes`: all planes of the volume; `reading`: what the table says.

    Raises:
        Unusable: `suv-not-computable` when header and table contradict each other.
    """
    headers = [plane.header for plane in planes]
    return (headers, ()) if reading.pet is None else completed(headers, reading.pet)


def _suv_factors(slices: Sequence[Header]) -> list[float]:
    """Return, for each slice, what its rescaled values are multiplied with to become SUVbw.

    Args:
        slices: Headers (pydicom datasets, or `planes.FrameHeader`) of all slices of one PET volume.

    Raises:
        Unusable: `suv-not-computable`, naming the attribute that is missing, contradictory, implausible or not supported.
    """
    units = {_units(header) for header in slices}
    if len(units) != 1:
        raise refuse("Units (0054,1001) differ between slices.")
    unit = units.pop()
    if unit == "GML" or (unit == "CM2ML" and _suv_type(slices[0]) == "BSA"):
        return [_to_body_weight(slices)] * len(slices)
    if any(header.get("RescaleSlope") is None for header in slices) and "RealWorldValueMappingSequence" not in slices[0]:
        raise refuse("Rescale Slope (0028,1053) is missing.")
    if any(float(header.get("RescaleIntercept") or 0) != 0 for header in slices):
        # PS3.3 C.8.9.4: of PET it is 0; with another, what is no activity would become SUV.
        raise refuse("Rescale Intercept (0028,1052) is not 0.")
    if unit == "BQML":
        return _from_activity(slices)
    if unit == "CNTS":
        return _from_counts(slices)
    place = "Units (0054,1001) is missing." if not unit else "Units (0054,1001) is none of BQML, GML, CNTS."
    raise refuse(place)


def _units(header: Header) -> str:
    """Return Units; of an enhanced file the unit of its rescale or real-world value mapping."""
    said = str(header.get("Units") or "").upper()
    if said:
        return said
    for item in header.get("RealWorldValueMappingSequence") or ():
        codes = item.get("MeasurementUnitsCodeSequence")
        code = str(codes[0].get("CodeValue", "") or "").upper() if codes else ""
        if code in _UNIT_WORDS:
            return _UNIT_WORDS[code]
    return _UNIT_WORDS.get(str(header.get("RescaleType") or "").upper(), "")


def _suv_type(header: Header) -> str:
    # PS3.3 C.8.9.1: an absent SUV Type means body weight.
    return str(header.get("SUVType") or "BW").upper()


def _stored_as(header: Header) -> SuvKind | None:
    """Return which SUV the stored values are; None when they are none, or do not say which."""
    kind = DICOM_TYPES.get(_suv_type(header))
    return kind if _units(header) == ("CM2ML" if kind == "bsa" else "GML") else None


def _to_body_weight(slices: Sequence[Header]) -> float:
    """Return the factor from a stored SUV to that by body weight."""
    kinds = {_suv_type(header) for header in slices}
    kind = DICOM_TYPES.get(kinds.pop()) if len(kinds) == 1 else None
    if kind is None:
        raise refuse("SUV Type (0054,1006) is not body weight, and does not say by which formula it is another one.")
    if kind == "bw":
        return 1.0
    factor = over_weight(kind, _body_of(slices))
    if factor is None:
        raise refuse("SUV Type (0054,1006) is not body weight, and height or sex, which lead back to it, are missing.")
    return 1 / factor


def _body_of(slices: Sequence[Header]) -> Body:
    """Return the size of the person, which all slices must tell alike.

    Args:
        slices: Headers of all slices of one volume.

    Raises:
        Unusable: `suv-not-computable` without a plausible weight.
    """
    weight = _positive(slices[0], "PatientWeight", "(0010,1030)")
    if not WEIGHT[0] <= weight <= WEIGHT[1]:
        raise refuse(f"PatientWeight (0010,1030) is not within {WEIGHT[0]:g} to {WEIGHT[1]:g} kg, so its unit is in doubt.")
    if len({str(header.get("PatientWeight") or "") for header in slices}) > 1:
        raise refuse("PatientWeight (0010,1030) differs between slices.")
    body = Body(weight, _height(slices[0]), str(slices[0].get("PatientSex") or "").upper())
    age = str(slices[0].get("PatientAge") or "")
    if weight < ADULT_WEIGHT and age.endswith("Y") and age[:-1].isdigit() and int(age[:-1]) >= 18:
        raise refuse(f"PatientWeight (0010,1030) is below {ADULT_WEIGHT:g} kg for an adult, so its unit is in doubt.")
    if body.height is not None and not MASS_INDEX[0] <= weight / body.height**2 <= MASS_INDEX[1]:
        raise refuse("PatientWeight (0010,1030) and PatientSize (0010,1020) contradict each other.")
    return body


def _height(header: Header) -> float | None:
    """Return the height in m; None when it is absent or no height in m."""
    value = header.get("PatientSize")
    try:
        height = float(value) if value not in (None, "") else 0.0
    except (TypeError, ValueError):
        return None
    return height if HEIGHT[0] <= height <= HEIGHT[1] else None


def check_values(values: Array, over_weight: float = 1.0) -> None:
    """Refuse SUV that no body has: a scale of the header is wrong by orders of magnitude.

    Args:
        values: SUV of all voxels (z, y, x).
        over_weight: Factor that led from SUV by body weight to them.

    Raises:
        Unusable: `suv-not-computable` when the mean over the voxels above half the mean of the positive ones is absurd.
    """
    positive = values[values > 0]
    if not positive.size:
        return
    mean = float(positive[positive >= 0.5 * positive.mean()].mean()) / over_weight
    if not BODY_MEAN[0] <= mean <= BODY_MEAN[1]:
        raise refuse(
            f"The mean SUV of the body is not within {BODY_MEAN[0]:g} to {BODY_MEAN[1]:g}, so a scale of the header is wrong."
        )


def _from_activity(slices: Sequence[Header]) -> list[float]:
    first = slices[0]
    decay = _decay_correction(slices)
    weight = _body_of(slices).weight
    tracer = _tracer(slices)
    dose = _positive(tracer, "RadionuclideTotalDose", "(0018,1074)")
    half_life = _positive(tracer, "RadionuclideHalfLife", "(0018,1075)")
    nuclide = nuclide_of(tracer, half_life)
    check_dose(dose, nuclide)
    if decay == "ADMIN":
        _check_admin(slices, tracer, nuclide)
        return [weight * 1000 / dose] * len(slices)
    scans = _uncorrected(slices, half_life) if decay == "NONE" else [scan_start(slices, half_life)] * len(slices)
    given = injection(first, tracer, min(scans), nuclide)
    factors = []
    check_clock_change(first, tracer, (given, min(scans)), half_life)
    for scan in scans:
        elapsed = (scan - given).total_seconds()
        check_uptake(elapsed, nuclide, is_static(first))
        factors.append(float(weight * 1000 / (dose * 2.0 ** (-elapsed / half_life))))
    return factors


def uptake_of(slices: Sequence[Header]) -> tuple[str | None, float | None]:
    """Return the nuclide of a PET and the seconds from injection to scan, as far as its header tells them without contradiction.

    Args:
        slices: Headers of all slices of one volume.
    """
    try:
        tracer = _tracer(slices)
        half_life = _positive(tracer, "RadionuclideHalfLife", "(0018,1075)")
        nuclide = nuclide_of(tracer, half_life)
    except Unusable:
        return None, None
    try:
        scan = min(acquisitions(slices))
        return nuclide.name, (scan - injection(slices[0], tracer, scan, nuclide)).total_seconds()
    except Unusable:
        return nuclide.name, None


def _tracer(slices: Sequence[Header]) -> Header:
    """Return the only tracer of the series, which all slices must tell alike."""
    told = set()
    for header in slices:
        items = header.get("RadiopharmaceuticalInformationSequence")
        if not items:
            raise refuse("Radiopharmaceutical Information Sequence (0054,0016) is missing.")
        if len(items) != 1:
            raise refuse("Radiopharmaceutical Information Sequence (0054,0016) holds several items.")
        told.add(tuple(str(items[0].get(keyword) or "") for keyword in _OF_TRACER))
    if len(told) > 1:
        raise refuse("Dose, half-life or start of the radiopharmaceutical differ between slices.")
    only: Header = slices[0].get("RadiopharmaceuticalInformationSequence")[0]
    return only


_OF_TRACER = (
    "RadionuclideTotalDose",
    "RadionuclideHalfLife",
    "RadiopharmaceuticalStartDateTime",
    "RadiopharmaceuticalStartTime",
)


def _decay_correction(slices: Sequence[Header]) -> str:
    """Return START, ADMIN or NONE; refuse what contradicts Corrected Image."""
    first = slices[0]
    if decay_corrected_to(first) is not None and not first.get("DecayCorrection"):
        # Enhanced PET tells by attributes of its own what was corrected.
        if str(first.get("AttenuationCorrected") or "").upper() != "YES":
            raise refuse("Attenuation Corrected (0018,9759) is not YES.")
        if str(first.get("DecayCorrected") or "").upper() != "YES":
            raise refuse("Decay Corrected (0018,9758) is not YES.")
        return "START"
    corrected = {str(item).upper() for item in _values(first, "CorrectedImage")}
    decay = {str(header.get("DecayCorrection") or "").upper() for header in slices}
    if decay == {"NONE"} and "DECY" not in corrected and "ATTN" in corrected:
        return "NONE"
    if not {"ATTN", "DECY"} <= corrected:
        raise refuse("Corrected Image (0028,0051) does not hold both ATTN and DECY.")
    if decay not in ({"START"}, {"ADMIN"}):
        raise refuse("Decay Correction (0054,1102) is neither START nor ADMIN.")
    return decay.pop()


def _check_admin(slices: Sequence[Header], tracer: Header, nuclide: Nuclide) -> None:
    """Refuse times that nobody would believe, where the header has them: the activity does not depend on them."""
    if tracer.get("RadiopharmaceuticalStartDateTime") and slices[0].get("AcquisitionTime"):
        scan = min(acquisitions(slices))
        seconds = (scan - injection(slices[0], tracer, scan, nuclide)).total_seconds()
        check_uptake(seconds, nuclide, is_static(slices[0]))


def _uncorrected(slices: Sequence[Header], half_life: float) -> list[datetime]:
    """Return for every slice when its activity was what the image shows: the mean over its frame."""
    moments = []
    for header, start in zip(slices, acquisitions(slices), strict=True):
        frame = _positive(header, "ActualFrameDuration", "(0018,1242)") / 1000
        moments.append(start + timedelta(seconds=average_time(frame, half_life)))
    return moments


def _from_counts(slices: Sequence[Header]) -> list[float]:
    """Return the factors by Philips' scale of SUV, else by its scale of activity; two that contradict each other are refused."""
    factors = [_philips(header, 0x00) for header in slices]
    activity = [_philips(header, 0x09) for header in slices]
    if not all(factors) and not all(activity):
        raise refuse("Units are CNTS and Philips' scale factors (7053,xx00) and (7053,xx09) are missing or zero.")
    if not all(factors):
        return [one * factor for one, factor in zip(activity, _from_activity(slices), strict=True)]
    try:
        computed = [one * factor for one, factor in zip(activity, _from_activity(slices), strict=True)]
    except Unusable:
        # The header does not tell enough to compute them: Philips' own scale of SUV needs no more.
        return factors
    apart = (abs(one / other - 1) for one, other in zip(computed, factors, strict=True) if one)
    if max(apart, default=0.0) > PHILIPS_TOLERANCE:
        raise refuse("Philips' scale of SUV (7053,xx00) and that of activity (7053,xx09) contradict each other.")
    return factors


def _philips(header: Header, element: int) -> float:
    numbers = private_numbers(private_value(header, 0x7053, _PHILIPS, element))
    return numbers[0] if numbers and math.isfinite(numbers[0]) and numbers[0] > 0 else 0.0


def _values(header: Header, keyword: str) -> list[object]:
    value = header.get(keyword)
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def _positive(holder: Header, keyword: str, tag: str) -> float:
    value = holder.get(keyword)
    try:
        number = float(value) if value not in (None, "") else 0.0
    except (TypeError, ValueError):
        number = 0.0
    if not (math.isfinite(number) and number > 0):
        raise refuse(f"{keyword} {tag} is missing or not above 0.")
    return number
