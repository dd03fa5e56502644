"""A release as OMOP CDM 5.4: every table fits its SQL, and the clinical room reads the same events back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from tests.releases.small_release import made
from unibase.clinical.formats.omop_batches import open_omop
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import EVENTS
from unibase.releases.exports.cdm_events import clinical, place
from unibase.releases.exports.cdm_people import persons_of
from unibase.releases.exports.cdm_tables import EXTENSION, TABLES
from unibase.releases.exports.omop_cdm import Written, write_omop
from unibase.releases.exports.site_concepts import Concepts

FOREIGN = {
    "measurement_event_id": "image_occurrence",
    "episode_id": "episode",
    "procedure_occurrence_id": "procedure_occurrence",
    "image_occurrence_id": "image_occurrence",
    "image_feature_event_id": "measurement",
    "person_id": "person",
    "care_site_id": "care_site",
}
"""Columns that name a row of another table."""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Written]:
    folder = tmp_path_factory.mktemp("omop")
    release = made(folder)
    return release, folder / "out", write_omop(release, folder / "out")


def database(folder: Path) -> duckdb.DuckDBPyConnection:
    """The export in DuckDB, by its own SQL: what must be filled, and what is a number or a day, is checked by the loading."""
    con = duckdb.connect()
    con.execute(f"SET file_search_path = '{folder}'")
    for script in ("ddl.sql", "ddl_imaging.sql", "load_duckdb.sql"):
        con.execute((folder / script).read_text(encoding="utf-8"))
    return con


@pytest.fixture(scope="module")
def loaded(exported: tuple[Path, Path, Written]) -> duckdb.DuckDBPyConnection:
    return database(exported[1])


def test_every_table_is_loaded_whole_and_no_text_is_too_long(
    exported: tuple[Path, Path, Written], loaded: duckdb.DuckDBPyConnection
) -> None:
    for name, fields in TABLES.items():
        table = loaded.sql(f"SELECT * FROM {name}").pl()
        assert table.height == exported[2].rows[name]
        for field in fields:
            if field.longest is not None:
                assert (table[field.name].str.len_chars().max() or 0) <= field.longest, field.name


def broken_rules() -> list[tuple[str, str]]:
    """The checks of OHDSI's DataQualityDashboard that ask no vocabulary, as SQL that returns the rows that break them."""
    rules = []
    for name, fields in TABLES.items():
        columns = [field.name for field in fields]
        if fields[0].name == f"{name}_id":
            key = fields[0].name
            rules.append((f"isPrimaryKey {name}", f"SELECT {key} FROM {name} GROUP BY 1 HAVING count(*) > 1"))
        for column, other in FOREIGN.items():
            if column in columns and other != name and name != "concept":
                rules.append(
                    (
                        f"isForeignKey {name}.{column}",
                        f"SELECT {column} FROM {name} WHERE {column} IS NOT NULL AND {column} NOT IN (SELECT {other}_id FROM {other})",
                    )
                )
        rules += [
            (
                f"concepts {name}.{column}",
                f"SELECT {column} FROM {name} WHERE {column} > 2000000000 AND {column} NOT IN (SELECT concept_id FROM concept)",
            )
            for column in columns
            if column.endswith("concept_id") and name != "concept"
        ]
        rules += [
            (
                f"isStandardValidConcept {name}.{column}",
                f"SELECT {column} FROM {name} JOIN concept c ON c.concept_id = {column} AND c.concept_id <> 0 "
                "WHERE c.standard_concept IS DISTINCT FROM 'S'",
            )
            for column in columns
            if column in STANDARD_COLUMNS
        ]
    return rules + PLAUSIBLE


STANDARD_COLUMNS = {f"{stem}_concept_id" for stem in ("gender", "visit", "condition", "drug", "procedure", "measurement", "observation", "specimen", "unit")} | {
    f"{stem}_type_concept_id" for stem in ("visit", "condition", "drug", "procedure", "measurement", "observation", "specimen", "period", "death")
}  # fmt: skip
_AFTER_BIRTH = "SELECT e.person_id FROM {0} e JOIN person p USING (person_id) WHERE year({1}) < p.year_of_birth"
_IN_LIFE = "SELECT e.person_id FROM {0} e JOIN death d USING (person_id) WHERE {1} > d.death_date + INTERVAL 60 DAY"
_CLINICAL = {
    "condition_occurrence": ("condition_start_date", "condition_end_date"),
    "drug_exposure": ("drug_exposure_start_date", "drug_exposure_end_date"),
    "visit_occurrence": ("visit_start_date", "visit_end_date"),
    "procedure_occurrence": ("procedure_date", "procedure_end_date"),
    "episode": ("episode_start_date", "episode_end_date"),
    "observation_period": ("observation_period_start_date", "observation_period_end_date"),
}
PLAUSIBLE = [
    ("plausibleYearOfBirth", "SELECT person_id FROM person WHERE year_of_birth NOT BETWEEN 1850 AND 2026"),
    ("measurePersonCompleteness", "SELECT person_id FROM person WHERE person_id NOT IN (SELECT person_id FROM observation_period)"),
    ("one death", "SELECT person_id FROM death GROUP BY 1 HAVING count(*) > 1"),
    ("one period", "SELECT person_id FROM observation_period GROUP BY 1 HAVING count(*) > 1"),
    (
        "measurements in the period",
        "SELECT m.person_id FROM measurement m JOIN observation_period o USING (person_id) WHERE m.measurement_event_id IS NULL "
        "AND m.measurement_date NOT BETWEEN observation_period_start_date AND observation_period_end_date",
    ),
    *((f"plausibleStartBeforeEnd {name}", f"SELECT person_id FROM {name} WHERE {end} < {begin}") for name, (begin, end) in _CLINICAL.items()),
    *(
        (f"plausibleStartBeforeEnd {name}, clocks", f"SELECT person_id FROM {name} WHERE {end}time < {begin}time")
        for name, (begin, end) in _CLINICAL.items()
        if name != "observation_period"
    ),
    *((f"plausibleAfterBirth {name}", _AFTER_BIRTH.format(name, begin)) for name, (begin, _) in _CLINICAL.items()),
    *((f"plausibleBeforeDeath {name}", _IN_LIFE.format(name, begin)) for name, (begin, _) in _CLINICAL.items()),
    (
        "image of an act of its day",
        "SELECT image_occurrence_id FROM image_occurrence JOIN procedure_occurrence p USING (procedure_occurrence_id) "
        "WHERE procedure_date <> image_occurrence_date OR p.person_id <> image_occurrence.person_id",
    ),
    (
        "events of an episode are of its person",
        "SELECT episode_id FROM episode JOIN episode_event USING (episode_id) JOIN drug_exposure d ON d.drug_exposure_id = event_id "
        "WHERE episode_event_field_concept_id = 1147094 AND d.person_id <> episode.person_id",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "sql"), broken_rules(), ids=[name for name, _ in broken_rules()])
def test_no_row_breaks_a_rule_of_the_quality_dashboard(rule: str, sql: str, loaded: duckdb.DuckDBPyConnection) -> None:
    assert loaded.sql(sql).fetchall() == [], rule


def test_episodes_link_the_diagnosis_and_the_drugs_of_a_line(loaded: duckdb.DuckDBPyConnection) -> None:
    found = loaded.sql(
        "SELECT episode_concept_id, episode_number, episode_event_field_concept_id, count(*) FROM episode "
        "LEFT JOIN episode_event USING (episode_id) WHERE person_id = 1 GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    assert found == [(32531, 1, 1147094, 1), (32533, None, 1147127, 1)]


def read_back(folder: Path) -> pl.DataFrame:
    """The events of an export as the clinical room reads them, under the subject_id of the release."""
    files = {name: [folder / f"{name}.csv"] for name in TABLES if name not in EXTENSION}
    plan = open_omop(files, folder, None)
    back = pl.concat([*(one.events for one in plan.ready), *(one.events for part in plan.parts for one in plan.read(part))])
    number = {person: int(next(i.value for i in ids if i.system == "ipp")) for person, ids in plan.persons.items()}
    return back.with_columns(pl.col("person").replace_strict(number, return_dtype=pl.Int64).alias("subject_id"))


MADE_NEW = "^(unibase_|EPISODE|OBSERVATION_PERIOD//|SPECIMEN//UNKNOWN$)"
"""Codes of what an export adds: features, episodes, periods, specimens."""


@pytest.mark.parametrize("earliest", [False, True])
def test_the_same_events_are_read_back(exported: tuple[Path, Path, Written], tmp_path: Path, earliest: bool) -> None:
    release, folder, _ = exported
    if earliest:
        folder = tmp_path / "out"
        write_omop(release, folder, earliest=True)
    back = read_back(folder)
    columns = ["subject_id", "code", "time", "end_time", "numeric_value", "unit", "text_value"]
    back = back.filter(~pl.col("code").str.contains(MADE_NEW)).select(columns)
    told = pl.read_parquet(release / "timeline" / "data" / "0.parquet").filter(pl.col("code") != "DERIVED//LINE")
    static = pl.col("code").str.starts_with("GENDER")
    moved = pl.col("code").str.starts_with("ICD10") & earliest
    told = told.with_columns(pl.coalesce("time", pl.when(moved).then("time_min")).alias("time")).filter(
        pl.col("time").is_not_null() | static
    )
    same = pl.col("code").replace(
        {"GENDER//F": "SEX//F", "VISIT//OMOP//9201": "VISIT//Visit//IP", "VISIT//AMB": "VISIT//Visit//OP"}
    )
    told = told.with_columns(same).select(columns)
    # A drug or a visit must have an end: the day it began where none is known.
    needed = pl.col("code").str.contains("^(VISIT//Visit|ATC)//")
    told = told.with_columns(pl.when(needed).then(pl.coalesce("end_time", "time")).otherwise("end_time").alias("end_time"))
    assert sorted(map(repr, back.rows())) == sorted(map(repr, told.rows()))


def test_features_are_measurements_of_their_image(
    exported: tuple[Path, Path, Written], loaded: duckdb.DuckDBPyConnection
) -> None:
    found = loaded.sql(
        "SELECT i.image_series_uid AS series, m.value_as_number AS value FROM image_feature f "
        "JOIN image_occurrence i ON i.image_occurrence_id = f.image_occurrence_id "
        "JOIN measurement m ON m.measurement_id = f.image_feature_event_id AND m.person_id = i.person_id "
        "JOIN concept c ON c.concept_id = f.image_feature_concept_id WHERE c.concept_name LIKE '%shape_Sphericity'"
    ).pl()
    features = pl.read_parquet(exported[0] / "tables" / "features.parquet")
    truth = dict(features.select("SeriesInstanceUID", "original_shape_Sphericity").iter_rows())
    assert found.height == len(truth)
    assert all(abs(truth[series] - float(value)) < 0.001 for series, value in found.iter_rows())


def test_a_number_of_a_sample_stands_on_the_day_of_its_sample(
    exported: tuple[Path, Path, Written], loaded: duckdb.DuckDBPyConnection
) -> None:
    found = loaded.sql(
        "SELECT p.person_source_value, measurement_date, value_as_number FROM measurement JOIN person p USING (person_id) "
        "WHERE measurement_source_value = 'unibase_assay//rna_MKI67' ORDER BY ALL"
    ).fetchall()
    samples = pl.read_parquet(exported[0] / "tables" / "sample_map.parquet").filter(assay="rna", sample_type="tumour")
    told = samples.select(pl.col("primary").cast(pl.String), pl.col("sample_time").dt.date()).rows()
    assert [(who, day) for who, day, _ in found] == sorted(told)[1:]
    assert {float(value) for *_, value in found} == {2.5}


@pytest.mark.parametrize(
    ("code", "more", "table", "value"),
    [
        ("ATC//L01XA02", {}, "drug_exposure", None),
        ("ATC//L01XA02", {"numeric_value": 75.1, "unit": "mg"}, "drug_exposure", 75.1),
        ("ATC//L01XA02", {"text_value": "refused"}, "observation", None),
        ("ICD10//C34.1", {}, "condition_occurrence", None),
        ("ICD10//C34.1", {"numeric_value": 2.0}, "measurement", 2.0),
        ("SUSPECTED//ICD10//C34.1", {}, "observation", None),
        ("CCAM//GFFA009", {}, "procedure_occurrence", None),
        ("LOINC//718-7", {"numeric_value": float("nan")}, "measurement", None),
        ("VISIT//IMP", {}, "visit_occurrence", None),
        ("VISIT//OMOP//262", {}, "visit_occurrence", None),
        ("VISIT//PRENC", {}, "observation", None),
        ("LAST_CONTACT", {}, "observation", None),
        ("LOCAL//score", {"numeric_value": 0.1}, "measurement", 0.1),
    ],
)
def test_an_event_goes_to_the_table_of_its_kind(code: str, more: dict[str, object], table: str, value: float | None) -> None:
    event = EVENTS.conform(pl.DataFrame([{"subject_id": 7, "time": datetime(2016, 1, 2), "code": code, **more}]))
    placed = place(event.with_columns(pl.lit(1, dtype=pl.Int32).alias("person_id"), pl.lit(False).alias("derived_day")))
    assert placed["table"].to_list() == [table]
    row = clinical(table, placed, Concepts.of(pl.concat([placed["code"], placed["text_value"]]))).row(0, named=True)
    assert row.get("quantity", row.get("value_as_number")) == value


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        ((1950, 2, 28), (1950, 2, 28), ("1950", "2", "28")),
        ((1950, 2, 1), (1950, 2, 28), ("1950", "2", None)),
        ((1950, 1, 1), (1950, 12, 31), ("1950", None, None)),
    ],
)
def test_a_birth_is_told_as_far_as_it_is_known(
    low: tuple[int, int, int], high: tuple[int, int, int], told: tuple[str | None, ...]
) -> None:
    first, last = datetime(*low), datetime(*high)
    birth = {"subject_id": 7, "code": "MEDS_BIRTH", "time": first if first == last else None, "time_min": first, "time_max": last}
    people = persons_of(pl.DataFrame({"subject_id": [7]}), EVENTS.conform(pl.DataFrame([birth])))
    assert tuple(map(str, people.select("year", "month", "day").row(0))) == tuple(map(str, told))


def test_what_the_model_has_no_place_for_is_told(tmp_path: Path) -> None:
    written = write_omop(made(tmp_path / "a", births=9), tmp_path / "out")
    assert (written.without_birth, written.without_day, written.earliest, written.rows["person"]) == (3, 3, 0, 9)
    with pytest.raises(UserError, match="year of birth"):
        write_omop(made(tmp_path / "b", births=0), tmp_path / "none")


@pytest.mark.parametrize(
    ("code", "vocabulary", "rest"),
    [
        ("LOINC//718-7", "LOINC", "718-7"),
        ("IMAGING_RECORD", "unibase", "IMAGING_RECORD"),
        ("DERIVED//a//b", "DERIVED", "a//b"),
        ("ICD10//C34.1", "ICD10", "C34.1"),
        ("//odd", "unibase", "//odd"),
    ],
)
def test_a_code_has_a_concept_of_the_site(code: str, vocabulary: str, rest: str) -> None:
    row = Concepts.of(pl.Series([code])).table().row(-1, named=True)
    assert (row["concept_id"], row["vocabulary_id"], row["concept_code"]) == (2_000_000_001, vocabulary, rest)


def test_an_export_is_the_same_bytes_twice(exported: tuple[Path, Path, Written], tmp_path: Path) -> None:
    release, folder, _ = exported
    write_omop(release, tmp_path / "again")
    for path in sorted(folder.iterdir()):
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name
