"""What a curious linkage unit learns from encoded people: it ranks tokens by how often they occur beside names by frequency.

    python -m benchmarks.encoded_attack PERSONS [CENTRES] [SEED]

The attacker has no key. It knows how common each value is, from another population of the same size (another seed), and takes the
n-th commonest token for the n-th commonest value (Christen et al. 2017). Given is the share of records whose value it names rightly;
beside it what saying the commonest value for everybody gives. Who has the linkage key encodes a dictionary instead, and names all.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import polars as pl

from unibase.privacy.encoded.encoding import encode_people, tokens_of_records
from unibase.privacy.keys import Key
from unibase.privacy.ledger.traits import family_names, given_tokens, parse_date, place_code
from unibase.simulation.population import synthetic_people

KEY = Key(b"l" * 32)
VALUES: dict[str, Callable[[dict[str, str | None]], object]] = {
    "family": lambda row: next(iter(family_names(row["birth_family_name"])), None),
    "given": lambda row: next(iter(given_tokens(row["given_names"])), None),
    "birth year": lambda row: (parse_date(row["birth_date"]) or (None,))[0],
    "place": lambda row: place_code(row["birth_place_code"]),
}


def _tokens(records: pl.DataFrame) -> dict[str, list[bytes | None]]:
    first = {"family": "family", "given": "given", "birth year": "birth"}
    found = {kind: records[column].list.get(0, null_on_oob=True).to_list() for kind, column in first.items()}
    return found | {"place": records["place"].to_list()}


def _ranked(values: list[object]) -> list[object]:
    counts = pl.DataFrame({"value": [str(value) for value in values if value is not None]})["value"].value_counts()
    return counts.sort("count", "value", descending=[True, False])["value"].to_list()


def main() -> None:
    count = int(sys.argv[1])
    centres = int(sys.argv[2]) if len(sys.argv) > 2 else 6
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    people, _ = synthetic_people(count, centres, seed=seed)
    # One name, so that the attacker's guess can be checked record by record.
    people = people.with_columns(pl.col("birth_family_name").alias("used_family_name"))
    reference, _ = synthetic_people(count, centres, seed=seed + 1)
    rows, known = people.to_dicts(), reference.to_dicts()
    encoded = pl.concat([encode_people(part, KEY).records for part in people.partition_by("centre")])
    record = tokens_of_records(people, KEY)
    true = {(row["centre"], row["person_key"]): row for row in rows}
    mine = [true[record[person.hex()]] for person in encoded["person"]]
    result: dict[str, object] = {"records": people.height}
    for kind, tokens in _tokens(encoded).items():
        value = VALUES[kind]
        names = _ranked([value(row) for row in known])
        guess = dict(zip(_ranked([token.hex() if token else None for token in tokens]), names, strict=False))
        truth = [None if (one := value(row)) is None else str(one) for row in mine]
        pairs = [(guess.get(token.hex()), one) for token, one in zip(tokens, truth, strict=True) if token and one]
        commonest = max(truth.count(name) for name in names[:3])
        result[kind] = {
            "named rightly": sum(a == b for a, b in pairs) / len(pairs),
            "by saying the commonest": commonest / len(pairs),
            "distinct": len(names),
        }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
