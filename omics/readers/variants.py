"""Somatic variants of profiled samples, whatever file they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unibase.omics.readers.consequences import NONSYNONYMOUS
from unibase.omics.readers.panels import Panels

_TEXT = pl.Categorical()
"""Each text is held once: millions of variants name some thousands of genes and samples."""
SCHEMA: dict[str, pl.DataType] = {
    "gene": _TEXT, "entrez": _TEXT, "chromosome": _TEXT, "start": pl.Int32(), "end": pl.Int32(), "reference": _TEXT, "allele": _TEXT,
    "classification": _TEXT, "variant_type": _TEXT, "sample": _TEXT, "protein_change": _TEXT, "source_row": pl.Int64(),
}  # fmt: skip


SUBSTITUTIONS = ("sample", "chromosome", "start", "reference", "allele")
"""Columns of what signatures are refitted to: changes of one base, each once in a sample, wherever they lie."""


def substitutions_of(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the changes of one base among rows with the columns of `SUBSTITUTIONS`, each once.

    Args:
        frame: Variants that passed.

    >>> rows = {"sample": ["S1"] * 3, "chromosome": ["1"] * 3, "start": [5, 5, 9], "reference": ["C", "c", "CA"], "allele": ["T", "T", "C"]}
    >>> substitutions_of(pl.DataFrame(rows)).height
    1
    """
    one = frame.select(SUBSTITUTIONS).with_columns(pl.col("reference", "allele").cast(pl.String()).str.to_uppercase())
    kept = one.filter(pl.col("reference").str.contains("^[ACGT]$") & pl.col("allele").str.contains("^[ACGT]$"))
    schema = pl.Schema({name: SCHEMA[name] for name in SUBSTITUTIONS})
    return kept.filter(pl.col("reference") != pl.col("allele")).unique(maintain_order=True).cast(schema)


def alike(frame: pl.DataFrame, columns: Sequence[str]) -> NDArray[np.bool_]:
    """Return which rows may be equal to another: those whose hash comes again. Of all others it is certain that none is.

    Args:
        frame: Rows, some of them texts as categories.
        columns: What makes rows equal.

    Returns:
        Shape (rows,).

    >>> alike(pl.DataFrame({"gene": ["KRAS", "TP53", "KRAS"]}), ["gene"]).tolist()
    [True, False, True]
    """
    marks = np.empty(frame.height, dtype=np.uint64)
    start = 0
    for part in frame.select(columns).iter_slices(_HASHED):
        marks[start : start + part.height] = part.select(pl.all().to_physical()).hash_rows().to_numpy()
        start += part.height
    ordered = np.sort(marks)
    again = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    return np.isin(marks, again, kind="sort") if again.size else np.zeros(len(marks), dtype=bool)


_HASHED = 200_000
"""Rows that are hashed at a time."""


LAST_POSITION = 2**31 - 1
"""No position is beyond it: VCF says so, and no human chromosome reaches a ninth of it."""


@dataclass(frozen=True)
class MutationData:
    """Variants of profiled samples.

    Attributes:
        variants: One row per variant and gene: the columns of `SCHEMA`.
        profiled: Every sample that was sequenced, those without a variant too; in order of name.
        panel: Genes the assay covers, or None for an exome or genome.
        notes: Ledger lines: what was left out and why, repeated variants merged, aliases renamed.
        renamed: Outdated symbols of the source and the approved symbols they became.
        panels: Panel of each sample, where samples of one file were sequenced with several; None where `panel` says it of all.
        substitutions: Changes of one base (`SUBSTITUTIONS`), where they were asked for.
        build: Genome of the positions (`hg19`, `hg38`), as the file says; empty where it does not.
        unknown: Pairs (sample, gene) of which a protein-changing variant may be there and may not: a genotype is missing.
    """

    variants: pl.DataFrame
    profiled: tuple[str, ...]
    panel: frozenset[str] | None = None
    notes: tuple[str, ...] = field(default=())
    renamed: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[tuple[str, str], ...] = ()
    panels: Panels | None = None
    substitutions: pl.DataFrame | None = None
    build: str = ""

    def nonsynonymous(self) -> pl.DataFrame:
        """Return the variants that change a protein; with a panel, those of its genes."""
        return self.covered(self.variants.filter(pl.col("classification").is_in(list(NONSYNONYMOUS))))

    def covered(self, variants: pl.DataFrame) -> pl.DataFrame:
        """Return those of some `variants` that lie in genes of the panel, where there is one."""
        if self.panels is not None:
            return self._on_panels(variants, self.panels)
        return variants if self.panel is None else variants.filter(pl.col("gene").is_in(sorted(self.panel)))

    @staticmethod
    def _on_panels(variants: pl.DataFrame, panels: Panels) -> pl.DataFrame:
        """Return the variants of genes that the panel of their sample covers."""
        pairs = [(name, gene) for name, panel in panels.covered.items() for gene in panel.genes]
        covered = pl.DataFrame(pairs, schema={"panel": pl.String(), "gene": _TEXT}, orient="row")
        told = variants.with_columns(
            pl.col("sample").replace_strict(dict(panels.of), default=None, return_dtype=pl.String()).alias("panel")
        )
        whole = told.filter(pl.col("panel") == "")
        on = told.filter(pl.col("panel") != "").join(covered, on=["panel", "gene"], how="semi")
        return pl.concat([whole, on]).drop("panel").sort("source_row")

    def burden(self) -> dict[str, int]:
        """Return the number of protein-changing variants of each sample that has one; a variant in two genes is one."""
        places = ["sample", "chromosome", "start", "end", "reference", "allele"]
        changing = self.nonsynonymous().select(places)
        may_repeat = alike(changing, places)
        once = changing.filter(~may_repeat).select("sample")
        others = changing.filter(may_repeat).unique().select("sample")
        return dict(pl.concat([once, others]).group_by("sample").len().iter_rows())


def on_panels(data: MutationData, panels: Panels) -> MutationData:
    """Return the data of the samples that have a panel; what others have is missing, and said.

    Args:
        data: Variants of profiled samples.
        panels: Panel of each sample, and what each covers.
    """
    kept = tuple(name for name in data.profiled if name in panels.of)
    mine = Panels({name: panels.of[name] for name in kept}, panels.covered)
    of_kept = data.variants.filter(pl.col("sample").is_in(kept))
    single = None if data.substitutions is None else data.substitutions.filter(pl.col("sample").is_in(kept))
    whole = replace(data, variants=of_kept, profiled=kept, panels=mine, substitutions=single)
    changing = of_kept.filter(pl.col("classification").is_in(list(NONSYNONYMOUS))).height
    used = sorted({name for name in mine.of.values() if name})
    unsized = sum(panels.covered[name].megabases is None for name in used)
    notes = [f"{len(used)} panels of {len(kept)} samples: genes off a sample's panel are missing in it"]
    for count, said in (
        (len(data.profiled) - len(kept), "samples without a panel are missing, not wild type"),
        (changing - whole.nonsynonymous().height, "protein-changing variants off the panel of their sample left out"),
        (unsized, "panels without a size: their samples have no burden"),
    ):
        notes += [f"{count} {said}"] if count else []
    return replace(whole, notes=(*data.notes, *notes), unknown=tuple(pair for pair in data.unknown if pair[0] in mine.of))


def without_variants(profiled: Sequence[str]) -> MutationData:
    """Return the data of the samples `profiled`, which were sequenced and have no variant in any file.

    >>> without_variants(["S2", "S1"]).profiled
    ('S1', 'S2')
    """
    none = pl.DataFrame(schema=SCHEMA)
    return MutationData(none, tuple(sorted(profiled)), substitutions=none.select(SUBSTITUTIONS))
