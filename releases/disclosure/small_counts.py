"""Small counts: what a page may show of counts of persons without telling of a few of them.

A count from 1 to `min_cell - 1` is hidden, and then as many further counts as it takes that none of the hidden ones
can be computed back from all that is shown together (secondary suppression). Whether it can is decided by linear
programming over what is shown: the attacker's own tool. Every count is a sum over disjoint base groups, so several
tables of one page are protected together. It fails closed: when nothing else helps, nothing is shown.

Source of the method: Hundepool et al., Statistical Disclosure Control, Wiley 2012, chapter 4.
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass, field

import numpy as np

MASK_TEXT = "•"
"""Shown for a hidden count, the same for primary and secondary suppression, so that it tells nothing."""


@dataclass(frozen=True)
class Statistic:
    """A count that a page would show, or that must stay unknown.

    Attributes:
        members: Positions of the base groups it adds up.
        priority: What is worth less is hidden first, to protect something else.
        shown: False for a count that the page never shows but that must not be computable, such as a complement.
        fixed: True for a count that is known anyway and is only hidden when it is small itself.
        known: True for a count that is out already, such as one of the version before: it is never hidden, nor protected.
    """

    members: tuple[int, ...]
    priority: int = 0
    shown: bool = True
    fixed: bool = False
    known: bool = False


@dataclass(frozen=True)
class Masked:
    """Counts as they may be shown: None where hidden; `sums` says which of the given totals may be shown."""

    counts: tuple[int | None, ...]
    sums: tuple[bool, ...]


def is_small(count: int, min_cell: int) -> bool:
    """Whether a count must be hidden: from 1 to `min_cell - 1`.

    >>> is_small(0, 10), is_small(9, 10), is_small(10, 10)
    (False, True, False)
    """
    return 0 < count < min_cell


def protect(groups: Sequence[int], statistics: Sequence[Statistic], min_cell: int) -> list[bool]:
    """Say which statistics may be shown together.

    Args:
        groups: Counts of disjoint base groups; never shown as such.
        statistics: Sums over groups.
        min_cell: Smallest count that may be shown (zero may always be).

    Returns:
        For each statistic whether it may be shown. For each small one, the values that agree with all that is shown
        span at least `min_cell`, or as many as what is known anyway leaves open.
    """
    program = _Program.of(groups, statistics, min_cell)
    shown, dropped = program.shown.copy(), list[int]()
    for row in program.sensitive:
        while (leaned := program.leaning(row, shown)) is not None:
            if row not in program.widest:
                program.widest[row] = program.width(row, ~program.may_hide & shown)
                continue
            candidates = program.candidates(leaned, shown)
            if not candidates:
                break
            choice = next((r for r in candidates if program.leaning(row, _without(shown, r)) is None), candidates[0])
            shown[choice] = False
            dropped.append(choice)
    # What was hidden on the way may have become harmless.
    for row in sorted(dropped, key=program.worth, reverse=True):
        trial = shown.copy()
        trial[row] = True
        if all(program.leaning(hidden, trial) is None for hidden in program.sensitive):
            shown = trial
    return [bool(s) for s in shown]


@dataclass(frozen=True, eq=False)
class _Program:
    """The statistics as rows of a linear program over the base groups.

    Attributes:
        matrix: Which groups each statistic adds up, shape (statistics, groups).
        totals: Their sums, shape (statistics,).
        shown: Which are shown before anything is hidden beside the small ones, shape (statistics,).
        may_hide: Which may be hidden, shape (statistics,).
        sensitive: The small ones.
        priority: What each is worth.
        min_cell: Smallest count that may be shown.
        widest: How uncertain a small one stays when all that may be hidden is; noted where the rest narrows it.
    """

    matrix: np.ndarray
    totals: np.ndarray
    shown: np.ndarray
    may_hide: np.ndarray
    sensitive: tuple[int, ...]
    priority: tuple[int, ...]
    min_cell: int
    widest: dict[int, float] = field(default_factory=dict)

    @classmethod
    def of(cls, groups: Sequence[int], statistics: Sequence[Statistic], min_cell: int) -> _Program:
        counts = np.asarray(groups, dtype=np.int64)
        matrix = np.zeros((len(statistics), len(counts)))
        for row, statistic in enumerate(statistics):
            matrix[row, list(statistic.members)] = 1.0
        totals = matrix @ counts
        small = [not s.known and is_small(int(total), min_cell) for s, total in zip(statistics, totals, strict=True)]
        return cls(
            matrix,
            totals,
            np.array([s.known or (s.shown and not hide) for s, hide in zip(statistics, small, strict=True)], dtype=bool),
            np.array([not (s.fixed or s.known) for s in statistics], dtype=bool),
            tuple(row for row, hide in enumerate(small) if hide),
            tuple(s.priority for s in statistics),
            min_cell,
        )

    def leaning(self, row: int, visible: np.ndarray) -> np.ndarray | None:
        """Return the shown rows that a derivation of a hidden one leans on; None where it stays uncertain enough."""
        low, high, binding = _feasible_range(self.matrix[row], self.matrix[visible], self.totals[visible])
        # More than what is known anyway leaves uncertain cannot be had: hiding on would only take numbers from readers.
        enough = min(float(self.min_cell), self.widest.get(row, math.inf))
        return np.flatnonzero(visible)[binding] if high - low < enough - 1e-6 else None

    def width(self, row: int, visible: np.ndarray) -> float:
        """Return over how many values a statistic can range beside those that are shown."""
        low, high, _ = _feasible_range(self.matrix[row], self.matrix[visible], self.totals[visible])
        return high - low

    def worth(self, row: int) -> tuple[int, float, int]:
        """Return what a statistic is worth, for ordering."""
        return self.priority[row], float(self.totals[row]), row

    def candidates(self, leaned: np.ndarray, shown: np.ndarray) -> list[int]:
        """Return what may be hidden next, the least worth first.

        Only what the derivation leans on is worth hiding; where none of it may be hidden, anything else is. What is worth more
        stays for as long as something of less worth can go.
        """
        found = [int(r) for r in leaned if self.may_hide[r]] or [int(r) for r in np.flatnonzero(shown & self.may_hide)]
        least = min((self.priority[r] for r in found), default=0)
        return sorted((r for r in found if self.priority[r] == least), key=self.worth)


def _feasible_range(goal: np.ndarray, rows: np.ndarray, totals: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Return the least and greatest value of `goal @ x` over all `x >= 0` with `rows @ x = totals`, and which rows bind it."""
    from scipy.optimize import linprog  # Heavy, and many commands draw no page.

    if not len(rows):
        return 0.0, float("inf"), np.zeros(0, dtype=bool)
    binding = np.zeros(len(rows), dtype=bool)
    ends = [0.0, float("inf")]
    for place, sign in enumerate((1.0, -1.0)):
        if place and (goal[~rows.any(axis=0)] != 0).any():
            continue
        answer = linprog(sign * goal, A_eq=rows, b_eq=totals, bounds=(0, None), method="highs")
        if answer.status == 0:
            ends[place] = sign * float(answer.fun)
            binding |= np.abs(answer.eqlin.marginals) > 1e-9
    return ends[0], ends[1], binding


def _without(shown: np.ndarray, row: int) -> np.ndarray:
    trial = shown.copy()
    trial[row] = False
    return trial


def suppress(counts: Sequence[int], sums: Sequence[Sequence[int]], min_cell: int, known: int | None = None) -> Masked:
    """Hide small counts of disjoint groups, and what would give them away.

    Args:
        counts: Counts of disjoint groups.
        sums: Totals shown beside them, each as the positions in `counts` that it adds up.
        min_cell: Smallest count that may be shown (zero may always be).
        known: Sum of all of them, where a reader has it from elsewhere; what is not in `counts` of it is shown nowhere.
    """
    groups = list(counts) if known is None else [*counts, known - sum(counts)]
    statistics = [Statistic((i,)) for i in range(len(counts))] + [Statistic(tuple(s), priority=1) for s in sums]
    statistics += [Statistic(tuple(range(len(groups))), known=True)] if known is not None else []
    shown = protect(groups, statistics, min_cell)
    size = len(counts)
    visible = tuple(int(c) if show else None for c, show in zip(counts, shown[:size], strict=True))
    return Masked(visible, tuple(shown[size : size + len(sums)]))


def shares(
    present: Sequence[int], rows: Sequence[int], min_cell: int, unknown: Container[int] = ()
) -> list[tuple[int, int] | None]:
    """Return `(present, rows)` of groups whose total of each is known, or None where it must be hidden.

    The special case of `protect` that a dictionary needs for thousands of variables, in closed form: of the hidden
    groups H, with S of them present together, a group can have any number from `max(0, S - rows of the others)` to
    `min(its rows, S)`. Neither those with a value nor those without may be a few in all of H.

    Args:
        present: Rows with a value, by group.
        rows: Rows, by group.
        min_cell: Smallest count that may be shown, of rows with and of rows without a value.
        unknown: Positions of the groups whose number of rows is hidden elsewhere.
    """
    hidden = {i for i in range(len(rows)) if i in unknown}
    hidden |= {
        i for i, (p, n) in enumerate(zip(present, rows, strict=True)) if is_small(p, min_cell) or is_small(n - p, min_cell)
    }
    small = [i for i, n in enumerate(rows) if is_small(n, min_cell)]
    hidden.update(small)
    if len(small) == 1 and len(rows) > 1:
        # The only hidden size of a group is the total less the others.
        hidden.add(min((i for i in range(len(rows)) if i != small[0]), key=lambda i: (rows[i], i)))
    while hidden and len(hidden) < len(rows):
        known, size = sum(present[i] for i in hidden), sum(rows[i] for i in hidden)
        # The total less the shown is the count of all hidden groups together: of a few, it tells of each of them.
        few = is_small(known, min_cell) or is_small(size - known, min_cell)
        if not few and all(
            min(rows[i], known) - max(0, known - size + rows[i]) >= min_cell for i in hidden if rows[i] >= min_cell
        ):
            break
        hidden.add(min((i for i in range(len(rows)) if i not in hidden), key=lambda i: (rows[i], i)))
    return [None if i in hidden else (int(p), int(n)) for i, (p, n) in enumerate(zip(present, rows, strict=True))]


def chain(counts: Sequence[int], min_cell: int) -> list[int | None]:
    """Return a monotone series of counts with those hidden whose steps would tell of a few persons.

    The last count is kept unless it is small itself; going back from it, a count is shown only when it differs from
    the nearest shown one by nothing or by at least `min_cell`. Used for flow diagrams and numbers at risk, where
    every difference is itself a count of persons.

    >>> chain([100, 97, 60], 10)
    [None, 97, 60]
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
