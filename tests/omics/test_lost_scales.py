"""What has lost its scale, and what is no table at all: a row each, with the reason and the next step that a reader is given."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import rankdata

from unibase.groundwork.problems import Unusable
from unibase.omics.assays.registry import AssayFiles, read
from unibase.omics.genes import gene_table
from unibase.omics.options import AssayName
from unibase.omics.recognise.ranks import are_ranks

RNG = np.random.default_rng(2611)
GENES = [g.ensembl for g in gene_table()._symbol.values() if g.ensembl and g.locus_type == "gene with protein product"][:600]
PROBES = [f"cg{i * 30011:08d}" for i in range(600)]
ACCESSIONS = [f"P{10000 + 7 * i}" for i in range(600)]
SAMPLES = [f"lyon-{i}" for i in range(6)]
COUNTS = RNG.negative_binomial(0.5, 0.001, (6, 600)).astype(float)
LOGS = np.log2(COUNTS / COUNTS.sum(axis=1, keepdims=True) * 1e6 + 1)
BETA = np.clip(np.where(RNG.random((1, 600)) < 0.5, 0.08, 0.9) + RNG.normal(0, 0.03, (6, 600)), 0.001, 0.999)
LEVELS = RNG.normal(26, 2, (1, 600)) + RNG.normal(0, 0.5, (6, 600))
type Values = NDArray[np.float64]


def ranked(values: Values, method: str = "average") -> Values:
    return np.apply_along_axis(lambda row: rankdata(row, method), 1, values).astype(float)


def scaled(values: Values, axis: int) -> Values:
    return (values - values.mean(axis=axis, keepdims=True)) / (values.std(axis=axis, keepdims=True) + 1e-3)


NAMES: dict[str, tuple[str, list[str]]] = {
    "rna": ("gene", GENES),
    "methylation": ("ID_REF", PROBES),
    "proteomics": ("Protein", ACCESSIONS),
}
LOST: dict[str, tuple[AssayName, Values, str, str]] = {
    # What was made of values; the words of the reason; the words of the next step.
    "ranks of counts": ("rna", ranked(COUNTS), "ranks or percentiles", "raw counts"),
    "ranks, ties first": ("rna", ranked(COUNTS, "min"), "ranks or percentiles", "raw counts"),
    "ranks, ties last": ("rna", ranked(COUNTS, "max"), "ranks or percentiles", "raw counts"),
    "ranks without ties": ("rna", ranked(COUNTS, "ordinal"), "hold ranks", "values that were ranked"),
    "ranks from 0 to 1": ("rna", (ranked(COUNTS) / 600).round(4), "ranks or percentiles", "raw counts"),
    "percentiles": ("rna", (ranked(COUNTS) / 6).round(1), "ranks or percentiles", "raw counts"),
    "z-scores by gene": ("rna", scaled(LOGS, 0).round(4), "mean of each gene is zero", "raw counts"),
    "z-scores by sample": ("rna", scaled(LOGS, 1).round(4), "below zero", "raw counts"),
    "log ratios to the first sample": ("rna", (LOGS - LOGS[:1]).round(4), "below zero", "raw counts"),
    "expressed or not": ("rna", (COUNTS > 300).astype(float), "ones and zeros", "raw counts"),
    "ranks of beta values": ("methylation", ranked(BETA), "ranks or percentiles", "beta values"),
    "percentiles of beta values": ("methylation", (ranked(BETA) / 6).round(2), "ranks or percentiles", "beta values"),
    "methylated or not": ("methylation", (BETA > 0.5).astype(float), "ones and zeros", "beta values"),
    "differences of beta values": ("methylation", (BETA - BETA[:1]).round(4), "differences", "beta values"),
    "z-scores of beta values": ("methylation", scaled(BETA, 0).round(4), "z-scores", "beta values"),
    "ranks of proteins": ("proteomics", ranked(LEVELS), "hold ranks", "values that were ranked"),
    "ranks of proteins, from 0 to 1": ("proteomics", (ranked(LEVELS) / 600).round(5), "ranks or percentiles", "values that they were made of"),
    "percentiles of proteins": ("proteomics", (ranked(LEVELS) / 6).round(2), "ranks or percentiles", "values that they were made of"),
    "detected or not": ("proteomics", (LEVELS > 26).astype(float), "ones and zeros", "values that they were made of"),
    "z-scores of proteins": ("proteomics", scaled(LEVELS, 0).round(5), "z-scores", "values that they were made of"),
}  # fmt: skip


@pytest.mark.parametrize("case", LOST)
def test_values_without_their_scale_are_refused_with_what_they_are(case: str, tmp_path: Path) -> None:
    assay, values, said, way_on = LOST[case]
    corner, names = NAMES[assay]
    rows = [[name, *(f"{x:.6g}" for x in row)] for name, row in zip(names, values.T, strict=True)]
    path = tmp_path / "CHU-été.tsv"
    path.write_text("".join("\t".join(row) + "\n" for row in [[corner, *SAMPLES], *rows]), encoding="utf-8")
    with pytest.raises(Unusable) as caught:
        read(assay, AssayFiles(path))
    assert said in caught.value.message and way_on in caught.value.remedy


@pytest.mark.parametrize(
    "values", [COUNTS, LOGS, BETA, LEVELS, 2.0**LEVELS], ids=["counts", "logarithms", "beta", "log2", "intensities"]
)
def test_values_are_no_ranks_and_all_of_their_ranks_are(values: Values) -> None:
    assert not are_ranks(values)
    for method in ("average", "min", "max", "ordinal"):
        for factor in (1.0, 1 / 600, 100 / 600):
            gaps = ranked(values, method) * factor
            gaps[0, :50] = np.nan
            assert are_ranks(ranked(values, method) * factor), method
            assert not are_ranks(np.where(np.isnan(gaps), np.nan, 2.0**gaps)), method


def test_a_few_classes_are_no_ranks() -> None:
    assert not are_ranks(np.tile(np.arange(10.0), (4, 30)))


FORMS: dict[str, tuple[AssayName, str, bytes, str, str]] = {
    # First bytes as the maker writes them, what is said of it, and a word of the next step.
    "ANNOVAR": ("mutations", "S1.hg38_multianno.txt", b"Chr\tStart\tEnd\tRef\tAlt\tFunc.refGene\tGene.refGene\tExonicFunc.refGene\n", "ANNOVAR", "annovarToMaf"),
    "ANNOVAR with commas": ("mutations", "S1.csv", b"Chr,Start,End,Ref,Alt,Func.refGene,Gene.refGene,ExonicFunc.refGene\n", "ANNOVAR", "annovarToMaf"),
    "Funcotator's VCF": ("mutations", "S1.vcf", b"##fileformat=VCFv4.2\n##tumor_sample=S1\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\n"
                         b"chr17\t7675088\t.\tC\tT\t.\tPASS\tFUNCOTATION=[TP53|hg38]\tGT\t0/1\n", "neither CSQ nor ANN", "output-file-format MAF"),
    "mzTab": ("proteomics", "x.mzTab", b"MTD\tmzTab-version\t1.0.0\nPRH\taccession\tprotein_abundance_assay[1]\nPRT\tP12345\t100.5\n", "mzTab", "table of proteins"),
    "a sparse matrix": ("rna", "counts.mtx.gz", gzip.compress(b"%%MatrixMarket matrix coordinate integer general\n1 1 1\n1 1 5\n"), "", "h5ad"),
    "a VCF of copies": ("copy_number", "S1.cnv.vcf", b"##fileformat=VCFv4.2\n##source=DRAGEN_CNV\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n", "a VCF", "segments"),
    "a VCF as expression": ("rna", "S1.vcf.gz", gzip.compress(b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"), "a VCF", "mutations"),
    "Feather's first version": ("rna", "c.feather", b"FEA1" + bytes(60) + b"FEA1", "Feather", "Parquet"),
    "an R object": ("methylation", "betas.rds", b"X\n\0\0\0\3\0\4\3\0", "R's own format", "write.csv"),
    "a packed R object": ("rna", "x.rds", gzip.compress(b"X\n\0\0\0\3\0\4\3\0"), "R's own format", "write.csv"),
    "an R workspace": ("rna", "x.RData", gzip.compress(b"RDX3\nX\n\0\0\0\3"), "R's own format", "write.csv"),
    "R's qs": ("rna", "x.qs", b"\x0b\x0e\x0a\x0c" + bytes(40), "qs", "write.csv"),
    "IDAT": ("methylation", "203_R01C01_Grn.idat", b"IDAT\3\0\0\0" + bytes(60), "IDAT", "beta values"),
    "loom": ("single_cell", "x.loom", b"\x89HDF\r\n\x1a\n" + bytes(60), "loom", "read_loom"),
    "loom of samples": ("rna", "x.loom", b"\x89HDF\r\n\x1a\n" + bytes(60), "loom", "read_loom"),
    "CEL": ("rna", "x.CEL", b"\x40\0\0\0" + bytes(60), "CEL", "no counts"),
    "spectra": ("proteomics", "x.raw", b"\x01\xa1F\0i\0n\0n\0i\0g\0a\0n\0", "spectra", "MaxQuant"),
    "aligned reads": ("rna", "x.bam", gzip.compress(b"BAM\1" + bytes(40)), "aligned reads", "counts"),
    "reads": ("rna", "x.fastq.gz", gzip.compress(b"@r1\nACGT\n+\nIIII\n"), "FASTQ", "counts"),
    "BCF": ("mutations", "x.bcf", gzip.compress(b"BCF\2\2" + bytes(30)), "BCF", "bcftools view"),
    "a PDF as mutations": ("mutations", "x.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF", "text or a workbook"),
    "a PDF as proteins": ("proteomics", "x.pdf", b"%PDF-1.7\nobj\n", "PDF", "text or a workbook"),
    "JSON": ("mutations", "x.json", b'{"variants": [{"gene": "TP53"}]}\n', "JSON", "as a table"),
    "JSON of rows": ("rna", "x.json", b'[{"gene": "TP53", "S1": 4}]\n', "JSON", "as a table"),
    "a page of a portal": ("rna", "x.tsv", b"<!DOCTYPE html>\n<html><body>Please log in</body></html>\n", "a page of the web", "Download"),
    "XML": ("methylation", "x.xml", b'<?xml version="1.0"?>\n<MINiML/>\n', "XML", "as a table"),
}  # fmt: skip


@pytest.mark.parametrize("case", FORMS)
def test_what_is_no_table_is_named_with_the_way_on(case: str, tmp_path: Path) -> None:
    assay, name, content, said, way_on = FORMS[case]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(Unusable) as caught:
        read(assay, AssayFiles(path))
    assert said in caught.value.message and way_on in caught.value.remedy, (caught.value.message, caught.value.remedy)
