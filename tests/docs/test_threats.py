"""The page of threats: every row names tests that exist, so that no defence is claimed that nothing would miss."""

from __future__ import annotations

import ast
import re
from pathlib import Path

PAGE = Path("docs/threats.md")
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows() -> list[str]:
    """Return the rows of all tables but the last, which is of threats that no test guards."""
    text = PAGE.read_text(encoding="utf-8").partition("## What no test guards")[0]
    return [line for line in text.splitlines() if line.startswith("|") and not re.match(r"\|(-+\||\s*Threat)", line)]


def functions_of(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_threat_names_a_test_that_exists() -> None:
    found = rows()
    assert len(found) > 30
    for row in found:
        named = _TEST.findall(row)
        assert named, row
        for file, name in named:
            assert name in functions_of(Path(file)), f"{file}::{name}"


def test_no_threat_stands_twice() -> None:
    threats = [row.split("|")[1].strip() for row in rows()]
    assert len(threats) == len(set(threats))
