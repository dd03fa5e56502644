"""The somatic variants of a release, in GDC's columns: `tables/maf`, and `mutations.maf` as maftools and cBioPortal read it."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from unibase.groundwork.files import atomic_file
from unibase.groundwork.tables import MAF
from unibase.releases.content.inputs import ReleaseInputs

FILE = "mutations.maf"
PLACE = ("Chromosome", "Start_Position", "End_Position", "Variant_Type", "Reference_Allele", "Tumor_Seq_Allele2", "HGVSp_Short")
"""What tells one variant of a gene and a class from another."""


def leaving_maf(inputs: ReleaseInputs, subjects: pl.Series) -> pl.DataFrame | None:
    """Return the variants that leave: of used samples of `subjects`, and of rare ones gene and class alone unless all may leave.

    A variant is rare that fewer than `min_cell` of the released subjects share. Rows are in an order that tells nothing of a place.

    Args:
        inputs: Of the release.
        subjects: Who is released.
    """
    if inputs.maf is None:
        return None
    used = inputs.sample_map.filter((pl.col("assay") == "mutations") & (pl.col("status") == "used"))["colname"]
    rows = inputs.maf.filter(
        pl.col("subject_id").is_in(subjects.implode()) & pl.col("Tumor_Sample_Barcode").is_in(used.implode())
    )
    if not inputs.maf_places:
        variant = (
            "Hugo_Symbol",
            "NCBI_Build",
            "Chromosome",
            "Start_Position",
            "End_Position",
            "Reference_Allele",
            "Tumor_Seq_Allele2",
        )
        shared = pl.col("subject_id").n_unique().over(variant) >= inputs.min_cell
        rows = rows.with_columns(pl.when(shared).then(pl.col(name)).alias(name) for name in PLACE)
    return rows.sort(list(MAF.schema()), nulls_last=True)


def write_maf(folder: Path) -> None:
    """Write the variants whose place is told as a MAF, with the line of sequenced samples, where the release has the table.

    Args:
        folder: Of the release; its tables are written.
    """
    path = folder / "tables" / f"{MAF.name}.parquet"
    if not path.is_file():
        return
    rows = pl.read_parquet(path).drop("subject_id").drop_nulls("Start_Position")
    samples = pl.read_parquet(folder / "tables" / "sample_map.parquet").filter(
        (pl.col("assay") == "mutations") & (pl.col("status") == "used")
    )
    head = f"#version 2.4\n#sequenced_samples: {' '.join(samples['colname'].sort().to_list())}\n"
    gdc = ("Hugo_Symbol", "Entrez_Gene_Id", *(name for name in rows.columns if name not in ("Hugo_Symbol", "Entrez_Gene_Id")))
    with atomic_file(folder / FILE) as temporary:
        body = rows.select(gdc).write_csv(separator="\t", quote_style="never", null_value="")
        temporary.write_text(head + body, encoding="utf-8", newline="\n")
