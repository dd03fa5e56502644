"""What the methods tell of each assay beside its normalisation: what its sources were, what was done to them, which sample counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby


def assay_sources(settings: Mapping[str, object], assays: Iterable[str]) -> list[str]:
    """Return sentences on the sources of assays and on the samples that were chosen of them.

    Args:
        settings: The settings of a manifest; `recognised` by `centre/assay`, and `windows` are read.
        assays: Names of the assays that the release holds.

    >>> assay_sources({"recognised": {"lyon/rna": ["unit: counts"], "paris/rna": ["unit: counts", "names: Ensembl"]}}, ["rna"])
    ['Sources of rna: names: Ensembl (paris); unit: counts (all centres).']
    """
    recognised, windows = _mapping(settings.get("recognised")), _mapping(settings.get("windows"))
    sentences = []
    for assay in assays:
        of_centres = {key.rpartition("/")[0]: lines for key, lines in recognised.items() if key.rpartition("/")[2] == assay}
        if of_centres:
            sentences.append(f"Sources of {assay}: {'; '.join(_by_line(of_centres))}.")
        if window := _mapping(windows.get(assay)):
            sentences.append(_chosen(assay, window))
    return sentences


def _by_line(of_centres: Mapping[str, object]) -> list[str]:
    """Return each thing said once, with the centres it was said of."""
    pairs = sorted((str(line), centre) for centre, lines in of_centres.items() if isinstance(lines, list) for line in lines)
    said = []
    for line, group in groupby(pairs, key=lambda pair: pair[0]):
        centres = [centre for _, centre in group]
        said.append(f"{line} ({'all centres' if len(centres) == len(of_centres) else ', '.join(centres)})")
    return said


def _chosen(assay: str, window: Mapping[str, object]) -> str:
    """Return which sample of a subject stands for it."""
    types = window.get("sample_types")
    of = f" of type {', '.join(map(str, types))}" if isinstance(types, list | tuple) and types else ""
    first, last = window.get("from_days"), window.get("to_days")
    days = [f"from day {first:g}"] if isinstance(first, int | float) else []
    days += [f"up to day {last:g}"] if isinstance(last, int | float) else []
    within = f", {' '.join(days)} around the index" if days else ""
    return f"Of the samples of {assay}{of}, the {window.get('choose', 'latest')} one counts{within}."


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
