"""Tables by blocks hold the same rows in the same order as tables whole."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from unibase.groundwork.tables import write_parquet
from unibase.releases.content.wide_tables import slices, subject_blocks, write_blocks


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9) | st.none(), st.integers(0, 3), st.integers()), max_size=40),
    st.sets(st.integers(1, 9), max_size=9),
    st.integers(1, 60),
)
def test_blocks_are_the_rows_of_the_subjects_in_order(rows: list[tuple[int, int, int]], wanted: set[int], cells: int) -> None:
    numbered = [(subject, key, place) for place, (subject, key, _) in enumerate(rows)]
    frame = pl.DataFrame(numbered, schema={"subject_id": pl.Int64, "key": pl.Int64, "place": pl.Int64}, orient="row")
    subjects = pl.Series(sorted(wanted), dtype=pl.Int64)
    blocks = list(subject_blocks(frame, subjects, ["key", "absent"], cells=cells))
    expected = sorted((row for row in numbered if row[0] in wanted), key=lambda r: r[:2])
    assert pl.concat(blocks).rows() == expected
    for one, other in itertools.pairwise(blocks):
        assert one["subject_id"].max() < other["subject_id"].min()  # type: ignore[operator]


def test_a_file_is_read_by_blocks_as_a_frame_is(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    frame = pl.DataFrame({"subject_id": rng.permutation(500), "value": rng.normal(size=500), "text": ["a", None] * 250})
    write_parquet(frame, tmp_path / "in.parquet")
    subjects = pl.Series(range(100, 400))
    write_blocks(subject_blocks(tmp_path / "in.parquet", subjects, cells=100), tmp_path / "out.parquet")
    expected = frame.filter(pl.col("subject_id").is_between(100, 399)).sort("subject_id")
    assert pl.read_parquet(tmp_path / "out.parquet").equals(expected)
    again = [block for _, block in slices(tmp_path / "out.parquet", ["value"], 300, 77)]
    assert pl.concat(again).equals(expected.select("value"))
