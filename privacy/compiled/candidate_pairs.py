"""The inner loops of record linkage, compiled: candidate pairs of a block, and the parts of the score without strings."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

VETO = -1_000.0
SAME_SEX, OTHER_SEX = 1.0, -9.0
SAME_YEAR = 3.0
"""Bits of one year of birth, where one day stands for none and the other is another: a hospital that does not know the day seldom
stands beside one that does."""
DATE_SLIP = 3.0
"""Bits of two dates of one year with a month or a day in common: one in 540 pairs of persons shows that as well."""


class Compared(NamedTuple):
    """The numbered traits that are compared without their letters, a row each, with what a value in common weighs in bits.

    Attributes:
        birth: (rows, 3) year, month and day, 0 for unknown.
        vague: Whether that day is one given to those who do not know theirs.
        day_weight: Bits of the full date.
        sex: 1 male, 2 female, 0 unknown.
        place: Number of the place of birth, -1 for none.
        department: Number of the department of each place.
        place_weight: Bits of the place.
        families: (rows, 3) numbers of family names, -1 for none.
        family_weight: (rows, 3) bits of them.
        given: (rows, 3) numbers of given names, -1 for none.
        writing: Number of what all writings of each given name have in common.
        given_weight: Bits of the first given name.
    """

    birth: np.ndarray
    vague: np.ndarray
    day_weight: np.ndarray
    sex: np.ndarray
    place: np.ndarray
    department: np.ndarray
    place_weight: np.ndarray
    families: np.ndarray
    family_weight: np.ndarray
    given: np.ndarray
    writing: np.ndarray
    given_weight: np.ndarray


@njit(cache=True)
def _birth_bits(i: int, j: int, birth: np.ndarray, vague: np.ndarray, bits: np.ndarray) -> float:
    """Return the evidence of two dates of birth (year 0: unknown; month or day 0: not known; vague: a day that says nothing)."""
    y1, m1, d1 = birth[i, 0], birth[i, 1], birth[i, 2]
    y2, m2, d2 = birth[j, 0], birth[j, 1], birth[j, 2]
    if y1 == 0 or y2 == 0:
        return 0.0
    if m1 == 0 or m2 == 0:
        return 6.0 if y1 == y2 else VETO
    if d1 == 0 or d2 == 0:
        return 9.5 if y1 == y2 and m1 == m2 else VETO
    if y1 == y2:
        if m1 == m2 and d1 == d2:
            found: float = min(bits[i], bits[j])
            return found
        if vague[i] or vague[j]:
            return SAME_YEAR
        if m1 == d2 and d1 == m2:
            return 9.0
        return DATE_SLIP if m1 == m2 or d1 == d2 else VETO
    if m1 == m2 and d1 == d2 and not vague[i]:
        return 3.0 if abs(y1 - y2) == 1 or _one_slip(y1, y2) else -2.0
    return VETO


@njit(cache=True)
def _one_slip(one: int, two: int) -> bool:
    """Whether two numbers of four digits differ by one digit, or by two neighbours exchanged."""
    differ, first, second = 0, -1, -1
    a, b = np.empty(4, dtype=np.int64), np.empty(4, dtype=np.int64)
    for place in range(3, -1, -1):
        a[place], b[place] = one % 10, two % 10
        one, two = one // 10, two // 10
    for place in range(4):
        if a[place] != b[place]:
            differ += 1
            first, second = second, place
    if differ == 1:
        return True
    return differ == 2 and second == first + 1 and a[first] == b[second] and a[second] == b[first]


@njit(cache=True)
def _place_bits(one: int, two: int, department: np.ndarray, bits: float) -> float:
    if one < 0 or two < 0:
        return 0.0
    if one == two:
        return bits
    return 1.0 if department[one] == department[two] else -6.0


@njit(cache=True)
def _plain_bits(i: int, j: int, of: Compared) -> float:
    """Return the evidence of birth, sex and place, or VETO."""
    bits = _birth_bits(i, j, of.birth, of.vague, of.day_weight)
    if bits == VETO:
        return VETO
    if of.sex[i] and of.sex[j]:
        bits += SAME_SEX if of.sex[i] == of.sex[j] else OTHER_SEX
    return bits + _place_bits(of.place[i], of.place[j], of.department, of.place_weight[i])


@njit(cache=True)
def _shared_family(i: int, j: int, families: np.ndarray, weight: np.ndarray) -> float:
    """Return the bits of the rarest family name both bear, and of a second one in part; 0 when one has none; VETO without one.

    The names at birth and in use of a married woman are two, and nearly independent.
    """
    if families[i, 0] < 0 or families[j, 0] < 0:
        return 0.0
    best, second = VETO, 0.0
    for a in range(families.shape[1]):
        if families[i, a] < 0:
            break
        for b in range(families.shape[1]):
            if families[j, b] < 0:
                break
            if families[i, a] == families[j, b]:
                bits = min(weight[i, a], weight[j, b])
                second = max(second, min(best, bits))
                best = max(best, bits)
    return best + min(0.7 * second, 5.0)


@njit(cache=True)
def _shared_given(i: int, j: int, given: np.ndarray, writing: np.ndarray, weight: np.ndarray) -> float:
    """Return the bits of an equal first given name, in any of its writings; 0 when one has none; VETO when the first ones differ."""
    if given[i, 0] < 0 or given[j, 0] < 0:
        return 0.0
    if given[i, 0] == given[j, 0]:
        found: float = min(weight[i], weight[j])
        return found
    return min(weight[i], weight[j]) - 1.0 if writing[given[i, 0]] == writing[given[j, 0]] else VETO


@njit(cache=True)
def pairs_of_blocks(
    order: np.ndarray,
    starts: np.ndarray,
    limit: int,
    record: np.ndarray,
    fresh: np.ndarray,
    ins: np.ndarray,
    stem: np.ndarray,
    provisional: np.ndarray,
    of: Compared,
    least: float,
    most_fuzzy: float,
    out: np.ndarray,
) -> int:
    """Write the pairs of rows that share a block and can still reach `least` bits into `out`; return how many there are.

    Args:
        order, starts: Rows in order of block; where each block starts, and the end.
        limit: Blocks of more rows are passed over.
        record, fresh: Per row: its record, and whether that is to be compared.
        ins, stem, provisional: Number of the valid INS and of the INS without its sex, or -1, and whether it is one of
            waiting. Equal ones are settled elsewhere; different ones are a pair where one replaced the other: the stems are
            equal, or one is of waiting.
        of: Traits and weights of the rows.
        least, most_fuzzy: Score that must be reachable, when names that differ can give at most `most_fuzzy` each.
        out: Room, (2, n); when it is too small, counting goes on without writing.
    """
    found = 0
    for block in range(starts.size - 1):
        first, last = starts[block], starts[block + 1]
        if last - first < 2 or last - first > limit:
            continue
        for p in range(first, last):
            i = order[p]
            for q in range(p + 1, last):
                j = order[q]
                if record[i] == record[j] or not (fresh[i] or fresh[j]):
                    continue
                replaced = ins[i] != ins[j] and (stem[i] == stem[j] or provisional[i] != provisional[j])
                if ins[i] >= 0 and ins[j] >= 0 and not replaced:
                    continue
                bits = _plain_bits(i, j, of)
                if bits == VETO:
                    continue
                one = _shared_given(i, j, of.given, of.writing, of.given_weight)
                bits += most_fuzzy if one == VETO else one
                two = _shared_family(i, j, of.families, of.family_weight)
                bits += most_fuzzy if two == VETO else two
                if bits < least:
                    continue
                if found < out.shape[1]:
                    out[0, found], out[1, found] = min(i, j), max(i, j)
                found += 1
    return found


@njit(cache=True)
def parts_of_pairs(pairs: np.ndarray, of: Compared, out: np.ndarray) -> None:
    """Write (plain, family, given, birth) bits of each pair into `out`; VETO in family or given: compare the letters.

    `pairs`: (2, n) rows; `of`: traits and weights of the rows; `out`: room, (4, n).
    """
    for n in range(pairs.shape[1]):
        i, j = pairs[0, n], pairs[1, n]
        out[0, n] = _plain_bits(i, j, of)
        out[1, n] = _shared_family(i, j, of.families, of.family_weight)
        out[2, n] = _shared_given(i, j, of.given, of.writing, of.given_weight)
        out[3, n] = _birth_bits(i, j, of.birth, of.vague, of.day_weight)
