"""Which records of persons belong together: exact rules first, then a score of evidence.

The score adds, per trait, the logarithm (base 2) of how much likelier the agreement or disagreement is for one
person than for two (Fellegi and Sunter 1969); agreement on a rare name weighs more than on a common one.
Disagreement that one person cannot show (two INS, two given names that both exist, two dates far apart) vetoes.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from rapidfuzz.distance import OSA, JaroWinkler

from privacy.identity_traits import PartialDate

RecordKey = tuple[str, str]
"""(centre, person_key)."""

ACCEPT_BITS = 12.0
"""Score from which two records are one person: posterior odds of 4,096 to 1 after the prior of the pair."""

REVIEW_BITS = 0.0
"""Score from which a pair is shown to a person for a decision."""

_BLOCK_LIMIT = 2_000
"""A block of more records than this tells too little to be worth its pairs."""


@dataclass(frozen=True)
class Traits:
    """What one source row says of a person, in the form that is compared."""

    families: tuple[str, ...]
    given: tuple[str, ...]
    birth: PartialDate | None
    sex: str | None
    place: str | None
    ins: str | None


@dataclass(frozen=True, order=True)
class Edge:
    """Two records held to be one person (or, for review, that may be), by which rule and with what score."""

    rank: float
    left: RecordKey
    right: RecordKey
    rule: str
    score: float


class Frequencies:
    """How common names are among the persons at hand, drawn towards a prior when there are few."""

    def __init__(self, records: Iterable[Sequence[Traits]]) -> None:
        families: Counter[str] = Counter()
        given: Counter[str] = Counter()
        self.records = 0
        for variants in records:
            self.records += 1
            families.update({name for traits in variants for name in traits.families})
            given.update({"".join(traits.given[:1]) for traits in variants if traits.given})
        self._families = families
        self._given = given

    def family_bits(self, name: str) -> float:
        """Bits of evidence that an agreement on this family name gives; 1 person in 1,000 bears the prior's name."""
        return -math.log2((self._families[name] + 2.0) / (self.records + 2_000.0))

    def given_bits(self, name: str) -> float:
        """Bits of evidence that an agreement on this given name gives; 1 person in 100 bears the prior's name."""
        return -math.log2((self._given[name] + 5.0) / (self.records + 500.0))

    def is_established(self, given: str) -> bool:
        """Whether several persons bear this given name, so that it is hardly a slip of the pen for another."""
        return self._given[given] >= max(3, self.records // 20_000)


def edges_between(
    records: dict[RecordKey, list[Traits]], fresh: set[RecordKey], *, accept: float = ACCEPT_BITS
) -> tuple[list[Edge], list[Edge]]:
    """Return (links, pairs to review) among `records`, for pairs with at least one record in `fresh`.

    Links are sorted with the strongest first, so that whoever joins them in that order is right most often.
    """
    links: list[Edge] = []
    review: list[Edge] = []
    frequencies = Frequencies(records.values())
    by_ins: dict[str, list[RecordKey]] = defaultdict(list)
    for key in sorted(records):
        for ins in sorted({traits.ins for traits in records[key] if traits.ins}):
            by_ins[ins].append(key)
    decided: set[tuple[RecordKey, RecordKey]] = set()
    for _, keys in sorted(by_ins.items()):
        for left, right in combinations(keys, 2):
            if left not in fresh and right not in fresh:
                continue
            decided.add((left, right))
            if _plausible(records[left], records[right]):
                links.append(Edge(0.0, left, right, "ins", 99.0))
            else:
                review.append(Edge(0.0, left, right, "ins-with-other-traits", 0.0))
    for left, right in _candidates(records, fresh):
        if (left, right) in decided:
            continue
        best: tuple[float, str] | None = None
        for one in records[left]:
            for two in records[right]:
                scored = score(one, two, frequencies)
                if scored is not None and (best is None or scored > best):
                    best = scored
        if best is None:
            continue
        bits, rule = best
        if rule == "same-traits":
            links.append(Edge(1.0, left, right, rule, bits))
        elif bits >= accept:
            links.append(Edge(1_000.0 - bits, left, right, rule, bits))
        elif bits >= REVIEW_BITS:
            review.append(Edge(1_000.0 - bits, left, right, rule, bits))
    return sorted(links), sorted(review)


def score(one: Traits, two: Traits, frequencies: Frequencies) -> tuple[float, str] | None:
    """Return (bits, rule) for two records, or None when they cannot be one person.

    The bits are posterior: the prior that two records drawn at random are one person is already taken off.
    """
    if one.ins and two.ins and one.ins != two.ins:
        return None
    family = _family_bits(one, two, frequencies)
    given = _given_bits(one, two, frequencies)
    birth = _birth_bits(one.birth, two.birth)
    if given is None or birth is None or family is None:
        return None
    sex = 0.0 if not one.sex or not two.sex else (1.0 if one.sex == two.sex else -9.0)
    place = _place_bits(one.place, two.place)
    exact = bool(
        set(one.families) & set(two.families)
        and one.given
        and one.given[:1] == two.given[:1]
        and one.birth == two.birth
        and one.birth is not None
        and one.birth.day
        and one.sex == two.sex
        and one.place
        and one.place == two.place
    )
    prior = math.log2(max(frequencies.records, 1_000))
    return family + given + birth + sex + place - prior, "same-traits" if exact else "scored"


def _plausible(left: Sequence[Traits], right: Sequence[Traits]) -> bool:
    """Whether persons under one INS agree on a date of birth or a family name, where both are known."""
    for one in left:
        for two in right:
            if one.birth is None or two.birth is None or not one.families or not two.families:
                return True
            if (_birth_bits(one.birth, two.birth) or 0.0) > 0 or _nearest(one.families, two.families) >= 0.85:
                return True
    return False


def _candidates(records: dict[RecordKey, list[Traits]], fresh: set[RecordKey]) -> list[tuple[RecordKey, RecordKey]]:
    blocks: dict[tuple[str, ...], set[RecordKey]] = defaultdict(set)
    for key, variants in records.items():
        for traits in variants:
            for block in _blocks(traits):
                blocks[block].add(key)
    pairs: set[tuple[RecordKey, RecordKey]] = set()
    for keys in blocks.values():
        if len(keys) < 2 or len(keys) > _BLOCK_LIMIT or keys.isdisjoint(fresh):
            continue
        ordered = sorted(keys)
        pairs.update(pair for pair in combinations(ordered, 2) if pair[0] in fresh or pair[1] in fresh)
    return sorted(pairs)


def _blocks(traits: Traits) -> Iterable[tuple[str, ...]]:
    """Keys that records of one person share even when one or two traits are written wrongly."""
    first = traits.given[0] if traits.given else ""
    birth = traits.birth
    if birth is not None and birth.day:
        low, high = sorted((birth.month, birth.day))
        yield "birth", f"{birth.year}-{low}-{high}", first[:1]
        for family in traits.families:
            yield "month-day-family", f"{low}-{high}", family[:4]
    if birth is not None:
        for family in traits.families:
            yield "year-family", str(birth.year), family[:5]
    for family in traits.families:
        if first:
            yield "names", family, first


def _family_bits(one: Traits, two: Traits, frequencies: Frequencies) -> float | None:
    if not one.families or not two.families:
        return 0.0
    shared = set(one.families) & set(two.families)
    if shared:
        return max(frequencies.family_bits(name) for name in shared)
    if any(min(len(a), len(b)) >= 4 and (a.startswith(b) or b.startswith(a)) for a in one.families for b in two.families):
        # One half of a compound or double name.
        return 6.0
    near = _nearest(one.families, two.families)
    if near >= 0.92:
        return 6.0
    if near >= 0.85:
        return 2.0
    # A woman known under her name of birth here and her married name there agrees on nothing but the rest.
    return -4.0 if "F" in (one.sex, two.sex) else -7.0


def _nearest(left: Sequence[str], right: Sequence[str]) -> float:
    return max((JaroWinkler.similarity(a, b) for a in left for b in right), default=0.0)


def _given_bits(one: Traits, two: Traits, frequencies: Frequencies) -> float | None:
    if not one.given or not two.given:
        return 0.0
    a, b = one.given[0], two.given[0]
    whole_a, whole_b = "".join(one.given), "".join(two.given)
    if a == b:
        # JEAN PIERRE and JEAN MARIE agree on half a compound name only.
        second_differs = len(one.given) > 1 and len(two.given) > 1 and one.given[1] != two.given[1]
        return frequencies.given_bits(a) - (4.0 if second_differs else 0.0)
    if whole_a == whole_b or (min(len(a), len(b)) >= 4 and (whole_a.startswith(whole_b) or whole_b.startswith(whole_a))):
        return 6.0
    if b in one.given or a in two.given:
        return 3.0
    if (len(a) == 1 or len(b) == 1) and a[0] == b[0]:
        return 2.0
    if OSA.distance(a, b) <= 1 and min(len(a), len(b)) >= 3:
        return -12.0 if frequencies.is_established(a) and frequencies.is_established(b) else 4.0
    if (
        OSA.distance(a, b) == 2
        and min(len(a), len(b)) >= 6
        and not (frequencies.is_established(a) and frequencies.is_established(b))
    ):
        return 1.0
    return None


def _birth_bits(one: PartialDate | None, two: PartialDate | None) -> float | None:
    if one is None or two is None:
        return 0.0
    if one == two:
        return 14.5 if one.day else (9.5 if one.month else 6.0)
    same_year, same_month, same_day = one.year == two.year, one.month == two.month, one.day == two.day
    if not (one.month and two.month):
        return 6.0 if same_year else None
    if not (one.day and two.day):
        return 9.5 if same_year and same_month else None
    if same_year and one.month == two.day and one.day == two.month:
        return 9.0
    if same_month and same_day:
        return 3.0 if OSA.distance(str(one.year), str(two.year)) == 1 or abs(one.year - two.year) == 1 else -2.0
    if same_year and same_month:
        return 5.0
    if same_year and same_day:
        return 5.0
    if OSA.distance(_digits(one), _digits(two)) <= 1:
        return 5.0
    return None


def _digits(date: PartialDate) -> str:
    return f"{date.year:04d}{date.month:02d}{date.day:02d}"


def _place_bits(one: str | None, two: str | None) -> float:
    if not one or not two:
        return 0.0
    if one == two:
        return 8.0
    if one[:2] == two[:2]:
        return 1.0
    return -6.0
