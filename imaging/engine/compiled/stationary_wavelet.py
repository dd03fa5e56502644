"""One round of the stationary wavelet transform along one axis, equal to PyWavelets' `swt` at level 1 to the last bit.

Both bands come from one reading of the data, and only the places asked for are computed. The transform is periodic. Products
are added in PyWavelets' order, which is another one where a filter wraps around the end of a line: the bands of a constant
region hold nothing but rounding errors, and on which side of 0 these lie decides grey levels.
"""

from __future__ import annotations

import numpy as np

from unibase.imaging.engine.compiled.machine_code import compiled

Array = np.ndarray


def decomposition_filters(wavelet: str, kind: np.dtype) -> Array:
    """Filters (2, n) of the low and the high band of a `wavelet` as PyWavelets has them in a number type, `kind`.

    Its 32-bit filters are not always its 64-bit ones rounded; the answer to an impulse shows them.

    >>> decomposition_filters("haar", np.dtype(np.float64)).round(4).tolist()
    [[0.7071, 0.7071], [-0.7071, 0.7071]]
    """
    import pywt

    reach = pywt.Wavelet(wavelet).dec_len
    impulse = np.zeros(2 * reach, dtype=kind)
    impulse[0] = 1
    bands = pywt.swt(impulse, wavelet, level=1, start_level=0)[0]
    return np.stack([np.roll(band, reach // 2)[:reach] for band in bands])


def split(data: Array, filters: Array, axis: int, start: int, stop: int) -> tuple[Array, Array]:
    """Low and high band along an axis.

    Args:
        data: float32 or float64 (z, y, x), contiguous.
        filters: (2, n) of the same number type, from `decomposition_filters`.
        axis: Which axis.
        start, stop: Places on the axis that are wanted.

    Returns:
        Two arrays of that number type, cut to `start` to `stop` on the axis.
    """
    n, reach = data.shape[axis], filters.shape[1]
    taps = np.tile(np.arange(reach), (stop - start, 1))
    place = np.arange(start, stop)[:, None] + reach // 2
    wrapped = place - n
    # Past the end the wrapped part comes first, from its far end.
    taps = np.where(taps <= wrapped, wrapped - taps, taps)
    sources = (place - taps) % n
    shape = tuple(stop - start if a == axis else size for a, size in enumerate(data.shape))
    outer, inner = int(np.prod(data.shape[:axis])), int(np.prod(data.shape[axis + 1 :]))
    bands = np.empty((2, outer, stop - start, inner), dtype=data.dtype)
    loop = _along_rows if axis == 2 else _across_rows
    loop(data.reshape(outer, n, inner), filters, taps, sources, bands)
    return bands[0].reshape(shape), bands[1].reshape(shape)


@compiled
def _add_products(low: np.ndarray, high: np.ndarray, source: np.ndarray, a: float, b: float, first: bool) -> None:
    """Add a and b times the source to the two bands; the first product begins them."""
    if first:
        for k in range(len(low)):
            low[k] = a * source[k]
            high[k] = b * source[k]
    else:
        for k in range(len(low)):
            low[k] += a * source[k]
            high[k] += b * source[k]


@compiled
def _across_rows(data: np.ndarray, filters: np.ndarray, taps: np.ndarray, sources: np.ndarray, bands: np.ndarray) -> None:
    """Filter the middle axis of (outer, n, inner); many lines side by side."""
    n_outer, _, n_inner = data.shape
    tile = 512
    for outer in range(n_outer):
        for first in range(0, n_inner, tile):
            past = min(first + tile, n_inner)
            for i in range(taps.shape[0]):
                low = bands[0, outer, i, first:past]
                high = bands[1, outer, i, first:past]
                for j in range(taps.shape[1]):
                    source = data[outer, sources[i, j], first:past]
                    _add_products(low, high, source, filters[0, taps[i, j]], filters[1, taps[i, j]], j == 0)


@compiled
def _along_rows(data: np.ndarray, filters: np.ndarray, taps: np.ndarray, sources: np.ndarray, bands: np.ndarray) -> None:
    """Filter rows of (outer, n, 1): those places side by side whose products follow one another in the same way."""
    n_places, reach = taps.shape
    plain = np.zeros(n_places, dtype=np.bool_)
    for i in range(n_places):
        plain[i] = True
        for j in range(reach):
            if taps[i, j] != j or sources[i, j] != sources[i, 0] - j:
                plain[i] = False
    first = 0
    while first < n_places and not plain[first]:
        first += 1
    past = n_places
    while past > first and not plain[past - 1]:
        past -= 1
    width = past - first
    for outer in range(data.shape[0]):
        row = data[outer, :, 0]
        for i in range(n_places):
            if first <= i < past:
                continue
            low = filters[0, taps[i, 0]] * row[sources[i, 0]]
            high = filters[1, taps[i, 0]] * row[sources[i, 0]]
            for j in range(1, reach):
                low += filters[0, taps[i, j]] * row[sources[i, j]]
                high += filters[1, taps[i, j]] * row[sources[i, j]]
            bands[0, outer, i, 0] = low
            bands[1, outer, i, 0] = high
        if width <= 0:
            continue
        lows = bands[0, outer, first:past, 0]
        highs = bands[1, outer, first:past, 0]
        for j in range(reach):
            begin = sources[first, j]
            _add_products(lows, highs, row[begin : begin + width], filters[0, j], filters[1, j], j == 0)
