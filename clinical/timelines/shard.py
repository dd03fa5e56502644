"""One shard of a timeline from its pieces: plain rows as numbers and further rows as EVENTS, put in order once.

The order is that of `door.sort_events`. Plain rows arrive in the order of table and row, so one stable sort of a single
integer (subject, time) orders them; only where a further row shares subject and time with others are the other keys compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from unibase.clinical.formats.omop_codebook import DAY, Codebook
from unibase.clinical.formats.omop_plain_rows import HAS_END, HAS_NUMBER, is_day
from unibase.clinical.timelines.door import sort_events
from unibase.clinical.timelines.pieces import SECOND, Numbers, ShardRows, whole_seconds
from unibase.clinical.timelines.plausibility import GRACE, refuted_deaths
from unibase.groundwork.arrow import to_arrow, to_numpy
from unibase.groundwork.tables import EVENTS

if TYPE_CHECKING:
    import pyarrow as pa

_NOTHING = -1


@dataclass(frozen=True)
class Piece:
    """Plain rows of one source table in one shard, of a batch that `offset` rows of the table come before."""

    source: str
    offset: int
    rows: int


@dataclass(frozen=True)
class Order:
    """Some rows of a shard: their places, and the rank of the subject and the time of each."""

    rows: Numbers
    rank: Numbers
    time: Numbers

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, kept: Numbers) -> Order:
        """Return those that are kept."""
        return Order(self.rows[kept], self.rank[kept], self.time[kept])


class Rows:
    """All rows of a shard, plain ones first, as columns of numbers; texts are places in lists.

    `further` rows of `EVENTS` follow the plain ones in the order of the timeline; `plain` has room for them at its end. Of
    them only subject and time are put there: the rest is taken from the rows when the table is made.
    """

    def __init__(
        self, pieces: Sequence[Piece], plain: ShardRows, further: pl.DataFrame, subjects: Numbers, book: Codebook
    ) -> None:
        further = sort_events(further)
        self.subjects = subjects
        self.pieces = pieces
        self.time = plain.varying["time"]
        self.rank = plain.varying["rank"]
        self.plain = len(self.time) - further.height
        self.further = further
        self.sources = sorted({piece.source for piece in pieces} | set(further["source"].unique().drop_nulls()))
        # A last value, for further rows, which take theirs elsewhere.
        source = np.array([*(self.sources.index(piece.source) for piece in pieces), _NOTHING], dtype=np.int32)
        before = np.array([*(piece.offset + 1 for piece in pieces), 0], dtype=np.int64)
        self.columns = replace(plain, fixed={**plain.fixed, "source": source, "before": before})
        codes, code = _places(further["code"], book.names, book.place)
        answers, text = _places(further["text_value"], codes, book.place)
        units, unit = _places(further["unit"], book.units, {})
        names = book.listed if len(answers) == len(book.names) else _column(answers)
        self.texts = {
            "code": (names, code),
            "text": (names, text),
            "unit": (_column(units), unit),
            "source": (_column(self.sources), _places(further["source"], self.sources, {})[1]),
        }
        self.time[self.plain :], self.timed = _micros(further["time"])
        self.rank[self.plain :] = np.searchsorted(subjects, further["subject_id"].to_numpy())

    def __len__(self) -> int:
        return len(self.time)

    def order(self) -> Order:
        """Return the rows in the order of the timeline."""
        if not len(self):
            return self._at(np.empty(0, dtype=np.int64))
        known = (self.time[: self.plain], self.time[self.plain :][self.timed])
        first = min((part.min() for part in known if len(part)), default=np.int64(0))
        since = self.time - first
        seconds = whole_seconds(since)
        since, step = (since, 1) if seconds is None else (seconds, SECOND)
        # Static facts and partial dates come before what has a time.
        since += 1
        since[self.plain :][~self.timed] = 0
        bits, places = int(since.max()).bit_length(), len(self).bit_length()
        if bits + places + len(self.subjects).bit_length() >= 64:
            frame = pl.DataFrame({"rank": self.rank, "since": since})
            order = self._at(
                frame.select(pl.arg_sort_by("rank", "since", maintain_order=True)).to_series().to_numpy().astype(np.int64)
            )
            since = since[order.rows]
            return self._settled(order, (order.rank[1:] == order.rank[:-1]) & (since[1:] == since[:-1]))
        # Subject, time and place in one number: numbers sort several times faster than their places, and tell the first two again.
        key = self.rank.astype(np.int64)
        for column, size in ((since, bits), (np.arange(len(self)), places)):
            key <<= size
            key |= column
        key = pl.Series(key).sort().to_numpy()
        rows, key = key & ((1 << places) - 1), key >> places
        time = (key & ((1 << bits) - 1)) * step + (first - step)
        return self._settled(Order(rows, key >> bits, time), key[1:] == key[:-1])

    def _at(self, rows: Numbers) -> Order:
        return Order(rows, self.rank.take(rows), self.time.take(rows))

    def _settled(self, order: Order, again: Numbers) -> Order:
        """Return `order` with the rows in place that share subject and time with a further row."""
        if self.further.is_empty() or not again.any():
            return order
        group = np.concatenate([[0], np.cumsum(~again)])
        mixed = np.zeros(int(group[-1]) + 1, dtype=bool)
        mixed[group[order.rows >= self.plain]] = True
        mixed &= np.bincount(group) > 1
        at = np.flatnonzero(mixed[group])
        if not len(at):
            return order
        rows = order.rows.copy()
        # Subject and time are the first keys of `sort_events`, so the rows of each group stay in its places.
        rows[at] = sort_events(self.frame(rows[at]).with_columns(pl.Series("_row", rows[at])))["_row"].to_numpy()
        return replace(order, rows=rows)

    def refuted(self) -> pl.DataFrame:
        """Return the deaths that cannot be true, as `plausibility.refuted_deaths` does."""
        deaths = self.further.filter((pl.col("code") == "MEDS_DEATH") & pl.col("time_max").is_not_null())
        if deaths.is_empty():
            return refuted_deaths(deaths)
        latest = np.full(len(self.subjects), np.iinfo(np.int64).max)
        subject = np.searchsorted(self.subjects, deaths["subject_id"].to_numpy())
        np.minimum.at(latest, subject, (deaths["time_max"] + GRACE - timedelta(days=1)).to_physical().to_numpy())
        late = np.flatnonzero(self.time[: self.plain] >= latest[self.rank[: self.plain]])
        of_dead = np.flatnonzero(latest[self.rank[self.plain :]] < np.iinfo(np.int64).max) + self.plain
        return refuted_deaths(self.frame(np.concatenate([late, of_dead])))

    def frame(self, rows: Numbers) -> pl.DataFrame:
        """Return some rows as EVENTS."""
        frame = pl.from_arrow(self.table(self._at(rows)))
        assert isinstance(frame, pl.DataFrame)
        return EVENTS.conform(frame)

    def by_source(self, order: Order) -> dict[str, int]:
        """Return how many of the rows in `order`, all plain ones among them, are of each source."""
        counts = np.zeros(len(self.sources), dtype=np.int64)
        rows = [piece.rows for piece in self.pieces]
        np.add.at(counts, self.columns.fixed["source"][:-1], rows)
        plain = order.rows[order.rows >= self.plain] - self.plain
        np.add.at(counts, self.texts["source"][1][plain], 1)
        return dict(zip(self.sources, counts.tolist(), strict=True))

    def table(self, order: Order) -> pa.Table:
        """Return some rows as an Arrow table of EVENTS, whose texts are dictionaries in order of their values."""
        import pyarrow as pa

        stamp, whole = pa.timestamp("us"), pa.int64()
        rows, time = order.rows, order.time
        piece = self.columns.piece.take(rows)
        number, flags = (self.columns.take(name, rows, piece) for name in ("number", "flags"))
        ended, numbered = flags & HAS_END != 0, flags & HAS_NUMBER != 0
        end = time + self.columns.take("length", rows, piece)
        source_row = self.columns.take("before", rows, piece) + self.columns.take("row", rows, piece)
        low, high = time, time + is_day(time) * np.int64(DAY - 1)
        timed, bounded, was_recorded = (np.full(len(rows), known) for known in (True, True, False))
        recorded = was_recorded.astype(np.int64)
        at = np.flatnonzero(rows >= self.plain)
        place = rows[at] - self.plain
        if len(at):
            further = self.further[place]
            low = low.copy()
            timed[at] = self.timed[place]
            for column, known, name in (
                (low, bounded, "time_min"),
                (high, bounded, "time_max"),
                (end, ended, "end_time"),
                (recorded, was_recorded, "recorded_time"),
            ):
                column[at], known[at] = _micros(further[name])
            number[at], numbered[at] = further["numeric_value"].to_numpy(), further["numeric_value"].is_not_null().to_numpy()
            source_row[at] = further["source_row"].to_numpy()

        columns = {
            "subject_id": _array(self.subjects.take(order.rank), None, whole),
            "time": _array(time, timed, stamp),
            "code": self._dictionary("code", rows, piece, at, pa.string()),
            "numeric_value": _array(number, numbered, pa.float32()),
            "text_value": self._dictionary("text", rows, piece, at, pa.large_string()),
            "time_min": _array(low, bounded, stamp),
            "time_max": _array(high, bounded, stamp),
            "end_time": _array(end, ended, stamp),
            "unit": self._dictionary("unit", rows, piece, at, pa.string()),
            "recorded_time": _array(recorded, was_recorded, stamp),
            "source": self._dictionary("source", rows, piece, at, pa.string()),
            "source_row": _array(source_row, None, whole),
        }
        return pa.table({name: columns[name] for name in EVENTS.schema()})

    def _dictionary(self, name: str, rows: Numbers, piece: Numbers, at: Numbers, dtype: pa.DataType) -> pa.Array:
        """Return texts as a dictionary of just the names in use, ascending, so that its bytes depend on the rows alone.

        Args:
            name: The column.
            rows: Places of the rows.
            piece: Their pieces.
            at: Which of them are further rows.
            dtype: Type of a text.
        """
        import pyarrow as pa

        names, further = self.texts[name]
        more = further[rows[at] - self.plain]
        by_row = self.columns.varying.get(name)
        held = self.columns.fixed[name] if by_row is None else by_row
        # All plain rows count, whichever are asked for: those of a whole shard are all there.
        in_use = held[:-1] if by_row is None else held[: self.plain]
        counts = np.bincount(in_use if in_use.dtype.kind == "u" else in_use[in_use >= 0], minlength=len(names))
        counts[more[more >= 0]] += 1
        used = np.flatnonzero(counts)
        if not len(used):
            return pa.nulls(len(rows), pa.dictionary(pa.int32(), dtype))
        listed = names.gather(used)
        if not listed.is_sorted():
            order = listed.arg_sort().to_numpy()
            used, listed = used[order], listed.gather(order)
        # What has no name, -1, takes the last, and is null.
        new = np.zeros(len(names) + 1, dtype=np.int32)
        new[used] = np.arange(len(used), dtype=np.int32)
        if by_row is None:
            indices, known = new.take(held).take(piece), (held >= 0).take(piece)
        else:
            places = held.take(rows)
            indices, known = new.take(places), places >= 0
        indices[at], known[at] = new.take(more), more >= 0
        return pa.DictionaryArray.from_arrays(_array(indices, known, pa.int32()), to_arrow(listed, dtype))


def _micros(moments: pl.Series) -> tuple[Numbers, Numbers]:
    """Return microseconds, 0 for null, and which are known."""
    stamps = moments.to_numpy()
    known = ~np.isnat(stamps)
    return np.where(known, stamps.view(np.int64), 0), known


def _places(texts: pl.Series, names: Sequence[str], known: Mapping[str, int]) -> tuple[Sequence[str], Numbers]:
    """Return `names` and those of `texts` they do not hold, and the place of each text in them; -1 for null.

    `known` tells the place of some names without a search.
    """
    import pyarrow as pa

    if texts.null_count() == len(texts):
        return names, np.full(len(texts), _NOTHING, dtype=np.int32)
    place: dict[str, int] = {}
    more: list[str] = []
    coded = to_arrow(texts, pa.large_string()).dictionary_encode()
    values = coded.dictionary.to_pylist()
    for text in sorted(values):
        if text in known:
            place[text] = known[text]
        elif text in names:
            place[text] = names.index(text)
        else:
            place[text] = len(names) + len(more)
            more.append(text)
    found = np.array([*(place[text] for text in values), _NOTHING], dtype=np.int32)
    return (*names, *more), found.take(to_numpy(coded.indices.fill_null(len(values))))


def _array(values: Numbers, known: Numbers | None, dtype: pa.DataType) -> pa.Array:
    """Return values as Arrow takes them, without a copy; those not `known` are null."""
    import pyarrow as pa

    bitmap, nulls = None, 0
    if known is not None and not known.all():
        bitmap = pa.py_buffer(np.packbits(known, bitorder="little"))
        nulls = int(np.count_nonzero(~known))
    return pa.Array.from_buffers(dtype, len(values), [bitmap, pa.py_buffer(values)], null_count=nulls)


def _column(names: Sequence[str]) -> pl.Series:
    return pl.Series(names, dtype=pl.String)
