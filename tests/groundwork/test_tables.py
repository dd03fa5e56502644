from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from unibase.groundwork.tables import EVENTS, PEOPLE, SAMPLE_MAP, Column, Table

SMALL = Table("small", "One row.", (Column("a", pl.Int64(), "A.", nullable=False), Column("b", pl.String(), "B.")), key=("a",))


def test_conform_orders_columns_and_rows_and_fills_what_may_be_absent() -> None:
    frame = SMALL.conform(pl.DataFrame({"a": [2, 1]}))
    assert frame.to_dict(as_series=False) == {"a": [1, 2], "b": [None, None]}


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pl.DataFrame({"b": ["x"]}), "missing columns a"),
        (pl.DataFrame({"a": [1], "c": [1]}), "unknown columns c"),
        (pl.DataFrame({"a": [1, None]}), "nulls in a"),
        (pl.DataFrame({"a": [1, 1], "b": ["Dupont", "Durand"]}), "1 rows repeat a key"),
    ],
)
def test_what_breaks_the_table_is_named_without_values(frame: pl.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        SMALL.conform(frame)
    assert "Dupont" not in str(caught.value)


def test_equal_frames_give_equal_bytes(tmp_path: Path) -> None:
    rows = {"subject_id": [2, 1], "code": ["b", "a"], "time": [datetime(2021, 1, 2), None]}
    EVENTS.write(pl.DataFrame(rows), tmp_path / "a.parquet")
    EVENTS.write(pl.DataFrame(rows).select("time", "code", "subject_id"), tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert EVENTS.read(tmp_path / "a.parquet").schema == EVENTS.schema()


def test_an_absent_file_is_an_empty_table(tmp_path: Path) -> None:
    assert SAMPLE_MAP.read(tmp_path / "none.parquet").height == 0


@pytest.mark.parametrize("table", [EVENTS, PEOPLE, SAMPLE_MAP])
def test_every_column_is_explained(table: Table) -> None:
    assert all(column.text.endswith(".") for column in table.columns)
