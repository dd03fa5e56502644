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
def test_the_examples_of_a_module_do_what_they_show(name: str, request: pytest.FixtureRequest) -> None:
    failed, tried = doctest.testmod(
        importlib.import_module(name),
        extraglobs={"getfixture": request.getfixturevalue},
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE,
    )
    assert tried and not failed
