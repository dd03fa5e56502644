"""The voxels of a release as nnU-Net v2 trains on them, folds and test set as the release splits its subjects.

https://github.com/MIC-DKFZ/nnUNet/blob/master/documentation/dataset_format.md tells the layout.
"""

from __future__ import annotations

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


def write_datasets(release: Path, table: pl.DataFrame, splits: pl.DataFrame | None, targets: Sequence[str]) -> None:
    """Write a dataset for each modality and unit: images, one label map each, `dataset.json` and `splits_final.json`.

    nnU-Net has one label for a voxel: where regions overlap, the one that stands first in `targets` has it. Images without a
    region are left out, for they say not whether there is none.

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
        for case in cases:
            opened = open_store(release / case.path)
            kind = "Ts" if case.subject in tested else "Tr"
            write_nifti(opened.array, opened.about, folder / f"images{kind}" / f"{case.name}_0000.nii.gz")
            write_nifti(_one_map(opened, targets), opened.about, folder / f"labels{kind}" / f"{case.name}.nii.gz")
        training = [case for case in cases if case.subject not in tested]
        labels = {"background": 0, **{name: value for value, name in enumerate(targets, 1)}}
        about = {"channel_names": {"0": modality}, "labels": labels, "numTraining": len(training), "file_ending": ".nii.gz"}
        write_json(folder / "dataset.json", about)
        if folds := _folds(splits, training):
            write_json(folder / "splits_final.json", folds)


def _kinds(held: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    """Yield modality, name and rows of each dataset: what one network sees is of one modality and unit."""
    for modality, mine in held.partition_by("Modality", as_dict=True).items():
        units = mine["unit"].fill_null("").unique().sort().to_list()
        for unit in units:
            name = f"{modality[0]}_{re.sub('[^A-Za-z0-9]+', '', unit) or 'nounit'}" if len(units) > 1 else str(modality[0])
            yield str(modality[0]), name, mine.filter(pl.col("unit").fill_null("") == unit)


def _cases(rows: pl.DataFrame) -> list[_Case]:
    """Return the stores of one modality as cases, those of a subject by number."""
    count: dict[int, int] = {}
    found = []
    for subject, path in rows.select("subject_id", "path").iter_rows():
        count[subject] = count.get(subject, 0) + 1
        found.append(_Case(f"s{subject}_{count[subject]:02}", subject, path))
    return found


def _one_map(opened: Opened, targets: Sequence[str]) -> Array:
    """Return one label map; lesions `GTV-2`, `GTV-3` have the label of `GTV`."""
    one = np.zeros(opened.array.shape, dtype=np.uint8 if len(targets) < 256 else np.uint16)
    for value, target in reversed(list(enumerate(targets, 1))):
        for labels in opened.labels:
            names = {n: name for n, name in labels.names.items() if name == target or name not in targets}
            mine = [n for n, name in names.items() if name == target or _is_lesion_of(name, target)]
            one[np.isin(labels.array, mine)] = value
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
