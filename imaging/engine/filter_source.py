"""What filters read: an image that goes on beyond its edges, convolution along one axis, and pooling of responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from unibase.imaging.engine.compiled.line_convolution import convolve_lines
from unibase.imaging.engine.near import Box

Array = np.ndarray


class Source:
    """An image that goes on beyond its edges; gives the box with any margin along the filtered axes."""

    def __init__(self, image: Array, box: Box, boundary: str, axes: tuple[int, ...]) -> None:
        self.image, self.box, self.boundary, self.axes = image, box, boundary, axes

    def with_margin(self, margin: tuple[int, ...]) -> Array:
        """The box and `margin` voxels on both sides of each axis."""
        result = self.image
        for axis, (part, extra) in enumerate(zip(self.box, margin, strict=True)):
            size = self.image.shape[axis]
            if part.start >= extra and part.stop + extra <= size:
                whole = slice(part.start - extra, part.stop + extra)
                result = result[tuple(whole if a == axis else slice(None) for a in range(3))]
                continue
            index = np.arange(part.start - extra, part.stop + extra)
            inside = (index >= 0) & (index < size)
            if self.boundary == "periodic":
                index = index % size
            elif self.boundary == "mirror":
                folded = index % (2 * size)
                index = np.where(folded < size, folded, 2 * size - 1 - folded)
            else:
                index = np.clip(index, 0, size - 1)
            result = np.take(result, index, axis=axis)
            if self.boundary == "zero" and not inside.all():
                shape = [1, 1, 1]
                shape[axis] = len(inside)
                result = result * inside.reshape(shape)
        return np.asarray(result, dtype=np.float64)


def trim(array: Array, margin: tuple[int, ...]) -> Array:
    """Return an array (z, y, x) without a margin on both sides of each axis.

    >>> trim(np.arange(27).reshape(3, 3, 3), (1, 1, 1)).tolist()
    [[[13]]]
    """
    return array[tuple(slice(m, n - m) for m, n in zip(margin, array.shape, strict=True))]


def margin_of(axes: tuple[int, ...], width: int | Mapping[int, int]) -> tuple[int, ...]:
    """Return a margin (z, y, x) of one width, or of one for each axis, along the filtered axes alone.

    >>> margin_of((1, 2), 3)
    (0, 3, 3)
    """
    return tuple((width if isinstance(width, int) else width[a]) if a in axes else 0 for a in range(3))


def convolve(array: Array, kernel: Array, axis: int, lost: int = 0) -> Array:
    """Convolution of `array` (z, y, x) along one axis, zeros beyond; an even kernel has its centre at half its length.

    Places within `lost` of the axis's ends are neither wanted nor computed: the result is shorter by twice as many.

    >>> convolve(np.array([[[0.0, 1.0, 0.0]]]), np.array([1.0, 2.0, 1.0]), axis=2).tolist()
    [[[1.0, 2.0, 1.0]]]
    """
    return convolve_lines(np.asarray(array, dtype=np.float64), np.asarray(kernel, dtype=np.float64), axis, lost)


def pooled(responses: Callable[[], Any], pooling: str) -> Array:
    """Maximum, mean or minimum (`pooling`) over response maps, one at a time; `responses` gives them.

    Raises:
        ValueError: If the pooling is none of `max`, `mean`, `min`.

    >>> pooled(lambda: iter([np.array([1.0, 4.0]), np.array([3.0, 2.0])]), "max").tolist()
    [3.0, 4.0]
    """
    total: Array | None = None
    number = 0
    combine = {"max": np.maximum, "min": np.minimum, "mean": np.add}.get(pooling)
    if combine is None:
        raise ValueError(f"pooling {pooling!r} is unknown; known: max, mean, min")
    for response in responses():
        total = response if total is None else combine(total, response)
        number += 1
    assert total is not None
    return total / number if pooling == "mean" else total
