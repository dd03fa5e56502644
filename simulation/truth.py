"""What is true of a simulated tree, for tests only: who is who, what happened when, what was planted and what was broken."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydicom.dataset import Dataset
from pydicom.valuerep import PersonName

from unibase.simulation.invented_persons import Person, Registration
from unibase.simulation.tables import Row

SCHEMAS: dict[str, pa.Schema] = {
    "persons": pa.schema([
        ("person", pa.string()), ("centre", pa.string()), ("sex", pa.string()), ("birth_date", pa.string()), ("ins", pa.string()),
        ("burden", pa.float64()), ("heterogeneity", pa.float64()), ("inflammation", pa.float64()), ("immunity", pa.float64()),
        ("log_hazard", pa.float64()), ("tumour_mm", pa.float64()), ("stage", pa.string()), ("icd10", pa.string()),
        ("has_ct", pa.bool_()), ("has_pet", pa.bool_()), ("has_rna", pa.bool_()), ("has_mutations", pa.bool_()), ("treated", pa.bool_()),
        ("died", pa.bool_()), ("progressed", pa.bool_()), ("centres", pa.int64()), ("twin_of", pa.string()),
    ]),
    "identifiers": pa.schema([
        ("person", pa.string()), ("centre", pa.string()), ("kind", pa.string()), ("value", pa.string()), ("source", pa.string()),
        ("distinctive", pa.bool_()),
    ]),
    "links": pa.schema([
        ("person", pa.string()), ("centre", pa.string()), ("person_key", pa.string()), ("system", pa.string()), ("identifier", pa.string()),
        ("variant", pa.string()),
    ]),
    "timeline": pa.schema([
        ("person", pa.string()), ("centre", pa.string()), ("event", pa.string()), ("code", pa.string()), ("date", pa.string()),
        ("precision", pa.string()), ("days_from_treatment", pa.int64()),
    ]),
    "imaging": pa.schema([
        ("person", pa.string()), ("centre", pa.string()), ("visit", pa.string()), ("modality", pa.string()),
        ("StudyInstanceUID", pa.string()), ("SeriesInstanceUID", pa.string()), ("instances", pa.int64()), ("folder", pa.string()),
        ("target_roi", pa.string()), ("tumour_voxels", pa.int64()), ("tumour_mm3", pa.float64()), ("tumour_mean", pa.float64()),
        ("tumour_sd", pa.float64()), ("tumour_max", pa.float64()),
    ]),
    "volumes": pa.schema([
        ("person", pa.string()), ("centre", pa.string()), ("kind", pa.string()), ("modality", pa.string()),
        ("SeriesInstanceUID", pa.string()), ("volume", pa.string()), ("tumour_mean", pa.float64()),
    ]),
    "samples": pa.schema([
        ("sample", pa.string()), ("person", pa.string()), ("centre", pa.string()), ("sample_type", pa.string()), ("in_rna", pa.bool_()),
        ("in_mutations", pa.bool_()), ("collected", pa.string()), ("swapped_with", pa.string()),
    ]),
    "broken": pa.schema([
        ("centre", pa.string()), ("person", pa.string()), ("path", pa.string()), ("unit", pa.string()), ("kind", pa.string()),
        ("reason", pa.string()),
    ]),
    "wrong_links": pa.schema([
        ("centre", pa.string()), ("sample", pa.string()), ("person", pa.string()), ("linked_to", pa.string()),
    ]),
    "wrong_series": pa.schema([
        ("centre", pa.string()), ("SeriesInstanceUID", pa.string()), ("person", pa.string()), ("linked_to", pa.string()),
    ]),
    "misplaced": pa.schema([
        ("kind", pa.string()), ("sample", pa.string()), ("person", pa.string()), ("other", pa.string()), ("other_person", pa.string()),
    ]),
    "associations": pa.schema([
        ("latent", pa.string()), ("modality", pa.string()), ("variable", pa.string()), ("direction", pa.int64()), ("effect", pa.float64()),
        ("scale", pa.string()),
    ]),
}  # fmt: skip

ASSOCIATIONS: tuple[tuple[str, str, str, int, float, str], ...] = (
    ("burden", "imaging", "original_shape_MeshVolume", 1, 0.75, "log volume per standard deviation"),
    ("burden", "imaging", "original_shape_Maximum3DDiameter", 1, 0.25, "log diameter per standard deviation"),
    ("heterogeneity", "imaging", "CT original_firstorder_Variance", 1, 0.9, "log variance of the texture per standard deviation"),
    ("heterogeneity", "imaging", "PT original_firstorder_Mean", 1, 0.35, "log SUV per standard deviation"),
    *(("heterogeneity", "rna", gene, 1, 0.8, "log2 expression per standard deviation") for gene in ("MKI67", "TOP2A", "CCNB1", "CDK1", "AURKA", "CDCA8", "CDC20", "SPAG5")),
    *(("burden", "rna", gene, 1, 0.8, "log2 expression per standard deviation") for gene in ("CA9", "VEGFA", "SLC2A1", "LDHA", "PGK1", "ADM")),
    *(("immunity", "rna", gene, 1, 0.8, "log2 expression per standard deviation") for gene in ("CD8A", "GZMA", "PRF1", "IFNG", "CXCL9", "CD274")),
    ("heterogeneity", "mutations", "TP53", 1, 2.0, "log odds per standard deviation"),
    ("burden", "mutations", "KEAP1", 1, 1.0, "log odds per standard deviation"),
    ("immunity", "mutations", "STK11", -1, -1.0, "log odds per standard deviation"),
    ("burden", "clinical", "LOINC 14804-9", 1, 0.35, "log value per standard deviation"),
    ("burden", "clinical", "stage", 1, 1.7, "stage groups per standard deviation"),
    ("inflammation", "clinical", "LOINC 1988-5", 1, 0.8, "log value per standard deviation"),
    ("inflammation", "clinical", "LOINC 718-7", -1, -0.8, "g/dL per standard deviation"),
    ("burden", "clinical", "overall survival", 1, 0.9, "log hazard ratio per standard deviation"),
    ("heterogeneity", "clinical", "overall survival", 1, 0.7, "log hazard ratio per standard deviation"),
    ("immunity", "clinical", "overall survival", -1, -0.4, "log hazard ratio per standard deviation"),
)  # fmt: skip

DATE_TEXT = re.compile(r"\d{4}[-/](?:0[1-9]|1[0-2])[-/](?:\d{2}|UN)(?:[T ]\d{2}:\d{2}:\d{2}[^\s\x1f]*)?|\d{4}/(?:0[1-9]|1[0-2])")
"""A date as the clinical sources write it: to the day, or to the month with a slash."""
ZONE_INDEPENDENT = re.compile(r"^\d{4}-\d{2}-\d{2}")
NAME_KEYWORDS = ("PatientName", "PatientBirthName")
TEXT_KEYWORDS = (
    "AccessionNumber", "StudyID", "AdmissionID", "DeviceSerialNumber", "StationName", "InstitutionName", "InstitutionAddress",
    "PatientAddress", "PatientTelephoneNumbers", "AdditionalPatientHistory", "PatientComments", "IssuerOfPatientID", "ProtocolName",
    "ImageComments", "StructureSetName", "ContentDescription",
)  # fmt: skip


IDENTIFIERS_IN_MEMORY = 50_000


class Truth:
    """Gathers the truth of a tree and writes it as Parquet.

    Args:
        folder: `truth/` of the tree.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: dict[str, list[dict[str, Any]]] = {name: [] for name in SCHEMAS}
        self._seen: dict[tuple[str, str, str, str], str] = {}
        self._settled: set[str] = set()
        self._writer: pq.ParquetWriter | None = None

    def add(self, table: str, **values: object) -> None:
        """Add one row to a truth table."""
        self.rows[table].append(values)

    def identifier(self, person: Person | None, centre: str, kind: str, value: object, source: str) -> None:
        """Note one identifier as a source writes it, once for each person, centre and kind.

        Args:
            person: The simulated person; None for nobody.
            centre: Name of the centre.
            kind: Kind of the identifier.
            value: The identifier as the source writes it.
            source: Where it stands.
        """
        text = str(value).strip()
        if text:
            self._seen.setdefault((person.name if person else "", centre, kind, text), source)

    def registration(self, person: Person, registration: Registration, keys: dict[str, str]) -> None:
        """Note how a centre knows a person: every spelling of the name and number, and the keys of its systems.

        Args:
            person: The simulated person.
            registration: The person's registration in the centre.
            keys: Keys of the person by system of the centre.
        """
        identity, centre = registration.identity, registration.centre
        for system, identifier in keys.items():
            self.add("links", person=person.name, centre=centre, person_key=registration.ipp, system=system, identifier=identifier,
                     variant=registration.variant)  # fmt: skip
            self.identifier(person, centre, f"number:{system}", identifier, "people")
        self.identifier(person, centre, "number:ins", identity.ins, "people")
        for name in (identity.birth_family_name, identity.used_family_name):
            self.identifier(person, centre, "name:family", name, "people")
        for name in identity.given_names.split(" "):
            self.identifier(person, centre, "name:given", name, "people")
        self.identifier(person, centre, "date:birth", identity.birth_date, "people")
        self.identifier(person, centre, "address", identity.address, "people")
        self.identifier(person, centre, "phone", identity.phone, "people")

    def clinical(self, person: Person, centre: str, row: Row) -> Row:
        """Note the dates, identifiers and free text of a clinical row, and hand the row on.

        Args:
            person: The simulated person.
            centre: Name of the centre.
            row: The row.
        """
        table, values = row
        leaves = _leaves(values)
        for found in DATE_TEXT.finditer("\x1f".join(text for _, text in leaves)):
            written = found.group()
            self.identifier(person, centre, "date", written, table)
            if len(written) > 10 and ZONE_INDEPENDENT.match(written):
                self.identifier(person, centre, "date", written[:10], table)
        for key, text in leaves:
            if key == "id":
                self.identifier(person, centre, "number:resource", text, table)
            elif key in ("note_text", "text") and len(text) > 40:
                self.identifier(person, centre, "text", text, table)
        return row

    def dicom(self, person: Person | None, centre: str, ds: Dataset) -> None:
        """Note every identifier of a DICOM header: names, numbers, texts, dates and UIDs.

        Args:
            person: The simulated person; None for nobody.
            centre: Name of the centre.
            ds: The DICOM header.
        """
        modality = str(ds.get("Modality", "DICOM"))
        for element in ds.iterall():
            values = element.value if element.VM > 1 and not isinstance(element.value, str) else [element.value]
            match element.VR:
                case "UI":
                    for value in values:
                        if not str(value).startswith("1.2.840.10008"):
                            self.identifier(person, centre, "uid", value, modality)
                case "DA":
                    self.identifier(person, centre, "date", element.value, modality)
                case "DT":
                    self.identifier(person, centre, "date", str(element.value), modality)
                case "PN":
                    kind = "name:dicom" if element.keyword in NAME_KEYWORDS else "name:staff"
                    self.identifier(person, centre, kind, str(PersonName(element.value)), modality)
                case _ if element.keyword in ("PatientID",):
                    self.identifier(person, centre, "number:dicom", element.value, modality)
                case _ if element.keyword in TEXT_KEYWORDS:
                    self.identifier(person, centre, "text", element.value, modality)

    def settle(self, person: Person) -> None:
        """Say that no further identifier of `person` comes, so that its rows may leave memory for the disk."""
        self._settled.add(person.name)
        if len(self._seen) > IDENTIFIERS_IN_MEMORY:
            kept: dict[tuple[str, str, str, str], str] = {}
            gone: dict[tuple[str, str, str, str], str] = {}
            for key, source in self._seen.items():
                (gone if key[0] in self._settled else kept)[key] = source
            self._seen = kept
            self._write_identifiers(gone)

    def write(self) -> None:
        """Write every table; an existing one grows by the new rows."""
        for name, schema in SCHEMAS.items():
            if name != "identifiers":
                path = self.folder / f"{name}.parquet"
                table = pa.Table.from_pylist(self.rows[name], schema=schema)
                if path.exists():
                    table = pa.concat_tables([pq.read_table(path), table])
                self.folder.mkdir(parents=True, exist_ok=True)
                pq.write_table(table, path, compression="zstd")
        self._write_identifiers(self._seen)
        if self._writer:
            self._writer.close()
        self.rows = {name: [] for name in SCHEMAS}

    def _write_identifiers(self, seen: dict[tuple[str, str, str, str], str]) -> None:
        rows = [
            {
                "person": person,
                "centre": centre,
                "kind": kind,
                "value": value,
                "source": source,
                "distinctive": _distinctive(kind, value),
            }
            for (person, centre, kind, value), source in seen.items()
        ]
        table = pa.Table.from_pylist(rows, schema=SCHEMAS["identifiers"])
        path = self.folder / "identifiers.parquet"
        if self._writer is None:
            before = pq.read_table(path) if path.exists() else None
            self.folder.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(path, SCHEMAS["identifiers"], compression="zstd")
            if before is not None:
                self._writer.write_table(before)
        self._writer.write_table(table)


def _distinctive(kind: str, value: str) -> bool:
    """Return whether a value found in a release must have leaked: long, and no day that a shifted date may hit by chance.

    Short names occur in words and in random bytes. A day of one person may be the shifted day of another: it is a leak
    only in that person's own rows.

    `kind`: kind of the identifier; `value`: the value.
    """
    if kind in ("date", "date:birth"):
        return False
    return len(value) >= (6 if kind.startswith("name") else 7)


def _leaves(values: object, key: str = "") -> list[tuple[str, str]]:
    if isinstance(values, dict):
        return [leaf for k, value in values.items() for leaf in _leaves(value, k)]
    if isinstance(values, list):
        return [leaf for value in values for leaf in _leaves(value, key)]
    return [(key, str(values))]
