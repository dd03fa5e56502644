"""Counts per million, and transcripts per million."""

from __future__ import annotations

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.methods.compiled.exact import AnyArray, FloatArray
from unibase.omics.reasons import NO_GENE_LENGTH


def cpm(counts: AnyArray, effective_size: FloatArray) -> FloatArray:
    """Counts per million of samples x genes `counts`; `effective_size` is the effective library size of each sample.

    >>> cpm(np.array([[1, 3]]), np.array([4.0])).tolist()
    [[250000.0, 750000.0]]
    """
    return np.asarray(np.asarray(counts, dtype=np.float64) * (1e6 / effective_size[:, None]))


def tpm(counts: AnyArray, lengths: FloatArray) -> FloatArray:
    """Transcripts per million (Wagner et al., Theory in Biosciences 2012), from counts and gene lengths in bases.

    Raises:
        Unusable: `no-gene-length` when a gene has no positive length.

    >>> tpm(np.array([[10, 10]]), np.array([1000.0, 3000.0])).tolist()
    [[750000.0, 250000.0]]
    """
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise Unusable(NO_GENE_LENGTH, "Some genes have no positive length.", "Give var['length'] in bases for every gene.")
    rate = np.asarray(counts, dtype=np.float64) / lengths
    return np.asarray(rate / rate.sum(axis=1, keepdims=True) * 1e6)
