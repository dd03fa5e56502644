"""Image types of PyRadiomics: each made on the region and what its filter needs around it, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from unibase.imaging.engine import local_patterns
from unibase.imaging.engine.compiled import recursive_gaussian, stationary_wavelet
from unibase.imaging.engine.near import Box, within
from unibase.imaging.engine.pyradiomics_scene import Scene, grown, sitk_image
from unibase.imaging.engine.setting import Setting

Array = np.ndarray


def image_types(name: str, scene: Scene, settings: Setting) -> Iterator[tuple[str, Array]]:
    """Filtered images of the type `name` cropped to the box of the region, one after the other, with their names.

    `scene` is the image around the region, `settings` those in force for the type.

    Raises:
        ValueError: If there is no such type.
    """
    image, box = scene.image, scene.box
    if name == "Original":
        yield "original", np.ascontiguousarray(image[box])
    elif name == "LoG":
        yield from _laplacians(scene, settings)
    elif name == "Wavelet":
        yield from _wavelets(scene, settings)
    elif name == "Gradient":
        yield "gradient", _gradient(scene, settings)
    elif name == "LBP2D":
        yield "lbp-2D", local_patterns.patterns_by_slice(scene, settings)
    elif name == "LBP3D":
        yield from local_patterns.patterns_on_sphere(scene, settings)
    else:
        values = image[box].astype(np.float64)
        # The scale comes from the whole image, as PyRadiomics takes it.
        top = np.float64(max(abs(float(image.min())), abs(float(image.max()))))
        with np.errstate(divide="ignore", invalid="ignore"):
            if name == "Square":
                yield "square", ((1 / np.sqrt(top)) * values) ** 2
            elif name == "SquareRoot":
                yield "squareroot", np.sign(values) * np.sqrt(np.abs(values) * top)
            elif name == "Logarithm":
                yield "logarithm", np.sign(values) * np.log(np.abs(values) + 1) * (top / np.log(top + 1))
            elif name == "Exponential":
                yield "exponential", np.exp(np.log(top) / top * values)
            else:
                raise ValueError(f"image type {name} is not supported")


def _laplacians(scene: Scene, settings: Setting) -> Iterator[tuple[str, Array]]:
    """Laplacian of Gaussian of each width, normalised across scales, as ITK's recursive filter gives it."""
    size = np.array(scene.image.shape)
    if size.min() < 4:
        return
    for sigma in settings.get("sigma", []):
        if sigma <= 0 or not (size >= np.ceil(sigma / scene.spacing) + 1).all():
            continue
        result = recursive_gaussian.laplacian(scene.image, scene.box, scene.spacing, float(sigma))
        yield f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D", result


def _gradient(scene: Scene, settings: Setting) -> Array:
    import SimpleITK as sitk

    crop = grown(scene.box, [2, 2, 2], scene.image.shape)
    gradient = sitk.GradientMagnitudeImageFilter()
    gradient.SetUseImageSpacing(settings.get("gradientUseSpacing", True))
    result = sitk.GetArrayFromImage(gradient.Execute(sitk_image(scene.image[crop], scene.spacing)))
    return np.ascontiguousarray(result[within(scene.box, crop)])


def _wavelets(scene: Scene, settings: Setting) -> Iterator[tuple[str, Array]]:
    """Stationary wavelet bands of each level, as PyWavelets gives them, along one axis after the other and cropped after each."""
    axes = [2, 1, 0]
    if settings.get("force2D", False):
        axes.remove(int(settings.get("force2Ddimension", 0)))
    # What is not floating point PyWavelets takes in 64 bits.
    kind = scene.image.dtype if scene.image.dtype.kind == "f" else np.dtype(np.float64)
    filters = stationary_wavelet.decomposition_filters(settings.get("wavelet", "coif1"), kind)
    start, levels = int(settings.get("start_level", 0)), int(settings.get("level", 1))
    rounds = start + levels
    # Each round reads at most one filter length further.
    reach = [rounds * filters.shape[1] + 2 if axis in axes else 0 for axis in range(3)]
    shape = scene.image.shape
    crop = list(grown(scene.box, reach, shape))
    for axis in axes:
        part = scene.box[axis]
        touches = part.start < reach[axis] or part.stop + reach[axis] > shape[axis]
        # The transform is periodic: near an end it reads from the other one, so the whole line is kept.
        if touches:
            crop[axis] = slice(0, shape[axis])
        elif (crop[axis].stop - crop[axis].start) % 2:
            crop[axis] = slice(
                crop[axis].start - (1 if crop[axis].start > 0 else 0), crop[axis].stop + (1 if crop[axis].start == 0 else 0)
            )
    data = scene.image[tuple(crop)]
    padding = [(0, n % 2 if (crop[a].stop - crop[a].start) % 2 else 0) for a, n in enumerate(shape)]
    data = np.ascontiguousarray(np.pad(data, padding, "wrap"), dtype=kind)
    inner = within(scene.box, tuple(crop))
    for round_number in range(1, rounds + 1):
        number = round_number - start
        if round_number > start:
            for band, values in _bands(data, filters, axes, inner, ""):
                # The lowest band goes into the next round; only the last one's is an image type, named by their number.
                if "H" in band or round_number == rounds:
                    yield f"wavelet-{band}" if number == 1 else f"wavelet{number}-{band}", values
        if round_number < rounds:
            for axis in axes:
                data = stationary_wavelet.split(data, filters, axis, 0, data.shape[axis])[0]


def _bands(data: Array, filters: Array, axes: list[int], inner: Box, name: str) -> Iterator[tuple[str, Array]]:
    """Bands of one round in PyWavelets' order of axes; what is no longer needed along an axis is dropped at once."""
    if not axes:
        outside = tuple(slice(None) if data.shape[a] == inner[a].stop - inner[a].start else inner[a] for a in range(3))
        yield name, np.ascontiguousarray(data[outside])
        return
    axis, rest = axes[0], axes[1:]
    low, high = stationary_wavelet.split(data, filters, axis, inner[axis].start, inner[axis].stop)
    yield from _bands(low, filters, rest, inner, name + "L")
    del low
    yield from _bands(high, filters, rest, inner, name + "H")
