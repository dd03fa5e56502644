"""The project's pages against the project: links lead somewhere, commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.docs.blocks import pages
from unibase.flows.cli.everything import app

PAGES = pages()
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)|<(?:a href|img src)=\"([^\"]+)\"")
_COMMAND = re.compile(r"\bunibase ([a-z]+)(?: ([a-z]+)\b)?")


def commands(text: str) -> list[tuple[str, str]]:
    """The commands that a page's code names: in fences at the start of a line or after `$ `, and between backticks."""
    code = [line.strip().removeprefix("$ ") for block in _FENCED.findall(text) for line in block.splitlines()]
    code += re.findall(r"`(unibase [^`]+)`", _FENCED.sub("", text))
    return [(found[1], found[2] or "") for one in code if (found := _COMMAND.match(one))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    targets = [one or other for one, other in _LINK.findall(text)]
    relative = [target.split("#")[0] for target in targets if "://" not in target and not target.startswith(("#", "mailto:"))]
    assert [target for target in relative if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_every_command_named_exists(page: Path) -> None:
    for command, below in commands(page.read_text(encoding="utf-8")):
        assert command in app, f"unibase {command}"
        assert command != "key" or below in app["key"], f"unibase key {below}"


def test_the_readme_names_every_command() -> None:
    named = {command for command, _ in commands((CHECKOUT / "README.md").read_text(encoding="utf-8"))}
    known = {name for name in app if not name.startswith("-")}
    assert len(known) > 10
    assert known - named == set()


def test_a_command_that_is_not_there_would_be_seen() -> None:
    assert commands("```console\n$ unibase frobnicate x\n```\nand `unibase key melt f`") == [("frobnicate", "x"), ("key", "melt")]
    assert "frobnicate" not in app and "melt" not in app["key"]
