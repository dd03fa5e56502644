"""Sections of a study file: what every room's options are made of."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict

from unibase.groundwork.problems import UserError


class Section(BaseModel):
    """A part of the study file; a key it does not know is an error, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def accepted[T](value: T, check: Callable[[Any], None]) -> T:
    """Return a value that a room's own check accepts; what it says is a fault of the study file."""
    try:
        check(value)
    except UserError as error:
        raise ValueError(str(error)) from None
    return value


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """Return the text of each field: the string below it, in the class that declares it last, else the class's Attributes.

    Args:
        model: A section; what the classes above it declare counts too.

    Example:
        >>> class Window(Section):
        ...     "Days around the index event."
        >>> meanings(Window)
        {}
    """
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if not issubclass(cls, BaseModel) or cls in (BaseModel, Section):
            continue
        found |= _attributes(inspect.getdoc(cls) or "")
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
        except OSError:
            continue  # Made where there is no file, as in a console.
        assert isinstance(body, ast.ClassDef)
        for one, following in zip(body.body, body.body[1:], strict=False):
            if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
                match following:
                    case ast.Expr(value=ast.Constant(value=str(text))):
                        found[one.target.id] = " ".join(text.split())
    return found


def _attributes(doc: str) -> dict[str, str]:
    """Return what the Attributes block of a Google-style docstring says of each name."""
    block = re.search(r"^Attributes:\n((?:    .*\n?)+)", doc, re.MULTILINE)
    found: dict[str, str] = {}
    for names, text in re.findall(r"^    (\S[^:]*): ((?:.|\n(?!    \S))*)", block[1] if block else "", re.MULTILINE):
        found |= dict.fromkeys((name.strip() for name in names.split(",")), " ".join(text.split()))
    return found
