"""The sheets of a workbook as tables of texts: a number without digits that it does not have, a date in ISO form, identifiers as shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from unibase.clinical.sources.csv_headers import called
from unibase.clinical.sources.set_down import Told
from unibase.clinical.sources.sheet_cells import Place, Shown, shown_of
from unibase.groundwork.workbook_bounds import refuse_odd_workbook

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook


@dataclass(frozen=True)
class Sheet:
    """A sheet as a table, and what is told of its cells."""

    frame: pl.DataFrame
    told: Told


def is_readable(path: Path) -> bool:
    """Tell whether a workbook, `path`, can be opened."""
    try:
        _workbook(path).close()
    except Exception:  # of the library, with errors of its own for files of any content
        return False
    return True


def _workbook(path: Path) -> CalamineWorkbook:
    from python_calamine import CalamineWorkbook  # a library of its own, for few sources

    refuse_odd_workbook(path)
    return CalamineWorkbook.from_path(str(path))


def read_sheets(path: Path) -> dict[str, Sheet]:
    """Return the sheets of a workbook that hold anything, by name.

    Args:
        path: The workbook.

    Raises:
        Unusable: If it would take all memory.
    """
    workbook = _workbook(path)
    shown = shown_of(path)
    sheets = {name: _sheet(workbook.get_sheet_by_name(name), shown.get(name, {})) for name in workbook.sheet_names}
    workbook.close()
    return {name: sheet for name, sheet in sheets.items() if sheet.frame.width}


@dataclass
class _Cells:
    """The cells of a sheet: values by row, where the first of them stands, what is shown of some, and which have the value of a merged one."""

    rows: list[list[object]]
    first: Place
    shown: dict[Place, Shown]
    merged: set[Place]

    def place(self, row: int, column: int) -> Place:
        """Return where a cell stands in the sheet."""
        return row + self.first[0], column + self.first[1]

    def value(self, row: int, column: int) -> object:
        """Return the value of a cell; None where there is none."""
        cells = self.rows[row]
        return cells[column] if column < len(cells) and cells[column] != "" else None


def _sheet(sheet: CalamineSheet, shown: Mapping[Place, Shown]) -> Sheet:
    """Return a sheet as texts; its first row that holds anything, or that below titles, is the header."""
    rows: list[list[object]] = [[*row] for row in sheet.to_python(skip_empty_area=True)]
    start = next((number for number, row in enumerate(rows) if any(cell not in (None, "") for cell in row)), None)
    if start is None:
        return Sheet(pl.DataFrame(), Told())
    ranges, first = sheet.merged_cell_ranges or [], sheet.start or (0, 0)
    header_row = _below_titles(rows, start, {top - first[0] for (top, left), (_, right) in ranges if right > left})
    cells = _Cells(rows, first, dict(shown), set())
    _fill_down(cells, ranges, header_row)
    told = Told({("title", ""): header_row - start} if header_row > start else {})
    header, repeated = called([_text(cell, None) or "" for cell in rows[header_row]])
    for name in repeated:
        told["repeated", name] = sum((_text(cell, None) or "").strip().lower() == name for cell in rows[header_row])
    columns: dict[str, list[str | None]] = {}
    for column, name in enumerate(header):
        counted = Told()
        texts = [_cell(cells, (row, column), name.lower(), counted) for row in range(header_row + 1, len(rows))]
        if cells.value(header_row, column) is not None or any(texts):
            columns[name] = texts
            told += counted
    return Sheet(pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)), told)


def _below_titles(rows: Sequence[Sequence[object]], start: int, heads: Collection[int]) -> int:
    """Return the row of the header: the first one, or that below titles of one cell each and below heads of several columns.

    Args:
        rows: Values.
        start: The first row that holds anything.
        heads: Rows in which cells of several columns are merged.
    """
    for number, row in enumerate(rows[start:], start=start):
        filled = [cell for cell in row if cell not in (None, "")]
        if len(filled) > 1 and number not in heads:
            below = sum(cell not in (None, "") for cell in rows[number + 1]) if number + 1 < len(rows) else 0
            return number if all(isinstance(cell, str) for cell in filled) and len(filled) >= below else start
    return start


def _fill_down(cells: _Cells, ranges: Sequence[tuple[Place, Place]], header_row: int) -> None:
    """Give the lower cells of merged ones below the header the value of the whole."""
    header, last = header_row + cells.first[0], len(cells.rows) + cells.first[0] - 1
    for (top, left), (bottom, _) in ranges:
        column = left - cells.first[1]
        if not header < top < bottom or column < 0:
            continue
        value = cells.value(top - cells.first[0], column)
        for row in range(top + 1, min(bottom, last) + 1):
            if value is None or cells.value(row - cells.first[0], column) is not None:
                continue
            cells.rows[row - cells.first[0]][column] = value
            cells.merged.add((row, left))
            if (top, left) in cells.shown:
                cells.shown[row, left] = cells.shown[top, left]


def _cell(cells: _Cells, place: Place, name: str, told: Told) -> str | None:
    """Return the text of a cell as it is shown; what is `told` of it is counted under the name of its column."""
    there = cells.place(*place)
    shown = cells.shown.get(there)
    value = cells.value(*place)
    if shown == "error" or (shown == "formula" and value is None):
        told[shown, name] += 1
        return None
    if there in cells.merged:
        told["merged", name] += 1
    if isinstance(value, date) and shown in ("month", "year") and value.day == 1 and (shown == "month" or value.month == 1):
        told["part", name] += 1
    return _text(value, shown)


def _text(cell: object, shown: Shown | None) -> str | None:
    """Return the text of a value: a number with the zeros, a date with the parts, that it is shown with."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float | int):
        digits = shown if isinstance(shown, int) and cell >= 0 else 0
        return f"{int(cell):0{digits}d}" if float(cell).is_integer() else repr(cell)
    if isinstance(cell, date) and cell.day == 1 and shown in ("month", "year"):
        if shown == "month":
            return f"{cell.year:04d}-{cell.month:02d}"
        if cell.month == 1:
            return f"{cell.year:04d}"
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    return cell.isoformat() if isinstance(cell, date | time) else str(cell)
