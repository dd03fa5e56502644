"""Image and region as IBSI prepares them: interpolated to the final grid, rounded, cropped, re-segmented."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.boxed import Boxed, bounding_box
from unibase.imaging.engine.interpolation import Axis, aligned_axis, interpolate, support
from unibase.imaging.engine.options import IbsiOptions

Array = np.ndarray

PEAK_RADIUS = float((3000 / (4 * np.pi)) ** (1 / 3))
"""Radius in mm of a sphere of 1 cm3."""


@dataclass(frozen=True)
class Prepared:
    """An image on its final grid, cropped to the region and a margin.

    Attributes:
        image: float64 (z, y, x), after interpolation and rounding.
        region: bool, the morphological mask.
        intensities: bool, the intensity mask (after re-segmentation).
        spacing: Voxel spacing (z, y, x) in mm.
    """

    image: Array
    region: Array
    intensities: Array
    spacing: Array

    def cropped(self) -> Prepared:
        """The same without margin: the bounding box of the region."""
        box = bounding_box(self.region)
        return replace(self, image=self.image[box], region=self.region[box], intensities=self.intensities[box])

    def alone(self) -> Prepared:
        """The same in arrays of its own, so that what surrounds it can be freed."""
        return replace(self, image=self.image.copy(), region=self.region.copy(), intensities=self.intensities.copy())


def prepare(
    image: Array, mask: Boxed, spacing: tuple[float, ...], options: IbsiOptions, margin_mm: float = PEAK_RADIUS
) -> Prepared:
    """Interpolate image and mask, round; the intensity mask still equals the region (see `resegmented`).

    Args:
        image: float64 (z, y, x).
        mask: The region.
        spacing: (z, y, x) in mm.
        options: Processing choices.
        margin_mm: Keep this much of the image around the region.

    Raises:
        Unusable: The region is empty, or vanishes by interpolation.
    """
    if mask.empty:
        raise Unusable(reasons.EMPTY_REGION, "The mask holds no voxel.", "Check the region name and the mask.")
    new = _NewGrid.of(image.shape, mask, np.asarray(spacing, dtype=float), options, margin_mm)
    if any(span.start >= span.stop for span in new.spans):
        raise Unusable(reasons.REGION_LOST, "No voxel of the new grid lies in the region.", "Choose a finer spacing.")
    result, region = _on_new_grid(image, mask, new, options)
    if options.round_intensities:
        result = np.rint(result)
    if not region.any():
        remedy = "Choose a finer spacing or a lower mask threshold."
        raise Unusable(reasons.REGION_LOST, "No voxel of the new grid lies in the region.", remedy)
    return Prepared(result, region, region, new.spacing)


def _on_new_grid(image: Array, mask: Boxed, new: _NewGrid, options: IbsiOptions) -> tuple[Array, Array]:
    """Return the image around the region on the new grid, float64 (z, y, x), and the region there, bool."""
    starts, stops = tuple(span.start for span in new.spans), tuple(span.stop for span in new.spans)
    first, past = tuple(span.first for span in new.spans), tuple(span.past for span in new.spans)
    region = np.zeros(tuple(span.past - span.first for span in new.spans), dtype=bool)
    inner = tuple(slice(span.start - span.first, span.stop - span.first) for span in new.spans)
    if all(axis.step == 1.0 and axis.origin == 0.0 for axis in new.axes):
        region[inner] = mask.part(tuple(slice(a, b) for a, b in zip(starts, stops, strict=True)))
        return image[tuple(slice(a, b) for a, b in zip(first, past, strict=True))].astype(np.float64), region
    weight = _part(mask, new.axes, starts, stops, options.mask_interpolation)
    # Interpolated weights carry rounding errors of about 1e-16; a voxel at the threshold belongs to the region.
    region[inner] = weight >= options.mask_threshold - 1e-9
    return _part(image, new.axes, first, past, options.interpolation), region


@dataclass(frozen=True)
class _NewGrid:
    """The final grid: its axes in terms of the old ones, its spacing (z, y, x) in mm, and what of each axis is needed."""

    axes: tuple[Axis, ...]
    spacing: Array
    spans: list[_Span]

    @classmethod
    def of(cls, shape: tuple[int, ...], mask: Boxed, spacing: Array, options: IbsiOptions, margin_mm: float) -> _NewGrid:
        """Return the grid that the options ask for, centred on the old one of this shape and spacing (z, y, x)."""
        new = spacing if options.spacing is None else np.array(options.spacing, dtype=float)
        if options.by_slice:
            new = np.array([spacing[0], new[1], new[2]])
        axes = tuple(aligned_axis(n, s, t) for n, s, t in zip(shape, spacing, new, strict=True))
        margins = [int(np.ceil(margin_mm / step)) for step in new]
        spans = [_span(axis, part, more) for axis, part, more in zip(axes, mask.box, margins, strict=True)]
        return cls(axes, new, spans)


@dataclass(frozen=True)
class _Span:
    """What of one axis of the new grid holds the region (start to stop), and what with its margin (first to past)."""

    start: int
    stop: int
    first: int
    past: int


def _span(axis: Axis, part: slice, margin: int) -> _Span:
    """Return what of a new axis holds a stretch of the old one, and what with a margin of new voxels."""
    low = int(np.floor((part.start - 1 - axis.origin) / axis.step))
    high = int(np.ceil((part.stop - axis.origin) / axis.step)) + 1
    return _Span(max(0, low), min(axis.size, high), max(0, low - margin), min(axis.size, high + margin))


def _part(array: Array | Boxed, axes: tuple[Axis, ...], start: tuple[int, ...], stop: tuple[int, ...], method: str) -> Array:
    cut = support(axes, start, stop, array.shape, method)
    moved = tuple(Axis(axis.origin - part.start, axis.step, axis.size) for axis, part in zip(axes, cut, strict=True))
    kept = tuple(replace(m, origin=0.0) if m.step == 1.0 and m.origin == -p.start else m for m, p in zip(moved, cut, strict=True))
    shift = [p.start if m.step == 1.0 and m.origin == -p.start else 0 for m, p in zip(moved, cut, strict=True)]
    return interpolate(
        array.part(cut) if isinstance(array, Boxed) else array[cut],
        kept,
        tuple(a - s for a, s in zip(start, shift, strict=True)),
        tuple(b - s for b, s in zip(stop, shift, strict=True)),
        method,
    )


def resegmented(prepared: Prepared, options: IbsiOptions) -> Prepared:
    """Return `prepared` without what lies outside the range of the `options`, then outliers, then missing values.

    Raises:
        Unusable: Nothing is left.
    """
    keep = prepared.region & np.isfinite(prepared.image)
    if options.resegment_range is not None:
        low, high = options.resegment_range
        if low is not None:
            keep &= prepared.image >= low
        if high is not None:
            keep &= prepared.image <= high
    if options.resegment_sigma is not None and keep.any():
        inside = prepared.image[keep]
        centre, width = inside.mean(), options.resegment_sigma * inside.std()
        keep &= (prepared.image >= centre - width) & (prepared.image <= centre + width)
    if not keep.any():
        raise Unusable(
            reasons.EMPTY_AFTER_RESEGMENTATION,
            "No voxel of the region lies in the intensity range.",
            "Check the range and the units.",
        )
    return replace(prepared, intensities=keep)
