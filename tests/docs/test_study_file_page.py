"""The manual of the study file against the models that check it."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CHECKOUT
from unibase.flows.study.validation import read_study

GENERATOR = CHECKOUT / "docs" / "generate_study_file.py"
PAGE = CHECKOUT / "docs" / "study-file.md"


@pytest.fixture(scope="module")
def generator() -> dict[str, Any]:
    return runpy.run_path(str(GENERATOR))


def test_the_page_is_what_the_models_say(generator: dict[str, Any]) -> None:
    assert PAGE.read_text(encoding="utf-8") == generator["page"](), "run: python docs/generate_study_file.py"


def test_every_key_has_a_meaning() -> None:
    rows = re.findall(r"^\| [`*](\w+)[`*] \|.*\| ([^|]*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) > 70
    assert [key for key, meaning in rows if not meaning.strip()] == []


def test_the_smallest_file_on_the_page_is_right(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8").split('```yaml title="study.yaml"\n')[1].split("```")[0]
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    assert read_study(tmp_path / "study.yaml").centres["A"].clinical is not None


def test_defaults_are_shown_as_yaml_has_them(generator: dict[str, Any]) -> None:
    shown = {key: generator["_default"](field) for key, field in generator["Study"].model_fields.items() if not field.exclude}
    assert (
        shown["title"] == '`""`'
        and shown["links"] == "`null`"
        and shown["endpoints"] == "`[OS]`"
        and shown["study"] == "*required*"
    )
