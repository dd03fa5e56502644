from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unibase.releases.disclosure.small_counts import Statistic, chain, is_small, protect, shares, suppress

SMALL = 4


def possible_values(groups: list[int], statistics: list[Statistic], shown: list[bool], row: int) -> set[int]:
    """Brute force: the values of one statistic over all tables that agree with what is shown (and the total)."""
    bound = max(sum(groups), 1)
    found = set()
    for table in itertools.product(range(bound + 1), repeat=len(groups)):
        if all(
            sum(table[i] for i in s.members) == sum(groups[i] for i in s.members)
            for s, visible in zip(statistics, shown, strict=True)
            if visible
        ):
            found.add(sum(table[i] for i in statistics[row].members))
    return found


@given(st.lists(st.integers(0, 7), min_size=4, max_size=4))
@settings(max_examples=40, deadline=None)
def test_no_small_count_can_be_worked_out_by_trying_all_tables(groups: list[int]) -> None:
    # Two by two, with both margins and the total.
    statistics = [
        *(Statistic((i,)) for i in range(4)),
        Statistic((0, 1), priority=1),
        Statistic((2, 3), priority=1),
        Statistic((0, 2), priority=1),
        Statistic((1, 3), priority=1),
        Statistic((0, 1, 2, 3), priority=2),
    ]
    shown = protect(groups, statistics, SMALL)
    bounded = any(shown)
    for row, statistic in enumerate(statistics):
        total = sum(groups[i] for i in statistic.members)
        if is_small(total, SMALL):
            assert not shown[row]
            if bounded:
                values = possible_values(groups, statistics, shown, row)
                covered = all(any(i in s.members for s, v in zip(statistics, shown, strict=True) if v) for i in statistic.members)
                assert not covered or max(values) - min(values) >= SMALL


def test_one_small_group_takes_another_with_it_under_a_total() -> None:
    masked = suppress([3, 20, 30], [[0, 1, 2]], 11)
    assert masked.counts[0] is None
    assert masked.counts.count(None) >= 2 or not masked.sums[0]


def test_nothing_small_hides_nothing() -> None:
    assert suppress([0, 11, 40], [[0, 1, 2]], 11).counts == (0, 11, 40)


def test_complements_are_protected_though_never_shown() -> None:
    # 3 of 40 lack the modality: neither "37 have it" beside "40" may stand.
    shown = protect([37, 3], [Statistic((0,)), Statistic((0, 1), fixed=True), Statistic((1,), shown=False)], 11)
    assert shown == [False, True, False]


@pytest.mark.parametrize(
    ("present", "rows"),
    [
        ((20, 15, 2, 1), (31, 23, 6, 5)),  # Of 38 with a value the page shows 35: the two small centres have 3.
        ((11, 8, 4, 4), (31, 23, 6, 5)),  # The same of those without.
        ((40, 30, 20, 0, 1), (60, 60, 60, 3, 3)),
    ],
)
def test_hidden_groups_have_no_few_together(present: tuple[int, ...], rows: tuple[int, ...]) -> None:
    hidden = [i for i, pair in enumerate(shares(present, rows, 8)) if pair is None]
    having, lacking = sum(present[i] for i in hidden), sum(rows[i] - present[i] for i in hidden)
    assert len(hidden) < len(rows) or len(rows) == 4
    assert not is_small(having, 8) and not is_small(lacking, 8)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda t: (t[0], t[0] + t[1])), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_shares_hold_against_trying_all_numbers(pairs: list[tuple[int, int]]) -> None:
    present, rows = [p for p, _ in pairs], [n for _, n in pairs]
    answer = shares(present, rows, SMALL)
    hidden = [i for i, a in enumerate(answer) if a is None]
    for i, a in enumerate(answer):
        if a is not None:
            assert not is_small(present[i], SMALL) and not is_small(rows[i] - present[i], SMALL)
    if 0 < len(hidden) < len(pairs):
        known = sum(present[i] for i in hidden)
        tables = [t for t in itertools.product(*(range(rows[i] + 1) for i in hidden)) if sum(t) == known]
        for place, i in enumerate(hidden):
            values = [t[place] for t in tables]
            assert rows[i] < SMALL or max(values) - min(values) >= SMALL


@given(st.lists(st.integers(0, 40), min_size=1, max_size=8))
def test_a_chain_never_shows_a_small_step(steps: list[int]) -> None:
    counts = np.cumsum(steps[::-1])[::-1].tolist()
    shown = [c for c in chain(counts, 11) if c is not None]
    assert all(not is_small(c, 11) for c in shown)
    assert all(not is_small(a - b, 11) for a, b in itertools.pairwise(shown))
