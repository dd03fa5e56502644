"""Stopping a run: one signal ends it at a clean point, with its children, and is never lost.

Python raises KeyboardInterrupt wherever it happens to be; inside a destructor or a callback of the garbage collector it
is printed and forgotten. So the signal is also written down, and looked up before every stage, after it, and before a
release is given its name.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

LONGEST = 10.0
"""Seconds after a signal at which a run ends, wherever it is."""

_asked: list[int] = []
_at_the_end: list[Callable[[], object]] = []


@contextmanager
def stoppable() -> Iterator[None]:
    """Have SIGINT and SIGTERM end what runs inside as KeyboardInterrupt, within `LONGEST` seconds."""
    before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def check() -> None:
    """End the run here when a signal asked for it.

    Raises:
        KeyboardInterrupt: If one did.
    """
    if _asked:
        raise KeyboardInterrupt


def at_the_end(work: Callable[[], object]) -> None:
    """Have a command do something when it has ended, and fail when that fails: what runs at exit changes no exit code.

    Args:
        work: Called once, without arguments.
    """
    _at_the_end.append(work)


def end() -> None:
    """Do what was put off until the end of the command.

    >>> at_the_end(lambda: print("sealed"))
    >>> end(), end()
    sealed
    (None, None)
    """
    while _at_the_end:
        _at_the_end.pop()()


def exit_code() -> int:
    """Return what the shell expects after the signal: 130 for SIGINT, 143 for SIGTERM."""
    return 128 + (_asked[0] if _asked else signal.SIGINT)


def _stop(number: int, frame: FrameType | None) -> None:
    first = not _asked
    _asked.append(number)
    if first:
        timer = threading.Timer(LONGEST, _end)
        timer.daemon = True
        timer.start()
    raise KeyboardInterrupt


def _end() -> None:
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(exit_code())
