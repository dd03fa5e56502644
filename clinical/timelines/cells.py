"""Events on their way from batches of rows to shards of subjects: one file a batch, from which a shard reads its own rows.

A file holds the rows of a batch in the order of their subjects, cut into cells: the rows of a run of subjects, the same runs in every
file. It begins with where each cell begins and the last ends; a cell is an Arrow record batch.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from unibase.groundwork.tables import EVENTS

if TYPE_CHECKING:
    import pyarrow as pa

_COLUMNS = [name for name in EVENTS.schema() if name != "source"]


def write_piece(events: pl.DataFrame, path: Path, firsts: list[int]) -> None:
    """Write the events of one source.

    Args:
        events: EVENTS; rows of a subject keep their order.
        path: The file.
        firsts: First subject of every cell, ascending.
    """
    events = events.select(_COLUMNS).sort("subject_id", maintain_order=True)
    ids = events["subject_id"]
    cuts = [0, *(ids.search_sorted(first, side="left") for first in firsts[1:]), events.height]
    table = events.to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks()
    ends = [(len(firsts) + 1) * 8]
    with path.open("wb") as file:
        file.seek(ends[0])
        for low, high in pairwise(cuts):
            for cell in table.slice(low, high - low).to_batches() if high > low else []:
                file.write(cell.serialize())
            ends.append(file.tell())
        file.seek(0)
        np.array(ends, dtype=np.int64).tofile(file)


def read_piece(path: Path, cells: range, source: str) -> pl.DataFrame:
    """Return the events of a run of `cells` of the file at `path`, as EVENTS of `source`."""
    import pyarrow as pa

    found: list[pl.DataFrame] = [EVENTS.empty().select(_COLUMNS)]
    with path.open("rb") as file:
        ends = np.fromfile(file, dtype=np.int64, count=cells.stop + 1)
        for cell in cells:
            size = int(ends[cell + 1] - ends[cell])
            if size:
                file.seek(int(ends[cell]))
                batch = pa.ipc.read_record_batch(pa.py_buffer(file.read(size)), _schema())
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)
                found.append(frame)
    return pl.concat(found).with_columns(source=pl.lit(source)).select(EVENTS.schema().names())


def _schema() -> pa.Schema:
    return EVENTS.empty().select(_COLUMNS).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
