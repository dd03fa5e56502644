"""What a unit leaves is looked at before it is trusted: changed, cut and lost outputs are made again, moved ones are not."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from unibase.groundwork.problems import UserError
from unibase.groundwork.work import Job, Outcome, Output, Unit, WorkLedger, run_units


def write(folder: Path, number: int) -> dict[str, Any]:
    target = folder / f"{number}"
    (target / "inner").mkdir(parents=True, exist_ok=True)
    (target / "inner" / "values").write_text(f"values of {number}", encoding="utf-8")
    return {"name": f"{number}"}


def night(folder: Path, vault: Path, seen: list[int] | None = None) -> list[Outcome]:
    def counted(_: None, number: int) -> dict[str, Any]:
        if seen is not None:
            seen.append(number)
        return write(folder, number)

    job = Job("write", counted, leaves=lambda result: [Output(folder / result["name"])])
    with WorkLedger(vault / "work.sqlite") as ledger:
        return run_units(job, [Unit(f"{n}", "d", n) for n in range(3)], ledger)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


def flip_under_an_old_time(path: Path) -> None:
    status = path.stat()
    flip(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    "harm",
    [
        flip,
        flip_under_an_old_time,
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        Path.unlink,
        lambda path: shutil.rmtree(path.parent),
        lambda path: (path.parent / "more").write_text("x", encoding="utf-8"),
    ],
    ids=["flipped", "flipped under an old time", "cut", "lost", "folder lost", "a file too many"],
)
def test_harmed_outputs_are_made_again_and_only_they(tmp_path: Path, harm: Any) -> None:
    staging = tmp_path / "staging"
    night(staging, tmp_path)
    harm(staging / "1" / "inner" / "values")
    seen: list[int] = []
    ended = night(staging, tmp_path, seen)
    assert seen == [1]
    assert (staging / "1" / "inner" / "values").read_text(encoding="utf-8") == "values of 1"
    assert [outcome.mended for outcome in ended] == [False, (staging / "1").exists(), False]


def test_what_was_copied_or_touched_is_read_and_stands(tmp_path: Path) -> None:
    night(tmp_path / "staging", tmp_path)
    shutil.copytree(tmp_path / "staging", tmp_path / "moved")
    seen: list[int] = []
    assert not any(outcome.repeated for outcome in night(tmp_path / "moved", tmp_path, seen)) and seen == []
    (tmp_path / "moved" / "2" / "inner" / "values").write_text("values of 3", encoding="utf-8")
    night(tmp_path / "moved", tmp_path, seen)
    assert seen == [2], "the stamps of the copy stand in the ledger, and hide nothing"


@pytest.mark.parametrize("column", ["result", "outputs", "input_digest", "reason"])
def test_a_row_that_a_disk_changed_counts_as_never_written(tmp_path: Path, column: str) -> None:
    night(tmp_path / "staging", tmp_path)
    with sqlite3.connect(tmp_path / "work.sqlite") as ledger:
        ledger.execute(f"UPDATE units SET {column} = {column} || ' ' WHERE key = '1'")
    seen: list[int] = []
    night(tmp_path / "staging", tmp_path, seen)
    assert seen == [1]


@pytest.mark.parametrize(
    "harm", [lambda path: path.write_bytes(b"no database at all" * 99), lambda path: path.write_bytes(path.read_bytes()[:5000])]
)
def test_a_damaged_ledger_names_itself_and_what_mends_it(tmp_path: Path, harm: Any) -> None:
    night(tmp_path / "staging", tmp_path)
    harm(tmp_path / "work.sqlite")
    with pytest.raises(UserError, match=r"work\.sqlite is damaged.*\n?.*start the same command again"):
        night(tmp_path / "staging", tmp_path)


def test_a_ledger_of_an_earlier_version_is_taken_up(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "work.sqlite") as old:
        old.execute(
            "CREATE TABLE units (stage TEXT, key TEXT, fingerprint TEXT, input_digest TEXT, status TEXT, result TEXT, "
            "reason TEXT, message TEXT, remedy TEXT, finished REAL, PRIMARY KEY (stage, key))"
        )
        old.execute("INSERT INTO units VALUES ('sources', 'a', '', '', 'done', '{\"given\": 3}', '', '', '', 1.0)")
    with WorkLedger(tmp_path / "work.sqlite") as ledger:
        assert ledger.known("sources")["a"][1].result == {"given": 3}
        ledger.record("sources", [("", Outcome("b", "", "done"))])
        assert set(ledger.known("sources")) == {"a", "b"}
