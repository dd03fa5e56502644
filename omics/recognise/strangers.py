"""Columns of numbers that are no sample though no title says so: sums of the others, and what follows no sample's profile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.omics.reasons import STRANGE_COLUMN
from unibase.omics.recognise.matrix import Matrix
from unibase.omics.recognise.names import Feature

_ALIKE, _STRANGE = 0.5, 0.15
"""Correlation with the median profile: what samples have (the median of them at least), and what is none."""
_FEATURES = 5000


def strangers(matrix: Matrix, feature: Feature) -> Matrix:
    """Leave out columns of a `matrix` that are the sum or the mean of all others.

    One with a sample whose profile no other follows is refused, where the `feature` is a gene.

    Raises:
        Unusable: `strange-column`, with its place.
    """
    values = matrix.values
    if len(matrix.samples) < 3 or values.shape[1] < 10:
        return matrix
    total = np.nansum(values, axis=0)
    with np.errstate(invalid="ignore"):
        close = 1e-6 * np.maximum(np.abs(total), 1e-12)
        sums = (np.abs(2 * values - total) <= close).all(axis=1)
        means = (np.abs(values - (total - values) / (len(values) - 1)) <= close).all(axis=1)
    none = (sums | means) & (total > 0).any() & (np.nanstd(values, axis=1) > 0)
    if none.sum() == 1:
        keep = np.flatnonzero(~none)
        said = "1 column that is the sum or mean of the others left out"
        matrix = replace(
            matrix, samples=[matrix.samples[i] for i in keep], values=values[keep], evidence=(*matrix.evidence, said)
        )
    if feature == "gene" and len(matrix.samples) >= 4:
        _refuse_strange(matrix)
    return matrix


def _refuse_strange(matrix: Matrix) -> None:
    step = max(1, matrix.values.shape[1] // _FEATURES)
    some = matrix.values[:, ::step]
    if (some < 0).any() or some.shape[1] < 100:
        return
    logs = np.log1p(np.nan_to_num(some))
    profile = np.median(logs, axis=0)
    if profile.std() == 0:
        return
    spread = logs.std(axis=1)
    like = np.array([np.corrcoef(row, profile)[0, 1] if s > 0 else np.nan for row, s in zip(logs, spread, strict=True)])
    strange = np.flatnonzero(like < _STRANGE)
    if strange.size and np.nanmedian(like) >= _ALIKE:
        raise Unusable(
            STRANGE_COLUMN,
            f"Value column {strange[0] + 1} of the matrix follows no other sample ({strange.size} such columns): it is no sample, "
            "or its rows are in another order.",
            "Take it out of the table, or count the sample again.",
        )
