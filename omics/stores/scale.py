"""Cohorts larger than memory: zarr stores read and written chunk by chunk, on one process or over Dask.

A store is an AnnData zarr whose X is chunked by whole samples. A cohort is a list of stores (one per batch or night);
adding samples adds a store and touches no other. Work is a map over chunks; what chunks have to tell each other
(totals, which genes are expressed, gene moments) is kept in whole numbers, so the result has the same bits whatever the
chunk size, the number of workers or the order of the samples. Memory is that of a few chunks plus a few numbers per
sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unibase.groundwork.files import digest_of
from unibase.groundwork.problems import Unusable, UserError
from unibase.groundwork.reasons import EMPTY_SAMPLE, NO_COMMON_GENE, REPEATED_SAMPLE, ZERO_QUANTILE
from unibase.methods import factors
from unibase.methods.compiled.exact import FloatArray, exact_mean, geometric_mean
from unibase.methods.quantile import RankSums
from unibase.omics.compiled.log_counts import FIXED_POINT, fixed_moments, log1p_rows, log2_ratio
from unibase.omics.models import normalisation
from unibase.omics.models.learning import shaped_by_genes
from unibase.omics.models.normalisation import NormalisationModel
from unibase.omics.reasons import DIFFERENT_GENES
from unibase.omics.stores.chunks import Chunk, chunks_of, create_store, map_chunks, names_of, open_x, read_chunk, write_rows
from unibase.omics.stores.gene_blocks import ByGenes

if TYPE_CHECKING:
    from distributed import Client

OUT_OF_CORE_METHODS = (
    "tmm", "tmmwsp", "rle", "upperquartile", "median-of-ratios", "poscounts", "quantile", "logcpm", "cpm", "none",
    "vst", "vst-fast", "voom",
)  # fmt: skip
_WITH_LOGS = ("rle", "median-of-ratios", "poscounts", "vst", "vst-fast")
_TMM = ("tmm", "voom")


class Summary(NamedTuple):
    """What one chunk tells about its samples and genes."""

    sizes: FloatArray
    expressed: NDArray[np.bool_]
    windows: FloatArray
    silent: int
    root_sums: FloatArray
    logs: factors.LogSums | None
    ranks: RankSums | None


@dataclass(frozen=True)
class _Summarise:
    method: str

    def __call__(self, chunk: Chunk) -> Summary:
        counts = read_chunk(chunk)
        sizes = factors.library_sizes(counts)
        expressed = factors.expressed_genes(counts)
        silent = int((~expressed).sum())
        windows = (
            factors.quartile_windows(counts, silent) if self.method in (*_TMM, "upperquartile") else np.empty((len(counts), 0))
        )
        roots = factors.root_sums(counts) if self.method == "tmmwsp" else np.empty(0)
        logs = None
        if self.method in _WITH_LOGS:
            logs = factors.LogSums(counts.shape[1])
            logs.add(counts)
        ranks = None
        if self.method == "quantile":
            ranks = RankSums(counts.shape[1])
            ranks.add(log2_ratio(np.ascontiguousarray(counts), np.ones(len(counts))))
        small: np.ndarray = windows.astype(np.float32) if (windows < 2**24).all() else windows
        return Summary(sizes, expressed, small, silent, roots, logs, ranks)


@dataclass(frozen=True)
class _Factors:
    model: NormalisationModel

    def __call__(self, chunk: Chunk) -> tuple[FloatArray, FloatArray, FloatArray]:
        return self.model.factors(read_chunk(chunk))


def fit(
    stores: Sequence[Path | str],
    method: str = "tmm",
    *,
    client: Client | None = None,
    prior_count: float = normalisation.PRIOR_COUNT,
) -> NormalisationModel:
    """Fit a normalisation on a cohort of stores; the same model, bit for bit, as `normalise.fit_model` in memory.

    Args:
        stores: AnnData zarr stores with the same genes in the same order; int32 or int64 counts.
        method: One of `OUT_OF_CORE_METHODS`.
        client: Dask client to map the chunks, or None to work here.
        prior_count: Prior of log2 CPM.

    Raises:
        Unusable: `empty-sample`, `different-genes`, `repeated-sample`, and as the methods say.
        UserError: If the method is not fitted out of core.
    """
    if method not in OUT_OF_CORE_METHODS:
        raise UserError(
            f"{method} is not fitted out of core. Fit it in memory on a part of the cohort and apply the model, or use: {', '.join(OUT_OF_CORE_METHODS)}."
        )
    names, genes = _names(stores)
    seen = _summarised(chunks_of(stores), len(genes), method, client)
    order = np.argsort(np.asarray(names, dtype=str), kind="stable")
    model = NormalisationModel(
        method=method,  # type: ignore[arg-type]
        genes=tuple(genes),
        samples=len(names),
        expressed=seen.expressed,
        prior_count=prior_count,
        mean_size=exact_mean(seen.sizes),
        input_digest=digest_of([[(names[i], float(seen.sizes[i])) for i in order], genes]),
    )
    return _learned(model, seen, names, client)


def _learned(model: NormalisationModel, seen: _Seen, names: list[str], client: Client | None) -> NormalisationModel:
    """Return the model with what its method learns."""
    method = model.method
    if method in (*_TMM, "tmmwsp"):
        best = _reference(seen, method, names)
        reference = _row(seen.tasks, best).astype(np.float64)
        model = replace(model, reference_counts=reference, reference_size=float(seen.sizes[best]))
    elif seen.ranks is not None:
        model = replace(model, quantiles=seen.ranks.target())
    elif seen.logs is not None:
        log_means = seen.logs.positive_means() if method == "poscounts" else seen.logs.geometric_means()
        if not np.isfinite(log_means).any():
            raise Unusable(NO_COMMON_GENE, "Every gene has a zero in some sample.", "Use poscounts or tmmwsp.")
        model = replace(model, log_means=log_means)
    if method in (*_TMM, "tmmwsp", "rle", "upperquartile", "poscounts"):
        model = _centred(model, seen, client)
    return _with_curve(model, seen, names, client) if method in ("vst", "vst-fast", "voom") else model


def _with_curve(model: NormalisationModel, seen: _Seen, names: list[str], client: Client | None) -> NormalisationModel:
    """Return the model with the curve that VST or voom learns from one gene at a time, samples by name as in memory."""
    order = np.argsort(np.asarray(names, dtype=str), kind="stable")
    blocks = ByGenes(tuple(seen.tasks), order, len(seen.expressed))

    def effective() -> FloatArray:
        return np.asarray((seen.sizes * _all_factors(model, seen, client, 1))[order])

    return shaped_by_genes(model, blocks, effective, lambda: _all_factors(model, seen, client, 2)[order])


def _all_factors(model: NormalisationModel, seen: _Seen, client: Client | None, which: int) -> FloatArray:
    """Return the factors (1) or size factors (2) of all samples, in the order of the chunks."""
    parts: list[FloatArray] = [np.empty(0)] * len(seen.tasks)
    for position, found in map_chunks(_Factors(model), seen.tasks, client):
        parts[position] = found[which]
    return np.concatenate(parts)


@dataclass(frozen=True)
class _Seen:
    """What one pass over a cohort tells.

    Attributes:
        tasks: The chunks, in order.
        parts: What each tells of its samples.
        sizes: Total of each sample.
        expressed: Which genes any sample expresses.
        logs: Sums of logs by gene, where the method needs them.
        ranks: Sums of values by rank, likewise.
    """

    tasks: list[Chunk]
    parts: list[Summary]
    sizes: FloatArray
    expressed: NDArray[np.bool_]
    logs: factors.LogSums | None
    ranks: RankSums | None

    def quartiles(self) -> FloatArray:
        """Upper quartile of each sample, divided by its total."""
        genes, silent = len(self.expressed), int((~self.expressed).sum())
        windows = [factors.quartiles_of_windows(part.windows.astype(np.float64), genes, silent) for part in self.parts]
        found: FloatArray = np.concatenate(windows) / self.sizes
        return found


def _names(stores: Sequence[Path | str]) -> tuple[list[str], list[str]]:
    """Return the samples of all stores, and the genes that they share."""
    names: list[str] = []
    genes: list[str] = []
    for store in stores:
        samples, own = names_of(store)
        if genes and own != genes:
            raise Unusable(DIFFERENT_GENES, "The stores do not list the same genes in the same order.", "Align them first.")
        genes = own
        names += samples
    if len(set(names)) < len(names):
        raise Unusable(REPEATED_SAMPLE, "A sample name occurs twice in the cohort.", "Give each sample a name of its own.")
    return names, genes


def _summarised(tasks: list[Chunk], genes: int, method: str, client: Client | None) -> _Seen:
    """Go over all chunks once."""
    summaries: list[Summary | None] = [None] * len(tasks)
    expressed = np.zeros(genes, dtype=bool)
    logs = factors.LogSums(genes) if method in _WITH_LOGS else None
    ranks = RankSums(genes) if method == "quantile" else None
    for position, summary in map_chunks(_Summarise(method), tasks, client):
        expressed |= summary.expressed
        if logs is not None and summary.logs is not None:
            logs.merge(summary.logs)
            summary = summary._replace(logs=None)
        if ranks is not None and summary.ranks is not None:
            ranks.merge(summary.ranks)
            summary = summary._replace(ranks=None)
        summaries[position] = summary._replace(expressed=expressed[:0])
    done = [summary for summary in summaries if summary is not None]
    sizes = np.concatenate([summary.sizes for summary in done])
    empty = int((sizes == 0).sum())
    if empty:
        raise Unusable(EMPTY_SAMPLE, f"{empty} samples have no count at all.", "Leave them out of the stores.")
    return _Seen(tasks, done, sizes, expressed, logs, ranks)


def _reference(seen: _Seen, method: str, names: list[str]) -> int:
    """Return the position of the sample that the others are compared with; of tied ones the first by name."""
    if method in _TMM:
        quartiles = seen.quartiles()
        if np.median(quartiles) < 1e-20:
            raise Unusable(ZERO_QUANTILE, "Most upper quartiles are zero.", "Use the method tmmwsp.")
        score = -np.abs(quartiles - exact_mean(quartiles))
    else:
        score = np.concatenate([part.root_sums for part in seen.parts])
    return int(min(np.flatnonzero(score == score.max()), key=lambda i: names[int(i)]))


def _centred(model: NormalisationModel, seen: _Seen, client: Client | None) -> NormalisationModel:
    """Return the model with the geometric mean of the factors of its samples."""
    if model.method == "upperquartile":
        raw = seen.quartiles()
    else:
        raw = _all_factors(model, seen, client, 2 if model.method == "poscounts" else 1)
    if not (np.isfinite(raw) & (raw > 0)).all():
        raise Unusable(ZERO_QUANTILE, "A factor is zero or undefined in some sample.", "Use poscounts or tmmwsp.")
    model = replace(model, centre=geometric_mean(raw))
    if model.method == "poscounts":
        return model
    return replace(model, mean_size=exact_mean(seen.sizes * (raw / model.centre)))


def _row(tasks: Sequence[Chunk], position: int) -> np.ndarray:
    for chunk in tasks:
        if position < chunk.stop - chunk.start:
            return np.asarray(open_x(chunk.store)[chunk.start + position])
        position -= chunk.stop - chunk.start
    raise IndexError(position)


@dataclass(frozen=True)
class Moments:
    """Sums over samples per gene, in whole numbers of 2^-32; they merge to the same bits in any order."""

    samples: int
    sums: NDArray[np.int64]
    squares: NDArray[np.int64]

    def merge(self, other: Moments) -> Moments:
        """Return the moments of both sets of samples, `other` of the same genes.

        >>> one = Moments(1, np.array([2]), np.array([4]))
        >>> one.merge(one).samples
        2
        """
        return Moments(self.samples + other.samples, self.sums + other.sums, self.squares + other.squares)

    def mean(self) -> FloatArray:
        """Mean per gene."""
        return self.sums / FIXED_POINT / self.samples

    def variance(self) -> FloatArray:
        """Variance per gene, with n - 1."""
        mean = self.mean()
        return np.maximum(self.squares / FIXED_POINT - self.samples * mean**2, 0) / max(self.samples - 1, 1)


@dataclass(frozen=True)
class _Transform:
    """Transform one chunk and write it; return per-sample numbers and gene moments."""

    model: NormalisationModel
    target: str

    def __call__(self, chunk: Chunk) -> tuple[FloatArray, FloatArray, FloatArray, Moments]:
        result = self.model.rows(read_chunk(chunk))
        values = result.values.astype(np.float32)
        sums, squares = fixed_moments(values)
        write_rows(self.target, chunk.start, values)
        moments = Moments(len(values), sums, squares)
        return result.library_size, result.norm_factor, result.size_factor, moments


@dataclass(frozen=True)
class _LogNormalise:
    target: str
    target_sum: float

    def __call__(self, chunk: Chunk) -> tuple[FloatArray, Moments]:
        counts = read_chunk(chunk)
        values, sizes, sums, squares = log1p_rows(counts, self.target_sum)
        write_rows(self.target, chunk.start, values)
        return sizes, Moments(len(values), sums, squares)


def transform(
    store: Path | str, target: Path | str, model: NormalisationModel, *, client: Client | None = None, rows: int | None = None
) -> Moments:
    """Transform a store of counts with a frozen model into a new float32 store; return its gene moments.

    `obs` of the new store has library_size, norm_factor and size_factor; the target appears whole or not at all.

    Blocks are done by the workers of the `client`, or here; `rows` is the samples in a chunk of the new store.

    Raises:
        Unusable: `different-genes` when the store's genes are not the model's, in its order.
    """
    samples, genes = names_of(store)
    if tuple(genes) != model.genes:
        raise Unusable(DIFFERENT_GENES, "The store's genes are not those of the model, in its order.", "Align them first.")
    tasks, temporary = _prepare(store, target, samples, genes, rows)
    sizes, norms, size_factors = (np.zeros(len(samples)) for _ in range(3))
    moments: Moments | None = None
    for position, (size, norm, size_factor, part) in map_chunks(_Transform(model, str(temporary)), tasks, client):
        at = slice(tasks[position].start, tasks[position].stop)
        sizes[at], norms[at], size_factors[at] = size, norm, size_factor
        moments = part if moments is None else moments.merge(part)
    _finish(
        temporary, target, samples, {"library_size": sizes.astype(np.int64), "norm_factor": norms, "size_factor": size_factors}
    )
    assert moments is not None
    return moments


def log_normalise(
    store: Path | str, target: Path | str, target_sum: float = 1e4, *, client: Client | None = None, rows: int | None = None
) -> Moments:
    """log(1 + count * target_sum / library size) of a store, in one pass; return the gene moments.

    The natural logarithm, as scanpy's `normalize_total` and `log1p` give it.

    Arguments are as of `transform`: `store`, `target`, `client`, `rows`; each sample adds up to `target_sum` before
    the log.
    """
    samples, genes = names_of(store)
    tasks, temporary = _prepare(store, target, samples, genes, rows)
    sizes = np.zeros(len(samples))
    moments: Moments | None = None
    for position, (size, part) in map_chunks(_LogNormalise(str(temporary), target_sum), tasks, client):
        sizes[tasks[position].start : tasks[position].stop] = size
        moments = part if moments is None else moments.merge(part)
    _finish(temporary, target, samples, {"library_size": sizes.astype(np.int64)})
    assert moments is not None
    return moments


def _prepare(
    store: Path | str, target: Path | str, samples: list[str], genes: list[str], rows: int | None
) -> tuple[list[Chunk], Path]:
    import shutil

    target = Path(target)
    if target.exists():
        raise UserError(f"{target} exists and is not overwritten. Choose another name.")
    temporary = target.with_name(f".tmp-{target.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.parent.mkdir(parents=True, exist_ok=True)
    x = create_store(temporary, samples, genes, "float32", rows=rows or open_x(store).chunks[0])
    # Tasks follow the chunks that are written: two workers never share one.
    step = x.chunks[0]
    return [Chunk(str(store), start, min(start + step, len(samples))) for start in range(0, len(samples), step)], temporary


def _finish(temporary: Path, target: Path | str, samples: list[str], columns: dict[str, np.ndarray]) -> None:
    import anndata
    import pandas as pd
    import zarr

    group = zarr.open_group(temporary, mode="r+", use_consolidated=False)
    with anndata.settings.override(zarr_write_format=3):
        anndata.io.write_elem(group, "obs", pd.DataFrame(columns, index=pd.Index(samples, dtype=object)))
    zarr.consolidate_metadata(temporary)
    temporary.rename(target)
