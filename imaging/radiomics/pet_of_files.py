"""What a table says of the PET among plain files, found by the names in their headers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unibase.groundwork.files import digest_of
from unibase.groundwork.problems import UserError
from unibase.groundwork.work import Unit
from unibase.imaging.dicom.pet_table import NAMES, Given, PetRow, check_given, given
from unibase.imaging.dicom.planes import image_header
from unibase.imaging.radiomics.task import FeatureTask


def with_pet_table(units: Sequence[Unit], rows: Sequence[PetRow]) -> list[Unit]:
    """Return units of plain files, each PET with what the table says of it.

    Args:
        units: Units whose arguments are `FeatureTask`.
        rows: Rows of the table; their names are those of the files, and a centre has no meaning here.

    Raises:
        UserError: If a row is of no PET, two rows are of one, or a row is of several studies of a person.
    """
    told, found = [], []
    for unit in units:
        mine = _given(unit.arguments, rows)
        if mine is not None:
            found.append(mine)
            digest = digest_of([unit.input_digest, repr(mine.facts)])
            unit = replace(unit, input_digest=digest, arguments=replace(unit.arguments, pet=mine.facts))
        told.append(unit)
    stray = check_given(found, rows)
    if stray:
        numbers = ", ".join(str(number) for number in stray)
        raise UserError(f"The table of PET has rows of no PET series of the source: {numbers}. Correct or remove them.")
    return told


def _given(task: FeatureTask, rows: Sequence[PetRow]) -> Given | None:
    """Return what the table says of the image of a unit, by the header of its first file; None when it is no PET."""
    for path in task.image_files or _files(task.image_folder):
        header = image_header(path)
        if header is None or task.series_uid not in (None, str(header.get("SeriesInstanceUID"))):
            continue
        if str(header.get("Modality")) != "PT":
            return None
        names = {name: str(header.get(name) or "").strip() for name in NAMES}
        return given(rows, names, str(header.get("StudyDate") or ""))
    return None


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
