"""One assay of a study, frozen: what was learned on the samples of one day, and applied to those and to all later ones.

The scale is learned on the samples of the fit alone: a later sample is a test sample, and nothing of it leaks into what
was learned. A row never changes until somebody asks for a new fit.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unibase.groundwork.files import atomic_folder, digest_of, write_json, write_text
from unibase.groundwork.problems import Unusable, UserError
from unibase.groundwork.reasons import CHANGED_MODEL
from unibase.omics.assays.gates import no_sample_left
from unibase.omics.models import normalisation
from unibase.omics.models.normalised import fit_model
from unibase.omics.options import Method
from unibase.omics.readers.counts import combine, common_genes, frame_of
from unibase.omics.stores import blocks, scale
from unibase.omics.stores.store import read_zarr

if TYPE_CHECKING:
    from anndata import AnnData

FORMAT = 2
_LINES = "names.txt"


@dataclass(frozen=True)
class FrozenAssay:
    """What was learned of an assay.

    Attributes:
        scale: The normalisation.
        samples: Names of the samples it was learned on, sorted.
        genes: `var` of every matrix that comes out.
    """

    scale: normalisation.NormalisationModel
    samples: tuple[str, ...]
    genes: pd.DataFrame

    @property
    def digest(self) -> str:
        """SHA-256 over all that was learned, the names of the samples and the genes."""
        return digest_of([self.scale.digest, list(self.samples), dict(_columns(self.genes))])

    def transform(self, adata: AnnData) -> AnnData:
        """Transform the samples of `adata` (whole counts), each from itself alone.

        Returns:
            As `normalise.normalise` gives it, and `obs["in_fit"]`.

        Raises:
            Unusable: `missing-genes`, `empty-sample`.
        """
        out = self.scale.transform(adata)
        out.var = self.genes.copy()
        out.obs["in_fit"] = self._in_fit(out.obs_names)
        out.uns["normalisation"]["model"] = self.digest
        return out

    def transform_store(self, path: Path, excluded: Collection[str], target: Path) -> int:
        """Transform the samples of the store at `path` that are not `excluded` into `target`, by blocks; values as of
        `transform`.

        Returns:
            How many there are; without any, nothing is written.

        Raises:
            Unusable: `missing-genes`, `empty-sample`.
        """
        source = blocks.open_store(path)
        samples = source.rows_of(lambda name: name not in excluded)
        if not len(samples):
            return 0
        columns = self.scale.columns([str(gene) for gene in source.var.index])
        weights = self.scale.levels is not None
        dtypes = {name: array.dtype for name, array in source.arrays.items()} | {
            blocks.X: np.dtype(np.float64),
            "layers/counts": source.arrays[blocks.X].dtype,
            **({"layers/weights": np.dtype(np.float64)} if weights else {}),
        }
        done: list[normalisation.Transformed] = []
        with blocks.new_store(target, source.obs.index[samples], self.genes, dtypes) as store:
            for rows in blocks.parts(samples, len(self.genes)):
                read = source.read(rows)
                if columns is not None:
                    read = {name: np.ascontiguousarray(values[:, columns]) for name, values in read.items()}
                counts = read[blocks.X]
                result = self.scale.rows(counts)
                further = {"layers/weights": self.scale.weights(result)} if weights else {}
                store.append({**read, blocks.X: result.values, "layers/counts": counts, **further})
                done.append(result._replace(values=result.values[:0]))
            obs = self._described(source.obs.iloc[samples].copy(), done)
            store.describe(obs, {**source.uns, "normalisation": {**self.scale.describe(), "model": self.digest}})
        return len(samples)

    def _described(self, obs: pd.DataFrame, done: Sequence[normalisation.Transformed]) -> pd.DataFrame:
        """Return `obs` with what was computed of each sample."""
        obs["library_size"] = np.concatenate([result.library_size for result in done]).astype(np.int64)
        for name in ("norm_factor", "size_factor"):
            obs[name] = np.concatenate([getattr(result, name) for result in done])
        obs["in_fit"] = self._in_fit(obs.index)
        return obs

    def _in_fit(self, names: Iterable[object]) -> NDArray[np.bool_]:
        known = set(self.samples)
        return np.array([str(name) in known for name in names], dtype=bool)

    def save(self, folder: Path | str, further: Mapping[str, object]) -> None:
        """Write all of it to `folder` in one step, with `further` JSON values beside the digests in `frozen.json`."""
        with atomic_folder(folder) as temporary:
            self.scale.save(temporary / "scale")
            lines = "".join(f"{name}\n" for name in self.samples)
            write_text(temporary / _LINES, lines)
            genes = dict(_columns(self.genes))
            record = {"format": FORMAT, "digest": self.digest, "genes": genes, **further}
            write_json(temporary / "frozen.json", record)


def fit(adata: AnnData, method: Method) -> FrozenAssay:
    """Learn the scale on the samples of `adata` (whole counts), by a `method` of normalisation.

    Raises:
        Unusable: As `normalise.fit_model` says.
    """
    return FrozenAssay(fit_model(adata, method), tuple(sorted(map(str, adata.obs_names))), frame_of(adata.var))


def fit_stores(stores: Sequence[Path], excluded: Collection[str], method: Method, scratch: Path) -> tuple[FrozenAssay, int]:
    """Learn the scale on the samples of stores that are not excluded, over the genes that all of them measured.

    Methods of `scale.OUT_OF_CORE_METHODS` are learned a block at a time, bit for bit as `fit` learns them on what
    `counts.combine` gives; the others in memory.

    Args:
        stores: Stores of whole counts.
        excluded: Names of samples that are left out.
        method: The normalisation.
        scratch: A folder for the counts of the common genes while they are learned from; removed afterwards.

    Returns:
        The model, and how many genes not all stores have.

    Raises:
        Unusable: `no-sample-left`, `no-common-gene`, `repeated-gene`, and as the methods say.
    """
    opened = {path: blocks.open_store(path) for path in stores}
    rows = {path: one.rows_of(lambda name: name not in excluded) for path, one in opened.items()}
    used = [path for path in stores if len(rows[path])]
    if not used:
        raise no_sample_left()
    genes, left_out = common_genes([opened[path].var.index for path in used])
    if method not in scale.OUT_OF_CORE_METHODS:
        parts = [read_zarr(path)[rows[path]].copy() for path in used]
        return fit(combine(parts), method), left_out
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        aligned = [scratch / f"{place}.zarr" for place in range(len(used))]
        for path, target in zip(used, aligned, strict=True):
            blocks.align(path, rows[path], genes, target)
        learned = scale.fit(aligned, method)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    names = sorted(str(name) for path in used for name in opened[path].obs.index[rows[path]])
    first = opened[used[0]].var
    return FrozenAssay(learned, tuple(names), first.iloc[first.index.get_indexer(pd.Index(genes))]), left_out


def load(folder: Path | str, record: Mapping[str, Any]) -> FrozenAssay:
    """Read what `save` wrote to `folder`; `record` is its `frozen.json`.

    Raises:
        UserError: If there is none.
        Unusable: `other-format` when another version of unibase wrote it; `changed-model` when its files are not those
            that were written.
    """
    folder = Path(folder)
    if record["format"] != FORMAT:
        raise normalisation.other_format()
    if not (folder / _LINES).exists():
        raise UserError(f"There is no frozen assay at {folder}. Fit one first.")
    scale = normalisation.load(folder / "scale")
    genes = pd.DataFrame(record["genes"], index=pd.Index(scale.genes, dtype=object, name="gene_id"), dtype=object)
    if "length" in genes:
        genes["length"] = genes["length"].astype(np.float64)
    found = FrozenAssay(scale, fitted_samples(folder), genes)
    if found.digest != record["digest"]:
        raise Unusable(CHANGED_MODEL, "The model's files are not those that were written.", "Restore them, or fit again.")
    return found


def fitted_samples(folder: Path | str) -> tuple[str, ...]:
    """Return the names of the samples that the frozen assay in `folder` was learned on."""
    return tuple((Path(folder) / _LINES).read_text(encoding="utf-8").splitlines())


def _columns(genes: pd.DataFrame) -> Iterator[tuple[str, list[object]]]:
    yield from ((str(name), genes[name].tolist()) for name in genes.columns)
