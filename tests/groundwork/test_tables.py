from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unibase.groundwork import image_tables, tables
from unibase.groundwork.tables import EVENTS, PEOPLE, SAMPLE_MAP, Column, Table, write_parquet

NEVER_NULL = {
    "people": {"centre", "person_key", "system", "identifier"},
    "events": {"subject_id", "code"},
    "series": {"subject_id", "StudyInstanceUID", "SeriesInstanceUID", "folder", "input_digest"},
    "volumes": {"SeriesInstanceUID", "volume", "status", "reason", "message", "remedy", "folder"},
    "images": {"SeriesInstanceUID", "volume"},
    "features": {"region", "image_type", "engine", "mode", "settings_digest", "source_digest"},
    "voxels": {"subject_id", "SeriesInstanceUID", "volume", "region", "path", "digest"},
    "segmented": {"subject_id", "SeriesInstanceUID", "volume", "segmenter", "path"},
    "report_values": {"SOPInstanceUID", "item", "container", "value_type"},
    "mask_agreement": {"subject_id", "SeriesInstanceUID", "volume", "target", "roi_name", "label", "segmenter", "source_digest"},
    "sample_map": {"assay", "primary", "colname", "status", "reason"},
    "maf": {"subject_id", "Tumor_Sample_Barcode", "Hugo_Symbol", "Variant_Classification", "Mutation_Status"},
    "quarantine": {"stage", "unit", "reason", "message"},
}
"""What no row of a table that rooms hand to one another may lack."""
OPEN = {"features", "voxels"}
CONTRACTS = {table.name: table for table in (vars(tables) | vars(image_tables)).values() if isinstance(table, Table)}

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


def test_what_no_row_may_lack_is_what_rooms_rely_on() -> None:
    assert {name: {c.name for c in table.columns if not c.nullable} for name, table in CONTRACTS.items()} == NEVER_NULL
    assert {name for name, table in CONTRACTS.items() if table.open} == OPEN


def test_rows_with_an_equal_beginning_of_the_key_keep_their_order_and_nulls_come_first() -> None:
    loose = Table("loose", "One row.", (Column("a", pl.Int64(), "A."), Column("b", pl.String(), "B.")), key=("a",))
    frame = loose.conform(pl.DataFrame({"a": [2, None, 1], "b": ["x", "y", "z"]}))
    assert frame.rows() == [(None, "y"), (1, "z"), (2, "x")]


def test_a_wide_table_has_small_groups_of_rows_and_a_narrow_one_large_ones(tmp_path: Path) -> None:
    narrow = pl.DataFrame({"a": range(140_000)})
    wide = pl.DataFrame({f"c{n}": [1.0] * 1100 for n in range(4000)})
    for name, frame, rows in (("narrow", narrow, 131_072), ("wide", wide, 1024)):
        write_parquet(frame, tmp_path / name)
        assert pq.ParquetFile(tmp_path / name).metadata.row_group(0).num_rows == rows


TEXTS = {
    "no row": pl.Series([], dtype=pl.String),
    "nulls alone": pl.Series([None, None], dtype=pl.String),
    "an empty text": pl.Series(["", None, "x"]),
    "letters of several bytes": pl.Series(["CHU-été", "日本", None, "a" * 500]),
    "a part of a series": pl.Series([str(n) for n in range(3000)]).slice(700, 1900),
    "several chunks": pl.concat([pl.Series(["a", None]), pl.Series([], dtype=pl.String), pl.Series(["b"])], rechunk=False),
    "repeated": pl.Series(["a", "b"] * 40_000),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_texts_are_written_as_a_cast_of_arrow_writes_them(kind: str, tmp_path: Path) -> None:
    frame = pl.DataFrame({"text": TEXTS[kind], "n": range(len(TEXTS[kind]))})
    write_parquet(frame, tmp_path / "ours")
    oracle = frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.schema([("text", pa.string()), ("n", pa.int64())]))
    rows = max(1024, min(131_072, tables.CELLS_PER_GROUP // 2))
    pq.write_table(oracle, tmp_path / "oracle", compression="zstd", row_group_size=rows)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "oracle").read_bytes()


@pytest.mark.parametrize(("end", "fits"), [(2**31 - 1, True), (2**31, False)])
def test_texts_of_over_two_gigabytes_are_refused_and_never_wrapped(end: int, fits: bool) -> None:
    # An array that says how long its text is, and holds none of it: no byte of the text is read.
    offsets = pa.py_buffer(np.array([0, end], dtype=np.int64))
    text = pa.foreign_buffer(offsets.address, end, offsets)
    chunk = pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, text])
    if fits:
        assert np.frombuffer(tables._plain_text(chunk).buffers()[1], dtype=np.int32).tolist() == [0, end]
        return
    with pytest.raises(pa.ArrowInvalid, match="input array too large"):
        tables._plain_text(chunk)


def test_texts_that_begin_within_their_buffer_are_read_from_there() -> None:
    chunk = pa.array(["a", "bb", None, "dddd", "e"], pa.large_string()).slice(1, 3)
    assert chunk.offset == 1
    assert tables._plain_text(chunk).to_pylist() == ["bb", None, "dddd"]
