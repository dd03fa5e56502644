"""A cohort that grows on disk: a frozen model, and one transformed store per batch of samples that came in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unibase.groundwork.files import digest_of, write_json
from unibase.groundwork.problems import Unusable, UserError
from unibase.groundwork.reasons import REPEATED_SAMPLE
from unibase.omics.models import normalisation
from unibase.omics.models.normalisation import NormalisationModel
from unibase.omics.stores.chunks import names_of, open_x
from unibase.omics.stores.scale import transform

if TYPE_CHECKING:
    from distributed import Client


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
        """Make an empty cohort in `folder`, which must not exist, around a model."""
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

        With a `client` its workers transform; else it is done here.

        Raises:
            Unusable: `repeated-sample` when a sample is in the cohort already.
        """
        samples, _ = names_of(store)
        known = {name for part in self.parts() for name in names_of(part)[0]}
        again = len(known & set(samples))
        if again:
            raise Unusable(REPEATED_SAMPLE, f"{again} samples are in the cohort already.", "Add new samples only.")
        name = f"part-{len(self._index['parts']):05d}.zarr"
        transform(store, self.folder / name, normalisation.load(self.folder / "model"), client=client)
        entry = {"name": name, "samples": len(samples), "samples_digest": digest_of(samples)}
        self._index["parts"].append(entry)
        write_json(self.folder / "index.json", self._index)
        return self.folder / name

    def to_dask(self) -> object:
        """Return X of all parts as one Dask array, rows in the order of the parts."""
        import dask.array as da

        return da.concatenate([da.from_zarr(open_x(part)) for part in self.parts()])
