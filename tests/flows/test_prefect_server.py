"""A server of a build's own that goes away under it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from unibase.flows.runs import server
from unibase.flows.runs.server import prefect_api
from unibase.groundwork.problems import MachineFault, RefusedByPolicy


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start a server that has already ended."""

    def ended(*_: object) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
        process.wait()
        return process

    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setattr(server, "_started", ended)
    monkeypatch.setattr(server, "_await_health", lambda *_: None)


@pytest.mark.usefixtures("gone")
def test_a_server_that_ended_is_named_with_its_log_and_the_way_on(tmp_path: Path) -> None:
    named = r"Prefect server of this build ended \(exit code 3.*server.log.*--no-prefect"
    with pytest.raises(MachineFault, match=named), prefect_api(tmp_path):
        raise ConnectionRefusedError(111, "Connection refused")


@pytest.mark.usefixtures("gone")
def test_what_the_run_itself_refused_stays_what_it_was(tmp_path: Path) -> None:
    with pytest.raises(RefusedByPolicy, match="too few"), prefect_api(tmp_path):
        raise RefusedByPolicy("too few")
