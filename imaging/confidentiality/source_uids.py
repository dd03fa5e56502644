"""From the pseudonym of a DICOM UID back to the UID, for who holds the key and the source files.

A pseudonym is a keyed hash and is not undone: the pseudonyms of the UIDs in source files are computed anew and compared.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from unibase.groundwork.problems import Unusable
from unibase.imaging.confidentiality.deidentified import source_elements
from unibase.imaging.confidentiality.policy import keyword_of
from unibase.imaging.confidentiality.structure import walk
from unibase.imaging.confidentiality.values import split_uids
from unibase.privacy.keys import Key
from unibase.privacy.pseudonyms import uid


def source_uids(path: Path | str, key: Key, wanted: Collection[str]) -> dict[str, tuple[str, str]]:
    """Return `{pseudonym: (keyword, source UID)}` of those of `wanted` that stand for a UID of one source file.

    Every UID of the header is looked at, at any depth; a file that cannot be read holds none.

    Args:
        path: A source file.
        key: The study's key.
        wanted: Pseudonyms, as de-identified files hold them.
    """
    try:
        elements = source_elements(path)
    except Unusable:
        return {}
    found: dict[str, tuple[str, str]] = {}
    for element in walk(elements):
        if element.vr != "UI" or element.value is None:
            continue
        for one in split_uids(element.value):
            source = one.decode("latin-1")
            pseudonym = uid(key, source) if source else ""
            if pseudonym in wanted:
                found.setdefault(pseudonym, (keyword_of(element.tag), source))
    return found
