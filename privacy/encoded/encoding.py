"""What leaves a centre instead of its people: keyed tokens of traits, and diffused Bloom filters of names (see `linkage`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import polars as pl

from unibase.privacy.keys import Key
from unibase.privacy.ledger.comparable import RecordKey, joined, with_what_ins_tells
from unibase.privacy.ledger.given_names import given_names, skeleton, squeezed
from unibase.privacy.ledger.residence import MOST_WORDS, READ, address_words
from unibase.privacy.ledger.traits import (
    FOREIGN,
    all_names,
    bag_of_names,
    compound_of,
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

FILTER_BITS, _PER_BIGRAM, _SUMMED = 1_024, 8, 4
MOST_NAMES = 3
"""Names of a kind that a record is compared by."""

TOKEN_BYTES = 12
FILTER_BYTES = FILTER_BITS // 8
BIRTH_PARTS = 3
PARAMETERS = {
    "bits": FILTER_BITS,
    "bits_per_bigram": _PER_BIGRAM,
    "bits_summed": _SUMMED,
    "names_per_kind": MOST_NAMES,
    "token_bytes": TOKEN_BYTES,
    "traits": 5,
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
        "words": pl.Binary(),
        "compound": pl.Int8(),
        "birth": TOKENS,
        "vague": pl.Boolean(),
        "sex": pl.String(),
        "place": pl.Binary(),
        "department": pl.Binary(),
        "abroad": pl.Boolean(),
        "postcode": pl.Binary(),
        "commune": pl.Binary(),
        "phone": pl.Binary(),
        "address": TOKENS,
    }
)
"""What leaves a centre of each record: tokens of 12 bytes; as they are the sex, and whether the INS is one of waiting, the day
of birth one that stands for none, the place a country abroad, and how the first given name is written (`traits.Compound`). `birth` is year, month and day, empty where not known."""

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
        "between": pl.Boolean(),
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

    Args:
        people: PEOPLE of one centre.
        linkage_key: The key that the centres share and the linkage unit has not.
    """
    encoder = _Encoder(linkage_key)
    rows = with_what_ins_tells(people).unique()
    persons = [encoder.person(*row) for row in rows.select("centre", "person_key").iter_rows()]
    rows = rows.with_columns(pl.Series("person", persons, dtype=pl.Binary)).drop("person_key")
    # Each writing is encoded once, however many persons bear it.
    for columns, encode, new in (
        (["birth_family_name", "given_names"], encoder.bag, ["bag", "words"]),
        (["birth_date", "birth_place_code"], encoder.vague, ["vague"]),
        (["birth_family_name", "used_family_name"], encoder.families, ["family"]),
        (["given_names"], encoder.given, ["given", "given_joined", "compound"]),
        (["birth_date"], encoder.birth, ["birth"]),
        (["birth_place_code"], encoder.place, ["place", "department", "abroad"]),
        (["ins"], encoder.ins, ["ins", "stem", "provisional"]),
        (["postcode", "commune", "phone"], encoder.residence, ["postcode", "commune", "phone"]),
        (["address"], encoder.address, ["address"]),
    ):
        rows = _encode_writings(rows, columns, encode, new)
    return Encoded(records_in_order(rows.select(list(RECORDS))), encoder.names())


def records_in_order(records: pl.DataFrame) -> pl.DataFrame:
    """Return distinct records by their tokens alone: their order tells nothing, and is the same whatever it was before.

    `records`: columns of `RECORDS`.
    """
    lists = {"family": MOST_NAMES, "given": MOST_NAMES, "birth": MOST_NAMES, "address": MOST_WORDS}
    tokens = [pl.col(name).list.get(at, null_on_oob=True) for name, most in lists.items() for at in range(most)]
    return records.unique().sort("centre", "person", "ins", "sex", "place", *tokens, *READ, nulls_last=True)


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
    """Return which record each person token of a centre (in hexadecimal, as in edges) stands for: stays in the centre.

    `people`: PEOPLE that were encoded; `linkage_key`: the key they were encoded under.
    """
    encoder = _Encoder(linkage_key)
    records = people.select("centre", "person_key").unique().iter_rows()
    return {encoder.person(centre, person_key).hex(): (centre, person_key) for centre, person_key in records}


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
        families = family_names(birth_name, used_name)[:MOST_NAMES]
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
        given = given_tokens(text)[:MOST_NAMES]
        self._given |= set(given)
        written = sorted(self.token("joined", name) for name in joined(given))
        return [self.token("given", name) for name in given], written, compound_of(text)

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

    def residence(self, *texts: str | None) -> tuple[object, ...]:
        """Return the tokens of where a person lives and is called, in the order of `READ`."""
        known = zip(READ.items(), texts, strict=True)
        return tuple(self.token(kind, value) if (value := read(text)) else None for (kind, read), text in known)

    def address(self, text: str | None) -> tuple[object, ...]:
        """Return the tokens of the words of an address."""
        return ([self.token("address", word) for word in address_words(text)],)

    def vague(self, birth: str | None, place: str | None) -> tuple[object, ...]:
        """Return whether a day of birth is one that is given to those who do not know theirs."""
        return (is_vague(parse_date(birth), place_code(place)),)

    def bag(self, family: str | None, given: str | None) -> tuple[object, ...]:
        """Return the tokens of the first names in order of the alphabet, and of all; few share them, so they are not kept."""
        joined = bag_of_names(family, given), all_names(family, given)
        kinds = zip(("bag", "words"), joined, strict=True)
        return tuple(self._key.mac(f"linkage/{kind}", text)[:TOKEN_BYTES] if text else None for kind, text in kinds)

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
                token("short", name[:4]), token("long", name[:5]), *[None] * 9,
            )
            for name, parts in self._parts.items()
        ] + [
            (
                "given", token("given", name), self._filter("given", name), None, None, None, token("initial", name[0]),
                len(name) if len(name) < 4 else 4 if len(name) < 6 else 6, known.exists(name), known.likely(name), known.between(name),
                known.share(name), token("writing", known.one_writing(name)), token("squeezed", squeezed(name)), token("sound", skeleton(name)),
            )
            for name in self._given
        ]  # fmt: skip
        cells = list(zip(*rows, strict=True)) or [()] * len(NAMES)
        columns = [pl.Series(name, values, dtype) for (name, dtype), values in zip(NAMES.items(), cells, strict=True)]
        return pl.DataFrame(columns).sort("kind", "token")

    def _filter(self, kind: str, word: str) -> bytes:
        """Return the diffused Bloom filter of a name."""
        bits = np.zeros(FILTER_BITS, dtype=np.uint8)
        padded = f"_{word}_"
        for at in range(len(padded) - 1):
            bits[self._bigram(kind, padded[at : at + 2])] = 1
        return np.packbits(np.bitwise_xor.reduce(bits[self._places[kind]], axis=0)).tobytes()

    def _bigram(self, kind: str, bigram: str) -> np.ndarray:
        known = self._bigrams.get((kind, bigram))
        if known is None:
            digest = self._key.mac(f"linkage/bloom/{kind}", bigram)
            known = np.frombuffer(digest[: 2 * _PER_BIGRAM], dtype=">u2").astype(np.int64) % FILTER_BITS
            self._bigrams[(kind, bigram)] = known
        return known

    def _sums(self, kind: str) -> np.ndarray:
        seed = int.from_bytes(self._key.mac("linkage/diffusion", kind), "big")
        generator = np.random.Generator(np.random.PCG64(seed))
        return np.stack([generator.permutation(FILTER_BITS) for _ in range(_SUMMED)])
