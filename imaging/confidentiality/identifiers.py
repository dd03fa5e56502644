"""The identifiers of one file's subject: found in texts to clean them, and sought in the output to prove it clean.

What identifies is gathered from the source header itself (names, numbers, addresses, birth date, accession, staff,
places) and from the ledger (all numbers known of the subject). Case, accents, order, separators and character set do
not matter: texts are compared in a normalised form, and the bytes of the output in every encoding a name may have.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from unibase.imaging.confidentiality import standard
from unibase.imaging.confidentiality.values import REMOVED, pad
from unibase.privacy import french_identifiers

if TYPE_CHECKING:
    from ahocorasick_rs import BytesAhoCorasick

PATIENT_NAMES = frozenset({0x00100010, 0x00101001, 0x00101005, 0x00101060, 0x00100012, 0x00102297})
NUMBERS = frozenset(
    {
        0x00080050,  # Accession Number
        0x00100020,  # Patient ID
        0x00101000,  # Other Patient IDs
        0x00101050,  # Insurance Plan Identification
        0x00101090,  # Medical Record Locator
        0x00120040,  # Clinical Trial Subject ID
        0x00120042,  # Clinical Trial Subject Reading ID
        0x00200010,  # Study ID
        0x00380010,  # Admission ID
        0x00400009,  # Scheduled Procedure Step ID
        0x00400253,  # Performed Procedure Step ID
        0x00400512,  # Container Identifier
        0x00400551,  # Specimen Identifier
        0x00401001,  # Requested Procedure ID
        0x00402016,  # Placer Order Number
        0x00402017,  # Filler Order Number
        0x00080094,  # Referring Physician's Telephone Numbers
        0x00102154,  # Patient's Telephone Numbers
        0x00401103,  # Person's Telephone Numbers
    }
)
DEVICE_NUMBERS = frozenset({0x00181000, 0x00081010})
# Numbers that are often a small count or a label (`1`, `CT2`): taken only when they have four digits.
_OFTEN_SHORT = frozenset({0x00200010, 0x00400009, 0x00400253, 0x00401001}) | DEVICE_NUMBERS
PHRASES = frozenset(
    {
        0x00080092,  # Referring Physician's Address
        0x00101040,  # Patient's Address
        0x00102152,  # Region of Residence
        0x00401102,  # Person's Address
        0x00102299,  # Responsible Organization
        0x00081048,  # (PN; also gathered as a staff name)
    }
)
INSTITUTION = frozenset({0x00080080, 0x00080081, 0x00081040})
BIRTH_DATE = 0x00100030
_IDENTITY = PATIENT_NAMES | NUMBERS | DEVICE_NUMBERS | PHRASES | INSTITUTION | {BIRTH_DATE}

MAX_NARRATIVE = 256
"""A free text longer than this is a narrative, in which anyone may be named: it is not cleaned but replaced."""

_PLACEHOLDERS, _VOCABULARY = standard.words()

_WORD = re.compile(r"[^\W_]+")
_RUN = re.compile(r"[^\W\d_]+|\d+")
_SEPARATORS = re.compile(r"[\s^=,;./\\\-_'’()]+")
_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+",  # e-mail
        r"(?:https?|ftp)://\S+",
        r"(?<![\d.])(?:\+|00)\d{1,3}[ .\-]?(?:\(0\)[ .\-]?)?\d(?:[ .\-]?\d{2,4}){3,5}(?!\d)",  # telephone, international
        r"(?<![\d.])0[1-9](?:[ .\-]?\d{2}){4}(?!\d)",  # telephone, French
        r"(?<![\d.])(?:19|20)\d{2}[.\-/_ ]?(?:0[1-9]|1[0-2])[.\-/_ ]?(?:0[1-9]|[12]\d|3[01])(?!\d)",  # 2019-03-12, 20190312
        r"(?<!\d)(?:0?[1-9]|[12]\d|3[01])[./\-](?:0?[1-9]|1[0-2])[./\-](?:19|20)?\d{2}(?![\d.])",  # 12/03/2019
        r"(?<!\d)(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01])/(?:19|20)?\d{2}(?![\d.])",  # 03/12/2019
        r"(?i)(?<![\w])(?:0?[1-9]|[12]\d|3[01])(?:er|st|nd|rd|th)?[ .\-]?(?:jan|feb|f[eé]v|mar|apr|avr|may|mai|jun|juin|jul|"
        r"juil|aug|ao[uû]|sep|oct|nov|dec|d[eé]c)[a-zéû]*[ .,\-]*(?:19|20)\d{2}(?!\d)",
        r"(?<![\d.])\d{7,}(?!\.?\d)",  # a number long enough to name a person
        r"(?<![\d.])[012](?:\.\d+){5,}",  # a UID
        r"(?<!\w)(?:[Dd]r|DR|[Pp]r|PR|[Pp]rof|PROF|[Mm]me|MME|[Mm]lle|MLLE|[Mm]rs|MRS|[Mm]onsieur|MONSIEUR|[Mm]adame|MADAME|"
        r"[Dd]octeur|DOCTEUR|[Dd]octor|DOCTOR)\.?[ _^]+[A-ZÀ-ÖØ-Þ][\w'’\-]+(?:[ ^]+[A-ZÀ-ÖØ-Þ][\w'’\-]+)?",
        r"(?<!\w)(?:M|Mr)\. ?[A-ZÀ-ÖØ-Þ][\w'’\-]+(?:[ ^]+[A-ZÀ-ÖØ-Þ][\w'’\-]+)?",
    )
)
# What names a person even in a term (a model, a code), where dates, long numbers and UIDs are of things: `DR` and `PR` are
# radiography and an interval there, and five numbers with points a version.
_TERM_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?<![\d.])(?:\+|00)\d{1,3}[ \-]?(?:\(0\)[ \-]?)?\d(?:[ \-]\d{2,4}){3,5}(?!\d)",
        r"(?<![\d.])0[1-9](?:[ \-]\d{2}){4}(?![\d.])",
        r"(?<!\w)(?:Dr|Mme|MME|Mlle|MLLE|Mrs|Monsieur|Madame|Docteur|DOCTEUR)\.?[ _^]+[A-ZÀ-ÖØ-Þ][\w'’\-]+(?:[ ^]+[A-ZÀ-ÖØ-Þ][\w'’\-]+)?",
    )
)
# What a text must hold for one of the patterns to match at all; most descriptions hold none of it.
_MAY_MATCH = re.compile(
    r"\d{6}|@|://|\d[ ./\-_]?\d{1,2}[ ./\-_]\d|\d ?[A-Za-zéû]{3,}[ .,\-]*\d{4}|(?i:\b(?:dr|pr|prof|mm?e|mlle|mrs?|m|monsieur|madame|docteur|doctor)\b)|"
    r"(?i:i\.?p\.?p|i\.?e\.?p|n\.?i\.?p|n\.?d\.?a|i\.?n\.?s|n\.?i\.?[ra]|matricule)|\.\d+\.|\d[ .\-]\d"
)


class Hit(NamedTuple):
    """A needle found in the output: where, without its value."""

    kind: str
    start: int
    end: int


def normalise(text: str) -> str:
    """Return `text` without accents, in lower case, character for character (the length stays)."""
    if text.isascii():
        return text.lower()
    result = []
    for character in text:
        base = unicodedata.normalize("NFKD", character)[:1]
        folded = base.casefold()
        result.append(folded if len(folded) == 1 else character.lower()[:1] or character)
    return "".join(result)


class Identifiers:
    """What identifies the subject, the staff and the place of one file.

    Args:
        patient_names: Names of the patient, as PN values, decoded.
        staff_names: Names of other persons.
        numbers: Hospital numbers, accession numbers, telephone numbers.
        phrases: Addresses, institutions: sought whole.
        birth_dates: Birth dates as YYYYMMDD.
        raw: Bytes of the same values as the source holds them, for character sets that texts do not decode from.
    """

    def __init__(
        self,
        patient_names: Iterable[str] = (),
        staff_names: Iterable[str] = (),
        numbers: Iterable[str] = (),
        phrases: Iterable[str] = (),
        birth_dates: Iterable[str] = (),
        raw: Iterable[bytes] = (),
    ) -> None:
        self._needles: dict[bytes, str] = {}
        self.words: set[str] = set()
        self._parts: set[str] = set()
        compact: set[str] = set()
        originals: set[str] = set()
        for name in patient_names:
            tokens = _name_tokens(name)
            # A name that is also a word of imaging (Head, Bone) does not name anyone where it stands alone.
            self.words |= {token for token in tokens if (len(token) >= 3 or not token.isascii()) and token not in _VOCABULARY}
            originals |= {one for one in _SEPARATORS.split(name) if normalise(one) in self.words}
            joined = [token for token in tokens if token]
            compact |= {a + b for a in joined for b in joined if a != b and len(a + b) >= 5}
        for name in staff_names:
            tokens = {token for token in _name_tokens(name) if len(token) >= 4 and token not in _VOCABULARY}
            self.words |= tokens
            originals |= {one for one in _SEPARATORS.split(name) if normalise(one) in tokens}
        self._parts = {word for word in self.words if len(word) >= 5} | compact
        self._numbers = {"".join(_WORD.findall(normalise(one))) for one in numbers}
        self._numbers = {one for one in self._numbers if len(one) >= 3 and one not in _PLACEHOLDERS}
        self._numbers -= {one for one in self._numbers if one.isalpha() and one in _VOCABULARY}
        phrase_words = [_WORD.findall(normalise(phrase)) for phrase in phrases]
        self._phrases = [words for words in phrase_words if len("".join(words)) >= 5 and set(words) - _VOCABULARY]
        for day in birth_dates:
            if re.fullmatch(r"\d{8}", day):
                year, month, of_month = day[:4], day[4:6], day[6:]
                self._numbers |= {day, of_month + month + year, month + of_month + year}
        self._number_patterns = [_spaced(number) for number in sorted(self._numbers)]
        self._phrase_patterns = [
            re.compile(r"(?<![^\W_])" + r"[\W_]+".join(map(re.escape, words)) + r"(?![^\W_])") for words in self._phrases
        ]
        for original in originals | self.words:
            for form in {original, original.upper(), original.lower(), original.title(), normalise(original)}:
                for encoding in ("utf-8", "latin-1", "latin2", "utf-16-le", "utf-16-be"):
                    try:
                        self._needles[form.encode(encoding)] = "name"
                    except UnicodeEncodeError:
                        continue
        for number in sorted(self._numbers):
            if len(number) >= 4:
                self._needles[number.encode("utf-8")] = "number"
                self._needles[number.upper().encode("utf-8")] = "number"
        for number in numbers:
            if len(number.strip()) >= 4 and normalise(number.strip()) not in _PLACEHOLDERS | _VOCABULARY:
                self._needles[number.strip().encode("utf-8", "replace")] = "number"
        for phrase in phrases:
            if phrase.strip() and any(_WORD.findall(normalise(phrase)) == words for words in self._phrases):
                self._needles[phrase.strip().encode("utf-8", "replace")] = "phrase"
                self._needles[phrase.strip().encode("latin-1", "replace")] = "phrase"
        for value in raw:
            # Components in a character set of their own, such as ideographs after an escape sequence.
            for part in re.split(rb"[\^=\\ ]+", value.strip()):
                if (len(part) >= 4 and not part.isascii()) or (b"\x1b" in part and len(part) > 7):
                    self._needles[part] = "name"
        self._needles.pop(b"", None)
        self._cleaned: dict[tuple[bytes, str, tuple[str, ...]], bytes] = {}
        self.memo: dict[Any, dict[tuple[str, str, bytes], bytes]] = {}
        """Values already treated, by what they depend on beside the identifiers: for the fast path."""

    @property
    def needles(self) -> list[bytes]:
        """The byte strings sought in the output, shortest forms included."""
        return list(self._needles)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return where identifiers stand in `text`, not merged: the subject's own, and what has an identifier's form."""
        plain = normalise(text)
        found: list[tuple[int, int]] = []
        if self.words or self._parts:
            for match in _WORD.finditer(plain):
                word = match[0]
                if word in self.words or any(part in word for part in self._parts):
                    found.append(match.span())
                    continue
                for run in _RUN.finditer(word):
                    if run[0] in self.words:
                        found.append((match.start() + run.start(), match.start() + run.end()))
        for pattern in (*self._number_patterns, *self._phrase_patterns):
            found += [match.span() for match in pattern.finditer(plain)]
        return found

    def clean(self, text: str, free: bool = True) -> str:
        """Return `text` without identifiers; the rest keeps its words, order and separators.

        Args:
            text: One value.
            free: Whether it is free text, in which whatever has the form of an identifier goes; else it is a term
                (a code, a model, a unit) and only the subject's own identifiers, French ones, telephones and titled names do.
        """
        found = self.spans(text)
        if _MAY_MATCH.search(text):
            found += _formal(text) if free else _formal_in_term(text)
        if not found:
            return text
        kept, position = [], 0
        for start, end in sorted(found):
            if start > position:
                kept.append(text[position:start])
            position = max(position, end)
        kept.append(text[position:])
        # What stood between two removed words goes with them: blanks, carets, commas that separate nothing now.
        result = re.sub(r"(?:[ ^,;_\-/:=.]*\x00)+[ ^,;_\-/:=.]*", " ", "\0".join(kept))
        result = re.sub(r"\(\s*\)|\[\s*\]", " ", result)
        return re.sub(r" {2,}", " ", result).strip(" ^,;_-/:=")

    def clean_value(self, raw: bytes, vr: str, encodings: tuple[str, ...], free: bool = True) -> bytes:
        """Return the raw bytes of a text value, cleaned; the same bytes when nothing in it identifies.

        Args:
            raw: The value as the file holds it, padding included.
            vr: Its VR; backslashes separate values but in ST, LT, UT, UR.
            encodings: Python encodings of the Specific Character Set in force.
            free: As `clean` has it.
        """
        key = (raw, vr + "?" if free else vr, encodings)
        known = self._cleaned.get(key)
        if known is None:
            if len(self._cleaned) > 4096:
                self._cleaned.clear()
            known = self._cleaned[key] = self._clean_value(raw, vr, encodings, free)
        return known

    def _clean_value(self, raw: bytes, vr: str, encodings: tuple[str, ...], free: bool) -> bytes:
        if not raw.strip(b" \0"):
            return raw
        text = decode(raw, vr, encodings)
        if text is None:
            return pad(REMOVED.encode(), vr)
        text = text.rstrip(" \0")
        if vr in ("LT", "ST", "UT") and len(text) > MAX_NARRATIVE:
            return pad(REMOVED.encode(), vr)
        if not raw.isascii() and self._hidden(raw, text):
            return pad(REMOVED.encode(), vr)
        values = [text] if vr in ("LT", "ST", "UT", "UR") else text.split("\\")
        cleaned = [self.clean(value, free) if value.strip(" \0") else value for value in values]
        if cleaned == values:
            return raw if b"\0" not in raw[:-1] else pad(REMOVED.encode(), vr)
        result = encode("\\".join(value or REMOVED for value in cleaned), encodings)
        return pad(result if result is not None else REMOVED.encode(), vr)

    def _hidden(self, raw: bytes, text: str) -> bool:
        # UTF-8 in a file that declares another character set: the declared decoding hides the name from comparison.
        try:
            other = raw.decode("utf-8").rstrip(" \0")
        except UnicodeDecodeError:
            return False
        return other != text and self.clean(other) != other

    def clean_code(self, raw: bytes, encodings: tuple[str, ...]) -> bytes:
        """Return a code string (CS) as it is, unless one of its values is or holds the subject's own identifier."""
        if not raw.strip(b" \0"):
            return raw
        key = (raw, "CS", encodings)
        known = self._cleaned.get(key)
        if known is None:
            parts = raw.rstrip(b" \0").split(b"\\")
            kept = [REMOVED.encode() if self._names_person(one.decode("latin-1")) else one for one in parts]
            known = self._cleaned[key] = raw if kept == parts else pad(b"\\".join(kept), "CS")
        return known

    def _names_person(self, code: str) -> bool:
        plain = normalise(code).strip()
        if not plain or re.fullmatch(r"[\d ]{1,3}", plain):
            return False
        return bool(set(plain.split()) - _VOCABULARY) and (bool(self.spans(code)) or bool(_national(code)))

    def occurs(self, content: bytes | memoryview) -> bool:
        """Return whether any needle stands anywhere in the bytes of an output, and not only in texts."""
        return bool(self._needles) and bool(self._first.find_matches_as_indexes(content))

    def search(self, content: bytes | memoryview) -> list[Hit]:
        """Return every place where a needle stands, overlapping ones too."""
        if not self.occurs(content):
            return []
        kinds = list(self._needles.values())
        matches = self._all.find_matches_as_indexes(content, overlapping=True)
        return [Hit(kinds[index], start, end) for index, start, end in matches]

    @cached_property
    def _first(self) -> BytesAhoCorasick:
        from ahocorasick_rs import MATCHKIND_LEFTMOST_FIRST, BytesAhoCorasick

        # This kind of matching is vectorised, twenty times as fast; it leaves overlapping matches out, so it only tells whether.
        return BytesAhoCorasick(list(self._needles), matchkind=MATCHKIND_LEFTMOST_FIRST)

    @cached_property
    def _all(self) -> BytesAhoCorasick:
        from ahocorasick_rs import BytesAhoCorasick

        return BytesAhoCorasick(list(self._needles))

    @cached_property
    def strong(self) -> Identifiers:
        """The needles long enough (8 bytes) to never occur by chance in pixel data of any size."""
        result = Identifiers()
        result._needles = {needle: kind for needle, kind in self._needles.items() if len(needle) >= 8}
        return result


def _formal(text: str) -> list[tuple[int, int]]:
    found = [match.span() for pattern in _PATTERNS for match in pattern.finditer(text)]
    return found + [(one.start, one.end) for one in french_identifiers.find(text)]


def _formal_in_term(text: str) -> list[tuple[int, int]]:
    return [match.span() for pattern in _TERM_PATTERNS for match in pattern.finditer(text)] + _national(text)


def _national(text: str) -> list[tuple[int, int]]:
    return [(one.start, one.end) for one in french_identifiers.find(text) if one.kind != "ipp"]


def _name_tokens(name: str) -> set[str]:
    tokens = {normalise(token) for token in _SEPARATORS.split(name.replace("\0", " "))}
    return {token for token in tokens if token and token not in _PLACEHOLDERS and not token.isdigit()}


def _spaced(number: str) -> re.Pattern[str]:
    """Return a pattern for a number whose characters may be separated, and that stands alone."""
    return re.compile(r"(?<![^\W_])" + r"[\W_]{0,2}".join(map(re.escape, number)) + r"(?![^\W_])")


@lru_cache(maxsize=1024)
def encodings_of(charset: bytes) -> tuple[str, ...]:
    """Return the Python encodings of a Specific Character Set value; an unknown one is read as Latin-1."""
    from pydicom.charset import convert_encodings

    terms = charset.decode("latin-1").rstrip(" \0").split("\\")
    try:
        return tuple(convert_encodings(terms if len(terms) > 1 else terms[0]))
    except (LookupError, ValueError):
        return ("iso8859",)


def decode(raw: bytes, vr: str, encodings: tuple[str, ...]) -> str | None:
    """Return the text of a value, or None when its bytes are not of its character set."""
    from pydicom.charset import decode_bytes
    from pydicom.valuerep import TEXT_VR_DELIMS

    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii")
    try:
        return decode_bytes(raw, list(encodings), TEXT_VR_DELIMS)
    except (LookupError, UnicodeError, ValueError):
        return None


def encode(text: str, encodings: tuple[str, ...]) -> bytes | None:
    """Return the bytes of a text in a character set, or None when it cannot hold it."""
    from pydicom.charset import encode_string

    if text.isascii():
        return text.encode("ascii")
    try:
        return encode_string(text, list(encodings))
    except (LookupError, UnicodeError, ValueError):
        return None


def wants(tag: int, vr: str) -> bool:
    """Return whether a value of this attribute may identify."""
    return vr == "PN" or tag in _IDENTITY


class Gatherer:
    """Collects identifying values while a header is read, then makes the `Identifiers`, remembered by their values."""

    def __init__(self, retained: frozenset[str]) -> None:
        self._retained = retained
        self._values: set[tuple[int, str, bytes]] = set()

    def add(self, tag: int, vr: str, raw: bytes) -> None:
        """Take one value of the source."""
        if raw.strip(b" \0"):
            self._values.add((tag, vr, raw))

    def identifiers(self, encodings: tuple[str, ...], known: tuple[str, ...] = ()) -> Identifiers:
        """Return the identifiers of what was added and of `known`, numbers and names that come with the task."""
        return _identifiers(frozenset(self._values), encodings, known, self._retained)


@lru_cache(maxsize=256)
def _identifiers(
    values: frozenset[tuple[int, str, bytes]], encodings: tuple[str, ...], known: tuple[str, ...], retained: frozenset[str]
) -> Identifiers:
    patients, staff, numbers, phrases, births, raws = [], [], [*known], [], [], []
    for tag, vr, raw in sorted(values):
        text = decode(raw, vr, encodings)
        readable = (text if text is not None else raw.decode("latin-1")).strip(" \0")
        if tag == BIRTH_DATE:
            births.append(re.sub(r"\D", "", readable))
        elif tag in NUMBERS or (tag in DEVICE_NUMBERS and "device" not in retained):
            parts = readable.split("\\")
            numbers += [one for one in parts if tag not in _OFTEN_SHORT or sum(map(str.isdigit, one)) >= 4]
        elif tag in INSTITUTION:
            phrases += [readable] if "institution" not in retained else []
        elif tag in PHRASES and vr != "PN":
            phrases.append(readable)
        elif tag in PATIENT_NAMES:
            patients += readable.split("\\")
            raws.append(raw)
        elif vr == "PN":
            staff += readable.split("\\")
            raws.append(raw)
    return Identifiers(patients, staff, numbers, phrases, births, raws)
