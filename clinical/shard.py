"""One shard of a timeline from its pieces: plain rows as numbers and further rows as EVENTS, put in order once.

The order is that of `door.sort_events`. Plain rows arrive in the order of table and row, so one stable sort of a single
integer (subject, time) orders them; only where a further row shares subject and time with others are the other keys compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from clinical.door import sort_events
from clinical.plain import DAY, HAS_END, HAS_NUMBER, IS_DAY, Codebook, Numbers
from clinical.plausibility import GRACE, refuted_deaths
from groundwork.tables import EVENTS

if TYPE_CHECKING:
    import pyarrow as pa

_NOTHING = -1


@dataclass(frozen=True)
class Piece:
    """Plain rows of one source table in one shard; `rank` counts the subjects of the shard."""

    source: str
    columns: dict[str, Numbers]

    def __len__(self) -> int:
        return len(self.columns["time"])


class Rows:
    """All rows of a shard, plain ones first, as columns of numbers; texts are places in lists.

    `further` rows of `EVENTS` follow the plain ones in the order of the timeline.
    """

    def __init__(self, pieces: Sequence[Piece], further: pl.DataFrame, subjects: Numbers, book: Codebook) -> None:
        pieces = sorted((piece for piece in pieces if len(piece)), key=lambda piece: piece.source)
        further = sort_events(further)
        self.subjects = subjects
        self.plain = sum(len(piece) for piece in pieces)
        self.further = further
        self.sources = sorted({piece.source for piece in pieces} | set(further["source"].drop_nulls()))
        self.names = list(book.names)
        self.units = list(book.units)

        def column(name: str, dtype: type, empty: int, more: Numbers) -> Numbers:
            parts = [
                piece.columns[name] if name in piece.columns else np.full(len(piece), empty, dtype=dtype) for piece in pieces
            ]
            return np.concatenate([*parts, more.astype(dtype)])

        def micros(name: str) -> Numbers:
            return further[name].to_physical().fill_null(0).to_numpy()

        def known(name: str) -> Numbers:
            return further[name].is_not_null().to_numpy()

        self.rank = column("rank", np.int64, 0, np.searchsorted(subjects, further["subject_id"].to_numpy()))
        self.time = column("time", np.int64, 0, micros("time"))
        self.end = column("end", np.int64, 0, micros("end_time"))
        self.number = column("number", np.float32, 0, further["numeric_value"].fill_null(0).to_numpy())
        flags = known("end_time") * HAS_END + known("numeric_value") * HAS_NUMBER
        self.flags = column("flags", np.uint8, 0, flags)
        self.code = column("code", np.int32, 0, _places(further["code"], self.names))
        self.text = column("text", np.int32, _NOTHING, _places(further["text_value"], self.names))
        self.unit = column("unit", np.int32, _NOTHING, _places(further["unit"], self.units))
        self.source_row = column("source_row", np.int64, 0, further["source_row"].to_numpy())
        ranks = np.repeat([self.sources.index(piece.source) for piece in pieces], [len(piece) for piece in pieces])
        self.source = np.concatenate([ranks, _places(further["source"], list(self.sources))]).astype(np.int32)
        self.timed = np.concatenate([np.ones(self.plain, dtype=bool), known("time")])

    def __len__(self) -> int:
        return len(self.time)

    def order(self) -> Numbers:
        """Return the places of the rows in the order of the timeline."""
        if not len(self):
            return np.empty(0, dtype=np.int64)
        first = self.time[self.timed].min() if self.timed.any() else 0
        # Static facts and partial dates come before what has a time.
        since = np.where(self.timed, self.time - first + 1, 0)
        bits = int(since.max()).bit_length()
        if bits + len(self.subjects).bit_length() < 64:
            key = (self.rank << bits) | since
            order = pl.DataFrame({"key": key}).select(pl.arg_sort_by("key", maintain_order=True)).to_series().to_numpy()
            key = key[order]
            again = key[1:] == key[:-1]
        else:
            frame = pl.DataFrame({"rank": self.rank, "since": since})
            order = frame.select(pl.arg_sort_by("rank", "since", maintain_order=True)).to_series().to_numpy()
            rank, since = self.rank[order], since[order]
            again = (rank[1:] == rank[:-1]) & (since[1:] == since[:-1])
        return self._settled(order.astype(np.int64), again)

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

        stamp = pa.timestamp("us")
        time, flags = self.time[rows], self.flags[rows]
        low, high = time, time + (flags & IS_DAY) * np.int64(DAY - 1)
        timed = self.timed[rows]
        bounded = np.ones(len(rows), dtype=bool)
        recorded = pa.nulls(len(rows), stamp)
        at = np.flatnonzero(rows >= self.plain)
        if len(at):
            further = self.further[rows[at] - self.plain]
            low = low.copy()
            low[at] = further["time_min"].to_physical().fill_null(0).to_numpy()
            high[at] = further["time_max"].to_physical().fill_null(0).to_numpy()
            bounded[at] = further["time_min"].is_not_null().to_numpy()
            if further["recorded_time"].null_count() < len(at):
                when = np.zeros(len(rows), dtype=np.int64)
                has = np.zeros(len(rows), dtype=bool)
                when[at] = further["recorded_time"].to_physical().fill_null(0).to_numpy()
                has[at] = further["recorded_time"].is_not_null().to_numpy()
                recorded = _nullable(when, has).view(stamp)
        columns = {
            "subject_id": pa.array(self.subjects[self.rank[rows]]),
            "time": _nullable(time, timed).view(stamp),
            "code": _dictionary(self.code[rows], self.names, pa.string()),
            "numeric_value": _nullable(self.number[rows], flags & HAS_NUMBER != 0),
            "text_value": _dictionary(self.text[rows], self.names, pa.large_string()),
            "time_min": _nullable(low, bounded).view(stamp),
            "time_max": _nullable(high, bounded).view(stamp),
            "end_time": _nullable(self.end[rows], flags & HAS_END != 0).view(stamp),
            "unit": _dictionary(self.unit[rows], self.units, pa.string()),
            "recorded_time": recorded,
            "source": _dictionary(self.source[rows], self.sources, pa.string()),
            "source_row": pa.array(self.source_row[rows]),
        }
        return pa.table({name: columns[name] for name in EVENTS.schema()})


def _places(texts: pl.Series, names: list[str]) -> Numbers:
    """Return the place of each text in `names`, which grows by those it does not hold; -1 for null."""
    if texts.null_count() == len(texts):
        return np.full(len(texts), _NOTHING, dtype=np.int32)
    place = {name: number for number, name in enumerate(names)}
    for text in texts.drop_nulls().unique().sort():
        if text not in place:
            place[text] = len(names)
            names.append(text)
    return texts.replace_strict(place, default=_NOTHING, return_dtype=pl.Int32).fill_null(_NOTHING).to_numpy()


def _nullable(values: Numbers, known: Numbers) -> pa.Array:
    import pyarrow as pa

    return pa.array(values) if known.all() else pa.array(values, mask=~known)


def _dictionary(places: Numbers, names: Sequence[str], dtype: pa.DataType) -> pa.Array:
    """Return texts as a dictionary of just the names in use, ascending, so that its bytes hang on the rows alone."""
    import pyarrow as pa

    known = places >= 0
    whole = bool(known.all())
    if not known.any():
        return pa.nulls(len(places), pa.dictionary(pa.int32(), dtype))
    counts = np.bincount(places if whole else places[known], minlength=len(names))
    used = sorted((names[one], one) for one in np.flatnonzero(counts).tolist())
    new = np.zeros(len(names), dtype=np.int32)
    new[[one for _, one in used]] = np.arange(len(used), dtype=np.int32)
    indices = pa.array(new[places]) if whole else pa.array(new[np.where(known, places, 0)], mask=~known)
    return pa.DictionaryArray.from_arrays(indices, pa.array([name for name, _ in used], dtype))
