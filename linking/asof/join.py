"""The temporal join: what was known of each subject at the index, by the windows of the study file.

Each modality is brought to the same form (a time span, an order) and goes through the one rule of `windows`. The
result is one row per index subject, and a trace that names the source rows of every cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from unibase.groundwork.numbers import as_written
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import FEATURES
from unibase.linking.asof.reader import Eligible, eligible_rows
from unibase.linking.conditions import ConceptCodes
from unibase.linking.index import scan_table
from unibase.linking.options import ClinicalWindow, ImagingWindow, SampleWindow, Windows
from unibase.linking.windows import ORDER, choose, earliest, end_of_day, in_window, latest, one_vocabulary, within_gap

_TRACE_SCHEMA = pl.Schema(
    {
        "subject_id": pl.Int64(),
        "variable": pl.String(),
        "kind": pl.String(),
        "source": pl.String(),
        "source_row": pl.Int64(),
        "code": pl.String(),
        "StudyInstanceUID": pl.String(),
        "SeriesInstanceUID": pl.String(),
        "roi_name": pl.String(),
        "sample": pl.String(),
        "time": pl.Datetime("us"),
        "time_min": pl.Datetime("us"),
        "time_max": pl.Datetime("us"),
        "recorded_time": pl.Datetime("us"),
        "days_from_index": pl.Float64(),
    }
)
_TRACE_KEY = [
    "variable",
    "subject_id",
    "time_min",
    "time_max",
    "source",
    "source_row",
    "SeriesInstanceUID",
    "roi_name",
    "sample",
    "code",
]


class Joined(NamedTuple):
    """The analysis table and where its cells come from."""

    analysis: pl.DataFrame
    trace: pl.DataFrame


def join(
    events: pl.DataFrame | pl.LazyFrame | Path | str,
    features: pl.DataFrame | Path | str | None,
    samples: pl.DataFrame | Path | str | None,
    index: pl.DataFrame,
    windows: Windows,
    concepts: ConceptCodes,
    *,
    trace_aggregates: bool = True,
) -> Joined:
    """Return one row per subject of `index` with what was known at the index, and the trace of every cell.

    Args:
        events: EVENTS, as a frame or Parquet path (file or folder).
        features: FEATURES, or None.
        samples: SAMPLE_MAP, or None.
        index: From `index.index_events`.
        windows: Of the study file.
        concepts: Code prefixes by concept, or rules that name their events.
        trace_aggregates: List every row behind counts (and `any`) in the trace. Without it their rows are still
            found, cell by cell, with `explain`.

    Returns:
        `analysis`: `subject_id`, `index_time`, a column per clinical variable, `<assay>_sample` per assay (a `colname` of
        the sample map), then `{Modality}_{region}_{image_type}_{feature}`; sorted by subject.
        `trace`: a row per cell and source row; `variable` is the column, or for features their common beginning
        followed by `*`. Clinical variables come first, in their order, then assays, then imaging; each sorted by subject.

    Raises:
        UserError: If a window names an unknown concept or assay, or its values come in several units.
    """
    analysis = index.select("subject_id", "index_time").sort("subject_id")
    bounds = index.select("subject_id", "lower", "upper")
    traces: list[pl.DataFrame] = []
    if windows.clinical:
        found = eligible_rows(events, bounds, windows.clinical, concepts, list_aggregates=trace_aggregates)
        columns, traces = _clinical(found, bounds, analysis.select("subject_id"), windows.clinical)
        analysis = analysis.with_columns(columns)
    if windows.assays:
        table = scan_table(samples).collect() if samples is not None else None
        for assay, sample_window in windows.assays.items():
            cells, trace = sample_cells(table, bounds, assay, sample_window)
            analysis = analysis.join(cells, on="subject_id", how="left", maintain_order="left")
            traces.append(_conform_trace(trace))
    if windows.imaging is not None and features is not None:
        cells, trace = imaging_cells(scan_table(features).collect(), bounds, windows.imaging)
        analysis = analysis.join(cells, on="subject_id", how="left", maintain_order="left")
        traces.append(_conform_trace(trace))
    traces = [trace for trace in traces if trace.height] or [pl.DataFrame(schema=_TRACE_SCHEMA)]
    # What is the same in a whole column stays held once when there is nothing to put below it.
    return Joined(analysis, traces[0] if len(traces) == 1 else pl.concat(traces))


def trace_of(trace: pl.DataFrame, subject_id: int, column: str) -> pl.DataFrame:
    """Return the trace rows behind one cell of the analysis table."""
    mine = trace.filter(pl.col("subject_id") == subject_id)
    prefix = pl.col("variable").str.strip_suffix("*")
    is_prefix = pl.col("variable").str.ends_with("*")
    return mine.filter((pl.col("variable") == column) | (is_prefix & pl.lit(column).str.starts_with(prefix)))


def explain(
    events: pl.DataFrame | pl.LazyFrame | Path | str,
    index: pl.DataFrame,
    windows: Windows,
    concepts: ConceptCodes,
    subject_id: int,
    variable: str,
) -> pl.DataFrame:
    """Return the trace rows behind one clinical cell, found again from the events of that subject."""
    mine = scan_table(events).filter(pl.col("subject_id") == subject_id).collect()
    one = Windows.model_validate({"clinical": {variable: windows.clinical[variable]}})
    return join(mine, None, None, index.filter(pl.col("subject_id") == subject_id), one, concepts).trace


def _clinical(
    found: Eligible, bounds: pl.DataFrame, subjects: pl.DataFrame, windows: Mapping[str, ClinicalWindow]
) -> tuple[list[pl.Series], list[pl.DataFrame]]:
    """Return the columns of the clinical variables in order of `subjects`, and their traces."""
    names = list(windows)
    chosen = _chosen_within_gap(found.chosen, list(windows.values()))
    found.chosen = found.chosen.clear()
    ends = np.searchsorted(chosen["variable"].to_numpy(), np.arange(len(names) + 1))
    columns: list[pl.Series] = []
    traces: list[pl.DataFrame] = []
    traced = 0
    for number, (name, window) in enumerate(windows.items()):
        if name in found.counts:
            counts = pl.Series(name, found.counts[name], dtype=pl.Int64)
            columns.append(counts > 0 if window.choose == "any" else counts)
            continue
        if name in found.rows:
            # The trace follows the order of the variables: first come the chosen ones before this one.
            traces.append(_chosen_trace(chosen[int(ends[traced]) : int(ends[number])], names))
            traced = number
            cells, trace = aggregated_cells(found.rows.pop(name), bounds, name, window)
            traces.append(_conform_trace(trace))
        else:
            mine = chosen[int(ends[number]) : int(ends[number + 1])]
            _one_unit(mine, name, window)
            cells = mine.select("subject_id", _value(mine, window).alias(name))
        column = subjects.join(cells, on="subject_id", how="left", maintain_order="left")[name]
        if window.choose in ("count", "any"):
            column = column.fill_null(0 if window.choose == "count" else False)
        columns.append(column)
    traces.append(_chosen_trace(chosen[int(ends[traced]) :], names))
    return columns, traces


def _chosen_within_gap(chosen: pl.DataFrame, windows: list[ClinicalWindow]) -> pl.DataFrame:
    """Return the chosen rows that are no further from the index than their variable's greatest gap."""
    for number, window in enumerate(windows):
        if window.max_gap_days is not None:
            chosen = chosen.filter((pl.col("variable") != number) | within_gap(window))
    return chosen


def _chosen_trace(chosen: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Return the trace of chosen rows, which are in order of variable and subject, one of each."""
    variables = pl.Series(names, dtype=pl.String).gather(chosen["variable"])
    table = chosen.with_columns(
        variables.alias("variable"),
        pl.lit("clinical").alias("kind"),
        pl.col("t_min").alias("time_min"),
        pl.col("t_max").alias("time_max"),
    )
    return _trace_columns(table)


def aggregated_cells(
    rows: pl.DataFrame, bounds: pl.DataFrame, name: str, window: ClinicalWindow
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return (`subject_id` and the variable's column, trace rows) of a variable that takes all its eligible rows."""
    rows = one_vocabulary(rows.join(bounds, on="subject_id", how="inner"))
    rows = rows.with_columns(earliest().alias("t_min"), latest().alias("t_max"))
    cells, used = _aggregate(rows, name, window)
    return cells, _clinical_trace(used, name)


def _clinical_trace(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    return rows.with_columns(
        pl.lit(name).alias("variable"),
        pl.lit("clinical").alias("kind"),
        pl.col("t_min").alias("time_min"),
        pl.col("t_max").alias("time_max"),
    )


def _one_unit(rows: pl.DataFrame, name: str, window: ClinicalWindow) -> None:
    units = rows.filter(pl.col("numeric_value").is_not_null())["unit"].drop_nulls().unique().sort().to_list()
    if window.value in ("auto", "numeric") and len(units) > 1:
        raise UserError(
            f"windows.clinical.{name}: its values come in the units {', '.join(units)}. Convert them, or take one with `unit: {units[0]}`."
        )


def _value(rows: pl.DataFrame, window: ClinicalWindow) -> pl.Expr:
    wanted = window.value
    if wanted == "auto":
        if rows["numeric_value"].null_count() == 0:
            wanted = "numeric"
        else:
            wanted = "text" if rows["text_value"].null_count() == 0 else "code"
    column = {"numeric": "numeric_value", "text": "text_value", "code": "code"}[wanted]
    return as_written(column) if wanted == "numeric" else pl.col(column).cast(pl.String)


def _aggregate(rows: pl.DataFrame, name: str, window: ClinicalWindow) -> tuple[pl.DataFrame, pl.DataFrame]:
    if window.choose in ("mean", "min", "max", "slope"):
        rows = rows.filter(pl.col("numeric_value").is_not_null())
    if window.choose == "slope":
        rows = rows.filter(pl.col("time").is_not_null())
    rows = rows.sort(["subject_id", "t_min", "t_max", *ORDER])
    near = rows.group_by("subject_id").agg(pl.col("t_min").max(), pl.col("upper").first()).filter(within_gap(window))
    rows = rows.join(near.select("subject_id"), on="subject_id", how="semi", maintain_order="left")
    if window.choose not in ("count", "any"):
        _one_unit(rows, name, window)
    subjects, starts = np.unique(rows["subject_id"].to_numpy(), return_index=True)
    ends = np.append(starts[1:], rows.height)
    if window.choose == "count":
        values = pl.Series(name, (ends - starts).astype(np.int64))
    elif window.choose == "any":
        values = pl.Series(name, np.ones(len(subjects), dtype=bool))
    else:
        # Summed in the stated order, one subject after the other: the same bytes on any number of threads.
        numbers = rows.select(as_written("numeric_value")).to_series().to_numpy()
        values = pl.Series(name, _reduce(numbers, rows, starts, ends, window.choose), dtype=pl.Float64).fill_nan(None)
    return pl.DataFrame({"subject_id": pl.Series(subjects, dtype=pl.Int64), name: values}), rows


def _reduce(numbers: np.ndarray, rows: pl.DataFrame, starts: np.ndarray, ends: np.ndarray, how: str) -> np.ndarray:
    if len(starts) == 0:
        return np.empty(0)
    if how == "min":
        return np.minimum.reduceat(numbers, starts)
    if how == "max":
        return np.maximum.reduceat(numbers, starts)
    counts = ends - starts
    means = np.add.reduceat(numbers, starts) / counts
    if how == "mean":
        return np.asarray(means)
    days = (rows["time"] - rows["upper"]).dt.total_microseconds().to_numpy() / 86_400_000_000
    centred = days - np.repeat(np.add.reduceat(days, starts) / counts, counts)
    spread = np.add.reduceat(centred * centred, starts)
    covariance = np.add.reduceat(centred * (numbers - np.repeat(means, counts)), starts)
    distinct = np.maximum.reduceat(days, starts) > np.minimum.reduceat(days, starts)
    return np.asarray(np.divide(covariance, spread, out=np.full(len(starts), np.nan), where=distinct))


def sample_cells(
    samples: pl.DataFrame | None, bounds: pl.DataFrame, assay: str, window: SampleWindow
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return (`subject_id` and `<assay>_sample`, trace rows): which sample of the assay is taken."""
    column = f"{assay}_sample"
    known = sorted(samples["assay"].unique()) if samples is not None else []
    if samples is None or assay not in known:
        raise UserError(f"windows.{assay}: no such assay in the sample map. Known: {', '.join(known) or 'none'}.")
    ranks = {kind: rank for rank, kind in enumerate(window.sample_types)}
    rows = (
        samples.filter((pl.col("assay") == assay) & (pl.col("status") == "used"))
        .rename({"primary": "subject_id"})
        .join(bounds, on="subject_id", how="inner")
        .with_columns(
            earliest("sample_time", "sample_time_min").alias("t_min"),
            latest("sample_time", "sample_time_max").alias("t_max"),
            pl.col("sample_type").fill_null("unknown").replace_strict(ranks, default=None, return_dtype=pl.Int64).alias("_rank"),
        )
        .filter(pl.col("_rank").is_not_null() & in_window(window))
    )
    rows = rows.filter(pl.col("_rank") == pl.col("_rank").min().over("subject_id"))
    chosen = choose(rows, window, ["subject_id"], ["colname"])
    cells = chosen.select("subject_id", pl.col("colname").alias(column))
    trace = chosen.select(
        "subject_id",
        pl.lit(column).alias("variable"),
        pl.lit("sample").alias("kind"),
        pl.concat_str(pl.col("centre").fill_null(""), pl.lit("/"), pl.col("assay")).alias("source"),
        pl.col("colname").alias("sample"),
        pl.col("sample_time").alias("time"),
        pl.col("t_min").alias("time_min"),
        pl.col("t_max").alias("time_max"),
        "t_min",
        "upper",
    )
    return cells, trace


_META = frozenset(column.name for column in FEATURES.columns)


def imaging_cells(features: pl.DataFrame, bounds: pl.DataFrame, window: ImagingWindow) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return (`subject_id` and the wide feature columns, trace rows)."""
    rows = (
        features.filter(pl.col("subject_id").is_not_null() & pl.col("series_time").is_not_null())
        .join(bounds, on="subject_id", how="inner")
        .with_columns(pl.col("series_time").alias("t_min"), end_of_day(pl.col("series_time")).alias("t_max"))
        .filter(in_window(window))
    )
    if window.modalities is not None:
        rows = rows.filter(pl.col("Modality").is_in(list(window.modalities)))
    target = ["subject_id", "Modality", "region"]
    order = ["StudyInstanceUID", "SeriesInstanceUID"]
    if window.choose == "delta":
        last = choose(rows, window.model_copy(update={"choose": "latest"}), target, order)
        first = choose(rows, window.model_copy(update={"choose": "first", "max_gap_days": None}), target, order)
        pairs = last.join(first, on=target, suffix="_first").filter(
            pl.col("StudyInstanceUID") != pl.col("StudyInstanceUID_first")
        )
        later = _lesions(
            rows.join(pairs.select(*target, "SeriesInstanceUID"), on=[*target, "SeriesInstanceUID"], how="semi"), window
        )
        earlier_keys = pairs.select(*target, pl.col("SeriesInstanceUID_first").alias("SeriesInstanceUID"))
        earlier = _lesions(rows.join(earlier_keys, on=[*target, "SeriesInstanceUID"], how="semi"), window)
        names = _feature_names(rows)
        both = later.join(earlier.select(*target, "image_type", *names), on=[*target, "image_type"], suffix="_first")
        values = both.with_columns([(pl.col(name) - pl.col(f"{name}_first")).alias(name) for name in names])
        return _wide(values, names, "delta_"), _imaging_trace(pl.concat([earlier, later]), "delta_")
    chosen = choose(rows, window, target, order)
    used = rows.join(chosen.select(*target, "SeriesInstanceUID"), on=[*target, "SeriesInstanceUID"], how="semi")
    used = _lesions(used, window)
    return _wide(used, _feature_names(used), ""), _imaging_trace(used, "")


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


def _conform_trace(trace: pl.DataFrame) -> pl.DataFrame:
    """Return one variable's trace in the columns of the trace, in order of subject and time."""
    return _trace_columns(trace).sort(_TRACE_KEY)


def _trace_columns(trace: pl.DataFrame) -> pl.DataFrame:
    if "t_min" in trace.columns:
        days = (pl.col("t_min") - pl.col("upper")).dt.total_microseconds() / 86_400_000_000
        trace = trace.with_columns(days.alias("days_from_index"))
    have = set(trace.columns)
    columns = [
        pl.col(name).cast(dtype) if name in have else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in _TRACE_SCHEMA.items()
    ]
    return trace.select(columns)
