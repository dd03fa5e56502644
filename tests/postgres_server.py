"""A PostgreSQL server of a test's own: in a temporary folder, on a Unix socket alone, as a user who is not root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def postgres_server() -> Iterator[Path]:
    """Yield the folder of the socket of a server whose superuser is `omop`; skip the test where no server is installed."""
    programs, user = _programs(), _user()
    # Short, because the path of a Unix socket has at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    try:
        if user:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        _run(user, programs / "initdb", "-D", folder / "db", "-A", "trust", "-U", "omop", "-E", "UTF8", "--no-sync")
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        _run(user, programs / "pg_ctl", "-D", folder / "db", "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield folder
        finally:
            _run(user, programs / "pg_ctl", "-D", folder / "db", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(user: str | None, *command: str | Path) -> None:
    subprocess.run(command, check=True, user=user, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) + [Path(p) for p in [shutil.which("initdb")] if p]
    if not found:
        pytest.skip("no PostgreSQL server programs (Debian: postgresql) on this machine")
    return found[0].parent


def _user() -> str | None:
    """Whom the server runs as: itself, or another where we are root."""
    if os.geteuid():
        return None
    known = {one.pw_name for one in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in known:
            return name
    pytest.skip("PostgreSQL does not run as root, and there is no other user")
