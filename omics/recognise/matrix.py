"""A table of an assay, understood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Side = Literal["features-in-rows", "samples-in-rows"]


@dataclass(frozen=True)
class Matrix:
    """A table understood.

    Attributes:
        samples, features: Names as the file has them, blanks around them taken off; either may come again.
        values: Samples x features, float64; missing is NaN.
        symbols: Symbol beside each feature, where the file has such a column.
        lengths: Length of each feature in bases, where the file gives it.
        orientation: Which side names the features.
        system: Kind of the features' names.
        evidence: Why, and what was left out: sentences for a person.
        known: Share of the features' names that are known.
    """

    samples: list[str]
    features: list[str]
    values: NDArray[np.float64]
    symbols: list[str] | None
    lengths: NDArray[np.float64] | None
    orientation: Side
    system: str
    evidence: tuple[str, ...]
    known: float = 1.0
