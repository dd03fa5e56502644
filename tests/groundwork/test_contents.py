"""A file is known by its content; its size and times only say when to read it again."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from unibase.groundwork import contents
from unibase.groundwork.problems import UserError
from unibase.groundwork.work import WorkLedger


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were read."""
    names: list[str] = []
    original = contents._read
    monkeypatch.setattr(contents, "_read", lambda file: (names.append(file.name), original(file))[1])
    return names


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read files an hour after they were written."""
    now = contents.time.time_ns
    monkeypatch.setattr(contents.time, "time_ns", lambda: now() + 3_600_000_000_000)


@pytest.mark.usefixtures("later")
def test_a_file_sent_again_with_the_same_size_and_time_is_found(tmp_path: Path, read: list[str]) -> None:
    file = tmp_path / "a.dcm"
    file.write_bytes(b"first")
    with WorkLedger(tmp_path / "work.sqlite") as ledger:
        before = ledger.contents.digests("s", {"a": file})
        assert ledger.contents.digests("s", {"a": file}) == before
        assert read == ["a.dcm"], "what did not change is not read again"
        status = file.stat()
        file.write_bytes(b"other")
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert ledger.contents.digests("s", {"a": file}) != before


@pytest.mark.parametrize(
    ("changed", "now", "settled"),
    [
        (1_000_000_001, 1_020_000_000, False),  # a clock that ticks every few milliseconds
        (1_000_000_001, 1_020_000_002, True),
        (1_000_000_000, 2_999_999_999, False),  # a clock of whole seconds
        (1_000_000_000, 3_000_000_001, True),
        (5_000_000_001, 1_000_000_000, False),  # the clock of the share is ahead, or ours was set back
    ],
)
def test_a_file_written_within_one_tick_of_its_reading_is_read_again(
    changed: int, now: int, settled: bool, tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.dcm"
    file.write_bytes(b"first")
    monkeypatch.setattr(contents, "stamp_of", lambda _: "the same")
    monkeypatch.setattr(contents.time, "time_ns", lambda: now)

    class OfThatTime:
        st_ctime_ns = changed

    with WorkLedger(tmp_path / "work.sqlite") as ledger, monkeypatch.context() as patched:
        patched.setattr(type(file), "stat", lambda *_, **__: OfThatTime)
        ledger.contents.digests("s", {"a": file})
        file.open("wb").write(b"other")
        ledger.contents.digests("s", {"a": file})
    assert len(read) == (1 if settled else 2)


def test_the_same_content_at_another_place_is_the_same(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.dcm").write_bytes(b"same")
    with WorkLedger(tmp_path / "work.sqlite") as ledger:
        old, new = (ledger.contents.digests("s", {"a": tmp_path / name / "a.dcm"}) for name in ("old", "new"))
    assert old == new


def test_all_is_read_on_demand(tmp_path: Path, read: list[str]) -> None:
    file = tmp_path / "a.dcm"
    file.write_bytes(b"x")
    with WorkLedger(tmp_path / "work.sqlite") as ledger:
        ledger.contents.digests("s", {"a": file})
        ledger.contents.forget()
        ledger.contents.digests("s", {"a": file})
    assert read == ["a.dcm", "a.dcm"]


def test_a_file_that_changes_while_it_is_read_is_read_again_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.dcm"
    file.write_bytes(b"x")
    stamps = iter(["1", "2", "3", "3"])
    monkeypatch.setattr(contents, "stamp_of", lambda file: next(stamps))
    assert contents._read(file)[0] == "3"
    endless = iter(str(n) for n in range(100))
    monkeypatch.setattr(contents, "stamp_of", lambda file: next(endless))
    with pytest.raises(UserError, match="changes while it is read"):
        contents._read(file)


def edited(file: Path, draw: random.Random) -> None:
    """Change one byte of a file, in place or by another file in its place, and put its time of modification back."""
    status, content = file.stat(), bytearray(file.read_bytes())
    content[draw.randrange(len(content))] ^= 1 + draw.randrange(255)
    if draw.random() < 0.5:
        file.write_bytes(content)
    else:
        file.with_suffix(".new").write_bytes(content)
        file.with_suffix(".new").replace(file)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_every_edit_of_a_byte_is_found_and_nothing_else(tmp_path: Path) -> None:
    """By hand 1,000 edits of 20 files: none missed."""
    draw = random.Random(20)
    files = {f"{number}.dcm": tmp_path / f"{number}.dcm" for number in range(8)}
    for file in files.values():
        file.write_bytes(draw.randbytes(200))
    with WorkLedger(tmp_path / "work.sqlite") as ledger:
        before = ledger.contents.digests("s", files)
        for _ in range(60):
            name = draw.choice(sorted(files))
            edited(files[name], draw)
            now = ledger.contents.digests("s", files)
            assert [one for one in files if now[one] != before[one]] == [name]
            before = now
