"""What FILTER says of a variant: the words for having passed, and those that callers and annotators write for having failed."""

from __future__ import annotations

import re

PASSED = frozenset(("pass", ".", "", "na", "none"))
"""In small letters."""
_FAILED = re.compile(
    r"(?i)(^|[;,])(panel_of_normals|pon|germline(_risk)?|normal_artifact|clustered_events|t_lod(_fstar)?|common_variant|homologous_mapping_event|"
    r"str_contraction|(multi_event_)?alt_allele_in_normal|triallelic_site|multiallelic|oxog|bpcr|bseq|weak_evidence|strand_(bias|artifact)|base_qual(ity)?|"
    r"map(ping)?_qual(ity)?|slippage|haplotype|orientation|fragment|position|duplicate|contamination|low_allele_frac|possible_numt|read_position|"
    r"nonpreferredpair|ndp|gapfiller|broad_pon_\w+|wga\w*|bias|low_?(evs|depth|qual|vaf|af|dp|coverage|support|complexity)\w*|q\d+|p\d|f0\.?\d+|d\d+|sb|bq|mq|"
    r"fail(ed)?|reject(ed)?|filtered|artifact|systematic_noise|hard_filtered|[a-z]*(bias|artifact|noise|normal|depth|qual(ity)?))($|[;,])"
)
"""Words of Mutect and Mutect2, GDC, vcf2maf, Strelka, VarDict, DRAGEN, and general ones."""


def known_to_fail(words: str) -> bool:
    """Whether one of the words of a FILTER, joined by `;` or `,`, is known to say that a variant failed.

    Args:
        words: As the file has them.

    >>> known_to_fail("clustered_events;panel_of_normals"), known_to_fail("KEEP")
    (True, False)
    """
    return bool(_FAILED.search(words))
