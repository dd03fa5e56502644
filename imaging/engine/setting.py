"""The types of what the engine is told: the `setting` of a PyRadiomics parameter file, and the parameters of a filter.

What a file may say is checked by `imaging.radiomics.settings`; here stand names and types alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict


class Setting(TypedDict, total=False):
    """Settings of PyRadiomics, global or of one image type, as its documentation names them."""

    additionalInfo: bool
    binCount: int | None
    binWidth: float
    correctMask: bool
    distances: Sequence[int]
    force2D: bool
    force2Ddimension: int
    geometryTolerance: float
    gldm_a: int
    gradientUseSpacing: bool
    interpolator: str | int | None
    label: int
    label_channel: int
    lbp2DMethod: str
    lbp2DRadius: float
    lbp2DSamples: int
    lbp3DIcosphereRadius: float
    lbp3DIcosphereSubdivision: int
    lbp3DLevels: int
    level: int
    minimumROIDimensions: int
    minimumROISize: int | None
    normalize: bool
    normalizeScale: float
    padDistance: int
    preCrop: bool
    removeOutliers: float | None
    resampledPixelSpacing: Sequence[float] | None
    resegmentMode: str
    resegmentRange: Sequence[float] | None
    resegmentShape: bool
    sigma: Sequence[float]
    start_level: int
    symmetricalGLCM: bool
    voxelArrayShift: int
    wavelet: str
    weightingNorm: str | None


class FilterSettings(TypedDict, total=False):
    """A filter of the IBSI and its parameters; `imaging.engine.filters.apply` says which of them a filter takes."""

    filter: str
    boundary: str
    band: str
    energy_distance: int
    gamma: float
    kernel: str
    level: int
    order: tuple[int, int, int]
    orthogonal_planes: bool
    pooling: str
    rotation_invariance: bool
    sigma: float
    size: int
    theta: float
    theta_step: float
    truncate: float
    wavelength: float
    wavelet: str
