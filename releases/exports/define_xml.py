"""The dictionary of a release in the manner of CDISC Define-XML 2.1: what a reviewer's tools read.

Tables become ItemGroupDef, columns ItemDef with label, type, unit, origin and, where the dictionary says how the value
was made, a MethodDef. Variables of matrices (genes) are left to the dictionary files: Define-XML describes tables.
Not a submission: it names no SDTM or ADaM standard of the whole, and its OIDs are ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

import polars as pl

from unibase.releases.tables import BY_NAME

ODM = "http://www.cdisc.org/ns/odm/v1.3"
DEFINE = "http://www.cdisc.org/ns/def/v2.1"
XML = "http://www.w3.org/XML/1998/namespace"
CREATED = "1970-01-01T00:00:00+00:00"
"""No time of day: the convention of reproducible builds."""
TYPES = {"integer": "integer", "float": "float", "boolean": "boolean", "date": "date", "datetime": "datetime"}
ROWS = {
    "subjects": ("One row per subject", "SUBJECT LEVEL ANALYSIS DATASET"),
    "adtte": ("One row per subject and endpoint", "BASIC DATA STRUCTURE"),
    "adrs": ("One row per subject, parameter and date", "BASIC DATA STRUCTURE"),
    "bds": ("One row per subject, parameter and date", "BASIC DATA STRUCTURE"),
}


def define_xml(dictionary: pl.DataFrame, about: Mapping[str, Any]) -> bytes:
    """Return the document as UTF-8.

    CreationDateTime, which the schema asks for, is always `CREATED`, so that equal releases give equal bytes; the
    release's version says which one it is.

    Args:
        dictionary: The dictionary of the release.
        about: Its manifest: `study`, `version`, `title`, `modalities`.
    """
    ET.register_namespace("", ODM)
    ET.register_namespace("def", DEFINE)
    root, version = _frame(about)
    parts = {*about["modalities"]}
    tables = [rows for _, rows in dictionary.filter(~pl.col("table").is_in(parts)).group_by("table", maintain_order=True)]
    columns = [row for rows in tables for row in rows.to_dicts()]
    # The schema asks for this order: tables, columns, code lists, methods.
    for rows in tables:
        _table(version, rows)
    for row in columns:
        _column(version, row)
    for text in dict.fromkeys(row["codes"] for row in columns if _terms(row["codes"])):
        _code_list(version, text, _code_list_oid(text))
    for row in columns:
        if row["derivation"]:
            _method(version, row)
    ET.indent(root)
    found: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True) + b"\n"
    return found


def _frame(about: Mapping[str, object]) -> tuple[ET.Element, ET.Element]:
    """Return the document's root, and the element that tables, columns, code lists and methods go into."""
    name = f"{about['study']}.{about['version']}"
    document = {"FileType": "Snapshot", "FileOID": name, "CreationDateTime": CREATED, "ODMVersion": "1.3.2"}
    root = ET.Element(_odm("ODM"), {**document, _define("Context"): "Other"})
    study = ET.SubElement(root, _odm("Study"), {"OID": str(about["study"])})
    names = ET.SubElement(study, _odm("GlobalVariables"))
    for tag, text in (("StudyName", about["study"]), ("StudyDescription", about["title"]), ("ProtocolName", about["study"])):
        ET.SubElement(names, _odm(tag)).text = str(text)
    attributes = {"OID": f"MDV.{name}", "Name": f"{about['title']} {about['version']}", _define("DefineVersion"): "2.1.0"}
    return root, ET.SubElement(study, _odm("MetaDataVersion"), attributes)


def _method(version: ET.Element, row: Mapping[str, Any]) -> None:
    attributes = {"OID": _oid("MT", row), "Name": f"Derivation of {row['column']}", "Type": "Computation"}
    _description(ET.SubElement(version, _odm("MethodDef"), attributes), row["derivation"])


def _odm(tag: str) -> str:
    return f"{{{ODM}}}{tag}"


def _define(tag: str) -> str:
    return f"{{{DEFINE}}}{tag}"


def _oid(kind: str, row: Mapping[str, object]) -> str:
    return f"{kind}.{row['table']}.{row['column']}"


def _description(parent: ET.Element, text: str) -> None:
    description = ET.SubElement(parent, _odm("Description"))
    ET.SubElement(description, _odm("TranslatedText"), {f"{{{XML}}}lang": "en"}).text = text


def _table(version: ET.Element, rows: pl.DataFrame) -> None:
    table = str(rows["table"][0])
    structure, kind = ROWS.get(table, ("", ""))
    keys = BY_NAME[table].key if table in BY_NAME else ()
    group = ET.SubElement(
        version,
        _odm("ItemGroupDef"),
        {
            "OID": f"IG.{table}",
            "Name": table,
            "Repeating": "No" if keys == ("subject_id",) else "Yes",
            "IsReferenceData": "No",
            _define("Structure"): structure or f"Table {table}",
            _define("ArchiveLocationID"): f"LF.{table}",
        },
    )
    _description(group, f"Table {table} of the release")
    for place, row in enumerate(rows.to_dicts(), 1):
        attributes = {"ItemOID": _oid("IT", row), "OrderNumber": str(place), "Mandatory": "Yes" if row["missing"] == 0 else "No"}
        if row["column"] in keys:
            attributes["KeySequence"] = str(keys.index(row["column"]) + 1)
        if row["derivation"]:
            attributes["MethodOID"] = _oid("MT", row)
        ET.SubElement(group, _odm("ItemRef"), attributes)
    if kind:
        ET.SubElement(group, _define("Class"), {"Name": kind})
    leaf = ET.SubElement(
        group, _define("leaf"), {"ID": f"LF.{table}", "{http://www.w3.org/1999/xlink}href": f"tables/{table}.parquet"}
    )
    ET.SubElement(leaf, _define("title")).text = f"{table}.parquet"


def _column(version: ET.Element, row: Mapping[str, Any]) -> None:
    kind = TYPES.get(row["type"], "text")
    attributes = {"OID": _oid("IT", row), "Name": row["column"], "DataType": kind}
    if kind in ("text", "integer", "float"):
        attributes["Length"] = {"text": "200", "integer": "19", "float": "17"}[kind]
    item = ET.SubElement(version, _odm("ItemDef"), attributes)
    _description(item, row["label"] + (f" ({row['unit']})" if row["unit"] else ""))
    if _terms(row["codes"]):
        named = {"CodeListOID": _code_list_oid(row["codes"])}
        ET.SubElement(item, _odm("CodeListRef"), named)
    origin = "Derived" if row["derivation"] else "Collected"
    ET.SubElement(item, _define("Origin"), {"Type": origin, "Source": "Sponsor"})


def _terms(codes: str) -> list[tuple[str, str]]:
    """Return `(code, meaning)` of a code list such as `M male; F female`, or nothing when the text is no list."""
    terms = [re.fullmatch(r"(\S+)(?:\s+(.+))?", part.strip()) for part in re.split(r"[;,]", codes)]
    found = [(t[1], t[2] or t[1]) for t in terms if t]
    return found if len(found) > 1 and len(found) == len(terms) else []


def _code_list_oid(codes: str) -> str:
    return "CL." + re.sub(r"[^A-Za-z0-9]+", "_", codes).strip("_")[:60]


def _code_list(version: ET.Element, codes: str, oid: str) -> None:
    listed = ET.SubElement(version, _odm("CodeList"), {"OID": oid, "Name": codes[:80], "DataType": "text"})
    for code, meaning in _terms(codes):
        item = ET.SubElement(listed, _odm("CodeListItem"), {"CodedValue": code})
        decode = ET.SubElement(item, _odm("Decode"))
        ET.SubElement(decode, _odm("TranslatedText"), {f"{{{XML}}}lang": "en"}).text = meaning
