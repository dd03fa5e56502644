"""YAML that a study writes beside its study file: concepts, endpoints, rules, mappings."""

from __future__ import annotations

from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from unibase.groundwork.problems import UserError


def read_yaml(path: Path | str, kind: str) -> object:
    """Return the content of the YAML file at `path`. `kind`: what it holds, in words for the message.

    Raises:
        UserError: If it is not there, is no UTF-8 or no YAML.

    >>> _ = (getfixture("tmp_path") / "own.yaml").write_text("checks: [heaping]")
    >>> read_yaml(getfixture("tmp_path") / "own.yaml", "quality rules")
    {'checks': ['heaping']}
    """
    try:
        return YAML(typ="safe").load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise UserError(f"The {kind} {path} cannot be read as YAML: {type(error).__name__}.") from None
