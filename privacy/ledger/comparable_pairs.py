"""Which pairs of records are worth comparing: those that share a key which one or two wrong traits leave as it is."""

from __future__ import annotations

import numpy as np

from unibase.privacy.compiled.candidate_pairs import Compared, pairs_of_blocks
from unibase.privacy.ledger.comparable import Traits
from unibase.privacy.ledger.weights import Weights

MOST_FUZZY = 6.0
"""Bits that names which are not equal can give at most."""

_BLOCK_LIMIT = 1_000
"""A block of more rows than this tells too little to be worth its pairs."""


def pairs_of_ins(traits: Traits, fresh: np.ndarray) -> np.ndarray:
    """Return the (2, pairs) rows of `traits` of two records with one INS, of which one is `fresh` (a boolean for each row)."""
    return _pairs_of_number(traits, traits.ins, fresh)


def pairs_of_other_sex(traits: Traits, fresh: np.ndarray) -> np.ndarray:
    """Return the (2, pairs) rows of `traits` of two records whose INS differ in the sex alone, on one day and one family name.

    Who changes the sex in the civil register is given another INS, and often another given name. One of them is `fresh` (a
    boolean for each row).
    """
    left, right = _pairs_of_number(traits, traits.stem, fresh)
    one_day = (traits.birth[left] == traits.birth[right]).all(axis=1) & (traits.birth[left, 2] > 0)
    one, two = traits.families[left][:, :, None], traits.families[right][:, None, :]
    return np.stack([left, right])[
        :, (traits.ins[left] != traits.ins[right]) & one_day & ((one == two) & (one >= 0)).any(axis=(1, 2))
    ]


def _pairs_of_number(traits: Traits, number: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(number >= 0)
    rows = rows[np.argsort(number[rows], kind="stable")]
    pairs = []
    for step in range(1, 64):
        left, right = rows[:-step], rows[step:]
        same = number[left] == number[right]
        if not same.any():
            break
        use = same & (traits.record[left] != traits.record[right]) & (fresh[left] | fresh[right])
        pairs.append(np.stack([np.minimum(left[use], right[use]), np.maximum(left[use], right[use])]))
    return np.concatenate(pairs, axis=1) if pairs else np.empty((2, 0), dtype=np.int64)


def candidates(traits: Traits, fresh: np.ndarray, weights: Weights, least: float) -> np.ndarray:
    """Return (2, pairs) rows of two records that share a block and can still reach `least` bits, of which one is fresh.

    Args:
        traits, weights: All traits, and what they weigh.
        fresh: A boolean for each row.
        least: Bits of evidence.
    """
    found = [np.empty((2, 0), dtype=np.int64)]
    of = compared(traits, weights)
    for rows, block in _blocks(traits):
        order = rows[np.argsort(block, kind="stable")]
        ordered = np.sort(block, kind="stable")
        starts = np.concatenate([[0], np.flatnonzero(np.diff(ordered)) + 1, [len(ordered)]])
        room = max(len(rows), 1_024)
        while True:
            out = np.empty((2, room), dtype=np.int64)
            needed = pairs_of_blocks(
                order, starts, _BLOCK_LIMIT, traits.record, fresh, traits.ins, traits.stem, traits.provisional, of, least,
                MOST_FUZZY, out,
            )  # fmt: skip
            if needed <= room:
                break
            room = needed
        found.append(out[:, :needed].copy())
    pairs = np.concatenate(found, axis=1)
    size = max(len(traits.record), 1)
    joint = np.unique(pairs[0] * size + pairs[1])
    return np.stack([joint // size, joint % size])


def compared(traits: Traits, weights: Weights) -> Compared:
    """Return traits and weights in the form that the compiled loops take.

    Args:
        traits: All traits.
        weights: What their values weigh in this file.
    """
    return Compared(
        traits.birth, traits.vague, weights.birth, traits.sex, traits.place, traits.department, weights.place,
        traits.families, weights.families, traits.given, traits.of_given.writing, weights.given,
    )  # fmt: skip


def _blocks(traits: Traits) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (rows, block) for the keys that records of one person share even when one or two traits are written wrongly."""
    low, high = np.sort(traits.birth[:, 1:], axis=1).T
    year, day_known, year_known = traits.birth[:, 0], traits.birth[:, 2] > 0, traits.birth[:, 0] > 0
    initials, short, long = traits.initials, traits.short, traits.long
    first = traits.given[:, 0]
    initial = np.where(first >= 0, initials[np.maximum(first, 0)], 0)
    day = low * 32 + high
    every = np.arange(len(year))
    bag = day_known & (traits.bag >= 0)
    blocks = [
        (every[day_known], ((year * 1_024 + day) * 64 + initial)[day_known]),
        (every[bag], (traits.bag.astype(np.int64) * 4_096 + year % 4_096)[bag]),
    ]
    kinds: list[list[tuple[np.ndarray, np.ndarray]]] = [[], [], []]
    for column in traits.families.T:
        name = np.maximum(column, 0).astype(np.int64)
        for kind, use, block in (
            (0, day_known, short[name] * 1_024 + day),
            (1, year_known, long[name] * 4_096 + year),
            (2, first >= 0, name * (len(initials) + 1) + first),
        ):
            mine = (column >= 0) & use
            kinds[kind].append((every[mine], block[mine]))
    # A name may stand in another place of the other record: the blocks of all places are one.
    merged = [(np.concatenate([rows for rows, _ in kind]), np.concatenate([block for _, block in kind])) for kind in kinds]
    return [*blocks, *merged]
