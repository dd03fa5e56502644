"""Sections of a study file: what every room's options are made of."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict

from unibase.groundwork.problems import UserError


class Section(BaseModel):
    """A part of the study file; a key it does not know is an error, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def files(self) -> list[Path]:
        """Return the files that the section's keys of `StudyFile` name, those of sections inside it too."""
        found: list[Path] = []
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if isinstance(value, Section):
                found += value.files()
            elif value is not None and IS_FILE in field.metadata:
                found.append(Path(value))
        return found

    def placed(self, place: Callable[[str], Path]) -> Self:
        """Return the section with its files where they are. `place`: gives the absolute path of one that the study file names."""
        changed: dict[str, object] = {}
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if isinstance(value, Section):
                changed[name] = value.placed(place)
            elif value is not None and IS_FILE in field.metadata:
                changed[name] = str(place(value))
        return self.model_copy(update=changed)

    def told(self) -> dict[str, object]:
        """Return the values by name that are neither files nor marked `LATER`: beside the files, all that a reading depends on."""
        fields = type(self).model_fields.items()
        kept = {name: getattr(self, name) for name, field in fields if not {IS_FILE, LATER} & set(field.metadata)}
        return {name: value.told() if isinstance(value, Section) else value for name, value in kept.items()}


IS_FILE = "a file of the study"
LATER = "asked for after sources were read"
"""Mark of a key on which no reading of a source depends: a change of it reads no source again."""
StudyFile = Annotated[str | None, IS_FILE]
"""A key that names a file beside the study file, or none."""


def accepted[T](value: T, check: Callable[[T], None]) -> T:
    """Return a value that a room's own check accepts; what it says is a fault of the study file.

    Raises:
        ValueError: With the words of a `UserError` that the check raises, as pydantic wants it.
    """
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
        found |= dict(_attributes(inspect.getdoc(cls) or ""))
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


def _attributes(doc: str) -> Iterator[tuple[str, str]]:
    """Yield what the Attributes block of a Google-style docstring says of each name."""
    block = re.search(r"^Attributes:\n((?:    .*\n?)+)", doc, re.MULTILINE)
    entry = re.compile(r"^    (\S[^:]*): ((?:.|\n(?!    \S))*)", re.MULTILINE)
    for names, text in entry.findall(block[1] if block else ""):
        for name in names.split(","):
            yield name.strip(), " ".join(text.split())
