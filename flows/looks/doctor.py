"""A look at all that a run needs, before it is needed: each finding with what mends it."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unibase.flows.runs.worker_check import LIBRARIES, refuse_unlike
from unibase.flows.study.named_files import source_paths
from unibase.flows.study.named_sources import check_sources
from unibase.flows.study.study_file import Study
from unibase.flows.study.surroundings import check_surroundings
from unibase.flows.study.unlike_named import check_contents
from unibase.groundwork.faults import fault_of
from unibase.groundwork.problems import Busy, MachineFault, RefusedByPolicy, SourceAway, UserError
from unibase.groundwork.work import WorkLedger

LEAST_FREE = 5e9
"""Bytes that must be free beside the workspace."""


Kind = Literal["UserError", "SourceAway", "MachineFault", "Busy", "RefusedByPolicy"]


@dataclass(frozen=True)
class Finding:
    """What one look found.

    Attributes:
        what: What was looked at.
        status: `right`, `warning` or `wrong`; what is wrong stops a build.
        said: What was found, and what mends it.
        kind: Kind of the problem that a build would end with.
    """

    what: str
    status: Literal["right", "warning", "wrong"]
    said: str
    kind: Kind = "MachineFault"


def examine(study: Study, scheduler: str | None = None) -> list[Finding]:
    """Look at everything that a build of a study needs.

    Args:
        study: The study.
        scheduler: Address of a Dask scheduler; the study's own when None.
    """
    looks: list[tuple[str, Callable[[], Finding]]] = [
        ("software", _software),
        ("bytecode", _bytecode),
        ("sources", lambda: _told("sources", lambda: check_sources(study), "every file that the study names is there")),
        (
            "contents",
            lambda: _told("contents", lambda: check_contents(study), "each file is what its key says, as far as was looked"),
        ),
        ("reading", lambda: _readable(study)),
        (
            "surroundings",
            lambda: _told("surroundings", lambda: check_surroundings(study), "key read, workspace writable and apart"),
        ),
        ("room", lambda: _room(study)),
        ("modes", lambda: _modes(study)),
        ("work ledger", lambda: _work_ledger(study)),
        ("audit log", lambda: _audit(study)),
        ("lock", lambda: _lock(study)),
        ("workers", lambda: _workers(study, scheduler or study.dask.address)),
        ("Prefect", _prefect),
    ]
    return [_safely(what, look) for what, look in looks]


_KINDS: dict[type[UserError], Kind] = {
    SourceAway: "SourceAway",
    MachineFault: "MachineFault",
    Busy: "Busy",
    RefusedByPolicy: "RefusedByPolicy",
}


def end_of(found: Sequence[Finding]) -> UserError | None:
    """Return what a build would end with, in the order in which it looks; None when nothing is wrong.

    Args:
        found: What was found.

    Example:
        >>> end_of([Finding("sources", "wrong", "nothing at a", "SourceAway"), Finding("modes", "wrong", "open")])
        SourceAway('2 wrong: mend them before the next build.')
        >>> end_of([Finding("lock", "warning", "a run is going on")])
    """
    wrong = [one for one in found if one.status == "wrong"]
    if not wrong:
        return None
    kind = next((kind for kind, name in _KINDS.items() if name == wrong[0].kind), UserError)
    return kind(f"{len(wrong)} wrong: mend them before the next build.")


def _safely(what: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except UserError as error:
        return Finding(what, "wrong", str(error), _KINDS.get(type(error), "UserError"))
    except OSError as error:
        fault = fault_of(error)
        return Finding(what, "wrong", f"{fault.message} {fault.remedy}" if fault else str(error.strerror))


def _told(what: str, look: Callable[[], object], fine: str) -> Finding:
    look()
    return Finding(what, "right", fine)


def _software() -> Finding:
    from importlib import metadata

    found = ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES if _installed(name))
    missing = [name for name in LIBRARIES if not _installed(name)]
    if missing:
        said = f"{', '.join(missing)} is not installed. Install unibase again: uv sync --locked"
        return Finding("software", "wrong", said)
    return Finding("software", "right", f"Python {sys.version.split()[0]}, {found}")


def _installed(name: str) -> bool:
    from importlib import metadata

    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _readable(study: Study) -> Finding:
    closed = sorted({key for key, path in source_paths(study) if not os.access(path, os.R_OK)})
    if closed:
        return Finding("reading", "wrong", f"This user cannot read {', '.join(closed)}. Give it the right to, or run as another.")
    return Finding("reading", "right", "this user can read every source")


def _room(study: Study) -> Finding:
    root = study.work.root
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    said = f"{free / 1e9:.1f} GB free at {there}"
    if free < LEAST_FREE:
        return Finding("room", "warning", f"{said}. De-identified images take as much as their sources: make room.")
    return Finding("room", "right", said)


def _bytecode() -> Finding:
    if sys.dont_write_bytecode:
        said = "Python keeps nothing that it compiled, so each process compiles every module anew: unset PYTHONDONTWRITEBYTECODE"
        return Finding("bytecode", "warning", said)
    return Finding("bytecode", "right", "Python keeps what it compiled")


def _modes(study: Study) -> Finding:
    for folder in (study.work.root, study.work.vault):
        if folder.exists() and folder.stat().st_mode & stat.S_IRWXO:
            said = f"Others can look into {folder}. Close it: chmod 700 {folder}"
            return Finding("modes", "wrong", said)
    return Finding("modes", "right", "nobody else can look into the workspace")


def _work_ledger(study: Study) -> Finding:
    if not study.work.work_ledger.exists():
        return Finding("work ledger", "right", "none yet: nothing was built")
    with WorkLedger(study.work.work_ledger) as ledger:
        ledger.check()
    return Finding("work ledger", "right", "whole")


def _audit(study: Study) -> Finding:
    return Finding("audit log", "right", f"{study.audit.verify()} entries, whole")


def _lock(study: Study) -> Finding:
    if study.work.busy():
        return Finding("lock", "warning", f"a run is going on in {study.work.root}")
    return Finding("lock", "right", "no run is going on")


def _workers(study: Study, address: str | None) -> Finding:
    if address is None:
        return Finding("workers", "right", f"local, {study.dask.workers or os.cpu_count() or 1} processes")
    from unibase.groundwork.cluster import dask_client

    try:
        with dask_client(address) as client:
            refuse_unlike(client, study)
    except TimeoutError:
        return Finding("workers", "wrong", f"No Dask scheduler answers at {address}. Start it, or leave dask.address out.")
    return Finding("workers", "right", f"those of {address} have the same versions and mounts")


def _prefect() -> Finding:
    import urllib.error
    import urllib.request

    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return Finding("Prefect", "right", "no server named: a build starts its own, or takes none with --no-prefect")
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5):
            return Finding("Prefect", "right", f"{url} answers")
    except (urllib.error.URLError, TimeoutError, ConnectionError, ValueError):
        return Finding("Prefect", "wrong", f"Nobody answers at {url} (PREFECT_API_URL). Start the server: prefect server start")


def disk_of(folder: Path) -> int:
    """Return the bytes that all files below a folder take.

    `folder`: the folder, or a file.

    >>> _ = (getfixture("tmp_path") / "a.txt").write_text("12345")
    >>> disk_of(getfixture("tmp_path"))
    5
    """
    if not folder.is_dir():
        return folder.stat().st_size if folder.exists() else 0
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
