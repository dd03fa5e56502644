"""Copy number by gene, as GISTIC and cBioPortal give it: calls from -2 (deep loss) to 2 (amplification), log2 ratios, or copies.

Calls are no ratios: as features they are named `TP53:call`, so that no column holds both. What a gene's row lacks is missing.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl

from unibase.groundwork.problems import Unusable
from unibase.methods.compiled.exact import FloatArray
from unibase.omics import genes as gene_names
from unibase.omics.readers.numeric_tables import Reading
from unibase.omics.readers.segments import LOWEST_COPIES
from unibase.omics.readers.tabular import Table, read_table
from unibase.omics.reasons import NOT_A_SEG, REPEATED_GENE
from unibase.omics.recognise.layout import understand
from unibase.omics.recognise.matrix import Matrix
from unibase.omics.recognise.names import plain

if TYPE_CHECKING:
    from anndata import AnnData

CALL = ":call"
"""End of the name of a feature that holds a call."""
_PLACES = ("start", "locstart", "startpos", "startbp", "startposition", "segmentstart")
_CALLS = (-2.0, -1.5, -1.0, 0.0, 1.0, 2.0)
"""Deep loss, its uncertain form in cBioPortal, loss, none, gain, amplification."""


def by_gene(path: Path) -> Table | None:
    """Return a table of copy number that has genes in place of positions; None for segments.

    Args:
        path: The file.
    """
    table = read_table(path)
    if is_gene_level(table):
        return _of_one_sample(table)
    titles = {plain(title) for title in table.titles}
    if titles & set(_PLACES) or not titles & {
        "genesymbol",
        "hugosymbol",
        "gene",
        "genes",
        "symbol",
        "chromosomearm",
        "geneid",
        "genename",
    }:
        return None
    return table


_OF_GENES = ("geneid", "copynumber")


def is_gene_level(table: Table) -> bool:
    """Whether a table is GDC's of one sample: the copies of each gene beside its place.

    Args:
        table: As `read_table` gives it.
    """
    return {*_OF_GENES, "mincopynumber", "maxcopynumber"} <= {plain(title) for title in table.titles}


def _of_one_sample(table: Table) -> Table:
    """Return genes and copies alone of GDC's table of one sample."""
    titles = [plain(title) for title in table.titles]
    places = [titles.index(name) for name in _OF_GENES]
    columns = [pl.col(f"c{at}").alias(f"c{i}") for i, at in enumerate(places)]
    return replace(table, titles=_COPIES, frame=table.frame.select(columns))


_COPIES = ("gene_id", "copy_number")


def read_gene_copies(table: Table, reading: Reading | None = None, sample: str | None = None) -> AnnData:
    """Read copy number by gene, or GISTIC's by arm.

    Args:
        table: As `by_gene` gives it.
        reading: What the study file says of it; `unit` may be `calls`, `log2 ratio` or `absolute copies`.
        sample: Name of the only sample, where the file's name says it.

    Returns:
        Samples x features, float64, missing NaN: log2 ratios named by gene (`TP53`) or arm (`17p`), calls named `TP53:call`.
        `uns["evidence"]` says how it was understood.

    Raises:
        Unusable: `not-a-seg` when nothing tells calls from copies; `repeated-gene`; as `layout.understand`.
    """
    import anndata

    reading = reading or Reading()
    arms = plain(table.titles[0]) == "chromosomearm"
    matrix = understand(table, "gene", "features-in-rows" if arms else reading.orientation, sample)
    names = matrix.features if arms else _symbols(matrix)
    unit = reading.unit or ("absolute copies" if table.titles == _COPIES else _unit(matrix.values))
    values = np.where(np.isneginf(matrix.values), np.log2(LOWEST_COPIES / 2), matrix.values)
    if np.isinf(values).any():
        raise Unusable(NOT_A_SEG, "A value is infinite.", "Correct it; missing values are written NA.")
    if unit == "absolute copies":
        values = np.log2(np.maximum(values, LOWEST_COPIES) / 2)
    if unit == "calls" and not np.isin(values[np.isfinite(values)], _CALLS).all():
        raise Unusable(NOT_A_SEG, "Calls of copy number are -2, -1, 0, 1 and 2.", "Say the unit that the values are of.")
    features = [f"{name}{CALL}" for name in names] if unit == "calls" else list(names)
    adata = anndata.AnnData(
        X=values,
        obs=pd.DataFrame({"sample": matrix.samples}, index=pd.Index(matrix.samples, dtype=object)),
        var=pd.DataFrame({"symbol": features}, index=pd.Index(features, dtype=object)),
    )
    what = "arm" if arms else "gene"
    adata.uns["evidence"] = [
        f"copy number by {what}",
        *matrix.evidence,
        f"unit: {unit}" + (", as the study file says" if reading.unit else ""),
    ]
    return adata


def _symbols(matrix: Matrix) -> list[str]:
    """Return approved symbols; a name stays as it is where two would become one."""
    told = gene_names.symbols(matrix.features)
    twice = {name for name in told if told.count(name) > 1} if len(set(told)) < len(told) else set()
    names = [source if name in twice or not name else name for name, source in zip(told, matrix.features, strict=True)]
    if len(set(names)) < len(names):
        raise Unusable(REPEATED_GENE, "A gene is listed twice.", "Keep one row a gene.")
    return names


def _unit(values: FloatArray) -> str:
    """Return what copy numbers of genes are.

    Raises:
        Unusable: `not-a-seg` when they are none of the three, or may be two.
    """
    known = values[np.isfinite(values)]
    if not known.size:
        raise Unusable(NOT_A_SEG, "No gene has a value.", "Give the table with its values.")
    calls = bool(np.isin(known, _CALLS).all())
    if calls and known.min() < 0:
        return "calls"
    whole = bool((known == np.rint(known)).all())
    if not calls and whole and known.min() >= 0 and np.median(known) >= 1 and known.max() > 2:
        return "absolute copies"
    if not whole and known.min() < 0 and np.abs(np.nanmedian(values, axis=1)).max() < 1.0:
        return "log2 ratio"
    raise Unusable(
        NOT_A_SEG,
        "Nothing tells whether the values of the genes are calls (-2 to 2), copies or log2 ratios.",
        "Say unit: calls, absolute copies or log2 ratio in the study file.",
    )
