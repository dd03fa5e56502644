"""Features of images, and the numbers that the join chose, as long tables for MEASUREMENT."""

from __future__ import annotations

import polars as pl

FEATURE = "unibase_feature//"
ANALYSIS = "unibase_analysis//"
_ABOUT = ("person_id", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "series_time", "region", "image_type", "engine")


def modality(features: pl.DataFrame) -> pl.Series:
    """Return the code of the modality of each row of FEATURES, `features`."""
    return features.select("DICOM//" + pl.col("Modality").fill_null("OT")).to_series()


def series_of(features: pl.DataFrame) -> pl.DataFrame:
    """Return the series that have a day and a feature, in order.

    Args:
        features: FEATURES with `person_id`.
    """
    series = ["person_id", "series_time", "Modality", "StudyInstanceUID", "SeriesInstanceUID"]
    return features.select(series).filter(pl.col("series_time").is_not_null()).unique().sort(series)


def long_features(features: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each value of a feature, with the image that it is of; images without a day are left out.

    Args:
        features: FEATURES with `person_id`.
    """
    names = [name for name, dtype in features.schema.items() if dtype.is_float() and name not in _ABOUT]
    long = features.unpivot(names, index=list(_ABOUT), variable_name="feature", value_name="value")
    known = long.filter(pl.col("value").is_finite().fill_null(False) & pl.col("series_time").is_not_null())
    parts = pl.concat_str("Modality", "region", "image_type", "feature", separator="_", ignore_nulls=True)
    return known.with_columns((FEATURE + parts).alias("code"))


def long_analysis(analysis: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each number that the join chose, on the day of the index.

    Args:
        analysis: The analysis table, with `person_id` and `index_time`.
    """
    apart = ("subject_id", "person_id")
    names = [name for name, dtype in analysis.schema.items() if dtype.is_numeric() and name not in apart]
    values = analysis.with_columns(pl.col(names).cast(pl.Float64))
    long = values.unpivot(names, index=["person_id", "index_time"], variable_name="name", value_name="value")
    known = long.filter(pl.col("value").is_finite().fill_null(False) & pl.col("index_time").is_not_null())
    return known.select("person_id", pl.col("index_time").alias("time"), (ANALYSIS + pl.col("name")).alias("code"), "value")
