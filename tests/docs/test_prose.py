"""How the pages are written: lines that a diff can show, sentences that a reader can hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.docs.blocks import pages
from tests.docs.prose import sentences, words

LONGEST_LINE = 120
LONGEST_SENTENCE = 25
GENERATED = ("study-file.md", "commands.md", "tables.md", "reasons.md", "api.md", "architecture.md")
# Idioms of another language, each with what a native writer says.
UNIDIOMATIC = {"hang on": "depend on", "hangs on": "depends on", "hung on": "depended on", "informations": "information"}
_SHOWN = re.compile(r"^```(?:console|text).*?^```$", re.MULTILINE | re.DOTALL)
"""What a command or a script writes has the lines that it has."""
WRITTEN = [page for page in pages() if page.name not in (*GENERATED, "CHANGELOG.md")]


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_lines_are_wrapped(page: Path) -> None:
    lines = _SHOWN.sub("", page.read_text(encoding="utf-8")).splitlines()
    long = [number for number, line in enumerate(lines, 1) if len(line) > LONGEST_LINE and line[0] not in "|<!"]
    assert long == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_sentences_are_short(page: Path) -> None:
    found = [one for one in sentences(page.read_text(encoding="utf-8")) if words(one) > LONGEST_SENTENCE]
    assert found == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_the_idiom_is_a_native_one(page: Path) -> None:
    text = page.read_text(encoding="utf-8").lower()
    assert [word for word in UNIDIOMATIC if word in text] == []


def test_sentences_are_found() -> None:
    text = "# A heading of many words\n\nOne `a b c` [two](x.md) three. Four five (six). 7 files.\n\n- an item\n  goes on\n\n| a | table |\n"
    assert sentences(text) == ["One `code` two three.", "Four five (six). 7 files.", "an item goes on"]
    assert [words(one) for one in sentences(text)] == [4, 5, 4]
