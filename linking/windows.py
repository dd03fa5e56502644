"""The temporal rule of the house, one for images, samples and clinical events: nothing that could lie after the index.

A row is used when all of what is known of its time, from its earliest to its latest possible instant, lies in the
window, and when it was on record by the index. What is known only to the day could have happened in its last
microsecond; what is known only to the month, on its last day.
"""

from __future__ import annotations

import polars as pl

from unibase.linking.options import Window

ORDER = ("source", "source_row", "code", "numeric_value", "text_value")
"""How events of one instant are ordered, whatever order they arrive in."""

_DAY_US = 86_400_000_000


def one_vocabulary(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows of EVENTS without further codes of one act: what a row of a source says in several vocabularies counts once.

    Of each source row the codes of one vocabulary stay, the first by name. Rows without a place in a source stay as they are.

    >>> row = {"subject_id": 7, "source": "lyon", "source_row": 1}
    >>> one_vocabulary(pl.DataFrame([row | {"code": "ICD10//C34"}, row | {"code": "SNOMED//254637007"}]))["code"].to_list()
    ['ICD10//C34']
    """
    vocabulary = pl.col("code").str.split("//").list.first()
    first = vocabulary.min().over("subject_id", "source", "source_row")
    return rows.filter(pl.col("source_row").is_null() | (vocabulary == first))


def earliest(time: str = "time", time_min: str = "time_min") -> pl.Expr:
    """Return the earliest instant a row can have happened, by its columns `time` and `time_min`."""
    return pl.coalesce(time_min, time)


def latest(time: str = "time", time_max: str = "time_max") -> pl.Expr:
    """Return the latest instant a row can have happened; a midnight `time` without a `time_max` says a day, not an instant."""
    return pl.coalesce(pl.col(time_max), end_of_day(pl.col(time)))


def end_of_day(moment: pl.Expr) -> pl.Expr:
    """Return the last microsecond of the day for a `moment` at midnight, other instants as they are."""
    midnight = moment.dt.truncate("1d") == moment
    return pl.when(midnight).then(moment + pl.duration(microseconds=_DAY_US - 1)).otherwise(moment)


def in_window(window: Window) -> pl.Expr:
    """Return whether rows with `t_min`, `t_max`, `lower` and `upper` lie in the window, whatever `recorded` says."""
    end = pl.col("upper") + pl.duration(microseconds=round(window.to_days * _DAY_US))
    inside = pl.col("t_max") <= end if window.closed in ("both", "right") else pl.col("t_max") < end
    if window.from_days is None:
        return inside & pl.col("t_min").is_not_null()
    start = pl.col("lower") + pl.duration(microseconds=round(window.from_days * _DAY_US))
    return inside & (pl.col("t_min") >= start if window.closed in ("both", "left") else pl.col("t_min") > start)


def within_gap(window: Window) -> pl.Expr:
    """Return whether a chosen row is no further from the index than the window's greatest gap."""
    if window.max_gap_days is None:
        return pl.lit(True)
    return pl.col("upper") - pl.col("t_min") <= pl.duration(microseconds=round(window.max_gap_days * _DAY_US))


def choose(rows: pl.DataFrame, window: Window, by: list[str], order: list[str]) -> pl.DataFrame:
    """Return one row per `by`: the window's choice among rows that are in it.

    `latest` takes the row whose latest possible instant is last, `first` the one whose earliest is first, `closest`
    the one whose earliest is last. Rows of one instant are ordered by `order`: `first` takes the first of them, the
    others the last.
    """
    first = window.choose == "first"
    times = ["t_max", "t_min"] if window.choose == "latest" else ["t_min", "t_max"]
    ordered = rows.sort([*by, *times, *order], nulls_last=first)
    chosen = ordered.unique(by, keep="first" if first else "last", maintain_order=True)
    return chosen.filter(within_gap(window))
