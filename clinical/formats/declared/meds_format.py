"""MEDS 0.3 and 0.4: a dataset of another tool, or of ours, as a source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from unibase.clinical.formats.declaration import Asked, ClinicalFormat
from unibase.clinical.formats.people_rows import PersonRow, person_row
from unibase.clinical.reasons import MISSING_CODE, MISSING_DATE, MISSING_PERSON, TEXT_WITHHELD
from unibase.clinical.sources.events import SOURCE_EVENTS, Identifier, Opener, Plan, TableEvents, birth_years
from unibase.clinical.sources.problem_rows import RowProblem, on_their_clocks, unread_columns, zoned_columns
from unibase.clinical.words.controlled import is_controlled
from unibase.clinical.words.partial_dates import UNKNOWN_MAX, UNKNOWN_MIN, from_days, iso_date
from unibase.clinical.words.units import convert_expressions
from unibase.groundwork.cluster import each
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import TIMESTAMP

if TYPE_CHECKING:
    from distributed import Client

_ROWS = 500_000
_SEX = {"SEX//F": "F", "SEX//M": "M", "GENDER//F": "F", "GENDER//M": "M"}
_KEPT = ("time_min", "time_max", "end_time", "recorded_time")
"""Columns of ours that a dataset may have beside those of MEDS."""


@dataclass(frozen=True)
class _Part:
    """One file, and how many rows of others come before it."""

    path: Path
    offset: int


@dataclass
class _Looked:
    """What a first look at a file found: its rows, persons and births."""

    rows: int
    persons: set[str] = field(default_factory=set)
    births: Counter[int] = field(default_factory=Counter)


def _shards(folder: Path) -> list[Path]:
    found = sorted((folder / "data").rglob("*.parquet"))
    if not found:
        raise UserError(f"There is no data/*.parquet in {folder}. Name the folder of a MEDS dataset.")
    return found


def _open(asked: Asked) -> Opener:
    return partial(_open_dataset, _shards(asked.folder), asked.texts)


def _open_dataset(shards: Sequence[Path], texts: frozenset[str], folder: Path, client: Client | None) -> Plan:
    persons: set[str] = set()
    births: Counter[int] = Counter()
    parts: list[_Part] = []
    rows = 0
    for path, looked in zip(shards, each(client, _look, None, shards), strict=True):
        parts.append(_Part(path, rows))
        rows += looked.rows
        persons |= looked.persons
        births += looked.births
    columns = dict.fromkeys(name for path in shards for name in pl.read_parquet_schema(path))
    told = unread_columns(list(columns), {"subject_id", *SOURCE_EVENTS.names(), "source"}, "nothing")
    told += list({one.column: one for path in shards for one in zoned_columns(pl.read_parquet_schema(path))}.values())
    ready = [TableEvents("data", 0, pl.DataFrame(schema=SOURCE_EVENTS), told)]
    identifiers = {person: [Identifier("meds", person)] for person in sorted(persons)}
    return Plan(identifiers, parts, partial(_read, texts), ready, births)


def _look(_: None, path: Path) -> _Looked:
    looked = _Looked(0)
    for frame in _blocks(path, 0):
        looked.rows += frame.height
        looked.persons |= set(frame["person"].drop_nulls().unique())
        looked.births.update(birth_years(frame))
    return looked


def _read(texts: frozenset[str], part: _Part) -> Iterator[TableEvents]:
    for frame in _blocks(part.path, part.offset):
        problems: list[RowProblem] = []
        for column, reason, message in (
            ("person", MISSING_PERSON, "The row does not say whom it is about."),
            ("code", MISSING_CODE, "The row has no code."),
        ):
            for row in frame.filter(pl.col(column).is_null())["source_row"]:
                problems.append(RowProblem(row, reason, message, column))
        whole = _with_undated_deaths(frame.filter(pl.col("person").is_not_null() & pl.col("code").is_not_null()), problems)
        allowed = is_controlled(pl.col("text_value"), texts)
        for row in whole.filter(pl.col("text_value").is_not_null() & ~allowed)["source_row"]:
            problems.append(RowProblem(row, TEXT_WITHHELD, "The text is not a controlled one.", "text_value", refused=False))
        events = convert_expressions(whole.with_columns(pl.when(allowed).then("text_value").alias("text_value")), problems)
        yield TableEvents("data", frame.height, events.select(SOURCE_EVENTS.names()), problems)


def _with_undated_deaths(frame: pl.DataFrame, problems: list[RowProblem]) -> pl.DataFrame:
    """Return events in which a death without a time was on some day: MEDS has no time for what always holds, too."""
    undated = (
        (pl.col("code") == "MEDS_DEATH") & pl.col("time").is_null() & pl.col("time_min").is_null() & pl.col("time_max").is_null()
    )
    for row in frame.filter(undated)["source_row"]:
        problems.append(RowProblem(row, MISSING_DATE, "The person died, and no date says when.", "time", refused=False))
    bounds = {"time_min": UNKNOWN_MIN, "time_max": UNKNOWN_MAX}
    return frame.with_columns(
        pl.when(undated).then(pl.lit(at, TIMESTAMP)).otherwise(name).alias(name) for name, at in bounds.items()
    )


def _blocks(path: Path, offset: int) -> Iterator[pl.DataFrame]:
    """Yield the rows of a file as source events; sex is said as it is everywhere here, a time at midnight is a day."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    missing = {"subject_id", "time", "code"} - set(file.schema_arrow.names)
    if missing:
        raise UserError(f"{path.name} has no column {sorted(missing)[0]}, which every MEDS dataset has.")
    for batch in file.iter_batches(_ROWS):
        frame = pl.from_arrow(batch)
        assert isinstance(frame, pl.DataFrame)
        yield _source_events(frame, offset)
        offset += frame.height


def _source_events(frame: pl.DataFrame, offset: int) -> pl.DataFrame:
    have = set(frame.columns)
    sexes = {code: f"SEX//{sex}" for code, sex in _SEX.items()}
    timed = on_their_clocks(frame).with_columns(pl.col("time").cast(TIMESTAMP)).with_columns(from_days("time", "time", "_"))
    bounds = {name: pl.coalesce(*([name] if name in have else []), f"_{name}") for name in ("time_min", "time_max")}
    known = {
        "person": pl.col("subject_id").cast(pl.Int64).cast(pl.String),
        "code": pl.col("code").cast(pl.String).str.strip_chars().replace(sexes),
        "source_row": pl.int_range(offset + 1, offset + frame.height + 1, dtype=pl.Int64),
        **bounds,
    }
    others = {name: pl.col(name) if name in have else pl.lit(None) for name in SOURCE_EVENTS.names() if name not in known}
    columns = {**known, **others}
    return timed.select(columns[name].cast(dtype).alias(name) for name, dtype in SOURCE_EVENTS.items())


def _people(asked: Asked) -> Iterable[PersonRow]:
    facts: dict[str, dict[str, str | None]] = {}
    places: dict[str, int] = {}
    offset = 0
    for path in _shards(asked.folder):
        for frame in _blocks(path, offset):
            offset += frame.height
            for person, row in frame.group_by("person").agg(pl.col("source_row").min()).sort("person").iter_rows():
                places.setdefault(person, row)
            said = frame.filter(pl.col("code").is_in([*_SEX, "MEDS_BIRTH"]))
            for one in said.iter_rows(named=True):
                known = facts.setdefault(one["person"], {})
                if one["code"] == "MEDS_BIRTH":
                    known["birth_date"] = iso_date(one["time_min"], one["time_max"])
                else:
                    known["sex"] = _SEX[one["code"]]
    for person, row in sorted(places.items()):
        yield person_row(asked.centre, person, Identifier("meds", person), ("data", row), **facts.get(person, {}))


def _files(folder: Path) -> Iterable[Path]:
    return [*_shards(folder), *(folder / "metadata").rglob("*")]


FORMAT = ClinicalFormat(title="MEDS", open=_open, files=_files, people=_people)
