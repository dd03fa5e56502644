"""Whether the last run was green or red, and why: what the operator looks at in the morning."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.small_study import write_study
from unibase.flows.looks.metrics import metrics_text
from unibase.flows.looks.run_page import write_run_page
from unibase.flows.looks.status import status_of, status_text
from unibase.flows.runs.alone import build_alone, run_alone
from unibase.flows.runs.last_run import STOPPED, LastRun, last_run, noted
from unibase.flows.runs.run import Run
from unibase.flows.study.study_file import Study
from unibase.flows.study.validation import read_study
from unibase.groundwork.problems import Busy, SourceAway


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A study of the centre `CHU-été`, its people read."""
    home = write_study(tmp_path / "study")
    file = home / "study.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("  A:\n", "  CHU-été:\n"), encoding="utf-8")
    run_alone(file, "people", None, None)
    return read_study(file)


def test_a_night_that_stops_before_its_first_stage_is_red_and_says_why(study: Study, tmp_path: Path) -> None:
    assert "Last run: stage people, " in status_text(study) and status_text(study).count("green") == 1
    images = study.file.parent / "dicom"
    images.rename(images.with_name("away"))
    with pytest.raises(SourceAway):
        build_alone(study.file, None, nightly=True)
    (line,) = [one for one in status_text(study).splitlines() if one.startswith("Last run:")]
    assert "nightly" in line and "red (Source away): centres.CHU-été.dicom: nothing at" in line
    assert 'unibase_last_run_succeeded{kind="Source away",run="nightly",study="trial"} 0.0' in metrics_text(study)
    write_run_page(study, tmp_path / "run.html")
    page = (tmp_path / "run.html").read_text(encoding="utf-8")
    assert "red (Source away)." in page and "nothing at" not in page and str(tmp_path) not in page
    last = study.audit.entries()[-1]
    assert (last["action"], last["details"]) == ("run-ended", {"run": "nightly", "kind": "Source away"})
    images.with_name("away").rename(images)
    run_alone(study.file, "people", None, None)
    assert ", green." in status_text(study) and "red" not in status_text(study)
    assert 'unibase_last_run_succeeded{kind="Completed",run="stage people",study="trial"} 1.0' in metrics_text(study)


def test_a_killed_run_is_red_once_nobody_works(study: Study) -> None:
    with noted(study, "build") as note:
        note.begins()
        with study.work.owned():
            assert "begun" in status_text(study) and "still going on" in status_text(study)
            assert "unibase_last_run_succeeded{" not in metrics_text(study)
        assert "red: it was killed. Start it again." in status_text(study)
        assert 'unibase_last_run_succeeded{kind="Killed",run="build",study="trial"} 0.0' in metrics_text(study)


def test_a_run_is_noted_as_begun_while_it_works(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[LastRun | None] = []

    class Killed(BaseException):
        """What no handler of errors takes."""

    def publish(run: Run) -> Path:
        seen.append(last_run(run.study))
        raise Killed

    monkeypatch.setattr("unibase.flows.runs.alone.publish", publish)
    with pytest.raises(Killed):
        run_alone(study.file, "release", None, None)
    (noted_then,) = seen
    assert noted_then is not None and (noted_then.run, noted_then.ended, noted_then.kind) == ("stage release", "", "")


def test_who_finds_the_workspace_busy_leaves_the_note_to_the_one_that_works(study: Study) -> None:
    before = last_run(study)
    with pytest.raises(Busy), noted(study, "build"):
        raise Busy("Another run is working.")
    assert last_run(study) == before is not None


def test_a_signal_is_told_as_such_and_an_unexpected_error_without_its_text(study: Study) -> None:
    with pytest.raises(KeyboardInterrupt), noted(study, "build"):
        raise KeyboardInterrupt
    assert (last := last_run(study)) is not None and last.kind == STOPPED and not last.right
    with pytest.raises(ValueError, match="DUPONT"), noted(study, "build"):
        raise ValueError("DUPONT")
    assert "DUPONT" not in status_text(study) and "Unexpected ValueError" in status_text(study)


def test_a_note_that_was_harmed_says_nothing(study: Study) -> None:
    (study.work.vault / "last_run.json").write_text("{", encoding="utf-8")
    assert status_of(study).last_run is None and "Last run:" not in status_text(study)
