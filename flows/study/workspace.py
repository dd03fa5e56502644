"""The folders of one study on disk: vault, staging, linked; and the lock that gives them to one run at a time."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from unibase.groundwork.faults import fault_of
from unibase.groundwork.files import closed_by_default, remove_temporaries
from unibase.groundwork.problems import Busy, MachineFault

TRIES, PAUSE = 20, 0.05
"""How often, and how many seconds apart, a run tries to take the workspace."""


@dataclass(frozen=True)
class Workspace:
    """Where a study keeps what; `flows.study.places` names what stages leave in it."""

    root: Path

    @property
    def vault(self) -> Path:
        """Keys, identity ledger, work ledger, audit log: mode 0700.

        >>> Workspace(Path("work")).vault.name, Workspace(Path("work")).staging.name
        ('vault', 'staging')
        """
        return self.root / "vault"

    @property
    def staging(self) -> Path:
        """Pseudonymised data by room."""
        return self.root / "staging"

    @property
    def linked(self) -> Path:
        """Cohort, index, analysis table and its trace."""
        return self.root / "linked"

    @property
    def identity(self) -> Path:
        """The identity ledger."""
        return self.vault / "identity"

    @property
    def work_ledger(self) -> Path:
        """How every unit of work ended, with the names of source files."""
        return self.vault / "work.sqlite"

    @property
    def audit_log(self) -> Path:
        """Who did what, append-only."""
        return self.vault / "audit.jsonl"

    def create(self) -> None:
        """Make the folders, closed to others whatever the umask.

        Raises:
            MachineFault: If they cannot be made here.
        """
        try:
            for folder in (self.root, self.vault, self.staging, self.linked):
                folder.mkdir(parents=True, exist_ok=True)
                folder.chmod(0o700)
        except OSError as error:
            fault = fault_of(error)
            raise MachineFault(
                f"The workspace {self.root} cannot be made: {f'{fault.message} {fault.remedy}' if fault else error.strerror}"
            ) from None

    def busy(self) -> bool:
        """Return whether a run holds the workspace now."""
        try:
            with open(self.vault / "lock", encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Hold the workspace for this run, and clear away what a killed run left half-written.

        Raises:
            Busy: If another run holds it.
        """
        with closed_by_default():
            self.create()
            with open(self.vault / "lock", "w", encoding="utf-8") as lock:
                if not _locked(lock):
                    raise Busy(f"Another run is working in {self.root}. Wait for it, or stop it, then start again.")
                for folder in (self.staging, self.linked):
                    remove_temporaries(folder)
                self._end_erasure()
                yield

    @property
    def erasing(self) -> Path:
        """The note of an erasure that goes on, or was killed."""
        return self.vault / "erasing.json"

    def _end_erasure(self) -> None:
        """Go on with the erasure of a person that was killed."""
        if self.erasing.exists():
            # Only here: a start that has nothing to end loads no tables.
            from unibase.flows.vault.holders import holders
            from unibase.privacy.custody.erasing import finish

            finish(holders(self.root))


def _locked(lock: IO[str]) -> bool:
    """Take the lock for this process; return whether it could.

    Released by the kernel when the process ends, however it ends. Who only asks whether a run goes on (`busy`) holds it
    for an instant: that makes no run refuse to start.
    """
    for _ in range(TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(PAUSE)
        else:
            return True
    return False
