"""Words for what a variant does to a gene, of every dialect, and the MAF class that each stands for.

Sources: the MAF specification of the GDC; Oncotator's older words; Ensembl's and SnpEff's terms of the Sequence Ontology, to MAF
classes as vcf2maf maps them; ANNOVAR's words. `CLASS_OF` is the specification: a word that it lacks is refused, never wild type.
"""

from __future__ import annotations

import re

from unibase.omics.recognise.names import plain

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
BY_LENGTH, BY_FRAME = "frame shift, by the alleles", "insertion or deletion, by the alleles"

_WORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    # Class, and its words; the order is that of severity.
    ("Splice_Site", ("Splice_Site", "Splice_Site_SNP", "Splice_Site_Ins", "Splice_Site_Del", "splice_acceptor_variant", "splice_donor_variant",
                     "transcript_ablation", "exon_loss_variant", "splicing", "exonic;splicing", "splice site", "essential_splice_site")),
    ("Nonsense_Mutation", ("Nonsense_Mutation", "Nonsense", "stop_gained", "stopgain", "stopgain SNV", "stop_gain")),
    ("Frame_Shift_Del", ("Frame_Shift_Del", "frameshift deletion")),
    ("Frame_Shift_Ins", ("Frame_Shift_Ins", "frameshift insertion")),
    (BY_LENGTH, ("frameshift_variant", "frameshift substitution", "frameshift block substitution", "Frame_Shift", "frameshift", "frameshift_elongation",
                 "frameshift_truncation")),
    ("Nonstop_Mutation", ("Nonstop_Mutation", "Stop_Codon_Del", "Stop_Codon_Ins", "stop_lost", "stoploss", "stoploss SNV", "stop_loss", "Readthrough")),
    ("Translation_Start_Site", ("Translation_Start_Site", "Start_Codon_SNP", "Start_Codon_Del", "Start_Codon_Ins", "start_lost", "initiator_codon_variant",
                                "startloss", "start_loss")),
    ("In_Frame_Ins", ("In_Frame_Ins", "inframe_insertion", "conservative_inframe_insertion", "disruptive_inframe_insertion", "nonframeshift insertion")),
    ("In_Frame_Del", ("In_Frame_Del", "inframe_deletion", "conservative_inframe_deletion", "disruptive_inframe_deletion", "nonframeshift deletion")),
    (BY_FRAME, ("nonframeshift substitution", "nonframeshift block substitution", "protein_altering_variant", "inframe_indel", "In_Frame_Indel")),
    ("Missense_Mutation", ("Missense_Mutation", "Missense", "missense_variant", "conservative_missense_variant", "rare_amino_acid_variant",
                           "coding_sequence_variant", "nonsynonymous SNV", "nonsynonymous", "non_synonymous_codon")),
    ("Silent", ("Silent", "Synonymous", "synonymous_variant", "stop_retained_variant", "start_retained_variant", "start_retained", "synonymous SNV",
                "incomplete_terminal_codon_variant", "NMD_transcript_variant", "initiator_codon_retained")),
    ("Splice_Region", ("Splice_Region", "splice_region_variant", "splice_donor_5th_base_variant", "splice_donor_region_variant",
                       "splice_polypyrimidine_tract_variant", "extended_intronic_splice_region_variant")),
    ("5'UTR", ("5'UTR", "5UTR", "UTR5", "5_prime_UTR_variant", "5_prime_UTR_premature_start_codon_gain_variant", "5_prime_UTR_truncation",
               "De_novo_Start_InFrame", "De_novo_Start_OutOfFrame", "de_novo_start", "startgain", "UTR5;UTR3")),
    ("3'UTR", ("3'UTR", "3UTR", "UTR3", "3_prime_UTR_variant", "3_prime_UTR_truncation")),
    ("RNA", ("RNA", "lincRNA", "ncRNA", "ncRNA_exonic", "ncRNA_intronic", "ncRNA_splicing", "mature_miRNA_variant", "exon_variant",
             "non_coding_exon_variant", "non_coding_transcript_exon_variant", "non_coding_transcript_variant", "nc_transcript_variant",
             "Non-coding_Transcript", "miRNA", "non_coding_transcript_splice_region_variant")),
    ("Intron", ("Intron", "Intronic", "intron_variant", "transcript_amplification", "intragenic_variant", "conserved_intron_variant",
                "coding_transcript_variant", "intragenic")),
    ("5'Flank", ("5'Flank", "5Flank", "upstream_gene_variant", "upstream", "upstream;downstream", "Promoter")),
    ("3'Flank", ("3'Flank", "3Flank", "downstream_gene_variant", "downstream")),
    ("IGR", ("IGR", "Intergenic", "intergenic_variant", "intergenic_region", "conserved_intergenic_variant", "regulatory_region_variant",
             "TF_binding_site_variant", "TFBS_ablation", "TFBS_amplification", "regulatory_region_ablation", "regulatory_region_amplification",
             "sequence_variant", "Targeted_Region", "non_coding", "sequence_feature")),
    ("structural", ("Fusion", "Structural_Variant", "feature_truncation", "feature_elongation", "feature_ablation", "gene_fusion",
                    "bidirectional_gene_fusion", "chromosome_number_variation", "structural_interaction_variant", "protein_protein_contact",
                    "duplication", "inversion", "rearranged_at_DNA_level", "feature_fusion", "transcript_variant", "gene_variant")),
)  # fmt: skip
CLASS_OF: dict[str, str] = {plain(word): name for name, words in _WORDS for word in words}
_RANK = {name: place for place, (name, _) in enumerate(_WORDS)}


def class_of(words: str, reference: str, allele: str) -> str | None:
    """Return the MAF class of a word, or of the worst of several joined by `&`, `,` or `;`; None when none of them is known.

    Args:
        words: As the file has them.
        reference, allele: The alleles, by whose lengths a frame shift is told to be a deletion or an insertion.

    >>> class_of("missense_variant&splice_region_variant", "C", "T")
    'Missense_Mutation'
    >>> class_of("frameshift_variant", "CA", "C")
    'Frame_Shift_Del'
    """
    whole = CLASS_OF.get(plain(words))
    known = {whole} if whole else {CLASS_OF.get(plain(word)) for word in re.split(r"[&,;]", words)} - {None}
    if not known:
        return None
    worst = min((name for name in known if name), key=lambda name: _RANK[name])
    longer = len(allele.strip("-")) > len(reference.strip("-"))
    if worst == BY_LENGTH:
        return "Frame_Shift_Ins" if longer else "Frame_Shift_Del"
    if worst == BY_FRAME:
        return "In_Frame_Ins" if longer else "In_Frame_Del"
    return worst


def severity(name: str) -> int:
    """Return the rank of a MAF class, `name`, 0 the worst.

    >>> severity("Nonsense_Mutation") < severity("Silent")
    True
    """
    return _RANK.get(name, len(_RANK))
