"""False and missed links by sex, birth abroad and length of the family name, pooled over simulated populations.

    python -m benchmarks.linkage_fairness PERSONS CENTRES SEED [SEED ...] [other|overseas|usual-names] [homes] [encoded]

Each seed is a population of its own (`simulation.french_persons`); with a word, one of other origins, names,
slips and placeholders, which no rule was made on. With
`homes` registrations tell where persons live as well; with `encoded` they are linked without clear text. Intervals are Wilson's, of 95 %; the ratio of false links
abroad to in France has the exact interval of two Poisson counts, conditional on their sum (Przyborowski and Wilenski 1940).
"""

from __future__ import annotations

import sys
import time

import polars as pl
from scipy.stats import binomtest

from benchmarks.record_linkage import encoded, ours
from unibase.groundwork.tables import PEOPLE
from unibase.privacy.ledger.fairness import PAIR, Fairness, Share, counted, groups_of_records
from unibase.simulation.french_persons import french_persons
from unibase.simulation.further_habits import overseas_habits, usual_name_habits
from unibase.simulation.habits_of_names import Habits, other_habits
from unibase.simulation.homes import with_homes
from unibase.simulation.invented_persons import centre_names

HABITS = {"other": other_habits, "overseas": overseas_habits, "usual-names": usual_name_habits}


def pairs_of(rows: pl.DataFrame, by: str) -> pl.DataFrame:
    """Return `PAIR` of all pairs of records that share `by`."""
    some = rows.filter(pl.len().over(by) > 1).select(by, "centre", "person_key")
    two = some.join(some, on=by, suffix="_2").rename({"centre": PAIR[0], "person_key": PAIR[1]})
    two = two.rename({"centre_2": PAIR[2], "person_key_2": PAIR[3]})
    return two.filter(pl.struct(PAIR[0], PAIR[1]).map_batches(_text) < pl.struct(PAIR[2], PAIR[3]).map_batches(_text)).select(
        PAIR
    )


def _text(pair: pl.Series) -> pl.Series:
    frame = pair.struct.unnest()
    return frame.select(pl.concat_str(pl.all(), separator="\t")).to_series()


def of_seed(persons: int, centres: int, seed: int, words: list[str]) -> tuple[list[Fairness], int]:
    """Return the counts of one population, and the twins that were merged."""
    habits = next((HABITS[word] for word in words if word in HABITS), Habits)()
    people, truth = french_persons(persons, centre_names(centres), seed, habits)
    people = PEOPLE.conform(with_homes(people, truth, seed) if "homes" in words else people)
    start = time.process_time()
    found = (encoded if "encoded" in words else ours)(people)
    both = truth.join(found, on=["centre", "identifier"]).rename({"identifier": "person_key"})
    made, true = pairs_of(both, "group").with_columns(linked=True), pairs_of(both, "person").with_columns(one=True)
    pairs = made.join(true, on=PAIR, how="full", coalesce=True).with_columns(pl.col("linked", "one").fill_null(False))
    # Where a person was born is known of simulated ones.
    born = both.select(
        "centre", "person_key", pl.when("abroad").then(pl.lit("abroad")).otherwise(pl.lit("in France")).alias("birth")
    )
    groups = groups_of_records(people).drop("birth").join(born, on=["centre", "person_key"])
    twins = both.group_by("group").agg(pl.col("person"), pl.col("twin_of"))
    merged = sum(bool(set(one) & set(other)) for one, other in twins.select("person", "twin_of").iter_rows())
    all_pairs = counted(pairs, groups)
    told = all_pairs[0]
    print(
        f"seed {seed}: false {told.false.hits} of {told.false.of}, missed {told.missed.hits} of {told.missed.of}, "
        f"recall {1 - told.missed.hits / told.missed.of:.4f}, twins {merged}, CPU s {time.process_time() - start:.1f}",
        flush=True,
    )
    return all_pairs, merged


def main() -> None:
    persons, centres, seeds = int(sys.argv[1]), int(sys.argv[2]), [int(text) for text in sys.argv[3:] if text.isdigit()]
    total: dict[tuple[str, str], list[int]] = {}
    for seed in seeds:
        for one in of_seed(persons, centres, seed, sys.argv[3:])[0]:
            counts = total.setdefault((one.trait, one.value), [0, 0, 0, 0])
            for at, count in enumerate((one.false.hits, one.false.of, one.missed.hits, one.missed.of)):
                counts[at] += count
    for (trait, value), (a, b, c, d) in total.items():
        (low, high), (less, more) = Share(a, b).interval(), Share(c, d).interval()
        print(f"| {trait} | {value} | {a} of {b:,} | {low:.5%} to {high:.5%} | {c} of {d:,} | {less:.2%} to {more:.2%} |")
    _ratio(total[("birth", "abroad")], total[("birth", "in France")])


def _ratio(abroad: list[int], france: list[int]) -> None:
    """Print the ratio of the rates of false links, and its interval."""
    low, high = (
        share / (1 - share) * france[1] / abroad[1] if share < 1 else float("inf")
        for share in binomtest(abroad[0], max(abroad[0] + france[0], 1)).proportion_ci(method="exact")
    )
    rate = abroad[0] / abroad[1] / (france[0] / france[1]) if france[0] else float("nan")
    print(f"ratio of false links, abroad to France: {rate:.2f}, 95 % {low:.2f} to {high:.2f}")


if __name__ == "__main__":
    main()
