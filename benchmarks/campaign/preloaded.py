"""The library of failing calls (`faulty_calls.c`): made with the C compiler of the machine, loaded by starting Python again."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OPENS, CREATES, READS, WRITES, FLUSHES, RENAMES = 1, 2, 4, 8, 16, 32
"""Kinds of calls: opening to read, opening to write, reading, writing, bringing to disk, renaming."""
_VARIABLE = "FAULTY_CALLS"


def start_again_with_it() -> None:
    """Start this program again with the library before all others, unless it is."""
    if _VARIABLE in os.environ:
        return
    library = Path(tempfile.mkdtemp(prefix="faulty-calls-")) / "faulty_calls.so"
    source = Path(__file__).with_name("faulty_calls.c")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    environment = {**os.environ, "LD_PRELOAD": str(library), _VARIABLE: str(library)}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def without_it() -> dict[str, str]:
    """Return an environment in which a further program starts without the library."""
    return {name: value for name, value in os.environ.items() if name not in (_VARIABLE, "LD_PRELOAD")}


@contextmanager
def failing_calls(folder: Path, number: int, kinds: int, at: int, lasting: bool) -> Iterator[list[int]]:
    """Have the `at`-th call of some kinds on a file below a folder fail, once or from then on; yield how many there were.

    Args:
        folder: The folder.
        number: The errno.
        kinds: Sum of kinds of calls.
        at: From 1.
        lasting: Whether all later calls fail as well.
    """
    library, calls = ctypes.CDLL(os.environ[_VARIABLE]), [0]
    library.faults_arm(os.fsencode(folder), number, kinds, ctypes.c_long(at), int(lasting))
    try:
        yield calls
    finally:
        calls[0] = int(library.faults_disarm())


@contextmanager
def moved_clock(seconds: int) -> Iterator[None]:
    """Have the clock of this process stand elsewhere.

    Args:
        seconds: How far ahead; negative when it was set back.
    """
    library = ctypes.CDLL(os.environ[_VARIABLE])
    library.faults_move_clock(ctypes.c_long(seconds))
    try:
        yield
    finally:
        library.faults_move_clock(ctypes.c_long(0))
