"""How a series is read: what is asked of it, and what a study knows of it that its header does not tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from unibase.imaging.dicom.body import SuvKind
from unibase.imaging.options import MissingSlices, Tilt


@dataclass(frozen=True)
class PetFacts:
    """What a study's table says of one PET; None or an empty text where it says nothing.

    Attributes:
        weight: Body weight in kg.
        height: Height in m.
        sex: `M` or `F`.
        dose: Administered activity in Bq.
        start: When the tracer was given, on the clock of the scan.
        nuclide: Such as `F-18`.
    """

    weight: float | None = None
    height: float | None = None
    sex: str = ""
    dose: float | None = None
    start: datetime | None = None
    nuclide: str = ""


@dataclass(frozen=True)
class Reading:
    """How the volumes of a series are read.

    Attributes:
        suv: What the uptake of a PET is divided by; None leaves it in the unit that its header names.
        tilt: What to do with slices that a tilted gantry shifts against one another.
        missing_slices: What to do with single missing slices.
        even: Refuse uneven slice distances; False returns them in `grid.slice_offsets` (for contours only).
        pet: What is known of a PET beside its header.
    """

    suv: SuvKind | None = "bw"
    tilt: Tilt = "refuse"
    missing_slices: MissingSlices = "refuse"
    even: bool = True
    pet: PetFacts | None = None


USUAL = Reading()
"""What holds when nothing is asked."""
