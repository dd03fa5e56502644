"""Stage, T, N and M of all centres in one vocabulary, with the prefix apart: see `clinical.words.tnm`; sides, editions and responses too."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from unibase.clinical.words.concepts import Concepts
from unibase.clinical.words.response_words import response_word
from unibase.clinical.words.sides import side, tnm_edition
from unibase.clinical.words.tnm import PREFIX_OF_CODE, Kind, category
from unibase.groundwork.tables import EVENTS

_CONCEPTS: dict[str, Kind] = {"tnm_t": "T", "tnm_n": "N", "tnm_m": "M", "stage": "STAGE"}
_WORDS: dict[str, Callable[[str], str | None]] = {
    "laterality": side,
    "tnm_edition": tnm_edition,
    "reported_response": response_word,
}
"""Concepts whose texts are words, and what reads them."""

PREFIX_EVENT = "DERIVED//TNM_{}_PREFIX"
"""Code of the event that holds the prefix of a category: T, N or M."""


def one_vocabulary(events: pl.DataFrame, concepts: Concepts) -> pl.DataFrame:
    """Return EVENTS in which categories and stages are written alike, and an event `DERIVED//TNM_T_PREFIX` (N, M) for each prefix.

    A value that is no category stays as it is. The prefix of a value counts before that which the code of the observation says.

    Args:
        events: EVENTS of any number of subjects.
        concepts: What `tnm_t`, `tnm_n`, `tnm_m`, `stage`, `laterality`, `tnm_edition` and `reported_response` are.
    """
    for concept, reads in _WORDS.items():
        events = _in_words(events, concepts.matches(concept) & pl.col("text_value").is_not_null(), reads)
    further: list[pl.DataFrame] = []
    for concept, kind in _CONCEPTS.items():
        mine = concepts.matches(concept) & pl.col("text_value").is_not_null()
        own = events.filter(mine)
        if own.is_empty():
            continue
        read = {text: found for text in own["text_value"].unique() if (found := category(kind, text)) is not None}
        values = {text: one.value for text, one in read.items()}
        if kind != "STAGE":
            said = pl.col("text_value").replace_strict(
                {text: one.prefix for text, one in read.items()}, default=None, return_dtype=pl.String
            )
            by_code = pl.col("code").replace_strict(PREFIX_OF_CODE, default=None, return_dtype=pl.String)
            known = pl.col("text_value").is_in(list(values))
            prefixed = own.filter(known).with_columns(
                pl.coalesce(said, by_code).alias("text_value"), pl.lit(PREFIX_EVENT.format(kind)).alias("code")
            )
            further.append(prefixed.filter(pl.col("text_value").is_not_null()))
        events = events.with_columns(
            pl.when(mine).then(pl.col("text_value").replace(values)).otherwise("text_value").alias("text_value")
        )
    return EVENTS.conform(pl.concat([events, *further])) if further else events


def _in_words(events: pl.DataFrame, mine: pl.Expr, reads: Callable[[str], str | None]) -> pl.DataFrame:
    """Return EVENTS with the texts of some of them as a function reads them; what it does not read stays."""
    texts = events.filter(mine)["text_value"].unique()
    values = {text: found for text in texts if (found := reads(text)) is not None}
    text = pl.col("text_value")
    return events.with_columns(pl.when(mine).then(text.replace(values)).otherwise(text).alias("text_value")) if values else events
