"""Workers of a scheduler that is not ours are looked at before work: another version or a missing mount makes other numbers, or holes."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Self

from unibase.flows.study.named_files import source_paths
from unibase.groundwork.problems import MachineFault

if TYPE_CHECKING:
    from distributed import Client

    from unibase.flows.study.study_file import Study

LIBRARIES = ("unibase", "pydicom", "numpy", "polars", "scipy", "numba", "anndata", "zarr", "h5py", "SimpleITK")
"""Packages whose versions change numbers or bytes."""


@dataclass(frozen=True)
class Look:
    """What a worker sees.

    Attributes:
        host: Its host.
        versions: Of `LIBRARIES`, in their order; `none` for what is not installed.
        missing: Numbers of the paths that it cannot read or, of the workspace, cannot write.
        other: Numbers of the paths under which it sees something else: an empty folder where nothing is mounted, another file.
    """

    host: str
    versions: tuple[str, ...]
    missing: tuple[int, ...]
    other: tuple[int, ...] = ()


@dataclass(frozen=True)
class Expected:
    """What stands under a path: by this another process tells that it sees the same.

    Attributes:
        path: The path.
        within: Names that stand in it, where it is a folder: the first and the last.
        size: Bytes of it, where it is a file.
    """

    path: str
    within: tuple[str, ...] = ()
    size: int | None = None

    @classmethod
    def at(cls, path: Path) -> Self:
        """Return what stands under `path` here."""
        if not path.is_dir():
            return cls(str(path), size=path.stat().st_size)
        names = sorted(entry.name for entry in path.iterdir())
        return cls(str(path), tuple(dict.fromkeys(names[:1] + names[-1:])))

    def is_here(self) -> bool:
        """Return whether this process sees the same under the path."""
        if self.size is not None:
            return Path(self.path).stat().st_size == self.size
        return all((Path(self.path) / name).exists() for name in self.within)


def look(paths: Sequence[Expected], writable: str) -> Look:
    """Return what this process sees.

    Args:
        paths: What it must be able to read, and what stands there.
        writable: A folder that it must be able to write to.
    """
    blind = [number for number, path in enumerate(paths) if not os.access(path.path, os.R_OK)]
    other = [number for number, path in enumerate(paths) if number not in blind and not path.is_here()]
    closed = [] if os.access(writable, os.W_OK) else [-1]
    return Look(socket.gethostname(), tuple(map(_version, LIBRARIES)), tuple(blind + closed), tuple(other))


def refuse_unlike(client: Client, study: Study) -> None:
    """Refuse workers that have other versions than this process, or do not see what it sees.

    Args:
        client: Client of the scheduler.
        study: The study.

    Raises:
        MachineFault: With each worker's host, what differs and what to do; no name of a file.
    """
    named = source_paths(study)
    paths = [Expected.at(path) for _, path in named]
    mine = look(paths, str(study.work.root))
    found: dict[str, Look] = client.run(look, paths, str(study.work.root))
    if not found:
        raise MachineFault("The Dask scheduler has no workers. Start some, then start the same command again.")
    wrong = sorted({line for one in found.values() for line in _differences(one, mine, [key for key, _ in named])})
    if wrong:
        raise MachineFault(
            "\n".join([*wrong, "No unit was given to these workers. Mend them, then start the same command again."])
        )


def _differences(theirs: Look, mine: Look, keys: Sequence[str]) -> list[str]:
    lines = [
        f"worker on {theirs.host}: {name} {other}, and here {own}: install the same version"
        for name, other, own in zip(LIBRARIES, theirs.versions, mine.versions, strict=True)
        if other != own
    ]
    for number in sorted(set(theirs.missing) - set(mine.missing)):
        what = "the workspace cannot be written" if number < 0 else f"{keys[number]} cannot be read"
        lines.append(f"worker on {theirs.host}: {what}: mount it there under the same path")
    lines += [
        f"worker on {theirs.host}: {keys[number]} is something else there, such as the empty folder of a share that is not mounted: "
        "mount the same one under the same path"
        for number in sorted(set(theirs.other) - set(mine.other))
    ]
    return lines


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "none"
