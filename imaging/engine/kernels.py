"""Compiled loops over voxels. Arrays of grey levels hold 0 outside the region and are padded by zeros on all sides.

Compiled once per machine and kept on disk; see `imaging.engine.compiled`.
"""

from __future__ import annotations

import numpy as np

from imaging.engine.compiled import compiled


@compiled
def co_occurrence(levels: np.ndarray, steps: np.ndarray, pad: int, n_levels: int, counts: np.ndarray) -> None:
    """Count pairs (level, level one step further) for each step.

    Args:
        levels: uint16 (z, y, x), padded by `pad` zeros.
        steps: int64 (k, 3) steps (z, y, x), none longer than `pad`.
        pad: Width of the padding.
        n_levels: Levels run from 1 to this.
        counts: int64 (k, n_levels, n_levels); added to.
    """
    nz, ny, nx = levels.shape
    for z in range(pad, nz - pad):
        for y in range(pad, ny - pad):
            for k in range(steps.shape[0]):
                dz, dy, dx = steps[k, 0], steps[k, 1], steps[k, 2]
                row = levels[z, y]
                other = levels[z + dz, y + dy]
                table = counts[k]
                for x in range(pad, nx - pad):
                    a = row[x]
                    b = other[x + dx]
                    if a and b:
                        table[a - 1, b - 1] += 1


@compiled
def run_lengths(levels: np.ndarray, steps: np.ndarray, pad: int, counts: np.ndarray) -> np.ndarray:
    """Count runs of equal levels by (level, length) for each step.

    Args:
        levels: uint16 (z, y, x), padded by at least one zero.
        steps: int64 (k, 3) steps (z, y, x).
        pad: Width of the padding.
        counts: int64 (k, n_levels, longest possible run); added to.

    Returns:
        bool (k,): whether two voxels of the region ever follow one another on a line of this step, whatever lies between.
    """
    nz, ny, nx = levels.shape
    adjacent = np.zeros(steps.shape[0], dtype=np.bool_)
    for k in range(steps.shape[0]):
        dz, dy, dx = steps[k, 0], steps[k, 1], steps[k, 2]
        table = counts[k]
        for z in range(pad, nz - pad):
            for y in range(pad, ny - pad):
                row = levels[z, y]
                before = levels[z - dz, y - dy]
                for x in range(pad, nx - pad):
                    a = row[x]
                    if a == 0:
                        continue
                    if before[x - dx] == a:
                        continue
                    length = 1
                    pz, py, px = z + dz, y + dy, x + dx
                    while levels[pz, py, px] == a:
                        length += 1
                        pz += dz
                        py += dy
                        px += dx
                    table[a - 1, length - 1] += 1
                    if length > 1 or levels[pz, py, px]:
                        adjacent[k] = True
    return adjacent


@compiled
def _root(parent: np.ndarray, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@compiled
def zones(levels: np.ndarray, planar: bool, distance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Find zones of equal level: 26-connected, or 8-connected within each slice when `planar`.

    Args:
        levels: uint16 (z, y, x), padded by one zero.
        planar: Connect within slices (first axis) only.
        distance: int32 of the same shape, or of shape (0, 0, 0) when not needed.

    Returns:
        Level, size, smallest distance and slice of each zone (int64; the slice counts from 0 without padding).
    """
    nz, ny, nx = levels.shape
    label = np.zeros((nz, ny, nx), dtype=np.int32)
    capacity = 1024
    parent = np.empty(capacity, dtype=np.int32)
    parent[0] = 0
    used = 1
    # Neighbours that come earlier in scan order.
    steps = np.array(
        [
            (0, 0, -1),
            (0, -1, -1),
            (0, -1, 0),
            (0, -1, 1),
            (-1, -1, -1),
            (-1, -1, 0),
            (-1, -1, 1),
            (-1, 0, -1),
            (-1, 0, 0),
            (-1, 0, 1),
            (-1, 1, -1),
            (-1, 1, 0),
            (-1, 1, 1),
        ]
    )
    n_steps = 4 if planar else 13
    for z in range(1, nz - 1):
        for y in range(1, ny - 1):
            for x in range(1, nx - 1):
                a = levels[z, y, x]
                if a == 0:
                    continue
                mine = 0
                for k in range(n_steps):
                    oz, oy, ox = z + steps[k, 0], y + steps[k, 1], x + steps[k, 2]
                    if levels[oz, oy, ox] == a:
                        other = label[oz, oy, ox]
                        if mine == 0:
                            mine = _root(parent, other)
                        elif other != mine:
                            other = _root(parent, other)
                            if other < mine:
                                parent[mine] = other
                                mine = other
                            elif mine < other:
                                parent[other] = mine
                if mine == 0:
                    if used == capacity:
                        grown = np.empty(2 * capacity, dtype=np.int32)
                        grown[:capacity] = parent
                        parent = grown
                        capacity *= 2
                    parent[used] = used
                    mine = used
                    used += 1
                label[z, y, x] = mine
    number = np.zeros(used, dtype=np.int32)
    n_zones = 0
    for i in range(1, used):
        if parent[i] == i:
            number[i] = n_zones
            n_zones += 1
        else:
            parent[i] = _root(parent, i)
            number[i] = number[parent[i]]
    level = np.zeros(n_zones, dtype=np.int64)
    size = np.zeros(n_zones, dtype=np.int64)
    near = np.full(n_zones, 1 << 30, dtype=np.int64)
    where = np.zeros(n_zones, dtype=np.int64)
    with_distance = distance.shape[0] > 0
    for z in range(1, nz - 1):
        for y in range(1, ny - 1):
            for x in range(1, nx - 1):
                if label[z, y, x]:
                    i = number[label[z, y, x]]
                    level[i] = levels[z, y, x]
                    size[i] += 1
                    where[i] = z - 1
                    if with_distance and distance[z, y, x] < near[i]:
                        near[i] = distance[z, y, x]
    return level, size, near, where


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
            for x in range(1, nx - 1):
                if mask[z, y, x]:
                    d = min(out[z, y - 1, x], out[z, y, x - 1])
                    if not planar:
                        d = min(d, out[z - 1, y, x])
                    out[z, y, x] = d + 1
    for z in range(nz - 2, 0, -1):
        for y in range(ny - 2, 0, -1):
            for x in range(nx - 2, 0, -1):
                if mask[z, y, x]:
                    d = min(out[z, y + 1, x], out[z, y, x + 1])
                    if not planar:
                        d = min(d, out[z + 1, y, x])
                    if d + 1 < out[z, y, x]:
                        out[z, y, x] = d + 1
    return out


@compiled
def neighbourhoods(
    levels: np.ndarray, steps: np.ndarray, pad: int, alpha: int, n_levels: int, by_slice: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compare each voxel with all its neighbours: the sums of NGTDM and the counts of NGLDM/GLDM in one pass.

    Args:
        levels: uint16 (z, y, x), padded by `pad` zeros.
        steps: int64 (k, 3) all steps to neighbours, both directions.
        pad: Width of the padding.
        alpha: A neighbour is dependent when its level differs by at most this.
        n_levels: Levels run from 1 to this.
        by_slice: Keep slices (first axis) apart instead of adding them.

    Returns:
        Voxels with at least one neighbour in the region, per slice and level (int64, (s, n_levels)); the sum over them
        of the absolute difference to the mean of the neighbours (float64, same shape); and the number of voxels per
        slice, level and number of dependent neighbours (int64, (s, n_levels, k + 1)).
    """
    nz, ny, nx = levels.shape
    n_slices = nz - 2 * pad if by_slice else 1
    n_steps = steps.shape[0]
    voxels = np.zeros((n_slices, n_levels), dtype=np.int64)
    differences = np.zeros((n_slices, n_levels))
    dependence = np.zeros((n_slices, n_levels, n_steps + 1), dtype=np.int64)
    # Three sums in the bits of one number: levels below 2^20, neighbours below 2^6, equal ones above.
    packed = np.zeros(nx, dtype=np.uint32)
    small = alpha == 0 and n_levels < 32_768 and n_steps < 32
    # 32 bits: twice as many voxels per vector instruction.
    total = np.zeros(nx, dtype=np.int32)
    count = np.zeros(nx, dtype=np.int32)
    equal = np.zeros(nx, dtype=np.int32)
    for z in range(pad, nz - pad):
        s = z - pad if by_slice else 0
        for y in range(pad, ny - pad):
            row = levels[z, y]
            total[:] = 0
            count[:] = 0
            equal[:] = 0
            packed[:] = 0
            for k in range(n_steps):
                other = levels[z + steps[k, 0], y + steps[k, 1]]
                dx = steps[k, 2]
                if small:
                    for x in range(pad, nx - pad):
                        b = other[x + dx]
                        # Outside the region both levels are 0; what is counted there is never read.
                        packed[x] += np.uint32(b) | np.uint32(b != 0) << np.uint32(20) | np.uint32(b == row[x]) << np.uint32(26)
                else:
                    for x in range(pad, nx - pad):
                        b = np.int32(other[x + dx])
                        total[x] += b
                        count[x] += np.int32(b != 0)
                        equal[x] += np.int32((b != 0) & (abs(b - np.int32(row[x])) <= alpha))
            if small:
                for x in range(pad, nx - pad):
                    total[x] = packed[x] & np.uint32(0xFFFFF)
                    count[x] = packed[x] >> np.uint32(20) & np.uint32(63)
                    equal[x] = packed[x] >> np.uint32(26)
            for x in range(pad, nx - pad):
                a = row[x]
                if a:
                    if count[x]:
                        voxels[s, a - 1] += 1
                        differences[s, a - 1] += abs(a - total[x] / count[x])
                    dependence[s, a - 1, equal[x]] += 1
    return voxels, differences, dependence


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
def sphere_means(image: np.ndarray, known: np.ndarray, mask: np.ndarray, half: np.ndarray) -> tuple[float, float]:
    """Mean intensity in a sphere around voxels of the region: at the brightest voxels, and the largest of all.

    Args:
        image: float64 (z, y, x), padded by the reach of the sphere on each axis.
        known: bool, the same shape: voxels that enter the mean (those of the image, where a value is known).
        mask: bool, the same shape: the region.
        half: int64 (2 a + 1, 2 b + 1): half width of the sphere along x for each offset in z and y, -1 where none.

    Returns:
        Largest mean around the voxels of highest intensity, and largest mean around any voxel; NaN when there is none.
    """
    nz, ny, nx = image.shape
    rz, ry = half.shape[0] // 2, half.shape[1] // 2
    rx = half.max()
    # Running sums along x: the sum over any stretch of a row is one difference.
    sums = np.zeros((nz, ny, nx + 1))
    counts = np.zeros((nz, ny, nx + 1), dtype=np.int32)
    top = -np.inf
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                here = known[z, y, x]
                sums[z, y, x + 1] = sums[z, y, x] + (image[z, y, x] if here else 0.0)
                counts[z, y, x + 1] = counts[z, y, x] + (1 if here else 0)
                if mask[z, y, x] and image[z, y, x] > top:
                    top = image[z, y, x]
    local = np.nan
    overall = np.nan
    total = np.empty(nx)
    number = np.empty(nx, dtype=np.int32)
    complete = counts[:, :, nx].sum() == nz * ny * nx
    whole = 0
    for r in half.ravel():
        if r >= 0:
            whole += 2 * r + 1
    for z in range(rz, nz - rz):
        for y in range(ry, ny - ry):
            first = nx
            last = -1
            for x in range(rx, nx - rx):
                if mask[z, y, x]:
                    if first == nx:
                        first = x
                    last = x
            if last < 0:
                continue
            total[:] = 0.0
            number[:] = 0
            for dz in range(-rz, rz + 1):
                for dy in range(-ry, ry + 1):
                    h = half[dz + rz, dy + ry]
                    if h < 0:
                        continue
                    row = sums[z + dz, y + dy]
                    for x in range(first, last + 1):
                        total[x] += row[x + h + 1] - row[x - h]
                    if not complete:
                        amount = counts[z + dz, y + dy]
                        for x in range(first, last + 1):
                            number[x] += amount[x + h + 1] - amount[x - h]
            if complete:
                number[:] = whole
            for x in range(first, last + 1):
                if mask[z, y, x] and number[x] > 0:
                    mean = total[x] / number[x]
                    if not mean <= overall:
                        overall = mean
                    if image[z, y, x] == top and not mean <= local:
                        local = mean
    return local, overall


@compiled
def smallest_box(corners: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Edges of the smallest box with a face on a facet of a convex body (rotating the box in the plane of the facet).

    Args:
        corners: float64 (n, 3), corners of the convex hull.
        normals: float64 (f, 3), unit normals of its facets.
    """
    n = corners.shape[0]
    best = np.inf
    edges = np.full(3, np.nan)
    flat = np.empty((n, 2))
    outline = np.empty((n + 1, 2))
    for f in range(normals.shape[0]):
        a, b, c = normals[f, 0], normals[f, 1], normals[f, 2]
        # Any direction across the normal: the axis it has least of.
        if abs(a) <= abs(b) and abs(a) <= abs(c):
            u = np.array([0.0, c, -b])
        elif abs(b) <= abs(c):
            u = np.array([-c, 0.0, a])
        else:
            u = np.array([b, -a, 0.0])
        u /= np.sqrt((u * u).sum())
        v = np.array([b * u[2] - c * u[1], c * u[0] - a * u[2], a * u[1] - b * u[0]])
        low, high = np.inf, -np.inf
        for i in range(n):
            x, y, z = corners[i, 0], corners[i, 1], corners[i, 2]
            flat[i, 0] = u[0] * x + u[1] * y + u[2] * z
            flat[i, 1] = v[0] * x + v[1] * y + v[2] * z
            t = a * x + b * y + c * z
            low, high = min(low, t), max(high, t)
        height = high - low
        kept = _near_outline(flat)
        part = flat[kept]
        order = kept[np.argsort(part[:, 0])]
        size = len(order)
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
        if h > n + 1:
            h = n + 1
        for k in range(h):
            outline[k] = flat[hull[k]]
        for k in range(h - 1):
            p = outline[k + 1, 0] - outline[k, 0]
            q = outline[k + 1, 1] - outline[k, 1]
            length = np.sqrt(p * p + q * q)
            if length == 0:
                continue
            p /= length
            q /= length
            s0, s1, t0, t1 = np.inf, -np.inf, np.inf, -np.inf
            for j in range(h):
                s = p * outline[j, 0] + q * outline[j, 1]
                t = p * outline[j, 1] - q * outline[j, 0]
                s0, s1, t0, t1 = min(s0, s), max(s1, s), min(t0, t), max(t1, t)
            volume = height * (s1 - s0) * (t1 - t0)
            if volume < best:
                best = volume
                edges[0], edges[1], edges[2] = height, s1 - s0, t1 - t0
    return edges


@compiled
def _near_outline(points: np.ndarray) -> np.ndarray:
    """Indices of the points (n, 2) that do not lie inside the octagon of the extreme ones (Akl and Toussaint)."""
    n = points.shape[0]
    ways = np.array([(1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (-1.0, 1.0), (-1.0, 0.0), (-1.0, -1.0), (0.0, -1.0), (1.0, -1.0)])
    extreme = np.zeros(8, dtype=np.int64)
    for w in range(8):
        best = -np.inf
        for i in range(n):
            t = ways[w, 0] * points[i, 0] + ways[w, 1] * points[i, 1]
            if t > best:
                best = t
                extreme[w] = i
    kept = np.empty(n, dtype=np.int64)
    number = 0
    for i in range(n):
        inside = True
        for w in range(8):
            a, b = extreme[w], extreme[(w + 1) % 8]
            if a != b and _turn(points, a, b, i) <= 0:
                inside = False
                break
        if not inside:
            kept[number] = i
            number += 1
    return kept[:number]


@compiled
def enclosing_weights(lifted: np.ndarray, tolerance: float, rounds: int) -> np.ndarray:
    """Weights of the points on the ellipsoid of least volume around them (Khachiyan; away steps after Todd and Yildirim).

    Args:
        lifted: float64 (n, d + 1), points with a last coordinate 1.
        tolerance: Relative excess at which to stop.
        rounds: Most steps.
    """
    n, d = lifted.shape
    u = np.full(n, 1.0 / n)
    m = np.zeros(n)
    inverse = np.eye(d)
    for step_number in range(rounds):
        if step_number % 50 == 0:
            # Rank-one updates drift; start afresh now and then.
            moment = np.zeros((d, d))
            for i in range(n):
                for a in range(d):
                    for b in range(d):
                        moment[a, b] += u[i] * lifted[i, a] * lifted[i, b]
            inverse[:, :] = np.linalg.inv(moment)
            for i in range(n):
                total = 0.0
                for a in range(d):
                    for b in range(d):
                        total += lifted[i, a] * inverse[a, b] * lifted[i, b]
                m[i] = total
        far = 0
        near = -1
        for i in range(n):
            if m[i] > m[far]:
                far = i
            if u[i] > 1e-12 and (near < 0 or m[i] < m[near]):
                near = i
        if m[far] - d >= d - m[near]:
            k = far
            excess = m[far] - d
        else:
            k = near
            excess = d - m[near]
        if excess < tolerance * d:
            break
        step = (m[k] - d) / (d * (m[k] - 1))
        if step < 0:
            step = max(step, -u[k] / (1 - u[k]))
        w = np.zeros(d)
        for a in range(d):
            for b in range(d):
                w[a] += inverse[a, b] * lifted[k, b]
        factor = step / (1 - step + step * m[k])
        for i in range(n):
            t = 0.0
            for a in range(d):
                t += lifted[i, a] * w[a]
            m[i] = (m[i] - factor * t * t) / (1 - step)
            u[i] *= 1 - step
        u[k] += step
        for a in range(d):
            for b in range(d):
                inverse[a, b] = (inverse[a, b] - factor * w[a] * w[b]) / (1 - step)
    return u


@compiled
def index_moments(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Sums and sums of products of the indices (z, y, x) of all voxels set, and their number; whole numbers throughout."""
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
def digitise(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Number of edges not above each value, as `numpy.digitize`: a guess from the mean width, corrected at the edges."""
    out = np.empty(len(values), dtype=np.uint16)
    n = len(edges)
    scale = (n - 1) / (edges[n - 1] - edges[0])
    for k in range(len(values)):
        v = values[k]
        i = int((v - edges[0]) * scale)
        i = min(max(i, 0), n - 1)
        while i + 1 < n and edges[i + 1] <= v:
            i += 1
        while i >= 0 and edges[i] > v:
            i -= 1
        out[k] = i + 1
    return out


@compiled
def sum_by_group(group: np.ndarray, rows: np.ndarray, n_groups: int) -> np.ndarray:
    """Sum of the rows (n, d) of each group (n,), shape (n_groups, d)."""
    out = np.zeros((n_groups, rows.shape[1]))
    for r in range(rows.shape[0]):
        for c in range(rows.shape[1]):
            out[group[r], c] += rows[r, c]
    return out


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
    return (points[b, 0] - points[a, 0]) * (points[c, 1] - points[a, 1]) - (points[b, 1] - points[a, 1]) * (
        points[c, 0] - points[a, 0]
    )
