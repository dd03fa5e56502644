"""Voxels in an extract: stores of its subjects under the project's own names, and nothing that names them in the release."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from unibase.groundwork.files import sha256_folder, write_json
from unibase.groundwork.problems import UserError
from unibase.privacy.keys import Key
from unibase.privacy.pseudonyms import uid
from unibase.releases.exports.extract_request import Request
from unibase.releases.images.shipped import FOLDER
from unibase.releases.tables import HOW_GOOD

TABLE = "images"
_OWN = ("StudyInstanceUID", "centre", "series_time", "Manufacturer", "ManufacturerModelName", *HOW_GOOD)
"""Columns of the release's table that do not leave: names of the release, and what a request has not asked for."""


def check_images(release: Path, request: Request) -> None:
    """Check that the release has the images that a request asks for.

    Args:
        release: Folder of the release.
        request: The request.

    Raises:
        UserError: With what there is.
    """
    if not request.images:
        return
    path = release / "tables" / f"{TABLE}.parquet"
    held = sorted(pl.read_parquet(path)["Modality"].drop_nulls().unique()) if path.exists() else []
    absent = [one for one in request.images if one not in held]
    if absent:
        raise UserError(f"images: the release has no voxels of {', '.join(absent)}. It has: {', '.join(held) or 'none'}.")


def add_images(release: Path, request: Request, pseudonyms: pl.DataFrame, project: Key, folder: Path) -> pl.DataFrame:
    """Copy the stores that a request asks for into an extract, and return its table `images`.

    Images that may show a face stay out, unless the request says why they may leave.

    Args:
        release: Folder of the release.
        request: The request.
        pseudonyms: `subject_id` of the release and `pseudonym` of the project.
        project: The project's key: UIDs of an extract say nothing of those of another, nor of the release.
        folder: Folder of the extract.
    """
    table = pl.read_parquet(release / "tables" / f"{TABLE}.parquet").join(pseudonyms, on="subject_id", how="inner")
    leaving = table.filter(pl.col("Modality").is_in(request.images))
    if not request.head_images:
        leaving = leaving.filter(~pl.col("may_show_a_face").fill_null(True))
    ordered = leaving.sort("pseudonym", "path").iter_rows(named=True)
    rows = [{**row, **asdict(_copied(row, release, project, folder))} for row in ordered]
    dropped = [*_OWN, "pseudonym", *(["days_from_index"] if request.dates != "relative" else [])]
    return pl.DataFrame(rows, schema=leaving.schema).drop(dropped, strict=False).sort("subject_id", "path")


@dataclass(frozen=True)
class _Renamed:
    """A store under the project's names, by the columns of its table."""

    subject_id: int
    SeriesInstanceUID: str
    path: str
    digest: str


def _copied(row: Mapping[str, Any], release: Path, project: Key, folder: Path) -> _Renamed:
    """Copy one store; return its names in the project."""
    series = uid(project, str(row["SeriesInstanceUID"]))
    path = f"{FOLDER}/{row['pseudonym']}/{series}/{Path(str(row['path'])).name}"
    shutil.copytree(release / str(row["path"]), folder / path)
    _rename_inside(folder / path / "zarr.json", {"subject_id": row["pseudonym"], "SeriesInstanceUID": series})
    return _Renamed(row["pseudonym"], series, path, sha256_folder(folder / path))


def _rename_inside(file: Path, names: Mapping[str, object]) -> None:
    """Write the project's names into what a store tells of itself."""
    about = json.loads(file.read_text(encoding="utf-8"))
    about["attributes"]["unibase"].update(names)
    write_json(file, about)


def images_left_out(release: Path, request: Request, subjects: Sequence[int]) -> int:
    """Return how many stores stay out because they may show a face.

    Args:
        release: Folder of the release.
        request: The request.
        subjects: Its subjects, as the release names them.
    """
    if not request.images or request.head_images:
        return 0
    table = pl.read_parquet(release / "tables" / f"{TABLE}.parquet").filter(pl.col("subject_id").is_in(subjects))
    faces = pl.col("may_show_a_face").fill_null(True) & pl.col("Modality").is_in(request.images)
    return table.filter(faces).height
