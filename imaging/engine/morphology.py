"""Shape of a region: surface mesh, axes, diameters, densities, spatial autocorrelation (IBSI reference manual v11, 3.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imaging.engine import kernels

Array = np.ndarray


def padded_mask(mask: Array) -> Array:
    """Mask as uint8 with one 0 around it."""
    out = np.zeros(tuple(n + 2 for n in mask.shape), dtype=np.uint8)
    out[1:-1, 1:-1, 1:-1] = mask
    return out


def mesh_measures(mask: Array, spacing: Array, triangles: tuple[Array, Array, Array]) -> tuple[float, float]:
    """Volume and area of the surface mesh.

    Args:
        mask: uint8, padded by one 0.
        spacing: Voxel spacing (z, y, x) in mm.
        triangles: A table of `mesh_table`.

    Returns:
        Volume in mm3 (signed sum over tetrahedra from the first voxel of the padded mask) and area in mm2.
    """
    counts, places = kernels.cube_configurations(mask)
    corners, configuration, share = triangles
    p, q, r = (corners[:, k] * spacing for k in range(3))
    area = np.linalg.norm(np.cross(q - p, r - p), axis=1) / 2
    # Moving a triangle by o changes p x q . r by o . (p x q + q x r + r x p).
    local = -np.einsum("ij,ij->i", np.cross(p, q), r)
    moved = -(np.cross(p, q) + np.cross(q, r) + np.cross(r, p))
    number = counts[configuration] * share
    offsets = places[configuration] * share[:, None] * spacing
    volume = float((number * local).sum() + (offsets * moved).sum()) / 6
    return volume, float((number * area).sum())


def hull_vertices(points: Array) -> Array:
    """Those of the points (n, d) that are corners of their convex hull; all of them where the hull is flat."""
    from scipy.spatial import ConvexHull, QhullError

    if len(points) <= points.shape[1] + 1:
        return points
    try:
        return points[ConvexHull(points).vertices]
    except QhullError:
        return points


def largest_diameter(points: Array) -> float:
    """Largest distance between two of the points."""
    return float(np.sqrt(kernels.largest_distance(np.ascontiguousarray(hull_vertices(points)))))


@dataclass(frozen=True)
class Hull:
    """Convex hull of the mesh: volume in mm3, area in mm2, corners (n, 3) in mm, outward normals of its facets."""

    volume: float
    area: float
    corners: Array
    normals: Array


def convex_hull(points: Array) -> Hull:
    """Convex hull of points (n, 3) in mm that span a volume, as mesh vertices always do."""
    from scipy.spatial import ConvexHull

    hull = ConvexHull(points)
    return Hull(
        float(hull.volume), float(hull.area), points[hull.vertices], np.unique(np.round(hull.equations[:, :3], 12), axis=0)
    )


def principal_moments(mask: Array, spacing: Array) -> Array:
    """Eigenvalues of the covariance (divisor N) of the voxel centres in mm, ascending, never below 0.

    Args:
        mask: bool or uint8 (z, y, x).
        spacing: Voxel spacing (z, y, x) in mm.
    """
    covariance = position_covariance(mask, spacing)
    moments = np.linalg.eigvalsh(covariance)
    # Voxels in a plane or on a line: what rounding leaves is not an extent.
    return np.where(moments < 1e-12 * moments[-1], 0.0, moments)


def position_covariance(mask: Array, spacing: Array) -> Array:
    """Covariance (divisor N) of the voxel centres in mm, from exact sums of indices."""
    sums, products, n = kernels.index_moments(np.asarray(mask).view(np.uint8))
    # Whole numbers up to here: n * products - sums sums' is exact, no cancellation.
    exact = np.array(
        [[int(n) * int(products[a, b]) - int(sums[a]) * int(sums[b]) for b in range(3)] for a in range(3)], dtype=object
    )
    covariance = np.array([[float(exact[a, b]) for b in range(3)] for a in range(3)]) / float(n) ** 2
    return covariance * np.outer(spacing, spacing)


def ellipsoid_area(a: float, b: float, c: float) -> float:
    """Surface of an ellipsoid with semi-axes a >= b >= c: series of Legendre polynomials of 20 terms, as IBSI gives it.

    The published values follow this series. It equals the true area for a sphere only (19 % less for axes 2:1:1).
    """
    if a <= 0 or b <= 0 or c <= 0:
        return float("nan")
    alpha = np.sqrt(1 - b**2 / a**2)
    beta = np.sqrt(1 - c**2 / a**2)
    total = 0.0
    for v in range(21):
        # At alpha or beta 0 the product alpha beta P((a2 + b2) / 2ab) keeps a finite limit; the even terms use it.
        total += _scaled_legendre(v, alpha, beta) / (1 - 4 * v**2)
    return float(4 * np.pi * a * b * total)


def _scaled_legendre(order: int, alpha: float, beta: float) -> float:
    """(alpha beta)^order P_order((alpha^2 + beta^2) / (2 alpha beta)), by its recurrence, finite at alpha beta = 0."""
    s, t = (alpha**2 + beta**2) / 2, (alpha * beta) ** 2
    before, now = 1.0, s
    if order == 0:
        return before
    for k in range(1, order):
        before, now = now, ((2 * k + 1) * s * now - k * t * before) / (k + 1)
    return now


def spatial_autocorrelation(image: Array, mask: Array, spacing: Array) -> tuple[float, float]:
    """Moran's I and Geary's C with inverse distance weights, over all pairs of voxels.

    The sums over pairs are correlations, so they are taken exactly (to rounding) by Fourier transforms of the
    bounding box padded to twice its size; a test compares with the double loop.

    Args:
        image: float64 (z, y, x).
        mask: bool, the intensity mask.
        spacing: Voxel spacing (z, y, x) in mm.

    Returns:
        (I, C); NaN for a region of one voxel or of one intensity.
    """
    from scipy import fft

    n = int(mask.sum())
    if n < 2:
        return float("nan"), float("nan")
    values = image[mask]
    mean = values.mean()
    squares = float(((values - mean) ** 2).sum())
    if squares <= 0:
        return float("nan"), float("nan")
    shape = tuple(fft.next_fast_len(2 * size - 1, real=True) for size in mask.shape)
    centred = np.where(mask, image - mean, 0.0)
    axes = [np.minimum(np.arange(s), s - np.arange(s)) * d for s, d in zip(shape, spacing, strict=True)]
    squared = axes[0][:, None, None] ** 2 + axes[1][None, :, None] ** 2 + axes[2][None, None, :] ** 2
    squared[0, 0, 0] = 1.0
    weights = 1 / np.sqrt(squared)
    weights[0, 0, 0] = 0.0
    # Offsets beyond the box never meet two voxels, whatever weight stands there.
    spectrum = fft.rfftn(weights).real
    del weights, squared
    transformed = fft.rfftn(mask.astype(float), shape)
    transformed *= spectrum
    around = fft.irfftn(transformed, shape)[tuple(slice(0, s) for s in mask.shape)]
    del transformed
    total = float(around[mask].sum())
    own = float((around[mask] * (values - mean) ** 2).sum())
    transformed = fft.rfftn(centred, shape)
    transformed *= spectrum
    product = float((fft.irfftn(transformed, shape)[tuple(slice(0, s) for s in mask.shape)][mask] * (values - mean)).sum())
    moran = n / total * product / squares
    geary = (n - 1) / (2 * total) * (2 * own - 2 * product) / squares
    return moran, geary
