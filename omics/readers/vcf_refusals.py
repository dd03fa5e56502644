"""VCFs that are no somatic mutations with what they do to genes: germline calls, structural variants alone, no annotation."""

from __future__ import annotations

import re
from collections.abc import Sequence

from unibase.groundwork.problems import Unusable
from unibase.omics.reasons import GERMLINE_CALLS, NOT_ANNOTATED, UNKNOWN_WORD

_GERMLINE = re.compile(
    r"^##(source=.*(HaplotypeCaller|UnifiedGenotyper|GenotypeGVCFs|freeBayes|Platypus|DeepVariant|Clair|Longshot)|GATKCommandLine(=<ID=|\.)(HaplotypeCaller|"
    r"UnifiedGenotyper|GenotypeGVCFs)|SentieonCommandLine\.Haplotyper|DeepVariant_version|GVCFBlock|bcftools_callCommand|content=strelka germline)",
    re.IGNORECASE,
)
"""Lines that programs write which call what a person was born with. freeBayes calls tumours with an option of its own."""
_SOMATIC = re.compile(
    r"^##(source=.*(mutect|vardict|varscan|strelka|lofreq|muse|somaticsniper|caveman|pindel|octopus.*cancer)|"
    r"GATKCommandLine(=<ID=|\.)MuTect|SentieonCommandLine\.TN|content=strelka somatic|.*--pooled-(continuous|discrete))",
    re.IGNORECASE,
)
GENOTYPE_LIKELIHOODS = frozenset(("PL", "GL", "GP"))
"""Parts of FORMAT that callers of somatic variants do not write."""
_FEWEST = 20
"""A file with so many records of which none passed has other words for it."""


def refuse_germline(lines: Sequence[str], told_apart: bool, likelihoods: bool = False) -> None:
    """Refuse a VCF of a caller of germline variants, where nothing else names a tumour.

    Args:
        lines: Lines of the header that begin with ##.
        told_apart: Whether the file names a tumour, or holds a normal beside it: what the normal has is left out then.
        likelihoods: Whether records give likelihoods of genotypes (`GENOTYPE_LIKELIHOODS`), as callers of germline variants alone do.

    Raises:
        Unusable: `germline-calls`.

    >>> refuse_germline(["##source=Mutect2", "##GATKCommandLine=<ID=HaplotypeCaller>"], False)
    """
    if told_apart or any(map(_SOMATIC.match, lines)):
        return
    if not likelihoods and not any(map(_GERMLINE.match, lines)):
        return
    shown = "has likelihoods of genotypes (PL)" if likelihoods else "has a header that names such a caller"
    raise Unusable(
        GERMLINE_CALLS,
        f"The VCF is of a caller of germline variants, and names no tumour: it {shown}.",
        "Give the somatic calls. If these are somatic, add the line ##tumor_sample=NAME with the name of their column.",
    )


def refuse_what_says_nothing(records: int, passed: int, annotated: int, structural: int, fails: bool) -> None:
    """Refuse a VCF from which nobody can tell who is mutated: its samples would pass for wild type.

    Args:
        records: Records of the file.
        passed: Those whose FILTER passed.
        annotated: Alleles that bear an annotation.
        structural: Structural or symbolic alleles, whose annotation is not looked at.
        fails: Whether a word of FILTER is declared, or known to say that a record failed.

    Raises:
        Unusable: `not-annotated`, `unknown-word`.
    """
    if passed and not annotated:
        if structural >= passed:
            raise Unusable(
                NOT_ANNOTATED,
                "Every variant of the VCF is structural (<DEL>, BND): none is a mutation of a gene.",
                "Give the file as the assay rearrangements, and the VCF of small variants as mutations.",
            )
        raise Unusable(
            NOT_ANNOTATED,
            "The VCF has neither CSQ nor ANN.",
            "Annotate it with VEP or SnpEff, or give a MAF (Funcotator: --output-file-format MAF).",
        )
    if records and not passed and (records >= _FEWEST or not fails):
        raise Unusable(UNKNOWN_WORD, "No record of the VCF passed its FILTER.", "Look whether the column holds PASS.")
