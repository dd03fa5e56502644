"""The subjects of a cohort in one table: who they are and what there is of each."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from unibase.groundwork.tables import DERIVED
from unibase.linking.conditions import ConceptCodes, is_concept

_FIRST = ("subject_id", "centre", "centres", "SEX", "AGE", "INDEXDT")


def with_centre(events: pl.DataFrame, centres: Sequence[str]) -> pl.DataFrame:
    """Return the events with the column `centre`: the one whose source they come from; null for what we derived ourselves.

    Args:
        events: EVENTS frame.
        centres: Names of the centres of the study, of any spelling.

    Example:
        >>> events = pl.DataFrame({"source": ["CHU-été/omop/person", "derived/treatments"]})
        >>> with_centre(events, ["CHU-été", "CHU"])["centre"].to_list()
        ['CHU-été', None]
    """
    # The longest name first: a name may begin another one, or hold a stroke.
    known = sorted(centres, key=len, reverse=True)
    sources = events["source"].unique().drop_nulls().to_list()
    of = {source: next((name for name in known if source.startswith(f"{name}/")), None) for source in sources}
    # A centre may be called `derived`, too.
    of[DERIVED] = None
    return events.with_columns(pl.col("source").replace_strict(of, default=None, return_dtype=pl.String).alias("centre"))


def describe_subjects(
    events: pl.DataFrame,
    cohort: pl.DataFrame,
    series: pl.DataFrame,
    samples: pl.DataFrame,
    concepts: ConceptCodes,
    *,
    centres: Sequence[str],
) -> pl.DataFrame:
    """Return one ADSL-like row per subject of the cohort: centres, sex, age, index date, and which modalities there are.

    Args:
        events: EVENTS frame.
        cohort: `subject_id, index_time, age` of the subjects to describe.
        series: SERIES frame.
        samples: SAMPLE_MAP frame.
        concepts: Concepts; `sex` must be among them.
        centres: Names of the centres of the study.

    Returns:
        `subject_id`, `centre` (the first by name), `centres` (all, between semicolons), `SEX` (M, F, or the first letter
        recorded, by the first source that tells it), `AGE` (years at the index), `INDEXDT`, `has_imaging` and
        `has_<assay>` (a usable sample); sorted by subject.

    Raises:
        UserError: If there is no concept `sex`.
    """
    mine = events.join(cohort.select("subject_id"), on="subject_id", how="semi")
    of_samples = samples.select(pl.col("primary").alias("subject_id"), "centre")
    places = [with_centre(mine, centres).select("subject_id", "centre"), series.select("subject_id", "centre"), of_samples]
    used = samples.filter(pl.col("status") == "used")
    assays = sorted(samples["assay"].unique())
    return (
        cohort.select("subject_id", pl.col("index_time").dt.date().alias("INDEXDT"), pl.col("age").alias("AGE"))
        .join(_sex(mine, concepts), on="subject_id", how="left")
        .join(_known_in(pl.concat(places)), on="subject_id", how="left")
        .with_columns(
            _has(series, "subject_id", "has_imaging"),
            *(_has(used.filter(pl.col("assay") == assay), "primary", f"has_{assay}") for assay in assays),
        )
        .select(*_FIRST, pl.selectors.starts_with("has_"))
        .sort("subject_id")
    )


def _sex(events: pl.DataFrame, concepts: ConceptCodes) -> pl.DataFrame:
    """Return `subject_id, SEX`, by the first source that tells it."""
    return (
        events.filter(is_concept(concepts, "sex", "subjects"))
        .sort("source", "source_row")
        .with_columns(pl.coalesce("text_value", pl.col("code").str.split("//").list.last()).str.to_uppercase().alias("word"))
        .with_columns(pl.col("word").str.slice(0, 1).replace({"H": "M"}).alias("SEX"))
        .unique("subject_id", keep="first", maintain_order=True)
        .select("subject_id", "SEX")
    )


def _known_in(places: pl.DataFrame) -> pl.DataFrame:
    """Return `subject_id, centre, centres` of rows of `subject_id, centre`."""
    return (
        places.drop_nulls()
        .filter(pl.col("centre") != "")
        .unique()
        .sort("centre")
        .group_by("subject_id", maintain_order=True)
        .agg(pl.col("centre").first(), pl.col("centre").str.join(";").alias("centres"))
    )


def _has(frame: pl.DataFrame, column: str, name: str) -> pl.Expr:
    return pl.col("subject_id").is_in(frame[column].unique().implode()).alias(name)
