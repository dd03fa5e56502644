"""The audit log shows any change to what it holds."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from unibase.groundwork.problems import UserError
from unibase.privacy.audit import AuditLog


def test_entries_follow_one_another(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "vault" / "audit.jsonl")
    log.append("operator", "link", 20, {"key": "fingerprint"})
    AuditLog(log.path).append("operator", "release", 18)
    assert log.verify() == 2
    assert [entry["action"] for entry in log.entries()] == ["link", "release"]
    assert log.path.stat().st_mode & 0o777 == 0o600


def test_a_log_can_be_checked_without_this_software(tmp_path: Path) -> None:
    """Oracle: a seal is the SHA-256 of its entry as JSON in order of keys; the first entry follows on 64 zeros."""
    log = AuditLog(tmp_path / "vault" / "of" / "lyon" / "audit.jsonl")
    log.append("opérateur", "link", 20, {"key": "fingerprint"})
    log.append("operator", "release", 18)
    previous = "0" * 64
    for line in log.path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        assert line == json.dumps(entry, sort_keys=True)
        assert entry["previous"] == previous
        previous = entry.pop("seal")
        assert hashlib.sha256(json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()).hexdigest() == previous


def test_a_log_without_a_second_place_lacks_nothing_there(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.append("operator", "link", 1)
    assert log.reach_copy() == 0


def test_a_line_that_is_no_entry_is_named_by_its_number(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    for number in range(3):
        log.append("operator", "link", number)
    first, _, third = log.path.read_text(encoding="utf-8").splitlines(keepends=True)
    log.path.write_text(first + "nothing\n" + third, encoding="utf-8")
    with pytest.raises(UserError, match="line 2"):
        log.entries()


@pytest.mark.parametrize("change", ["edit", "remove", "swap"])
def test_a_changed_line_shows(change: str, tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    for number in range(4):
        log.append("operator", "link", number)
    lines = log.path.read_text(encoding="utf-8").splitlines(keepends=True)
    if change == "edit":
        lines[1] = lines[1].replace('"subject_count": 1', '"subject_count": 9')
    elif change == "remove":
        del lines[1]
    else:
        lines[1], lines[2] = lines[2], lines[1]
    log.path.write_text("".join(lines))
    with pytest.raises(UserError, match="line 2"):
        log.verify()


def test_the_head_beside_the_log_is_closed_to_others(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.append("operator", "link", 1)
    assert log.head.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("torn", ['{"action": "release", "act', "{", '{"actor": "H\u00e9l\u00e8ne', "x" * 3000])
@pytest.mark.parametrize("whole", [0, 1, 3])
def test_a_line_that_was_torn_never_counted(torn: str, whole: int, tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    for number in range(whole):
        log.append("operator", "link", number)
    with log.path.open("ab") as file:
        file.write(torn.encode())
    assert [one["number"] for one in log.entries()] == list(range(1, whole + 1))
    log.append("operator", "release", 7)
    assert log.verify() == whole + 1
    last = log.entries()[-1]
    assert (last["number"], last["subject_count"]) == (whole + 1, 7)
    assert last["details"] == {"torn_line_removed": len(torn.encode())}


@pytest.mark.parametrize("left", [0, 1, 3])
def test_an_end_that_was_cut_off_shows(left: int, tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    for number in range(4):
        log.append("operator", "link", number)
    lines = log.path.read_text(encoding="utf-8").splitlines(keepends=True)
    log.path.write_text("".join(lines[:left]), encoding="utf-8")
    with pytest.raises(UserError, match=f"ends at line {left}, and 4 entries were written"):
        log.verify()


@pytest.mark.parametrize("content", ["", "{", "no head"])
def test_a_head_that_was_changed_shows(content: str, tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.append("operator", "link", 1)
    log.head.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="was changed after it was written"):
        log.verify()


def test_a_log_of_an_earlier_version_has_no_head(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.append("operator", "link", 1)
    log.head.unlink()
    assert log.verify() == 1
