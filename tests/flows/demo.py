"""The demo as an operator runs it: the command line in a process of its own, watched from outside."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNIBASE = Path(sys.executable).with_name("unibase")

WATCH = """
import os, sys

def _hook(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        target = arguments[1] if event in ("socket.connect", "socket.sendto") else arguments[0]
        host = target[0] if isinstance(target, tuple) else target
        with open(os.environ["UNIBASE_TEST_CONNECTIONS"], "a") as log:
            log.write(f"{event} {host}\\n")

sys.addaudithook(_hook)
"""
"""A sitecustomize that writes down whom every Python process of a run speaks to."""


def environment(**further: str) -> dict[str, str]:
    """The environment of a run: no server of the machine's, no colour, every progress line."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "PYTEST_"))}
    return {**clean, "UNIBASE_PROGRESS_SECONDS": "0", "NO_COLOR": "1", **further}


def unibase(*arguments: object, **further: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [UNIBASE, *map(str, arguments)], env=environment(**further), capture_output=True, text=True, check=False, timeout=900
    )


def build(home: Path, *options: str, **further: str) -> str:
    """Build the study in `home`; return all it said."""
    ended = unibase("build", home / "study.yaml", *options, **further)
    assert ended.returncode == 0, ended.stderr[-4000:]
    return ended.stdout + ended.stderr


def copy_sources(source: Path, target: Path) -> Path:
    """Copy a simulated tree without what was built from it."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("work", "releases"))
    return target


def release(home: Path, version: str = "1.0.0") -> Path:
    return home / "releases" / "uniriv-demo" / version


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@contextmanager
def started(*arguments: object, **further: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command and yield it; it is killed at the end if it still runs."""
    process = subprocess.Popen(
        [UNIBASE, *map(str, arguments)], env=environment(**further), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
