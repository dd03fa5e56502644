"""Patches, volumes and masks of this release, with what is known of each subject: NumPy and zarr are all it needs.

    from dataset import Patches
    data = Patches(".", modality="CT", around="GTV", size=(96, 96, 96), split=("folds", "0", "train"))
    item = data[0]      # image (1, z, y, x) float32, mask (regions, z, y, x) uint8, subject_id, time, event, ...

It is a map-style dataset: PyTorch's `DataLoader` takes it as it is, with workers, and makes tensors of the arrays; a
dictionary of arrays with the channel first is what MONAI's transforms take. A patch reads the chunks that it meets and
no more. The same seed, epoch and place give the same patch, whatever the number of workers.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import zarr
from numcodecs import blosc  # comes with zarr

Array = np.ndarray

# A loader has its workers; threads within each would only stand in one another's way.
blosc.use_threads = False


class Patches:
    """Patches of one modality, some of each image; an item is a dictionary of arrays and numbers.

    Attributes:
        images: The rows of the table `images` that patches are drawn from.
        regions: Names of the regions, in the order of the first axis of `mask`.
        variables: Names of the variables of each matrix of `matrices`.
    """

    def __init__(
        self,
        folder: Path | str = ".",
        modality: str = "CT",
        size: tuple[int, int, int] = (96, 96, 96),
        around: str = "",
        split: tuple[str, str, str] | None = None,
        each: int = 1,
        seed: int = 0,
        outside: float | None = None,
        endpoint: str = "OS",
        matrices: Sequence[str] = (),
    ) -> None:
        """Open a release.

        Args:
            folder: The release.
            modality: DICOM Modality of the images.
            size: Voxels of a patch (z, y, x).
            around: Draw the middle of each patch from the box of this region; empty draws it from the whole image.
            split: Scheme, held_out and part of the table `splits`, such as ("folds", "0", "train"); None takes all subjects.
            each: Patches of each image in an epoch.
            seed: Where patches lie follows from it.
            outside: Value of voxels beyond the image; the smallest of its type's use by default: -1024 for CT, else 0.
            endpoint: PARAMCD of `time`, `event`, `time_low` and `time_high`; empty for none. Subjects without it have NaN and False.
            matrices: Modalities of `cohort.zarr` that go along: radiomics, clinical, rna, ...

        Raises:
            ValueError: If the release holds no such image, part, region or matrix; the text says what it holds.
        """
        self.folder, self.size, self.around, self.each, self.seed = Path(folder), size, around, each, seed
        self.outside = float(-1024 if modality == "CT" else 0) if outside is None else float(outside)
        self.epoch = 0
        self.images = self._images(modality, split)
        self.regions = sorted({name for row in self.images for name in _split(row["regions"])})
        self._outcome = self._outcomes(endpoint) if endpoint else {}
        self.matrices = tuple(matrices)
        self._places = {name: self._subjects(name) for name in self.matrices}
        self.variables = {name: _names(self._matrix(name)["var"]) for name in self.matrices}
        self._open: dict[str, _Store] = {}

    def _images(self, modality: str, split: tuple[str, str, str] | None) -> list[dict[str, str]]:
        rows = self._rows("images")
        wanted = {row["subject_id"] for row in rows} if split is None else self._part(*split)
        found = [row for row in rows if row["Modality"] == modality and row["subject_id"] in wanted]
        if self.around:
            found = [row for row in found if self.around in _split(row["regions"])]
        if not found:
            held = sorted({row["Modality"] for row in rows})
            raise ValueError(f"no image of {modality} with what is asked; the release has images of {', '.join(held) or 'none'}")
        return found

    def _outcomes(self, endpoint: str) -> dict[str, _Outcome]:
        return {row["subject_id"]: _outcome(row) for row in self._rows("adtte") if row["PARAMCD"] == endpoint}

    def set_epoch(self, epoch: int) -> None:
        """Draw other patches than before; the same epoch draws the same ones again.

        Args:
            epoch: Number of the epoch, from 0.
        """
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.images) * self.each

    def __getstate__(self) -> object:
        # Each worker of a loader opens the stores itself.
        return {**self.__dict__, "_open": {}}

    def __getitem__(self, place: int) -> dict[str, object]:
        """Return a patch and what is known of its subject.

        Args:
            place: From 0 to `len(self) - 1`.

        Returns:
            `image` (1, z, y, x) float32; `mask` (regions, z, y, x) uint8; `mask_known` (regions), whether the image says where
            a region lies: where it is False, zeros of `mask` are no background, and a loss must pass over them; `start`, the
            patch's first voxel (z, y, x) in its image; `affine` (4, 4), from indices (z, y, x) of the patch to the patient in
            RAS and mm; `subject_id`; `days_from_index`; `time` and `event`, and between which days the time lies, `time_low`
            and `time_high` (the same where it is known to the day, without end for who is censored; `time` is else the
            middle); for each matrix its values (0 where unknown) and `<name>_known`.
        """
        if not 0 <= place < len(self):
            raise IndexError(place)
        row = self.images[place // self.each]
        store = self._store(row["path"])
        random = np.random.default_rng([self.seed, self.epoch, place])
        start = self._start(store, random)
        return {**self._read(store, start, self.size), **_place(store, start), **self.known(row)}

    def whole(self, place: int) -> dict[str, Any]:
        """Return a whole image with its masks, as an item whose size is that of the image.

        `place`: from 0 to `len(self.images) - 1`.
        """
        row = self.images[place]
        store = self._store(row["path"])
        return {**self._read(store, (0, 0, 0), store["0"].shape), **_place(store, (0, 0, 0)), **self.known(row)}

    def known(self, row: Mapping[str, str]) -> dict[str, Any]:
        """Return what is known of the subject of an image.

        `row` is the image's row of the table `images`.

        Args:
            row: A row of `images`.
        """
        subject = row["subject_id"]
        days = row.get("days_from_index", "")
        item: dict[str, Any] = {"subject_id": int(subject), "days_from_index": np.float32(days or "nan")}
        item |= self._outcome.get(subject, _outcome({}))._asdict() if self._outcome else {}
        item["mask_known"] = self._mask_known(row)
        for name in self.matrices:
            values = self._values(name, subject)
            item[f"{name}_known"] = ~np.isnan(values)
            item[name] = np.nan_to_num(values)
        return item

    def _mask_known(self, row: Mapping[str, str]) -> Array:
        """Return of each region whether an image says where all of it lies; a lesion `GTV-2` is known where `GTV` is."""
        unknown = set(_split(row["unknown_regions"]))
        held = set(_split(row["regions"]))
        stems = [name.rpartition("-")[0] if name.rpartition("-")[2].isdigit() else name for name in self.regions]
        known = [
            name not in unknown and (stem not in unknown or (name in held and stem not in held))
            for name, stem in zip(self.regions, stems, strict=True)
        ]
        return np.array(known, dtype=bool)

    def _start(self, store: _Store, random: np.random.Generator) -> tuple[int, ...]:
        """Return the first voxel of a patch: around a voxel of the region's box, else anywhere inside the image."""
        shape = store["0"].shape
        box = [(0, n) for n in shape]
        if self.around:
            box = next(one for name, one in store.boxes if name == self.around)
            middle = [int(random.integers(low, high)) for low, high in box]
            return tuple(at - n // 2 for at, n in zip(middle, self.size, strict=True))
        return tuple(int(random.integers(0, max(n - want, 0) + 1)) for n, want in zip(shape, self.size, strict=True))

    def _read(self, store: _Store, start: Sequence[int], size: Sequence[int]) -> dict[str, Array]:
        image = np.full((1, *size), self.outside, dtype=np.float32)
        mask = np.zeros((len(self.regions), *size), dtype=np.uint8)
        shape = store["0"].shape
        inside = [(max(0, at), min(n, at + want)) for at, want, n in zip(start, size, shape, strict=True)]
        if all(low < high for low, high in inside):
            there = tuple(slice(low, high) for low, high in inside)
            here = tuple(slice(low - at, high - at) for (low, high), at in zip(inside, start, strict=True))
            image[0][here] = store["0"][there]
            for name, values in store.label_maps:
                labels = store[f"labels/{name}/0"][there]
                for value, region in values.items():
                    if region in self.regions:
                        mask[self.regions.index(region)][here] = labels == value
        return {"image": image, "mask": mask}

    def _store(self, path: str) -> _Store:
        if path not in self._open:
            self._open[path] = _Store(self.folder / path)
        store: _Store = self._open[path]
        return store

    def _rows(self, table: str) -> list[dict[str, str]]:
        path = self.folder / "csv" / f"{table}.csv"
        if not path.exists():
            raise ValueError(f"the release has no table {table}")
        with path.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))

    def _part(self, scheme: str, held_out: str, part: str) -> set[str]:
        rows = self._rows("splits")
        found = {r["subject_id"] for r in rows if (r["scheme"], r["held_out"], r["part"]) == (scheme, held_out, part)}
        if not found:
            held = sorted({(r["scheme"], r["held_out"], r["part"]) for r in rows})
            raise ValueError(f"no subject is in {(scheme, held_out, part)}; the release has {held}")
        return found

    def _matrix(self, name: str) -> Any:
        groups = zarr.open_group(self.folder / "cohort.zarr" / "mod", mode="r")
        if name not in groups:
            raise ValueError(f"the release has no matrix {name}; it has {', '.join(sorted(groups.group_keys()))}")
        return groups[name]

    def _subjects(self, name: str) -> dict[str, int]:
        return {subject: place for place, subject in enumerate(_names(self._matrix(name)["obs"]))}

    def _values(self, name: str, subject: str) -> Array:
        """Return the row of a subject in a matrix, NaN where it has none."""
        values = np.full(len(self.variables[name]), np.nan, dtype=np.float32)
        place = self._places[name].get(subject)
        if place is None:
            return values
        if name not in self._open:
            self._open[name] = self._matrix(name)["X"]
        matrix = self._open[name]
        if isinstance(matrix, zarr.Array):
            values[:] = np.asarray(matrix[place])
            return values
        first, last = np.asarray(matrix["indptr"][place : place + 2])
        values[:] = 0
        values[np.asarray(matrix["indices"][first:last])] = matrix["data"][first:last]
        return values


class _Outcome(NamedTuple):
    """Time to an event and the bounds between which it lies, in days."""

    time: np.float32
    event: np.bool_
    time_low: np.float32
    time_high: np.float32


def _outcome(row: Mapping[str, str]) -> _Outcome:
    """Return time, event and bounds of a row of `adtte`; of no row NaN and False."""
    event = row.get("CNSR") == "0"
    low = float(row.get("AVAL") or row.get("AVAL_MIN") or "nan")
    high = float(row.get("AVAL") or row.get("AVAL_MAX") or "nan") if event else low
    last = high if event else low + np.inf
    return _Outcome(np.float32((low + high) / 2), np.bool_(event), np.float32(low), np.float32(last))


def _split(joined: str) -> list[str]:
    return joined.split(", ") if joined else []


def _names(group: Any) -> list[str]:
    return [str(name) for name in group[group.attrs["_index"]][:]]


def _place(store: _Store, start: Sequence[int]) -> dict[str, Array]:
    """Return where a patch lies: its first voxel, and the affine from its indices (z, y, x) to the patient (RAS, mm)."""
    affine = store.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ np.array(start)
    return {"start": np.array(start, dtype=np.int64), "affine": affine}


class _Store:
    """A store of voxels: its arrays by their names, its label maps with the names of their regions, and a box of each region."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        group: Any = zarr.open_group(folder, mode="r")
        names = group["labels"].attrs["ome"]["labels"] if "labels" in group else ()
        told = [(str(name), group[f"labels/{name}"].attrs["ome"]["image-label"]["properties"]) for name in names]
        self.label_maps = [(name, {int(one["label-value"]): str(one["name"]) for one in regions}) for name, regions in told]
        self.boxes = [
            (str(one["name"]), [(int(low), int(high)) for low, high in one["box"]]) for _, regions in told for one in regions
        ]
        self.affine = _affine(group.attrs["unibase"])
        self._arrays: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._arrays:
            folder = self.folder / name
            about = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))
            own = _OneShard.fits(about)
            self._arrays[name] = _OneShard(folder, about) if own else zarr.open_array(folder, mode="r")
        return self._arrays[name]


def _affine(about: Mapping[str, Any]) -> Array:
    """Return the affine of a store from indices (z, y, x) to the patient in RAS and mm; a store tells x, y, z and LPS."""
    columns = np.reshape(about["direction"], (3, 3)) * np.asarray(about["spacing"])
    lps = np.column_stack([columns[:, ::-1], about["origin"]])
    return np.vstack([lps * [[-1.0], [-1.0], [1.0]], [0.0, 0.0, 0.0, 1.0]])


class _OneShard:
    """An array whose chunks lie in one shard, as unibase writes them: a patch reads the chunks that it meets, and decodes these.

    zarr reads the same values; its general way takes twice as long for a patch. The index of the shard is read once.
    https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed tells the layout.
    """

    _CODECS = ("bytes", "blosc")
    _NONE = 2**64 - 1
    """Where a chunk lies that holds nothing but zeros, and was not written."""

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self.shape = tuple(about["shape"])
        self.dtype = np.dtype(about["data_type"]).newbyteorder("<")
        (shard,) = about["codecs"]
        self._chunk = tuple(shard["configuration"]["chunk_shape"])
        whole = about["chunk_grid"]["configuration"]["chunk_shape"]
        self._counts = tuple(n // size for n, size in zip(whole, self._chunk, strict=True))
        self._file = folder.joinpath("c", *("0" for _ in self.shape))
        self._index = self._read_index()

    @classmethod
    def fits(cls, about: Mapping[str, Any]) -> bool:
        """Return whether an array is laid out so."""
        shards = [one["configuration"] for one in about["codecs"] if one["name"] == "sharding_indexed"]
        return (
            len(shards) == len(about["codecs"]) == 1
            and tuple(one["name"] for one in shards[0]["codecs"]) == cls._CODECS
            and tuple(one["name"] for one in shards[0]["index_codecs"]) == ("bytes", "crc32c")
            and shards[0].get("index_location", "end") == "end"
            and about["fill_value"] == 0
            and all(
                n <= size for n, size in zip(about["shape"], about["chunk_grid"]["configuration"]["chunk_shape"], strict=True)
            )
        )

    def _read_index(self) -> Array | None:
        """Return place and length of each chunk; None where the whole array is zeros."""
        if not self._file.exists():
            return None
        count = 16 * math.prod(self._counts)
        with self._file.open("rb") as stream:
            stream.seek(-count - 4, 2)  # a checksum of 4 bytes follows
            return np.frombuffer(stream.read(count), dtype="<u8").reshape(*self._counts, 2)

    def __getitem__(self, box: tuple[slice, ...]) -> Array:
        out = np.zeros([one.stop - one.start for one in box], dtype=self.dtype)
        if self._index is not None:
            with self._file.open("rb", buffering=0) as stream:
                for place, here, there in self._met(box):
                    offset, length = (int(one) for one in self._index[place])
                    if length != self._NONE:
                        out[here] = self._decoded(stream, offset, length)[there]
        return out

    def _met(self, box: tuple[slice, ...]) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...], tuple[slice, ...]]]:
        """Yield each chunk that a box meets: its place among the chunks, and the common voxels in the box and in the chunk."""
        ranges = [range(one.start // size, (one.stop - 1) // size + 1) for one, size in zip(box, self._chunk, strict=True)]
        for place in product(*ranges):
            starts = [at * size for at, size in zip(place, self._chunk, strict=True)]
            ends = [
                (max(one.start, start), min(one.stop, start + size))
                for one, start, size in zip(box, starts, self._chunk, strict=True)
            ]
            here = tuple(slice(low - one.start, high - one.start) for (low, high), one in zip(ends, box, strict=True))
            there = tuple(slice(low - start, high - start) for (low, high), start in zip(ends, starts, strict=True))
            yield place, here, there

    def _decoded(self, stream: BinaryIO | Any, offset: int, length: int) -> Array:
        stream.seek(offset)
        return np.frombuffer(blosc.decompress(stream.read(length)), dtype=self.dtype).reshape(self._chunk)
