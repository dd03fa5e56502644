"""Samples and image series under the wrong patient: planted links that checks across modalities should find."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydicom import dcmread


class WrongLink(NamedTuple):
    """A sample, whose it is, and whom the sample sheet names instead."""

    sample: str
    person: str
    linked_to: str


class WrongSeries(NamedTuple):
    """An image series, whose it is, and whose number stands in its headers instead."""

    SeriesInstanceUID: str
    person: str
    linked_to: str


def exchange_patients(
    sheet: list[dict[str, str]], person_of: dict[str, str], share: float, generator: np.random.Generator
) -> list[WrongLink]:
    """Exchange the patients of a share of the tumour samples of one centre's sheet, in place; nobody keeps his own.

    Args:
        sheet: Rows of `samples.csv`: `sample`, `patient`, `sample_type`.
        person_of: Person by sample.
        share: Share of the samples, 0 to 1.
        generator: Draws which.

    Returns:
        What was exchanged; nothing when the share is fewer than two samples.
    """
    first: dict[str, dict[str, Any]] = {}
    for row in sheet:
        if row["sample_type"] == "tumour":
            first.setdefault(person_of[row["sample"]], row)
    persons = list(first)
    chosen = [persons[at] for at in generator.permutation(len(persons))[: round(share * len(persons))]]
    patients = [first[person]["patient"] for person in chosen]
    made = []
    for person, other in _next_of(chosen):
        first[person]["patient"] = patients[chosen.index(other)]
        made.append(WrongLink(first[person]["sample"], person, other))
    return made


def exchange_series(
    out: Path, images: Sequence[dict[str, object]], share: float, generator: np.random.Generator
) -> list[WrongSeries]:
    """Exchange the patient numbers of a share of one centre's image series and of their masks, in their files.

    The rest of the headers stays that of the person who was examined, as when a number is mistyped at the console.

    Args:
        out: The source tree.
        images: Rows of the truth table `imaging`.
        share: Share of the series, 0 to 1; of one person at most one.
        generator: Draws which.

    Returns:
        What was exchanged; nothing when the share is fewer than two series.
    """
    chosen: dict[str, dict[str, Any]] = {}
    for at in generator.permutation(len(images)):
        if len(chosen) < round(share * len(images)):
            chosen.setdefault(images[at]["person"], images[at])
    files = {person: _files(out, row) for person, row in chosen.items()}
    numbers = {person: str(dcmread(paths[0], specific_tags=["PatientID"]).PatientID) for person, paths in files.items()}
    made = []
    for person, other in _next_of(list(chosen)):
        for path in files[person]:
            ds = dcmread(path)
            ds.PatientID = numbers[other]
            ds.save_as(path, enforce_file_format=True)
        made.append(WrongSeries(chosen[person]["SeriesInstanceUID"], person, other))
    return made


def _next_of(persons: list[str]) -> list[tuple[str, str]]:
    """Return each person with the next one, the last with the first; nothing for one alone."""
    return list(zip(persons, [*persons[1:], persons[0]], strict=True)) if len(persons) > 1 else []


def _files(out: Path, image: dict[str, Any]) -> list[Path]:
    """Return the files of a series and of the masks drawn on it, which stand beside it in the folder of the study."""
    folder = out / image["folder"]
    masks = [path for path in folder.parent.rglob("*.dcm") if path.stem in (f"RS{image['modality']}", f"SEG{image['modality']}")]
    return sorted([*folder.glob("*.dcm"), *masks])
