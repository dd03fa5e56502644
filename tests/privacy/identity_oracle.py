"""The score of evidence row by row, as one would explain it to a clerk: the twin that the compiled rule must equal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import NamedTuple

from rapidfuzz.distance import OSA, JaroWinkler

from unibase.privacy.ledger.traits import family_names, given_tokens, parse_date, place_code, valid_ins


class Traits(NamedTuple):
    families: tuple[str, ...]
    given: tuple[str, ...]
    birth: tuple[int, int, int] | None
    sex: str | None
    place: str | None
    ins: str | None


def traits_of(row: dict[str, str | None]) -> Traits:
    return Traits(
        family_names(row["birth_family_name"], row["used_family_name"])[:3],
        given_tokens(row["given_names"])[:3],
        parse_date(row["birth_date"]),
        row["sex"],
        place_code(row["birth_place_code"]),
        valid_ins(row["ins"]),
    )


def scores(rows: Sequence[dict[str, str | None]]) -> dict[tuple[int, int], float]:
    """Return the score of every pair of rows that is not vetoed and not settled by the INS."""
    people = [traits_of(row) for row in rows]
    families = Counter(name for traits in people for name in set(traits.families))
    given = Counter(traits.given[0] for traits in people if traits.given)
    count = len(people)

    def family_bits(name: str) -> float:
        return -math.log2((families[name] + 2.0) / (count + 2_000.0))

    def given_bits(name: str) -> float:
        return -math.log2((given[name] + 5.0) / (count + 500.0))

    def two_names(a: str, b: str) -> bool:
        return min(given[a], given[b]) >= max(3, max(given[a], given[b]) / 50)

    found = {}
    for (i, one), (j, two) in combinations(enumerate(people), 2):
        if one.ins and two.ins:
            continue
        parts = (family(one, two, family_bits), given_names(one, two, given_bits, two_names), birth(one.birth, two.birth))
        if any(part is None for part in parts):
            continue
        sex = 0.0 if not one.sex or not two.sex else (1.0 if one.sex == two.sex else -9.0)
        total = sum(part for part in parts if part is not None) + sex + place(one.place, two.place)
        found[(i, j)] = total - math.log2(max(count, 10_000))
    return found


def family(one: Traits, two: Traits, bits: Callable[[str], float]) -> float | None:
    if not one.families or not two.families:
        return 0.0
    shared = set(one.families) & set(two.families)
    if shared:
        return max(bits(name) for name in shared)
    pairs = [(a, b) for a in one.families for b in two.families]
    if any(min(len(a), len(b)) >= 4 and (a.startswith(b) or b.startswith(a) or a.endswith(b) or b.endswith(a)) for a, b in pairs):
        return 6.0
    near = max(JaroWinkler.similarity(a, b) for a, b in pairs)
    if near >= 0.92:
        return 6.0
    if near >= 0.85:
        return 2.0
    return -4.0 if "F" in (one.sex, two.sex) else -7.0


def given_names(one: Traits, two: Traits, bits: Callable[[str], float], two_names: Callable[[str, str], bool]) -> float | None:
    if not one.given or not two.given:
        return 0.0
    a, b = one.given[0], two.given[0]
    if a == b:
        differs = len(one.given) > 1 and len(two.given) > 1 and one.given[1] != two.given[1]
        return bits(a) - (4.0 if differs else 0.0)
    written_a = {"".join(one.given[:n]) for n in (1, 2, 3)}
    written_b = {"".join(two.given[:n]) for n in (1, 2, 3)}
    if written_a & written_b:
        return 6.0
    if b in one.given or a in two.given:
        return -8.0 if two_names(a, b) else 3.0
    if 1 in (len(a), len(b)) and a[0] == b[0]:
        return 2.0
    distance = OSA.distance(a, b)
    if distance <= 1 and min(len(a), len(b)) >= 3:
        return -12.0 if two_names(a, b) else 4.0
    if two_names(a, b):
        return None
    if min(len(a), len(b)) >= 4 and (a.startswith(b) or b.startswith(a)):
        return 4.0
    return 1.0 if distance == 2 and min(len(a), len(b)) >= 6 else None


def birth(one: tuple[int, int, int] | None, two: tuple[int, int, int] | None) -> float | None:
    if one is None or two is None:
        return 0.0
    (y1, m1, d1), (y2, m2, d2) = one, two
    if not (m1 and m2):
        return 6.0 if y1 == y2 else None
    if not (d1 and d2):
        return 9.5 if (y1, m1) == (y2, m2) else None
    if one == two:
        return 14.5
    if y1 == y2 and m1 == d2 and d1 == m2:
        return 9.0
    if (m1, d1) == (m2, d2):
        return 3.0 if OSA.distance(str(y1), str(y2)) == 1 or abs(y1 - y2) == 1 else -2.0
    if y1 == y2 and (m1 == m2 or d1 == d2):
        return 5.0
    return None


def place(one: str | None, two: str | None) -> float:
    if not one or not two:
        return 0.0
    if one == two:
        return 8.0
    return 1.0 if one[:2] == two[:2] else -6.0


def blocks(traits: Traits) -> set[tuple[object, ...]]:
    """The keys of which two records must share one to be compared at all."""
    found: set[tuple[object, ...]] = set()
    if traits.birth and traits.birth[2]:
        day = tuple(sorted(traits.birth[1:]))
        if traits.given:
            found.add(("birth", traits.birth[0], day, traits.given[0][0]))
        found |= {("day", day, name[:4]) for name in traits.families}
    if traits.birth:
        found |= {("year", traits.birth[0], name[:5]) for name in traits.families}
    if traits.given:
        found |= {("names", name, traits.given[0]) for name in traits.families}
    return found
