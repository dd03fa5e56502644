"""What a workbook of Excel (xlsx, xlsm) shows of its cells beside their values: formats, errors, formulas without a result.

The reader of workbooks gives values alone. An identifier that is shown as 00123 is the number 123 there, a date that is shown as 03/2020
its first day, and an error or a formula that no program has worked out is empty.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal
from xml.etree import ElementTree

Place = tuple[int, int]
"""Row and column of a cell, from 0."""
Shown = Literal["error", "formula", "month", "year"] | int
"""What is to be known of a cell; a number is the digits that it is shown with, zeros before it."""

_BUILT_IN = {17: "mmm-yy"}
"""Formats without a day that have a number and no text in the file."""
_BLOCK, _LONGEST = 2**20, 64
_SAYS_MORE = rb"""\bt=["']e["']|<(?:\w+:)?f[\s/>]|\bs=["'](?:%b)["']"""
"""A cell with an error, a formula, or one of some styles."""
_PLACE = re.compile(r"([A-Z]{1,3})(\d{1,7})")
_ASIDE = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.|_.|\*.')
"""Parts of a format that are text, colours, fills."""


def shown_of(path: Path) -> dict[str, dict[Place, Shown]]:
    """Return by sheet the cells that say more than their value; nothing for other kinds of workbooks.

    Args:
        path: The workbook; it must have passed `refuse_odd_workbook`.

    Raises:
        BadZipFile, KeyError, ParseError: If it is packed and broken.
    """
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as book:
        if "xl/workbook.xml" not in book.namelist():
            return {}
        styles = _styles(book)
        odd = re.compile(_SAYS_MORE % "|".join(str(number) for number, one in enumerate(styles) if one is not None).encode())
        return {name: dict(_cells(book.open(part), styles)) for name, part in _sheets(book) if _has(book.open(part), odd)}


def _has(sheet: IO[bytes], sign: re.Pattern[bytes]) -> bool:
    """Tell whether the text of a sheet has a sign; most sheets have none, and need not be looked at cell by cell."""
    rest = b""
    with sheet:
        while block := sheet.read(_BLOCK):
            if sign.search(rest + block):
                return True
            rest = block[-_LONGEST:]
    return False


def _local(element: ElementTree.Element) -> str:
    return element.tag.rsplit("}", 1)[-1]


def _named(root: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return (one for one in root.iter() if _local(one) == name)


def _sheets(book: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """Yield name and part of each sheet."""
    links = ElementTree.fromstring(book.read("xl/_rels/workbook.xml.rels"))
    targets = {one.get("Id", ""): one.get("Target", "") for one in _named(links, "Relationship")}
    parts = set(book.namelist())
    for sheet in _named(ElementTree.fromstring(book.read("xl/workbook.xml")), "sheet"):
        link = next((value for key, value in sheet.items() if key.endswith("}id")), "")
        target = targets.get(link, "")
        part = target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
        if part in parts:
            yield sheet.get("name", ""), part


def _styles(book: zipfile.ZipFile) -> list[Shown | None]:
    """Return what the format of each style of cells says."""
    if "xl/styles.xml" not in book.namelist():
        return []
    root = ElementTree.fromstring(book.read("xl/styles.xml"))
    codes = {one.get("numFmtId", ""): one.get("formatCode", "") for one in _named(root, "numFmt")}
    listed = next(_named(root, "cellXfs"), None)
    numbers = [one.get("numFmtId", "0") for one in listed] if listed is not None else []
    return [says(codes.get(number, _BUILT_IN.get(int(number), ""))) for number in numbers]


def says(code: str) -> Shown | None:
    """Return what a format says: digits with zeros before them, or a date without its day; None for others.

    Args:
        code: The format as Excel writes it in a file.

    Example:
        >>> [says(code) for code in ("00000", "0.00", "mm/yyyy", "yyyy", "dd/mm/yyyy", "mm:ss", '[$-40C]mmmm\\\\ yyyy;@')]
        [5, None, 'month', 'year', None, None, 'month']
    """
    plain = _ASIDE.sub("", code.split(";", 1)[0]).lower().strip()
    if re.fullmatch("0{2,}", plain):
        return len(plain)
    if "y" not in plain or re.search("[dhs]", plain):
        return None
    return "month" if "m" in plain else "year"


def _cells(sheet: IO[bytes], styles: list[Shown | None]) -> Iterator[tuple[Place, Shown]]:
    row = column = -1
    with sheet:
        for event, element in ElementTree.iterparse(sheet, ("start", "end")):
            name = _local(element)
            if event == "start":
                if name == "row":
                    row, column = int(element.get("r", row + 2)) - 1, -1
                continue
            if name == "c":
                row, column = _place(element, row, column)
                shown = _shown(element, styles)
                if shown is not None:
                    yield (row, column), shown
            elif name == "row":
                element.clear()


def _place(cell: ElementTree.Element, row: int, column: int) -> Place:
    """Return where a cell stands: where it says, or behind the one before it."""
    said = _PLACE.fullmatch(cell.get("r", ""))
    if said is None:
        return row, column + 1
    number = 0
    for letter in said[1]:
        number = 26 * number + ord(letter) - 64
    return int(said[2]) - 1, number - 1


def _shown(cell: ElementTree.Element, styles: list[Shown | None]) -> Shown | None:
    if cell.get("t") == "e":
        return "error"
    parts = {_local(one): one for one in cell}
    if "f" in parts and cell.get("t") != "str" and not (parts["v"].text if "v" in parts else None):
        return "formula"
    style = int(cell.get("s", "0"))
    return styles[style] if style < len(styles) and "v" in parts else None
