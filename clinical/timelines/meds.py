"""MEDS 0.4.1 datasets: events in Parquet shards by subject, with the codes they use.

```
FOLDER/data/0.parquet ...         shards: whole subjects, in order of subject and time
FOLDER/metadata/codes.parquet     every code that occurs, with its description and parents
FOLDER/metadata/dataset.json      name, versions, which further columns there are
FOLDER/metadata/subject_splits.parquet   only when splits are given
FOLDER/metadata/problems.parquet, account.parquet   what was not understood, when given
```
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from unibase.clinical.timelines.door import sort_events
from unibase.groundwork.arrow import to_arrow, to_numpy
from unibase.groundwork.files import atomic_file, atomic_folder, write_json
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import EVENTS, write_parquet

if TYPE_CHECKING:
    import pyarrow as pa

MEDS_VERSION = "0.4.1"
SUBJECTS_PER_SHARD = 250
ROWS_PER_BLOCK = 1_000_000
"""About 150 MB of events."""
_ROW_GROUP = 262_144
_ROWS_AT_ONCE = 65_536
_PARTS = 256
OUR_COLUMNS = ("time_min", "time_max", "end_time", "unit", "recorded_time", "source", "source_row")


def write_dataset(
    events: pl.DataFrame | Iterable[pl.DataFrame],
    folder: Path | str,
    *,
    name: str = "unibase",
    subjects_per_shard: int = SUBJECTS_PER_SHARD,
    descriptions: Mapping[str, str] | None = None,
    notes: Mapping[str, object] | None = None,
    problems: pl.DataFrame | None = None,
    account: pl.DataFrame | None = None,
) -> Path:
    """Write EVENTS as a MEDS dataset, whole or not at all; return the folder.

    Args:
        events: EVENTS in any order; or blocks of them, whole subjects each, whose subjects ascend from block to block.
            The bytes are those of the whole where every block but the last has a multiple of `subjects_per_shard` subjects.
        folder: The dataset; replaced when it exists.
        name: Name of the dataset.
        subjects_per_shard: Subjects in one shard.
        descriptions: Text of a code, by code.
        notes: Further facts for `dataset.json`.
        problems: Rows not understood, kept beside.
        account: The account of the source tables, kept beside.
    """
    blocks = [events] if isinstance(events, pl.DataFrame) else events
    codes: set[str] = set()
    with atomic_folder(folder) as temporary:
        (temporary / "data").mkdir()
        number = 0
        for block in blocks:
            for shard in _cut(sort_events(EVENTS.conform(block)), subjects_per_shard):
                write_shard(shard, temporary / "data" / f"{number}.parquet")
                number += 1
            codes.update(block["code"].unique())
        if not number:
            write_shard(EVENTS.empty(), temporary / "data" / "0.parquet")
        write_metadata(temporary, sorted(codes), name=name, descriptions=descriptions, notes=notes)
        if problems is not None:
            write_parquet(problems, temporary / "metadata" / "problems.parquet")
        if account is not None:
            write_parquet(account, temporary / "metadata" / "account.parquet")
    return Path(folder)


def _cut(events: pl.DataFrame, subjects_per_shard: int) -> Iterator[pl.DataFrame]:
    """Yield the rows of each run of subjects; `events` are in order of subject."""
    starts = events["subject_id"].rle().struct.field("len").cum_sum().shift(1, fill_value=0)
    firsts = [*starts.gather_every(subjects_per_shard), events.height]
    for low, high in pairwise(firsts):
        yield events[low:high]


def write_shard(events: pl.DataFrame | pa.Table, path: Path) -> None:
    """Write one shard in the Arrow types that MEDS asks for (its `text_value` is a large string).

    Args:
        events: EVENTS in the order of the timeline; as an Arrow table, texts are dictionaries in order of their values.
        path: The file, in a folder that appears whole or not at all.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = _with_dictionaries(events) if isinstance(events, pl.DataFrame) else events
    texts = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    whole = [field.name for field in table.schema if pa.types.is_int64(field.type)]
    # Dictionaries go to the file as they are. A reader shall find the texts they stand for, as MEDS asks.
    plain = pa.schema([f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in table.schema])
    with pq.ParquetWriter(
        path,
        table.schema,
        store_schema=False,
        use_dictionary=texts,
        # Differences of ordered numbers are small and cheap. Those of times cost twice what a plain number costs to write
        # and to read, for a quarter of its bytes.
        column_encoding=dict.fromkeys(whole, "DELTA_BINARY_PACKED"),
        compression={field.name: "lz4" if field.name in texts else "none" for field in table.schema},
        # Those by which readers choose row groups, and those that are often empty and then need no reading.
        write_statistics=["subject_id", "time", "text_value", "end_time"],
        # In steps of 1,024 rows the steps alone cost a twelfth of the writing.
        write_batch_size=_ROWS_AT_ONCE,
    ) as writer:
        writer.write_table(table, row_group_size=_ROW_GROUP)
        writer.add_key_value_metadata({"ARROW:schema": base64.b64encode(plain.serialize().to_pybytes()).decode()})


def _with_dictionaries(events: pl.DataFrame) -> pa.Table:
    """Return events with texts as dictionaries of the values that occur, ascending: equal rows give equal bytes."""
    import pyarrow as pa

    table = events.to_arrow(compat_level=pl.CompatLevel.oldest())
    for place, (name, dtype) in enumerate(events.schema.items()):
        if dtype == pl.String:
            values = events[name].drop_nulls().unique().sort()
            codes = events[name].cast(pl.Enum(values)).to_physical().cast(pl.Int32).to_arrow()
            kind = pa.large_string() if name == "text_value" else pa.string()
            table = table.set_column(place, name, pa.DictionaryArray.from_arrays(codes, pa.array(values.to_list(), kind)))
    return table


def write_metadata(
    folder: Path,
    codes: list[str],
    *,
    name: str = "unibase",
    descriptions: Mapping[str, str] | None = None,
    notes: Mapping[str, object] | None = None,
) -> None:
    """Write `metadata/codes.parquet` and `metadata/dataset.json` of a dataset.

    Args:
        folder, codes: The dataset, and every code in it.
        name, descriptions, notes: Of the dataset; words for its codes; what `dataset.json` says beside the rest.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = descriptions or {}
    codes = sorted(codes)
    table = pa.table(
        {
            "code": to_arrow(codes, pa.string()),
            "description": to_arrow([texts.get(code) for code in codes], pa.string()),
            "parent_codes": to_arrow([_parents(code) for code in codes], pa.list_(pa.string())),
        }
    )
    with atomic_file(folder / "metadata" / "codes.parquet") as temporary:
        pq.write_table(table, temporary, compression="zstd")
    write_json(
        folder / "metadata" / "dataset.json",
        {
            "dataset_name": name,
            "etl_name": "unibase.clinical",
            "meds_version": MEDS_VERSION,
            "raw_source_id_columns": ["source", "source_row"],
            "code_modifier_columns": ["unit"],
            "other_extension_columns": [c for c in OUR_COLUMNS if c not in {"unit", "source", "source_row"}],
            **({"unibase": dict(notes)} if notes else {}),
        },
    )


def count_codes(folder: Path | str) -> pl.DataFrame:
    """Return `code, events` of the MEDS dataset in `folder`, ascending by code, one shard in memory at a time.

    Raises:
        UserError: If there is no dataset.
    """
    import pyarrow.parquet as pq

    total = pl.DataFrame(schema={"code": pl.String, "events": pl.Int64})
    parts: list[pl.DataFrame] = []
    shards = _shards(Path(folder))
    for number, shard in enumerate(shards, start=1):
        # Codes stay the numbers of their dictionaries: counting them needs no text.
        for group in pq.ParquetFile(shard, read_dictionary=["code"]).read(["code"], use_threads=False)["code"].chunks:
            found = np.bincount(to_numpy(group.indices), minlength=len(group.dictionary))
            parts.append(pl.DataFrame({"code": pl.Series(group.dictionary, dtype=pl.String), "events": found}))
        if len(parts) >= _PARTS or number == len(shards):
            total = pl.concat([total, *parts]).group_by("code").agg(pl.col("events").sum())
            parts = []
    return total.sort("code")


def _shards(folder: Path) -> list[Path]:
    shards = sorted((folder / "data").rglob("*.parquet"))
    if not shards:
        raise UserError(f"{folder} is no MEDS dataset: it has no data/*.parquet.")
    return shards


def read_dataset(folder: Path | str) -> pl.DataFrame:
    """Read the MEDS dataset in `folder` as EVENTS; columns of ours that it does not have are null.

    Raises:
        UserError: If there is no dataset.
    """
    frames = [pl.read_parquet(shard) for shard in _shards(Path(folder))]
    wanted = EVENTS.schema()
    return sort_events(EVENTS.conform(pl.concat([f.select(c for c in f.columns if c in wanted) for f in frames], how="diagonal")))


class Block(NamedTuple):
    """The events of a range of subjects: those above `above`, and up to `up_to`."""

    events: pl.DataFrame
    above: int
    up_to: int

    def of(self, frame: pl.DataFrame, subject: str = "subject_id") -> pl.DataFrame:
        """Return the rows of another table, `frame`, that are of these subjects, by its column `subject`."""
        return frame.filter((pl.col(subject) > self.above) & (pl.col(subject) <= self.up_to))


def read_blocks(folder: Path | str, rows: int = ROWS_PER_BLOCK) -> Iterator[Block]:
    """Yield the dataset in `folder`, as EVENTS, by blocks of whole shards with about `rows` rows.

    The ranges of the blocks follow one another and reach from the least to the greatest subject number there can be, so
    that every row of any table is in one of them.

    Raises:
        UserError: If there is no dataset.
    """
    import pyarrow.parquet as pq

    shards = sorted(_shards(Path(folder)), key=lambda path: int(path.stem))
    parts: list[list[Path]] = []
    size = rows
    for shard in shards:
        height = pq.read_metadata(shard).num_rows
        if size + height > rows:
            parts.append([])
            size = 0
        parts[-1].append(shard)
        size += height
    above = np.iinfo(np.int64).min
    for place, part in enumerate(parts):
        events = EVENTS.conform(pl.concat(pl.read_parquet(shard) for shard in part))
        up_to = np.iinfo(np.int64).max if place == len(parts) - 1 else int(events["subject_id"][-1])
        yield Block(events, int(above), int(up_to))
        above = up_to


def validate_dataset(folder: Path | str) -> list[str]:
    """Return what is wrong with the dataset in `folder`; an empty list means it is valid.

    Beside the schemas of the `meds` package this checks what they do not: order of time inside a subject, subjects
    contiguous and in one shard only, every code declared, bounds in order.

    Raises:
        UserError: If there is no dataset.
    """
    import meds
    import pyarrow.parquet as pq

    folder = Path(folder)
    _shards(folder)
    absent = [name for name in (meds.code_metadata_filepath, meds.dataset_metadata_filepath) if not (folder / name).is_file()]
    if absent:
        return [f"{name} is absent" for name in absent]
    wrong: list[str] = []
    declared = set(pq.read_table(folder / meds.code_metadata_filepath, columns=["code"])["code"].to_pylist())
    try:
        meds.CodeMetadataSchema.validate(pq.read_table(folder / meds.code_metadata_filepath))
    except Exception as error:
        wrong.append(f"{meds.code_metadata_filepath}: {error}")
    try:
        meds.DatasetMetadataSchema.validate(json.loads((folder / meds.dataset_metadata_filepath).read_text(encoding="utf-8")))
    except Exception as error:
        wrong.append(f"{meds.dataset_metadata_filepath}: {error}")
    seen: set[int] = set()
    for shard in sorted((folder / "data").rglob("*.parquet")):
        place = shard.relative_to(folder).as_posix()
        table = pq.read_table(shard)
        try:
            meds.DataSchema.validate(table)
        except Exception as error:
            wrong.append(f"{place}: {error}")
            continue
        wrong += [f"{place}: {text}" for text in _wrong_in_shard(pl.from_arrow(table), declared, seen)]  # type: ignore[arg-type]
    return wrong


def _wrong_in_shard(frame: pl.DataFrame, declared: set[str], seen: set[int]) -> list[str]:
    wrong: list[str] = []
    runs = frame["subject_id"].rle().struct.field("value")
    if runs.n_unique() != len(runs):
        wrong.append("rows of a subject are not contiguous")
    again = seen & set(runs)
    if again:
        wrong.append(f"{len(again)} subjects are in an earlier shard, too")
    seen.update(runs)
    same = pl.col("subject_id") == pl.col("subject_id").shift(1)
    later = pl.col("time").shift(1) > pl.col("time")
    null_late = pl.col("time").is_null() & pl.col("time").shift(1).is_not_null()
    bad = frame.select((same & (later.fill_null(False) | null_late)).sum()).item()
    if bad:
        wrong.append(f"{bad} rows are out of order of time")
    unknown = set(frame["code"].unique()) - declared
    if unknown:
        wrong.append(f"{len(unknown)} codes are not declared")
    if {"time_min", "time_max"} <= set(frame.columns):
        turned = frame.select((pl.col("time_min") > pl.col("time_max")).sum()).item()
        outside = frame.select(((pl.col("time") < pl.col("time_min")) | (pl.col("time") > pl.col("time_max"))).sum()).item()
        if turned or outside:
            wrong.append(f"{turned} rows with bounds turned round, {outside} with a time outside its bounds")
    return wrong


def _parents(code: str) -> list[str]:
    """Return the code one level up, for vocabularies whose codes show their hierarchy (ICD-10, ICD-O-3, ATC)."""
    vocabulary, _, value = code.rpartition("//")
    if vocabulary in {"ICD10", "ICD10CM", "ICDO3"} and "." in value:
        return [f"{vocabulary}//{value.split('.')[0]}"]
    if vocabulary == "ATC" and len(value) == 7:
        return [f"ATC//{value[:5]}"]
    return []
