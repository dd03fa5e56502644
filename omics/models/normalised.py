"""Bulk RNA-seq counts to values that can be compared between samples.

`normalise` takes samples x genes counts and returns a new AnnData: X in log2 (unless the method says otherwise),
the counts in `layers["counts"]`, library sizes and factors in `obs`, and in `uns["normalisation"]` what was done.
The result does not depend on the order of the samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np

from unibase.groundwork.problems import Unusable, UserError
from unibase.methods.compiled.exact import AnyArray, FloatArray, exact_mean
from unibase.omics.compiled.log_counts import log_cpm_rows
from unibase.omics.models import learning
from unibase.omics.models.normalisation import PRIOR_COUNT, NormalisationModel
from unibase.omics.options import Method
from unibase.omics.reasons import NOT_A_MATRIX, NOT_COUNTS

if TYPE_CHECKING:
    from anndata import AnnData

METHODS: tuple[Method, ...] = get_args(Method)


def log_cpm(counts: AnyArray, effective_size: FloatArray, prior_count: float = PRIOR_COUNT) -> FloatArray:
    """log2 counts per million with a prior count in proportion to the library, as edgeR's `cpm(log=TRUE)`.

    Args:
        counts: Samples x genes.
        effective_size: Library size times factor, per sample.
        prior_count: Added to a library of mean size.

    >>> log_cpm(np.array([[0, 1_000_000]]), np.array([1e6]), prior_count=2.0).round(4).tolist()
    [[1.0, 19.9316]]
    """
    prior = effective_size / exact_mean(effective_size) * prior_count
    return np.asarray(log_cpm_rows(np.ascontiguousarray(counts), effective_size, prior))


def normalise(
    adata: AnnData, method: Method = "tmm", *, prior_count: float = PRIOR_COUNT, design: FloatArray | None = None
) -> AnnData:
    """Normalise counts: fit a model on the samples and transform them with it.

    Args:
        adata: Samples x genes with whole counts in X (`gates.check_counts(...).apply`).
        method: `tmm`, `tmmwsp`, `rle`, `upperquartile`: edgeR factors, X = log2 CPM of the effective libraries;
            `median-of-ratios`, `poscounts`: DESeq2 size factors, X = log2(count / size factor + 1);
            `cpm`: X = CPM, no log; `logcpm`: log2 CPM without factors; `tpm`: X = TPM, no log (needs var["length"]);
            `vst`, `vst-fast`: DESeq2's transformation; `voom`: limma's E, weights in layers["weights"];
            `quantile`: limma's quantile normalisation of log2(count + 1); `none`: X = log2(count + 1).
        prior_count: Prior of log2 CPM.
        design: Samples x coefficients, for voom's weights; one mean for all samples by default.

    Raises:
        Unusable: As the methods say; the counts are never changed silently.
        UserError: If there is no such method.
    """
    model = fit_model(adata, method, prior_count=prior_count)
    out = model.transform(adata)
    if method == "voom" and design is not None:
        from unibase.methods.voom import voom

        order = np.argsort(np.asarray(adata.obs_names, dtype=str), kind="stable")
        effective = (out.obs["library_size"] * out.obs["norm_factor"]).to_numpy(dtype=np.float64)[order]
        weights = np.empty(adata.shape)
        weights[order] = voom(np.asarray(adata.X)[order], effective, np.asarray(design, np.float64)[order]).weights
        out.layers["weights"] = weights
    return out


def fit_model(adata: AnnData, method: Method = "tmm", *, prior_count: float = PRIOR_COUNT) -> NormalisationModel:
    """Learn what `method` needs from the samples of `adata`; see `models` for how to keep and use it.

    `prior_count` is what the logarithms of counts per million add, in proportion to the library.

    Raises:
        UserError: If there is no such method.
        Unusable: `not-counts` when values are not whole, `not-a-matrix` when no sample or gene is left.
    """
    if method not in METHODS:
        raise UserError(f"There is no normalisation {method!r}. Choose one of: {', '.join(METHODS)}.")
    if not np.issubdtype(np.asarray(adata.X).dtype, np.integer):
        raise Unusable(
            NOT_COUNTS, "Normalisation needs whole counts.", "Run gates.check_counts and use what its apply() returns."
        )
    if adata.n_obs == 0 or adata.n_vars == 0:
        raise Unusable(
            NOT_A_MATRIX, "No sample or no gene is left to normalise.", "See the ledger for why samples were set aside."
        )
    lengths = np.asarray(adata.var["length"], dtype=np.float64) if method == "tpm" and "length" in adata.var else None
    return learning.fit(
        np.asarray(adata.X),
        list(map(str, adata.obs_names)),
        list(map(str, adata.var_names)),
        method,
        prior_count=prior_count,
        lengths=lengths,
    )
