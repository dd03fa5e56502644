"""A mutation run over core modules: one small wrong change at a time, and whether a test of the module fails.

    python -m tests.mutants [MODULE ...]

Each mutant is tried in a fork of this process, which holds the libraries, and which loads the changed module in place of the file:
no source is touched. At most `MOST` mutants of a module are tried, evenly spread over it. Survivors are listed in docs/mutants.md with
why; a survivor that is not there is a test to write.
"""

from __future__ import annotations

import ast
import copy
import importlib.abc
import importlib.machinery
import importlib.util
import io
import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

CHECKOUT = Path(__file__).resolve().parent.parent
MOST = 24
SECONDS = 60
"""Processor time after which a mutant counts as seen: it does not end."""

MODULES = {
    "clinical/derived/recist.py": ["tests/clinical/test_recist.py"],
    "clinical/words/partial_dates.py": ["tests/clinical/test_dates.py"],
    "groundwork/files.py": ["tests/groundwork/test_files.py"],
    "groundwork/tables.py": ["tests/groundwork/test_tables.py"],
    "imaging/dicom/suv.py": ["tests/imaging/test_suv.py"],
    "linking/splits.py": ["tests/linking/test_cohort_splits_concordance.py"],
    "linking/windows.py": ["tests/linking/test_join_traps.py", "tests/linking/test_window_rules.py"],
    "privacy/audit.py": ["tests/privacy/test_audit.py"],
    "privacy/dates.py": ["tests/privacy/test_pseudonyms_and_dates.py"],
    "privacy/french_identifiers.py": ["tests/privacy/test_french_identifiers.py"],
    "privacy/pseudonyms.py": ["tests/privacy/test_pseudonyms_and_dates.py"],
}
"""Core modules whose tests take seconds, with these tests."""

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}


@dataclass(frozen=True)
class Mutant:
    """One change: the line it is in, what it reads before and after, and the changed module."""

    line: int
    before: str
    after: str
    tree: ast.Module


def mutants(source: str) -> Iterator[Mutant]:
    """Yield every mutant of a module, in order of its lines."""
    tree = ast.parse(source)
    skipped = {id(inner) for node in ast.walk(tree) for outer in _not_code(node) for inner in ast.walk(outer)}
    for place, node in enumerate(ast.walk(tree)):
        for change in _changes(node) if id(node) not in skipped else ():
            changed = copy.deepcopy(tree)
            target = list(ast.walk(changed))[place]
            before = ast.unparse(target)
            change(target)
            line = getattr(node, "lineno", 0)
            yield Mutant(line, before, ast.unparse(target), ast.fix_missing_locations(changed))


def _not_code(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is a type or a decorator: a change of it changes nothing that runs, or all."""
    for name in ("annotation", "returns"):
        if getattr(node, name, None) is not None:
            yield getattr(node, name)
    yield from getattr(node, "decorator_list", ())
    if isinstance(node, ast.TypeAlias):
        yield node


def _changes(node: ast.AST) -> Iterator[Callable[[ast.AST], None]]:
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in _COMPARISONS:
            yield lambda other: setattr(other, "ops", [_COMPARISONS[type(operator)]()])
        case ast.BinOp(op=operator) if type(operator) in _ARITHMETIC:
            yield lambda other: setattr(other, "op", _ARITHMETIC[type(operator)]())
        case ast.BoolOp(op=operator):
            yield lambda other: setattr(other, "op", ast.Or() if isinstance(operator, ast.And) else ast.And())
        case ast.Constant(value=bool(value)):
            yield lambda other: setattr(other, "value", not value)
        case ast.Constant(value=int(value) | float(value)):
            yield lambda other: setattr(other, "value", value + 1)
        case ast.If(test=test):
            yield lambda other: setattr(other, "test", ast.UnaryOp(ast.Not(), copy.deepcopy(test)))


class _Loader(importlib.abc.Loader):
    def __init__(self, file: Path, tree: ast.Module) -> None:
        self.file, self.tree = file, tree

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.tree, str(self.file), "exec"), module.__dict__)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, name: str, loader: _Loader) -> None:
        self.name, self.loader = name, loader

    def find_spec(self, fullname: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        return (
            importlib.util.spec_from_loader(fullname, self.loader, origin=str(self.loader.file))
            if fullname == self.name
            else None
        )


def seen(module: str, tests: list[str], tree: ast.Module) -> bool:
    """Whether a test fails with the changed module, or does not end."""
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        os._exit(_run(module, tests, tree))
    return os.waitpid(child, 0)[1] != 0


def _run(module: str, tests: list[str], tree: ast.Module) -> int:
    import pytest

    name = "unibase." + module.removesuffix(".py").replace("/", ".")
    sys.meta_path.insert(0, _Finder(name, _Loader(CHECKOUT / module, tree)))
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-m", "not slow", *tests])
    return int(code)


def main() -> None:
    """Try the mutants of the named modules, or of all; print the survivors."""
    # Loaded once, before the forks; ours are loaded in each, for one of them is changed.
    import hypothesis  # noqa: F401
    import numpy  # noqa: F401
    import pandas  # noqa: F401
    import polars  # noqa: F401
    import pydicom  # noqa: F401
    import pytest  # noqa: F401
    import scipy.stats  # noqa: F401

    os.chdir(CHECKOUT)
    for module in sys.argv[1:] or MODULES:
        source = (CHECKOUT / module).read_text(encoding="utf-8")
        if seen(module, MODULES[module], ast.parse(source)):
            print(f"{module}: its tests fail without any change", flush=True)
            continue
        every = sorted(mutants(source), key=lambda one: one.line)
        tried = [every[len(every) * place // MOST] for place in range(MOST)] if len(every) > MOST else every
        left = [one for one in tried if not seen(module, MODULES[module], one.tree)]
        print(f"{module}: {len(tried) - len(left)} of {len(tried)} mutants seen ({len(every)} possible)", flush=True)
        for one in left:
            print(f"    line {one.line}: {one.before}  ->  {one.after}", flush=True)


if __name__ == "__main__":
    main()
