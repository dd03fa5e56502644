"""Where a diagnosis, an act or a finding of FHIR is: its side (`LATERALITY//<code>`), its site (`BODY_SITE//<code>`), and its edition of TNM.

A side stands among the codings of the site, as mCODE's qualifier of the site, in an extension of the coding of the diagnosis
(Germany's ICD-10-GM), or as the whole text of the site.
"""

from __future__ import annotations

from collections.abc import Iterator

from unibase.clinical.formats.fhir_fields import Context, Resource, codings, extension_name, slug
from unibase.clinical.reasons import UNREAD_FIELD
from unibase.clinical.words.sides import side, tnm_edition

LATERALITY, BODY_SITE, TNM_EDITION = "LATERALITY//", "BODY_SITE//", "TNM_EDITION"
_QUALIFIERS = ("mcode-laterality-qualifier", "seitenlokalisation")
_SIDE_SYSTEMS = ("laterality", "seitenlokalisation", "lateralite")
"""What the addresses of code systems of sides hold."""
_SIDED = "http://snomed.info/sct"


def sites_of(resource: Resource, codes: list[str], context: Context) -> Iterator[tuple[str, str | None]]:
    """Yield code and text of each event that says where something is; what says nothing is told.

    Args:
        resource: A Condition, a Procedure or an Observation.
        codes: Its codes; the first names what has the side.
        context: Told of sites without a code that is read.
    """
    said = resource.get("bodySite") or []
    sides = _of_codings(resource.get("code") or {})
    for site in said if isinstance(said, list) else [said]:
        own = [*_of_codings(site), *_qualified(site)]
        rest = [one for one in site.get("coding") or [] if _coded_side(one) is None]
        places = codings({"coding": rest}, context)
        text = side(str(site.get("text") or "")) if not own and not places else None
        sides += own + ([text] if text else [])
        yield from ((BODY_SITE + place, None) for place in places)
        if not own and not places and not text:
            context.count(UNREAD_FIELD, f"{resource['resourceType']}.{slug('bodySite')}")
    for one in dict.fromkeys(sides):
        yield LATERALITY + codes[0], one


def _coded_side(coding: Resource) -> str | None:
    """Return the side that a coding is: a letter is one only in a code system of sides."""
    system, code = str(coding.get("system") or ""), str(coding.get("code") or "")
    known = system == _SIDED or any(name in system.lower() for name in _SIDE_SYSTEMS)
    return side(code) if known and (system != _SIDED or code.isdecimal()) else None


def _of_codings(concept: Resource) -> list[str]:
    """Return the sides among the codings of a concept, and in extensions of these."""
    found = [_coded_side(one) for one in concept.get("coding") or []]
    found += [said for one in concept.get("coding") or [] for said in _qualified(one)]
    return [one for one in found if one]


def _qualified(element: Resource) -> list[str]:
    """Return the sides that extensions of an element say."""
    out: list[str] = []
    for extension in element.get("extension") or []:
        if extension_name(extension).lower() in _QUALIFIERS:
            coded = (extension.get("valueCodeableConcept") or {}).get("coding") or [extension.get("valueCoding") or {}]
            out += [found for one in coded if (found := side(str(one.get("code") or "")))]
    return out


def edition_of(resource: Resource, context: Context) -> str | None:
    """Return the edition of TNM by which an Observation was made; a method that is none is told to the `context`.

    >>> edition_of({"method": {"coding": [{"system": "http://snomed.info/sct", "code": "897275008"}]}}, Context())
    '8'
    """
    method = resource.get("method")
    if not method:
        return None
    for one in method.get("coding") or []:
        plain = "tnm-version" in str(one.get("system") or "")
        texts = [one.get("code")] if plain or not str(one.get("code") or "").isdecimal() else [f"SNOMED//{one['code']}"]
        for text in (*texts, one.get("display")):
            found = tnm_edition(str(text or ""))
            if found:
                return found
    found = tnm_edition(str(method.get("text") or ""))
    if found is None:
        context.count(UNREAD_FIELD, "Observation.method")
    return found
