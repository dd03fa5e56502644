"""What a value weighs: how many bits two records gain by sharing it, by how common it is among those it is common among.

A value common in a country of birth weighs what it weighs there: NGUYEN says little of two persons born in Viet Nam, and
1 January little of two born in Mali. So names and days of persons born abroad are counted within their country, and the
country itself by its share of the file. Shares are drawn towards a prior while a file is small (Dirichlet smoothing).
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np

from unibase.privacy.ledger.comparable import NEAR_NAME, Traits
from unibase.privacy.ledger.residence import PLACES, ResidenceWeights

DAY_BITS = 14.5
"""A full date of birth in common: one in 23,000."""
_COMMUNE_BITS = 8.0
_COUNTRY_BITS = (2.0, 8.0)
_FAMILY = (0.001, 2_000.0)
_FAMILY_ABROAD = (0.04, 50.0)
_GIVEN_STRENGTH = 500.0
_GIVEN_ABROAD = (0.06, 50.0)
_COMMON_FAMILY, _OF_FAMILY_STRENGTH = 50, 50.0
_SECOND = (0.02, 200.0)
MOST_SECOND = 5.0
"""Bits that a further given name in common gives at most."""
_COUNTRY = (0.01, 1_000.0)
_VAGUE = (0.20, 50.0)
_RESIDENCE = ((0.02, 500.0, 7.0), (0.02, 500.0, 7.0), (0.001, 500.0, 6.0))
"""Of postal code, commune and telephone: the prior share, for how many records it stands, and bits at most."""
_WORD_OF_ADDRESS = (0.02, 300.0, 7.0)
_YEAR_BITS = 6.0
_DATES_OF_A_POPULATION = 25_000
_FAR_TOO_OFTEN = 100
_LEAST_COMMON = 20
"""A day or date of fewer records than this is not common, whatever its share: a family fills a small file."""


class Weights(NamedTuple):
    """Bits of each row's values: `families` (rows, 3), `given`, `birth` (a full date), `place`, `second` (the second given name).

    `bearers` counts the records that bear each given name first; `residence` weighs where a person lives and is called.

    Of a pair the lesser counts: a value weighs what it weighs where it is commonest.
    """

    families: np.ndarray
    given: np.ndarray
    birth: np.ndarray
    place: np.ndarray
    second: np.ndarray
    bearers: np.ndarray
    residence: ResidenceWeights


def without_default_dates(traits: Traits) -> Traits:
    """Return the traits without the dates of birth that the file itself shows to stand for none.

    A date that a file has 100 times as often as an ordinary one, and 20 times at least, is what somebody typed who knew none.
    """
    date = _dates(traits)
    count, size = _counts(traits, np.unique(date, return_inverse=True)[1], np.zeros_like(traits.country))
    default = (count >= _LEAST_COMMON) & (count > _FAR_TOO_OFTEN * size / _DATES_OF_A_POPULATION) & (traits.birth[:, 2] > 0)
    return traits._replace(birth=np.where(default[:, None], 0, traits.birth), vague=traits.vague & ~default)


def weights_of(traits: Traits) -> Weights:
    """Return what the values of each row of `traits` weigh in this file."""
    abroad = traits.country > 0
    families = _as_one_name(traits, np.column_stack([_family_bits(traits, column, abroad) for column in traits.families.T]))
    writing = np.where(traits.given[:, 0] >= 0, traits.of_given.writing[traits.given[:, 0]], -1)
    share = np.zeros(max(len(traits.of_given.writing), 1))
    np.maximum.at(share, traits.of_given.writing, traits.of_given.share)
    count, size = _counts(traits, writing, np.zeros_like(traits.country))
    given = _bits(count, size, np.where(writing >= 0, share[writing], 0.01), _GIVEN_STRENGTH)
    within, of_country = _counts(traits, writing, traits.country)
    given = np.where(abroad, np.minimum(given, _bits(within, of_country, *_GIVEN_ABROAD)), given)
    given = np.minimum(given, _given_of_family(traits, writing, given))
    bearers = np.zeros(max(len(traits.initials), 1))
    first = traits.given[:, 0]
    there = first >= 0
    pairs = np.unique(first[there].astype(np.int64) * max(len(traits.keys), 1) + traits.record[there])
    np.add.at(bearers, pairs // max(len(traits.keys), 1), 1)
    birth, place, second = _birth_bits(traits), _place_bits(traits, abroad), _second_bits(traits, abroad)
    return Weights(families, given, birth, place, second, bearers, _residence_weights(traits, abroad))


def _residence_weights(traits: Traits, abroad: np.ndarray) -> ResidenceWeights:
    """Return the bits of where persons live: of those born abroad within their country, for they may live beside one another."""
    of = traits.residence
    places = [_of_residence(traits, of.places[:, at], abroad, _RESIDENCE[at]) for at in range(PLACES)]
    # A word counts wherever it stands in an address.
    many = of.words.shape[1]
    each = traits._replace(record=np.repeat(traits.record, many), country=np.repeat(traits.country, many))
    words = _of_residence(each, of.words.ravel(), np.repeat(abroad, many), _WORD_OF_ADDRESS)
    return ResidenceWeights(np.column_stack(places), words.reshape(of.words.shape))


def _of_residence(traits: Traits, value: np.ndarray, abroad: np.ndarray, usual: tuple[float, float, float]) -> np.ndarray:
    if not (value >= 0).any():
        return np.zeros(len(value))
    prior, strength, most = usual
    everywhere, within = (
        _bits(*_counts(traits, value, group), prior, strength) for group in (0 * traits.country, traits.country)
    )
    return np.where(value >= 0, np.minimum(np.where(abroad, np.minimum(everywhere, within), everywhere), most), 0.0)


def _given_of_family(traits: Traits, writing: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Return the bits of each first given name among those who bear the family name: ANTONIO says little of DOS SANTOS.

    Args:
        traits: All traits.
        writing: What all writings of the first given name of each row have in common.
        given: Bits of it in the file.
    """
    least = given
    for column in traits.families.T:
        count, size = _counts(traits, writing, column)
        common = (column >= 0) & (size >= _COMMON_FAMILY)
        # The record itself is no evidence that others bear the name.
        within = _bits(np.maximum(count - 1.0, 0.0), size - 1.0, np.exp2(-given), _OF_FAMILY_STRENGTH)
        least = np.where(common, np.minimum(least, within), least)
    return least


def _family_bits(traits: Traits, column: np.ndarray, abroad: np.ndarray) -> np.ndarray:
    count = _bearers(traits)[np.maximum(column, 0)]
    everywhere = _bits(count, np.full(len(column), float(len(traits.keys))), *_FAMILY)
    within, size = _counts(traits, column, traits.country)
    return np.where(abroad, np.minimum(everywhere, _bits(within, size, *_FAMILY_ABROAD)), everywhere)


def _as_one_name(traits: Traits, bits: np.ndarray) -> np.ndarray:
    """Return the bits of family names, of two that are one name in a record the lesser: a slip of DEMIR is no rare name.

    Args:
        traits: All traits.
        bits: (rows, 3) bits of each name.
    """
    for a, b in combinations(range(bits.shape[1]), 2):
        rows = np.flatnonzero((traits.families[:, a] >= 0) & (traits.families[:, b] >= 0))
        near = traits.names.alike(*(traits.families[rows, at].astype(np.int64) for at in (a, b)))
        # A half of a compound name is as like as can be, and a name of its own.
        rows = rows[(near >= NEAR_NAME) & (near < 1.0)]
        bits[rows, a] = bits[rows, b] = np.minimum(bits[rows, a], bits[rows, b])
    return bits


def _bearers(traits: Traits) -> np.ndarray:
    """Return how many records bear each family name, whatever the number of their writings."""
    width = max(len(traits.keys), 1)
    found = np.zeros(max(len(traits.short), 1))
    for column in traits.families.T:
        there = column >= 0
        pairs = np.unique(column[there].astype(np.int64) * width + traits.record[there])
        np.add.at(found, pairs // width, 1)
    return found


def _counts(traits: Traits, value: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return, per row, how many records of its group have its value, and how many records its group has."""
    width = max(len(traits.keys), 1)
    group = group.astype(np.int64) + 1
    cell = (group * (int(value.max(initial=0)) + 2) + value.astype(np.int64) + 1).astype(np.int64)
    found = []
    for key in (cell, group):
        distinct, inverse = np.unique(key, return_inverse=True)
        once = np.unique(inverse.astype(np.int64) * width + traits.record)
        found.append(np.bincount(once // width, minlength=len(distinct)).astype(float)[inverse])
    return found[0], found[1]


def _bits(count: np.ndarray, size: np.ndarray, prior: float | np.ndarray, strength: float) -> np.ndarray:
    return -np.log2((count + strength * prior) / (size + strength))


def _birth_bits(traits: Traits) -> np.ndarray:
    """Return the bits of each full date: fewer where the day is a vague one, or the file has far too many of it."""
    _, month, day = traits.birth.astype(np.int64).T
    number = np.unique(_dates(traits), return_inverse=True)[1]
    everyone = np.zeros_like(traits.country)
    count, size = _counts(traits, number, everyone)
    of_date = np.where(count >= _LEAST_COMMON, -np.log2(count / np.maximum(size, 1)), DAY_BITS)
    of_year = np.unique(month * 1_024 + day, return_inverse=True)[1]
    same_day, among = _counts(traits, of_year, traits.country)
    prior, strength = _VAGUE
    vague = _YEAR_BITS + _bits(same_day, among, prior, strength)
    # A day that a tenth of the country's file has is vague there, whatever day it is.
    common = (same_day >= _LEAST_COMMON) & (same_day > 8 * among / 365.25)
    measured = _YEAR_BITS - np.log2(np.maximum(same_day, 1) / np.maximum(among, 1))
    bits = np.minimum(of_date, np.where(traits.vague, vague, np.where(common, measured, DAY_BITS)))
    return np.minimum(bits, DAY_BITS)


def _dates(traits: Traits) -> np.ndarray:
    year, month, day = traits.birth.astype(np.int64).T
    # Tokens of an encoded file number months and days by more than 12 and 31.
    found: np.ndarray = (year * 1_024 + month) * 1_024 + day
    return found


def _second_bits(traits: Traits, abroad: np.ndarray) -> np.ndarray:
    """Return the bits of each second given name: four fifths of its rarity, for parents give the names of kin."""
    writing = np.append(traits.of_given.writing, -1)[traits.given[:, 1]]
    group = np.where(abroad, traits.country, 0)
    count, size = _counts(traits, writing, group)
    return np.minimum(0.8 * _bits(count, size, *_SECOND), MOST_SECOND)


def _place_bits(traits: Traits, abroad: np.ndarray) -> np.ndarray:
    share, size = _counts(traits, traits.country, np.zeros_like(traits.country))
    country = np.clip(_bits(share, size, *_COUNTRY), *_COUNTRY_BITS)
    return np.where(abroad, country, _COMMUNE_BITS)
