"""A study whose audit log has a second place: commands use it, and none begins while it is away."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.small_study import write_study
from unibase.flows.cli import main as command_line
from unibase.flows.runs.alone import run_alone
from unibase.groundwork.problems import MachineFault


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = write_study(tmp_path / "study")
    file = home / "study.yaml"
    file.write_text("audit_copy: ../elsewhere/trial.jsonl\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "elsewhere").mkdir()
    return home


def test_what_a_command_did_is_in_both_places(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_alone(home / "study.yaml", "people", None, None)
    copy = home.parent / "elsewhere" / "trial.jsonl"
    assert b'"stage": "people"' in copy.read_bytes()
    assert copy.read_bytes() == (home / "work" / "vault" / "audit.jsonl").read_bytes()
    monkeypatch.setattr("sys.argv", ["unibase", "audit", "verify", str(home / "study.yaml")])
    command_line.main()
    assert f"{copy}: the same." in capsys.readouterr().out


def test_nothing_begins_while_the_second_place_is_away(home: Path) -> None:
    (home.parent / "elsewhere").rmdir()
    with pytest.raises(MachineFault, match="second place"):
        run_alone(home / "study.yaml", "people", None, None)
    assert not (home / "work").exists()
