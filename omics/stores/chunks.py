"""Stores read and written by chunks of whole samples, on one process or over Dask."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from unibase.groundwork.problems import Unusable, UserError
from unibase.groundwork.reasons import TRUNCATED_FILE
from unibase.omics.reasons import NOT_DENSE
from unibase.omics.stores.store import chunk_samples

if TYPE_CHECKING:
    import pandas as pd
    import zarr
    from distributed import Client


CODEC_LEVEL = 3


class Chunk(NamedTuple):
    """Some whole samples of one store."""

    store: str
    start: int
    stop: int


def open_x(store: Path | str) -> zarr.Array[Any]:
    """Open X of a store: samples x genes.

    Raises:
        UserError: If there is none.
        Unusable: `not-dense` when X is sparse.
    """
    import zarr

    path = Path(store)
    if not path.exists():
        raise UserError(f"There is no store at {path}. Check the path.")
    x = zarr.open_group(path, mode="r")["X"]
    if not isinstance(x, zarr.Array):
        raise Unusable(NOT_DENSE, "X of the store is sparse.", "Write it as a dense array, whole samples in a chunk.")
    return x


def names_of(store: Path | str) -> tuple[list[str], list[str]]:
    """Sample and gene names of a store."""
    import anndata
    import zarr

    group = zarr.open_group(Path(store), mode="r")
    obs = cast("pd.DataFrame", anndata.io.read_elem(group["obs"]))
    var = cast("pd.DataFrame", anndata.io.read_elem(group["var"]))
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

    Raises:
        UserError: If something stands at `path`.
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


def write_counts(
    path: Path | str, samples: Sequence[str], genes: Sequence[str], blocks: Iterable[np.ndarray], *, rows: int | None = None
) -> None:
    """Write a store of int32 counts from blocks of whole samples, in order, without holding them together.

    Args:
        path: Must not exist.
        samples, genes: Names.
        blocks: Counts, each of shape (some samples, genes).
        rows: Samples in a chunk; as many as fill 16 MiB by default.
    """
    x = create_store(path, samples, genes, "int32", rows=rows)
    pending: list[np.ndarray] = []
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


def chunks_of(stores: Sequence[Path | str]) -> list[Chunk]:
    """List the chunks of a cohort of `stores`, store by store."""
    out = []
    for store in stores:
        x = open_x(store)
        step = x.chunks[0]
        out += [Chunk(str(store), start, min(start + step, x.shape[0])) for start in range(0, x.shape[0], step)]
    return out


def map_chunks[T, R](function: Callable[[T], R], tasks: Sequence[T], client: Client | None) -> Iterator[tuple[int, R]]:
    """Yield `(position, result)` of a `function` of each of the `tasks`, in whatever order they end.

    A few are in flight at a time on the workers of the `client`; without one, they are done here.

    >>> sorted(map_chunks(abs, [-1, -2], None))
    [(0, 1), (1, 2)]
    """
    if client is None:
        yield from enumerate(map(function, tasks))
        return
    from distributed import as_completed

    limit = 2 * max(1, len(client.scheduler_info()["workers"]))
    waiting = iter(enumerate(tasks))
    running: dict[object, int] = {}

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


def read_chunk(chunk: Chunk) -> np.ndarray:
    """Read the samples of a chunk; a whole stored chunk is decoded straight from its file, four times as fast.

    Raises:
        Unusable: `truncated-file` when it cannot be decoded.
    """
    from numcodecs import blosc

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
            TRUNCATED_FILE, f"Chunk {chunk.start // plan.rows} of the store cannot be read.", "Write the store again."
        ) from None
    return values[: chunk.stop - chunk.start]


def write_rows(store: str, start: int, values: np.ndarray) -> None:
    """Write whole samples, `values` of shape (samples, genes), into X of a `store` from `start` on.

    Whole stored chunks are encoded straight to their file.
    """
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
    dtype: np.dtype[np.generic]


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
