"""What is known of a subject at a date: age, TNM and stage, comorbidity. Nothing after that date counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import polars as pl
from ruamel.yaml import YAML

from unibase.clinical.derived.endpoints import index_bounds
from unibase.clinical.derived.ends import last_of
from unibase.clinical.derived.staging import PREFIX_EVENT
from unibase.clinical.words.concepts import Concepts

_ROW = ("source", "source_row", "time_max")
"""What a prefix shares with the category that it stood before."""

Weights = Literal["charlson", "quan2011"]


def age(events: pl.DataFrame, index: pl.DataFrame) -> pl.DataFrame:
    """Return `subject_id, AGE, AGE_MIN, AGE_MAX` at the index: completed years; AGE is null when the bounds differ.

    Birth is the MEDS_BIRTH event; of several, the narrowest. A birth known to the year leaves two ages possible.

    `events` are EVENTS, `index` one row a subject with its bounds.
    """
    births = events.filter((pl.col("code") == "MEDS_BIRTH") & pl.col("time_min").is_not_null())
    births = births.with_columns((pl.col("time_max") - pl.col("time_min")).alias("width")).sort("subject_id", "width", "time_min")
    birth = births.group_by("subject_id", maintain_order=True).agg(pl.col("time_min", "time_max").first())
    frame = index_bounds(index).join(birth, on="subject_id", how="left")
    frame = frame.with_columns(
        _years("time_max", "start_min").alias("AGE_MIN"),
        _years("time_min", "start_max").alias("AGE_MAX"),
    )
    same = pl.col("AGE_MIN") == pl.col("AGE_MAX")
    return frame.select("subject_id", pl.when(same).then("AGE_MIN").alias("AGE"), "AGE_MIN", "AGE_MAX").sort("subject_id")


def _years(birth: str, day: str) -> pl.Expr:
    born, now = pl.col(birth).dt, pl.col(day).dt
    before = (now.month() < born.month()) | ((now.month() == born.month()) & (now.day() < born.day()))
    return (now.year() - born.year() - before.cast(pl.Int32)).cast(pl.Int64)


def staging(events: pl.DataFrame, index: pl.DataFrame, concepts: Concepts | None = None, grace_days: int = 0) -> pl.DataFrame:
    """Return `subject_id, T, N, M, STAGE` as last known at the index, and `T_prefix` (N, M): c, p, y, ... of that very row.

    Args:
        events: EVENTS.
        index: Index dates (see `endpoints.derive`).
        concepts: What `tnm_t`, `tnm_n`, `tnm_m` and `stage` are.
        grace_days: Staging may be written up so many days after the index; 0 by default: nothing from after it.

    A staging with a partial date counts when all of it lies before; one without any date does not count.
    """
    concepts = concepts or Concepts.default()
    frame = index_bounds(index).select("subject_id", pl.col("start_min").dt.date().alias("day"))
    for name, concept in (("T", "tnm_t"), ("N", "tnm_n"), ("M", "tnm_m"), ("STAGE", "stage")):
        own = concepts.select(events, concept).filter(pl.col("text_value").is_not_null() & pl.col("time_max").is_not_null())
        own = own.join(frame, on="subject_id")
        own = own.filter(pl.col("time_max").dt.date() <= pl.col("day") + pl.duration(days=grace_days))
        last = own.sort("subject_id", "time_max", "time_min", "source", "source_row").group_by("subject_id", maintain_order=True)
        chosen = last.agg(pl.col("text_value").last().alias(name), pl.col(_ROW).last())
        chosen = chosen if name == "STAGE" else _with_prefix(chosen, events, name)
        frame = frame.join(chosen.drop(_ROW), on="subject_id", how="left")
    return frame.drop("day").sort("subject_id")


def _with_prefix(chosen: pl.DataFrame, events: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return the chosen categories with the prefix that `derived.staging` took from the same row of the source."""
    told = events.filter(pl.col("code") == PREFIX_EVENT.format(name))
    told = told.select("subject_id", *_ROW, pl.col("text_value").alias(f"{name}_prefix"))
    told = told.unique(["subject_id", *_ROW], keep="first", maintain_order=True)
    row = ["subject_id", *_ROW]
    return chosen.join(told, row, "left", nulls_equal=True, maintain_order="left")


@dataclass(frozen=True)
class _Condition:
    """ICD-10 codes of a condition, without points, and its weights, original and of 2011."""

    codes: list[str]
    charlson: int
    quan2011: int


@dataclass(frozen=True)
class _Charlson:
    """The conditions, by name, and the more severe one beside which a milder one does not count."""

    conditions: Mapping[str, _Condition]
    hierarchy: Mapping[str, str]


@cache
def _charlson() -> _Charlson:
    text = files("unibase.clinical.derived").joinpath("charlson.yaml").read_text(encoding="utf-8")
    content = YAML(typ="safe").load(text)
    return _Charlson({name: _Condition(**rule) for name, rule in content["conditions"].items()}, content["hierarchy"])


def charlson(
    events: pl.DataFrame,
    index: pl.DataFrame,
    weights: Weights = "charlson",
    look_back_days: int | None = None,
    without: tuple[str, ...] = (),
) -> pl.DataFrame:
    """Return `subject_id, CHARLSON` and one 0/1 column per condition, from ICD-10 diagnoses up to the index.

    Args:
        events: EVENTS; ICD-10, ICD-10-CM and ICD-10-GM codes count, with or without a point.
        index: Index dates.
        weights: The original ones, or the update of 2011.
        look_back_days: Diagnoses older than this do not count; None counts all.
        without: Conditions left out of the sum (`malignancy`, `metastatic_tumour` in a cancer cohort).
    """
    rules = _charlson()
    frame = index_bounds(index).select("subject_id", pl.col("start_min").dt.date().alias("day"))
    icd = _diagnoses(events, frame, look_back_days)
    for name, rule in rules.conditions.items():
        own = icd.filter(pl.any_horizontal(pl.col("icd").str.starts_with(code) for code in rule.codes))
        has = own.select("subject_id").unique().with_columns(pl.lit(1, dtype=pl.Int64).alias(name))
        frame = frame.join(has, on="subject_id", how="left")
    frame = frame.with_columns(pl.col(name).fill_null(0) for name in rules.conditions)
    for mild, severe in rules.hierarchy.items():
        frame = frame.with_columns(pl.when(pl.col(severe) == 1).then(0).otherwise(pl.col(mild)).alias(mild))
    counted = {name: getattr(rule, weights) for name, rule in rules.conditions.items() if name not in without}
    score = pl.sum_horizontal(pl.col(name) * weight for name, weight in counted.items()).cast(pl.Int64)
    return frame.select("subject_id", score.alias("CHARLSON"), *rules.conditions).sort("subject_id")


def _diagnoses(events: pl.DataFrame, days: pl.DataFrame, look_back_days: int | None) -> pl.DataFrame:
    """Return `subject_id, icd`, without points, of the ICD-10 diagnoses up to each subject's `day`."""
    coded = events.filter(pl.col("code").str.contains(r"^ICD10(?:CM|GM)?//") & pl.col("time_max").is_not_null())
    own = coded.join(days, on="subject_id").filter(pl.col("time_max").dt.date() <= pl.col("day"))
    if look_back_days is not None:
        own = own.filter(pl.col("time_max").dt.date() >= pl.col("day") - pl.duration(days=look_back_days))
    bare = pl.col("code").str.replace(r"^.*//", "").str.replace(".", "", literal=True)
    return own.select("subject_id", bare.alias("icd")).unique()


def state_at_index(events: pl.DataFrame, index: pl.DataFrame, concepts: Concepts) -> pl.DataFrame:
    """Return what is last known of each subject of the index, and the last day it is known alive.

    Args:
        events: EVENTS frame.
        index: `subject_id, index_time` and bounds, from `linking.index_event`.
        concepts: Concepts of the study.

    Returns:
        `subject_id`, `T`, `N`, `M` with `T_prefix`, ..., `STAGE`, `CHARLSON` (without the cancer itself) and `LSTALVDT`; sorted by subject.
    """
    last = last_of(concepts.select(events, "last_contact"), concepts)
    alive = last.select("subject_id", pl.col("low").dt.date().alias("LSTALVDT"))
    score = charlson(events, index, without=("malignancy", "metastatic_tumour")).select("subject_id", "CHARLSON")
    found = staging(events, index, concepts)
    for frame in (score, alive):
        found = found.join(frame, on="subject_id", how="left", maintain_order="left")
    return found
