"""FHIR R4: NDJSON, Bundles and single resources in JSON."""

from __future__ import annotations

from functools import partial

from unibase.clinical.formats import fhir
from unibase.clinical.formats.declaration import Asked, ClinicalFormat
from unibase.clinical.formats.fhir_batches import open_fhir
from unibase.clinical.formats.fhir_consents import objecting_by_consent
from unibase.clinical.formats.fhir_people import fhir_people
from unibase.clinical.sources.events import Opener


def _open(asked: Asked) -> Opener:
    return partial(open_fhir, asked.folder, asked.texts)


FORMAT = ClinicalFormat(title="FHIR R4", open=_open, files=fhir.find_files, people=fhir_people, objections=objecting_by_consent)
