"""Further columns of each row from other tables of a source, such as the person of a stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from unibase.clinical.formats.mapping_rules import JoinRule, TableMapping, TableRule
from unibase.clinical.reasons import AMBIGUOUS_KEY, UNKNOWN_KEY
from unibase.clinical.sources.problem_rows import RowProblem
from unibase.clinical.sources.reading import SourceTable
from unibase.clinical.sources.stretches import Table, parts_of
from unibase.groundwork.problems import UserError


@dataclass(frozen=True)
class Lookups:
    """The tables that others refer to, set down with one row a key.

    Attributes:
        files: A Parquet file by the join, written as JSON.
        problems: What is to be told of the other tables, by their names.
    """

    files: Mapping[str, Path]
    problems: Mapping[str, list[RowProblem]]

    def joined(self, rule: TableRule, table: SourceTable) -> SourceTable:
        """Return the rows of a `table` with the columns that the joins of its `rule` bring; rows without a partner are told.

        Columns that the table has itself stay as they are.

        Raises:
            UserError: If the table lacks a column that its mapping joins on.
        """
        problems = list(table.problems)
        frame = table.frame
        for join in rule.joins:
            other = pl.read_parquet(self.files[join.model_dump_json()])
            keys = {mine.lower(): theirs.lower() for mine, theirs in join.on.items()}
            missing = [mine for mine in keys if mine not in frame.columns]
            if missing:
                raise UserError(f"Table {table.name} has no column {missing[0]}, which its mapping joins {join.table} on.")
            further = other.drop([name for name in other.columns if name in frame.columns and name not in keys.values()])
            left = frame.with_columns(_text(mine).alias(f"_key_{theirs}") for mine, theirs in keys.items())
            right = further.rename({theirs: f"_key_{theirs}" for theirs in keys.values()}).with_columns(_found=pl.lit(True))
            on = [f"_key_{theirs}" for theirs in keys.values()]
            frame = left.join(right, on=on, how="left", maintain_order="left")
            asked = pl.all_horizontal(pl.col(name).is_not_null() for name in on)
            for row in frame.filter(pl.col("_found").is_null() & asked)["source_row"]:
                message = f"The row refers to a row of {join.table} that is not there, or not once."
                problems.append(RowProblem(row, UNKNOWN_KEY, message, next(iter(keys)), refused=False))
            # The other table's keys can be columns of a later join.
            kept = [name for name in keys.values() if name not in frame.columns]
            frame = frame.with_columns(pl.col(f"_key_{name}").alias(name) for name in kept).drop("_found", *on)
        return replace(table, frame=frame, problems=problems)


def look_up(rules: TableMapping, tables: Mapping[str, Table], folder: Path) -> Lookups:
    """Set down the tables that joins refer to.

    Args:
        rules: The mapping.
        tables: Tables of the source, by name.
        folder: Where the files go; one that only this user can open, and that goes.

    Raises:
        UserError: If such a table, or a column of its key, is not there.
    """
    files: dict[str, Path] = {}
    problems: dict[str, list[RowProblem]] = {}
    for rule in rules.tables:
        wanted = {name.lower() for name in rule.files or [rule.name]} & set(tables)
        for join in rule.joins if wanted else []:
            if join.model_dump_json() in files:
                continue
            frame, told = _unique(join, tables)
            path = folder / f"join-{len(files):03d}.parquet"
            frame.write_parquet(path)
            files[join.model_dump_json()] = path
            problems.setdefault(join.table.lower(), []).extend(told)
    return Lookups(files, problems)


def _unique(join: JoinRule, tables: Mapping[str, Table]) -> tuple[pl.DataFrame, list[RowProblem]]:
    """Return the rows of the other table with one row a key; keys whose rows differ are left out and told."""
    name = join.table.lower()
    if name not in tables:
        raise UserError(f"There is no table {join.table}, which the mapping joins. Put it there, or take the join out.")
    table = tables[name]
    keys = [theirs.lower() for theirs in join.on.values()]
    missing = [key for key in keys if key not in table.schema]
    if missing:
        raise UserError(f"Table {join.table} has no column {missing[0]}, by which the mapping joins it.")
    wanted = [*keys, *(column.lower() for column in join.columns)] if join.columns is not None else None
    read = [rows.frame for part in parts_of({name: table}) for rows in table.read(part, wanted)]
    frame = pl.concat(read, how="diagonal_relaxed") if read else pl.DataFrame(schema=table.schema).with_columns(source_row=0)
    columns = [column for column in frame.columns if column != "source_row"]
    texts = frame.select(pl.col("source_row"), *(_text(column) for column in columns))
    texts = texts.filter(pl.all_horizontal(pl.col(key).is_not_null() for key in keys))
    texts = texts.unique(columns, keep="first", maintain_order=True)
    twice = pl.struct(keys).is_duplicated()
    told = [
        RowProblem(row, AMBIGUOUS_KEY, "Another row has the same key and says something else.", keys[0], refused=False)
        for row in texts.filter(twice)["source_row"]
    ]
    return texts.filter(~twice).drop("source_row"), told


def _text(column: str) -> pl.Expr:
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text).alias(column)
