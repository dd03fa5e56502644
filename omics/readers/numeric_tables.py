"""Tables of real numbers, features in rows and samples in columns: beta values, protein intensities."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl

from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.assays.gates import GateReport, Kind, Refusal
from unibase.omics.readers.counts import frame_of

if TYPE_CHECKING:
    from anndata import AnnData

_MISSING = ["NA", "", "NaN", "nan", "null"]


def read_numeric(path: Path | str, feature: str) -> AnnData:
    """Read a table whose first column names features and whose others are samples (CSV, TSV; gzip; Parquet).

    Args:
        path: The file.
        feature: What a row is (`probe`, `protein`), for the index and for messages.

    Returns:
        AnnData, samples x features, float64; missing values are NaN.

    Raises:
        Unusable: `truncated-file`; `not-numbers` when a cell is text; `repeated-<feature>`; `repeated-sample`.
        UserError: If there is nothing at `path`.
    """
    import anndata

    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no matrix at {path}. Check the path in the study file.")
    frame, samples = _table(path)
    try:
        columns = [pl.col(name).cast(pl.Float64()) for name in frame.columns[1:]]
        values = frame.select(columns).to_numpy().T
    except pl.exceptions.InvalidOperationError:
        raise Unusable("not-numbers", "A cell of the matrix is no number.", "Leave missing values empty or write NA.") from None
    names = frame.to_series(0).cast(pl.String()).to_list()
    if len(set(names)) < len(names):
        raise Unusable(f"repeated-{feature}", f"A {feature} is listed twice.", f"Keep one row per {feature}.")
    if len(set(samples)) < len(samples):
        raise Unusable("repeated-sample", "Two columns have one name.", "Give each sample a name of its own.")
    return anndata.AnnData(
        X=np.ascontiguousarray(values, dtype=np.float64),
        obs=pd.DataFrame({"sample": samples}, index=pd.Index(samples, dtype=object)),
        var=pd.DataFrame({"symbol": names}, index=pd.Index(names, name=feature, dtype=object)),
    )


def check_measured(adata: AnnData, kind: Kind, failed: Mapping[str, Refusal] | None = None) -> GateReport:
    """Refuse samples without any value (`empty-sample`), those in `failed`, and those that repeat another (`duplicate-sample`).

    Of two equal samples the one that is first by name stays.
    """
    values = np.asarray(adata.X, dtype=np.float64)
    refused: dict[str, Refusal] = {}
    seen: set[bytes] = set()
    for name, row in sorted(zip(map(str, adata.obs_names), values, strict=True), key=lambda item: item[0]):
        if not np.isfinite(row).any():
            refused[name] = Refusal(name, "empty-sample", "The sample has no value at all.", "Measure it again.")
        elif failed and name in failed:
            refused[name] = failed[name]
        elif row.tobytes() in seen:
            refused[name] = Refusal(
                name, "duplicate-sample", "Its values are the same as another sample's.", "Find out which of them is right."
            )
        else:
            seen.add(row.tobytes())
    kept = tuple(str(name) for name in adata.obs_names if str(name) not in refused)
    return GateReport(kind, kept, tuple(refused[name] for name in sorted(refused)))


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


def _table(path: Path) -> tuple[pl.DataFrame, list[str]]:
    """Return the table and the names of its sample columns as the file writes them."""
    try:
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path)
            return frame, frame.columns[1:]
        with gzip.open(path, "rt", encoding="utf-8-sig") if path.suffix == ".gz" else path.open(encoding="utf-8-sig") as file:
            header = file.readline().rstrip("\r\n")
        separator = max("\t,;", key=header.count)
        titles = [title.strip().strip('"') for title in header.split(separator)]
        frame = pl.read_csv(path, separator=separator, null_values=_MISSING, infer_schema_length=None)
    except (OSError, EOFError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        raise Unusable(
            "truncated-file", f"The matrix cannot be read to its end ({type(error).__name__}).", "Copy it again."
        ) from None
    # R leaves out the title of the row names.
    return frame, titles[1:] if len(titles) == frame.width else titles
