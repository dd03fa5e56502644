"""What SQLite says, told as what it is."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from unibase.groundwork import sqlite_faults
from unibase.groundwork.problems import Busy, UserError
from unibase.groundwork.sqlite_faults import ERRNOS, whole


def said(code: int) -> sqlite3.DatabaseError:
    """Return the error that SQLite raises with an extended code."""
    error = sqlite3.OperationalError("it does not matter")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(("code", "number"), sorted(ERRNOS.items()))
def test_what_the_machine_did_is_an_errno(code: int, number: int, tmp_path: Path) -> None:
    with pytest.raises(OSError) as error, whole(tmp_path / "work.sqlite"):
        raise said(code | 1 << 8)  # extended codes hold the code in their last byte
    assert error.value.errno == number


def test_a_small_write_beside_the_file_tells_which_errno_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(sqlite_faults.tempfile, "TemporaryFile", full)
    with pytest.raises(OSError) as error, whole(tmp_path / "work.sqlite"):
        raise said(sqlite3.SQLITE_IOERR)
    assert error.value.errno == errno.EDQUOT


@pytest.mark.parametrize("code", [sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN])
@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EMFILE])
def test_a_file_that_still_cannot_be_opened_tells_why(
    code: int, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "work.sqlite"
    path.touch()
    opened = os.open

    def refused(name: str | Path, *rest: int, **more: int) -> int:
        if Path(name) == path:
            raise OSError(number, os.strerror(number))
        return opened(name, *rest, **more)

    monkeypatch.setattr(sqlite_faults.os, "open", refused)
    with pytest.raises(OSError) as error, whole(path):
        raise said(code)
    assert error.value.errno == number


def test_a_file_refused_for_a_moment_lies_on_no_read_only_disk(tmp_path: Path) -> None:
    path = tmp_path / "work.sqlite"
    path.touch()
    with pytest.raises(OSError) as error, whole(path):
        raise said(sqlite3.SQLITE_READONLY)
    assert error.value.errno == errno.EIO


@pytest.mark.parametrize("code", [sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB])
def test_a_damaged_file_names_itself_and_what_mends_it(code: int) -> None:
    with pytest.raises(UserError, match=r"/w/work.sqlite is damaged.*mv /w/work.sqlite"), whole(Path("/w/work.sqlite")):
        raise said(code)


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_a_disk_that_does_not_give_the_file_does_not_make_it_damaged(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(OSError) as error, whole(tmp_path / "work.sqlite"):
        raise said(sqlite3.SQLITE_CORRUPT)
    assert error.value.errno == number


def test_a_file_that_another_process_holds_is_busy() -> None:
    with pytest.raises(Busy, match=r"holds /w/work.sqlite"), whole(Path("/w/work.sqlite")):
        raise said(sqlite3.SQLITE_BUSY)


def test_what_nobody_expects_stays_what_it_was() -> None:
    with pytest.raises(sqlite3.OperationalError), whole(Path("/w/work.sqlite")):
        raise said(sqlite3.SQLITE_ERROR)
