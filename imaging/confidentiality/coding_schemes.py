"""Which code values are of a public coding scheme: the catalogue `data/coding_schemes.csv`, by the form of the scheme's codes.

Designators are those of PS3.16 table 8-1, `CCAM` as French centres write it, and forms those that the publishers of the
schemes give: a code of that form names a thing for everyone. Units are spelt by UCUM's own grammar, so they are built here.
What stands with a scheme of a maker or of a hospital (`99...`) is judged as a text that a machine writes.
"""

from __future__ import annotations

import csv
import re
from functools import cache, lru_cache
from pathlib import Path

_PREFIX = "(?:da|[YZEPTGMkhdcmunpfazy])?"
_ATOM = (
    r"(?:osm|mol|rad|deg|kat|Ohm|Cel|dyn|diop|ppth|ppm|ppb|min|bit|By|Bq|Pa|Hz|Gy|Sv|Ci|eV|dB|wk|mo|lm|lx|cd|sr|st|Wb|Np|"
    r"[mgslLtJNWVATFCKRSHhdauUB]|(?:wood|hnsf|arb|APL|GPL|MPL)'U)"
)
_ANNOTATION = r"\{(?:[a-z ]{2,12}|SUV[a-zA-Z]{0,3}(?:\((?:James128|Janma)\))?|[A-Z][A-Z]?)\}"
_SIMPLE = rf"(?:10[*^]-?\d{{1,3}}|\d{{1,4}}|%|(?:\[(?:{_PREFIX}{_ATOM}|[a-z]{{2,3}}_[a-z]{{2}}|[a-z]{{2,6}}|degF|pH|HU|ppm|arb'U|hnsf'U)\]|{_PREFIX}{_ATOM})-?\d?)"
_COMPONENT = rf"(?:{_SIMPLE}(?:{_ANNOTATION})?|{_ANNOTATION})"
_UNIT = rf"/?{_COMPONENT}(?:[./]{_COMPONENT}){{0,5}}"
_BY_GRAMMAR = {"(?:unit)": _UNIT}


@cache
def forms() -> dict[str, re.Pattern[str]]:
    """Return the form of a code by its scheme's designator."""
    with open(Path(__file__).parent / "data" / "coding_schemes.csv", encoding="utf-8", newline="") as file:
        return {row["designator"]: re.compile(_BY_GRAMMAR.get(row["form"], row["form"])) for row in csv.DictReader(file)}


@lru_cache(maxsize=8192)
def gives(scheme: bytes, code: bytes) -> bool:
    r"""Return whether a scheme is public and gives codes of this form.

    Args:
        scheme: Value of Coding Scheme Designator (0008,0102), padding included.
        code: Value of Code Value (0008,0100), padding included.

    >>> gives(b"CCAM", b"ZBQK002 "), gives(b"99LOCAL ", b"ZBQK002 "), gives(b"UCUM", b"g/ml"), gives(b"UCUM", b"Titi")
    (True, False, True, False)
    """
    form = forms().get(scheme.strip(b" \0").decode("latin-1"))
    return form is not None and form.fullmatch(code.strip(b" \0").decode("latin-1")) is not None
