"""What the engine must be told: the settings of a PyRadiomics parameter file, and the processing choices of the IBSI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from unibase.imaging.engine.setting import FilterSettings, Setting

Values = dict[str, float]
"""Features by name."""

ByImageType = dict[str, Values]
"""Features of a region by image type."""


class EngineSettings(Protocol):
    """The part of `imaging.radiomics.settings` that the engine reads.

    Attributes:
        setting: The `setting` section of a PyRadiomics parameter file (`binWidth`, `resampledPixelSpacing`, ...).
        image_types: The `imageType` section: name (`Original`, `LoG`, `Wavelet`, ...) to its own settings.
        feature_classes: The `featureClass` section: class to feature names; None or an empty list means all.
        ibsi: Processing choices of `ibsi` mode.
    """

    @property
    def setting(self) -> Setting:
        """Global settings of PyRadiomics."""
        ...

    @property
    def image_types(self) -> Mapping[str, Setting | None]:
        """Image types with their own settings."""
        ...

    @property
    def feature_classes(self) -> Mapping[str, list[str] | None]:
        """Feature classes with the features asked for."""
        ...

    @property
    def ibsi(self) -> IbsiOptions | Mapping[str, object] | None:
        """Choices of `ibsi` mode."""
        ...


AGGREGATIONS_2D = ("2D_avg", "2D_comb", "2_5D_avg", "2_5D_comb")
AGGREGATIONS_3D = ("3D_avg", "3D_comb")
FAMILIES = (
    "morphology",
    "local_intensity",
    "intensity_statistics",
    "intensity_histogram",
    "intensity_volume_histogram",
    "glcm",
    "glrlm",
    "glszm",
    "gldzm",
    "ngtdm",
    "ngldm",
)


@dataclass(frozen=True)
class IbsiOptions:
    """Image processing and feature choices of `ibsi` mode, in the terms of the IBSI reference manual.

    Attributes:
        spacing: New voxel spacing (z, y, x) in mm, or None to keep the grid. With `by_slice` z is kept.
        by_slice: Process and describe the image slice by slice (2D and 2.5D aggregations) instead of as a volume.
        interpolation: `linear` (bi- or trilinear), `cubic` (bi- or tricubic spline) or `nearest`.
        mask_interpolation: The same for the mask.
        mask_threshold: A voxel belongs to the region when its interpolated mask value is at least this.
        round_intensities: Round to whole numbers after interpolation (CT in HU).
        resegment_range: (lower, upper) intensities kept in the intensity mask; None on a side leaves it open.
        resegment_sigma: Keep intensities within this many standard deviations of the mean.
        discretisation: `fbn` (fixed bin number), `fbs` (fixed bin size) or `none` (whole-numbered intensities are levels).
        bins: Number of bins for `fbn`.
        bin_size: Width of a bin for `fbs`; bins start at the lower bound of `resegment_range`, else at the minimum.
        ivh_discretisation: The same for the intensity-volume histogram (`none` takes whole-numbered intensities).
        ivh_bins: Number of bins there.
        ivh_bin_size: Width of a bin there.
        families: Feature families to compute.
        spatial_autocorrelation: Whether morphology includes Moran's I and Geary's C, which cost as much as all else together.
        aggregations: Texture aggregations; by default the four by slice, or the two in 3D.
        glcm_distance: Chebyshev distance of co-occurring voxels.
        ngldm_alpha: Coarseness of dependence.
        filters: Filters to apply: name of the image type to a mapping with `filter` and its parameters (see `filters`).
    """

    spacing: tuple[float, float, float] | None = None
    by_slice: bool = False
    interpolation: str = "linear"
    mask_interpolation: str = "linear"
    mask_threshold: float = 0.5
    round_intensities: bool = False
    resegment_range: tuple[float | None, float | None] | None = None
    resegment_sigma: float | None = None
    discretisation: str = "fbn"
    bins: int = 32
    bin_size: float = 25.0
    ivh_discretisation: str = "none"
    ivh_bins: int = 1000
    ivh_bin_size: float = 1.0
    families: tuple[str, ...] = FAMILIES
    spatial_autocorrelation: bool = True
    aggregations: tuple[str, ...] | None = None
    glcm_distance: int = 1
    ngldm_alpha: int = 0
    filters: Mapping[str, FilterSettings] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the choices; a wrong one is a ValueError that names the allowed ones."""
        _one_of("interpolation", self.interpolation, ("linear", "cubic", "nearest"))
        _one_of("mask_interpolation", self.mask_interpolation, ("linear", "cubic", "nearest"))
        _one_of("discretisation", self.discretisation, ("fbn", "fbs", "none"))
        _one_of("ivh_discretisation", self.ivh_discretisation, ("fbn", "fbs", "none"))
        for family in self.families:
            _one_of("families", family, FAMILIES)
        for aggregation in self.aggregations or ():
            _one_of("aggregations", aggregation, AGGREGATIONS_2D + AGGREGATIONS_3D)
        if self.bins < 1 or self.ivh_bins < 1 or self.bin_size <= 0 or self.ivh_bin_size <= 0:
            raise ValueError("bins and bin sizes must be positive")
        if self.spacing is not None and (len(self.spacing) != 3 or min(self.spacing) <= 0):
            raise ValueError("spacing must be three positive numbers (z, y, x) in mm")

    @property
    def texture_aggregations(self) -> tuple[str, ...]:
        """The aggregations to compute, with the default of the dimension."""
        return self.aggregations or (AGGREGATIONS_2D if self.by_slice else AGGREGATIONS_3D)

    @classmethod
    def of(cls, value: IbsiOptions | Mapping[str, object] | None) -> IbsiOptions:
        """Return options from a `value`: options, a mapping of the attribute names (lists allowed), or None (all defaults).

        Raises:
            ValueError: If a name is unknown.
        """
        if isinstance(value, IbsiOptions):
            return value
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(value or {}) - known)
        if unknown:
            raise ValueError(f"unknown ibsi options {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        given: dict[str, Any] = {name: tuple(item) if isinstance(item, list) else item for name, item in (value or {}).items()}
        return cls(**given)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name}: {value!r} is not one of {', '.join(allowed)}")
