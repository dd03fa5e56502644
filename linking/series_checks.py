"""Series: one that is of somebody else than all the others, one that two persons have, and one whose mask looks wrong."""

from __future__ import annotations

import polars as pl

from unibase.linking.reasons import FOREIGN_SERIES, MASK, SHARED_SERIES
from unibase.linking.tables import FINDINGS

_LEAST_OTHERS = 2
"""Further series that must agree with one another, before one that does not is called foreign."""
_YEARS = 3.0
"""Years of birth, told by ages in headers, that are further apart are of two persons."""
_SUSPECT = 5.0
"""Suspicion from which a mask is a finding: of simulated masks 4 in 1,000 right ones reach it, and 92 % of the wrong ones."""


def foreign_series(series: pl.DataFrame) -> pl.DataFrame:
    """Return findings of series whose sex, or year of birth by `PatientAge`, is that of none of their subject's others.

    Args:
        series: SERIES; may have the further column `PatientAge`, in years.
    """
    sex = series.filter(pl.col("PatientSex").is_in(["M", "F"])).select("subject_id", "SeriesInstanceUID", said="PatientSex")
    count = sex.group_by("subject_id", "said").len()
    alone = count.filter(pl.col("len") == 1).join(count, on="subject_id", suffix="_others")
    alone = alone.filter((pl.col("said") != pl.col("said_others")) & (pl.col("len_others") >= _LEAST_OTHERS))
    found = [_finding(sex.join(alone, on=["subject_id", "said"], how="semi"), "another sex")]
    if "PatientAge" in series.columns:
        found.append(_finding(_of_another_age(series), "another age"))
    return pl.concat(found).unique(["subject_id", "item"], keep="first", maintain_order=True)


def _of_another_age(series: pl.DataFrame) -> pl.DataFrame:
    born = series.select(
        "subject_id",
        "SeriesInstanceUID",
        (pl.col("series_time").dt.year() + pl.col("series_time").dt.ordinal_day() / 365.25 - pl.col("PatientAge")).alias("born"),
    ).drop_nulls()
    pairs = born.join(born, on="subject_id", suffix="_other").filter(
        pl.col("SeriesInstanceUID") != pl.col("SeriesInstanceUID_other")
    )
    far = (pl.col("born") - pl.col("born_other")).abs() > _YEARS
    of = pairs.group_by("subject_id", "SeriesInstanceUID").agg(far.sum().alias("far"), pl.len().alias("others"))
    # The others agree with one another: each of them is far from this one alone.
    odd = of.filter((pl.col("far") == pl.col("others")) & (pl.col("others") >= _LEAST_OTHERS))
    rest = of.filter(pl.col("far") <= 1).group_by("subject_id").agg(pl.len().alias("agree"))
    sure = odd.join(rest, on="subject_id").filter(pl.col("agree") >= _LEAST_OTHERS)
    return sure.filter(pl.len().over("subject_id") == 1)


def _finding(frame: pl.DataFrame, what: str) -> pl.DataFrame:
    return _rows(frame, FOREIGN_SERIES, 0.8, f"one series is of {what} than all others of this person")


def shared_series(series: pl.DataFrame) -> pl.DataFrame:
    """Return findings of series that stand under two subjects, one for each of them. `series`: SERIES of all subjects."""
    known = series.select("subject_id", "SeriesInstanceUID").drop_nulls().unique().sort(pl.all())
    shared = known.filter(pl.len().over("SeriesInstanceUID") > 1)
    return _rows(shared, SHARED_SERIES, 1.0, "one series stands under two persons")


def suspect_masks(looks: pl.DataFrame) -> pl.DataFrame:
    """Return findings of masks that look wrong on their image and that no reviewer has decided on.

    `looks`: `suspicion` and `verdict` of masks with their `subject_id` and `SeriesInstanceUID` (`imaging.tables.LOOKS`).
    """
    suspect = looks.filter((pl.col("suspicion") >= _SUSPECT) & pl.col("verdict").is_null() & pl.col("subject_id").is_not_null())
    series = suspect.select("subject_id", "SeriesInstanceUID").unique().sort(pl.all())
    return _rows(series, MASK, 0.5, "a mask on the series looks wrong")


def _rows(frame: pl.DataFrame, check: str, score: float, message: str) -> pl.DataFrame:
    return frame.select(
        "subject_id", pl.lit(str(check)).alias("check"), pl.lit(score).alias("score"), pl.lit("imaging").alias("modality"),
        pl.col("SeriesInstanceUID").alias("item"), pl.lit(message).alias("message"),
    ).cast(FINDINGS.schema())  # fmt: skip
