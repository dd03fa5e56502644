"""Who objects to the use of their records, as clinical sources say it: OSIRIS-RWD item 2.3, FHIR Consent, a column by mapping.

An objection counts whatever its date. It is never an event. Where a source says both, or a word that is not understood,
the person is left out: a doubt is no consent.
"""

from __future__ import annotations

import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from unibase.clinical.formats import fhir, mapping, mapping_rules
from unibase.clinical.formats.fhir_fields import Resource
from unibase.clinical.options import ClinicalSource, ObjectionColumn
from unibase.clinical.sources import databases, reading
from unibase.clinical.sources.workbooks import all_tables
from unibase.groundwork.problems import UserError

OBJECTIONS = pl.Schema({"centre": pl.String(), "system": pl.String(), "identifier": pl.String(), "channel": pl.String()})
"""An identifier of a person who objects, and the channel that says so."""

_RESEARCH = frozenset(
    {"research", "patient-privacy", "rsreid", "rsdid", "hresch", "research-project", "infa", "59284-0", "59284-6"}
)
"""Codes of scope and category (HL7 consentscope, consentcategorycodes, v3-ActCode, LOINC) of consents to research or privacy."""
_OTHER_SCOPES = frozenset({"treatment", "adr", "acd", "dnr", "polst", "emrgonly", "hcd", "npp", "hipaa-npp", "rsdid-c"})
"""Scopes and categories of consents to care and of advance directives: they say nothing of research."""
_IN_FORCE = frozenset({"active", "rejected"})
_NO_STATEMENT = frozenset({"", "na", "un", "nr", "nc", "non renseigne", "information manquante", "not collected", "inconnu"})


@dataclass(frozen=True)
class _Said:
    """One identifier and whether its person objects."""

    system: str
    identifier: str
    channel: str


def read_objections(source: ClinicalSource, path: Path | str, centre: str, mapped: Path | None = None) -> pl.DataFrame:
    """Return who objects, in the columns of `OBJECTIONS`, as a clinical source of a centre says it.

    Args:
        source: What the study file says of the source: its format, and the column of objections where one is named.
        path: Where it is.
        centre: Name of the centre.
        mapped: Mapping file of a CSV source.

    Raises:
        UserError: If the source, or the table or column that the study file names, is not there.
    """
    found: list[_Said] = []
    if source.format == "fhir":
        found += _of_consents(Path(path))
    elif source.format in {"osiris", "osiris-rwd", "csv"}:
        rules = mapping_rules.read_mapping(mapped) if mapped else mapping_rules.packaged_mapping(source.format)
        found += _of_rules(rules, Path(path))
    if source.objection is not None:
        found += _of_column(source, source.objection, path)
    rows = sorted({(centre, one.system, one.identifier.strip(), one.channel) for one in found if one.identifier.strip()})
    return pl.DataFrame(rows, schema=OBJECTIONS, orient="row")


def objects(word: str | None, stays: Iterable[str]) -> bool:
    """Return whether a word in a column says that the person objects: any word but those that say the contrary, or nothing.

    Example:
        >>> [objects(word, ["OUI"]) for word in ("NON", "oui", "", None, "refus")]
        [True, False, False, False, True]
    """
    plain = _plain(word)
    return plain not in _NO_STATEMENT and plain not in {_plain(one) for one in stays}


def _plain(word: str | None) -> str:
    letters = unicodedata.normalize("NFKD", str(word or "").strip().casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _of_rules(rules: mapping_rules.TableMapping, path: Path) -> Iterator[_Said]:
    """Yield what the tables say that a mapping names an objection of."""
    with tempfile.TemporaryDirectory() as scratch:
        found = all_tables(path, Path(scratch))
        asked = [(rule, name) for rule, name in mapping_rules.rules_of(rules, found) if rule.objection is not None]
        tables = {name: reading.read_tables(found[name], name) for _, name in asked}
    for rule, name in asked:
        assert rule.objection is not None
        table = tables[name]
        column, person = rule.objection.column.lower(), rule.person.lower()
        dated = [rule.objection.date.lower() + part for part in ("", "year", "_year", "_yyyy")] if rule.objection.date else []
        frame = mapping.renamed(table.frame, rule)
        for row in frame.iter_rows(named=True):
            said = row.get(column)
            # A date of objection beside no word says that there was one.
            alone = _plain(said) in _NO_STATEMENT and any(_plain(row.get(one)) not in _NO_STATEMENT for one in dated)
            if row.get(person) and (alone or objects(said, rule.objection.stays)):
                yield from (_Said(system, str(row[person]), rules.name) for system in rules.systems)


def _of_column(source: ClinicalSource, told: ObjectionColumn, path: Path | str) -> Iterator[_Said]:
    """Yield what a column says that the study file names."""
    if source.format == "omop" and databases.is_database(path):
        with tempfile.TemporaryDirectory() as copies:
            files = databases.copy_database(path, {told.table.lower(): None}, Path(copies))
            table = reading.read_tables(files[told.table.lower()], told.table) if told.table.lower() in files else None
    else:
        with tempfile.TemporaryDirectory() as scratch:
            files = all_tables(Path(path), Path(scratch))
            table = reading.read_tables(files[told.table.lower()], told.table) if told.table.lower() in files else None
    wanted = [told.person.lower(), told.column.lower()]
    missing = [name for name in wanted if table is None or name not in table.frame.columns]
    if table is None or missing:
        what = f"table {told.table}" if table is None else f"column {missing[0]} in table {told.table}"
        raise UserError(f"There is no {what}, which `objection` names. Correct it: who objects must not be overlooked.")
    for person, word in table.frame.select(wanted).iter_rows():
        said = _plain(word)
        if person is not None and said not in _NO_STATEMENT and said in {_plain(one) for one in told.values}:
            yield _Said(told.system, str(person), "column")


def _of_consents(path: Path) -> Iterator[_Said]:
    """Yield whom an active Consent of FHIR R4 or R5 denies research for."""
    for _, _, consent in fhir.resource_files(fhir.find_files(path), "Consent"):
        if _denies(consent):
            yield from _persons(consent)


def _denies(consent: Resource) -> bool:
    if str(consent.get("status")) not in _IN_FORCE:
        return False
    codes = {code.lower() for concept in [consent.get("scope"), *_list(consent.get("category"))] for code in _codes(concept)}
    if codes & _OTHER_SCOPES and not codes & _RESEARCH:
        return False
    # R4 has one provision, R5 a list and a decision; provisions within may take back what stands above them.
    return (
        consent.get("status") == "rejected"
        or consent.get("decision") == "deny"
        or any(_provision_denies(one) for one in _list(consent.get("provision")))
    )


def _provision_denies(provision: Any) -> bool:
    if not isinstance(provision, dict):
        return False
    inner = any(_provision_denies(one) for one in _list(provision.get("provision")) if _of_research(one))
    return (provision.get("type") == "deny" and _of_research(provision)) or inner


def _of_research(provision: Any) -> bool:
    """Return whether a provision is about research: by its purpose, or because it names none."""
    if not isinstance(provision, dict):
        return False
    purposes = {str(one.get("code")).upper() for one in _list(provision.get("purpose")) if isinstance(one, dict)}
    return not purposes or any("RESCH" in code or "RESEARCH" in code for code in purposes)


def _persons(consent: Resource) -> Iterator[_Said]:
    about = consent.get("patient") or consent.get("subject") or {}
    reference = about.get("reference") if isinstance(about, dict) else None
    if reference:
        yield _Said("fhir", str(reference).split("/_history/")[0].rsplit("/", 1)[-1].removeprefix("urn:uuid:"), "fhir-consent")
    identifier = about.get("identifier") if isinstance(about, dict) else None
    if isinstance(identifier, dict) and identifier.get("value"):
        yield _Said("ipp", str(identifier["value"]), "fhir-consent")


def _codes(concept: Any) -> set[str]:
    coding = _list(concept.get("coding")) if isinstance(concept, dict) else []
    return {str(one.get("code")) for one in coding if isinstance(one, dict) and one.get("code")}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
