"""A cohort of chunks of whole samples, read the other way: all samples of some genes at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unibase.methods.compiled.exact import AnyArray
from unibase.omics.stores.chunks import Chunk, open_x, read_chunk


@dataclass(frozen=True)
class ByGenes:
    """Goes over the counts of a cohort, all samples of some genes at a time; the chunks are read once for each set of genes.

    Attributes:
        tasks: The chunks, in order.
        order: Places of the samples in order of name.
        genes: How many there are.
    """

    tasks: tuple[Chunk, ...]
    order: NDArray[np.int64]
    genes: int

    def __call__(self) -> Iterator[tuple[slice, AnyArray]]:
        """Yield which genes, and their counts: samples in order of name x these genes; two genes at least."""
        place = np.argsort(self.order)
        parts = max(1, -(-len(self.order) * self.genes // GENE_CELLS))
        for genes in np.array_split(np.arange(self.genes), min(parts, max(1, self.genes // 2))):
            columns = slice(int(genes[0]), int(genes[-1]) + 1)
            block: AnyArray = np.empty((len(self.order), len(genes)), dtype=open_x(self.tasks[0].store).dtype)
            start = 0
            for chunk in self.tasks:
                stop = start + chunk.stop - chunk.start
                block[place[start:stop]] = read_chunk(chunk)[:, columns]
                start = stop
            yield columns, block


GENE_CELLS = 8_000_000
"""Counts of some genes of all samples that are in memory at a time: 64 MB as numbers of double precision."""
