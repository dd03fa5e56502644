"""The tables of a declared source: files of a folder, or those of a DuckDB file or a PostgreSQL server that its mapping names."""

from __future__ import annotations

from pathlib import Path

from unibase.clinical.formats.declaration import Asked
from unibase.clinical.formats.mapping_rules import TableMapping
from unibase.clinical.sources import databases
from unibase.clinical.sources.workbooks import all_tables
from unibase.groundwork.problems import UserError


def declared_tables(asked: Asked, rules: TableMapping, folder: Path) -> dict[str, list[Path]]:
    """Return the files of each table of a source.

    Args:
        asked: The source.
        rules: Its mapping: of a database only tables that it names are looked at.
        folder: Where tables go that must be set down first; it must be one that only this user can open, and must go.

    Raises:
        UserError: If the source cannot be read, or a database has none of the tables.
    """
    if not databases.is_database(asked.path):
        return all_tables(asked.folder, folder)
    names = [name for rule in rules.tables for name in (rule.files or [rule.name])]
    names += [join.table for rule in rules.tables for join in rule.joins]
    found = databases.copy_database(asked.path, {name.lower(): None for name in names}, folder)
    if not found:
        raise UserError(
            f"The database of centre {asked.centre} has no table that the mapping {rules.name} names. Check the schema."
        )
    return found
