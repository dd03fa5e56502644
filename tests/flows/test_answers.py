"""Every command answers people, programs (`--json`) and nobody (`--quiet`)."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from docs.generate_commands import commands
from unibase.flows.cli.command_answers import QUIET, Ended, answering
from unibase.flows.cli.everything import app
from unibase.flows.cli.main import main
from unibase.groundwork.problems import UserError

COMMANDS = {name: command for name, command in commands(app) if command.default_command is not None}

COUNTS = pl.DataFrame(
    {"gene_id": [f"ENSG{n:011}" for n in range(40)]}
    | {f"CHU-été-{s}": [(n * 37 + s * 11) % 900 for n in range(40)] for s in range(4)}
)


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Run the command line, and return its status."""
    monkeypatch.setattr(sys, "argv", ["unibase", *map(str, words)])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_both_options(name: str) -> None:
    assert {"json", "quiet"} <= set(inspect.signature(COMMANDS[name].default_command).parameters)


def test_an_answer_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    counts = tmp_path / "counts.tsv"
    COUNTS.write_csv(counts, separator="\t")
    assert run(monkeypatch, "normalise", counts, tmp_path / "out.tsv", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert sorted(answer["found"]["kept"]) == sorted(COUNTS.columns[1:]) and answer["found"]["refused"] == []
    assert answer["said"] == [f"{tmp_path / 'out.tsv'}: 4 samples; 0 set aside"]


def test_a_table_is_a_list_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "records", "fields", "osiris-rwd", tmp_path / "fields.csv", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["found"]
    assert rows and set(rows[0]) == {"table", "field", "item", "use"}
    assert len(rows) == pl.read_csv(tmp_path / "fields.csv").height


def test_a_quiet_command_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = tmp_path / "counts.tsv"
    COUNTS.write_csv(counts, separator="\t")
    assert run(monkeypatch, "normalise", counts, tmp_path / "out.tsv", "--quiet") == 0
    assert capsys.readouterr().out == "" and (tmp_path / "out.tsv").exists()


@pytest.mark.parametrize("way", [(), ("--json",), ("--quiet",), ("--json", "--quiet")])
def test_an_error_is_told_in_every_way(
    way: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "recognise", tmp_path / "absent.tsv", *way) != 0
    said = capsys.readouterr()
    assert said.out == "" and "absent.tsv" in said.err


@pytest.mark.parametrize(
    ("way", "out", "err"),
    [
        ({}, "one.parquet differs\n", ""),
        ({"json": True}, '{\n  "found": null,\n  "said": [\n    "one.parquet differs"\n  ]\n}\n', ""),
        ({"quiet": True}, "", "one.parquet differs\n"),
    ],
)
def test_what_was_said_before_a_failure_is_not_lost(
    way: dict[str, Any], out: str, err: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def verify() -> None:
        sys.stdout.write("one.parquet differs\n")
        raise UserError("1 difference.")

    with pytest.raises(UserError):
        answering(verify)(**way)
    said = capsys.readouterr()
    assert (said.out, said.err) == (out, err)


def test_quiet_holds_for_one_command_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.delenv(QUIET, raising=False)
    seen = []
    command = answering(lambda: seen.append(os.environ.get(QUIET)))
    command(quiet=True)
    command()
    assert seen == ["1", None]


def test_a_command_keeps_its_own_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def status(*, json: bool = False) -> None:
        sys.stdout.write("[]\n" if json else "nothing runs\n")

    command = answering(status)
    command(json=True, quiet=True)
    assert capsys.readouterr().out == "[]\n"
    command()
    assert capsys.readouterr().out == "nothing runs\n"
    command(quiet=True)
    assert capsys.readouterr().out == ""


def test_an_answer_is_given_with_a_status_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    def attack() -> list[int]:
        sys.stdout.write("over the limit\n")
        raise Ended(1, [3])

    with pytest.raises(SystemExit) as end:
        answering(attack)(json=True)
    assert end.value.code == 1
    assert json.loads(capsys.readouterr().out) == {"found": [3], "said": ["over the limit"]}
