"""Fields of FHIR R4 resources: codings, references, dates, values."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from unibase.clinical.reasons import NOT_COLLECTED, SECOND_CODING, UNKNOWN_CODE, UNKNOWN_CODE_SYSTEM, UNREAD_VALUE
from unibase.clinical.sources.events import tally_key
from unibase.clinical.sources.problem_rows import RowProblem
from unibase.clinical.words.tnm import of_display
from unibase.clinical.words.units import contradict
from unibase.clinical.words.vocabularies import CODE_SHAPES, is_known, spelled, vocabulary_name, whole_code
from unibase.groundwork.reasons import NOT_A_NUMBER, UNKNOWN_UNIT

UNKNOWN = "UN"
"""A day of which nothing is known."""

Resource = dict[str, Any]

UNREAD_VALUES = ("Range", "Ratio", "SampledData", "Time", "DateTime", "Period", "Attachment")
"""Types of `value[x]` that no column of an event holds."""


@dataclass
class Context:
    """What resources refer to, and what is told of them.

    Attributes:
        medications: Codes of Medications, by id.
        periods: Start and end of Encounters, by id.
        row: The line that is being read.
        problems: What was told so far.
        tally: What is told once in a file.
    """

    medications: dict[str, str] = field(default_factory=dict)
    periods: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    row: int = 0
    problems: list[RowProblem] = field(default_factory=list)
    tally: dict[str, tuple[int, int]] = field(default_factory=dict)

    def report(self, reason: str, message: str, column: str = "", refused: bool = True) -> None:
        """Keep a problem of the row that is being read.

        Args:
            reason, message, column: Code and words of the problem, and the field it is of.
            refused: Whether the row makes no event because of it.
        """
        self.problems.append(RowProblem(self.row, reason, message, column, refused))

    def count(self, reason: str, name: str) -> None:
        """Count something that is told once in a file, by its `reason` and `name`."""
        key = tally_key(reason, name)
        first, count = self.tally.get(key, (self.row, 0))
        self.tally[key] = (first, count + 1)


def slug(text: object) -> str:
    """Return a text as a word that can stand in a code.

    >>> slug("Dose (mg/j)")
    'Dose__mg_j_'
    """
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in str(text).strip())[:64]


def check_text(value: object) -> None:
    """Raise where a field's `value` is no text that a table can hold; half of a surrogate pair is none.

    Raises:
        TypeError, UnicodeEncodeError: Where it is none.
    """
    if value is not None and not (isinstance(value, str) and (value.isascii() or value.encode())):
        raise TypeError("not a text")


def text_or_none(value: object) -> str | None:
    """Return a `value` that is a text, None for anything else.

    >>> text_or_none("T2"), text_or_none(2)
    ('T2', None)
    """
    return value if isinstance(value, str) else None


def reference_id(reference: Resource | None) -> str | None:
    """Return the id that a reference names; that of a contained resource with its `#`.

    >>> reference_id({"reference": "Patient/p1"})
    'p1'
    """
    text = (reference or {}).get("reference")
    return str(text).split("/_history/", 1)[0].rsplit("/", 1)[-1].removeprefix("urn:uuid:") if text else None


def is_about(reference: Resource | None, kinds: Container[str]) -> bool:
    """Tell whether a reference names a resource of one of some types; one without a type may be any.

    Args:
        reference: A Reference.
        kinds: Types of resources.

    Example:
        >>> is_about({"reference": "http://a/fhir/Group/1/_history/2"}, {"Patient"}), is_about({"reference": "urn:uuid:1"}, {"Patient"})
        (False, True)
    """
    parts = str((reference or {}).get("reference") or "").split("/_history/", 1)[0].split("/")
    said = parts[-2] if len(parts) > 1 else (reference or {}).get("type")
    return said is None or said in kinds


def extension_name(extension: Resource) -> str:
    """Return the last part of an extension's address: the name of its definition.

    >>> extension_name({"url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"})
    'patient-birthPlace'
    """
    return slug(str(extension.get("url", "")).rstrip("/").rsplit("/", 1)[-1])


def codings(concept: Resource | None, context: Context | None = None) -> list[str]:
    """Return `VOCABULARY//code` of every coding with a known code system; where there is none, of the first coding.

    Args:
        concept: A CodeableConcept.
        context: Told of code systems that are not known, of further codes of one vocabulary, and of what is no code of it: these
            are left out.

    >>> codings({"coding": [{"system": "http://loinc.org", "code": "718-7"}, {"system": "http://snomed.info/sct", "code": "cf. letter"}]})
    ['LOINC//718-7']
    """
    found = _shaped(concept, context)
    known = [one for one in found if not one.unknown]
    out: dict[str, str] = {}
    for one in known or found[:1]:
        if one.vocabulary not in out:
            out[one.vocabulary] = one.code
        elif context is not None:
            context.count(SECOND_CODING, one.vocabulary)
    _name_systems(found, context)
    return list(out.values())


def _name_systems(found: list[_Coding], context: Context | None) -> None:
    """Tell a context of the code systems that are not known."""
    for one in found if context is not None else ():
        if context is not None and one.unknown and one.unknown != _NO_SYSTEM:
            context.count(UNKNOWN_CODE_SYSTEM, one.unknown)


_NO_SYSTEM = "-"
_OF_DRUGS = re.compile(r"medic(?:ation|ament|ine)|médicament|drug|pharma|arznei", re.IGNORECASE)
"""How an address tells that its codes are of drugs, which hospitals write by their names (MIMIC: `Albumin 5% (25g / 500mL)`)."""


class _Coding(NamedTuple):
    """A coding: its vocabulary, its code in full, what is told of a code system that is not known, and whether it is a code."""

    vocabulary: str
    code: str
    unknown: str
    shaped: bool


def _shaped(concept: Resource | None, context: Context | None) -> list[_Coding]:
    """Return the codings that have the shape of their vocabulary; the others may be words that name a person, and are told."""
    found = [_coding(one.get("system"), str(one["code"])) for one in (concept or {}).get("coding") or [] if one.get("code")]
    for one in found:
        if not one.shaped and context is not None:
            context.report(UNKNOWN_CODE, f"The coding holds no code of {one.vocabulary}.", "code", refused=False)
    return [one for one in found if one.shaped]


@lru_cache(maxsize=1 << 16)
def _coding(system: str | None, code: str) -> _Coding:
    vocabulary = vocabulary_name(system)
    unknown = "" if is_known(system) else f"{vocabulary} ({slug(system)})" if system else _NO_SYSTEM
    written = spelled(vocabulary, code)
    shape = CODE_SHAPES.get(vocabulary) or (None if is_known(system) else _local_shape(system))
    return _Coding(vocabulary, whole_code(vocabulary, written), unknown, shape is None or bool(re.search(shape, written)))


def _local_shape(system: str | None) -> str:
    """Return the shape of a code of a `system` that nobody knows: one word, for several may name a person; of drugs a name."""
    return r"^[^\n\r]{1,100}$" if system and _OF_DRUGS.search(system) else r"^\S{1,64}$"


def code_of(concept: Resource | None) -> str | None:
    """Return the first of the `codings` of a `concept`.

    >>> code_of({"coding": [{"system": "http://loinc.org", "code": "718-7"}]})
    'LOINC//718-7'
    """
    return next(iter(codings(concept)), None)


def words_of(concept: object) -> set[str]:
    """Return the bare codes of a CodeableConcept, `concept`; of one without codes its text.

    >>> words_of({"coding": [{"code": "final"}]}), words_of({"text": "Refuted"})
    ({'final'}, {'refuted'})
    """
    if not isinstance(concept, dict):
        return set()
    found = {one.get("code", "") for one in concept.get("coding") or []}
    return found or {str(concept.get("text") or "").strip().lower()}


def answer_of(concept: Resource | None, context: Context | None = None) -> str | None:
    """Return a coded answer, `concept`: the bare code for answers of staging systems, else `VOCABULARY//code`.

    A category of TNM that SNOMED codes is read by its standard term where one is given. A `context` is told of what is no code, and of
    code systems that are not known.
    """
    _name_systems(_shaped(concept, context), context)
    for coding in (concept or {}).get("coding") or []:
        term = of_display(str(coding.get("display") or ""))
        if term:
            return term
    listed = codings(concept)
    staged = next((code for code in listed if code.startswith(("AJCC//", "UICC//"))), None)
    code = staged or next(iter(listed), None)
    return code.split("//", 1)[1] if code and staged else code


def when(resource: Resource, stem: str) -> tuple[str | None, str | None]:
    """Return start and end of `stemDateTime`, `stemDate`, `stemInstant` or `stemPeriod` of a `resource`, for a `stem`.

    An act whose end alone is told was on that day. What began (`onset`) did so on that day or any before.

    >>> when({"onsetPeriod": {"start": "2024-03", "end": "2024-05"}}, "onset")
    ('2024-03', '2024-05')
    """
    for suffix in ("DateTime", "Date", "Instant"):
        if resource.get(stem + suffix):
            return resource[stem + suffix], None
    period = resource.get(stem + "Period") or {}
    end = period.get("end")
    return period.get("start") or (UNKNOWN if end and stem == "onset" else end), end


def says_begin(resource: Resource, stem: str) -> bool:
    """Tell whether a `resource` says when an act began, under `stem`; the end of a period alone does not.

    >>> says_begin({"effectivePeriod": {"end": "2024-05"}}, "effective")
    False
    """
    return bool(resource.get(f"{stem}DateTime") or (resource.get(f"{stem}Period") or {}).get("start"))


def number_of(value: Any) -> float | None:
    """Return a `value` as a number, None for what is none.

    >>> number_of("1.5"), number_of("n/a")
    (1.5, None)
    """
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None


def value_of(resource: Resource, context: Context) -> tuple[float | None, str | None, str | None, bool]:
    """Return number, text, unit and whether the text is a coding, of a `resource`: an Observation or a component of one.

    What is not read of it is told to the `context`.
    """
    quantity = resource.get("valueQuantity")
    if quantity:
        if quantity.get("value") is not None and number_of(quantity["value"]) is None:
            context.report(NOT_A_NUMBER, "The value is not a number.", "valueQuantity", refused=False)
        unit, code = quantity.get("unit"), quantity.get("code")
        if unit and code and contradict(str(unit), str(code)):
            context.report(UNKNOWN_UNIT, "The words and the code of the unit are two units.", "valueQuantity", refused=False)
            return None, None, None, True
        return number_of(quantity.get("value")), quantity.get("comparator"), code or unit, True
    if resource.get("valueCodeableConcept"):
        concept = resource["valueCodeableConcept"]
        answer = answer_of(concept, context)
        return None, answer or concept.get("text"), None, answer is not None
    for name in ("valueInteger", "valueDecimal"):
        if resource.get(name) is not None:
            return number_of(resource[name]), None, None, False
    if resource.get("valueBoolean") is not None:
        return None, "true" if resource["valueBoolean"] else "false", None, True
    if resource.get("valueString") is not None:
        return _number_or_text(str(resource["valueString"]).strip(), context)
    for kind in _unread(resource):
        context.report(UNREAD_VALUE, f"A value of type {kind} is not read.", f"value{kind}", refused=False)
    if resource.get("dataAbsentReason"):
        context.report(NOT_COLLECTED, "The resource says that there is no value.", "dataAbsentReason", refused=False)
    return None, None, None, False


def _number_or_text(text: str, context: Context) -> tuple[float | None, str | None, str | None, bool]:
    """Return what `value_of` does, of a text that may be a number; 12,5 is one, and 1,234 may be two."""
    if re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", text):
        context.report(NOT_A_NUMBER, "The comma of the value may part thousands or decimals.", "valueString", refused=False)
        return None, None, None, False
    number = number_of(text.replace(",", ".") if re.fullmatch(r"[+-]?\d+,\d+", text) else text)
    return number, None if number is not None else text or None, None, False


_OF_RELATIVES = frozenset({"family-history", "familyhistory", "family history"})


_OTHERS = frozenset({"Patient", "RelatedPerson", "Group", "Device"})
"""What a `focus` names when the resource is about someone else; mCODE's focus is a diagnosis or a specimen."""


def is_about_others(resource: Resource, person: str) -> bool:
    """Tell whether a resource is about someone or something other than its person, by its focus or its category.

    Args:
        resource: The resource.
        person: Id of its person.

    Example:
        >>> is_about_others({"category": [{"coding": [{"code": "family-history"}]}]}, "p1")
        True
    """
    said = resource.get("category")
    words = {str(word).lower() for one in (said if isinstance(said, list) else [said]) for word in words_of(one)}
    focused = (one for one in resource.get("focus") or [] if one.get("reference") and is_about(one, _OTHERS))
    return not _OF_RELATIVES.isdisjoint(words) or any(reference_id(one) != person for one in focused)


def _unread(resource: Resource) -> Iterator[str]:
    return (kind for kind in UNREAD_VALUES if resource.get(f"value{kind}") is not None)
