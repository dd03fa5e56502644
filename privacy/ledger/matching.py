"""Which records of persons belong together: exact rules first, then a score of evidence.

The score adds, per trait, the logarithm (base 2) of how much likelier the agreement or disagreement is for one
person than for two (Fellegi and Sunter 1969); agreement on a rare name weighs more than on a common one, by the names of
the ledger itself and, while it is small, by a prior (`weights`, `given_names`). Disagreement that one person cannot show
(two INS, two given names that both exist, two dates far apart) vetoes; what twins and namesakes show as well is never
linked by its score, a person decides (`given_evidence.Doubt`). The weights are fixed here, not learned from the data at
hand: a person's links do not change because others arrive, and three records can be linked as well as three million.

The tests compare it, pair by pair, with a plain version in `tests/privacy/identity_oracle.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from unibase.privacy.compiled.candidate_pairs import OTHER_SEX, SAME_SEX, VETO, parts_of_pairs
from unibase.privacy.ledger.caution import LEAST_PERSONS, caution_bits, without_home
from unibase.privacy.ledger.comparable import RecordKey, Traits, read_traits
from unibase.privacy.ledger.comparable_pairs import MOST_FUZZY, candidates, compared, pairs_of_ins, pairs_of_other_sex
from unibase.privacy.ledger.edges import ACCEPT_BITS, Edge
from unibase.privacy.ledger.family_evidence import OTHER_USED_BITS, family_by_letters, other_used_name
from unibase.privacy.ledger.given_evidence import Doubt, first_names_differ, half_of_compound, second_names
from unibase.privacy.ledger.residence import MOST_RESIDENCE, known, residence_bits
from unibase.privacy.ledger.weights import MOST_SECOND, Weights, weights_of, without_default_dates

EXCHANGED_BITS = 9.0
"""Bits off the names of a record whose family and given names stand in each other's place: one in some hundred records."""
LIFTED_BITS = 15.0
"""Score from which a missing day of birth, or a slip in both name and day, is no doubt: rare names, place and further names
speak for one person. Below it a parent and a child of one name look alike."""

REVIEW_BITS = 0.0
"""Score from which a pair is shown to a person for a decision."""

_GENERATION = 12
"""Years between two births on one day of the year from which they are a parent and a child rather than a slip."""


@dataclass(frozen=True)
class Scored:
    """What is found of pairs of rows, (pairs,) each.

    Attributes:
        parts: Bits of family name, given name, birth, sex, place and residence; minus infinity where one excludes.
        bits: Their sum.
        at_home: Whether they are of one household and share first given name and full date of birth.
        caution: Bits that are asked for beyond the usual.
        exact: Whether all traits are equal.
        plausible: Whether one INS may be believed.
        doubt: Why the score does not link them (`Doubt`).
    """

    parts: tuple[np.ndarray, ...]
    bits: np.ndarray
    at_home: np.ndarray
    caution: np.ndarray
    exact: np.ndarray
    plausible: np.ndarray
    doubt: np.ndarray


@dataclass(frozen=True)
class _Pair:
    """The best of the writings of two records."""

    left: RecordKey
    right: RecordKey
    bits: float
    caution: float
    exact: bool
    doubt: Doubt


def edges_between(
    people: pl.DataFrame, fresh: Collection[RecordKey], *, accept: float = ACCEPT_BITS, review: float = REVIEW_BITS
) -> tuple[list[Edge], list[Edge]]:
    """Return (links, pairs to review) among the records of `people`, for pairs with at least one record in `fresh`.

    Links are sorted with the strongest first, so that whoever joins them in that order is right most often.

    Args:
        accept, review: Bits of evidence from which two records are linked, and from which a pair is shown to a
            person.
    """
    return edges_of(read_traits(people), fresh, accept=accept, review=review)


def edges_of(
    traits: Traits, fresh: Collection[RecordKey], *, accept: float = ACCEPT_BITS, review: float = REVIEW_BITS
) -> tuple[list[Edge], list[Edge]]:
    """Return what `edges_between` does, from `traits` that were read already; `fresh`, `accept` and `review` as there."""
    wanted = set(fresh)
    is_fresh = (
        np.array([key in wanted for key in traits.keys], dtype=np.bool_)[traits.record] if traits.keys else np.empty(0, np.bool_)
    )
    traits = without_default_dates(traits)
    weights = weights_of(traits)
    prior = prior_bits(traits)
    same_ins = pairs_of_ins(traits, is_fresh)
    further = MOST_RESIDENCE if known(traits.residence) else MOST_SECOND
    possible = candidates(traits, is_fresh, weights, review + prior - further)
    settled, scored = score_rows(traits, same_ins, weights), score_rows(traits, possible, weights)
    links: list[Edge] = []
    doubtful: list[Edge] = []
    scored = replace(scored, doubt=_without_lifted(scored, prior))
    believed = np.where(settled.plausible, 1.0, 0.0)
    for pair in _best(traits, same_ins, believed, settled, accept=1.0, cap=False):
        rule = "ins" if pair.bits else "ins-with-other-traits"
        (links if pair.bits else doubtful).append(Edge(0.0, pair.left, pair.right, rule, 99.0 * pair.bits))
    for pair in _best(traits, possible, scored.bits - prior, scored, accept=accept, cap=True):
        if pair.doubt and pair.bits >= review:
            doubtful.append(Edge(1_000.0 - pair.bits, pair.left, pair.right, pair.doubt.rule, pair.bits))
        elif pair.bits >= accept + pair.caution and pair.exact:
            links.append(Edge(1.0, pair.left, pair.right, "same-traits", pair.bits))
        elif pair.bits >= accept + pair.caution:
            links.append(Edge(1_000.0 - pair.bits, pair.left, pair.right, "scored", pair.bits))
        elif pair.bits >= review:
            doubtful.append(Edge(1_000.0 - pair.bits, pair.left, pair.right, "scored", pair.bits))
    doubtful += _of_other_sex(traits, is_fresh, [*links, *doubtful])
    links, doubted = _beside_doubt(links, doubtful)
    return sorted(links), sorted([*doubtful, *doubted])


def _of_other_sex(traits: Traits, fresh: np.ndarray, known: Iterable[Edge]) -> list[Edge]:
    """Return the pairs to review for an INS that differs in the sex alone, but for those that are `known` already."""
    there = {(edge.left, edge.right) for edge in known}
    records = np.unique(np.sort(traits.record[pairs_of_other_sex(traits, fresh)], axis=0), axis=1)
    pairs = ((traits.keys[one], traits.keys[two]) for one, two in records.T.tolist())
    return [Edge(0.0, *pair, "ins-of-other-sex", 0.0) for pair in pairs if pair not in there]


def _beside_doubt(links: list[Edge], doubtful: list[Edge]) -> tuple[list[Edge], list[Edge]]:
    """Return (links, pairs to review), where a link has come to the doubt of a better one.

    JEAN may be the twin of JEAN-NOËL. So he is not linked to another record of JEAN-NOËL either, which lost its hyphen.
    """
    linked: dict[RecordKey, dict[RecordKey, float]] = defaultdict(dict)
    for edge in links:
        linked[edge.left][edge.right] = linked[edge.right][edge.left] = edge.score
    doubted: dict[tuple[RecordKey, RecordKey], Edge] = {}
    for edge in doubtful:
        if edge.rule != Doubt.HALF_NAME.rule:
            continue
        for one, two in ((edge.left, edge.right), (edge.right, edge.left)):
            for between, score in linked[one].items():
                pair = (min(between, two), max(between, two))
                if linked[between].get(two, np.inf) <= score:
                    doubted[pair] = Edge(1_000.0 - linked[between][two], *pair, edge.rule, linked[between][two])
    return [edge for edge in links if (edge.left, edge.right) not in doubted], list(doubted.values())


def prior_bits(traits: Traits) -> float:
    """Return the bits that a pair must make up for, since a record could be as many persons as there are.

    Args:
        traits: All traits.
    """
    return float(np.log2(max(len(traits.keys), LEAST_PERSONS)))


def score_rows(traits: Traits, pairs: np.ndarray, weights: Weights) -> Scored:
    """Return what is found of pairs of rows.

    Args:
        traits: All traits.
        pairs: (2, pairs) rows.
        weights: What their values weigh.
    """
    found = np.empty((4, pairs.shape[1]))
    parts_of_pairs(pairs, compared(traits, weights), found)
    plain, family, given, dates = found
    left, right = pairs
    birth = traits.birth
    names = _name_evidence(traits, pairs, weights, family, given)
    one_place = (traits.place[left] >= 0) & (traits.place[left] == traits.place[right]) & (traits.country[left] == 0)
    one_sex = traits.sex[left] == traits.sex[right]
    one_birth = (birth[left] == birth[right]).all(axis=1) & (birth[left, 2] > 0)
    exact = names.shared_family & names.same_given & one_place & one_sex & one_birth
    residence, household = residence_bits(traits.residence, weights.residence, left, right)
    at_home = household & one_birth & names.same_given & _tells_day_and_name(traits, left, right)
    bits = np.where((plain <= VETO) | (names.given <= VETO), -np.inf, plain + names.family + names.given + residence)
    # One INS says one person, unless birth and family name both speak against it, or the given name does: a parent's,
    # a spouse's or a twin's INS stands where the patient's should.
    families = (traits.families[left, 0] >= 0) & (traits.families[right, 0] >= 0)
    nothing = (birth[left, 0] == 0) | (birth[right, 0] == 0) | ~families
    plausible = (nothing | (dates > 0) | names.shared_family | (names.family > 0)) & (names.given > VETO)
    caution = caution_bits(traits, left, right, alike=one_birth & names.same_given & families)
    caution += without_home(traits, left, right, residence)
    parts = (*_parts(traits, pairs, found, names, one_sex), residence)
    return Scored(parts, bits, at_home, caution, exact, plausible, _further_doubt(traits, left, right, names.doubt))


def _parts(
    traits: Traits, pairs: np.ndarray, found: np.ndarray, names: _NameEvidence, one_sex: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Return the bits of family name, given name, birth, sex and place; minus infinity where one excludes.

    Args:
        traits: All traits.
        pairs: (2, pairs) rows.
        found: (4, pairs) what `parts_of_pairs` found.
        names: Evidence of the names.
        one_sex: (pairs,) whether the sex is the same.
    """
    plain, dates = found[0], found[3]
    sex = np.where((traits.sex[pairs] == 0).any(axis=0), 0.0, np.where(one_sex, SAME_SEX, OTHER_SEX))
    vetoed = (dates <= VETO) | (plain <= VETO)
    given, birth = np.where(names.given <= VETO, -np.inf, names.given), np.where(vetoed, -np.inf, dates)
    return names.family, given, birth, sex, np.where(vetoed, 0.0, plain - dates - sex)


def _tells_day_and_name(traits: Traits, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return whether the day of birth of neither stands for none, and neither has half of a compound given name of the other."""
    return np.asarray(~(traits.vague[left] | traits.vague[right] | half_of_compound(traits, left, right)))


@dataclass(frozen=True)
class _NameEvidence:
    """Per pair of rows: bits of the family and of the given names, their doubt, and whether one of each is equal."""

    family: np.ndarray
    given: np.ndarray
    doubt: np.ndarray
    shared_family: np.ndarray
    same_given: np.ndarray


def _name_evidence(traits: Traits, pairs: np.ndarray, weights: Weights, family: np.ndarray, given: np.ndarray) -> _NameEvidence:
    """Return the evidence of all names: of equal ones as it came, of others by their letters.

    Args:
        traits: All traits.
        pairs: (2, pairs) rows.
        weights: What their values weigh.
        family, given: (pairs,) bits of equal names, VETO where none is equal.
    """
    left, right = pairs
    shared = (family != VETO) & (traits.families[left, 0] >= 0) & (traits.families[right, 0] >= 0)
    same_given = (given != VETO) & (traits.given[left, 0] >= 0) & (traits.given[right, 0] >= 0)
    # Family and given names exchanged: one bag of words in both.
    exchanged = (family == VETO) & (given == VETO) & (traits.bag[left] >= 0) & (traits.bag[left] == traits.bag[right])
    family[exchanged] = given[exchanged] = _bits_of_exchange(traits, weights, left[exchanged], right[exchanged])
    # Where further names are missing on one side, twins may stand behind an exchange as well.
    doubt = np.where(exchanged & (traits.words[left] != traits.words[right]), Doubt.OTHER_NAME, Doubt.NONE).astype(np.int8)
    _weigh_family(traits, pairs, weights, family, doubt)
    _weigh_given(traits, pairs, weights, given, doubt, np.flatnonzero(same_given))
    family[shared & other_used_name(traits, left, right)] += OTHER_USED_BITS
    half = (doubt == 0) & ~exchanged & (same_given | (given != MOST_FUZZY)) & half_of_compound(traits, left, right)
    return _NameEvidence(family, given, np.where(half, np.int8(Doubt.HALF_NAME), doubt), shared, same_given)


def _bits_of_exchange(traits: Traits, weights: Weights, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return half of what an exchange of the family name and the given name says, by how rare the rarer of the two ways is.

    SAID MZE and MZE SAID are two men where both words are family names and given names; MARTIN PAUL and PAUL MARTIN are not.

    Args:
        traits: All traits.
        weights: What their values weigh.
        left, right: (pairs,) rows.
    """
    one, two = (_commonest_family(traits, weights, rows) for rows in (left, right))
    # A third word in common says what a second given name in common does.
    third = (traits.words[left] == traits.words[right]) & ((traits.given[left, 1] >= 0) | (traits.given[right, 1] >= 0))
    rarer = np.maximum(one + weights.given[left], two + weights.given[right]) + np.where(third, MOST_SECOND, 0.0)
    return np.asarray(np.clip((rarer - EXCHANGED_BITS) / 2, 0.0, MOST_FUZZY))


def _commonest_family(traits: Traits, weights: Weights, rows: np.ndarray) -> np.ndarray:
    """Return the bits of the commonest family name of each of some rows."""
    return np.asarray(weights.families[rows].min(axis=1, where=traits.families[rows] >= 0, initial=2 * MOST_FUZZY))


def _weigh_family(traits: Traits, pairs: np.ndarray, weights: Weights, family: np.ndarray, doubt: np.ndarray) -> None:
    """Weigh family names that differ by their letters, in place: one that is nearly the other's says no more than an equal one."""
    unlike = np.flatnonzero(family == VETO)
    left, right = pairs[:, unlike]
    bits = family_by_letters(traits, left, right)
    doubt[unlike] = np.where(bits < MOST_FUZZY, Doubt.OTHER_FAMILY_NAME, Doubt.NONE)
    equal = [_commonest_family(traits, weights, rows) for rows in (left, right)]
    family[unlike] = np.minimum(bits, np.minimum(*equal))


def _weigh_given(
    traits: Traits, pairs: np.ndarray, weights: Weights, given: np.ndarray, doubt: np.ndarray, alike: np.ndarray
) -> None:
    """Weigh first given names that differ by their letters, and further names of the pairs `alike`, in place."""
    left, right = pairs
    other = np.flatnonzero(given == VETO)
    found = first_names_differ(traits, left[other], right[other], weights.bearers)
    given[other], doubt[other] = found.bits, np.where(found.doubt > 0, found.doubt, doubt[other])
    found = second_names(traits, left[alike], right[alike], weights)
    given[alike] += found.bits
    doubt[alike] = np.where(found.doubt > 0, found.doubt, doubt[alike])


def _two_dates(birth: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    full = (birth[left, 2] > 0) & (birth[right, 2] > 0)
    return np.asarray(full & (birth[left] != birth[right]).any(axis=1))


def _further_doubt(traits: Traits, left: np.ndarray, right: np.ndarray, doubt: np.ndarray) -> np.ndarray:
    """Return the doubt of each pair, with what a trait that is not there, a generation or a second INS adds."""
    birth = traits.birth
    one_day = (birth[left, 1:] == birth[right, 1:]).all(axis=1) & (birth[left, 1] > 0)
    apart = (np.abs(birth[left, 0] - birth[right, 0]) >= _GENERATION) & (birth[left, 0] > 0) & (birth[right, 0] > 0)
    slip = _two_dates(birth, left, right)
    conditions = (
        ((traits.ins[left] >= 0) & (traits.ins[right] >= 0) & (traits.ins[left] != traits.ins[right]), Doubt.TWO_INS),
        (doubt > 0, doubt),
        ((traits.given[left, 0] < 0) | (traits.given[right, 0] < 0), Doubt.NO_GIVEN_NAME),
        ((traits.families[left, 0] < 0) | (traits.families[right, 0] < 0), Doubt.NO_FAMILY_NAME),
        ((birth[left, 0] == 0) | (birth[right, 0] == 0), Doubt.NO_BIRTH),
        (one_day & apart, Doubt.YEARS_APART),
        (slip & (traits.families[left] != traits.families[right]).any(axis=1), Doubt.NAME_AND_DATE),
    )
    return np.select([when for when, _ in conditions], [what for _, what in conditions], Doubt.NONE).astype(np.int8)


def _without_lifted(scored: Scored, prior: float) -> np.ndarray:
    """Return the doubt of each pair, none where one of a trait that is missing or slipped is outweighed by the others.

    Where a parent and a child of one name may live together, what they share by that does not count. A family name that is
    another, or missing, is no doubt where one household would have two persons of one given name and one day of birth.
    """
    doubt, bits = scored.doubt, scored.bits - prior
    slight = ((doubt == Doubt.NO_BIRTH) | (doubt == Doubt.NAME_AND_DATE)) & (bits - scored.parts[-1] >= LIFTED_BITS)
    other = ((doubt == Doubt.OTHER_FAMILY_NAME) | (doubt == Doubt.NO_FAMILY_NAME)) & scored.at_home
    return np.where(slight | other, np.int8(Doubt.NONE), doubt)


def _best(traits: Traits, pairs: np.ndarray, bits: np.ndarray, scored: Scored, *, accept: float, cap: bool) -> list[_Pair]:
    """Return, per pair of records, the best of their writings: one that may be linked before one that is in doubt."""
    if not pairs.shape[1]:
        return []
    records = np.sort(traits.record[pairs], axis=0)
    joint = records[0] * len(traits.keys) + records[1]
    doubt = scored.doubt if cap else np.zeros_like(scored.doubt)
    caution = scored.caution if cap else np.zeros_like(bits)
    linkable = (doubt == 0) & (bits >= accept + caution)
    order = np.lexsort((-bits, ~scored.exact, ~linkable, joint))
    first = order[np.concatenate([[True], np.diff(joint[order]) != 0])]
    first = first[np.isfinite(bits[first])]
    keys = traits.keys
    return [
        _Pair(keys[i], keys[j], float(score), float(more), bool(same), Doubt(what))
        for i, j, score, more, same, what in zip(
            records[0][first],
            records[1][first],
            bits[first],
            caution[first],
            scored.exact[first],
            doubt[first].tolist(),
            strict=True,
        )
    ]
