"""The voxels of a release as nnU-Net v2 trains on them, folds and test set as the release splits its subjects.

https://github.com/MIC-DKFZ/nnUNet/blob/master/documentation/dataset_format.md tells the layout, and ignore_label.md beside it
what a network does with voxels of which nobody said what they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from unibase.groundwork.files import write_json
from unibase.releases.images.nifti import Array, Opened, open_store, write_nifti

FOLDER = "nnunet"
"""Folder in a release that nnU-Net's `nnUNet_raw` is set to."""


@dataclass(frozen=True)
class _Case:
    """One store as a case: its name, its subject, and where it lies."""

    name: str
    subject: int
    path: str
    unknown: frozenset[str]
    """Targets of which the image does not say where they lie."""


@dataclass(frozen=True)
class _Labels:
    """The labels of a dataset: targets that its images have, and the label of voxels of which nobody said what they are."""

    targets: tuple[str, ...]
    asked: tuple[str, ...]
    """Targets of the study: the name of one is no further lesion of another."""
    ignored: int | None

    def named(self) -> Iterator[tuple[str, int]]:
        """Yield name and value of each label, the background first and what nnU-Net ignores last."""
        yield "background", 0
        yield from ((name, value) for value, name in enumerate(self.targets, 1))
        if self.ignored is not None:
            yield "ignore", self.ignored


def write_datasets(release: Path, table: pl.DataFrame, splits: pl.DataFrame | None, targets: Sequence[str]) -> None:
    """Write a dataset for each modality and unit: images, one label map each, `dataset.json` and `splits_final.json`.

    nnU-Net has one label for a voxel: where regions overlap, the one that stands first in `targets` has it. Images without a
    region are left out, for they say not whether there is none. Where an image does not say of every label where it lies, its
    other voxels are no background: they have nnU-Net's label `ignore`, and `description` in `dataset.json` says so.

    Args:
        release: Folder of the release; the stores are in it.
        table: Its table `images`.
        splits: Its table `splits`, or None.
        targets: Names of the regions, in the order of the study; their labels from 1.
    """
    held = table.filter(pl.col("regions").is_not_null()).sort("Modality", "subject_id", "path")
    for number, (modality, name, rows) in enumerate(_kinds(held), 1):
        folder = release / FOLDER / f"Dataset{number:03}_{name}"
        cases = list(_cases(rows))
        tested = _tested(splits)
        labels = _labels(cases, rows, targets)
        for case in cases:
            opened = open_store(release / case.path)
            kind = "Ts" if case.subject in tested else "Tr"
            write_nifti(opened.array, opened.about, folder / f"images{kind}" / f"{case.name}_0000.nii.gz")
            write_nifti(_one_map(opened, case, labels), opened.about, folder / f"labels{kind}" / f"{case.name}.nii.gz")
        training = [case for case in cases if case.subject not in tested]
        about = {
            "channel_names": {"0": modality},
            "labels": dict(labels.named()),
            "numTraining": len(training),
            "file_ending": ".nii.gz",
            "description": _described(modality, cases, labels, targets),
        }
        write_json(folder / "dataset.json", about)
        if folds := _folds(splits, training):
            write_json(folder / "splits_final.json", folds)


def told_of_datasets(release: Path) -> list[str]:
    """Return what a user should know of the labels of each dataset of a release, in a line.

    Args:
        release: Folder of the release.
    """
    files = sorted((release / FOLDER).glob("*/dataset.json"))
    return [f"{path.parent.name}: {json.loads(path.read_text(encoding='utf-8'))['description']}" for path in files]


def _kinds(held: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    """Yield modality, name and rows of each dataset: what one network sees is of one modality and unit."""
    for modality, mine in held.partition_by("Modality", as_dict=True).items():
        units = mine["unit"].fill_null("").unique().sort().to_list()
        for unit in units:
            said = re.sub("[^A-Za-z0-9]+", "", unit) or "nounit"
            name = f"{modality[0]}_{said}" if len(units) > 1 else str(modality[0])
            yield str(modality[0]), name, mine.filter(pl.col("unit").fill_null("") == unit)


def _cases(rows: pl.DataFrame) -> list[_Case]:
    """Return the stores of one modality as cases, those of a subject by number."""
    count: dict[int, int] = {}
    found = []
    for subject, path, unknown in rows.select("subject_id", "path", "unknown_regions").iter_rows():
        count[subject] = count.get(subject, 0) + 1
        found.append(_Case(f"s{subject}_{count[subject]:02}", subject, path, frozenset(_names(unknown))))
    return found


def _names(joined: str | None) -> list[str]:
    return (joined or "").split(", ") if joined else []


def _labels(cases: Sequence[_Case], rows: pl.DataFrame, targets: Sequence[str]) -> _Labels:
    """Return the labels of a dataset. A target that none of its images has is no label: nothing could be learned of it."""
    held = {name for joined in rows["regions"] for name in _names(joined)}
    # A further lesion bears the name of its target and a number; names of targets come first.
    met = {name if name in targets else name.rpartition("-")[0] for name in held}
    used = tuple(target for target in targets if target in met)
    return _Labels(used, tuple(targets), len(used) + 1 if any(case.unknown & set(used) for case in cases) else None)


def _described(modality: str, cases: Sequence[_Case], labels: _Labels, targets: Sequence[str]) -> str:
    """Return what a user of a dataset should know of its labels."""
    told = [f"Images of {modality}, one label a voxel; where regions overlap, the first of {', '.join(labels.targets)} has it."]
    if absent := [target for target in targets if target not in labels.targets]:
        told.append(f"No image has {', '.join(absent)}: no label.")
    if labels.ignored is not None:
        partly = [case for case in cases if case.unknown & set(labels.targets)]
        told.append(
            f"{len(partly)} of {len(cases)} images do not have all of them: what is not drawn there is `ignore`, not background."
        )
        if len(partly) == len(cases):
            told.append("No image has background: ask for fewer regions in `features.regions`, or nothing is learned of it.")
    return " ".join(told)


def _one_map(opened: Opened, case: _Case, labels: _Labels) -> Array:
    """Return one label map; lesions `GTV-2`, `GTV-3` have the label of `GTV`."""
    rest = labels.ignored if labels.ignored is not None and case.unknown & set(labels.targets) else 0
    one = np.full(opened.array.shape, rest, dtype=np.uint8 if len(labels.targets) < 255 else np.uint16)
    for value, target in reversed(list(enumerate(labels.targets, 1))):
        for held in opened.labels:
            names = {n: name for n, name in held.names.items() if name == target or name not in labels.asked}
            mine = [n for n, name in names.items() if name == target or _is_lesion_of(name, target)]
            one[np.isin(held.array, mine)] = value
    return one


def _is_lesion_of(name: str, target: str) -> bool:
    stem, _, number = name.rpartition("-")
    return stem == target and number.isdigit()


def _tested(splits: pl.DataFrame | None) -> set[int]:
    """Return the subjects that are kept for the last test."""
    if splits is None:
        return set()
    return set(splits.filter((pl.col("scheme") == "parts") & (pl.col("part") == "test"))["subject_id"])


def _folds(splits: pl.DataFrame | None, cases: Sequence[_Case]) -> list[Mapping[str, list[str]]]:
    """Return nnU-Net's folds: of cross-validation where the release has it, else training and validation once."""
    if splits is None:
        return []
    folds = splits.filter(pl.col("scheme") == "folds")
    used = folds if folds.height else splits.filter(pl.col("scheme") == "parts")
    found: list[Mapping[str, list[str]]] = []
    for held_out in used["held_out"].unique().sort().to_list():
        fold = used.filter(pl.col("held_out").eq_missing(held_out))
        trained = set(fold.filter(pl.col("part") == "train")["subject_id"])
        judged = set(fold.filter(pl.col("part") != "train")["subject_id"])
        one = {
            "train": [case.name for case in cases if case.subject in trained],
            "val": [case.name for case in cases if case.subject in judged],
        }
        if one["train"] and one["val"]:
            found.append(one)
    return found
