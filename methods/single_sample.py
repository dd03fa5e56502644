"""Scores of sets of genes in one sample, from that sample's values alone: ssGSEA and ULM; and its likeness to given profiles.

Sources: Barbie et al., Nature 2009, 462:108 (ssGSEA), as Bioconductor's GSVA 1.46 computes it; Badia-i-Mompel et al., Bioinformatics
Advances 2022, 2:vbac016 (the univariate linear model of decoupleR 2.4). GSVA divides by the range over all samples and sets, so that
a new sample would change every earlier score; here a score is divided by the number of genes, a constant of the frozen model.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from unibase.methods.compiled.exact import FloatArray

WEIGHT = 0.25
"""Exponent of the ranks, as Barbie and GSVA have it."""


def ssgsea(values: FloatArray, members: NDArray[np.bool_]) -> FloatArray:
    r"""Return the enrichment of each set in each sample: GSVA's `ssgsea` without its last step, over the number of genes.

    Ranks are averages over ties, cut to whole numbers, and equal ranks stand in the order of the columns, both as GSVA does.

    Args:
        values: (samples, genes); only their order within a sample counts.
        members: (sets, genes), whether a gene is in a set; no set is empty or has all genes.

    Returns:
        (samples, sets), between -1 and 1.

    >>> ssgsea(np.array([[3.0, 2.0, 1.0, 0.0]]), np.array([[True, False, False, False], [False, False, False, True]])).tolist()
    [[0.5, -0.5]]
    """
    from scipy.stats import rankdata  # takes a second to import, and most runs score no sets

    sets = csr_array(members.astype(np.float64))
    genes = values.shape[1]
    sizes = members.sum(axis=1)
    scores = np.empty((len(values), len(members)))
    for row, sample in enumerate(np.asarray(values, dtype=np.float64)):
        ranks = np.floor(rankdata(sample))
        from_end = np.empty(genes)
        from_end[np.argsort(-ranks, kind="stable")] = np.arange(genes, 0, -1)
        weights = ranks**WEIGHT
        inside = sets @ (weights * from_end) / (sets @ weights)
        outside = (genes * (genes + 1) / 2 - sets @ from_end) / (genes - sizes)
        scores[row] = (inside - outside) / genes
    return scores


def ulm(values: FloatArray, members: NDArray[np.bool_]) -> FloatArray:
    r"""Return the t value of the slope of a sample's values on membership in each set, as decoupleR's `run_ulm` without centring.

    Args:
        values: (samples, genes).
        members: (sets, genes), whether a gene is in a set; no set is empty or has all genes.

    Returns:
        (samples, sets); NaN where a sample's values are all one.

    >>> ulm(np.array([[1.0, 3.0, 0.0, 1.0]]), np.array([[True, True, False, False]])).round(6).tolist()
    [[1.341641]]
    """
    sets = csr_array(members.astype(np.float64))
    genes = values.shape[1]
    sizes = members.sum(axis=1).astype(np.float64)
    spread = sizes - sizes**2 / genes
    scores = np.empty((len(values), len(members)))
    for row, sample in enumerate(np.asarray(values, dtype=np.float64)):
        centred = sample - sample.mean()
        slope = sets @ centred / spread
        rest = (centred**2).sum() - slope**2 * spread
        with np.errstate(divide="ignore", invalid="ignore"):
            scores[row] = slope / np.sqrt(rest / (genes - 2) / spread)
    return scores


def likeness(values: FloatArray, profiles: FloatArray) -> FloatArray:
    """Return Spearman's correlation of samples with profiles of the same genes.

    Args:
        values: (samples, genes).
        profiles: (profiles, genes).

    Returns:
        (samples, profiles); NaN where all values of one are equal.

    >>> likeness(np.array([[1.0, 5.0, 9.0]]), np.array([[2.0, 3.0, 4.0], [1.0, 0.0, -1.0]])).round(6).tolist()
    [[1.0, -1.0]]
    """
    from scipy.stats import rankdata  # as above

    ranks = [rankdata(np.asarray(rows, dtype=np.float64), axis=1) for rows in (values, profiles)]
    centred = [rows - rows.mean(axis=1, keepdims=True) for rows in ranks]
    with np.errstate(divide="ignore", invalid="ignore"):
        left, right = (rows / np.sqrt((rows**2).sum(axis=1, keepdims=True)) for rows in centred)
    # One sample after the other: the last bits of a product of matrices depend on how many there are.
    return np.array([right @ sample for sample in left]).reshape(len(left), len(right))
