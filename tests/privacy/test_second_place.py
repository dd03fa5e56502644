"""A copy of the audit log in a second place: what changed in either shows, and a share that is away loses no entry."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from unibase.groundwork.problems import MachineFault, UserError
from unibase.privacy.audit import AuditLog


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    (tmp_path / "elsewhere").mkdir()
    log = AuditLog(tmp_path / "vault" / "audit.jsonl", tmp_path / "elsewhere" / "uniriv.jsonl")
    for number in range(3):
        log.append("operator", "link", number)
    return log


def copy_of(log: AuditLog) -> Path:
    assert log.copy
    return log.copy


def test_every_entry_is_in_both_places(log: AuditLog) -> None:
    assert copy_of(log).read_bytes() == log.path.read_bytes()
    assert copy_of(log).stat().st_mode & 0o777 == 0o600
    assert (log.verify(), log.reach_copy()) == (3, 0)


def test_a_log_that_began_without_a_copy_is_brought_whole(log: AuditLog) -> None:
    copy_of(log).unlink()
    assert log.reach_copy() == 3
    log.append("operator", "release", 1)
    assert copy_of(log).read_bytes() == log.path.read_bytes()


def rewrite(log: AuditLog) -> None:
    """Write a log anew, with its seals and its head, as whoever holds the vault can."""
    log.path.unlink()
    other = AuditLog(log.path)
    for number in (0, 7, 2):
        other.append("operator", "link", number)


def cut(log: AuditLog) -> None:
    """Remove the last entry of the log, and put its head back."""
    log.path.unlink()
    other = AuditLog(log.path)
    for number in range(2):
        other.append("operator", "link", number)


def change_copy(log: AuditLog) -> None:
    """Change a byte of the copy."""
    copy_of(log).write_bytes(copy_of(log).read_bytes().replace(b'"subject_count": 1', b'"subject_count": 4'))


@pytest.mark.parametrize(("harm", "line"), [(rewrite, 1), (cut, 1), (change_copy, 2)])
def test_a_log_that_is_whole_by_itself_is_found_out(
    harm: object, line: int, log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Entries hold the second they were made in; a later one makes every rewritten line another.
    monkeypatch.setattr("unibase.privacy.audit.now", lambda: "2031-01-01T00:00:00+00:00")
    assert callable(harm)
    harm(log)
    AuditLog(log.path).verify()
    for look in (log.verify, log.reach_copy, lambda: log.append("operator", "link", 5)):
        with pytest.raises(UserError, match=f"differ from line {line} on"):
            look()


def test_a_share_that_is_away_loses_no_entry(log: AuditLog) -> None:
    away = shutil.move(copy_of(log).parent, copy_of(log).parent.with_name("away"))
    with pytest.raises(MachineFault, match="second place of the audit log"):
        log.append("operator", "release", 9)
    assert len(log.entries()) == 4
    shutil.move(away, copy_of(log).parent)
    assert log.reach_copy() == 1
    log.append("operator", "release", 10)
    assert copy_of(log).read_bytes() == log.path.read_bytes()


def test_a_copy_that_was_torn_is_made_whole(log: AuditLog) -> None:
    whole = copy_of(log).read_bytes()
    copy_of(log).write_bytes(whole[:-11])
    log.append("operator", "release", 1)
    assert copy_of(log).read_bytes() == log.path.read_bytes()
