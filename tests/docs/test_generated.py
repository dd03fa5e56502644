"""The generated pages against what they are generated from, and that these say enough."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.conftest import CHECKOUT, Built

GENERATORS = sorted((CHECKOUT / "docs").glob("generate_*.py"))


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda path: path.stem)
def test_the_page_is_what_its_source_says(generator: Path) -> None:
    made: dict[str, Any] = runpy.run_path(str(generator))
    assert made["PAGE"].read_text(encoding="utf-8") == made["page"](), "run: make pages"


def rows(name: str) -> list[list[str]]:
    """Cells of every table row of a reference page."""
    text = (CHECKOUT / "docs" / "reference" / name).read_text(encoding="utf-8")
    found = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row] for row in found]


def test_every_argument_of_every_command_has_a_meaning() -> None:
    found = rows("commands.md")
    assert len(found) > 80
    assert [row for row in found if not row[-1]] == []


def test_every_column_has_a_meaning() -> None:
    found = rows("tables.md")
    assert len(found) > 90
    assert [row for row in found if not row[-1]] == []


def test_every_reason_says_what_is_wrong() -> None:
    found = rows("reasons.md")
    assert len(found) > 10
    assert [row for row in found if not all(cell.strip(". ") for cell in row)] == []


@pytest.mark.slow
@pytest.mark.xdist_group("demo")
def test_every_reason_that_the_demo_meets_is_on_the_page(built: Built) -> None:
    met = set(pl.read_parquet(built.home / "work" / "staging" / "quarantine.parquet")["reason"])
    assert len(met) > 5
    assert met - {row[0].strip("`") for row in rows("reasons.md")} == set()
