"""A list of images and masks, as PyRadiomics' command line takes it: a CSV with the columns Image and Mask, a row each."""

from __future__ import annotations

import csv
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from unibase.groundwork.problems import UserError

COLUMNS = ("image", "mask", "label", "label_channel")
"""Columns that say what to do, in any case of letters; all others are kept."""


@dataclass(frozen=True)
class Listed:
    """One row of a list.

    Attributes:
        row: Its number, the header not counted, from 1.
        image: The image: a file, or a folder of DICOM.
        mask: The mask.
        label: The one label to measure; None leaves that to the parameter file.
        label_channel: The one layer to read; None likewise.
        kept: The other columns, as texts.
        problem: What is wrong with the row; empty when it can be used.
    """

    row: int
    image: Path
    mask: Path
    label: int | None = None
    label_channel: int | None = None
    kept: Mapping[str, str | None] | None = None
    problem: str = ""


def is_listing(path: Path) -> bool:
    """Whether a path names a list file."""
    return path.is_file() and path.suffix.lower() in (".csv", ".tsv", ".txt")


def read_listing(path: Path) -> list[Listed]:
    """Read a list of images and masks; paths that are not absolute stand beside the list.

    Separated by commas, semicolons or tabs, UTF-8 (with or without a byte order mark), UTF-16 with one (as Excel saves
    Unicode text), or else Latin-1.

    Args:
        path: The list.

    Raises:
        UserError: If there is no column Image or Mask, a column stands twice, or no row follows.
    """
    text = decoded(path.read_bytes())
    lines = text.splitlines()
    first = lines[0] if lines else ""
    separator = max(",;\t", key=first.count)
    rows = [row for row in csv.reader(lines, delimiter=separator) if any(cell.strip() for cell in row)]
    header = _names(rows[0]) if rows else []
    folded = [name.lower() for name in header]
    missing = [name.capitalize() for name in ("image", "mask") if name not in folded]
    if missing:
        raise UserError(
            f"{path} has no column {' or '.join(missing)}. A list has the columns Image and Mask, and may have Label."
        )
    twice = sorted({name for name in folded if folded.count(name) > 1})
    if twice:
        raise UserError(f"{path} has the column {twice[0]} twice. Name each column once.")
    if len(rows) < 2:
        raise UserError(f"{path} lists no image. Give a row for every image and mask.")
    return [_listed(number, cells, header, path.parent) for number, cells in enumerate(rows[1:], 1)]


def _names(cells: list[str]) -> list[str]:
    """Return the names of columns; those without a name at the end are none, and one before them is named by its place."""
    names = [cell.strip() for cell in cells]
    last = max((n for n, name in enumerate(names, 1) if name), default=0)
    return [name or f"column_{n}" for n, name in enumerate(names[:last], 1)]


def decoded(raw: bytes) -> str:
    """Return the text of bytes that are UTF-8, UTF-16 with a byte order mark, or else Latin-1.

    Args:
        raw: The bytes of a text file.

    >>> decoded("é".encode("latin-1")) == decoded("é".encode("utf-16")) == "é"
    True
    """
    if raw[:2] in (BOM_UTF16_LE, BOM_UTF16_BE):
        return raw.decode("utf-16")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _listed(number: int, row: list[str], header: list[str], beside: Path) -> Listed:
    cells = dict(zip([name.lower() for name in header], row, strict=False))
    kept = {name: cells.get(name.lower(), "").strip() or None for name in header if name.lower() not in COLUMNS}
    image, mask = (cells.get(name, "").strip() for name in ("image", "mask"))
    problem = "" if image and mask else f"The row names no {'image' if not image else 'mask'}."
    if any(cell.strip() for cell in row[len(header) :]):
        problem = "The row has more cells than the list has columns: a separator may stand in a cell without quotes."
    numbers: dict[str, int | None] = {}
    for name, least in (("label", 1), ("label_channel", 0)):
        said = cells.get(name, "").strip()
        try:
            value = float(said) if said else None
        except ValueError:
            value = -1.0
        if value is not None and (value < least or not value.is_integer()):
            problem = problem or f"{name} must be a whole number of at least {least}."
            value = None
        numbers[name] = None if value is None else int(value)
    return Listed(number, _place(beside, image), _place(beside, mask), numbers["label"], numbers["label_channel"], kept, problem)


def _place(beside: Path, written: str) -> Path:
    """Return the place of a file that a list names; one written on Windows has other signs between its folders."""
    path, other = beside / written, beside / written.replace("\\", "/")
    return other if not path.exists() and other.exists() else path
