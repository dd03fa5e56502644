"""Whom linkage serves worse: false and missed links by sex, birth abroad and length of the family name, with intervals.

Of a real file nobody knows the truth. What persons decided tells it in part: a link that was said to be two persons was
false, a pair that was asked about and said to be one was missed. Of simulated persons all is known (`counted`). Intervals
are Wilson's (1927), of 95 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from unibase.privacy.ledger.traits import FOREIGN, family_names

PAIR = ("left_centre", "left_key", "right_centre", "right_key")
_SHORT, _LONG = 4, 9
_ALL = "all"


@dataclass(frozen=True)
class Share:
    """How many of how many.

    Attributes:
        hits: Those it is said of.
        of: All.
    """

    hits: int
    of: int

    def interval(self) -> tuple[float, float]:
        """Return the bounds of Wilson's interval of 95 %; 0 to 1 where there is nothing to count.

        Example:
            >>> [round(bound, 3) for bound in Share(1, 20).interval()]
            [0.009, 0.236]
        """
        if not self.of:
            return 0.0, 1.0
        # Only where intervals are shown: it takes half a second to load.
        from scipy.stats import binomtest

        found = binomtest(self.hits, self.of).proportion_ci(method="wilson")
        return float(found.low), float(found.high)


@dataclass(frozen=True)
class Fairness:
    """What is known of the links of one group of records.

    Attributes:
        trait: Sex, birth or family name; all for everybody.
        value: What the records of the group have.
        false: False links, of the links that were looked at.
        missed: Missed ones, of the pairs that are one person.
    """

    trait: str
    value: str
    false: Share
    missed: Share


def groups_of_records(people: pl.DataFrame) -> pl.DataFrame:
    """Return `centre, person_key, sex, birth, family name`: the group of each record, by what its rows say first.

    Args:
        people: PEOPLE rows.

    """
    place = pl.col("birth_place_code").str.strip_chars()
    born = (
        pl.when(place.str.starts_with(FOREIGN)).then(pl.lit("abroad")).when(place.str.len_chars() > 0).then(pl.lit("in France"))
    )
    first = people.sort("centre", "person_key", "source_row").group_by("centre", "person_key", maintain_order=True)
    rows = first.agg(pl.col("sex", "birth_place_code", "birth_family_name").drop_nulls().first())
    length = rows["birth_family_name"].map_elements(_letters, pl.Int64).fill_null(0)
    return rows.select(
        "centre",
        "person_key",
        pl.col("sex").replace_strict({"F": "female", "M": "male"}, default="not told").fill_null("not told").alias("sex"),
        born.otherwise(pl.lit("not told")).alias("birth"),
        pl.when(length == 0).then(pl.lit("not told"))
        .when(length <= _SHORT).then(pl.lit(f"{_SHORT} letters or fewer"))
        .when(length >= _LONG).then(pl.lit(f"{_LONG} letters or more"))
        .otherwise(pl.lit(f"{_SHORT + 1} to {_LONG - 1} letters")).alias("family name"),
    )  # fmt: skip


def _letters(name: str) -> int:
    return max((len(one) for one in family_names(name)), default=0)


def counted(pairs: pl.DataFrame, groups: pl.DataFrame) -> list[Fairness]:
    """Count the false and the missed links of each group, and of all.

    A pair counts in the groups of both its records, once in each.

    Args:
        pairs: `PAIR`, and two booleans: `linked`, and `one` (whether it is one person).
        groups: As `groups_of_records` returns them.
    """
    traits = [column for column in groups.columns if column not in ("centre", "person_key")]
    sides = [
        groups.rename({"centre": f"{side}_centre", "person_key": f"{side}_key"} | {trait: f"{side} {trait}" for trait in traits})
        for side in ("left", "right")
    ]
    known = pairs.join(sides[0], on=PAIR[:2], how="left").join(sides[1], on=PAIR[2:], how="left")
    found = [_of_group(_ALL, _ALL, known)]
    for trait in traits:
        ends = [pl.col(f"{side} {trait}").fill_null("not told") for side in ("left", "right")]
        values = known.select(pl.concat_list(ends).alias("value")).explode("value")["value"].unique().sort()
        found += [_of_group(trait, value, known.filter((ends[0] == value) | (ends[1] == value))) for value in values]
    return found


def _of_group(trait: str, value: str, pairs: pl.DataFrame) -> Fairness:
    linked, one = pairs.filter("linked"), pairs.filter("one")
    return Fairness(
        trait,
        value,
        Share(linked.filter(~pl.col("one")).height, linked.height),
        Share(one.filter(~pl.col("linked")).height, one.height),
    )


def decided_pairs(links: pl.DataFrame, asked: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """Return what persons decided of the pairs that rules had linked, or had asked about: the columns that `counted` takes.

    Args:
        links: `PAIR` of links that rules made, in any revision.
        asked: `PAIR` of pairs that were shown, in any revision.
        decisions: `PAIR` and `relation`, of the newest decision on each pair.
    """
    one = decisions.select(*PAIR, (pl.col("relation") == "same").alias("one"))
    made = one.join(links.select(PAIR).unique(), on=PAIR, how="semi").with_columns(pl.lit(True).alias("linked"))
    rest = asked.select(PAIR).unique().join(links, on=PAIR, how="anti")
    shown = one.join(rest, on=PAIR, how="semi").with_columns(pl.lit(False).alias("linked"))
    return pl.concat([made, shown]).sort(PAIR)
