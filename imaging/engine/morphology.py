"""Shape of a region: surface mesh, axes, diameters, densities, spatial autocorrelation (IBSI reference manual v11, 3.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unibase.imaging.engine.compiled import voxels

Array = np.ndarray


def padded_mask(mask: Array) -> Array:
    """Return a `mask` (z, y, x) as uint8 with one 0 around it.

    >>> padded_mask(np.ones((1, 1, 1), bool)).shape
    (3, 3, 3)
    """
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
    counts, places = voxels.cube_configurations(mask)
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


def _hull_vertices(points: Array) -> Array:
    """Those of the points (n, d) that are corners of their convex hull; all of them where the hull is flat."""
    from scipy.spatial import ConvexHull, QhullError

    if len(points) <= points.shape[1] + 1:
        return points
    try:
        found: Array = points[ConvexHull(points).vertices]
        return found
    except QhullError:
        return points


FEW_POINTS = 1500
"""Up to so many points, all their distances cost less than their hull (and the library of hulls takes long to load)."""


def largest_diameter(points: Array) -> float:
    """Largest distance between two of the points (n, 3), in mm."""
    ends = points if len(points) <= FEW_POINTS else _hull_vertices(points)
    return float(np.sqrt(voxels.largest_distance(np.ascontiguousarray(ends))))


def planar_corners(points: Array, axis: int, spacing: Array) -> tuple[Array, float]:
    """Corners of the convex hulls of the points in each plane across an axis.

    Args:
        points: int64 (n, 3), doubled indices (z, y, x) of mesh vertices.
        axis: Planes have one index on this axis.
        spacing: Voxel spacing (z, y, x) in mm.

    Returns:
        The corners (m, 3) in mm, among which are those of the hull of all points; and the largest distance in mm of
        two points of one plane.
    """
    corners, distance = _planar_hulls(points, axis, spacing)
    return corners / 2 * spacing, distance


def _planar_hulls(points: Array, axis: int, spacing: Array) -> tuple[Array, float]:
    """As `planar_corners`, the corners as doubled indices."""
    first, second = (a for a in range(3) if a != axis)
    span = int(points.max()) + 2
    # One sort by plane and both coordinates; indices start at -1 or above.
    order = np.argsort(((points[:, axis] + 1) * span + points[:, first] + 1) * span + points[:, second] + 1)
    ordered = points[order]
    starts = np.nonzero(np.diff(ordered[:, axis], prepend=-9, append=-9))[0]
    flat = ordered[:, [first, second]] / 2 * spacing[[first, second]]
    corner, distance = voxels.planar_hulls(np.ascontiguousarray(flat), starts)
    return ordered[corner], float(np.sqrt(distance))


def hull_candidates(points: Array, spacing: Array) -> Array:
    """Points (m, 3) in mm that are corners of the hulls of all three planes they lie in: those of the hull of all are among them.

    Args:
        points: int64 (n, 3), doubled indices (z, y, x) of mesh vertices.
        spacing: Voxel spacing (z, y, x) in mm.
    """
    for axis in range(3):
        points, _ = _planar_hulls(points, axis, spacing)
    found: Array = points / 2 * spacing
    return found


@dataclass(frozen=True)
class Hull:
    """Convex hull of the mesh.

    Attributes:
        volume: mm3.
        area: mm2.
        corners: (n, 3) in mm.
        facets: Outward unit normals of its facets, (f, 3), each direction once.
        edges: The two corners of each edge between facets of different directions, (e, 2).
        sides: The two facets at each edge, (e, 2).
        normals: Directions of the facets, opposite ones being one.
    """

    volume: float
    area: float
    corners: Array
    facets: Array
    edges: Array
    sides: Array
    normals: Array


def convex_hull(points: Array) -> Hull:
    """Convex hull of points (n, 3) in mm that span a volume, as mesh vertices always do."""
    from scipy.spatial import ConvexHull

    hull = ConvexHull(points)
    # A facet comes cut into triangles: what lies between triangles of one direction is no edge.
    facets, facet = np.unique(np.round(hull.equations[:, :3], 12), axis=0, return_inverse=True)
    # Opposite facets carry the same box: one of each pair of directions is enough.
    lead = np.take_along_axis(facets, np.abs(facets).argmax(axis=1)[:, None], axis=1)
    normals = np.unique(facets * np.sign(lead), axis=0)
    # The neighbour across from a corner of a triangle shares the other two.
    number = np.arange(len(facet))
    rank = np.zeros(len(points), dtype=np.int64)
    rank[hull.vertices] = np.arange(len(hull.vertices))
    edges, sides = [], []
    for corner in range(3):
        other = hull.neighbors[:, corner]
        once = (other > number) & (facet[other] != facet)
        edges.append(np.delete(hull.simplices, corner, axis=1)[once])
        sides.append(np.column_stack([facet, facet[other]])[once])
    return Hull(
        float(hull.volume),
        float(hull.area),
        np.ascontiguousarray(points[hull.vertices]),
        facets,
        rank[np.concatenate(edges)],
        np.concatenate(sides).astype(np.int64),
        normals,
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
    """Covariance (divisor N) of the voxel centres of a `mask` (z, y, x) in mm, from exact sums of indices; `spacing` in mm."""
    sums, products, n = voxels.index_moments(np.asarray(mask).view(np.uint8))
    # Whole numbers up to here: n * products - sums sums' is exact, no cancellation.
    exact = np.array(
        [[int(n) * int(products[a, b]) - int(sums[a]) * int(sums[b]) for b in range(3)] for a in range(3)], dtype=object
    )
    covariance = np.array([[float(exact[a, b]) for b in range(3)] for a in range(3)]) / float(n) ** 2
    return covariance * np.outer(spacing, spacing)


def centre_shift(mask: Array, weights: Array, spacing: Array) -> float:
    """Distance in mm of the centre of a `mask` to the centre of `weights` (z, y, x); NaN when these add up to 0.

    `spacing` is (z, y, x) in mm.
    """
    sums, _, n = voxels.index_moments(np.asarray(mask).view(np.uint8))
    across = weights.sum(axis=0)
    profiles = weights.sum(axis=(1, 2)), across.sum(axis=1), across.sum(axis=0)
    total = profiles[0].sum()
    if total == 0:
        return float("nan")
    centre = np.array([profile @ np.arange(len(profile)) for profile in profiles]) / total
    return float(np.linalg.norm((sums / n - centre) * spacing))


def ellipsoid_area(a: float, b: float, c: float) -> float:
    """Surface of an ellipsoid with semi-axes a >= b >= c: series of Legendre polynomials of 20 terms, as IBSI gives it.

    The published values follow this series. It equals the true area for a sphere only (19 % less for axes 2:1:1).

    >>> round(ellipsoid_area(1.0, 1.0, 1.0), 4)
    12.5664
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
    n = int(mask.sum())
    if n < 2:
        return float("nan"), float("nan")
    values = image[mask]
    mean = values.mean()
    squares = float(((values - mean) ** 2).sum())
    if values.min() == values.max():
        return float("nan"), float("nan")
    total, product, own = _sums_over_pairs(image - mean, mask, spacing)
    moran = n / total * product / squares
    geary = (n - 1) / (2 * total) * (2 * own - 2 * product) / squares
    return float(moran), float(geary)


def _sums_over_pairs(centred: Array, mask: Array, spacing: Array) -> Array:
    """Sums over all pairs of voxels of a mask, weighted by inverse distance: of 1, of the product of values, of their squares.

    Args:
        centred: float64 (z, y, x).
        mask: bool of the same shape.
        spacing: Voxel spacing (z, y, x) in mm.
    """
    from scipy import fft

    nz, ny, nx = mask.shape
    length = tuple(_even_length(size) for size in mask.shape)
    spectrum = _weight_spectrum(length, spacing)
    # Three fields: 1, x and x squared, in the region. Along x first, slice by slice; the rest for one frequency at a time:
    # what is worked on at once fits into the processor's cache.
    fields = np.empty((length[2] // 2 + 1, 3, nz, ny), dtype=np.complex128)
    rows = np.zeros((3, ny, length[2]))
    for z in range(nz):
        inside = mask[z]
        rows[0, :, :nx] = inside
        rows[1, :, :nx] = np.where(inside, centred[z], 0.0)
        rows[2] = rows[1] ** 2
        fields[:, :, z] = fft.rfft(rows, axis=2).transpose(2, 0, 1)
    across = np.empty((3, nz, length[1]), dtype=np.complex128)
    plane = np.empty((3, length[0], length[1]), dtype=np.complex128)
    sums = np.zeros(3)
    for frequency, weights in enumerate(spectrum):
        across[:, :, :ny] = fields[frequency]
        across[:, :, ny:] = 0
        plane[:, :nz] = fft.fft(across, axis=2, overwrite_x=True)
        plane[:, nz:] = 0
        sums += voxels.weighted_products(weights, fft.fft(plane, axis=1, overwrite_x=True))
    found: Array = sums / np.prod(length)
    return found


def _weight_spectrum(length: tuple[int, ...], spacing: Array) -> Array:
    """Transform of inverse distances on a grid of these lengths (z, y, x), its axis of frequencies along x first."""
    from scipy import fft

    # Weights are even along each axis, so their transform is a cosine transform of one octant.
    axes = [np.arange(s // 2 + 1) * d for s, d in zip(length, spacing, strict=True)]
    squared = axes[0][:, None, None] ** 2 + axes[1][None, :, None] ** 2 + axes[2][None, None, :] ** 2
    squared[0, 0, 0] = np.inf
    spectrum = fft.dctn(1 / np.sqrt(squared), type=1, overwrite_x=True)
    # A frequency along x stands for itself and its mirror image, but for the first and the last.
    spectrum[:, :, 1:-1] *= 2
    return np.ascontiguousarray(np.moveaxis(spectrum, 2, 0))


def _even_length(size: int) -> int:
    """Shortest even length of a fast transform that holds all offsets between `size` places; at least 2."""
    from scipy import fft

    length = max(2, 2 * size - 1)
    while (length := fft.next_fast_len(length, real=True)) % 2:
        length += 1
    return int(length)
