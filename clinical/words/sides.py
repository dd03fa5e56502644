"""The side of a tumour, an act or a finding in one vocabulary: LEFT, RIGHT, BILATERAL, MIDLINE; and the edition of TNM.

Sources: SNOMED CT's qualifier values of side, mCODE's laterality qualifier, the letters of oBDS (Germany) and of OSIRIS.
"""

from __future__ import annotations

import re

_WORDS = {
    "LEFT": "l left g gauche links li sinistre sin 7771000",
    "RIGHT": "r right d droit droite rechts re dexter dex 24028007",
    "BILATERAL": "b bilateral bilatéral bilatérale beidseitig beidseits beids both 51440002",
    "MIDLINE": "m median médian médiane midline mittig mittellinie mittelstellig 399488007",
}
_SIDES = {word: side for side, words in _WORDS.items() for word in words.split()}

_EDITIONS = {"444256004": "6", "443830009": "7", "897275008": "8", "C146985": "8"}
"""Editions of AJCC's manual in SNOMED CT and NCIt, as mCODE names them."""
_EDITION = re.compile(
    r"^(?:(?:AJCC|UICC|TNM)\W*){0,3}(?:version|v|ed\.?|édition|edition|auflage)?\s*([1-9])(?:st|nd|rd|th|e|ème|è|\.)?\s*(?:ed\.?|édition|edition|auflage)?$",
    re.I,
)
_IN_TERM = re.compile(r"\b([1-9])(?:st|nd|rd|th) edition\b", re.I)


def side(text: str) -> str | None:
    """Return the side that a `text` of a centre says, None where it says none (unknown, unilateral, not a paired organ).

    >>> side("SNOMED//7771000"), side("Droite"), side("T")
    ('LEFT', 'RIGHT', None)
    """
    return _SIDES.get(text.strip().rsplit("//", 1)[-1].lower())


def tnm_edition(text: str) -> str | None:
    """Return the edition of TNM that a `text` says, a digit; AJCC and UICC count them alike.

    >>> tnm_edition("8. Auflage"), tnm_edition("SNOMED//443830009"), tnm_edition("FIGO 2018")
    ('8', '7', None)
    """
    written = text.strip().rsplit("//", 1)[-1]
    if written in _EDITIONS:
        return _EDITIONS[written]
    found = _EDITION.match(written) or (
        _IN_TERM.search(written) if re.match(r"American Joint Comm|Union for Int", written) else None
    )
    return found.group(1) if found else None
