"""Workbooks and files of SAS and SPSS give what the same table gives in CSV, and what cannot be opened is told."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import polars as pl
import pyreadstat
import pytest

from tests.clinical.whole import read_events
from unibase.clinical.sources.workbooks import find_packed, unpack
from unibase.clinical.timelines.centre import TimelineTask, convert
from unibase.privacy.subjects import Subject, SubjectLookup

MAPPING = """mapping: 1
name: registre
systems: [ipp]
tables:
  - name: suivi
    person: IPP
    events:
      - {code: "ICD10//{Code CIM10}", date: Date du diagnostic}
      - {code: LOINC//718-7, date: Date du diagnostic, number: Hb, unit: "{Unité}"}
"""
HEAD = ["IPP", "Code CIM10", "Date du diagnostic", "Hb", "Unité"]
ROWS = [
    ["00123", "C34.1", "2020-03-04", "12.5", "g/dL"],
    ["123", "C50.9", "2020-03-05", "13", "g/dL"],
    ["00123", "I10", "", "33.9", "g/dL"],
]
LOOKUP = SubjectLookup({("lyon", "ipp", "00123"): Subject(1, -3), ("lyon", "ipp", "123"): Subject(2, 5)})


def sheet(rows: list[list[str]], numbers: bool) -> str:
    """A sheet of inline strings; with `numbers`, cells that are numbers without leading zeros, and days, are typed."""
    out = []
    for row in rows:
        cells = []
        for text in row:
            if numbers and text.replace(".", "", 1).isdecimal() and not text.startswith("0"):
                cells.append(f"<c><v>{text}</v></c>")
            elif numbers and text.startswith("2020-03-0"):
                # Days since 30 December 1899: 2020-03-04 is 43894.
                cells.append(f'<c s="1"><v>{43890 + int(text[-1])}</v></c>')
            else:
                cells.append(f'<c t="inlineStr"><is><t>{escape(text)}</t></is></c>' if text else "<c/>")
        out.append(f"<row>{''.join(cells)}</row>")
    return f'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{"".join(out)}</sheetData></worksheet>'


def write_xlsx(path: Path, sheets: dict[str, str], formats: Sequence[str] = ("General", "dd/mm/yyyy")) -> None:
    """Write a workbook of some sheets, as XML; styles of cells have the formats, by number."""
    main, office = (
        "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
        "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    )
    package = "http://schemas.openxmlformats.org/package/2006"
    kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    listed = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in enumerate(sheets, 1))
    linked = "".join(
        f'<Relationship Id="r{n}" Type="{office}/worksheet" Target="worksheets/s{n}.xml"/>' for n in range(1, len(sheets) + 1)
    )
    listed_formats = "".join(f'<numFmt numFmtId="{164 + n}" formatCode={quoteattr(code)}/>' for n, code in enumerate(formats))
    styles = "".join(f'<xf numFmtId="{164 + n}"/>' for n in range(len(formats)))
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="xml" ContentType="{kinds}.worksheet+xml"/><Default Extension="rels" '
        f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="{kinds}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{kinds}.styles+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">{linked}<Relationship Id="rs" Type="{office}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><numFmts>{listed_formats}</numFmts><cellXfs>{styles}</cellXfs></styleSheet>',
        **{f"xl/worksheets/s{n}.xml": text for n, text in enumerate(sheets.values(), 1)},
    }  # fmt: skip
    with zipfile.ZipFile(path, "w") as file:
        for name, text in parts.items():
            file.writestr(name, text)


def events(folder: Path) -> pl.DataFrame:
    (folder.parent / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
    told = read_events(TimelineTask("csv", folder, "lyon", LOOKUP, folder.parent / "mapping.yaml"))
    account = told.account.row(0, named=True)
    assert (account["rows"], account["used"]) == (3, 3)
    return told.events


@pytest.mark.parametrize("form", ["xlsx of texts", "xlsx of numbers and days", "one of two sheets", "sav", "xpt"])
def test_the_same_as_in_csv(form: str, tmp_path: Path) -> None:
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "suivi.csv").write_text("\n".join(";".join(row) for row in [HEAD, *ROWS]) + "\n", encoding="utf-8")
    expected = events(tmp_path / "csv")
    assert set(expected["subject_id"]) == {1, 2}
    assert expected.filter(pl.col("code").str.starts_with("ICD10//")).height == 3
    folder = tmp_path / "packed"
    folder.mkdir()
    frame = pl.DataFrame(ROWS, schema=HEAD, orient="row").to_pandas()
    if form == "sav":
        plain = {"Code CIM10": "CODE", "Date du diagnostic": "JOUR", "Unité": "UNITE"}
        pyreadstat.write_sav(frame.rename(columns=plain), str(folder / "suivi.sav"))
    elif form == "xpt":
        plain = {"Code CIM10": "CODE", "Date du diagnostic": "JOUR", "Unité": "UNITE", "Hb": "HB"}
        pyreadstat.write_xport(frame.rename(columns=plain), str(folder / "suivi.xpt"), table_name="SUIVI")
    else:
        rows = sheet([HEAD, *ROWS], "numbers" in form)
        name, other = (
            ("suivi", {"Notes": sheet([["un", "mot"]], False)}) if "sheets" in form else ("Feuil1", {"Feuil2": sheet([], False)})
        )
        write_xlsx(folder / ("classeur.xlsx" if "sheets" in form else "suivi.xlsx"), {name: rows, **other})
    if form in {"sav", "xpt"}:
        renamed = MAPPING.replace("Code CIM10", "CODE").replace("Date du diagnostic", "JOUR").replace("Unité", "UNITE")
        (tmp_path / "mapping.yaml").write_text(renamed, encoding="utf-8")
        found = read_events(TimelineTask("csv", folder, "lyon", LOOKUP, tmp_path / "mapping.yaml")).events
    else:
        found = events(folder)
    assert found.equals(expected)


def test_a_file_that_cannot_be_opened_is_told_and_named_to_its_keeper_only(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "suivi.csv").write_text("\n".join(";".join(row) for row in [HEAD, *ROWS]) + "\n", encoding="utf-8")
    for name in ("famille_dupont.xlsx", "b.sas7bdat", "lettre.docx"):
        (folder / name).write_bytes(b"PK")
    (tmp_path / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
    written = convert(TimelineTask("csv", folder, "lyon", None, tmp_path / "mapping.yaml"), tmp_path / "out")
    assert written.unread == ("b.sas7bdat", "famille_dupont.xlsx", "lettre.docx")
    problems = pl.read_parquet(tmp_path / "out" / "metadata" / "problems.parquet")
    told = problems.filter(pl.col("reason") == "unread-file").row(0, named=True)
    assert told["message"].startswith("3 files of the source are not read: 1 .docx, 1 .sas7bdat, 1 .xlsx.")
    assert "dupont" not in str(problems.rows())
    # 00123 and 123 are two persons without a ledger, too.
    assert written.subjects == 2
    assert [path.name for path in unpack(find_packed(folder), tmp_path).broken] == ["b.sas7bdat", "famille_dupont.xlsx"]
