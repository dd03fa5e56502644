"""Which texts may travel: codes and words of closed lists. Free text may name a person, so it stays behind.

A text passes when it is a word of a list below, looks like a coded value (a TNM category, a stage, a grade, a code), or
is listed by a study's mapping. Anything else is withheld, and the event says so in the table of problems.
"""

from __future__ import annotations

import polars as pl

WORDS = frozenset(
    [
        "y",
        "n",
        "yes",
        "no",
        "oui",
        "non",
        "true",
        "false",
        "present",
        "absent",
        "inconnu",
        "unknown",
        "un",
        "nc",
        "na",
        "male",
        "female",
        "m",
        "f",
        "positive",
        "negative",
        "positif",
        "negatif",
        "négatif",
        "indeterminate",
        "non-reactive",
        "reactive",
        "detected",
        "not-detected",
        "contributif",
        "cr",
        "pr",
        "sd",
        "pd",
        "ne",
        "non-cr/non-pd",
        "scr",
        "vgpr",
        "ned",
        "nd",
        "icr",
        "ipr",
        "isd",
        "iupd",
        "icpd",
        "non-icr/non-iupd",
        "increased",
        "equivocal",
        "unequivocal",
        "unequivocal-progression",
        "not-evaluable",
        "inevaluable",
        "nonicr/noniupd",
        "complete-response",
        "partial-response",
        "stable-disease",
        "progressive-disease",
        "not-assessed",
        "not-done",
        "missing",
        "in",
        "out",
        "l",
        "r",
        "b",
        "left",
        "right",
        "bilateral",
        "gauche",
        "droit",
        "droite",
        "links",
        "rechts",
        "beidseitig",
        "beidseits",
        "bilatérale",
        "midline",
        "bilatéral",
        "bilateral",
        "median",
        "médian",
        "low",
        "high",
        "normal",
        "abnormal",
        "intermediate",
        "h",
        "ll",
        "hh",
        "s",
        "i",
        "trace",
        "none",
        "mild",
        "moderate",
        "severe",
        "ct",
        "mr",
        "pt",
        "pet",
        "nm",
        "us",
        "xa",
        "mg",
        "cr",
        "dx",
        "rtstruct",
        "seg",
        "tnm",
        "figo",
        "ann-arbor",
        "binet",
        "rai",
        "iss",
        "r-iss",
        "masaoka-koga",
        "sbr",
        "gleason",
        "isup",
        "fuhrman",
        "oms",
        "who",
        "elston-ellis",
        "fnclcc",
        "décédé",
        "vivant",
        "dead",
        "alive",
        "deceased",
        "insee",
        "ps",
        "poids",
        "taille",
        "pièce-opératoire",
        "biopsie",
        "liquide",
        "mère",
        "père",
        "fils",
        "fille",
        "frère",
        "soeur",
        "sœur",
        "clinique",
        "imagerie",
        "pathologique",
        "structuré",
        "établissement",
        "extérieur",
        "dossier-médical",
        "primary",
        "recurrence",
        "metastasis",
        "relapse",
        "transformation",
        "progression",
    ]
)
"""Words that say a value, not a person; compared without case, blanks as hyphens."""

PATTERN = (
    r"^(?i)(?:"
    r"[ycpramu]{0,2}T(?:is|[0-4X][a-e]?(?:\d|mi)?)(?:\(.{1,3}\))?(?:\s*[cp]?N[0-3X][a-d]?(?:mi)?)?(?:\s*[cp]?M[01X][a-d]?)?"
    r"|[ycp]{0,2}N[0-3X][a-d]?(?:mi|\(.{1,3}\))?|[ycp]{0,2}M[01X][a-d]?"
    r"|(?:stage\s*)?(?:0|[1-4]|I{1,3}|IV)\s?(?:[A-D]\d?)?"
    r"|(?:grade\s*|G)?[0-4X]|[1-5]\s?\+\s?[1-5](?:\s?=\s?\d{1,2})?|\++|-|<|>|<=|>=|[<>]=?\s?\d+(?:[.,]\d+)?"
    r"|\d+(?:[.,]\d+)?(?:\s?%)?|[A-Z]"
    r"|\d{3,5}(?:/\d)?|R[0-2]|ECOG\s?[0-5]"
    r"|[A-Z][A-Z0-9_.-]{1,19}(?:/{2}|:)[A-Z0-9][A-Z0-9./_-]{0,31}"
    r"|[A-Z]\d{2}(?:\.\d{1,3})?|[A-Z]{4}\d{3}|[A-Z]\d{2}[A-Z]{2}\d{2}|LA\d{1,6}-\d"
    r")$"
)
"""Shapes of coded values: TNM categories, stages, grades, scores, numbers, `VOCABULARY//code`, ICD, CCAM, ATC, LOINC."""


def is_controlled(text: pl.Expr, further: frozenset[str] = frozenset()) -> pl.Expr:
    """Return whether a `text` is a word of the lists, or of `further` ones, or has the shape of a coded value.

    >>> pl.DataFrame({"a": ["positive", "M. Zqvibe"]}).select(is_controlled(pl.col("a")))["a"].to_list()
    [True, False]
    """
    word = text.str.strip_chars().str.to_lowercase().str.replace_all(r"\s+", "-")
    return word.is_in(
        sorted(WORDS | {entry.lower().replace(" ", "-") for entry in further})
    ) | text.str.strip_chars().str.contains(PATTERN)
