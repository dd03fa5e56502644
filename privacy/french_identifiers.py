"""French personal identifiers in text: NIR (with its check key and Corsican departments), INS, IPP.

The NIR is the 13 characters of the INSEE register, followed by a key of two digits: 97 minus the number modulo 97,
where the Corsican departments 2A and 2B count as 19 and 18 (INSEE; décret 82-103). The INS of the national health
identity is a NIR or NIA of 15 characters with one of the OIDs below (ANS, référentiel Identifiant National de Santé).
The IPP (identifiant permanent du patient) and the stay number have no public form: they are found by their label.
"""

from __future__ import annotations

import re
from typing import NamedTuple

INS_OIDS = {
    "1.2.250.1.213.1.4.2": "INS-C",
    "1.2.250.1.213.1.4.8": "INS-NIR",
    "1.2.250.1.213.1.4.9": "INS-NIA",
    "1.2.250.1.213.1.4.10": "INS-NIR of test",
    "1.2.250.1.213.1.4.11": "INS-NIR of demonstration",
}
"""OIDs of the assigning authorities of the INS, as HL7 messages and DICOM issuers write them."""


class Found(NamedTuple):
    """One identifier in a text: its kind (`nir`, `ins-c`, `ins-oid`, `ipp`) and where it stands."""

    kind: str
    start: int
    end: int


_GAP = r"[ .\-\u00a0\u202f]?"
_NIR = re.compile(
    rf"(?<![0-9A-Za-z.])[1-478]{_GAP}[0-9]{{2}}{_GAP}[0-9]{{2}}{_GAP}(?:[0-9]{{2}}|2[ABab]){_GAP}[0-9]{{3}}{_GAP}[0-9]{{3}}"
    rf"(?:{_GAP}(?P<key>[0-9]{{2}}))?(?![0-9A-Za-z])"
)
_INS_C = re.compile(r"(?<![0-9A-Za-z.])[0-9]{22}(?![0-9A-Za-z])")
_OID = re.compile(r"(?<![0-9.])(?:" + "|".join(re.escape(oid) for oid in sorted(INS_OIDS, reverse=True)) + r")(?![0-9])")
_LABEL = re.compile(
    r"(?<![0-9A-Za-z])(?:I\.?P\.?P|I\.?E\.?P|N\.?I\.?P|N\.?D\.?A|I\.?N\.?S(?:-?(?:NIR|NIA|C))?|N\.?I\.?[RA]|matricule)"
    r"(?:\s*(?:n[°ºo.]?|num[eé]ro)(?![a-z]))?\s*[:=#_\-/]*\s*(?P<value>[0-9A-Za-z]*[0-9][0-9A-Za-z]*(?:[ .\-][0-9]+)*)",
    re.IGNORECASE,
)


def nir_key(thirteen: str) -> int | None:
    """Return the check key of the first `thirteen` characters of a NIR, or None when they are not of its form.

    >>> nir_key("1560369123456"), nir_key("2A")
    (72, None)
    """
    if not re.fullmatch(r"[1-478][0-9]{4}(?:[0-9]{2}|2[ABab])[0-9]{6}", thirteen):
        return None
    department = thirteen[5:7].upper()
    number = thirteen[:5] + {"2A": "19", "2B": "18"}.get(department, department) + thirteen[7:]
    return 97 - int(number) % 97


def is_nir(text: str) -> bool:
    """Return whether `text`, blanks aside, is a NIR of 15 characters whose key is right.

    >>> is_nir("1 56 03 69 123 456 72"), is_nir("156036912345600")
    (True, False)
    """
    compact = re.sub(r"[ .\-\u00a0\u202f]", "", text)
    key = nir_key(compact[:13])
    return key is not None and len(compact) == 15 and compact[13:] == f"{key:02d}"


def find(text: str) -> list[Found]:
    """Return the French identifiers in `text`, in order of place.

    A number of 15 characters is a NIR only when its key is right. A number of 13, which has no key, is one only
    when its month and department are possible; so a long run of digits of another meaning is rarely one.
    """
    found = [Found("ins-c", m.start(), m.end()) for m in _INS_C.finditer(text)]
    found += [Found("ins-oid", m.start(), m.end()) for m in _OID.finditer(text)]
    found += [Found("ipp", m.start(), m.end()) for m in _LABEL.finditer(text)]
    for match in _NIR.finditer(text):
        compact = re.sub(r"[ .\-\u00a0\u202f]", "", match[0])
        if (match["key"] and is_nir(compact)) or (not match["key"] and _plausible(compact)):
            found.append(Found("nir", match.start(), match.end()))
    return sorted(found, key=lambda one: (one.start, -one.end))


def _plausible(thirteen: str) -> bool:
    # Months 01 to 12, or the codes INSEE gives when the month of birth is not known: 20 to 42 and 50 to 99.
    month = int(thirteen[3:5])
    return (1 <= month <= 12 or 20 <= month <= 42 or month >= 50) and thirteen[5:7] != "00" and thirteen[7:10] != "000"
