"""What files were when they were written: whether a staged file is still what its unit left is seen, not believed.

A file or folder is sealed by a stamp (sizes, times, inodes) and by a digest of its content. Where the stamp is as it was,
the content is taken to be as it was; where it differs, the content is read and decides. So a copied or moved workspace
makes nothing run again, and a file that a disk, a tool or a person changed or cut is found.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from unibase.groundwork.files import blake3_file, digest_of

type Seals = tuple[tuple[str, str], ...]
"""Stamp and digest, one pair an output."""


@dataclass(frozen=True)
class Output:
    """A file or folder that a unit leaves.

    Attributes:
        path: Where it is.
        digest: BLAKE3 of its content where the unit told it; else it is read once.
    """

    path: Path
    digest: str = ""


def stamp_of(file: Path) -> str:
    """Return size, times of modification and of change, and inode of a file: what changes whenever its content is written.

    Args:
        file: The file.

    Raises:
        OSError: If it cannot be looked at.
    """
    status = file.stat()
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"


def sealed(outputs: Iterable[Output]) -> Seals:
    """Return the seals of outputs that were just written.

    Args:
        outputs: What a unit left, in a stable order.

    Raises:
        OSError: If one of them is not there.

    Example:
        >>> file = getfixture("tmp_path") / "a.parquet"
        >>> _ = file.write_text("content")
        >>> before = sealed([Output(file)])
        >>> still_sealed([Output(file)], before) == before
        True
        >>> _ = file.write_text("contend")
        >>> still_sealed([Output(file)], before) is None
        True
    """
    return tuple((_stamp(one.path), one.digest or _digest(one.path)) for one in outputs)


def still_sealed(outputs: Iterable[Output], seals: Seals) -> Seals | None:
    """Return today's seals of outputs whose content is as it was sealed, or None when one is changed, cut or gone.

    Args:
        outputs: What the unit left, in the order it was sealed.
        seals: What `sealed` returned then.

    Raises:
        OSError: If the machine keeps one from being read; that it is not there is no error.
    """
    found = list(outputs)
    if len(found) != len(seals):
        return None
    now = []
    for one, (stamp, digest) in zip(found, seals, strict=True):
        try:
            today = _stamp(one.path)
            if today != stamp and _digest(one.path) != digest:
                return None
        except (FileNotFoundError, NotADirectoryError):
            return None
        now.append((today, digest))
    return tuple(now)


def _files(path: Path) -> list[Path]:
    """Return a file, or all files below a folder, sorted."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if not file.is_dir())


def _stamp(path: Path) -> str:
    if not path.is_dir():
        return stamp_of(path)
    return digest_of([(file.relative_to(path).as_posix(), stamp_of(file)) for file in _files(path)])


def _digest(path: Path) -> str:
    if not path.is_dir():
        return blake3_file(path)
    return digest_of([(file.relative_to(path).as_posix(), blake3_file(file)) for file in _files(path)])
