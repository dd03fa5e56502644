"""Archives from outside: every member is unpacked or told, none is written elsewhere, no bomb goes off."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.imaging.deidentify_help import ct
from tests.imaging.fetching.web_archive import encoded
from unibase.groundwork import inflating
from unibase.groundwork.problems import Unusable
from unibase.imaging.fetching import archives
from unibase.imaging.fetching.archives import is_archive, safe_name, unpack

pytestmark = pytest.mark.usefixtures("no_flush")
ONE, OTHER = encoded(ct(SOPInstanceUID="1.1")), encoded(ct(SOPInstanceUID="1.2"))
BARE = ONE[132:]
"""A data set without preamble and mark, as old exports have it."""


def zipped(members: list[tuple[str, bytes]], **options: object) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(members: list[tuple[str, bytes]], mode: str = "w", links: tuple[tuple[str, str, bytes], ...] = ()) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target, kind in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
    return stream.getvalue()


def with_flag(content: bytes, flag: int) -> bytes:
    """Return a zip whose members say that they are packed so: the flags stand in both headers."""
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.index(mark) + place
        content = content[:at] + flag.to_bytes(2, "little") + content[at + 2 :]
    return content


def with_method(content: bytes, method: int) -> bytes:
    for mark, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = content.index(mark) + place
        content = content[:at] + method.to_bytes(2, "little") + content[at + 2 :]
    return content


def flipped(content: bytes) -> bytes:
    at = len(content) // 3
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


def linked() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
        archive.writestr("CT/a", ONE)
    return stream.getvalue()


A, B = ("CT/a", ONE), ("CT/b.dcm", OTHER)
MEMBERS: dict[str, tuple[str, Callable[[], bytes], set[str], list[tuple[str, str]]]] = {
    "zip": ("x.zip", lambda: zipped([A, B]), {"CT/a", "CT/b.dcm"}, []),
    "zip by its content": ("export", lambda: zipped([A, B]), {"CT/a", "CT/b.dcm"}, []),
    "tar": ("x.tar", lambda: tarred([A, B]), {"CT/a", "CT/b.dcm"}, []),
    "tar.gz": ("x.tar.gz", lambda: tarred([A], "w:gz"), {"CT/a"}, []),
    "tar.bz2": ("x.tbz2", lambda: tarred([A], "w:bz2"), {"CT/a"}, []),
    "tar.xz": ("x.tar.xz", lambda: tarred([A], "w:xz"), {"CT/a"}, []),
    "French names": ("é.zip", lambda: zipped([("Imagerie été/Série 1/a", ONE)]), {"Imagerie été/Série 1/a"}, []),
    "names of Windows": ("x.zip", lambda: zipped([("CT\\a", ONE)]), {"CT/a"}, []),
    "absolute names": ("x.tar", lambda: tarred([("/export/a", ONE)]), {"export/a"}, []),
    "without preamble": ("x.zip", lambda: zipped([("CT/a", BARE)]), {"CT/a"}, []),
    "two of one name": ("x.zip", lambda: zipped([A, ("CT/a", OTHER)]), {"CT/a", "CT/a~2"}, []),
    "beside DICOM": (
        "x.zip",
        lambda: zipped([A, ("READ ME.txt", b"hello"), ("view.exe", b"MZ" * 9)]),
        {"CT/a"},
        [("READ ME.txt", "not-dicom"), ("view.exe", "not-dicom")],
    ),
    "an empty file": ("x.zip", lambda: zipped([A, ("empty", b"")]), {"CT/a"}, [("empty", "not-dicom")]),
    "upwards": ("x.zip", lambda: zipped([A, ("../../evil", ONE)]), {"CT/a"}, [("../../evil", "unsafe-member")]),
    "upwards inside": ("x.tar", lambda: tarred([A, ("CT/../../evil", ONE)]), {"CT/a"}, [("CT/../../evil", "unsafe-member")]),
    "upwards of Windows": ("x.zip", lambda: zipped([A, ("..\\evil", ONE)]), {"CT/a"}, [("../evil", "unsafe-member")]),
    "a link in a tar": (
        "x.tar",
        lambda: tarred([A], links=(("l", "/etc/passwd", tarfile.SYMTYPE),)),
        {"CT/a"},
        [("l", "unsafe-member")],
    ),
    "a device": ("x.tar", lambda: tarred([A], links=(("d", "", tarfile.CHRTYPE),)), {"CT/a"}, [("d", "unsafe-member")]),
    "a link in a zip": ("x.zip", linked, {"CT/a"}, [("link", "unsafe-member")]),
    "a hard link": ("x.tar", lambda: tarred([A], links=(("h", "CT/a", tarfile.LNKTYPE),)), {"CT/a", "h"}, []),
    "encrypted": ("x.zip", lambda: with_flag(zipped([A]), 1), set(), [("CT/a", "encrypted-member")]),
    "a method of tomorrow": ("x.zip", lambda: with_method(zipped([A]), 97), set(), [("CT/a", "unreadable-member")]),
    "a flipped bit": ("x.zip", lambda: flipped(zipped([A])), set(), [("CT/a", "unreadable-member")]),
    "zip in a zip": ("x.zip", lambda: zipped([("p/1.zip", zipped([A])), B]), {"p/1.zip!/CT/a", "CT/b.dcm"}, []),
    "tar in a zip": ("x.zip", lambda: zipped([("1.tgz", tarred([A], "w:gz"))]), {"1.tgz!/CT/a"}, []),
    "a broken zip in a zip": (
        "x.zip",
        lambda: zipped([A, ("1.zip", zipped([B])[:60])]),
        {"CT/a"},
        [("1.zip", "unreadable-member")],
    ),
    "an empty zip": ("x.zip", lambda: zipped([]), set(), []),
}


@pytest.mark.parametrize("kind", MEMBERS)
def test_every_member_is_unpacked_or_told(tmp_path: Path, kind: str) -> None:
    name, make, written, refused = MEMBERS[kind]
    source = tmp_path / "in" / name
    source.parent.mkdir()
    source.write_bytes(make())
    assert is_archive(source)
    done = unpack(source, tmp_path / "deep/er/out")
    files = {
        path.relative_to(tmp_path / "deep/er/out").as_posix(): path
        for path in tmp_path.rglob("*")
        if path.is_file() and path != source
    }
    assert files.keys() == written and done.files == len(written)
    assert {path.read_bytes() for path in files.values()} <= {ONE, OTHER, BARE}
    assert sorted((said.replace("\\", "/"), why.reason) for said, why in done.refused) == sorted(refused)


BROKEN: dict[str, Callable[[], bytes]] = {
    "a zip without its end": lambda: zipped([A, B])[:-40],
    "a tar that breaks off": lambda: tarred([A, B])[: len(ONE) + 700],
    "a tar that breaks off in a file": lambda: tarred([A, B])[: 3 * 512],
    "a tar that lacks its end alone": lambda: tarred([A, B]).rstrip(b"\0") + bytes(200),
    "a tar.gz that breaks off": lambda: tarred([A, B], "w:gz")[:-200],
}


@pytest.mark.parametrize("kind", BROKEN)
def test_nothing_of_a_broken_archive_is_used(tmp_path: Path, kind: str) -> None:
    source = tmp_path / ("x.tar.gz" if "gz" in kind else "x")
    source.write_bytes(BROKEN[kind]())
    with pytest.raises(Unusable) as told:
        unpack(source, tmp_path / "out")
    assert told.value.reason == "unreadable-archive" and not (tmp_path / "out").exists()


BLACK = b"\x00" * 128 + b"DICM" + b"\x00" * 2_000_000


def lying() -> bytes:
    """Return a zip whose directory says that a member is small."""
    content = zipped([("a", BLACK)])
    size = len(BLACK).to_bytes(4, "little")
    return content.replace(size, (1000).to_bytes(4, "little"))


BOMBS: dict[str, Callable[[], bytes]] = {
    "a bomb": lambda: zipped([("a", BLACK)]),
    "in a tar.gz": lambda: tarred([("a", BLACK)], "w:gz"),
    "in a zip": lambda: zipped([("1.zip", zipped([("a", BLACK)]))]),
    "many": lambda: zipped([(str(n), BLACK[:400_000]) for n in range(5)]),
    "matryoshka": lambda: zipped([("1.zip", zipped([("2.zip", zipped([("3.zip", zipped([("4.zip", zipped([A]))]))]))]))]),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_what_unpacks_to_too_much_is_refused_whole(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflating, "ALWAYS_ALLOWED", 1_000_000)
    source = tmp_path / ("x.tgz" if "tar" in kind else "x.zip")
    source.write_bytes(BOMBS[kind]())
    with pytest.raises(Unusable) as told:
        unpack(source, tmp_path / "out")
    assert told.value.reason == "archive-too-large" and not (tmp_path / "out").exists()


def test_a_size_that_is_lied_about_writes_no_more_than_it_says(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(lying())
    done = unpack(tmp_path / "x.zip", tmp_path / "out")
    assert done.files == 0 and [why.reason for _, why in done.refused] == ["unreadable-member"]
    assert not list((tmp_path / "out").rglob("*"))


def test_a_full_disk_is_the_machines_fault_and_no_fault_of_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.zip").write_bytes(zipped([A, B]))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archives, "_copy", full)
    with pytest.raises(OSError, match="No space left"):
        unpack(tmp_path / "x.zip", tmp_path / "out")


def test_what_an_earlier_run_unpacked_is_not_unpacked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.zip").write_bytes(zipped([A, B]))
    unpack(tmp_path / "x.zip", tmp_path / "out")
    (tmp_path / "out/CT/a").unlink()
    written: list[bytes] = []
    before = archives._copy
    monkeypatch.setattr(archives, "_copy", lambda *given: (written.append(given[3]), before(*given)))
    assert unpack(tmp_path / "x.zip", tmp_path / "out").files == 2
    assert written == [ONE[:262]] and (tmp_path / "out/CT/a").read_bytes() == ONE


@pytest.mark.parametrize(
    ("content", "name"),
    [(ONE, "a.zip"), (b"PK", "a"), (b"", "a.tar"), (b"\x1f\x8b" + bytes(20), "IM1.gz"), (b"x" * 600, "a.tar")],
)
def test_what_is_no_archive_is_not_taken_for_one(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert not is_archive(tmp_path / name)


@pytest.mark.parametrize("name", ["..", "a/../b", "", "/", "a\0b", "é" * 200])
def test_names_that_are_none_are_refused(name: str) -> None:
    with pytest.raises(Unusable, match="unsafe-member"):
        safe_name(name)
