# /// script
# requires-python = ">=3.12"
# ///
"""OMOP to a MEDS timeline and back to counts, beside reading the same Parquet, meds_etl and MEDS-extract.

Run: `uv run python -m benchmarks.clinical --subjects 6300 --events 500 [--format parquet|csv|fhir|duckdb]`

Every stage runs in a process of its own with one thread; CPU seconds and peak memory are those of the process (and its children).
The peers run on the same files where a variable names the Python of an environment of their own: `UNIBASE_PEER_MEDS_ETL`
(`pip install meds_etl 'polars<1.25'`; `meds_etl_omop`) and `UNIBASE_PEER_MEDS_EXTRACT` (`pip install MEDS-extract`; told by
`benchmarks.meds_extract_spec` what an event is). All rows are invented.

What was measured, on which machine and beside what, is in `docs/clinical.md`, under `What was measured`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.clinical_formats import DATABASE, FORMATS, convert

ONE_THREAD = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
PEER = "UNIBASE_PEER_MEDS_ETL"
PEER_EXTRACT = "UNIBASE_PEER_MEDS_EXTRACT"
SHARES = {
    "measurement": 0.64,
    "condition_occurrence": 0.14,
    "drug_exposure": 0.14,
    "procedure_occurrence": 0.04,
    "visit_occurrence": 0.04,
}
CONCEPTS = {
    "measurement": 300,
    "condition_occurrence": 800,
    "drug_exposure": 400,
    "procedure_occurrence": 300,
    "visit_occurrence": 4,
}
VOCABULARY = {
    "measurement": "LOINC",
    "condition_occurrence": "SNOMED",
    "drug_exposure": "RxNorm",
    "procedure_occurrence": "SNOMED",
    "visit_occurrence": "Visit",
}


def make(folder: Path, subjects: int, events: int) -> None:
    import numpy as np
    import polars as pl

    source = np.random.default_rng(20261123)
    folder.mkdir(parents=True)
    people = np.arange(1, subjects + 1, dtype=np.int64)
    born = source.integers(1930, 2000, subjects)
    pl.DataFrame(
        {
            "person_id": people,
            "gender_concept_id": source.choice([8507, 8532], subjects),
            "year_of_birth": born,
            "month_of_birth": source.integers(1, 13, subjects),
            "day_of_birth": source.integers(1, 29, subjects),
            "birth_datetime": pl.Series([None] * subjects, dtype=pl.Datetime("us")),
            "race_concept_id": np.zeros(subjects, dtype=np.int64),
            "ethnicity_concept_id": np.zeros(subjects, dtype=np.int64),
            "person_source_value": [f"P{number:07d}" for number in people],
            "gender_source_value": [""] * subjects,
        }
    ).write_parquet(folder / "person.parquet")
    concepts = [
        (8507, "Gender", "M"),
        (8532, "Gender", "F"),
        (8713, "UCUM", "g/dL"),
        (32817, "Type Concept", "EHR"),
        (0, "None", "0"),
    ]
    for place, (name, share) in enumerate(SHARES.items()):
        first = 1_000_000 * (place + 1)
        codes = [(first + k, VOCABULARY[name], _code(VOCABULARY[name], k)) for k in range(CONCEPTS[name])]
        concepts += codes
        _table(folder, name, source, people, round(subjects * events * share), first)
    frame = pl.DataFrame(
        concepts, schema={"concept_id": pl.Int64, "vocabulary_id": pl.String, "concept_code": pl.String}, orient="row"
    )
    frame = frame.with_columns(
        concept_name=pl.col("concept_code"), domain_id=pl.lit("X"), concept_class_id=pl.lit("X"), standard_concept=pl.lit("S")
    )
    frame.write_parquet(folder / "concept.parquet")
    links = frame.select(
        pl.col("concept_id").alias("concept_id_1"), pl.col("concept_id").alias("concept_id_2"), relationship_id=pl.lit("Maps to")
    )
    links.write_parquet(folder / "concept_relationship.parquet")
    cdm = {
        "cdm_source_name": ["invented"],
        "cdm_release_date": ["2026-01-01"],
        "cdm_version": ["5.4"],
        "source_release_date": ["2026-01-01"],
    }
    pl.DataFrame(cdm).write_parquet(folder / "cdm_source.parquet")


def _code(vocabulary: str, number: int) -> str:
    """Return an invented code of the shape that its vocabulary has: one of another shape is refused, and costs less."""
    if vocabulary == "LOINC":
        return f"{90000 + number}-{number % 10}"
    return f"IP{number}" if vocabulary == "Visit" else str(9_000_000 + number)


def _table(folder: Path, name: str, source: object, people: object, rows: int, first: int) -> None:
    import numpy as np
    import polars as pl

    rng = source
    assert isinstance(rng, np.random.Generator)
    stem = name.split("_")[0]
    start = {"drug": "drug_exposure_start", "condition": "condition_start", "visit": "visit_start"}.get(stem, stem)
    end = {"drug": "drug_exposure_end", "condition": "condition_end", "visit": "visit_end"}.get(stem)
    part = 2_000_000
    (folder / name).mkdir()
    for number, low in enumerate(range(0, rows, part)):
        size = min(part, rows - low)
        when = np.datetime64("2005-01-01T00:00:00", "us") + rng.integers(0, 20 * 365 * 86_400, size).astype(
            "timedelta64[s]"
        ).astype("timedelta64[us]")
        concept = first + rng.integers(0, CONCEPTS[name], size)
        frame = pl.DataFrame(
            {
                f"{name}_id": np.arange(low, low + size, dtype=np.int64),
                "person_id": rng.choice(people, size),
                f"{stem}_concept_id": concept,
                f"{start}_datetime": when,
                f"{stem}_type_concept_id": np.full(size, 32817, dtype=np.int64),
                "provider_id": pl.Series([None], dtype=pl.Int64).extend_constant(None, size - 1),
                f"{stem}_source_value": pl.Series(concept).cast(pl.String),
                f"{stem}_source_concept_id": np.zeros(size, dtype=np.int64),
            }
        ).with_columns(pl.col(f"{start}_datetime").cast(pl.Date).alias(f"{start}_date"))
        if name != "visit_occurrence":
            visits = max(1, round(rows / SHARES[name] * SHARES["visit_occurrence"]))
            frame = frame.with_columns(visit_occurrence_id=pl.Series(rng.integers(0, visits, size)))
        if end:
            stop = pl.col(f"{start}_datetime") + pl.duration(hours=5)
            frame = frame.with_columns(stop.alias(f"{end}_datetime"), stop.cast(pl.Date).alias(f"{end}_date"))
        if name == "measurement":
            frame = frame.with_columns(
                value_as_number=pl.Series(np.round(rng.normal(12, 2, size), 1)), value_as_concept_id=pl.lit(0, dtype=pl.Int64),
                unit_concept_id=pl.lit(8713, dtype=pl.Int64), unit_source_value=pl.lit("g/dL"), operator_concept_id=pl.lit(0, dtype=pl.Int64),
                value_source_value=pl.lit(None, dtype=pl.String), range_low=pl.lit(11.0), range_high=pl.lit(16.0),
            )  # fmt: skip
        if name == "visit_occurrence":
            frame = frame.with_columns(
                discharged_to_concept_id=pl.lit(0, dtype=pl.Int64), admitted_from_concept_id=pl.lit(0, dtype=pl.Int64)
            )
        if name == "drug_exposure":
            frame = frame.with_columns(
                quantity=pl.lit(1.0), days_supply=pl.lit(1, dtype=pl.Int64), sig=pl.lit(None, dtype=pl.String)
            )
        frame.write_parquet(folder / name / f"{number:04d}.parquet", row_group_size=500_000)


def stage_read(source: Path, out: Path) -> None:
    import pyarrow.parquet as pq
    from pyarrow import csv

    rows = 0
    if source.suffix == ".duckdb":
        import duckdb

        with duckdb.connect(str(source), read_only=True, config={"threads": "1"}) as connection:
            for (name,) in connection.sql("SELECT table_name FROM information_schema.tables").fetchall():
                for batch in connection.sql(f"SELECT * FROM {name}").to_arrow_reader(100_000):
                    rows += batch.num_rows
        print(rows)
        return
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        if path.suffix == ".parquet":
            file = pq.ParquetFile(path)
            for group in range(file.metadata.num_row_groups):
                rows += file.read_row_group(group, use_threads=False).num_rows
        elif path.suffix == ".csv":
            rows += sum(batch.num_rows for batch in csv.open_csv(path, read_options=csv.ReadOptions(use_threads=False)))
        else:
            with path.open("rb") as lines:
                rows += sum(bool(json.loads(line)) for line in lines)
    print(rows)


def stage_ours(source: Path, out: Path) -> None:
    from unibase.clinical.timelines.centre import TimelineTask, convert
    from unibase.clinical.timelines.meds import count_codes
    from unibase.privacy.keys import Key

    written = convert(TimelineTask("fhir" if source.name.startswith("fhir") else "omop", source, "A"), out, Key(bytes(range(32))))
    assert count_codes(out)["events"].sum() == written.events
    print(written.events)


def measured(command: list[str]) -> tuple[float, float, float, str]:
    """Run a command; return wall and CPU seconds, peak memory in MB, and what it printed last."""
    import time

    begin = time.perf_counter()
    # Python keeps its byte code, as an installed program does; compiling it is no part of the work.
    surroundings = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | ONE_THREAD
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=surroundings)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        lines = output.read().strip().splitlines() or [""]
    wall = time.perf_counter() - begin
    if process.returncode:
        print("\n".join(lines[-15:]))
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, lines[-1][:60]


def meds_extract(source: Path, peer: Path) -> list[str]:
    """Return the command of MEDS-extract on the files, its specification written."""
    from benchmarks.meds_extract_spec import write_spec

    shutil.rmtree(peer, ignore_errors=True)
    peer.mkdir()
    write_spec(source, peer / "spec.yaml")
    command = Path(os.environ[PEER_EXTRACT]).with_name("meds-extract-run")
    # Its stages are commands that it looks for on the path.
    run = f"PATH={command.parent}:$PATH exec {command} spec={peer}/spec.yaml output_dir={peer}/out do_download=false input_dir={source}"
    return ["sh", "-c", run]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=6300)
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--format", choices=FORMATS, default="parquet")
    parser.add_argument("--folder", type=Path, help="keep the files here")
    parser.add_argument("--stage", choices=["read", "ours", "make"])
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp())
    parquet, out = folder / f"omop-{options.subjects}", folder / f"meds-{options.format}-{options.subjects}"
    source = parquet if options.format == "parquet" else folder / f"{options.format}-{options.subjects}"
    if options.stage == "make":
        if not parquet.exists():
            make(parquet, options.subjects, options.events)
        if source != parquet:
            convert(parquet, source, options.format)
        return
    source = source / DATABASE if options.format == "duckdb" else source
    if options.stage:
        {"read": stage_read, "ours": stage_ours}[options.stage](source, out)
        return
    shutil.rmtree(out, ignore_errors=True)
    common = ["--subjects", str(options.subjects), "--events", str(options.events), "--folder", str(folder)]
    common += ["--format", options.format]
    here = [sys.executable, "-m", "benchmarks.clinical", *common]
    if not source.exists():
        measured([*here, "--stage", "make"])
    files = [source] if source.is_file() else [path for path in source.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    print(f"{options.subjects} subjects x {options.events} events, {size:.0f} MB as {options.format}, one thread")
    print(f"{'stage':<24}{'wall s':>9}{'CPU s':>9}{'x read':>8}{'peak MB':>9}")
    stages = [("read the same", [*here, "--stage", "read"]), ("unibase", [*here, "--stage", "ours"])]
    if os.environ.get(PEER) and source == parquet:
        peer = folder / f"peer-{options.subjects}"
        shutil.rmtree(peer, ignore_errors=True)
        script = Path(os.environ[PEER]).with_name("meds_etl_omop")
        command = [os.environ[PEER], str(script), str(source), str(peer), "--num_shards", "10", "--num_proc", "1"]
        stages.append(("meds_etl_omop", command))
    if os.environ.get(PEER_EXTRACT):
        stages.append(("MEDS-extract", meds_extract(source, folder / f"peer-extract-{options.subjects}")))
    base = 0.0
    for name, command in stages:
        wall, cpu, peak, said = measured(command)
        base = base or cpu
        print(f"{name:<24}{wall:>9.1f}{cpu:>9.1f}{cpu / base:>8.1f}{peak:>9.0f}  {said}")


if __name__ == "__main__":
    main()
