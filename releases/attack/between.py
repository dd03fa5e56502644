"""Attackers who hold two releases, or a release and an extract in clear: whose rows are one person's, whatever the pseudonyms."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import polars.selectors as cs

from unibase.releases.attack.found import Attack
from unibase.releases.content import manifest


def attack_pair(first: Path | str, second: Path | str, min_cell: int) -> list[Attack]:
    """Run all attackers of two releases.

    Args:
        first: Folder of a release.
        second: Folder of another one, or of a later version.
        min_cell: Fewest subjects by whom two versions may differ.

    Raises:
        UserError: If one is no release.
    """
    first, second = Path(first), Path(second)
    keys = [manifest.read(folder).get("key_fingerprint") for folder in (first, second)]
    if keys[0] == keys[1]:
        # Under one key the pseudonyms are the same by design: what counts is who came or went.
        return [_difference(first, second, min_cell)]
    return [_by_rows(first, second), _by_texts(first, second), _by_order(first, second), _by_values(first, second)]


def _difference(first: Path, second: Path, min_cell: int) -> Attack:
    one, two = (set(_subjects(folder).to_list()) for folder in (first, second))
    apart = [len(one - two), len(two - one)]
    few = sum(count for count in apart if 0 < count < min_cell)
    return Attack("difference", few, len(one | two), "both versions, and who joined or left the study between them")


def _by_rows(first: Path, second: Path) -> Attack:
    """Join by the numbers of source rows: they are of the hospital's export, whatever the key."""
    one, two = (_rows(folder) for folder in (first, second))
    return Attack("source-rows", _joined(one, two, ["source", "source_row"]), _subjects(first).len(), "both, under two keys")


def _by_texts(first: Path, second: Path) -> Attack:
    """Join by texts that one subject alone has: names of samples, UIDs, digests."""
    one, two = (_texts(folder) for folder in (first, second))
    return Attack("shared-texts", _joined(one, two, ["column", "value"]), _subjects(first).len(), "both, under two keys")


def _by_order(first: Path, second: Path) -> Attack:
    """Join by place: tables in the order of a source put the same person in the same place, ones by pseudonym put nobody."""
    in_order = 0
    for path in sorted((first / "tables").glob("*.parquet")):
        other = second / "tables" / path.name
        if "subject_id" not in pl.read_parquet_schema(path) or not other.exists():
            continue
        orders = [pl.read_parquet(one, columns=["subject_id"])["subject_id"].unique(maintain_order=True) for one in (path, other)]
        if not any(one.is_sorted() for one in orders):
            in_order = max(in_order, min(map(len, orders)))
    return Attack("row-order", in_order, _subjects(first).len(), "both, under two keys")


def _by_values(first: Path, second: Path) -> Attack:
    """Join by measured values that no other subject has to their last digit."""
    one, two = (_values(folder) for folder in (first, second))
    return Attack("exact-values", _joined(one, two, ["column", "value"]), _subjects(first).len(), "both, under two keys")


def _joined(one: pl.DataFrame, two: pl.DataFrame, by: list[str]) -> int:
    """Return how many subjects of the first are one subject of the second alone, by what a single subject of each has."""
    alone = [
        frame.unique([*by, "subject_id"]).filter(pl.len().over(by) == 1).rename({"subject_id": name})
        for frame, name in ((one, "first"), (two, "second"))
    ]
    pairs = alone[0].join(alone[1], on=by).group_by("first", "second").len().sort("len", "first", "second", descending=True)
    best = pairs.unique("first", keep="first", maintain_order=True).unique("second", keep="first", maintain_order=True)
    return best.height


def _subjects(release: Path) -> pl.Series:
    return pl.read_parquet(release / "tables" / "subjects.parquet", columns=["subject_id"])["subject_id"]


def _rows(release: Path) -> pl.DataFrame:
    scan = pl.scan_parquet(release / "timeline" / "data" / "**" / "*.parquet", hive_partitioning=False)
    rows = scan.select("subject_id", pl.col("source").cast(pl.String), "source_row")
    return rows.drop_nulls().unique().collect().filter(pl.col("subject_id").is_in(_subjects(release).implode()))


def _texts(release: Path) -> pl.DataFrame:
    """Return `subject_id, column, value` of all texts of all tables, but for those that say the subject's number."""
    found = []
    for path in sorted((release / "tables").glob("*.parquet")):
        frame = pl.read_parquet(path)
        frame = frame.rename({"primary": "subject_id"} if "primary" in frame.columns else {})
        if "subject_id" in frame.columns:
            texts = frame.select("subject_id", cs.string()).drop("USUBJID", strict=False)
            found.append(texts.unpivot(index="subject_id", variable_name="column", value_name="value").drop_nulls())
    return pl.concat(found).unique()


def _values(release: Path) -> pl.DataFrame:
    """Return `subject_id, column, value` of all measured numbers of the tables of one row a subject, and of times to endpoints."""
    table = pl.read_parquet(release / "tables" / "analysis.parquet").select("subject_id", cs.float())
    found = [table.unpivot(index="subject_id", variable_name="column", value_name="value")]
    if (path := release / "tables" / "adtte.parquet").exists():
        times = pl.read_parquet(path, columns=["subject_id", "PARAMCD", "AVAL"])
        found.append(
            times.select("subject_id", pl.col("PARAMCD").alias("column"), pl.col("AVAL").cast(pl.Float64).alias("value"))
        )
    return pl.concat(found).drop_nulls()
