"""Images in the join: which series of each subject and region is taken, and its features as wide columns."""

from __future__ import annotations

import polars as pl

from unibase.groundwork.tables import FEATURES
from unibase.linking.options import ImagingWindow
from unibase.linking.windows import choose, end_of_day, in_window

_META = frozenset(column.name for column in FEATURES.columns)
_TARGET = ["subject_id", "Modality", "region"]
_SERIES_ORDER = ["StudyInstanceUID", "SeriesInstanceUID"]


def imaging_cells(features: pl.DataFrame, bounds: pl.DataFrame, window: ImagingWindow) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return (`subject_id` and the wide feature columns, trace rows).

    Args:
        features: FEATURES.
        bounds: `subject_id`, `lower`, `upper` of the index.
        window: Which series count, and which of several lesions of one name.
    """
    rows = (
        features.filter(pl.col("subject_id").is_not_null() & pl.col("series_time").is_not_null())
        .join(bounds, on="subject_id", how="inner")
        .with_columns(pl.col("series_time").alias("t_min"), end_of_day(pl.col("series_time")).alias("t_max"))
        .filter(in_window(window))
    )
    if window.modalities is not None:
        rows = rows.filter(pl.col("Modality").is_in(list(window.modalities)))
    if window.choose == "delta":
        return _changes(rows, window)
    used = _lesions(_of_series(rows, choose(rows, window, _TARGET, _SERIES_ORDER)), window)
    return _wide(used, _feature_names(used), ""), _imaging_trace(used, "")


def _changes(rows: pl.DataFrame, window: ImagingWindow) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the latest study's values minus those of the first one, and the trace rows of both."""
    last = choose(rows, window.model_copy(update={"choose": "latest"}), _TARGET, _SERIES_ORDER)
    first = choose(rows, window.model_copy(update={"choose": "first", "max_gap_days": None}), _TARGET, _SERIES_ORDER)
    pairs = last.join(first, on=_TARGET, suffix="_first").filter(pl.col("StudyInstanceUID") != pl.col("StudyInstanceUID_first"))
    later = _lesions(_of_series(rows, pairs), window)
    firsts = pairs.select(*_TARGET, pl.col("SeriesInstanceUID_first").alias("SeriesInstanceUID"))
    earlier = _lesions(_of_series(rows, firsts), window)
    names = _feature_names(rows)
    both = later.join(earlier.select(*_TARGET, "image_type", *names), on=[*_TARGET, "image_type"], suffix="_first")
    values = both.with_columns([(pl.col(name) - pl.col(f"{name}_first")).alias(name) for name in names])
    return _wide(values, names, "delta_"), _imaging_trace(pl.concat([earlier, later]), "delta_")


def _of_series(rows: pl.DataFrame, chosen: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the chosen series of each subject, modality and region."""
    key = [*_TARGET, "SeriesInstanceUID"]
    return rows.join(chosen.select(key), on=key, how="semi")


def _feature_names(rows: pl.DataFrame) -> list[str]:
    extra = {"lower", "upper", "t_min", "t_max"}
    return [name for name, dtype in rows.schema.items() if name not in _META and name not in extra and dtype.is_numeric()]


def _lesions(rows: pl.DataFrame, window: ImagingWindow) -> pl.DataFrame:
    """Return one row per subject, modality, region and image type of the chosen series."""
    target = ["subject_id", "Modality", "region", "image_type"]
    lesion = ["roi_name", "source_digest"]
    if window.lesions == "mean":
        names = _feature_names(rows)
        ordered = rows.sort([*target, *lesion])
        means = ordered.group_by(target, maintain_order=True).agg(pl.col(names).mean())
        others = ordered.drop(names).unique(target, keep="first", maintain_order=True)
        return others.join(means, on=target, maintain_order="left")
    sizes = [name for name in rows.columns if name.endswith(("shape_MeshVolume", "shape_VoxelVolume"))]
    if window.lesions == "largest" and sizes:
        whole = ["subject_id", "SeriesInstanceUID", "region", *lesion]
        # The size of a lesion is the same under every image type but may be written with the original one only.
        size = rows.group_by(whole).agg(pl.max_horizontal(sizes).max().alias("_size"))
        rows = rows.join(size, on=whole, how="left", nulls_equal=True).sort(
            [*target, "_size", *lesion], descending=[False] * 4 + [True] + [False] * 2, nulls_last=True
        )
        return rows.unique(target, keep="first", maintain_order=True).drop("_size")
    return rows.sort([*target, *lesion]).unique(target, keep="first", maintain_order=True)


def _wide(rows: pl.DataFrame, names: list[str], prefix: str) -> pl.DataFrame:
    subjects = rows.select("subject_id").unique().sort("subject_id")
    for (modality, region, image_type), group in sorted(
        rows.partition_by("Modality", "region", "image_type", as_dict=True).items()
    ):
        present = [name for name in names if group[name].null_count() < group.height]
        named = {name: f"{prefix}{modality}_{region}_{image_type}_{name.removeprefix(f'{image_type}_')}" for name in present}
        wide = group.select("subject_id", *[pl.col(name).cast(pl.Float64).alias(new) for name, new in named.items()])
        subjects = subjects.join(wide, on="subject_id", how="left", maintain_order="left")
    return subjects


def _imaging_trace(rows: pl.DataFrame, prefix: str) -> pl.DataFrame:
    return rows.select(
        "subject_id",
        pl.concat_str(
            pl.lit(prefix), pl.col("Modality"), pl.lit("_"), pl.col("region"), pl.lit("_"), pl.col("image_type"), pl.lit("_*")
        ).alias("variable"),
        pl.lit("imaging").alias("kind"),
        pl.concat_str(pl.col("centre").fill_null(""), pl.lit("/imaging")).alias("source"),
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "roi_name",
        pl.col("series_time").alias("time"),
        pl.col("t_min").alias("time_min"),
        pl.col("t_max").alias("time_max"),
        "t_min",
        "upper",
    )
