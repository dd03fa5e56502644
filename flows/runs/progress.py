"""How far a long step is: a moving bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LINE_SECONDS = float(os.environ.get("UNIBASE_PROGRESS_SECONDS", "10"))
"""Least time between two lines of one stage where there is no terminal."""


@dataclass
class _Said:
    """What was last said of a stage, and from where its pace counts: the first unit waits for workers and kernels to start."""

    at_start: int
    moment: float
    paced_from: tuple[float, int] | None = None
    finished: int = -1
    lines: int = 0

    def take(self, now: float, finished: int) -> None:
        """Note the first units that end in this run."""
        if self.paced_from is None and finished > self.at_start:
            self.paced_from = now, finished

    def left(self, now: float, finished: int, total: int) -> str:
        """Return how long the rest will take at the pace since the first unit, in words; nothing when it cannot be told or is short."""
        since, before = self.paced_from or (now, finished)
        if finished <= before or finished >= total:
            return ""
        minutes = (now - since) / (finished - before) * (total - finished) / 60
        said = f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.0f} h"
        return f"about {said} left" if minutes >= 1 else ""


class ProgressBoard:
    """Shows `(stage, finished, total, quarantined)` as it is told; an instance is a `groundwork.work.Progress`.

    Args:
        say: Takes the lines where there is no terminal: standard error, or a Prefect run's logger.
    """

    def __init__(self, say: Callable[[str], object] | None = None) -> None:
        self._console = Console(stderr=True)
        self._bars: Progress | None = None
        if say is None and self._console.is_terminal and not os.environ.get("UNIBASE_QUIET"):
            self._bars = Progress(
                TextColumn("{task.description:<24}"),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]:<16}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=self._console,
            )
        self._say = say or (_nothing if os.environ.get("UNIBASE_QUIET") else self._print)
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, _Said] = {}

    def __enter__(self) -> Self:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bars:
            self._bars.stop()

    def __call__(self, stage: str, finished: int, total: int, quarantined: int) -> None:
        """Show that `finished` of `total` units of `stage` ended, `quarantined` of them in quarantine."""
        note = f"{quarantined} quarantined" if quarantined else ""
        if self._bars:
            task = self._tasks.get(stage)
            if task is None:
                task = self._tasks[stage] = self._bars.add_task(stage, note="", total=total)
            self._bars.update(task, completed=finished, total=total, note=note)
            return
        now = time.monotonic()
        said = self._said.setdefault(stage, _Said(finished, now))
        said.take(now, finished)
        # A short stage says what it did when it is done: that is line enough.
        due = now - said.moment >= LINE_SECONDS or (finished == total and said.lines)
        if due and finished != said.finished:
            said.moment, said.finished, said.lines = now, finished, said.lines + 1
            parts = [f"{stage}: {finished} of {total}", note, said.left(now, finished, total)]
            self._say(", ".join(part for part in parts if part))

    def of(self, stage: str) -> Callable[[int, int], None]:
        """Return what takes `(finished, total)` of one stage."""
        return lambda finished, total: self(stage, finished, total, 0)

    def say(self, line: str) -> None:
        """Show one line of text, above the bars."""
        self._say(line)

    def _print(self, line: str) -> None:
        if self._bars:
            self._bars.console.print(line, highlight=False, markup=False)
        else:
            print(line, file=sys.stderr, flush=True)


def _nothing(line: str) -> None:
    """Say nothing: a quiet run speaks by its end alone."""
