"""What the DICOMDIR of a medium says is on it (DICOM PS3.10 and PS3.3 F.3), and what is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pydicom

from unibase.groundwork.problems import Unusable
from unibase.imaging.reasons import UNREADABLE_DICOM

NAME = "DICOMDIR"


@dataclass(frozen=True)
class Medium:
    """The files of a medium.

    Attributes:
        there: Those that are there, sorted.
        missing: How the DICOMDIR names those that are not, sorted.
    """

    there: tuple[Path, ...]
    missing: tuple[str, ...]


def read_medium(dicomdir: Path) -> Medium:
    """Return the files that a DICOMDIR names; those outside its folder count as missing.

    Args:
        dicomdir: The DICOMDIR.

    Raises:
        Unusable: If it cannot be read as one.
    """
    try:
        named = sorted(set(_named(dicomdir)))
    except OSError:
        raise
    except Exception:  # whatever a parser raises of it: its text may hold a value
        raise Unusable(UNREADABLE_DICOM, "The DICOMDIR cannot be read.") from None
    found = {name: _find(dicomdir.parent, name) for name in named}
    there = sorted({path for path in found.values() if path is not None})
    return Medium(tuple(there), tuple("/".join(name) for name, path in found.items() if path is None))


def hidden_files(dicomdir: Path) -> Iterator[Path]:
    """Yield the DICOM files beside and below a DICOMDIR that it does not name.

    Args:
        dicomdir: One that can be read.
    """
    named = {*read_medium(dicomdir).there, dicomdir}
    for path in sorted(dicomdir.parent.rglob("*")):
        if path.is_file() and path not in named and has_mark(path):
            yield path


def has_mark(path: Path) -> bool:
    """Return whether a file bears the mark of DICOM (PS3.10, 7.1). `path`: the file."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _named(dicomdir: Path) -> Iterator[tuple[str, ...]]:
    """Yield the ReferencedFileID of every record."""
    for record in pydicom.dcmread(dicomdir).DirectoryRecordSequence:
        name = record.get("ReferencedFileID")
        if name:
            yield (name,) if isinstance(name, str) else tuple(map(str, name))


def _find(folder: Path, name: tuple[str, ...]) -> Path | None:
    """Return the file of a name, which copies of a CD may write in lower case, or with `.` or `;1` at its end."""
    here = folder
    for part in name:
        if part in ("", ".", "..") or "/" in part or not here.is_dir():
            return None
        next_one = here / part if (here / part).exists() else _alike(here, part)
        if next_one is None:
            return None
        here = next_one
    return here if here.is_file() else None


def _alike(folder: Path, part: str) -> Path | None:
    """Return what is called so but for case and version."""
    return next((one for one in sorted(folder.iterdir()) if _bare(one.name) == _bare(part)), None)


def _bare(name: str) -> str:
    return name.casefold().removesuffix(";1").removesuffix(".").removesuffix(".dcm")


def media_below(files: list[Path]) -> list[Path]:
    """Return the DICOMDIRs among files.

    Args:
        files: Files of a source.
    """
    return [path for path in files if _bare(path.name) == NAME.casefold()]
