"""Local binary patterns as PyRadiomics makes them: LBP2D by slice, LBP3D on a sphere of samples around each voxel.

LBP2D is that of scikit-image (Ojala 2002), LBP3D that of Banerjee et al. 2013 as PyRadiomics 3 wrote it down: the samples are
steps of voxels whatever the spacing, and the spherical harmonics take the polar angle for the azimuth. Both read no further
than their samples reach, so they are made on the region and what lies around it.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from unibase.imaging.engine.compiled import circular_patterns
from unibase.imaging.engine.near import within
from unibase.imaging.engine.pyradiomics_scene import Scene, grown
from unibase.imaging.engine.setting import Setting

Array = np.ndarray

SPLINE_REACH = 64
"""Voxels after which a cubic spline no longer knows where its line began, to the last bit (its pole is 0.268)."""

_AT_ONCE = 4096
_METHODS = {
    "uniform": circular_patterns.UNIFORM,
    "default": circular_patterns.DEFAULT,
    "ror": circular_patterns.LEAST_ROTATION,
    "var": circular_patterns.VARIANCE,
}


def patterns_by_slice(scene: Scene, settings: Setting) -> Array:
    """Return LBP2D of the box of a scene (z, y, x), slice by slice across `force2Ddimension`.

    PyRadiomics writes the patterns in the number type of the image. What does not fit into it is NaN here.

    Args:
        scene: The image around the region.
        settings: `lbp2DRadius`, `lbp2DSamples`, `lbp2DMethod`, `force2Ddimension`.
    """
    radius, samples = settings.get("lbp2DRadius", 1), int(settings.get("lbp2DSamples", 8))
    method, axis = _METHODS[settings.get("lbp2DMethod", "uniform")], int(settings.get("force2Ddimension", 0))
    angles = 2 * np.pi * np.arange(samples) / samples
    circle = np.round(np.column_stack([-radius * np.sin(angles), radius * np.cos(angles)]), 5)
    reach = [0 if other == axis else int(np.ceil(radius)) + 1 for other in range(3)]
    crop = grown(scene.box, reach, scene.image.shape)
    planes = scene.image[crop].astype(np.float64).swapaxes(0, axis)
    first = np.array([part.start for part in crop])
    first[[0, axis]] = first[[axis, 0]]
    inner = list(within(scene.box, crop))
    inner[0], inner[axis] = inner[axis], inner[0]
    box = np.array([inner[1].start, inner[2].start, inner[1].stop, inner[2].stop])
    found = [circular_patterns.patterns(np.ascontiguousarray(plane), first[1:], box, circle, method) for plane in planes]
    return _in_type(np.stack(found).swapaxes(0, axis), scene.image.dtype)


def _in_type(values: Array, kind: np.dtype[Any]) -> Array:
    """Return values in a number type; as float64 with NaN where one does not fit."""
    if kind.kind == "f":
        return np.ascontiguousarray(values, dtype=kind)
    limits = np.iinfo(kind)
    fits = (values >= limits.min) & (values <= limits.max)
    return values.astype(kind) if fits.all() else np.where(fits, np.trunc(values), np.nan)


def icosphere(subdivisions: int, radius: float) -> Array:
    """Return points (n, 3) evenly on a sphere: the corners of an icosahedron, and the middles of its edges again and again.

    They are the vertices of trimesh's icosphere, to the bit; `subdivisions` is how often edges are cut in two, `radius` that of the sphere.

    >>> len(icosphere(0, 1.0)), len(icosphere(1, 1.0)), len(icosphere(2, 1.0))
    (12, 42, 162)
    """
    short, long = 0.5257311121191336, 0.85065080835204  # 1 and the golden ratio, on the unit sphere
    points = np.array(
        [[x, y, 0.0] for y in (long, -long) for x in (-short, short)]
        + [[0.0, x, y] for y in (long, -long) for x in (-short, short)]
        + [[y, 0.0, x] for y in (long, -long) for x in (-short, short)]
    )
    faces = _faces_of(points)
    for _ in range(subdivisions):
        points, faces = _halved(points, faces)
        points = _onto(points, radius)
    return points if subdivisions else _onto(points, radius)


def _faces_of(points: Array) -> Array:
    """Return the faces (20, 3) of an icosahedron: triples of corners that are neighbours of one another."""
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    near = (distance > 0) & (distance < 1.1)
    triples = itertools.combinations(range(len(points)), 3)
    faces = [(a, b, c) for a, b, c in triples if near[a, b] and near[b, c] and near[a, c]]
    return np.array(faces)


def _halved(points: Array, faces: Array) -> tuple[Array, Array]:
    """Return points and faces with the middle of each edge as a point, and four faces for each."""
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]], axis=2)
    # By the second corner first: trimesh's order, in which PyRadiomics adds the samples up in 32 bits.
    unique, place = np.unique(edges.reshape(-1, 2)[:, ::-1], axis=0, return_inverse=True)
    unique = unique[:, ::-1]
    middle = place.reshape(-1, 3) + len(points)
    a, b, c = faces.T
    ab, bc, ca = middle.T
    quarters = [np.column_stack(corners) for corners in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
    return np.vstack([points, points[unique].mean(axis=1)]), np.vstack(quarters)


def _onto(points: Array, radius: float) -> Array:
    length = np.sqrt(np.dot(points**2, [1, 1, 1]))
    moved: Array = points + points / length.reshape(-1, 1) * (radius - length).reshape(-1, 1)
    return moved


def patterns_on_sphere(scene: Scene, settings: Setting) -> Iterator[tuple[str, Array]]:
    """Yield LBP3D of the region, float64 (z, y, x) in the box of the scene, by name: `lbp-3D-m1`, ... and the kurtosis `lbp-3D-k`.

    Args:
        scene: The image around the region.
        settings: `lbp3DLevels`, `lbp3DIcosphereRadius`, `lbp3DIcosphereSubdivision`.
    """
    radius, levels = settings.get("lbp3DIcosphereRadius", 1), int(settings.get("lbp3DLevels", 2))
    sphere = icosphere(int(settings.get("lbp3DIcosphereSubdivision", 1)), float(radius))
    mask = scene.region.part(scene.box)
    where = np.argwhere(mask)
    samples = _Samples.of(scene, sphere, int(np.ceil(radius)) + 1)
    harmonics, orders = _harmonics(sphere, float(radius), levels)
    found = np.empty((len(where), levels + 1))
    for begin in range(0, len(where), _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        found[part] = _described(*samples.around(where[part]), harmonics, orders)
    for number in range(levels + 1):
        image = np.zeros(mask.shape)
        image[mask] = found[:, number]
        yield f"lbp-3D-m{number + 1}" if number < levels else "lbp-3D-k", image


class _Samples:
    """Values of an image on spheres around voxels, by cubic splines; beyond the image is 0."""

    def __init__(self, spline: Array, image: Array, start: Array, offset: Array, sphere: Array) -> None:
        self._spline, self._image, self._start, self._offset, self._sphere = spline, image, start, offset, sphere

    @classmethod
    def of(cls, scene: Scene, sphere: Array, reach: int) -> _Samples:
        """Return the samples of a scene; the spline is made on the box and what it can feel around it."""
        from scipy.ndimage import spline_filter

        crop = grown(scene.box, [reach + SPLINE_REACH] * 3, scene.image.shape)
        image = scene.image[crop]
        start, first = (np.array([part.start for part in box]) for box in (scene.box, crop))
        return cls(spline_filter(image, 3, np.float64), image, start, first, sphere)

    def around(self, where: Array) -> tuple[Array, Array]:
        """Return the samples (n, points) around voxels (n, 3) of the box, and the values (n,) of these voxels."""
        from scipy.ndimage import map_coordinates

        centres = where + self._start
        # Places are added in the whole image, so that their rounding is PyRadiomics' own; the difference is exact.
        places = (centres[None] + self._sphere[:, None]) - self._offset
        samples = map_coordinates(self._spline, places.T, output=self._image.dtype, order=3, prefilter=False)
        return samples, self._image[tuple((centres - self._offset).T)]


def _harmonics(sphere: Array, radius: float, levels: int) -> tuple[Array, Array]:
    """Return spherical harmonics (points, coefficients) below a level, and the order (coefficients,) of each."""
    from scipy.special import sph_harm_y

    polar = np.arccos(np.true_divide(sphere[:, 2], radius))
    azimuth = np.arctan2(sphere[:, 1], sphere[:, 0])
    pairs = [(n, m) for n in range(levels) for m in range(-n, n + 1)]
    # PyRadiomics gives the polar angle where SciPy's former function asked for the azimuth.
    return np.column_stack([sph_harm_y(n, m, azimuth, polar) for n, m in pairs]), np.array([n for n, _ in pairs])


def _described(samples: Array, centres: Array, harmonics: Array, orders: Array) -> Array:
    """Return for each voxel (n,) the norm of its signs in each order of the harmonics, and the kurtosis of its samples."""
    from scipy.stats import kurtosis

    signs = np.greater_equal(samples, centres[:, None]).astype(int)
    coefficients = np.multiply(signs[:, :, None], harmonics[None]).sum(axis=1)
    norms = []
    for order in range(int(orders[-1]) + 1):
        mine = orders == order
        parts = np.multiply(coefficients[:, None, mine], harmonics[None, :, mine]).sum(axis=2)
        norms.append(np.sqrt((parts**2).sum(axis=1)).real)
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        # SciPy warns where all samples are nearly equal; where they are equal it answers NaN, which is refused by name.
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.column_stack([*norms, np.real(kurtosis(samples, axis=1))])
