"""How many bits of evidence are asked for beyond the usual, or below it: by what names, days and places cannot tell."""

from __future__ import annotations

import numpy as np

from unibase.privacy.ledger.comparable import Traits
from unibase.privacy.ledger.family_evidence import further_family_name
from unibase.privacy.ledger.residence import known

LEAST_PERSONS = 10_000
"""Persons that a record could be, at least: a small file is a part of a larger world."""
CAUTION_BITS = 2.0
"""Bits more that are asked for where the family names are not the same ones, or the day of birth stands for none. In a file of
`LEAST_PERSONS` records that is for France alone: abroad both weigh less there already, by how common they are among those
who were born in that country. A smaller file cannot tell that, and asks for as much of any slip abroad."""
PLAIN_BITS = -1.0
"""Bits less that are asked for where neither is so and no place speaks against it: in France where a given name or a date is
written wrongly, and abroad where the file is not small."""
FURTHER_NAME_BITS = 3.0
"""Bits more that are asked for where one has a further family name that is unlike all of the other's: a woman before and
after a marriage, or two who share a name. Of such pairs abroad between the usual bound and this one, one in 30 was two persons."""

ALIKE_BITS, ALIKE_ABROAD_BITS = 6.0, 5.0
"""Bits less that are asked for where day of birth, family names and first given name are equal and a place is missing: of
eight simulated populations, all such pairs were one person where none is known to be born abroad, and of those abroad one
in 250 was not. The day of birth must be one that says something.

The five were set on five simulated populations of 100,000 (80,000 pairs of one person): of the pairs that each lets in,
none to one in a hundred were two persons."""

WITHOUT_HOME_BITS = 2.0
"""Bits more that are asked of a pair born abroad where a file tells where persons live, and that does not speak for one person.
Their names and days say little; of four simulated populations it leaves 75 of 1,850 pairs each to a person."""


def caution_bits(traits: Traits, left: np.ndarray, right: np.ndarray, alike: np.ndarray) -> np.ndarray:
    """Return how many bits more (or less) than usual each pair needs.

    Args:
        traits: All traits.
        left, right: (pairs,) rows.
        alike: (pairs,) whether day and first given name are equal, and both have family names.
    """
    vague = traits.vague[left] | traits.vague[right]
    other_names = (traits.families[left] != traits.families[right]).any(axis=1)
    two_places = (traits.place[left] >= 0) & (traits.place[right] >= 0) & (traits.place[left] != traits.place[right])
    one_place = (traits.place[left] >= 0) & (traits.place[left] == traits.place[right])
    abroad = (traits.country[left] > 0) | (traits.country[right] > 0)
    alike = alike & ~two_places & ~vague & ~other_names
    further = further_family_name(traits, left, right)
    small = len(traits.keys) < LEAST_PERSONS
    less = np.where(one_place, np.where(abroad & (not small), PLAIN_BITS, 0.0), np.where(abroad, -ALIKE_ABROAD_BITS, -ALIKE_BITS))
    more = np.where(further, FURTHER_NAME_BITS + (CAUTION_BITS if small else 0.0), CAUTION_BITS if small else PLAIN_BITS)
    cases = (alike & ~further, abroad, further, other_names | vague, two_places)
    return np.select(cases, [less, more, FURTHER_NAME_BITS, CAUTION_BITS, 0.0], PLAIN_BITS)


def without_home(traits: Traits, left: np.ndarray, right: np.ndarray, residence: np.ndarray) -> np.ndarray:
    """Return the bits more that are asked of pairs abroad where they live speaks not for, in a file that tells where people live.

    Args:
        traits: All traits.
        left, right: (pairs,) rows.
        residence: (pairs,) bits of it.
    """
    abroad = (traits.country[left] > 0) | (traits.country[right] > 0)
    return np.where(abroad & (residence <= 0.0) & known(traits.residence), WITHOUT_HOME_BITS, 0.0)
