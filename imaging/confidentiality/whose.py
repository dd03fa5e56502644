"""Is this file of this person? Name, birth date and sex of the header beside those of the ledger.

A number typed wrongly at the console files one person's images under another's number. Each of name, birth date and sex
agrees, contradicts or says nothing; the table `RULES` says which contradictions are a file of another person. A married
name that the ledger does not know, a slip in a birth date, day and month exchanged are none.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from rapidfuzz.distance import DamerauLevenshtein

from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import IDENTITY_CONFLICT
from unibase.imaging.confidentiality.texts.folding import fold, spellings
from unibase.imaging.confidentiality.texts.vocabulary import vocabulary
from unibase.privacy.subjects import Person

Evidence = Literal["agrees", "near", "contradicts", "silent"]

# Names of things that are scanned under a number: no person has one as the whole of a name.
_THINGS = frozenset(
    {
        "phantom",
        "fantome",
        "phantome",
        "fantom",
        "qc",
        "qa",
        "cq",
        "aq",
        "controle",
        "quality",
        "qualite",
        "quotidien",
        "daily",
        "weekly",
        "catphan",
    }
    | {
        "calibration",
        "calibrage",
        "nema",
        "acr",
        "jaszczak",
        "dosimetrie",
        "maintenance",
        "service",
        "water",
        "eau",
        "demo",
        "essai",
        "gammex",
    }
)
_NOBODY = frozenset(
    {
        "anonymous",
        "anonymized",
        "anonymised",
        "anonyme",
        "anonymise",
        "anonym",
        "anon",
        "removed",
        "deidentified",
        "pseudo",
        "subject",
    }
)
_DUMMY_BIRTHS = frozenset({"19000101", "18000101", "19010101", "11111111", "19700101", "20000101"})


class Rule(NamedTuple):
    """One row of the table: evidence under which a file is of another person.

    Attributes:
        family: What the family name must say, one of several.
        given: What the given name must say.
        birth: What the birth date must say.
        sex: What the sex must say.
        why: The reason.
    """

    family: frozenset[Evidence]
    given: frozenset[Evidence]
    birth: frozenset[Evidence]
    sex: frozenset[Evidence]
    why: str


_ANY: frozenset[Evidence] = frozenset({"agrees", "near", "contradicts", "silent"})
_NOT: frozenset[Evidence] = frozenset({"contradicts"})
_NOT_EXACT = _ANY - {"agrees"}
_NO_HELP: frozenset[Evidence] = frozenset({"contradicts", "silent"})
RULES = (
    Rule(_NOT, _NO_HELP, _NOT_EXACT, _ANY, "another name, and no birth date that says otherwise"),
    Rule(_ANY, _ANY, _NOT, _ANY, "another birth date, in more than a slip"),
    Rule(_ANY, _NOT, _ANY, _NOT, "another given name and another sex, as of twins"),
    Rule(_NOT, _ANY, _ANY, _NOT, "another family name and another sex"),
)
"""A file is another person's when one rule holds. A slip is one part of a date, two digits exchanged, or day and month exchanged."""


class Header(NamedTuple):
    """What a header says of whose it is: decoded texts, empty when absent."""

    name: str
    birth_date: str
    sex: str


def refuse_another(header: Header, person: Person) -> None:
    """Raise when a header is of another person than the ledger says.

    Args:
        header: What the header says.
        person: What the ledger knows of the person behind its PatientID.

    Raises:
        Unusable: `identity-conflict`; the message names attributes, no value.
    """
    rule = _conflict(header, person)
    if rule is not None:
        raise Unusable(
            IDENTITY_CONFLICT,
            f"PatientName, PatientBirthDate and PatientSex say another person than the ledger does for this PatientID: {rule.why}.",
            "Find out at the PACS whose images these are and correct the number, or correct the list of people; then run again.",
        )


@lru_cache(maxsize=1024)
def _conflict(header: Header, person: Person) -> Rule | None:
    family, given = _name_evidence(header.name, person)
    birth = _birth_evidence(header.birth_date, person.birth_dates)
    sex = _sex_evidence(header.sex, person.sexes)
    for rule in RULES:
        named = family in rule.family and given in rule.given
        if named and birth in rule.birth and sex in rule.sex:
            return rule
    return None


def _name_evidence(name: str, person: Person) -> tuple[Evidence, Evidence]:
    """Return what the family name and the given name of a PN value say.

    `name`: a PN value, decoded; `person`: what the ledger knows.
    """
    known_family = _words(" ".join(person.family_names))
    known_given = _words(" ".join(person.given_names))
    groups = [one for one in name.split("=") if one.strip("^ ")] or [""]
    results = [_of_group(one, known_family, known_given) for one in groups]
    # Ideographs beside the same name in letters are silent at most.
    return min(results, key=lambda pair: sum(_ORDER.index(one) for one in pair))


_ORDER: tuple[Evidence, ...] = ("agrees", "near", "silent", "contradicts")


def _of_group(name: str, known_family: frozenset[str], known_given: frozenset[str]) -> tuple[Evidence, Evidence]:
    family_part, _, given_part = name.partition("^")
    family, given = _words(family_part), _words(given_part)
    every = family | given
    if not known_family and not known_given:
        return "silent", "silent"
    if every & _THINGS and not every & (known_family | known_given):
        return "contradicts", "contradicts"
    if not every or every & _NOBODY or any(any(map(str.isdigit, word)) for word in every):
        return "silent", "silent"
    if not (every - vocabulary().placeholders) or not any(one.isascii() for one in every):
        return "silent", "silent"
    # The order of names is often wrong, and without a caret there is none.
    return _alike(every, known_family), _alike(every if not given else given | family, known_given)


def _alike(said: frozenset[str], known: frozenset[str]) -> Evidence:
    if not known:
        return "silent"
    return "agrees" if any(_same(one, other) for one in said for other in known) else "contradicts"


def _same(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    if short == long or (len(short) >= 3 and long.startswith(short)):
        return True
    if len(short) == 1:
        return long.startswith(short)
    return len(short) >= 5 and DamerauLevenshtein.distance(short, long) <= 1 + (len(short) >= 9)


def _words(text: str) -> frozenset[str]:
    return frozenset(form for word in re.split(r"[\s^\-'’._,]+", text) if word for form in spellings(word)) - {
        "de",
        "la",
        "le",
        "du",
    }


def _birth_evidence(said: str, known: tuple[str, ...]) -> Evidence:
    """Return what a birth date as YYYYMMDD says beside ISO dates, which may be cut to a month or year.

    Args:
        said: The date of the header.
        known: The dates of the ledger.
    """
    digits = re.sub(r"\D", "", said)
    if len(digits) != 8 or digits in _DUMMY_BIRTHS or not known:
        return "silent"
    found = [_birth(digits, one) for one in known]
    return min(found, key=_ORDER.index)


def _birth(said: str, known: str) -> Evidence:
    parts, own = known.split("-"), (said[:4], said[4:6], said[6:])
    if own[: len(parts)] == tuple(parts):
        return "agrees" if len(parts) == 3 else "near"
    if len(parts) < 3:
        return "near" if len(parts) == 2 and own[0] == parts[0] else "contradicts"
    wrong = sum(one != other for one, other in zip(own, parts, strict=True))
    exchanged = own[0] == parts[0] and own[1:] == (parts[2], parts[1])
    slip = DamerauLevenshtein.distance(said, known.replace("-", "")) <= 1
    return "near" if wrong == 1 or exchanged or slip else "contradicts"


def _sex_evidence(said: str, known: tuple[str, ...]) -> Evidence:
    """Return what a sex says; `O` and an empty one say nothing.

    Args:
        said: The sex of the header.
        known: Those of the ledger.
    """
    sex = fold(said).plain.strip().upper()
    if sex not in ("M", "F") or not known:
        return "silent"
    return "agrees" if sex in known else "contradicts"
