"""What runs do, as lines of JSON for a collector of logs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.flows.small_study import write_study
from unibase.flows.runs.alone import run_alone
from unibase.flows.runs.quarantine_table import read_quarantine
from unibase.groundwork.problems import UserError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = write_study(tmp_path / "study")
    file = home / "study.yaml"
    text = file.read_text(encoding="utf-8").replace("  A:\n", "  CHU-été:\n")
    file.write_text("log: ../log.jsonl\n" + text, encoding="utf-8")
    return home


def lines(home: Path) -> list[dict[str, object]]:
    """Return the lines of the log."""
    return [json.loads(line) for line in (home.parent / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_run_tells_its_stages_and_each_unit_that_it_refuses_by_token(home: Path) -> None:
    (home / "dicom" / "DUPONT-1956.dcm").write_bytes(b"no DICOM")
    concepts = home / "concepts.yaml"  # an image can be the index, so that images are read without clinical records
    concepts.write_text(concepts.read_text(encoding="utf-8").replace("[ACT//SURGERY]}", '[ACT//SURGERY, "IMAGING//*"]}'), "utf-8")
    (home / "records" / "acts.csv").write_text("ip", encoding="utf-8")  # an export that broke off
    for stage in ("people", "clinical", "deidentify"):
        run_alone(home / "study.yaml", stage, None, None)
    told = lines(home)
    assert [one["stage"] for one in told if one["event"] == "stage-ended"] == ["people", "clinical", "deidentify"]
    refused = {(one["stage"], one["centre"], one["unit"], one["reason"]) for one in told if one["event"] == "unit-refused"}
    rows = read_quarantine(home / "work" / "staging").select("stage", "centre", "unit", "reason").rows()
    assert len(refused) == 2 and refused == set(rows)
    (ended,) = [one for one in told if one["event"] == "units-ended" and "deidentify" in str(one["job"])]
    assert ended["units"] == {"done": 5, "quarantined": 1}
    assert "DUPONT" not in (home.parent / "log.jsonl").read_text(encoding="utf-8")
    assert len({one["run"] for one in told}) == 1 and {one["study"] for one in told} == {"trial"}
    assert (home.parent / "log.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_stage_that_ends_badly_says_why(home: Path) -> None:
    run_alone(home / "study.yaml", "people", None, None)
    with pytest.raises(UserError):
        run_alone(home / "study.yaml", "deidentify", None, None)  # the clinical records come first
    last = lines(home)[-1]
    assert (last["event"], last["severity"], last["error"]) == ("stage-failed", "ERROR", "UserError")
    assert "Run first" in str(last["text"])


def test_a_log_that_cannot_be_written_is_said_and_ends_no_run(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home.parent / "log.jsonl").mkdir()
    run_alone(home / "study.yaml", "people", None, None)
    assert "The run log is not written: Is a directory." in capsys.readouterr().err
    assert "DUPONT" not in capsys.readouterr().err
