"""The source of all rooms as the figures read it: files, functions and imports, formatted at one width."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
ROOMS = ("clinical", "flows", "groundwork", "imaging", "linking", "methods", "omics", "privacy", "releases", "simulation")
WIDTH = 88
"""Columns at which lengths are counted, as the projects we compare ourselves with are formatted."""


@dataclass(frozen=True)
class Function:
    """One function or method.

    Attributes:
        module: Path of its file below the checkout.
        name: Its name, with its class.
        node: Its tree.
        compiled: Whether it stands in a `compiled/` folder.
    """

    module: str
    name: str
    node: ast.FunctionDef | ast.AsyncFunctionDef
    compiled: bool

    @property
    def lines(self) -> int:
        """Lines from `def` to its end, docstring included."""
        return (self.node.end_lineno or 0) - self.node.lineno + 1

    @property
    def arguments(self) -> list[ast.arg]:
        """Its arguments but self and cls."""
        given = self.node.args
        return [one for one in (*given.posonlyargs, *given.args, *given.kwonlyargs) if one.arg not in ("self", "cls")]

    @property
    def public(self) -> bool:
        """Whether neither it nor its class begins with an underscore."""
        return not any(part.startswith("_") for part in self.name.split("."))

    @property
    def told(self) -> str:
        """Its docstring."""
        return ast.get_docstring(self.node) or ""


@dataclass(frozen=True)
class Module:
    """One file of a room.

    Attributes:
        path: Below the checkout.
        text: As it stands.
        formatted: At `WIDTH` columns.
    """

    path: str
    text: str
    formatted: str

    @property
    def name(self) -> str:
        """Dotted name, as it is imported."""
        return "unibase." + self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def functions(self) -> Iterator[Function]:
        """Yield its functions and methods, inner ones not."""
        yield from _functions(ast.parse(self.formatted), self.path, "")


def read_modules() -> list[Module]:
    """Return the modules of all rooms, in order of their paths."""
    with tempfile.TemporaryDirectory() as folder:
        for room in ROOMS:
            shutil.copytree(CHECKOUT / room, Path(folder) / room, ignore=shutil.ignore_patterns("__pycache__", "*.nb?"))
        subprocess.run(
            [sys.executable, "-m", "ruff", "format", "--quiet", "--isolated", "--line-length", str(WIDTH), folder], check=True
        )
        found = []
        for file in sorted(Path(folder).rglob("*.py")):
            path = file.relative_to(folder).as_posix()
            found.append(Module(path, (CHECKOUT / path).read_text(encoding="utf-8"), file.read_text(encoding="utf-8")))
    return found


def imports_of(module: Module, known: set[str]) -> set[str]:
    """Return which of our modules importing `module` and calling its functions loads; imports for types alone do not count."""
    return set(_imports(ast.parse(module.text), known)) - {module.name}


def circles(modules: list[Module]) -> list[list[str]]:
    """Return the groups of modules that import one another in a circle, those by imports inside functions too (Tarjan 1972)."""
    known = {module.name for module in modules}
    graph = {module.name: sorted(imports_of(module, known)) for module in modules}
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in graph[name]:
            if other not in order:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], order[other])
        if low[name] == order[name]:
            start = stack.index(name)
            if len(stack) - start > 1:
                found.append(sorted(stack[start:]))
            del stack[start:]

    for name in sorted(graph):
        if name not in order:
            visit(name)
    return found


def _functions(tree: ast.AST, path: str, inside: str) -> Iterator[Function]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Function(path, inside + node.name, node, "/compiled/" in path)
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node, path, f"{inside}{node.name}.")
        else:
            yield from _functions(node, path, inside)


def _imports(tree: ast.AST, known: set[str]) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if whole in known or node.module in known:
                    yield whole if whole in known else node.module
        else:
            yield from _imports(node, known)
