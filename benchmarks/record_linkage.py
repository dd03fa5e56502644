"""Who is who among synthetic French persons: pairs found and missed, time and memory, beside Splink 5.

    python -m benchmarks.record_linkage PERSONS [CENTRES] [SEED] [ours|encoded|splink] [SPLINK_WEIGHT] [even|french]

F1 and precision are over pairs of records of one person. The persons come from `simulation.population` (`even`), or from
`simulation.french_persons` (`french`), where names are as common as among those who bear them. Rates of error are
assumptions. Intervals are Wilson's, of 95 %.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import binomtest

from unibase.groundwork.tables import PEOPLE
from unibase.simulation.french_persons import french_persons
from unibase.simulation.invented_persons import centre_names
from unibase.simulation.population import synthetic_people

RESIDENCE = ("address", "postcode", "commune", "phone")
"""Columns of PEOPLE that tell where a person lives and is called."""


def pairs(groups: pl.DataFrame, by: str) -> int:
    sizes = groups.group_by(by).len()["len"].cast(pl.Int64)
    return int((sizes * (sizes - 1) // 2).sum())


def quality(found: pl.DataFrame, truth: pl.DataFrame) -> dict[str, Any]:
    """Compare `centre, identifier, group` with the truth, by pairs."""
    both = truth.join(found, on=["centre", "identifier"], validate="1:1")
    true, made = pairs(both, "person"), pairs(both, "group")
    right = pairs(both.with_columns(pl.concat_str("person", pl.lit("|"), "group").alias("cell")), "cell")
    precision, recall = right / max(made, 1), right / max(true, 1)
    told: dict[str, Any] = {"true pairs": true, "false pairs": made - right, "precision": precision, "recall": recall}
    told |= {"precision 95 %": interval(right, made), "recall 95 %": interval(right, true)}
    if "abroad" in both.columns:
        told |= by_birth(both)
    return told | {"f1": 2 * precision * recall / (precision + recall)}


def interval(hits: int, of: int) -> list[float]:
    """Return Wilson's interval of 95 %, rounded to five digits."""
    found = binomtest(hits, of).proportion_ci(method="wilson")
    return [round(float(found.low), 5), round(float(found.high), 5)]


def by_birth(both: pl.DataFrame) -> dict[str, Any]:
    """Return how many groups hold two persons, two twins, or one born abroad, of how many groups."""
    several = both.group_by("group").agg(
        pl.col("person").n_unique().alias("persons"), pl.col("abroad").any(), pl.col("person"), pl.col("twin_of")
    )
    wrong = several.filter(pl.col("persons") > 1)
    twins = sum(bool(set(row["person"]) & set(row["twin_of"])) for row in wrong.iter_rows(named=True))
    return {
        "groups of two persons": wrong.height,
        "twins merged": twins,
        "such groups abroad, of": [wrong.filter("abroad").height, several.filter("abroad").height],
        "such groups in France, of": [wrong.filter(~pl.col("abroad")).height, several.filter(~pl.col("abroad")).height],
    }


def ours(people: pl.DataFrame) -> pl.DataFrame:
    from unibase.privacy.keys import Key
    from unibase.privacy.ledger import persons

    with tempfile.TemporaryDirectory() as folder:
        report = persons.update_ledger(Path(folder) / "ledger", people, Key(b"k" * 32))
        print(report.links, report.refused, "review", report.review)
        found = persons.persons(Path(folder) / "ledger")
    return found.rename({"person_key": "identifier", "person": "group"})


def encoded(people: pl.DataFrame) -> pl.DataFrame:
    from unibase.privacy.encoded.encoding import encode_people, tokens_of_records
    from unibase.privacy.encoded.linkage import link_encoded
    from unibase.privacy.keys import Key
    from unibase.privacy.ledger.groups import links_that_hold
    from unibase.privacy.ledger.traits import valid_ins

    key = Key(b"l" * 32)
    links, review = link_encoded([encode_people(part, key) for part in people.partition_by("centre")])
    # Each centre reads the tokens of its own records.
    records = tokens_of_records(people, key)
    tokens = {record: (record[0], token) for token, record in records.items()}
    known = {(c, k): {valid_ins(ins)} - {None} for c, k, ins in people.select("centre", "person_key", "ins").iter_rows()}
    made, refused = links_that_hold({tokens[record]: ins for record, ins in known.items()}, links)  # type: ignore[misc]
    print(len(made), "links, review", len(review) + len(refused))
    number = {token: at for at, token in enumerate(records)}
    ends = np.array([(number[edge.left[1]], number[edge.right[1]]) for edge in made]).reshape(-1, 2).T
    _, groups = connected_components(coo_array((np.ones(ends.shape[1]), tuple(ends)), shape=(len(number), len(number))))
    rows = [(*record, int(group)) for record, group in zip(records.values(), groups, strict=True)]
    return pl.DataFrame(rows, schema=["centre", "identifier", "group"], orient="row")


def splink(people: pl.DataFrame, weight: float = 12.0) -> pl.DataFrame:
    """Splink 5 as its documentation advises: normalised names, trained by EM on two blocks, term frequencies.

    Traits that no record has are left out; without an INS, its rule of thumb for sure pairs is name, given name and birth.

    Args:
        people: PEOPLE frame.
        weight: Match weight from which two records are one person.
    """
    import logging

    from splink import Linker, block_on
    from splink.backends.duckdb import DuckDBAPI

    rows = pl.DataFrame([_splink_row(at, row) for at, row in enumerate(people.iter_rows(named=True))], infer_schema_length=None)
    there = {name for name in rows.columns if rows[name].null_count() < rows.height}
    linker = Linker(DuckDBAPI().register(rows.to_arrow()), _splink_settings(there), log_level=logging.ERROR)
    sure = block_on("ins") if "ins" in there else block_on("birth_name", "given", "birth")
    linker.training.estimate_probability_two_random_records_match([sure], recall=0.6)
    linker.training.estimate_u_using_random_sampling(max_pairs=5e6, seed=1)
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("birth", "given"))
    linker.training.estimate_parameters_using_expectation_maximisation(
        block_on("birth_name", "place" if "place" in there else "postcode")
    )
    linked = linker.inference.predict(threshold_match_weight=weight)
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(linked, threshold_match_weight=weight)
    table = pl.DataFrame(pl.from_arrow(clusters.as_duckdbpyrelation().to_arrow_table())).select(
        "unique_id", pl.col("cluster_id").alias("group")
    )
    return (
        people.with_row_index("unique_id")
        .select(pl.col("unique_id").cast(pl.Int64), "centre", "identifier")
        .join(table.cast({"unique_id": pl.Int64}), on="unique_id")
    )


def _splink_row(number: int, row: dict[str, Any]) -> dict[str, Any]:
    from unibase.privacy.ledger.traits import family_names, given_tokens, valid_ins

    birth = row["birth_date"]
    return {
        "unique_id": number, "ins": valid_ins(row["ins"]), "birth_name": "".join(family_names(row["birth_family_name"])) or None,
        "used_name": "".join(family_names(row["used_family_name"])) or None, "given": (given_tokens(row["given_names"]) or (None,))[0],
        "birth": birth, "swapped": f"{birth[:4]}-{birth[8:]}-{birth[5:7]}" if len(birth or "") == 10 else None,
        "sex": row["sex"], "place": row["birth_place_code"], **{name: row[name] for name in RESIDENCE},
    }  # fmt: skip


def _splink_settings(there: set[str]) -> Any:
    """Return the comparisons and blocks of the traits that are `there`."""
    import splink.comparison_level_library as cll
    import splink.comparison_library as cl
    from splink import SettingsCreator, block_on

    date = cl.CustomComparison(
        output_column_name="birth",
        comparison_levels=[
            cll.NullLevel("birth"),
            cll.ExactMatchLevel("birth"),
            cll.CustomLevel("birth_l = swapped_r", "day and month exchanged"),
            cll.CustomLevel("birth_l[:4] = birth_r[:4] and (length(birth_l) < 10 or length(birth_r) < 10)", "year alone"),
            cll.DamerauLevenshteinLevel("birth", 1),
            cll.ElseLevel(),
        ],
    )
    comparisons = {
        "ins": cl.ExactMatch("ins"),
        "birth_name": cl.JaroWinklerAtThresholds("birth_name", [0.92, 0.85]).configure(term_frequency_adjustments=True),
        "used_name": cl.JaroWinklerAtThresholds("used_name", [0.92, 0.85]).configure(term_frequency_adjustments=True),
        "given": cl.JaroWinklerAtThresholds("given", [0.92]).configure(term_frequency_adjustments=True),
        "birth": date,
        "sex": cl.ExactMatch("sex"),
        "place": cl.ExactMatch("place").configure(term_frequency_adjustments=True),
        "address": cl.JaroWinklerAtThresholds("address", [0.92, 0.85]),
        **{name: cl.ExactMatch(name).configure(term_frequency_adjustments=True) for name in RESIDENCE[1:]},
    }
    blocks = [
        ("ins",), ("birth", "given"), ("birth", "birth_name"), ("birth", "used_name"), ("birth_name", "given", "place"),
        ("birth_name", "given", "substr(birth, 1, 4)"),
    ]  # fmt: skip
    return SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="unique_id",
        comparisons=[one for name, one in comparisons.items() if name in there],
        blocking_rules_to_generate_predictions=[
            block_on(*b) for b in blocks if not {"ins", "used_name", "place"} & set(b) - there
        ],
        retain_matching_columns=False,
    )


def main() -> None:
    count = int(sys.argv[1])
    route = {"ours": ours, "encoded": encoded, "splink": splink}[sys.argv[4] if len(sys.argv) > 4 else "ours"]
    centres = int(sys.argv[2]) if len(sys.argv) > 2 else 18
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 2026
    if len(sys.argv) > 6 and sys.argv[6] == "french":
        people, truth = french_persons(count, centre_names(centres), seed)
    else:
        people, truth = synthetic_people(count, centres, seed=seed)
    people = PEOPLE.conform(people)
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    found = splink(people, float(sys.argv[5])) if route is splink and len(sys.argv) > 5 else route(people)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    result = {"records": people.height, "wall s": wall, "CPU s": used, "peak MB": after.ru_maxrss / 1024}
    print(json.dumps(result | quality(found, truth), indent=1))


if __name__ == "__main__":
    main()
