"""A signal ends a run at a clean point and is never lost; who looks at a workspace makes no run refuse."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.flows.small_study import write_study
from unibase.flows.runs import stopping
from unibase.flows.study.validation import read_study
from unibase.flows.study.workspace import Workspace
from unibase.groundwork.problems import UserError


@pytest.fixture(autouse=True)
def nothing_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "_asked", [])
    monkeypatch.setattr(stopping, "LONGEST", 3600.0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_python_forgets_is_found_at_the_next_look(number: int, code: int) -> None:
    class Forgets:
        def __del__(self) -> None:
            os.kill(os.getpid(), number)  # raises in here, where Python prints it and goes on

    with stopping.stoppable():
        stopping.check()
        try:
            del_me = Forgets()
            del del_me
        except KeyboardInterrupt:
            pass
        with pytest.raises(KeyboardInterrupt):
            stopping.check()
    assert stopping.exit_code() == code


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_build_that_gets_a_signal_publishes_nothing_and_goes_on_later(tmp_path: Path, number: int, code: int) -> None:
    home = write_study(tmp_path)
    script = f"""
import os, sys
from unibase.flows.cli.main import main
from unibase.flows.runs.run import Run

def stop(*_):
    os.kill(os.getpid(), {int(number)})

Run.place = stop
sys.argv = ["unibase", "run", "features", {str(home / "study.yaml")!r}]
main()
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stderr
    assert "Start the same command again" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) <= 3


def test_who_asks_whether_a_run_goes_on_makes_none_refuse(tmp_path: Path) -> None:
    work = Workspace(tmp_path)
    work.create()
    with work.owned():
        assert work.busy()
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            work.busy()

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    try:
        for _ in range(20):
            with work.owned():
                pass
    finally:
        over.set()
        for thread in asking:
            thread.join()


def test_two_runs_do_not_share_a_workspace(tmp_path: Path) -> None:
    home = write_study(tmp_path)
    study = read_study(home / "study.yaml")
    with study.work.owned(), pytest.raises(UserError, match="Another run"), study.work.owned():
        pass
