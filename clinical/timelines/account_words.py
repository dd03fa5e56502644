"""What was read of a centre's records, and what was not and why, in words: for who runs a study, and for its releases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unibase.clinical import tables
from unibase.clinical.reasons import OLDER_VERSION, UNKNOWN_CODE_SYSTEM, UNKNOWN_CONCEPT, UNREAD_COLUMN, UNREAD_FIELD, UNREAD_FILE
from unibase.groundwork.tables import QUARANTINE

_NAMED = frozenset({UNREAD_COLUMN, UNREAD_FILE, UNREAD_FIELD, UNKNOWN_CODE_SYSTEM, UNKNOWN_CONCEPT, OLDER_VERSION})
"""Reasons whose messages say which fields, files and code systems they are of, and no value."""
_CODES = Path("metadata", "codes.parquet")


@dataclass(frozen=True)
class Account:
    """What became of the records of a centre.

    Attributes:
        tables: ACCOUNT.
        problems: QUARANTINE of rows, fields and files.
        systems: How many codes of each code system its events have.
    """

    tables: pl.DataFrame
    problems: pl.DataFrame
    systems: Counter[str]

    @classmethod
    def of(cls, folder: Path) -> Account:
        """Return the account of the dataset in a folder.

        Args:
            folder: The dataset of a centre.
        """
        codes = pl.read_parquet(folder / _CODES, columns=["code"])["code"]
        systems = Counter(code.rpartition("//")[0] or code for code in codes)
        account = tables.ACCOUNT.read(folder / "metadata" / "account.parquet")
        return cls(account, QUARANTINE.read(folder / "metadata" / "problems.parquet"), systems)

    def lines(self) -> Iterator[str]:
        """Yield lines with the counts of rows, for who runs the study."""
        for row in self.tables.iter_rows(named=True):
            parts = f"{row['used']} used, {row['refused']} set aside, {row['silent']} hold no event of a person"
            yield f"{row['source']}: {row['rows']} rows, {parts}; {row['events']} events"
        yield "codes: " + ", ".join(f"{name} {count}" for name, count in sorted(self.systems.items()))
        for reason, count in sorted(Counter(self.problems["reason"]).items()):
            yield f"{reason}: told {count} times"
            if reason in _NAMED:
                yield from (f"  {place}: {text}" for place, text in self._said(reason))

    def recognised(self) -> list[str]:
        """Return lines without a count, for a release: formats and tables, code systems, reasons that were told."""
        used = pl.col("events") > 0
        named = [("read", self.tables.filter(used)), ("without an event", self.tables.filter(~used))]
        lines = [f"{what}: {', '.join(rows['source'])}" for what, rows in named if rows.height]
        lines.append(f"code systems: {', '.join(sorted(self.systems))}")
        return [*lines, f"told: {', '.join(sorted(set(self.problems['reason']) - {'objects'}))}"]

    def _said(self, reason: str) -> Iterator[tuple[str, str]]:
        mine = self.problems.filter(pl.col("reason") == reason).select(pl.col("unit").str.split("#").list.first(), "message")
        told = mine.with_columns(pl.col("message").str.strip_suffix(" The row is kept."))
        yield from told.unique(maintain_order=True).sort("unit", maintain_order=True).iter_rows()
