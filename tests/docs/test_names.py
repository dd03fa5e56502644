"""What pages, docstrings and comments call by name is there: paths, modules, functions, benchmarks, reasons."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.docs.blocks import pages
from tests.docs.names import ROOMS, code_resolves, names_missing, paths_missing, short_names_missing

_FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
SOURCES = [path for room in (*ROOMS, "benchmarks") for path in sorted((CHECKOUT / room).rglob("*.py"))]
# Sections of the study file that have the name of a module: `index.concept` is a key of it.
_SECTIONS = ("data.", "features.", "fhir.", "index.", "release.", "windows.")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_what_a_page_names_is_there(page: Path) -> None:
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    short = [one for one in short_names_missing(text) if not one.startswith(_SECTIONS)] if page.name != "api.md" else []
    assert paths_missing(text) + names_missing(text) + short == []


def test_what_docstrings_and_comments_name_is_there() -> None:
    missing = {}
    for file in SOURCES:
        text = file.read_text(encoding="utf-8")
        found = paths_missing(text) + names_missing(text)
        if found:
            missing[file.relative_to(CHECKOUT).as_posix()] = found
    assert missing == {}


def test_names_that_are_not_there_would_be_seen() -> None:
    text = "`flows/study.py`, `flows/study/`, `imaging.nothing.at_all`, `unibase.privacy.keys.read_key_file`, `keys.melt`"
    assert paths_missing(text) == ["flows/study.py"]
    assert names_missing(text) == ["imaging.nothing.at_all"]
    assert short_names_missing(text) == ["keys.melt"]
    assert code_resolves("privacy.keys.Key") and not code_resolves("privacy.keys.Lock")


def test_every_benchmark_is_on_the_page_of_claims() -> None:
    page = (CHECKOUT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    scripts = {path.stem for path in (CHECKOUT / "benchmarks").glob("*.py")} - {"__init__"}
    assert scripts == set(re.findall(r"benchmarks[./](\w+)", page))


def test_every_page_is_in_the_menu_of_the_site() -> None:
    menu = (CHECKOUT / "mkdocs.yml").read_text(encoding="utf-8")
    docs = CHECKOUT / "docs"
    assert sorted(re.findall(r": ([\w/-]+\.md)$", menu, re.MULTILINE)) == sorted(
        path.relative_to(docs).as_posix() for path in docs.rglob("*.md")
    )
