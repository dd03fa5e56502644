"""The examples in docstrings do what they show."""

from __future__ import annotations

import doctest
import importlib

import pytest

from tests.house.source import CHECKOUT, ROOMS

MODULES = sorted(
    "unibase." + file.relative_to(CHECKOUT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
    for room in ROOMS
    for file in (CHECKOUT / room).rglob("*.py")
    if ">>>" in file.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_do_what_they_show(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for example in doctest.DocTestFinder().find(importlib.import_module(name)):
        # A folder of its own for each docstring: examples do not see one another's files.
        example.globs["getfixture"] = {"tmp_path": tmp_path_factory.mktemp("example")}.__getitem__
        runner.run(example)
    assert runner.tries and not runner.failures
