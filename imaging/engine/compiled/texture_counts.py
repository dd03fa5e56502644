"""Compiled loops that count the texture matrices. Arrays of grey levels hold 0 outside the region and zeros around it.

Each loop takes whole rows as slices of equal length, so that the compiler can work on many voxels at once, and looks at
the part of a row that holds voxels of the region only.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from unibase.imaging.engine.compiled.machine_code import compiled

EARLIER = np.array(
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
"""Steps (z, y, x) to the thirteen neighbours that come earlier in scan order; the first four lie in the slice."""


@compiled
def row_extents(levels: np.ndarray) -> np.ndarray:
    """First and one past the last place that is not 0 in each row of `levels`: int64 (nz, ny, 2); both alike in an empty row."""
    nz, ny, nx = levels.shape
    out = np.zeros((nz, ny, 2), dtype=np.int64)
    for z in range(nz):
        for y in range(ny):
            row = levels[z, y]
            first = 0
            while first < nx and row[first] == 0:
                first += 1
            past = nx
            while past > first and row[past - 1] == 0:
                past -= 1
            out[z, y, 0] = first
            out[z, y, 1] = past
    return out


@compiled
def _filled_rows(extents: np.ndarray) -> np.ndarray:
    """Slice, row, first place and one past the last of each row that is not empty: int64 (n, 4), in scan order."""
    nz, ny, _ = extents.shape
    out = np.empty((nz * ny, 4), dtype=np.int64)
    n = 0
    for z in range(nz):
        for y in range(ny):
            if extents[z, y, 1] > extents[z, y, 0]:
                out[n, 0], out[n, 1], out[n, 2], out[n, 3] = z, y, extents[z, y, 0], extents[z, y, 1]
                n += 1
    return out[:n]


@compiled
def co_occurrence(levels: np.ndarray, extents: np.ndarray, steps: np.ndarray, n_levels: int) -> np.ndarray:
    """Count pairs (level, level one step further) for each step.

    Args:
        levels: uint16 (z, y, x), padded by zeros.
        extents: From `row_extents`.
        steps: int64 (k, 3) steps (z, y, x), none longer than the padding is wide.
        n_levels: Levels run from 1 to this.

    Returns:
        uint32 (k, n_levels + 1, n_levels + 1); row and column 0 count what lies outside the region.
    """
    counts = np.zeros((len(steps), n_levels + 1, n_levels + 1), dtype=np.uint32)
    rows = _filled_rows(extents)
    for r in range(len(rows)):
        z, y, first, past = rows[r, 0], rows[r, 1], rows[r, 2], rows[r, 3]
        here = levels[z, y, first:past]
        for k in range(len(steps)):
            dz, dy, dx = steps[k, 0], steps[k, 1], steps[k, 2]
            there = levels[z + dz, y + dy, first + dx : past + dx]
            table = counts[k]
            for x in range(past - first):
                table[here[x], there[x]] += np.uint32(1)
    return counts


def pairs_and_runs(
    levels: np.ndarray, extents: np.ndarray, steps: np.ndarray, occurrences: np.ndarray, longest: int
) -> tuple[np.ndarray, np.ndarray]:
    """Count pairs of neighbours and runs of equal levels, for each step.

    Args:
        levels, extents: uint16 (z, y, x), padded by one zero, and what `row_extents` says of it.
        steps: int64 (k, 3) steps (z, y, x) of distance 1, each later in scan order than 0.
        occurrences: Voxels of each of the n levels, from level 1.
        longest: No run is longer.

    Returns:
        Pairs (k, level, level one step further), int64 (k, n, n); runs (k, level, length), both from 1, int64 (k, n, longest).

    >>> line = np.pad(np.array([[[1, 1, 2]]], dtype=np.uint16), 1)
    >>> pairs, runs = pairs_and_runs(line, row_extents(line), np.array([[0, 0, 1]]), np.array([2, 1]), 3)
    >>> pairs[0].tolist(), runs[0].tolist()
    ([[1, 1], [0, 0]], [[0, 1, 0], [1, 0, 0]])
    """
    n, k = len(occurrences), len(steps)
    counts = _steps_counted(levels, extents, steps, n, longest)
    wide = (n + 1) ** 2
    # Voxels that continue a run, by how many are behind: how many runs are longer than that.
    longer = counts[:, wide:].reshape(k, n + 1, longest)[:, 1:, 1:].astype(np.int64)
    equal = longer.sum(axis=2)
    pairs = np.ascontiguousarray(counts[:, :wide].reshape(k, n + 1, n + 1)[:, 1:, 1:].transpose(0, 2, 1)).astype(np.int64)
    pairs[:, np.arange(n), np.arange(n)] += equal
    runs = np.zeros((k, n, longest), dtype=np.int64)
    # Voxels that do not continue a run start one.
    runs[:, :, 0] = occurrences - equal
    runs[:, :, 1:] = longer
    runs[:, :, :-1] -= longer
    return pairs, runs


@compiled
def _steps_counted(levels: np.ndarray, extents: np.ndarray, steps: np.ndarray, n_levels: int, longest: int) -> np.ndarray:
    """Count every voxel once for each step: by level and the level behind it, or, where these are equal, by level and run.

    One number says which, so that one table takes both; numbers are made for a whole row at once, without branches.

    Returns:
        uint32 (k, (n_levels + 1)^2 + (n_levels + 1) longest): pairs (level, level behind), without equal ones; then equal
        voxels behind (level, number of them). Level 0 is outside.
    """
    _, ny, nx = levels.shape
    wide, row_of_runs = np.uint32(n_levels + 1), np.uint32(longest)
    base = np.uint32(wide * wide)
    counts = np.zeros((len(steps), (n_levels + 1) * (n_levels + 1 + longest)), dtype=np.uint32)
    # Equal voxels passed so far on the line of each step, for this slice and the one before.
    passed = np.zeros((len(steps), 2, ny, nx), dtype=np.uint16)
    numbers = np.empty(nx, dtype=np.uint32)
    behind = np.empty(nx, dtype=np.uint16)
    rows = _filled_rows(extents)
    for r in range(len(rows)):
        z, y, first, past = rows[r, 0], rows[r, 1], rows[r, 2], rows[r, 3]
        width = past - first
        here = levels[z, y, first:past]
        run, number = behind[:width], numbers[:width]
        for k in range(len(steps)):
            dz, dy, dx = steps[k, 0], steps[k, 1], steps[k, 2]
            there = levels[z - dz, y - dy, first - dx : past - dx]
            before = passed[k, (z - dz) & 1, y - dy, first - dx : past - dx]
            now = passed[k, z & 1, y, first:past]
            if dz == 0 and dy == 0:
                # Along the row each run goes on with what was found one place before.
                for x in range(width):
                    now[x] = (before[x] + np.uint16(1)) * np.uint16(here[x] == there[x])
                    run[x] = now[x]
            else:
                for x in range(width):
                    run[x] = (before[x] + np.uint16(1)) * np.uint16(here[x] == there[x])
                for x in range(width):
                    now[x] = run[x]
            for x in range(width):
                level = np.uint32(here[x])
                pair = level * wide + np.uint32(there[x])
                longer = base + level * row_of_runs + np.uint32(run[x])
                number[x] = (pair + np.uint32(run[x] != 0) * (longer - pair)) * np.uint32(level != 0)
            for x in range(width):
                counts[k, number[x]] += np.uint32(1)
    return counts


_MOST_TOUCHING_FIRST = np.array([8, 5, 7, 9, 11, 2, 0, 1, 3, 4, 6, 10, 12])
"""Steps to earlier neighbours: the one above touches all others, those beside it most."""


@compiled
def _fewest(steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each set of earlier neighbours (bits): a smallest subset that touches all of them, and the lowest bit."""
    n = len(steps)
    touching = np.zeros(n, dtype=np.int64)
    for a in range(n):
        for b in range(n):
            farthest = 0
            for axis in range(3):
                farthest = max(farthest, abs(steps[a, axis] - steps[b, axis]))
            if farthest <= 1:
                touching[a] |= 1 << b
    fewer = np.zeros(1 << n, dtype=np.uint16)
    lowest = np.zeros(1 << n, dtype=np.uint8)
    for members in range(1, 1 << n):
        while not members >> lowest[members] & 1:
            lowest[members] += 1
        left = members
        for first in _MOST_TOUCHING_FIRST:
            if not left >> first & 1:
                continue
            fewer[members] |= np.uint16(1 << first)
            # All that hang together with it are one zone already.
            reached = 1 << first
            grown = True
            while grown:
                grown = False
                for b in range(n):
                    if left >> b & 1 and not reached >> b & 1 and touching[b] & reached:
                        reached |= 1 << b
                        grown = True
            left &= ~reached
    return fewer, lowest


@cache
def _fewest_earlier() -> tuple[np.ndarray, np.ndarray]:
    fewer, lowest = _fewest(EARLIER)
    return fewer, lowest


def zones(
    levels: np.ndarray, extents: np.ndarray, planar: bool, distance: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Find zones of equal level: 26-connected, or 8-connected within each slice when `planar`.

    Args:
        levels: uint16 (z, y, x), padded by one zero.
        extents: From `row_extents`.
        planar: Connect within slices (first axis) only.
        distance: int32 of the same shape, when the smallest one in each zone is asked for.

    Returns:
        Level, size, smallest distance and slice of each zone (int64; the slice counts from 0 without padding).
    """
    if distance is None:
        distance = np.zeros((0, 0, 0), dtype=np.int32)
    found: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] = _zones(
        levels, extents, EARLIER[:4] if planar else EARLIER, distance, *_fewest_earlier()
    )
    return found


@compiled
def _zones(
    levels: np.ndarray,
    extents: np.ndarray,
    steps: np.ndarray,
    distance: np.ndarray,
    fewer: np.ndarray,
    lowest: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    nz, ny, nx = levels.shape
    n_steps = len(steps)
    with_distance = distance.shape[0] > 0
    # Labels of this slice and the one before are enough: zones carry their sums with them.
    label = np.zeros(2 * ny * nx, dtype=np.int32)
    capacity = 4 * nx
    parent = np.empty(capacity, dtype=np.int32)
    sums = np.empty((capacity, 4), dtype=np.int64)
    used = 0
    equal = np.zeros(nx, dtype=np.uint16)
    offset = np.empty(n_steps, dtype=np.int64)
    for z in range(1, nz - 1):
        plane = z & 1
        for k in range(n_steps):
            offset[k] = ((((z + steps[k, 0]) & 1) - plane) * ny + steps[k, 1]) * nx + steps[k, 2]
        for y in range(1, ny - 1):
            first, past = extents[z, y, 0], extents[z, y, 1]
            width = past - first
            if width <= 0:
                continue
            here = levels[z, y, first:past]
            bits = equal[:width]
            bits[:] = 0
            for k in range(n_steps):
                there = levels[z + steps[k, 0], y + steps[k, 1], first + steps[k, 2] : past + steps[k, 2]]
                bit = np.uint16(1 << k)
                for x in range(width):
                    bits[x] |= bit if here[x] == there[x] else np.uint16(0)
            if used + width > capacity:
                grown = np.empty(2 * capacity, dtype=np.int32)
                for i in range(used):
                    grown[i] = parent[i]
                parent = grown
                wider = np.empty((2 * capacity, 4), dtype=np.int64)
                for i in range(used):
                    _keep_row(wider, i, sums, i)
                sums = wider
                capacity *= 2
            start = (plane * ny + y) * nx + first
            for x in range(width):
                if here[x] == 0:
                    continue
                place = start + x
                left = fewer[bits[x]]
                near = np.int64(distance[z, y, first + x]) if with_distance else np.int64(0)
                if left == 0:
                    parent[used] = used
                    sums[used, 0] = here[x]
                    sums[used, 1] = 1
                    sums[used, 2] = near
                    sums[used, 3] = z - 1
                    label[place] = used
                    used += 1
                    continue
                mine = _root(parent, label[place + offset[lowest[left]]])
                left &= left - np.uint16(1)
                while left:
                    other = _root(parent, label[place + offset[lowest[left]]])
                    if other != mine:
                        older, newer = min(mine, other), max(mine, other)
                        parent[newer] = older
                        sums[older, 1] += sums[newer, 1]
                        sums[older, 2] = min(sums[older, 2], sums[newer, 2])
                        mine = older
                    left &= left - np.uint16(1)
                label[place] = mine
                sums[mine, 1] += 1
                sums[mine, 2] = min(sums[mine, 2], near)
    n_zones = 0
    for i in range(used):
        if parent[i] == i:
            _keep_row(sums, n_zones, sums, i)
            n_zones += 1
    return sums[:n_zones, 0].copy(), sums[:n_zones, 1].copy(), sums[:n_zones, 2].copy(), sums[:n_zones, 3].copy()


@compiled
def _keep_row(out: np.ndarray, to: int, rows: np.ndarray, row: int) -> None:
    # NumPy's way, `out[to] = rows[row]`, takes two CPU seconds to compile: it brings the text of its error with it.
    for column in range(rows.shape[1]):
        out[to, column] = rows[row, column]


@compiled
def _root(parent: np.ndarray, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@compiled
def neighbourhoods(
    levels: np.ndarray, extents: np.ndarray, steps: np.ndarray, pad: int, alpha: int, n_levels: int, by_slice: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compare each voxel with all its neighbours: the sums of NGTDM and the counts of NGLDM/GLDM in one pass.

    Args:
        levels: uint16 (z, y, x), padded by `pad` zeros.
        extents: From `row_extents`.
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
    nz, _, nx = levels.shape
    n_slices = nz - 2 * pad if by_slice else 1
    n_steps = len(steps)
    voxels = np.zeros((n_slices, n_levels), dtype=np.int64)
    differences = np.zeros((n_slices, n_levels))
    dependence = np.zeros((n_slices, n_levels, n_steps + 1), dtype=np.int64)
    # 32 bits: twice as many voxels per vector instruction.
    totals = np.zeros(nx, dtype=np.int32)
    counts = np.zeros(nx, dtype=np.int32)
    equals = np.zeros(nx, dtype=np.int32)
    rows = _filled_rows(extents)
    for r in range(len(rows)):
        z, y, first, past = rows[r, 0], rows[r, 1], rows[r, 2], rows[r, 3]
        width = past - first
        s = z - pad if by_slice else 0
        here = levels[z, y, first:past]
        total, count, equal = totals[:width], counts[:width], equals[:width]
        total[:] = 0
        count[:] = 0
        equal[:] = 0
        for k in range(n_steps):
            there = levels[z + steps[k, 0], y + steps[k, 1], first + steps[k, 2] : past + steps[k, 2]]
            for x in range(width):
                b = np.int32(there[x])
                total[x] += b
                count[x] += np.int32(b != 0)
                equal[x] += np.int32((b != 0) & (abs(b - np.int32(here[x])) <= alpha))
        for x in range(width):
            a = here[x]
            if a:
                if count[x]:
                    voxels[s, a - 1] += 1
                    differences[s, a - 1] += abs(a - total[x] / count[x])
                dependence[s, a - 1, equal[x]] += 1
    return voxels, differences, dependence
