"""What the machine did, told from what the data are: a share that drops is no reason to leave a patient out of a release.

A unit of work is *refused* for what its data are and *failed* for what the machine did. Rooms turn what libraries raise
into `Unusable`; the error below it stays in the chain of exceptions, so the machine's part is found there, once, for all
rooms.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path

from unibase.groundwork.reasons import MACHINE_IMPORT, MACHINE_SCHEDULER

REMEDIES = {
    errno.EIO: "Look at the disk or the share (dmesg), then start the same command again.",
    errno.ESTALE: "The share was mounted anew while it was read. Start the same command again.",
    errno.ENOTCONN: "The share is not connected. Mount it again, then start the same command again.",
    errno.EHOSTDOWN: "The server of the share is down. Wait for it, then start the same command again.",
    errno.EACCES: "Let the user of this run read the source and write the workspace, then start the same command again.",
    errno.EPERM: "Let the user of this run read the source and write the workspace, then start the same command again.",
    errno.ENOSPC: "Make room on that disk, then start the same command again.",
    errno.EDQUOT: "The quota of this user is used up. Make room, then start the same command again.",
    errno.EROFS: "That file system is read-only. Mount it for writing, then start the same command again.",
    errno.ENOENT: "A file was there when it was listed and is gone. Look whether the share is mounted on every worker.",
    errno.ENODEV: "The device is gone. Mount it again, then start the same command again.",
    errno.ENXIO: "The device is gone. Mount it again, then start the same command again.",
    errno.EMFILE: "Too many files are open. Raise the limit (ulimit -n), then start the same command again.",
    errno.ENFILE: "The machine has too many files open. Close some, then start the same command again.",
    errno.ENOMEM: "Give the workers more memory, or use fewer of them, then start the same command again.",
    errno.ETIMEDOUT: "The other side did not answer in time. Look at the network, then start the same command again.",
    errno.ECONNREFUSED: "Nobody answers at that address. Start the service, then start the same command again.",
    errno.ECONNRESET: "The connection was cut. Look at the network, then start the same command again.",
    errno.EPIPE: "The connection was cut. Look at the network, then start the same command again.",
    errno.EHOSTUNREACH: "The server cannot be reached. Look at the network, then start the same command again.",
    errno.ENETUNREACH: "The network cannot be reached. Look at it, then start the same command again.",
}
"""What the machine can do to a unit, by `errno`, and what the operator can do about it."""

_WRITTEN = re.compile(r"\(os error (\d+)\)|\[Errno (\d+)\]|errno = (\d+)")
"""How Rust, Python and HDF5 write an errno into the text of an error."""

_LOST_SCHEDULER = {"CommClosedError", "ClosedClientError"}
"""Classes of Dask, which takes half a second to import, that say so beside `concurrent.futures.CancelledError`."""


@dataclass(frozen=True)
class Fault:
    """What the machine did.

    Attributes:
        reason: Short stable code, such as `machine-EIO`.
        message: Where: mount, host, bytes free; no name of a file, which may be a patient's.
        remedy: What the operator can do.
    """

    reason: str
    message: str
    remedy: str


def fault_of(error: BaseException) -> Fault | None:
    """Return what the machine did to raise `error`, or None when its data, or our code, are why.

    Example:
        >>> import errno
        >>> fault_of(OSError(errno.ESTALE, "Stale file handle")).reason
        'machine-ESTALE'
        >>> fault_of(ValueError("no such column")) is None
        True
    """
    if isinstance(error, ImportError):
        host = socket.gethostname()
        remedy = "Install the same versions of unibase and its libraries on every worker, then start the same command again."
        return Fault(MACHINE_IMPORT, f"{error.name or 'A module'} cannot be imported on {host}.", remedy)
    for cause in _chain(error):
        number = _number(cause)
        if number in REMEDIES:
            return _fault(number, getattr(cause, "filename", None))
        if isinstance(cause, CancelledError) or type(cause).__name__ in _LOST_SCHEDULER:
            return Fault(MACHINE_SCHEDULER, MACHINE_SCHEDULER.meaning, MACHINE_SCHEDULER.remedy)
        if isinstance(cause, TimeoutError | ConnectionError):
            return _fault(errno.ETIMEDOUT if isinstance(cause, TimeoutError) else errno.ECONNRESET, None)
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it was raised from or while handling, also where `from None` hides them."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            todo += [one.__context__, one.__cause__]


def _number(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if isinstance(error, KeyError | UnicodeError):
        return None  # their text is a value, not a message
    found = _WRITTEN.search(str(error))
    return int(next(group for group in found.groups() if group)) if found else None


def _fault(number: int, path: str | bytes | None) -> Fault:
    name = errno.errorcode[number]
    where = f"{name} ({os.strerror(number)}) on host {socket.gethostname()}"
    if path is not None:
        mount = _mount(Path(os.fsdecode(path)))
        where += f", mount {mount}"
        try:
            where += f", {shutil.disk_usage(mount).free / 1e9:.1f} GB free"
        except OSError:
            where += ", free space unknown"
    return Fault(f"machine-{name}", f"{where}.", REMEDIES[number])


def _mount(path: Path) -> Path:
    for folder in (path, *path.parents):
        try:
            if os.path.ismount(folder):
                return folder
        except OSError:
            continue
    return Path("/")
