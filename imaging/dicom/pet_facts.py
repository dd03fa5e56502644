"""Headers of a PET completed by what a study's table says of it: weight, dose, time of injection.

The header holds where it tells a plausible value; where the table tells another one, neither is believed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.body import HEIGHT, WEIGHT
from unibase.imaging.dicom.header import Header
from unibase.imaging.dicom.read_as import PetFacts
from unibase.imaging.dicom.suv_times import CLOCK_TOLERANCE, acquisitions, injection, is_static
from unibase.imaging.dicom.tracers import DOSES, Nuclide, named, nuclide_of, refuse, uptake_is_plausible

AGREEMENT = 0.01
"""How far header and table may differ, as a fraction of the header's value."""

_TRACER = "RadiopharmaceuticalInformationSequence"


@dataclass(frozen=True, eq=False)
class Completed:
    """A header with further values in front of its own.

    Attributes:
        header: The header itself; None for an item that it lacks.
        values: Values by keyword.
    """

    header: Header | None
    values: Mapping[str, Any]

    def get(self, key: str, default: Any = None, /) -> Any:
        """Return a value by keyword: the completed one, else that of the header.

        Args:
            key: DICOM keyword.
            default: What stands in when it is absent.
        """
        if key in self.values:
            return self.values[key]
        return default if self.header is None else self.header.get(key, default)

    def __contains__(self, name: object, /) -> bool:
        return name in self.values or (self.header is not None and name in self.header)

    def private_block(self, group: int, private_creator: str, /) -> Any:
        """Return a private block of the header; KeyError without one.

        `group`: number of the group; `private_creator`: creator of the block.

        Raises:
            KeyError: If there is no such block.
        """
        if self.header is None:
            raise KeyError(private_creator)
        return self.header.private_block(group, private_creator)


def completed(slices: Sequence[Header], facts: PetFacts) -> tuple[list[Header], tuple[str, ...]]:
    """Return the headers of a PET with what the table adds, and notes of what was added.

    Args:
        slices: Headers of all slices of one volume.
        facts: What the table says of them.

    Returns:
        The headers, and short codes such as `weight-from-table`.

    Raises:
        Unusable: `suv-not-computable` when header and table contradict each other.
    """
    first, notes = slices[0], []
    person: dict[str, object] = {}
    if _adds(first, "PatientWeight", facts.weight, WEIGHT):
        person["PatientWeight"] = facts.weight
        notes.append("weight-from-table")
    if _adds(first, "PatientSize", facts.height, HEIGHT):
        person["PatientSize"] = facts.height
        notes.append("height-from-table")
    if facts.sex and _says_no_sex(first, facts.sex):
        person["PatientSex"] = facts.sex
        notes.append("sex-from-table")
    items: Sequence[Header] = first.get(_TRACER) or []
    tracer = dict(_tracer_values(slices, items[0] if len(items) == 1 else None, facts))
    names = {"RadionuclideTotalDose": "dose", "RadiopharmaceuticalStartDateTime": "injection", "Radiopharmaceutical": "nuclide"}
    notes += [f"{name}-from-table" for keyword, name in names.items() if keyword in tracer]
    if not notes:
        return list(slices), ()
    return [_completed(header, person, tracer) for header in slices], tuple(sorted(notes))


def _completed(header: Header, person: Mapping[str, object], tracer: Mapping[str, object]) -> Completed:
    """Return a header with what the table says of the `person`, and of the `tracer` where it says something."""
    items: Sequence[Header | None] = header.get(_TRACER) or [None]
    sequence = {_TRACER: [Completed(item, tracer) for item in items]} if tracer else {}
    return Completed(header, {**person, **sequence})


def _adds(holder: Header | None, keyword: str, value: float | None, plausible: tuple[float, float]) -> bool:
    """Whether the table gives a value that the header lacks, or that nobody would believe of it."""
    if value is None:
        return False
    said = None if holder is None else holder.get(keyword)
    try:
        own = float(said) if said not in (None, "") else 0.0
    except (TypeError, ValueError):
        own = 0.0
    if not plausible[0] <= own <= plausible[1]:
        return True
    if abs(own - value) > AGREEMENT * own:
        raise _contradicted(keyword)
    return False


def _says_no_sex(header: Header, sex: str) -> bool:
    own = str(header.get("PatientSex") or "").upper()
    if own in ("M", "F") and own != sex:
        raise _contradicted("PatientSex")
    return own not in ("M", "F")


def _tracer_values(slices: Sequence[Header], item: Header | None, facts: PetFacts) -> Iterator[tuple[str, object]]:
    nuclide = _nuclide(item)
    if facts.nuclide and nuclide is None:
        nuclide = named(facts.nuclide)
        yield "Radiopharmaceutical", nuclide.name
        yield "RadionuclideHalfLife", nuclide.half_life
    elif facts.nuclide and nuclide != named(facts.nuclide):
        raise _contradicted("the nuclide")
    if _adds(item, "RadionuclideTotalDose", facts.dose, DOSES if nuclide is None else nuclide.dose):
        yield "RadionuclideTotalDose", facts.dose
    if facts.start is not None:
        own = _injection(slices, item, nuclide)
        if own is not None and abs(own - facts.start) > CLOCK_TOLERANCE:
            raise _contradicted("RadiopharmaceuticalStartDateTime")
        if own is None:
            yield "RadiopharmaceuticalStartDateTime", facts.start.strftime("%Y%m%d%H%M%S")
            # What the header says beside it was not to be believed.
            yield "RadiopharmaceuticalStartTime", None


def _nuclide(item: Header | None) -> Nuclide | None:
    try:
        return None if item is None else nuclide_of(item, float(item.get("RadionuclideHalfLife") or 0))
    except (Unusable, TypeError, ValueError):
        return None


def _injection(slices: Sequence[Header], item: Header | None, nuclide: Nuclide | None) -> datetime | None:
    """Return when the header says that the tracer was given, if it tells that without contradiction."""
    if item is None or nuclide is None:
        return None
    try:
        scan = min(acquisitions(slices))
        given = injection(slices[0], item, scan, nuclide)
    except Unusable:
        return None
    seconds = (scan - given).total_seconds()
    return given if uptake_is_plausible(seconds, nuclide, is_static(slices[0])) else None


def _contradicted(what: str) -> Unusable:
    return refuse(f"The header and the study's table contradict each other in {what}.")
