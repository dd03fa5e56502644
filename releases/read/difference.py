"""What changed between two releases of a study: subjects, cells with old and new value, and what can have caused it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unibase.groundwork.problems import UserError
from unibase.releases.content import dictionary, manifest
from unibase.releases.content.released_timeline import read_timeline
from unibase.releases.tables import BY_NAME

KEYS: Mapping[str, tuple[str, ...]] = {
    **{name: table.key for name, table in BY_NAME.items() if table.key and name != "timeline"},
    "features": ("subject_id", "StudyInstanceUID", "SeriesInstanceUID", "region", "image_type", "roi_name"),
    "dictionary": ("table", "column"),
}
"""What names a row of each table; tables without a key (trace, timeline) are compared as bags of rows."""

CELLS_AT_ONCE = 4_000_000
SUBJECTS_AT_ONCE = 2_000

CELLS = pl.Schema(
    {
        "table": pl.String(),
        "key": pl.String(),
        "subject_id": pl.Int64(),
        "column": pl.String(),
        "old": pl.String(),
        "new": pl.String(),
        "cause": pl.String(),
    }
)

ROWS = pl.Schema(
    {"table": pl.String(), "key": pl.String(), "subject_id": pl.Int64(), "change": pl.String(), "cause": pl.String()}
)


@dataclass(frozen=True)
class Difference:
    """The difference of two releases.

    Attributes:
        added: Subjects of the new release only.
        removed: Subjects of the old release only.
        cells: Changed cells of rows that both have; see `CELLS`. A column that only one release has is in `columns`.
        rows: Rows that only one release has, of subjects that both have.
        columns: `(table, column, "added" or "removed" or "type")`.
        matrices: Modality to changed values, variables and subjects of the cohort file.
        causes: What differs in what the releases were made from: source data, settings, software, revision of the ledger.
    """

    added: list[int]
    removed: list[int]
    cells: pl.DataFrame
    rows: pl.DataFrame
    columns: list[tuple[str, str, str]]
    matrices: dict[str, dict[str, int]]
    causes: dict[str, list[str]]

    def is_empty(self) -> bool:
        """Whether the releases hold the same data."""
        return not (self.added or self.removed or self.cells.height or self.rows.height or self.columns or self.matrices)

    def __str__(self) -> str:
        return self.text().rstrip("\n")

    def by_column(self) -> pl.DataFrame:
        """Count changed cells by table and column."""
        return self.cells.group_by("table", "column").agg(pl.len().alias("cells")).sort("table", "column")

    def text(self) -> str:
        """Return the difference on one screen; it names no subject."""
        lines = [f"Subjects   {len(self.added)} added, {len(self.removed)} removed"]
        for kind, names in self.causes.items():
            lines.append(f"{kind:<10} {', '.join(names[:6])}{' ...' if len(names) > 6 else ''}")
        for table, column, change in self.columns[:20]:
            lines.append(f"Column     {table}.{column}: {change}")
        counts = self.rows.group_by("table", "change").agg(pl.len()).sort("table", "change")
        lines += [f"Rows       {table}: {number} {change}" for table, change, number in counts.iter_rows()]
        for table, column, number in self.by_column().iter_rows():
            causes = self.cells.filter((pl.col("table") == table) & (pl.col("column") == column))["cause"].unique().sort()
            lines.append(f"Cells      {table}.{column}: {number} changed ({'; '.join(causes)})")
        lines += [
            f"Matrix     {name}: {n['values']} values changed, in {n['variables']} variables of {n['subjects']} subjects"
            for name, n in self.matrices.items()
        ]
        if self.is_empty():
            lines.append("The data are the same.")
        return "\n".join(lines) + "\n"


def diff(old: Path | str, new: Path | str) -> Difference:
    """Compare two releases, table by table and cell by cell.

    The cause of a change is found in what the manifests say went in. Source data is a candidate for a subject whose
    centre's sources changed; settings, software and the identity ledger are candidates for every cell. Several candidates
    are all named.

    Args:
        old: Folder of the earlier release.
        new: Folder of the later one.

    Raises:
        UserError: If a folder is no release, or the releases have different keys: their pseudonyms cannot be compared.
    """
    return compare(Path(old), Path(new), manifest.read(old), manifest.read(new))


def compare(old: Path, new: Path, about_old: Mapping[str, object], about_new: Mapping[str, object]) -> Difference:
    """Compare two folders of release tables, given what their manifests say; see `diff`.

    Args:
        old: Folder of the earlier release.
        new: Folder of the later one.
        about_old: What the manifest of the earlier one says.
        about_new: What the manifest of the later one says, or will say.

    Raises:
        UserError: If the releases have different keys.
    """
    if about_old.get("key_fingerprint") != about_new.get("key_fingerprint"):
        raise UserError(
            "The releases were made under different keys, so their subjects cannot be matched. Compare releases of one key."
        )
    causes = dict(_causes(about_old, about_new))
    ids_old, ids_new = (set(_rows(f, "subjects").select("subject_id").collect()["subject_id"].to_list()) for f in (old, new))
    both = ids_old & ids_new
    centre_of = _centres(new, both)

    cells, rows, columns = [], [], []
    for table in sorted(KEYS):
        before, after = _rows(old, table), _rows(new, table)
        columns += _column_changes(table, before, after)
        found_cells, found_rows = _compare(table, before, after, both)
        cells.append(found_cells)
        rows.append(found_rows)
    for table in ("trace", "timeline"):
        rows += [_compare_bags(table, *pair) for pair in _bags(old, new, table, both)]
    return Difference(
        added=sorted(ids_new - ids_old),
        removed=sorted(ids_old - ids_new),
        cells=_with_causes(pl.concat(cells), causes, centre_of, CELLS),
        rows=_with_causes(pl.concat(rows), causes, centre_of, ROWS),
        columns=columns,
        matrices=_matrices(old, new),
        causes=causes,
    )


def _rows(folder: Path, name: str) -> pl.LazyFrame:
    path = folder / ("dictionary" if name == "dictionary" else "tables") / f"{name}.parquet"
    frame = pl.scan_parquet(path) if path.exists() else pl.LazyFrame()
    # What the dictionary counts follows from the data, and would repeat each change.
    return frame.select(pl.exclude(dictionary.COUNTS)) if name == "dictionary" else frame


def _centres(folder: Path, subjects: set[int]) -> pl.DataFrame:
    frame = _rows(folder, "subjects").filter(pl.col("subject_id").is_in(list(subjects)))
    names = frame.collect_schema().names()
    column = next((c for c in ("centres", "centre") if c in names), None)
    return frame.select("subject_id", (pl.col(column) if column else pl.lit(None, dtype=pl.String)).alias("centre")).collect()


def _causes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Yield what differs in what two releases were made from, by kind."""
    found = {
        "Sources": _differing(old.get("source_digests", {}), new.get("source_digests", {})),
        "Settings": _differing(dict(_flat(old.get("settings", {}))), dict(_flat(new.get("settings", {})))),
        "Software": _differing(old.get("software", {}), new.get("software", {})),
        "Ledger": _revised(old.get("ledger_revision"), new.get("ledger_revision")),
    }
    yield from ((kind, names) for kind, names in found.items() if names)


def _revised(old: int | None, new: int | None) -> list[str]:
    """Return how the revision of the identity ledger, which says whose each record is, moved; nothing where it stands."""
    return [] if old == new else [f"revision {'none' if old is None else old} to {'none' if new is None else new}"]


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in set(old) | set(new) if old.get(name) != new.get(name))


def _flat(value: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield each leaf of nested settings, below the names that lead to it."""
    if not isinstance(value, Mapping):
        yield prefix, value
        return
    for key, inner in value.items():
        yield from _flat(inner, f"{prefix}.{key}" if prefix else str(key))


def _column_changes(table: str, old: pl.LazyFrame, new: pl.LazyFrame) -> list[tuple[str, str, str]]:
    before, after = old.collect_schema(), new.collect_schema()
    found = [(table, c, "added") for c in after if c not in before]
    found += [(table, c, "removed") for c in before if c not in after]
    found += [(table, c, "type") for c, dtype in after.items() if c in before and before[c] != dtype]
    return sorted(found)


def _compare(table: str, old: pl.LazyFrame, new: pl.LazyFrame, both: set[int]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Match the rows of two tables by key, then compare their columns a few at a time: wide tables are never held whole."""
    have, had = new.collect_schema(), old.collect_schema()
    key = [k for k in KEYS[table] if k in had and k in have]
    cells, rows = [pl.DataFrame(schema=_bare(CELLS))], [pl.DataFrame(schema=_bare(ROWS))]
    if not key:
        return cells[0], rows[0]
    owner = next((c for c in ("subject_id", "primary") if c in had and c in have), None)
    left, right = (_named(frame, key, owner, both) for frame in (old, new))
    by = [*key, "__nth"]
    for one, other, change in ((left, right, "removed"), (right, left, "added")):
        alone = one.join(other, on=by, how="anti", nulls_equal=True)
        rows.append(
            alone.select(
                pl.lit(table).alias("table"),
                pl.col("__key").alias("key"),
                pl.col("__owner").alias("subject_id"),
                pl.lit(change).alias("change"),
            )
        )
    pairs = left.select(*by, "__key", "__owner", "__row").join(
        right.select(*by, pl.col("__row").alias("__row__new")), on=by, nulls_equal=True, maintain_order="left"
    )
    shared = [c for c in had if c in have and c not in key]
    size = max(1, CELLS_AT_ONCE // max(1, pairs.height))
    for start in range(0, len(shared), size):
        names = shared[start : start + size]
        before = old.select(names).collect()[pairs["__row"]]
        after = new.select(pl.col(c).alias(f"{c}__new") for c in names).collect()[pairs["__row__new"]]
        both_sides = pl.concat([pairs.select("__key", "__owner"), before, after], how="horizontal")
        cells += [
            both_sides.filter(_differs(both_sides, c)).select(
                pl.lit(table).alias("table"),
                pl.col("__key").alias("key"),
                pl.col("__owner").alias("subject_id"),
                pl.lit(c).alias("column"),
                _as_text(both_sides, c).alias("old"),
                _as_text(both_sides, f"{c}__new").alias("new"),
            )
            for c in names
        ]
    return pl.concat(cells), pl.concat(rows)


def _named(frame: pl.LazyFrame, key: list[str], owner: str | None, both: set[int]) -> pl.DataFrame:
    """Return keys, owners and places of the rows of the subjects that both releases have."""
    named = frame.select(list(dict.fromkeys([*key, *([owner] if owner else [])]))).with_row_index("__row").collect()
    if owner:
        named = named.filter(pl.col(owner).is_in(list(both)))
    return named.with_columns(_occurrence(key), _owner(owner), _key(key))


def _bare(schema: pl.Schema) -> pl.Schema:
    return pl.Schema({name: dtype for name, dtype in schema.items() if name != "cause"})


def _occurrence(key: list[str]) -> pl.Expr:
    return pl.int_range(pl.len()).over(key).alias("__nth")


def _owner(owner: str | None) -> pl.Expr:
    return (pl.col(owner) if owner else pl.lit(None, dtype=pl.Int64)).alias("__owner")


def _key(key: list[str]) -> pl.Expr:
    return pl.concat_str([pl.col(k).cast(pl.String).fill_null("") for k in key], separator=" | ").alias("__key")


def _differs(pairs: pl.DataFrame, column: str) -> pl.Expr:
    old, new = pl.col(column), pl.col(f"{column}__new")
    if pairs.schema[column] != pairs.schema[f"{column}__new"]:
        return old.cast(pl.String).ne_missing(new.cast(pl.String))
    return old.ne_missing(new)


def _as_text(pairs: pl.DataFrame, column: str) -> pl.Expr:
    if pairs.schema[column].is_nested():
        return pl.col(column).map_elements(str, return_dtype=pl.String)
    return pl.col(column).cast(pl.String)


def _bags(old: Path, new: Path, table: str, both: set[int]) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Yield the rows of both releases as bags, a block of subjects at a time."""
    frames = [read_timeline(f / "timeline") if table == "timeline" else _rows(f, table) for f in (old, new)]
    names = [f.collect_schema().names() for f in frames]
    shared = [c for c in names[0] if c in names[1]]
    if "subject_id" not in shared:
        return
    subjects = sorted(both)
    for start in range(0, len(subjects), SUBJECTS_AT_ONCE):
        block = subjects[start : start + SUBJECTS_AT_ONCE]
        # The range lets Parquet skip what belongs to others; the list says which of the range it is.
        mine = pl.col("subject_id").is_between(block[0], block[-1]) & pl.col("subject_id").is_in(block)
        first, second = (_bag(f.select(shared).filter(mine).collect()) for f in frames)
        yield first, second


def _bag(frame: pl.DataFrame) -> pl.DataFrame:
    # A row of an unkeyed table changed when its whole content did; the order of rows does not count.
    hashed = frame.select("subject_id", frame.hash_rows(seed=0).alias("__digest"))
    return hashed.group_by("subject_id", "__digest").agg(pl.len().alias("n"))


def _compare_bags(table: str, old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    pairs = old.join(new, on=["subject_id", "__digest"], how="full", suffix="_new", coalesce=True)
    less = (pl.col("n").fill_null(0).cast(pl.Int64) - pl.col("n_new").fill_null(0).cast(pl.Int64)).alias("less")
    pairs = pairs.with_columns(less).filter(pl.col("less") != 0)
    pairs = pairs.with_columns(pl.col("less").abs().alias("times"))
    return (
        pairs.select(
            pl.lit(table).alias("table"),
            pl.lit("").alias("key"),
            "subject_id",
            pl.when(pl.col("less") > 0).then(pl.lit("removed")).otherwise(pl.lit("added")).alias("change"),
            pl.lit(1).repeat_by("times").alias("__times"),
        )
        .explode("__times")
        .drop("__times")
        .sort("subject_id", "change")
    )


def _with_causes(frame: pl.DataFrame, causes: dict[str, list[str]], centre_of: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    sources: dict[str, list[str]] = {}
    for name in causes.get("Sources", []):
        sources.setdefault(name.split("/")[0], []).append(name)
    general = [f"new settings {', '.join(causes['Settings'][:3])}"] if "Settings" in causes else []
    general += [f"new software {', '.join(causes['Software'][:3])}"] if "Software" in causes else []
    general += [f"who is who in the identity ledger, {causes['Ledger'][0]}"] if "Ledger" in causes else []
    memory: dict[str | None, str] = {}

    def cause(centre: str | None) -> str:
        if centre not in memory:
            own = [s for c in (centre.split(";") if centre else sorted(sources)) for s in sources.get(c, [])]
            found = [f"new source data {', '.join(own)}"] if own else []
            memory[centre] = " or ".join([*found, *general]) or "not in the manifests"
        return memory[centre]

    frame = frame.join(centre_of, on="subject_id", how="left", maintain_order="left")
    told = pl.Series("cause", [cause(c) for c in frame["centre"]], dtype=pl.String)
    return frame.with_columns(told).select(pl.col(name).cast(dtype) for name, dtype in schema.items())


@dataclass(frozen=True)
class _Changed:
    """How many values of a matrix changed, and of how many variables and subjects."""

    values: int
    variables: int
    subjects: int


def _matrices(old: Path, new: Path) -> dict[str, dict[str, int]]:
    import zarr

    left: Any
    right: Any
    left, right = (zarr.open_group(f / "cohort.zarr", mode="r") for f in (old, new))
    found: dict[str, dict[str, int]] = {}
    for name in sorted(set(left["mod"].group_keys()) & set(right["mod"].group_keys())):
        counts = _compare_matrix(left[f"mod/{name}"], right[f"mod/{name}"])
        if counts.values:
            found[name] = asdict(counts)
    return found


def _compare_matrix(old: Any, new: Any) -> _Changed:
    rows_old, rows_new = (_names(g["obs"]) for g in (old, new))
    columns_old, columns_new = (_names(g["var"]) for g in (old, new))
    _, a, b = np.intersect1d(rows_old, rows_new, return_indices=True)
    _, c, d = np.intersect1d(columns_old, columns_new, return_indices=True)
    values, variables, subjects = 0, np.zeros(len(c), dtype=bool), 0
    for start in range(0, len(a), 1024):
        x = np.asarray(old["X"].oindex[a[start : start + 1024], slice(None)])[:, c]
        y = np.asarray(new["X"].oindex[b[start : start + 1024], slice(None)])[:, d]
        changed = ~((x == y) | (np.isnan(x.astype(float)) & np.isnan(y.astype(float))))
        values += int(changed.sum())
        subjects += int(changed.any(axis=1).sum())
        variables |= changed.any(axis=0)
    return _Changed(values, int(variables.sum()), subjects)


def _names(group: Any) -> np.ndarray:
    return np.asarray(group[group.attrs["_index"]][:]).astype(object)
