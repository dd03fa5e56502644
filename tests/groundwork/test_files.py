from __future__ import annotations

from pathlib import Path

import pytest

from unibase.groundwork import files
from unibase.groundwork.files import (
    atomic_file,
    atomic_folder,
    blake3_file,
    closed_by_default,
    digest_of,
    private_folder,
    remove_file,
    remove_temporaries,
    sha256_folder,
    write_json,
)


def test_a_failed_write_leaves_the_old_file_and_no_temporary(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_mode_is_set_before_the_file_appears(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "key", mode=0o600) as temporary:
        temporary.write_text("x")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    for content in ("one", "two"):
        with atomic_folder(tmp_path / "out") as temporary:
            (temporary / content).write_text(content)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["two"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / ".tmp-1.parquet").write_text("half")
    (tmp_path / ".tmp-2").mkdir()
    (tmp_path / "kept.parquet").write_text("whole")
    assert remove_temporaries(tmp_path) == 2
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["kept.parquet", "sub"]


def test_digests_do_not_depend_on_order(tmp_path: Path) -> None:
    assert digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 2})
    for name, order in (("x", "ab"), ("y", "ba")):
        for letter in order:
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / letter).write_text(letter)
    assert sha256_folder(tmp_path / "x") == sha256_folder(tmp_path / "y")
    (tmp_path / "y" / "a").rename(tmp_path / "y" / "c")
    assert sha256_folder(tmp_path / "x") != sha256_folder(tmp_path / "y")


def test_blake3_is_that_of_its_specification(tmp_path: Path) -> None:
    # The first vector of BLAKE3's test_vectors.json (no byte), and one of 102,400 bytes that cycle through 0 to 250.
    (tmp_path / "empty").touch()
    (tmp_path / "long").write_bytes(bytes(i % 251 for i in range(102_400)))
    assert blake3_file(tmp_path / "empty") == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    assert blake3_file(tmp_path / "long").startswith("bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085")


def test_json_refuses_not_a_number(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_json_is_written_in_one_way_whatever_the_order_of_keys(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": "été", "a": [1]})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "a": [\n    1\n  ],\n  "b": "été"\n}\n'


def test_folders_above_a_file_are_made_and_may_stand_already(tmp_path: Path) -> None:
    for content in ("one", "two"):
        write_json(tmp_path / "deep" / "er" / "a.json", content)
        with (
            atomic_folder(tmp_path / "deeper" / "still" / "out") as folder,
            private_folder(tmp_path / "other" / "one" / "x") as private,
        ):
            assert private.stat().st_mode & 0o777 == 0o700
            (folder / "a").write_text(content)
    assert not list((tmp_path / "other" / "one").iterdir())


def test_files_of_a_run_are_closed_to_others(tmp_path: Path) -> None:
    with closed_by_default():
        (tmp_path / "file").touch()
        (tmp_path / "folder").mkdir()
    modes = [oct((tmp_path / name).stat().st_mode & 0o777) for name in ("file", "folder")]
    assert modes == ["0o640", "0o750"]


def test_what_was_removed_already_is_no_error(tmp_path: Path) -> None:
    with private_folder(tmp_path / "x") as private:
        private.rmdir()
    (tmp_path / ".tmp-folder").mkdir()
    (tmp_path / ".tmp-folder" / ".tmp-inner").touch()
    assert remove_temporaries(tmp_path) == 2
    assert list(tmp_path.iterdir()) == []


def test_every_file_of_a_folder_is_on_the_disk_before_it_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str] = []
    monkeypatch.setattr(files, "_flush", lambda path: flushed.append(path.name))
    with atomic_folder(tmp_path / "out") as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "a").write_text("a")
    assert flushed == ["a", tmp_path.name]


def test_a_file_is_removed_with_the_folders_that_it_leaves_empty(tmp_path: Path) -> None:
    for name in ("a/b/one", "a/two"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    remove_file(tmp_path / "a/b/one", tmp_path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a", "two"]
    remove_file(tmp_path / "a/two", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_holds_no_temporary(tmp_path: Path) -> None:
    assert remove_temporaries(tmp_path / "none") == 0
