"""Variants of a matrix as a release may hold them: GDC's columns, in words and forms that are checked, and nothing else of the source.

Cells of a MAF are free text. What leaves here is a number, a word of a list, bases, or a change of a protein in HGVS's form.
"""

from __future__ import annotations

import polars as pl

from unibase.groundwork.tables import MAF
from unibase.omics.genes import ENSEMBL, gene_table
from unibase.omics.readers.variants import MutationData

_BUILD = {"hg19": "GRCh37", "hg38": "GRCh38"}
_CHROMOSOME = r"^(?:[1-9]|1[0-9]|2[0-2]|X|Y|M|MT)$"
_BASES = r"^(?:[ACGTN]+|-)$"
_PROTEIN = r"^p\.\(?(?:[A-Z*]|[A-Z][a-z]{2})[0-9]{1,5}(?:_(?:[A-Z*]|[A-Z][a-z]{2})[0-9]{1,5})?(?:[A-Z]|[A-Z][a-z]{2}|\*|Ter|fs|del|ins|dup|ext|delins|splice|[0-9?=_-])*\)?$"


def released_maf(data: MutationData) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Return the variants of `data` as rows of `MAF`, by the samples' own names in Tumor_Sample_Barcode; and what is said of them.

    Off-panel variants and structural ones are left out. So are rows of genes that nobody knows, of a place that is not on a chromosome,
    and of alleles that are no bases. A protein change in another form than HGVS's is left empty.
    """
    rows = data.covered(data.variants.filter(pl.col("classification") != "structural"))
    texts = [name for name, kind in rows.schema.items() if kind == pl.Categorical]
    rows = rows.with_columns(pl.col(texts).cast(pl.String())).with_columns(
        pl.col("reference", "allele").str.to_uppercase().fill_null(""), pl.col("chromosome").str.to_uppercase()
    )
    placed = (
        pl.col("chromosome").str.contains(_CHROMOSOME)
        & pl.col("reference").str.contains(_BASES)
        & pl.col("allele").str.contains(_BASES)
        & pl.col("gene").is_in(_known(rows["gene"]))
    ).fill_null(False)
    kept = rows.filter(placed)
    changes = pl.col("protein_change")
    told = kept.select(
        subject_id=pl.lit(0, pl.Int64()),
        Tumor_Sample_Barcode="sample",
        Hugo_Symbol="gene",
        Entrez_Gene_Id=pl.Series(_numbers(kept["gene"]), dtype=pl.Int64()),
        NCBI_Build=pl.lit(_BUILD.get(data.build), pl.String()),
        Chromosome="chromosome",
        Start_Position=pl.col("start").cast(pl.Int64()),
        End_Position=pl.coalesce("end", _end()).cast(pl.Int64()),
        Variant_Classification="classification",
        Variant_Type=_type(),
        Reference_Allele="reference",
        Tumor_Seq_Allele2="allele",
        HGVSp_Short=pl.when(changes.str.contains(_PROTEIN)).then(changes),
        Mutation_Status=pl.lit("Somatic"),
    )
    lost = rows.height - kept.height
    said = (
        (f"{lost} variants left out of the MAF that is released: no known gene, no place on a chromosome, or no bases",)
        if lost
        else ()
    )
    return MAF.conform(told.unique(maintain_order=True)), said


def _known(genes: pl.Series) -> list[str]:
    """Return the names of genes that the table of genes or Ensembl's form tells: another could be any word."""
    table = gene_table()
    names = genes.unique().drop_nulls().to_list()
    return [name for name in names if ENSEMBL.match(name) or table.match(name).gene is not None]


def _end() -> pl.Expr:
    """Return the last base by the alleles; an insertion lies between two bases."""
    inserted = pl.col("reference") == "-"
    return pl.col("start") + pl.when(inserted).then(1).otherwise(pl.col("reference").str.len_bytes().cast(pl.Int64()) - 1)


def _numbers(genes: pl.Series) -> list[int | None]:
    """Return the NCBI number of each gene; the source's own number is not taken, for it may contradict the symbol."""
    table = gene_table()
    known = {name: table.match(name).gene for name in genes.unique().to_list()}
    numbers = {name: int(gene.entrez) if gene is not None and gene.entrez else None for name, gene in known.items()}
    return [numbers[name] for name in genes]


def _type() -> pl.Expr:
    """Return the kind of a variant by its alleles, in MAF's words."""
    reference, allele = (
        pl.when(pl.col(name) == "-").then(0).otherwise(pl.col(name).str.len_bytes()) for name in ("reference", "allele")
    )
    alike = (
        pl.when(reference == 1)
        .then(pl.lit("SNP"))
        .when(reference == 2)
        .then(pl.lit("DNP"))
        .when(reference == 3)
        .then(pl.lit("TNP"))
    )
    return (
        pl.when(reference < allele)
        .then(pl.lit("INS"))
        .when(reference > allele)
        .then(pl.lit("DEL"))
        .otherwise(alike.otherwise(pl.lit("ONP")))
    )
