"""Reads events once, batch by batch, and keeps only the rows that some clinical variable may use.

Memory depends on the number of subjects and variables, not on the number of events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from unibase.groundwork.tables import EVENTS
from unibase.linking.asof.candidates import Candidates, dictionary, integers, listed
from unibase.linking.conditions import ConceptCodes, is_concept
from unibase.linking.options import ClinicalWindow

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

STATIC_PREDICTORS = ("GENDER//", "SEX//", "MEDS_BIRTH", "RACE//", "ETHNICITY//")
"""Codes whose events without a time are true of the whole life; others without a time are not used."""

NEVER_PREDICTORS = ("MEDS_DEATH",)
"""Codes that no variable ever uses, whatever concept holds them."""

BATCH = 131_072
_TIMES = ("time", "time_min", "time_max", "recorded_time", "end_time")
_DAY_US = 86_400_000_000


@dataclass
class Eligible:
    """What one reading of the events found.

    Attributes:
        rows: By variable that takes every row, the rows of EVENTS that may be used.
        chosen: The row of every cell whose variable takes one row of a subject, as `Candidates.choose` gives it;
            `variable` is its place among the windows.
        counts: By counted variable, the number of rows per index subject, in order of subject.
    """

    rows: dict[str, pl.DataFrame] = field(default_factory=dict)
    chosen: pl.DataFrame = field(default_factory=pl.DataFrame)
    counts: dict[str, np.ndarray] = field(default_factory=dict)


def eligible_rows(
    events: pl.DataFrame | pl.LazyFrame | Path | str,
    bounds: pl.DataFrame,
    windows: Mapping[str, ClinicalWindow],
    concepts: ConceptCodes,
    *,
    list_aggregates: bool = True,
) -> Eligible:
    """Return, per variable, the rows in its window that were on record by the index.

    Args:
        events: EVENTS, as a frame or Parquet path (file or folder).
        bounds: `subject_id`, `lower`, `upper`.
        windows: Clinical variables by name.
        concepts: Concepts by name.
        list_aggregates: Keep the rows behind counts too, for the trace; else only their number.

    Raises:
        UserError: If a concept is unknown.
    """
    # Compiled code is loaded where events are read, not by whoever reads this room's options.
    from unibase.linking.compiled import choice

    codes = _Codes(concepts, windows)
    bounds = bounds.sort("subject_id")
    plan = _Plan.of(windows, choice, list_aggregates=list_aggregates)
    ids = bounds["subject_id"].to_numpy()
    lower, upper = (bounds[name].cast(pl.Int64).to_numpy() for name in ("lower", "upper"))
    counts = np.zeros((len(plan.counted), len(ids)), dtype=np.int32)
    pieces: list[pl.DataFrame] = []
    candidates = Candidates(ids, plan.slot, len(plan.chosen))
    room = _Room()
    needs_rows = len(plan.counted) < len(plan.names)
    wanted = None if needs_rows else ("subject_id", "code", *_TIMES)
    for batch in _batches(events, wanted):
        code = codes.numbers(batch)
        if not codes.width.any():
            continue
        room.make(int(codes.width[code].sum()) if needs_rows else 0)
        found = choice.scan_batch(  # type: ignore[call-arg]
            integers(batch, "subject_id"), code, *(integers(batch, name) for name in _TIMES),
            ids, lower, upper, codes.start, codes.variables, codes.static, plan.kind, *plan.shape, plan.slot, counts,
            candidates.best, room.pairs, room.keys,
        )  # fmt: skip
        _take_up(batch, room, found, plan.kind == choice.EVERY, pieces, candidates)
        del batch, code
    result = Eligible(counts={plan.names[number]: counts[position] for position, number in enumerate(plan.counted)})
    result.chosen = candidates.choose(plan.chosen, upper, [plan.windows[number].choose for number in plan.chosen])
    result.rows = _by_variable(pieces, plan, plan.kind == choice.EVERY)
    return result


@dataclass(frozen=True)
class _Plan:
    """The windows as the compiled scan takes them.

    Attributes:
        names, windows: The variables, in order.
        kind: How each one chooses (`compiled.choice`): one row, every row, or a count.
        counted, chosen: Numbers of the variables that are counted, and of those that take one row.
        slot: Place of each variable among those of its kind.
        shape: Per variable: count of what began, bounds of the window in microseconds, and which of them belong to it.
    """

    names: list[str]
    windows: list[ClinicalWindow]
    kind: np.ndarray
    counted: np.ndarray
    chosen: np.ndarray
    slot: np.ndarray
    shape: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, windows: Mapping[str, ClinicalWindow], choice: ModuleType, *, list_aggregates: bool) -> _Plan:
        window = list(windows.values())
        how = {"latest": choice.LATEST, "closest": choice.CLOSEST, "first": choice.FIRST}
        kind = np.array([how.get(w.choose, choice.EVERY) for w in window], dtype=np.int8)
        if not list_aggregates:
            kind[[w.choose in ("count", "any") and w.max_gap_days is None and w.unit is None for w in window]] = choice.COUNT
        counted, chosen = np.flatnonzero(kind == choice.COUNT), np.flatnonzero((kind > choice.COUNT) & (kind < choice.EVERY))
        slot = np.zeros(len(window), dtype=np.int64)
        slot[counted], slot[chosen] = np.arange(len(counted)), np.arange(len(chosen))
        shape = (
            np.array([w.choose in ("count", "any") for w in window]),
            np.array([w.from_days is not None for w in window]),
            np.array([round((w.from_days or 0) * _DAY_US) for w in window], dtype=np.int64),
            np.array([round(w.to_days * _DAY_US) for w in window], dtype=np.int64),
            np.array([w.closed in ("both", "left") for w in window]),
            np.array([w.closed in ("both", "right") for w in window]),
        )
        return cls(list(windows), window, kind, counted, chosen, slot, shape)


class _Room:
    """Room for what one batch gives, made larger when a batch needs it: `pairs` (3, n) and their `keys` (2, n)."""

    def __init__(self) -> None:
        self.pairs, self.keys = np.empty((3, 0), dtype=np.int64), np.empty((2, 0), dtype=np.int64)

    def make(self, needed: int) -> None:
        if needed > self.pairs.shape[1]:
            self.pairs, self.keys = np.empty((3, needed), dtype=np.int64), np.empty((2, needed), dtype=np.int64)


def _take_up(
    batch: object, room: _Room, found: int, every: np.ndarray, pieces: list[pl.DataFrame], candidates: Candidates
) -> None:
    """Keep the rows that a batch gave: whole for variables that take every row, as candidates for those that take one."""
    (rows, variables, at), keys = room.pairs[:, :found], room.keys[:, :found]
    whole = every[variables]
    if whole.any():
        pieces.append(_take(batch, rows[whole], variables[whole]))
        one = ~whole
        rows, variables, at, keys = rows[one], variables[one], at[one], keys[:, one]
    if len(rows):
        candidates.add(batch, rows, variables, at, keys)


def _by_variable(pieces: list[pl.DataFrame], plan: _Plan, every: np.ndarray) -> dict[str, pl.DataFrame]:
    """Return the rows of each variable that takes every row."""
    table = (
        pl.concat(pieces, how="diagonal_relaxed")
        if pieces
        else EVENTS.empty().with_columns(pl.lit(0, pl.Int64).alias("_variable"))
    )
    pieces.clear()
    parts = table.partition_by("_variable", as_dict=True, include_key=False)
    nothing = table.clear().drop("_variable")
    return {name: parts.get((number,), nothing) for number, name in enumerate(plan.names) if every[number]}


class _Codes:
    """Numbers the codes as they are met, and knows which variables each one concerns."""

    def __init__(self, concepts: ConceptCodes, windows: Mapping[str, ClinicalWindow]) -> None:
        self._conditions = [
            is_concept(concepts, window.concept, f"windows.clinical.{name}.concept") for name, window in windows.items()
        ]
        self._further = [
            pl.col("unit").eq_missing(pl.lit(window.unit)) if window.unit is not None else None for window in windows.values()
        ]
        # A concept that also asks for a value is numbered by code and value, and by unit where a window asks for one: a
        # value in another unit must not hide one in the right unit.
        by_value = any("text_value" in condition.meta.root_names() for condition in self._conditions)
        by_unit = any(condition is not None for condition in self._further)
        self.columns = ["code"] + (["text_value"] if by_value else []) + (["unit"] if by_unit else [])
        self._known: dict[tuple[str | None, ...], int] = {}
        self._lists: list[list[int]] = []
        self._last: tuple[object, np.ndarray] | None = None
        self._static: list[bool] = []
        self.start = np.zeros(1, dtype=np.int64)
        self.variables = np.empty(0, dtype=np.int64)
        self.static = np.empty(0, dtype=np.bool_)
        self.width = np.empty(0, dtype=np.int64)

    def numbers(self, batch: pa.RecordBatch) -> np.ndarray:
        """Return the number of each row's code (with its text and unit where a variable asks for them)."""
        parts = [dictionary(batch.column(name)) for name in self.columns]
        if len(parts) == 1:
            indices, values = parts[0]
            # The batches of a row group share one dictionary.
            if self._last is None or not values.equals(self._last[0]):
                self._last = values, np.array(self._numbers([(value,) for value in listed(values)]), dtype=np.int32)
            found: np.ndarray = self._last[1][indices]
            return found
        joint = np.zeros(batch.num_rows, dtype=np.int64)
        texts_of = [listed(values) for _, values in parts]
        for (indices, _), texts in zip(parts, texts_of, strict=True):
            joint = joint * len(texts) + indices
        present, inverse = np.unique(joint, return_inverse=True)
        tuples = []
        for number in present.tolist():
            key = []
            for texts in reversed(texts_of):
                number, rest = divmod(number, len(texts))
                key.append(texts[rest])
            tuples.append(tuple(reversed(key)))
        return np.array(self._numbers(tuples), dtype=np.int64)[inverse]

    def _numbers(self, keys: list[tuple[str | None, ...]]) -> list[int]:
        new = [key for key in dict.fromkeys(keys) if key not in self._known]
        if new:
            schema = dict.fromkeys(self.columns, pl.String)
            frame = pl.DataFrame(new, schema=schema, orient="row")
            never = pl.any_horizontal([pl.col("code").str.starts_with(code) for code in NEVER_PREDICTORS])
            static = pl.any_horizontal([pl.col("code").str.starts_with(code) for code in STATIC_PREDICTORS])
            conditions = [
                (condition & further if further is not None else condition) & ~never
                for condition, further in zip(self._conditions, self._further, strict=True)
            ]
            means = frame.select([condition.alias(str(n)) for n, condition in enumerate(conditions)]).fill_null(False).to_numpy()
            self._static += frame.select(static.fill_null(False)).to_series().to_list()
            for key, row in zip(new, means, strict=True):
                self._known[key] = len(self._lists)
                self._lists.append(np.flatnonzero(row).tolist())
            self.width = np.array([len(variables) for variables in self._lists], dtype=np.int64)
            self.start = np.concatenate([[0], np.cumsum(self.width)])
            self.variables = np.array([variable for variables in self._lists for variable in variables], dtype=np.int64)
            self.static = np.array(self._static, dtype=np.bool_)
        return [self._known[key] for key in keys]


def _batches(events: pl.DataFrame | pl.LazyFrame | Path | str, columns: tuple[str, ...] | None) -> Iterator[object]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = columns or tuple(EVENTS.schema())
    if isinstance(events, pl.LazyFrame):
        events = events.collect()
    if isinstance(events, pl.DataFrame):
        frame = events.select([name for name in wanted if name in events.columns])
        for batch in frame.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches(BATCH):
            yield _complete(batch, wanted)
        return
    path = Path(events)
    # Arrow's usual pool keeps several times what a batch needs. Not set back: another thread may be reading.
    pa.set_memory_pool(pa.system_memory_pool())
    for file in sorted(path.rglob("*.parquet")) if path.is_dir() else [path]:
        dictionaries = ["code", "text_value", "unit", "source"]
        with pq.ParquetFile(file, read_dictionary=dictionaries, memory_map=True) as parquet:
            empty = _empty_columns(parquet.metadata)
            have = [name for name in wanted if name in parquet.schema_arrow.names and name not in empty]
            decoded = parquet.iter_batches(BATCH, columns=have, use_threads=False)
            # Nothing here holds on to a batch while the next one is decoded.
            while (batch := next(decoded, None)) is not None:
                made = [_complete(pa.record_batch(batch.columns, names=batch.schema.names), wanted)]
                del batch
                yield made.pop()


def _empty_columns(metadata: pq.FileMetaData) -> set[str]:
    """Return the columns of a Parquet file that its statistics say are null in every row: they need not be read."""
    empty = (
        {metadata.row_group(0).column(n).path_in_schema for n in range(metadata.num_columns)}
        if metadata.num_row_groups
        else set()
    )
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for column in (group.column(n) for n in range(group.num_columns)):
            statistics = column.statistics
            if statistics is None or not statistics.has_null_count or statistics.null_count < group.num_rows:
                empty.discard(column.path_in_schema)
    return empty - {"subject_id", "code"}


def _complete(batch: pa.RecordBatch, wanted: tuple[str, ...]) -> object:
    import pyarrow as pa

    have = set(batch.schema.names)
    columns = [batch.column(name) if name in have else _nulls(name, batch.num_rows) for name in wanted]
    return pa.record_batch(columns, names=list(wanted))


@lru_cache(maxsize=64)
def _nulls(name: str, rows: int) -> object:
    """Return a column of EVENTS that is missing in every row; one serves all batches of a size."""
    import pyarrow as pa

    kinds = {pl.String(): pa.string(), pl.Int64(): pa.int64(), pl.Float32(): pa.float32()}
    return pa.nulls(rows, kinds.get(EVENTS.schema()[name], pa.timestamp("us")))


def _take(batch: pa.RecordBatch, rows: np.ndarray, variables: np.ndarray) -> pl.DataFrame:
    import pyarrow as pa

    taken = batch.take(pa.array(rows))
    columns = [column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column for column in taken.columns]
    frame = pl.DataFrame(pl.from_arrow(pa.table(columns, names=taken.schema.names)))
    return frame.cast({name: dtype for name, dtype in EVENTS.schema().items()}).with_columns(pl.Series("_variable", variables))
