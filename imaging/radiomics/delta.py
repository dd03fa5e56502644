"""Delta features: how a region's features change from its first image to later ones."""

from __future__ import annotations

import polars as pl

from unibase.groundwork.problems import UserError
from unibase.methods.agreement import feature_columns

WHO = ("subject_id", "Modality", "region", "image_type", "engine", "mode", "settings_digest")
"""What has to be the same for two rows to be compared; above all the settings: other bins, other features."""


def delta_features(features: pl.DataFrame) -> pl.DataFrame:
    """Return one row per region, image type and later image, compared with the earliest image of that region.

    Args:
        features: FEATURES frame; rows without a time or subject are left out, as they have no order.

    Returns:
        `WHO`, `first_series`, `later_series`, `first_time`, `later_time`, `days` (exact, with fractions), and for each
        feature `<feature>_difference` (later minus first) and `<feature>_relative` (difference over the absolute first
        value; null when that is 0). Features that either row lacks, or that are not finite, are null.

    Raises:
        UserError: If a region was marked several times on images of one time: which one to compare is not known.
    """
    names = feature_columns(features)
    frame = features.filter(pl.col("series_time").is_not_null() & pl.col("subject_id").is_not_null())
    if frame.select(*WHO, "series_time").is_duplicated().any():
        raise UserError("Some region has several rows of one time and modality. Keep one series or one structure set of them.")
    frame = frame.sort(*WHO, "series_time")
    first = frame.group_by(WHO, maintain_order=True).first()
    later = frame.join(
        first.select(
            *WHO,
            pl.col("SeriesInstanceUID").alias("first_series"),
            pl.col("series_time").alias("first_time"),
            *[pl.col(name).alias(f"first {name}") for name in names],
        ),
        on=WHO,
        nulls_equal=True,
    ).filter(pl.col("series_time") > pl.col("first_time"))

    def finite(column: str) -> pl.Expr:
        return pl.when(pl.col(column).is_finite()).then(pl.col(column))

    changes = []
    for name in names:
        before, difference = finite(f"first {name}"), finite(name) - finite(f"first {name}")
        changes.append(difference.alias(f"{name}_difference"))
        changes.append(pl.when(before != 0).then(difference / before.abs()).alias(f"{name}_relative"))
    return later.select(
        *WHO,
        "first_series",
        pl.col("SeriesInstanceUID").alias("later_series"),
        "first_time",
        pl.col("series_time").alias("later_time"),
        ((pl.col("series_time") - pl.col("first_time")).dt.total_microseconds() / 86_400_000_000).alias("days"),
        *changes,
    ).sort(*WHO, "later_time")
