"""Section: which genes are altered and how (an OncoPrint); single subjects' columns only where the study asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unibase.releases.disclosure.decisions import NOBODY_ALONE, ROUNDED
from unibase.releases.report import charts
from unibase.releases.report.data import Contents, ReportData, at_least
from unibase.releases.report.section import Section

GENES = 20
"""Most genes that are drawn."""
AT_ONCE = 500
"""Columns of a matrix that are held at once."""
PAIR, TRUNCATING, CALL = "::", ":truncating", ":call"
"""What the names of features have between two genes that are joined, and behind a gene."""
MUTATED = "mutated"


@dataclass(frozen=True)
class Alteration:
    """Who has one kind of alteration of a gene.

    Attributes:
        subjects: Those who have it.
        looked_at: How many were looked at for it.
    """

    subjects: frozenset[str]
    looked_at: int

    def told(self, min_cell: int) -> str:
        """Return how many have it: down to a multiple of `min_cell`, and so that at least `min_cell` may lack it."""
        return at_least(max(0, min(len(self.subjects), self.looked_at - min_cell)), min_cell)


@dataclass(frozen=True)
class Altered:
    """One gene: its alterations by kind."""

    gene: str
    kinds: dict[str, Alteration] = field(default_factory=dict)

    def most(self, min_cell: int) -> int:
        """Return the largest number of subjects that is told of a kind, a multiple of `min_cell`."""
        return max((min(len(a.subjects), a.looked_at - min_cell) // min_cell * min_cell for a in self.kinds.values()), default=0)


def altered_genes(cohort: Path) -> dict[str, Altered]:
    """Return each gene that somebody's mutations, calls of copies or rearrangements alter.

    Args:
        cohort: The cohort file, as zarr.
    """
    found: dict[str, Altered] = {}
    for modality, feature, values, subjects in _columns(cohort):
        for gene, kind, has in _kinds(modality, feature, values):
            looked_at = int(np.isfinite(values).sum())
            if has.any():
                one = Alteration(frozenset(subjects[place] for place in np.flatnonzero(has)), looked_at)
                found.setdefault(gene, Altered(gene)).kinds[kind] = one
    return found


def _kinds(modality: str, feature: str, values: NDArray[np.float64]) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Yield gene, kind of alteration, and who has it, of one column."""
    if modality == "copy_number":
        if feature.endswith(CALL):
            gene = feature.removesuffix(CALL)
            yield gene, "amplified", values >= 2
            yield gene, "deleted", values <= -2
    elif PAIR not in feature:
        if feature.endswith(TRUNCATING):
            yield feature.removesuffix(TRUNCATING), "truncating", values == 1
        elif ":" not in feature:
            yield feature, MUTATED if modality == "mutations" else "rearranged", values == 1


def _columns(cohort: Path) -> Iterator[tuple[str, str, NDArray[np.float64], list[str]]]:
    """Yield modality, name of the feature, values and subjects of each column that may tell an alteration."""
    import zarr

    whole: Any = zarr.open_group(cohort, mode="r")["mod"]
    for modality in ("copy_number", "mutations", "rearrangements"):
        if modality not in whole:
            continue
        group = whole[modality]
        names = [str(name) for name in group["var"][group["var"].attrs["_index"]][:]]
        if modality == "copy_number" and not any(name.endswith(CALL) for name in names):
            continue
        subjects = [str(name) for name in group["obs"][group["obs"].attrs["_index"]][:]]
        for start in range(0, len(names), AT_ONCE):
            block = np.asarray(group["X"][:, start : start + AT_ONCE], dtype=np.float64)
            for place, name in enumerate(names[start : start + AT_ONCE]):
                yield modality, name, block[:, place], subjects


def drawn_genes(found: Mapping[str, Altered], min_cell: int) -> list[Altered]:
    """Return the genes that may be drawn, by what is told of them and then by name: exact counts order nothing.

    Args:
        found: All genes.
        min_cell: Smallest count that may be told.
    """
    shown = [one for one in found.values() if one.most(min_cell) >= min_cell]
    return sorted(shown, key=lambda one: (-one.most(min_cell), one.gene))[:GENES]


@dataclass(frozen=True)
class Row:
    """What the page says of one gene: `width` of the bar in percent, and a text for each kind of alteration."""

    gene: str
    width: int
    cells: list[str]


def _row(one: Altered, kinds: list[str], min_cell: int) -> Row:
    looked_at = max(a.looked_at for a in one.kinds.values())
    cells = [one.kinds[kind].told(min_cell) if kind in one.kinds else "–" for kind in kinds]
    return Row(one.gene, min(100, round(100 * one.most(min_cell) / max(looked_at // min_cell * min_cell, 1))), cells)


def contents(data: ReportData) -> Contents | None:
    """Return what the template shows; nothing where no assay tells alterations of genes.

    Args:
        data: The data of the page.
    """
    found = altered_genes(data.folder / "cohort.zarr")
    if not found:
        return None
    genes = drawn_genes(found, data.min_cell)
    why = "Subjects with an alteration of a gene, in multiples of the smallest count, and as many at least may lack it."
    data.ruled("alterations", "genes", ROUNDED, bool(genes), why)
    lanes = data.lanes and bool(genes)
    data.ruled("alterations", "single subjects", NOBODY_ALONE, lanes, "Only where the study file says so (`release: lanes`).")
    kinds = [kind for kind in charts.ALTERATIONS if any(kind in one.kinds for one in genes)]
    if data.has("maf"):
        told = data.table("maf", "Start_Position")["Start_Position"]
        every = not told.null_count()
        data.ruled(
            "maf",
            "places of variants",
            NOBODY_ALONE,
            every,
            "Of variants that fewer share, `assays.mutations.maf: all` tells them.",
        )
    return {
        "genes": [_row(one, kinds, data.min_cell) for one in genes],
        "kinds": [(kind, *charts.ALTERATIONS[kind]) for kind in kinds],
        "oncoprint": charts.oncoprint([(one.gene, {k: a.subjects for k, a in one.kinds.items()}) for one in genes])
        if lanes
        else None,
    }


SECTION = Section(
    "alterations", ("Altérations des gènes", "Altered genes"), ("Altérations", "Alterations"), contents, after="modalities"
)
