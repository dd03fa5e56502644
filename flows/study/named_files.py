"""The files that a study file names: what must be there, and what a result depends on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from unibase.flows.study.study_file import Centre, Study

_ASSAY_FILES = ("matrix", "samples", "profiled", "panel", "detection", "masked", "probes", "channels", "transcripts")
"""Keys of an assay that name files."""


def missing_sources(study: Study) -> list[str]:
    """Return one line for each source that the study names and that is not there. `study`: the study."""
    named = [pair for name, centre in study.centres.items() for pair in _of_centre(study, name, centre)]
    named += [*_shared_files(study), ("key.file", study.key.file or "")]
    return [
        f"{key}: nothing at {study.path(value)}"
        + (f" (unibase key new {study.path(value)} makes one)" if key == "key.file" else "")
        for key, value in named
        if value and not any(path.exists() for path in study.paths(value))
    ]


def source_paths(study: Study) -> list[tuple[str, Path]]:
    """Return key and path of each file or folder that the study names and that is there.

    Args:
        study: The study.
    """
    named = [pair for name, centre in study.centres.items() for pair in _of_centre(study, name, centre)]
    named += [*_shared_files(study), ("key.file", study.key.file or "")]
    return [(key, path) for key, value in named if value for path in study.paths(value) if path.exists()]


def _shared_files(study: Study) -> list[tuple[str, str]]:
    """Return key and value of each file that the study names for all centres together.

    Args:
        study: The study.
    """
    named = [("assays.mutations.hotspots", study.assays.mutations.hotspots or "")]
    named += [(f"assays.mutations.{key}", getattr(study.assays.mutations, key) or "") for key in ("signatures", "genome")]
    named += [(f"assays.rna.{key}", getattr(study.assays.rna, key) or "") for key in ("gene_sets", "centroids")]
    named += [("assays.copy_number.genes", study.assays.copy_number.genes or "")]
    named += [("assays.rearrangements.genes", study.assays.rearrangements.genes or "")]
    named += [("features.settings", study.features.settings if study.features else "")]
    named += [("features.pet_table", (study.features.pet_table or "") if study.features else "")]
    for name, model in study.segmenters.items():
        named += [(f"segmenters.{name}.{key}", getattr(model, key) or "") for key in ("folder", "weights")]
    for key, rule in (("imaging", study.harmonise.imaging), ("rna", study.harmonise.rna)):
        named.append((f"harmonise.{key}.parameters", (rule.parameters if rule else None) or ""))
    if study.custodians:
        named += [("custodians.tokens", study.custodians.tokens), ("custodians.subjects", study.custodians.subjects)]
    named += [(key, getattr(study, key) or "") for key in ("links", "concepts", "vocabulary", "quality", "definitions")]
    return [(key, value) for key, value in named if value]


def _of_centre(study: Study, name: str, centre: Centre) -> Iterator[tuple[str, str]]:
    """Yield key and value of each file that a centre names."""
    here = f"centres.{name}"
    yield f"{here}.people", centre.people or ""
    if centre.dicom:
        yield f"{here}.dicom", centre.dicom.local or ""
        yield from ((f"{here}.dicom", str(file)) for file in centre.dicom.files())
    if centre.clinical:
        if isinstance(study.records(centre.clinical), Path):
            yield f"{here}.clinical.path", centre.clinical.path
        yield f"{here}.clinical.mapping", centre.clinical.mapping or ""
    for assay, source in centre.omics.items():
        yield from ((f"{here}.omics.{assay}.{key}", getattr(source, key) or "") for key in _ASSAY_FILES)
    if centre.genotypes:
        yield from ((f"{here}.genotypes.{key}", getattr(centre.genotypes, key) or "") for key in ("pairs", "samples", "sexes"))


def files_of_settings(settings: object, study: Study) -> list[Path]:
    """Return every file or folder that a text somewhere in settings names, sorted: also of an option that was added yesterday.

    Args:
        settings: A JSON value of the study file.
        study: The study, whose folder relative paths start from.
    """
    found: set[Path] = set()
    todo = [settings]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            todo += one.values()
        elif isinstance(one, list | tuple):
            todo += one
        elif isinstance(one, str) and one and len(one) < 4096 and "\0" not in one:
            path = study.path(one)
            # Unlike Path.exists it takes a text that is too long for a name, or has no place here, for what is not there.
            if os.path.exists(path) and path != study.home:  # noqa: PTH110
                found.add(path)
    return sorted(found)
