"""Which records of persons belong together: exact rules first, then a score of evidence.

The score adds, per trait, the logarithm (base 2) of how much likelier the agreement or disagreement is for one
person than for two (Fellegi and Sunter 1969); agreement on a rare name weighs more than on a common one, by the
names of the ledger itself. Disagreement that one person cannot show (two INS, two given names that both exist, two
dates far apart) vetoes. The weights are fixed here, not learned from the data at hand: a person's links do not change
because others arrive, and three records can be linked as well as three million.

The tests compare it, pair by pair, with a plain version in `tests/privacy/identity_oracle.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import polars as pl

from unibase.privacy.ledger.traits import family_names, given_tokens, place_code, valid_ins

RecordKey = tuple[str, str]
"""(centre, person_key)."""

ACCEPT_BITS = 12.0
"""Score from which two records are one person: odds of 4,096 to 1 after the prior of the pair is taken off."""

REVIEW_BITS = 0.0
"""Score from which a pair is shown to a person for a decision."""

_BLOCK_LIMIT = 1_000
"""A block of more rows than this tells too little to be worth its pairs."""

_RARER = 50
"""A given name borne 50 times less often than a similar one is taken for a slip of the pen."""

_MOST_FUZZY = 6.0
VETO = -1_000.0
_FAMILIES, _GIVEN = 3, 3


@dataclass(frozen=True, order=True)
class Edge:
    """Two records held to be one person (or, for review, that may be), by which rule and with what score."""

    rank: float
    left: RecordKey
    right: RecordKey
    rule: str
    score: float


class Names(Protocol):
    """What can be said of names that are not equal, known by their numbers; in clear text or encoded."""

    def alike(self, one: np.ndarray, two: np.ndarray) -> np.ndarray:
        """Return how alike family names are, 0 to 1 on the scale of Jaro and Winkler; 1 for a half of a compound name."""

    def one_writing(self, one: list[int], two: list[int]) -> bool:
        """Return whether two lists of given names are one compound name, written together or apart."""

    def slips(self, one: int, two: int) -> int:
        """Return how many slips of the pen lie between two given names, at most 3."""

    def length(self, name: int) -> int:
        """Return the letters of a given name."""

    def begins(self, one: int, two: int) -> bool:
        """Return whether one given name is the beginning of the other."""

    def same_initial(self, one: int, two: int) -> bool:
        """Return whether two given names begin with one letter."""


class Traits(NamedTuple):
    """What the sources say of persons, numbered: a row per record and distinct writing.

    `record` numbers `keys`; `families` and `given` hold numbers of names, -1 for none; `birth` year, month and day, 0 for
    unknown; `sex` 1 male, 2 female; `place`, `department` (by place) and `ins` numbers, -1 for none. `initials`, `short`
    and `long` number the initial of each given name and the first 4 and 5 letters of each family name.
    """

    keys: list[RecordKey]
    record: np.ndarray
    families: np.ndarray
    given: np.ndarray
    birth: np.ndarray
    sex: np.ndarray
    place: np.ndarray
    department: np.ndarray
    ins: np.ndarray
    initials: np.ndarray
    short: np.ndarray
    long: np.ndarray
    names: Names


def read_traits(people: pl.DataFrame) -> Traits:
    """Return the traits of PEOPLE rows in the form that is compared, records in order."""
    columns = ["ins", "birth_family_name", "used_family_name", "given_names", "birth_date", "sex", "birth_place_code"]
    rows = people.select("centre", "person_key", *columns).unique().sort(pl.all())
    records = rows.select("centre", "person_key").unique().sort("centre", "person_key").with_row_index("_record")
    record = rows.join(records, on=["centre", "person_key"], how="left", maintain_order="left")["_record"].to_numpy()
    names = rows.select("birth_family_name", "used_family_name")
    family_numbers, family_words = _number_words(names, lambda row: family_names(*row), _FAMILIES)
    given_numbers, given_words = _number_words(rows.select("given_names"), lambda row: given_tokens(row[0]), _GIVEN)
    parts = rows.select(
        pl.col("birth_date").str.extract(r"^\s*(\d{4})(?:-\d{2}(?:-\d{2})?)?\s*$").alias("y"),
        pl.col("birth_date").str.extract(r"^\s*\d{4}-(\d{2})(?:-\d{2})?\s*$").alias("m"),
        pl.col("birth_date").str.extract(r"^\s*\d{4}-\d{2}-(\d{2})\s*$").alias("d"),
    )
    birth = parts.select(pl.all().cast(pl.Int64).fill_null(0)).to_numpy(writable=True)
    birth[(birth[:, 0] < 1850) | (birth[:, 1] > 12) | (birth[:, 2] > 31)] = 0
    place, places = _number(rows["birth_place_code"], place_code)
    ins, _ = _number(rows["ins"], valid_ins)
    department = np.array([code[:2] for code in places] or [""])
    return Traits(
        keys=list(records.select("centre", "person_key").iter_rows()),
        record=record.astype(np.int64),
        families=family_numbers,
        given=given_numbers,
        birth=birth,
        sex=rows["sex"].replace_strict({"M": 1, "F": 2}, default=0, return_dtype=pl.Int8).fill_null(0).to_numpy(),
        place=place,
        department=np.unique(department, return_inverse=True)[1],
        ins=ins,
        initials=_prefixes(given_words, 1),
        short=_prefixes(family_words, 4),
        long=_prefixes(family_words, 5),
        names=ClearNames(family_words, given_words),
    )


def edges_between(
    people: pl.DataFrame, fresh: Collection[RecordKey], *, accept: float = ACCEPT_BITS, review: float = REVIEW_BITS
) -> tuple[list[Edge], list[Edge]]:
    """Return (links, pairs to review) among the records of `people`, for pairs with at least one record in `fresh`.

    Links are sorted with the strongest first, so that whoever joins them in that order is right most often.
    """
    return edges_of(read_traits(people), fresh, accept=accept, review=review)


def edges_of(
    traits: Traits, fresh: Collection[RecordKey], *, accept: float = ACCEPT_BITS, review: float = REVIEW_BITS
) -> tuple[list[Edge], list[Edge]]:
    """Return what `edges_between` does, from traits that were read already."""
    wanted = set(fresh)
    is_fresh = (
        np.array([key in wanted for key in traits.keys], dtype=np.bool_)[traits.record] if traits.keys else np.empty(0, np.bool_)
    )
    family_bits, given_bits, counts = _name_bits(traits)
    prior = float(np.log2(max(len(traits.keys), 10_000)))
    same_ins = _pairs_of_ins(traits, is_fresh)
    candidates = _candidates(traits, is_fresh, family_bits, given_bits, review + prior)
    settled = _score(traits, same_ins, family_bits, given_bits, counts)
    scored = _score(traits, candidates, family_bits, given_bits, counts)
    links: list[Edge] = []
    doubtful: list[Edge] = []
    for (left, right), bits, _ in _best(traits, same_ins, settled.plausible.astype(float), settled.exact):
        edge = Edge(0.0, left, right, "ins" if bits else "ins-with-other-traits", 99.0 if bits else 0.0)
        (links if bits else doubtful).append(edge)
    for (left, right), bits, exact in _best(traits, candidates, scored.bits - prior, scored.exact):
        if exact:
            links.append(Edge(1.0, left, right, "same-traits", bits))
        elif bits >= accept:
            links.append(Edge(1_000.0 - bits, left, right, "scored", bits))
        elif bits >= review:
            doubtful.append(Edge(1_000.0 - bits, left, right, "scored", bits))
    return sorted(links), sorted(doubtful)


class _Scored(NamedTuple):
    bits: np.ndarray
    exact: np.ndarray
    plausible: np.ndarray


def _number_words(
    frame: pl.DataFrame, words_of: Callable[[tuple[Any, ...]], tuple[str, ...]], width: int
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


def _name_bits(traits: Traits) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the bits of each family name, of each first given name, and how many bear the latter.

    Frequencies are drawn towards a prior while there are few records: a family name of 1 person in 1,000, a given
    name of 1 in 100.
    """
    count = len(traits.keys)
    width = max(count, 1)
    families = np.zeros(max(len(traits.short), 1))
    given = np.zeros(max(len(traits.initials), 1))
    for column in traits.families.T:
        there = column >= 0
        # A record counts once per name, whatever the number of its writings.
        pairs = np.unique(column[there].astype(np.int64) * width + traits.record[there])
        np.add.at(families, pairs // width, 1)
    first = traits.given[:, 0]
    there = first >= 0
    np.add.at(given, np.unique(first[there].astype(np.int64) * width + traits.record[there]) // width, 1)
    return -np.log2((families + 2) / (count + 2_000)), -np.log2((given + 5) / (count + 500)), given


def _pairs_of_ins(traits: Traits, fresh: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(traits.ins >= 0)
    rows = rows[np.argsort(traits.ins[rows], kind="stable")]
    pairs = []
    for step in range(1, 64):
        left, right = rows[:-step], rows[step:]
        same = traits.ins[left] == traits.ins[right]
        if not same.any():
            break
        use = same & (traits.record[left] != traits.record[right]) & (fresh[left] | fresh[right])
        pairs.append(np.stack([np.minimum(left[use], right[use]), np.maximum(left[use], right[use])]))
    return np.concatenate(pairs, axis=1) if pairs else np.empty((2, 0), dtype=np.int64)


def _candidates(traits: Traits, fresh: np.ndarray, family_bits: np.ndarray, given_bits: np.ndarray, least: float) -> np.ndarray:
    from unibase.privacy.compiled.candidate_pairs import pairs_of_blocks

    found = [np.empty((2, 0), dtype=np.int64)]
    for rows, block in _blocks(traits):
        order = rows[np.argsort(block, kind="stable")]
        ordered = np.sort(block, kind="stable")
        starts = np.concatenate([[0], np.flatnonzero(np.diff(ordered)) + 1, [len(ordered)]])
        room = max(len(rows), 1_024)
        while True:
            out = np.empty((2, room), dtype=np.int64)
            needed = pairs_of_blocks(
                order, starts, _BLOCK_LIMIT, traits.record, fresh, traits.ins, traits.birth, traits.sex, traits.place,
                traits.department, traits.families, traits.given, family_bits, given_bits, least, _MOST_FUZZY, out,
            )  # fmt: skip
            if needed <= room:
                break
            room = needed
        found.append(out[:, :needed].copy())
    pairs = np.concatenate(found, axis=1)
    size = max(len(traits.record), 1)
    joint = np.unique(pairs[0] * size + pairs[1])
    return np.stack([joint // size, joint % size])


def _blocks(traits: Traits) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (rows, block) for the keys that records of one person share even when one or two traits are written wrongly."""
    low, high = np.sort(traits.birth[:, 1:], axis=1).T
    year, day_known, year_known = traits.birth[:, 0], traits.birth[:, 2] > 0, traits.birth[:, 0] > 0
    initials, short, long = traits.initials, traits.short, traits.long
    first = traits.given[:, 0]
    initial = np.where(first >= 0, initials[np.maximum(first, 0)], 0)
    day = low * 32 + high
    every = np.arange(len(year))
    blocks = [(every[day_known], ((year * 1_024 + day) * 64 + initial)[day_known])]
    for column in traits.families.T:
        name = np.maximum(column, 0).astype(np.int64)
        use = (column >= 0) & day_known
        blocks.append((every[use], (short[name] * 1_024 + day)[use]))
        use = (column >= 0) & year_known
        blocks.append((every[use], (long[name] * 4_096 + year)[use]))
        use = (column >= 0) & (first >= 0)
        blocks.append((every[use], (name * (len(initials) + 1) + first)[use]))
    # A name may stand in another place of the other record: the blocks of all places are one.
    merged = [blocks[0]]
    for kind in range(3):
        parts = blocks[1 + kind :: 3]
        rows, block = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
        merged.append((rows, block))
    return merged


def _prefixes(words: list[str], letters: int) -> np.ndarray:
    return np.unique(np.array([word[:letters] for word in words] or [""]), return_inverse=True)[1].astype(np.int64)


def _score(traits: Traits, pairs: np.ndarray, family_bits: np.ndarray, given_bits: np.ndarray, counts: np.ndarray) -> _Scored:
    from unibase.privacy.compiled.candidate_pairs import parts_of_pairs

    parts = np.empty((4, pairs.shape[1]))
    parts_of_pairs(
        pairs,
        traits.birth,
        traits.sex,
        traits.place,
        traits.department,
        traits.families,
        traits.given,
        family_bits,
        given_bits,
        parts,
    )
    plain, family, given, dates = parts
    left, right = pairs
    shared_name = (family != VETO) & (traits.families[left, 0] >= 0) & (traits.families[right, 0] >= 0)
    same_given = (given != VETO) & (traits.given[left, 0] >= 0) & (traits.given[right, 0] >= 0)
    unlike = np.flatnonzero(family == VETO)
    family[unlike] = _family_by_letters(traits, left[unlike], right[unlike])
    unlike = np.flatnonzero(given == VETO)
    given[unlike] = _given_by_letters(traits, left[unlike], right[unlike], counts)
    birth = traits.birth
    one_place = (traits.place[left] >= 0) & (traits.place[left] == traits.place[right])
    one_sex = traits.sex[left] == traits.sex[right]
    one_birth = (birth[left] == birth[right]).all(axis=1) & (birth[left, 2] > 0)
    exact = shared_name & same_given & one_place & one_sex & one_birth
    bits = np.where((plain <= VETO) | (given <= VETO), -np.inf, plain + family + given)
    # One INS says one person, unless birth and family name both speak against it, or the given name does: a parent's,
    # a spouse's or a twin's INS stands where the patient's should.
    nothing = (birth[left, 0] == 0) | (birth[right, 0] == 0) | (traits.families[left, 0] < 0) | (traits.families[right, 0] < 0)
    plausible = (nothing | (dates > 0) | shared_name | (family > 0)) & (given > VETO)
    return _Scored(bits, exact, plausible)


def _family_by_letters(traits: Traits, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the evidence of family names of which none is equal: half of a compound name, a slip of the pen, or another."""
    near = np.zeros(len(left))
    size = len(traits.short)
    for a in range(_FAMILIES):
        for b in range(_FAMILIES):
            one, two = traits.families[left, a].astype(np.int64), traits.families[right, b].astype(np.int64)
            there = np.flatnonzero((one >= 0) & (two >= 0))
            if not len(there):
                continue
            joint, inverse = np.unique(one[there] * size + two[there], return_inverse=True)
            near[there] = np.maximum(near[there], traits.names.alike(joint // size, joint % size)[inverse])
    # A woman known under her name of birth here and her married name there agrees on nothing but the rest.
    female = (traits.sex[left] == 2) | (traits.sex[right] == 2)
    return np.select([near >= 0.92, near >= 0.85, female], [_MOST_FUZZY, 2.0, -4.0], -7.0)


def _given_by_letters(traits: Traits, left: np.ndarray, right: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the evidence of given names of which the first differ, or the veto of two names that both exist."""
    both = np.concatenate([traits.given[left], traits.given[right]], axis=1)
    distinct, inverse = np.unique(both, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    names = traits.names
    slips: dict[tuple[int, int], int] = {}
    bits = np.empty(len(distinct))
    for at, row in enumerate(distinct.tolist()):
        a, b = [n for n in row[:_GIVEN] if n >= 0], [n for n in row[_GIVEN:] if n >= 0]
        if not a or not b:
            bits[at] = 0.0
            continue
        first, second = a[0], b[0]
        shortest = min(names.length(first), names.length(second))
        many, few = max(counts[first], counts[second]), min(counts[first], counts[second])
        two_names = bool(few >= max(3, many / _RARER))
        if names.one_writing(a, b):
            bits[at] = _MOST_FUZZY
        elif second in a or first in b:
            # One of several given names may be the usual one; of twins, each may bear the other's as a second name.
            bits[at] = -8.0 if two_names else 3.0
        elif shortest == 1 and names.same_initial(first, second):
            bits[at] = 2.0
        else:
            if (first, second) not in slips:
                slips[(first, second)] = names.slips(first, second)
            apart = slips[(first, second)]
            if apart <= 1 and shortest >= 3:
                bits[at] = -12.0 if two_names else 4.0
            elif two_names:
                bits[at] = VETO
            elif shortest >= 4 and names.begins(first, second):
                bits[at] = 4.0
            else:
                bits[at] = 1.0 if apart == 2 and shortest >= 6 else VETO
    return bits[inverse]


class ClearNames:
    """Names in clear text, compared by their letters."""

    def __init__(self, families: list[str], given: list[str]) -> None:
        self._families, self._given = families, given

    def alike(self, one: np.ndarray, two: np.ndarray) -> np.ndarray:
        """See `Names`."""
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
        """See `Names`."""
        return bool(joined([self._given[n] for n in one]) & joined([self._given[n] for n in two]))

    def slips(self, one: int, two: int) -> int:
        """See `Names`: optimal string alignment."""
        from rapidfuzz.distance import OSA

        return OSA.distance(self._given[one], self._given[two], score_cutoff=2)

    def length(self, name: int) -> int:
        """See `Names`."""
        return len(self._given[name])

    def begins(self, one: int, two: int) -> bool:
        """See `Names`."""
        first, second = self._given[one], self._given[two]
        return first.startswith(second) or second.startswith(first)

    def same_initial(self, one: int, two: int) -> bool:
        """See `Names`."""
        return self._given[one][0] == self._given[two][0]


def joined(names: Sequence[str]) -> set[str]:
    """Return what a compound name may be written as: JEAN PIERRE MARIE is also JEANPIERRE and JEANPIERREMARIE."""
    return {"".join(names[:count]) for count in range(1, len(names) + 1)}


def _best(
    traits: Traits, pairs: np.ndarray, bits: np.ndarray, exact: np.ndarray
) -> list[tuple[tuple[RecordKey, RecordKey], float, bool]]:
    """Return, per pair of records, the best score of their writings."""
    if not pairs.shape[1]:
        return []
    records = np.sort(traits.record[pairs], axis=0)
    joint = records[0] * len(traits.keys) + records[1]
    order = np.lexsort((-bits, ~exact, joint))
    first = order[np.concatenate([[True], np.diff(joint[order]) != 0])]
    first = first[np.isfinite(bits[first])]
    keys = traits.keys
    return [
        ((keys[i], keys[j]), float(score), bool(same))
        for i, j, score, same in zip(records[0][first], records[1][first], bits[first], exact[first], strict=True)
    ]
