"""What the content of source files was when they were last read: tells what changed without reading all of them every night.

A file is known by size, times of modification and of change, and inode. Where one of them differs its content is read
again: a copy that a hospital sends once more, of the same size and time, is found, and a share that was mounted anew
makes nothing run again. A file that was written just before it was read may be written once more within one tick of the
file system's clock, and look the same: it is read again the next time.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path

from blake3 import blake3

from unibase.groundwork.problems import UserError
from unibase.groundwork.seals import stamp_of
from unibase.groundwork.sqlite_faults import whole

UNREAD = "unread"
"""Stands for the digest of a file that cannot be read now; nothing of it is kept."""

TICK = 20_000_000
"""Nanoseconds within which two writes may have one time: Linux's clock of files moves every 1 to 10 ms."""

COARSE_TICK = 2_000_000_000
"""The same where the file system keeps whole seconds, as FAT and some shares do."""

TRIES = 3
"""How often a file is read that changes while it is read."""


class Contents:
    """The digests of source files, in a table of the work ledger.

    Args:
        connection: Of the ledger, in autocommit mode.
        path: The ledger's file.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self._path = connection, path
        connection.execute(
            "CREATE TABLE IF NOT EXISTS contents (source TEXT, name TEXT, stamp TEXT, digest TEXT, PRIMARY KEY (source, name))"
        )

    def digests(self, source: str, files: Mapping[str, Path]) -> dict[str, str]:
        """Return the BLAKE3 digest of each file's content; files are read where they are new or may have changed.

        Args:
            source: What the files belong to, such as `deidentify-lyon`; names are unique inside it.
            files: Name to file. A name stays the same when the share is mounted elsewhere.

        Returns:
            Name to digest; `UNREAD` for a file that cannot be read, which whoever works on it will say.

        Raises:
            UserError: If a file changes whenever it is read.
        """
        known = self._known(source)
        found: dict[str, str] = {}
        read: list[tuple[str, str, str, str]] = []
        for name, file in files.items():
            stamp, digest = known.get(name, ("", ""))
            try:
                if stamp != stamp_of(file):
                    stamp, digest = _read(file)
                    read.append((source, name, stamp if _settled(file) else "", digest))
            except OSError:
                digest = UNREAD
            found[name] = digest
        if read:
            with whole(self._path), self._connection:
                self._connection.execute("BEGIN")
                self._connection.executemany("INSERT OR REPLACE INTO contents VALUES (?,?,?,?)", read)
        return found

    def _known(self, source: str) -> dict[str, tuple[str, str]]:
        with whole(self._path):
            rows = self._connection.execute("SELECT name, stamp, digest FROM contents WHERE source = ?", (source,))
            return {name: (stamp, digest) for name, stamp, digest in rows}

    def stamps(self, source: str) -> dict[str, str]:
        """Return what is remembered of the files of a source: name to stamp.

        Args:
            source: The source, as for `digests`.
        """
        return {name: stamp for name, (stamp, _) in self._known(source).items()}

    @staticmethod
    def stamps_of(files: Mapping[str, Path]) -> dict[str, str]:
        """Return the stamps of files now, nothing for one that cannot be looked at. `files`: name to file."""
        found = {}
        for name, file in files.items():
            try:
                found[name] = stamp_of(file)
            except OSError:
                found[name] = ""
        return found

    def forget(self) -> None:
        """Know nothing of any file: the next `digests` reads all of them, whatever their times say."""
        with whole(self._path), self._connection:
            self._connection.execute("DELETE FROM contents")


def _settled(file: Path) -> bool:
    """Return whether a write from now on would give the file another time."""
    changed = file.stat().st_ctime_ns
    return time.time_ns() - changed > (TICK if changed % 1_000_000_000 else COARSE_TICK)


def _read(file: Path) -> tuple[str, str]:
    for _ in range(TRIES):
        stamp = stamp_of(file)
        with open(file, "rb") as stream:
            hasher = blake3()
            while block := stream.read(2**20):
                hasher.update(block)
        if stamp_of(file) == stamp:
            return stamp, hasher.hexdigest()
    raise UserError("A source file changes while it is read. Wait until the export has ended, then start the same command again.")
