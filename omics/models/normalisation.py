"""Frozen normalisation models: fit once, store, transform the samples still to come.

A model holds all that a method learns from the samples it is fitted on (reference library, geometric means, dispersion
trend, quantiles). `transform` then works on each sample alone: a later sample changes no byte of an earlier row, costs
its own time only, and a sample that was in the fit comes out as it did then, bit for bit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unibase.groundwork.files import JsonObject, atomic_folder, digest_of, sha256_bytes, write_json
from unibase.groundwork.problems import Unusable, UserError
from unibase.groundwork.reasons import CHANGED_MODEL, EMPTY_SAMPLE, ZERO_QUANTILE
from unibase.methods import factors
from unibase.methods.compiled.exact import AnyArray, FloatArray
from unibase.omics.compiled.log_counts import log2_ratio, log_cpm_rows
from unibase.omics.models.per_million import tpm
from unibase.omics.options import Method
from unibase.omics.reasons import MISSING_GENES, OTHER_FORMAT

if TYPE_CHECKING:
    from anndata import AnnData

    from unibase.methods.vst import LocalTrend, ParametricTrend

PRIOR_COUNT = 2.0
FORMAT = 2
_ARRAYS = ("reference_counts", "log_means", "quantiles", "expressed", "lengths", "spline", "levels", "curve")


class Transformed(NamedTuple):
    """Samples x genes values, and per sample: total, factor in edgeR's sense, size factor."""

    values: FloatArray
    library_size: FloatArray
    norm_factor: FloatArray
    size_factor: FloatArray


@dataclass(frozen=True)
class NormalisationModel:
    """What a method learned.

    Attributes:
        method: Name of the method.
        genes: Genes, in the order of the arrays.
        samples: Number of samples it was fitted on.
        expressed: Genes that any of them expressed: the factors look at these only.
        reference_counts, reference_size: The reference library of TMM and TMMwsp.
        centre: Geometric mean of the raw factors of the fit, brought to 1.
        log_means: Log geometric means of RLE, median of ratios and poscounts.
        mean_size: Mean effective library size of the fit: scale of prior counts and size factors.
        prior_count: Prior of log2 CPM.
        trend: Numbers of the dispersion trend that stabilises the variance: two are parametric (asymptotic, extra
            Poisson), three local (scale, offset, largest count) with its `spline`.
        quantiles: Common distribution of quantile normalisation.
        lengths: Gene lengths of TPM.
        levels, curve: Mean log2 CPM of each gene and voom's curve over it (2 x points): they give weights to any sample.
        input_digest: Digest of what it was fitted on.
    """

    method: Method
    genes: tuple[str, ...] = field(repr=False)
    samples: int
    expressed: NDArray[np.bool_] = field(repr=False)
    reference_counts: FloatArray | None = field(default=None, repr=False)
    reference_size: float = 0.0
    centre: float = 1.0
    log_means: FloatArray | None = field(default=None, repr=False)
    mean_size: float = 1.0
    prior_count: float = PRIOR_COUNT
    trend: tuple[float, ...] | None = None
    spline: FloatArray | None = field(default=None, repr=False)
    quantiles: FloatArray | None = field(default=None, repr=False)
    lengths: FloatArray | None = field(default=None, repr=False)
    levels: FloatArray | None = field(default=None, repr=False)
    curve: FloatArray | None = field(default=None, repr=False)
    input_digest: str = ""

    def factors(self, counts: AnyArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return (total, factor, size factor), (samples,) each, of samples x genes `counts`. Raises: Unusable, `empty-sample`."""
        sizes = factors.library_sizes(counts)
        if (sizes == 0).any():
            raise Unusable(
                EMPTY_SAMPLE, f"{int((sizes == 0).sum())} samples have no count at all.", "Run gates.check_counts first."
            )
        ones = np.ones(len(sizes))
        if self.method in ("median-of-ratios", "poscounts", "vst", "vst-fast"):
            assert self.log_means is not None
            return sizes, ones, factors.median_of_ratios_against(counts, self.log_means) / self.centre
        if self.method == "none":
            return sizes, ones, ones
        norm = ones
        if self.method in ("tmm", "tmmwsp", "voom") and self.reference_counts is not None:
            kind: factors.FactorMethod = "tmmwsp" if self.method == "tmmwsp" else "tmm"
            if kind == "tmm":
                # Genes that the reference lacks do not count, and those that nobody expressed are among them.
                reference = factors.TmmReference(self.reference_counts, self.reference_size)
                raw = factors.tmm_raw(np.ascontiguousarray(counts), sizes, reference, kind)
            else:
                # A library's total counts all of its genes, its comparison only those that the fit had expressed.
                reference = factors.TmmReference(self.reference_counts[self.expressed], self.reference_size)
                raw = factors.tmm_raw(np.ascontiguousarray(counts[:, self.expressed]), sizes, reference, kind)
            norm = raw / self.centre
        elif self.method == "upperquartile" and self.centre != 0:
            quartiles = factors.upper_quartiles(np.ascontiguousarray(counts[:, self.expressed]))
            if (quartiles == 0).any():
                raise Unusable(
                    ZERO_QUANTILE,
                    f"The upper quartile of {int((quartiles == 0).sum())} samples is zero.",
                    "Use the method tmmwsp.",
                )
            norm = quartiles / sizes / self.centre
        elif self.method == "rle" and self.log_means is not None:
            norm = factors.ratio_medians(counts, self.log_means) / sizes / self.centre
        return sizes, norm, sizes * norm / self.mean_size

    def rows(self, counts: AnyArray) -> Transformed:
        """Transform samples x genes counts whose columns are `genes`."""
        sizes, norm, size_factor = self.factors(counts)
        effective = sizes * norm
        if self.method == "cpm":
            values = np.asarray(counts, np.float64) * (1e6 / effective[:, None])
        elif self.method in ("median-of-ratios", "poscounts", "none"):
            values = log2_ratio(np.ascontiguousarray(counts), size_factor)
        elif self.method == "tpm":
            assert self.lengths is not None
            values = tpm(counts, self.lengths)
        elif self.method in ("vst", "vst-fast"):
            values = self._stabiliser().transform(np.asarray(counts, np.float64) / size_factor[:, None])
        elif self.method == "quantile":
            from unibase.methods.quantile import map_to_quantiles

            assert self.quantiles is not None
            values = map_to_quantiles(log2_ratio(np.ascontiguousarray(counts), np.ones(len(sizes))), self.quantiles)
        elif self.method == "voom":
            from unibase.methods.voom import voom_expression

            values = voom_expression(counts, effective)
        else:
            values = log_cpm_rows(np.ascontiguousarray(counts), effective, effective / self.mean_size * self.prior_count)
        return Transformed(values, sizes, norm, size_factor)

    def _stabiliser(self) -> ParametricTrend | LocalTrend:
        from unibase.methods.vst import LocalTrend, ParametricTrend

        assert self.trend is not None
        if self.spline is None:
            asymptotic, extra_poisson = self.trend
            return ParametricTrend(asymptotic, extra_poisson)
        scale, offset, top = self.trend
        return LocalTrend(scale, offset, top, self.spline)

    def align(self, adata: AnnData) -> AnyArray:
        """Return the counts of `adata` in the order of the model's genes; further genes are left out.

        Raises:
            Unusable: `missing-genes` when the samples lack genes of the model: zeros would be invented for them.
        """
        columns = self.columns([str(gene) for gene in adata.var_names])
        values = np.asarray(adata.X)
        return values if columns is None else np.ascontiguousarray(values[:, columns])

    def columns(self, names: Sequence[str]) -> list[int] | None:
        """Return where the model's genes are among `names`; None when they are just these.

        Raises:
            Unusable: `missing-genes`.
        """
        if tuple(names) == self.genes:
            return None
        where = {gene: i for i, gene in enumerate(names)}
        missing = sum(gene not in where for gene in self.genes)
        if missing:
            raise Unusable(
                MISSING_GENES,
                f"The samples lack {missing} of the {len(self.genes)} genes of the model.",
                "Count them with the annotation the model was fitted on.",
            )
        return [where[gene] for gene in self.genes]

    def transform(self, adata: AnnData) -> AnnData:
        """Transform the samples of `adata`, each from itself alone; layout as `normalise.normalise` gives it."""
        counts = self.align(adata)
        names = {str(gene) for gene in adata.var_names}
        out = adata.copy() if names == set(self.genes) and counts is np.asarray(adata.X) else adata[:, list(self.genes)].copy()
        result = self.rows(counts)
        out.layers["counts"] = counts
        out.X = result.values
        out.obs["library_size"] = result.library_size.astype(np.int64)
        out.obs["norm_factor"] = result.norm_factor
        out.obs["size_factor"] = result.size_factor
        if self.levels is not None:
            out.layers["weights"] = self.weights(result)
        out.uns["normalisation"] = self.describe()
        return out

    def weights(self, result: Transformed) -> FloatArray:
        """Return voom's precision weights, samples x genes, of the samples of `result`; only a model of voom has them."""
        from unibase.methods.voom import precision_weights

        assert self.levels is not None and self.curve is not None
        effective = result.library_size * result.norm_factor
        return precision_weights(self.levels[None, :], effective, (self.curve[0], self.curve[1]))

    def describe(self) -> dict[str, object]:
        """Return what was done, as a JSON value."""
        units = {
            "cpm": "counts per million",
            "tpm": "transcripts per million",
            "median-of-ratios": "log2(count / size factor + 1)",
            "poscounts": "log2(count / size factor + 1)",
            "none": "log2(count + 1)",
            "vst": "log2, variance stabilised",
            "vst-fast": "log2, variance stabilised",
            "quantile": "log2(count + 1), quantiles of all samples made equal",
            "voom": "log2 counts per million (0.5 added)",
        }
        out: JsonObject = {
            "method": self.method,
            "unit": units.get(self.method, "log2 counts per million"),
            "fitted_samples": self.samples,
            "genes": len(self.genes),
            "input_digest": self.input_digest,
        }
        if self.method in ("tmm", "tmmwsp", "rle", "upperquartile", "logcpm"):
            out["prior_count"] = self.prior_count
        if self.trend is not None:
            out |= self._stabiliser().describe()
        return out

    def _arrays(self) -> dict[str, np.ndarray]:
        return {name: value for name in _ARRAYS if (value := getattr(self, name)) is not None}

    def _record(self) -> JsonObject:
        return {
            "format": FORMAT,
            "method": self.method,
            "samples": self.samples,
            "reference_size": self.reference_size,
            "centre": self.centre,
            "mean_size": self.mean_size,
            "prior_count": self.prior_count,
            "trend": None if self.trend is None else list(self.trend),
            "input_digest": self.input_digest,
            "arrays": {name: sha256_bytes(np.ascontiguousarray(value).tobytes()) for name, value in self._arrays().items()},
            "genes_digest": digest_of(list(self.genes)),
        }

    @property
    def digest(self) -> str:
        """SHA-256 over all the model holds."""
        return digest_of(self._record())

    def save(self, folder: Path | str) -> None:
        """Write the model to `folder`; equal models give equal bytes."""
        with atomic_folder(folder) as temporary:
            for name, value in self._arrays().items():
                whole = np.ascontiguousarray(value)
                np.save(temporary / f"{name}.npy", whole, allow_pickle=False)
            genes = "".join(f"{gene}\n" for gene in self.genes)
            (temporary / "genes.txt").write_text(genes, encoding="utf-8")
            write_json(temporary / "model.json", self._record())


def other_format() -> Unusable:
    """Return what is said of a model that another version of unibase wrote.

    >>> other_format().reason
    'other-format'
    """
    return Unusable(OTHER_FORMAT, "Another version of unibase wrote the model.", "Go on with that version, or fit again.")


def load(folder: Path | str) -> NormalisationModel:
    """Read a model that `save` wrote to `folder`, and check every digest.

    Raises:
        UserError: If there is none.
        Unusable: `other-format` when another version of unibase wrote it; `changed-model` when its files are not those
            that were written.
    """
    folder = Path(folder)
    if not (folder / "model.json").exists():
        raise UserError(f"There is no normalisation model at {folder}. Fit one first.")
    record = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    if record["format"] != FORMAT:
        raise other_format()
    genes = tuple((folder / "genes.txt").read_text(encoding="utf-8").splitlines())
    arrays = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in record["arrays"]}
    sound = digest_of(list(genes)) == record["genes_digest"] and all(
        sha256_bytes(np.ascontiguousarray(value).tobytes()) == record["arrays"][name] for name, value in arrays.items()
    )
    if not sound:
        raise Unusable(CHANGED_MODEL, "The model's files are not those that were written.", "Restore them, or fit again.")
    return NormalisationModel(
        method=record["method"],
        genes=genes,
        samples=record["samples"],
        reference_size=record["reference_size"],
        centre=record["centre"],
        mean_size=record["mean_size"],
        prior_count=record["prior_count"],
        trend=None if record["trend"] is None else tuple(record["trend"]),
        input_digest=record["input_digest"],
        **arrays,
    )
