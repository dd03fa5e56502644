"""Workbooks that would take all memory are refused by name before a reader sees them; all others pass."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from unibase.clinical.sources.workbooks import table_files, unpack
from unibase.groundwork.problems import Unusable
from unibase.groundwork.workbook_bounds import refuse_odd_workbook
from unibase.omics.readers.tabular import read_table

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKED = "http://schemas.openxmlformats.org/package/2006"
TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{PACKED}/content-types"><Default Extension="xml" ContentType="application/xml"/>'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{TYPES}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{TYPES}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{PACKED}/relationships">'
    f'<Relationship Id="r1" Type="{LINKS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{LINKS}"><sheets><sheet name="s" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKED}/relationships">'
    f'<Relationship Id="r1" Type="{LINKS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}


def workbook(path: Path, cells: Sequence[tuple[str, str]], width: int = 0) -> Path:
    """Write a workbook of one sheet, each cell in a row of its own; `width`: blanks in front of each value."""
    rows = "".join(
        f'<row><c s="1" r="{place}" t="str"><v xml:space="preserve">{" " * width}{value}</v></c></row>' for place, value in cells
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for name, text in PARTS.items():
            book.writestr(name, text)
        book.writestr("xl/worksheets/sheet1.xml", f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>')
    return path


TABLE = [("A1", "gene"), ("B1", "S1"), ("A2", "TP53"), ("B2", "5"), ("A3", "KRAS"), ("B3", "7")]
ODD = {
    "the last place of a sheet": ([*TABLE, ("XFD1048576", " ")], "stray-cell", "XFD1048576"),
    "the last row and a column": ([*TABLE, ("AZ1048576", "x")], "stray-cell", "AZ1048576"),
    "two far cells": ([*TABLE, ("XFD2", "x"), ("A1048576", "x")], "stray-cell", "A1048576"),
}
PASSING = {
    "a table": TABLE,
    "the last row": [*TABLE, ("B1048576", "9")],
    "the last column": [*TABLE, ("XFD3", "9")],
    "nothing": [],
}


@pytest.mark.parametrize("kind", ODD)
def test_a_stray_cell_is_named_and_nothing_is_read(kind: str, tmp_path: Path) -> None:
    cells, reason, place = ODD[kind]
    path = workbook(tmp_path / "acts.xlsx", cells)
    for look in (lambda: refuse_odd_workbook(path), lambda: refuse_odd_workbook(path.read_bytes()), lambda: read_table(path)):
        with pytest.raises(Unusable, match=place) as told:
            look()
        assert told.value.reason == reason
    assert table_files(tmp_path) == set()
    assert unpack([path], tmp_path).broken == (path,)


@pytest.mark.parametrize("kind", PASSING)
def test_what_a_reader_can_hold_passes(kind: str, tmp_path: Path) -> None:
    refuse_odd_workbook(workbook(tmp_path / "acts.xlsx", PASSING[kind]))


def test_a_sheet_that_inflates_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unibase.groundwork.inflating.ALWAYS_ALLOWED", 1_000_000)
    with pytest.raises(Unusable) as told:
        refuse_odd_workbook(workbook(tmp_path / "acts.xlsx", TABLE, width=500_000))
    assert told.value.reason == "inflates-too-far"


def test_cells_are_found_whatever_block_they_end_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for block in (1, 7, 64, 300, 1000):
        monkeypatch.setattr("unibase.groundwork.workbook_bounds._BLOCK", block)
        with pytest.raises(Unusable, match="XFD1048576"):
            refuse_odd_workbook(workbook(tmp_path / "acts.xlsx", [*TABLE, ("XFD1048576", " ")]))


def test_other_files_pass(tmp_path: Path) -> None:
    (tmp_path / "old.xls").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    refuse_odd_workbook(tmp_path / "old.xls")
