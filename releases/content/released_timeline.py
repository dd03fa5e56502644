"""The timeline of a release: a MEDS 0.4.1 dataset of its subjects, from a MEDS folder or a frame of events.

MEDS asks for `data/*.parquet` (rows of a subject contiguous, in order of time, static facts first),
`metadata/codes.parquet` and `metadata/dataset.json`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from unibase.groundwork.files import atomic_file, write_json
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import EVENTS
from unibase.releases.content.leaving import AS_THEY_ARE, Leaving

if TYPE_CHECKING:
    import pyarrow as pa

SUBJECTS_PER_SHARD = 1000


def write_timeline(
    events: pl.DataFrame | Path,
    subject_ids: pl.Series,
    folder: Path,
    seen: Callable[[pl.DataFrame], None] = lambda _: None,
    leaving: Leaving = AS_THEY_ARE,
) -> pl.DataFrame:
    """Write the events of `subject_ids` below `folder` as a MEDS dataset; `write_description` completes it.

    A MEDS folder is read one shard at a time and keeps its shards. `seen` is called with each shard that is written;
    `leaving` says what is made of its rows before.

    Returns:
        One row per code: `code`, `description`, `events`, `subjects`.

    Raises:
        UserError: If `events` is a folder that holds no MEDS data.
    """
    from meds import CodeMetadataSchema, DataSchema

    wanted = set(subject_ids.to_list())
    counts = []
    for name, shard in _shards(events, subject_ids):
        kept = shard.filter(pl.col("subject_id").is_in(list(wanted)))
        if not kept.height:
            continue
        if name.endswith("#frame"):
            name = name.removesuffix("#frame")
            kept = kept.sort(["subject_id", "time"], nulls_last=False, maintain_order=True)
        kept = leaving.apply(kept)
        _write_meds(kept, folder / "data" / name, DataSchema)
        seen(kept)
        counts.append(kept.group_by("code").agg(pl.len().alias("events"), pl.col("subject_id").n_unique().alias("subjects")))
    if not counts:
        _write_meds(EVENTS.empty(), folder / "data" / "0.parquet", DataSchema)
        seen(EVENTS.empty())
    codes = _counted(counts).join(_descriptions(events), on="code", how="left").sort("code")
    described = codes.select("code", "description", "parent_codes")
    _write_meds(described, folder / "metadata" / "codes.parquet", CodeMetadataSchema)
    return codes.select("code", "description", "events", "subjects")


def _counted(counts: list[pl.DataFrame]) -> pl.DataFrame:
    """Return the events and subjects of each code, added up over shards."""
    schema = {"code": pl.String, "events": pl.UInt32, "subjects": pl.UInt32}
    codes = pl.concat([pl.DataFrame(schema=schema), *counts])
    added = pl.col("events", "subjects").sum().cast(pl.Int64)
    return codes.group_by("code").agg(added).sort("code")


def write_description(folder: Path, dataset: str, version: str) -> None:
    """Write the name, `dataset`, and the `version` of the MEDS dataset in `folder`."""
    about = {"dataset_name": dataset, "dataset_version": version, "meds_version": "0.4.1", "etl_name": "unibase"}
    write_json(folder / "metadata" / "dataset.json", about)


MEDS_SPLITS = {"validation": "tuning", "test": "held_out"}
"""Parts of the table `splits` to what MEDS calls them; train is train, and parts of other names keep them."""


def write_subject_splits(folder: Path, splits: pl.DataFrame) -> None:
    """Write which part each subject is in, where the study splits its subjects into parts, as tools of MEDS read it.

    Args:
        folder: Folder of the timeline.
        splits: The released table `splits`.
    """
    from meds import SubjectSplitSchema, subject_splits_filepath

    parts = splits.filter(pl.col("scheme") == "parts").select("subject_id", pl.col("part").replace(MEDS_SPLITS).alias("split"))
    if parts.height:
        _write_meds(parts.sort("subject_id"), folder / subject_splits_filepath, SubjectSplitSchema)


def _write_meds(frame: pl.DataFrame, path: Path, schema: pa.Schema) -> None:
    """Write Parquet whose MEDS columns have exactly the Arrow types of `schema` (`meds.DataSchema`, ...)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    wanted = {field.name: field.type for field in schema.schema()}
    fields = [
        pa.field(f.name, wanted.get(f.name, pa.string() if pa.types.is_large_string(f.type) else f.type)) for f in arrow.schema
    ]
    with atomic_file(path) as temporary:
        pq.write_table(arrow.cast(pa.schema(fields)), temporary, compression="zstd", row_group_size=131_072)


def _shards(events: pl.DataFrame | Path, subject_ids: pl.Series) -> Iterator[tuple[str, pl.DataFrame]]:
    if isinstance(events, pl.DataFrame):
        frame = EVENTS.conform(events)
        ordered = sorted(subject_ids.to_list())
        for number, start in enumerate(range(0, len(ordered), SUBJECTS_PER_SHARD)):
            block = ordered[start : start + SUBJECTS_PER_SHARD]
            yield f"{number}.parquet#frame", frame.filter(pl.col("subject_id").is_in(block))
        return
    data = Path(events) / "data"
    paths = sorted(data.rglob("*.parquet"))
    if not paths:
        raise UserError(f"{events} holds no MEDS data (data/*.parquet). Run the timeline stage first.")
    for path in paths:
        yield path.relative_to(data).as_posix(), pl.read_parquet(path, hive_partitioning=False)


def _descriptions(events: pl.DataFrame | Path) -> pl.DataFrame:
    empty = pl.DataFrame(schema={"code": pl.String, "description": pl.String, "parent_codes": pl.List(pl.String)})
    if isinstance(events, pl.DataFrame):
        return empty
    path = Path(events) / "metadata" / "codes.parquet"
    if not path.exists():
        return empty
    known = pl.read_parquet(path)
    return known.select(
        pl.col("code").cast(pl.String),
        (pl.col("description") if "description" in known.columns else pl.lit(None)).cast(pl.String).alias("description"),
        (pl.col("parent_codes") if "parent_codes" in known.columns else pl.lit(None))
        .cast(pl.List(pl.String))
        .alias("parent_codes"),
    ).unique("code", keep="first", maintain_order=True)


def read_timeline(folder: Path | str) -> pl.LazyFrame:
    """Scan the events of the release in `folder`, all shards."""
    return pl.scan_parquet(sorted(Path(folder).joinpath("data").rglob("*.parquet")), hive_partitioning=False)
