"""The looks of one series, and those of many series as one table and one contact sheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl

from unibase.groundwork.files import atomic_file
from unibase.groundwork.tables import write_parquet
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.looks.marks import marks_of
from unibase.imaging.looks.picture import picture_of
from unibase.imaging.looks.sheet import write_sheet
from unibase.imaging.looks.suspicion import suspected
from unibase.imaging.radiomics.selection import Region
from unibase.imaging.radiomics.task import FeatureTask
from unibase.imaging.radiomics.verdicts import Verdict, words_of
from unibase.imaging.regions.mask import Mask
from unibase.imaging.tables import LOOKS

FOLDER = "looks"
"""Where the looks of each series stand, beside its features."""


def look_at(task: FeatureTask, volume: Volume, regions: Sequence[tuple[Region, Mask]], first: int = 0) -> list[dict[str, object]]:
    """Write a picture of each region of a volume as it was drawn; return their marks, rows of LOOKS.

    Args:
        task: The unit; files stand in `looks` beside its destination.
        volume: The image.
        regions: What was read; shells and habitats have no look of their own.
        first: Number of the first picture: the volumes of one series share their files.
    """
    folder = task.destination.parent / FOLDER
    stem = task.destination.stem
    floor = float(np.nanmin(volume.array))
    rows = []
    drawn = [(region, mask) for region, mask in regions if region.ends is None and region.habitat is None]
    for number, (region, mask) in enumerate(drawn, first):
        name = f"{stem}-{number:03d}.png"
        with atomic_file(folder / name) as temporary:
            temporary.write_bytes(picture_of(volume, mask.region))
        rows.append(
            {
                "subject_id": task.subject_id,
                "centre": task.centre,
                "SeriesInstanceUID": volume.series_uid or task.series_uid or stem,
                "Modality": volume.modality or None,
                "series_time": task.series_time,
                "region": region.target,
                "roi_name": region.roi_name,
                "source_digest": region.source_digest,
                "picture": name,
                "mask_notes": ", ".join(mask.notes) or None,
                **asdict(marks_of(volume, mask, floor)),
            }
        )
    return rows


def write_looks(task: FeatureTask, rows: Sequence[dict[str, object]]) -> list[Path]:
    """Write the marks of all regions of the series of a `task`, `rows` of LOOKS; return their file and the pictures."""
    folder, stem = task.destination.parent / FOLDER, task.destination.stem
    schema = {column.name: column.dtype for column in LOOKS.columns if column.name not in ("suspicion", "why", "verdict")}
    path = folder / f"{stem}.parquet"
    write_parquet(pl.DataFrame(rows, schema=schema), path)
    return [path, *(folder / str(row["picture"]) for row in rows)]


def gather_looks(
    files: Iterable[Path], table: Path, sheet: Path, pictures: str, verdicts: Sequence[Verdict] = ()
) -> pl.DataFrame:
    """Write the looks of many series as one table and one contact sheet, the most suspect first, and return the table.

    Args:
        files: What `write_looks` wrote.
        table: The Parquet file to write.
        sheet: The HTML file to write.
        pictures: Folder of the pictures, relative to the sheet.
        verdicts: What a reviewer decided; those regions stand behind the others.
    """
    frames = [pl.read_parquet(path) for path in sorted(files)]
    looks = suspected(pl.concat(frames).sort(LOOKS.key)) if frames else LOOKS.empty()
    decided = pl.Series("verdict", words_of(looks["source_digest"], verdicts), dtype=pl.String)
    looks = looks.with_columns(decided).sort(pl.col("verdict").is_not_null(), maintain_order=True)
    write_parquet(looks, table)
    write_sheet(looks, sheet, pictures)
    return looks
