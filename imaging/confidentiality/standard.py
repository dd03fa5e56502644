"""DICOM PS3.15 2025b as data: Table E.1-1, the safe private attributes of E.3.10-1, attribute types of PS3.3.

The tables in `data/` are built by `imaging.confidentiality.generate`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

EDITION = "PS3.15 2025b"
"""Which edition of the standard the tables are of."""
_DATA = Path(__file__).parent / "data"
OPTION_NAMES = (
    "private",
    "uids",
    "device",
    "institution",
    "patient",
    "full_dates",
    "modified_dates",
    "descriptors",
    "structured",
    "graphics",
)


class Row(NamedTuple):
    """One row of Table E.1-1: the Basic Profile's action and the letter (K or C) that each option sets."""

    name: str
    vr: str
    basic: str
    options: Mapping[str, str]


@cache
def table() -> dict[int, Row]:
    """Return `{tag: row}` for the rows that name one attribute (repeating groups and private rows are rules in `policy`).

    >>> table()[0x00100010].name
    "Patient's Name"
    """
    return {int(tag, 16): row for tag, row in _rows().items() if "x" not in tag and tag != "private"}


def _rows() -> dict[str, Row]:
    with open(_DATA / "table_e1_1.csv", encoding="utf-8", newline="") as file:
        return {
            row["tag"]: Row(row["name"], row["vr"], row["basic"], {name: row[name] for name in OPTION_NAMES if row[name]})
            for row in csv.DictReader(file)
        }


@cache
def safe_private() -> frozenset[tuple[str, int, int]]:
    """Return the safe private attributes as `(creator, group, low byte of the element)`."""
    with open(_DATA / "safe_private.csv", encoding="utf-8", newline="") as file:
        return frozenset((row["creator"], int(row["group"], 16), int(row["element"], 16)) for row in csv.DictReader(file))


@cache
def attribute_types(sop_class: str) -> dict[int, tuple[str, str]]:
    """Return `{tag: (type at the top level, strongest type inside sequences)}` of compound rows in an IOD.

    Types are `1`, `2`, `3` or `-` (not in the IOD there); conditional types count as their letter.

    Args:
        sop_class: The SOP class.
    """
    return {int(tag, 16): (types[0], types[1]) for tag, types in _types().get(sop_class, {}).items()}


def knows_iod(sop_class: str) -> bool:
    """Return whether the IOD of a SOP class is in the tables.

    Args:
        sop_class: The SOP class.

    >>> knows_iod("1.2.840.10008.5.1.4.1.1.2"), knows_iod("1.2.3")
    (True, False)
    """
    return sop_class in _types()


@cache
def _types() -> dict[str, dict[str, str]]:
    result: dict[str, dict[str, str]] = json.loads((_DATA / "attribute_types.json").read_text(encoding="utf-8"))
    return result
