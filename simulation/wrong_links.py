"""Samples that the laboratory wrote to the wrong patient: planted links that checks across modalities should find."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class WrongLink(NamedTuple):
    """A sample, whose it is, and whom the sample sheet names instead."""

    sample: str
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
    count = round(share * len(persons))
    if count < 2:
        return []
    chosen = [persons[at] for at in generator.permutation(len(persons))[:count]]
    patients = [first[person]["patient"] for person in chosen]
    made = []
    for at, person in enumerate(chosen):
        other = (at + 1) % count
        first[person]["patient"] = patients[other]
        made.append(WrongLink(first[person]["sample"], person, chosen[other]))
    return made
