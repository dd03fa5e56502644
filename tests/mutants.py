"""A mutation run over core modules: one small wrong change at a time, and whether a test of the module fails.

    python -m tests.mutants [MODULE ...]

Each mutant is tried in a fork of a process that has loaded what the tests need. The fork loads the changed module, and what
depends on it, anew: no source is touched. At most `MOST` mutants of a module are tried, evenly spread over it. Survivors are listed in
docs/mutants.md with why; a survivor that is not there is a test to write.
"""

from __future__ import annotations

import ast
import copy
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import io
import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

CHECKOUT = Path(__file__).resolve().parent.parent
MOST = 60
SECONDS = 60
"""Processor time after which a mutant counts as seen: it does not end."""

_RECORDS = "tests/clinical/test_rules.py"
MODULES = {
    "clinical/derived/ends.py": [
        f"{_RECORDS}::test_progression_and_censoring",
        f"{_RECORDS}::test_new_therapies_missed_visits_and_competing_events",
        f"{_RECORDS}::test_a_partial_date_may_leave_open_which_event_came_first",
    ],
    "clinical/derived/recist.py": [f"{_RECORDS}::test_response_over_visits", "tests/clinical/test_recist.py"],
    "clinical/words/partial_dates.py": [
        f"{_RECORDS}::test_dates",
        f"{_RECORDS}::test_shifts",
        f"{_RECORDS}::test_shifts_of_partial_dates",
        "tests/clinical/test_dates.py",
        "tests/clinical/test_partial_date_rules.py",
    ],
    "groundwork/files.py": ["tests/groundwork/test_files.py"],
    "groundwork/tables.py": ["tests/groundwork/test_tables.py"],
    "imaging/confidentiality/policy.py": ["tests/imaging/test_confidentiality_rules.py"],
    "imaging/dicom/suv.py": ["tests/imaging/test_suv.py"],
    "linking/splits.py": [
        "tests/linking/test_empty_parts.py",
        "tests/linking/test_families.py",
        "tests/linking/test_cohort_splits_concordance.py",
    ],
    "linking/windows.py": ["tests/linking/test_window_rules.py"],
    "omics/assays/gates.py": ["tests/omics/test_counts.py", "tests/omics/test_recognise.py"],
    "privacy/audit.py": ["tests/privacy/test_audit.py"],
    "privacy/dates.py": ["tests/privacy/test_pseudonyms_and_dates.py"],
    "privacy/french_identifiers.py": ["tests/privacy/test_french_identifiers.py"],
    "privacy/pseudonyms.py": ["tests/privacy/test_pseudonyms_and_dates.py"],
    "releases/disclosure/small_counts.py": ["tests/releases/test_disclosure.py"],
}
"""Core modules with the tests that guard them and take seconds, the quickest first."""

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


def dependants(name: str) -> list[str]:
    """Name the loaded modules of ours that depend on one, itself included: those to load anew."""
    loaded = {one: module for one, module in sys.modules.items() if one.startswith(("unibase.", "tests."))}
    imports = {one: _imports(module, loaded) for one, module in loaded.items()}
    found = {name}
    while more := {one for one, needs in imports.items() if one not in found and needs & found}:
        found |= more
    return sorted(found & loaded.keys())


def _imports(module: ModuleType, loaded: dict[str, ModuleType]) -> set[str]:
    file = getattr(module, "__file__", None)
    if not file:
        return set()
    found: set[str] = set()
    for node in ast.walk(ast.parse(Path(file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found & loaded.keys()


@dataclass(frozen=True)
class Core:
    """A core module: its file, the tests that guard it, and which loaded modules depend on it."""

    file: Path
    name: str
    tests: list[str]
    anew: list[str]


def seen(core: Core, tree: ast.Module) -> bool:
    """Whether a test fails with the changed module, or does not end."""

    def work() -> int:
        used = resource.getrusage(resource.RUSAGE_SELF)
        most = int(used.ru_utime + used.ru_stime) + SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))
        return _run_changed(core, tree)

    return _in_fork(work) != 0


def _load_what_they_need(tests: list[str]) -> None:
    """Import all that the tests import but themselves: they use Polars, whose threads no fork may have."""
    told, tell = os.pipe()

    def collect() -> int:
        code = _pytest("--collect-only", *tests)
        os.write(tell, "\n".join(one for one in sys.modules if not one.startswith("tests.")).encode())
        return code

    code = _in_fork(collect)
    os.close(tell)
    with os.fdopen(told) as names:
        for one in names.read().splitlines() if not code else ():
            with suppress(ImportError):
                importlib.import_module(one)


def _in_fork(work: Callable[[], int]) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = work()
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


def _run_changed(core: Core, tree: ast.Module) -> int:
    for one in core.anew:
        folder, _, last = one.rpartition(".")
        vars(sys.modules.get(folder, sys)).pop(last, None)
        del sys.modules[one]
    sys.meta_path.insert(0, _Finder(core.name, _Loader(core.file, tree)))
    return _pytest("-x", *core.tests)


def _pytest(*arguments: str) -> int:
    import pytest

    left_out = ("cacheprovider", "xdist", "unraisableexception", "threadexception")
    quiet = ["-q", "--tb=no", "--assert=plain", "--hypothesis-profile=mutants", "-m", "not slow"]
    quiet += [word for plugin in left_out for word in ("-p", f"no:{plugin}")]
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        return int(pytest.main([*quiet, *arguments]))


def main() -> None:
    """Try the mutants of the named modules, or of all; print the survivors."""
    from hypothesis import Phase, settings

    # A failing example is not made smaller: that it fails is all that is asked.
    quick = settings(deadline=None, database=None, max_examples=30, phases=(Phase.explicit, Phase.generate))
    settings.register_profile("mutants", quick)
    os.chdir(CHECKOUT)
    for module in sys.argv[1:] or MODULES:
        _in_fork(lambda module=module: _judge(module))


def _judge(module: str) -> int:
    tests, name = MODULES[module], "unibase." + module.removesuffix(".py").replace("/", ".")
    source = (CHECKOUT / module).read_text(encoding="utf-8")
    _load_what_they_need(tests)
    core = Core(CHECKOUT / module, name, tests, dependants(name))
    gc.freeze()
    if seen(core, ast.parse(source)):
        print(f"{module}: its tests fail without any change", flush=True)
        return 1
    every = sorted(mutants(source), key=lambda one: one.line)
    tried = [every[len(every) * place // MOST] for place in range(MOST)] if len(every) > MOST else every
    left = [one for one in tried if not seen(core, one.tree)]
    print(f"{module}: {len(tried) - len(left)} of {len(tried)} mutants seen ({len(every)} possible)", flush=True)
    for one in left:
        print(f"    line {one.line}: {one.before}  ->  {one.after}", flush=True)
    return 0


if __name__ == "__main__":
    main()
