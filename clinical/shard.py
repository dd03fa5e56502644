"""One shard of a timeline from its pieces: plain rows as numbers and further rows as EVENTS, put in order once.

The order is that of `door.sort_events`. Plain rows arrive in the order of table and row, so one stable sort of a single
integer (subject, time) orders them; only where a further row shares subject and time with others are the other keys compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from clinical.door import sort_events
from clinical.pieces import Numbers, whole_seconds
from clinical.plain import DAY, HAS_END, HAS_NUMBER, Codebook, is_day
from clinical.plausibility import GRACE, refuted_deaths
from groundwork.tables import EVENTS

if TYPE_CHECKING:
    import pyarrow as pa

_NOTHING = -1


@dataclass(frozen=True)
class Piece:
    """Plain rows of one source table in one shard, of a batch that `offset` rows of the table come before."""

    source: str
    offset: int
    rows: int


class Rows:
    """All rows of a shard, plain ones first, as columns of numbers; texts are places in lists.

    `further` rows of `EVENTS` follow the plain ones in the order of the timeline; `columns` have room for them at their end.
    What the columns have no place for is taken from the rows when the table is made.
    """

    def __init__(
        self, pieces: Sequence[Piece], columns: Mapping[str, Numbers], further: pl.DataFrame, subjects: Numbers, book: Codebook
    ) -> None:
        further = sort_events(further)
        self.subjects = subjects
        self.columns = columns
        self.time = columns["time"]
        self.rank = columns["rank"]
        self.plain = len(self.time) - further.height
        self.further = further
        self.sources = sorted({piece.source for piece in pieces} | set(further["source"].drop_nulls()))
        names, columns["code"][self.plain :] = _places(further["code"], book.names, book.place)
        names, columns["text"][self.plain :] = _places(further["text_value"], names, book.place)
        self.names = book.listed if len(names) == len(book.names) else _listed(names)
        units, columns["unit"][self.plain :] = _places(further["unit"], book.units, {})
        self.units = _listed(units)
        self.timed = np.ones(len(self.time), dtype=bool)
        self.time[self.plain :], self.timed[self.plain :] = _micros(further["time"])
        self.rank[self.plain :] = np.searchsorted(subjects, further["subject_id"].to_numpy())
        _, source = _places(further["source"], self.sources, {})
        rows = [piece.rows for piece in pieces]
        places = np.array([self.sources.index(piece.source) for piece in pieces], dtype=np.int32)
        self.source = np.concatenate([np.repeat(places, rows), source])
        self.source_row = columns["row"]
        self.source_row[: self.plain] += np.repeat(np.array([piece.offset + 1 for piece in pieces], dtype=np.int64), rows)
        self.source_row[self.plain :] = further["source_row"].to_numpy()

    def __len__(self) -> int:
        return len(self.time)

    def order(self) -> Numbers:
        """Return the places of the rows in the order of the timeline."""
        if not len(self):
            return np.empty(0, dtype=np.int64)
        first = self.time[self.timed].min() if self.timed.any() else 0
        since = self.time - first
        seconds = whole_seconds(since)
        # Static facts and partial dates come before what has a time.
        since = np.where(self.timed, (since if seconds is None else seconds) + 1, 0)
        bits, places = int(since.max()).bit_length(), len(self).bit_length()
        if bits + places + len(self.subjects).bit_length() < 64:
            # Subject, time and place in one number: numbers sort several times faster than their places.
            key = pl.Series((((self.rank.astype(np.int64) << bits) | since) << places) | np.arange(len(self))).sort().to_numpy()
            order, key = key & ((1 << places) - 1), key >> places
            again = key[1:] == key[:-1]
        else:
            frame = pl.DataFrame({"rank": self.rank, "since": since})
            order = frame.select(pl.arg_sort_by("rank", "since", maintain_order=True)).to_series().to_numpy().astype(np.int64)
            rank, since = self.rank[order], since[order]
            again = (rank[1:] == rank[:-1]) & (since[1:] == since[:-1])
        return self._settled(order, again)

    def _settled(self, order: Numbers, again: Numbers) -> Numbers:
        """Return `order` with the rows in place that share subject and time with a further row."""
        if self.further.is_empty() or not again.any():
            return order
        group = np.concatenate([[0], np.cumsum(~again)])
        mixed = np.zeros(int(group[-1]) + 1, dtype=bool)
        mixed[group[order >= self.plain]] = True
        mixed &= np.bincount(group) > 1
        at = np.flatnonzero(mixed[group])
        if not len(at):
            return order
        rows = order[at]
        order = order.copy()
        # Subject and time are the first keys of `sort_events`, so the rows of each group stay in its places.
        order[at] = sort_events(self.frame(rows).with_columns(pl.Series("_row", rows)))["_row"].to_numpy()
        return order

    def without_refuted(self, order: Numbers) -> tuple[Numbers, pl.DataFrame]:
        """Return `order` without deaths that cannot be true, and `source, source_row` of those."""
        deaths = self.further.filter((pl.col("code") == "MEDS_DEATH") & pl.col("time_max").is_not_null())
        if deaths.is_empty():
            return order, deaths.select("source", "source_row")
        latest = np.full(len(self.subjects), np.iinfo(np.int64).max)
        subject = np.searchsorted(self.subjects, deaths["subject_id"].to_numpy())
        np.minimum.at(latest, subject, (deaths["time_max"] + GRACE - timedelta(days=1)).to_physical().to_numpy())
        late = np.flatnonzero(self.time[: self.plain] >= latest[self.rank[: self.plain]])
        of_dead = np.flatnonzero(latest[self.rank[self.plain :]] < np.iinfo(np.int64).max) + self.plain
        found = refuted_deaths(self.frame(np.concatenate([late, of_dead])))
        if found.is_empty():
            return order, found.select("source", "source_row")
        keys = ["subject_id", "code", "source", "source_row"]
        wrong = self.further.with_row_index("_at").join(found, on=keys, how="semi")["_at"].to_numpy().astype(np.int64)
        return order[~np.isin(order, wrong + self.plain)], found.select("source", "source_row")

    def frame(self, rows: Numbers) -> pl.DataFrame:
        """Return some rows as EVENTS."""
        frame = pl.from_arrow(self.table(rows))
        assert isinstance(frame, pl.DataFrame)
        return EVENTS.conform(frame)

    def table(self, rows: Numbers) -> pa.Table:
        """Return some rows as an Arrow table of EVENTS, whose texts are dictionaries in order of their values."""
        import pyarrow as pa

        stamp, whole = pa.timestamp("us"), pa.int64()
        taken = {name: self.columns[name].take(rows) for name in ("time", "rank", "code", "number", "text", "unit", "flags")}
        time, number, text, unit, flags = (taken[name] for name in ("time", "number", "text", "unit", "flags"))
        ended, numbered = flags & HAS_END != 0, flags & HAS_NUMBER != 0
        end = time + self.columns["length"].take(rows)
        low, high = time, time + is_day(time) * np.int64(DAY - 1)
        timed, bounded, was_recorded = (np.full(len(rows), known) for known in (True, True, False))
        recorded = was_recorded.astype(np.int64)
        at = np.flatnonzero(rows >= self.plain)
        if len(at):
            further = self.further[rows[at] - self.plain]
            low = low.copy()
            timed[at] = self.timed[rows[at]]
            for column, known, name in (
                (low, bounded, "time_min"),
                (high, bounded, "time_max"),
                (end, ended, "end_time"),
                (recorded, was_recorded, "recorded_time"),
            ):
                column[at], known[at] = _micros(further[name])
            number[at], numbered[at] = further["numeric_value"].to_numpy(), further["numeric_value"].is_not_null().to_numpy()
        columns = {
            "subject_id": _array(self.subjects.take(taken["rank"]), None, whole),
            "time": _array(time, timed, stamp),
            "code": _dictionary(taken["code"], self.names, pa.string()),
            "numeric_value": _array(number, numbered, pa.float32()),
            "text_value": _dictionary(text, self.names, pa.large_string()),
            "time_min": _array(low, bounded, stamp),
            "time_max": _array(high, bounded, stamp),
            "end_time": _array(end, ended, stamp),
            "unit": _dictionary(unit, self.units, pa.string()),
            "recorded_time": _array(recorded, was_recorded, stamp),
            "source": _dictionary(self.source.take(rows), _listed(self.sources), pa.string()),
            "source_row": _array(self.source_row.take(rows), None, whole),
        }
        return pa.table({name: columns[name] for name in EVENTS.schema()})


def _micros(moments: pl.Series) -> tuple[Numbers, Numbers]:
    """Return microseconds, 0 for null, and which are known."""
    stamps = moments.to_numpy()
    known = ~np.isnat(stamps)
    return np.where(known, stamps.view(np.int64), 0), known


def _places(texts: pl.Series, names: Sequence[str], known: Mapping[str, int]) -> tuple[Sequence[str], Numbers]:
    """Return `names` and those of `texts` they do not hold, and the place of each text in them; -1 for null.

    `known` tells the place of some names without a search.
    """
    if texts.null_count() == len(texts):
        return names, np.full(len(texts), _NOTHING, dtype=np.int32)
    place: dict[str, int] = {}
    more: list[str] = []
    for text in texts.drop_nulls().unique().sort():
        if text in known:
            place[text] = known[text]
        elif text in names:
            place[text] = names.index(text)
        else:
            place[text] = len(names) + len(more)
            more.append(text)
    found = texts.replace_strict(place, default=_NOTHING, return_dtype=pl.Int32).fill_null(_NOTHING).to_numpy()
    return (*names, *more), found


def _array(values: Numbers, known: Numbers | None, dtype: pa.DataType) -> pa.Array:
    """Return values as Arrow takes them, without a copy; those not `known` are null."""
    import pyarrow as pa

    bitmap, nulls = None, 0
    if known is not None and not known.all():
        bitmap, nulls = pa.py_buffer(np.packbits(known, bitorder="little")), int(np.count_nonzero(~known))
    return pa.Array.from_buffers(dtype, len(values), [bitmap, pa.py_buffer(values)], null_count=nulls)


def _listed(names: Sequence[str]) -> pa.Array:
    import pyarrow as pa

    return pa.array(names, pa.string())


def _dictionary(places: Numbers, names: pa.Array, dtype: pa.DataType) -> pa.Array:
    """Return texts as a dictionary of just the names in use, ascending, so that its bytes hang on the rows alone."""
    import pyarrow as pa

    known = places >= 0
    counts = np.bincount(places, minlength=len(names)) if known.all() else np.bincount(places + 1, minlength=len(names) + 1)[1:]
    used = np.flatnonzero(counts)
    if not len(used):
        return pa.nulls(len(places), pa.dictionary(pa.int32(), dtype))
    listed = pl.Series(names.take(pa.array(used)))
    if not listed.is_sorted():
        order = listed.arg_sort().to_numpy()
        used, listed = used[order], listed.gather(order)
    new = np.zeros(len(names), dtype=np.int32)
    new[used] = np.arange(len(used), dtype=np.int32)
    # What has no name takes the first, and is null.
    indices = _array(new.take(places, mode="clip"), known, pa.int32())
    return pa.DictionaryArray.from_arrays(indices, listed.to_arrow().cast(dtype))
