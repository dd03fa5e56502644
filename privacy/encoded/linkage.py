"""Record linkage without clear text: centres exchange keyed tokens, a linkage unit without the key compares them.

Each centre encodes its people with a linkage key that the centres share and the linkage unit does not have; keys of
persons are encoded too, so that only their centre can read the answer. Equal traits give equal tokens (HMAC-SHA-256);
names are told apart by the letter by *diffused Bloom filters*: the bigrams of a name set 8 keyed bits each of 1,024, and
every bit that leaves the centre is the exclusive or of 4 of them at keyed places (after Armknecht, Heng and Schnell,
PoPETs 2023). The evidence is weighed by the same rule as in clear text (`ledger.matching`).

Known attacks, which the encoding slows and does not end; so the tokens are personal data, and the unit is bound by
contract:

- *Frequency*: equal names give equal tokens, on which the weights of rare and common names rest; whoever knows the
  names' frequencies can guess the commonest (Christen et al. 2017 for Bloom filters). The same holds for days, months,
  years and places of birth.
- *Pattern mining* of bits and *graph matching* of similarities (Christen et al. 2018; Vidanage et al. 2020) work on plain
  Bloom filters; diffusion takes the bits' meaning away, not the similarities between names, which are what is used.
- *Dictionary*: who has the linkage key, one corrupt centre, can encode any name and look for it.

Use a new linkage key for every exchange, and delete the tokens after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from unibase.privacy.encoded.encoding import FILTER_BITS, MOST_NAMES, NAMES, RECORDS, Encoded, records_in_order
from unibase.privacy.ledger.comparable import GivenTable, Traits
from unibase.privacy.ledger.edges import ACCEPT_BITS, Edge
from unibase.privacy.ledger.matching import edges_of
from unibase.privacy.ledger.residence import MOST_WORDS, READ, Residence

_ONE_SLIP, _TWO_SLIPS = 0.17, 0.24
_NEAR, _FAR = 0.20, 0.25
_CHUNK = 65_536


def link_encoded(encoded: Sequence[Encoded], *, accept: float = ACCEPT_BITS) -> tuple[list[Edge], list[Edge]]:
    """Return (links, pairs to review) between person tokens, as `ledger.matching.edges_between` does in clear text.

    Args:
        encoded: What each centre gave.
        accept: Score from which two records are one person.
    """
    traits = _read_traits(encoded)
    return edges_of(traits, traits.keys, accept=accept)


class _EncodedNames:
    """Names compared by their diffused filters: the share of bits that differ grows with the slips of the pen."""

    def __init__(
        self, family: pl.DataFrame, given: pl.DataFrame, initials: np.ndarray, writings: dict[tuple[int, ...], set[bytes]]
    ) -> None:
        self._family_bits = np.frombuffer(b"".join(family["bits"]), dtype=np.uint64).reshape(family.height, FILTER_BITS // 64)
        self._family_parts = [frozenset(parts) for parts in family["parts"]]
        self._given_bits = [int.from_bytes(bits, "little") for bits in given["bits"]]
        self._lengths: list[int] = given["length"].to_list()
        self._initials, self._writings = initials, writings

    def alike(self, one: np.ndarray, two: np.ndarray) -> np.ndarray:
        """See `ledger.comparable.Names`."""
        found = [np.empty(0)]
        parts = self._family_parts
        # In pieces: the filters of a million pairs are a quarter of a gigabyte.
        for start in range(0, len(one), _CHUNK):
            left, right = one[start : start + _CHUNK], two[start : start + _CHUNK]
            apart = np.bitwise_count(self._family_bits[left] ^ self._family_bits[right]).sum(axis=-1) / FILTER_BITS
            halves = [not parts[a].isdisjoint(parts[b]) for a, b in zip(left.tolist(), right.tolist(), strict=True)]
            found.append(np.select([np.array(halves, dtype=np.bool_), apart <= _NEAR, apart <= _FAR], [1.0, 0.93, 0.86], 0.0))
        return np.concatenate(found)

    def one_writing(self, one: list[int], two: list[int]) -> bool:
        """See `ledger.comparable.Names`."""
        return bool(self._writings[tuple(one)] & self._writings[tuple(two)])

    def slips(self, one: int, two: int) -> int:
        """See `ledger.comparable.Names`."""
        apart = (self._given_bits[one] ^ self._given_bits[two]).bit_count() / FILTER_BITS
        return 1 if apart <= _ONE_SLIP else 2 if apart <= _TWO_SLIPS else 3

    def misread(self, one: int, two: int) -> bool:
        """See `ledger.comparable.Names`: cannot be told."""
        return False

    def length(self, name: int) -> int:
        """See `ledger.comparable.Names`: the class of the length."""
        return self._lengths[name]

    def begins(self, one: int, two: int) -> bool:
        """See `ledger.comparable.Names`: cannot be told."""
        return False

    def same_initial(self, one: int, two: int) -> bool:
        """See `ledger.comparable.Names`."""
        return bool(self._initials[one] == self._initials[two])


def _read_traits(encoded: Sequence[Encoded]) -> Traits:
    records = records_in_order(pl.concat([part.records for part in encoded] or [pl.DataFrame(schema=RECORDS)]))
    names = pl.concat([part.names for part in encoded] or [pl.DataFrame(schema=NAMES)])
    family, given = (_names_of(names, kind) for kind in ("family", "given"))
    families, given_names = _name_numbers(records["family"], family), _name_numbers(records["given"], given)
    persons = records.select("centre", "person").unique(maintain_order=True)
    record = _numbers(records.select("centre", "person"), persons)
    place = _numbers(records.select("place"))
    places = pl.DataFrame({"place": place, "department": records["department"]}).filter(pl.col("place") >= 0)
    departments = places.unique("place", keep="first", maintain_order=True).sort("place").select("department")
    initials, short, long = (
        _numbers(frame) if frame.height else np.zeros(1, dtype=np.int64)
        for frame in (given.select("initial"), family.select("short"), family.select("long"))
    )
    return Traits(
        keys=[(centre, person.hex()) for centre, person in persons.iter_rows()],
        record=record,
        families=families,
        given=given_names,
        birth=_birth(records["birth"]),
        vague=records["vague"].fill_null(value=False).to_numpy(),
        sex=records["sex"].replace_strict({"M": 1, "F": 2}, default=0, return_dtype=pl.Int8).fill_null(0).to_numpy(),
        place=place.astype(np.int32),
        department=_numbers(departments) if departments.height else np.zeros(1, dtype=np.int64),
        country=_countries(records, place),
        ins=_numbers(records.select("ins")).astype(np.int32),
        stem=_numbers(records.select("stem")),
        provisional=records["provisional"].fill_null(value=False).to_numpy(),
        bag=_numbers(records.select("bag")),
        words=_numbers(records.select("words")),
        compound=records["compound"].fill_null(0).to_numpy(),
        initials=initials,
        short=short,
        long=long,
        of_given=_given_table(given),
        names=_EncodedNames(family, given, initials, dict(_writings(records, given_names))),
        residence=_residence(records),
    )


def _residence(records: pl.DataFrame) -> Residence:
    """Return the numbers of where persons live and are called, and of the words of their addresses."""
    words = [pl.DataFrame({"token": records["address"].list.get(at, null_on_oob=True)}) for at in range(MOST_WORDS)]
    known = pl.concat(words).drop_nulls().unique().sort("token")
    places = [_numbers(records.select(name)) for name in READ]
    return Residence(np.column_stack(places), np.column_stack([_numbers(word, known) for word in words]))


def _countries(records: pl.DataFrame, place: np.ndarray) -> np.ndarray:
    """Return the number of a foreign country of birth, 0 for a commune, -1 for unknown."""
    abroad = records["abroad"].fill_null(value=False).to_numpy()
    return np.where(place < 0, -1, np.where(abroad, place + 1, 0))


def _given_table(given: pl.DataFrame) -> GivenTable:
    if not given.height:
        nothing, none = np.zeros(1, dtype=np.bool_), np.zeros(1, dtype=np.int64)
        return GivenTable(nothing, nothing, nothing, none, none, none, np.zeros(1))
    return GivenTable(
        exists=given["exists"].fill_null(value=False).to_numpy(),
        likely=given["likely"].fill_null(value=False).to_numpy(),
        between=given["between"].fill_null(value=False).to_numpy(),
        writing=_numbers(given.select("writing")),
        squeezed=_numbers(given.select("squeezed")),
        sound=_numbers(given.select("sound")),
        share=given["share"].fill_null(0.0).to_numpy(),
    )


def _names_of(names: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Return each name once, in order of its token, with the halves that any centre wrote."""
    mine = names.filter(pl.col("kind") == kind).sort("token", maintain_order=True)
    parts = mine.select("token", "parts").explode("parts", empty_as_null=True, keep_nulls=True).unique()
    parts = parts.group_by("token").agg(pl.col("parts").drop_nulls())
    once = mine.drop("parts").unique("token", keep="first", maintain_order=True)
    return once.join(parts, on="token", how="left", maintain_order="left")


def _name_numbers(lists: pl.Series, names: pl.DataFrame) -> np.ndarray:
    """Return (rows, 3) numbers of the names of each row, -1 where there are fewer."""
    known = names.select("token")
    columns = [_numbers(pl.DataFrame({"token": lists.list.get(place, null_on_oob=True)}), known) for place in range(MOST_NAMES)]
    return np.column_stack(columns).astype(np.int32)


def _numbers(frame: pl.DataFrame, known: pl.DataFrame | None = None) -> np.ndarray:
    """Return the place of each row among the distinct rows (or the `known` ones); -1 where it is null."""
    distinct = frame.drop_nulls().unique().sort(pl.all()) if known is None else known
    found = frame.join(distinct.with_row_index("_number"), on=frame.columns, how="left", maintain_order="left")
    return found["_number"].cast(pl.Int64).fill_null(-1).to_numpy()


def _writings(records: pl.DataFrame, given: np.ndarray) -> Iterator[tuple[tuple[int, ...], set[bytes]]]:
    """Yield each list of given names with the tokens of what it may be written as."""
    table = pl.DataFrame(given, schema=["a", "b", "c"]).with_columns(records["given_joined"])
    for *numbers, tokens in table.unique(["a", "b", "c"], keep="first", maintain_order=True).iter_rows():
        yield tuple(number for number in numbers if number >= 0), set(tokens)


def _birth(lists: pl.Series) -> np.ndarray:
    """Return year, month and day by number, 0 for unknown. Years are far apart: which follows another cannot be told."""
    parts = [pl.DataFrame({"token": lists.list.get(place, null_on_oob=True)}) for place in range(3)]
    days_or_months = pl.concat(parts[1:]).drop_nulls().unique().sort("token")
    years = (_numbers(parts[0]) + 1) * 10_000
    return np.column_stack([years, *(_numbers(part, days_or_months) + 1 for part in parts[1:])])
