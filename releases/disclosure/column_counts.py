"""Counts of filled and empty cells of a column: what a dictionary and a table of characteristics may say of persons.

A column of a modality is filled for some of those who have it, any other one for some of all: what is shown of it must
not tell of the few who have the modality and yet no value. Columns with the same persons share one decision. A column
says no more than the cohort's own counts where its persons are theirs.

Persons are held as packed bits in order of `subject_id`, so that thousands of columns of many subjects fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import polars as pl

from unibase.releases.disclosure.cohort_counts import Cell, CohortCounts
from unibase.releases.disclosure.small_counts import Statistic, is_small, protect, shares, suppress

Bits = bytes


@dataclass(frozen=True)
class Filled:
    """Who has a value in a column, as packed bits, and for which reasons how many have none."""

    present: Bits
    reasons: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class ShownColumn:
    """What may be shown of a column; None is hidden.

    Attributes:
        missing: Subjects without a value.
        reasons: Of those, how many for each reason.
        by_centre: Centre to subjects with a value and subjects.
    """

    missing: int | None
    reasons: tuple[tuple[str, int | None], ...] = ()
    by_centre: tuple[tuple[str, tuple[int, int] | None], ...] = ()


@dataclass(frozen=True)
class Ground:
    """What the columns stand on: the cohort, each centre and each modality as packed bits.

    Attributes:
        cohort: The counts of the cohort, weighed.
        centres: Centre to its subjects.
        modalities: Modality to who has it.
        min_cell: Smallest count of persons that may be shown.
    """

    cohort: CohortCounts
    centres: Mapping[str, Bits]
    modalities: Mapping[str, Bits]
    min_cell: int

    @property
    def subjects(self) -> int:
        """How many subjects there are."""
        return len(self.cohort.people.of)


def pack(flags: Iterable[bool]) -> Bits:
    r"""Return booleans, `flags`, in order of subject, as packed bits.

    >>> pack([True, False, True])
    b'\xa0'
    """
    return np.packbits(np.fromiter(flags, dtype=bool)).tobytes()


def filled(frame: pl.DataFrame) -> dict[str, Bits]:
    r"""Return who has a value in each column of `frame`, a table with a row for each subject, in order of subject.

    >>> filled(pl.DataFrame({"AGE": [61, None]}))
    {'AGE': b'\x80'}
    """
    return {name: np.packbits(frame[name].is_not_null().to_numpy()).tobytes() for name in frame.columns}


def ground_of(cohort: CohortCounts, min_cell: int) -> Ground:
    """Return the ground of the columns of a cohort; counts below `min_cell` are small."""
    people = [cohort.people.of[i] for i in sorted(cohort.people.of)]
    centres = {name: pack(one.centre == name for one in people) for name in cohort.centres}
    named = enumerate(cohort.people.modalities)
    modalities = {name: pack(one.has[n] for one in people) for n, name in named}
    return Ground(cohort, centres, modalities, min_cell)


def _count(bits: Bits) -> int:
    """Return how many bits are set."""
    return int(np.bitwise_count(np.frombuffer(bits, dtype=np.uint8)).sum())


def _common(one: Bits, other: Bits) -> int:
    """Return how many persons are in both."""
    both = np.frombuffer(one, dtype=np.uint8) & np.frombuffer(other, dtype=np.uint8)
    return int(np.bitwise_count(both).sum())


def weigh(
    columns: Mapping[str, Filled], ground: Ground, before: Mapping[str, ShownColumn] | None = None
) -> dict[str, ShownColumn]:
    """Decide what may be shown of each column, given what is shown of the cohort and of the version before.

    Args:
        columns: Name of the column to who has a value in it.
        ground: The cohort, weighed already.
        before: What the version before shows of a column.
    """
    distinct = {one: _weigh_one(one, ground) for one in dict.fromkeys(columns.values())}
    for one in _too_near(columns, ground):
        distinct[one] = _hidden(one, ground)
    return {
        name: _beside(distinct[one], (before or {}).get(name), ground) if before else distinct[one]
        for name, one in columns.items()
    }


def _weigh_one(one: Filled, ground: Ground) -> ShownColumn:
    present, everybody = _count(one.present), ground.subjects
    if ground.cohort.counts[Cell()] is None:
        return _hidden(one, ground)
    if present in (0, everybody):
        full = [(c, _pair(n if present else 0, n)) for c, n in _centre_sizes(ground).items()]
        return ShownColumn(everybody - present, _reasons(one, everybody - present, ground.min_cell), tuple(full))
    around = _modality_around(one, ground)
    if around is not None and ground.modalities[around] == one.present:
        return _as_modality(one, around, ground)
    if around is not None and ground.cohort.counts[Cell(has=around)] is None:
        return _hidden(one, ground)
    within = everybody if around is None else _count(ground.modalities[around])
    missing, reasons = _totals(present, within, everybody, one.reasons, ground.min_cell)
    return ShownColumn(missing, reasons, _by_centre(one, around, ground) if missing is not None else _no_centre(ground))


def _pair(present: int | None, rows: int | None) -> tuple[int, int] | None:
    return None if present is None or rows is None else (present, rows)


def _centre_sizes(ground: Ground) -> dict[str, int | None]:
    return {centre: ground.cohort.counts[Cell(centre=centre)] for centre in ground.centres}


def _no_centre(ground: Ground) -> tuple[tuple[str, None], ...]:
    return tuple((centre, None) for centre in ground.centres)


def _hidden(one: Filled, ground: Ground) -> ShownColumn:
    return ShownColumn(None, tuple((reason, None) for reason, _ in one.reasons), _no_centre(ground))


def _modality_around(one: Filled, ground: Ground) -> str | None:
    """Return the smallest modality that all who have a value have; None where there is none."""
    own = _count(one.present)
    around = [
        (_count(bits), name)
        for name, bits in ground.modalities.items()
        if _common(one.present, bits) == own and _count(bits) < ground.subjects
    ]
    return min(around)[1] if around else None


def _as_modality(one: Filled, name: str, ground: Ground) -> ShownColumn:
    """Return what is shown of a column whose persons are those of a modality: what is shown of the modality."""
    sizes, counts = _centre_sizes(ground), ground.cohort.counts
    total = counts[Cell(has=name)]
    by_centre = tuple((c, _pair(counts[Cell(centre=c, has=name)], sizes[c])) for c in ground.centres)
    if total is None:
        return replace(_hidden(one, ground), by_centre=by_centre)
    missing = ground.subjects - total
    return ShownColumn(missing, _reasons(one, missing, ground.min_cell), by_centre)


def _reasons(one: Filled, missing: int, min_cell: int) -> tuple[tuple[str, int | None], ...]:
    """Return the counts by reason where their sum is shown."""
    masked = suppress([n for _, n in one.reasons], [], min_cell, known=missing)
    return tuple((reason, n) for (reason, _), n in zip(one.reasons, masked.counts, strict=True))


@lru_cache(maxsize=10_000)
def _totals(
    present: int, within: int, everybody: int, reasons: tuple[tuple[str, int], ...], min_cell: int
) -> tuple[int | None, tuple[tuple[str, int | None], ...]]:
    """Return missing cells and reasons that may be shown of a column filled for `present` of the `within` who could have it.

    The base groups are those with a value, and by reason those without inside and outside; outside nobody has one.
    """
    missing = everybody - present
    gap, outside = within - present, everybody - within
    counts = [n for _, n in reasons] or [missing]
    if not any(is_small(n, min_cell) for n in (present, gap, *counts)):
        return missing, tuple(reasons)
    size = len(counts)
    left, inside = outside, []
    for n in counts:  # Any split that adds up serves: only the sums matter.
        inside.append(n - min(n, left))
        left -= min(n, left)
    groups = [present, *inside, *(n - i for n, i in zip(counts, inside, strict=True))]
    rows = [Statistic((1 + k, 1 + size + k)) for k in range(size)]
    rows += [
        Statistic(tuple(range(1, len(groups))), priority=1),
        Statistic(tuple(range(len(groups))), fixed=True),
        Statistic(tuple(range(1 + size)), known=True),
        Statistic((0,), shown=False),
        Statistic(tuple(range(1, 1 + size)), shown=False),
    ]
    shown = protect(groups, rows, min_cell)
    by_reason = tuple((reason, n if show else None) for (reason, n), show in zip(reasons, shown, strict=False))
    return missing if shown[size] else None, by_reason


def _by_centre(
    one: Filled, around: str | None, ground: Ground, unknown: Sequence[str] = ()
) -> tuple[tuple[str, tuple[int, int] | None], ...]:
    """Return the counts by centre; those of a centre or a modality that is hidden itself are hidden as well."""
    names, sizes = list(ground.centres), _centre_sizes(ground)
    present = [_common(one.present, ground.centres[c]) for c in names]
    could = [_count(b) if around is None else _common(b, ground.modalities[around]) for b in ground.centres.values()]
    parent = [sizes[c] if around is None else ground.cohort.counts[Cell(centre=c, has=around)] for c in names]
    hide = {i for i, c in enumerate(names) if sizes[c] is None or parent[i] is None or c in unknown}
    pairs = shares(present, could, ground.min_cell, hide)
    return tuple((c, None if pair is None else _pair(pair[0], sizes[c])) for c, pair in zip(names, pairs, strict=True))


def _too_near(columns: Mapping[str, Filled], ground: Ground) -> set[Filled]:
    """Return whom to hide of two columns of which one is filled wherever the other is, and for a few more persons."""
    uses: dict[Bits, list[Filled]] = {}
    worth: dict[Bits, int] = {}
    for one in columns.values():
        uses.setdefault(one.present, []).append(one)
        worth[one.present] = worth.get(one.present, 0) + 1
    sizes = {bits: _count(bits) for bits in uses}
    taken = {*ground.modalities.values()}
    order = sorted(uses, key=lambda bits: (sizes[bits], bits))
    hidden: set[Bits] = set()
    for place, small in enumerate(order):
        for large in order[place + 1 :]:
            if sizes[large] - sizes[small] >= ground.min_cell:
                break
            both_shown = small not in hidden and large not in hidden and sizes[large] < ground.subjects and sizes[small]
            if both_shown and sizes[large] > sizes[small] and _common(small, large) == sizes[small]:
                # Of two modalities the cohort's own counts have decided.
                free = [bits for bits in (small, large) if bits not in taken]
                hidden.update(sorted(free, key=lambda bits: (worth[bits], bits))[:1])
    return {one for bits in hidden for one in uses[bits]}


def _beside(now: ShownColumn, then: ShownColumn | None, ground: Ground) -> ShownColumn:
    """Hide what would tell of a few beside the version before: a count that differs by a few, or one that was hidden then."""
    if then is None or now.missing is None:
        return now
    few = then.missing is not None and is_small(abs(now.missing - then.missing), ground.min_cell)
    nobody_moved = ground.cohort.added == 0 and ground.cohort.removed == 0
    if few or (then.missing is None and nobody_moved):
        hidden = tuple((reason, None) for reason, _ in now.reasons)
        return ShownColumn(None, hidden, tuple((centre, None) for centre, _ in now.by_centre))
    old = dict(then.by_centre)
    moved = [
        centre
        for centre, pair in now.by_centre
        if pair
        and (was := old.get(centre))
        and any(is_small(abs(a - b), ground.min_cell) for a, b in zip(pair, was, strict=True))
    ]
    if not moved:
        return now
    # One hidden centre is the total less the others: then all are hidden.
    return replace(now, by_centre=tuple((centre, None) for centre, _ in now.by_centre))
