"""The audit log shows any change to what it holds."""

from __future__ import annotations

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
