"""What has the form of an identifier whoever it is of: addresses of the net, telephones, titled names, long numbers, UIDs."""

from __future__ import annotations

import re
from functools import lru_cache

from unibase.imaging.confidentiality.texts.vocabulary import vocabulary
from unibase.privacy import french_identifiers

Span = tuple[int, int]

_NAME = r"[A-ZÀ-ÖØ-Þ][\w'’\-]+(?:[ ^]+[A-ZÀ-ÖØ-Þ][\w'’\-]+)?"
# Before a name, and part of it.
_PARTICLES = (
    r"(?:(?:le|la|les|l['’]|de|du|des|d['’]|van|von|der|den|el|al|ben|bin|abd|abou|saint|sainte|st|ste|mac|mc|o['’])[ \-]?)*"
)
# Titles that are no word of imaging; DR, PR, MR, M, MC and SR are ones too, and there the vocabulary decides.
_TITLES = (
    r"[Mm]mes?|MME|[Mm]lles?|MLLE|[Mm]elle|[Mm]rs|MRS|[Mm]iss|[Mm]onsieur|MONSIEUR|[Mm]adame|MADAME|[Mm]ademoiselle|MADEMOISELLE|[Dd]octeure?|DOCTEURE?|"
    r"[Dd]octor|DOCTOR|[Pp]rofesseure?|PROFESSEURE?|[Pp]rofessor|PROFESSOR|[Pp]rof|PROF|[Mm]a[iî]tre|[Hh]err|HERR|[Ff]rau|FRAU|[Ss]e[ñn]or(?:a|ita)?|[Ss]ignor[ae]?"
)
_NIR = re.compile(
    r"(?<![^\W_])[1-478](?:[\W_]{0,2}\d){4}[\W_]{0,2}(?:\d[\W_]{0,2}\d|2[\W_]{0,2}[ABab])(?:[\W_]{0,2}\d){6}(?:(?:[\W_]{0,2}\d){2})?(?![^\W_])"
)
_NIR_GROUPS = re.compile(r"\d[\W_]{0,2}\d\d[\W_]{0,2}\d\d[\W_]{0,2}\w\w[\W_]{0,2}\d{3}[\W_]{0,2}\d{3}(?:[\W_]{0,2}\d\d)?")
# Settings of a scanner, divided by commas alone, of one digit to three: 512,1,120,486,486,1.
_SETTINGS_LIST = re.compile(r"(?:\d{1,3},)+\d{1,3}")
_FRENCH_TELEPHONE = r"(?<![\d.])0[1-9](?P<gap>[\W_]{0,2})\d{2}(?:(?P=gap)\d{2}){3}(?!\.?\d)"
_PRIVATE_ADDRESS = r"(?<![\d.])(?:10\.\d{1,3}|127\.\d{1,3}|192\.168|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2}(?!\.?\d)"
_NETWORK = (
    _PRIVATE_ADDRESS,
    r"(?<![^\W_])(?:[0-9a-fA-F]{2}[:\-]){5}[0-9a-fA-F]{2}(?![^\W_])",  # the address of a network card
    r"(?<![\d.])\+[1-9]\d{8,14}(?!\d)",
    r"(?<![^\W_])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?(?![^\W_])",  # IBAN
    r"(?<![^\W_])[A-Z]{2}-\d{3}-[A-Z]{2}(?![^\W_])",  # number plate
)
_SETTINGS = r"(?:T[EIRHS]|FA|KV|M[AMSLG]|CM|S[ELTI]|IM|FS|GY|HU|UH|HZ|[DC]B|EC|NR|NO|AX|BW)(?![^\W_])"
"""Settings of a protocol and units, which two letters beside a number mean more often than a number plate."""
_TELEPHONE_IN_GROUPS = (
    r"(?<![\d.])(?!\d{4}-\d{4}-\d\d(?!\d))(?=(?:\d[ \-/]?){10}(?![\d.]))0[1-9]\d{0,2}(?:[ \-/]\d{2,4}){2,4}(?!\d)"
)
"""A telephone in odd groups, `02 98 223 344`; `0407-2707-03` is the number of a drug (NDC)."""
_LED_BY_ZERO = rf"(?<![^\W_])(?!{_SETTINGS})[A-Z]{{2,4}}[\-_ ]0\d{{2,5}}[\-_ ](?!{_SETTINGS})[A-Z]{{1,2}}(?![^\W_])"
"""A number of a sample or a trial; no model's number is led by a zero: `TRX-0931-K`."""
_PLATE = re.compile(r"(?<![^\W_])([A-HJ-NP-TV-Z]{2}) \d{3} ([A-HJ-NP-TV-Z]{2})(?![^\W_])")
_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"[\w.+\-]+ ?(?:@|\(at\)|\[at\]) ?[\w\-]+(?:\.[\w\-]+)+",  # e-mail
        r"(?i:(?:https?|ftp)://\S+|\bwww\.\S+)",
        r"(?<![\d.])(?:\+|00)[1-9]\d{0,2}[ .\-/]?(?:\(0\)[ .\-]?)?\d(?:[ .\-/]?\d{2,4}){3,5}(?!\d)",  # telephone, international
        _FRENCH_TELEPHONE,
        r"(?<![\d.])(?:\(\d{3}\) ?|\d{3}[\-.])\d{3}[\-.]\d{4}(?!\.?\d)",  # 617-555-0123
        r"(?<![\d.\-])\d{3}-\d{2}-\d{4}(?![\d\-])",  # 123-45-6789
        r"\(0[1-9]\)(?:[ .\-]?\d{2}){4}(?!\d)",
        r"(?i:(?<![^\W_])(?:t[eé]l(?:[eé]phone)?|portable|mobile|gsm|fax|phone|cell)[^\w\n]{1,3}(?P<number>(?:[^\W\d_]+ ){0,3}(?:\d{2,4}[ .\-]?){3,})(?!\d))",
        r"(?<!\d)\d{4}(?P<card>[ \-])\d{4}(?P=card)\d{4}(?P=card)\d{4}(?!\d)",  # a bank card
        r"(?i:(?<![^\W_])(?:plaque|plate|immat[a-z]*)[ :]{1,3}\d{1,4} ?[a-z]{2,3} ?\d{2,3}(?![^\W_]))",
        r"(?i:(?<![^\W_])(?:gps|lat(?:itude)?|lon(?:gitude)?|coord[a-z]*)[^\w\n\-]{1,3}-?\d{1,3}[.,]\d{3,}(?:[ ,;]+-?\d{1,3}[.,]\d{3,})?)",
        r"(?<!\d)\d{1,3}° ?\d{1,2}['′](?: ?[\d.]+[\"″])? ?[NSEWO](?![^\W_])",
        r"\\\\[\w.\-]+",  # the server of a shared folder
        r"(?<![\d.])0[1-9](?:[ .\-/]?\d{3}){2}[ .\-/]?\d{1,3}(?!\d)",
        r"(?<![\d.])0[1-9](?:[ .\-/]\d{2,4}){2,3}(?!\.?\d)",  # a telephone in other groups: 06 1234 5678
        r"(?<![\d.])-?\d{1,3}\.\d{4,} ?[,;/ ] ?-?\d{1,3}\.\d{4,}(?![\d.])",  # latitude and longitude
        r"(?<![\d.])(?<!\d[\-_/])(?:0\d{1,3}[\-_/]\d{3,5}|\d{3,4}[\-_/]0\d{2,4})(?![\w.])",  # centre and number of a trial: 029-0451
        rf"(?<![^\W_])(?!{_SETTINGS})[A-Z]{{2}} \d{{3}} (?!{_SETTINGS})[A-Z]{{2}}(?![^\W_])",  # number plate with blanks
        r"(?<![\d.])\d{7,}(?!\.?\d)",  # a number long enough to name a person
        r"(?<![\d.])[012](?:\.\d+){5,}",  # a UID
        rf"(?<![^\W_])(?:{_TITLES})\.?[ _^]+{_PARTICLES}{_NAME}",
        rf"(?<![^\W_])(?:(?:M|Mr|MR|Dr|Pr|D[eo]c)\. ?|(?:Mr|Dr|Pr)[ _^]+){_PARTICLES}{_NAME}",
        rf"(?<![^\W_])(?:DR|PR|MR)[ _^]+[A-ZÀ-ÖØ-Þ]\.[ _]?{_NAME}",
        *_NETWORK,
        _LED_BY_ZERO,
        _TELEPHONE_IN_GROUPS,
        r"(?<![\d.])\d\d(?:\.\d\d){4}(?!\.?\d)",  # a telephone without its zero, or mistyped
        r"(?<![\d.,])[1-9]\d{2}(?P<pair>[ .\-])\d{2}(?P=pair)\d{2}(?P=pair)\d{2}(?![\d.,])",  # 298 22 33 44
        r"(?<![^\W_])[^\W\d_](?:[ ._\-]{1,2}[^\W\d_](?![^\W_])){3,}",  # a word with its letters spaced out
        r"(?:\d{1,4}[\W_]){4,}\d{1,4}(?=[^\W\d_]|[\W_]|$)(?<=[\d])",
    )
)
_SPACED_NUMBERS = _PATTERNS[-1]
# What names a person even in a term (a model, a code), where dates, long numbers and UIDs are of things: `DR` and `PR` are
# radiography and an interval there, and five numbers with points a version.
_TERM_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+",
        r"(?<![\d.])(?:\+|00)[1-9]\d{0,2}[ \-]?(?:\(0\)[ \-]?)?\d(?:[ \-]\d{2,4}){3,5}(?!\d)",
        r"(?<![\d.])(?:\+|00)[1-9]\d[ \-]?(?:\(0\))?[1-9]\d{8}(?!\d)",
        r"(?<![\d.])\+33(?:[ .\-]?\(0\))?[ .\-]?[1-9](?:[ .\-]?\d\d){4}(?!\d)",
        _TELEPHONE_IN_GROUPS,
        _LED_BY_ZERO,
        r"(?i:(?<![^\W_])(?:rpps|adeli|finess|nda|iep|ipp|nip|ins|nir)[ :n°._\-]{1,4}\d{5,}(?!\d))",
        _FRENCH_TELEPHONE,
        *_NETWORK,
        r"(?<![^\W_])(?:Mme|MME|Mlle|MLLE|Mrs|Dr)\.?[ _^]+[A-Z](?![^\W_])",
        rf"(?<![^\W_])M\. {_PARTICLES}{_NAME}",
        rf"(?<![^\W_])(?:Dr|Mme|MME|Mlle|MLLE|Mr|Mrs|Monsieur|Madame|Docteur|DOCTEUR)\.?[ _^]+{_PARTICLES}{_NAME}",
    )
)
# Numbers of a laboratory or a trial among the names of things: B21.04512, E21-02712345, 21-P-12345, HC-2021-0451.
_NUMBERED = re.compile(
    r"(?<![^\W_])(?:[A-Z]{1,4}[\-.]?(?:19|20)?\d\d[\-./]\d{4,9}|\d\d[\-.][A-Z]{1,3}[\-.]\d{3,9}|[A-Z]{2,4}[\-.](?:19|20)\d\d[\-.]\d{3,6})(?![^\W_]|\.\d)"
)
_MOST_LOOSE_DIGITS = 9


def _national(text: str) -> tuple[Span, ...]:
    """Return where a French national identifier stands, with any separators between its digits.

    Args:
        text: The text as it is written.
    """
    found = [(one.start, one.end) for one in french_identifiers.find(text) if one.kind != "ipp"]
    for match in _NIR.finditer(text):
        # Any thirteen digits have the form; the month, the department and the key say whether they are one.
        if _is_one_number(match[0]) and any(one.kind == "nir" for one in french_identifiers.find(re.sub(r"[\W_]", "", match[0]))):
            found.append(match.span())
    return tuple(found)


def _is_one_number(text: str) -> bool:
    """Return whether digits are divided as those of a NIR are, or by one separator that is no comma: `387,2.5,120` are settings."""
    separators = set(re.findall(r"[\W_]+", text))
    return (len(separators) <= 1 and "," not in separators) or _NIR_GROUPS.fullmatch(text) is not None


@lru_cache(maxsize=4096)
def formal(text: str) -> tuple[Span, ...]:
    """Return where a free text has the form of an identifier; spans may overlap.

    Args:
        text: The text as it is written.
    """
    found = [
        match.span("number" if "number" in pattern.groupindex else 0)
        for pattern in _PATTERNS[:-1]
        for match in pattern.finditer(text)
    ]
    for match in _SPACED_NUMBERS.finditer(text):
        # Numbers one after another, as a card is read out; decimals and sizes of matrices have fewer digits or a point.
        apart = all(end <= match.start() or start >= match.end() for start, end in found)
        settings = _SETTINGS_LIST.fullmatch(match[0]) and len({len(one) for one in match[0].split(",")}) > 1
        if apart and not settings and "." not in match[0] and sum(map(str.isdigit, match[0])) >= _MOST_LOOSE_DIGITS:
            found.append(match.span())
    labelled = [(one.start, one.end) for one in french_identifiers.find(text) if one.kind == "ipp"]
    return (*found, *labelled, *_national(text))


@lru_cache(maxsize=4096)
def formal_in_term(text: str) -> tuple[Span, ...]:
    """Return where a technical text has the form of an identifier of a person. `text`: the text as it is written."""
    plates = (match.span() for match in _PLATE.finditer(text) if not any(map(_is_term, match.groups())))
    return (*(match.span() for pattern in _TERM_PATTERNS for match in pattern.finditer(text)), *plates, *_national(text))


def _is_term(pair: str) -> bool:
    """Return whether two letters beside a number are of a model, as in `CT 750 HD`, and of no number plate."""
    known, word = vocabulary(), pair.lower()
    return word in known.words or word in known.whole or word in known.models or re.fullmatch(_SETTINGS, pair) is not None


def formal_in_label(text: str) -> tuple[Span, ...]:
    """Return where a text that people can write among technical ones numbers a sample or a patient. `text`: as it is written."""
    return tuple(match.span() for match in _NUMBERED.finditer(text))
