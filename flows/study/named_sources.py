"""What a study file names and must be there: files, concepts, definitions."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import get_args

from unibase.clinical.derived.endpoint_definitions import Endpoints
from unibase.clinical.derived.quality_rules import QualityRules
from unibase.flows.study.named_files import missing_sources
from unibase.flows.study.study_file import Study
from unibase.flows.study.validation import line_of
from unibase.groundwork.problems import SourceAway, UserError
from unibase.omics.options import AssayName


def check_sources(study: Study) -> None:
    """Look for what would else stop a build at its end.

    Args:
        study: The study.

    Raises:
        SourceAway: If a source is not there; lists all that are missing.
        UserError: If a concept or endpoint is not known, or a file of parameters is wrong.
    """
    missing = missing_sources(study)
    if missing:
        counted = "1 source is" if len(missing) == 1 else f"{len(missing)} sources are"
        said = f"{counted} missing: nothing is published, a last release stays."
        raise SourceAway("\n".join([*missing, f"{said} Look whether the share is mounted, or mend the paths in {study.file}"]))
    if study.features:
        from unibase.imaging.radiomics.settings import read_settings

        read_settings(study.path(study.features.settings))
    if study.quality:
        QualityRules.read(study.path(study.quality))
    unknown = [*_unknown_concepts(study), *_unknown_definitions(study)]
    if unknown:
        raise UserError("\n".join([*unknown, f"{len(unknown)} to mend in {study.file}"]))


def _unknown_concepts(study: Study) -> list[str]:
    """Return where the study names a concept that its concepts file and ours do not have."""
    from unibase.clinical.words.concepts import Concepts

    known = (Concepts.read(study.path(study.concepts)) if study.concepts else Concepts.default()).names()
    asked: list[tuple[tuple[int | str, ...], str]] = [(("index", "concept"), study.index.concept)]
    asked += [(("windows", "clinical", name, "concept"), window.concept) for name, window in study.windows.clinical.items()]
    others = {"index", "imaging", "features", "discordant", *get_args(AssayName)}
    for key, rules in (("include", study.cohort.include), ("exclude", study.cohort.exclude)):
        asked += [(("cohort", key, n), rule) for n, rule in enumerate(rules) if rule.partition(":")[0] not in others]
    return [_not_there(study, "concept", where, name, known) for where, name in asked if name not in known]


def _not_there(study: Study, what: str, where: Sequence[int | str], name: str, known: Sequence[str]) -> str:
    """Return what is said of a `name` that is none of those `known`: the line, the key, the nearest, and all."""
    key = ".".join(str(part) for part in where if isinstance(part, str))
    near = difflib.get_close_matches(name, known, 1)
    said = f" Did you mean {near[0]}?" if near else ""
    return f"{study.file}:{line_of(study.file, where)}: {key}: there is no {what} {name!r}.{said} Known: {', '.join(known)}."


def _unknown_definitions(study: Study) -> list[str]:
    """Return which endpoints and responses the study names and neither its own definitions nor ours have."""
    if not study.definitions:
        return []
    known = Endpoints.read(study.path(study.definitions))
    asked = (("endpoints", study.endpoints, sorted(known.by_code)), ("responses", study.responses, sorted(known.best)))
    return [
        _not_there(study, "definition", (key, place), code, allowed)
        for key, codes, allowed in asked
        for place, code in enumerate(codes)
        if code not in allowed
    ]
