"""Record linkage without clear text: centres exchange keyed tokens, a linkage unit without the key compares them.

Each centre encodes its people with a linkage key that the centres share and the linkage unit does not have; keys of
persons are encoded too, so that only their centre can read the answer. Equal traits give equal tokens (HMAC-SHA-256);
names are told apart by the letter by *diffused Bloom filters*: the bigrams of a name set 8 keyed bits each of 1,024, and
every bit that leaves the centre is the exclusive or of 4 of them at keyed places (after Armknecht, Heng and Schnell,
PoPETs 2023). The evidence is weighed by the same rule as in clear text (`identity_matching`).

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

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import polars as pl

from privacy.identity_matching import ACCEPT_BITS, Edge, RecordKey, Traits, edges_of, joined
from privacy.identity_traits import family_names, given_tokens, name_tokens, parse_date, place_code, valid_ins
from privacy.keys import Key

_BITS, _PER_BIGRAM, _SUMMED = 1_024, 8, 4
_ONE_SLIP, _TWO_SLIPS = 0.17, 0.24
_NEAR, _FAR = 0.20, 0.25

ENCODED = pl.Schema(
    {
        "centre": pl.String(),
        "person": pl.String(),
        "ins": pl.String(),
        "family": pl.List(pl.String()),
        "family_parts": pl.List(pl.List(pl.String())),
        "family_short": pl.List(pl.String()),
        "family_long": pl.List(pl.String()),
        "family_bits": pl.List(pl.Binary()),
        "given": pl.List(pl.String()),
        "given_initials": pl.List(pl.String()),
        "given_lengths": pl.List(pl.Int64()),
        "given_bits": pl.List(pl.Binary()),
        "given_joined": pl.List(pl.String()),
        "birth": pl.List(pl.String()),
        "sex": pl.String(),
        "place": pl.String(),
        "department": pl.String(),
    }
)
"""What leaves a centre. `given_lengths` are cut at 6: 1, 2 to 5, or more letters matter, the name's length does not."""


def encode_people(people: pl.DataFrame, linkage_key: Key) -> pl.DataFrame:
    """Return PEOPLE rows in the columns of `ENCODED`, distinct and in an order that tells nothing.

    `person` is the token of (centre, person_key); `tokens_of_records` lets the centre read the answer.
    """
    encoder = _Encoder(linkage_key)
    traits = ["ins", "birth_family_name", "used_family_name", "given_names", "birth_date", "sex", "birth_place_code"]
    distinct = people.select("centre", "person_key", *traits).unique()
    # Column by column, for a frame made of rows looks at every cell.
    cells = zip(*(encoder.row(row) for row in distinct.iter_rows(named=True)), strict=True)
    columns = {name: pl.Series(name, values, dtype) for (name, dtype), values in zip(ENCODED.items(), cells, strict=False)}
    return pl.DataFrame(columns, schema=ENCODED).sort("centre", "person", "ins", "sex", "place", nulls_last=True)


def tokens_of_records(people: pl.DataFrame, linkage_key: Key) -> dict[str, RecordKey]:
    """Return which record each person token of a centre stands for: stays in the centre."""
    encoder = _Encoder(linkage_key)
    records = people.select("centre", "person_key").unique().iter_rows()
    return {encoder.token("person", f"{centre}/{person_key}"): (centre, person_key) for centre, person_key in records}


def link_encoded(encoded: pl.DataFrame, *, accept: float = ACCEPT_BITS) -> tuple[list[Edge], list[Edge]]:
    """Return (links, pairs to review) between person tokens, as `identity_matching.edges_between` does in clear text.

    Args:
        encoded: Frames of all centres, one below the other.
        accept: Score from which two records are one person.
    """
    traits = _read_traits(encoded)
    return edges_of(traits, traits.keys, accept=accept)


class _Encoder:
    """Encodes traits under one key; equal words are encoded once."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self._tokens: dict[tuple[str, str], str] = {}
        self._filters: dict[tuple[str, str], bytes] = {}
        self._bigrams: dict[tuple[str, str], np.ndarray] = {}
        self._places = {kind: self._sums(kind) for kind in ("family", "given")}

    def token(self, kind: str, text: str) -> str:
        """Return the token of a text among those of its kind."""
        known = self._tokens.get((kind, text))
        if known is None:
            known = self._key.mac(f"linkage/{kind}", text)[:12].hex()
            self._tokens[(kind, text)] = known
        return known

    def filter(self, kind: str, word: str) -> bytes:
        """Return the diffused Bloom filter of a name."""
        known = self._filters.get((kind, word))
        if known is None:
            bits = np.zeros(_BITS, dtype=np.uint8)
            padded = f"_{word}_"
            for at in range(len(padded) - 1):
                bits[self._bigram(kind, padded[at : at + 2])] = 1
            known = np.packbits(np.bitwise_xor.reduce(bits[self._places[kind]], axis=0)).tobytes()
            self._filters[(kind, word)] = known
        return known

    def row(self, row: dict[str, str | None]) -> tuple[object, ...]:
        """Return one row of `ENCODED`."""
        families = family_names(row["birth_family_name"], row["used_family_name"])[:3]
        given = given_tokens(row["given_names"])[:3]
        birth = parse_date(row["birth_date"])
        place, ins = place_code(row["birth_place_code"]), valid_ins(row["ins"])
        parts: dict[str, set[str]] = {name: {name} for name in families}
        for text in (row["birth_family_name"], row["used_family_name"]):
            words = name_tokens(text)
            whole = "".join(words)
            if whole in parts and len(words) > 1:
                halves = {"".join(words[:cut]) for cut in range(1, len(words))} | {
                    "".join(words[cut:]) for cut in range(1, len(words))
                }
                parts[whole] |= {half for half in halves if len(half) >= 4}
        token = self.token
        return (
            row["centre"],
            token("person", f"{row['centre']}/{row['person_key']}"),
            token("ins", ins) if ins else None,
            [token("family", name) for name in families],
            [sorted(token("family", part) for part in parts[name]) for name in families],
            [token("short", name[:4]) for name in families],
            [token("long", name[:5]) for name in families],
            [self.filter("family", name) for name in families],
            [token("given", name) for name in given],
            [token("initial", name[0]) for name in given],
            [
                1 if len(name) == 1 else 2 if len(name) == 2 else 3 if len(name) == 3 else 4 if len(name) < 6 else 6
                for name in given
            ],
            [self.filter("given", name) for name in given],
            sorted(token("joined", name) for name in joined(given)),
            [
                token(kind, str(value)) if value else ""
                for kind, value in zip(("year", "daymonth", "daymonth"), birth or (0, 0, 0), strict=True)
            ],
            row["sex"],
            token("place", place) if place else None,
            token("department", place[:2]) if place else None,
        )

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
        self, family_bits: np.ndarray, family_parts: list[set[str]], given_bits: np.ndarray, lengths: list[int], initials: np.ndarray,
        writings: dict[tuple[int, ...], set[str]],
    ) -> None:  # fmt: skip
        self._family_bits, self._family_parts, self._given_bits = family_bits, family_parts, given_bits
        self._lengths, self._initials, self._writings = lengths, initials, writings

    def alike(self, one: np.ndarray, two: np.ndarray) -> np.ndarray:
        """See `identity_matching.Names`."""
        apart = _apart(self._family_bits[one], self._family_bits[two])
        halves = [bool(self._family_parts[a] & self._family_parts[b]) for a, b in zip(one.tolist(), two.tolist(), strict=True)]
        return np.select([np.array(halves, dtype=np.bool_), apart <= _NEAR, apart <= _FAR], [1.0, 0.93, 0.86], 0.0)

    def one_writing(self, one: list[int], two: list[int]) -> bool:
        """See `identity_matching.Names`."""
        return bool(self._writings[tuple(one)] & self._writings[tuple(two)])

    def slips(self, one: int, two: int) -> int:
        """See `identity_matching.Names`."""
        apart = float(_apart(self._given_bits[one], self._given_bits[two]))
        return 1 if apart <= _ONE_SLIP else 2 if apart <= _TWO_SLIPS else 3

    def length(self, name: int) -> int:
        """See `identity_matching.Names`: the class of the length."""
        return self._lengths[name]

    def begins(self, one: int, two: int) -> bool:
        """See `identity_matching.Names`: cannot be told."""
        return False

    def same_initial(self, one: int, two: int) -> bool:
        """See `identity_matching.Names`."""
        return bool(self._initials[one] == self._initials[two])


def _apart(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    return np.bitwise_count(one ^ two).sum(axis=-1) / _BITS


def _read_traits(encoded: pl.DataFrame) -> Traits:
    encoded = encoded.unique().sort("centre", "person", "ins", "sex", "place", nulls_last=True)
    records = encoded.select("centre", "person").unique().sort("centre", "person").with_row_index("_record")
    record = encoded.join(records, on=["centre", "person"], how="left", maintain_order="left")["_record"].to_numpy()
    families, family_about = _lists(encoded, "family", ["family_bits", "family_parts", "family_short", "family_long"])
    given, given_about = _lists(encoded, "given", ["given_bits", "given_lengths", "given_initials"])
    writings = {
        tuple(n for n in row if n >= 0): set(names)
        for row, names in zip(given.tolist(), encoded["given_joined"].to_list(), strict=True)
    }
    birth = _birth(encoded)
    place = _numbers(encoded["place"])
    by_place: dict[int, str] = dict(zip(place.tolist(), encoded["department"].to_list(), strict=True))
    departments = pl.Series([by_place[n] for n in range(int(place.max(initial=-1)) + 1)] or [""], dtype=pl.String)
    initials = _numbers(pl.Series(given_about["given_initials"], dtype=pl.String)).astype(np.int64)
    return Traits(
        keys=list(records.select("centre", "person").iter_rows()),
        record=record.astype(np.int64),
        families=families,
        given=given,
        birth=birth,
        sex=encoded["sex"].replace_strict({"M": 1, "F": 2}, default=0, return_dtype=pl.Int8).fill_null(0).to_numpy(),
        place=place,
        department=_numbers(departments).astype(np.int64),
        ins=_numbers(encoded["ins"]),
        initials=initials,
        short=_numbers(pl.Series(family_about["family_short"], dtype=pl.String)).astype(np.int64),
        long=_numbers(pl.Series(family_about["family_long"], dtype=pl.String)).astype(np.int64),
        names=_EncodedNames(
            _filters(family_about["family_bits"]), [set(parts) for parts in family_about["family_parts"]],
            _filters(given_about["given_bits"]), list(given_about["given_lengths"]), initials, writings,
        ),
    )  # fmt: skip


def _lists(encoded: pl.DataFrame, column: str, further: list[str]) -> tuple[np.ndarray, dict[str, list]]:
    """Return (rows, 3) numbers of the names in each row, and by further column what goes with each name."""
    number: dict[str, int] = {}
    about: dict[str, list] = defaultdict(list)
    table = np.full((encoded.height, 3), -1, dtype=np.int32)
    for at, (names, *rest) in enumerate(encoded.select(column, *further).iter_rows()):
        for place, name in enumerate(names):
            if name not in number:
                number[name] = len(number)
                for key, values in zip(further, rest, strict=True):
                    about[key].append(values[place])
            table[at, place] = number[name]
    return table, about if about else {name: [] for name in further}


def _numbers(series: pl.Series) -> np.ndarray:
    if not len(series):
        return np.empty(0, dtype=np.int32)
    distinct = series.drop_nulls().unique().sort()
    mapping = {value: number for number, value in enumerate(distinct.to_list())}
    if not mapping:
        return np.full(len(series), -1, dtype=np.int32)
    return series.replace_strict(mapping, default=-1, return_dtype=pl.Int32).fill_null(-1).to_numpy()


def _birth(encoded: pl.DataFrame) -> np.ndarray:
    """Return year, month and day by number. Years are far apart, for which one follows another cannot be told."""

    def part(place: int) -> pl.Series:
        return encoded["birth"].list.get(place).replace("", None)

    dates = pl.concat([part(1), part(2)]).drop_nulls().unique().sort().to_list()
    day_or_month = {value: number for number, value in enumerate(dates, start=1)}
    number: Callable[[int], np.ndarray] = lambda place: (  # noqa: E731
        part(place).replace_strict(day_or_month, default=0, return_dtype=pl.Int64).fill_null(0).to_numpy()
        if day_or_month
        else np.zeros(encoded.height, dtype=np.int64)
    )
    years = (_numbers(part(0)).astype(np.int64) + 1) * 10_000
    return np.column_stack([years, number(1), number(2)])


def _filters(content: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(content), dtype=np.uint64).reshape(len(content), _BITS // 64)
