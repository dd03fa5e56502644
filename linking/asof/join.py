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

from unibase.groundwork.analysis_tables import TRACE
from unibase.groundwork.numbers import as_written
from unibase.linking.asof.aggregates import aggregated_cells, one_unit
from unibase.linking.asof.chosen_samples import sample_cells
from unibase.linking.asof.imaging_values import imaging_cells
from unibase.linking.asof.reader import Eligible, eligible_rows
from unibase.linking.asof.tracing import conform_trace, trace_columns
from unibase.linking.conditions import ConceptCodes
from unibase.linking.index_event import scan_table
from unibase.linking.options import ClinicalWindow, Windows
from unibase.linking.windows import within_gap


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
    further = [sample_cells(_collected(samples), bounds, assay, one) for assay, one in windows.assays.items()]
    if windows.imaging is not None and features is not None:
        further.append(imaging_cells(scan_table(features).collect(), bounds, windows.imaging))
    for cells, trace in further:
        analysis = analysis.join(cells, on="subject_id", how="left", maintain_order="left")
        traces.append(conform_trace(trace))
    traces = [trace for trace in traces if trace.height] or [pl.DataFrame(schema=TRACE.schema())]
    # What is the same in a whole column stays held once when there is nothing to put below it.
    return Joined(analysis, traces[0] if len(traces) == 1 else pl.concat(traces))


def _collected(table: pl.DataFrame | Path | str | None) -> pl.DataFrame | None:
    return None if table is None else scan_table(table).collect()


def trace_of(trace: pl.DataFrame, subject_id: int, column: str) -> pl.DataFrame:
    """Return the trace rows behind one cell of the analysis table.

    Args:
        trace: Of the join.
        subject_id: The row of the analysis table.
        column: The column of the analysis table.

    Example:
        >>> trace = pl.DataFrame({"subject_id": [7, 7], "variable": ["ldh", "CT_GTV_original_*"], "roi_name": [None, "GTV"]})
        >>> trace_of(trace, 7, "CT_GTV_original_shape_MeshVolume")["roi_name"].to_list()
        ['GTV']
    """
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
    """Return the trace rows behind one clinical cell, found again from the events of that subject.

    Args:
        events: EVENTS, as a frame or Parquet path.
        index: From `index.index_events`.
        windows: Of the study file.
        concepts: Code prefixes by concept.
        subject_id: Whose cell.
        variable: Name of a clinical variable of `windows`.
    """
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
            traces.append(conform_trace(trace))
        else:
            mine = chosen[int(ends[number]) : int(ends[number + 1])]
            one_unit(mine, name, window)
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
    return trace_columns(table)


def _value(rows: pl.DataFrame, window: ClinicalWindow) -> pl.Expr:
    wanted = window.value
    if wanted == "auto":
        if rows["numeric_value"].null_count() == 0:
            wanted = "numeric"
        else:
            wanted = "text" if rows["text_value"].null_count() == 0 else "code"
    column = {"numeric": "numeric_value", "text": "text_value", "code": "code"}[wanted]
    return as_written(column) if wanted == "numeric" else pl.col(column).cast(pl.String)
