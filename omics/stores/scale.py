"""Cohorts larger than memory: zarr stores read and written chunk by chunk, on one process or over Dask.

A store is an AnnData zarr whose X is chunked by whole samples. A cohort is a list of stores (one per batch or night);
adding samples adds a store and touches no other. Work is a map over chunks; what chunks have to tell each other
(totals, which genes are expressed, gene moments) is kept in whole numbers, so the result has the same bits whatever the
chunk size, the number of workers or the order of the samples. Memory is that of a few chunks plus a few numbers per
sample.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from unibase.groundwork.files import digest_of, write_json
from unibase.groundwork.problems import Unusable, UserError
from unibase.methods import factors
from unibase.methods.compiled.exact import FloatArray, exact_mean, geometric_mean
from unibase.omics.models import normalisation
from unibase.omics.models.normalisation import NormalisationModel
from unibase.omics.stores.store import chunk_samples

if TYPE_CHECKING:
    import pandas as pd
    import zarr
    from distributed import Client

OUT_OF_CORE_METHODS = ("tmm", "tmmwsp", "upperquartile", "median-of-ratios", "poscounts", "logcpm", "cpm", "none")
CODEC_LEVEL = 3
FIXED_POINT = 2.0**32
"""Gene moments of logarithms are summed in units of 2^-32: exact sums, and an error of a mean below 2^-33."""


class Chunk(NamedTuple):
    """Some whole samples of one store."""

    store: str
    start: int
    stop: int


class Summary(NamedTuple):
    """What one chunk tells about its samples and genes."""

    sizes: FloatArray
    expressed: NDArray[np.bool_]
    windows: FloatArray
    silent: int
    root_sums: FloatArray
    logs: factors.LogSums | None


def open_x(store: Path | str) -> zarr.Array[Any]:
    """Open X of a store."""
    import zarr

    path = Path(store)
    if not path.exists():
        raise UserError(f"There is no store at {path}. Check the path.")
    x = zarr.open_group(path, mode="r")["X"]
    if not isinstance(x, zarr.Array):
        raise Unusable("not-dense", "X of the store is sparse.", "Write it as a dense array, whole samples in a chunk.")
    return x


def names_of(store: Path | str) -> tuple[list[str], list[str]]:
    """Sample and gene names of a store."""
    import anndata
    import zarr

    group = zarr.open_group(Path(store), mode="r")
    obs: Any = anndata.io.read_elem(group["obs"])
    var: Any = anndata.io.read_elem(group["var"])
    return [str(name) for name in obs.index], [str(name) for name in var.index]


def create_store(
    path: Path | str,
    samples: Sequence[str],
    genes: Sequence[str],
    dtype: str,
    *,
    obs: pd.DataFrame | None = None,
    rows: int | None = None,
) -> zarr.Array[Any]:
    """Make an AnnData zarr store whose X is still to be written, and return X.

    Args:
        path: Must not exist.
        samples: Sample names.
        genes: Gene names.
        dtype: Of X.
        obs: Columns of the samples.
        rows: Samples in a chunk; as many as fill 16 MiB by default.
    """
    import anndata
    import pandas as pd
    import zarr
    from zarr.codecs import BloscCodec

    if Path(path).exists():
        raise UserError(f"{path} exists and is not overwritten. Choose another name.")
    index = pd.Index(list(samples), dtype=object)
    skeleton = anndata.AnnData(
        obs=pd.DataFrame(index=index) if obs is None else obs, var=pd.DataFrame(index=pd.Index(list(genes), dtype=object))
    )
    with anndata.settings.override(zarr_write_format=3):
        skeleton.write_zarr(path)
    group = zarr.open_group(Path(path), mode="r+")
    n, width = len(index), len(genes)
    if "X" in group:
        del group["X"]
    x = group.create_array(
        "X",
        shape=(n, width),
        chunks=(min(max(1, n), rows or chunk_samples(width, np.dtype(dtype).itemsize)), width),
        dtype=dtype,
        compressors=[BloscCodec(cname="lz4", clevel=CODEC_LEVEL, shuffle="bitshuffle")],
    )
    x.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    zarr.consolidate_metadata(path)
    return x


def chunks_of(stores: Sequence[Path | str]) -> list[Chunk]:
    """List the chunks of a cohort, store by store."""
    out = []
    for store in stores:
        x = open_x(store)
        step = x.chunks[0]
        out += [Chunk(str(store), start, min(start + step, x.shape[0])) for start in range(0, x.shape[0], step)]
    return out


def _map[T, R](function: Callable[[T], R], tasks: Sequence[T], client: Client | None) -> Iterator[tuple[int, R]]:
    """Yield `(position, result)` of every task, in whatever order they end; a few are in flight at a time."""
    if client is None:
        yield from enumerate(map(function, tasks))
        return
    from distributed import as_completed

    limit = 2 * max(1, len(client.scheduler_info()["workers"]))
    waiting = iter(enumerate(tasks))
    running: dict[Any, int] = {}

    def submit(queue: Any) -> None:
        for position, task in waiting:
            future = client.submit(function, task, pure=False)
            running[future] = position
            queue.add(future)
            if len(running) >= limit:
                return

    queue = as_completed([])
    submit(queue)
    for future in queue:
        position = running.pop(future)
        result = future.result()
        future.release()
        submit(queue)
        yield position, result


@cache
def _reuse_freed_memory() -> None:
    """Let this process take memory for the next chunk from what the last one freed.

    glibc asks the kernel for every block above a threshold anew, and the kernel fills it with zeros page by page: a fifth
    of the CPU of a pass. Freeing one large block raises the threshold (to 32 MiB at most) above the size of a chunk.
    """
    np.empty(31 << 20, np.uint8)


def _read(chunk: Chunk) -> NDArray[Any]:
    """Read the samples of a chunk; a whole stored chunk is decoded straight from its file, four times as fast."""
    from numcodecs import blosc  # type: ignore[import-untyped]

    _reuse_freed_memory()
    plan = _layout(chunk.store)
    if plan is None or chunk.start % plan.rows or chunk.stop != min(chunk.start + plan.rows, plan.samples):
        return np.asarray(open_x(chunk.store)[chunk.start : chunk.stop])
    path = Path(chunk.store) / "X" / "c" / str(chunk.start // plan.rows) / "0"
    if not path.exists():
        return np.zeros((chunk.stop - chunk.start, plan.genes), plan.dtype)
    try:
        content = blosc.decompress(path.read_bytes())
        values = np.frombuffer(content, plan.dtype).reshape(plan.rows, plan.genes)
    except (RuntimeError, ValueError):
        raise Unusable(
            "truncated-file", f"Chunk {chunk.start // plan.rows} of the store cannot be read.", "Write the store again."
        ) from None
    return values[: chunk.stop - chunk.start]


def _write(store: str, start: int, values: NDArray[Any]) -> None:
    """Write whole samples from `start` on into X; whole stored chunks are encoded straight to their file."""
    import zarr
    from numcodecs import blosc

    plan = _layout(store)
    if (
        plan is None
        or start % plan.rows
        or start + len(values) != min(start + plan.rows, plan.samples)
        or values.dtype != plan.dtype
    ):
        group = zarr.open_group(store, mode="r+")
        group["X"][start : start + len(values)] = values  # type: ignore[index]
        return
    if len(values) < plan.rows:
        # The last chunk is stored whole, filled up with zeros.
        whole = np.zeros((plan.rows, plan.genes), plan.dtype)
        whole[: len(values)] = values
        values = whole
    content = blosc.compress(np.ascontiguousarray(values), b"lz4", CODEC_LEVEL, blosc.BITSHUFFLE)
    path = Path(store) / "X" / "c" / str(start // plan.rows) / "0"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


class _Layout(NamedTuple):
    samples: int
    genes: int
    rows: int
    dtype: np.dtype[Any]


def _layout(store: str) -> _Layout | None:
    """How X lies on disk when it is as `create_store` makes it; None for any other zarr array, which zarr itself reads."""
    path = Path(store) / "X" / "zarr.json"
    return _parse_layout(path.read_text(encoding="utf-8")) if path.exists() else None


@lru_cache(maxsize=64)
def _parse_layout(text: str) -> _Layout | None:
    meta = json.loads(text)
    codecs = meta.get("codecs", [])
    plain = (
        meta.get("zarr_format") == 3
        and meta.get("chunk_key_encoding") == {"name": "default", "configuration": {"separator": "/"}}
        and meta.get("chunk_grid", {}).get("name") == "regular"
        and meta.get("fill_value") == 0
        and len(meta["shape"]) == 2
        and len(codecs) == 2
        and codecs[0] == {"name": "bytes", "configuration": {"endian": "little"}}
        and codecs[1]["name"] == "blosc"
        and meta["data_type"] in ("int32", "int64", "float32", "float64")
    )
    if not plain or meta["chunk_grid"]["configuration"]["chunk_shape"][1] != meta["shape"][1]:
        return None
    samples, genes = meta["shape"]
    return _Layout(samples, genes, meta["chunk_grid"]["configuration"]["chunk_shape"][0], np.dtype(meta["data_type"]))


@dataclass(frozen=True)
class _Summarise:
    method: str

    def __call__(self, chunk: Chunk) -> Summary:
        counts = _read(chunk)
        sizes = factors.library_sizes(counts)
        expressed = factors.expressed_genes(counts)
        silent = int((~expressed).sum())
        windows = (
            factors.quartile_windows(counts, silent) if self.method in ("tmm", "upperquartile") else np.empty((len(counts), 0))
        )
        roots = factors.root_sums(counts) if self.method == "tmmwsp" else np.empty(0)
        logs = None
        if self.method in ("median-of-ratios", "poscounts"):
            logs = factors.LogSums(counts.shape[1])
            logs.add(counts)
        return Summary(sizes, expressed, windows.astype(np.float32) if (windows < 2**24).all() else windows, silent, roots, logs)


@dataclass(frozen=True)
class _Factors:
    model: NormalisationModel

    def __call__(self, chunk: Chunk) -> tuple[FloatArray, FloatArray, FloatArray]:
        return self.model.factors(_read(chunk))


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
    """
    if method not in OUT_OF_CORE_METHODS:
        raise UserError(
            f"{method} is not fitted out of core. Fit it in memory on a part of the cohort and apply the model, or use: {', '.join(OUT_OF_CORE_METHODS)}."
        )
    names: list[str] = []
    genes: list[str] = []
    for store in stores:
        samples, own = names_of(store)
        if genes and own != genes:
            raise Unusable("different-genes", "The stores do not list the same genes in the same order.", "Align them first.")
        genes = own
        names += samples
    if len(set(names)) < len(names):
        raise Unusable("repeated-sample", "A sample name occurs twice in the cohort.", "Give each sample a name of its own.")
    tasks = chunks_of(stores)
    summaries: list[Summary | None] = [None] * len(tasks)
    expressed = np.zeros(len(genes), dtype=bool)
    logs = factors.LogSums(len(genes)) if method in ("median-of-ratios", "poscounts") else None
    for position, summary in _map(_Summarise(method), tasks, client):
        expressed |= summary.expressed
        if logs is not None and summary.logs is not None:
            logs.merge(summary.logs)
            summary = summary._replace(logs=None)
        summaries[position] = summary._replace(expressed=expressed[:0])
    done = [summary for summary in summaries if summary is not None]
    sizes = np.concatenate([summary.sizes for summary in done])
    empty = int((sizes == 0).sum())
    if empty:
        raise Unusable("empty-sample", f"{empty} samples have no count at all.", "Leave them out of the stores.")
    order = np.argsort(np.asarray(names, dtype=str), kind="stable")
    model = NormalisationModel(
        method=method,  # type: ignore[arg-type]
        genes=tuple(genes),
        samples=len(names),
        expressed=expressed,
        prior_count=prior_count,
        mean_size=exact_mean(sizes),
        input_digest=digest_of([[(names[i], float(sizes[i])) for i in order], genes]),
    )
    silent = int((~expressed).sum())
    if method in ("tmm", "tmmwsp"):
        if method == "tmm":
            quartiles = (
                np.concatenate([factors.quartiles_of_windows(s.windows.astype(np.float64), len(genes), silent) for s in done])
                / sizes
            )
            if np.median(quartiles) < 1e-20:
                raise Unusable("zero-quantile", "Most upper quartiles are zero.", "Use the method tmmwsp.")
            score = -np.abs(quartiles - exact_mean(quartiles))
        else:
            score = np.concatenate([s.root_sums for s in done])
        best = min(np.flatnonzero(score == score.max()), key=lambda i: names[int(i)])
        reference = _row(tasks, int(best))
        model = replace(model, reference_counts=reference.astype(np.float64), reference_size=float(sizes[best]))
    elif logs is not None:
        log_means = logs.positive_means() if method == "poscounts" else logs.geometric_means()
        if not np.isfinite(log_means).any():
            raise Unusable("no-common-gene", "Every gene has a zero in some sample.", "Use poscounts or tmmwsp.")
        model = replace(model, log_means=log_means)
    if method in ("tmm", "tmmwsp", "upperquartile", "poscounts"):
        parts: list[FloatArray] = [np.empty(0)] * len(tasks)
        if method == "upperquartile":
            raw = (
                np.concatenate([factors.quartiles_of_windows(s.windows.astype(np.float64), len(genes), silent) for s in done])
                / sizes
            )
        else:
            for position, (_, norm, size_factor) in _map(_Factors(model), tasks, client):
                parts[position] = size_factor if method == "poscounts" else norm
            raw = np.concatenate(parts)
        if not (np.isfinite(raw) & (raw > 0)).all():
            raise Unusable("zero-quantile", "A factor is zero or undefined in some sample.", "Use poscounts or tmmwsp.")
        model = replace(model, centre=geometric_mean(raw))
        if method != "poscounts":
            model = replace(model, mean_size=exact_mean(sizes * (raw / model.centre)))
    return model


def _row(tasks: Sequence[Chunk], position: int) -> NDArray[Any]:
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
        """Return the moments of both sets of samples."""
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
        result = self.model.rows(_read(chunk))
        values = result.values.astype(np.float32)
        sums, squares = _fixed_moments(values)
        _write(self.target, chunk.start, values)
        return result.library_size, result.norm_factor, result.size_factor, Moments(len(values), sums, squares)


@dataclass(frozen=True)
class _LogNormalise:
    target: str
    target_sum: float

    def __call__(self, chunk: Chunk) -> tuple[FloatArray, Moments]:
        counts = _read(chunk)
        values, sizes, sums, squares = log1p_rows(counts, self.target_sum)
        _write(self.target, chunk.start, values)
        return sizes, Moments(len(values), sums, squares)


def transform(
    store: Path | str, target: Path | str, model: NormalisationModel, *, client: Client | None = None, rows: int | None = None
) -> Moments:
    """Transform a store of counts with a frozen model into a new float32 store; return its gene moments.

    `obs` of the new store has library_size, norm_factor and size_factor; the target appears whole or not at all.
    """
    samples, genes = names_of(store)
    if tuple(genes) != model.genes:
        raise Unusable("different-genes", "The store's genes are not those of the model, in its order.", "Align them first.")
    tasks, temporary = _prepare(store, target, samples, genes, rows)
    sizes, norms, size_factors = (np.zeros(len(samples)) for _ in range(3))
    moments: Moments | None = None
    for position, (size, norm, size_factor, part) in _map(_Transform(model, str(temporary)), tasks, client):
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
    """
    samples, genes = names_of(store)
    tasks, temporary = _prepare(store, target, samples, genes, rows)
    sizes = np.zeros(len(samples))
    moments: Moments | None = None
    for position, (size, part) in _map(_LogNormalise(str(temporary), target_sum), tasks, client):
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


def _finish(temporary: Path, target: Path | str, samples: list[str], columns: dict[str, NDArray[Any]]) -> None:
    import anndata
    import pandas as pd
    import zarr

    group = zarr.open_group(temporary, mode="r+", use_consolidated=False)
    with anndata.settings.override(zarr_write_format=3):
        anndata.io.write_elem(group, "obs", pd.DataFrame(columns, index=pd.Index(samples, dtype=object)))
    zarr.consolidate_metadata(temporary)
    temporary.rename(target)


class Cohort:
    """A growing cohort on disk: a frozen model, and one transformed store per batch of samples that came in.

    `index.json` lists the parts in the order they came, with their samples' digest. A part is never touched again.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        path = self.folder / "index.json"
        if not path.exists():
            raise UserError(f"There is no cohort at {folder}. Start one with Cohort.start.")
        self._index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))

    @classmethod
    def start(cls, folder: Path | str, model: NormalisationModel) -> Cohort:
        """Make an empty cohort around a model."""
        folder = Path(folder)
        folder.mkdir(parents=True)
        model.save(folder / "model")
        write_json(folder / "index.json", {"model": model.digest, "parts": []})
        return cls(folder)

    def parts(self) -> list[Path]:
        """Return the stores, in the order they came."""
        return [self.folder / part["name"] for part in self._index["parts"]]

    def add(self, store: Path | str, *, client: Client | None = None) -> Path:
        """Transform the samples of a store with the frozen model and add them as a new part.

        Raises:
            Unusable: `repeated-sample` when a sample is in the cohort already.
        """
        samples, _ = names_of(store)
        known = {name for part in self.parts() for name in names_of(part)[0]}
        again = len(known & set(samples))
        if again:
            raise Unusable("repeated-sample", f"{again} samples are in the cohort already.", "Add new samples only.")
        name = f"part-{len(self._index['parts']):05d}.zarr"
        transform(store, self.folder / name, normalisation.load(self.folder / "model"), client=client)
        entry = {"name": name, "samples": len(samples), "samples_digest": digest_of(samples)}
        self._index["parts"].append(entry)
        write_json(self.folder / "index.json", self._index)
        return self.folder / name

    def to_dask(self) -> Any:
        """Return X of all parts as one Dask array, rows in the order of the parts."""
        import dask.array as da

        return da.concatenate([da.from_zarr(open_x(part)) for part in self.parts()])


def write_counts(
    path: Path | str, samples: Sequence[str], genes: Sequence[str], blocks: Iterable[NDArray[Any]], *, rows: int | None = None
) -> None:
    """Write a store of int32 counts from blocks of whole samples, in order, without holding them together."""
    x = create_store(path, samples, genes, "int32", rows=rows)
    pending: list[NDArray[Any]] = []
    held = start = 0
    for block in blocks:
        pending.append(block)
        held += len(block)
        while held >= x.chunks[0]:
            joined = np.concatenate(pending)
            x[start : start + x.chunks[0]] = joined[: x.chunks[0]]
            start += x.chunks[0]
            pending = [joined[x.chunks[0] :]]
            held = len(pending[0])
    if held:
        x[start : start + held] = np.concatenate(pending)


@njit(cache=True, nogil=True)
def _fixed_moments(values):  # type: ignore[no-untyped-def]
    n, genes = values.shape
    sums = np.zeros(genes, np.int64)
    squares = np.zeros(genes, np.int64)
    for i in range(n):
        for g in range(genes):
            value = np.float64(values[i, g])
            sums[g] += np.int64(np.rint(value * FIXED_POINT))
            squares[g] += np.int64(np.rint(value * value * FIXED_POINT))
    return sums, squares


_LN2 = math.log(2.0)
_ROUND = 1.5 * 2.0**52
_ROUND_BITS = 0x4338000000000000
"""Added to a number below 2^51, `_ROUND` leaves its nearest whole number in the low bits: a conversion without a call."""


# Division as numpy defines it: the check for zero that Python asks for would keep the compiler from vector code.
@njit(cache=True, nogil=True, error_model="numpy")
def log1p_rows(counts, target_sum):  # type: ignore[no-untyped-def]
    """Return (float32 log(1 + count * target_sum / total), totals, fixed-point gene sums and sums of squares).

    The logarithm splits off the binary exponent and sums the series of atanh up to its 13th power: relative error below
    3e-12 before rounding to float32, no branch and no call, so that the compiler makes vector code of it.
    """
    n, genes = counts.shape
    out = np.empty((n, genes), np.float32)
    sizes = np.zeros(n)
    sums = np.zeros(genes, np.int64)
    squares = np.zeros(genes, np.int64)
    shifted = np.empty(genes, np.float64)
    bits = shifted.view(np.int64)
    exponent = np.empty(genes, np.float64)
    square_bits = exponent.view(np.int64)
    for i in range(n):
        total = np.int64(0)
        for g in range(genes):
            total += np.int64(counts[i, g])
        sizes[i] = total
        scale = target_sum / total if total > 0 else 0.0
        for g in range(genes):
            shifted[g] = 1.0 + counts[i, g] * scale
        for g in range(genes):
            # The exponent of x * sqrt(2) / 2 ... x * sqrt(2): the mantissa that is left lies around 1.
            raised = bits[g] - np.int64(0x3FE6A09E667F3BCD)
            exponent[g] = float(raised >> 52)
            bits[g] = (raised & np.int64(0x000FFFFFFFFFFFFF)) + np.int64(0x3FE6A09E667F3BCD)
        for g in range(genes):
            s = (shifted[g] - 1.0) / (shifted[g] + 1.0)
            z = s * s
            series = 1.0 + z * (
                0.3333333333333333
                + z
                * (
                    0.2
                    + z * (0.14285714285714285 + z * (0.1111111111111111 + z * (0.09090909090909091 + z * 0.07692307692307693)))
                )
            )
            shifted[g] = exponent[g] * _LN2 + 2.0 * s * series
        for g in range(genes):
            value = shifted[g]
            out[i, g] = value
            shifted[g] = value * FIXED_POINT + _ROUND
            exponent[g] = value * value * FIXED_POINT + _ROUND
        for g in range(genes):
            sums[g] += bits[g] - _ROUND_BITS
            squares[g] += square_bits[g] - _ROUND_BITS
    return out, sizes, sums, squares
