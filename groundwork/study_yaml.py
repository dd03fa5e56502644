"""YAML that a study writes beside its study file: concepts, endpoints, rules, mappings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from unibase.groundwork.problems import UserError

MOST_NODES = 100_000
"""Values of a file that a person writes; one that holds more was made to fill memory."""


def read_yaml(path: Path | str, kind: str) -> object:
    """Return the content of the YAML file at `path`. `kind`: what it holds, in words for the message.

    Raises:
        UserError: If it is not there, is no UTF-8 or no YAML, or its aliases unfold to more than `MOST_NODES` values.

    >>> _ = (getfixture("tmp_path") / "own.yaml").write_text("checks: [heaping]")
    >>> read_yaml(getfixture("tmp_path") / "own.yaml", "quality rules")
    {'checks': ['heaping']}
    """
    try:
        content: object = YAML(typ="safe").load(Path(path).read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError):
        raise UserError(f"There is no {kind} at {path}. Name a YAML file.") from None
    except UnicodeDecodeError:
        raise UserError(f"The {kind} {path} is no text in UTF-8. Save it as UTF-8.") from None
    except YAMLError as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        line = f", line {mark.line + 1}," if mark else ""
        raise UserError(f"The {kind} {path}{line} cannot be read as YAML. Mend it.") from None
    except OSError as error:
        raise UserError(f"The {kind} {path} cannot be read: {error.strerror}.") from error
    refuse_unfolding(content, path)
    return content


def refuse_unfolding(content: object, path: Path | str) -> None:
    """Refuse a file of a few lines that stands for so many values that memory would not hold them.

    Args:
        content: What was read; what an alias names stands in it once, however often it is named.
        path: The file.

    Raises:
        UserError: If it holds more than `MOST_NODES` values with each alias written out.
    """
    todo, count = [content], 0
    while todo:
        one = todo.pop()
        count += 1
        if count > MOST_NODES:
            raise UserError(f"{path}: it unfolds to more than {MOST_NODES} values by its aliases (*name). Write it without them.")
        todo += one.values() if isinstance(one, Mapping) else one if isinstance(one, list | tuple | set) else []
