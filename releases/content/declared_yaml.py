"""YAML files that people write for a release: a request, a description. What is wrong in one is told by its key."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ValidationError

from unibase.groundwork.problems import UserError
from unibase.groundwork.study_yaml import read_yaml

_UNKNOWN = "extra_forbidden"


def read_declared[Declared: BaseModel](path: Path | str, model: type[Declared], what: str) -> Declared:
    """Read a file and check it.

    Args:
        path: The YAML file.
        model: What it must be.
        what: What that is called, such as `request`.

    Raises:
        UserError: If there is no file, it is no YAML, or a key is missing, wrong or unknown; each is named.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no {what} at {path}. docs/releases.md shows one to start from.")
    content = read_yaml(path, what)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{path} is no {what}:\n" + "\n".join(_told(error, model))) from None


def _told(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return a line for each key that is wrong, and one for all that nobody knows."""
    found = error.errors()
    unknown = [str(one["loc"][0]) for one in found if one["type"] == _UNKNOWN and len(one["loc"]) == 1]
    lines = [
        f"  {'.'.join(str(part) for part in one['loc']) or 'file'}: {one['msg']}"
        for one in found
        if not (one["type"] == _UNKNOWN and len(one["loc"]) == 1)
    ]
    if unknown:
        known = ", ".join(field.alias or name for name, field in model.model_fields.items())
        lines.append(f"  unknown keys: {', '.join(unknown)}; known: {known}")
    return lines
