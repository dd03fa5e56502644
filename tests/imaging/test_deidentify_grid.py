"""Every row of Table E.1-1 at depths 0 to 3 in every kind of encoding: nothing leaks, and each action is the table's.

Oracles: the packaged table read on its own here, pydicom's reading of the output, and a search of its raw bytes.
"""

from __future__ import annotations

import csv
import zlib
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

import unibase.imaging.confidentiality as package
from tests.imaging.deidentify_help import ANYONE, SUBJECT, both_paths, ct, every_element, run, save
from unibase.imaging.options import DeidentifyOptions

ENCODINGS = {
    "implicit": "1.2.840.10008.1.2",
    "explicit": "1.2.840.10008.1.2.1",
    "big": "1.2.840.10008.1.2.2",
    "deflated": "1.2.840.10008.1.2.1.99",
    "encapsulated": "1.2.840.10008.1.2.5",
}
# Sequences the table does not list: what is in them is decided on its own.
KEPT_SEQUENCES = (0x00081115, 0x0008114A, 0x0040A170)
# What decides at the top level whether an object passes at all: whose it is, and whether it was captured from a screen.
DECIDING = (0x00080018, 0x0020000D, 0x0020000E, 0x00100020, 0x00181010, 0x00181011, 0x00181012)
BINARY = {"OB": b"LEAKED%04d", "UN": b"LEAKED%04d", "OW": b"LEAKED%04d"}


@cache
def rows() -> list[dict[str, str]]:
    with open(Path(package.__file__).parent / "data" / "table_e1_1.csv", encoding="utf-8", newline="") as file:
        found = [row for row in csv.DictReader(file) if row["tag"] != "private"]
    for row in found:
        row["tag"] = row["tag"].replace("50xxxxxx", "50003000").replace("60xx", "6000")
        row["vr"] = row["vr"] or {"50003000": "OW", "60003000": "OW", "60004000": "LT"}[row["tag"]]
    # Commands, file meta information and directories are no part of a data set.
    return [row for row in {row["tag"]: row for row in found}.values() if int(row["tag"][:4], 16) >= 8]


def planted(number: int, vr: str) -> Any:
    if vr == "SQ" and "U*" in rows()[number]["basic"]:
        reference = Dataset()
        reference.ReferencedSOPInstanceUID = f"1.2.99.{number}.77.31"
        return Sequence([reference])
    if vr == "SQ":
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = f"LK{number:04d}Q", "99X", f"LK{number:04d}M"
        return Sequence([code])
    if vr in BINARY:
        return BINARY[vr] % number
    # Three days apart: a shift of 731 days, no multiple of three, makes none of them another one.
    day = (date(1911, 1, 1) + timedelta(days=3 * number)).strftime("%Y%m%d")
    return {
        "UI": f"1.2.99.{number}.77.31",
        "DA": day,
        "TM": f"{number % 24:02d}{number % 60:02d}{number % 59:02d}.{number:04d}",
        "DT": f"{day}1010{number % 60:02d}.{number:04d}",
        "PN": f"Leaky{number:04d}^Q",
        "DS": f"7.77{number:04d}",
        "IS": f"77{number:04d}",
        "AS": f"{10 + number % 70:03d}W",
        "US": 40_000 + number,
        "CS": f"LK{number:04d}Q",
        "UR": f"http://lk.example/LK{number:04d}",
        "AE": f"LK{number:04d}Q",
        "SH": f"LK{number:04d}Q",
    }.get(vr, f"LK{number:04d}Q text")


def grid_file(depth: int) -> Dataset:
    ds = ct()
    level: Dataset = ds
    for tag in KEPT_SEQUENCES[:depth]:
        inner = Dataset()
        level.add(DataElement(tag, "SQ", Sequence([inner])))
        level = inner
    for number, row in enumerate(rows()):
        tag = int(row["tag"], 16)
        if depth == 0 and tag in DECIDING:
            continue
        level.add(DataElement(tag, row["vr"], planted(number, row["vr"])))
    return ds


def level_of(ds: Dataset, depth: int) -> Dataset:
    for tag in KEPT_SEQUENCES[:depth]:
        ds = ds[tag].value[0]
    return ds


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("depth", range(4))
def test_strict_leaves_nothing(tmp_path: Path, depth: int, encoding: str) -> None:
    ds = grid_file(depth)
    if encoding == "encapsulated":
        ds.compress(ENCODINGS[encoding], generate_instance_uid=False)
    source = save(ds, tmp_path / "in.dcm", ENCODINGS[encoding])
    options = DeidentifyOptions(policy="strict")
    _, clean, content = run(source, tmp_path / "out", ANYONE, options)
    header = content
    if encoding == "deflated":
        start = content.index(b"UNIBASE") + 8
        header = content + zlib.decompress(content[start:], -15)
    treated = level_of(clean, depth)
    leaks, wrong = [], []
    for number, row in enumerate(rows()):
        tag, vr = int(row["tag"], 16), row["vr"]
        value = planted(number, vr)
        needle = value if isinstance(value, bytes) else f"LK{number:04d}".encode() if vr == "SQ" else str(value).encode()
        if vr not in ("US", "AS") and needle in header:
            leaks.append(row["name"])
        after = treated.get(tag)
        expected = row["basic"]
        if depth == 0 and tag in DECIDING:
            continue
        if expected == "X" and after is not None:
            wrong.append(row["name"])
        if expected == "U" and not str(after.value).startswith("2.25."):
            wrong.append(row["name"])
        if after is not None and vr not in ("SQ", "UI") and not after.is_empty and after.value == ds_value(ds, depth, tag):
            wrong.append(row["name"])
        if expected == "D" and vr != "SQ" and (after is None or after.is_empty):
            wrong.append(row["name"])
        if expected == "Z" and after is None:
            wrong.append(row["name"])
    assert leaks == []
    assert wrong == []
    assert clean.PatientID == str(SUBJECT.subject_id)


def ds_value(ds: Dataset, depth: int, tag: int) -> Any:
    return level_of(ds, depth)[tag].value


@pytest.mark.parametrize("encoding", ["implicit", "explicit"])
@pytest.mark.parametrize("depth", range(4))
@pytest.mark.parametrize("policy", ["strict", "longitudinal", "research"])
def test_options_keep_what_they_say_and_no_more(tmp_path: Path, depth: int, encoding: str, policy: str) -> None:
    ds = grid_file(depth)
    source = save(ds, tmp_path / "in.dcm", ENCODINGS[encoding])
    options = DeidentifyOptions(policy=policy)  # type: ignore[arg-type]
    fast, slow = both_paths(source, ANYONE, options)
    assert fast is None or fast == slow
    _, clean, content = run(source, tmp_path / "out", ANYONE, options)
    enabled = {
        "strict": set(),
        "longitudinal": {"patient", "modified_dates"},
        "research": {"patient", "modified_dates", "descriptors", "structured"},
    }[policy]
    leaks = []
    for number, row in enumerate(rows()):
        letters = {row[name] for name in enabled if row[name]}
        value = planted(number, row["vr"])
        if isinstance(value, int) or row["vr"] in ("AS", "TM"):
            continue
        needle = value if isinstance(value, bytes) else f"LK{number:04d}".encode() if row["vr"] == "SQ" else str(value).encode()
        may_stay = letters & {"K", "C"} and row["vr"] not in ("DA", "DT", "PN", "UI")
        if needle in content and not may_stay:
            leaks.append(row["name"])
    assert leaks == []
    every_element(clean, lambda element, _: None)


def test_a_kept_descriptor_loses_the_name_at_every_depth(tmp_path: Path) -> None:
    for depth in range(4):
        ds = ct()
        level: Dataset = ds
        for tag in KEPT_SEQUENCES[:depth]:
            inner = Dataset()
            level.add(DataElement(tag, "SQ", Sequence([inner])))
            level = inner
        for row in rows():
            if row["descriptors"] and row["vr"] in ("LO", "SH", "ST", "LT", "UT", "UC"):
                level.add(DataElement(int(row["tag"], 16), row["vr"], "Thor Dupontel"))
        ds.PatientID = "IPP0081234"
        _, clean, content = run(save(ds, tmp_path / f"{depth}.dcm"), tmp_path / "out", ANYONE)
        assert b"upontel" not in content
        assert level_of(clean, depth).StudyDescription == "Thor"
