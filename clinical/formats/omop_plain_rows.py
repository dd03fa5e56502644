"""Plain rows of OMOP tables as numbers: those that need no second look, which are nearly all of them.

A row is plain when its person is known, its concept is in the vocabulary, its date is a date and nothing about it has to be
reported, converted or weighed. Such rows never become text on their way: a concept is a place in a list of codes, a person a
place in the list of subjects, a date a whole number that the person's shift is added to. All other rows take the general way
(`omop.read_event_table`, `door.pass_table`), which gives the same events; `tests/clinical/test_sharded.py` holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from unibase.clinical.formats import omop, omop_tables
from unibase.clinical.formats.omop_codebook import DAY, NO_UNIT, NOWHERE, STRANGE_UNIT, Codebook, Persons
from unibase.clinical.formats.omop_deaths import TELLING, ends_with_death
from unibase.clinical.formats.omop_tables import DEATH_CONCEPTS
from unibase.clinical.formats.parquet_columns import Source
from unibase.clinical.timelines.pieces import Numbers
from unibase.clinical.words.acts import OMOP_CONDITION_STATUS
from unibase.groundwork.arrow import to_numpy
from unibase.groundwork.tables import TIMESTAMP

if TYPE_CHECKING:
    import pyarrow as pa


HAS_NUMBER, HAS_END = 1, 2
"""Bits of `flags`: there is a number; there is an end."""


@dataclass(frozen=True)
class PlainRows:
    """The plain rows of a batch, in the order of the source.

    Attributes:
        columns: Those columns of `pieces.PLAIN` that the table has, but not `rank`.
        rank: Place of each row's subject among all subjects.
        others: Places in the batch of the rows that are not plain.
        used: How many rows of the source they are; one that has two codes stands twice.
    """

    columns: dict[str, Numbers]
    rank: Numbers
    others: Numbers
    used: int


def used_concepts(table: str, paths: Sequence[Path]) -> set[int]:
    """Return the concepts that the events of a CDM table, Parquet files at `paths`, use; 0 and null are none."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    used: set[int] = set()
    for path in paths:
        file = pq.ParquetFile(path)
        for group in range(file.metadata.num_row_groups):
            source = Source(file, (group,))
            for name in omop_tables.columns_of(table):
                if not name.endswith("concept_id") or source.type_of(name) is None:
                    continue
                constant = source.constant(name)
                distinct = pl.Series([constant]) if constant is not None else pl.Series(pc.unique(source.read(name)))
                used |= set(distinct.cast(pl.Int64, strict=False).drop_nulls())
    return used - {0}


def plain_rows(source: Source, table: str, book: Codebook, persons: Persons, until: datetime | None = None) -> PlainRows | None:
    """Return the plain rows of some row groups of an event table; None when its columns are not those of the CDM.

    Args:
        source: Where to read from.
        table: Name of the CDM table.
        book: What concepts mean.
        persons: Who is known.
        until: The last instant that counts: rows after it need a second look.
    """
    rule = omop_tables.EVENT_TABLES[table]
    if not _typed(source, rule) or (rule.object and source.type_of(rule.object) is not None):
        return None
    latest = np.iinfo(np.int64).max if until is None else int(pl.Series([until], dtype=TIMESTAMP).to_physical().item())
    place = persons.places(_integers(source, "person_id"))
    code, standard = _codes(source, rule, book)
    plain = (place >= 0) & (code >= 0)
    time, dated = _moments(source, rule.date, rule.datetime)
    if dated is not None:
        plain &= dated
    if len(time) and time.max() > latest:
        plain &= time <= latest
    if (unsure := _unsure(source, rule)) is not None:
        plain &= ~unsure
    columns, simple = _values(source, book, code, standard)
    if simple is not None:
        plain &= simple
    if rule.end and (source.type_of(rule.end) or source.type_of(rule.end_datetime)):
        if columns:
            return None
        columns, sound = _ends(source, rule, time, latest)
        plain &= sound
    if "number" in columns:
        columns["flags"] = _flag(columns.pop("has_number"), HAS_NUMBER, len(time))
    columns |= {"time": time, "code": code, "row": np.arange(source.rows, dtype=np.uint32)}
    return _kept(plain, place, _Columns(columns, standard), persons)


def _ends(source: Source, rule: omop_tables.EventTable, time: Numbers, latest: int) -> tuple[dict[str, Numbers], Numbers]:
    """Return the lengths of intervals, and which rows end neither before they begin nor after the last instant that counts."""
    sound = np.ones(len(time), dtype=bool)
    end, ended = _moments(source, rule.end, rule.end_datetime)
    early = end < time if ended is None else ended & (end < time)
    if early.any():
        # A day ends with its last microsecond.
        sound &= ~(early & (end + is_day(end) * (DAY - 1) < time))
    if len(end) and end.max() > latest:
        sound &= end <= latest
    length = end - time if ended is None else np.where(ended, end - time, 0)
    return {"length": length, "flags": _flag(ended, HAS_END, len(time))}, sound


@dataclass(frozen=True)
class _Columns:
    """Columns of rows, and the standard code of those that have a further one; None where none has."""

    columns: dict[str, Numbers]
    standard: Numbers | None


def _kept(plain: Numbers, place: Numbers, rows: _Columns, persons: Persons) -> PlainRows:
    """Return the rows that are plain, with shifted times, and the places of the others."""
    columns, standard, others = rows.columns, rows.standard, np.empty(0, dtype=np.int64)
    if not plain.all():
        kept, others = np.flatnonzero(plain), np.flatnonzero(~plain)
        place = place.take(kept)
        columns = {name: column.take(kept) for name, column in columns.items()}
        standard = None if standard is None else standard.take(kept)
    used = len(place)
    if standard is not None and (twice := np.flatnonzero(standard >= 0)).size:
        at = np.sort(np.concatenate([np.arange(used), twice]))
        again = np.flatnonzero(at[1:] == at[:-1]) + 1
        columns, place = {name: column.take(at) for name, column in columns.items()}, place.take(at)
        # Of the codes of one row the first in order comes first.
        two = np.sort(np.stack([columns["code"][again], standard[twice]]), axis=0)
        columns["code"][again - 1], columns["code"][again] = two
    columns["time"] = columns["time"] + persons.shift.take(place)
    return PlainRows(columns, persons.rank.take(place), others, used)


def _unsure(source: Source, rule: omop_tables.EventTable) -> Numbers | None:
    """Return which rows have a status that says no confirmed diagnosis, or tell a death; None for none."""
    looked = [(rule.status, tuple(OMOP_CONDITION_STATUS)), (rule.concept if rule.domain in TELLING else "", DEATH_CONCEPTS)]
    looked += [(name, DEATH_CONCEPTS) for name in rule.discharge]
    found: Numbers | None = None
    for name, concepts in looked:
        constant = source.constant(name) if name and source.type_of(name) is not None else None
        if not name or source.type_of(name) is None or (constant is not None and constant not in concepts):
            continue
        mine = pl.Series(_integers(source, name)).is_in(list(concepts)).fill_null(False).to_numpy()
        found = mine if found is None else found | mine
    for name in rule.discharge_words:
        if source.type_of(name) is not None:
            mine = pl.select(pl.Series(name, source.read(name))).select(ends_with_death(name)).to_series().to_numpy()
            found = mine if found is None else found | mine
    return found


def is_day(time: Numbers) -> Numbers:
    """Tell which microseconds stand for a day without a clock (CDM 5.4: midnight, when no time is known).

    >>> is_day(np.array([0, 1])).tolist()
    [True, False]
    """
    return np.asarray(time // DAY * DAY == time)


def _typed(source: Source, rule: omop_tables.EventTable) -> bool:
    """Tell whether columns have the types of the CDM: whole numbers, dates, numbers."""
    import pyarrow as pa

    def fits(name: str, *tests: Any) -> bool:
        dtype = source.type_of(name) if name else None
        return dtype is None or any(test(dtype) for test in tests)

    def naive(dtype: pa.DataType) -> bool:
        return pa.types.is_date(dtype) or (pa.types.is_timestamp(dtype) and dtype.tz is None)

    whole = (
        rule.concept,
        rule.source_concept,
        rule.status,
        *rule.discharge,
        "value_as_concept_id",
        "operator_concept_id",
        "unit_concept_id",
    )
    return (
        source.type_of("person_id") is not None
        and fits("person_id", pa.types.is_integer)
        and all(fits(name, pa.types.is_integer) for name in whole)
        and (source.type_of(rule.date) or (source.type_of(rule.datetime) if rule.datetime else None)) is not None
        and all(fits(name, naive) for name in (rule.date, rule.datetime, rule.end, rule.end_datetime))
        and fits("value_as_number", pa.types.is_floating, pa.types.is_integer)
    )


def _integers(source: Source, name: str) -> pa.Array:
    import pyarrow as pa

    column = source.read(name)
    return column if column.type == pa.int64() else column.cast(pa.int64())


def _through(source: Source, name: str, book: Codebook, table: Numbers) -> Numbers | None:
    """Return what `table` says of each concept in a column; None when it says nothing of any; nulls and 0 are -1."""
    if source.type_of(name) is None:
        return None
    constant = source.constant(name)
    if constant is None:
        coded = _integers(source, name).dictionary_encode()
        values = to_numpy(coded.dictionary)
    else:
        coded, values = None, np.array([constant], dtype=np.int64)
    at = np.minimum(np.searchsorted(book.concept_id, values), max(len(book.concept_id) - 1, 0))
    found = book.concept_id[at] == values if len(book.concept_id) else np.zeros(len(values), dtype=bool)
    said = np.where(found, table[at], NOWHERE).astype(np.int32) if len(table) else np.full(len(values), NOWHERE, dtype=np.int32)
    if (said == NOWHERE).all():
        return None
    if coded is None:
        return np.full(source.rows, said[0], dtype=np.int32)
    if coded.null_count:
        said = np.append(said, np.int32(NOWHERE))
        return said.take(to_numpy(coded.indices.fill_null(len(said) - 1)))
    return said.take(to_numpy(coded.indices))


def _codes(source: Source, rule: omop_tables.EventTable, book: Codebook) -> tuple[Numbers, Numbers | None]:
    """Return the code of each row, and the standard one where it is another; None for nowhere."""
    table = book.code[rule.prefix]
    found = [_through(source, name, book, table) for name in (rule.source_concept, rule.concept) if name]
    said = [one for one in found if one is not None]
    if not said:
        return np.full(source.rows, NOWHERE, dtype=np.int32), None
    if len(said) == 1:
        return said[0], None
    first, standard = said
    further = np.where((first >= 0) & (standard >= 0) & (first != standard), standard, NOWHERE)
    return np.where(first >= 0, first, standard), further if (further >= 0).any() else None


def _moments(source: Source, day: str, moment: str) -> tuple[Numbers, Numbers | None]:
    """Return microseconds, and where there is a time; None for everywhere; as `dates.from_days` does."""
    if not moment or source.type_of(moment) is None:
        return _micros(source, day, to_day=True)
    time, valid = _micros(source, moment, to_day=False)
    if valid is not None and source.type_of(day) is not None:
        days, known = _micros(source, day, to_day=True)
        return np.where(valid, time, days), None if known is None else valid | known
    return time, valid


def _micros(source: Source, name: str, *, to_day: bool) -> tuple[Numbers, Numbers | None]:
    series = pl.Series(source.read(name))
    series = series.cast(pl.Date).cast(TIMESTAMP) if to_day else series.cast(TIMESTAMP)
    if not series.null_count():
        return series.to_physical().to_numpy(), None
    return series.to_physical().fill_null(0).to_numpy(), series.is_not_null().to_numpy()


def _flag(known: Numbers | None, bit: int, rows: int) -> Numbers:
    """Return flags with one bit set where something is known; None for everywhere."""
    return np.full(rows, bit, dtype=np.uint8) if known is None else known.astype(np.uint8) * np.uint8(bit)


def _values(source: Source, book: Codebook, code: Numbers, standard: Numbers | None) -> tuple[dict[str, Numbers], Numbers | None]:
    """Return number, unit and coded value of each row, and which rows are simple; None for all."""
    out: dict[str, Numbers] = {}
    simple: list[Numbers] = []
    has_number: Numbers | None = None
    if source.type_of("value_as_number") is not None:
        column = source.read("value_as_number")
        has_number = _valid(column)
        numbers = column.fill_null(0) if column.null_count else column
        with np.errstate(over="ignore"):
            out["number"] = to_numpy(numbers).astype(np.float64, copy=False).astype(np.float32)
        out["has_number"] = has_number
        if not (finite := np.isfinite(out["number"])).all():
            simple.append(finite)
    answer = _through(source, "value_as_concept_id", book, book.answer)
    if answer is not None:
        out["text"] = answer
    if source.type_of("value_as_string") is not None:
        simple.append(~_valid(source.read("value_as_string")))
    if source.type_of("value_source_value") is not None and (has_number is None or not has_number.all()):
        written = _valid(source.read("value_source_value"))
        simple.append(~written if has_number is None else has_number | ~written)
    if source.type_of("operator_concept_id") is not None:
        sign = source.constant("operator_concept_id")
        if sign is None or sign in omop.INEQUALITIES:
            column = pl.Series(_integers(source, "operator_concept_id"))
            simple.append(~column.is_in(list(omop.INEQUALITIES)).fill_null(False).to_numpy())
    unit = _through(source, "unit_concept_id", book, book.unit)
    written_unit = source.type_of("unit_source_value") is not None
    if unit is not None:
        out["unit"] = unit
        simple.append(unit != STRANGE_UNIT)
        if (book.target >= 0).any():
            for one in (code,) if standard is None else (code, standard):
                target = np.where(one >= 0, book.target[one], NO_UNIT)
                simple.append((target < 0) | (unit < 0) | (unit == target))
    if written_unit and (unit is None or bool((unit == NO_UNIT).any())):
        spelled = _valid(source.read("unit_source_value"))
        simple.append(~spelled if unit is None else ~spelled | (unit != NO_UNIT))
    return out, np.logical_and.reduce(simple) if simple else None


def _valid(column: pa.Array) -> Numbers:
    return to_numpy(column.is_valid()) if column.null_count else np.ones(len(column), dtype=bool)
