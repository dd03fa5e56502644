"""What is done to each attribute: a named policy or options, resolved against the standard's table.

Rules that settle what the table leaves open:

* When two options that a study chose set different letters on one attribute, cleaning (C) beats keeping (K).
* Dates and times of devices and vocabularies are public or known to others (a calibration, the version of a code list):
  shifted, they would tell the shift. They follow the Basic Profile even when other dates are shifted.
* X/Z, X/D, X/Z/D and Z/D follow the attribute's type in the IOD: type 1 is replaced, type 2 emptied, type 3 removed;
  in an IOD we have no table of, the strongest letter is taken. X/Z/U* keeps the sequence and replaces its UIDs, always,
  so that references between objects hold.
* Attributes the standard knows but the table does not list are kept when their VR cannot hold an identity; texts are
  cleaned, UIDs outside the standard's own root replaced, dates treated as listed dates are, person names and AE titles
  emptied. Attributes the standard does not know are removed.
* Of values of bytes only those named in `attributes` are kept, and searched; a colour profile is replaced by one that says
  nothing of its maker, where an object must have one.
* Names of regions are cleaned and kept under every policy but `strict`.
* A rule of the study goes before all of these. What it keeps is still cleaned of what is known of the persons, and dates are
  shifted as all dates are.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from pydicom.datadict import dictionary_has_tag, dictionary_keyword, dictionary_VR

from unibase.imaging.confidentiality import attributes, standard
from unibase.imaging.confidentiality.objects import EMBEDDED, WAVEFORMS
from unibase.imaging.confidentiality.study_rules import FrozenRule, PrivateName, RuleAction, private_name, tag_of
from unibase.imaging.confidentiality.texts.folding import fold
from unibase.imaging.options import DeidentifyOptions

Action = Literal[
    "keep",  # the bytes as they are
    "check",  # as they are when the value is of the form its VR asks for, else emptied
    "text",  # free text: what is known and what is no word goes
    "term",  # a text that machines write: likewise, with short codes and numbers left
    "coded",  # the value of a code: a term, or as it is but for what is known when its scheme is public and gives codes of that form
    "label",  # such a text that people can write too: likewise, without the days of the file in any form
    "retained",  # a text that an option keeps: what is known of the persons goes
    "bytes",  # numbers as bytes: as they are unless something known stands in them
    "profile",  # a colour profile: replaced by sRGB
    "number",  # a number written in digits: as it is unless it is a day or a number of the person, which becomes 0
    "registered",  # the UID of a vocabulary: as it is unless it is built from a day or a number of the person
    "code",  # a code string: as it is unless it holds an identifier
    "free code",  # a code string that people and protocols fill: likewise, and what is no word or short code goes
    "remove",
    "empty",
    "dummy",
    "uid",  # replaced by its keyed pseudonym
    "reference",  # a UID that may name a thing of the standard: kept under the standard's root, else replaced
    "date",  # shifted
    "age",  # over 89 years becomes 90
    "recurse",  # a sequence: its items are treated attribute by attribute
    "subject",  # becomes the subject_id
    "document",  # a document inside the object: written anew from what its grammar reads, and what is said of it
]


# CID 7050 of PS3.16.
_METHODS = {
    "graphics": ("113103", "Clean Graphics Option"),
    "structured": ("113104", "Clean Structured Content Option"),
    "descriptors": ("113105", "Clean Descriptors Option"),
    "full_dates": ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    "modified_dates": ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    "patient": ("113108", "Retain Patient Characteristics Option"),
    "device": ("113109", "Retain Device Identity Option"),
    "uids": ("113110", "Retain UIDs Option"),
    "private": ("113111", "Retain Safe Private Option"),
    "institution": ("113112", "Retain Institution Identity Option"),
}

TEXT_VRS = frozenset({"LO", "SH", "ST", "LT", "UT", "UC", "UR"})
_NUMBERS = {"IS": "number", "DS": "number"}
_SUBJECT = frozenset({0x00100010, 0x00100020})


class Policy:
    """The options of a study resolved against the standard.

    Attributes:
        enabled: Names of the options in force.
        methods: `(code, meaning)` of CID 7050 for what is done.
        words: Folded words that the study allows in texts.
        image_rules: The study's rules for images, in order.
    """

    def __init__(self, options: DeidentifyOptions) -> None:
        self.enabled = options.enabled()
        self._regions = options.policy != "strict"
        self.methods = [("113100", "Basic Application Confidentiality Profile")]
        self.methods += sorted(_METHODS[name] for name in self.enabled)
        rules = [one.frozen for one in options.rules]
        self.words = frozenset(fold(one).plain for text in options.words for one in text.split())
        self.image_rules: tuple[FrozenRule, ...] = tuple(one for one in rules if one.images)
        named = [(one.attribute, one.action) for one in rules if one.attribute]
        self._ruled = {tag_of(name): action for name, action in named if private_name(name) is None}
        self._ruled_private = {private: action for name, action in named if (private := private_name(name)) is not None}
        self._table = standard.table()
        self._cache: dict[tuple[str, int, str, bool], Action] = {}

    @property
    def temporal_information(self) -> str:
        """Value of Longitudinal Temporal Information Modified."""
        if "full_dates" in self.enabled:
            return "UNMODIFIED"
        return "MODIFIED" if "modified_dates" in self.enabled else "REMOVED"

    def action(self, sop_class: str, tag: int, vr: str, nested: bool) -> Action:
        """Return what is done to a standard attribute (even group).

        Args:
            sop_class: SOP class of the object, which decides the type of the attribute.
            tag: The attribute, group in the high 16 bits.
            vr: Its VR in the file.
            nested: Whether it stands inside a sequence.
        """
        key = (sop_class, tag, vr, nested)
        known = self._cache.get(key)
        if known is None:
            known = self._cache[key] = self._decide(sop_class, tag, vr, nested)
        return known

    def _decide(self, sop_class: str, tag: int, vr: str, nested: bool) -> Action:
        if tag in self._ruled:
            return self._by_rule(self._ruled[tag], vr)
        if tag in attributes.OF_DOCUMENTS and sop_class in EMBEDDED and not nested:
            # Its length is told by the value; a document of another VR is none.
            wanted = attributes.OF_DOCUMENTS[tag]
            return "document" if vr == wanted else "remove"
        group = tag >> 16
        if tag & 0xFFFF == 0 or tag in attributes.REPLACED or group < 8 or group >= 0xFFFA:
            return "remove"
        # A curve, or an overlay plane without its data, is of no use and would be invalid: the whole group goes.
        if 0x5000 <= group <= 0x50FF or 0x6000 <= group <= 0x60FF:
            return "remove"
        if tag in attributes.NEVER:
            return "remove"
        if tag in _SUBJECT:
            return "subject"
        if not dictionary_has_tag(tag) and tag not in self._table:
            return "remove"
        row = self._table.get(tag)
        if row is not None:
            return self._listed(row, sop_class, tag, vr, nested)
        if tag in attributes.PALETTES and sop_class not in attributes.WITH_PALETTES:
            return "remove"
        if tag in attributes.WAVEFORM_DATA and vr in attributes.BYTE_VRS:
            return "bytes" if sop_class in WAVEFORMS else "remove"
        if tag == attributes.ICC_PROFILE:
            return "profile" if nested else "remove"
        return self._unlisted(tag, vr)

    def _by_rule(self, wanted: RuleAction, vr: str) -> Action:
        """Return what a study's rule does to an attribute: what it keeps may still not name or date the person."""
        if wanted == "remove" or vr in ("PN", "AE", "UN"):
            return "remove"
        if vr == "SQ":
            return "recurse"
        if vr in TEXT_VRS:
            return "retained" if wanted == "keep" else "text"
        if vr in attributes.BYTE_VRS:
            return "bytes"
        if vr in ("DA", "DT") and "full_dates" not in self.enabled:
            return "date" if "modified_dates" in self.enabled else "empty"
        # A UID is replaced, whatever the rule.
        ruled = {"CS": "code", "AS": "age", "DA": "check", "DT": "check", "TM": "check", "UI": "uid", **_NUMBERS}
        return ruled.get(vr, "keep")  # type: ignore[return-value]

    def _listed(self, row: standard.Row, sop_class: str, tag: int, vr: str, nested: bool) -> Action:
        letters = {name: letter for name, letter in row.options.items() if name in self.enabled}
        if tag in attributes.DEVICE_AND_VOCABULARY_DATES and "full_dates" not in letters:
            letters = {}
        letter = "C" if "C" in letters.values() else "K" if letters else row.basic
        if tag in attributes.REGION_NAMES and self._regions and vr in TEXT_VRS:
            return "text"
        if letter == "C":
            cleaned = self._clean(tag, vr, letters)
            if cleaned is not None:
                return cleaned
            letter = row.basic
        if letter == "K":
            return self._keep(vr, "patient" in letters)
        return self._basic(_resolve(letter, sop_class, tag, nested), tag, vr)

    def _clean(self, tag: int, vr: str, letters: dict[str, str]) -> Action | None:
        if "modified_dates" in letters:
            # A time zone would tell the season, hence something of the shift.
            return {"DA": "date", "DT": "date", "TM": "check"}.get(vr)  # type: ignore[return-value]
        if vr == "SQ":
            return None if letters.get("graphics") == "C" else "recurse"
        if letters.get("device") == "C" or tag in attributes.NARRATIVES:
            return None
        if vr in TEXT_VRS:
            return "text"
        return ("free code" if tag in attributes.FREE_CODES else "code") if vr == "CS" else None

    @staticmethod
    def _keep(vr: str, of_patient: bool) -> Action:
        if vr == "SQ":
            return "recurse"
        if vr in TEXT_VRS:
            return "text" if of_patient else "retained"
        kept = {"AS": "age", "CS": "code", "DA": "check", "DT": "check", "TM": "check", **_NUMBERS}
        return kept.get(vr, "keep")  # type: ignore[return-value]

    @staticmethod
    def _basic(letter: str, tag: int, vr: str) -> Action:
        if letter == "U" or (letter == "D" and vr == "UI"):
            return "recurse" if vr == "SQ" else "uid"
        if letter == "D":
            if vr == "SQ" and tag == attributes.REFERENCED_STEP:
                return "recurse"
            if tag == attributes.WAVEFORM_ANNOTATIONS:
                return "remove"
            if vr == "SQ":
                return "dummy" if tag in attributes.STAND_INS else "empty"
            return "dummy"
        return "empty" if letter == "Z" else "remove"

    def _unlisted(self, tag: int, vr: str) -> Action:
        if tag >> 16 == attributes.SECURITY_GROUP:
            return "remove"
        if vr == "SQ":
            return "recurse"
        if (tag in attributes.BINARY or tag in attributes.PALETTES) and vr not in TEXT_VRS:
            return "bytes"
        if vr == "UI":
            return "registered" if tag in attributes.WELL_KNOWN_UIDS else "keep" if "uids" in self.enabled else "reference"
        if vr in ("DA", "DT", "TM"):
            if "full_dates" in self.enabled:
                return "check"
            if "modified_dates" in self.enabled and tag not in attributes.DEVICE_AND_VOCABULARY_DATES:
                return "check" if vr == "TM" else "date"
            return "empty"
        if vr in TEXT_VRS:
            if tag == attributes.CODE_VALUE:
                return "coded"
            return ("label" if tag in attributes.LABELS else "term") if tag in attributes.TECHNICAL else "text"
        if vr == "UN" or vr in attributes.BYTE_VRS:
            return "remove"
        if vr == "CS":
            return "free code" if tag in attributes.FREE_CODES or not tag else "code"
        return {"AS": "age", "PN": "empty", "AE": "empty", **_NUMBERS}.get(vr, "keep")  # type: ignore[return-value]

    def keeps_private(self, creator: str, group: int, low: int) -> bool:
        """Return whether a private attribute is safe, or allowed by the study, and kept.

        Args:
            creator: Name of its block.
            group: Its group.
            low: Low byte of its element: blocks may stand anywhere.
        """
        if self._ruled_private:
            exact = self._ruled_private.get(PrivateName(creator, group, low))
            ruled = exact or self._ruled_private.get(PrivateName(creator, group, None))
            if ruled:
                return ruled != "remove"
        return "private" in self.enabled and (creator, group, low) in standard.safe_private()

    def private_action(self, vr: str) -> Action:
        """Return what is done to a safe private attribute of a VR. `vr`: VR of the value, empty when nobody knows it."""
        if vr in ("", "UN", "PN", "AE"):
            return "remove"
        if vr in TEXT_VRS:
            return "term"
        if vr in attributes.BYTE_VRS:
            return "bytes"
        action = self._unlisted(0, vr)
        return "remove" if action == "empty" else action


def _resolve(letter: str, sop_class: str, tag: int, nested: bool) -> str:
    """Return the one letter of a compound action, by the type of the attribute in the IOD."""
    if "/" not in letter:
        return letter
    if "U*" in letter:
        return "U"
    choices = letter.split("/")
    if not standard.knows_iod(sop_class):
        return choices[-1]
    kind = standard.attribute_types(sop_class).get(tag, ("-", "-"))[nested]
    wanted = {"1": "D", "2": "Z"}.get(kind, "X")
    if wanted in choices:
        return wanted
    # The next letter that satisfies the type: type 2 may hold a dummy, and where the table has no X the value is emptied.
    stronger = {"X": ("Z", "D"), "Z": ("D",), "D": ("Z", "X")}[wanted]
    return next(choice for choice in stronger if choice in choices)


@lru_cache(maxsize=16)
def policy_of(options: DeidentifyOptions) -> Policy:
    """Return the policy of `options`, resolved once per process.

    Args:
        options: The options of a study.
    """
    return Policy(options)


@lru_cache(maxsize=8192)
def dictionary_vr(tag: int) -> str:
    """Return the VR of a standard attribute, the first one where several are possible, or an empty string.

    `tag`: the attribute.

    >>> dictionary_vr(0x00100010), dictionary_vr(0x00109999)
    ('PN', '')
    """
    if not dictionary_has_tag(tag):
        row = standard.table().get(tag)
        return row.vr if row else ""
    return dictionary_VR(tag).split(" ")[0]


def keyword_of(tag: int) -> str:
    """Return the DICOM keyword of an attribute, or its number in hexadecimal.

    Args:
        tag: The attribute.

    >>> keyword_of(0x00100010)
    'PatientName'
    """
    if dictionary_has_tag(tag):
        return dictionary_keyword(tag) or f"{tag:08X}"
    return f"{tag:08X}"
