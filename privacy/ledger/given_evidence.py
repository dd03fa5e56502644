"""What given names that differ say of two records: one name with a slip of the pen, or two names (of twins, of namesakes)?

Twins share all but their given names, so these decide. Two names that both exist veto; where a letter parts them, or one
could be a name, the pair is never linked by its score: a person decides (`Doubt`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from unibase.privacy.compiled.candidate_pairs import VETO
from unibase.privacy.ledger.comparable import GIVEN, Traits
from unibase.privacy.ledger.comparable_pairs import MOST_FUZZY
from unibase.privacy.ledger.traits import Compound
from unibase.privacy.ledger.weights import Weights

_RARER = 50
"""A given name borne 50 times less often than a similar one is taken for a slip of the pen."""
_HARDLY_BORNE, _FAR_RARER, _NO_SHORTER = 2, 300, 4
"""Bearers of what is no name but a slip, in a file that shows which names there are: so many, or 300 times fewer than of the
name that was meant; and letters it has at least."""
_BORNE = 20
"""Bearers that make a name of one that the table does not have, where what is a letter away is borne once."""
_SECOND_DIFFERS, _REST_DIFFERS = -4.0, -2.0
_COMPOUND_PRIOR, _COMPOUND_STRENGTH, _COMPOUND_SHARE = (0.8, 0.2), 3.0, 0.5
"""Share of two given names that are one, where the table says so and where it does not, and for how many records that stands."""
_SECOND_NAME = 3
"""Letters of a second given name at least."""
_SHORT = 6
"""Given names of fewer letters than this are a letter apart by chance."""


class Doubt(IntEnum):
    """Why a pair is not linked by its score, however high: the traits of twins and namesakes, or nothing to tell them apart."""

    NONE = 0
    SECOND_NAMES = 1
    LETTER_APART = 2
    OTHER_NAME = 3
    SOUNDS_ALIKE = 4
    BEGINNING = 5
    NO_GIVEN_NAME = 6
    NO_FAMILY_NAME = 7
    NO_BIRTH = 8
    YEARS_APART = 9
    TWO_INS = 10
    HALF_NAME = 11
    OTHER_FAMILY_NAME = 12
    NAME_AND_DATE = 13

    @property
    def rule(self) -> str:
        """The word for it in the ledger's tables.

        >>> [doubt.rule for doubt in Doubt][:3]
        ['none', 'second-names', 'letter-apart']
        """
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True)
class GivenEvidence:
    """Bits and doubt (`Doubt`) per pair."""

    bits: np.ndarray
    doubt: np.ndarray


def first_names_differ(traits: Traits, left: np.ndarray, right: np.ndarray, bearers: np.ndarray) -> GivenEvidence:
    """Return the evidence of pairs whose first given names differ.

    The evidence has one value for each pair, shape (pairs,).

    Args:
        traits: All traits.
        left, right: Rows of the pairs.
        bearers: How many records bear each given name first.
    """
    distinct, inverse = _distinct(traits, left, right)
    judge = _Judge(traits, bearers)
    found = [judge.first(row[:GIVEN], row[GIVEN:]) for row in distinct.tolist()]
    bits = np.array([one for one, _ in found], dtype=float)
    doubt = np.array([two for _, two in found], dtype=np.int8)
    return GivenEvidence(bits[inverse], doubt[inverse])


def second_names(traits: Traits, left: np.ndarray, right: np.ndarray, weights: Weights) -> GivenEvidence:
    """Return what the further given names of pairs with one first given name add: one in common, or a contradiction.

    Further names contradict where both have some and none may be one of the other's. A name in common adds nothing to a
    day of birth that stands for none; where what is left of the names differs, it does not count (MARIA FATIMA ANA and MARIA
    TERESA FATIMA).

    Args:
        traits, weights: All traits, and what they weigh.
        left, right: Rows of the pairs, shape (pairs,).
    """
    writing = np.append(traits.of_given.writing, -1)
    one, two = (writing[traits.given[rows, 1:]] for rows in (left, right))
    both = (one[:, 0] >= 0) & (two[:, 0] >= 0)
    shared = np.zeros(len(left), dtype=np.bool_)
    for a in range(one.shape[1]):
        for b in range(two.shape[1]):
            shared |= (one[:, a] >= 0) & (one[:, a] == two[:, b])
    contradict = both & ~shared
    at = np.flatnonzero(contradict)
    if len(at):
        distinct, inverse = _distinct(traits, left[at], right[at])
        judge = _Judge(traits, weights.bearers)
        far = [not judge.near(row[1:GIVEN], row[GIVEN + 1 :]) for row in distinct.tolist()]
        contradict[at] = np.array(far, dtype=np.bool_)[inverse]
    rest = _rest_differs(traits, left, right, shared)
    shared &= ~(traits.vague[left] | traits.vague[right])
    common = np.minimum(weights.second[left], weights.second[right])
    bits = np.select([contradict, rest, shared], [_SECOND_DIFFERS, _REST_DIFFERS, common], 0.0)
    return GivenEvidence(bits, np.where(contradict, Doubt.SECOND_NAMES, Doubt.NONE).astype(np.int8))


def _rest_differs(traits: Traits, left: np.ndarray, right: np.ndarray, shared: np.ndarray) -> np.ndarray:
    """Return which pairs that share a further name have one more each, and these are two names."""
    found = np.zeros(len(left), dtype=np.bool_)
    full = (traits.given[left, GIVEN - 1] >= 0) & (traits.given[right, GIVEN - 1] >= 0)
    writing, near = traits.of_given.writing, _Judge(traits, np.empty(0)).near
    for at in np.flatnonzero(shared & full).tolist():
        one, two = traits.given[left[at], 1:].tolist(), traits.given[right[at], 1:].tolist()
        mine, yours = set(writing[one].tolist()), set(writing[two].tolist())
        rest, other = [a for a in one if writing[a] not in yours], [b for b in two if writing[b] not in mine]
        found[at] = bool(rest and other) and not near(rest, other)
    return found


def half_of_compound(traits: Traits, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return whether one record has a compound given name, and the other a single one: JEAN may be the twin of JEAN-NOËL.

    `traits`: all traits; `left`, `right`: (pairs,) rows.
    """
    single = (traits.given[:, 0] >= 0) & (traits.given[:, 1] < 0)
    compound = _compounds(traits)
    return np.asarray((compound[left] & single[right]) | (compound[right] & single[left]))


def _compounds(traits: Traits) -> np.ndarray:
    """Return whether the first given name of each row is a compound: by its hyphen, or as its two words mostly have one.

    JEAN FRANCOIS is one name where the file has JEAN-FRANÇOIS as often, and JEAN ADAM is two. While the file is small, the
    table of names stands in.
    """
    first, second = traits.given[:, 0].astype(np.int64), traits.given[:, 1].astype(np.int64)
    pair = np.where(second >= 0, first * (len(traits.of_given.writing) + 1) + second, -1)
    _, at = np.unique(pair, return_inverse=True)
    hyphens = np.bincount(at, traits.compound == Compound.HYPHEN)
    known = np.bincount(at, traits.compound == Compound.TWO_WORDS) > 0
    prior, strength = np.where(known, *_COMPOUND_PRIOR), _COMPOUND_STRENGTH
    share = (hyphens + strength * prior) / (np.bincount(at) + strength)
    found: np.ndarray = (traits.compound == Compound.HYPHEN) | ((second >= 0) & (share[at] >= _COMPOUND_SHARE))
    return found


def _distinct(traits: Traits, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    both = np.concatenate([traits.given[left], traits.given[right]], axis=1)
    distinct, inverse = np.unique(both, axis=0, return_inverse=True)
    return distinct, inverse.reshape(-1)


class _Judge:
    """Compares given names by their numbers; equal pairs once."""

    def __init__(self, traits: Traits, bearers: np.ndarray) -> None:
        self._names, self._of, self._bearers = traits.names, traits.of_given, bearers
        self._slips: dict[tuple[int, int], int] = {}

    def first(self, one: list[int], two: list[int]) -> tuple[float, Doubt]:
        """Return bits and doubt of two lists of given names whose first differ."""
        a, b = [n for n in one if n >= 0], [n for n in two if n >= 0]
        if not a or not b:
            return 0.0, Doubt.NONE
        if self._names.one_writing(a, b):
            return MOST_FUZZY, Doubt.NONE
        first, second = a[0], b[0]
        two_names = self._two_names(first, second)
        if second in a or first in b:
            # One of several given names may be the usual one; of twins, each may bear the other's as a second name.
            return (-8.0, Doubt.OTHER_NAME) if two_names else (3.0, Doubt.OTHER_NAME)
        shortest = min(self._names.length(first), self._names.length(second))
        bits, doubt = self._first(first, second, shortest, two_names)
        if doubt == Doubt.LETTER_APART and bits > 0 and self._share_further(a, b):
            return bits, Doubt.NONE
        if doubt == Doubt.NONE and self._rests_contradict(a, b, first, second):
            return bits + _SECOND_DIFFERS, Doubt.SECOND_NAMES
        return bits, doubt

    def _first(self, first: int, second: int, shortest: int, two_names: bool) -> tuple[float, Doubt]:
        if shortest == 1 and self._names.same_initial(first, second):
            return 2.0, Doubt.OTHER_NAME
        return self._by_letters(first, second, shortest, two_names)

    def _share_further(self, a: list[int], b: list[int]) -> bool:
        """Return whether a further name is in both: two names that are a letter apart and not both known are one then."""
        return bool(set(self._of.writing[a[1:]].tolist()) & set(self._of.writing[b[1:]].tolist()))

    def _rests_contradict(self, a: list[int], b: list[int], first: int, second: int) -> bool:
        """Return whether further names contradict, or one name is two (MARIEVALERIE) where the other has another second."""
        if a[1:] and b[1:]:
            return not (set(self._of.writing[a[1:]]) & set(self._of.writing[b[1:]]) or self.near(a[1:], b[1:]))
        longer, shorter = (b, a) if self._names.length(first) < self._names.length(second) else (a, b)
        # One letter more (GUYY) is a slip, no second name; three may be one, whatever became of the first (MARI).
        more = self._names.length(longer[0]) - self._names.length(shorter[0])
        enough = more >= (2 if self._of.exists[shorter[0]] else 3)
        is_two = enough and self._names.begins(longer[0], shorter[0])
        return bool(shorter[1:]) and is_two

    def near(self, one: list[int], two: list[int]) -> bool:
        """Return whether a further given name of one may be one of the other: a slip, an initial, a beginning."""
        return any(self._may_be(a, b) for a in one if a >= 0 for b in two if b >= 0)

    def _may_be(self, a: int, b: int) -> bool:
        names = self._names
        shortest = min(names.length(a), names.length(b))
        if shortest == 1:
            return names.same_initial(a, b)
        if self._of.exists[a] and self._of.exists[b]:
            return False
        # Of three letters, only what cannot be a name is a slip.
        enough = shortest >= 4 or (shortest == 3 and not (self._of.likely[a] and self._of.likely[b]))
        return (enough and self._apart(a, b) <= 1) or (shortest >= 3 and names.begins(a, b))

    def _by_letters(self, first: int, second: int, shortest: int, two_names: bool) -> tuple[float, Doubt]:
        apart, of = self._apart(first, second), self._of
        if apart <= 1 and shortest >= 3:
            if two_names:
                return -12.0, Doubt.LETTER_APART
            return 4.0, Doubt.NONE if self._is_slip(first, second, shortest) else Doubt.LETTER_APART
        if shortest >= 4 and self._names.begins(first, second):
            return (-4.0, Doubt.BEGINNING) if two_names else (4.0, self._cut(first, second))
        if of.sound[first] == of.sound[second] and shortest >= 3:
            return (-6.0 if two_names else 1.0), Doubt.SOUNDS_ALIKE
        if not two_names and apart == 2 and shortest >= _SHORT:
            return 1.0, Doubt.LETTER_APART
        return VETO, Doubt.NONE

    def _cut(self, first: int, second: int) -> Doubt:
        """Return no doubt where the longer name is one that was cut: JEANPIERRE is none, and JEAN may be his twin."""
        longer, shorter = (first, second) if self._names.length(first) > self._names.length(second) else (second, first)
        few = self._names.length(longer) - self._names.length(shorter) < _SECOND_NAME
        return Doubt.NONE if few or self._of.exists[longer] else Doubt.BEGINNING

    def _two_names(self, first: int, second: int) -> bool:
        many, few = sorted((self._bearers[first], self._bearers[second]), reverse=True)
        both = bool(self._of.exists[first] and self._of.exists[second])
        return both or bool(few >= max(3, many / _RARER))

    def _is_slip(self, first: int, second: int, shortest: int) -> bool:
        """Return whether one of two names a letter apart is surely the other, written wrongly."""
        of = self._of
        if of.squeezed[first] == of.squeezed[second]:
            return True
        many, few = sorted((self._bearers[first], self._bearers[second]), reverse=True)
        well_known = bool(many >= _RARER * max(few, 1))
        one_exists = of.exists[first] != of.exists[second]
        by_file = not (of.exists[first] or of.exists[second]) and bool(few <= 1 and many >= _BORNE)
        if (one_exists or by_file) and shortest >= _NO_SHORTER and self._names.misread(first, second):
            return True
        if of.between[first] or of.between[second]:
            return False
        if not (one_exists or by_file or well_known):
            return False
        hardly = few <= max(_HARDLY_BORNE, many / _FAR_RARER)
        if well_known and hardly and shortest >= _NO_SHORTER and not (of.exists[first] and of.exists[second]):
            # Of a large file: a name that hardly anybody bears beside one that is borne by very many.
            return self._names.same_initial(first, second) or bool(one_exists and of.sound[first] == of.sound[second])
        rarer = first if of.exists[second] or self._bearers[first] < self._bearers[second] else second
        # The first letter is seldom written wrongly, but by its sound (KLAUDE). Else what cannot be a name is a slip, and what
        # could be one where it is long.
        one_beginning = self._names.same_initial(first, second) or (bool(one_exists) and of.sound[first] == of.sound[second])
        return one_beginning and (not of.likely[rarer] or shortest >= _SHORT)

    def _apart(self, first: int, second: int) -> int:
        if (first, second) not in self._slips:
            self._slips[(first, second)] = self._names.slips(first, second)
        return self._slips[(first, second)]
