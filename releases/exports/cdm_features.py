"""Features of images, and the numbers that the join took from samples, as long tables for MEASUREMENT."""

from __future__ import annotations

import polars as pl

FEATURE = "unibase_feature//"
ASSAY = "unibase_assay//"
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


def long_assays(analysis: pl.DataFrame, samples: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each number that the join took from a sample, on the day of the sample; null `time` where none is known.

    Args:
        analysis: The analysis table, with `person_id`: of an assay `rna` the column `rna_sample`, and those of its numbers.
        samples: SAMPLE_MAP with `person_id`.
    """
    assays = [name.removesuffix("_sample") for name in analysis.columns if name.endswith("_sample")]
    found = [_of_assay(analysis, samples.filter(pl.col("assay") == one), one) for one in assays]
    return pl.concat([_NOTHING, *found])


_NOTHING = pl.DataFrame(schema={"person_id": pl.Int32, "time": pl.Datetime("us"), "code": pl.String, "value": pl.Float64})


def _of_assay(analysis: pl.DataFrame, samples: pl.DataFrame, assay: str) -> pl.DataFrame:
    numeric = [name for name, dtype in analysis.schema.items() if dtype.is_numeric() and name.startswith(f"{assay}_")]
    values = analysis.select("person_id", pl.col(f"{assay}_sample").alias("colname"), pl.col(numeric).cast(pl.Float64))
    long = values.unpivot(numeric, index=["person_id", "colname"], variable_name="name", value_name="value")
    known = long.filter(pl.col("value").is_finite().fill_null(False))
    days = samples.select("person_id", "colname", "sample_time").unique(
        ["person_id", "colname"], keep="first", maintain_order=True
    )
    dated = known.join(days, on=["person_id", "colname"], how="left", maintain_order="left")
    time = pl.col("sample_time").cast(pl.Datetime("us")).alias("time")
    return dated.select(pl.col("person_id").cast(pl.Int32), time, (ASSAY + pl.col("name")).alias("code"), "value")
