"""Where a simulated study is written: whole or not at all, and never among other files."""

from __future__ import annotations

from pathlib import Path

import pytest

from unibase.flows.cli.begin import Tree, simulate
from unibase.flows.runs import demo
from unibase.groundwork.problems import UserError
from unibase.simulation.tree import Options

FEW = Options(seed=3, persons=2, broken=False, imaging=False)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_call_that_was_stopped_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo.write_demo(tmp_path / "whole", FEW)

    def stopped(out: Path, options: Options) -> None:
        (out / "centre_a").mkdir(parents=True)
        (out / "centre_a" / "half.csv").write_text("ha")
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "simulate", stopped)
    with pytest.raises(KeyboardInterrupt):
        demo.write_demo(tmp_path / "CHU-été", FEW)
    assert not (tmp_path / "CHU-été").exists()
    monkeypatch.undo()
    demo.write_demo(tmp_path / "CHU-été", FEW)
    assert files(tmp_path / "CHU-été") == files(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["CHU-été", "whole"]


def test_an_empty_folder_takes_it_even_the_one_that_the_caller_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    demo.write_demo(Path(), FEW)
    assert {"study.yaml", "vault.key"} <= {path.name for path in (tmp_path / "here").iterdir()}


@pytest.mark.parametrize(("name", "way"), [("study.yaml", "--resume"), ("notes.txt", "empty this one")])
def test_a_folder_that_holds_files_is_left_alone(tmp_path: Path, name: str, way: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match=way):
        simulate(tmp_path, tree=Tree(persons=2, broken=False, imaging=False))
    assert files(tmp_path) == {name: b"mine"}
