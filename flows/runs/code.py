"""A digest of the code, ours and others', that a stage's results depend on: when it changes, the stage's units run again, and only then."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path

from unibase.groundwork.files import digest_of, sha256_file

ROOT = Path(__file__).resolve().parent.parent.parent
ROOMS = ("clinical", "groundwork", "imaging", "linking", "methods", "omics", "privacy", "releases")
_COMPILED = (".pyc", ".nbi", ".nbc")


@lru_cache
def code_digest(*modules: str) -> str:
    """Return a digest of modules or packages of ours, of all that they import, and of the data beside them.

    Of our own modules the source counts, of others the version of their distribution.

    Args:
        modules: Dotted names, such as `unibase.imaging.confidentiality.deidentified` or `unibase.omics`.
    """
    files = sources(*modules)
    ours = [(file.relative_to(ROOT).as_posix(), file_digest(file)) for file in files]
    return digest_of([ours, sorted(libraries(files).items())])


@cache
def file_digest(file: Path) -> str:
    """Return the SHA-256 of a file of ours, read once: stages share most of their modules.

    Args:
        file: The file; it does not change while this process runs.
    """
    return sha256_file(file)


def libraries(files: list[Path]) -> dict[str, str]:
    """Return name and version of the distributions that modules among `files` import."""
    imported = {name.partition(".")[0] for file in files if file.suffix == ".py" for name in _imports(file)}
    named = {name for package in imported for name in _distributions().get(package, ())}
    return {name: metadata.version(name) for name in named - {"unibase"}}


@lru_cache
def _distributions() -> Mapping[str, list[str]]:
    """Return what `importlib.metadata.packages_distributions` returns, in a fifth of its time: names from paths as text."""
    found: dict[str, list[str]] = defaultdict(list)
    for one in metadata.distributions():
        for package in _packages(one):
            found[package].append(one.metadata["Name"])
    return found


def _packages(one: metadata.Distribution) -> set[str]:
    """Return the packages and modules at the top of a distribution: as it declares them, else as its files stand."""
    if declared := one.read_text("top_level.txt"):
        return set(declared.split())
    listed = (one.read_text("RECORD") or "").splitlines()
    tops = {line.split(",", 1)[0].split("/", 1)[0] for line in listed}
    return {name.split(".", 1)[0] for name in tops}


def sources(*modules: str) -> list[Path]:
    """Return the files that `code_digest` reads, sorted.

    Imports are read from the source, those inside functions included. Data files count when they stand in the folder
    of a module that is read, or below it in a folder that is no package.

    Raises:
        ValueError: If a module is none of ours.

    >>> sorted(path.name for path in sources("unibase.methods.compiled.special_functions"))
    ['__init__.py', '__init__.py', 'py.typed', 'special_functions.py']
    """
    todo = [file for name in modules for file in _module_files(name)]
    if not todo:
        raise ValueError(f"no modules of ours: {', '.join(modules)}")
    seen: set[Path] = set()
    while todo:
        file = todo.pop()
        if file not in seen:
            seen.add(file)
            todo += _own_imports(file)
    data = {found for folder in {file.parent for file in seen} for found in _data(folder)}
    return sorted(seen | data)


def _module_files(name: str) -> list[Path]:
    """Return the file of a module, or all modules of a package."""
    folder = ROOT.joinpath(*name.removeprefix("unibase.").split("."))
    return sorted(folder.rglob("*.py")) if folder.is_dir() else _own_file(name)


@cache
def _own_imports(file: Path) -> tuple[Path, ...]:
    return tuple(found for name in _imports(file) for found in _own_file(name))


@cache
def _own_file(name: str) -> list[Path]:
    """Return the files that an import of `name` runs: the module, and the `__init__` of each package above it."""
    package, *parts = name.split(".")
    if package != "unibase" or not parts or parts[0] not in ROOMS:
        return []
    found = [ROOT.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    found.append(ROOT.joinpath(*parts).with_suffix(".py"))
    return [file for file in found if file.is_file()]


@cache
def _imports(file: Path) -> tuple[str, ...]:
    found: list[str] = []
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(found)


def _data(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.is_dir() and entry.name != "__pycache__" and not any(entry.glob("*.py")):
            yield from _data(entry)
        elif entry.is_file() and entry.suffix != ".py" and entry.suffix not in _COMPILED:
            yield entry
