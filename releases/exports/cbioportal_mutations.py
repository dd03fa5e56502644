"""Somatic variants of a release as cBioPortal's MAF, of one genome, with the list of the samples that were sequenced.

Source of the rules: cBioPortal, File Formats (mutation data, case lists): the genome of the rows is that of the study.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from unibase.groundwork.files import write_text
from unibase.groundwork.tables import MAF
from unibase.releases.exports.cbioportal_files import sample_name, write_meta

_GENOMES = {"GRCh37": "hg19", "GRCh38": "hg38"}
_LEFT = ("subject_id", "Tumor_Sample_Barcode")


def released_variants(release: Path) -> pl.DataFrame | None:
    """Return the variants of a `release`, as `MAF`; None where it holds none."""
    path = release / "tables" / f"{MAF.name}.parquet"
    return pl.read_parquet(path) if path.is_file() else None


def genome_of(variants: pl.DataFrame | None) -> str | None:
    """Return the genome that most `variants` are placed in, as cBioPortal calls it; None where no row says one.

    >>> genome_of(pl.DataFrame({"NCBI_Build": ["GRCh37", None]}))
    'hg19'
    """
    told = pl.Series([], dtype=pl.String()) if variants is None else variants["NCBI_Build"].drop_nulls()
    return _GENOMES.get(str(told.mode().sort()[0])) if told.len() else None


def write_mutations(folder: Path, study: str, variants: pl.DataFrame, genome: str, sequenced: Sequence[str]) -> None:
    """Write the MAF, its meta file and the list of sequenced samples.

    Args:
        folder: Of the study.
        study: Its identifier.
        variants: As `MAF`. Rows without a place, or of another genome, are left out, and the profile's description counts them.
        genome: Of the study.
        sequenced: Subjects whose tumour was sequenced.
    """
    here = (pl.col("NCBI_Build").replace_strict(_GENOMES, default=None) == genome) & pl.col("Start_Position").is_not_null()
    told = variants.filter(here.fill_null(False))
    samples = pl.Series("Tumor_Sample_Barcode", [sample_name(subject) for subject in told["subject_id"]], dtype=pl.String())
    rows = told.drop(_LEFT).with_columns(samples).unique(maintain_order=True)
    first = ("Hugo_Symbol", "Entrez_Gene_Id")
    ordered = rows.select(*first, *(name for name in rows.columns if name not in first))
    write_text(folder / "data_mutations.txt", ordered.write_csv(separator="\t", quote_style="never", null_value=""))
    left = variants.height - told.height
    write_meta(
        folder / "meta_mutations.txt",
        cancer_study_identifier=study,
        genetic_alteration_type="MUTATION_EXTENDED",
        datatype="MAF",
        stable_id="mutations",
        show_profile_in_analysis_tab="true",
        profile_name="Mutations",
        profile_description=f"Somatic variants; {left} rows without a place that may be told, or of no known genome, are in mutated genes alone.",
        data_filename="data_mutations.txt",
    )
    (folder / "case_lists").mkdir(exist_ok=True)
    write_meta(
        folder / "case_lists" / "cases_sequenced.txt",
        cancer_study_identifier=study,
        stable_id=f"{study}_sequenced",
        case_list_name="Samples with mutation data",
        case_list_description=f"Sequenced samples ({len(sequenced)})",
        case_list_category="all_cases_with_mutation_data",
        case_list_ids="\t".join(map(sample_name, sequenced)),
    )
