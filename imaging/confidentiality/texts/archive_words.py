"""Words that an archive itself shows to name nobody: they stand with many persons, and are no name known to anyone.

The rule: a token that the vocabulary does not know, in texts that people write of three letters or more and at most two digits,
in those that machines write (models, versions, codes) of any; that occurs in files of at least `least` persons; and that is in no
name of the ledger, of any header of the archive, or of the list of French names. What is found is shown to the custodian, who allows it in `deidentification.words`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from unibase.groundwork.problems import Unusable
from unibase.imaging.confidentiality.charsets import decode, encodings_of
from unibase.imaging.confidentiality.deidentified import source_elements
from unibase.imaging.confidentiality.policy import TEXT_VRS, policy_of
from unibase.imaging.confidentiality.source import PATIENT_ID
from unibase.imaging.confidentiality.structure import Element, walk
from unibase.imaging.confidentiality.texts.days import dates_in
from unibase.imaging.confidentiality.texts.folding import fold, repair, spellings
from unibase.imaging.confidentiality.texts.known import SEPARATORS, WORD
from unibase.imaging.confidentiality.texts.vocabulary import allowed, is_unknown_code, vocabulary
from unibase.imaging.options import DeidentifyOptions

LEAST = 10
"""Persons with whom a word must stand, when nobody says otherwise."""
_CHARACTER_SET, _SOP_CLASS = 0x00080005, 0x00080016
_LEAST_LETTERS, _MOST_DIGITS = 3, 2


@dataclass
class ArchiveWords:
    """What was read of an archive so far.

    Attributes:
        person_of: Hospital number to person, for those who have several.
        names: Folded words of names that are known.
        persons: Folded token to the persons with whom it stands.
    """

    person_of: Mapping[str, str] = field(default_factory=dict, repr=False)
    names: set[str] = field(default_factory=set, repr=False)
    persons: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set), repr=False)

    def know(self, names: Iterable[str]) -> None:
        """Take names of persons, whose words are never listed. `names`: as a list of people or a header writes them."""
        self.names |= {form for name in names for word in SEPARATORS.split(name) if word for form in spellings(word)}

    def read(self, path: Path) -> None:
        """Take the texts of one file; one that cannot be read, or that names no patient, says nothing.

        Args:
            path: The DICOM file.
        """
        try:
            elements = source_elements(path)
        except Unusable:
            return
        top = {one.tag: one.value for one in elements if one.value}
        encodings = encodings_of(top.get(_CHARACTER_SET) or b"")
        number = (decode(top.get(PATIENT_ID) or b"", "LO", encodings) or "").strip(" \0")
        if not number:
            return
        person = self.person_of.get(number, number)
        sop_class = (top.get(_SOP_CLASS) or b"").decode("latin-1").strip(" \0")
        for element in walk(elements):
            if element.value:
                self._take(element, sop_class, encodings, person)

    def _take(self, element: Element, sop_class: str, encodings: tuple[str, ...], person: str) -> None:
        text = decode(element.value or b"", element.vr, encodings) if element.vr == "PN" or element.vr in TEXT_VRS else None
        if not text:
            return
        if element.vr == "PN":
            self.know([text])
        elif not element.private:
            action = _POLICY.action(sop_class, element.tag, element.vr, True)
            if action == "text" or action in _OF_MACHINES:
                for token in _strange_tokens(text, action in _OF_MACHINES):
                    self.persons[token].add(person)

    def found(self, least: int = LEAST) -> list[tuple[str, int]]:
        """Return the words that name nobody, with their numbers of persons, the most frequent first.

        `least`: persons with whom a word must stand.
        """
        names = self.names | vocabulary().names
        counts = {token: len(persons) for token, persons in self.persons.items()}
        often = {token for token, count in counts.items() if count >= least} - names
        return [(one, counts[one]) for one in sorted(often, key=lambda one: (-counts[one], one))]


_POLICY = policy_of(DeidentifyOptions())
_OF_MACHINES = frozenset({"term", "label", "coded"})


def _strange_tokens(text: str, of_machine: bool = False) -> set[str]:
    """Return the tokens of a text that the vocabulary does not know and that may be words, folded.

    Args:
        text: The text as it is written.
        of_machine: Whether a machine writes it: there codes with digits name things too.

    Example:
        >>> sorted(_strange_tokens("thorax zqvibe 12AVR19 A4711"))
        ['zqvibe']
    """
    repaired = repair(text)
    days = [folded.span(*span) for folded in (fold(repaired),) for span in dates_in(folded.plain)]
    found = set()
    for match in WORD.finditer(repaired):
        token = fold(match[0]).plain
        digits, letters = sum(map(str.isdigit, token)), sum(map(str.isalpha, token))
        apart = all(end <= match.start() or start >= match.end() for start, end in days)
        short = letters >= _LEAST_LETTERS and digits <= _MOST_DIGITS
        strange = not allowed(match[0], of_machine) or (of_machine and is_unknown_code(match[0]))
        if apart and strange and (short or (of_machine and letters)):
            found.add(token)
    return found
