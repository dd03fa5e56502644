"""Who the persons of a clinical source are: the rows the identity ledger links, for sources that hold identities."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from unibase.clinical.formats import fhir, mapping_rules, omop
from unibase.clinical.formats.mapped_batches import open_mapped
from unibase.clinical.sources import databases, reading
from unibase.clinical.sources.workbooks import all_tables
from unibase.clinical.timelines.centre import Format
from unibase.clinical.words import partial_dates
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import PEOPLE

_PLACE_CODE = "fr-core-address-insee-code"


def read_people(format: Format, path: Path | str, centre: str) -> pl.DataFrame:
    """Return PEOPLE: one row per identifier of every person of a source.

    FHIR Patients give names, birth, sex, place of birth, hospital numbers (`ipp`), INS (by its OID) and their id
    (`fhir`); OMOP PERSON gives person_id (`omop`), person_source_value (`ipp`), birth and sex; OSIRIS and OSIRIS-RWD give
    the patient number (`osiris`, and the same as `ipp`), birth and sex.

    Raises:
        UserError: If the format holds no identities, or the source cannot be read.
    """
    if format == "omop" and databases.is_database(path):
        rows = _of_omop_persons(_person_of_database(path), centre)
        frame = pl.DataFrame(rows, schema=PEOPLE.schema(), orient="row", infer_schema_length=None)
        return PEOPLE.conform(frame.unique(list(PEOPLE.key), keep="first", maintain_order=True))
    path = Path(path)
    if format == "fhir":
        rows = _from_fhir(path, centre)
    elif format == "omop":
        rows = _from_omop(path, centre)
    elif format in {"osiris", "osiris-rwd"}:
        rows = _from_mapping(path, centre, mapping_rules.packaged_mapping(format))
    else:
        raise UserError("A CSV source does not say who its persons are. Name a people file for the centre.")
    frame = pl.DataFrame(rows, schema=PEOPLE.schema(), orient="row", infer_schema_length=None)
    # A source may repeat a person; the first row that names an identifier counts.
    return PEOPLE.conform(frame.unique(list(PEOPLE.key), keep="first", maintain_order=True))


def _person_of_database(path: Path | str) -> reading.SourceTable:
    with tempfile.TemporaryDirectory() as folder:
        copies = databases.copy_database(path, {"person": None}, Path(folder))
        if "person" not in copies:
            raise UserError("There is no PERSON table in this database. Name its schema: ?schema=cdm.")
        return reading.read_tables(copies["person"], "person")


def _row(centre: str, key: str, system: str, value: str, source: str, number: int, **known: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(PEOPLE.schema())
    row |= {"centre": centre, "person_key": key, "system": system, "identifier": value, "source": source, "source_row": number}
    return row | known


def _from_fhir(path: Path, centre: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for file, number, patient in fhir.resource_files(fhir.find_files(path), "Patient"):
        identifiers = fhir.patient_identifiers(patient)
        ins = next((one.value for one in identifiers if one.system == "ins"), None)
        known = {
            "ins": ins,
            **_names(patient.get("name") or []),
            "birth_date": patient.get("birthDate"),
            "sex": {"male": "M", "female": "F"}.get(str(patient.get("gender"))),
            "birth_place_code": _birth_place(patient),
        }
        key = str(patient.get("id"))
        rows += [_row(centre, key, one.system, one.value, file.name, number, **known) for one in identifiers]
    return rows


def _names(names: list[dict[str, Any]]) -> dict[str, str | None]:
    """Return the family name at birth, the one in use and the given names (FR Core: `official` is the name at birth)."""
    by_use = {str(name.get("use", "")): name for name in reversed(names)}
    birth = by_use.get("official") or by_use.get("maiden") or (names[0] if names else {})
    used = by_use.get("usual") or birth
    given = [part for part in birth.get("given") or used.get("given") or [] if part]
    maiden = (by_use.get("maiden") or birth).get("family")
    return {
        "birth_family_name": maiden,
        "used_family_name": used.get("family"),
        "given_names": " ".join(given) or None,
    }


def _birth_place(patient: dict[str, Any]) -> str | None:
    """Return the INSEE code of the place of birth, which FR Core keeps in an extension of the address."""
    for extension in patient.get("extension") or []:
        if str(extension.get("url", "")).endswith("patient-birthPlace"):
            for inner in (extension.get("valueAddress") or {}).get("extension") or []:
                if str(inner.get("url", "")).endswith(_PLACE_CODE):
                    code = (inner.get("valueCoding") or {}).get("code") or inner.get("valueString")
                    return str(code) if code else None
    return None


def _from_omop(path: Path, centre: str) -> list[dict[str, Any]]:
    found = {name.removeprefix("2b_"): files for name, files in reading.find_tables(path).items()}
    if "person" not in found:
        raise UserError(f"There is no PERSON table in {path}. Name the folder that holds person.csv.")
    return _of_omop_persons(reading.read_tables(found["person"], "person"), centre)


def _of_omop_persons(table: reading.SourceTable, centre: str) -> list[dict[str, Any]]:
    frame = omop.omop_persons(table)
    rows: list[dict[str, Any]] = []
    for one in frame.iter_rows(named=True):
        if one["person"] is None:
            continue
        parts = [one["year_of_birth"], one["month_of_birth"], one["day_of_birth"]]
        known = {"birth_date": _iso(parts), "sex": one["sex"]}
        rows.append(_row(centre, one["person"], "omop", one["person"], "person", one["source_row"], **known))
        if one["ipp"]:
            rows.append(_row(centre, one["person"], "ipp", one["ipp"], "person", one["source_row"], **known))
    return rows


def _from_mapping(path: Path, centre: str, rules: mapping_rules.TableMapping) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as scratch:
        return _of_mapped_persons(all_tables(path, Path(scratch)), centre, rules, path)


def _of_mapped_persons(
    found: Mapping[str, Sequence[Path]], centre: str, rules: mapping_rules.TableMapping, path: Path
) -> list[dict[str, Any]]:
    rules = rules.model_copy(update={"tables": [rule for rule in rules.tables if rule.persons]})
    # The others need not be read for this.
    wanted = {name: found[name] for _, name in mapping_rules.rules_of(rules, found)}
    plan = open_mapped(rules, wanted, path, None)
    facts: dict[str, dict[str, Any]] = {}
    for table in (table for part in plan.parts for table in plan.read(part)):
        for row in table.events.iter_rows(named=True):
            known = facts.setdefault(row["person"], {"source": table.table, "number": row["source_row"]})
            if row["code"] == "MEDS_BIRTH":
                known["birth_date"] = partial_dates.iso_date(row["time_min"], row["time_max"])
            elif row["code"].startswith("SEX//"):
                known["sex"] = row["code"].removeprefix("SEX//")
    rows: list[dict[str, Any]] = []
    for person, known in sorted(facts.items()):
        place = (known.pop("source"), known.pop("number"))
        rows += [_row(centre, person, system, person, place[0], place[1], **known) for system in rules.systems]
    return rows


def _iso(parts: list[str | None]) -> str | None:
    """Return the date cut to what is known: nothing after the first unknown part."""
    known: list[str] = []
    for part, width in zip(parts, (4, 2, 2), strict=True):
        if not part or not part.isdecimal():
            break
        known.append(part.zfill(width))
    return "-".join(known) or None
