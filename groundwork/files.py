"""Files that appear whole or not at all, and digests that name their content."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from blake3 import blake3

type Json = str | int | float | Sequence[Json] | Mapping[str, Json] | None
"""A JSON value."""
type JsonObject = dict[str, object]
"""A JSON document on its way to a file: a standard, or the format of the file, says what its keys are."""


@contextmanager
def atomic_file(path: Path | str, mode: int | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success flush it to disk and rename it to `path`.

    A reader sees the old file or the new one, never a part of either. When the block raises, the
    temporary file is removed and `path` is as it was.

    Args:
        path: The file to write; parent folders are made.
        mode: Permission bits given before the rename (0o600 for keys), or None to leave the umask's.

    >>> with atomic_file(getfixture("tmp_path") / "whole.txt") as temporary:
    ...     _ = temporary.write_text("all of it")
    >>> (getfixture("tmp_path") / "whole.txt").read_text()
    'all of it'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix is kept at the end because some writers choose a format from it.
    temporary = path.with_name(f".tmp-{uuid.uuid4().hex}{path.suffix}")
    try:
        yield temporary
        if mode is not None:
            temporary.chmod(mode)
        _flush(temporary)
        temporary.replace(path)
        _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on success rename it to `path`, replacing what stood there.

    >>> with atomic_folder(getfixture("tmp_path") / "parts") as temporary:
    ...     _ = (temporary / "one.txt").write_text("1")
    >>> [path.name for path in (getfixture("tmp_path") / "parts").iterdir()]
    ['one.txt']
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp-{uuid.uuid4().hex}{path.suffix}")
    temporary.mkdir()
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _flush(file)
        if path.exists():
            old = path.with_name(f".tmp-old-{uuid.uuid4().hex}")
            path.rename(old)
            temporary.rename(path)
            shutil.rmtree(old)
        else:
            temporary.rename(path)
        _flush(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


CLOSED = 0o027
"""Mask of new files: 0640, and of new folders: 0750; what holds data of persons stands below a folder of mode 0700."""


@contextmanager
def closed_by_default() -> Iterator[None]:
    """Have this process make files that others cannot read, whatever the umask it was started with.

    Example:
        >>> with closed_by_default():
        ...     mask = os.umask(CLOSED)
        >>> oct(0o666 & ~mask), oct(0o777 & ~mask)
        ('0o640', '0o750')
    """
    before = os.umask(CLOSED)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def private_folder(beside: Path | str) -> Iterator[Path]:
    """Yield a folder beside a path that only this user can open, and remove it in the end.

    What a killed run leaves behind `remove_temporaries` deletes.
    """
    temporary = Path(beside).with_name(f".tmp-{uuid.uuid4().hex}")
    temporary.parent.mkdir(parents=True, exist_ok=True)
    temporary.mkdir(mode=0o700)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_bytes(path: Path | str, content: bytes, mode: int | None = None) -> None:
    """Write bytes to a file atomically.

    Args:
        path: The file.
        content: The bytes.
        mode: Permission bits, or None to leave the umask's.
    """
    with atomic_file(path, mode) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path | str, content: str, mode: int | None = None) -> None:
    r"""Write text to a file atomically, as UTF-8 with newlines as they are.

    `path`: the file; `content`: the text; `mode`: permission bits, or None to leave the umask's.

    >>> write_text(getfixture("tmp_path") / "note.txt", "été\n")
    >>> (getfixture("tmp_path") / "note.txt").read_bytes()
    b'\xc3\xa9t\xc3\xa9\n'
    """
    write_bytes(path, content.encode(), mode)


def write_json(path: Path | str, value: object, mode: int | None = None) -> None:
    """Write a value as indented JSON with sorted keys, atomically: equal values give equal bytes.

    Args:
        path: The file.
        value: The JSON value.
        mode: Permission bits, or None to leave the umask's.

    >>> write_json(getfixture("tmp_path") / "a.json", {"b": 1, "a": 2})
    >>> print((getfixture("tmp_path") / "a.json").read_text())
    {
      "a": 2,
      "b": 1
    }
    """
    write_text(path, json_text(value), mode)


def json_text(value: object) -> str:
    """Return `value` as the text that `write_json` writes.

    Args:
        value: The JSON value.

    Example:
        >>> print(json_text({"b": 1, "a": None}), end="")
        {
          "a": null,
          "b": 1
        }
    """
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def remove_temporaries(folder: Path | str) -> int:
    """Delete what a killed run left half-written below `folder`; return how many were deleted.

    Only one run at a time may own a folder; call it at the start of that run.
    """
    found = sorted(Path(folder).rglob(".tmp-*"))
    for entry in found:
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
    return len(found)


def sha256_bytes(content: bytes) -> str:
    """Hexadecimal SHA-256 of `content`.

    >>> sha256_bytes(b"")[:12]
    'e3b0c44298fc'
    """
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path | str) -> str:
    """Hexadecimal SHA-256 of a file's content, read in blocks.

    Args:
        path: The file.

    >>> _ = (getfixture("tmp_path") / "a").write_bytes(b"")
    >>> sha256_file(getfixture("tmp_path") / "a") == sha256_bytes(b"")
    True
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def blake3_file(path: Path | str) -> str:
    """Hexadecimal BLAKE3 of a file's content, read in blocks: for what is read by the thousands, where SHA-256 would be most of the work.

    Args:
        path: The file.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, blake3).hexdigest()  # type: ignore[arg-type]


def sha256_folder(path: Path | str) -> str:
    """Hexadecimal SHA-256 over the relative names and contents of all files below `path`."""
    path = Path(path)
    listing = [(file.relative_to(path).as_posix(), sha256_file(file)) for file in sorted(path.rglob("*")) if file.is_file()]
    return digest_of(sorted(listing))


def digest_of(value: object) -> str:
    """SHA-256 of `value` as canonical JSON: the digest of settings, independent of key order.

    `value`: a JSON value; what is none counts as its text.

    >>> digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return sha256_bytes(text.encode())


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_file(path: Path, root: Path) -> None:
    """Remove a file, and the folders above it up to `root` that are empty then: the name of a folder may be a pseudonym.

    Args:
        path: The file.
        root: Folder that stays.

    Example:
        >>> root = getfixture("tmp_path")
        >>> (root / "6359" / "study").mkdir(parents=True)
        >>> (root / "6359" / "study" / "a.dcm").touch()
        >>> remove_file(root / "6359" / "study" / "a.dcm", root)
        >>> list(root.iterdir())
        []
    """
    path.unlink()
    for folder in path.parents:
        if folder == root or any(folder.iterdir()):
            return
        folder.rmdir()
