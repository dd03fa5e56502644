"""Convolutional image filters after IBSI 2 (reference manual, "Image filters"): mean, LoG, Laws, Gabor, wavelets, Riesz.

A filter is a mapping: `filter` names its kind, the rest are its parameters (see `apply`). The response is computed for a
box of the image from just the voxels that decide it; beyond the edge of the image the boundary condition continues it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from math import factorial
from typing import cast

import numpy as np

from unibase.imaging.engine.filter_source import Source, convolve, margin_of, pooled, trim
from unibase.imaging.engine.setting import FilterSettings

Array = np.ndarray
Box = tuple[slice, ...]

BOUNDARIES = ("zero", "nearest", "periodic", "mirror")

LAWS = {
    "L3": np.array([1, 2, 1]) / np.sqrt(6),
    "L5": np.array([1, 4, 6, 4, 1]) / np.sqrt(70),
    "E3": np.array([-1, 0, 1]) / np.sqrt(2),
    "E5": np.array([-1, -2, 0, 2, 1]) / np.sqrt(10),
    "S3": np.array([-1, 2, -1]) / np.sqrt(6),
    "S5": np.array([-1, 0, 2, 0, -1]) / np.sqrt(6),
    "W5": np.array([-1, 2, 0, -2, 1]) / np.sqrt(10),
    "R5": np.array([1, -4, 6, -4, 1]) / np.sqrt(70),
}
"""Laws' kernels, each of unit norm."""

_DEFAULTS: dict[str, FilterSettings] = {
    "mean": {"size": 5},
    "log": {"sigma": 1.5, "truncate": 4.0},
    "laws": {"kernel": "L5E5E5", "rotation_invariance": False, "pooling": "max", "energy_distance": 0},
    "gabor": {
        "sigma": 5.0,
        "wavelength": 2.0,
        "gamma": 1.0,
        "theta": 0.0,
        "rotation_invariance": False,
        "theta_step": 45.0,
        "pooling": "mean",
        "orthogonal_planes": False,
    },
    "wavelet": {"wavelet": "coif1", "band": "LLH", "level": 1, "rotation_invariance": False, "pooling": "mean"},
    "simoncelli": {"level": 1},
    "riesz_log": {"sigma": 1.5, "truncate": 4.0, "order": (1, 0, 0)},
    "riesz_simoncelli": {"level": 1, "order": (1, 0, 0)},
}


LOCAL = ("mean", "log", "laws", "wavelet")
"""Filters whose response at a voxel is summed from the voxels in reach, in one order."""


def apply(image: Array, spacing: Array, box: Box, by_slice: bool, parameters: FilterSettings) -> Array:
    """Return the response of one filter in a box of the image.

    Args:
        image: float64 (z, y, x), finite.
        spacing: Voxel spacing (z, y, x) in mm.
        box: Where the response is wanted, within the image.
        by_slice: Filter each slice (y, x) alone instead of the volume.
        parameters: `filter` and its parameters, with `boundary` (zero, nearest, periodic, mirror; mirror by default):

            - `mean`: `size` in voxels, odd.
            - `log`: `sigma` in mm, `truncate` in sigma.
            - `laws`: `kernel` (`L5E5S5`: along x, y, z), `rotation_invariance`, `pooling` (max, mean, min),
              `energy_distance` in voxels (0: no energy map).
            - `gabor`: in-plane, modulus; `sigma` and `wavelength` in mm, `gamma`, `theta` in degrees, or
              `rotation_invariance` with `theta_step`, `pooling`, `orthogonal_planes`.
            - `wavelet`: undecimated and separable; `wavelet` (PyWavelets' name), `band` (`LLH`: along x, y, z), `level`,
              `rotation_invariance`, `pooling`.
            - `simoncelli`: non-separable; `level`.
            - `riesz_log`, `riesz_simoncelli`: Riesz transform of `order` (x, y, z) of those.

    Returns:
        float64 array of the shape of the box.

    Raises:
        ValueError: A kind, parameter or value is unknown; the text names the allowed ones.
    """
    kind = parameters.get("filter")
    if kind not in _DEFAULTS:
        raise ValueError(f"filter {kind!r} is unknown; known: {', '.join(_DEFAULTS)}")
    given = {key: value for key, value in parameters.items() if key not in ("filter", "boundary")}
    unknown = sorted(set(given) - set(_DEFAULTS[kind]))
    if unknown:
        raise ValueError(f"filter {kind}: unknown {', '.join(unknown)}; known: {', '.join(_DEFAULTS[kind])}")
    boundary = parameters.get("boundary", "mirror")
    if boundary not in BOUNDARIES:
        raise ValueError(f"boundary {boundary!r} is unknown; known: {', '.join(BOUNDARIES)}")
    chosen = cast("FilterSettings", {**_DEFAULTS[kind], **given})
    axes = (1, 2) if by_slice else (0, 1, 2)
    return _FILTERS[kind](Source(image, box, boundary, axes), np.asarray(spacing, dtype=float), chosen)


def reach_mm(parameters: FilterSettings, spacing: Array) -> float:
    """How far around a voxel, in mm, the image decides the response of a filter: 64 voxels for one given by frequencies.

    `parameters` are the filter's, `spacing` is (z, y, x) in mm.
    """
    p: FilterSettings = {**_DEFAULTS[parameters["filter"]], **parameters}
    widest = float(np.max(spacing))
    if p["filter"] == "mean":
        return float(p["size"] / 2 * widest)
    if p["filter"] == "log":
        return float(p["truncate"] * p["sigma"] + widest)
    if p["filter"] == "laws":
        return float((2 + p["energy_distance"]) * widest)
    if p["filter"] == "gabor":
        return float(6 * p["sigma"] * max(1.0, 1 / p["gamma"]) + widest)
    if p["filter"] == "wavelet":
        import pywt

        return float(pywt.Wavelet(p["wavelet"]).dec_len * (2 ** int(p["level"]) - 1) * widest)
    return 64 * widest


def _mean(source: Source, spacing: Array, p: FilterSettings) -> Array:
    size = int(p["size"])
    if size < 1 or size % 2 == 0:
        raise ValueError("mean: size must be odd and positive")
    margin = margin_of(source.axes, size // 2)
    result = source.with_margin(margin)
    for axis in source.axes:
        result = convolve(result, np.full(size, 1 / size), axis, size // 2)
    return result


def _log(source: Source, spacing: Array, p: FilterSettings) -> Array:
    radii = _log_radii(source, spacing, p)
    margin = margin_of(source.axes, radii)
    return _laplacian(source.with_margin(margin), source.axes, spacing, p, radii)


def _log_radii(source: Source, spacing: Array, p: FilterSettings) -> dict[int, int]:
    return {axis: int(np.floor(p["truncate"] * p["sigma"] / spacing[axis] + 0.5)) for axis in source.axes}


def _laplacian(array: Array, axes: tuple[int, ...], spacing: Array, p: FilterSettings, radii: Mapping[int, int]) -> Array:
    """Sum over axes of the second derivative of the Gaussian on one and the Gaussian on the others, cut to a cube.

    Loses `radii` voxels on both sides of each axis. Two images go from axis to axis: smoothed on all axes so far, and
    derived on one of them.
    """
    smooth, derived = array, None
    for axis in axes:
        sigma = p["sigma"] / spacing[axis]
        k = np.arange(-radii[axis], radii[axis] + 1)
        gaussian = np.exp(-(k**2) / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma)
        second = gaussian * (k**2 / sigma**4 - 1 / sigma**2)
        here = convolve(smooth, second, axis, radii[axis])
        if derived is not None:
            here += convolve(derived, gaussian, axis, radii[axis])
        derived = here
        if axis != axes[-1]:
            smooth = convolve(smooth, gaussian, axis, radii[axis])
    assert derived is not None
    return derived


def _rotations(axes: tuple[int, ...]) -> list[tuple[tuple[int, ...], tuple[bool, ...]]]:
    """Turns by right angles: which of the kernels lies along each axis, and whether it is reversed."""
    result = []
    for order in itertools.permutations(range(len(axes))):
        swaps = sum(a > b for a, b in itertools.combinations(order, 2))
        for flips in itertools.product((False, True), repeat=len(axes)):
            if (swaps + sum(flips)) % 2 == 0:
                result.append((order, flips))
    return result


def _separable(array: Array, axes: tuple[int, ...], kernels: list[Array], p: FilterSettings) -> Array:
    """One separable kernel (its factors in the order of `axes`), in all its right-angle turns when asked for."""
    turns = _rotations(axes) if p["rotation_invariance"] else [(tuple(range(len(axes))), (False,) * len(axes))]

    def responses() -> object:
        seen: dict[tuple[bytes, ...], int] = {}
        for order, flips in turns:
            parts = [kernels[k][::-1] if flip else kernels[k] for k, flip in zip(order, flips, strict=True)]
            key = tuple(part.tobytes() for part in parts)
            seen[key] = seen.get(key, 0) + 1
        # Turns that give one and the same kernel are computed once; each counts as often, so the mean stays the mean.
        for key in seen:
            result = array
            for axis, part in zip(axes, key, strict=True):
                result = convolve(result, np.frombuffer(part), axis)
            yield result

    return pooled(responses, p["pooling"])


def _laws(source: Source, spacing: Array, p: FilterSettings) -> Array:
    name = str(p["kernel"])
    names = [name[i : i + 2] for i in range(0, len(name), 2)]
    if len(names) != len(source.axes) or any(n not in LAWS for n in names):
        raise ValueError(f"laws: kernel {name!r} must be {len(source.axes)} of {', '.join(LAWS)}")
    # Names go x, y, z; axes z, y, x.
    kernels = [LAWS[n].astype(np.float64) for n in names[::-1]]
    reach, delta = max(len(k) // 2 for k in kernels), int(p["energy_distance"])
    margin = margin_of(source.axes, reach + delta)
    response = _separable(source.with_margin(margin), source.axes, kernels, p)
    if delta:
        response = np.abs(response)
        if source.boundary == "zero":
            # Outside the image there is no response either.
            for axis in source.axes:
                index = np.arange(source.box[axis].start - margin[axis], source.box[axis].stop + margin[axis])
                shape = [1, 1, 1]
                shape[axis] = len(index)
                response *= ((index >= 0) & (index < source.image.shape[axis])).reshape(shape)
        for axis in source.axes:
            response = convolve(response, np.full(2 * delta + 1, 1 / (2 * delta + 1)), axis)
    return trim(response, margin)


def _gabor(source: Source, spacing: Array, p: FilterSettings) -> Array:
    """In-plane Gabor filter: modulus of the response, pooled over orientations and over the three planes when asked for."""
    from scipy import fft

    planes = [(1, 2), (0, 2), (0, 1)] if p["orthogonal_planes"] and len(source.axes) == 3 else [(1, 2)]
    if p["rotation_invariance"]:
        number = round(360 / p["theta_step"])
        # Opposite orientations have one modulus.
        thetas = [k * p["theta_step"] for k in range(number // 2 if number % 2 == 0 else number)]
    else:
        thetas = [p["theta"]]

    def responses() -> object:
        for plane in planes:
            sigma, wavelength = p["sigma"] / spacing[plane[1]], p["wavelength"] / spacing[plane[1]]
            # Beyond six sigma the envelope is below 2e-8.
            radius = int(np.ceil(6 * sigma * max(1.0, 1 / p["gamma"])))
            margin = margin_of(plane, radius)
            array = source.with_margin(margin)
            shape = [fft.next_fast_len(array.shape[a]) for a in plane]
            spectrum = fft.fftn(array, shape, axes=plane)
            k = np.arange(-radius, radius + 1)
            down, right = np.meshgrid(k, k, indexing="ij")
            for theta in np.deg2rad(thetas):
                # Angles run from the first to the second axis of the image (x to y).
                along = right * np.cos(theta) + down * np.sin(theta)
                across = down * np.cos(theta) - right * np.sin(theta)
                kernel = np.exp(-(along**2 + p["gamma"] ** 2 * across**2) / (2 * sigma**2) + 2j * np.pi * along / wavelength)
                factor = fft.fftn(kernel, shape)
                moved = fft.ifftn(spectrum * np.expand_dims(factor, ({0, 1, 2} - set(plane)).pop()), axes=plane)
                # The product wraps around; what is whole starts at twice the radius.
                keep = tuple(slice(2 * radius, array.shape[a]) if a in plane else slice(None) for a in range(3))
                yield np.abs(moved[keep])

    return pooled(responses, p["pooling"])


def _wavelet(source: Source, spacing: Array, p: FilterSettings) -> Array:
    """Undecimated separable wavelet: low-pass to the level before, then the band; filters are spread at each level."""
    import pywt

    band, level = str(p["band"]), int(p["level"])
    if len(band) != len(source.axes) or set(band) - set("LH"):
        raise ValueError(f"wavelet: band {band!r} must be {len(source.axes)} letters of L and H")
    wavelet = pywt.Wavelet(p["wavelet"])
    low, high = np.array(wavelet.dec_lo), np.array(wavelet.dec_hi)

    def spread(kernel: Array, step: int) -> Array:
        out = np.zeros(len(kernel) * 2 ** (step - 1))
        out[:: 2 ** (step - 1)] = kernel
        return out

    stages = [[spread(low, step)] * len(band) for step in range(1, level)]
    stages.append([spread(low if letter == "L" else high, level) for letter in band[::-1]])
    reach = sum(max(len(k) for k in stage) for stage in stages)
    margin = margin_of(source.axes, reach)
    array = source.with_margin(margin)
    turns = _rotations(source.axes) if p["rotation_invariance"] else [(tuple(range(len(band))), (False,) * len(band))]

    def responses() -> object:
        for order, flips in turns:
            result = array
            for stage in stages:
                # The margin is used up by the last round.
                lost = reach if stage is stages[-1] else 0
                for axis, k, flip in zip(source.axes, order, flips, strict=True):
                    # Turning the kernel is turning the image: an even kernel keeps its centre only so.
                    result = (
                        np.flip(convolve(np.flip(result, axis), stage[k], axis, lost), axis)
                        if flip
                        else convolve(result, stage[k], axis, lost)
                    )
            yield result

    return pooled(responses, p["pooling"])


def _frequencies(shape: tuple[int, ...], axes: tuple[int, ...]) -> list[Array]:
    """Frequency along each filtered axis from -1 to 1, shaped to broadcast.

    The published responses come from a grid that places its n points evenly from -1 to 1, both included, so that an
    even number of points has none at zero.
    """
    result = []
    for axis in axes:
        line = [1, 1, 1]
        line[axis] = shape[axis]
        result.append(np.fft.ifftshift(np.linspace(-1, 1, shape[axis])).reshape(line))
    return result


def _simoncelli_response(shape: tuple[int, ...], axes: tuple[int, ...], level: int) -> Array:
    radius = np.sqrt(sum(f**2 for f in _frequencies(shape, axes)))
    top = 2.0 ** (1 - level)
    with np.errstate(divide="ignore"):
        ratio = np.log2(2 * radius / top)
    return np.where((radius > top / 4) & (radius <= top), np.cos(np.pi / 2 * np.where(np.isfinite(ratio), ratio, 0)), 0.0)


def _riesz_response(shape: tuple[int, ...], axes: tuple[int, ...], order: tuple[int, ...]) -> Array:
    """Riesz transform of an order given as (x, y, z)."""
    frequencies = _frequencies(shape, axes)
    powers = tuple(order)[::-1]
    degree = sum(powers)
    radius = np.sqrt(sum(f**2 for f in frequencies))
    weight = np.sqrt(factorial(degree) / np.prod([factorial(k) for k in powers]))
    product = np.ones(())
    for frequency, power in zip(frequencies, powers, strict=True):
        product = product * frequency**power
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(radius > 0, (-1j) ** degree * weight * product / radius**degree, 0)


def _spectral(array: Array, axes: tuple[int, ...], response: Array) -> Array:
    from scipy import fft

    return np.asarray(fft.ifftn(fft.fftn(array, axes=axes) * response, axes=axes).real)


def _whole(source: Source) -> tuple[Array, Box]:
    """The image with its continuation on all sides as wide as the filters' slow decay asks for, and the box in it."""
    if source.boundary == "periodic":
        return source.image, source.box
    margin = tuple(min(n, 64) if a in source.axes else 0 for a, n in enumerate(source.image.shape))
    outer = tuple(
        slice(0, n) if a in source.axes else b for a, (n, b) in enumerate(zip(source.image.shape, source.box, strict=True))
    )
    wide = Source(source.image, outer, source.boundary, source.axes).with_margin(margin)
    inner = tuple(
        slice(b.start + m, b.stop + m) if a in source.axes else slice(0, b.stop - b.start)
        for a, (b, m) in enumerate(zip(source.box, margin, strict=True))
    )
    return wide, inner


def _simoncelli(source: Source, spacing: Array, p: FilterSettings) -> Array:
    array, inner = _whole(source)
    return _spectral(array, source.axes, _simoncelli_response(array.shape, source.axes, int(p["level"])))[inner]


def _riesz_log(source: Source, spacing: Array, p: FilterSettings) -> Array:
    array, inner = _whole(source)
    response = _riesz_response(array.shape, source.axes, p["order"])
    smooth = _laplacian_periodic(array, source.axes, spacing, p, _log_radii(source, spacing, p))
    return _spectral(smooth, source.axes, response)[inner]


def _laplacian_periodic(
    array: Array, axes: tuple[int, ...], spacing: Array, p: FilterSettings, radii: Mapping[int, int]
) -> Array:
    margin = margin_of(axes, radii)
    box = tuple(slice(0, n) for n in array.shape)
    return _laplacian(Source(array, box, "periodic", axes).with_margin(margin), axes, spacing, p, radii)


def _riesz_simoncelli(source: Source, spacing: Array, p: FilterSettings) -> Array:
    array, inner = _whole(source)
    response = _simoncelli_response(array.shape, source.axes, int(p["level"])) * _riesz_response(
        array.shape, source.axes, p["order"]
    )
    return _spectral(array, source.axes, response)[inner]


_FILTERS: dict[str, Callable[[Source, Array, FilterSettings], Array]] = {
    "mean": _mean,
    "log": _log,
    "laws": _laws,
    "gabor": _gabor,
    "wavelet": _wavelet,
    "simoncelli": _simoncelli,
    "riesz_log": _riesz_log,
    "riesz_simoncelli": _riesz_simoncelli,
}
