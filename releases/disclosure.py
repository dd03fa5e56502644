"""Small counts: what a page may show of a table of counts without telling of a few persons.

A count from 1 to `min_cell - 1` is hidden, and then as many further counts as it takes that none of the hidden ones
can be computed back from the totals shown (secondary suppression). Whether it can is decided by linear programming
over all that is shown: the attacker's own tool. When nothing else helps, totals are hidden as well (fail closed).

Source of the method: Hundepool et al., Statistical Disclosure Control, Wiley 2012, chapter 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MASK_TEXT = "•"
"""Shown for a hidden count, the same for primary and secondary suppression, so that it tells nothing."""


@dataclass(frozen=True)
class Masked:
    """Counts as they may be shown: None where hidden; `sums` says which of the given totals may be shown."""

    counts: tuple[int | None, ...]
    sums: tuple[bool, ...]


def is_small(count: int, min_cell: int) -> bool:
    """Whether a count must be hidden: from 1 to `min_cell - 1`."""
    return 0 < count < min_cell


def suppress(counts: Sequence[int], sums: Sequence[Sequence[int]], min_cell: int) -> Masked:
    """Hide small counts and what would give them away.

    Args:
        counts: Counts of disjoint groups.
        sums: Totals shown beside them, each as the positions in `counts` that it adds up.
        min_cell: Smallest count that may be shown (zero may always be).

    Returns:
        What may be shown. For every hidden count the values that agree with all that is shown span at least
        `min_cell`, small totals are hidden too, and a hidden total gives no count away.
    """
    values = np.asarray(counts, dtype=np.int64)
    hidden = np.array([is_small(int(v), min_cell) for v in values], dtype=bool)
    shown_sums = [not is_small(int(values[list(members)].sum()), min_cell) for members in sums]
    while True:
        exposed = _exposed(values, hidden, sums, shown_sums, min_cell)
        if exposed is None:
            break
        partners = [
            position
            for index, members in enumerate(sums)
            if shown_sums[index] and exposed in members
            for position in members
            if not hidden[position] and values[position] > 0
        ]
        if partners:
            hidden[min(partners, key=lambda position: (values[position], position))] = True
            continue
        # Hiding every count of a total did not do: the total itself has to go.
        index = next(i for i, members in enumerate(sums) if shown_sums[i] and exposed in members)
        shown_sums[index] = False
    return Masked(tuple(None if hide else int(v) for v, hide in zip(values, hidden, strict=True)), tuple(shown_sums))


def feasible_range(
    values: Sequence[int], hidden: Sequence[bool], sums: Sequence[Sequence[int]], shown: Sequence[bool], position: int
) -> tuple[float, float]:
    """Return the least and greatest value a hidden count can have, given all that is shown."""
    from scipy.optimize import linprog

    free = [i for i, hide in enumerate(hidden) if hide]
    column = {i: k for k, i in enumerate(free)}
    rows, totals = [], []
    for index, members in enumerate(sums):
        inside = [i for i in members if i in column]
        if not shown[index] or not inside:
            continue
        row = np.zeros(len(free))
        row[[column[i] for i in inside]] = 1.0
        rows.append(row)
        totals.append(float(sum(values[i] for i in inside)))
    if not any(row[column[position]] for row in rows):
        return 0.0, float("inf")
    ends = []
    for sign in (1.0, -1.0):
        goal = np.zeros(len(free))
        goal[column[position]] = sign
        answer = linprog(goal, A_eq=np.array(rows), b_eq=np.array(totals), bounds=(0, None), method="highs")
        ends.append(sign * answer.fun if answer.status == 0 else sign * -np.inf)
    return float(ends[0]), float(ends[1])


def _exposed(
    values: np.ndarray, hidden: np.ndarray, sums: Sequence[Sequence[int]], shown: Sequence[bool], min_cell: int
) -> int | None:
    for position in np.flatnonzero(hidden):
        if not is_small(int(values[position]), min_cell):
            continue
        low, high = feasible_range(values.tolist(), hidden.tolist(), sums, shown, int(position))
        if high - low < min_cell - 1e-6:
            return int(position)
    return None


def chain(counts: Sequence[int], min_cell: int) -> list[int | None]:
    """Return a falling (or rising) series of counts with those hidden whose steps would tell of a few persons.

    The last count is kept unless it is small itself; going back from it, a count is shown only when it differs from
    the nearest shown one by nothing or by at least `min_cell`. Used for flow diagrams and numbers at risk, where
    every difference is itself a count of persons.
    """
    shown: list[int | None] = [None] * len(counts)
    anchor: int | None = None
    for position in range(len(counts) - 1, -1, -1):
        count = int(counts[position])
        if is_small(count, min_cell):
            continue
        if anchor is None or not is_small(abs(count - anchor), min_cell):
            shown[position] = count
            anchor = count
    return shown
