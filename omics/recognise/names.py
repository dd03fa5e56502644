"""Names of genes, probes, proteins and samples, and the titles that are none of them."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from unibase.omics.genes import ENSEMBL, gene_table, parts_of

type Feature = Literal["gene", "probe", "protein"]
_LOOKED_AT = 2000
"""Names that are looked at, spread over the list."""

_TRANSCRIPT = re.compile(r"^(ENS[A-Z]{0,4}T\d{11}|[NX][MR]_\d{6,})(\.\d+)?(\||$)")
_ENSEMBL_OTHER = re.compile(r"^ENS[A-Z]{2,6}G\d{11}(\.\d+)?$")
_NUMBERED = re.compile(r"^(g|gene|feature|probe|protein|prot)[-_. ]?\d+$", re.IGNORECASE)
_PROBE = re.compile(r"^(cg\d+|ch\.\d+\.\d+[FR]?|rs\d+|nv-[\w-]+|ctl_\w+)(_[TB][CO]\d+)?$")
_UNIPROT = re.compile(r"^(sp\||tr\|)?([OPQ]\d[A-Z0-9]{3}\d|[A-NR-Z]\d([A-Z][A-Z0-9]{2}\d){1,2})(-\d+)?(\||;|,|_|$)")
_SIMPLE_PROTEIN = re.compile(r"^(P\d+|OID\d{5}|seq\.\d+\.\d+|[A-Z0-9]+_HUMAN|ENSP\d{11}(\.\d+)?|N[PX]_\d+(\.\d+)?)$")


def plain(title: str) -> str:
    """Return a title without case, accents, blanks and punctuation, so that its spellings compare equal.

    Args:
        title: The title.

    >>> plain("Écart-type")
    'ecarttype'
    """
    letters = title if title.isascii() else unicodedata.normalize("NFKD", title)
    return re.sub(r"[^a-z0-9]+", "", letters.lower())


GENE_TITLES = frozenset(
    map(plain, ("gene", "genes", "gene_id", "geneid", "gene id", "gene_name", "gene symbol", "symbol", "hugo_symbol", "ensembl_id", "ensembl",
                "ensembl_gene_id", "gene_ids", "feature", "feature_id", "hgnc_symbol", "entrez", "entrez_gene_id", "entrezgene", "ncbi_gene_id",
                "Hybridization REF", "external_gene_name", "tracking_id", "featureid", "gène", "symbole", "gène symbole", "nom du gène", "Name", "Geneid", "sample_gene", "target_id"))
)  # fmt: skip
SYMBOL_TITLES = frozenset(
    map(
        plain,
        (
            "gene_name",
            "symbol",
            "gene_symbol",
            "hugo_symbol",
            "external_gene_name",
            "description",
            "hgnc_symbol",
            "genename",
            "gene",
        ),
    )
)
SAMPLE_TITLES = frozenset(
    map(plain, ("sample", "samples", "sample_id", "sampleid", "sample_name", "patient", "patient_id", "patientid", "barcode", "case", "case_id",
                "subject", "subject_id", "tumor_sample_barcode", "aliquot", "id_patient", "ModelID", "DepMap_ID", "bcr_patient_barcode", "echantillon",
                "échantillon", "sample name", "individual", "participant", "cell_line", "library", "run", "SID", "externalid", "person_id"))
)  # fmt: skip
PATIENT_TITLES = frozenset(
    map(plain, ("patient", "patient_id", "patientid", "case", "case_id", "subject", "subject_id", "id_patient", "bcr_patient_barcode", "individual",
                "participant", "person_id"))
)  # fmt: skip
"""Titles of persons, where another column may name their samples."""
ANNOTATION_TITLES = frozenset(
    map(plain, ("chr", "chrom", "chromosome", "seqnames", "start", "end", "strand", "length", "gene_length", "width", "eff_length", "effective_length",
                "effectivelength", "efflength", "gene_type", "gene_biotype", "biotype", "transcript_id(s)", "transcript_ids", "transcript_id", "description",
                "entrez_gene_id", "entrez", "entrezgene", "entrezid", "entrez_id", "ncbi_gene_id", "hgnc_id", "hgnc", "cytoband", "locus", "locus id", "exons", "n_exons", "exon_count", "gc",
                "gc_content", "gccontent", "gene_name", "gene_symbol", "symbol", "hugo_symbol", "gene_id", "geneid", "ensembl_id", "ensembl", "ensembl_gene_id",
                "total", "totals", "sum", "mean", "average", "avg", "median", "sd", "std", "var", "variance", "min", "max", "rowsum", "rowsums", "rowmean",
                "total_counts", "sumcounts", "index", "row", "rowname", "rownames", "unnamed0", "level0", "no", "num", "probe_id", "start_position", "end_position",
                "logfc", "log2foldchange", "pvalue", "pval", "padj", "fdr", "basemean", "lfcse", "stat", "qvalue", "adjpval", "transcript_length", "version",
                "gene_version", "source", "feature_type", "id_ref", "protein", "protein_ids", "uniprot", "genesymbol", "position", "mapinfo", "cpg_chrm",
                "age", "sex", "gender", "batch", "os", "os_time", "os_months", "os_status", "pfs", "pfs_time", "status", "stage", "grade", "weight", "height", "bmi", "purity",
                "ploidy", "group", "condition", "tissue", "site", "library_size", "libsize", "lib_size", "n_genes", "ngenes", "percent_mito", "rin", "time", "event",
                "age_at_diagnosis", "vital_status", "days_to_death", "treatment", "response", "tumor_purity", "rank", "moyenne",
                "écart-type", "ecart type", "médiane", "variance", "somme", "longueur", "chromosome", "brin", "peptides", "unique peptides", "psms", "aas", "mw kda", "calc pi",
                "n sequences", "n proteotypic sequences", "numberpsm", "maxpepprob", "referenceintensity", "peptide count", "unique peptide count",
                "number of peptides", "number of psms", "sequence length", "mol weight kda", "coverage", "sum posterior error probability", "protein length", "combined total peptides", "sexe", "âge", "taille", "poids", "lot"))
)  # fmt: skip
QUANTITIES = frozenset(
    map(plain, ("value", "values", "expression", "protein_expression", "gene_expression", "abundance", "intensity", "quantity", "npx", "rfu", "beta",
                "beta_value", "betas", "m_value", "methylation", "ratio", "log2_ratio", "log_ratio", "log2", "copy_number", "count", "counts", "raw_count", "raw_counts",
                "read_count", "expected_count", "valeur", "expression_value", "score", "signal"))
)  # fmt: skip
"""Titles of a column of values that say what is measured, and not in whom."""
RESULT_TITLES = frozenset(
    map(plain, ("logfc", "log2foldchange", "padj", "pvalue", "fdr", "basemean", "adj.P.Val", "qvalue", "P.Value"))
)
SUMMARY_ROWS = re.compile(
    r"^(__.+|N_(unmapped|multimapping|nofeature|ambiguous)|_?(no_feature|ambiguous|too_low_aqual|not_aligned|alignment_not_unique)"
    r"|assigned|unassigned_\w+|(grand |col(umn)?[ _.]?)?(total|totals|sum|sums|somme)([ _.]?(counts?|reads?))?|lib(rary)?[ _.]?size|mapped|unmapped|total_mapped"
    r"|(column )?mean|average|median|st(andar)?d[ _.]?dev(iation)?)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Names:
    """What a list of names is.

    Attributes:
        share: Share of the names looked at that are features of the kind asked for.
        system: `Ensembl`, `symbols`, `NCBI (Entrez) numbers`, `compound ids`, `probes`, `proteins`, `mouse`, `transcripts` or empty.
    """

    share: float
    system: str


def some_of(names: Sequence[str]) -> list[str]:
    """Return at most 2,000 names, spread over the list.

    >>> len(some_of([f"G{number}" for number in range(10_000)]))
    2000
    """
    step = max(1, len(names) // _LOOKED_AT)
    return [name.strip() for name in names[::step]]


def look(names: Sequence[str], feature: Feature) -> Names:
    """Tell how many of the `names` are of a `feature`, and of which system.

    >>> look(["TP53", "EGFR", "KRAS"], "gene")
    Names(share=1.0, system='symbols')
    """
    seen = some_of(names)
    if not seen:
        return Names(0.0, "")
    if feature == "probe":
        return Names(sum(bool(_PROBE.match(name)) for name in seen) / len(seen), "probes")
    if feature == "protein":
        found = sum(bool(_UNIPROT.match(name) or _SIMPLE_PROTEIN.match(name)) for name in seen) / len(seen)
        genes = look_at_genes(seen)
        return Names(found, "UniProt accessions") if found >= genes.share else genes
    return look_at_genes(seen)


def look_at_genes(seen: Sequence[str]) -> Names:
    """Tell how many of the names `seen` are genes, and of which system.

    >>> look_at_genes(["ENSG00000141510", "ENSG00000146648.12"])
    Names(share=1.0, system='Ensembl')
    """
    counts = dict.fromkeys(("Ensembl", "symbols", "compound ids", "NCBI (Entrez) numbers", "mouse", "transcripts", "numbered"), 0)
    for name in seen:
        system = _system(name)
        if system:
            counts[system] += 1
    genes = sum(n for system, n in counts.items() if system not in ("NCBI (Entrez) numbers", "transcripts"))
    numbers = counts["NCBI (Entrez) numbers"]
    if numbers > genes and numbers >= 0.9 * len(seen) and not row_numbers(seen):
        return Names(numbers / len(seen), "NCBI (Entrez) numbers")
    best = max(counts, key=lambda system: counts[system] if system != "NCBI (Entrez) numbers" else -1)
    if best == "transcripts" and counts[best]:
        return Names(counts[best] / len(seen), best)
    return Names(genes / len(seen), best if counts[best] else "")


def _system(name: str) -> str:
    table = gene_table()
    if ENSEMBL.match(name) or name.startswith("ENSGR"):
        return "Ensembl"
    if _TRANSCRIPT.match(name):
        return "transcripts"
    if _ENSEMBL_OTHER.match(name):
        return "mouse"
    if name.isdigit():
        return "NCBI (Entrez) numbers" if table.match(name).gene else ""
    found = table.match(name)
    # A, B and T1 are aliases of genes, and rather names of samples.
    if found.how == "symbol" or (len(name) > 3 and (found.gene or found.how == "ambiguous")):
        return "symbols"
    parts = parts_of(name)
    if len(parts) > 1 and any(table.match(part).gene or ENSEMBL.match(part) for part in parts):
        return "compound ids"
    if len(name) > 2 and name[0].isupper() and name[1:] == name[1:].lower() and table.match(name.upper()).gene:
        return "mouse"
    return "numbered" if _NUMBERED.match(name) else ""


def row_numbers(names: Sequence[str]) -> bool:
    """Whether names are the numbers of the rows, in whatever order: 0 or 1 to as many as there are.

    >>> row_numbers(["1", "2", "3"]), row_numbers(["7157", "1956"])
    (True, False)
    """
    if not names or not all(name.isdigit() for name in names):
        return False
    numbers = sorted(int(name) for name in names)
    steps = {b - a for a, b in itertools.pairwise(numbers)}
    return len(steps) <= 1 and (numbers[0] in (0, 1) or len(numbers) > 20)


def like_an_annotation(title: str) -> bool:
    """Whether a title, between names of genes, is a word for something else: known, or written in small letters with blanks or `_`.

    >>> like_an_annotation("gene_length"), like_an_annotation("TP53")
    (True, False)
    """
    if plain(title) in ANNOTATION_TITLES or not title.strip():
        return True
    text = re.sub(r"(?i)c\d+orf\d+", "", title)
    return bool(re.match(r"^[a-z]+[a-z0-9]*([ _.][A-Za-z0-9]+)*$", text)) or bool(
        re.match(r"^[A-Z][a-z]{2,}([ _][A-Za-z]+)*$", text)
    )


_OF_GENES = re.compile(
    r"(#|n|no|nb|nr|num|number|count)s?[ _.]*(of[ _.]*)?"
    r"(patients?|samples?|cases?|subjects?|donors?|cells?|mutations?|variants?|occurrences?|exons?|isoforms?|transcripts?|probes?)([ _.].*)?"
    r"|(mean|min|max|median|avg|average|total)[ _.]*(coverage|depth|reads?)"
    r"|coverage|depth|freq(uency)?|prevalence|chr(om(osome)?)?[ _.]*(num(ber)?|no)",
    re.IGNORECASE,
)


def tells_of_genes(title: str) -> bool:
    """Whether a title says how often, or how well, something was seen in a gene: no sample is called so.

    Args:
        title: The title of a column.

    >>> tells_of_genes("n_patients"), tells_of_genes("# of occurrence within resources"), tells_of_genes("mean_coverage")
    (True, True, True)
    >>> tells_of_genes("N1"), tells_of_genes("CASE-7"), tells_of_genes("Sample 3")
    (False, False, False)
    """
    return _OF_GENES.fullmatch(title.strip()) is not None


_CLINICAL_WORDS = frozenset(
    [
        "tumor",
        "tumour",
        "age",
        "sex",
        "gender",
        "stage",
        "grade",
        "purity",
        "days",
        "months",
        "years",
        "date",
        "death",
        "followup",
        "follow",
        "score",
        "index",
        "id",
        "number",
        "count",
        "type",
        "subtype",
        "cluster",
        "batch",
        "plate",
        "well",
        "lane",
        "slide",
        "array",
        "qc",
        "factor",
        "correction",
        "loading",
        "status",
        "time",
        "event",
        "weight",
        "height",
        "bmi",
        "cohort",
        "center",
        "centre",
        "site",
        "tissue",
        "race",
        "order",
        "cf",
        "deviation",
    ]
)
"""Words of titles that are no protein's: antibodies are named in small letters and with blanks too (`p53`, `Collagen_VI`)."""


def annotates_proteins(title: str) -> bool:
    """Whether a title between names of proteins or antibodies is a word for something else.

    Args:
        title: The title.

    >>> annotates_proteins("days_to_death"), annotates_proteins("p53"), annotates_proteins("Collagen_VI")
    (True, False, False)
    """
    words_of = re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", title).lower())
    return not title.strip() or plain(title) in ANNOTATION_TITLES or not _CLINICAL_WORDS.isdisjoint(words_of)
