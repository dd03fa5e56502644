"""Codes that are written where something is refused, and not declared in the `reasons` of a room."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.house.source import Module

_CODE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+|malformed")


def literal_reasons(modules: list[Module]) -> list[str]:
    """Return the places that refuse with a literal code: a call of a class of problems, or a pair of code and sentence.

    Args:
        modules: Every module of the house.
    """
    classes = {name: fields for module in modules for name, fields in _classes_of_problems(ast.parse(module.text))}
    found = []
    for module in modules:
        if not module.path.endswith("/reasons.py"):
            for node in ast.walk(ast.parse(module.text)):
                code = _code(node, classes)
                if isinstance(code, ast.Constant) and isinstance(code.value, str) and _CODE.fullmatch(code.value):
                    found.append(f"{module.path}:{code.lineno} {code.value}")
    return sorted(found)


def _classes_of_problems(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    """Yield each class that tells a problem with its fields in order, `reason` and `message` among them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            fields = [one.target.id for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)]
            made = [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]
            fields = [argument.arg for argument in made[0].args.args[1:]] if made else fields
            if {"reason", "message"} <= set(fields):
                yield node.name, fields


def _code(node: ast.AST, classes: dict[str, list[str]]) -> ast.expr | None:
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in classes:
            given = dict(zip(classes[name], node.args, strict=False)) | {one.arg: one.value for one in node.keywords if one.arg}
            return given.get("reason")
        case ast.Tuple(elts=[ast.Constant() as code, (ast.Constant() | ast.JoinedStr()) as message, *_]):
            return code if _ends_a_sentence(message) else None
    return None


def _ends_a_sentence(node: ast.expr) -> bool:
    last = node.values[-1] if isinstance(node, ast.JoinedStr) and node.values else node
    return isinstance(last, ast.Constant) and isinstance(last.value, str) and bool(re.search(r"[a-z]\.$", last.value))
