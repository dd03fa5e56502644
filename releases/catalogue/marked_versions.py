"""Marks of releases that hold a person they should no longer hold: beside the releases, which never change themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from unibase.groundwork.files import write_json

Mark = Literal["identity", "left"]
"""Why: the identity of a person was corrected since, or a person has left the study (objected, was erased, is listed no more)."""
MARKS = "marks.json"
WORDS: dict[Mark, tuple[str, str]] = {
    "identity": (
        "L'identité d'une personne a été corrigée depuis : prenez la version suivante.",
        "The identity of a person was corrected since: use the next version.",
    ),
    "left": (
        "Une personne a quitté l'étude depuis : prenez la version suivante.",
        "A person has left the study since: use the next version.",
    ),
}
"""What the catalogue says, in French and English. It tells no number: it would be a small one."""


def read_marks(study_folder: Path) -> dict[str, tuple[Mark, ...]]:
    """Return the marks of each version of a study. `study_folder`: the folder of its releases.

    >>> read_marks(getfixture("tmp_path"))
    {}
    """
    path = study_folder / MARKS
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {version: tuple(mark for mark in WORDS if mark in marks) for version, marks in found.items()}


def write_marks(study_folder: Path, marks: Mapping[str, tuple[Mark, ...]]) -> bool:
    """Write the marks of a study's versions; return whether they are others than before.

    Args:
        study_folder: The folder of its releases.
        marks: By version; those without any are left out.
    """
    told = {version: mine for version, mine in sorted(marks.items()) if mine}
    if told == read_marks(study_folder):
        return False
    write_json(study_folder / MARKS, told)
    return True
