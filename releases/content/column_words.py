"""The words of columns that every release has: of the house, of MEDS and of CDISC ADaM, and of the annotations of a modality."""

from __future__ import annotations

from functools import cache

from unibase.releases.tables import BY_NAME, LABELS

TEXT_FIELDS = ("label", "type", "unit", "codes", "derivation", "source")

SOURCES = {"timeline": "MEDS 0.4.1", "adtte": "CDISC ADaM ADTTE", "adrs": "CDISC ADaM ADRS", "bds": "CDISC ADaM BDS"}
"""Whose words the columns of a table have, where they are not ours."""

_MODALITY = {
    "subject_id": ("Subject", "Keyed pseudonym of the person, as text: the row of the subject in every modality."),
    "sample": ("Sample", "Keyed pseudonym of the sample chosen for the subject: `colname` of the sample map."),
    "centre": ("Centre", "Name of the centre, as in the study file."),
    "sample_time": ("Time of the sample", "Shifted date of collection, ISO 8601 text."),
    "sample_type": ("Sample type", "tumour, normal, metastasis or empty."),
    "status": ("Status of the sample", "used, or quarantined."),
    "reason": ("Reason", "Why the sample is quarantined; empty when used."),
    "library_size": ("Library size", "Sum of the counts of the sample."),
    "norm_factor": ("Normalisation factor", "Factor of the library size, as the method of the assay gives it."),
    "size_factor": ("Size factor", "What the counts of the sample are divided by."),
    "in_fit": ("In the fit", "Whether the frozen model was learned on this sample too, or only applied to it."),
    "profiled": ("Profiled", "Whether the sample was sequenced."),
    "variants": ("Variants", "Number of variants counted for the mutational burden."),
    "tmb": ("Tumour mutational burden", "Variants per callable megabase."),
    "panel": ("Gene panel", "Panel that the sample was sequenced with; empty for an exome or genome."),
    "events": (
        "Rearrangements",
        "Events with a gene of the panel, each pair of genes once; missing where the sample was not looked at.",
    ),
    "ploidy": ("Ploidy", "Mean copies over the profiled autosomal bases."),
    "loh": ("Fraction with loss of heterozygosity", "Share of the profiled autosomal bases of which one allele alone is left."),
    "hrd_loh": ("HRD-LOH", "Regions of lost heterozygosity above 15 Mb, whole chromosomes left out."),
    "hrd_tai": ("Telomeric allelic imbalances", "Ends of chromosomes in allelic imbalance up to before the centromere."),
    "hrd_lst": ("Large-scale transitions", "Breaks between pieces of 10 Mb and more within an arm."),
    "hrd_sum": ("HRD sum", "HRD-LOH, telomeric allelic imbalances and large-scale transitions together."),
    "fraction_altered": ("Fraction of the genome altered", "Share of the profiled autosomal bases in altered segments."),
    "segments": ("Segments", "Number of segments on the autosomes."),
    "symbol": ("Gene symbol", "Symbol of the gene, as the source names it."),
    "chromosome": ("Chromosome", "Chromosome of the probe, as the table of probes says; empty where it does not."),
    "cell_type": ("Cell type", "Type of the cells that the feature was summed over."),
    "cells": ("Cells", "Cells of the sample, in the types with enough of them."),
    "length": ("Gene length", "Length of the gene in bases, as the source gives it."),
    "gene_id_source": ("Gene identifier of the source", "Identifier with its version, as the source writes it."),
    "mutated_samples": (
        "Mutated samples",
        "Samples of the whole assay, before the cohort was chosen, in which the gene is mutated.",
    ),
    "icc_2_1": ("Agreement over perturbations", "ICC(2,1) of the feature over perturbed copies; NaN when it was not measured."),
    "icc_2_1_low": ("Agreement, lower limit", "Lower end of the 95 % confidence interval of icc_2_1."),
    "stable": ("Stable", "Whether icc_2_1_low reaches the least value that the settings ask for; false when not measured."),
    "series_time": ("Time of the image", "Shifted date and time of the image, ISO 8601 text."),
    "layers/combat": (
        "Harmonised values",
        "X after ComBat, as harmonisation in the manifest says; NaN where a subject or variable was left out.",
    ),
    "layers/beta": ("Beta values", "Share of methylated molecules at the probe, 0 to 1, that X was made from."),
    "layers/counts": ("Counts", "Whole counts that X was made from."),
    "layers/weights": ("Weights", "Precision weights of voom."),
}


@cache
def house(table: str) -> dict[str, dict[str, str]]:
    """Return the words of the columns that the house or a standard defines, for one table; none for an unknown one.

    Args:
        table: Name of the table, such as `adtte`.
    """
    declared = BY_NAME.get(table)
    labels = LABELS.get(table, {})
    return {
        column.name: {
            **dict.fromkeys(TEXT_FIELDS, ""),
            "label": labels.get(column.name, column.name.replace("_", " ")),
            "unit": column.unit,
            "derivation": column.text,
            "source": SOURCES.get(table, "unibase"),
        }
        for column in (declared.columns if declared else ())
    }


def of_value(assay: str, variable: str) -> dict[str, str]:
    """Return the words of a variable of an assay that no piece describes."""
    # One sentence holds for all variables of an assay; where the settings say more, the settings are in the manifest.
    return {
        **dict.fromkeys(TEXT_FIELDS, ""),
        "label": variable,
        "type": "float",
        "derivation": f"Value of {variable} in the assay {assay}, prepared as settings, assays, {assay} of the manifest say.",
        "source": f"assay {assay}",
    }


SCORES = ("ssgsea_", "ulm_", "centroid_")
"""How the names of scores of gene sets and of centroids begin, behind that of their assay."""
REFITTED = "signature_"
"""How the names of refitted mutational signatures begin."""
_TABLES = {**dict.fromkeys(("AVAL", "AVAL_MIN", "AVAL_MAX", "CNSR", "ENTRY"), "adtte"), "AVALC": "adrs"}
"""Table of each kind of column `<PARAMCD>_<kind>` of `obs`."""


def of_annotation(column: str) -> dict[str, str] | None:
    """Return the words of a column of obs or var, or of a layer; None where there are none."""
    if found := next((kind for kind in _TABLES if column.removesuffix(f"_{kind}") not in ("", column)), None):
        label, text = _of_parameter(_TABLES[found], column.removesuffix(f"_{found}"), found)
    elif column in _MODALITY:
        label, text = _MODALITY[column]
    elif column.startswith(SCORES):
        kind = "Likeness to the centroid" if column.startswith("centroid_") else "Score of the gene set"
        label, text = column, f"{kind} {column.partition('_')[2]}, as the column of the table analysis has it."
    elif column.startswith(REFITTED):
        name = column.removeprefix(REFITTED)
        cosine = "Cosine of the spectrum of substitutions and what all signatures explain of it."
        label, text = column, cosine if name == "cosine" else f"Substitutions of the sample that the signature {name} explains."
    else:
        return None
    return {**dict.fromkeys(TEXT_FIELDS, ""), "label": label, "derivation": text, "source": "unibase"}


@cache
def _of_parameter(table: str, code: str, kind: str) -> tuple[str, str]:
    """Return label and words of a column of `obs` that holds one parameter of an ADaM table."""
    words = next(column.text for column in BY_NAME[table].columns if column.name == kind)
    return f"{code} {LABELS[table][kind].lower()}", f"{kind} of {code} in the table {table}. {words}"
