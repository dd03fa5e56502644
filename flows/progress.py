"""How far a long step is: a moving bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LINE_SECONDS = float(os.environ.get("UNIBASE_PROGRESS_SECONDS", "10"))
"""Least time between two lines of one stage where there is no terminal."""


class ProgressBoard:
    """Shows `(stage, finished, total, quarantined)` as it is told; an instance is a `groundwork.work.Progress`.

    Args:
        say: Takes the lines where there is no terminal: standard error, or a Prefect run's logger.
    """

    def __init__(self, say: Callable[[str], object] | None = None) -> None:
        self._console = Console(stderr=True)
        self._bars: Progress | None = None
        if say is None and self._console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description:<24}"),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]:<16}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=self._console,
            )
        self._say = say or self._print
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, tuple[float, int]] = {}

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
        last, last_finished = self._said.get(stage, (-math.inf, -1))
        if finished != last_finished and (finished == total or now - last >= LINE_SECONDS):
            self._said[stage] = (now, finished)
            self._say(f"{stage}: {finished} of {total}" + (f", {note}" if note else ""))

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
