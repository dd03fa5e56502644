"""VCFs that are no somatic mutations with what they do to genes: germline calls, structural variants alone, no annotation."""

from __future__ import annotations

import re
from collections.abc import Sequence

from unibase.groundwork.problems import Unusable
from unibase.omics.reasons import GERMLINE_CALLS, NOT_ANNOTATED, OTHER_BUILD, UNKNOWN_WORD

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


_BY_GENOTYPE = frozenset(("WT", "HET", "HOM", "NC"))


def form_of_germline(cells: Sequence[str]) -> str:
    """Return what of a record callers of somatic variants do not write, in words; empty where there is nothing.

    Args:
        cells: Of the record.

    >>> form_of_germline(["1", "9", ".", "C", "T", ".", "PASS", "DP=9", "GT:PL", "0/1:9,0,9"])
    'has likelihoods of genotypes (PL)'
    """
    if len(cells) > 8 and not GENOTYPE_LIKELIHOODS.isdisjoint(cells[8].split(":")):
        return "has likelihoods of genotypes (PL)"
    info = {part.partition("=")[0] for part in cells[7].split(";")}
    return "counts samples by their genotypes (VarScan's WT, HET, HOM)" if info >= _BY_GENOTYPE else ""


def refuse_germline(lines: Sequence[str], told_apart: bool, form: str = "") -> None:
    """Refuse a VCF of a caller of germline variants, where nothing else names a tumour.

    Args:
        lines: Lines of the header that begin with ##.
        told_apart: Whether the file names a tumour, or holds a normal beside it: what the normal has is left out then.
        form: What records have that callers of germline variants alone write (`form_of_germline`).

    Raises:
        Unusable: `germline-calls`.

    >>> refuse_germline(["##source=Mutect2", "##GATKCommandLine=<ID=HaplotypeCaller>"], False)
    """
    counted = form.startswith("counts")
    if told_apart or (any(map(_SOMATIC.match, lines)) and not counted):
        return
    if not form and not any(map(_GERMLINE.match, lines)):
        return
    shown = form or "has a header that names such a caller"
    raise Unusable(
        GERMLINE_CALLS,
        f"The VCF is of a caller of germline variants, and names no tumour: it {shown}.",
        "Give the somatic calls. If these are somatic, add the line ##tumor_sample=NAME with the name of their column.",
    )


_OTHER_SPECIES = re.compile(
    r"(?i)^##(VEP|reference|SnpEffCmd|assembly).*(mus_musculus|GRCm\d|\bmm(9|10|39)\b|rattus_|canis_|danio_)"
)


def refuse_other_species(lines: Sequence[str]) -> None:
    """Refuse a VCF whose header names the genome of another species.

    Args:
        lines: Lines of the header that begin with ##.

    Raises:
        Unusable: `other-build`.

    >>> refuse_other_species(['##VEP="v110" species="homo_sapiens"', "##reference=GRCh38.fa"])
    """
    if any(map(_OTHER_SPECIES.match, lines)):
        raise Unusable(OTHER_BUILD, "The VCF's header names the genome of another species.", "Give variants of patients.")


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
