"""A release as OMOP CDM 5.4, with episodes of oncology, the imaging extension (MI-CDM) and features as measurements.

A subject is a person with a number of the export; `person_source_value` is the subject_id. Dates are those of the release:
shifted by subject, intervals exact. A code of the timeline has a concept of the site (see `site_concepts`) as its source
concept, and 0 as the standard one: standard concepts are for the site to map with a vocabulary of OHDSI.

Sources: OMOP CDM 5.4 and its oncology conventions (OHDSI); MI-CDM, Park et al., J Imaging Inform Med 2024;37:899.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unibase.groundwork.files import write_text
from unibase.groundwork.outputs import Ours, replaced_folder
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import EVENTS
from unibase.releases.content import manifest
from unibase.releases.content.released_timeline import read_timeline
from unibase.releases.exports.cdm_events import DAY, STATIC, clinical, deaths, is_condition, place
from unibase.releases.exports.cdm_features import long_assays, long_features, modality, series_of
from unibase.releases.exports.cdm_links import (
    IMAGE_FIELD,
    Kept,
    episode_events,
    episodes,
    image_features,
    images,
    measured,
    with_studies,
)
from unibase.releases.exports.cdm_people import care_sites, periods, person, persons_of, source, specimens
from unibase.releases.exports.cdm_tables import EXTENSION, TABLES, conform, ddl, load
from unibase.releases.exports.site_concepts import Concepts

_OURS = Ours(("*.csv", "*.sql"), "ddl_imaging.sql", "image_occurrence")


@dataclass(frozen=True)
class Written:
    """What was written: rows by table, and what the CDM has no place for.

    Attributes:
        rows: Table to its rows.
        without_birth: Subjects left out, since OMOP asks for a year of birth.
        without_day: Events and values of samples left out, since OMOP asks for a day.
        earliest: Diagnoses that were given the earliest day that they can have.
    """

    rows: Mapping[str, int]
    without_birth: int
    without_day: int
    earliest: int


def write_omop(release: Path | str, target: Path | str, *, earliest: bool = False) -> Written:
    """Write the release in `release` as CSV files of OMOP CDM 5.4 to `target`, which is replaced.

    Beside them stand `ddl.sql` and `ddl_imaging.sql`, which make the tables in DuckDB or PostgreSQL (OHDSI's own DDL does as
    well, but for the two of imaging), and `load_duckdb.sql` and `load_psql.sql`, which fill them.

    Args:
        release: Folder of a release.
        target: Folder of the export.
        earliest: Whether a diagnosis of which only the month or year is known goes to its earliest day, with the type concept
            "Standard algorithm"; it is left out by default, as values and deaths are that have no day.

    Raises:
        UserError: If `release` is no release, or no subject has a year of birth.
    """
    release = Path(release)
    about = manifest.read(release)
    subjects = pl.read_parquet(release / "tables" / "subjects.parquet").sort("subject_id")
    events = EVENTS.conform(read_timeline(release / "timeline").collect())
    people = persons_of(subjects, events)
    if people.is_empty():
        raise UserError("No subject of the release has a year of birth, and OMOP asks for one. Let `release.birth` keep it.")
    mine = _mine(events, people)
    kept = _read(release, people, _dated(mine) if earliest else mine.with_columns(pl.lit(False).alias("derived_day")))
    tables = _tables(kept) | {"cdm_source": source(about, kept.events)}
    _write(Path(target), tables)
    given = int(kept.events["derived_day"].sum())
    events_alone = kept.events.filter(pl.col("time").is_null() & ~pl.col("code").str.contains(STATIC)).height
    without_day = events_alone + kept.assays["time"].null_count()
    return Written({name: frame.height for name, frame in tables.items()}, subjects.height - people.height, without_day, given)


def _mine(events: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    return events.join(people.select("subject_id", "person_id"), on="subject_id", maintain_order="left")


def _dated(events: pl.DataFrame) -> pl.DataFrame:
    """Return the events, diagnoses with their first possible day as `time` where no day is known, and `derived_day` there.

    A value that moved to another day could become the latest before an index, and a death would change times to an event.
    """
    taken = pl.col("time").is_null() & pl.col("time_min").is_not_null() & is_condition()
    return events.with_columns(pl.coalesce("time", pl.when(taken).then("time_min")).alias("time"), taken.alias("derived_day"))


def _read(release: Path, people: pl.DataFrame, events: pl.DataFrame) -> Kept:
    """Return what is exported of a release, with the concepts of all its codes."""
    numbers = people.select("subject_id", "person_id")
    tables = release / "tables"
    features = pl.read_parquet(tables / "features.parquet").join(numbers, on="subject_id", maintain_order="left")
    samples = pl.read_parquet(tables / "sample_map.parquet").rename({"primary": "subject_id"}).join(numbers, on="subject_id")
    chosen = pl.read_parquet(tables / "analysis.parquet").join(numbers, on="subject_id", maintain_order="left")
    long, assays, series = long_features(features), long_assays(chosen, samples), series_of(features)
    placed = with_studies(place(events), series)
    codes = [placed["code"], placed["text_value"], long["code"], assays["code"], modality(features), pl.Series([IMAGE_FIELD])]
    concepts = Concepts.of(pl.concat([one.cast(pl.String).rename("code") for one in codes]))
    return Kept(people, events, placed, long, assays, samples, series, concepts)


def _tables(kept: Kept) -> dict[str, pl.DataFrame]:
    tables = {"person": person(kept.people), "care_site": care_sites(kept.people), "observation_period": periods(kept.events)}
    rows = {name: clinical(name, kept.placed.filter(pl.col("table") == name), kept.concepts) for name in DAY}
    tables |= {name: conform(name, frame) for name, frame in rows.items()}
    tables["death"] = deaths(kept.events)
    tables["specimen"] = specimens(kept.samples)
    tables["episode"] = episodes(kept)
    tables["episode_event"] = episode_events(tables)
    tables["image_occurrence"] = images(kept, tables["procedure_occurrence"])
    tables["measurement"] = _numbered(tables["measurement"], *measured(kept, tables["image_occurrence"]))
    tables["image_feature"] = image_features(tables["measurement"])
    tables["concept"] = kept.concepts.table()
    return tables


def _numbered(*parts: pl.DataFrame) -> pl.DataFrame:
    """Return the parts of MEASUREMENT one below the other, numbered anew."""
    rows = pl.concat([conform("measurement", part) for part in parts])
    return rows.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int32).alias("measurement_id"))


def _write(target: Path, tables: Mapping[str, pl.DataFrame]) -> None:
    with replaced_folder(target, _OURS) as folder:
        for name in TABLES:
            conform(name, tables[name]).write_csv(folder / f"{name}.csv", datetime_format="%Y-%m-%d %H:%M:%S")
        write_text(folder / "ddl.sql", "".join(ddl(name) for name in TABLES if name not in EXTENSION))
        write_text(folder / "ddl_imaging.sql", "".join(ddl(name) for name in EXTENSION))
        write_text(folder / "load_duckdb.sql", "".join(load(name, "COPY") for name in TABLES))
        write_text(folder / "load_psql.sql", "".join(load(name, r"\copy") for name in TABLES))
