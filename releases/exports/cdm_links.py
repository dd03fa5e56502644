"""What links rows of OMOP CDM 5.4: episodes and their events (oncology), images and their features (MI-CDM)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from unibase.releases.exports.site_concepts import ALGORITHM, DISEASE_EPISODE, EHR, FIELD, TREATMENT_EPISODE, Concepts

_CANCER = r"^(ICD10(CM)?//C|CIM10//C|ICDO3//)"
LINE = "DERIVED//LINE"
IMAGE_FIELD = "CDM//image_occurrence.image_occurrence_id"
"""Code of the concept of the site for the key of IMAGE_OCCURRENCE, for which OHDSI has none."""


@dataclass(frozen=True)
class Kept:
    """What of a release is exported.

    Attributes:
        people: Persons with their numbers.
        events: EVENTS with `person_id` and `derived_day`.
        placed: The events of clinical tables, with the `table` of each.
        features: Values of features, one a row.
        assays: Numbers that the join took from samples, one a row.
        samples: SAMPLE_MAP with `person_id`.
        series: The series that features are of.
        concepts: Of all codes and texts.
    """

    people: pl.DataFrame
    events: pl.DataFrame
    placed: pl.DataFrame
    features: pl.DataFrame
    assays: pl.DataFrame
    samples: pl.DataFrame
    series: pl.DataFrame
    concepts: Concepts


def with_studies(placed: pl.DataFrame, series: pl.DataFrame) -> pl.DataFrame:
    """Return the placed events, and an act of imaging for each series that has none on its day: MI-CDM asks for one.

    Args:
        placed: Events with their `table`.
        series: The series that features are of.
    """
    acts = series.select(
        "person_id",
        pl.col("series_time").alias("time"),
        ("IMAGING//" + pl.col("Modality").fill_null("OT")).alias("code"),
        pl.lit("procedure_occurrence").alias("table"),
        pl.lit(False).alias("derived_day"),
    )
    day = pl.col("time").dt.date().alias("day")
    have = placed.filter(pl.col("table") == "procedure_occurrence").select("person_id", "code", day)
    new = acts.with_columns(day).join(have, on=["person_id", "code", "day"], how="anti", nulls_equal=True)
    new = new.unique(["person_id", "code", "day"], keep="first", maintain_order=True).drop("day")
    together = pl.concat([placed, new], how="diagonal_relaxed")
    return together.sort("person_id", "time", "code", maintain_order=True)


def episodes(kept: Kept) -> pl.DataFrame:
    """Return EPISODE of what is `kept`: the disease of each person, from its first cancer on, and each line of treatment."""
    cancer = kept.placed.filter((pl.col("table") == "condition_occurrence") & pl.col("code").str.contains(_CANCER))
    cancer = cancer.unique("person_id", keep="first", maintain_order=True)
    lines = kept.events.filter((pl.col("code") == LINE) & pl.col("time").is_not_null())
    none = pl.lit(None, dtype=pl.Int64)
    disease = _episode(cancer.with_columns(end_time=none), DISEASE_EPISODE, none, kept.concepts.number(pl.col("code")))
    rows = pl.concat([disease, _episode(lines, TREATMENT_EPISODE, pl.col("numeric_value"), pl.lit(0))])
    ordered = rows.sort("person_id", "episode_start_datetime", "episode_concept_id", "episode_number", maintain_order=True)
    return ordered.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int32).alias("episode_id"))


def _episode(rows: pl.DataFrame, kind: int, number: pl.Expr, about: pl.Expr) -> pl.DataFrame:
    end = pl.col("end_time").cast(pl.Datetime("us"))
    return rows.select(
        "person_id",
        pl.lit(kind).alias("episode_concept_id"),
        pl.col("time").dt.date().alias("episode_start_date"),
        pl.col("time").alias("episode_start_datetime"),
        end.dt.date().alias("episode_end_date"),
        end.alias("episode_end_datetime"),
        number.cast(pl.Int32).alias("episode_number"),
        about.cast(pl.Int64).alias("episode_object_concept_id"),
        pl.lit(ALGORITHM if kind == TREATMENT_EPISODE else EHR).alias("episode_type_concept_id"),
        pl.col("code").alias("episode_source_value"),
    )


def episode_events(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return EPISODE_EVENT: the diagnosis that an episode of a disease begins with, the drugs that a line of treatment began.

    Args:
        tables: EPISODE, CONDITION_OCCURRENCE and DRUG_EXPOSURE.
    """
    episode, drugs = tables["episode"], tables["drug_exposure"]
    disease = episode.filter(pl.col("episode_concept_id") == DISEASE_EPISODE).join(
        tables["condition_occurrence"],
        left_on=["person_id", "episode_start_datetime", "episode_source_value"],
        right_on=["person_id", "condition_start_datetime", "condition_source_value"],
    )
    lines = episode.filter(pl.col("episode_concept_id") == TREATMENT_EPISODE).join(drugs, on="person_id")
    begun = pl.col("drug_exposure_start_datetime")
    end = pl.col("episode_end_datetime")
    inside = lines.filter((begun >= pl.col("episode_start_datetime")) & (end.is_null() | (begun <= end)))
    rows = [(disease, "condition_occurrence"), (inside, "drug_exposure")]
    return pl.concat([_events_of(frame, name) for frame, name in rows]).unique().sort("episode_id", "event_id")


def _events_of(rows: pl.DataFrame, table: str) -> pl.DataFrame:
    field = pl.lit(FIELD[table]).alias("episode_event_field_concept_id")
    return rows.select("episode_id", pl.col(f"{table}_id").alias("event_id"), field)


def images(kept: Kept, procedures: pl.DataFrame) -> pl.DataFrame:
    """Return IMAGE_OCCURRENCE: the series that features are of, each with the act of imaging of its day.

    Args:
        kept: What is exported.
        procedures: PROCEDURE_OCCURRENCE.
    """
    acts = procedures.group_by("person_id", "procedure_date", "procedure_source_value").agg(
        pl.col("procedure_occurrence_id").min()
    )
    named = kept.series.with_columns(
        pl.col("series_time").dt.date().alias("procedure_date"),
        ("IMAGING//" + pl.col("Modality").fill_null("OT")).alias("procedure_source_value"),
    )
    found = named.join(acts, on=["person_id", "procedure_date", "procedure_source_value"], how="left", maintain_order="left")
    return found.select(
        pl.int_range(1, pl.len() + 1, dtype=pl.Int32).alias("image_occurrence_id"),
        "person_id",
        "procedure_occurrence_id",
        pl.col("procedure_date").alias("image_occurrence_date"),
        pl.col("StudyInstanceUID").alias("image_study_uid"),
        pl.col("SeriesInstanceUID").alias("image_series_uid"),
        kept.concepts.number("DICOM//" + pl.col("Modality").fill_null("OT")).alias("modality_concept_id"),
    )


def measured(kept: Kept, pictures: pl.DataFrame) -> list[pl.DataFrame]:
    """Return the rows of MEASUREMENT that are features of images, and the numbers that the join took from samples.

    Args:
        kept: What is exported.
        pictures: IMAGE_OCCURRENCE.
    """
    place = pictures.select("person_id", "image_study_uid", "image_series_uid", "image_occurrence_id")
    left, right = ["person_id", "StudyInstanceUID", "SeriesInstanceUID"], ["person_id", "image_study_uid", "image_series_uid"]
    of_image = kept.features.join(place, left_on=left, right_on=right, maintain_order="left")
    of_image = of_image.with_columns(pl.col("series_time").alias("time"))
    field = kept.concepts.number(pl.lit(IMAGE_FIELD))
    features = _of_algorithm(of_image, kept.concepts, pl.col("image_occurrence_id"), field)
    dated = kept.assays.filter(pl.col("time").is_not_null())
    return [features, _of_algorithm(dated, kept.concepts, pl.lit(None), pl.lit(None))]


def _of_algorithm(rows: pl.DataFrame, concepts: Concepts, event: pl.Expr, field: pl.Expr) -> pl.DataFrame:
    return rows.sort("person_id", "code", "time", maintain_order=True).select(
        "person_id",
        pl.lit(0).alias("measurement_concept_id"),
        pl.col("time").dt.date().alias("measurement_date"),
        pl.col("time").alias("measurement_datetime"),
        pl.lit(ALGORITHM).alias("measurement_type_concept_id"),
        pl.col("value").alias("value_as_number"),
        pl.col("code").alias("measurement_source_value"),
        concepts.number(pl.col("code")).alias("measurement_source_concept_id"),
        event.alias("measurement_event_id"),
        field.alias("meas_event_field_concept_id"),
        pl.lit(0).alias("measurement_id"),
    )


def image_features(measurement: pl.DataFrame) -> pl.DataFrame:
    """Return IMAGE_FEATURE: the link of each image to the measurements that are its features.

    Args:
        measurement: MEASUREMENT.
    """
    rows = measurement.filter(pl.col("measurement_event_id").is_not_null())
    return rows.select(
        pl.int_range(1, pl.len() + 1).alias("image_feature_id"),
        "person_id",
        pl.col("measurement_event_id").alias("image_occurrence_id"),
        pl.lit(FIELD["measurement"]).alias("image_feature_event_field_concept_id"),
        pl.col("measurement_id").alias("image_feature_event_id"),
        pl.col("measurement_source_concept_id").alias("image_feature_concept_id"),
        pl.lit(ALGORITHM).alias("image_feature_type_concept_id"),
        pl.lit("unibase").alias("alg_system"),
    )
