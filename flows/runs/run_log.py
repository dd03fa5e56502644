"""What a run did, line by line as JSON, for whoever collects logs: run, stage, centre, and units by their tokens.

No line holds a patient's value: units are named by the token that the quarantine table has, and texts are those that a run says
on a terminal.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from unibase.groundwork.files import closed_by_default
from unibase.groundwork.problems import UserError


@cache
def run_name() -> str:
    """Return the name of what this process runs: when it was first asked, and the process.

    >>> run_name() == run_name()
    True
    """
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}"


@dataclass(frozen=True)
class RunLog:
    """The log of the runs of a study.

    Attributes:
        file: Gets one line of JSON for each event, by several processes at once; None keeps none.
        study: Name of the study.
    """

    file: Path | None
    study: str

    def write(self, event: str, **fields: str | float | Mapping[str, int]) -> None:
        """Add a line: time (UTC), severity, run, host, study, the event, and what is told of it.

        A log that cannot be written is said on standard error, and ends no run.

        Args:
            event: What happened, such as `stage-ended`.
            fields: What is told of it; empty texts are left out.
        """
        if self.file is None:
            return
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "severity": SEVERITIES.get(event, "INFO"),
            "run": run_name(),
            "host": socket.gethostname(),
            "study": self.study,
            "event": event,
            **{name: value for name, value in fields.items() if value != ""},
        }
        try:
            with closed_by_default():
                self.file.parent.mkdir(parents=True, exist_ok=True)
            with open(os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab", buffering=0) as file:
                file.write((json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8"))
        except OSError as error:
            _say_once(f"The run log is not written: {error.strerror}.")

    @contextmanager
    def stage(self, name: str, centre: str) -> Iterator[None]:
        """Write when a stage begins, and how it ends.

        Args:
            name: Name of the stage.
            centre: Name of the centre; empty for all.
        """
        began = time.monotonic()
        self.write("stage-started", stage=name, centre=centre)
        try:
            yield
        except BaseException as error:
            # The text of an unexpected error may quote a patient's value; that of a user's error is shown to them as well.
            told = str(error) if isinstance(error, UserError) else ""
            seconds = round(time.monotonic() - began, 3)
            self.write("stage-failed", stage=name, centre=centre, seconds=seconds, error=type(error).__name__, text=told)
            raise
        self.write("stage-ended", stage=name, centre=centre, seconds=round(time.monotonic() - began, 3))


@cache
def _say_once(line: str) -> None:
    print(line, file=sys.stderr)


SEVERITIES = {"unit-refused": "WARNING", "unit-failed": "ERROR", "stage-failed": "ERROR"}
"""Severity of the events that are no plain news, as OpenTelemetry and syslog name it."""
