"""Places that a user has a command write to: nothing of theirs is lost there, and what cannot be written is said before the work.

A folder that is replaced as a whole may be one that the same command wrote before. Any other that holds files is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from unibase.groundwork.files import atomic_folder
from unibase.groundwork.problems import UserError

TABLES = (".parquet", ".csv")
"""Ends of the names of tables: what is written is told by them."""
_READ = 1 << 16
"""Bytes of a mark that are read: what tells it stands at its beginning."""


@dataclass(frozen=True)
class Ours:
    """How a folder that a command wrote before is told from one that is somebody's.

    Attributes:
        names: Patterns of all that may stand at its top; none: only an empty folder is replaced.
        mark: A file in it that the command always writes; "" where the names tell enough.
        text: What stands at the beginning of that file.
    """

    names: tuple[str, ...] = ()
    mark: str = ""
    text: str = ""

    def wrote(self, folder: Path) -> bool:
        """Return whether the command wrote a `folder`, or it is empty."""
        names = [path.name for path in folder.iterdir()]
        if not names:
            return True
        if not all(any(fnmatch(name, one) for one in self.names) for name in names):
            return False
        mark = folder / self.mark
        return not self.mark or (mark.is_file() and self.text.encode() in _beginning(mark))


def check_folder(folder: Path | str, ours: Ours) -> None:
    """Refuse a place for a folder where something else stands that would be lost.

    Args:
        folder: The folder that is written, or replaced.
        ours: How one that the command wrote before is told.

    Raises:
        UserError: If a file stands there, or a folder that the command did not write.

    Example:
        >>> check_folder(getfixture("tmp_path") / "new", Ours())
    """
    folder = Path(folder)
    if folder.is_dir():
        if not ours.wrote(folder):
            raise UserError(f"{folder} holds files, which would be lost. Name a folder that is not there yet, or an empty one.")
    elif folder.exists():
        raise UserError(f"{folder} is a file, and a folder is written. Name another place.")


@contextmanager
def replaced_folder(folder: Path | str, ours: Ours) -> Iterator[Path]:
    """Yield a folder that appears as a whole; see `check_folder` for what it may replace.

    Args:
        folder: The folder.
        ours: How one that the command wrote before is told.

    Raises:
        UserError: As `check_folder`.
    """
    check_folder(folder, ours)
    with atomic_folder(folder) as temporary:
        yield temporary


def check_file(file: Path | str, suffixes: Sequence[str] = ()) -> None:
    """Refuse a place for a file where a folder stands, or whose name promises another format, before any work is done.

    Args:
        file: The file that is written.
        suffixes: Ends of names that say what is written; none: any.

    Raises:
        UserError: If it cannot be written so.

    Example:
        >>> check_file(getfixture("tmp_path") / "features.xyz", (".parquet", ".csv"))
        Traceback (most recent call last):
        ...
        unibase.groundwork.problems.UserError: features.xyz: the name of this file ends in .parquet or .csv. Give it such a name.
    """
    file = Path(file)
    if file.is_dir():
        raise UserError(f"{file} is a folder, and a file is written. Name a file in it.")
    if suffixes and not file.name.lower().endswith(tuple(suffixes)):
        raise UserError(f"{file.name}: the name of this file ends in {' or '.join(suffixes)}. Give it such a name.")


def check_apart(source: Path, destination: Path) -> None:
    """Refuse to write where the sources are: what is written would be read as a source the next time.

    Args:
        source: Folder that is read.
        destination: Folder that is written.

    Raises:
        UserError: If one is the other, or lies in it, or the destination is a file.
    """
    read, written = source.resolve(), destination.resolve()
    if read == written or read in written.parents or written in read.parents:
        raise UserError(
            f"{destination} and {source} are not apart: what is written would be read as a source. Name another folder."
        )
    if destination.exists() and not destination.is_dir():
        raise UserError(f"{destination} is a file, and a folder is written. Name another place.")


def _beginning(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(_READ)
