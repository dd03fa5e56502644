"""A release as a map-style dataset: one item per subject, read from `cohort.zarr` when it is asked for.

PyTorch's `DataLoader` takes it as it is (it asks for `__len__`, `__getitem__` and `__getitems__`, and makes tensors of
NumPy arrays); nothing here needs PyTorch. Missing values are 0 where the mask beside them is False, so that a batch
never holds NaN by accident.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unibase.groundwork.problems import UserError
from unibase.releases.content import manifest
from unibase.releases.read.known_times import with_known_times


class ReleaseDataset:
    """The subjects of a release, in rising order of `subject_id`.

    An item is a dictionary: `subject_id`; for each modality `<name>` (float32, its variables) and `<name>_known` (bool);
    with an endpoint also `time` (float32, AVAL) and `event` (bool), and `time_low` and `time_high` (float32) between which the time
    lies: the same where it is known to the day, without end for who is censored. Where it is known in part `time` is the middle. A subject without a modality has a mask of False.

    Attributes:
        subject_ids: int64, shape (subjects,).
        variables: Modality to the names of its variables.
    """

    def __init__(
        self, folder: Path | str, modalities: Sequence[str] | None = None, endpoint: str | None = "OS", complete: bool = False
    ) -> None:
        """Open a release; values are read later, by item or batch.

        Args:
            folder: Folder of the release.
            modalities: Which modalities; all by default.
            endpoint: PARAMCD of the endpoint; subjects without it are left out. None for none.
            complete: Whether only subjects who have every modality are kept.

        Raises:
            UserError: If the folder is no release, or it lacks a modality or the endpoint.
        """
        self.folder = Path(folder)
        about = manifest.read(self.folder)
        wanted = list(about["modalities"]) if modalities is None else list(modalities)
        unknown = [name for name in wanted if name not in about["modalities"]]
        if unknown:
            raise UserError(f"The release has no modality {', '.join(unknown)}. It has: {', '.join(about['modalities'])}.")
        subjects = pl.read_parquet(self.folder / "tables" / "subjects.parquet", columns=["subject_id"])["subject_id"]
        self._outcome: Mapping[int, Mapping[str, object]] = {}
        if endpoint is not None:
            self._outcome = self._read_outcome(endpoint)
            subjects = subjects.filter(subjects.is_in(list(self._outcome)))
        groups = {name: self._group(name) for name in wanted}
        self._rows = {
            name: {int(s): i for i, s in enumerate(group["obs"][group["obs"].attrs["_index"]][:])}
            for name, group in groups.items()
        }
        if complete:
            subjects = subjects.filter(
                pl.Series([all(s in rows for rows in self._rows.values()) for s in subjects], dtype=pl.Boolean)
            )
        self.variables = {name: [str(v) for v in group["var"][group["var"].attrs["_index"]][:]] for name, group in groups.items()}
        self.subject_ids = subjects.sort().to_numpy()
        self._open: dict[str, Any] = {}

    def _read_outcome(self, endpoint: str) -> dict[int, dict[str, object]]:
        adtte = pl.read_parquet(self.folder / "tables" / "adtte.parquet")
        known = adtte["PARAMCD"].unique().sort().to_list()
        if endpoint not in known:
            raise UserError(f"The release has no endpoint {endpoint}. It has: {', '.join(known) or 'none'}.")
        rows = with_known_times(adtte.filter(pl.col("PARAMCD") == endpoint).drop("ENTRY", strict=False))
        return {
            int(subject): {
                "time": np.float32((low + high) / 2),
                "event": np.bool_(event),
                "time_low": np.float32(low),
                "time_high": np.float32(high if event else np.inf),
            }
            for subject, low, high, event in rows.select("subject_id", "_low", "_high", "_event").iter_rows()
        }

    def _group(self, name: str) -> Any:
        import zarr

        return zarr.open_group(self.folder / "cohort.zarr", mode="r")[f"mod/{name}"]

    def __getstate__(self) -> object:
        # Each worker of a loader opens the store itself.
        return {**self.__dict__, "_open": {}}

    def __len__(self) -> int:
        return len(self.subject_ids)

    def __getitem__(self, place: int) -> dict[str, object]:
        return self.__getitems__([place])[0]

    def __getitems__(self, places: Sequence[int]) -> list[dict[str, object]]:
        """Return several items, read together."""
        subjects = [int(self.subject_ids[place]) for place in places]
        items: list[dict[str, Any]] = [{"subject_id": subject} for subject in subjects]
        for name, rows in self._rows.items():
            if name not in self._open:
                self._open[name] = self._group(name)["X"]
            have = [i for i, subject in enumerate(subjects) if subject in rows]
            values = np.full((len(subjects), len(self.variables[name])), np.nan, dtype=np.float32)
            if have and values.shape[1]:
                asked = np.array([rows[subjects[i]] for i in have])
                order = np.argsort(asked)
                distinct, back = np.unique(asked[order], return_inverse=True)
                read = np.asarray(self._open[name].oindex[distinct, slice(None)])
                values[np.array(have)[order]] = read[back]
            for item, row in zip(items, values, strict=True):
                item[f"{name}_known"] = ~np.isnan(row)
                item[name] = np.nan_to_num(row)
        for item, subject in zip(items, subjects, strict=True):
            item |= self._outcome[subject] if self._outcome else {}
        return items
