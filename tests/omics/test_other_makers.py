"""Files of other assays that passed in silence, or were refused with the wrong way on; a row a kind, drawn after the rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from unibase.groundwork.problems import Unusable
from unibase.omics.assays.registry import AssayFiles, read
from unibase.omics.genes import gene_table
from unibase.omics.options import AssayName
from unibase.omics.recognise.which_assay import assay_of

GENES = [g.symbol for g in gene_table()._symbol.values() if g.ensembl and g.locus_type == "gene with protein product"][:120]
ENDS = {"1": 248_000_000, "7": 159_000_000, "17": 83_000_000}
MAF = "Hugo_Symbol Entrez_Gene_Id NCBI_Build Chromosome Start_Position Reference_Allele Tumor_Seq_Allele2 Variant_Classification Tumor_Sample_Barcode t_depth t_ref_count t_alt_count"
CSQ = '##INFO=<ID=CSQ,Number=.,Type=String,Description="Annotations. Format: Allele|Consequence|SYMBOL">\n'
ANN = "##INFO=<ID=ANN,Number=.,Type=String,Description=\"Functional annotations: 'Allele | Annotation | Annotation_Impact | Gene_Name'\">\n"
FUSION = "chr2\t42295516\tB1\tN\tN]chr2:29223528]\t.\tPASS\tSVTYPE=BND;ANN=N]|gene_fusion|HIGH|EML4&ALK"


def table(*rows: str) -> str:
    return "".join(row.replace(" ", "\t") + "\n" for row in rows)


def maf(*rows: str) -> str:
    return table(MAF, *rows)


def vcf(columns: str, *records: str, head: str = CSQ) -> str:
    titles = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + columns.replace(" ", "\t")
    return "##fileformat=VCFv4.2\n" + head + titles + "\n" + "".join(record + "\n" for record in records)


def snv(gene: str, form: str, cells: str, info: str = "") -> str:
    return f"chr17\t{7_675_088 + len(gene)}\t.\tC\tT\t.\tPASS\t{info}CSQ=T|missense_variant|{gene}\t{form}\t" + cells.replace(
        " ", "\t"
    )


def seg(position: Callable[[int], object]) -> str:
    rows = [f"lyon {name} {position(1000)} {position(end)} 90 0.4" for name, end in ENDS.items()]
    return table("ID chrom loc.start loc.end num.mark seg.mean", *rows)


def matrix(corner: str, titles: str, names: list[str], values: np.ndarray) -> str:
    return table(
        f"{corner} {titles}", *(f"{name} {' '.join(map(str, row))}" for name, row in zip(names, values.tolist(), strict=True))
    )


RNG = np.random.default_rng(31)
BETA = np.clip(np.where(RNG.random((120, 1)) < 0.5, 0.1, 0.85) + RNG.normal(0, 0.03, (120, 4)), 0.01, 0.99)
PROBES = [f"cg{i * 30011:08d}" for i in range(120)]
LEVELS = np.round(2.0 ** RNG.normal(26, 2, (120, 4)))
PEPTIDES = [f"P{10_000 + 7 * i} PEPTIDEK{i}" for i in range(120)]
RUNS = "a.raw b.raw c.raw d.raw"


@dataclass(frozen=True)
class Case:
    """A file, and the words with which it is refused and that its next step has."""

    name: str
    assay: AssayName
    text: str
    said: str
    way_on: str
    told_apart: bool = True
    """Whether the file alone tells its assay."""


REFUSED = {
    "genome of the mouse in a MAF": Case("m.maf", "mutations", maf("Trp53 0 GRCm38 11 99 C T Missense_Mutation lyon 9 5 4"), "other-build", "patients"),
    "genes of the mouse in a MAF": Case(
        "m.maf", "mutations", maf(*(f"{gene} 0 NA 11 99 C T Missense_Mutation lyon 9 5 4" for gene in ("Kras", "Egfr", "Pten"))), "the mouse's", "human"
    ),
    "genome of the mouse in a VCF": Case(
        "m.vcf", "mutations", vcf("S1", snv("Trp53", "GT", "0/1"), head=CSQ + '##VEP="v110" species="mus_musculus"\n'), "other-build", "patients"
    ),
    "VarScan without a normal": Case(
        "m.vcf", "mutations", vcf("S1", snv("TP53", "GT", "0/1", "WT=0;HET=1;HOM=0;NC=0;"), head=CSQ + "##source=VarScan2\n"), "germline-calls", "##tumor_sample"
    ),
    "Manta's diploid model": Case("d.vcf", "rearrangements", vcf("S1", FUSION + "\tGT:PL\t0/1:9,0,9", head=ANN), "germline-calls", "##tumor_sample"),
    "events that Arriba discarded": Case(
        "fusions.discarded.tsv", "rearrangements", table("#gene1 gene2 confidence", "EML4 ALK low"), "discarded", "fusions.tsv", told_apart=False
    ),
    "positions in megabases": Case("x.seg", "copy_number", seg(lambda base: base / 1e6), "no whole number", "bases"),
    "positions in kilobases": Case("x.seg", "copy_number", seg(lambda base: base // 1000), "kilobases", "bases"),
    "a row a gene": Case(
        "P1_genes.csv", "copy_number", table("Sampleid gene.symbol chr start end seg.mean", *(f"P1 {g} chr1 {i * 9_000_000 % 240_000_000 + 1} {i * 9_000_000 % 240_000_000 + 900} 0.5" for i, g in enumerate(GENES))), "row a gene", ".cns"
    ),
    "beta less the mean of each probe": Case(
        "b.tsv", "methylation", matrix("", "a b c d", PROBES, (BETA - BETA.mean(axis=1, keepdims=True) + 0.5).round(5)), "mean of each probe", "beta values"
    ),
    "beta stretched by the extremes of each probe": Case(
        "b.tsv", "methylation", matrix("", "a b c d", PROBES, ((BETA - BETA.min(axis=1, keepdims=True)) / np.ptp(BETA + np.arange(4) * 1e-6, axis=1)[:, None]).clip(0, 1).round(3)), "from 0 to 1", "beta values"
    ),
    "a variant past the end of its chromosome": Case("m.maf", "mutations", maf("TP53 0 GRCh38 21 150000000 C T Missense_Mutation lyon 9 5 4"), "other-build", "NCBI_Build"),
    "a position below zero": Case("m.maf", "mutations", maf("TP53 0 GRCh38 17 -5 C T Missense_Mutation lyon 9 5 4"), "not-a-number", "Correct"),
    "precursors of one protein each": Case("report.pr_matrix.tsv", "proteomics", matrix("Protein.Group Precursor.Id", RUNS, PEPTIDES, LEVELS), "precursors", "pg_matrix"),
    "areas of the GeoMx": Case(
        "a.dcc", "nanostring", "<Header>\nFileVersion,0.1\n</Header>\n<NGS_Processing_Attributes>\nRaw,100\n</NGS_Processing_Attributes>\n<Code_Summary>\nRTS1,5\n</Code_Summary>\n", "GeoMx", "nCounter"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_none_is_refused_with_its_name_and_the_way_on(kind: str, tmp_path: Path) -> None:
    case = REFUSED[kind]
    path = tmp_path / case.name
    path.write_text(case.text, encoding="utf-8")
    assert not case.told_apart or assay_of(path) == case.assay
    with pytest.raises(Unusable) as raised:
        read(case.assay, AssayFiles(path))
    assert case.said in str(raised.value) and case.way_on in raised.value.remedy


ROWS = {
    # A table of mutations, and the genes that each sample has.
    "variants of others counted in a tumour without one": (
        maf("TP53 0 NA 17 99 C T Missense_Mutation lyon 90 50 40", "TP53 0 NA 17 99 C T Missense_Mutation paris 90 90 0", "KRAS 0 NA 12 99 C T Missense_Mutation paris 9 5 4"),
        {"lyon": {"TP53"}, "paris": {"KRAS"}},
    ),
    "counts that say nothing": (maf("TP53 0 NA 17 99 C T Missense_Mutation lyon 0 0 0"), {"lyon": {"TP53"}}),
    "numbers in place of symbols": (maf("7157 TP53 NA 17 99 C T Missense_Mutation lyon 9 5 4"), {"lyon": {"TP53"}}),
    "a pair by its last letter": (vcf("P1N P1T", snv("TP53", "GT", "0/0 0/1")), {"P1T": {"TP53"}}),
    "columns named by files": (vcf("/data/P1_N.bam /data/P1_T.bam", snv("TP53", "GT", "0/0 0/1")), {"P1_T": {"TP53"}}),
}  # fmt: skip


@pytest.mark.parametrize("kind", ROWS)
def test_mutated_genes_of_samples(kind: str, tmp_path: Path) -> None:
    text, expected = ROWS[kind]
    path = tmp_path / "x.txt"
    path.write_text(text, encoding="utf-8")
    adata = read("mutations", AssayFiles(path)).adata
    values = np.asarray(adata.X.toarray() if hasattr(adata.X, "toarray") else adata.X)
    found = {
        str(s): {str(g) for g, x in zip(adata.var_names, row, strict=True) if x == 1}
        for s, row in zip(adata.obs_names, values, strict=True)
    }
    assert found == expected


def test_genes_of_a_mass_spectrometer_are_proteins(tmp_path: Path) -> None:
    path = tmp_path / "matrix.tsv"
    path.write_text(matrix("Genes N.Proteotypic.Sequences", RUNS, [f"{gene} 3" for gene in GENES], LEVELS), encoding="utf-8")
    assert assay_of(path) == "proteomics" and read("proteomics", AssayFiles(path)).adata.shape == (4, 120)
