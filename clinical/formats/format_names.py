"""The names of the clinical formats: those of the modules that declare them. Light, for the study file and the command line."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

_END = "_format.py"


@cache
def format_names() -> tuple[str, ...]:
    """Return the names of all formats, in order.

    >>> {"omop", "fhir", "osiris-rwd"} <= set(format_names())
    True
    """
    files = Path(__file__).with_name("declared").glob(f"*{_END}")
    return tuple(sorted(one.name.removesuffix(_END).replace("_", "-") for one in files))


if TYPE_CHECKING:
    Format = str
    PeopleFormat = str
else:
    # Those that are declared; what type checkers cannot count, pydantic and the command line can.
    Format = Literal[format_names()]
    PeopleFormat = Literal[("people", *format_names())]
"""What a centre's people are read from: a people file, or clinical records that hold identities."""
