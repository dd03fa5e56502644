"""Paths and dotted names of ours that pages, docstrings and comments mention, and whether they are there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.conftest import CHECKOUT

ROOMS = sorted(path.name for path in (CHECKOUT / "src" / "unibase").iterdir() if path.is_dir() and path.name[0] != "_")
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_PATH = re.compile(rf"(?:{'|'.join([*ROOMS, 'docs', 'tests', 'benchmarks', 'examples', 'src'])})/[\w./*-]*[\w*]/?")
_DOTTED = re.compile(rf"(?:python -m )?((?:unibase\.)?(?:{'|'.join(ROOMS)}|benchmarks|tests)(?:\.[A-Za-z_]\w*)+)")
_SHORT = re.compile(r"([a-z_]\w*)\.([A-Za-z_]\w*)(?=[(\[]|$)")
# Folders of a study's workspace, or of a source, that have the name of a room.
_DATA = ("csv", "gz", "h5mu", "html", "j2", "json", "md", "parquet", "sqlite", "tsv", "txt", "yaml", "zarr", "py", "R")
_NOT_OURS = (
    "imaging/dicom",
    "imaging/series",
    "imaging/features",
    "imaging/regions",
    "imaging/perturbed",
    "omics/sample_map",
    "omics/counts",
    "releases/uniriv-demo",
)


def paths_missing(text: str) -> list[str]:
    """Paths between backticks that lead nowhere in the checkout (`*` stands for any name)."""
    found = (one.rstrip("/.") for code in _CODE.findall(text) for one in _PATH.findall(code) if _starts(code, one))
    return [one for one in found if not one.startswith(_NOT_OURS) and not list(CHECKOUT.glob(one))]


def names_missing(text: str) -> list[str]:
    """Dotted names between backticks that begin with a room and are not there."""
    found = (one for code in _CODE.findall(text) for one in [_DOTTED.match(code)] if one)
    return [
        one[1]
        for one in found
        if not one[1].endswith(tuple(f".{name}" for name in _DATA)) and not code_resolves(one[1].removeprefix("unibase."))
    ]


def short_names_missing(text: str) -> list[str]:
    """`module.name` between backticks, where a module of ours has that name and none of them holds it."""
    found = [one for code in _CODE.findall(text) for one in [_SHORT.match(code)] if one]
    return [
        f"{module}.{name}"
        for module, name in (one.groups() for one in found)
        if name not in _DATA and module in _modules() and not any(name in _defined(file) for file in _modules()[module])
    ]


def code_resolves(dotted: str) -> bool:
    """Whether a dotted name leads to a module of ours, or to what such a module defines."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        base = CHECKOUT.joinpath(*parts[:length])
        file = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
        if file.is_file():
            return length == len(parts) or parts[length] in _defined(file)
    return False


def _starts(code: str, path: str) -> bool:
    """A path of ours stands at the start of its code, or after a space."""
    at = code.index(path)
    return at == 0 or code[at - 1] == " "


@cache
def _modules() -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for room in ROOMS:
        for file in (CHECKOUT / room).rglob("*.py"):
            found.setdefault(file.stem, []).append(file)
    return found


@cache
def _defined(file: Path) -> frozenset[str]:
    return frozenset(_names(ast.parse(file.read_text(encoding="utf-8"))))


def _names(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.TypeAlias(name=ast.Name(id=name)):
                yield name
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (alias.asname or alias.name for alias in names)
