"""What each method learns from the samples it is fitted on, whatever order they are in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from unibase.groundwork.files import digest_of
from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import EMPTY_SAMPLE, NO_COMMON_GENE
from unibase.methods import factors
from unibase.methods.compiled.exact import AnyArray, FloatArray, exact_mean, geometric_mean
from unibase.methods.vst import GeneBlocks, LocalTrend, ParametricTrend, fit_trend_by_genes
from unibase.omics.compiled.log_counts import log2_ratio
from unibase.omics.models.normalisation import PRIOR_COUNT, NormalisationModel
from unibase.omics.options import Method
from unibase.omics.reasons import NO_GENE_LENGTH

_WITH_FACTORS = ("tmm", "tmmwsp", "voom", "rle", "upperquartile")


def fit(
    counts: AnyArray,
    names: Sequence[str],
    genes: Sequence[str],
    method: Method,
    *,
    prior_count: float = PRIOR_COUNT,
    lengths: FloatArray | None = None,
) -> NormalisationModel:
    """Learn a model.

    Args:
        counts: Samples x genes.
        names: Names of the samples, which settle ties.
        genes: Names of the genes.
        method: The normalisation.
        prior_count: Prior of log2 CPM.
        lengths: (genes,) in bases, for TPM.

    Raises:
        Unusable: As the methods say (`factors`, `vst`, `quantile`).
    """
    order = np.argsort(np.asarray(names, dtype=str), kind="stable")
    counts = np.ascontiguousarray(np.asarray(counts)[order])
    sample = _Sample(counts, tuple(str(names[i]) for i in order), factors.library_sizes(counts))
    if (sample.sizes == 0).any():
        raise Unusable(
            EMPTY_SAMPLE, f"{int((sample.sizes == 0).sum())} samples have no count at all.", "Run gates.check_counts first."
        )
    model = NormalisationModel(
        method=method,
        genes=tuple(map(str, genes)),
        samples=len(sample.names),
        expressed=factors.expressed_genes(counts),
        prior_count=prior_count,
        mean_size=exact_mean(sample.sizes),
        input_digest=digest_of([list(zip(sample.names, sample.sizes.tolist(), strict=True)), list(map(str, genes))]),
    )
    if method == "tpm":
        if lengths is None:
            raise Unusable(NO_GENE_LENGTH, "TPM needs gene lengths.", "Give var['length'] in bases, as featureCounts writes it.")
        model = replace(model, lengths=np.asarray(lengths, dtype=np.float64))
    model = _compared(model, sample)
    if method in _WITH_FACTORS:
        model = _centred(model, sample)
    return _shaped(model, sample)


@dataclass(frozen=True)
class _Sample:
    """What is learned from: samples x genes counts, names and totals."""

    counts: AnyArray
    names: tuple[str, ...]
    sizes: FloatArray


def _compared(model: NormalisationModel, sample: _Sample) -> NormalisationModel:
    """Return the model with what samples are compared with: a reference library, or the geometric means of genes."""
    counts, method = sample.counts, model.method
    if method in ("tmm", "tmmwsp", "voom"):
        kind: factors.FactorMethod = "tmmwsp" if method == "tmmwsp" else "tmm"
        expressed = model.expressed
        reference = factors.tmm_reference(np.ascontiguousarray(counts[:, expressed]), kind, sample.sizes, sample.names)
        whole = np.zeros(counts.shape[1])
        whole[expressed] = reference.counts
        return replace(model, reference_counts=whole, reference_size=reference.library_size)
    if method in ("rle", "median-of-ratios", "vst", "vst-fast"):
        log_means = factors.log_geometric_means(counts)
        if method != "rle" and not np.isfinite(log_means).any():
            raise Unusable(
                NO_COMMON_GENE,
                "Every gene has a zero in some sample: no geometric mean is positive.",
                "Use poscounts or tmmwsp.",
            )
        return replace(model, log_means=log_means)
    if method == "poscounts":
        model = replace(model, log_means=factors.log_positive_means(counts))
        return replace(model, centre=geometric_mean(model.factors(counts)[2]))
    return model


def _centred(model: NormalisationModel, sample: _Sample) -> NormalisationModel:
    """Return the model whose factors have the geometric mean 1."""
    raw = model.factors(sample.counts)[1]
    if not (np.isfinite(raw) & (raw > 0)).all():
        raise Unusable(
            NO_COMMON_GENE,
            "A factor is zero or undefined in some sample: too few genes are expressed in all.",
            "Use the method poscounts or tmmwsp.",
        )
    model = replace(model, centre=geometric_mean(raw))
    sizes = sample.sizes * model.factors(sample.counts)[1]
    return replace(model, mean_size=exact_mean(sizes))


def _shaped(model: NormalisationModel, sample: _Sample) -> NormalisationModel:
    """Return the model with the curve or distribution that its method learns on top of the factors."""
    counts = sample.counts
    if model.method == "quantile":
        from unibase.methods.quantile import target_quantiles

        return replace(model, quantiles=target_quantiles(log2_ratio(counts, np.ones(len(sample.names)))))
    whole = slice(0, counts.shape[1])
    return shaped_by_genes(
        model, lambda: [(whole, counts)], lambda: sample.sizes * model.factors(counts)[1], lambda: model.factors(counts)[2]
    )


def shaped_by_genes(
    model: NormalisationModel, blocks: GeneBlocks, effective: Callable[[], FloatArray], size_factors: Callable[[], FloatArray]
) -> NormalisationModel:
    """Return the model with the curve that its method learns from one gene at a time; as it is where it learns none.

    Args:
        model: What is learned so far.
        blocks: The counts, all samples of some genes at a time.
        effective: Gives the effective library sizes, of shape (samples,).
        size_factors: Gives the size factors, likewise.
    """
    if model.method == "voom":
        from unibase.methods.voom import gene_moments, voom_curve

        library_size = effective()
        parts = [gene_moments(counts, library_size) for _, counts in blocks()]
        return replace(
            model, levels=np.concatenate([part.levels for part in parts]), curve=np.array(voom_curve(parts, library_size))
        )
    if model.method in ("vst", "vst-fast"):
        trend = fit_trend_by_genes(blocks, size_factors(), fast=model.method == "vst-fast")
        if isinstance(trend, ParametricTrend):
            return replace(model, trend=(trend.asymptotic, trend.extra_poisson))
        if isinstance(trend, LocalTrend):
            return replace(model, trend=(trend.scale, trend.offset, trend.top), spline=trend.spline)
    return model
