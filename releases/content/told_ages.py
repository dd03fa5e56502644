"""Ages as a release tells them, and the births that they leave open: both tell the same, so that together they tell no more.

An age at the index leaves a year of births open, and so does a year of birth. Told both, half a year is left on average, and
days for some. And a list of deaths holds few who died young. So ages below 55 are told in bands that enough of such a list
share, and a birth as all that the told age allows. Below 20 no band would do; `unibase attack` counts them.
"""

from __future__ import annotations

import polars as pl

from unibase.groundwork.tables import TIMESTAMP

BANDS = ((20, 1), (40, 10), (55, 5))
"""Age below which a width of bands holds, in years; from the last one on, single years. By Gompertz's law 2 women in their
twenties, 7 in their thirties and 8 of 40 to 44 years of a department's list fit such a band, and 11 of 55 years (men: more)."""
_NEEDED = {"subject_id", "AGE", "INDEXDT"}


def told_ages(subjects: pl.DataFrame) -> pl.DataFrame:
    """Return the subjects with the middle of the band in the place of an age that is told in bands.

    Args:
        subjects: Table `subjects`; one without `AGE` stays as it is.

    Example:
        >>> ages = pl.DataFrame({"subject_id": [1, 2, 3, 4], "AGE": [17.0, 33.0, 46.0, 71.0], "INDEXDT": [None] * 4})
        >>> told_ages(ages)["AGE"].to_list()
        [17.0, 35.0, 47.0, 71.0]
    """
    if not _told(subjects):
        return subjects
    middle = _lowest() + _width() // 2
    return subjects.with_columns(middle.cast(subjects.schema["AGE"]).alias("AGE"))


def births_left_open(subjects: pl.DataFrame, *, in_bands: bool = True) -> pl.DataFrame:
    """Return `subject_id, from, to` of the births that the told age at the index allows, a day more on either side.

    Args:
        subjects: Table `subjects`, with ages as recorded or as told.
        in_bands: Whether ages are told in bands.

    Example:
        >>> from datetime import date
        >>> one = pl.DataFrame({"subject_id": [1], "AGE": [71.0], "INDEXDT": [date(2020, 6, 15)]})
        >>> [str(day) for day in births_left_open(one).row(0)[1:]]
        ['1948-06-15 00:00:00', '1949-06-16 23:59:59.999999']
    """
    schema = {"subject_id": pl.Int64(), "from": TIMESTAMP, "to": TIMESTAMP}
    if not _told(subjects):
        return pl.DataFrame(schema=schema)
    index = pl.col("INDEXDT").cast(TIMESTAMP)
    lowest, width = (_lowest(), _width()) if in_bands else (pl.col("AGE").floor(), pl.lit(1))
    oldest, youngest = (pl.format("-{}y", years.cast(pl.Int64)) for years in (lowest + width, lowest))
    rows = subjects.filter(pl.col("AGE").is_not_null() & pl.col("INDEXDT").is_not_null())
    return rows.select(
        "subject_id",
        index.dt.offset_by(oldest).alias("from"),
        index.dt.offset_by(youngest).dt.offset_by("2d").dt.offset_by("-1us").alias("to"),
    ).cast(pl.Schema(schema))


def _told(subjects: pl.DataFrame) -> bool:
    return set(subjects.columns) >= _NEEDED and subjects.schema["AGE"].is_numeric()


def _width() -> pl.Expr:
    """Return the width of the band that an age is told in."""
    width = pl.lit(1)
    for below, years in reversed(BANDS):
        width = pl.when(pl.col("AGE") < below).then(years).otherwise(width)
    return width


def _lowest() -> pl.Expr:
    """Return the lowest age of the band that an age is told in."""
    return (pl.col("AGE") / _width()).floor() * _width()
