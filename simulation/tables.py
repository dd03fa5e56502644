"""CSV and NDJSON files written row by row, and appended to later: equal rows give equal bytes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

type Resource = dict[str, object]
"""A resource of FHIR, or a part of one."""
Row = tuple[str, Mapping[str, object]]
"""One row of one table: the table's name, and values by column or the JSON resource."""


class TableFiles:
    """The open tables of one centre in one folder; rows go to `<table>.csv` or `<table>.ndjson`.

    Args:
        folder: Where the files are; made when absent.
        columns: Columns of every CSV table, in order; None writes NDJSON.
        tables: Tables that exist even when they hold no row.
    """

    def __init__(self, folder: Path, columns: Mapping[str, tuple[str, ...]] | None) -> None:
        self.folder = folder
        self.columns = columns
        self.pending: dict[str, io.StringIO] = {}
        self.rows: dict[str, int] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for table in columns or ():
            path = self.path(table)
            if not path.exists():
                buffer = self._buffer(table)
                csv.writer(buffer, lineterminator="\n").writerow(self._columns(table))

    def path(self, table: str) -> Path:
        """Return the file of a table."""
        return self.folder / f"{table}.{'csv' if self.columns else 'ndjson'}"

    def write(self, rows: Iterable[Row]) -> None:
        """Add rows; they reach the disk from time to time and on `close`.

        Raises:
            ValueError: If a row has a column that its table does not have.
        """
        for table, values in rows:
            buffer = self._buffer(table)
            if self.columns:
                columns = self._columns(table)
                unknown = set(values) - set(columns)
                if unknown:
                    raise ValueError(f"table {table} has no column {', '.join(sorted(unknown))}")
                csv.writer(buffer, lineterminator="\n").writerow([values.get(column, "") for column in columns])
            else:
                buffer.write(json.dumps(values, ensure_ascii=False, separators=(",", ":")) + "\n")
            self.rows[table] = self.rows.get(table, 0) + 1
            if buffer.tell() > 1 << 20:
                self._flush(table)

    def close(self) -> None:
        """Write what is pending."""
        for table in list(self.pending):
            self._flush(table)

    def _columns(self, table: str) -> tuple[str, ...]:
        assert self.columns is not None
        return self.columns[table]

    def _buffer(self, table: str) -> io.StringIO:
        if table not in self.pending:
            self.pending[table] = io.StringIO()
        return self.pending[table]

    def _flush(self, table: str) -> None:
        with self.path(table).open("a", encoding="utf-8", newline="") as file:
            file.write(self.pending.pop(table).getvalue())
