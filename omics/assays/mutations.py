"""Somatic mutations: MAF to a samples x genes table in which `not profiled` is missing, never wild type."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl

from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.genes import current_symbols
from unibase.omics.options import CAPTURE_MEGABASES, View
from unibase.omics.readers.counts import frame_of

if TYPE_CHECKING:
    from anndata import AnnData

NONSYNONYMOUS = frozenset(
    {
        "Frame_Shift_Del", "Frame_Shift_Ins", "Splice_Site", "Translation_Start_Site", "Nonsense_Mutation",
        "Nonstop_Mutation", "In_Frame_Del", "In_Frame_Ins", "Missense_Mutation",
    }
)  # fmt: skip
"""Variant classes that change the protein: the default of MAF summaries (the same nine classes as maftools)."""
TRUNCATING = frozenset(
    {"Frame_Shift_Del", "Frame_Shift_Ins", "Splice_Site", "Translation_Start_Site", "Nonsense_Mutation", "Nonstop_Mutation"}
)
_COLUMNS = {
    "gene": ("Hugo_Symbol",),
    "entrez": ("Entrez_Gene_Id",),
    "chromosome": ("Chromosome",),
    "start": ("Start_Position", "Start_position"),
    "end": ("End_Position", "End_position"),
    "reference": ("Reference_Allele",),
    "allele": ("Tumor_Seq_Allele2",),
    "classification": ("Variant_Classification",),
    "variant_type": ("Variant_Type",),
    "sample": ("Tumor_Sample_Barcode",),
    "protein_change": ("HGVSp_Short", "Protein_Change", "amino_acid_change", "AAChange"),
}
_REQUIRED = ("gene", "chromosome", "start", "classification", "sample")
_PROTEIN_POSITION = re.compile(r"^p?\.?([A-Z*])(\d+)")

VIEW = ":"
"""Between a gene and the view of it in the name of a feature."""


@dataclass(frozen=True)
class MutationData:
    """Variants of profiled samples.

    Attributes:
        variants: One row per variant: gene, entrez, chromosome, start, end, reference, allele, classification,
            variant_type, sample, protein_change, source_row.
        profiled: Every sample that was sequenced, those without a variant too; in order of name.
        panel: Genes the assay covers, or None for an exome or genome.
        notes: Ledger lines: repeated variants merged, aliases renamed.
        renamed: Outdated symbols of the source and the approved symbols they became.
    """

    variants: pl.DataFrame
    profiled: tuple[str, ...]
    panel: frozenset[str] | None = None
    notes: tuple[str, ...] = field(default=())
    renamed: Mapping[str, str] = field(default_factory=dict)

    def nonsynonymous(self) -> pl.DataFrame:
        """Return the variants that change the protein."""
        return self.variants.filter(pl.col("classification").is_in(list(NONSYNONYMOUS)))

    def gene_table(
        self,
        *,
        view: View = "gene",
        hotspots: Iterable[tuple[str, int]] = (),
        min_samples: int = 1,
        cohort: Sequence[str] | None = None,
        callable_megabases: float = CAPTURE_MEGABASES,
    ) -> AnnData:
        """Return samples x genes: 1 mutated, 0 profiled and wild type, NaN not profiled.

        Args:
            view: `gene`: any protein-changing variant; `truncating`: frame shift, splice site, start lost, stop
                gained or lost; `hotspot`: a variant at a position of `hotspots`.
            hotspots: Pairs (gene, position in the protein).
            min_samples: Genes mutated in fewer profiled samples are left out.
            cohort: All samples of the study; those not profiled get NaN. The profiled samples by default.
            callable_megabases: Size of the region in which a variant could have been found.

        `obs` holds `profiled`, `variants` (protein-changing) and `tmb` (protein-changing variants per megabase; NaN
        when not profiled).
        """
        import anndata

        chosen = self.nonsynonymous()
        counted = dict(chosen.group_by("sample").len().iter_rows())
        if view == "truncating":
            chosen = chosen.filter(pl.col("classification").is_in(list(TRUNCATING)))
        elif view == "hotspot":
            wanted = set(hotspots)
            positions = [_protein_position(change) for change in chosen["protein_change"].to_list()]
            chosen = chosen.filter(
                pl.Series(
                    [(gene, position) in wanted for gene, position in zip(chosen["gene"].to_list(), positions, strict=True)],
                    dtype=pl.Boolean,
                )
            )
        pairs = chosen.select("sample", "gene").unique()
        per_gene = pairs.group_by("gene").len().filter(pl.col("len") >= min_samples)
        genes = sorted(per_gene["gene"].to_list())
        if self.panel is not None:
            genes = [gene for gene in genes if gene in self.panel]
            if min_samples <= 0:
                genes = sorted(self.panel)
        profiled = set(self.profiled)
        names = sorted(profiled if cohort is None else profiled | set(cohort))
        row_of = {name: i for i, name in enumerate(names)}
        column_of = {gene: j for j, gene in enumerate(genes)}
        values = np.full((len(names), len(genes)), np.nan, dtype=np.float32)
        is_profiled = np.array([name in profiled for name in names], dtype=bool)
        values[is_profiled] = 0
        for sample, gene in pairs.iter_rows():
            if gene in column_of:
                values[row_of[sample], column_of[gene]] = 1
        number = np.array([counted.get(name, 0) if name in profiled else np.nan for name in names], dtype=np.float64)
        obs = pd.DataFrame(
            {"sample": names, "profiled": is_profiled, "variants": number, "tmb": number / callable_megabases},
            index=pd.Index(names, dtype=object),
        )
        var = pd.DataFrame(
            {"symbol": genes, "mutated_samples": [int(np.nansum(values[:, j])) for j in range(len(genes))]},
            index=pd.Index(genes, name="gene_id", dtype=object),
        )
        adata = anndata.AnnData(X=values, obs=obs, var=var)
        adata.uns["mutations"] = {"view": view, "min_samples": min_samples, "callable_megabases": callable_megabases}
        if self.panel is not None:
            adata.uns["mutations"]["panel"] = sorted(self.panel)
        return adata


def view_table(data: MutationData, views: Sequence[View], hotspots: Iterable[tuple[str, int]], megabases: float) -> AnnData:
    """Return the gene table, and beside each gene what the further views say of it, as features named `TP53:truncating`."""
    import anndata

    table = data.gene_table(callable_megabases=megabases)
    parts = [table]
    for view in views:
        if view != "gene":
            part = data.gene_table(view=view, hotspots=hotspots)
            part.var["symbol"] = [f"{gene}{VIEW}{view}" for gene in part.var["symbol"]]
            part.var_names = [f"{gene}{VIEW}{view}" for gene in part.var_names]
            parts.append(part)
    if len(parts) == 1:
        return table
    joined = anndata.concat(parts, axis="var")
    joined.obs, joined.uns = table.obs, table.uns
    return joined


def read_profiled(path: Path | str) -> tuple[str, ...]:
    """Read the list of sequenced samples: one per line, or the column `sample` of a table."""
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no list of profiled samples at {path}. Check the path in the study file.")
    lines = [
        line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip() and not line.startswith("#")
    ]
    cells = [re.split(r"[\t,;]", line) for line in lines]
    header = [cell.lower().strip('"') for cell in cells[0]] if cells else []
    column = next((i for i, name in enumerate(header) if name in ("sample", "tumor_sample_barcode", "sample_id")), None)
    rows = cells if column is None else cells[1:]
    return tuple(sorted({row[column or 0].strip('" ') for row in rows}))


def read_maf(
    path: Path | str,
    profiled: Path | str | Sequence[str] | None = None,
    panel: Path | str | None = None,
    *,
    rename_aliases: bool = True,
) -> MutationData:
    """Read a MAF (plain or gzip).

    Args:
        path: Tab-separated, with Hugo_Symbol, Chromosome, Start_Position, Variant_Classification and
            Tumor_Sample_Barcode at least.
        profiled: Names of all sequenced samples, or a file of them. Without it, only samples with a variant are known
            to be profiled, and `notes` says so.
        panel: File of the genes the assay covers, one per line.
        rename_aliases: Replace outdated symbols by approved ones, so that one gene has one name (MLL2 is KMT2D).

    Rows repeated with the same gene, position, alleles and sample are one variant. Variants of samples that the list of
    profiled samples does not have are an error of the list: they are added to it, and `notes` counts them.

    Raises:
        Unusable: `not-a-maf`, `truncated-file`.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no MAF at {path}. Check the path in the study file.")
    try:
        with gzip.open(path, "rt", encoding="utf-8-sig") if path.suffix == ".gz" else path.open(encoding="utf-8-sig") as file:
            lines = [line for line in file if line.strip() and not line.startswith("#")]
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise Unusable(
            "truncated-file", f"The MAF cannot be read to its end ({type(error).__name__}).", "Copy it again."
        ) from None
    if not lines:
        raise Unusable("not-a-maf", "The MAF has no header line.", "Give a file with MAF columns.")
    header = lines[0].rstrip("\r\n").split("\t")
    where = {name: next((header.index(title) for title in titles if title in header), None) for name, titles in _COLUMNS.items()}
    missing = [_COLUMNS[name][0] for name in _REQUIRED if where[name] is None]
    if missing:
        raise Unusable("not-a-maf", f"The MAF lacks the column {', '.join(missing)}.", "Give a file with MAF columns.")
    rows = [line.rstrip("\r\n").split("\t") for line in lines[1:]]
    short = next(
        (
            i
            for i, row in enumerate(rows)
            if len(row) < len(header) and len(row) <= max(w for w in where.values() if w is not None)
        ),
        None,
    )
    if short is not None:
        raise Unusable("truncated-file", f"Row {short + 1} of the MAF has fewer cells than the header.", "Copy it again.")
    data: dict[str, list[object]] = {
        name: [None if at is None else row[at].strip() or None for row in rows] for name, at in where.items()
    }
    for name in ("start", "end"):
        data[name] = [_integer(value, name, i) for i, value in enumerate(data[name])]
    schema: dict[str, pl.DataType] = {name: pl.Int64() if name in ("start", "end") else pl.String() for name in _COLUMNS}
    variants = pl.DataFrame(data, schema=schema).with_columns(
        pl.Series("source_row", np.arange(1, len(rows) + 1), dtype=pl.Int64)
    )
    notes = []
    distinct = variants.unique(
        subset=["gene", "chromosome", "start", "end", "reference", "allele", "classification", "sample"],
        keep="first",
        maintain_order=True,
    )
    if distinct.height < variants.height:
        notes.append(f"{variants.height - distinct.height} repeated variants merged")
    renamed = current_symbols(distinct["gene"].to_list()) if rename_aliases else {}
    if renamed:
        distinct = distinct.with_columns(pl.col("gene").replace(renamed))
        notes.append(f"{len(renamed)} outdated gene symbols replaced")
    carriers = set(distinct["sample"].to_list())
    if profiled is None:
        names = carriers
        notes.append("no list of profiled samples: only samples with a variant count as profiled")
    else:
        listed = set(read_profiled(profiled) if isinstance(profiled, str | Path) else profiled)
        names = listed | carriers
        if carriers - listed:
            notes.append(f"{len(carriers - listed)} samples with variants were not on the list of profiled samples")
    genes = None if panel is None else read_panel(panel, rename_aliases=rename_aliases)
    return MutationData(distinct, tuple(sorted(names)), genes, tuple(notes), renamed)


def read_panel(path: Path | str, *, rename_aliases: bool = True) -> frozenset[str]:
    """Read the genes that an assay covers, one a line; outdated symbols become approved ones.

    Raises:
        UserError: If there is nothing at `path`, or no gene in it.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no list of the panel's genes at {path}. Check the path in the study file.")
    genes = frozenset(path.read_text(encoding="utf-8-sig").split())
    if not genes:
        raise UserError(f"The list of the panel's genes {path} is empty. Write one gene a line, or leave the key out.")
    outdated = current_symbols(genes) if rename_aliases else {}
    return frozenset(outdated.get(gene, gene) for gene in genes)


def read_hotspots(path: Path | str) -> frozenset[tuple[str, int]]:
    """Read hotspots: a table (CSV, TSV) with the columns `gene` and `position`, the place in the protein.

    Raises:
        UserError: If there is nothing at `path`, a column is missing, or a position is no whole number; names the row.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no table of hotspots at {path}. Check the path in the study file.")
    lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip() and not line.startswith("#")]
    rows = [[cell.strip().strip('"') for cell in re.split(r"[\t,;]", line)] for line in lines]
    titles = rows[0] if rows else []
    if "gene" not in titles or "position" not in titles:
        raise UserError(f"The table of hotspots {path} lacks gene or position. It needs both columns, as in: KRAS,12")
    found: set[tuple[str, int]] = set()
    for number, row in enumerate(rows[1:], start=1):
        cells = dict(zip(titles, row, strict=False))
        gene, position = cells.get("gene", ""), cells.get("position", "")
        if not gene or not position.isdecimal():
            raise UserError(f"Row {number} of {path} has no gene, or no whole number as its position. Mend it.")
        found.add((gene, int(position)))
    outdated = current_symbols([gene for gene, _ in found])
    return frozenset((outdated.get(gene) or gene, position) for gene, position in found)


def _integer(value: object, name: str, row: int) -> int | None:
    if value is None:
        return None
    try:
        return int(str(value))
    except ValueError:
        raise Unusable(
            "not-a-number", f"Row {row + 1} of the MAF has no whole number as its {name} position.", "Correct the row."
        ) from None


def _protein_position(change: str | None) -> int | None:
    match = _PROTEIN_POSITION.match(change) if change else None
    return int(match.group(2)) if match else None


def without_variants(profiled: Sequence[str]) -> MutationData:
    """Return the data of samples that were sequenced and have no variant in any file."""
    schema: dict[str, pl.DataType] = {name: pl.Int64() if name in ("start", "end") else pl.String() for name in _COLUMNS}
    variants = pl.DataFrame(schema={**schema, "source_row": pl.Int64()})
    return MutationData(variants, tuple(sorted(profiled)))


def combine_tables(tables: Sequence[AnnData]) -> AnnData:
    """Put gene tables of several centres side by side.

    A gene that no sample of one centre has mutated is wild type (0) in its profiled samples and NaN in the others: a
    gene table lists only genes with a variant, so a missing column says that nobody had one. A gene outside the panel
    that a centre gave to `read_maf` is NaN for all its samples.

    Returns:
        Samples x genes, samples and genes in order of name; `obs` as the tables have it.
    """
    import anndata

    genes = sorted(set().union(*(set(map(str, table.var_names)) for table in tables)))
    column_of = {gene: j for j, gene in enumerate(genes)}
    blocks = []
    for table in tables:
        profiled = table.obs["profiled"].to_numpy(dtype=bool)[:, None]
        block = np.where(profiled, np.zeros((table.n_obs, len(genes))), np.nan).astype(np.float32)
        panel = dict(table.uns.get("mutations", {})).get("panel")
        if panel is not None:
            covered = set(map(str, panel))
            block[:, [j for j, gene in enumerate(genes) if gene.partition(VIEW)[0] not in covered]] = np.nan
        block[:, [column_of[str(gene)] for gene in table.var_names]] = np.asarray(table.X, dtype=np.float32)
        blocks.append(block)
    values = np.concatenate(blocks)
    obs = pd.concat([frame_of(table.obs) for table in tables])
    var = pd.DataFrame({"symbol": genes}, index=pd.Index(genes, name="gene_id", dtype=object))
    combined = anndata.AnnData(X=values, obs=obs, var=var)
    return combined[np.argsort(np.asarray(obs.index, dtype=str), kind="stable")].copy()
