"""The ledger of work: how every unit of every stage ended, in one SQLite file of the vault.

A row carries a check sum of itself: what a disk changed in it counts as never written, and its unit runs again.
"""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from blake3 import blake3

from unibase.groundwork.contents import Contents
from unibase.groundwork.outcomes import Outcome
from unibase.groundwork.problems import UserError
from unibase.groundwork.sqlite_faults import whole

_COLUMNS = (
    "stage",
    "key",
    "fingerprint",
    "input_digest",
    "status",
    "result",
    "reason",
    "message",
    "remedy",
    "finished",
    "outputs",
    "crc",
)


class WorkLedger:
    """The record of how every unit ended, in one SQLite file written by one process.

    Args:
        path: The SQLite file, made when absent, mode 0600.

    Attributes:
        contents: What the content of source files was.
    """

    def __init__(self, path: Path | str) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        with whole(path):
            path.touch(mode=0o600)
            self._connection = sqlite3.connect(path, isolation_level=None)
            # WAL with full sync: a row that was committed is on disk before the next unit counts as done.
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS units (stage TEXT, key TEXT, fingerprint TEXT, input_digest TEXT, "
                "status TEXT, result TEXT, reason TEXT, message TEXT, remedy TEXT, finished REAL, outputs TEXT, crc INTEGER, "
                "PRIMARY KEY (stage, key))"
            )
            self._bring_up_to_date()
            self._connection.execute("CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT, crc INTEGER)")
            self.contents = Contents(self._connection, path)

    def _bring_up_to_date(self) -> None:
        """Give a ledger of an earlier version the columns that it lacks."""
        have = {row[1] for row in self._connection.execute("PRAGMA table_info(units)")}
        for name, kind in (("outputs", "TEXT"), ("crc", "INTEGER")):
            if name not in have:
                self._connection.execute(f"ALTER TABLE units ADD COLUMN {name} {kind}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the ledger cannot be used afterwards."""
        with whole(self._path):
            self._connection.close()

    def known(self, stage: str) -> dict[str, tuple[str, Outcome]]:
        """Return `{key: (fingerprint, outcome)}` of all units of `stage` that ever ended.

        Args:
            stage: Name of the stage.

        Raises:
            UserError: If the file is damaged; names it and what mends it.
        """
        with whole(self._path):
            rows = self._connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM units WHERE stage = ?", (stage,)).fetchall()
        return dict(_outcome(row) for row in rows if _intact(row))

    def record(self, stage: str, rows: Iterable[tuple[str, Outcome]]) -> None:
        """Write rows in one transaction; a later row of a key replaces the earlier.

        Args:
            stage: Name of the stage.
            rows: Fingerprint and outcome of each unit.

        Raises:
            UserError: If the file is damaged; names it and what mends it.
        """
        values = []
        for fingerprint, one in rows:
            told = (one.status, json.dumps(one.result), one.reason, one.message, one.remedy)
            row = (stage, one.key, fingerprint, one.input_digest, *told, time.time(), json.dumps(one.seals))
            values.append((*row, _crc(row)))
        if not values:
            return
        with whole(self._path), self._connection:
            self._connection.execute("BEGIN")
            marks = ",".join("?" * len(_COLUMNS))
            self._connection.executemany(f"INSERT OR REPLACE INTO units ({', '.join(_COLUMNS)}) VALUES ({marks})", values)

    def restamp(self, stage: str, outcomes: Mapping[str, Outcome]) -> None:
        """Write new seals of units whose outputs were found to be as they were, without touching when they ended.

        Args:
            stage: Name of the stage.
            outcomes: The units, by key.
        """
        with whole(self._path), self._connection:
            self._connection.execute("BEGIN")
            for key, outcome in outcomes.items():
                question = f"SELECT {', '.join(_COLUMNS)} FROM units WHERE stage = ? AND key = ?"
                row = (*self._connection.execute(question, (stage, key)).fetchone()[:-2], json.dumps(outcome.seals))
                change = "UPDATE units SET outputs = ?, crc = ? WHERE stage = ? AND key = ?"
                self._connection.execute(change, (row[-1], _crc(row), stage, key))

    def distrust(self) -> None:
        """Take no stamp for granted any more: the content of every source and of every output is read when it is next met."""
        self.contents.forget()
        for stage in self._stages():
            sealed = {key: outcome for key, (_, outcome) in self.known(stage).items() if outcome.seals}
            blind = {key: replace(one, seals=tuple(("", digest) for _, digest in one.seals)) for key, one in sealed.items()}
            self.restamp(stage, blind)

    def check(self) -> None:
        """Read the whole file and look at every row.

        Raises:
            UserError: If the file is damaged, or a row is not as it was written.
        """
        with whole(self._path):
            told = self._connection.execute("PRAGMA quick_check").fetchone()[0]
            rows = self._connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM units").fetchall()
        wrong = sum(not _intact(row) for row in rows)
        if told != "ok" or wrong:
            raise UserError(f"{self._path}: {wrong} rows are not as they were written. The next run does their units again.")

    def digest(self, stage: str) -> str:
        """Return a digest of how all units of a stage ended, and of what they returned.

        Args:
            stage: Name of the stage.
        """
        found = blake3()
        with whole(self._path):
            question = "SELECT key, status, result, reason FROM units WHERE stage = ? ORDER BY key"
            for row in self._connection.execute(question, (stage,)):
                found.update("\x1f".join(row).encode() + b"\x1e")
        return found.hexdigest()

    def remember(self, name: str, value: object) -> None:
        """Keep a JSON `value` under a `name`; an earlier value is replaced."""
        row = (name, json.dumps(value))
        with whole(self._path), self._connection:
            self._connection.execute("BEGIN")
            self._connection.execute("INSERT OR REPLACE INTO notes VALUES (?,?,?)", (*row, _crc(row)))

    def remembered(self, name: str) -> Any:
        """Return the value kept under a name; None where there is none, or a disk changed it.

        Args:
            name: The name.
        """
        with whole(self._path):
            row = self._connection.execute("SELECT name, value, crc FROM notes WHERE name = ?", (name,)).fetchone()
        return json.loads(row[1]) if row and _intact(row) else None

    def forget_others(self, stage: str, keys: Iterable[str]) -> int:
        """Forget the units of a stage whose source is gone; return how many those are.

        `stage`: name of the stage; `keys`: the units that the source still has.
        """
        gone = sorted(self.known(stage).keys() - set(keys))
        rows = [(stage, key) for key in gone]
        with whole(self._path), self._connection:
            self._connection.execute("BEGIN")
            self._connection.executemany("DELETE FROM units WHERE stage = ? AND key = ?", rows)
        return len(gone)

    def last_moments(self) -> dict[str, float]:
        """Return when the last unit of each stage ended, in seconds since 1970."""
        with whole(self._path):
            return dict(self._connection.execute("SELECT stage, max(finished) FROM units GROUP BY stage ORDER BY stage"))

    def outcomes(self) -> list[tuple[str, Outcome]]:
        """Return all `(stage, outcome)` pairs, ordered by stage and key."""
        return [(stage, outcome) for stage in self._stages() for _, (_, outcome) in sorted(self.known(stage).items())]

    def _stages(self) -> list[str]:
        with whole(self._path):
            return [row[0] for row in self._connection.execute("SELECT DISTINCT stage FROM units ORDER BY stage")]


def _outcome(row: tuple[Any, ...]) -> tuple[str, tuple[str, Outcome]]:
    _, key, fingerprint, digest, status, result, reason, message, remedy, _, outputs, _ = row
    seals = tuple((stamp, content) for stamp, content in json.loads(outputs or "[]"))
    outcome = Outcome(key, digest, status, json.loads(result), reason, message, remedy, seals=seals)
    return key, (fingerprint, outcome)


def _intact(row: tuple[object, ...]) -> bool:
    """Return whether a row is as it was written; rows of earlier versions carry no check sum."""
    return row[-1] is None or row[-1] == _crc(row[:-1])


def _crc(row: tuple[object, ...]) -> int:
    return zlib.crc32("\x1f".join(map(repr, row)).encode())
