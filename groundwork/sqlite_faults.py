"""What SQLite says of the machine, told as the machine's: a damaged file, a full disk, a lock that another process holds."""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unibase.groundwork.problems import Busy, UserError

ERRNOS = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_READONLY: errno.EIO,
    sqlite3.SQLITE_CANTOPEN: errno.EIO,
    sqlite3.SQLITE_PERM: errno.EIO,
    sqlite3.SQLITE_NOMEM: errno.ENOMEM,
}
"""What SQLite says of the machine, as the `errno` it stands for where a try of our own finds nothing.

A file that was refused for a moment and opens now was no file of a read-only disk: SQLite opens it for reading when it is
refused for writing, whatever the machine's reason was, and says so later.
"""


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Say of an error of SQLite what it is: a damaged file, or a machine that does not read or write.

    Args:
        path: The file that is read or written inside.

    Raises:
        UserError: If the file is damaged; names it and what mends it.
        Busy: If another process holds it for longer than SQLite waits.
        OSError: With what the machine did.

    >>> full = sqlite3.OperationalError("database or disk is full")
    >>> full.sqlite_errorcode = sqlite3.SQLITE_FULL
    >>> try:
    ...     with whole(getfixture("tmp_path") / "work.sqlite"):
    ...         raise full
    ... except OSError as error:
    ...     print(error.strerror)
    No space left on device
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        if code in ERRNOS:
            number = _of_a_try(path) or ERRNOS[code]
            raise OSError(number, os.strerror(number), str(path)) from error
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise Busy(f"Another process holds {path}. Wait for it, or stop it, then start the same command again.") from None
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            _read_through(path)  # a disk that gives a part of a file alone makes it look damaged
            raise UserError(_damaged(path)) from None
        raise


def _of_a_try(path: Path) -> int:
    """Return the errno of opening a file for writing and of a small write beside it, 0 where both succeed.

    SQLite keeps to itself what it was told.
    """
    try:
        if path.exists():
            os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
        with tempfile.TemporaryFile(dir=path.parent) as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno or 0
    return 0


def _read_through(path: Path) -> None:
    """Read a file to its end, where it is there; raise what the machine says."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        while file.read(2**20):
            pass


def _damaged(path: Path) -> str:
    return (
        f"{path} is damaged: it is no whole SQLite file. Put it aside (mv {path} {path}.damaged; rm -f {path}-wal {path}-shm), "
        "then start the same command again: every unit is done again, and the release has the same bytes."
    )
