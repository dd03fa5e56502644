"""Scores of the study's sets of genes in its expression samples, each from the sample alone, over the genes of the frozen model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unibase.groundwork.problems import UserError
from unibase.methods.compiled.exact import FloatArray
from unibase.methods.single_sample import ssgsea, ulm
from unibase.omics.genes import gene_table, parts_of
from unibase.omics.options import RnaOptions, SetScore
from unibase.omics.readers.counts import frame_of
from unibase.omics.readers.gene_sets import read_gene_sets

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

MIN_GENES = 5
"""A set of which fewer genes were measured has no score: decoupleR's own bound."""

SCORES: Mapping[SetScore, Callable[[FloatArray, NDArray[np.bool_]], FloatArray]] = {"ssgsea": ssgsea, "ulm": ulm}


@dataclass(frozen=True)
class ScoredSets:
    """Sets of genes laid over the genes of an assay.

    Attributes:
        names: Of the sets with enough genes, in the order of the file.
        members: (sets, genes), whether a gene is in a set.
        scores: What is computed.
        notes: Sentences for a person: how many genes of the sets were found, which sets have too few.
    """

    names: tuple[str, ...]
    members: NDArray[np.bool_]
    scores: tuple[SetScore, ...]
    notes: tuple[str, ...]

    def columns(self) -> list[str]:
        """Return the names of what `of` gives, such as `ssgsea_HYPOXIA`."""
        return [f"{score}_{name}" for score in self.scores for name in self.names]

    def of(self, values: FloatArray) -> FloatArray:
        """Return the scores of samples.

        Args:
            values: (samples, genes), as the assay has them.
        """
        return np.hstack([SCORES[score](values, self.members) for score in self.scores])


def scored_sets(options: RnaOptions, adata: AnnData) -> ScoredSets | None:
    """Return what is computed of an assay; None where the study names no sets.

    Args:
        options: Of the study; the path of the sets is absolute.
        adata: The assay; its `var` names genes by Ensembl identifier or name, and has `symbol`.

    Raises:
        UserError: As `read_gene_sets`, or if fewer than five genes of every set were measured.
    """
    if not options.gene_sets:
        return None
    sets = read_gene_sets(options.gene_sets)
    var = frame_of(adata.var)
    places = columns_of_names(var)
    rows = {name: sorted({place for gene in genes for place in columns_of_gene(gene, places)}) for name, genes in sets.items()}
    kept = {name: mine for name, mine in rows.items() if MIN_GENES <= len(mine) < len(var)}
    if not kept:
        raise UserError(
            f"No set of {options.gene_sets} has {MIN_GENES} genes that the expression has. Give sets of human genes, by symbol, Ensembl or NCBI."
        )
    members = np.zeros((len(kept), len(var)), dtype=bool)
    for row, mine in enumerate(kept.values()):
        members[row, mine] = True
    return ScoredSets(tuple(kept), members, tuple(options.scores), _notes(sets, rows, kept))


def _notes(
    sets: Mapping[str, Sequence[str]], rows: Mapping[str, Sequence[int]], kept: Mapping[str, Sequence[int]]
) -> tuple[str, ...]:
    listed, found = sum(len(sets[name]) for name in kept), sum(len(rows[name]) for name in kept)
    notes = [f"{len(kept)} gene sets scored; {found} of their {listed} genes are measured"]
    few = [name for name in sets if name not in kept]
    if few:
        notes.append(
            f"{len(few)} gene sets have no score, for fewer than {MIN_GENES} of their genes are measured: {', '.join(few)}"
        )
    return tuple(notes)


def columns_of_names(var: pd.DataFrame) -> dict[str, list[int]]:
    """Return the columns of each name that a gene of the assay has; a name of its own wins over a symbol.

    Args:
        var: Of the assay, named by gene, with `symbol`.
    """
    by_symbol: dict[str, list[int]] = defaultdict(list)
    for place, symbol in enumerate(map(str, var["symbol"])):
        by_symbol[symbol].append(place)
    return by_symbol | {str(name): [place] for place, name in enumerate(var.index)}


def columns_of_gene(name: str, places: Mapping[str, list[int]]) -> list[int]:
    """Return the columns of a gene as a file names it: by that name, else by what it stands for in the pinned table.

    Args:
        name: Symbol, Ensembl or NCBI number.
        places: As `columns_of_names` gives them.
    """
    for part in (name, *parts_of(name)):
        if part in places:
            return places[part]
    gene = next((match.gene for part in parts_of(name) if (match := gene_table().match(part)).gene), None)
    return next((places[key] for key in ((gene.ensembl, gene.symbol) if gene else ()) if key in places), [])
