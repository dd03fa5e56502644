"""What each kind of fault does to a night of a study, and how that night ended."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import psutil

from benchmarks.campaign import preloaded
from benchmarks.campaign.preloaded import CREATES, FLUSHES, OPENS, READS, RENAMES, WRITES
from unibase.flows.runs.guard import explained
from unibase.flows.runs.pipeline import STAGES
from unibase.flows.runs.run import open_run
from unibase.flows.runs.versions import publish_next
from unibase.flows.study.named_sources import check_sources
from unibase.flows.study.validation import read_study
from unibase.groundwork import work

type Digests = dict[str, str]
LONGEST = 300
"""Seconds after which a night counts as stuck."""
CALLS = {
    errno.EIO: OPENS | CREATES | READS | WRITES | FLUSHES | RENAMES,
    errno.ESTALE: OPENS | CREATES | READS | WRITES,
    errno.ENOSPC: CREATES | WRITES | FLUSHES | RENAMES,
    errno.EDQUOT: CREATES | WRITES | FLUSHES,
    errno.EACCES: OPENS | CREATES | RENAMES,
    errno.EROFS: CREATES | RENAMES,
    errno.EMFILE: OPENS | CREATES,
}
"""Which calls can fail with which errno."""


@dataclass(frozen=True)
class Night:
    """A disturbed night.

    Attributes:
        said: What was done to it, in words.
        release: Digests of the release's files, where it published or found one.
        told: How it refused; empty where it did not.
        named: What the refusal has to name; empty where nothing in particular.
        stuck: Whether it had to be ended.
    """

    said: str
    release: Digests | None = None
    told: str = ""
    named: str = ""
    stuck: bool = False


def night(home: Path) -> Digests:
    """Run one night in this process; return the digests of the release's files."""
    study = read_study(home / "study.yaml")
    check_sources(study)
    with study.work.owned(), open_run(study) as run:
        for one in STAGES:
            one(run)
        return digests(publish_next(run))


def digests(folder: Path) -> Digests:
    """Return the digest of each file of a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def calls_of(home: Path) -> dict[int, int]:
    """Return how many calls of a night can fail with each errno. `home`: a study whose night is counted, one night each."""
    found = {}
    for number, kinds in CALLS.items():
        with preloaded.failing_calls(home, number, kinds, -1, lasting=False) as calls:
            night(home)
        found[number] = calls[0]
    return found


def _tried(said: str, home: Path, named: str = "") -> Night:
    try:
        return Night(said, night(home))
    except Exception as error:
        return Night(said, told=str(explained(error, None)), named=named)


def flipped(home: Path, draw: random.Random) -> Night:
    """Flip a bit of a file of the workspace."""
    path = _a_file(home, draw)
    content = bytearray(path.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)
    return _tried(f"{path.relative_to(home)} flipped", home, path.name)


def cut(home: Path, draw: random.Random) -> Night:
    """Cut a file of the workspace."""
    path = _a_file(home, draw)
    content = path.read_bytes()
    path.write_bytes(content[: draw.randrange(len(content))])
    return _tried(f"{path.relative_to(home)} cut", home, path.name)


def lost(home: Path, draw: random.Random) -> Night:
    """Lose a file of the workspace."""
    path = _a_file(home, draw)
    path.unlink()
    return _tried(f"{path.relative_to(home)} lost", home, path.name)


def _a_file(home: Path, draw: random.Random) -> Path:
    files = (path for path in (home / "work").rglob("*") if path.is_file() and path.name != "lock" and path.stat().st_size)
    return draw.choice(sorted(files))


def failing(home: Path, draw: random.Random) -> Night:
    """Have a call of the C library fail, once or from then on."""
    number = draw.choice(sorted(CALLS))
    at, lasting = 1 + int(1500 * draw.random() ** 2), draw.random() < 0.5
    said = f"{errno.errorcode[number]} {'from' if lasting else 'at'} call {at}"
    with (
        preloaded.failing_calls(home, number, CALLS[number], at, lasting),
        mock.patch.object(work.time, "sleep", lambda seconds: None),
    ):
        ended = _tried(said, home, errno.errorcode[number])
        # SQLite says of whatever keeps it from a file that reading or writing failed.
        return replace(ended, named="EIO") if "machine-EIO" in ended.told else ended


def other_clock(home: Path, draw: random.Random) -> Night:
    """Set the clock to another day, mostly back, and the times of a source with it."""
    days = draw.choice([-4000, -400, -30, -1, 1, 400])
    changed = draw.choice(sorted((home / "dicom").iterdir()))
    os.utime(changed, (time.time() + 86400 * days,) * 2)
    with preloaded.moved_clock(86400 * days):
        return _tried(f"clock moved by {days} days", home)


def killed(home: Path, draw: random.Random) -> Night:
    """Kill a build."""
    build, moment = started(home), draw.uniform(0.5, 15)
    time.sleep(moment)
    build.send_signal(signal.SIGKILL)
    build.wait()
    return Night(f"killed after {moment:.1f} s", told="killed")


def two_at_once(home: Path, draw: random.Random) -> Night:
    """Start two builds within two seconds."""
    first, pause = started(home), draw.uniform(0, 2)
    time.sleep(pause)
    second = ended(started(home), home, "")
    one = ended(first, home, f"a second build after {pause:.1f} s")
    busy = "Another run" in second.told or "Another run" in one.told
    said = f"{one.said}, {'one waited' if busy else 'both ended'}"
    return Night(
        said, one.release or second.release, "" if one.release or second.release else one.told + second.told, "Another run"
    )


def killed_worker(home: Path, draw: random.Random) -> Night:
    """Kill a worker of a build that has local ones."""
    build = started(home)
    workers: list[psutil.Process] = []
    while build.poll() is None and not workers:
        workers = _called("spawn_main", build)
        time.sleep(0.05)
    pause = draw.uniform(0, 4)
    time.sleep(pause)
    for one in draw.sample(workers, min(1, len(workers))):
        with suppress(psutil.NoSuchProcess):  # the build ended before
            one.kill()
    return ended(build, home, f"worker killed after {pause:.1f} s")


def _called(name: str, build: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the processes below a build whose command line holds `name`."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for one in psutil.Process(build.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                found += [one] if name in " ".join(one.cmdline()) else []
    return found


def killed_scheduler(home: Path, draw: random.Random) -> Night:
    """Kill the scheduler that a build was given the address of."""
    with _cluster(home) as (scheduler, _):
        build, pause = started(home, "--scheduler", _address(home)), draw.uniform(0, 14)
        time.sleep(pause)
        scheduler.kill()
        return ended(build, home, f"scheduler killed after {pause:.1f} s")


def blind_worker(home: Path, draw: random.Random) -> Night:
    """Give a build a worker on which the share of the images is not mounted."""
    hide = f"mount -t tmpfs none {home / 'dicom'} && exec"
    with _cluster(home, ["unshare", "-m", "sh", "-c", f'{hide} "$@"', "sh"]):
        return ended(started(home, "--scheduler", _address(home)), home, "blind worker", "worker on")


def other_version(home: Path, draw: random.Random) -> Night:
    """Give a build a worker on which a library has another version."""
    name = draw.choice(["polars", "numpy", "pydicom", "zarr"])
    info = home / "other" / f"{name}-0.0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.0.1\n", encoding="utf-8")
    with _cluster(home, ["env", f"PYTHONPATH={home / 'other'}"]):
        return ended(started(home, "--scheduler", _address(home)), home, f"{name} 0.0.1", "worker on")


def killed_server(home: Path, draw: random.Random) -> Night:
    """Kill the Prefect server of a build."""
    build = started(home, prefect=True)
    servers: list[psutil.Process] = []
    while build.poll() is None and not servers:
        servers = _called("unibase.flows.runs.server", build)
        time.sleep(0.05)
    pause = draw.uniform(0, 40)
    time.sleep(pause)
    for one in servers:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    return ended(build, home, f"Prefect server killed after {pause:.1f} s")


def started(home: Path, *words: str, prefect: bool = False) -> subprocess.Popen[str]:
    """Start a night as a process of its own.

    Args:
        home: The study's folder.
        words: Further words of the command.
        prefect: Whether it runs as a flow.
    """
    command = [_beside("unibase"), "build", str(home / "study.yaml"), "--nightly", *words, *([] if prefect else ["--no-prefect"])]
    environment = {**preloaded.without_it(), "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "0"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, start_new_session=True
    )


def ended(build: subprocess.Popen[str], home: Path, said: str, named: str = "") -> Night:
    """Return how a night that runs as a process ended; end it when it is stuck.

    Args:
        build: The process.
        home: The study's folder.
        said: What was done to it.
        named: What a refusal has to name.
    """
    try:
        told, _ = build.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        os.killpg(build.pid, signal.SIGKILL)
        return Night(said, told=build.communicate()[0][-500:], stuck=True)
    if build.returncode == 0:
        # The stage `release` says a line that begins so as well, before it.
        folder = [line.removeprefix("release: ") for line in told.splitlines() if line.startswith("release: ")][-1]
        return Night(said, digests(Path(folder)))
    return Night(said, told=told, named=named)


def _beside(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _address(home: Path) -> str:
    file = home / "scheduler.json"
    for _ in range(600):
        if file.exists() and file.stat().st_size:
            return str(json.loads(file.read_text(encoding="utf-8"))["address"])
        time.sleep(0.1)
    raise TimeoutError("no scheduler")


@contextmanager
def _cluster(home: Path, before: list[str] | None = None) -> Iterator[tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]]:
    """Yield a scheduler and a worker, which start with the words `before`."""
    file = ["--scheduler-file", str(home / "scheduler.json")]
    common = {
        "env": preloaded.without_it(),
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
        "start_new_session": True,
    }
    words = [_beside("dask"), "scheduler", *file, "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    with ExitStack() as last:
        scheduler = subprocess.Popen(words, **common)  # type: ignore[call-overload]
        last.callback(_end, scheduler)
        _address(home)
        words = [*(before or []), _beside("dask"), "worker", *file, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        worker = subprocess.Popen(words, cwd=home, **common)  # type: ignore[call-overload]
        last.callback(_end, worker)
        time.sleep(6)
        yield scheduler, worker


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


KINDS: dict[str, tuple[int, Callable[[Path, random.Random], Night]]] = {
    "flipped": (60, flipped),
    "cut": (40, cut),
    "lost": (25, lost),
    "failing call": (90, failing),
    "clock": (15, other_clock),
    "killed build": (25, killed),
    "killed worker": (12, killed_worker),
    "two at once": (12, two_at_once),
    "killed scheduler": (6, killed_scheduler),
    "blind worker": (6, blind_worker),
    "other version": (5, other_version),
    "killed server": (4, killed_server),
}
"""Each kind of fault: how many of 300, and what it does."""
