"""How the last run of a study ended: what `unibase status` says in the morning, also of a night that stopped before its first stage."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from unibase.flows.runs.guard import explain, kind
from unibase.flows.study.study_file import Study
from unibase.groundwork.files import write_json
from unibase.groundwork.problems import Busy, UserError

RIGHT = "Completed"
"""The kind of a run that ended well."""
STOPPED = "Stopped"
"""The kind of a run that a signal ended."""


@dataclass(frozen=True)
class LastRun:
    """A run.

    Attributes:
        run: What was asked: `build`, `nightly`, `stage features`.
        began: When it took the workspace, or was refused; ISO 8601 with its zone.
        ended: When it ended; empty while it goes on, and for good when it was killed.
        kind: `Completed`, `Stopped`, or the kind of error that ended it (`guard.KINDS`); empty while it goes on.
        message: Why it stopped; it may name source files.
    """

    run: str
    began: str
    ended: str = ""
    kind: str = ""
    message: str = ""

    @property
    def right(self) -> bool:
        """Whether it ended well."""
        return self.kind == RIGHT

    def in_words(self, running: bool) -> str:
        """Return one line: what ran, when, whether it ended well, and if not why.

        Args:
            running: Whether a run holds the workspace now.

        Example:
            >>> LastRun("nightly", "2026-12-01T02:00:00+01:00", "2026-12-01T02:04:10+01:00", "Completed").in_words(False)
            'Last run: nightly, 2026-12-01 02:04, green.'
            >>> LastRun("build", "2026-12-01T02:00:00+01:00").in_words(False)
            'Last run: build, begun 2026-12-01 02:00, red: it was killed. Start it again.'
        """
        if not self.ended:
            when = f"Last run: {self.run}, begun {_minute(self.began)}"
            return f"{when}, still going on." if running else f"{when}, red: it was killed. Start it again."
        when = f"Last run: {self.run}, {_minute(self.ended)}"
        why = f": {'; '.join(self.message.splitlines())}" if self.message else "."
        return f"{when}, green." if self.right else f"{when}, red ({self.kind}){why}"


def last_run(study: Study) -> LastRun | None:
    """Return the last run of a study; None before the first, and where its note cannot be read.

    Args:
        study: The study.
    """
    try:
        return LastRun(**json.loads(_note(study).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


@dataclass
class Noting:
    """The note of a run that goes on.

    Attributes:
        study: The study.
        last: What is noted.
    """

    study: Study
    last: LastRun
    _ended: bool = field(default=False)

    def begins(self) -> None:
        """Note that the run has taken the workspace: when nothing follows, it was killed."""
        self._write()

    def ends(self, kind: str, message: str = "") -> None:
        """Note how the run ended; the first word counts.

        Args:
            kind: As in `LastRun`.
            message: Why it stopped.
        """
        if not self._ended:
            self._ended = True
            self.last = LastRun(self.last.run, self.last.began, _now(), kind, message)
            self._write()
            if kind != RIGHT:
                self._into_the_audit_log()

    def _into_the_audit_log(self) -> None:
        # A run that ends well has its entries of stages and release. Where this one cannot be made, the run itself says why.
        with suppress(OSError, UserError):
            if self.study.work.vault.is_dir():
                self.study.audit.append(getpass.getuser(), "run-ended", 0, {"run": self.last.run, "kind": self.last.kind})

    def _write(self) -> None:
        # Where the note cannot be kept, the run itself says why.
        with suppress(OSError):
            if self.study.work.vault.is_dir():
                write_json(_note(self.study), asdict(self.last), mode=0o600)


@contextmanager
def noted(study: Study, run: str) -> Iterator[Noting]:
    """Note how what runs inside ends; a run that found the workspace busy leaves the note to the one that works.

    Args:
        study: The study.
        run: What was asked.
    """
    note = Noting(study, LastRun(run, _now()))
    try:
        yield note
    except Busy:
        raise
    except Exception as error:
        note.ends(kind(error), explain(error, None))
        raise
    except BaseException:
        note.ends(STOPPED)
        raise
    note.ends(RIGHT)


def _note(study: Study) -> Path:
    return study.work.vault / "last_run.json"


def _now() -> str:
    return datetime.now(UTC).astimezone().isoformat(timespec="seconds")


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")
