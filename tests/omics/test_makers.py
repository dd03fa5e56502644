"""Files as their makers write them: what each is told to be, and what comes of it; a row a case."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from unibase.groundwork.problems import Unusable
from unibase.omics.assays.registry import AssayFiles, Gated, read, sample_names
from unibase.omics.genes import gene_table
from unibase.omics.options import AssayName
from unibase.omics.recognise.which_assay import assay_of

VEP = '##INFO=<ID=CSQ,Number=.,Type=String,Description="Annotations. Format: Allele|Consequence|SYMBOL|Gene">\n'
TP53 = "chr17\t7675088\t.\tC\tT\t.\tPASS\tCSQ=T|missense_variant|TP53|ENSG00000141510"
MAF = "Hugo_Symbol\tChromosome\tStart_Position\tEnd_Position\tReference_Allele\tTumor_Seq_Allele2\tVariant_Classification\tTumor_Sample_Barcode\tNCBI_Build"
ROW = "TP53\tchr17\t7675088\t7675088\tC\tT\tMissense_Mutation\tCHU-été-1\tGRCh38"
KRAS = "KRAS\tchr12\t25245350\t25245350\tC\tT\tMissense_Mutation\tLY-2\t"
ENDS = {"1": 248_000_000, "7": 159_000_000, "17": 83_000_000}
GENES = [
    gene
    for gene in gene_table()._symbol.values()
    if gene.ensembl and gene.entrez and gene.locus_type == "gene with protein product"
][:300]
ACCESSIONS = [f"P{10_000 + 7 * i}" for i in range(300)]
LEVELS = np.round(2.0 ** np.random.default_rng(1).normal(26, 2, (300, 4)))
RATIOS = np.random.default_rng(2).normal(0, 0.7, (92, 4)).round(4)
COUNTS = np.random.default_rng(4).negative_binomial(2, 0.01, (300, 4))
SAMPLES = ["CHU-1", "CHU-2", "LY-3", "LY-4"]
CENTRED = np.log2(LEVELS) - np.median(np.log2(LEVELS), axis=0)


def vcf(columns: str, *records: str, head: str = "") -> str:
    titles = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO" + (f"\tFORMAT\t{columns}" if columns else "")
    return "\n".join(["##fileformat=VCFv4.2", f"{head}{VEP}{titles}", *records]) + "\n"


def table(titles: list[str], *rows: list[object], separator: str = "\t", above: str = "") -> str:
    return above + "".join(separator.join(map(str, row)) + "\n" for row in [titles, *rows])


def segments(titles: str, row: Callable[[str, int], list[object]], above: str = "") -> str:
    return table(titles.split(), *(row(chromosome, end) for chromosome, end in ENDS.items()), above=above)


def proteins(titles: list[str], left: Callable[[int], list[object]], values: np.ndarray = LEVELS, above: str = "") -> str:
    return table(titles, *([*left(i), *row] for i, row in enumerate(values.tolist())), above=above)


@dataclass(frozen=True)
class Case:
    """A file; its assay; and the samples that come out, or why it is refused and a word of the next step."""

    name: str
    text: str
    assay: AssayName
    samples: list[str] | None = None
    refused: str = ""
    way_on: str = ""
    values: object = None
    named_by_file: bool = False


def mutated(*genes: str) -> Callable[[Gated], None]:
    def check(gated: Gated) -> None:
        frame = gated.adata.to_df()
        assert {gene for gene in frame if (frame[gene] == 1).any()} == set(genes)

    return check


def levels(expected: np.ndarray) -> Callable[[Gated], None]:
    def check(gated: Gated) -> None:
        np.testing.assert_allclose(np.sort(np.asarray(gated.adata[SAMPLES].X), axis=1), np.sort(expected.T, axis=1), atol=1e-6)

    return check


def arms(level: float) -> Callable[[Gated], None]:
    def check(gated: Gated) -> None:
        np.testing.assert_allclose(gated.adata[:, "17q"].X, level, atol=1e-6)

    return check


def lacking(row: int) -> Callable[[Gated], None]:
    def check(gated: Gated) -> None:
        assert np.isnan(gated.adata[:, ACCESSIONS[row]].X).all()
        assert np.isfinite(np.delete(np.asarray(gated.adata.X), list(gated.adata.var_names).index(ACCESSIONS[row]), axis=1)).all()

    return check


def named(*features: str) -> Callable[[Gated], None]:
    def check(gated: Gated) -> None:
        assert set(map(str, gated.adata.var_names)) == set(features)

    return check


GERMLINE = ("germline-calls", "##tumor_sample=NAME")
WIDE_NPX = table(
    ["NPX Manager 2.2", *[""] * 93],
    ["Panel", *["Inflammation"] * 92, ""], ["Assay", "IL6", "IL6", *[gene.symbol for gene in GENES[2:92]], "QC Warning"],
    ["Uniprot ID", *ACCESSIONS[:92], ""], ["OlinkID", *[f"OID{20_000 + i}" for i in range(92)], ""], [""] * 94,
    *([name, *(str(value).replace(".", ",") for value in RATIOS[:, i]), "Warning" if i else "Pass"] for i, name in enumerate([*SAMPLES])),
    ["Plate Control 1", *["9,5"] * 92, "Pass"], [""] * 94, ["LOD", *["0,5"] * 92, ""], ["Missing Data freq.", *["0"] * 92, ""],
    separator=";",
)  # fmt: skip
ANNOVAR = ["Chr", "Start", "End", "Ref", "Alt", "Func.refGene", "Gene.refGene", "GeneDetail.refGene", "ExonicFunc.refGene", "AAChange.refGene"]  # fmt: skip
ANNOVARS: list[list[object]] = [
    ["17", 7675088, 7675088, "C", "T", "exonic", "TP53", ".", "nonsynonymous SNV", "TP53:NM_000546:exon5:p.R175H", "CHU-1"],
    ["12", 25245350, 25245350, "C", "A", "splicing", "KRAS", "NM_004985:exon2", ".", ".", "CHU-2"],
    ["1", 1000, 1000, "A", "G", "intergenic", "NONE;OR4F5", "dist=NONE;dist=68091", ".", ".", "LY-3"],
    ["3", 1000, 1000, "A", "T", "exonic", "MLH1", ".", "synonymous SNV", ".", "LY-4"],
]
CASES = {
    "ANNOVAR": Case("a.hg38_multianno.txt", table([*ANNOVAR, "Tumor_Sample_Barcode"], *ANNOVARS), "mutations", SAMPLES, values=mutated("TP53", "KRAS")),
    "ANNOVAR, of nobody": Case("x.hg38_multianno.txt", table(ANNOVAR, *(row[:-1] for row in ANNOVARS)), "mutations", None, "not-a-maf", "Tumor_Sample_Barcode"),
    "ratios to the cohort's median": Case("p.tsv", proteins(["Protein", *SAMPLES], lambda i: [ACCESSIONS[i]], np.log2(LEVELS) - np.median(np.log2(LEVELS), axis=1, keepdims=True)), "proteomics", None, "unknown-unit", "before they were centred"),
    "HaplotypeCaller": Case("a.vcf", vcf("S1", f"{TP53}\tGT\t0/1", head="##source=HaplotypeCaller\n"), "mutations", None, *GERMLINE),
    "GATK's line": Case("a.vcf", vcf("S1", f"{TP53}\tGT\t0/1", head="##GATKCommandLine=<ID=HaplotypeCaller>\n"), "mutations", None, *GERMLINE),
    "DeepVariant": Case("a.vcf", vcf("S1", f"{TP53}\tGT\t0/1", head="##DeepVariant_version=1.6\n"), "mutations", None, *GERMLINE),
    "bcftools call": Case("a.vcf", vcf("S1", f"{TP53}\tGT\t0/1", head="##bcftools_callCommand=call -mv\n"), "mutations", None, *GERMLINE),
    "likelihoods of genotypes": Case("a.vcf", vcf("S1", f"{TP53}\tGT:PL\t0/1:50,0,50"), "mutations", None, *GERMLINE),
    "likelihoods of a pair": Case("a.vcf", vcf("NORMAL\tTUMOR", f"{TP53}\tGT:PL\t0/0:0,9,9\t0/1:50,0,50"), "mutations", ["a"], values=mutated("TP53")),
    "likelihoods of a somatic caller": Case("a.vcf", vcf("S1", f"{TP53}\tGT:PL\t0/1:50,0,50", head="##source=Mutect2\n"), "mutations", ["S1"], values=mutated("TP53")),
    "two VCFs in one": Case("a.vcf", vcf("S1", f"{TP53}\tGT\t0/1") + vcf("S2", f"{TP53}\tGT\t0/0"), "mutations", None, "not-a-vcf", "merge"),
    "two columns of one name": Case("a.vcf", vcf("S1\tS1", f"{TP53}\tGT\t0/1\t0/0"), "mutations", None, "not-a-vcf", "merge"),
    "a gene that is a dash": Case("a.vcf", vcf("S1", f"{TP53}\tGT\t0/1".replace("|TP53|", "|-|")), "mutations", ["S1"], values=mutated("TP53")),
    "germline, a tumour named": Case("a.vcf", vcf("S1", f"{TP53}\tGT\t0/1", head="##source=freeBayes\n##tumor_sample=S1\n"), "mutations", ["S1"], values=mutated("TP53")),
    "freeBayes of a pair": Case("a.vcf", vcf("x_normal\tx", f"{TP53}\tGT\t0/0\t0/1", head="##source=freeBayes v1\n"), "mutations", ["x"], values=mutated("TP53")),
    "no sample column": Case("CHU-12.vcf", vcf("", TP53), "mutations", ["CHU-12"], values=mutated("TP53")),
    "Manta's given as mutations": Case("a.vcf", vcf("S1", f"{TP53}\tGT\t0/1".replace("\tC\tT\t", "\tC\t<DEL>\t")), "mutations", None, "not-annotated", "rearrangements"),
    "GDC's header": Case("x.maf", f"#version gdc-1.0.0\n#tumor.aliquots.submitter_id LY-2,LY-3\n{MAF}\n{KRAS}\n", "mutations", ["LY-2", "LY-3"], values=mutated("KRAS")),
    "patches of one genome": Case("x.maf", f"{MAF}\n{ROW}.p13\n{KRAS}hg38\n{KRAS}GRCh38.d1.vd1\n", "mutations", ["CHU-été-1", "LY-2"], values=mutated("TP53", "KRAS")),
    "passed in small letters": Case("a.vcf", vcf("S1", f"{TP53}\tGT\t0/1".replace("PASS", "pass")), "mutations", ["S1"], values=mutated("TP53")),
    "a word of no filter": Case("a.vcf", vcf("S1", f"{TP53}\tGT\t0/1".replace("PASS", "KEEP")), "mutations", None, "unknown-word", "PASS"),
    "a filter that is declared": Case("a.vcf", vcf("S1", f"{TP53}\tGT\t0/1".replace("PASS", "odd"), head='##FILTER=<ID=odd,Description="x">\n'), "mutations", ["S1"], values=mutated()),
    "a filter that is known": Case("a.vcf", vcf("S1", f"{TP53}\tGT\t0/1".replace("PASS", "clustered_events")), "mutations", ["S1"], values=mutated()),
    "columns renamed": Case("a.vcf", vcf("0001\t0002", f"{TP53}\tGT\t0/1\t0/0", head="##normal_sample=LP601\n"), "mutations", None, "no-tumour", "##normal_sample"),
    "a panel of normals": Case("a.vcf", vcf("S1\tPON", f"{TP53}\tGT\t0/1\t0/0"), "mutations", ["S1"], values=mutated("TP53")),
    "T1 and N1": Case("a.vcf", vcf("N1\tT1\tN2", f"{TP53}\tGT\t0/0\t0/1\t0/0"), "mutations", ["N2", "T1"], values=mutated("TP53")),
    "a MAF's word of no filter": Case("x.maf", f"{MAF}\tFILTER\n{ROW}\tKEEP\n", "mutations", None, "unknown-word", "PASS"),
    "a MAF's filter that is known": Case("x.maf", f"{MAF}\tFILTER\n{ROW}\tpanel_of_normals\n", "mutations", ["CHU-été-1"], values=mutated()),
    "several genes in a cell": Case("x.maf", f"{MAF}\n{ROW.replace('TP53', 'TP53;WRAP53')}\n{KRAS.replace('KRAS', 'NONE,KRAS')}\n", "mutations", ["CHU-été-1", "LY-2"], values=mutated("TP53", "WRAP53", "KRAS")),
    "two genomes": Case("x.maf", f"{MAF}\n{ROW}\n{KRAS}GRCh37.p13\n", "mutations", None, "mixed-builds", "lift"),
    "empty cells behind": Case("x.maf", f"{MAF}\n{ROW}\t\t\n", "mutations", ["CHU-été-1"], values=mutated("TP53")),
    "a cell too many": Case("x.maf", f"{MAF}\n{ROW}\tx\n", "mutations", None, "truncated-file", "no cell may hold a tab"),
    "Xena": Case("x.tsv", "Sample_ID\tgene\tchrom\tstart\tend\tref\talt\teffect\tfilter\nS1\tTP53\tchr17\t7\t7\tC\tT\tmissense_variant\tPASS\nS2\tKRAS\t12\t9\t9\tC\tT\tmissense_variant\tpanel_of_normals\n", "mutations", ["S1", "S2"], values=mutated("TP53")),
    "DepMap": Case("x.csv", "Chrom,Pos,Ref,Alt,VariantInfo,ProteinChange,HugoSymbol,ModelID\nchr17,7,C,T,missense_variant,p.R175H,TP53,ACH-1\n", "mutations", ["ACH-1"], values=mutated("TP53")),
    "ICGC": Case("x.tsv", "icgc_sample_id\tchromosome\tchromosome_start\tchromosome_end\tassembly_version\treference_genome_allele\tmutated_to_allele\tconsequence_type\tgene_affected\nSA1\t17\t7\t7\tGRCh37\tC\tT\tmissense_variant\tENSG00000141510\n", "mutations", ["SA1"], values=mutated("TP53")),
    "DepMap's fusions": Case("x.csv", "ModelID,FusionName,LeftGene,RightGene\nACH-1,EML4--ALK,EML4 (ENSG00000143924.19),ALK (ENSG00000171094.18)\nACH-2,A--B,TP53 (ENSG00000141510),A1BG\n", "rearrangements", ["ACH-1", "ACH-2"], values=mutated("EML4", "ALK", "ALK::EML4", "TP53", "A1BG", "A1BG::TP53")),
    "JAFFA": Case("x.csv", "sample,fusion genes,classification\nS1,EML4:ALK,HighConfidence\nS1,A1BG:TP53,LowConfidence\n", "rearrangements", ["S1"], values=mutated("EML4", "ALK", "ALK::EML4")),
    "samples of another title": Case("x.csv", "Profile ID,LeftGene,RightGene\nP1,EML4,ALK\nP2,TP53,A1BG\n", "rearrangements", None, "no-sample-names", "sample_from"),
    "GISTIC's input": Case("all.seg", segments("CHU-1 1 1000 5000 9 0.3", lambda c, end: ["CHU-1", c, 5001, end, 100, 0.3]), "copy_number", ["CHU-1"], values=arms(0.3)),
    "TITAN": Case("t.txt", segments("Sample Chromosome Start_Position.bp. End_Position.bp. Median_logR Copy_Number MinorCN", lambda c, end: ["S1", c, 1000, end, 0.4, 3, 1]), "copy_number", ["S1"], values=arms(np.log2(1.5))),
    "no copies at all": Case("a.seg", segments("ID chrom loc.start loc.end num.mark seg.mean", lambda c, end: ["S1", c, 1000, end, 9, "-Inf" if c == "17" else 0.1]), "copy_number", ["S1"], values=arms(np.log2(0.05))),
    "an endless level": Case("a.seg", segments("ID chrom loc.start loc.end num.mark seg.mean", lambda c, end: ["S1", c, 1000, end, 9, "Inf" if c == "17" else 0.1]), "copy_number", None, "not-a-seg", "NA"),
    "a sample twice": Case("a.seg", table(["ID", "chrom", "loc.start", "loc.end", "seg.mean"], *(["S1", c, 1000, end, level] for level in (0.6, -0.6) for c, end in ENDS.items())), "copy_number", None, "not-a-seg", "one table"),
    "ends that touch": Case("a.seg", table(["ID", "chrom", "loc.start", "loc.end", "seg.mean"], *(["S1", "17", 10**6 * i, 10**6 * (i + 1), 0.3] for i in range(80))), "copy_number", ["S1"], values=arms(0.3)),
    "windows of coverage": Case("a.cnr", table(["chromosome", "start", "end", "gene", "depth", "log2", "weight"], *(["chr1", i * 400, i * 400 + 200 + i % 9, "-", 30, 0.3 * (-1) ** i, 1] for i in range(600))), "copy_number", None, "not-a-seg", ".cns"),
    "equal windows": Case("a.seg", table(["sample", "chromosome", "start", "end", "log2"], *(["S1", "1", i * 50_000 + 1, (i + 1) * 50_000, 0.2 * (-1) ** i] for i in range(600))), "copy_number", None, "not-a-seg", "segments that were made of them"),
    "GDC's genes, nameless": Case("x.tsv", table(["gene_id", "gene_name", "chromosome", "start", "end", "copy_number", "min_copy_number", "max_copy_number"], *([gene.ensembl + ".5", gene.symbol, "chr1", 9 * i + 1, 9 * i + 9, i % 4, 1, 4] for i, gene in enumerate(GENES))), "copy_number", None, "no-sample-names", "sample_from: file name"),
    "DIA-NN 2": Case("report.pg_matrix.tsv", proteins(["Protein.Group", "Genes", "N.Sequences", "N.Proteotypic.Sequences", "Odd", *[f"/x/{n}.mzML" for n in SAMPLES]], lambda i: [ACCESSIONS[i], GENES[i].symbol, 5 + i % 9, 4 + i % 7, 99.5]), "proteomics", SAMPLES, values=levels(CENTRED)),
    "counts beside intensities": Case("proteins.tsv", proteins(["Protein", "found in", *SAMPLES], lambda i: [ACCESSIONS[i], 5 + i % 9]), "proteomics", None, "unknown-unit", "unit"),
    "TMT-Integrator": Case("abundance_gene_MD.tsv", proteins(["Index", "NumberPSM", "ProteinID", "MaxPepProb", "ReferenceIntensity", *SAMPLES], lambda i: [GENES[i].symbol, 9, ACCESSIONS[i], 0.99, 26.1], np.log2(LEVELS)), "proteomics", SAMPLES, values=levels(CENTRED)),
    "CPTAC's spreads": Case("Proteome.tmt10.tsv", table(["Gene", *[f"{n} Log Ratio" for n in SAMPLES]], ["Mean", 1, 1, 1, 1], ["StdDev", 9, 9, 9, 9], *([GENES[i].symbol, *row] for i, row in enumerate(RATIOS.tolist()))), "proteomics", SAMPLES, values=levels(RATIOS - np.median(RATIOS, axis=0))),
    "Perseus": Case("perseus_lfq.txt", proteins(["Protein IDs", *SAMPLES], lambda i: [ACCESSIONS[i]]).replace("\n", "\n#!{Type}T\tE\tE\tE\tE\n", 1), "proteomics", SAMPLES, values=levels(CENTRED)),
    "SILAC": Case("proteinGroups.txt", proteins(["Protein IDs", "Ratio H/L", "Ratio H/L normalized", "Intensity L", "Intensity H", "x", "y"], lambda i: [ACCESSIONS[i], 1.5, 1.4]), "proteomics", None, "several-quantities", "one column a sample"),
    "GDC's RPPA": Case("S1_RPPA_data.tsv", table(["AGID", "peptide_target", "protein_expression"], *([f"AG{i}", gene.symbol, row[0]] for i, (gene, row) in enumerate(zip(GENES, RATIOS.tolist(), strict=False)))), "proteomics", None, "no-sample-names", "sample_from"),
    "antibodies": Case("L4.csv", table(["Sample_ID", "Cancer_Type", "Akt_pS473", "Akt_pT308", "ACC_pS79", "EGFR", "p53", "PTEN"], *([name, "LUAD", *RATIOS[6 * i : 6 * i + 6, i]] for i, name in enumerate(SAMPLES)), separator=","), "proteomics", SAMPLES),
    "NPX of a spreadsheet": Case("x.csv", WIDE_NPX, "proteomics", SAMPLES, values=levels(RATIOS)),
    "concentrations of Olink": Case("x.csv", WIDE_NPX.replace("\n" + ";" * 93 + "\n", "\nUnit" + ";pg/mL" * 92 + ";\n", 1), "proteomics", None, "unknown-unit", "NPX"),
    "sites of sequencing": Case("S1.bismark.cov", "".join(f"chr1\t{i}\t{i}\t{i % 100}\t5\t5\n" for i in range(100, 400)), "methylation", None, "not-recognised", "by probe"),
    "recount3": Case("gene_sums.gz", table(["gene_id", *SAMPLES], *([gene.ensembl, i, 2 * i, 3 * i, 4 * i] for i, gene in enumerate(GENES)), above="##annotation=G026\n"), "rna", None, "not-counts", "compute_read_counts"),
    "transcripts": Case("i.tsv", table(["id", *SAMPLES], *([f"ENST{i:011d}.2", *row] for i, row in enumerate(COUNTS.tolist()))), "rna", None, "not-recognised", "tximport"),
    "numbered samples": Case("c.tsv", table(["gene", "101", "102", "103", "104"], *([GENES[i].ensembl, *row] for i, row in enumerate(COUNTS.tolist()))), "rna", ["101", "102", "103", "104"]),
    "Proteome Discoverer": Case("pd_protein.txt", proteins(["Accession", "Abundance Ratio: (b) / (a)", *[f"Abundance: {n}" for n in SAMPLES], "Abundances Count: CHU-1"], lambda i: [ACCESSIONS[i], 1.5], np.column_stack([LEVELS, np.full(300, 5)])), "proteomics", SAMPLES, values=levels(CENTRED)),
    "Spectronaut's logarithms": Case("protein.tsv", proteins(["PG.ProteinGroups", *[f"[{i}] {n}.raw.PG.Log2Quantity" for i, n in enumerate(SAMPLES)]], lambda i: [ACCESSIONS[i]], np.log2(LEVELS)), "proteomics", SAMPLES, values=levels(CENTRED)),
    "TCGA's arrays": Case("x.txt", table(["Composite Element REF", "Gene_Symbol", *SAMPLES], *([f"cg{i:08d}", "A;B", *np.clip(row, 0.01, 0.99)] for i, row in enumerate(np.abs(RATIOS)))), "methylation", SAMPLES),
    "beads beside beta": Case("FinalReport.txt", table(["TargetID", *(f"{n}.{what}" for n in SAMPLES for what in ("AVG_Beta", "Avg_NBEADS"))], *([f"cg{i:08d}", *(cell for value in np.clip(np.abs(row), 0.01, 0.99) for cell in (value, 14))] for i, row in enumerate(RATIOS))), "methylation", SAMPLES),
    "endless M": Case("m.tsv", table(["ID", *SAMPLES], *([f"cg{i:08d}", *(9 * row[:3]), "Inf" if i == 5 else 3.5] for i, row in enumerate(RATIOS))), "methylation", None, "not-a-number", "NA"),
    "logarithms of nothing": Case("lfq.tsv", proteins(["Protein", *SAMPLES], lambda i: [ACCESSIONS[i]], np.where(np.arange(300)[:, None] == 7, -np.inf, np.log2(LEVELS))), "proteomics", SAMPLES, values=lacking(7)),
    "iBAQ": Case("proteinGroups.txt", proteins(["Protein IDs", "iBAQ", "iBAQ peptides", *[f"iBAQ {n}" for n in SAMPLES], "Peptides"], lambda i: [ACCESSIONS[i], 9e9, 7], np.column_stack([LEVELS, np.full(300, 5)])), "proteomics", SAMPLES, values=levels(CENTRED)),
    "columns of the plate": Case("x_rppa.csv", table(["Sample Name", "Order", "CF1", "PlateNumber", "Akt_pS473", "EGFR", "PTEN"], *([name, i, 0.9, 1, *RATIOS[3 * i : 3 * i + 3, i]] for i, name in enumerate(SAMPLES)), separator=","), "proteomics", SAMPLES, values=named("Akt_pS473", "EGFR", "PTEN")),
    "ADAT": Case("x.adat", "!Checksum\tx\n^HEADER\n!Version\t1.2\n", "proteomics", None, "not-a-matrix", "CSV"),
    "nSolver": Case("raw.csv", "Code Class,Name,Accession,S1\nEndogenous,TP53,NM_1,500\n", "nanostring", None, "not-an-rcc", "RCC"),
}  # fmt: skip
NOT_TOLD = {"ADAT", "sites of sequencing", "Manta's given as mutations", "counts beside intensities"}
"""Of which assay nothing, or something else, is told."""


def written(case: Case, folder: Path) -> Path:
    path = folder / case.name
    path.write_bytes(gzip.compress(case.text.encode()) if case.name.endswith(".gz") else case.text.encode())
    return path


@pytest.mark.parametrize("what", CASES)
def test_a_file_of_a_maker_is_read_or_refused_with_the_way_on(tmp_path: Path, what: str) -> None:
    case = CASES[what]
    path = written(case, tmp_path)
    if what not in NOT_TOLD:
        assert assay_of(path) == case.assay
    if case.refused:
        with pytest.raises(Unusable, match=case.refused) as raised:
            read(case.assay, AssayFiles.of(path))
        assert case.way_on in raised.value.remedy
        return
    gated = read(case.assay, AssayFiles.of(path))
    assert sorted(map(str, gated.adata.obs_names)) == sorted(case.samples or [])
    if callable(case.values):
        case.values(gated)


def test_genes_of_one_sample_are_named_by_its_file(tmp_path: Path) -> None:
    path = written(CASES["GDC's genes, nameless"], tmp_path)
    adata = read("copy_number", AssayFiles.of(path, sample_from="file name")).adata
    assert list(adata.obs_names) == ["x"]
    assert adata[:, GENES[3].symbol].X[0, 0] == np.log2(3 / 2)


def test_overlapping_panels_and_warnings_of_olink_are_told(tmp_path: Path) -> None:
    gated = read("proteomics", AssayFiles.of(written(CASES["NPX of a spreadsheet"], tmp_path)))
    assert {"IL6:OID20000", "IL6:OID20001"} <= set(gated.adata.var_names)
    assert {"1 control samples left out", "3 samples kept that have a QC warning"} <= set(gated.notes)


def test_numbers_of_samples_stay_whole_beside_a_missing_one(tmp_path: Path) -> None:
    import anndata
    import pandas as pd

    obs = pd.DataFrame({"sample": [101.0, 101.0, 102.0, np.nan], "cell_type": ["T"] * 4}, index=list("abcd"))
    drawn = np.random.default_rng(4).negative_binomial(2, 0.01, (4, 300)).astype(np.float32)
    anndata.AnnData(drawn, obs, pd.DataFrame(index=[gene.symbol for gene in GENES])).write_h5ad(tmp_path / "c.h5ad")
    files = AssayFiles.of(tmp_path / "c.h5ad", min_cells=1)
    assert sample_names("single_cell", files) == ["101", "102"]
    assert list(read("single_cell", files).adata.obs_names) == ["101", "102"]


def test_structural_variants_alone_are_told_to_be_rearrangements(tmp_path: Path) -> None:
    path = written(CASES["Manta's given as mutations"], tmp_path)
    assert assay_of(path) == "rearrangements"


@pytest.mark.parametrize("how", ["c.feather", "c.pq"])
def test_a_table_of_arrow_is_known_by_its_bytes(tmp_path: Path, how: str) -> None:
    drawn = np.random.default_rng(4).negative_binomial(2, 0.01, (300, 4))
    frame = pl.DataFrame({"gene_id": [gene.ensembl for gene in GENES]} | {name: drawn[:, i] for i, name in enumerate(SAMPLES)})
    path = tmp_path / how
    frame.write_ipc(path) if how.endswith("feather") else frame.write_parquet(path)
    assert assay_of(path) == "rna"
    adata = read("rna", AssayFiles.of(path)).adata
    np.testing.assert_array_equal(adata[SAMPLES].X.sum(axis=1), drawn.sum(axis=0))


@pytest.mark.parametrize(
    ("start", "way_on"),
    [(b"BCF\x02\x02\0", "bcftools view"), (b"X\n\0\0\0\x03", "write.csv"), (b"FEA1\0\0", "Parquet"), (b"\x89HDF\r\n\0", "h5ad"), (b"BAM\x01\0", "counts")],
)  # fmt: skip
@pytest.mark.parametrize("assay", ["rna", "mutations"])
def test_what_is_no_text_is_named_with_the_way_on(tmp_path: Path, start: bytes, way_on: str, assay: AssayName) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(gzip.compress(start + bytes(100)))
    with pytest.raises(Unusable, match="not-a-matrix") as raised:
        read(assay, AssayFiles.of(path))
    assert way_on in raised.value.remedy


def test_cells_are_told_from_samples(tmp_path: Path) -> None:
    import anndata
    import pandas as pd

    drawn = np.random.default_rng(4).poisson(2, (6, 300)).astype(np.float32)
    names = {
        "cells.h5ad": pd.DataFrame({"Cell_Type": list("ABABAB")}, index=list("abcdef")),
        "bulk.h5ad": pd.DataFrame(index=[*SAMPLES, "a", "b"]),
    }
    for name, obs in names.items():
        anndata.AnnData(drawn, obs, pd.DataFrame(index=[gene.symbol for gene in GENES])).write_h5ad(tmp_path / name)
    assert assay_of(tmp_path / "cells.h5ad") == "single_cell"
    assert assay_of(tmp_path / "bulk.h5ad") == "rna"
    (tmp_path / "filtered.h5").write_bytes(b"\x89HDF")
    for assay in ("rna", "single_cell"):
        with pytest.raises(Unusable, match="10x Genomics"):
            read(assay, AssayFiles.of(tmp_path / "filtered.h5"))  # type: ignore[arg-type]
