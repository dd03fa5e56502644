"""Reading a study file: one line per fault, with the line of the file, the key, what is wrong and what is allowed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from unibase.flows.study.study_file import Study
from unibase.flows.study.vault_at_rest import hold
from unibase.groundwork.problems import UserError
from unibase.groundwork.study_yaml import refuse_unfolding

_SAID = {
    "string_type": "must be a text. Put it in quotes ('1.0').",
    "list_type": "must be a list. Put it in square brackets ([one, two]).",
    "date_from_datetime_parsing": "must be a day, written as 2020-12-31.",
    "date_parsing": "must be a day, written as 2020-12-31.",
    "date_type": "must be a day, written as 2020-12-31.",
    "int_parsing": "must be a whole number.",
    "int_type": "must be a whole number.",
    "int_from_float": "must be a whole number.",
    "float_parsing": "must be a number.",
    "float_type": "must be a number.",
    "bool_parsing": "must be true or false.",
    "bool_type": "must be true or false.",
    "too_short": "must name at least one. Add it.",
}
"""What is said of faults that pydantic tells in the words of its own types."""


def read_study(path: Path | str) -> Study:
    """Read and check a study file; open its vault for this process where the study seals it.

    Args:
        path: The study file.

    Raises:
        UserError: If the file is absent, no YAML, or breaks a rule; one line per fault with file, line, key, what is
            wrong and what is allowed.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"No study file at {path}. Make an example: unibase simulate FOLDER")
    content = _content(path)
    refuse_unfolding(content, path)
    if not isinstance(content, CommentedMap):
        raise UserError(f"{path}:1: a study file is a mapping of keys. See docs/study-file.md")
    if "file" in content:
        raise UserError(f"{path}:{content.lc.key('file')[0] + 1}: file: unknown key. Remove it.")
    try:
        study = Study.model_validate({**content, "file": path.resolve()})
    except ValidationError as error:
        faults = [_fault(path, content, detail) for detail in _merged(error)]
        raise UserError("\n".join([*faults, f"{len(faults)} to mend. Every key is explained in docs/study-file.md"])) from None
    hold(study)
    return study


def _content(path: Path) -> Any:
    """Return what a YAML file says."""
    whole = path.read_bytes()
    try:
        text = whole.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = whole[: error.start].count(b"\n") + 1
        raise UserError(f"{path}:{line}: this is no text in UTF-8. Save the file as UTF-8.") from None
    try:
        return YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{path}:{line}: this is no valid YAML ({error.problem}). Mend that line.") from None
    except YAMLError:
        raise UserError(f"{path}: it holds characters that no YAML may hold. Write it as plain text.") from None
    except ValueError:  # of a day or a number that is none
        line = next((number for number, one in enumerate(text.splitlines(), start=1) if _no_day(one)), 1)
        raise UserError(f"{path}:{line}: there is no such day. Write days as 2020-12-31.") from None


def _no_day(line: str) -> bool:
    """Return whether a line holds what looks like a day and is none."""
    for found in re.finditer(r"(\d{4})-(\d\d?)-(\d\d?)", line):
        try:
            date(*(int(part) for part in found.groups()))
        except ValueError:
            return True
    return False


def _merged(error: ValidationError) -> list[Any]:
    """Return the faults of a file, the branches of one choice (`latest` or `count`) put together as one fault."""
    merged: dict[tuple[Any, ...], Any] = {}
    for detail in error.errors():
        location = tuple(part for part in detail["loc"] if not _is_branch(part))
        known = merged.get((location, detail["type"]))
        if known is not None and detail["type"] == "literal_error":
            before = known["ctx"]["expected"].replace(" or ", ", ")
            known["ctx"]["expected"] = f"{before}, {detail['ctx']['expected']}"
        else:
            merged[location, detail["type"]] = {**detail, "loc": location}
    return list(merged.values())


def _is_branch(part: object) -> bool:
    return isinstance(part, str) and ("[" in part or part.startswith("function-"))


def _fault(path: Path, content: CommentedMap, detail: Any) -> str:
    """Say one fault: where (line and key), what is wrong, what is allowed."""
    location = list(detail["loc"])
    line = _line(content, location)
    key = ".".join(str(part) for part in location) or "study"
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        said = f"unknown key; allowed here: {', '.join(_allowed(location[:-1]))}"
        near = difflib.get_close_matches(str(location[-1]), _allowed(location[:-1]), 1)
        said += f". Did you mean {near[0]}?" if near else "."
    elif kind == "missing":
        said = "this key is missing. Add it."
    elif kind == "literal_error":
        said = f"{detail['input']!r} is not allowed; allowed: {context['expected']}."
    elif kind == "string_pattern_mismatch":
        said = f"{detail['input']!r} is not allowed; it must match {context['pattern']}."
    else:
        several = kind == "string_type" and isinstance(detail["input"], list | dict)
        said = "must be one text." if several else _SAID.get(kind) or _section_said(kind, location)
        said = said or f"{detail['msg'].removeprefix('Value error, ').rstrip('.')}."
    return f"{path}:{line}: {key}: {said}"


def _section_said(kind: str, location: list[int | str]) -> str:
    """Return what to say where a section of keys was expected; nothing for another fault."""
    if kind not in ("model_type", "dict_type", "model_attributes_type"):
        return ""
    allowed = _allowed(location)
    return (
        f"must be a section of keys; allowed here: {', '.join(allowed)}." if allowed else "must be a section of keys and values."
    )


def line_of(path: Path, location: Sequence[int | str]) -> int:
    """Return the line, from 1, of the deepest key of `location` that the study file at `path` has.

    >>> _ = (getfixture("tmp_path") / "s.yaml").write_text("study: a\\nindex: {concept: b}\\n")
    >>> line_of(getfixture("tmp_path") / "s.yaml", ("index", "concept"))
    2
    """
    return _line(_content(path), location)


def _line(content: object, location: Sequence[int | str]) -> int:
    """Return the line, from 1, of the deepest key of `location` that the file has."""
    line = 1
    for part in location:
        if isinstance(content, CommentedMap) and part in content:
            line = content.lc.key(part)[0] + 1
        elif isinstance(content, CommentedSeq) and isinstance(part, int) and part < len(content):
            line = content.lc.item(part)[0] + 1
        else:
            return line
        content = content[part]
    return line


def _allowed(location: list[int | str]) -> list[str]:
    """Return the keys allowed in the section at `location`."""
    model: Any = Study
    for part in location:
        fields = getattr(model, "model_fields", {})
        model = _section_of(fields[part].annotation) if part in fields else model
    ours = {"file"} if model is Study else set()
    return sorted(set(getattr(model, "model_fields", {})) - ours)


def _section_of(annotation: object) -> Any:
    """Return the section class inside an annotation such as `Window | None` or `dict[str, Centre]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in reversed(getattr(annotation, "__args__", ())):
        found = _section_of(argument)
        if found is not None:
            return found
    return None
