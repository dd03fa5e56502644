"""Events of a timeline as rows of the clinical tables of OMOP CDM 5.4: where each goes, and what is written of it."""

from __future__ import annotations

import polars as pl

from unibase.releases.exports.site_concepts import ALGORITHM, EHR, FIRST, Concepts

_VOCABULARIES = {
    "condition_occurrence": ("ICD10", "ICD10CM", "ICD9CM", "ICDO3", "CIM10"),
    "drug_exposure": ("ATC", "RxNorm", "TREATMENT", "HemOnc"),
    "procedure_occurrence": ("CCAM", "CPT4", "ICD10PCS", "IMAGING", "RADIOTHERAPY", "SURGERY"),
}
"""Tables, and the vocabularies of codes that go there; a code with a value is a measurement or an observation."""
DAY = {
    "condition_occurrence": "condition_start",
    "drug_exposure": "drug_exposure_start",
    "procedure_occurrence": "procedure",
    "measurement": "measurement",
    "observation": "observation",
    "visit_occurrence": "visit_start",
}
"""Clinical tables, and what the names of their days begin with."""
_STEM = {"condition_occurrence": "condition", "drug_exposure": "drug", "procedure_occurrence": "procedure"}
_MEASURED = ("measurement", "observation")
STATIC = r"^(MEDS_BIRTH$|(SEX|GENDER)//[FM]$)"
"""Codes that are columns of PERSON."""
_ELSEWHERE = r"^(MEDS_DEATH$|OBSERVATION_PERIOD//|DERIVED//LINE$)"
"""Codes with a table of their own: DEATH, OBSERVATION_PERIOD, EPISODE."""
_VISITS = {"Visit//IP": 9201, "IMP": 9201, "Visit//OP": 9202, "AMB": 9202, "Visit//ER": 9203, "EMER": 9203}
"""Kinds of visit of OMOP and of FHIR (v3 ActCode) that have a standard concept; any other is an observation."""
_VISIT = r"^VISIT//OMOP//(\d{1,9})$"
UNITS = {
    "g/dL": 8713, "g/L": 8636, "U/L": 8645, "mg/dL": 8840, "mg/L": 8751, "mmol/L": 8753, "mm[Hg]": 8876, "kg": 9529,
    "cm": 8582, "mm": 8588, "%": 8554, "d": 8512, "h": 8505, "umol/L": 8749, "10*3/uL": 8848, "10*6/uL": 8815, "a": 9448,
}  # fmt: skip
"""Standard concepts of common UCUM units; `unit_source_value` has every unit."""


def _visit() -> pl.Expr:
    """Return the standard concept of a visit; null for none."""
    kind = pl.col("code").str.strip_prefix("VISIT//").replace_strict(_VISITS, default=None, return_dtype=pl.Int64)
    is_visit = pl.col("code").str.starts_with("VISIT//")
    return pl.when(is_visit).then(pl.coalesce(kind, pl.col("code").str.extract(_VISIT).cast(pl.Int64)))


def is_condition() -> pl.Expr:
    """Return which events are diagnoses: a code of a vocabulary of conditions, without a value."""
    return _plain() & _vocabulary().is_in(list(_VOCABULARIES["condition_occurrence"]))


def _plain() -> pl.Expr:
    return pl.col("numeric_value").is_null() & pl.col("text_value").is_null()


def _vocabulary() -> pl.Expr:
    return pl.col("code").str.split("//").list.first()


def place(events: pl.DataFrame) -> pl.DataFrame:
    """Return the events that have a day and no table of their own, with the `table` they go to.

    Args:
        events: EVENTS with `person_id`.
    """
    timed = events.filter(pl.col("time").is_not_null() & ~pl.col("code").str.contains(f"{STATIC}|{_ELSEWHERE}"))
    measured = pl.col("numeric_value").is_not_null() | (_vocabulary() == "LOINC")
    places = {"visit_occurrence": _visit().is_not_null() & _plain()}
    # A drug may have a dose; a diagnosis or an act that has a value is a finding.
    fits = {"drug_exposure": pl.col("text_value").is_null()}
    places |= {name: _vocabulary().is_in(list(known)) & fits.get(name, _plain()) for name, known in _VOCABULARIES.items()}
    places |= {"measurement": measured, "observation": pl.lit(True)}
    table = pl.coalesce(pl.when(there).then(pl.lit(name)) for name, there in places.items())
    return timed.with_columns(table.alias("table")).sort("person_id", "time", "code", maintain_order=True)


def clinical(name: str, rows: pl.DataFrame, concepts: Concepts) -> pl.DataFrame:
    """Return the rows of a clinical table of the CDM.

    Args:
        name: The table, a key of `DAY`.
        rows: Events that `place` put there.
        concepts: Those of all codes and texts.
    """
    stem = _STEM.get(name, name.removesuffix("_occurrence"))
    concept = concepts.number(pl.col("code"))
    known = pl.when(concept < FIRST).then(concept).otherwise(0)
    return rows.select(
        pl.int_range(1, pl.len() + 1).alias(f"{name}_id"),
        "person_id",
        (_visit() if name == "visit_occurrence" else known).alias(f"{stem}_concept_id"),
        concept.alias(f"{stem}_source_concept_id"),
        pl.col("code").alias(f"{stem}_source_value"),
        pl.when("derived_day").then(ALGORITHM).otherwise(EHR).alias(f"{stem}_type_concept_id"),
        pl.col("time").dt.date().alias(f"{DAY[name]}_date"),
        pl.col("time").alias(f"{DAY[name]}_datetime"),
        *(_values(name, concepts) if name in _MEASURED else _end(name)),
        *(_dose() if name == "drug_exposure" else []),
    )


def _dose() -> list[pl.Expr]:
    return [_number().alias("quantity"), pl.col("unit").alias("dose_unit_source_value")]


def _number() -> pl.Expr:
    """Return the shortest decimal that is the number: not the digits that its 32 bits have in 64; null for none."""
    number = pl.col("numeric_value")
    return pl.when(number.is_finite()).then(number.cast(pl.String).cast(pl.Float64))


def _end(name: str) -> list[pl.Expr]:
    """Return the columns of the end; drugs and visits must have one, and end on the day they began where none is known.

    An end of which only the day is known stands at midnight: on the day of the beginning that would be before it, and no clock
    is written.
    """
    needed = name in ("drug_exposure", "visit_occurrence")
    end = pl.coalesce("end_time", "time") if needed else pl.col("end_time")
    begin = "procedure_end" if name == "procedure_occurrence" else DAY[name].replace("start", "end")
    day_alone = (end < pl.col("time")) & (end.dt.date() == pl.col("time").dt.date())
    return [end.dt.date().alias(f"{begin}_date"), pl.when(~day_alone.fill_null(False)).then(end).alias(f"{begin}_datetime")]


def _values(name: str, concepts: Concepts) -> list[pl.Expr]:
    """Return the columns of what was measured: a word is a concept, whole, and a text as far as the CDM has room."""
    text = "value_source_value" if name == "measurement" else "value_as_string"
    return [
        _number().alias("value_as_number"),
        concepts.number(pl.col("text_value")).alias("value_as_concept_id"),
        pl.col("text_value").alias(text),
        pl.col("unit").replace_strict(UNITS, default=None, return_dtype=pl.Int64).alias("unit_concept_id"),
        pl.col("unit").alias("unit_source_value"),
    ]


def deaths(events: pl.DataFrame) -> pl.DataFrame:
    """Return DEATH: one row a person, of the first day on record.

    Args:
        events: EVENTS with `person_id` and `derived_day`.
    """
    known = events.filter((pl.col("code") == "MEDS_DEATH") & pl.col("time").is_not_null()).sort("person_id", "time")
    return known.unique("person_id", keep="first", maintain_order=True).select(
        "person_id",
        pl.col("time").dt.date().alias("death_date"),
        pl.col("time").alias("death_datetime"),
        pl.when("derived_day").then(ALGORITHM).otherwise(EHR).alias("death_type_concept_id"),
    )
