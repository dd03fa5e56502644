"""When a volume was acquired, on each clock that its header may have: which one tells its series apart is seen over all volumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from unibase.imaging.dicom.distinctions import acquired
from unibase.imaging.dicom.planes import Plane


@dataclass(frozen=True)
class Clock:
    """One clock.

    Attributes:
        name: DICOM keyword.
        seconds: Its time on a plane in seconds; None when it has none.
    """

    name: str
    seconds: Callable[[Plane], float | None]


def _from(keyword: str, per_second: float) -> Callable[[Plane], float | None]:
    def read(plane: Plane) -> float | None:
        try:
            return float(plane.header.get(keyword)) / per_second
        except (TypeError, ValueError):
            return None

    return read


def _acquired(plane: Plane) -> float | None:
    value = acquired(plane)
    return float(value) if isinstance(value, (int, float)) else None


CLOCKS = (
    Clock("TemporalPositionTimeOffset", _from("TemporalPositionTimeOffset", 1.0)),
    Clock("AcquisitionTime", _acquired),
    Clock("TriggerTime", _from("TriggerTime", 1000.0)),
    Clock("FrameReferenceTime", _from("FrameReferenceTime", 1000.0)),
)
"""The clocks, in the order in which they are asked; offsets in seconds, trigger and reference times in milliseconds (PS3.3)."""


def times_of(planes: Sequence[Plane]) -> tuple[float | None, ...]:
    """Return when a volume begins in seconds, on each of `CLOCKS`; None on a clock that a plane lacks.

    Args:
        planes: The planes of the volume.
    """
    return tuple(_begin([clock.seconds(plane) for plane in planes]) for clock in CLOCKS)


def _begin(seconds: Sequence[float | None]) -> float | None:
    known = [one for one in seconds if one is not None]
    return min(known) if known and len(known) == len(seconds) else None


def shared_clock(times: Sequence[tuple[float | None, ...]]) -> tuple[str, list[float]] | None:
    """Return the first clock on which volumes follow one another, with their times in seconds from the first; None without one.

    Args:
        times: What `times_of` says of each volume, in their order.

    Example:
        >>> shared_clock([(None, 36000.0, 0.0, None), (None, 36090.0, 0.0, None)])
        ('AcquisitionTime', [0.0, 90.0])
    """
    for number, clock in enumerate(CLOCKS):
        seconds = [one[number] if one else None for one in times]
        known = [one for one in seconds if one is not None]
        if len(known) == len(seconds) > 1 and all(one < other for one, other in pairwise(known)):
            return clock.name, [one - known[0] for one in known]
    return None
