"""What the status of a record says of the act it is about: done, planned, suspected, not done, or withdrawn.

An act that was not done is no act, and a plan is no sign of life. `docs/clinical-rules.md` is the table of these rules; the tests read it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Literal

Modality = Literal["done", "planned", "suspected", "not-done", "withdrawn"]

PLANNED, SUSPECTED = "PLANNED//", "SUSPECTED//"
REFUTED = "REFUTED//MEDS_DEATH"
"""Code of a death that does not count: later acts outvote it, or nothing certain says it. Every endpoint of its subject tells."""
IMPOSSIBLE = "IMPOSSIBLE//"
"""What is put, with the name of a check, before the code of an event that cannot be true: `IMPOSSIBLE//value-range//LOINC//718-7`."""
PREFIX: Mapping[Modality, str] = {"done": "", "planned": PLANNED, "suspected": SUSPECTED}
"""What is put before the code of an event: no concept holds a code that begins so, unless a study asks for it."""

DEATH_WORD = (
    r"^(?:PATIENT |SORTIE PAR |SORTIE )?(?:DIED|DEAD|DECEASED|EXPIRED|DEATH|DECES|DECEDEE?|DCD|MORTE?|VERSTORBEN|GESTORBEN|TOD|EXITUS|"
    r"FALLECID[OA]|DECEDUT[OA]|OVERLEDEN|OBITO)(?:\W|$)"
)
"""What a source writes, in capitals without accents, for the end of a stay with death; numbers mean something else in each country."""

_COMMON: dict[str, Modality] = {"entered-in-error": "withdrawn", "unknown": "done"}
_COURSE: dict[str, Modality] = {**_COMMON, "in-progress": "done", "on-hold": "done", "stopped": "done", "completed": "done"}

FHIR_STATUS: Mapping[str, Mapping[str, Modality]] = {
    "Observation": {
        **_COMMON, "registered": "planned", "preliminary": "done", "final": "done", "amended": "done", "corrected": "done",
        "cancelled": "not-done",
    },
    "DiagnosticReport": {
        **_COMMON, "registered": "planned", "partial": "done", "preliminary": "done", "final": "done", "amended": "done",
        "corrected": "done", "appended": "done", "cancelled": "not-done",
    },
    "Encounter": {
        **_COMMON, "planned": "planned", "arrived": "done", "triaged": "done", "in-progress": "done", "onleave": "done",
        "finished": "done", "cancelled": "not-done",
    },
    "Procedure": {**_COURSE, "preparation": "planned", "not-done": "not-done"},
    "MedicationAdministration": {**_COURSE, "not-done": "not-done"},
    "MedicationDispense": {
        **_COURSE, "preparation": "planned", "in-progress": "planned", "on-hold": "planned", "cancelled": "not-done",
        "declined": "not-done",
    },
    "MedicationRequest": {
        **_COMMON, "active": "done", "on-hold": "done", "completed": "done", "stopped": "done", "draft": "planned",
        "cancelled": "not-done",
    },
    "MedicationStatement": {
        **_COMMON, "active": "done", "completed": "done", "stopped": "done", "on-hold": "done", "intended": "planned",
        "not-taken": "not-done",
    },
    "ImagingStudy": {**_COMMON, "registered": "planned", "available": "done", "cancelled": "not-done"},
    "Specimen": {"available": "done", "unavailable": "done", "unsatisfactory": "done", "entered-in-error": "withdrawn"},
    "Immunization": {"completed": "done", "not-done": "not-done", "entered-in-error": "withdrawn"},
}  # fmt: skip
"""By resource of FHIR R4, every word of its `status`. A MedicationRequest is the order, which is done when it stands."""

_ELSEWHERE: Mapping[str, Modality] = {
    "entered-in-error": "withdrawn", "not-done": "not-done", "cancelled": "not-done", "abandoned": "not-done", "revoked": "not-done",
    "planned": "planned", "draft": "planned", "proposed": "planned", "pending": "planned", "booked": "planned",
}  # fmt: skip
"""Words that say the same wherever they stand; of other words that R4 does not have for a resource the act counts as done."""


def fhir_status(resource: str, word: str) -> Modality:
    """Return what a status, `word`, says of the act of a `resource`, named by its type.

    >>> fhir_status("Observation", "entered-in-error"), fhir_status("Observation", "final")
    ('withdrawn', 'done')
    """
    return FHIR_STATUS.get(resource, {}).get(word) or _ELSEWHERE.get(word, "done")


FHIR_INTENT: Mapping[str, Modality] = {
    "proposal": "planned", "plan": "planned", "option": "planned", "order": "done", "original-order": "done",
    "reflex-order": "done", "filler-order": "done", "instance-order": "done",
}  # fmt: skip
"""Every word of `intent` of a FHIR R4 MedicationRequest."""

FHIR_VERIFICATION: Mapping[str, Modality] = {
    "unconfirmed": "suspected", "provisional": "suspected", "differential": "suspected", "confirmed": "done", "refuted": "not-done",
    "entered-in-error": "withdrawn",
}  # fmt: skip
"""Every word of `verificationStatus` of a FHIR R4 Condition."""

OMOP_CONDITION_STATUS: Mapping[int, Modality] = {32892: "suspected", 32899: "suspected"}
"""Concepts of OMOP's condition status that say no confirmed diagnosis: to be diagnosed by a procedure, preliminary diagnosis."""

_WORST: tuple[Modality, ...] = ("withdrawn", "not-done", "suspected", "planned", "done")


def least(*said: Modality) -> Modality:
    """Return the word that counts when several are said of one act: the one that leaves least of it.

    >>> least("done", "planned")
    'planned'
    """
    return min(said, key=_WORST.index, default="done")


def is_death_word(text: str) -> bool:
    """Tell whether a `text` is what a source writes for the end of a stay with death.

    >>> is_death_word("Décédé"), is_death_word("HOME")
    (True, False)
    """
    plain = "".join(one for one in unicodedata.normalize("NFD", text.strip().upper()) if not unicodedata.combining(one))
    return re.match(DEATH_WORD, plain) is not None
