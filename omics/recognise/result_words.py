"""What laboratories and tools of others tell of a sample in one cell: titles, words and ranges that are known, and nothing else.

Sources: Bethesda's classes of microsatellites as MSIsensor, MANTIS and cBioPortal write them; Parker's subtypes; CMScaller's classes;
the 22 cell types of CIBERSORT's LM22; the 10 of quanTIseq; ESTIMATE's scores; alleles by the nomenclature of the HLA (two fields).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from unibase.omics.recognise.names import plain

SAMPLE_TITLES = frozenset(
    map(
        plain,
        (
            "sample",
            "sample_id",
            "sampleid",
            "tumor_sample_barcode",
            "mixture",
            "barcode",
            "subject",
            "sample name",
            "specimen",
            "échantillon",
            "id échantillon",
            "nom échantillon",
            "prélèvement",
        ),
    )
)
BESIDE = frozenset(
    map(plain, ("P-value", "Correlation", "RMSE", "Reads", "Objective", "Total_Number_of_Sites", "Number_of_Somatic_Sites"))
)
"""Titles of what tools write beside their results, of the quality of the fit alone."""
MISSING = frozenset(
    map(
        plain,
        (
            "",
            "NA",
            "N/A",
            "nan",
            ".",
            "-",
            "unknown",
            "indeterminate",
            "not done",
            "not evaluable",
            "do not report",
            "NOLBL",
            "failed",
            "inconnu",
            "indéterminé",
            "non déterminé",
            "non fait",
            "non réalisé",
            "non interprétable",
            "non contributif",
            "échec",
        ),
    )
)


@dataclass(frozen=True)
class Known:
    """One column of results.

    Attributes:
        name: Name of the feature.
        low, high: Least and greatest number; of categories nothing.
        words: Word, without case and signs, to the category it stands for; empty for numbers.
        whole: Name of what adds up to 1 over its columns, such as the cells of a tool; empty for none.
    """

    name: str
    low: float = 0.0
    high: float = float("inf")
    words: Mapping[str, str] = field(default_factory=dict)
    whole: str = ""

    def categories(self) -> list[str]:
        """Return the categories, each once, in their order."""
        return list(dict.fromkeys(self.words.values()))


def _words(**categories: tuple[str, ...]) -> dict[str, str]:
    return {
        plain(word): name.replace("_", "-") for name, words in categories.items() for word in (name.replace("_", "-"), *words)
    }


_LM22 = ("B cells naive", "B cells memory", "Plasma cells", "T cells CD8", "T cells CD4 naive", "T cells CD4 memory resting", "T cells CD4 memory activated",
         "T cells follicular helper", "T cells regulatory (Tregs)", "T cells gamma delta", "NK cells resting", "NK cells activated", "Monocytes", "Macrophages M0",
         "Macrophages M1", "Macrophages M2", "Dendritic cells resting", "Dendritic cells activated", "Mast cells resting", "Mast cells activated", "Eosinophils",
         "Neutrophils")  # fmt: skip
_QUANTISEQ = (
    "B.cells",
    "Macrophages.M1",
    "Macrophages.M2",
    "Monocytes",
    "Neutrophils",
    "NK.cells",
    "T.cells.CD4",
    "T.cells.CD8",
    "Tregs",
    "Dendritic.cells",
    "Other",
)
_NUMBERS = (
    (("MSIsensor", "MSIsensor score", "MSI score", "MSIsensor2", "MSIsensor-pro score"), Known("MSI_score", 0, 100)),
    (("MANTIS", "MANTIS score", "MSI MANTIS score"), Known("MANTIS_score", 0, 2)),
    (("TMB", "TMB score", "TMB (nonsynonymous)", "TMB nonsynonymous", "tumor mutational burden", "mutations per Mb", "TMB mut/Mb", "charge mutationnelle", "charge mutationnelle tumorale",
      "charge mutationnelle (mut/Mb)", "charge mutationnelle tumorale (mut/Mb)"), Known("TMB", 0, 10_000)),
    (("purity", "tumor purity", "tumour purity", "TumorPurity", "cellularity", "pureté", "pureté tumorale", "cellularité", "cellularité tumorale"), Known("purity", 0, 1)),
    (("ploidy", "ploïdie"), Known("ploidy", 0.5, 12)),
    (("StromalScore", "stromal score"), Known("StromalScore", -20_000, 20_000)),
    (("ImmuneScore", "immune score"), Known("ImmuneScore", -20_000, 20_000)),
    (("ESTIMATEScore", "ESTIMATE score"), Known("ESTIMATEScore", -40_000, 40_000)),
    (("HRD score", "HRD sum", "HRD-sum", "score HRD", "GIS", "genomic instability score"), Known("HRD_score", 0, 300)),
)  # fmt: skip
_CATEGORIES = (
    (("MSI", "MSI status", "MSI type", "MSI class", "microsatellite status", "MSI by PCR", "statut MSI", "statut microsatellitaire",
      "instabilité microsatellitaire", "instabilité des microsatellites"),
     Known("MSI", words=_words(MSI_H=("MSI high", "instable", "unstable", "microsatellite instability high", "MSI élevé", "MSI élevée"), MSI_L=("MSI low",), MSS=("stable", "microsatellite stable", "microsatellites stables")))),
    (("MMR", "MMR status", "MMR IHC", "statut MMR"), Known("MMR", words=_words(dMMR=("deficient", "déficiente", "MMRd", "MMR deficient"), pMMR=("proficient", "proficiente", "MMRp", "MMR proficient")))),
    (("PAM50", "PAM50 subtype", "PAM50 call"),
     Known("PAM50", words=_words(LumA=("Luminal A",), LumB=("Luminal B",), Her2=("HER2-enriched", "HER2E"), Basal=("Basal-like",), Normal=("Normal-like",)))),
    (("CMS", "CMS label", "CMS subtype"), Known("CMS", words=_words(CMS1=(), CMS2=(), CMS3=(), CMS4=()))),
    (("TMB status", "TMB class", "statut TMB"), Known("TMB_class", words=_words(TMB_H=("TMB high", "élevé", "élevée"), TMB_L=("TMB low", "faible", "bas", "basse")))),
)  # fmt: skip
COLUMNS: dict[str, Known] = {plain(title): known for titles, known in (*_NUMBERS, *_CATEGORIES) for title in titles}
CIBERSORT = {plain(name): Known(f"CIBERSORT_{name}", 0, 1, whole="CIBERSORT") for name in _LM22}
QUANTISEQ = {plain(name): Known(f"quanTIseq_{name}", 0, 1, whole="quanTIseq") for name in _QUANTISEQ}
_LOCUS = re.compile(
    r"^(?:HLA[-_ ]?)?(A|B|C|DRB1|DRB3|DRB4|DRB5|DQA1|DQB1|DPA1|DPB1)[-_ .]?(?:all[eè]le)?[-_ .]?([12])$", re.IGNORECASE
)
_ALLELE = re.compile(r"^(?:HLA-)?([A-Z]{1,3}[0-9]?)\*(\d{2,3}):(\d{2,4})(?::\d{2,4}){0,2}([NLSCAQ]?)$")


def locus_of(title: str) -> str | None:
    """Return the HLA locus of which a column of this `title` holds one of two alleles, as arcasHLA, OptiType and others name it.

    >>> locus_of("A1"), locus_of("HLA-DRB1_2"), locus_of("TMB")
    ('A', 'DRB1', None)
    """
    found = _LOCUS.match(unicodedata.normalize("NFC", title.strip()))
    return found.group(1).upper() if found else None


def allele_of(cell: str, locus: str) -> str | None:
    """Return the allele that a `cell` names, to two fields; None where it names none of the `locus`.

    >>> allele_of("HLA-A*02:01:01:01", "A"), allele_of("B*07:02", "A"), allele_of("A*02", "A")
    ('HLA-A*02:01', None, None)
    """
    found = _ALLELE.match(cell.strip())
    return f"HLA-{locus}*{found.group(2)}:{found.group(3)}{found.group(4)}" if found and found.group(1) == locus else None


def are_results(titles: Sequence[str]) -> bool:
    """Whether `titles` are those of a table of results: a column of samples, and of the others half at least are known.

    >>> are_results(["sample", "MSI status", "A1", "A2"]), are_results(["sample", "gene", "TMB"])
    (True, False)
    """
    others = {plain(title): title for title in titles if plain(title) and plain(title) not in SAMPLE_TITLES}
    known = sum(
        name in COLUMNS or name in CIBERSORT or name in QUANTISEQ or locus_of(title) is not None for name, title in others.items()
    )
    return len(others) < len([title for title in titles if title]) and known > len(others) / 2
