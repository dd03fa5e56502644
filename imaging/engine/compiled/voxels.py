"""Compiled loops over voxels of a mask and points of a surface; `value_sums` holds those over intensities, `texture_counts` textures.

Compiled once per machine and kept on disk; see `imaging.engine.compiled.machine_code`.
"""

from __future__ import annotations

import numpy as np

from unibase.imaging.engine.compiled.machine_code import compiled
from unibase.imaging.engine.compiled.value_sums import row_totals


@compiled
def cube_configurations(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the configurations of all cubes of eight neighbouring voxels, and add up where they lie.

    Args:
        mask: uint8 (z, y, x) of 0 and 1, padded by one 0.

    Returns:
        Counts (256,) and sums of cube indices (256, 3), both int64.
    """
    nz, ny, nx = mask.shape
    counts = np.zeros(256, dtype=np.int64)
    places = np.zeros((256, 3), dtype=np.int64)
    for z in range(nz - 1):
        for y in range(ny - 1):
            a, b, c, d = mask[z, y], mask[z, y + 1], mask[z + 1, y], mask[z + 1, y + 1]
            left = np.int64(a[0]) | np.int64(b[0]) << 2 | np.int64(c[0]) << 4 | np.int64(d[0]) << 6
            for x in range(nx - 1):
                right = np.int64(a[x + 1]) | np.int64(b[x + 1]) << 2 | np.int64(c[x + 1]) << 4 | np.int64(d[x + 1]) << 6
                i = left | right << 1
                left = right
                if i != 0 and i != 255:
                    counts[i] += 1
                    places[i, 0] += z
                    places[i, 1] += y
                    places[i, 2] += x
    return counts, places


@compiled
def row_extremes(mask: np.ndarray) -> np.ndarray:
    """Vertices of the surface mesh that can be extreme: on each line of voxels or voxel gaps the outermost two.

    Args:
        mask: uint8 (z, y, x) of 0 and 1, padded by one 0.

    Returns:
        int64 (n, 3) doubled indices of surface vertices (odd where the vertex lies between two voxels): a superset of
        the corners of the convex hull, also within each plane of constant z, y or x.
    """
    nz, ny, nx = mask.shape
    # Lines along x: z even or odd (between slices), y even or odd; at most two vertices per line and kind.
    out = np.empty((2 * 3 * nz * ny, 3), dtype=np.int64)
    n = 0
    for z in range(nz):
        for y in range(ny):
            row = mask[z, y]
            first = -1
            last = -1
            for x in range(nx):
                if row[x]:
                    if first < 0:
                        first = x
                    last = x
            if first >= 0:
                out[n, 0], out[n, 1], out[n, 2] = 2 * z, 2 * y, 2 * first - 1
                out[n + 1, 0], out[n + 1, 1], out[n + 1, 2] = 2 * z, 2 * y, 2 * last + 1
                n += 2
            for direction in range(2):
                if direction == 0:
                    if y + 1 == ny:
                        continue
                    other = mask[z, y + 1]
                    vz, vy = 2 * z, 2 * y + 1
                else:
                    if z + 1 == nz:
                        continue
                    other = mask[z + 1, y]
                    vz, vy = 2 * z + 1, 2 * y
                first = -1
                last = -1
                for x in range(nx):
                    if row[x] != other[x]:
                        if first < 0:
                            first = x
                        last = x
                if first >= 0:
                    out[n, 0], out[n, 1], out[n, 2] = vz, vy, 2 * first
                    out[n + 1, 0], out[n + 1, 1], out[n + 1, 2] = vz, vy, 2 * last
                    n += 2
    return out[:n]


@compiled
def largest_distance(points: np.ndarray) -> float:
    """Largest squared distance between any two of the points (n, d)."""
    best = 0.0
    for i in range(points.shape[0]):
        for j in range(i):
            total = 0.0
            for d in range(points.shape[1]):
                total += (points[i, d] - points[j, d]) ** 2
            if total > best:
                best = total
    return best


@compiled
def sphere_sums(field: np.ndarray, extents: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Sum of a field in a sphere around the voxels between the extents of each row; anything elsewhere.

    Slices as far above as below the centre cut the sphere in the same disc, so each disc is summed once for both.

    Args:
        field: float64 (z, y, x), padded by the reach of the sphere on each axis.
        extents: int64 (z, y, 2): first and one past the last voxel asked for in each row.
        half: int64 (2 a + 1, 2 b + 1): half width of the sphere along x for each offset in z and y, -1 where none.
    """
    nz, ny, nx = field.shape
    rz, ry = half.shape[0] // 2, half.shape[1] // 2
    out = np.zeros((nz, ny, nx))
    # Running sums along x: the sum over any stretch of a row is one difference.
    running = np.zeros((ny, nx + 1))
    disc = np.empty(nx)
    for z in range(nz):
        for y in range(ny):
            row = field[z, y]
            total = 0.0
            for x in range(nx):
                total += row[x]
                running[y, x + 1] = total
        for dz in range(rz + 1):
            above, below = z - dz, z + dz
            for y in range(ry, ny - ry):
                first, past = nx, 0
                if above >= 0 and extents[above, y, 1] > extents[above, y, 0]:
                    first, past = extents[above, y, 0], extents[above, y, 1]
                if below < nz and extents[below, y, 1] > extents[below, y, 0]:
                    first, past = min(first, extents[below, y, 0]), max(past, extents[below, y, 1])
                width = past - first
                if width <= 0:
                    continue
                part = disc[:width]
                part[:] = 0.0
                for dy in range(-ry, ry + 1):
                    h = half[rz + dz, dy + ry]
                    if h < 0:
                        continue
                    ends = running[y + dy, first + h + 1 : past + h + 1]
                    starts = running[y + dy, first - h : past - h]
                    for x in range(width):
                        part[x] += ends[x] - starts[x]
                if above >= 0:
                    row = out[above, y, first:past]
                    for x in range(width):
                        row[x] += part[x]
                if dz > 0 and below < nz:
                    row = out[below, y, first:past]
                    for x in range(width):
                        row[x] += part[x]
    return out


@compiled
def smallest_box(
    corners: np.ndarray, facets: np.ndarray, edges: np.ndarray, sides: np.ndarray, directions: np.ndarray
) -> np.ndarray:
    """Edges of the smallest box with a face on a facet of a convex body (rotating the box in the plane of the facet).

    Seen along a direction, the outline of the body runs along those of its edges where one facet faces the viewer and the
    other does not.

    Args:
        corners: float64 (n, 3).
        facets: float64 (f, 3), outward unit normals of all facets.
        edges: int64 (e, 2), the two corners of each edge.
        sides: int64 (e, 2), the two facets at each edge.
        directions: float64 (d, 3), unit normals of the faces to try.
    """
    best = np.inf
    result = np.full(3, np.nan)
    facing = np.empty(len(facets), dtype=np.bool_)
    seen = np.full(len(corners), -1, dtype=np.int64)
    flat = np.empty((len(corners), 2))
    depth = np.empty(len(corners))
    outline = np.empty((4 * len(corners) + 2, 2))
    for f in range(len(directions)):
        a, b, c = directions[f, 0], directions[f, 1], directions[f, 2]
        # Any direction across the normal: the axis it has least of.
        if abs(a) <= abs(b) and abs(a) <= abs(c):
            u = np.array([0.0, c, -b])
        elif abs(b) <= abs(c):
            u = np.array([-c, 0.0, a])
        else:
            u = np.array([b, -a, 0.0])
        u /= np.sqrt((u * u).sum())
        v = np.array([b * u[2] - c * u[1], c * u[0] - a * u[2], a * u[1] - b * u[0]])
        for i in range(len(corners)):
            depth[i] = a * corners[i, 0] + b * corners[i, 1] + c * corners[i, 2]
        height = depth.max() - depth.min()
        for i in range(len(facets)):
            facing[i] = a * facets[i, 0] + b * facets[i, 1] + c * facets[i, 2] >= 0
        size = 0
        for e in range(len(edges)):
            if facing[sides[e, 0]] != facing[sides[e, 1]]:
                for k in range(2):
                    i = edges[e, k]
                    if seen[i] != f:
                        seen[i] = f
                        flat[size, 0] = u[0] * corners[i, 0] + u[1] * corners[i, 1] + u[2] * corners[i, 2]
                        flat[size, 1] = v[0] * corners[i, 0] + v[1] * corners[i, 1] + v[2] * corners[i, 2]
                        size += 1
        order = np.argsort(flat[:size, 0])
        hull = np.empty(2 * size + 2, dtype=np.int64)
        h = 0
        for k in range(size):
            while h >= 2 and _turn(flat, hull[h - 2], hull[h - 1], order[k]) <= 0:
                h -= 1
            hull[h] = order[k]
            h += 1
        floor = h + 1
        for k in range(size - 2, -1, -1):
            while h >= floor and _turn(flat, hull[h - 2], hull[h - 1], order[k]) <= 0:
                h -= 1
            hull[h] = order[k]
            h += 1
        h = min(h, size + 1)
        for k in range(h):
            outline[k] = flat[hull[k]]
        # The last corner is the first again. Going around, the corners farthest along, across and back from an edge go
        # around too, each at most once: the outline stands four times in a row, for them to walk on.
        n = h - 1
        for k in range(n, 4 * n + 1):
            outline[k, 0], outline[k, 1] = outline[k - n, 0], outline[k - n, 1]
        along, across, back = 0, 0, 0
        for k in range(n):
            p = outline[k + 1, 0] - outline[k, 0]
            q = outline[k + 1, 1] - outline[k, 1]
            length = np.sqrt(p * p + q * q)
            if length == 0:
                continue
            p /= length
            q /= length
            along = _farthest(outline, n, max(along, k + 1), p, q)
            across = _farthest(outline, n, max(across, along), -q, p)
            back = _farthest(outline, n, max(back, across), -p, -q)
            length = p * (outline[along, 0] - outline[back, 0]) + q * (outline[along, 1] - outline[back, 1])
            width = p * (outline[across, 1] - outline[k, 1]) - q * (outline[across, 0] - outline[k, 0])
            volume = height * length * width
            if volume < best:
                best = volume
                result[0], result[1], result[2] = height, length, width
    return result


@compiled
def _farthest(outline: np.ndarray, n: int, start: int, p: float, q: float) -> int:
    """Corner of an outline of n corners, repeated, that is farthest in the direction (p, q), walking on from one before it."""
    best = start
    while (
        best < start + n - 1 and p * (outline[best + 1, 0] - outline[best, 0]) + q * (outline[best + 1, 1] - outline[best, 1]) > 0
    ):
        best += 1
    return best


@compiled
def index_moments(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Sums and sums of products of the indices (z, y, x) of all voxels set in `mask`, and their number; all whole numbers."""
    sums = np.zeros(3, dtype=np.int64)
    products = np.zeros((3, 3), dtype=np.int64)
    n = 0
    nz, ny, nx = mask.shape
    for z in range(nz):
        for y in range(ny):
            count = 0
            sx = 0
            sxx = 0
            for x in range(nx):
                if mask[z, y, x]:
                    count += 1
                    sx += x
                    sxx += x * x
            n += count
            sums[0] += z * count
            sums[1] += y * count
            sums[2] += sx
            products[0, 0] += z * z * count
            products[0, 1] += z * y * count
            products[0, 2] += z * sx
            products[1, 1] += y * y * count
            products[1, 2] += y * sx
            products[2, 2] += sxx
    for a in range(3):
        for b in range(a):
            products[a, b] = products[b, a]
    return sums, products, n


@compiled
def planar_hulls(points: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, float]:
    """Corners of the convex hull of each group of points (n, 2), and the largest squared distance within a group.

    Groups are consecutive, from `starts` (one more than groups), each sorted by its first, then its second coordinate
    (Andrew's monotone chain).

    Returns:
        bool (n,): is a corner; and the distance.
    """
    best = 0.0
    corner = np.zeros(len(points), dtype=np.bool_)
    for g in range(len(starts) - 1):
        a, b = starts[g], starts[g + 1]
        part = points[a:b]
        n = len(part)
        hull = np.empty(2 * n + 2, dtype=np.int64)
        h = 0
        for k in range(n):
            while h >= 2 and _turn(part, hull[h - 2], hull[h - 1], k) <= 0:
                h -= 1
            hull[h] = k
            h += 1
        low = h + 1
        for k in range(n - 2, -1, -1):
            while h >= low and _turn(part, hull[h - 2], hull[h - 1], k) <= 0:
                h -= 1
            hull[h] = k
            h += 1
        for u in range(h):
            corner[a + hull[u]] = True
            for v in range(u):
                d = (part[hull[u], 0] - part[hull[v], 0]) ** 2 + (part[hull[u], 1] - part[hull[v], 1]) ** 2
                if d > best:
                    best = d
    return corner, best


@compiled
def _turn(points: np.ndarray, a: int, b: int, c: int) -> float:
    found: float = (points[b, 0] - points[a, 0]) * (points[c, 1] - points[a, 1]) - (points[b, 1] - points[a, 1]) * (
        points[c, 0] - points[a, 0]
    )
    return found


@compiled
def weighted_products(weights: np.ndarray, fields: np.ndarray) -> np.ndarray:
    """Weighted sums over frequencies of |a|^2, |b|^2 and Re(c conj(a)).

    Args:
        weights: float64 (m // 2 + 1, n // 2 + 1): weights are even along both axes.
        fields: complex128 (3, m, n): a, b and c.
    """
    _, m, n = fields.shape
    lanes = np.zeros((3, n))
    first, second, third = lanes[0], lanes[1], lanes[2]
    line = np.empty(n)
    for i in range(m):
        row = weights[min(i, m - i)]
        for j in range(n):
            line[j] = row[min(j, n - j)]
        a, b, c = fields[0, i], fields[1, i], fields[2, i]
        for j in range(n):
            w = line[j]
            first[j] += w * (a[j].real * a[j].real + a[j].imag * a[j].imag)
            second[j] += w * (b[j].real * b[j].real + b[j].imag * b[j].imag)
            third[j] += w * (c[j].real * a[j].real + c[j].imag * a[j].imag)
    found: np.ndarray = row_totals(lanes)
    return found


@compiled
def border_distance(mask: np.ndarray, planar: bool) -> np.ndarray:
    """City-block distance of each voxel to the outside of the mask, 1 on its border; within slices when `planar`.

    Args:
        mask: bool (z, y, x), padded by one False: the edge of the image is a border too.
        planar: Measure within slices (first axis) only.
    """
    nz, ny, nx = mask.shape
    out = np.zeros((nz, ny, nx), dtype=np.int32)
    for z in range(1, nz - 1):
        for y in range(1, ny - 1):
            inside = mask[z, y]
            now, before, above = out[z, y], out[z, y - 1], out[z - 1, y]
            for x in range(nx):
                now[x] = (before[x] if planar else min(before[x], above[x])) + 1 if inside[x] else 0
            for x in range(1, nx):
                now[x] = min(now[x], now[x - 1] + 1)
    for z in range(nz - 2, 0, -1):
        for y in range(ny - 2, 0, -1):
            now, after, below = out[z, y], out[z, y + 1], out[z + 1, y]
            for x in range(nx):
                now[x] = min(now[x], (after[x] if planar else min(after[x], below[x])) + 1)
            for x in range(nx - 2, -1, -1):
                now[x] = min(now[x], now[x + 1] + 1)
    return out
