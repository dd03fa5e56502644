"""The reading of fenced blocks itself: what is run, what is not and why, and that a wrong page fails."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.docs.blocks import Block, Reader, blocks_of, compare, pages
from tests.docs.surroundings import SURROUNDINGS

NOT_RUN = 1
"""How many blocks of all pages cannot run, each with its reason above it; `python -m tests.docs.blocks` lists them."""


def block(language: str, text: str, title: str = "") -> Block:
    return Block(CHECKOUT / "README.md", 1, language, title, text, "")


def test_every_block_is_read() -> None:
    for page in pages():
        fences = re.findall(r"^ *```", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert len(fences) == 2 * len(blocks_of(page)), page


def test_blocks_that_do_not_run_are_counted_and_say_why() -> None:
    left = [one for page in pages() for one in blocks_of(page) if one.not_run]
    assert len(left) == NOT_RUN, [one.place for one in left]
    assert all(len(one.not_run) > 10 for one in left)
    developer = (CHECKOUT / "docs" / "how-to" / "developer.md").read_text(encoding="utf-8")
    assert "One block cannot run" in developer


def test_every_surrounding_that_a_page_names_is_there_and_used() -> None:
    assert {one.needs for page in pages() for one in blocks_of(page) if one.needs} == set(SURROUNDINGS)


def test_every_block_that_shows_something_has_one_that_made_it() -> None:
    for page in pages():
        made = None
        for one in blocks_of(page):
            assert one.language != "text" or made in ("python", "r", "bash"), one.place
            made = one.language


def test_what_is_shown_wrongly_is_told_with_its_place() -> None:
    compare("n 17\n...\nend\n", "n 17\nanything\nend\n", block("text", ""))
    with pytest.raises(AssertionError, match=r"README.md:1(.|\n)*n 18"):
        compare("n 18\n", "n 17\n", block("text", ""))


def test_python_blocks_of_a_page_are_one_session(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    reader.follow(block("python", "a = 2\n"))
    reader.follow(block("python", "print(a + 1)\n"))
    reader.follow(block("text", "3\n"))
    with pytest.raises(AssertionError):
        reader.follow(block("text", "4\n"))


def test_a_command_that_fails_fails_the_page(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="unibase simulate"):
        Reader(tmp_path).follow(block("console", "$ unibase check none.yaml\n"))
    with pytest.raises(AssertionError):
        Reader(tmp_path).follow(block("bash", "false\n"))


def test_exports_and_folders_last_for_the_page(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    reader = Reader(tmp_path)
    reader.follow(block("bash", "cd below\nexport NAME=$(echo one)\n"))
    reader.follow(block("console", "$ echo $NAME $(basename $PWD)\none below\n"))


def test_a_language_without_a_rule_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no language"):
        Reader(tmp_path).follow(block("", "anything"))
    with pytest.raises(AssertionError, match="whose file"):
        Reader(tmp_path).follow(block("yaml", "a: 1"))
