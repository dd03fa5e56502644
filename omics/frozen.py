"""One assay of a study, frozen: what was learned on the samples of one day, and applied to those and to all later ones.

The scale is learned on the samples of the fit alone: a later sample is a test sample, and nothing of it leaks into what
was learned. A row never changes until somebody asks for a new fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from groundwork.files import atomic_folder, digest_of, write_json, write_text
from groundwork.problems import Unusable, UserError
from omics import models
from omics.counts import frame_of
from omics.normalise import Method, fit_model

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

    scale: models.NormalisationModel
    samples: tuple[str, ...]
    genes: pd.DataFrame

    @property
    def digest(self) -> str:
        """SHA-256 over all that was learned, the names of the samples and the genes."""
        return digest_of([self.scale.digest, list(self.samples), _columns(self.genes)])

    def transform(self, adata: AnnData) -> AnnData:
        """Transform samples, each from itself alone.

        Returns:
            As `normalise.normalise` gives it, and `obs["in_fit"]`.

        Raises:
            Unusable: `missing-genes`, `empty-sample`.
        """
        out = self.scale.transform(adata)
        out.var = self.genes.copy()
        known = set(self.samples)
        out.obs["in_fit"] = np.array([str(name) in known for name in out.obs_names], dtype=bool)
        out.uns["normalisation"]["model"] = self.digest
        return out

    def save(self, folder: Path | str, further: Mapping[str, Any]) -> None:
        """Write all of it in one step, with `further` JSON values beside the digests in `frozen.json`."""
        with atomic_folder(folder) as temporary:
            self.scale.save(temporary / "scale")
            write_text(temporary / _LINES, "".join(f"{name}\n" for name in self.samples))
            record = {"format": FORMAT, "digest": self.digest, "genes": _columns(self.genes)}
            write_json(temporary / "frozen.json", {**record, **further})


def fit(adata: AnnData, method: Method) -> FrozenAssay:
    """Learn the scale on the samples of `adata` (whole counts).

    Raises:
        Unusable: As `normalise.fit_model` says.
    """
    return FrozenAssay(fit_model(adata, method), tuple(sorted(map(str, adata.obs_names))), frame_of(adata.var))


def load(folder: Path | str, record: Mapping[str, Any]) -> FrozenAssay:
    """Read what `save` wrote; `record` is its `frozen.json`.

    Raises:
        UserError: If there is none.
        Unusable: `other-format` when another version of unibase wrote it; `changed-model` when its files are not those
            that were written.
    """
    folder = Path(folder)
    if record["format"] != FORMAT:
        raise models.other_format()
    if not (folder / _LINES).exists():
        raise UserError(f"There is no frozen assay at {folder}. Fit one first.")
    scale = models.load(folder / "scale")
    genes = pd.DataFrame(record["genes"], index=pd.Index(scale.genes, dtype=object, name="gene_id"), dtype=object)
    if "length" in genes:
        genes["length"] = genes["length"].astype(np.float64)
    found = FrozenAssay(scale, fitted_samples(folder), genes)
    if found.digest != record["digest"]:
        raise Unusable("changed-model", "The model's files are not those that were written.", "Restore them, or fit again.")
    return found


def fitted_samples(folder: Path | str) -> tuple[str, ...]:
    """Return the names of the samples that the frozen assay in `folder` was learned on."""
    return tuple((Path(folder) / _LINES).read_text(encoding="utf-8").splitlines())


def _columns(genes: pd.DataFrame) -> dict[str, list[Any]]:
    return {str(name): genes[name].tolist() for name in genes.columns}
