"""How commands print what they found: as text for people, as JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from pathlib import PurePath

from unibase.groundwork.files import json_text


def print_json(value: object) -> None:
    """Print what a command found as JSON with sorted keys.

    Args:
        value: Numbers and texts, paths and days, and whatever holds them: mappings, sequences, dataclasses, and tables
            of polars, which are lists of rows.

    Example:
        >>> print_json([1, PurePath("a/b"), date(2026, 11, 30)])
        [
          1,
          "a/b",
          "2026-11-30"
        ]
    """
    sys.stdout.write(json_text(_plain(value)))


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return _plain(value.value)
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((_plain(one) for one in value), key=str)
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    # A table: polars is asked by its method, so that commands without tables need not import it.
    rows = getattr(value, "iter_rows", None)
    return [_plain(row) for row in rows(named=True)] if rows else value
