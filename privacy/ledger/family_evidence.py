"""What family names that differ say of two records: half of a compound name, a slip of the pen, a name by marriage, or another."""

from __future__ import annotations

import numpy as np

from unibase.privacy.ledger.comparable import FAMILIES, NEAR_NAME, ONE_NAME, Traits
from unibase.privacy.ledger.comparable_pairs import MOST_FUZZY

OTHER_USED_BITS = -5.0
"""Bits of two women of one name of birth who bear two further names: one who married twice is rarer than two."""
_NEAR_BITS, _FEMALE_BITS, _OTHER_BITS = 2.0, -4.0, -7.0


def family_by_letters(traits: Traits, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the bits of pairs of which no family name is equal: half of a compound name, a slip of the pen, or another.

    Args:
        traits: All traits.
        left, right: (pairs,) rows.
    """
    near = np.zeros(len(left))
    for a in range(FAMILIES):
        for b in range(FAMILIES):
            one, two = traits.families[left, a].astype(np.int64), traits.families[right, b].astype(np.int64)
            there = np.flatnonzero((one >= 0) & (two >= 0))
            near[there] = np.maximum(near[there], _alike(traits, one[there], two[there]))
    # A woman known under her name of birth here and her married name there agrees on nothing but the rest.
    female = (traits.sex[left] == 2) | (traits.sex[right] == 2)
    return np.select([near >= ONE_NAME, near >= NEAR_NAME, female], [MOST_FUZZY, _NEAR_BITS, _FEMALE_BITS], _OTHER_BITS)


def other_used_name(traits: Traits, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return whether two records share one of their family names, and each has a second one that is none of the other's.

    So do two women of one name of birth who married two men; and one woman who married twice.

    Args:
        traits: All traits.
        left, right: (pairs,) rows.
    """
    two = (traits.families[left, 1] >= 0) & (traits.families[right, 1] >= 0)
    return _unlike(traits, left, right, two)


def further_family_name(traits: Traits, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return whether two records share a family name, and one alone has a further one, which is unlike all of the other's.

    Args:
        traits: All traits.
        left, right: (pairs,) rows.
    """
    one, two = (traits.families[rows, 1] >= 0 for rows in (left, right))
    some = (traits.families[left, 0] >= 0) & (traits.families[right, 0] >= 0)
    return _unlike(traits, left, right, some & (one ^ two))


def _unlike(traits: Traits, left: np.ndarray, right: np.ndarray, some: np.ndarray) -> np.ndarray:
    """Return which of `some` pairs share a family name and have others, all of which are unlike those of the other record."""
    found = np.zeros(len(left), dtype=np.bool_)
    for at in np.flatnonzero(some & (traits.families[left] != traits.families[right]).any(axis=1)).tolist():
        one, other = set(traits.families[left[at]].tolist()) - {-1}, set(traits.families[right[at]].tolist()) - {-1}
        only = _to_compare(one, other)
        if only and one & other:
            found[at] = bool((_alike(traits, *np.array(only).T) < NEAR_NAME).all())
    return found


def _to_compare(one: set[int], other: set[int]) -> list[tuple[int, int]]:
    """Return the pairs of names that one record alone bears; a record of a single name is compared by that."""
    mine, yours = (names - shared or (names if len(names) == 1 else set()) for names, shared in ((one, other), (other, one)))
    return [(a, b) for a in sorted(mine) for b in sorted(yours)]


def _alike(traits: Traits, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Return how alike pairs of family names are; each pair is compared once."""
    if not len(one):
        return np.empty(0)
    size = len(traits.short)
    joint, inverse = np.unique(one * size + two, return_inverse=True)
    found: np.ndarray = traits.names.alike(joint // size, joint % size)[inverse]
    return found
