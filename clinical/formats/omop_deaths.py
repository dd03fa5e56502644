"""Deaths that OMOP tells outside its table DEATH: a stay that ended with death, an observation or a condition that is death."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from unibase.clinical.formats.omop_tables import DEATH_CONCEPTS, EventTable
from unibase.clinical.words import partial_dates
from unibase.clinical.words.acts import DEATH_WORD, OMOP_CONDITION_STATUS

DEATH = "MEDS_DEATH"
_NO = (4188540, 45878245)
"""Concepts of the answer No, of SNOMED and of LOINC."""
TELLING = frozenset({"OBSERVATION", "CONDITION"})
"""Domains in which the concept of a row may be death itself."""
_ALMOST_DAY = pl.duration(days=1) - pl.duration(microseconds=1)


def says_death(rule: EventTable, columns: Collection[str]) -> pl.Expr:
    """Return which rows of a CDM table say that their person died; an answer No, or a suspicion, says none.

    Args:
        rule: Of the table.
        columns: Names of the columns that its rows have.
    """
    named = [name for name in (*rule.discharge, *([rule.concept] if rule.domain in TELLING else [])) if name in columns]
    words = [ends_with_death(name) for name in rule.discharge_words if name in columns]
    said = pl.any_horizontal(pl.lit(False), *(_one_of(name, DEATH_CONCEPTS) for name in named), *words)
    refuting = [("value_as_concept_id", _NO), ("value_as_number", (0,)), (rule.status, tuple(OMOP_CONDITION_STATUS))]
    for name, concepts in refuting:
        if name in columns:
            said = said & ~_one_of(name, concepts)
    return said


def ends_with_death(name: str) -> pl.Expr:
    """Return which rows say by a word, in the column `name`, that a stay ended with death: a concept may not stand beside it.

    >>> pl.DataFrame({"to": ["Décédé", "HOME", "9"]}).select(ends_with_death("to"))["to"].to_list()
    [True, False, False]
    """
    word = pl.col(name).cast(pl.String).str.strip_chars().str.to_uppercase()
    plain = word.str.normalize("NFD").str.replace_all(r"\p{M}", "")
    return plain.str.contains(DEATH_WORD).fill_null(False)


def deaths_in(frame: pl.DataFrame, rule: EventTable) -> pl.DataFrame:
    """Return a death for each row that says one.

    An observation is dated. Of a stay that ended with death the day lies within the stay, which is all that is certain.

    Args:
        frame: Rows of the table, with the columns of `add_moments` for their begin and, where there is one, their end.
        rule: Of the table.
    """
    nothing = [pl.lit(None).alias(name) for name in ("numeric_value", "text_value", "unit", "end_time")]
    dead = frame.filter(says_death(rule, frame.columns)).with_columns(pl.lit(DEATH).alias("code"), *nothing)
    if not rule.discharge:
        return dead
    last = (pl.col("end_time_max") if "end_time_max" in dead.columns else pl.lit(None, pl.Datetime("us"))).dt.truncate("1d")
    first = pl.col("time_min").dt.truncate("1d")
    dead = dead.with_columns(
        pl.when(first == last).then(first).alias("time"), first.alias("time_min"), (last + _ALMOST_DAY).alias("time_max")
    )
    # A stay without an end, or with one before its begin, dates nothing.
    return partial_dates.unknown_where(dead, (pl.col("time_min") > pl.col("time_max")).fill_null(True))


def _one_of(name: str, concepts: Collection[int]) -> pl.Expr:
    return pl.col(name).cast(pl.Float64, strict=False).is_in([float(one) for one in concepts]).fill_null(False)
