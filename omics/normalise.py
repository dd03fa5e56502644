"""Bulk RNA-seq counts to values that can be compared between samples.

`normalise` takes samples x genes counts and returns a new AnnData: X in log2 (unless the method says otherwise),
the counts in `layers["counts"]`, library sizes and factors in `obs`, and in `uns["normalisation"]` what was done.
The result does not depend on the order of the samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from groundwork.files import digest_of
from groundwork.problems import Unusable, UserError
from omics import factors
from omics.kernels import AnyArray, FloatArray, exact_mean

if TYPE_CHECKING:
    from anndata import AnnData

Method = Literal[
    "tmm", "tmmwsp", "rle", "upperquartile", "median-of-ratios", "poscounts", "cpm", "logcpm", "tpm", "vst", "vst-fast", "voom", "quantile", "none"
]  # fmt: skip
METHODS: tuple[Method, ...] = get_args(Method)
PRIOR_COUNT = 2.0
_EDGER: dict[str, factors.FactorMethod] = {"tmm": "tmm", "tmmwsp": "tmmwsp", "rle": "rle", "upperquartile": "upperquartile"}


def cpm(counts: AnyArray, effective_size: FloatArray) -> FloatArray:
    """Counts per million of the effective library sizes."""
    return np.asarray(counts, dtype=np.float64) / effective_size[:, None] * 1e6


def log_cpm(
    counts: AnyArray, effective_size: FloatArray, prior_count: float = PRIOR_COUNT, mean_size: float | None = None
) -> FloatArray:
    """log2 counts per million with a prior count in proportion to the library, as edgeR's `cpm(log=TRUE)`.

    Args:
        counts: Samples x genes.
        effective_size: Library size times factor, per sample.
        prior_count: Added to a library of mean size.
        mean_size: Mean effective size of the samples the scale was fitted on; of these samples by default.
    """
    mean = exact_mean(effective_size) if mean_size is None else mean_size
    prior = effective_size / mean * prior_count
    adjusted = effective_size + 2 * prior
    return np.asarray(np.log2((np.asarray(counts, dtype=np.float64) + prior[:, None]) / adjusted[:, None] * 1e6))


def tpm(counts: AnyArray, lengths: FloatArray) -> FloatArray:
    """Transcripts per million (Wagner et al., Theory in Biosciences 2012), from counts and gene lengths in bases."""
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise Unusable("no-gene-length", "Some genes have no positive length.", "Give var['length'] in bases for every gene.")
    rate = np.asarray(counts, dtype=np.float64) / lengths
    return np.asarray(rate / rate.sum(axis=1, keepdims=True) * 1e6)


def normalise(
    adata: AnnData, method: Method = "tmm", *, prior_count: float = PRIOR_COUNT, design: FloatArray | None = None
) -> AnnData:
    """Normalise counts.

    Args:
        adata: Samples x genes with whole counts in X (`gates.check_counts(...).apply`).
        method: `tmm`, `tmmwsp`, `rle`, `upperquartile`: edgeR factors, X = log2 CPM of the effective libraries;
            `median-of-ratios`, `poscounts`: DESeq2 size factors, X = log2(count / size factor + 1);
            `cpm`: X = CPM, no log; `logcpm`: log2 CPM without factors; `tpm`: X = TPM, no log (needs var["length"]);
            `vst`, `vst-fast`: DESeq2's transformation; `voom`: limma's E, weights in layers["weights"];
            `quantile`: limma's quantile normalisation of log2(count + 1); `none`: X = log2(count + 1).
        prior_count: Prior of log2 CPM.
        design: Samples x coefficients, for voom.

    Raises:
        Unusable: As the methods say; the counts are never changed silently.
        UserError: If there is no such method.
    """
    if method not in METHODS:
        raise UserError(f"There is no normalisation {method!r}. Choose one of: {', '.join(METHODS)}.")
    # All sums over samples run in the order of their names, so that the order they came in changes no bit.
    order = np.argsort([str(name) for name in adata.obs_names], kind="stable")
    back = np.argsort(order, kind="stable")
    counts = np.asarray(adata.X)[order]
    if not np.issubdtype(counts.dtype, np.integer):
        raise Unusable(
            "not-counts", "Normalisation needs whole counts.", "Run gates.check_counts and use what its apply() returns."
        )
    if adata.n_obs == 0 or adata.n_vars == 0:
        raise Unusable(
            "not-a-matrix", "No sample or no gene is left to normalise.", "See the ledger for why samples were set aside."
        )
    names = [str(adata.obs_names[i]) for i in order]
    sizes = factors.library_sizes(counts)
    if (sizes == 0).any():
        raise Unusable(
            "empty-sample", f"{int((sizes == 0).sum())} samples have no count at all.", "Run gates.check_counts first."
        )
    norm = np.ones(len(names))
    size_factor: FloatArray = sizes / exact_mean(sizes)
    details: dict[str, Any] = {"method": method, "samples": len(names), "genes": int(adata.n_vars)}
    out = adata.copy()
    out.layers["counts"] = np.asarray(adata.X)
    if method in _EDGER or method in ("logcpm", "cpm"):
        if method in _EDGER:
            norm = factors.norm_factors(counts, _EDGER[method], sizes, names)
        effective = sizes * norm
        size_factor = effective / exact_mean(effective)
        values = cpm(counts, effective) if method == "cpm" else log_cpm(counts, effective, prior_count)
        details |= {"unit": "counts per million" if method == "cpm" else "log2 counts per million", "prior_count": prior_count}
    elif method in ("median-of-ratios", "poscounts"):
        size_factor = factors.median_of_ratios(counts) if method == "median-of-ratios" else factors.poscounts(counts)
        values = np.log2(counts / size_factor[:, None] + 1)
        details |= {"unit": "log2(count / size factor + 1)"}
    elif method == "tpm":
        if "length" not in adata.var:
            raise Unusable(
                "no-gene-length", "TPM needs gene lengths.", "Give var['length'] in bases, as featureCounts writes it."
            )
        values = tpm(counts, np.asarray(adata.var["length"], dtype=np.float64))
        details |= {"unit": "transcripts per million"}
    elif method == "none":
        size_factor = np.ones(len(names))
        values = np.log2(counts + 1.0)
        details |= {"unit": "log2(count + 1)"}
    elif method in ("vst", "vst-fast"):
        from omics.vst import variance_stabilise

        result = variance_stabilise(counts, fast=method == "vst-fast")
        size_factor, values = result.size_factors, result.values
        details |= {"unit": "log2, variance stabilised", **result.trend.describe()}
    elif method == "quantile":
        from omics.quantile import quantile_normalise

        values = quantile_normalise(np.log2(counts + 1.0))
        details |= {"unit": "log2(count + 1), quantiles of all samples made equal"}
    else:
        from omics.voom import voom

        norm = factors.norm_factors(counts, "tmm", sizes, names)
        fitted = voom(counts, sizes * norm, None if design is None else np.asarray(design, dtype=np.float64)[order])
        values = fitted.expression
        out.layers["weights"] = fitted.weights[back]
        details |= {"unit": "log2 counts per million (0.5 added)", "factors": "tmm"}
    out.X = np.asarray(values, dtype=np.float64)[back]
    out.obs["library_size"] = sizes.astype(np.int64)[back]
    out.obs["norm_factor"] = norm[back]
    out.obs["size_factor"] = size_factor[back]
    details["input_digest"] = digest_of([sorted(zip(names, sizes.tolist(), strict=True)), sorted(map(str, adata.var_names))])
    out.uns["normalisation"] = details
    return out
