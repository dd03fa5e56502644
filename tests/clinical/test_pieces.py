"""Packed columns give back every value exactly, whatever type they were packed into."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unibase.clinical.timelines.pieces import PLAIN, SECOND, PieceFile, pack, read_shard, write_pieces

LEAST, GREATEST = -(2**63), 2**63 - 1
CENTURIES = st.integers(-(10**11), 10**11)
TIMES = st.one_of(
    st.lists(CENTURIES.map(lambda second: second * SECOND), min_size=1),
    st.lists(st.integers(LEAST, GREATEST), min_size=1),
    st.lists(st.sampled_from([LEAST, -1, 0, SECOND, GREATEST]), min_size=1),
)


@given(TIMES)
def test_times_come_back(times: list[int]) -> None:
    values = np.array(times, dtype=np.int64)
    column, packed = pack("time", values)
    back = np.empty_like(values)
    column.unpack(packed, back)
    np.testing.assert_array_equal(back, values)


def test_bytes_of_a_time() -> None:
    decades = np.array([0, 70 * 365 * 86_400]) * SECOND
    assert pack("time", decades)[0].width == 4
    assert pack("time", np.array([0, decades[1] + 1]))[0].width == 8
    assert pack("time", decades[:1])[0].width == 0
    assert pack("time", np.array([0, 2**32]) * SECOND)[0].width == 8


@st.composite
def _batches(draw: st.DrawFn) -> list[tuple[dict[str, np.ndarray], np.ndarray]]:
    """Columns and shards of a few batches, each of which has other columns."""
    batches = []
    for _ in range(draw(st.integers(0, 3))):
        rows = draw(st.integers(1, 12))
        names = ["time", "rank", "row", "code", *draw(st.sets(st.sampled_from(["length", "number", "text", "unit", "flags"])))]
        columns = {}
        for name in names:
            dtype = np.dtype(PLAIN[name][0])
            few = st.sampled_from([0, 1, 7]) if dtype.kind == "u" else st.sampled_from([-1, 0, 300])
            any_value = st.floats(width=32) if dtype.kind == "f" else st.integers(np.iinfo(dtype).min, np.iinfo(dtype).max)
            columns[name] = draw(arrays(dtype, rows, elements=any_value if dtype.kind == "f" else st.one_of(few, any_value)))
        batches.append((columns, draw(arrays(np.uint32, rows, elements=st.integers(0, 2)))))
    return batches


@given(_batches(), st.integers(0, 2))
def test_a_shard_gathers_its_rows_of_every_batch(batches: list[tuple[dict[str, np.ndarray], np.ndarray]], room: int) -> None:
    with TemporaryDirectory() as folder:
        files = []
        for number, (columns, shard) in enumerate(batches):
            path = Path(folder) / f"{number}.rows"
            write_pieces(path, columns, shard, 3, 10 * number)
            files.append(PieceFile.of(path, "measurement"))
            assert files[-1].offset == 10 * number
        for shard in range(3):
            found = read_shard([file for file in files if file.rows(shard)], shard, room)
            rows = np.arange(sum(file.rows(shard) for file in files))
            assert len(found.piece) == len(rows) + room
            for name, (dtype, value) in PLAIN.items():
                parts = [columns.get(name, np.full(len(of), value, dtype))[of == shard] for columns, of in batches]
                expected = np.concatenate([np.empty(0, dtype), *parts])
                np.testing.assert_array_equal(found.take(name, rows, found.piece[rows]), expected)
