"""Batches and groups of plain files: two-column tables of samples, and counts or values corrected with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from unibase.groundwork.problems import UserError
from unibase.methods.compiled.exact import AnyArray
from unibase.omics.options import Method

if TYPE_CHECKING:
    from anndata import AnnData

BatchMethod = Literal["combat", "combat-seq"]
"""`combat`: on values, after normalisation. `combat-seq`: on counts, before it."""
NO_LOGARITHMS: tuple[Method, ...] = ("cpm", "tpm")
"""Methods whose values ComBat's normal model does not fit."""


def read_labels(path: Path | str, column: str) -> dict[str, str]:
    """Read a table (CSV, TSV) with the columns `sample` and `column`.

    Args:
        path: The table.
        column: What is read beside `sample`: `batch`, `group`.

    Returns:
        Label by sample.

    Raises:
        UserError: If the table is absent or no table, lacks a column, has an empty cell, or names a sample twice;
            with file, row and remedy.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no table at {path}. It needs the columns sample and {column}.")
    try:
        with path.open(encoding="utf-8-sig") as file:
            header = file.readline()
        frame = pl.read_csv(path, separator=max("\t,;", key=header.count), infer_schema_length=0)
    except (UnicodeDecodeError, pl.exceptions.PolarsError):
        raise UserError(f"{path} cannot be read as a table. Give CSV or TSV with the columns sample and {column}.") from None
    missing = [name for name in ("sample", column) if name not in frame.columns]
    if missing:
        raise UserError(f"{path} lacks the column {', '.join(missing)}. It needs sample and {column}.")
    labels: dict[str, str] = {}
    for row, (sample, label) in enumerate(frame.select("sample", column).iter_rows(), start=1):
        if not sample or not label:
            raise UserError(f"Row {row} of {path} has no sample or no {column}. Fill it in, or remove the row.")
        if sample in labels:
            raise UserError(f"Row {row} of {path} lists {sample} a second time. Keep one row per sample.")
        labels[sample] = label
    return labels


def labels_of(samples: Sequence[str], labels: Mapping[str, str], column: str) -> list[str]:
    """Return the label of each of the `samples` by `labels`, which may know further samples; `column` names it in messages.

    Raises:
        UserError: If a sample has none; names the first.

    >>> labels_of(["s2", "s1"], {"s1": "a", "s2": "b", "s3": "b"}, "batch")
    ['b', 'a']
    """
    without = [name for name in samples if name not in labels]
    if without:
        raise UserError(
            f"{len(without)} of {len(samples)} samples have no {column}, {without[0]} the first. "
            f"Add them to the table of the {column}, or leave them out of the matrix."
        )
    return [labels[name] for name in samples]


def correct_counts(adata: AnnData, batch: Sequence[str], group: Sequence[str] | None) -> AnnData:
    """Return `adata`, whole counts, corrected by ComBat-seq for the `batch` of each sample; the effect of `group` is kept.

    Raises:
        UserError: When a batch has one sample; names it.
        Unusable: As `combat_seq.combat_seq` says.
    """
    from unibase.methods.combat_seq import combat_seq

    out = adata.copy()
    out.X = _in_order(adata, batch, group, lambda x, b, g: combat_seq(x, b, g), np.asarray(adata.X))
    out.uns["batch_correction"] = asdict(_said("combat-seq", batch, group))
    return out


def correct_values(adata: AnnData, method: Method, batch: Sequence[str], group: Sequence[str] | None) -> AnnData:
    """Return `adata`, on a log scale, corrected by ComBat for the `batch` of each sample; the effect of `group` is kept.

    Raises:
        UserError: When a batch has one sample, or `method` gives no logarithms, and as `combat.fit_combat` says.
    """
    from unibase.methods.combat import combat

    if method in NO_LOGARITHMS:
        raise UserError(f"ComBat needs values on a log scale, and {method} is not. Choose logcpm or tmm, or combat-seq.")
    out = adata.copy()
    values = np.asarray(adata.X, dtype=np.float64)
    out.X = _in_order(adata, batch, group, lambda x, b, g: combat(x, b, {"group": g} if g else None), values)
    out.uns["batch_correction"] = asdict(_said("combat", batch, group))
    return out


type _Correct = Callable[[AnyArray, list[str], list[str] | None], AnyArray]


def _in_order(adata: AnnData, batch: Sequence[str], group: Sequence[str] | None, correct: _Correct, x: AnyArray) -> AnyArray:
    """Correct with the samples in order of their names, so that the order of a file changes no bit."""
    if len(set(batch)) < 2:
        raise UserError("All samples are of one batch: there is nothing to correct. Leave --batches out.")
    single = sorted(name for name, size in Counter(batch).items() if size == 1)
    if single:
        raise UserError(
            f"The batch {single[0]} has one sample only ({len(single)} such batches): nothing can be learned of it. "
            "Merge it with a like batch, or leave the sample out."
        )
    order = np.argsort(np.asarray(adata.obs_names, dtype=str), kind="stable")
    groups = None if group is None else [group[i] for i in order]
    corrected = correct(x[order], [batch[i] for i in order], groups)
    out = np.empty_like(corrected)
    out[order] = corrected
    return out


@dataclass(frozen=True)
class _Said:
    """What a matrix says of the batches that were removed from it."""

    method: BatchMethod
    batches: list[str]
    groups_kept: list[str]


def _said(method: BatchMethod, batch: Sequence[str], group: Sequence[str] | None) -> _Said:
    return _Said(method, sorted(set(batch)), sorted(set(group)) if group else [])
