"""The invented OMOP records of `benchmarks.clinical` in other formats: CSV, FHIR bulk NDJSON, DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

DATABASE = "cdm.duckdb"
FORMATS = ("parquet", "csv", "fhir", "duckdb")
_RESOURCES = {
    "measurement": "Observation",
    "condition_occurrence": "Condition",
    "drug_exposure": "MedicationRequest",
    "procedure_occurrence": "Procedure",
    "visit_occurrence": "Encounter",
}
_SYSTEMS = {
    "measurement": "http://loinc.org",
    "condition_occurrence": "http://snomed.info/sct",
    "drug_exposure": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "procedure_occurrence": "http://snomed.info/sct",
}
_META = '"meta":{"versionId":"1","lastUpdated":"2026-01-01T00:00:00.000+00:00","profile":["http://example.org/StructureDefinition/invented"]}'


def convert(parquet: Path, folder: Path, format: str) -> None:
    """Write the tables of a folder of Parquet in another format, a part at a time."""
    if format == "csv":
        _write_csv(parquet, folder)
    elif format == "fhir":
        _write_fhir(parquet, folder)
    elif format == "duckdb":
        _write_duckdb(parquet, folder)


def _tables(parquet: Path) -> Iterator[tuple[str, list[Path]]]:
    for path in sorted(parquet.iterdir()):
        yield path.stem, sorted(path.glob("*.parquet")) if path.is_dir() else [path]


def _frames(paths: list[Path]) -> Iterator[pl.DataFrame]:
    for path in paths:
        rows = pl.scan_parquet(path).select(pl.len()).collect().item()
        for start in range(0, rows, 250_000):
            yield pl.scan_parquet(path).slice(start, 250_000).collect()


def _write_csv(parquet: Path, folder: Path) -> None:
    folder.mkdir()
    for name, paths in _tables(parquet):
        with (folder / f"{name}.csv").open("wb") as file:
            for number, frame in enumerate(_frames(paths)):
                frame.write_csv(file, include_header=not number, datetime_format="%Y-%m-%d %H:%M:%S")


def _write_duckdb(parquet: Path, folder: Path) -> None:
    import duckdb

    folder.mkdir()
    path = folder / DATABASE
    with duckdb.connect(str(path), config={"threads": "1", "memory_limit": "512MB"}) as connection:
        for name, paths in _tables(parquet):
            files = ", ".join(f"'{one}'" for one in paths)
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM read_parquet([{files}])")


def _write_fhir(parquet: Path, folder: Path) -> None:
    folder.mkdir()
    tables = dict(_tables(parquet))
    codes = pl.read_parquet(tables["concept"][0]).select("concept_id", "concept_code")
    with (folder / "Patient.ndjson").open("wb") as file:
        for frame in _frames(tables["person"]):
            born = pl.format("{}-{}-{}", "year_of_birth", _padded("month_of_birth"), _padded("day_of_birth"))
            sex = pl.when(pl.col("gender_concept_id") == 8507).then(pl.lit("male")).otherwise(pl.lit("female"))
            text = f'{{"resourceType":"Patient","id":"{{}}",{_META},"identifier":[{{"value":"{{}}"}}],"gender":"{{}}","birthDate":"{{}}"}}'
            _lines(frame, text, [pl.col("person_id"), pl.col("person_source_value"), sex, born]).write_csv(
                file, include_header=False, quote_style="never"
            )
    for name, kind in _RESOURCES.items():
        with (folder / f"{kind}.ndjson").open("wb") as file:
            for frame in _frames(tables[name]):
                _resources(frame, name, kind, codes).write_csv(file, include_header=False, quote_style="never")


def _resources(frame: pl.DataFrame, name: str, kind: str, codes: pl.DataFrame) -> pl.DataFrame:
    concept = next(column for column in frame.columns if column.endswith("_concept_id"))
    start = next(column for column in frame.columns if column.endswith("datetime"))
    frame = frame.join(codes, left_on=concept, right_on="concept_id", how="left", maintain_order="left")
    moment = pl.col(start).dt.strftime("%Y-%m-%dT%H:%M:%S+01:00")
    head = f'{{"resourceType":"{kind}","id":"{name[:3]}-{{}}",{_META},'
    subject = '"subject":{"reference":"Patient/{}"},'
    values = [pl.col(f"{name}_id"), pl.col("person_id")]
    if kind == "Encounter":
        end = pl.col("visit_end_datetime").dt.strftime("%Y-%m-%dT%H:%M:%S+01:00")
        text = head + subject + '"status":"finished","class":{"code":"AMB"},"period":{"start":"{}","end":"{}"}}'
        return _lines(frame, text, [*values, moment, end])
    coding = f'{{"coding":[{{"system":"{_SYSTEMS[name]}","code":"{{}}","display":"an invented term of some length"}}]}}'
    encounter = '"encounter":{"reference":"Encounter/vis-{}"},'
    values += [pl.col("visit_occurrence_id"), pl.col("concept_code")]
    text = head + subject + encounter + ('"medicationCodeableConcept":' if kind == "MedicationRequest" else '"code":') + coding
    if kind == "Condition":
        # As in MIMIC: its encounter says when.
        return _lines(frame, text + "}", values)
    date = {"Observation": "effectiveDateTime", "MedicationRequest": "authoredOn", "Procedure": "performedDateTime"}[kind]
    text += f',"{date}":"{{}}"'
    values.append(moment)
    if kind == "Observation":
        text += ',"status":"final","valueQuantity":{"value":{},"unit":"g/dL","system":"http://unitsofmeasure.org","code":"g/dL"}'
        values.append(pl.col("value_as_number"))
    return _lines(frame, text + "}", values)


def _lines(frame: pl.DataFrame, text: str, values: list[pl.Expr]) -> pl.DataFrame:
    parts = text.split("{}")
    pieces: list[pl.Expr] = [pl.lit(parts[0])]
    for value, part in zip(values, parts[1:], strict=True):
        pieces += [value.cast(pl.String), pl.lit(part)]
    return frame.select(pl.concat_str(pieces))


def _padded(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).str.zfill(2)
