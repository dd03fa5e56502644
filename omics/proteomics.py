"""Protein abundances: log2, reference channel, median centring. Missing stays missing; zero intensity is missing.

Median centring after log2 is the usual first step of label-free and TMT data (Välikangas, Suomi and Elo, Briefings in
Bioinformatics 2018, 19:1).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from groundwork.problems import Unusable
from omics.gates import GateReport
from omics.kernels import FloatArray
from omics.numeric import check_measured, read_numeric

if TYPE_CHECKING:
    from anndata import AnnData


def read_intensities(path: Path | str) -> AnnData:
    """Read a table of protein intensities, proteins in rows and samples in columns; arguments and errors of `numeric.read_numeric`."""
    return read_numeric(path, "protein")


def check_intensities(adata: AnnData) -> GateReport:
    """Refuse samples in which no protein was quantified (`empty-sample`) or that repeat another (`duplicate-sample`)."""
    measured = adata.copy()
    values = np.asarray(adata.X, dtype=np.float64)
    measured.X = np.where(values == 0, np.nan, values)
    return check_measured(measured, "intensities")


_HIGHEST_LOGARITHM = 64.0
"""No intensity's log2 is above this."""


def are_logarithms(values: FloatArray) -> bool:
    """Whether values are logarithms already, as reverse-phase arrays and ratios to a reference are: some lie below zero, none is large."""
    known = values[np.isfinite(values)]
    return bool(known.size and known.min() < 0 and known.max() < _HIGHEST_LOGARITHM)


def log_intensities(intensities: FloatArray) -> FloatArray:
    """log2 of samples x proteins intensities; zeros, which say `not quantified`, become NaN.

    Raises:
        Unusable: `negative-intensity` when values lie below zero: they are logarithms already, or background corrected.
    """
    values = np.asarray(intensities, dtype=np.float64)
    below = int((values < 0).sum())
    if below:
        raise Unusable(
            "negative-intensity", f"{below} intensities lie below zero.", "Give raw intensities, or skip the logarithm."
        )
    return np.asarray(np.log2(np.where(values > 0, values, np.nan)))


def to_reference(values: FloatArray, plex: Sequence[str], is_reference: Sequence[bool]) -> FloatArray:
    """Subtract, within each plex, the mean of its reference channels (log values); references are kept in the result.

    Raises:
        Unusable: `no-reference` when a plex has none.
    """
    x = np.asarray(values, dtype=np.float64)
    out = np.full_like(x, np.nan)
    plexes = np.asarray(plex, dtype=str)
    reference = np.asarray(is_reference, dtype=bool)
    for name in sorted(set(plexes.tolist())):
        rows = plexes == name
        if not (rows & reference).any():
            raise Unusable("no-reference", "A plex has no reference channel.", "Name its reference, or leave the plex out.")
        known = x[rows & reference]
        count = np.isfinite(known).sum(axis=0)
        mean = np.divide(np.nansum(known, axis=0), count, out=np.full(x.shape[1], np.nan), where=count > 0)
        out[rows] = x[rows] - mean
    return out


def median_centre(values: FloatArray, target: float | None = None) -> FloatArray:
    """Move each sample so that its median is `target`; without one, zero.

    Each sample is moved by its own median: later samples change no earlier row.

    Raises:
        Unusable: `empty-sample` when a sample has no value.
    """
    x = np.asarray(values, dtype=np.float64)
    empty = int((~np.isfinite(x).any(axis=1)).sum())
    if empty:
        raise Unusable("empty-sample", f"{empty} samples have no protein quantified.", "Leave them out.")
    return np.asarray(x - np.nanmedian(x, axis=1, keepdims=True) + (0.0 if target is None else target))
