"""The figures of the house, and the ratchet that holds them: `python -m tests.house.figures`, a part of `make check`.

A figure may get better, never worse: `ratchet.toml` holds the worst that is allowed. `--tighten` writes today's figures
there where they are better, `--list NAME` shows what counts against a figure.
"""

from __future__ import annotations

import argparse
import ast
import re
import statistics
import sys
import tomllib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.house.literal_reasons import literal_reasons
from tests.house.source import CHECKOUT, Function, Module, circles, read_modules

RATCHET = Path(__file__).with_name("ratchet.toml")
_SHAPE = re.compile(
    r"\b([Ss]hape|z, y, x|x, y, z| x (genes|samples|voxels|features|subjects|n|m|3)|one (per|a|for each)|length|vector|axis|voxels)\b"
    r"|\((\w+, ?)+\w*\)"
)
"""How a docstring tells a shape: in words, or as a tuple such as (n, 3)."""
_ARRAY = re.compile(r"\b(ndarray|NDArray|Array|csr_matrix)\b")
_DOORS = {"__init__.py", "options.py", "tables.py", "reasons.py", "commands.py"}


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        name: As `ratchet.toml` names it.
        value: Today's.
        goal: What the house asks for.
        meaning: In words.
        against: Places that count against it.
        more_is_better: Which way is better.
    """

    name: str
    value: float
    goal: float
    meaning: str
    against: tuple[str, ...] = ()
    more_is_better: bool = False

    def worse_than(self, bound: float) -> bool:
        """Return whether the value is on the wrong side of `bound`."""
        return self.value < bound if self.more_is_better else self.value > bound


def figures(modules: list[Module]) -> list[Figure]:
    """Return all figures of the house."""
    functions = [one for module in modules for one in module.functions()]
    return [*_lengths(modules, functions), *_signatures(modules, functions), *_docstrings(functions), *_structure(modules)]


def _lengths(modules: list[Module], functions: list[Function]) -> list[Figure]:
    lengths = sorted(one.lines for one in functions)
    long = [one for one in functions if one.lines > 60 and not one.compiled]
    wide = [(module.path, len(module.text.splitlines())) for module in modules if len(module.text.splitlines()) > 400]
    return [
        Figure("function_median", statistics.median(lengths), 12, "median lines of a function at 88 columns"),
        Figure("function_p90", lengths[int(0.9 * len(lengths))], 40, "90th percentile of those lines"),
        Figure("functions_over_60", len(long), 0, "functions over 60 lines outside compiled/", _places(long)),
        Figure("modules_over_400", len(wide), 0, "modules over 400 lines", tuple(f"{path} ({lines})" for path, lines in wide)),
    ]


def _signatures(modules: list[Module], functions: list[Function]) -> list[Figure]:
    many = [one for one in functions if len(one.arguments) > 5]
    dicts = [one for one in functions if one.node.returns is not None and _returns_dict(one)]
    lines = sum(len(module.formatted.splitlines()) for module in modules)
    used = sum(len(re.findall(r"\bAny\b", _code(module.formatted))) for module in modules)
    return [
        Figure("over_5_arguments", _share(many, functions), 1.0, "% of functions with more than 5 arguments", _places(many)),
        Figure("any_per_1000_lines", round(1000 * used / max(lines, 1), 2), 2.0, "`Any` per 1,000 lines"),
        Figure("return_a_dict", _share(dicts, functions), 2.0, "% of functions that return a nameless dict", _places(dicts)),
    ]


def _docstrings(functions: list[Function]) -> list[Figure]:
    public = [one for one in functions if one.public and one.told]
    taking = [one for one in public if one.arguments]
    silent = [one for one in taking if not all(re.search(rf"\b{re.escape(a.arg)}\b", one.told) for a in one.arguments)]
    raising = [one for one in public if _raises(one)]
    unsaid = [one for one in raising if "Raises:" not in one.told]
    arrays = [one for one in public if any(a.annotation and _ARRAY.search(_text(a.annotation)) for a in one.arguments)]
    shapeless = [one for one in arrays if not _SHAPE.search(one.told)]
    shown = [one for one in public if ">>>" in one.told]
    rows: list[tuple[str, list[Function], list[Function], float, str]] = [
        ("arguments_told", silent, taking, 95, "% of public functions whose docstring names every argument"),
        ("errors_told", unsaid, raising, 95, "% of public functions that raise and say so"),
        ("shapes_told", shapeless, arrays, 95, "% of public functions over arrays that tell their shapes"),
    ]
    told = [Figure(n, round(100 - _share(bad, of), 1), goal, text, _places(bad), True) for n, bad, of, goal, text in rows]
    return [
        *told,
        Figure("runnable_examples", _share(shown, public), 20, "% of public functions with a runnable example", (), True),
    ]


def _structure(modules: list[Module]) -> list[Figure]:
    round_trips = circles(modules)
    names = Counter(Path(module.path).name for module in modules)
    twice = {name for name, count in names.items() if count > 1} - _DOORS
    comments = sum(line.lstrip().startswith("#") for module in modules for line in module.text.splitlines())
    source = sum(len(module.text.splitlines()) for module in modules)
    tests = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in (CHECKOUT / "tests").rglob("*.py"))
    shared = tuple(module.path for module in modules if Path(module.path).name in twice)
    undeclared = tuple(literal_reasons(modules))
    return [
        Figure("circles", len(round_trips), 0, "circles of imports", tuple(" <> ".join(circle) for circle in round_trips)),
        Figure("undeclared_reasons", len(undeclared), 0, "refusals with a code that no room declares", undeclared),
        Figure("shared_names", len(shared), 0, "modules that share their file's name with another", shared),
        Figure(
            "comment_lines",
            round(100 * comments / max(source, 1), 2),
            0,
            "% of lines that are comments: the why, where there is one",
            (),
            True,
        ),
        Figure("tests_to_source", round(tests / max(source, 1), 2), 1.0, "lines of tests to a line of source", (), True),
    ]


def _returns_dict(function: Function) -> bool:
    return bool(re.match(r"(dict|Mapping)\[str, (Any|object|float|int|str|list)", _text(function.node.returns)))


def _raises(function: Function) -> bool:
    return any(isinstance(node, ast.Raise) and node.exc is not None for node in ast.walk(function.node))


def _text(node: ast.AST | None) -> str:
    return ast.unparse(node) if node else ""


def _code(text: str) -> str:
    """Return a module without its import lines: `from typing import Any` is no use of it."""
    return "\n".join(line for line in text.splitlines() if not line.startswith(("import ", "from ")))


def _share(part: list[Function], whole: list[Function]) -> float:
    return round(100 * len(part) / max(len(whole), 1), 1)


def _places(functions: list[Function]) -> tuple[str, ...]:
    return tuple(f"{one.module}:{one.name} ({one.lines} lines, {len(one.arguments)} arguments)" for one in functions)


def show(found: list[Figure], bounds: dict[str, float]) -> Table:
    """Return the figures as a table: value, bound of the ratchet, goal."""
    table = Table("figure", "now", "bound", "goal", "meaning")
    for one in found:
        bound = bounds.get(one.name)
        style = "red" if bound is not None and one.worse_than(bound) else "" if one.worse_than(one.goal) else "green"
        table.add_row(
            one.name, f"{one.value:g}", "" if bound is None else f"{bound:g}", f"{one.goal:g}", one.meaning, style=style
        )
    return table


def tightened(found: list[Figure], bounds: dict[str, float]) -> dict[str, float]:
    """Return the bounds moved to today's figures where those are better."""
    return {one.name: one.value if not one.worse_than(bounds.get(one.name, one.value)) else bounds[one.name] for one in found}


def main(arguments: list[str] | None = None, read: Callable[[], list[Module]] = read_modules) -> int:
    """Print the figures; return 1 when one is worse than the ratchet allows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tighten", action="store_true")
    parser.add_argument("--list", metavar="NAME")
    given = parser.parse_args(arguments)
    found = figures(read())
    bounds: dict[str, float] = tomllib.loads(RATCHET.read_text(encoding="utf-8")) if RATCHET.exists() else {}
    console = Console(width=150)
    if given.list:
        console.print("\n".join(next(one.against for one in found if one.name == given.list)), highlight=False)
        return 0
    console.print(show(found, bounds))
    worse = [one for one in found if one.name in bounds and one.worse_than(bounds[one.name])]
    for one in worse:
        console.print(
            f"{one.name}: {one.value:g}, and {bounds[one.name]:g} is held. See python -m tests.house.figures --list {one.name}"
        )
    if given.tighten:
        lines = [f"{name} = {value:g}" for name, value in sorted(tightened(found, bounds).items())]
        RATCHET.write_text(
            "# The worst that is allowed; python -m tests.house.figures --tighten\n" + "\n".join(lines) + "\n", encoding="utf-8"
        )
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
