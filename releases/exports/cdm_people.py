"""Persons of a release in OMOP CDM 5.4: PERSON, CARE_SITE, OBSERVATION_PERIOD, SPECIMEN, and CDM_SOURCE."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from unibase.releases.exports.site_concepts import CDM_VERSION, EHR

_SEX = {"F": 8532, "M": 8507}


def persons_of(subjects: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Return who has a birth: `person_id`, `subject_id`, `centre`, `sex`, and the birth as far as it is known.

    Args:
        subjects: `subject_id`, and `centre` where the release has it.
        events: EVENTS of the release.
    """
    births = events.filter(pl.col("code") == "MEDS_BIRTH").unique("subject_id", keep="first", maintain_order=True)
    born = births.select("subject_id", *_birth())
    sexes = events.filter(pl.col("code").str.contains("^(SEX|GENDER)//[FM]$"))
    sex = sexes.select("subject_id", pl.col("code").str.slice(-1).alias("sex")).unique("subject_id", keep="first")
    site = pl.col("centre") if "centre" in subjects.columns else pl.lit(None, dtype=pl.String)
    found = (
        subjects.select("subject_id", site.alias("centre"))
        .join(born, on="subject_id")
        .join(sex, on="subject_id", how="left", maintain_order="left")
    )
    ordered = found.filter(pl.col("year").is_not_null()).sort("subject_id").with_row_index("person_id", offset=1)
    return ordered.with_columns(pl.col("person_id").cast(pl.Int32))


def _birth() -> list[pl.Expr]:
    """Return year, month and day of birth as far as the earliest and the latest day agree."""
    first, last = pl.coalesce("time", "time_min"), pl.coalesce("time", "time_max")
    same_year = first.dt.year() == last.dt.year()
    same_month = same_year & (first.dt.month() == last.dt.month())
    return [
        first.dt.year().alias("year"),
        pl.when(same_month).then(first.dt.month()).alias("month"),
        pl.when(pl.col("time").is_not_null()).then(first.dt.day()).alias("day"),
        pl.col("time").alias("born"),
    ]


def person(people: pl.DataFrame) -> pl.DataFrame:
    """Return PERSON.

    Args:
        people: What `persons_of` returned.
    """
    return people.select(
        "person_id",
        pl.col("sex").replace_strict(_SEX, default=0, return_dtype=pl.Int64).alias("gender_concept_id"),
        pl.col("year").alias("year_of_birth"),
        pl.col("month").alias("month_of_birth"),
        pl.col("day").alias("day_of_birth"),
        pl.col("born").alias("birth_datetime"),
        pl.lit(0).alias("race_concept_id"),
        pl.lit(0).alias("ethnicity_concept_id"),
        pl.col("centre").rank("dense").alias("care_site_id"),
        pl.col("subject_id").cast(pl.String).alias("person_source_value"),
        pl.col("sex").alias("gender_source_value"),
    )


def care_sites(people: pl.DataFrame) -> pl.DataFrame:
    """Return CARE_SITE: the centres, in order of name. `people`: what `persons_of` returned."""
    centres = people["centre"].drop_nulls().unique().sort()
    return pl.DataFrame(
        {"care_site_id": range(1, len(centres) + 1), "care_site_name": centres, "care_site_source_value": centres}
    )


def periods(events: pl.DataFrame) -> pl.DataFrame:
    """Return OBSERVATION_PERIOD: one a person, from the first event after birth to the last.

    Args:
        events: EVENTS with `person_id`.
    """
    timed = events.filter(pl.col("time").is_not_null() & (pl.col("code") != "MEDS_BIRTH"))
    spans = timed.group_by("person_id").agg(
        pl.col("time").min().dt.date().alias("observation_period_start_date"),
        pl.max_horizontal(pl.col("time").max(), pl.col("end_time").max()).dt.date().alias("observation_period_end_date"),
    )
    return spans.sort("person_id").with_columns(
        pl.int_range(1, pl.len() + 1).alias("observation_period_id"), pl.lit(EHR).alias("period_type_concept_id")
    )


def specimens(samples: pl.DataFrame) -> pl.DataFrame:
    """Return SPECIMEN: the samples that have a day.

    Args:
        samples: SAMPLE_MAP with `person_id`.
    """
    dated = samples.filter(pl.col("sample_time").is_not_null()).sort("person_id", "assay", "colname")
    return dated.select(
        pl.int_range(1, pl.len() + 1).alias("specimen_id"),
        "person_id",
        pl.lit(0).alias("specimen_concept_id"),
        pl.lit(EHR).alias("specimen_type_concept_id"),
        pl.col("sample_time").dt.date().alias("specimen_date"),
        pl.col("sample_time").alias("specimen_datetime"),
        pl.col("colname").alias("specimen_source_id"),
        pl.concat_str("assay", "sample_type", separator=" ", ignore_nulls=True).alias("specimen_source_value"),
    )


def source(about: Mapping[str, object], events: pl.DataFrame) -> pl.DataFrame:
    """Return CDM_SOURCE: the release, dated by its last event.

    Args:
        about: The manifest of the release.
        events: EVENTS of the export.
    """
    last = events["time"].drop_nulls().max()
    name = f"{about.get('study', 'release')} {about.get('version', '')}".strip()
    row = {"cdm_source_name": name, "cdm_source_abbreviation": name, "cdm_holder": "see the release", "cdm_version": "5.4"}
    row |= {"source_description": str(about.get("title", "")), "vocabulary_version": "none"}
    frame = pl.DataFrame({key: [value] for key, value in row.items()})
    day = pl.lit(last, dtype=pl.Datetime("us")).dt.date()
    return frame.with_columns(
        day.alias("source_release_date"),
        day.alias("cdm_release_date"),
        pl.lit(CDM_VERSION).alias("cdm_version_concept_id"),
    )
