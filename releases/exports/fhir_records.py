"""Patients, specimens, imaging studies and their features as resources of FHIR R4."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from math import isfinite
from typing import cast

import polars as pl

from unibase.releases.exports.fhir_events import Event
from unibase.releases.exports.fhir_forms import DICOM, OWN, Json, concept, moment, subject, worlds

_CANCER_PATIENT = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-cancer-patient"
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
FEATURE = "unibase_feature//"
"""What codes of features begin with, as in OMOP."""


def patient_of(number: str, events: Sequence[Event]) -> Json:
    """Return the Patient of a subject: birth and death as far as they are known, no name.

    Args:
        number: The subject_id.
        events: All events of the subject.
    """
    sex = next((event.code[-1] for event in events if event.code in ("SEX//F", "SEX//M", "GENDER//F", "GENDER//M")), None)
    birth = next((event.start for event in events if event.code == "MEDS_BIRTH"), None)
    deaths = [event for event in events if event.code == "MEDS_DEATH"]
    died = next((event.start for event in deaths if event.start), None)
    dead = {"deceasedDateTime": died} if died else {"deceasedBoolean": True if deaths else None}
    return {
        "resourceType": "Patient",
        "id": number,
        "meta": {"profile": [_CANCER_PATIENT]},
        "identifier": [{"system": "urn:unibase:subject", "value": number}],
        "name": [{"extension": [{"url": _ABSENT, "valueCode": "masked"}]}],
        "gender": {"F": "female", "M": "male"}.get(str(sex), "unknown"),
        "birthDate": birth and birth[:10],
        **dead,
    }


def specimen_of(row: Mapping[str, object]) -> Json:
    """Return the Specimen of a `row` of SAMPLE_MAP."""
    words = " ".join(str(row[name]) for name in ("assay", "sample_type") if row[name] is not None)
    return {
        "resourceType": "Specimen",
        "identifier": [{"system": "urn:unibase:sample", "value": row["colname"]}],
        "status": "available" if row["status"] == "used" else None,
        "type": {"text": words},
        "subject": subject(row["primary"]),
        "collection": {"collectedDateTime": moment(cast(datetime | None, row["sample_time"]))},
    }


def imaging_of(study: pl.DataFrame) -> Iterator[Json]:
    """Yield the ImagingStudy of the rows of FEATURES of one `study`, then an Observation for each region, a component a feature."""
    first = study.row(0, named=True)
    series = study.select("SeriesInstanceUID", "Modality").unique(maintain_order=True)
    uid = {"system": "urn:dicom:uid", "value": f"urn:oid:{first['StudyInstanceUID']}"}
    yield {
        "resourceType": "ImagingStudy",
        "identifier": [uid],
        "status": "available",
        "subject": subject(first["subject_id"]),
        "started": moment(first["series_time"]),
        "series": [{"uid": one, "modality": {"system": DICOM, "code": kind or "OT"}} for one, kind in series.iter_rows()],
    }
    names = [name for name, dtype in study.schema.items() if dtype.is_float()]
    for row in study.iter_rows(named=True):
        yield _features(row, names, uid)


def _features(row: Mapping[str, object], names: Sequence[str], study: Json) -> Json:
    stem = "_".join(str(row[name]) for name in ("Modality", "region", "image_type") if row[name] is not None)
    values = ((name, cast(float | None, row[name])) for name in names)
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [worlds("observation-category", "imaging")],
        "code": concept(f"{FEATURE}{stem}"),
        "subject": subject(row["subject_id"]),
        "effectiveDateTime": moment(cast(datetime | None, row["series_time"])),
        "derivedFrom": [{"type": "ImagingStudy", "identifier": study}],
        "component": [
            {"code": {"coding": [{"system": OWN, "code": f"{FEATURE}{stem}_{name}"}]}, "valueQuantity": {"value": value}}
            for name, value in values
            if value is not None and isfinite(value)
        ],
    }
