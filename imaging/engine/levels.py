"""How many grey levels may be: matrices grow with their square, so that too fine bins are refused before memory is asked for."""

from __future__ import annotations

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.engine.setting import Setting

MAX_LEVELS = 4096
"""More grey levels than this make co-occurrence matrices of more than 128 MB for each direction."""

MAX_BINS = 65_534
"""More bins than this do not fit into the 16 bits in which levels are kept; a histogram of them says nothing."""


def check_levels(values: np.ndarray, settings: Setting, textures: bool = True) -> None:
    """Check that the bins of a region from its lowest to its highest intensity can be counted; one rule for both engines.

    The intensities have the shape (voxels,).

    Args:
        values: Intensities of the region.
        settings: `binCount`, or `binWidth` (25 by default), as PyRadiomics takes them.
        textures: Whether matrices are asked for, or histograms alone.

    Raises:
        Unusable: `too-many-grey-levels`.
    """
    most = MAX_LEVELS if textures else MAX_BINS
    count = settings.get("binCount")
    if count is None and values.size:
        # In 64 bits: the difference of two 16-bit integers may not fit into one.
        low, high = float(values.min()), float(values.max())
        width = float(settings.get("binWidth", 25))
        count = np.floor((high - low + low % width) / width) + 1 if np.isfinite(high - low) else 0
    if count is not None and count > most:
        raise Unusable(
            reasons.TOO_MANY_GREY_LEVELS,
            f"The bins give more than {most} grey levels.",
            "Choose a larger binWidth, or binCount; PET is best measured in SUV.",
        )
