"""Tables of real numbers: beta values, protein intensities."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from unibase.groundwork.problems import Unusable, UserError
from unibase.groundwork.reasons import EMPTY_SAMPLE, NOT_A_NUMBER, REPEATED_SAMPLE, Reason
from unibase.omics.assays.gates import GateReport, Kind, Refusal
from unibase.omics.options import Orientation, SampleFrom, Unit
from unibase.omics.readers.counts import frame_of
from unibase.omics.readers.olink import is_long_npx, matrix_of_npx
from unibase.omics.readers.olink_wide import is_wide_npx, matrix_of_wide_npx
from unibase.omics.readers.tabular import Table, read_table
from unibase.omics.reasons import DUPLICATE_SAMPLE, REPEATED_GENE, REPEATED_PROBE, REPEATED_PROTEIN
from unibase.omics.recognise.layout import bare_name, understand
from unibase.omics.recognise.matrix import Matrix
from unibase.omics.recognise.names import Feature
from unibase.omics.stores.store import column_parts

if TYPE_CHECKING:
    from anndata import AnnData


_REPEATED: Mapping[Feature, Reason] = {"gene": REPEATED_GENE, "probe": REPEATED_PROBE, "protein": REPEATED_PROTEIN}


@dataclass(frozen=True)
class Reading:
    """What a study file says of a table, which else is recognised.

    Attributes:
        orientation: Which way it lies.
        unit: What its numbers are.
        sample_from: `file name`: it holds one sample, named by the file.
    """

    orientation: Orientation = "auto"
    unit: Unit | None = None
    sample_from: SampleFrom | None = None


def read_numeric(path: Path | str, feature: Feature, reading: Reading | None = None) -> AnnData:
    """Read a table of real numbers: features on one side, samples on the other (every form that `tabular` reads).

    Args:
        path: The file.
        feature: What the features are, for recognition and for messages.
        reading: What the study file says of it.

    Returns:
        AnnData, samples x features, float64; missing values are NaN. `uns["evidence"]` says how the table was understood, `uns["titled"]`
        the unit where a title says it.

    Raises:
        Unusable: `truncated-file`; `not-a-number` when a cell is text; `repeated-<feature>`; `repeated-sample`; as `layout.understand`.
        UserError: If there is nothing at `path`.
    """
    path, reading = Path(path), reading or Reading()
    if not path.exists():
        raise UserError(f"There is no matrix at {path}. Check the path in the study file.")
    table = _without_marked(read_table(path))
    npx = _npx(table) if feature == "protein" else None
    matrix = npx or understand(table, feature, reading.orientation, path.name.split(".")[0] if reading.sample_from else None)
    matrix = _finite(matrix, feature)
    samples = [bare_name(name) for name in matrix.samples] if feature == "protein" else matrix.samples
    adata = _built(samples, matrix, feature)
    written = [f"table written with {', '.join(table.traits)}"] if table.traits else []
    adata.uns["evidence"] = [*written, *matrix.evidence]
    if npx:
        adata.uns["titled"] = "NPX"
    return adata


def _finite(matrix: Matrix, feature: Feature) -> Matrix:
    """Return a matrix in which logarithms of no protein (-Inf) are missing.

    Raises:
        Unusable: `not-a-number` for any other value without an end.
    """
    endless = np.isinf(matrix.values)
    if not endless.any():
        return matrix
    if feature != "protein" or (matrix.values[endless] > 0).any():
        raise Unusable(
            NOT_A_NUMBER,
            f"{int(endless.sum())} values of the matrix are infinite.",
            "Correct them; missing values are written NA.",
        )
    said = f"{int(endless.sum())} values of -Inf are missing: logarithms of nothing"
    return replace(matrix, values=np.where(endless, np.nan, matrix.values), evidence=(*matrix.evidence, said))


def _npx(table: Table) -> Matrix | None:
    """Return Olink's NPX where a table is an export of its software; else None."""
    if is_long_npx(table):
        return matrix_of_npx(table)
    return matrix_of_wide_npx(table) if is_wide_npx(table) else None


def _built(samples: list[str], matrix: Matrix, feature: Feature) -> AnnData:
    """Return a matrix whose samples and features have names of their own."""
    import anndata

    names = matrix.features
    if len(set(names)) < len(names):
        raise Unusable(_REPEATED[feature], f"A {feature} is listed twice.", f"Keep one row per {feature}.")
    if len(set(samples)) < len(samples):
        raise Unusable(REPEATED_SAMPLE, "Two columns have one name.", "Give each sample a name of its own.")
    return anndata.AnnData(
        X=matrix.values,
        obs=pd.DataFrame({"sample": samples}, index=pd.Index(samples, dtype=object)),
        var=pd.DataFrame({"symbol": names}, index=pd.Index(names, name=feature, dtype=object)),
    )


def _without_marked(table: Table) -> Table:
    """Leave out what MaxQuant marks with + as reversed, contaminant or identified by site alone."""
    marked = np.zeros(table.frame.height, bool)
    for title in ("Reverse", "Potential contaminant", "Only identified by site", "Contaminant"):
        if title in table.titles:
            marked |= np.array([cell == "+" for cell in table.texts(table.titles.index(title))])
    return table.without(marked) if marked.any() else table


def check_measured(adata: AnnData, kind: Kind, failed: Mapping[str, Refusal] | None = None) -> GateReport:
    """Refuse samples without any value (`empty-sample`), those in `failed`, and those that repeat another (`duplicate-sample`).

    Of two equal samples the one that is first by name stays.

    Args:
        adata, kind: Samples x features, and what they are, for the report.
        failed: Samples that are refused for another reason.
    """
    refused: dict[str, Refusal] = {}
    seen: set[bytes] = set()
    measured, marks = _rows_of(adata)
    for name, some, mark in sorted(zip(map(str, adata.obs_names), measured, marks, strict=True)):
        if not some:
            refused[name] = Refusal(name, EMPTY_SAMPLE, "The sample has no value at all.", "Measure it again.")
        elif failed and name in failed:
            refused[name] = failed[name]
        elif mark in seen:
            refused[name] = Refusal(
                name, DUPLICATE_SAMPLE, "Its values are the same as another sample's.", "Find out which of them is right."
            )
        else:
            seen.add(mark)
    kept = tuple(str(name) for name in adata.obs_names if str(name) not in refused)
    return GateReport(kind, kept, tuple(refused[name] for name in sorted(refused)))


def _rows_of(adata: AnnData) -> tuple[list[bool], list[bytes]]:
    """Return whether each row has a value, and a digest of its values."""
    measured = np.zeros(adata.n_obs, dtype=bool)
    digests = [hashlib.blake2b(digest_size=32) for _ in range(adata.n_obs)]
    for columns in column_parts(adata):
        block = np.ascontiguousarray(adata[:, columns].X, dtype=np.float64)
        measured |= np.isfinite(block).any(axis=1)
        for digest, row in zip(digests, block, strict=True):
            digest.update(row)
    return measured.tolist(), [digest.digest() for digest in digests]


def check_named(adata: AnnData) -> GateReport:
    """Refuse samples without any value, and those whose name comes twice: nobody can tell which is which.

    Two samples may be equal: of a few genes most have no change.

    Args:
        adata: Samples x features.
    """
    names = [str(name) for name in adata.obs_names]
    known = [bool(np.isfinite(row).any()) for row in np.asarray(adata.X, dtype=np.float64)]
    refused = {
        name: Refusal(name, EMPTY_SAMPLE, "The sample has no value at all.", "Measure it again.")
        for name, some in zip(names, known, strict=True)
        if not some
    }
    if len(set(names)) < len(names):
        raise Unusable(REPEATED_SAMPLE, "Two columns have one name.", "Give each sample a name of its own.")
    return GateReport("ratios", tuple(n for n in names if n not in refused), tuple(refused[name] for name in sorted(refused)))


def together(parts: Sequence[AnnData], *, shared: bool) -> AnnData:
    """Put matrices of several centres one below the other, samples and features ordered by name; no value is changed.

    Args:
        parts: Samples x features.
        shared: Keep only the features that all have; else what a matrix lacks is NaN in its samples.
    """
    import anndata

    joined = anndata.concat(list(parts), join="inner" if shared else "outer", fill_value=np.nan)
    described = pd.concat([frame_of(part.var) for part in parts], join="inner").groupby(level=0).first()
    joined.var = described.reindex(joined.var_names)
    order = np.argsort(np.asarray(joined.obs_names, dtype=str), kind="stable")
    columns = np.argsort(np.asarray(joined.var_names, dtype=str), kind="stable")
    return joined[order][:, columns].copy()
