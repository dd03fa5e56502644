"""Maintenance: build `data/words/standard.txt`, the words of the DICOM standard, from the dictionaries that pydicom packages.

    python -m imaging.confidentiality.generate_words

Names of attributes and of UIDs (PS3.6), meanings of codes (PS3.16 with its SNOMED CT, LOINC, RadLex and UCUM terms that
the standard may quote). Names of animals are left out, and words that `names.txt` lists: an eponym is a name.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from unibase.groundwork.files import write_text

WORDS = Path(__file__).parent / "data" / "words"
_BREEDS = frozenset(range(7480, 7490))
_SHORTEST = 3
_HEAD = """# Words of the DICOM standard: names of attributes and UIDs (PS3.6), meanings of codes (PS3.16), without those of names.txt.
# Built by `generate_words` from the dictionaries of pydicom (MIT licence).
"""


def main() -> None:
    """Write `standard.txt`."""
    names = {
        word
        for line in (WORDS / "names.txt").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
        for word in line.split()
    }
    found = sorted(_words() - names)
    write_text(WORDS / "standard.txt", _HEAD + textwrap.fill(" ".join(found), 120, break_long_words=False) + "\n")


def _words() -> set[str]:
    from pydicom.datadict import DicomDictionary
    from pydicom.sr._concepts_dict import concepts
    from pydicom.uid import UID_dictionary

    found: set[str] = set()
    for entry in (*DicomDictionary.values(), *UID_dictionary.values()):
        found |= {word.lower() for text in entry[:3] for word in _split(str(text))}
    small: set[str] = set()
    capital: set[str] = set()
    dictionary = cast(dict[str, dict[str, dict[str, tuple[str, list[int]]]]], concepts)
    for terms in dictionary.values():
        for codes in terms.values():
            for meaning, contexts in codes.values():
                if "organism" in meaning or (contexts and _BREEDS.issuperset(contexts)):
                    continue
                for word in _split(meaning):
                    # Inside a term only an eponym or an abbreviation begins with a capital.
                    (small if word.islower() else capital if contexts else set()).add(word.lower())
    return {word for word in found | small | capital if len(word) >= _SHORTEST}


def _split(text: str) -> Iterator[str]:
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(one for one in plain if not unicodedata.combining(one))
    # A possessive is of a person: Michel's medium.
    for match in re.finditer(r"[A-Za-z]+(?!['’]s)\b", plain):
        yield match[0]


if __name__ == "__main__":
    main()
