"""Likeness of a sample to centroids of the study's own file (PAM50, CMS and the like), from that sample alone.

Genes are centred by the file's own centres, which no new sample changes, and compared by Spearman's correlation, as Parker et al. have it
(Journal of Clinical Oncology 2009, 27:1160). Centroids are not shipped: their licence is the user's to look at.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unibase.groundwork.problems import Unusable, UserError
from unibase.methods.compiled.exact import FloatArray
from unibase.methods.single_sample import likeness
from unibase.omics.assays.set_scores import columns_of_gene, columns_of_names
from unibase.omics.options import RnaOptions
from unibase.omics.readers.counts import frame_of
from unibase.omics.readers.tabular import read_table
from unibase.omics.recognise.names import plain

if TYPE_CHECKING:
    from anndata import AnnData

CENTRE = "centre"
"""Column of the file with what is taken from each gene's value."""
_LEAST_GENES, _LEAST_SHARE = 10, 0.8


@dataclass(frozen=True)
class Centroids:
    """Centroids laid over the genes of an assay.

    Attributes:
        names: Of the centroids, in the order of the file.
        places: (genes,), the column of each gene that was found.
        centres: (genes,), what is taken from its value.
        profiles: (centroids, genes).
        notes: Sentences for a person.
    """

    names: tuple[str, ...]
    places: NDArray[np.int64]
    centres: FloatArray
    profiles: FloatArray
    notes: tuple[str, ...]

    def columns(self) -> list[str]:
        """Return the names of what `of` gives, such as `centroid_LumA`."""
        return [f"centroid_{name}" for name in self.names]

    def of(self, values: FloatArray) -> FloatArray:
        """Return the correlations of samples, (samples, centroids).

        Args:
            values: (samples, genes), as the assay has them.
        """
        return likeness(values[:, self.places] - self.centres, self.profiles)


def read_centroids(options: RnaOptions, adata: AnnData) -> Centroids | None:
    """Return the centroids that the study names, laid over the genes of an assay; None where it names none.

    Args:
        options: Of the study; paths are absolute.
        adata: The assay; its `var` names genes by Ensembl identifier or name, and has `symbol`.

    Raises:
        UserError: If the file is not there, has not the columns gene, centre and two centroids of numbers, names a gene twice, or if less
            than four fifths of its genes, or fewer than ten, were measured.
    """
    if not options.centroids:
        return None
    path = Path(options.centroids)
    genes, centres, profiles, names = _table(path)
    places = columns_of_names(frame_of(adata.var))
    found = {row: at[0] for row, gene in enumerate(genes) if len(at := columns_of_gene(gene, places)) == 1}
    if len(found) < max(_LEAST_GENES, _LEAST_SHARE * len(genes)):
        raise UserError(
            f"{len(found)} of the {len(genes)} genes of {path} are measured: too few to compare. Give centroids of human genes that the panel has."
        )
    rows = list(found)
    note = f"{len(names)} centroids compared over {len(rows)} of their {len(genes)} genes"
    return Centroids(names, np.array(list(found.values()), dtype=np.int64), centres[rows], profiles[:, rows], (note,))


def _table(path: Path) -> tuple[list[str], FloatArray, FloatArray, tuple[str, ...]]:
    """Return genes, their centres, the centroids, (centroids, genes), and their names."""
    if not path.exists():
        raise UserError(f"There are no centroids at {path}. Check the path in the study file.")
    try:
        table = read_table(path)
    except Unusable as problem:
        raise UserError(f"The centroids {path}: {problem.message} {problem.remedy}") from None
    titles = [plain(title) for title in table.titles]
    numbers = [i for i in range(len(titles)) if table.is_number(i) and titles[i] not in ("gene", CENTRE)]
    if "gene" not in titles or CENTRE not in titles or len(numbers) < 2 or not table.is_number(titles.index(CENTRE)):
        raise UserError(
            f"The centroids {path} need the columns gene, {CENTRE} (the gene's middle in the cohort they were made in) and one of numbers for each "
            "of two or more classes."
        )
    genes = table.texts(titles.index("gene"))
    values = table.values([titles.index(CENTRE), *numbers])
    bad = [row for row, gene in enumerate(genes, start=1) if not gene or not np.isfinite(values[row - 1]).all()]
    if bad or len(set(genes)) < len(genes):
        row = bad[0] if bad else next(row for row, gene in enumerate(genes, start=1) if gene in genes[: row - 1])
        raise UserError(f"Row {row} of {path} lacks a gene or a number, or names a gene a second time. Mend it.")
    return genes, values[:, 0], values[:, 1:].T, tuple(table.titles[i].strip() for i in numbers)
