"""Registrations of persons as they are met in French hospitals, with known truth: what record linkage is measured on.

Unlike `population`, whose names are even, names here are as common as among those who bear them: a tenth of those born
in Mali are called TRAORE, a third of those born in Viet Nam NGUYEN, and many born abroad on a 1 January. Twins (some with
names a letter apart, or compound names with one part in common), parents and children of one name, married names,
errors of typing, reading (OCR) and hearing, placeholders, and six registrations in ten with an INS. All rates are assumptions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta

import numpy as np
import polars as pl

from unibase.simulation.habits_of_names import ORIGINS, Habits, Origin
from unibase.simulation.invented_identities import (
    COMMUNES,
    GIVEN_FEMALE,
    GIVEN_MALE,
    make_ins,
    with_typo,
    without_accents,
)
from unibase.simulation.seeds import stream

_FIRST_DAY, _DAYS = date(1930, 1, 1), 27_000
_SIMILAR = (
    ("Léa", "Léna"), ("Enzo", "Lenzo"), ("Yanis", "Anis"), ("Noé", "Noa"), ("Lina", "Alina"), ("Emma", "Gemma"), ("Lucas", "Luca"),
    ("Eva", "Ava"), ("Milo", "Milan"), ("Julien", "Lucien"), ("Clara", "Claire"), ("Théo", "Léo"), ("Marion", "Manon"),
)  # fmt: skip
_WRITTEN_OTHERWISE = {
    "Mohamed": "Mohammed", "Youssef": "Yusuf", "Fatima": "Fatma", "Hussein": "Hocine", "Khadija": "Khadidja", "Ahmed": "Ahmad",
    "Souleymane": "Suleyman", "Ibrahim": "Brahim", "Moussa": "Musa", "Ousmane": "Osman", "Abdoulaye": "Abdulaye", "Leïla": "Layla",
}  # fmt: skip
_HEARD = (("PH", "F"), ("EAU", "O"), ("AU", "O"), ("TH", "T"), ("Y", "I"), ("C", "K"), ("LL", "L"), ("SS", "S"), ("AN", "EN"))
_READ = (("O", "0"), ("I", "1"), ("B", "8"), ("RN", "M"), ("S", "5"), ("E", "F"), ("U", "V"))


@dataclass(frozen=True)
class _Person:
    """What is true of one person."""

    number: int
    family: str
    used: str
    given: str
    birth: str
    sex: str
    place: str
    abroad: bool
    twin_of: int | None = None
    parent_of: int | None = None


@dataclass
class _World:
    """Draws persons; `orders` counts births of one sex, month and place for the INS."""

    rng: np.random.Generator
    habits: Habits = field(default_factory=Habits)
    orders: dict[str, int] = field(default_factory=dict)

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def pick(self, names: Sequence[str], flat: float = 1.0) -> str:
        """Draw by rank: the k-th name with a weight of 1/(k + flat), by inverting the integral of that."""
        top = np.log((len(names) + flat) / flat)
        return names[min(int(flat * (np.exp(self.rng.random() * top) - 1)), len(names) - 1)]

    def person(self, number: int) -> _Person:
        origins = self.habits.origins
        names = list(origins)
        shares = np.cumsum([origins[name].share for name in names])
        origin = origins[names[int(np.searchsorted(shares, self.rng.random() * shares[-1]))]]
        sex = "F" if self.chance(0.52) else "M"
        family = self.pick(origin.families, origin.flat)
        if origin.share > 0.5 and self.chance(0.03):
            family += f"-{self.pick(origin.families, origin.flat)}"
        abroad = self.chance(origin.abroad)
        used = self.pick(origin.families, origin.flat) if sex == "F" and self.chance(0.55) else family
        place = self.pick(origin.countries) if abroad else self.commune()
        return _Person(number, family, used, self.given(origin, sex), self.birth(origin, abroad), sex, place, abroad)

    def given(self, origin: Origin, sex: str) -> str:
        pool = origin.female if sex == "F" else origin.male
        first = self.pick(pool, 3.0)
        if origin.share > 0.5 and self.chance(0.06):
            first = ("Marie" if sex == "F" else "Jean") + f"-{self.pick(pool, 3.0)}"
        before = origin.middle[0 if sex == "F" else 1]
        words = [f"{before} {first}" if before and self.chance(0.7) else first]
        while len(words) < 3 and self.chance(origin.second):
            words.append(self.pick(pool, 3.0))
        return " ".join(words)

    def birth(self, origin: Origin, abroad: bool) -> str:
        day = _FIRST_DAY + timedelta(days=int(self.rng.integers(_DAYS)))
        if abroad and self.chance(origin.first_of_january):
            month, number = origin.vague_days[day.toordinal() % len(origin.vague_days)]
            day = day.replace(month=month, day=number)
        elif abroad and self.chance(0.01):
            day = day.replace(month=12, day=31)
        return day.isoformat()

    def commune(self) -> str:
        if self.chance(0.4):
            return self.pick([code for code, _ in COMMUNES], 3.0)
        return f"{int(self.rng.integers(1, 96)):02d}{int(self.rng.integers(1, 500)):03d}".replace("20", "21", 1)

    def twin(self, one: _Person, number: int) -> tuple[_Person, _Person]:
        """Return two twins: all but the given names alike, and these alike as well for one pair in three."""
        draw = self.rng.random()
        if draw < 0.2:
            first, second = _SIMILAR[int(self.rng.integers(len(_SIMILAR)))]
        elif draw < 0.35:
            part = "Marie" if one.sex == "F" else "Jean"
            pool = GIVEN_FEMALE if one.sex == "F" else GIVEN_MALE
            first, second = (f"{part}-{pool[int(k)]}" for k in self.rng.choice(30, 2, replace=False))
        else:
            pool = GIVEN_FEMALE if one.sex == "F" else GIVEN_MALE
            first, second = (pool[int(k)] for k in self.rng.choice(len(pool), 2, replace=False))
        return replace(one, given=first, twin_of=number), replace(one, number=number, given=second, twin_of=one.number)

    def child(self, parent: _Person, number: int) -> _Person:
        """Return a child: the family name of the parent, one in eight with the given name, one in fifty with the day as well."""
        day = date.fromisoformat(parent.birth)
        born = day + timedelta(days=int(self.rng.integers(20 * 365, 35 * 365)))
        if self.chance(0.02) and (day.month, day.day) != (2, 29):
            born = day.replace(year=day.year + 25)
        given = parent.given if self.chance(0.125) else self.given(ORIGINS["France"], parent.sex)
        place = parent.place if not parent.abroad and self.chance(0.5) else self.commune()
        return replace(
            parent, number=number, used=parent.family, given=given, birth=born.isoformat(), place=place, abroad=False,
            parent_of=parent.number,
        )  # fmt: skip

    def ins(self, one: _Person) -> str:
        stem = one.sex + one.birth[:7] + one.place
        self.orders[stem] = self.orders.get(stem, 0) + 1
        return make_ins(one.sex, one.birth, one.place, self.orders[stem] % 999 + 1)


def french_persons(
    n: int, centres: Sequence[str] = ("A", "B", "C"), seed: int = 2026, habits: Habits | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return registrations of `n` persons in hospitals, and who is who.

    Args:
        n: Number of persons.
        centres: Names of the hospitals.
        seed: Same arguments, same frames.
        habits: Who the persons are, and how they are written; the usual ones without.

    Returns:
        people: One row a registration, in columns of a people table, shuffled.
        truth: For each row `centre`, `identifier`, `person`, `twin_of` (or null) and `abroad`.
    """
    world = _World(stream(seed, "french", n), habits or Habits())
    persons: list[_Person] = []
    while len(persons) < n:
        one = world.person(len(persons))
        persons.append(one)
        if world.chance(world.habits.twins) and not one.abroad:
            persons[-1], other = world.twin(one, len(persons))
            persons.append(other)
        elif world.chance(0.03) and int(one.birth[:4]) < 1965:
            persons.append(world.child(one, len(persons)))
    rows, serial = [], 10_000_000
    for one in persons[:n]:
        number = world.ins(one)
        home = int(world.rng.integers(len(centres)))
        places = [home, *([home] if world.chance(0.01) else [])]
        if len(centres) > 1 and world.chance(0.15):
            places.append((home + 1 + int(world.rng.integers(len(centres) - 1))) % len(centres))
        for place in places:
            serial += 1
            written = _written(world, one, number)
            rows.append(
                {
                    "centre": centres[place],
                    "identifier": str(serial),
                    **asdict(written),
                    "person": one.number,
                    "twin_of": one.twin_of,
                    "abroad": one.abroad,
                }
            )
    frame = pl.DataFrame(rows, infer_schema_length=None)[world.rng.permutation(len(rows))]
    frame = frame.with_columns(person_key=pl.col("identifier"), system=pl.lit("ipp"))
    return frame.drop("person", "twin_of", "abroad"), frame.select("centre", "identifier", "person", "twin_of", "abroad")


@dataclass(frozen=True)
class _Traits:
    """Traits of a person as a registration holds them; None where it is empty."""

    ins: str | None
    birth_family_name: str
    used_family_name: str
    given_names: str
    birth_date: str
    sex: str | None
    birth_place_code: str | None


def _written(world: _World, one: _Person, number: str) -> _Traits:
    """Return the traits of a person as one registration writes them."""
    chance, habits = world.chance, world.habits
    family, used, given, birth, place, sex = one.family, one.used, one.given, one.birth, one.place, one.sex
    if chance(habits.used_for_birth):
        family = used
    first = given.split(" ")[0]
    if first in _WRITTEN_OTHERWISE and chance(0.1):
        given = given.replace(first, _WRITTEN_OTHERWISE[first], 1)
    if chance(habits.only_first) and not given.startswith(("Thi ", "Van ")):
        given = given.split(" ")[0]
    for share, slip in ((0.02, _typed), (0.01, _heard), (0.01, _read)):
        if chance(share * habits.slips):
            family = slip(world, family)
        if chance(share * habits.slips):
            given = slip(world, given)
    if chance(0.35):
        family, used, given = (without_accents(text) for text in (family, used, given))
    if chance(0.3):
        family, used, given = (text.replace("-", " ") for text in (family, used, given))
    if chance(0.004):
        family, used = family[:10], used[:10]
    if habits.usual_first and " " in given and chance(habits.usual_first):
        first, second, *rest = given.split(" ")
        given = " ".join([second, first, *rest])
    if chance(habits.fields_exchanged):
        family, given, used = given.upper(), family.capitalize(), given.upper()
    if habits.no_given and chance(habits.no_given):
        given = habits.words_for_no_given[one.number % len(habits.words_for_no_given)]
    birth = _born(world, birth)
    return _Traits(
        ins=number if chance(habits.ins) else None,
        birth_family_name=habits.no_families[one.number % len(habits.no_families)] if chance(0.0005) else family,
        used_family_name=used,
        given_names=given,
        birth_date=birth,
        sex=None if chance(0.003) else ("F" if sex == "M" else "M") if chance(0.001) else sex,
        birth_place_code=None if chance(habits.no_place) else place,
    )


def _born(world: _World, birth: str) -> str:
    draw = world.rng.random()
    if draw < 0.004 and int(birth[8:]) <= 12:
        return f"{birth[:4]}-{birth[8:]}-{birth[5:7]}"
    if draw < 0.010:
        return _other_digit(world, birth)
    if draw < 0.014:
        return birth[:4]
    no_births = world.habits.no_births
    return no_births[int(draw * 1e6) % len(no_births)] if draw < 0.018 else birth


def _other_digit(world: _World, birth: str) -> str:
    """Return the date with another digit in year, month or day, where that is a date."""
    at = int(world.rng.choice([2, 3, 6, 8, 9]))
    written = birth[:at] + str(int(world.rng.integers(10))) + birth[at + 1 :]
    try:
        date.fromisoformat(written)
    except ValueError:
        return birth
    return written


def _typed(world: _World, text: str) -> str:
    return with_typo(text, world.rng) if len(text) > 2 else text


def _heard(world: _World, text: str) -> str:
    return _replaced(world, text, _HEARD)


def _read(world: _World, text: str) -> str:
    return _replaced(world, text, _READ)


def _replaced(world: _World, text: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Return a text with one group of letters as another hears or reads it."""
    upper = text.upper()
    possible = [pair for pair in pairs if pair[0] in upper]
    if not possible:
        return text
    old, new = possible[int(world.rng.integers(len(possible)))]
    return upper.replace(old, new, 1)
