"""What is plausible of a PET tracer: half-life by nuclide, dose and time of uptake.

`NUCLIDES` is the rule. Half-lives are those of the Decay Data Evaluation Project (LNHB); limits of dose and uptake are
wide: they catch a wrong unit or clock, not an unusual protocol.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.header import Header
from unibase.imaging.reasons import SUV_NOT_COMPUTABLE

HALF_LIFE_TOLERANCE = 0.02
"""How far the half-life of a header may be from that of its nuclide, as a fraction (vendors round)."""

_MBQ, _MINUTE, _HOUR, _DAY = 1e6, 60.0, 3600.0, 86400.0


@dataclass(frozen=True)
class Nuclide:
    """One nuclide of PET.

    Attributes:
        name: As it is written, such as F-18.
        half_life: In seconds.
        dose: Least and largest plausible administered activity in Bq.
        uptake: Longest plausible time from administration to scan in seconds.
    """

    name: str
    half_life: float
    dose: tuple[float, float]
    uptake: float


NUCLIDES = (
    Nuclide("F-18", 6586.2, (5 * _MBQ, 1200 * _MBQ), 5 * _HOUR),
    Nuclide("C-11", 1221.8, (5 * _MBQ, 2500 * _MBQ), 2 * _HOUR),
    Nuclide("N-13", 597.9, (5 * _MBQ, 3000 * _MBQ), _HOUR),
    Nuclide("O-15", 122.3, (5 * _MBQ, 5000 * _MBQ), 0.5 * _HOUR),
    Nuclide("Ga-68", 4062.6, (5 * _MBQ, 600 * _MBQ), 5 * _HOUR),
    Nuclide("Rb-82", 76.4, (50 * _MBQ, 5000 * _MBQ), 0.5 * _HOUR),
    Nuclide("Cu-64", 45723.6, (20 * _MBQ, 1200 * _MBQ), 3 * _DAY),
    Nuclide("Zr-89", 282279.6, (5 * _MBQ, 500 * _MBQ), 14 * _DAY),
    Nuclide("I-124", 360806.4, (5 * _MBQ, 1000 * _MBQ), 14 * _DAY),
    Nuclide("Y-90", 230600.0, (20 * _MBQ, 30000 * _MBQ), 5 * _DAY),
    Nuclide("Y-86", 53064.0, (20 * _MBQ, 600 * _MBQ), 3 * _DAY),
    Nuclide("Sc-44", 14549.0, (5 * _MBQ, 600 * _MBQ), _DAY),
    Nuclide("Br-76", 58320.0, (5 * _MBQ, 600 * _MBQ), 3 * _DAY),
    Nuclide("Cu-62", 580.4, (5 * _MBQ, 3000 * _MBQ), _HOUR),
)
"""Nuclides whose SUV is computed; others are refused."""

EARLIEST = 300.0
"""Seconds after injection before which nobody takes a static image with a nuclide that lives for an hour or longer."""

DOSES = (min(nuclide.dose[0] for nuclide in NUCLIDES), max(nuclide.dose[1] for nuclide in NUCLIDES))
"""Least and largest plausible dose of any nuclide in Bq."""

_BY_NAME = {nuclide.name: nuclide for nuclide in NUCLIDES}
_CODES = {
    "C-111A1": "F-18",
    "77004003": "F-18",
    "C-105A1": "C-11",
    "40565003": "C-11",
    "C-107A1": "N-13",
    "21576001": "N-13",
    "C-B1038": "O-15",
    "129504001": "O-15",
    "C-131A3": "Ga-68",
    "35337001": "Ga-68",
    "C-159A2": "Rb-82",
    "79197006": "Rb-82",
    "C-127A2": "Cu-64",
    "3932008": "Cu-64",
    "C-168A4": "Zr-89",
    "63360001": "Zr-89",
    "C-114A5": "I-124",
    "40937006": "I-124",
    "14691008": "Y-90",
    "10738001": "Y-86",
    "79523006": "Br-76",
    "422934004": "Cu-62",
}
_ELEMENTS = {
    "f": "F", "fluorine": "F", "fluor": "F", "c": "C", "carbon": "C", "n": "N", "nitrogen": "N", "o": "O", "oxygen": "O",
    "ga": "Ga", "gallium": "Ga", "rb": "Rb", "rubidium": "Rb", "cu": "Cu", "copper": "Cu", "zr": "Zr", "zirconium": "Zr",
    "i": "I", "iodine": "I", "y": "Y", "yttrium": "Y", "sc": "Sc", "scandium": "Sc", "br": "Br", "bromine": "Br",
}  # fmt: skip
_FLUORINE_NAMES = ("FDG", "FLUORODEOXYGLUCOSE", "FLUDEOXYGLUCOSE", "FLUOROGLUCOSE")


def nuclide_of(tracer: Header, half_life: float) -> Nuclide:
    """Return the nuclide of a tracer: by its code or name; when neither tells it, by its half-life.

    Args:
        tracer: Item of the Radiopharmaceutical Information Sequence.
        half_life: What it says of the half-life, in seconds.

    Raises:
        Unusable: `suv-not-computable` when the half-life is none of the nuclide's, or of no nuclide.
    """
    said = _said(tracer)
    if said and said not in _BY_NAME:
        raise refuse(f"The nuclide is {said}, for which no SUV is computed here.")
    near = [one for one in NUCLIDES if abs(half_life - one.half_life) <= HALF_LIFE_TOLERANCE * one.half_life]
    if said:
        if _BY_NAME[said] not in near:
            raise refuse(f"Radionuclide Half Life (0018,1075) is not that of {said}.")
        return _BY_NAME[said]
    if not near:
        raise refuse("Radionuclide Half Life (0018,1075) is that of no nuclide of PET.")
    return near[0]


def named(name: str) -> Nuclide:
    """Return a nuclide by its name.

    Args:
        name: As it is written, such as `F-18`, or in another common way, such as `18F`.

    Raises:
        Unusable: `suv-not-computable` for a nuclide that is not known here.

    Example:
        >>> named("18F").half_life, named("Ga-68").name
        (6586.2, 'Ga-68')
    """
    found = name if name in _BY_NAME else _in_text(name)
    if found not in _BY_NAME:
        raise refuse(f"The nuclide is none of {', '.join(_BY_NAME)}.")
    return _BY_NAME[found]


def check_dose(dose: float, nuclide: Nuclide) -> None:
    """Refuse a dose that nobody is given: its unit is in doubt.

    `dose`: administered activity in Bq; `nuclide`: what was given.

    Raises:
        Unusable: `suv-not-computable`.
    """
    if not nuclide.dose[0] <= dose <= nuclide.dose[1]:
        low, high = (end / _MBQ for end in nuclide.dose)
        message = f"Radionuclide Total Dose (0018,1074) is not within {low:g} to {high:g} MBq of {nuclide.name}, so its unit is in doubt."
        raise refuse(message)


def uptake_is_plausible(seconds: float, nuclide: Nuclide, static: bool) -> bool:
    """Whether anybody scans so long after the injection.

    Args:
        seconds: From injection to scan.
        nuclide: What was given.
        static: Whether the image is a static one; a dynamic or gated scan may begin with the injection.

    Example:
        >>> [uptake_is_plausible(60.0, named("F-18"), static) for static in (True, False)]
        [False, True]
    """
    least = EARLIEST if static and nuclide.half_life > _HOUR else 0.0
    return least <= seconds <= nuclide.uptake


def check_uptake(seconds: float, nuclide: Nuclide, static: bool) -> None:
    """Refuse a time of uptake that is negative, too short or longer than anybody waits: a clock or a date is in doubt.

    Args:
        seconds: From injection to scan.
        nuclide: What was given.
        static: As `uptake_is_plausible`.

    Raises:
        Unusable: `suv-not-computable`.
    """
    if uptake_is_plausible(seconds, nuclide, static):
        return
    if 0 <= seconds < EARLIEST:
        message = (
            f"The injection is less than {EARLIEST / _MINUTE:g} min before a static scan, so one of the two times is in doubt."
        )
        raise refuse(message)
    longest = f"{nuclide.uptake / _HOUR:g} h"
    raise refuse(f"The injection is not within {longest} before the scan, the longest uptake of {nuclide.name}.")


def refuse(message: str) -> Unusable:
    """Return the refusal of a header that does not give SUV.

    Args:
        message: What is wrong, naming the attribute.

    >>> refuse("The dose is missing.").reason
    'suv-not-computable'
    """
    return Unusable(SUV_NOT_COMPUTABLE, message)


def _said(tracer: Header) -> str:
    """Return the nuclide that a tracer names: by code, else by its text; empty when it names none that is known."""
    for item in tracer.get("RadionuclideCodeSequence") or ():
        code = str(item.get("CodeValue", "") or "").strip()
        if code in _CODES:
            return _CODES[code]
        found = _in_text(str(item.get("CodeMeaning", "") or ""))
        if found:
            return found
    texts = [str(tracer.get("Radiopharmaceutical", "") or "")]
    texts += [str(item.get("CodeMeaning", "") or "") for item in tracer.get("RadiopharmaceuticalCodeSequence") or ()]
    for text in texts:
        found = _in_text(text)
        if found in _BY_NAME:
            return found
        if any(name in text.upper() for name in _FLUORINE_NAMES):
            return "F-18"
    return ""


def _in_text(text: str) -> str:
    """Return `F-18` of `^18^Fluorine`, `18F-FDG`, `F-18`, `FDG F^18^`; empty without a nuclide."""
    words = text.lower().replace("^", " ").replace("[", " ").replace("]", " ")
    for number, element in re.findall(r"(?<!\d)(\d{2,3})m?[\s-]*([a-z]+)", words):
        if element in _ELEMENTS:
            return f"{_ELEMENTS[element]}-{number}"
    for element, number in re.findall(r"\b([a-z]+)[\s-]*(\d{2,3})(?!\d)", words):
        if element in _ELEMENTS:
            return f"{_ELEMENTS[element]}-{number}"
    return ""
