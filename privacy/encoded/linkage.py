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

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from unibase.privacy.keys import Key
from unibase.privacy.ledger.comparable import TRAITS, GivenTable, RecordKey, Traits, joined
from unibase.privacy.ledger.given_names import given_names, skeleton, squeezed
from unibase.privacy.ledger.matching import ACCEPT_BITS, Edge, edges_of
from unibase.privacy.ledger.traits import (
    FOREIGN,
    bag_of_names,
    department,
    family_names,
    given_tokens,
    ins_stem,
    is_provisional,
    is_vague,
    name_tokens,
    parse_date,
    place_code,
    valid_ins,
)

_BITS, _PER_BIGRAM, _SUMMED = 1_024, 8, 4
_ONE_SLIP, _TWO_SLIPS = 0.17, 0.24
_NEAR, _FAR = 0.20, 0.25
_MOST = 3
"""Names of a kind that a record is compared by."""
_CHUNK = 65_536

TOKEN_BYTES = 12
FILTER_BYTES = _BITS // 8
BIRTH_PARTS = 3
PARAMETERS = {
    "bits": _BITS,
    "bits_per_bigram": _PER_BIGRAM,
    "bits_summed": _SUMMED,
    "names_per_kind": _MOST,
    "token_bytes": TOKEN_BYTES,
    "traits": 2,
}
"""What two centres must have in common, beside the key, for their tokens to be comparable. `traits` is the version of
`ledger.traits`: raise it when a name, date or place is brought to another form than before."""

TOKENS = pl.List(pl.Binary())
RECORDS = pl.Schema(
    {
        "centre": pl.String(),
        "person": pl.Binary(),
        "ins": pl.Binary(),
        "stem": pl.Binary(),
        "provisional": pl.Boolean(),
        "family": TOKENS,
        "given": TOKENS,
        "given_joined": TOKENS,
        "bag": pl.Binary(),
        "birth": TOKENS,
        "vague": pl.Boolean(),
        "sex": pl.String(),
        "place": pl.Binary(),
        "department": pl.Binary(),
        "abroad": pl.Boolean(),
    }
)
"""What leaves a centre of each record: tokens of 12 bytes; as they are the sex, and whether the INS is one of waiting, the day
of birth one that stands for none, the place a country abroad. `birth` is year, month and day, empty where not known."""

NAMES = pl.Schema(
    {
        "kind": pl.String(),
        "token": pl.Binary(),
        "bits": pl.Binary(),
        "parts": TOKENS,
        "short": pl.Binary(),
        "long": pl.Binary(),
        "initial": pl.Binary(),
        "length": pl.Int64(),
        "exists": pl.Boolean(),
        "likely": pl.Boolean(),
        "share": pl.Float64(),
        "writing": pl.Binary(),
        "squeezed": pl.Binary(),
        "sound": pl.Binary(),
    }
)
"""What leaves a centre of each name, `family` or `given`: its filter, tokens of its halves and beginnings, and for given
names a length cut at 6: 1, 2 to 5, or more letters matter, the name's length does not; its class in the table of given names
(`given_names`), and tokens of what its writings have in common."""


class Encoded(NamedTuple):
    """What leaves a centre: the columns of `RECORDS`, and each name once in the columns of `NAMES`."""

    records: pl.DataFrame
    names: pl.DataFrame


def encode_people(people: pl.DataFrame, linkage_key: Key) -> Encoded:
    """Return PEOPLE rows encoded, distinct and in an order that tells nothing.

    `person` is the token of (centre, person_key); `tokens_of_records` lets the centre read the answer.
    """
    encoder = _Encoder(linkage_key)
    rows = people.select("centre", "person_key", *TRAITS).unique()
    persons = [encoder.person(*row) for row in rows.select("centre", "person_key").iter_rows()]
    rows = rows.with_columns(pl.Series("person", persons, dtype=pl.Binary)).drop("person_key")
    # Each writing is encoded once, however many persons bear it.
    for columns, encode, new in (
        (["birth_family_name", "given_names"], encoder.bag, ["bag"]),
        (["birth_date", "birth_place_code"], encoder.vague, ["vague"]),
        (["birth_family_name", "used_family_name"], encoder.families, ["family"]),
        (["given_names"], encoder.given, ["given", "given_joined"]),
        (["birth_date"], encoder.birth, ["birth"]),
        (["birth_place_code"], encoder.place, ["place", "department", "abroad"]),
        (["ins"], encoder.ins, ["ins", "stem", "provisional"]),
    ):
        rows = _encode_writings(rows, columns, encode, new)
    return Encoded(_in_order(rows.select(list(RECORDS))), encoder.names())


def _in_order(records: pl.DataFrame) -> pl.DataFrame:
    """Return distinct records by their tokens alone: their order tells nothing, and is the same whatever it was before."""
    tokens = [pl.col(name).list.get(at, null_on_oob=True) for name in ("family", "given", "birth") for at in range(_MOST)]
    return records.unique().sort("centre", "person", "ins", "sex", "place", *tokens, nulls_last=True)


def _encode_writings(
    rows: pl.DataFrame, columns: list[str], encode: Callable[..., tuple[object, ...]], new: list[str]
) -> pl.DataFrame:
    distinct = rows.select(columns).unique(maintain_order=True)
    cells = list(zip(*(encode(*row) for row in distinct.iter_rows()), strict=True)) or [()] * len(new)
    found = distinct.rename({name: f"_{name}" for name in columns}).with_columns(
        [pl.Series(name, values, dtype=RECORDS[name]) for name, values in zip(new, cells, strict=True)]
    )
    # The columns stay for what is encoded of them together with others; what leaves the centre is selected at the end.
    rows = rows.with_columns(pl.col(name).alias(f"_{name}") for name in columns)
    keys = [f"_{name}" for name in columns]
    rows = rows.drop([name for name in new if name in rows.columns])
    return rows.join(found, on=keys, how="left", nulls_equal=True, maintain_order="left").drop(keys)


def tokens_of_records(people: pl.DataFrame, linkage_key: Key) -> dict[str, RecordKey]:
    """Return which record each person token of a centre (in hexadecimal, as in edges) stands for: stays in the centre."""
    encoder = _Encoder(linkage_key)
    records = people.select("centre", "person_key").unique().iter_rows()
    return {encoder.person(centre, person_key).hex(): (centre, person_key) for centre, person_key in records}


def link_encoded(encoded: Sequence[Encoded], *, accept: float = ACCEPT_BITS) -> tuple[list[Edge], list[Edge]]:
    """Return (links, pairs to review) between person tokens, as `ledger.matching.edges_between` does in clear text.

    Args:
        encoded: What each centre gave.
        accept: Score from which two records are one person.
    """
    traits = _read_traits(encoded)
    return edges_of(traits, traits.keys, accept=accept)


class _Encoder:
    """Encodes traits under one key; equal words are encoded once."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self._tokens: dict[tuple[str, str], bytes] = {}
        self._bigrams: dict[tuple[str, str], np.ndarray] = {}
        self._places = {kind: self._sums(kind) for kind in ("family", "given")}
        self._parts: dict[str, set[str]] = {}
        self._given: set[str] = set()

    def person(self, centre: str, person_key: str) -> bytes:
        """Return the token of a record."""
        return self._key.mac("linkage/person", f"{centre}/{person_key}")[:TOKEN_BYTES]

    def token(self, kind: str, text: str) -> bytes:
        """Return the token of a text among those of its kind."""
        known = self._tokens.get((kind, text))
        if known is None:
            known = self._key.mac(f"linkage/{kind}", text)[:TOKEN_BYTES]
            self._tokens[(kind, text)] = known
        return known

    def families(self, birth_name: str | None, used_name: str | None) -> tuple[object, ...]:
        """Return the tokens of the family names of a record."""
        families = family_names(birth_name, used_name)[:_MOST]
        for name in families:
            self._parts.setdefault(name, {name})
        for text in (birth_name, used_name):
            words = name_tokens(text)
            whole = "".join(words)
            if len(words) > 1 and whole in families:
                cuts = range(1, len(words))
                halves = {"".join(words[:cut]) for cut in cuts} | {"".join(words[cut:]) for cut in cuts}
                self._parts[whole] |= {half for half in halves if len(half) >= 4}
        return ([self.token("family", name) for name in families],)

    def given(self, text: str | None) -> tuple[object, ...]:
        """Return the tokens of the given names, and of what they may be written as."""
        given = given_tokens(text)[:_MOST]
        self._given |= set(given)
        return [self.token("given", name) for name in given], sorted(self.token("joined", name) for name in joined(given))

    def birth(self, text: str | None) -> tuple[object, ...]:
        """Return the tokens of year, month and day of birth."""
        known = zip(("year", "daymonth", "daymonth"), parse_date(text) or (0, 0, 0), strict=True)
        return ([self.token(kind, str(value)) if value else None for kind, value in known],)

    def place(self, text: str | None) -> tuple[object, ...]:
        """Return the tokens of the place of birth and of its department."""
        place = place_code(text)
        if not place:
            return None, None, None
        return self.token("place", place), self.token("department", department(place)), place.startswith(FOREIGN)

    def vague(self, birth: str | None, place: str | None) -> tuple[object, ...]:
        """Return whether a day of birth is one that is given to those who do not know theirs."""
        return (is_vague(parse_date(birth), place_code(place)),)

    def bag(self, family: str | None, given: str | None) -> tuple[object, ...]:
        """Return the token of all names in order of the alphabet; few share it, so nothing is gained by keeping it."""
        bag = bag_of_names(family, given)
        return (self._key.mac("linkage/bag", bag)[:TOKEN_BYTES] if bag else None,)

    def ins(self, text: str | None) -> tuple[object, ...]:
        """Return the tokens of a valid INS and of its stem. They are one person's, so nothing is gained by keeping them."""
        ins = valid_ins(text)
        if not ins:
            return None, None, None
        whole, stem = (self._key.mac(f"linkage/{kind}", part) for kind, part in (("ins", ins), ("stem", ins_stem(ins))))
        return whole[:TOKEN_BYTES], stem[:TOKEN_BYTES], is_provisional(ins)

    def names(self) -> pl.DataFrame:
        """Return all names met, in the columns of `NAMES`, in order of their tokens."""
        token, known = self.token, given_names()
        rows = [
            (
                "family", token("family", name), self._filter("family", name), sorted(token("family", part) for part in parts),
                token("short", name[:4]), token("long", name[:5]), *[None] * 8,
            )
            for name, parts in self._parts.items()
        ] + [
            (
                "given", token("given", name), self._filter("given", name), None, None, None, token("initial", name[0]),
                len(name) if len(name) < 4 else 4 if len(name) < 6 else 6, known.exists(name), known.likely(name), known.share(name),
                token("writing", known.one_writing(name)), token("squeezed", squeezed(name)), token("sound", skeleton(name)),
            )
            for name in self._given
        ]  # fmt: skip
        cells = list(zip(*rows, strict=True)) or [()] * len(NAMES)
        columns = [pl.Series(name, values, dtype) for (name, dtype), values in zip(NAMES.items(), cells, strict=True)]
        return pl.DataFrame(columns).sort("kind", "token")

    def _filter(self, kind: str, word: str) -> bytes:
        """Return the diffused Bloom filter of a name."""
        bits = np.zeros(_BITS, dtype=np.uint8)
        padded = f"_{word}_"
        for at in range(len(padded) - 1):
            bits[self._bigram(kind, padded[at : at + 2])] = 1
        return np.packbits(np.bitwise_xor.reduce(bits[self._places[kind]], axis=0)).tobytes()

    def _bigram(self, kind: str, bigram: str) -> np.ndarray:
        known = self._bigrams.get((kind, bigram))
        if known is None:
            digest = self._key.mac(f"linkage/bloom/{kind}", bigram)
            known = np.frombuffer(digest[: 2 * _PER_BIGRAM], dtype=">u2").astype(np.int64) % _BITS
            self._bigrams[(kind, bigram)] = known
        return known

    def _sums(self, kind: str) -> np.ndarray:
        seed = int.from_bytes(self._key.mac("linkage/diffusion", kind), "big")
        generator = np.random.Generator(np.random.PCG64(seed))
        return np.stack([generator.permutation(_BITS) for _ in range(_SUMMED)])


class _EncodedNames:
    """Names compared by their diffused filters: the share of bits that differ grows with the slips of the pen."""

    def __init__(
        self, family: pl.DataFrame, given: pl.DataFrame, initials: np.ndarray, writings: dict[tuple[int, ...], set[bytes]]
    ) -> None:
        self._family_bits = np.frombuffer(b"".join(family["bits"]), dtype=np.uint64).reshape(family.height, _BITS // 64)
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
            apart = np.bitwise_count(self._family_bits[left] ^ self._family_bits[right]).sum(axis=-1) / _BITS
            halves = [not parts[a].isdisjoint(parts[b]) for a, b in zip(left.tolist(), right.tolist(), strict=True)]
            found.append(np.select([np.array(halves, dtype=np.bool_), apart <= _NEAR, apart <= _FAR], [1.0, 0.93, 0.86], 0.0))
        return np.concatenate(found)

    def one_writing(self, one: list[int], two: list[int]) -> bool:
        """See `ledger.comparable.Names`."""
        return bool(self._writings[tuple(one)] & self._writings[tuple(two)])

    def slips(self, one: int, two: int) -> int:
        """See `ledger.comparable.Names`."""
        apart = (self._given_bits[one] ^ self._given_bits[two]).bit_count() / _BITS
        return 1 if apart <= _ONE_SLIP else 2 if apart <= _TWO_SLIPS else 3

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
    records = _in_order(pl.concat([part.records for part in encoded] or [pl.DataFrame(schema=RECORDS)]))
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
        initials=initials,
        short=short,
        long=long,
        of_given=_given_table(given),
        names=_EncodedNames(family, given, initials, dict(_writings(records, given_names))),
    )


def _countries(records: pl.DataFrame, place: np.ndarray) -> np.ndarray:
    """Return the number of a foreign country of birth, 0 for a commune, -1 for unknown."""
    abroad = records["abroad"].fill_null(value=False).to_numpy()
    return np.where(place < 0, -1, np.where(abroad, place + 1, 0))


def _given_table(given: pl.DataFrame) -> GivenTable:
    if not given.height:
        nothing, none = np.zeros(1, dtype=np.bool_), np.zeros(1, dtype=np.int64)
        return GivenTable(nothing, nothing, none, none, none, np.zeros(1))
    return GivenTable(
        exists=given["exists"].fill_null(value=False).to_numpy(),
        likely=given["likely"].fill_null(value=False).to_numpy(),
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
    columns = [_numbers(pl.DataFrame({"token": lists.list.get(place, null_on_oob=True)}), known) for place in range(_MOST)]
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
