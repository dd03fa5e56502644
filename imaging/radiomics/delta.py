"""Delta features: how a region's features change from its first image, or volume, to later ones."""

from __future__ import annotations

import polars as pl

from unibase.groundwork.problems import UserError
from unibase.imaging.radiomics.task import region_name
from unibase.imaging.radiomics.volume_changes import natural
from unibase.methods.agreement import feature_columns

WHO = ("subject_id", "Modality", "region", "image_type", "engine", "mode", "settings_digest")
"""What has to be the same for two rows to be compared; above all the settings: other bins, other features."""


SAME_SERIES = (
    "subject_id",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "region",
    "roi_name",
    "image_type",
    "engine",
    "mode",
    "settings_digest",
)
"""What has to be the same for two volumes of one series to be compared."""


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

    return later.select(
        *WHO,
        "first_series",
        pl.col("SeriesInstanceUID").alias("later_series"),
        "first_time",
        pl.col("series_time").alias("later_time"),
        ((pl.col("series_time") - pl.col("first_time")).dt.total_microseconds() / 86_400_000_000).alias("days"),
        *_changes(names),
    ).sort(*WHO, "later_time")


def delta_volumes(features: pl.DataFrame) -> pl.DataFrame:
    """Return one row per region, image type and later volume of a series, compared with the first volume of that series.

    So wash-in of a contrast series or the loss of signal over b-values is a feature: phase 2 less phase 1, b=800 less b=0.

    Args:
        features: FEATURES frame; rows of series that hold one volume are left out. The order of volumes is that of the
            numbers in their names, then of their names.

    Returns:
        `SAME_SERIES` with `region` as it was asked for (`GTV`, without the volume), `first_volume`, `later_volume`, and
        differences as `delta_features`.

    Raises:
        UserError: If a region was marked several times on one volume: which one to compare is not known.
    """
    names = feature_columns(features)
    frame = features.filter(pl.col("volume").is_not_null())
    targets = [region.removesuffix(region_name("", volume)) for region, volume in frame.select("region", "volume").iter_rows()]
    frame = frame.with_columns(
        pl.Series("region", targets, dtype=pl.String),
        pl.Series("order", [natural(volume) for volume in frame["volume"]], dtype=pl.String),
    )
    if frame.select(*SAME_SERIES, "volume").is_duplicated().any():
        raise UserError("Some region has several rows of one volume. Keep one structure set of them.")
    frame = frame.sort(*SAME_SERIES, "order")
    first = frame.group_by(SAME_SERIES, maintain_order=True).first()
    before = first.select(
        *SAME_SERIES,
        pl.col("volume").alias("first_volume"),
        pl.col("order").alias("first_order"),
        *[pl.col(name).alias(f"first {name}") for name in names],
    )
    later = frame.join(before, on=SAME_SERIES, nulls_equal=True).filter(pl.col("order") > pl.col("first_order"))
    changed = later.select(*SAME_SERIES, "order", "first_volume", pl.col("volume").alias("later_volume"), *_changes(names))
    return changed.sort(*SAME_SERIES, "order").drop("order")


def _changes(names: list[str]) -> list[pl.Expr]:
    """Return difference and relative difference of features, given as `<feature>` and `first <feature>`."""

    def finite(column: str) -> pl.Expr:
        return pl.when(pl.col(column).is_finite()).then(pl.col(column))

    changes = []
    for name in names:
        before, difference = finite(f"first {name}"), finite(name) - finite(f"first {name}")
        changes.append(difference.alias(f"{name}_difference"))
        changes.append(pl.when(before != 0).then(difference / before.abs()).alias(f"{name}_relative"))
    return changes
