"""The score of evidence row by row, as one would explain it to a clerk: the twin that the compiled rule must equal."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import NamedTuple

from rapidfuzz.distance import OSA, JaroWinkler, Levenshtein

from unibase.privacy.ledger.given_names import given_names, skeleton, squeezed
from unibase.privacy.ledger.residence import address_words, commune_name, phone_number, postal_code
from unibase.privacy.ledger.traits import (
    all_names,
    bag_of_names,
    birth_of_ins,
    compound_of,
    department,
    family_names,
    given_tokens,
    ins_stem,
    is_provisional,
    is_vague,
    parse_date,
    place_code,
    place_of_ins,
    valid_ins,
)

TABLE = given_names()


class Traits(NamedTuple):
    families: tuple[str, ...]
    given: tuple[str, ...]
    birth: tuple[int, int, int] | None
    vague: bool
    sex: str | None
    place: str | None
    ins: str | None
    bag: str | None
    words: str | None
    compound: int
    postcode: str | None
    commune: str | None
    phone: str | None
    address: tuple[str, ...]

    @property
    def country(self) -> str:
        """The foreign country of birth, `FR`, or nothing where the place is not known."""
        return "" if self.place is None else self.place if self.place.startswith("99") else "FR"


class Score(NamedTuple):
    bits: float
    doubt: bool
    caution: float


def traits_of(row: dict[str, str | None]) -> Traits:
    birth = parse_date(row["birth_date"]) or parse_date(birth_of_ins(row["ins"]))
    place = place_code(row["birth_place_code"]) or place_of_ins(row["ins"], row["birth_date"])
    return Traits(
        family_names(row["birth_family_name"], row["used_family_name"])[:3],
        given_tokens(row["given_names"])[:3],
        birth,
        is_vague(birth, place),
        row["sex"],
        place,
        valid_ins(row["ins"]),
        bag_of_names(row["birth_family_name"], row["given_names"]),
        all_names(row["birth_family_name"], row["given_names"]),
        compound_of(row["given_names"]),
        postal_code(row["postcode"]),
        commune_name(row["commune"]),
        phone_number(row["phone"]),
        address_words(row["address"]),
    )


class File:
    """The counts of a file, from which its values get their weights."""

    def __init__(self, people: Sequence[Traits]) -> None:
        self.people, self.count = people, len(people)
        self.families = Counter(name for one in people for name in set(one.families))
        self.bearers = Counter(one.given[0] for one in people if one.given)
        self.given = Counter(TABLE.one_writing(one.given[0]) for one in people if one.given)
        self.countries = Counter(one.country for one in people)
        self.dates = Counter(one.birth for one in people)
        self.share: dict[str, float] = {}
        for one in people:
            for name in one.given:
                group = TABLE.one_writing(name)
                self.share[group] = max(self.share.get(group, 0.0), TABLE.share(name))

    def among(self, one: Traits, value: Callable) -> tuple[int, int]:  # type: ignore[type-arg]
        """Return how many of the country of birth share a value of this one, and how many there are."""
        mine = [other for other in self.people if other.country == one.country]
        return sum(value(other) == value(one) for other in mine), len(mine)

    def family_bits(self, one: Traits, name: str) -> float:
        """The bits of a name, at most those of another of the record that is a slip of it."""
        slips = [other for other in one.families if other != name and 0.85 <= near_family(other, name) < 1.0]
        return min(self.bits_of_family(one, other) for other in [name, *slips])

    def bits_of_family(self, one: Traits, name: str) -> float:
        everywhere = -math.log2((self.families[name] + 2.0) / (self.count + 2_000.0))
        if one.country in ("", "FR"):
            return everywhere
        place = one.families.index(name)
        mine, of = self.among(one, lambda other: other.families[place] if len(other.families) > place else None)
        return min(everywhere, -math.log2((mine + 2.0) / (of + 50.0)))

    def given_bits(self, one: Traits) -> float:
        name = TABLE.one_writing(one.given[0])
        bits = -math.log2((self.given[name] + 500 * self.share[name]) / (self.count + 500.0))
        if one.country not in ("", "FR"):
            mine, of = self.among(one, lambda other: TABLE.one_writing(other.given[0]) if other.given else None)
            bits = min(bits, -math.log2((mine + 3.0) / (of + 50.0)))
        return min([bits, *(self.given_of_family(one, place, name, bits) for place in range(len(one.families)))])

    def given_of_family(self, one: Traits, place: int, name: str, bits: float) -> float:
        kin = [other for other in self.people if other.families[place : place + 1] == one.families[place : place + 1]]
        if len(kin) < 50:
            return bits
        others = sum(bool(other.given) and TABLE.one_writing(other.given[0]) == name for other in kin) - 1
        return -math.log2((others + 50.0 * 2.0**-bits) / (len(kin) - 1 + 50.0))

    def second_bits(self, one: Traits) -> float:
        def second(other: Traits) -> str:
            return TABLE.one_writing(other.given[1]) if len(other.given) > 1 else ""

        group = [other for other in self.people if self.abroad(other) == self.abroad(one)]
        mine = sum(second(other) == second(one) for other in group)
        return min(5.0, -0.8 * math.log2((mine + 4.0) / (len(group) + 200.0)))

    @staticmethod
    def abroad(one: Traits) -> str:
        return one.country if one.country not in ("", "FR") else ""

    def birth_bits(self, one: Traits) -> float:
        bits = 14.5
        if self.dates[one.birth] >= 20:
            bits = min(bits, -math.log2(self.dates[one.birth] / self.count))
        mine, of = self.among(one, lambda other: other.birth[1:] if other.birth else (0, 0))
        if one.vague:
            return min(bits, 6.0 - math.log2((mine + 10.0) / (of + 50.0)))
        if mine >= 20 and mine > 8 * of / 365.25:
            return min(bits, 6.0 - math.log2(mine / of))
        return bits

    def place_bits(self, one: Traits) -> float:
        if one.country in ("", "FR"):
            return 8.0
        return min(8.0, max(2.0, -math.log2((self.countries[one.country] + 10.0) / (self.count + 1_000.0))))

    def living_bits(self, one: Traits, has: Callable, prior: float, strength: float, most: float) -> float:  # type: ignore[type-arg]
        """The bits of where one lives: how many have it, abroad among those of the country of birth where that is more."""
        groups = [self.people] + [[other for other in self.people if other.country == one.country]] * bool(self.abroad(one))
        return min(
            most, *(-math.log2((sum(map(has, some)) + prior * strength) / (len(some) + strength)) for some in groups), 99.0
        )

    def place_of_living(self, one: Traits, name: str, prior: float, most: float) -> float:
        return self.living_bits(one, lambda other: getattr(other, name) == getattr(one, name), prior, 500.0, most)

    def word_bits(self, one: Traits, word: str) -> float:
        return self.living_bits(one, lambda other: word in other.address, 0.02, 300.0, 7.0)

    def is_compound(self, one: Traits) -> bool:
        """Whether the first given name is a compound: by its hyphen, or because its two words mostly have one."""
        if one.compound == 1 or len(one.given) < 2:
            return one.compound == 1
        alike = [other.compound for other in self.people if other.given[:2] == one.given[:2]]
        return (alike.count(1) + 3 * (0.8 if 2 in alike else 0.2)) / (len(alike) + 3) >= 0.5

    def two_names(self, a: str, b: str) -> bool:
        both = TABLE.exists(a) and TABLE.exists(b)
        return both or min(self.bearers[a], self.bearers[b]) >= max(3, max(self.bearers[a], self.bearers[b]) / 50)


def scores(rows: Sequence[dict[str, str | None]]) -> dict[tuple[int, int], Score]:
    """Return score and doubt of every pair of rows that is not vetoed and not settled by the INS."""
    people = [traits_of(row) for row in rows]
    often = Counter(one.birth for one in people if one.birth and one.birth[2])
    default = {date for date, count in often.items() if count >= 20 and count > len(people) / 250}
    people = [one._replace(birth=None, vague=False) if one.birth in default else one for one in people]
    file = File(people)
    found = {}
    for (i, one), (j, two) in combinations(enumerate(people), 2):
        two_ins = bool(one.ins and two.ins)
        if two_ins and (one.ins == two.ins or not replaced(str(one.ins), str(two.ins))):
            continue
        names = family(one, two, file), given(one, two, file)
        if names == (None, None) and one.bag is not None and one.bag == two.bag:
            family_bits = given_bits = exchanged(one, two, file)
            doubt = one.words != two.words
            family_doubt = False
        else:
            family_bits = fuzzy_family(one, two) if names[0] is None else names[0]
            said = fuzzy_given(one, two, file) if names[1] is None else names[1]
            if said is None:
                continue
            given_bits, doubt = said
            written_together = names[1] is None and given_bits == 6.0
            half = (len(two.given) == 1 and file.is_compound(one)) or (len(one.given) == 1 and file.is_compound(two))
            family_bits -= 5.0 if names[0] is not None and other_used_name(one, two) else 0.0
            doubt |= half and not written_together
            family_doubt = names[0] is None and family_bits < 6.0
            if names[0] is None:
                family_bits = min(family_bits, *(file.family_bits(who, name) for who in (one, two) for name in who.families))
        dates = birth(one, two, file)
        if dates is None:
            continue
        living, household = residence(one, two, file)
        alike = one.birth == two.birth and one.birth and one.birth[2] and not one.vague and not two.vague
        home = household and alike and names[1] is not None and one.given and two.given
        doubt |= two_ins or not (one.given and two.given)
        doubt |= not home and (family_doubt or not (one.families and two.families))
        slight = not (one.birth and two.birth)
        if one.birth and two.birth and one.birth[1] and one.birth[1:] == two.birth[1:]:
            doubt |= abs(one.birth[0] - two.birth[0]) >= 12
        full = one.birth and two.birth and one.birth[2] and two.birth[2]
        slip = bool(full) and one.birth != two.birth
        slight |= slip and one.families != two.families
        caution = 0.0
        vague = one.vague or two.vague
        abroad = {one.country, two.country} - {"", "FR"}
        alike = full and one.birth == two.birth and one.families and names[1] is not None and one.given and two.given
        plain = one.families == two.families and not vague
        if alike and plain and not (one.place and two.place):
            caution = -5.0 if abroad else -6.0
        elif alike and plain and one.place == two.place:
            caution = -1.0 if abroad and file.count >= 10_000 else 0.0
        elif abroad:
            # A small file cannot tell how common names and days are among those who were born in a country.
            small = file.count < 10_000
            usual = 2.0 if small else -1.0
            caution = 3.0 + (2.0 if small else 0.0) if further_family_name(one, two) else usual
        elif further_family_name(one, two):
            caution = 3.0
        elif not plain:
            caution = 2.0
        elif not (one.place and two.place and one.place != two.place):
            caution = -1.0
        if abroad and living <= 0.0 and any(who.postcode or who.commune or who.phone or who.address for who in people):
            caution += 2.0
        sex = 0.0 if not one.sex or not two.sex else (1.0 if one.sex == two.sex else -9.0)
        total = family_bits + given_bits + dates + sex + place(one, two, file)
        total -= math.log2(max(file.count, 10_000))
        found[(i, j)] = Score(total + living, bool(doubt) or (slight and total < 15.0), caution)
    return found


def replaced(one: str, two: str) -> bool:
    """Whether one INS can have replaced the other: the sex was corrected, or a NIR came after a number of waiting."""
    return ins_stem(one) == ins_stem(two) or is_provisional(one) != is_provisional(two)


def family(one: Traits, two: Traits, file: File) -> float | None:
    if not one.families or not two.families:
        return 0.0
    shared = set(one.families) & set(two.families)
    bits = sorted((min(file.family_bits(one, name), file.family_bits(two, name)) for name in shared), reverse=True)
    return bits[0] + (min(5.0, 0.7 * bits[1]) if len(bits) > 1 else 0.0) if bits else None


def residence(one: Traits, two: Traits, file: File) -> tuple[float, bool]:
    """The bits of where two live, and whether it is one household."""
    known = [name for name in ("postcode", "commune") if getattr(one, name) and getattr(two, name)]
    same = [name for name in known if getattr(one, name) == getattr(two, name)]
    town = max((min(file.place_of_living(who, name, 0.02, 7.0) for who in (one, two)) for name in same), default=0.0)
    town = -2.0 if known and not same else town
    phone = 0.0
    if one.phone and one.phone == two.phone:
        phone = min(file.place_of_living(who, "phone", 0.001, 6.0) for who in (one, two))
    street = 0.0
    if one.address and two.address:
        shared = sum(file.word_bits(one, word) for word in one.address if word in two.address)
        poorer = min(sum(file.word_bits(who, word) for word in who.address) for who in (one, two))
        street = min(shared, 8.0) if shared >= 0.6 * poorer else -2.0
    return max(-3.0, min(10.0, town + street + phone)), street >= 5.0 or phone >= 5.0


def exchanged(one: Traits, two: Traits, file: File) -> float:
    """Half of what family and given names in each other's place say: little where both ways are names that are borne."""
    ways = [
        min((file.family_bits(who, name) for name in who.families), default=12.0) + file.given_bits(who) for who in (one, two)
    ]
    third = 5.0 if one.words == two.words and max(len(one.given), len(two.given)) > 1 else 0.0
    return min(6.0, max(0.0, (max(ways) + third - 9.0) / 2))


def other_used_name(one: Traits, two: Traits) -> bool:
    """Whether each has a further family name that is none of the other's."""
    left, right = set(one.families) - set(two.families), set(two.families) - set(one.families)
    return bool(left and right) and all(near_family(a, b) < 0.85 for a in left for b in right)


def further_family_name(one: Traits, two: Traits) -> bool:
    """Whether one alone has a second family name, one of them is in both, and the others are unlike."""
    left, right = set(one.families), set(two.families)
    if not left & right or (len(left) > 1) == (len(right) > 1):
        return False
    more, name = (left, right) if len(left) > 1 else (right, left)
    return all(near_family(a, b) < 0.85 for a in more - name for b in name)


def near_family(a: str, b: str) -> float:
    half = min(len(a), len(b)) >= 4 and (a.startswith(b) or b.startswith(a) or a.endswith(b) or b.endswith(a))
    return 1.0 if half else JaroWinkler.similarity(a, b)


def fuzzy_family(one: Traits, two: Traits) -> float:
    pairs = [(a, b) for a in one.families for b in two.families]
    if any(min(len(a), len(b)) >= 4 and (a.startswith(b) or b.startswith(a) or a.endswith(b) or b.endswith(a)) for a, b in pairs):
        return 6.0
    near = max(JaroWinkler.similarity(a, b) for a, b in pairs)
    if near >= 0.92:
        return 6.0
    if near >= 0.85:
        return 2.0
    return -4.0 if "F" in (one.sex, two.sex) else -7.0


def given(one: Traits, two: Traits, file: File) -> tuple[float, bool] | None:
    if not one.given or not two.given:
        return 0.0, True
    a, b = one.given[0], two.given[0]
    if TABLE.one_writing(a) != TABLE.one_writing(b):
        return None
    bits = min(file.given_bits(one), file.given_bits(two)) - (0.0 if a == b else 1.0)
    rest_a, rest_b = ({TABLE.one_writing(name) for name in names[1:]} for names in (one.given, two.given))
    if not rest_a or not rest_b:
        return bits, False
    if rest_a & rest_b and rest_differs(one.given[1:], two.given[1:]):
        return bits - 2.0, False
    if rest_a & rest_b:
        return bits + (0.0 if one.vague or two.vague else min(file.second_bits(one), file.second_bits(two))), False
    if any(may_be(x, y) for x in one.given[1:] for y in two.given[1:]):
        return bits, False
    return bits - 4.0, True


def rest_differs(one: tuple[str, ...], two: tuple[str, ...]) -> bool:
    """Whether three given names each leave one that is in one record alone, and these are two names."""
    if len(one) < 2 or len(two) < 2:
        return False
    left = [name for name in one if TABLE.one_writing(name) not in map(TABLE.one_writing, two)]
    right = [name for name in two if TABLE.one_writing(name) not in map(TABLE.one_writing, one)]
    return bool(left and right) and not any(may_be(x, y) for x in left for y in right)


def may_be(x: str, y: str) -> bool:
    """Whether a further given name can be another one, written otherwise."""
    shortest = min(len(x), len(y))
    if shortest == 1:
        return x[0] == y[0]
    if TABLE.exists(x) and TABLE.exists(y):
        return False
    enough = shortest >= 4 or (shortest == 3 and not (TABLE.likely(x) and TABLE.likely(y)))
    return (enough and OSA.distance(x, y) <= 1) or (shortest >= 3 and (x.startswith(y) or y.startswith(x)))


def fuzzy_given(one: Traits, two: Traits, file: File) -> tuple[float, bool] | None:
    a, b = one.given[0], two.given[0]
    written_a, written_b = ({"".join(names[:n]) for n in (1, 2, 3)} for names in (one.given, two.given))
    if written_a & written_b:
        return 6.0, False
    both = file.two_names(a, b)
    if b in one.given or a in two.given:
        return (-8.0 if both else 3.0), True
    shortest = min(len(a), len(b))
    found = first_names(a, b, both, shortest, file)
    further = {TABLE.one_writing(name) for name in one.given[1:]} & {TABLE.one_writing(name) for name in two.given[1:]}
    if OSA.distance(a, b) <= 2 and found is not None and found[0] > 0 and further and letter_apart(a, b, shortest):
        return found[0], False
    if found is not None and not found[1] and contradict(one.given, two.given):
        return found[0] - 4.0, True
    return found


def contradict(one: tuple[str, ...], two: tuple[str, ...]) -> bool:
    """Whether further names speak against a first name that is written wrongly."""
    if one[1:] and two[1:]:
        alike = {TABLE.one_writing(name) for name in one[1:]} & {TABLE.one_writing(name) for name in two[1:]}
        return not alike and not any(may_be(x, y) for x in one[1:] for y in two[1:])
    longer, shorter = sorted((one, two), key=lambda names: -len(names[0]))
    more = 2 if TABLE.exists(shorter[0]) else 3
    return len(shorter) > 1 and len(longer[0]) >= len(shorter[0]) + more and longer[0].startswith(shorter[0])


def letter_apart(a: str, b: str, shortest: int) -> bool:
    """Whether it is their letters that two names are compared by, and not their beginning or sound."""
    if OSA.distance(a, b) <= 1:
        return shortest >= 3
    beginning = shortest >= 4 and (a.startswith(b) or b.startswith(a))
    return not beginning and skeleton(a) != skeleton(b) and shortest >= 6


def first_names(a: str, b: str, both: bool, shortest: int, file: File) -> tuple[float, bool] | None:
    if shortest == 1 and a[0] == b[0]:
        return 2.0, True
    distance = OSA.distance(a, b)
    if distance <= 1 and shortest >= 3:
        return (-12.0, True) if both else (4.0, not is_slip(a, b, file))
    if shortest >= 4 and (a.startswith(b) or b.startswith(a)):
        longer, shorter = sorted((a, b), key=lambda name: -len(name))
        return (-4.0, True) if both else (4.0, len(longer) >= len(shorter) + 3 and not TABLE.exists(longer))
    if skeleton(a) == skeleton(b) and shortest >= 3:
        return (-6.0 if both else 1.0), True
    return (1.0, True) if not both and distance == 2 and shortest >= 6 else None


def is_slip(a: str, b: str, file: File) -> bool:
    """Whether one of two names is surely the other with a slip of the pen."""
    if squeezed(a) == squeezed(b):
        return True
    few, many = sorted((file.bearers[a], file.bearers[b]))
    by_file = not TABLE.exists(a) and not TABLE.exists(b) and few <= 1 and many >= 20
    if (by_file or TABLE.exists(a) != TABLE.exists(b)) and min(len(a), len(b)) >= 4 and misread(a, b):
        return True
    if TABLE.between(a) or TABLE.between(b):
        return False
    common = many >= 50 * max(1, few)
    if not common and not by_file and TABLE.exists(a) == TABLE.exists(b):
        return False
    if common and few <= max(2, many / 300) and min(len(a), len(b)) >= 4 and not (TABLE.exists(a) and TABLE.exists(b)):
        return a[0] == b[0] or (TABLE.exists(a) != TABLE.exists(b) and skeleton(a) == skeleton(b))
    rarer = a if TABLE.exists(b) or file.bearers[a] < file.bearers[b] else b
    beginning = a[0] == b[0] or (TABLE.exists(a) != TABLE.exists(b) and skeleton(a) == skeleton(b))
    return beginning and (not TABLE.likely(rarer) or min(len(a), len(b)) >= 6)


def misread(a: str, b: str) -> bool:
    """Whether two neighbours are exchanged, or one letter stands for one of its shape or sound."""
    if OSA.distance(a, b) != 1 or len(a) != len(b):
        return False
    heard = [
        [re.sub("[AE]N(?![AEIOUYN])", "~N", name), *(name.replace(x, y) for x, y in ("EF", "UV", "CK", "IY"))] for name in (a, b)
    ]
    return Levenshtein.distance(a, b) == 2 or any(x == y for x, y in zip(*heard, strict=True))


def birth(one: Traits, two: Traits, file: File) -> float | None:
    if one.birth is None or two.birth is None:
        return 0.0
    (y1, m1, d1), (y2, m2, d2) = one.birth, two.birth
    if not (m1 and m2):
        return 6.0 if y1 == y2 else None
    if not (d1 and d2):
        return 9.5 if (y1, m1) == (y2, m2) else None
    if one.birth == two.birth:
        return min(file.birth_bits(one), file.birth_bits(two))
    if y1 == y2 and (one.vague or two.vague):
        return 3.0
    if y1 == y2 and m1 == d2 and d1 == m2:
        return 9.0
    if (m1, d1) == (m2, d2) and not one.vague:
        return 3.0 if OSA.distance(str(y1), str(y2)) == 1 or abs(y1 - y2) == 1 else -2.0
    if y1 == y2 and (m1 == m2 or d1 == d2):
        return 3.0
    return None


def place(one: Traits, two: Traits, file: File) -> float:
    if not one.place or not two.place:
        return 0.0
    if one.place == two.place:
        return file.place_bits(one)
    return 1.0 if department(one.place) == department(two.place) else -6.0


def blocks(traits: Traits) -> set[tuple[object, ...]]:
    """The keys of which two records must share one to be compared at all."""
    found: set[tuple[object, ...]] = set()
    if traits.birth and traits.birth[2]:
        day = tuple(sorted(traits.birth[1:]))
        if traits.given:
            found.add(("birth", traits.birth[0], day, traits.given[0][0]))
        found |= {("day", day, name[:4]) for name in traits.families}
        if traits.bag:
            found.add(("bag", traits.birth[0], traits.bag))
    if traits.birth:
        found |= {("year", traits.birth[0], name[:5]) for name in traits.families}
    if traits.given:
        found |= {("names", name, traits.given[0]) for name in traits.families}
    return found
