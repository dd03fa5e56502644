"""The figures are measured on small modules whose figures are known by hand."""

from __future__ import annotations

from tests.house.figures import figures, main
from tests.house.source import Module, circles

GOOD = Module(
    "omics/good.py",
    "",
    'def add(a: int, b: int) -> int:\n    """Return the sum of a and b.\n\n    >>> add(1, 2)\n    3\n    """\n    return a + b\n',
)
LONG = Module("omics/long.py", "", "def long(a, b, c, d, e, f) -> dict[str, Any]:\n" + "    a += 1\n" * 60 + "    return a\n")


def named(modules: list[Module]) -> dict[str, float]:
    return {one.name: one.value for one in figures(modules)}


def test_a_long_function_of_six_arguments_that_returns_a_dict_counts_against_three_figures() -> None:
    found = named([GOOD, LONG])
    assert found["functions_over_60"] == 1
    assert found["over_5_arguments"] == 50
    assert found["return_a_dict"] == 50
    assert found["runnable_examples"] == 100  # of the public functions with a docstring


def test_a_compiled_function_may_be_long() -> None:
    compiled = Module("omics/compiled/long.py", "", LONG.formatted)
    assert named([compiled])["functions_over_60"] == 0


def test_a_circle_by_an_import_inside_a_function_is_a_circle_and_one_for_types_is_none() -> None:
    first = Module("omics/a.py", "def f():\n    from unibase.omics import b\n", "")
    second = Module("omics/b.py", "from unibase.omics.a import f\n", "")
    types = Module("omics/b.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from unibase.omics.a import f\n", "")
    assert circles([first, second]) == [["unibase.omics.a", "unibase.omics.b"]]
    assert circles([first, types]) == []


def test_a_figure_worse_than_the_ratchet_fails() -> None:
    assert main([], lambda: [LONG] * 200) == 1


def test_no_figure_of_the_house_is_worse_than_the_ratchet() -> None:
    assert main([]) == 0
