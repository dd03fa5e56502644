"""NanoString nCounter: a lane's controls judge it, and its own housekeeping genes normalise it; no other sample is looked at.

Quality as NACHO defines it (Canouil et al., Bioinformatics 2020, 36:970), limits of nSolver's manual. Values are log2 of a count over
the geometric mean of the lane's housekeeping genes, counts at or below the mean of the negative controls and two standard deviations
raised to that (background thresholding). The factor of the positive controls multiplies all counts of a lane, and so falls out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from unibase.methods.compiled.exact import FloatArray
from unibase.omics.readers.rcc import Lane
from unibase.omics.reasons import FAILED_LANE, NOT_AN_RCC

if TYPE_CHECKING:
    from anndata import AnnData

from unibase.groundwork.problems import Unusable

FIELDS, DENSITY, LINEARITY, DETECTION = 0.75, (0.1, 2.25), 0.95, 2.0
CONCENTRATIONS = (128.0, 32.0, 8.0, 2.0, 0.5, 0.125)
"""Of POS_A to POS_F, in femtomolar."""


@dataclass(frozen=True)
class LaneQuality:
    """How a lane was measured.

    Attributes:
        fields: Share of the fields of view that were counted.
        density: Spots per square micrometre.
        linearity: R squared of log2 counts of the positive controls on log2 of their concentrations.
        detection: Standard deviations of the negative controls that POS_E lies above their mean.
    """

    fields: float
    density: float
    linearity: float
    detection: float

    def faults(self) -> list[str]:
        """Return what is out of its limits, in words; what the file does not say is no fault."""
        said = (
            (self.fields < FIELDS, f"fewer than {FIELDS:.0%} of the fields of view were counted"),
            (self.density < DENSITY[0] or self.density > DENSITY[1], "the binding density lies outside of 0.1 to 2.25"),
            (self.linearity < LINEARITY, f"R squared of the positive controls is below {LINEARITY}"),
            (self.detection < DETECTION, "POS_E is not above the background"),
        )
        return [words for wrong, words in said if wrong]


def quality(lane: Lane) -> LaneQuality:
    """Return how a `lane` was measured.

    Raises:
        Unusable: `not-an-rcc` when it has not six positive controls or fewer than two negative ones.
    """
    positive = [count for _, count in sorted(zip(_of(lane, "pos"), lane.of("pos"), strict=True))]
    negative = lane.of("neg")
    if len(positive) != len(CONCENTRATIONS) or len(negative) < 2:
        raise Unusable(
            NOT_AN_RCC, "The lane has not six positive and two negative controls at least.", "Give the RCC as it was written."
        )
    logs = np.log2(np.array(positive) + (1.0 if min(positive) == 0 else 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        linearity = float(np.corrcoef(logs, np.log2(CONCENTRATIONS))[0, 1] ** 2) if np.ptp(logs) else 0.0
        detection = float((positive[4] - negative.mean()) / negative.std(ddof=1)) if negative.std() else float("inf")
    fields = lane.fields_counted / lane.fields_asked if lane.fields_asked else 0.0
    return LaneQuality(fields, lane.binding_density, linearity, detection)


def _of(lane: Lane, kind: str) -> list[str]:
    return [name for name, of in zip(lane.names, lane.classes, strict=True) if of.lower().startswith(kind)]


def log_ratios(lane: Lane) -> FloatArray:
    """Return log2 of each endogenous count over the housekeeping genes of its `lane`, of shape (genes,).

    Raises:
        Unusable: `failed-lane` when a housekeeping gene is missing or at the background.
    """
    negative, house = lane.of("neg"), lane.of("house")
    floor = max(1.0, float(negative.mean() + DETECTION * negative.std(ddof=1))) if len(negative) > 1 else 1.0
    if not house.size or np.median(house) <= floor:
        raise Unusable(
            FAILED_LANE, "The lane has no housekeeping genes above the background.", "Measure it again, or leave it out."
        )
    reference = float(np.log2(np.maximum(house, floor)).mean())
    return np.asarray(np.log2(np.maximum(lane.of("endo"), floor)) - reference)


def ratios_of(lane: Lane) -> AnnData:
    """Return the one sample of a `lane` x its endogenous genes, of log ratios.

    Raises:
        Unusable: As `log_ratios` says.
    """
    import anndata

    genes = _of(lane, "endo")
    index = pd.Index([lane.sample], dtype=object)
    var = pd.DataFrame({"symbol": genes}, index=pd.Index(genes, name="gene", dtype=object))
    return anndata.AnnData(log_ratios(lane)[None, :], obs=pd.DataFrame({"sample": [lane.sample]}, index=index), var=var)
