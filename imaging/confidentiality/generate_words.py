"""Maintenance: build the lists of words that come from dictionaries.

    python -m imaging.confidentiality.generate_words SOURCES

SOURCES is a folder with the files of `_Sources`. Five lists of `data/words` are written:

* `standard.txt`: names of attributes and of UIDs (PS3.6), meanings of codes (PS3.16 with its SNOMED CT, LOINC, RadLex and
  UCUM terms that the standard may quote), from the dictionaries that pydicom packages;
* `terms.txt`: words of the ICD-10-CM, of the French labels of the CIM-10 and of the CCAM, and names of substances;
* `people.txt`: names that the INSEE counted often;
* `also_names.txt` and `rare_names.txt`: names that are words of the lists too, which name a person after a title or a label.

A name passes into no list of words: an eponym is a name. Only words that a dictionary of terms writes small are told from one.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from unibase.groundwork.files import write_text
from unibase.imaging.confidentiality.texts.vocabulary import by_rule, vocabulary

WORDS = Path(__file__).parent / "data" / "words"
_BREEDS = frozenset(range(7480, 7490))
_SHORTEST, _SHORTEST_SUBSTANCE = 3, 5
_COMMON_FAMILY, _COMMON_GIVEN, _COMMON_ABROAD = 500, 300, 1500
_RARE_FAMILY, _RARE_GIVEN, _RARE_ABROAD = 20, 50, 15000
_ACT = re.compile(r"[A-Z]{4}\d{3}")
_EXTERNAL_CAUSES = re.compile(r"<chapter>\s*<name>20</name>.*?</chapter>", re.DOTALL)
_HEADS = {
    "standard": """# Words of the DICOM standard: names of attributes and UIDs (PS3.6), meanings of codes (PS3.16), without names of persons.
# Built by `generate_words` from the dictionaries of pydicom (MIT licence).
""",
    "terms": """# Words of diseases and substances in English and French, without any that is a name of a person in the INSEE's files.
# Built by `generate_words` from the ICD-10-CM 2026 of the CDC (public domain, as simple-icd-10-cm packages it, MIT licence), and from the
# French labels of the CIM-10 and the substances of the base of medicines that EDS-NLP 0.23 packages (BSD 3-Clause licence), and the
# CCAM 81 of the CNAM (Licence Ouverte 2.0).
""",
    "people": """# Family names of 500 births and more, given names of 300 and more, and rarer ones that would pass by their form, that are no word of
# the other lists: each names a person.
# Built by `generate_words` from the INSEE's files of family names (1891-2000) and given names (1900-2022), Licence Ouverte 2.0.
""",
    "also_names": """# Words of the other lists that are family names of 500 births and more, or given names of 300 and more: `dr masse`; and those that
# are among the 1,500 commonest family names of the United States and bind no sentence: `dr green`.
# Built by `generate_words` from the INSEE's files of family names (1891-2000) and given names (1900-2022), Licence Ouverte 2.0, and
# from the family names of the census of 1990 of the United States (public domain, as the package names 0.3.0 gives them).
""",
    "rare_names": """# Words of the other lists that are rarer names: family names of 20 births and more, given names of 50 and more, or family names of the
# United States, no parts of the body among them: they go after what announces a name alone (`Nom : Bordure`).
# Built by `generate_words` from the sources of `also_names`.
""",
}


@dataclass(frozen=True)
class _Sources:
    """The files read: each as its publisher gives it.

    Attributes:
        folder: Where `cim10.csv.gz`, `drugs.json` (EDS-NLP), `icd10cm.xml` (the tabular list), `ccam.csv` (CNAM), `noms.csv`
            and `prenoms.csv` (INSEE: name, births), `census.txt` (United States: name and more, the commonest first) stand.
    """

    folder: Path

    def terms(self) -> set[str]:
        """Words that a label of a disease or of an act writes small."""
        with gzip.open(self.folder / "cim10.csv.gz", "rt", encoding="utf-8") as stream:
            texts = [row["long"] for row in csv.DictReader(stream)]
        tabular = _EXTERNAL_CAUSES.sub("", (self.folder / "icd10cm.xml").read_text(encoding="utf-8"))
        texts += re.findall(r"<(?:desc|note)>([^<]*)<", tabular)
        with (self.folder / "ccam.csv").open(encoding="utf-8") as stream:
            # The first word names the act: never an eponym.
            texts += [row[2][:1].lower() + row[2][1:] for row in csv.reader(stream) if len(row) > 2 and _ACT.fullmatch(row[0])]
        return {word for text in texts for word in _split(text) if word.islower()}

    def substances(self) -> set[str]:
        """Words of names of substances: brands are written in capitals there."""
        names = [one for names in json.loads((self.folder / "drugs.json").read_text(encoding="utf-8")).values() for one in names]
        return {word for name in names if name[0].islower() for word in _split(name.lower()) if len(word) >= _SHORTEST_SUBSTANCE}

    def names(self, file: str) -> dict[str, int]:
        """Folded names to their births. `file`: of family or of given names."""
        with (self.folder / file).open(encoding="utf-8") as stream:
            return {_plain(row[0]).lower(): int(row[1]) for row in csv.reader(stream) if row[1].isdigit()}

    def census(self) -> list[str]:
        """Family names of the United States, the commonest first."""
        lines = (self.folder / "census.txt").read_text(encoding="utf-8").splitlines()
        return [line.split()[0].lower() for line in lines]


def main(folder: str) -> None:
    """Write the lists. `folder`: where the sources stand."""
    sources = _Sources(Path(folder))
    family, given = sources.names("noms.csv"), sources.names("prenoms.csv")
    ordinary = sources.terms()
    named = _listed("names.txt")
    common = _of(family, _COMMON_FAMILY) | _of(given, _COMMON_GIVEN)
    standard, small = _standard()
    by_hand = {
        word for path in WORDS.glob("*.txt") if path.stem not in {*_HEADS, "names", "no_names"} for word in _listed(path.name)
    }
    _write("standard", standard - named - (common - small - ordinary - by_hand))
    terms = {word for word in ordinary | sources.substances() if len(word) >= _SHORTEST}
    _write("terms", terms - named - family.keys() - given.keys() - standard - by_hand)
    # A rare name counts where the rules of the vocabulary would take it for a word.
    people = common | {name for name in family.keys() | given.keys() if by_rule(name)}
    _write("people", {one for one in people if one.isalpha() and len(one) >= _SHORTEST} - named - by_hand - small - ordinary)
    _write_names_that_are_words(family, given, sources.census())


def _write_names_that_are_words(family: dict[str, int], given: dict[str, int], abroad: list[str]) -> None:
    """Write the two lists of words that are names as well. `family`, `given`: births; `abroad`: the commonest first."""
    known = vocabulary()
    passing = known.words | known.whole | known.makers
    common = _of(family, _COMMON_FAMILY) | _of(given, _COMMON_GIVEN)
    common |= set(abroad[:_COMMON_ABROAD]) - known.whole - known.combining
    _write("also_names", passing & common)
    rare = _of(family, _RARE_FAMILY) | _of(given, _RARE_GIVEN) | set(abroad[:_RARE_ABROAD])
    _write("rare_names", {one for one in passing & rare if one.isalpha() and len(one) > 1} - common - known.body)


def _of(names: dict[str, int], births: int) -> set[str]:
    return {name for name, count in names.items() if count >= births}


def _listed(name: str) -> set[str]:
    lines = (WORDS / name).read_text(encoding="utf-8").splitlines()
    return {word for line in lines if not line.startswith("#") for word in line.split()}


def _write(name: str, words: Iterable[str]) -> None:
    write_text(WORDS / f"{name}.txt", _HEADS[name] + textwrap.fill(" ".join(sorted(words)), 120, break_long_words=False) + "\n")


def _standard() -> tuple[set[str], set[str]]:
    """Return the words of the standard, and those of them that a term writes small."""
    from pydicom.datadict import DicomDictionary
    from pydicom.uid import UID_dictionary

    found: set[str] = set()
    for entry in (*DicomDictionary.values(), *UID_dictionary.values()):
        found |= {word.lower() for text in entry[:3] for word in _split(str(text))}
    small: set[str] = set()
    capital: set[str] = set()
    for meaning, contexts in _meanings():
        for word in _split(meaning):
            # Inside a term only an eponym or an abbreviation begins with a capital.
            (small if word.islower() else capital if contexts else set()).add(word.lower())
    return {word for word in found | small | capital if len(word) >= _SHORTEST}, small


def _meanings() -> Iterator[tuple[str, list[int]]]:
    """Yield the meanings of codes with their context groups; names of animals are left out."""
    from pydicom.sr._concepts_dict import concepts

    dictionary = cast(dict[str, dict[str, dict[str, tuple[str, list[int]]]]], concepts)
    for terms in dictionary.values():
        for codes in terms.values():
            for meaning, contexts in codes.values():
                if "organism" not in meaning and not (contexts and _BREEDS.issuperset(contexts)):
                    yield meaning, contexts


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.replace("œ", "oe").replace("æ", "ae"))
    return "".join(one for one in decomposed if not unicodedata.combining(one))


def _split(text: str) -> Iterator[str]:
    # A possessive is of a person: Michel's medium.
    for match in re.finditer(r"[A-Za-z]+(?!['’]s)\b", _plain(text)):
        yield match[0]


if __name__ == "__main__":
    main(sys.argv[1])
