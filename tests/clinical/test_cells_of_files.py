"""Cells of workbooks, SAS and SPSS: each is read as its program shows it, and what has no value that can be read is told.

The right values are what Excel, SAS and SPSS show; the files of SAS and SPSS are written by ReadStat, whose formats they carry.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pandas as pd
import polars as pl
import pyreadstat
import pytest

from tests.clinical.test_workbooks import write_xlsx
from unibase.clinical.sources.set_down import Told
from unibase.clinical.sources.statistics_files import chunks
from unibase.clinical.sources.stretches import index_tables
from unibase.clinical.sources.workbook_sheets import Sheet, read_sheets
from unibase.clinical.sources.workbooks import all_tables
from unibase.clinical.timelines.centre import TimelineTask, convert

FORMATS = ["General", "00000", "mm/yyyy", "yyyy", "dd/mm/yyyy", "[$-40C]mmmm\\ yyyy;@", "0.00", "mm:ss"]
"""Formats of the styles of cells, by number."""


def text(value: str) -> str:
    return f'<c t="inlineStr"><is><t>{value}</t></is></c>'


def number(value: float, style: int = 0) -> str:
    return f'<c s="{style}"><v>{value}</v></c>'


def workbook(path: Path, rows: Iterable[Iterable[str]], merged: Iterable[str] = ()) -> Path:
    """Write a workbook of one sheet; cells as XML."""
    lines = "".join(f"<row>{''.join(row)}</row>" for row in rows)
    areas = "".join(f'<mergeCell ref="{area}"/>' for area in merged)
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    below = f"<mergeCells>{areas}</mergeCells>" if areas else ""
    write_xlsx(path, {"Feuil1": f'<worksheet xmlns="{main}"><sheetData>{lines}</sheetData>{below}</worksheet>'}, FORMATS)
    return path


def sheet(path: Path, rows: Iterable[Iterable[str]], merged: Iterable[str] = ()) -> Sheet:
    (read,) = read_sheets(workbook(path, rows, merged)).values()
    return read


@pytest.mark.parametrize(
    ("cell", "read", "told"),
    [
        (number(123, 1), "00123", ""),
        (number(1234567, 1), "1234567", ""),
        (number(123), "123", ""),
        (number(12.5, 1), "12.5", ""),
        (number(0.45, 6), "0.45", ""),
        (number(43891, 2), "2020-03", "part"),
        (number(43891, 5), "2020-03", "part"),
        (number(43895, 2), "2020-03-05", ""),
        (number(43831, 3), "2020", "part"),
        (number(43891, 3), "2020-03-01", ""),
        (number(43891, 4), "2020-03-01", ""),
        ('<c t="e"><v>#N/A</v></c>', None, "error"),
        ('<c t="e"><f>1/0</f><v>#DIV/0!</v></c>', None, "error"),
        ("<c><f>B2+1</f></c>", None, "formula"),
        ("<c><f>B2+1</f><v/></c>", None, "formula"),
        ("<c><f>B2+1</f><v>11</v></c>", "11", ""),
        ('<c t="str"><f>""</f><v></v></c>', None, ""),
        ('<c t="b"><v>1</v></c>', "true", ""),
    ],
)
def test_a_cell_of_a_workbook(cell: str, read: str | None, told: str, tmp_path: Path) -> None:
    found = sheet(tmp_path / "t.xlsx", [[text("IPP"), text("Champ")], [text("1"), cell], [text("2"), text("x")]])
    assert found.frame["Champ"].to_list() == [read, "x"]
    assert dict(found.told) == ({(told, "champ"): 1} if told else {})


def test_merged_cells_and_heads(tmp_path: Path) -> None:
    """A number that is written once for three rows is that of each; a head over two columns is no header."""
    heads, names = [text("Patient"), "<c/>", text("Biologie"), "<c/>"], [text(name) for name in ("IPP", "Code", "Date", "Hb")]
    rows = [[number(7, 1), text("C34.1"), number(43891, 2), number(hb)] for hb in (12, 13)]
    blank = [["<c/>", *row[1:2], "<c/>", row[3]] for row in rows]
    found = sheet(tmp_path / "t.xlsx", [heads, names, rows[0], blank[1], rows[1]], ["A1:B1", "C1:D1", "A3:A4", "C3:C4"])
    assert found.frame.columns == ["IPP", "Code", "Date", "Hb"]
    assert found.frame["IPP"].to_list() == ["00007"] * 3
    assert found.frame["Date"].to_list() == ["2020-03"] * 3
    assert dict(found.told) == {("title", ""): 1, ("merged", "ipp"): 1, ("merged", "date"): 1, ("part", "date"): 3}


@pytest.mark.parametrize(
    ("above", "header", "told"),
    [
        ([["Registre du CHU-été"], [""]], ["", "IPP", "Date", "Date"], {("title", ""): 2, ("repeated", "date"): 2}),
        ([], ["", "IPP", "Code", "Note"], {}),
    ],
)
def test_headers_of_sheets(above: list[list[str]], header: list[str], told: dict[tuple[str, str], int], tmp_path: Path) -> None:
    cells = [[text(cell) if cell else "<c/>" for cell in row] for row in [*above, header, ["", "1", "a", "b"]]]
    found = sheet(tmp_path / "t.xlsx", cells)
    assert (found.frame.columns[0], found.frame.height, dict(found.told)) == ("IPP", 1, told)


def test_a_row_of_data_is_no_header(tmp_path: Path) -> None:
    found = sheet(tmp_path / "t.xlsx", [[text("IPP"), text("Code")], [text("1"), text("a"), text("sans nom")]])
    assert (found.frame.columns, found.frame.height) == (["IPP", "Code", "column_3"], 1)


DAY = (date(2020, 3, 4) - date(1960, 1, 1)).days
FIRST = (date(2020, 3, 1) - date(1960, 1, 1)).days
NEW_YEAR = (date(2020, 1, 1) - date(1960, 1, 1)).days
SPSS = (date(2020, 3, 4) - date(1582, 10, 14)).days * 86_400
SPSS_FIRST = (date(2020, 3, 1) - date(1582, 10, 14)).days * 86_400


@pytest.mark.parametrize(
    ("kind", "shown_by", "number", "read"),
    [
        ("xpt", "DATE9.", DAY, "2020-03-04"),
        ("xpt", "DDMMYYP10.", DAY, "2020-03-04"),
        ("xpt", "JULIAN7.", DAY, "2020-03-04"),
        ("xpt", "NLDATE20.", DAY, "2020-03-04"),
        ("xpt", "EURDFDD10.", DAY, "2020-03-04"),
        ("xpt", "FRADFMY7.", FIRST, "2020-03"),
        ("xpt", "MONYY7.", DAY, "2020-03-04"),
        ("xpt", "MONYY7.", FIRST, "2020-03"),
        ("xpt", "YEAR4.", FIRST, "2020-03-01"),
        ("xpt", "YEAR4.", NEW_YEAR, "2020"),
        ("xpt", "DATETIME20.", DAY * 86_400 + 37_800, "2020-03-04 10:30:00"),
        ("xpt", "EURDFDT20.", DAY * 86_400 + 37_800, "2020-03-04 10:30:00"),
        ("xpt", "DTDATE9.", DAY * 86_400 + 37_800, "2020-03-04"),
        ("xpt", "DTMONYY7.", FIRST * 86_400, "2020-03"),
        ("xpt", "DATE9.", DAY * 86_400, str(DAY * 86_400)),
        ("xpt", "DATE9.", -1.0, "1959-12-31"),
        ("xpt", "TIME8.", 37_800, "10:30:00"),
        ("xpt", "TIME8.", 108_000, "108000"),
        ("xpt", "Z5.", 123, "00123"),
        ("xpt", "Z8.2", 123, "123"),
        ("xpt", "BEST12.", 123, "123"),
        ("sav", "ADATE10", SPSS, "2020-03-04"),
        ("sav", "JDATE7", SPSS, "2020-03-04"),
        ("sav", "MOYR8", SPSS_FIRST, "2020-03"),
        ("sav", "MOYR8", SPSS, "2020-03-04"),
        ("sav", "YMDHMS20", SPSS + 37_800, "2020-03-04 10:30:00"),
        ("sav", "DATETIME20", 6_306_150_067_200, "6306150067200"),
        ("sav", "WKYR10", SPSS, str(SPSS)),
        ("sav", "N5", 123, "00123"),
        ("sav", "F8.2", 123, "123"),
    ],
)
def test_a_number_of_sas_or_spss_is_read_as_it_is_shown(
    kind: str, shown_by: str, number: float, read: str, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"X": [float(number)], "T": ["x"]})
    path = tmp_path / f"t.{kind}"
    if kind == "xpt":
        pyreadstat.write_xport(frame, str(path), file_format_version=5, table_name="T", variable_format={"X": shown_by})
    else:
        pyreadstat.write_sav(frame, str(path), variable_format={"X": shown_by})
    (found,) = chunks(path, Told())
    assert found.row(0) == (read, "x")


def test_values_that_spss_declares_as_missing_are_none_and_told(tmp_path: Path) -> None:
    frame = pd.DataFrame({"IPP": ["1", "2", "3"], "CODE": ["C34.1", "XX", "C50"], "HB": [12.5, 999.0, -9.0]})
    (tmp_path / "in").mkdir()
    ranges = {"HB": [999, {"lo": -10, "hi": -1}], "CODE": ["XX"]}
    pyreadstat.write_sav(frame, str(tmp_path / "in" / "t.sav"), missing_ranges=ranges)
    (tmp_path / "set down").mkdir()
    table = index_tables(all_tables(tmp_path / "in", tmp_path / "set down"), None)["t"]
    rows = pl.read_parquet(table.files[0].path)
    assert rows["CODE"].to_list() == ["C34.1", None, "C50"]
    assert rows["HB"].to_list() == ["12.5", None, None]
    told = {(problem.column, problem.reason, problem.message.split()[0]) for problem in table.problems()}
    assert told == {("code", "not-collected", "1"), ("hb", "not-collected", "2")}


MAPPING = """mapping: 1
name: odd
systems: [ipp]
tables:
  - {name: t, person: IPP, events: [{code: "ICD10//{Code}", date: Date}]}
"""


def told(folder: Path) -> list[tuple[str, str]]:
    """Return reasons and fields of what is told of a source."""
    (folder / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
    convert(TimelineTask("csv", folder / "in", "lyon", None, folder / "mapping.yaml", cutoff="none"), folder / "out")
    problems = pl.read_parquet(folder / "out" / "metadata" / "problems.parquet")
    return sorted((reason, unit.rpartition("/")[2]) for reason, unit in problems.select("reason", "unit").iter_rows())


def test_what_a_workbook_hides_reaches_the_problems_of_its_table(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    names = [text(name) for name in ("IPP", "Code", "Date")]
    workbook(tmp_path / "in" / "t.xlsx", [names, [number(1, 1), "<c><f>A1</f></c>", number(43891, 2)]])
    assert told(tmp_path) == [("date-shown-in-part", "date"), ("unread-cell", "code")]


def test_one_table_in_two_kinds_of_files_is_told(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    workbook(
        tmp_path / "in" / "t.xlsx", [[text(one) for one in row] for row in (("IPP", "Code", "Date"), ("1", "I10", "2020-01-02"))]
    )
    (tmp_path / "in" / "t.csv").write_text("IPP;Code;Date\n1;I10;2020-01-02\n", encoding="utf-8")
    assert told(tmp_path) == [("table-twice", "t")]


def test_a_file_that_ends_before_its_last_row_is_told(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    frame = pd.DataFrame({"IPP": [f"{n:05d}" for n in range(9_000)], "CODE": ["C34.1"] * 9_000, "DATE": ["2020-01-02"] * 9_000})
    pyreadstat.write_sav(frame, str(tmp_path / "whole.sav"))
    whole = (tmp_path / "whole.sav").read_bytes()
    (tmp_path / "in" / "t.sav").write_bytes(whole[: len(whole) // 2])
    assert ("unread-file", "unread-files") in told(tmp_path)


@pytest.mark.parametrize(
    ("cells", "dated"),
    [
        (["21915", "1966", "1500"], [False, False, False]),
        (["2015", "1966", "21915"], [True, True, False]),
        (["1966", "1967"], [True, True]),
        (["-4124", "1966", "2020-01-01"], [False, True, True]),
        (["-4124", "12", "1966", "2020-01-01"], [False, False, False, True]),
    ],
)
def test_a_number_of_days_is_no_year(cells: list[str], dated: list[bool], tmp_path: Path) -> None:
    """1966 among numbers of days is 20 May 1965 of SAS, not a year."""
    (tmp_path / "in").mkdir()
    rows = "".join(f"{n};I10;{cell}\n" for n, cell in enumerate(cells))
    (tmp_path / "in" / "t.csv").write_text("IPP;Code;Date\n" + rows, encoding="utf-8")
    wrong = [unit for reason, unit in told(tmp_path) if reason in ("unreadable-date", "impossible-date")]
    assert len(wrong) == dated.count(False)
