"""Zip and tar files as folders: every member is unpacked or told, and none is written outside, whatever it is called.

An archive comes from outside. Names that lead elsewhere, links and devices are refused one by one. What unpacks to more
than is believable, or than the disk holds, is refused as a whole before it is written, and again while it is, for sizes
can be lied about.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from unibase.groundwork.faults import fault_of
from unibase.groundwork.files import atomic_file
from unibase.groundwork.inflating import most_inflated
from unibase.groundwork.problems import Unusable
from unibase.imaging.fetching.parts import IN_MEMORY
from unibase.imaging.fetching.reasons import (
    ARCHIVE_TOO_LARGE,
    ENCRYPTED_MEMBER,
    UNREADABLE_ARCHIVE,
    UNREADABLE_MEMBER,
    UNSAFE_MEMBER,
)
from unibase.imaging.reasons import NOT_DICOM

KEPT_FREE = 2**30
"""Bytes of the disk that unpacking leaves free."""
DEEPEST = 3
"""Archives in archives are unpacked to this depth."""
_BLOCK = 2**20
_ZIP, _TAR_MARK, _TAR_PLACE = b"PK\x03\x04", b"ustar", 257
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, OSError, ValueError, NotImplementedError)


def is_archive(path: Path) -> bool:
    """Return whether a file is a zip or tar by its content; a gzip file only where its name says tar.

    Args:
        path: The file.
    """
    try:
        with path.open("rb") as file:
            return _kind(file, path.name) != ""
    except OSError:
        return False


def _kind(file: IO[bytes], name: str) -> str:
    """Return `zip`, `tar` or nothing for an open file, which is left at its beginning."""
    file.seek(0)
    head = file.read(_TAR_PLACE + len(_TAR_MARK))
    file.seek(0)
    if head[128:132] == b"DICM":
        return ""
    if head.startswith((_ZIP, b"PK\x05\x06")):
        return "zip"
    packed = head.startswith(_PACKED) and name.lower().endswith((".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz"))
    return "tar" if packed or head[_TAR_PLACE:] == _TAR_MARK else ""


@dataclass
class Unpacked:
    """What became of an archive.

    Attributes:
        files: How many files were written.
        refused: Members that were not, with why.
    """

    files: int = 0
    refused: list[tuple[str, Unusable]] = field(default_factory=list)
    _taken: set[Path] = field(default_factory=set, repr=False)

    def place(self, target: Path) -> Path:
        """Return where a member goes: two members of one name are two files.

        Args:
            target: By its name.
        """
        found, number = target, 1
        while found in self._taken:
            number += 1
            found = target.with_name(f"{target.name}~{number}")
        self._taken.add(found)
        return found


@dataclass
class _Budget:
    """Bytes that may still be written."""

    left: int

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise Unusable(ARCHIVE_TOO_LARGE)


def unpack(archive: Path, folder: Path) -> Unpacked:
    """Unpack an archive; members that are there with their size are not written again.

    Args:
        archive: A zip or tar file.
        folder: Where its members go, by their names.

    Returns:
        What was written, and what was not and why.

    Raises:
        Unusable: If nothing of it can be used: it is broken, or unpacks to too much.
    """
    folder.mkdir(parents=True, exist_ok=True)
    allowed = most_inflated(archive.stat().st_size)
    budget = _Budget(min(allowed, max(shutil.disk_usage(folder).free - KEPT_FREE, 0)))
    done = Unpacked()
    try:
        with archive.open("rb") as file, _readable():
            _unpack(file, archive.name, _Inside(folder, PurePosixPath(), budget, done))
    except Unusable:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return done


@contextmanager
def _readable() -> Iterator[None]:
    """Tell a broken archive from a machine at fault; what libraries say of it stays out: it quotes names of members."""
    try:
        yield
    except _BROKEN as error:
        if fault_of(error) is not None:
            raise
        raise Unusable(UNREADABLE_ARCHIVE) from None


@dataclass(frozen=True)
class _Inside:
    """Where the members of an archive go.

    Attributes:
        folder: The folder of the outermost one.
        prefix: Path of this archive inside it.
        budget: What may still be written.
        done: What was done.
    """

    folder: Path
    prefix: PurePosixPath
    budget: _Budget
    done: Unpacked

    @property
    def depth(self) -> int:
        """How many archives this one is in."""
        return sum(part.endswith("!") for part in self.prefix.parts)

    def below(self, name: PurePosixPath) -> _Inside:
        """Return where the members of an archive in this one go."""
        return _Inside(self.folder, self.prefix / name.parent / f"{name.name}!", self.budget, self.done)


@dataclass(frozen=True)
class _Member:
    """A member: its name, its size, and what it opens as."""

    name: str
    size: int
    opened: IO[bytes]


def _unpack(file: IO[bytes], name: str, inside: _Inside) -> None:
    members = _of_zip(file, inside) if _kind(file, name) == "zip" else _of_tar(file, inside)
    for member in members:
        try:
            with member.opened as stream:
                _write(stream, member, inside)
        except Unusable as problem:
            if problem.reason in (ARCHIVE_TOO_LARGE, UNREADABLE_ARCHIVE):
                raise
            _refuse(inside, member.name, problem)
        except _BROKEN as error:
            if fault_of(error) is not None or isinstance(error, tarfile.TarError):
                raise
            _refuse(inside, member.name, Unusable(UNREADABLE_MEMBER))


def _refuse(inside: _Inside, name: str, problem: Unusable) -> None:
    inside.done.refused.append((f"{inside.prefix}/{name}".removeprefix("./"), problem))


def _of_zip(file: IO[bytes], inside: _Inside) -> Iterator[_Member]:
    with zipfile.ZipFile(file) as archive:
        infos = [one for one in archive.infolist() if not one.is_dir()]
        if sum(one.file_size for one in infos) > inside.budget.left:
            raise Unusable(ARCHIVE_TOO_LARGE)
        for one in infos:
            kind = (one.external_attr >> 16) & 0o170000
            if kind not in (0, 0o100000):
                _refuse(inside, one.filename, Unusable(UNSAFE_MEMBER))
            elif one.flag_bits & 0x1:
                _refuse(inside, one.filename, Unusable(ENCRYPTED_MEMBER))
            else:
                try:
                    opened = archive.open(one)
                except (NotImplementedError, zipfile.BadZipFile):
                    _refuse(inside, one.filename, Unusable(UNREADABLE_MEMBER))
                    continue
                yield _Member(one.filename, one.file_size, opened)


def _of_tar(file: IO[bytes], inside: _Inside) -> Iterator[_Member]:
    with tarfile.open(fileobj=file) as archive:
        for one in archive:
            if one.isdir():
                continue
            if not (one.isreg() or one.islnk()):
                _refuse(inside, one.name, Unusable(UNSAFE_MEMBER))
                continue
            opened = archive.extractfile(one)
            if opened is None:
                _refuse(inside, one.name, Unusable(UNSAFE_MEMBER))
                continue
            yield _Member(one.name, one.size, opened)
        _refuse_without_end(archive)


def _refuse_without_end(archive: tarfile.TarFile) -> None:
    """Refuse a tar whose mark of its end, a block of zeros, is missing: `tarfile` says nothing of one that breaks off there."""
    assert archive.fileobj is not None
    archive.fileobj.seek(archive.offset)
    block = archive.fileobj.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE or any(block):
        raise Unusable(UNREADABLE_ARCHIVE)


def safe_name(name: str) -> PurePosixPath:
    """Return the name of a member as a path below a folder.

    Args:
        name: As an archive or a store writes it; a leading slash does not count, as for tar.

    Raises:
        Unusable: If it leads elsewhere, or cannot be a name here.

    Example:
        >>> safe_name("/export/CT/IM1").as_posix()
        'export/CT/IM1'
    """
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if not parts or ".." in parts or "\0" in name or any(len(part.encode(errors="replace")) > 240 for part in parts):
        raise Unusable(UNSAFE_MEMBER)
    return PurePosixPath(*(part.encode(errors="replace").decode() for part in parts))


def _write(stream: IO[bytes], member: _Member, inside: _Inside) -> None:
    name = safe_name(member.name)
    with tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(inside.folder)) as held:
        head = stream.read(_TAR_PLACE + len(_TAR_MARK))
        held.write(head)
        if _kind(held, member.name):
            _write_archive(stream, held, name, inside)
            return
        if not _may_be_dicom(head):
            raise Unusable(NOT_DICOM)
    target = inside.done.place(inside.folder / inside.prefix / name)
    # What an earlier run wrote is whole: files appear whole or not at all.
    if not (target.is_file() and target.stat().st_size == member.size):
        with atomic_file(target) as temporary, temporary.open("wb") as out:
            _copy(stream, out, inside.budget, head)
    inside.done.files += 1


def _write_archive(stream: IO[bytes], held: IO[bytes], name: PurePosixPath, inside: _Inside) -> None:
    """Unpack an archive that is a member, as far down as we go."""
    below = inside.below(name)
    if below.depth > DEEPEST:
        raise Unusable(ARCHIVE_TOO_LARGE, f"It holds archives in archives, more than {DEEPEST} deep.")
    held.seek(0, 2)
    _copy(stream, held, inside.budget, stream.read(_BLOCK))
    try:
        with _readable():
            _unpack(held, name.name, below)
    except Unusable as problem:
        if problem.reason != UNREADABLE_ARCHIVE:
            raise
        raise Unusable(UNREADABLE_MEMBER, "An archive in the archive cannot be read to its end.") from None


def _copy(stream: IO[bytes], out: IO[bytes], budget: _Budget, head: bytes) -> None:
    block = head
    while block:
        budget.take(len(block))
        out.write(block)
        block = stream.read(_BLOCK)


def _may_be_dicom(head: bytes) -> bool:
    """Return whether a file may be DICOM: by its mark, or, without one, by the group that its first element is of."""
    return head[128:132] == b"DICM" or head[:2] in (b"\x02\x00", b"\x08\x00") or head[:2] in (b"\x00\x02", b"\x00\x08")
