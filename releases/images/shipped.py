"""The stores of voxels that go into a release: those of its subjects, with the day from the index."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unibase.groundwork.image_tables import IMAGES
from unibase.releases.tables import HOW_GOOD, RELEASED_IMAGES

FOLDER = "images"
"""Folder of the stores in a release."""
DAYS = pl.Int64()


@dataclass(frozen=True)
class Voxels:
    """The stores that staging holds.

    Attributes:
        table: VOXELS frame.
        folder: What its paths are relative to.
        copies: Which further copies are asked for: `nifti`, `nnunet`.
        targets: Names of the regions that the study asks for, in its order.
    """

    table: pl.DataFrame
    folder: Path
    copies: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


def released(voxels: Voxels, subjects: pl.DataFrame, volumes: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the table `images` of a release: the stores of its subjects, their paths in it, the day of each from the index, and
    how good each image is.

    Args:
        voxels: What staging holds.
        subjects: Subjects of the release: `subject_id`, and `INDEXDT` where they have an index.
        volumes: What is known of each volume, as `IMAGES`; None where nothing is.

    Returns:
        A RELEASED_IMAGES frame, `days_from_index` in whole days and null without index, sorted by its key.
    """
    index = subjects.select("subject_id", pl.col("INDEXDT").cast(pl.Date) if "INDEXDT" in subjects.columns else _no_date())
    path = pl.concat_str(pl.lit(f"{FOLDER}/"), "subject_id", pl.lit("/"), "path").alias("path")
    days = (pl.col("series_time").dt.date() - pl.col("INDEXDT")).dt.total_days().cast(DAYS).alias("days_from_index")
    mine = voxels.table.join(index, on="subject_id", how="inner").with_columns(days, path).drop("INDEXDT")
    known = (IMAGES.empty() if volumes is None else volumes).select(*IMAGES.key, *HOW_GOOD)
    return RELEASED_IMAGES.conform(mine.join(known, on=list(IMAGES.key), how="left"))


def ship(voxels: Voxels, table: pl.DataFrame, release: Path) -> None:
    """Copy the stores of a table into a release.

    Args:
        voxels: What staging holds.
        table: As `released` gives it.
        release: Folder of the release that is being built.
    """
    for subject, path in table.select("subject_id", "path").iter_rows():
        source = voxels.folder / Path(path).relative_to(f"{FOLDER}/{subject}")
        shutil.copytree(source, release / path)


def _no_date() -> pl.Expr:
    return pl.lit(None, dtype=pl.Date).alias("INDEXDT")
