"""Encapsulated CDA (HL7 Clinical Document Architecture, release 2): written anew from elements and attributes that are listed.

The tree of sections and entries stays: codes, measures, days (shifted) and cleaned sentences. Persons, organisations,
numbers of documents, pictures and whatever is not listed go; where the schema asks for them, an element stands that says so
(`nullFlavor="MSK"`). What the document itself says of persons is sought in its texts, as what the header says is.
Source of the names: CDA.xsd (ANSI/HL7 CDA R2-2005) and HL7's ParticipationType, ActClass and ActMood vocabularies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.confidentiality import values
from unibase.imaging.confidentiality.identifiers import MAX_NARRATIVE
from unibase.imaging.confidentiality.texts.cleaner import Kind
from unibase.imaging.confidentiality.texts.known import Knowledge
from unibase.imaging.confidentiality.values import REMOVED

if TYPE_CHECKING:
    from unibase.imaging.confidentiality.actions import Job

_SPACE, _TYPE = "urn:hl7-org:v3", "{http://www.w3.org/2001/XMLSchema-instance}type"
_HEAD = frozenset(["realmCode", "typeId", "templateId", "code", "title", "effectiveTime", "confidentialityCode", "languageCode"])
_TREE = frozenset([
    "component", "structuredBody", "section", "entry", "act", "observation", "organizer", "procedure", "substanceAdministration",
    "supply", "encounter", "entryRelationship", "referenceRange", "observationRange", "consumable", "manufacturedProduct", "manufacturedMaterial", "templateId",
    "code", "value", "translation", "qualifier", "statusCode", "effectiveTime", "low", "high", "center",
    "width", "period", "interpretationCode", "methodCode", "targetSiteCode", "approachSiteCode", "routeCode", "doseQuantity", "rateQuantity",
    "maxDoseQuantity", "numerator", "denominator", "repeatNumber", "priorityCode", "languageCode", "confidentialityCode", "title", "text",
    "sequenceNumber", "quantity", "administrationUnitCode", "subject", "relatedSubject",
])  # fmt: skip
_HOLDERS = frozenset(["component", "entry", "entryRelationship", "consumable", "referenceRange", "subject"])
"""Elements that only hold others: where none of these is listed they go with them."""
_MEANING = {
    "classCode": frozenset(["ACT", "OBS", "ORGANIZER", "CLUSTER", "BATTERY", "PROC", "SBADM", "SPLY", "ENC", "DOCCLIN", "DOCBODY", "DOCSECT", "COND", "CONC", "INFRM", "CONS", "MANU", "MMAT", "PRS", "SBJ"]),
    "moodCode": frozenset(["EVN", "INT", "RQO", "PRMS", "PRP", "ARQ", "APT", "DEF", "GOL", "EVN.CRT"]),
    "typeCode": frozenset(["COMP", "DRIV", "XCRPT", "RSON", "SUBJ", "SPRT", "REFR", "REFV", "CAUS", "MFST", "GEVL", "SAS", "CSM", "PRD", "MSK", "SBJ"]),
    "nullFlavor": frozenset(["NI", "NA", "UNK", "ASKU", "NAV", "NASK", "MSK", "OTH", "NINF", "PINF", "TRC"]),
    "operator": frozenset(["A", "E", "H", "I", "P"]),
    **dict.fromkeys(["negationInd", "inversionInd", "contextConductionInd", "inclusive", "institutionSpecified", "independentInd"], frozenset(["true", "false", "1", "0"])),
}  # fmt: skip
"""Attributes that say what an element is and whether it happened, and the values that they may have."""
_SCHEMES = {
    "2.16.840.1.113883.6.96": "SCT", "2.16.840.1.113883.6.1": "LN", "2.16.840.1.113883.6.3": "I10", "2.16.840.1.113883.6.8": "UCUM",
    "2.16.840.1.113883.6.73": "ATC", "2.16.840.1.113883.6.256": "RADLEX", "1.2.840.10008.2.16.4": "DCM", "2.16.840.1.113883.6.43.1": "ICDO3",
    "1.2.250.1.213.2.5": "CCAM",
}  # fmt: skip
_OID = re.compile(r"[0-2](?:\.(?:0|[1-9]\d{0,9})){2,20}")
_BLOCKS = frozenset(["paragraph", "td", "th", "item", "caption", "li", "br"])
_TIMES = ("TS", "IVL_TS", "PIVL_TS", "EIVL_TS", "SXCM_TS")
_KINDS = frozenset([
    "CD", "CE", "CV", "CO", "CS", "CR", "PQ", "PQR", "ST", "ED", "INT", "REAL", "BL", "MO", "RTO", "RTO_PQ_PQ", "IVL_PQ", "IVL_INT", "IVL_REAL", "SXCM_PQ",
    "TS", "IVL_TS", "PIVL_TS", "EIVL_TS", "SXCM_TS", "SXPR_TS",
])  # fmt: skip
"""Data types that a value may have."""
_OF_PERSONS = frozenset(["given", "family", "prefix", "suffix", "name", "delimiter"])
_OF_PLACES = frozenset(
    ["streetAddressLine", "streetName", "houseNumber", "city", "postalCode", "additionalLocator", "precinct", "county"]
)


def what_it_knows(content: bytes, *, dated: bool) -> Knowledge:
    """Return the names, numbers, addresses and days that a clinical document itself gives, to be sought in its texts.

    Args:
        content: The document.
        dated: Whether its days are sought too; not so where a policy retains them.

    Raises:
        Unusable: `unsupported-object`, when it is no clinical document.
    """
    root = _parsed(content)
    names = [" ".join(one.itertext()) for one in root.iter() if _name(one) in _OF_PERSONS]
    places = [" ".join(one.itertext()).strip() for one in root.iter() if _name(one) in _OF_PLACES]
    numbers = [one.get("extension", "") for one in root.iter() if _name(one) == "id"]
    numbers += [re.sub(r"^\w+:", "", one.get("value", "")) for one in root.iter() if _name(one) == "telecom"]
    of_patient = [
        " ".join(one.itertext())
        for role in root.iter()
        if _name(role) == "recordTarget"
        for one in role.iter()
        if _name(one) in _OF_PERSONS
    ]
    # What an id gives of a person is its extension; the root says of which list it is.
    births = [re.sub(r"\D", "", one.get("value", ""))[:8] for one in root.iter() if _name(one) == "birthTime"]
    days = [one.get("value", "")[:8] for one in root.iter() if one.get("value", "")[:8].isdigit() and _name(one) != "birthTime"]
    lists = (of_patient, names, [one for one in numbers if len(one) >= 3], places, births, days if dated else [])
    return Knowledge(*(tuple(sorted({one for one in some if one.strip()})) for some in lists))


def clean(content: bytes, job: Job) -> bytes:
    """Return the document written anew.

    Args:
        content: The document.
        job: What is known of the file.

    Raises:
        Unusable: `unsupported-object`, when it is no clinical document with a body of sections.
    """
    ElementTree.register_namespace("", _SPACE)
    ElementTree.register_namespace("xsi", "http://www.w3.org/2001/XMLSchema-instance")
    source, scribe = _parsed(content), _Scribe(job)
    root = ElementTree.Element(f"{{{_SPACE}}}ClinicalDocument", {"classCode": "DOCCLIN", "moodCode": "EVN"})
    for child in source:
        if _name(child) in _HEAD:
            scribe.write(child, root, timed=_name(child) == "effectiveTime")
    place = sum(_name(one) in ("realmCode", "typeId", "templateId") for one in root)
    root.insert(place, ElementTree.Element(f"{{{_SPACE}}}id", {"root": scribe.of_document(source)}))
    _stand_ins(root, job.subject_id.decode())
    bodies = [one for one in source if _name(one) == "component"]
    if not bodies or any(_name(one) == "nonXMLBody" for one in source.iter()):
        raise _unread("Its body is no tree of sections but a document of another kind")
    for body in bodies:
        scribe.write(body, root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _parsed(content: bytes) -> ElementTree.Element:
    # Entities may hide anything, and grow without end.
    if b"<!DOCTYPE" in content.replace(b"\0", b"").upper() or b"<!ENTITY" in content.replace(b"\0", b"").upper():
        raise _unread("It declares entities")
    try:
        root = ElementTree.fromstring(content.rstrip(b" \0"))
    except (ElementTree.ParseError, ValueError, LookupError):
        raise _unread("It is no XML that can be read") from None
    if root.tag != f"{{{_SPACE}}}ClinicalDocument":
        raise _unread("It is no clinical document of HL7 (CDA)")
    return root


def _name(element: ElementTree.Element) -> str:
    space, _, name = str(element.tag).rpartition("}")
    return name if space == f"{{{_SPACE}" else ""


def _stand_ins(root: ElementTree.Element, subject_id: str) -> None:
    """Add the elements that the schema asks for: whose document it is, by the pseudonym; author and custodian masked."""

    def below(parent: ElementTree.Element, name: str, **said: str) -> ElementTree.Element:
        return ElementTree.SubElement(parent, f"{{{_SPACE}}}{name}", said)

    below(below(below(root, "recordTarget"), "patientRole"), "id", root="2.25.0", extension=subject_id)
    author = below(root, "author")
    below(author, "time", nullFlavor="MSK")
    below(below(author, "assignedAuthor"), "id", nullFlavor="MSK")
    organisation = below(below(below(root, "custodian"), "assignedCustodian"), "representedCustodianOrganization")
    below(organisation, "id", nullFlavor="MSK")


class _Scribe:
    """Writes listed elements with listed attributes, each value treated as the policy treats its like.

    Args:
        job: What is known of the file.
    """

    def __init__(self, job: Job) -> None:
        self._job = job

    def write(self, source: ElementTree.Element, parent: ElementTree.Element, timed: bool = False) -> None:
        """Write `source` below `parent`, and what stands below it; `timed`: whether its values are days.

        What says in a way that is not listed what it is, or whether it happened, goes whole: it could not be read rightly.
        """
        name, kind = _name(source), source.get(_TYPE, "")
        if any(said in source.attrib and source.attrib[said] not in allowed for said, allowed in _MEANING.items()):
            return
        timed = timed or name == "effectiveTime" or kind in _TIMES
        made = ElementTree.SubElement(parent, f"{{{_SPACE}}}{name}")
        if name == "text" and _name(parent) == "section":
            self._narrative(source, made)
            return
        if kind:
            made.set(_TYPE, kind if kind in _KINDS else "ANY")
        if made.get(_TYPE) == "ANY":
            made.set("nullFlavor", "MSK")
            return
        for attribute, value in source.attrib.items():
            kept = self._attribute(attribute, value, source, timed)
            if kept:
                made.set(attribute, kept)
        self._mask(source, made)
        if name in ("title", "text") or (name == "value" and kind in ("ST", "ED")):
            made.text = self._sentence("".join(source.itertext()))
            if name == "text" and not made.text:
                parent.remove(made)
            return
        for child in source:
            if _name(child) in _TREE:
                self.write(child, made, timed)
        if name in _HOLDERS and not len(made):
            parent.remove(made)

    def of_document(self, source: ElementTree.Element) -> str:
        """Return the pseudonym of a document's own number."""
        own = next((one for one in source if _name(one) == "id"), None)
        said = "" if own is None else own.get("root", "") + "^" + own.get("extension", "")
        return self._job.uids.one(said.encode("utf-8")[:200]).decode()

    def _mask(self, source: ElementTree.Element, made: ElementTree.Element) -> None:
        """Say that a value was there: no number may stand without the unit that it had."""
        lost = source.get("value") and not made.get("value")
        if lost or (source.get("unit") and not made.get("unit")):
            made.attrib.pop("value", None)
            made.attrib.pop("unit", None)
            made.set("nullFlavor", "MSK")

    def _attribute(self, name: str, value: str, source: ElementTree.Element, timed: bool) -> str:
        """Return what stays of the value of an attribute; nothing where it goes."""
        if name in _MEANING:
            return value
        writers: dict[str, Callable[[str], str]] = {
            "root": self._oid,
            "codeSystem": self._oid,
            "unit": self._unit,
            "code": lambda code: self._code(code, source.get("codeSystem", "")),
            "displayName": lambda text: self._text(text, "label"),
            "codeSystemName": lambda text: self._text(text, "term"),
            "value": self._day if timed else self._number,
            "extension": self._edition,
        }
        return writers[name](value) if name in writers else ""

    def _oid(self, value: str) -> str:
        return self._job.value("registered", "UI", value.encode(), ()).decode().strip(" \0") if _OID.fullmatch(value) else ""

    def _unit(self, value: str) -> str:
        """Return a unit as it is, or nothing: a part of one would be another."""
        raw = values.pad(value.encode("utf-8"), "SH")
        return value if self._job.value("coded", "SH", raw, ("utf-8",), b"UCUM") == raw else ""

    def _code(self, value: str, system: str) -> str:
        scheme = _SCHEMES.get(system, "").encode()
        return self._job.value("coded", "SH", values.pad(value.encode("utf-8"), "SH"), ("utf-8",), scheme).decode().strip()

    def _text(self, value: str, action: Kind) -> str:
        if len(value) > MAX_NARRATIVE:
            return REMOVED
        return self._job.identifiers.clean(value, action)

    def _sentence(self, value: str) -> str:
        plain = " ".join(value.split())
        return (self._text(plain, "text") or REMOVED) if plain else ""

    def _number(self, value: str) -> str:
        if value in ("true", "false"):
            return value
        raw = value.strip().encode("utf-8")
        if not re.fullmatch(rb"[+\-]?(?:\d{1,12}\.?\d{0,12}|\.\d{1,12})(?:[eE][+\-]?\d{1,3})?", raw):
            return ""
        return value.strip() if self._job.identifiers.clean_number(raw) == raw else ""

    def _day(self, value: str) -> str:
        if re.fullmatch(r"[+\-]?\d{1,4}(?:\.\d{1,4})?", value) and not re.fullmatch(r"(?:19|20)\d\d", value):
            return value  # The width of a span, not a day.
        policy = self._job.policy.enabled
        if "full_dates" in policy:
            return value if re.fullmatch(r"\d{4,14}(?:\.\d{1,6})?(?:[+\-]\d{4})?", value) else ""
        if "modified_dates" not in policy or not re.fullmatch(r"\d{8}(?:\d{4}(?:\d\d)?(?:\.\d{1,6})?)?(?:[+\-]\d{4})?", value):
            return ""
        return self._job.value("date", "DT", value.encode(), ()).decode().strip(" \0")

    def _edition(self, value: str) -> str:
        if value == "POCD_HD000040":
            return value
        # The edition of a template is a day of its publisher, unless it is one of the person's.
        known = {day.isoformat() for day in self._job.identifiers.known.days.days}
        return value if re.fullmatch(r"20\d\d-\d\d-\d\d", value) and value not in known else ""

    def _narrative(self, source: ElementTree.Element, made: ElementTree.Element) -> None:
        """Write the sentences of a section, one paragraph each: what stands in a cell or a list is a sentence of its own."""
        for sentence in _sentences(source):
            kept = self._sentence(sentence)
            if kept:
                ElementTree.SubElement(made, f"{{{_SPACE}}}paragraph").text = kept


def _sentences(source: ElementTree.Element) -> Iterator[str]:
    """Yield the texts of a narrative, divided where a block begins or ends; markup inside a line divides nothing."""
    parts: list[str] = [""]

    def read(element: ElementTree.Element) -> None:
        block = _name(element) in _BLOCKS
        if block:
            parts.append("")
        parts[-1] += element.text or ""
        for child in element:
            read(child)
            parts[-1] += child.tail or ""
        if block:
            parts.append("")

    read(source)
    yield from (one for one in parts if one.strip())


def _unread(what: str) -> Unusable:
    return Unusable(
        reasons.UNSUPPORTED_OBJECT,
        f"{what}: what it holds of persons cannot be told.",
        "Leave it out, or export it with a body of sections. What the study needs of it can come as a table of the centre, in `clinical`.",
    )
