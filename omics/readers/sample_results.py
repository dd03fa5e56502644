"""Tables of results that others computed of samples (MSI, HLA, fractions of cells and the like): known columns, checked cell by cell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import NOT_A_NUMBER, REPEATED_SAMPLE
from unibase.omics.readers.tabular import Table, read_table
from unibase.omics.reasons import IMPOSSIBLE_RESULT, NO_SAMPLE_NAMES, NOT_RECOGNISED, UNKNOWN_WORD
from unibase.omics.recognise.names import plain
from unibase.omics.recognise.result_words import (
    BESIDE,
    CIBERSORT,
    COLUMNS,
    MISSING,
    QUANTISEQ,
    SAMPLE_TITLES,
    Known,
    allele_of,
    locus_of,
)

if TYPE_CHECKING:
    from anndata import AnnData

type Numbers = list[float]
UNIT = "unit: results of others: numbers as they are, 1 and 0 for categories, number of copies for HLA alleles"
HLA = "HLA-"
"""How the names of alleles begin."""
_LEAST_CELLS = 8
"""Fewest titles of a tool by which its fractions of cells are told."""


def read_results(path: Path, named: str | None = None) -> AnnData:
    """Read a table with a row a sample, and in each column a result that is known by its title.

    Numbers keep their value. Of a category each class is a feature (`MSI:MSI-H`), 1 or 0. Of HLA each allele is one, to two fields
    (`HLA-A*02:01`), with the number of copies; where one of the two is missing, the locus is.

    Args:
        path: A table of text, a workbook, Parquet.
        named: Name of the only sample, where the file has no column of samples.

    Raises:
        Unusable: `no-sample-names`, `repeated-sample`, `not-recognised` (a column, by its place), `not-a-number`, `unknown-word`,
            `impossible-result` (percent in place of shares, CIBERSORT's absolute mode).
    """
    import anndata

    table = read_table(path)
    at, samples = _samples(table, named)
    features: dict[str, Numbers] = {}
    alleles: dict[str, list[int]] = {}
    unknown = []
    of_cells = _of_cells(table)
    for column, title in enumerate(table.titles):
        if column == at or plain(title) in BESIDE or (not title and _counts_rows(table, column)):
            continue
        if (locus := locus_of(title)) is not None:
            alleles.setdefault(locus, []).append(column)
        elif (known := COLUMNS.get(plain(title)) or of_cells.get(plain(title))) is not None:
            _add(features, known, _features(table, column, known))
        else:
            unknown.append(column + 1)
    if unknown or not (features or alleles):
        raise Unusable(
            NOT_RECOGNISED,
            f"Columns {', '.join(map(str, unknown[:5]))} of the table hold no result that is known by its title.",
            "Give results of the kinds that the page of omics lists, titled as there; leave other columns out.",
        )
    _check_wholes(table, of_cells)
    for locus, columns in alleles.items():
        features |= _copies(table, locus, columns)
    names = sorted(features)
    values = np.array([features[name] for name in names], dtype=np.float64).T.reshape(len(samples), len(names))
    var = pd.DataFrame({"symbol": np.array(names, dtype=object)}, index=pd.Index(names, dtype=object))
    return anndata.AnnData(X=values, obs=pd.DataFrame(index=pd.Index(samples, dtype=object)), var=var)


def results_together(joined: AnnData) -> AnnData:
    """Return samples of several files in which an allele that none of a file has is 0 where the sample's locus is typed.

    Args:
        joined: Samples x features of all; missing where a file lacks the column.
    """
    values = np.asarray(joined.X, dtype=np.float64)
    loci = np.array([str(name).partition("*")[0] if str(name).startswith(HLA) else "" for name in joined.var_names])
    for locus in sorted({name for name in loci.tolist() if name}):
        mine = np.flatnonzero(loci == locus)
        block = values[:, mine]
        typed = np.isfinite(block).any(axis=1, keepdims=True)
        values[:, mine] = np.where(typed & np.isnan(block), 0.0, block)
    joined.X = values
    return joined


def _samples(table: Table, named: str | None) -> tuple[int | None, list[str]]:
    found = [i for i, title in enumerate(table.titles) if plain(title) in SAMPLE_TITLES]
    if not found and named is None:
        raise Unusable(
            NO_SAMPLE_NAMES, NO_SAMPLE_NAMES.meaning, "Title the column of samples `sample`, or say `sample_from: file name`."
        )
    if named is not None:
        if len(table.frame) != 1:
            raise Unusable(
                NO_SAMPLE_NAMES,
                f"The file is said to be one sample's, and has {len(table.frame)} rows.",
                "Title the column of samples `sample`.",
            )
        return (found[0] if found else None), [named]
    if len(found) > 1:
        raise Unusable(
            NO_SAMPLE_NAMES, f"Columns {found[0] + 1} and {found[1] + 1} both seem to name samples.", "Keep one of them."
        )
    samples = table.texts(found[0])
    if "" in samples:
        raise Unusable(NO_SAMPLE_NAMES, f"Row {samples.index('') + 1} names no sample.", "Fill it in, or take the row out.")
    if len(set(samples)) < len(samples):
        raise Unusable(REPEATED_SAMPLE, "A sample has two rows of results; nobody can tell which is right.", "Keep one of them.")
    return found[0], samples


def _counts_rows(table: Table, column: int) -> bool:
    rows = [str(number) for number in range(len(table.frame))]
    return table.texts(column) in (rows, [str(number + 1) for number in range(len(rows))])


def _of_cells(table: Table) -> Mapping[str, Known]:
    """Return the columns of the tool whose fractions of cells the table holds; some names are of two tools."""
    titles = {plain(title) for title in table.titles}
    best = max((CIBERSORT, QUANTISEQ), key=lambda tool: len(titles & set(tool)))
    return best if len(titles & set(best)) >= _LEAST_CELLS else {}


def _add(features: dict[str, Numbers], known: Known, found: dict[str, Numbers]) -> None:
    if twice := sorted(set(features) & set(found)):
        raise Unusable(NOT_RECOGNISED, f"Two columns hold the result {known.name} ({len(twice)} features).", "Keep one of them.")
    features.update(found)


def _features(table: Table, column: int, known: Known) -> dict[str, Numbers]:
    cells = table.texts(column)
    if not known.words:
        return {known.name: [_number(cell, row, column, known) for row, cell in enumerate(cells, start=1)]}
    classes = [_category(cell, row, column, known) for row, cell in enumerate(cells, start=1)]
    return {
        f"{known.name}:{name}": [math.nan if one is None else float(one == name) for one in classes]
        for name in known.categories()
    }


def _number(cell: str, row: int, column: int, known: Known) -> float:
    if plain(cell) in MISSING and not any(sign.isdigit() for sign in cell):
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        raise Unusable(
            NOT_A_NUMBER,
            f"Row {row} of column {column + 1} holds no number, though it is {known.name}.",
            "Correct the cell, or leave it empty.",
        ) from None
    if not known.low <= value <= known.high:
        share = " Percent are to be shares: divide them by 100." if known.high == 1 and 1 < value <= 100 else ""
        raise Unusable(
            IMPOSSIBLE_RESULT,
            f"Row {row} of column {column + 1} holds a number that {known.name} cannot be ({known.low:g} to {known.high:g}).",
            f"Correct the cell, or its unit.{share}",
        )
    return value


def _category(cell: str, row: int, column: int, known: Known) -> str | None:
    if plain(cell) in MISSING:
        return None
    if (found := known.words.get(plain(cell))) is None:
        raise Unusable(
            UNKNOWN_WORD,
            f"Row {row} of column {column + 1} holds a word that is no class of {known.name}.",
            f"Use {', '.join(known.categories())}, or leave it empty.",
        )
    return found


def _copies(table: Table, locus: str, columns: list[int]) -> dict[str, Numbers]:
    if len(columns) != 2:
        raise Unusable(
            NOT_RECOGNISED,
            f"HLA-{locus} has {len(columns)} columns, and a person has two alleles.",
            f"Give {locus}1 and {locus}2.",
        )
    pairs = list(zip(*(_alleles(table.texts(column), locus, column) for column in columns), strict=True))
    names = sorted({name for pair in pairs for name in pair if name})
    return {name: [math.nan if None in pair else float(pair.count(name)) for pair in pairs] for name in names}


def _alleles(cells: list[str], locus: str, column: int) -> list[str | None]:
    found = [None if plain(cell) in MISSING else allele_of(cell, locus) for cell in cells]
    for row, (cell, allele) in enumerate(zip(cells, found, strict=True), start=1):
        if allele is None and plain(cell) not in MISSING:
            raise Unusable(
                UNKNOWN_WORD,
                f"Row {row} of column {column + 1} names no allele of HLA-{locus} to two fields.",
                f"Write it as {locus}*02:01; leave it empty where the typing is of lower resolution.",
            )
    return found


def _check_wholes(table: Table, of_cells: Mapping[str, Known]) -> None:
    """Refuse fractions of cells that add up to more than a whole: CIBERSORT's absolute mode, or another unit."""
    columns = [i for i, title in enumerate(table.titles) if plain(title) in of_cells]
    of_rows = [[0.0 if plain(cell) in MISSING else float(cell) for cell in table.texts(column)] for column in columns]
    sums = np.sum(of_rows, axis=0) if columns else np.zeros(0)
    if (sums > 1.01).any():
        raise Unusable(
            IMPOSSIBLE_RESULT,
            f"The cell fractions of row {int(np.argmax(sums > 1.01)) + 1} add up to more than 1.",
            "Give relative fractions, not scores of the absolute mode.",
        )
