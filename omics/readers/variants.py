"""Somatic variants of profiled samples, whatever file they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from unibase.omics.readers.consequences import NONSYNONYMOUS

SCHEMA: dict[str, pl.DataType] = {
    "gene": pl.String(), "entrez": pl.String(), "chromosome": pl.String(), "start": pl.Int64(), "end": pl.Int64(), "reference": pl.String(),
    "allele": pl.String(), "classification": pl.String(), "variant_type": pl.String(), "sample": pl.String(),
    "protein_change": pl.String(), "source_row": pl.Int64(),
}  # fmt: skip


@dataclass(frozen=True)
class MutationData:
    """Variants of profiled samples.

    Attributes:
        variants: One row per variant and gene: the columns of `SCHEMA`.
        profiled: Every sample that was sequenced, those without a variant too; in order of name.
        panel: Genes the assay covers, or None for an exome or genome.
        notes: Ledger lines: what was left out and why, repeated variants merged, aliases renamed.
        renamed: Outdated symbols of the source and the approved symbols they became.
        unknown: Pairs (sample, gene) of which a protein-changing variant may be there and may not: a genotype is missing.
    """

    variants: pl.DataFrame
    profiled: tuple[str, ...]
    panel: frozenset[str] | None = None
    notes: tuple[str, ...] = field(default=())
    renamed: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[tuple[str, str], ...] = ()

    def nonsynonymous(self) -> pl.DataFrame:
        """Return the variants that change a protein; with a panel, those of its genes."""
        changing = self.variants.filter(pl.col("classification").is_in(list(NONSYNONYMOUS)))
        return changing if self.panel is None else changing.filter(pl.col("gene").is_in(sorted(self.panel)))

    def burden(self) -> dict[str, int]:
        """Return the number of protein-changing variants of each sample that has one; a variant in two genes is one."""
        places = self.nonsynonymous().select("sample", "chromosome", "start", "end", "reference", "allele").unique()
        return dict(places.group_by("sample").len().iter_rows())


def without_variants(profiled: Sequence[str]) -> MutationData:
    """Return the data of the samples `profiled`, which were sequenced and have no variant in any file.

    >>> without_variants(["S2", "S1"]).profiled
    ('S1', 'S2')
    """
    return MutationData(pl.DataFrame(schema=SCHEMA), tuple(sorted(profiled)))
