"""What a study file names and must be there: files, concepts, definitions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from unibase.clinical.derived.endpoint_definitions import Endpoints
from unibase.clinical.derived.quality import QualityRules
from unibase.flows.study.study_file import Centre, Study
from unibase.groundwork.problems import UserError
from unibase.omics.options import AssayName

_ASSAY_FILES = ("matrix", "samples", "profiled", "panel", "detection", "masked", "probes", "channels", "transcripts")
"""Keys of an assay that name files."""


def missing_sources(study: Study) -> list[str]:
    """Return one line for each source that the study names and that is not there."""
    named = [pair for name, centre in study.centres.items() for pair in _of_centre(study, name, centre)]
    named += [("assays.mutations.hotspots", study.assays.mutations.hotspots or "")]
    named += [("assays.copy_number.genes", study.assays.copy_number.genes or "")]
    named += [("features.settings", study.features.settings if study.features else "")]
    for key, rule in (("imaging", study.harmonise.imaging), ("rna", study.harmonise.rna)):
        named.append((f"harmonise.{key}.parameters", (rule.parameters if rule else None) or ""))
    if study.custodians:
        named += [("custodians.tokens", study.custodians.tokens), ("custodians.subjects", study.custodians.subjects)]
    named += [(key, getattr(study, key) or "") for key in ("links", "concepts", "vocabulary", "quality", "definitions")]
    named += [("key.file", study.key.file or "")]
    return [
        f"{key}: nothing at {study.path(value)}"
        for key, value in named
        if value and not any(path.exists() for path in study.paths(value))
    ]


def _of_centre(study: Study, name: str, centre: Centre) -> Iterator[tuple[str, str]]:
    """Yield key and value of each file that a centre names."""
    here = f"centres.{name}"
    yield from ((f"{here}.people", centre.people or ""), (f"{here}.dicom", centre.dicom or ""))
    if centre.clinical:
        if isinstance(study.records(centre.clinical), Path):
            yield f"{here}.clinical.path", centre.clinical.path
        yield f"{here}.clinical.mapping", centre.clinical.mapping or ""
    for assay, source in centre.omics.items():
        yield from ((f"{here}.omics.{assay}.{key}", getattr(source, key) or "") for key in _ASSAY_FILES)
    if centre.genotypes:
        yield from ((f"{here}.genotypes.{key}", getattr(centre.genotypes, key) or "") for key in ("pairs", "samples", "sexes"))


def check_sources(study: Study) -> None:
    """Raise a UserError that lists every source that is not there, every concept or endpoint that is not known, or what is
    wrong in a file of parameters: what would else stop a build at its end."""
    missing = missing_sources(study)
    if missing:
        said = f"{len(missing)} sources are missing: nothing is published, a last release stays."
        raise UserError("\n".join([*missing, f"{said} Look whether the share is mounted, or mend the paths in {study.file}"]))
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
    asked = [("index.concept", study.index.concept)]
    asked += [(f"windows.clinical.{name}.concept", window.concept) for name, window in study.windows.clinical.items()]
    others = {"index", "imaging", "features", "discordant", *get_args(AssayName)}
    for key, rules in (("include", study.cohort.include), ("exclude", study.cohort.exclude)):
        asked += [(f"cohort.{key}", rule) for rule in rules if rule.partition(":")[0] not in others]
    return [f"{where}: there is no concept {name!r}. Known: {', '.join(known)}." for where, name in asked if name not in known]


def _unknown_definitions(study: Study) -> list[str]:
    """Return which endpoints and responses the study names and neither its own definitions nor ours have."""
    if not study.definitions:
        return []
    known = Endpoints.read(study.path(study.definitions))
    asked = (("endpoints", study.endpoints, sorted(known.by_code)), ("responses", study.responses, sorted(known.best)))
    return [
        f"{key}: there is no {code!r}. Known: {', '.join(allowed)}."
        for key, codes, allowed in asked
        for code in codes
        if code not in allowed
    ]
