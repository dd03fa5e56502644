"""TNM categories and stage groups in one vocabulary: `T3`, `N2b`, `M0`, `IIIA`; the prefix (c, p, y, ...) apart.

Centres write `cT3`, `T3`, `3`, AJCC's `3C`, `Stadium IIIB`, or SNOMED's qualifier values of AJCC. Sources: UICC TNM 8th edition
(categories and prefixes); mCODE STU4, whose value sets are the descendants of SNOMED CT 1222585009 and its like.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Kind = Literal["T", "N", "M", "STAGE"]

_AJCC: dict[str, str] = {
    "cTX": "1222604002", "cT0": "1228882005", "cTis": "1228884006", "cT1": "1228889001", "cT1mi": "1228891009", "cT1a": "1228892002",
    "cT1b": "1228895000", "cT1c": "1228899006", "cT2": "1228929004", "cT2a": "1228931008", "cT2b": "1228934000", "cT2c": "1228936003",
    "cT3": "1228938002", "cT3a": "1228939005", "cT3b": "1228940007", "cT4": "1228944003", "cT4a": "1228945002", "cT4b": "1228946001",
    "cT4c": "1228947005", "cT4d": "1228948000", "pTX": "1228950008", "pT0": "1228951007", "pTis": "1228953005", "pT1": "1228957006",
    "pT2": "1229852009", "pT3": "1229859000", "pT4": "1229864001", "cNX": "1229966003", "cN0": "1229967007", "cN1": "1229973008",
    "cN2": "1229978004", "cN2a": "1229981009", "cN2b": "1229982002", "cN3": "1229984001", "pN1": "1229951001", "ypNX": "1229877005",
    "ypN0": "1229878000", "ypN1": "1229884002", "cM0": "1229901006", "cM1": "1229903009", "cM1a": "1229904003", "cM1b": "1229907005",
    "cM1c": "1229910003", "pM1": "1229916009", "IIA": "1222593007", "II": "1222765007", "IV": "1222837003",
}  # fmt: skip
_GENERAL = {"I": "258215001", "II": "258219007", "III": "258224005", "IV": "258228008"}
SNOMED = {code: value for table in (_AJCC, _GENERAL) for value, code in table.items()}
"""Concepts of SNOMED CT that are values of TNM and stage. A value with another concept is read by its standard term (`of_display`)."""

PREFIX_OF_CODE: dict[str, str] = {
    **dict.fromkeys(("LOINC//21905-5", "LOINC//21906-3", "LOINC//21907-1", "LOINC//21908-9"), "c"),
    **dict.fromkeys(("LOINC//21899-0", "LOINC//21900-6", "LOINC//21901-4", "LOINC//21902-2"), "p"),
    **dict.fromkeys(("SNOMED//399504009", "SNOMED//399534004", "SNOMED//399387003", "SNOMED//399537006"), "c"),
    **dict.fromkeys(("SNOMED//384625004", "SNOMED//371494008", "SNOMED//371497001", "SNOMED//399588009"), "p"),
}
"""Codes of observations that say how the category was found, where its value does not."""

_TERM = re.compile(
    r"^(?:American Joint Committee on Cancer|Union for International Cancer Control)\s+(?:stage\s+)?(\S+?)(?:\s+\(qualifier value\))?$",
    re.I,
)
_AFTER = r"(?:\s*\([^)]*\))*$"
"""What may stand behind a category: `(m)`, `(sn)`, `(i+)`, `(3/12)`."""
_SITES = r"(?:\s*(?:PUL|OSS|HEP|BRA|LYM|MAR|PLE|PER|ADR|SKI|OTH))*"
"""Where metastases are, in the words of TNM."""
_CATEGORY = {
    "T": re.compile(rf"^([yrau]{{0,2}}[cp]?)(?:T\s?)?(is|a|X|[0-4](?:mi|[a-e]\d?)?){_AFTER}", re.I),
    "N": re.compile(rf"^([yrau]{{0,2}}[cp]?)(?:N\s?)?(X|[0-3](?:mi|[a-d])?){_AFTER}", re.I),
    "M": re.compile(rf"^([yrau]{{0,2}}[cp]?)(?:M\s?)?(X|[01][a-d]?\d?){_SITES}{_AFTER}", re.I),
}
_STAGE = re.compile(r"^([ycp]{0,2})(?:stage|stade|stadium)?\s*(IV|I{1,3}|[0-4]|is)\s*([A-D]\d?)?$", re.I)
_ROMAN = {"1": "I", "2": "II", "3": "III", "4": "IV"}
_TOGETHER = re.compile(r"^([yrau]{0,2}[cp]?T\S*?)\s*([yrau]{0,2}[cp]?N[0-3X]\S*?)\s*([yrau]{0,2}[cp]?M[01X]\S*)$", re.I)


class Category(NamedTuple):
    """A value in the common vocabulary, and its prefix; None where none is said."""

    value: str
    prefix: str | None


def of_display(display: str) -> str | None:
    """Return the category that a standard term of SNOMED CT, `display`, says.

    Example:
        >>> of_display("American Joint Committee on Cancer cT3 (qualifier value)")
        'cT3'
    """
    found = _TERM.match(display.strip())
    return found.group(1) if found else None


def category(kind: Kind, text: str) -> Category | None:
    """Return a value of a centre, `text`, in the common vocabulary of its `kind`, or None when it is no such value.

    Example:
        >>> category("T", "ypT2a")
        Category(value='T2a', prefix='yp')
        >>> category("STAGE", "3C")
        Category(value='IIIC', prefix=None)
    """
    written = text.strip()
    written = SNOMED.get(written.removeprefix("SNOMED//"), written.rsplit("//", 1)[-1])
    if kind == "STAGE":
        found = _STAGE.match(written)
        if not found:
            return None
        prefix, group, part = found.groups()
        return Category(
            _ROMAN.get(group, "0" if group.lower() == "is" else group.upper()) + (part or "").upper(), prefix.lower() or None
        )
    together = _TOGETHER.match(written)
    found = _CATEGORY[kind].match(together.group("TNM".index(kind) + 1) if together else written)
    if not found:
        return None
    prefix, value = found.groups()
    return Category(kind + (value.upper() if value.upper() == "X" else value.lower()), prefix.lower() or None)
