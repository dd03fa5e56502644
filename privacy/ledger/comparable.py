"""What the sources say of persons, numbered, so that millions of pairs can be compared: in clear text or encoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
import polars as pl

from unibase.privacy.ledger.given_names import given_names, misread, skeleton, squeezed
from unibase.privacy.ledger.residence import COLUMNS, MOST_WORDS, READ, Residence, address_words
from unibase.privacy.ledger.traits import (
    FOREIGN,
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

RecordKey = tuple[str, str]
"""(centre, person_key)."""

FAMILIES, GIVEN = 3, 3
"""Names of a kind that a record is compared by."""
ONE_NAME, NEAR_NAME = 0.92, 0.85
"""Likeness (Jaro and Winkler) from which two family names are one written wrongly, or may be."""

TRAITS = ("ins", "birth_family_name", "used_family_name", "given_names", "birth_date", "sex", "birth_place_code")
"""Columns of PEOPLE that say who a person is, and are compared; where one lives (`residence.COLUMNS`) is compared as well."""


class Names(Protocol):
    """What can be said of names that are not equal, known by their numbers; in clear text or encoded."""

    def alike(self, one: np.ndarray, two: np.ndarray) -> np.ndarray:
        """Return how alike the family names numbered `one` and `two` are, both of shape (pairs,).

        It is 0 to 1 on the scale of Jaro and Winkler; 1 for a half of a compound name.
        """

    def one_writing(self, one: list[int], two: list[int]) -> bool:
        """Return whether two lists of given names are one compound name, written together or apart."""

    def slips(self, one: int, two: int) -> int:
        """Return how many slips of the pen lie between the given names numbered `one` and `two`, at most 3."""

    def misread(self, one: int, two: int) -> bool:
        """Return whether the given names numbered `one` and `two` are told apart as one that was written wrongly is."""

    def length(self, name: int) -> int:
        """Return the letters of a given name."""

    def begins(self, one: int, two: int) -> bool:
        """Return whether one of the given names numbered `one` and `two` is the beginning of the other."""

    def same_initial(self, one: int, two: int) -> bool:
        """Return whether two given names begin with one letter."""


class GivenTable(NamedTuple):
    """What is known of each given name, by its number.

    `exists` and `likely` (bool): it is a name, or could be one (`given_names`); `between`: it is none, and may be a slip of
    two names that are a letter apart; `writing`, `squeezed` and `sound` number what
    writings of one name share: their group, their letters without doubling, their consonants. `share` is the share of a
    sex that bears it, before the file is read.
    """

    exists: np.ndarray
    likely: np.ndarray
    between: np.ndarray
    writing: np.ndarray
    squeezed: np.ndarray
    sound: np.ndarray
    share: np.ndarray


class Traits(NamedTuple):
    """What the sources say of persons, numbered: a row per record and distinct writing.

    `record` numbers `keys`; `families` and `given` (rows, 3) hold numbers of names, -1 for none; `birth` (rows, 3) year, month
    and day, 0 for unknown; `vague` whether that day is one given to those who do not know theirs; `sex` 1 male, 2 female;
    `place`, `department` (by place), `ins` and `stem` (the INS without its sex) numbers, -1 for none; `country` the number of
    a foreign country of birth, 0 for France, -1 for unknown; `provisional` whether the INS is one of waiting; `bag` the first
    words of family and given names in order of the alphabet, `words` all of them; `compound` whether the first given name is
    written with a hyphen. `initials`, `short` and `long` number the initial of each given name and the first 4 and 5 letters of
    each family name.
    """

    keys: list[RecordKey]
    record: np.ndarray
    families: np.ndarray
    given: np.ndarray
    birth: np.ndarray
    vague: np.ndarray
    sex: np.ndarray
    place: np.ndarray
    department: np.ndarray
    country: np.ndarray
    ins: np.ndarray
    stem: np.ndarray
    provisional: np.ndarray
    bag: np.ndarray
    words: np.ndarray
    compound: np.ndarray
    initials: np.ndarray
    short: np.ndarray
    long: np.ndarray
    of_given: GivenTable
    names: Names
    residence: Residence


def read_traits(people: pl.DataFrame) -> Traits:
    """Return the traits of PEOPLE rows, `people`, in the form that is compared, records in order."""
    rows = with_what_ins_tells(people).unique().sort(pl.all())
    records = rows.select("centre", "person_key").unique().sort("centre", "person_key").with_row_index("_record")
    record = rows.join(records, on=["centre", "person_key"], how="left", maintain_order="left")["_record"].to_numpy()
    families, family_words = _number_words(
        rows.select("birth_family_name", "used_family_name"), lambda row: family_names(*row), FAMILIES
    )
    given, given_words = _number_words(rows.select("given_names"), lambda row: given_tokens(row[0]), GIVEN)
    place, places = _number(rows["birth_place_code"], place_code)
    ins, matricules = _number(rows["ins"], valid_ins)
    birth, vague = _births(rows.select("birth_date", "birth_place_code"))
    bag, words = (_joined_words(rows, joined) for joined in (bag_of_names, all_names))
    return Traits(
        keys=list(records.select("centre", "person_key").iter_rows()),
        record=record.astype(np.int64),
        families=families,
        given=given,
        birth=birth,
        vague=vague,
        sex=_sexes(rows["sex"]),
        place=place,
        department=_numbered([department(code) for code in places] or [""]),
        country=_by_number(place, _numbered(["", *(code if code.startswith(FOREIGN) else "" for code in places)])[1:], -1),
        ins=ins,
        stem=_by_number(ins, _numbered([ins_stem(one) for one in matricules]), -1),
        provisional=_by_number(ins, np.array([is_provisional(one) for one in matricules], dtype=np.bool_), default=False),
        bag=bag,
        words=words,
        compound=_compound(rows["given_names"]),
        initials=_numbered([word[:1] for word in given_words] or [""]),
        short=_numbered([word[:4] for word in family_words] or [""]),
        long=_numbered([word[:5] for word in family_words] or [""]),
        of_given=_given_table(given_words),
        names=ClearNames(family_words, given_words),
        residence=_residence(rows),
    )


def with_what_ins_tells(people: pl.DataFrame) -> pl.DataFrame:
    """Return record, `TRAITS` and residence of rows, with the place, year and month of birth that their INS tells where they have none.

    Args:
        people: PEOPLE rows.
    """
    rows = people.select("centre", "person_key", *TRAITS, *COLUMNS)
    told = [_birth_and_place(*row) for row in rows.select("birth_date", "birth_place_code", "ins").iter_rows()]
    return rows.with_columns(
        birth_date=pl.Series([born for born, _ in told], dtype=pl.String),
        birth_place_code=pl.Series([place for _, place in told], dtype=pl.String),
    )


def _birth_and_place(born: str | None, place: str | None, ins: str | None) -> tuple[str | None, str | None]:
    if ins is None:
        return born, place
    known = place_code(place) or place_of_ins(ins, born)
    return (born if parse_date(born) else birth_of_ins(ins)), known


class ClearNames:
    """Names in clear text, compared by their letters."""

    def __init__(self, families: list[str], given: list[str]) -> None:
        self._families, self._given = families, given

    def alike(self, one: np.ndarray, two: np.ndarray) -> np.ndarray:
        """Compare family names `one` and `two`, shape (pairs,), by letters; see `Names`."""
        # Only where names are compared: an encoded route needs no library of letters.
        from rapidfuzz import process
        from rapidfuzz.distance import JaroWinkler

        firsts, seconds = [self._families[n] for n in one], [self._families[n] for n in two]
        near = np.asarray(process.cpdist(firsts, seconds, scorer=JaroWinkler.similarity, dtype=np.float64))
        halves = [
            min(len(x), len(y)) >= 4 and (x.startswith(y) or y.startswith(x) or x.endswith(y) or y.endswith(x))
            for x, y in zip(firsts, seconds, strict=True)
        ]
        return np.where(halves, 1.0, near)

    def one_writing(self, one: list[int], two: list[int]) -> bool:
        """Compare given names `one` and `two` by letters; see `Names`."""
        return bool(joined([self._given[n] for n in one]) & joined([self._given[n] for n in two]))

    def slips(self, one: int, two: int) -> int:
        """Compare given names `one` and `two` by optimal string alignment; see `Names`."""
        from rapidfuzz.distance import OSA

        return OSA.distance(self._given[one], self._given[two], score_cutoff=2)

    def misread(self, one: int, two: int) -> bool:
        """Compare given names `one` and `two` by letters; see `Names`."""
        return misread(self._given[one], self._given[two])

    def length(self, name: int) -> int:
        """Count the letters of the given name numbered `name`; see `Names`."""
        return len(self._given[name])

    def begins(self, one: int, two: int) -> bool:
        """Compare given names `one` and `two` by letters; see `Names`."""
        first, second = self._given[one], self._given[two]
        return first.startswith(second) or second.startswith(first)

    def same_initial(self, one: int, two: int) -> bool:
        """Compare the first letters of given names `one` and `two`; see `Names`."""
        return self._given[one][0] == self._given[two][0]


def joined(names: Sequence[str]) -> set[str]:
    """Return what a compound of `names` may be written as: JEAN PIERRE MARIE is also JEANPIERRE and JEANPIERREMARIE.

    >>> sorted(joined(["JEAN", "PIERRE", "MARIE"]))
    ['JEAN', 'JEANPIERRE', 'JEANPIERREMARIE']
    """
    return {"".join(names[:count]) for count in range(1, len(names) + 1)}


def _numbered(words: Sequence[str]) -> np.ndarray:
    """Return the place of each word among the distinct words in order."""
    if not words:
        return np.empty(0, dtype=np.int64)
    return np.unique(np.array(words), return_inverse=True)[1].astype(np.int64)


def _given_table(words: list[str]) -> GivenTable:
    known = given_names()
    some = words or [""]
    return GivenTable(
        exists=np.array([known.exists(word) for word in some], dtype=np.bool_),
        likely=np.array([known.likely(word) for word in some], dtype=np.bool_),
        between=np.array([known.between(word) for word in some], dtype=np.bool_),
        writing=_numbered([known.one_writing(word) for word in some]),
        squeezed=_numbered([squeezed(word) for word in some]),
        sound=_numbered([skeleton(word) for word in some]),
        share=np.array([known.share(word) for word in some]),
    )


def _residence(rows: pl.DataFrame) -> Residence:
    places = [_number(rows[name], clean)[0] for name, clean in READ.items()]
    words, _ = _number_words(rows.select("address"), lambda row: address_words(row[0]), MOST_WORDS)
    return Residence(np.column_stack(places), words)


def _compound(given: pl.Series) -> np.ndarray:
    """Return how the first given name of each row is written (`traits.Compound`)."""
    return given.map_elements(compound_of, pl.Int8, skip_nulls=True).fill_null(0).to_numpy()


def _sexes(sex: pl.Series) -> np.ndarray:
    return sex.replace_strict({"M": 1, "F": 2}, default=0, return_dtype=pl.Int8).fill_null(0).to_numpy()


def _joined_words(rows: pl.DataFrame, joined: Callable[[str | None, str | None], str | None]) -> np.ndarray:
    """Return the number of what is made of all names of each row, -1 where there is none."""
    both = rows.select("birth_family_name", "given_names")
    return _number_words(both, partial(_one_word, joined), 1)[0][:, 0]


def _one_word(joined: Callable[[str | None, str | None], str | None], row: tuple[str | None, ...]) -> tuple[str, ...]:
    word = joined(*row)
    return () if word is None else (word,)


def _births(rows: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return year, month and day (rows, 3) of birth, 0 for unknown, and whether the day is a vague one."""
    distinct = rows.unique(maintain_order=True).with_row_index("_row")
    birth = np.zeros((distinct.height, 3), dtype=np.int64)
    vague = np.zeros(distinct.height, dtype=np.bool_)
    for at, date, place in distinct.iter_rows():
        known = parse_date(date)
        birth[at] = known or (0, 0, 0)
        vague[at] = is_vague(known, place_code(place))
    placed = rows.join(distinct, rows.columns, "left", nulls_equal=True, maintain_order="left")
    of = placed["_row"].to_numpy()
    return birth[of], vague[of]


def _by_number(numbers: np.ndarray, values: np.ndarray, default: int | bool) -> np.ndarray:
    """Return the value of each number; the default where there is none (-1)."""
    found: np.ndarray = np.append(values, np.array([default], dtype=values.dtype if len(values) else None))[numbers]
    return found


def _number_words(
    frame: pl.DataFrame, words_of: Callable[[tuple[str | None, ...]], tuple[str, ...]], width: int
) -> tuple[np.ndarray, list[str]]:
    """Return (rows, width) numbers of the words in each row, -1 where there are fewer, and the words."""
    distinct = frame.unique(maintain_order=True).with_row_index("_row")
    number: dict[str, int] = {}
    table = np.full((distinct.height, width), -1, dtype=np.int32)
    for at, row in enumerate(distinct.drop("_row").iter_rows()):
        for place, word in enumerate(words_of(row)[:width]):
            table[at, place] = number.setdefault(word, len(number))
    rows = frame.join(distinct, on=frame.columns, how="left", nulls_equal=True, maintain_order="left")["_row"].to_numpy()
    return table[rows], list(number)


def _number(series: pl.Series, clean: Callable[[str], str | None]) -> tuple[np.ndarray, list[str]]:
    distinct = series.unique().drop_nulls().sort()
    number: dict[str, int] = {}
    mapping = {}
    for value in distinct.to_list():
        cleaned = clean(value)
        mapping[value] = -1 if cleaned is None else number.setdefault(cleaned, len(number))
    if not mapping:
        return np.full(series.len(), -1, dtype=np.int32), []
    return series.replace_strict(mapping, default=-1, return_dtype=pl.Int32).fill_null(-1).to_numpy(), list(number)
