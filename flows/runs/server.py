"""A Prefect API server for one run, where no server is set: on loopback, on SQLite, gone with the run.

Prefect can start one by itself, but a killed run leaves that one behind. Ours asks the kernel to be killed with its
parent, so nothing stays, whatever ends the run. Who else has an account on the machine reaches loopback too, so the server
asks for a password that this run alone knows.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from unibase.groundwork.files import closed_by_default
from unibase.groundwork.problems import MachineFault, UserError

START_SECONDS = 120
"""Longest wait for the server: its first start makes the database and takes 12 to 40 s on a slow disk."""

LOG = "server.log"
"""Log of the server, beside its database."""

PR_SET_PDEATHSIG = 1


@contextmanager
def prefect_api(home: Path, meanwhile: Callable[[], object] = lambda: None) -> Iterator[str]:
    """Yield the URL of a Prefect API: the one that PREFECT_API_URL names, else a server of our own.

    Args:
        home: Folder of the server's database and log when one is started here.
        meanwhile: Called while the server starts, such as to import what needs its URL: both take seconds.

    Raises:
        UserError: If the server does not come up in time; the text names its log.
        MachineFault: If a server of our own ended while what ran with it still asked for it.
    """
    url = os.environ.get("PREFECT_API_URL")
    if url:
        yield url
        return
    with closed_by_default():
        home.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    password = f"unibase:{secrets.token_urlsafe(32)}"
    process = _started(home, port, password)
    ours = {"PREFECT_API_URL": url, "PREFECT_HOME": str(home), "PREFECT_API_AUTH_STRING": password}
    previous = {name: os.environ.get(name) for name in ours}
    try:
        os.environ.update(ours)
        meanwhile()
        _await_health(process, f"{url}/health", home / LOG)
        yield url
    except Exception as error:
        if process.poll() is None or isinstance(error, UserError):
            raise
        raise MachineFault(
            f"The Prefect server of this build ended (exit code {process.returncode}; its log: {home / LOG}). What was done is "
            "kept: start the same command again, or add --no-prefect."
        ) from error
    finally:
        for name, value in previous.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        _ended(process)


def _started(home: Path, port: int, password: str) -> subprocess.Popen[bytes]:
    """Start a server whose database and log stand in `home`; it is told its password by its environment, as nobody else sees."""
    environment = {
        **os.environ,
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": "",
        "PREFECT_SERVER_API_AUTH_STRING": password,
        "PREFECT_UI_ENABLED": "0",
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home / 'prefect.db'}",
    }
    # The child makes its database under the same mask.
    with closed_by_default(), open(home / LOG, "wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "unibase.flows.runs.server", str(port), str(os.getpid())],
            env=environment,
            stdout=log,
            stderr=log,
        )


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_health(process: subprocess.Popen[bytes], url: str, log_path: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2) as response:
                if response.status == 200:
                    return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.1)
    raise UserError(
        f"The embedded Prefect server did not start. Its log: {log_path}. Or run without Prefect: unibase build --no-prefect"
    )


def _serve(port: int, parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # The parent ended before the kernel was asked to tell us.
        return
    import uvicorn

    uvicorn.run("prefect.server.api.server:create_app", factory=True, host="127.0.0.1", port=port, log_level="error")


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]))
