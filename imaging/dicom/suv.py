"""From the stored units of a PET series to SUV by body weight (g/ml).

Follows the vendor-neutral computation published by QIBA (SUV pseudo-code, "Computation of SUV from DICOM"): units GML
as they are, BQML with decay correction to START or ADMIN, CNTS with the scale factors in Philips' private block.
Whatever the header leaves open is refused; no value is guessed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from unibase.groundwork.problems import Unusable

_PHILIPS = "Philips PET Private Group"
_GE = "GEMS_PETD_01"


def suv_factors(slices: Sequence[Any]) -> list[float]:
    """Return, for each slice, what its rescaled values are multiplied with to become SUVbw.

    Args:
        slices: Headers (pydicom datasets) of all slices of one PET series.

    Raises:
        Unusable: `suv-not-computable`, naming the attribute that is missing, contradictory or not supported.
    """
    units = {str(header.get("Units", "")).upper() for header in slices}
    if len(units) != 1:
        raise _refuse("Units (0054,1001) differ between slices.")
    unit = units.pop()
    if unit == "GML":
        # PS3.3 C.8.9.1: an absent SUV Type means body weight.
        if {str(header.get("SUVType", "BW") or "BW").upper() for header in slices} != {"BW"}:
            raise _refuse("SUV Type (0054,1006) is not body weight.")
        return [1.0] * len(slices)
    if unit == "BQML":
        return [_from_activity(slices)] * len(slices)
    if unit == "CNTS":
        factors = [_private(header, 0x7053, _PHILIPS, 0x00) for header in slices]
        if all(factors):
            return [float(factor) for factor in factors]
        activity = [_private(header, 0x7053, _PHILIPS, 0x09) for header in slices]
        if all(activity):
            from_activity = _from_activity(slices)
            return [float(factor) * from_activity for factor in activity]
        raise _refuse("Units are CNTS and Philips' scale factors (7053,xx00) and (7053,xx09) are missing or zero.")
    place = "Units (0054,1001) is missing." if not unit else "Units (0054,1001) is none of BQML, GML, CNTS."
    raise _refuse(place)


def _from_activity(slices: Sequence[Any]) -> float:
    first = slices[0]
    corrected = {str(item).upper() for item in _values(first, "CorrectedImage")}
    if not {"ATTN", "DECY"} <= corrected:
        raise _refuse("Corrected Image (0028,0051) does not hold both ATTN and DECY.")
    weight = _positive(first, "PatientWeight", "(0010,1030)")
    if not first.get("RadiopharmaceuticalInformationSequence"):
        raise _refuse("Radiopharmaceutical Information Sequence (0054,0016) is missing.")
    if len(first.RadiopharmaceuticalInformationSequence) != 1:
        raise _refuse("Radiopharmaceutical Information Sequence (0054,0016) holds several items.")
    tracer = first.RadiopharmaceuticalInformationSequence[0]
    dose = _positive(tracer, "RadionuclideTotalDose", "(0018,1074)")
    if dose < 1e5:
        # The attribute is in Bq; some exports wrote MBq. Below 0.1 MBq no image is made: which unit it is, is a guess.
        raise _refuse("Radionuclide Total Dose (0018,1074) is below 0.1 MBq, so its unit is in doubt.")
    decay = {str(header.get("DecayCorrection", "")).upper() for header in slices}
    if decay == {"ADMIN"}:
        return weight * 1000 / dose
    if decay != {"START"}:
        raise _refuse("Decay Correction (0054,1102) is neither START nor ADMIN.")
    half_life = _positive(tracer, "RadionuclideHalfLife", "(0018,1075)")
    scan = _scan_start(slices, half_life)
    elapsed = (scan - _injection(first, tracer)).total_seconds()
    if not 0 <= elapsed <= 10 * half_life:
        raise _refuse("The injection is not within ten half-lives before the scan.")
    return float(weight * 1000 / (dose * 2.0 ** (-elapsed / half_life)))


def _scan_start(slices: Sequence[Any], half_life: float) -> datetime:
    first = slices[0]
    series = _moment(first.get("SeriesDate"), first.get("SeriesTime"))
    acquired = [_moment(header.get("AcquisitionDate"), header.get("AcquisitionTime")) for header in slices]
    known = [moment for moment in acquired if moment is not None]
    if len(known) != len(slices):
        raise _refuse("Acquisition Date or Time (0008,0022), (0008,0032) is missing.")
    if series is not None and series <= min(known):
        return series
    # The series was written after the scan (reconstructed again): its own time is not the time of decay correction.
    ge = _private(first, 0x0009, _GE, 0x0D)
    if ge:
        start = _moment(str(ge)[:8], str(ge)[8:])
        if start is not None:
            return start
    starts = []
    for header, moment in zip(slices, known, strict=True):
        frame_ms = header.get("ActualFrameDuration")
        reference_ms = header.get("FrameReferenceTime")
        if not frame_ms or reference_ms is None or float(frame_ms) <= 0:
            raise _refuse("Series Time is after Acquisition Time, and Frame Reference Time or Actual Frame Duration is missing.")
        rate = math.log(2) / half_life
        within = rate * float(frame_ms) / 1000
        average = math.log(within / -math.expm1(-within)) / rate
        starts.append(moment - timedelta(seconds=float(reference_ms) / 1000 - average))
    if max(starts) - min(starts) > timedelta(seconds=60):
        raise _refuse("The slices tell different starts of the scan.")
    return min(starts)


def _injection(header: Any, tracer: Any) -> datetime:
    exact = tracer.get("RadiopharmaceuticalStartDateTime")
    if exact:
        text = str(exact)
        moment = _moment(text[:8], text[8:])
    else:
        moment = _moment(header.get("SeriesDate"), tracer.get("RadiopharmaceuticalStartTime"))
    if moment is None:
        raise _refuse("Radiopharmaceutical Start DateTime (0018,1078) and Start Time (0018,1072) are missing.")
    return moment


def _moment(date: Any, time: Any) -> datetime | None:
    # Offsets from UTC (&ZZXX) are dropped: all times of one study are of one clock.
    day, clock = str(date or "").strip(), str(time or "").strip().split("+")[0].split("-")[0]
    if len(day) != 8 or len(clock) < 4:
        return None
    whole, _, fraction = clock.partition(".")
    try:
        return datetime.strptime(day + whole.ljust(6, "0"), "%Y%m%d%H%M%S") + timedelta(seconds=float(f"0.{fraction or 0}"))
    except ValueError:
        return None


def _private(header: Any, group: int, creator: str, element: int) -> Any:
    try:
        value = header.private_block(group, creator)[element].value
    except KeyError:
        return None
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace").strip(" \0")
    try:
        return value if value and (group == 0x0009 or float(value) > 0) else None
    except (TypeError, ValueError):
        return None


def _values(header: Any, keyword: str) -> list[Any]:
    value = header.get(keyword)
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def _positive(holder: Any, keyword: str, tag: str) -> float:
    value = holder.get(keyword)
    try:
        number = float(value) if value not in (None, "") else 0.0
    except (TypeError, ValueError):
        number = 0.0
    if not (math.isfinite(number) and number > 0):
        raise _refuse(f"{keyword} {tag} is missing or not above 0.")
    return number


def _refuse(message: str) -> Unusable:
    return Unusable("suv-not-computable", message, "Export the series as SUV by body weight, or complete its header.")
