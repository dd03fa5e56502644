"""Variants as callers and annotators write them: each tumour has its own, and what is missing is never wild type."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from benchmarks import generated_vcfs
from unibase.groundwork.problems import Unusable
from unibase.omics.assays.mutations import combine_tables, gene_table
from unibase.omics.readers.consequences import NONSYNONYMOUS, class_of
from unibase.omics.readers.maf import read_maf
from unibase.omics.readers.vcf import read_vcf

VEP = '##INFO=<ID=CSQ,Number=.,Type=String,Description="From VEP. Format: Allele|Consequence|SYMBOL|Gene|HGVSp">\n'
SNPEFF = "##INFO=<ID=ANN,Number=.,Type=String,Description=\"Functional annotations: 'Allele | Annotation | Annotation_Impact | Gene_Name | Gene_ID'\">\n"
TP53 = "17\t7675088\t.\tC\tT\t.\tPASS\tCSQ=T|missense_variant|TP53|ENSG00000141510|p.Arg175His"


def vcf(path: Path, samples: str, *records: str, head: str = VEP) -> Path:
    titles = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO" + (f"\tFORMAT\t{samples}" if samples else "")
    path.write_text("##fileformat=VCFv4.2\n" + head + titles + "\n" + "".join(f"{record}\n" for record in records))
    return path


def cells(*paths: Path) -> dict[tuple[str, str], float]:
    table = gene_table(read_vcf(list(paths)))
    return {(sample, gene): value for sample, row in table.to_df().iterrows() for gene, value in row.items()}  # type: ignore[misc]


@pytest.mark.parametrize(
    ("head", "columns", "tumour"),
    [
        ("##normal_sample=WBC\n##tumor_sample=lyon-1\n", "lyon-1\tWBC", "lyon-1"),
        ("##normal_sample=WBC\n##tumor_sample=lyon-1\n", "WBC\tlyon-1", "lyon-1"),
        ("##PEDIGREE=<Derived=lyon-1,Original=B2>\n", "B2\tlyon-1", "lyon-1"),
        ("##SAMPLE=<ID=NORMAL,NAME=P1-N>\n##SAMPLE=<ID=TUMOR,NAME=lyon-1>\n", "NORMAL\tTUMOR", "lyon-1"),
        ("", "NORMAL\tTUMOR", "file"),
        ("", "lyon-1_normal\tlyon-1", "lyon-1"),
    ],
)
def test_tumour_and_normal_are_told(tmp_path: Path, head: str, columns: str, tumour: str) -> None:
    place = [not any(word in name.upper() for word in ("NORMAL", "WBC", "B2")) for name in columns.split("\t")]
    calls = "\t".join("0/1" if mine else "0/0" for mine in place)
    path = vcf(tmp_path / "file.strelka.vcf", columns, f"{TP53}\tGT\t{calls}", head=VEP + head)
    assert cells(path) == {(tumour, "TP53"): 1}


def test_each_tumour_has_its_own_genotypes_and_a_missing_one_is_missing(tmp_path: Path) -> None:
    path = vcf(tmp_path / "x.vcf", "a\tb\tc\td", f"{TP53}\tGT:AD\t0/1:3,4\t0|0:9,0\t./.:.\t./1:0,3")
    found = cells(path)
    assert [found[s, "TP53"] for s in "abd"] == [1, 0, 1] and np.isnan(found["c", "TP53"])
    only_missing = read_vcf([vcf(tmp_path / "y.vcf", "e", f"{TP53}\tGT\t./.")])
    other = read_vcf([vcf(tmp_path / "z.vcf", "f", f"{TP53}\tGT\t0/1")])
    joined = combine_tables([gene_table(only_missing), gene_table(other)])
    assert np.isnan(joined["e", "TP53"].X).all(), "a gene that no sample of a file carries must not become wild type"


def test_what_the_normal_has_is_not_somatic_and_failed_records_are_none(tmp_path: Path) -> None:
    failed = TP53.replace("PASS", "panel_of_normals").replace("7675088", "7675090")
    path = vcf(tmp_path / "x.vcf", "a\tnormal", f"{TP53}\tGT\t0/1\t0/1", f"{failed}\tGT\t0/1\t0/0")
    data = read_vcf([path])
    assert data.variants.height == 0 and data.profiled == ("a",)
    assert len(data.notes) == 2


def test_alleles_of_one_record_and_structural_ones(tmp_path: Path) -> None:
    several = (
        "12\t25245350\t.\tC\tT,CA\t.\tPASS\tCSQ=T|missense_variant|KRAS|E|,A|frameshift_variant|KRAS|E|\tGT\t0/2\t1/1",
        "7\t100\t.\tG\tG]17:198982]\t.\tPASS\tSVTYPE=BND\tGT\t0/1\t0/1",
        "7\t200\t.\tG\t<DEL>\t.\tPASS\tSVTYPE=DEL\tGT\t0/1\t0/1",
    )
    data = read_vcf([vcf(tmp_path / "x.vcf", "a\tb", *several)])
    assert sorted(data.variants.select("sample", "classification").rows()) == [
        ("a", "Frame_Shift_Ins"),
        ("b", "Missense_Mutation"),
    ]
    assert "2 structural or symbolic alleles left out" in data.notes


def test_annotations_by_declared_fields_and_genes_by_ensembl(tmp_path: Path) -> None:
    ann = "17\t7675088\t.\tC\tT\t.\tPASS\tANN=T|missense_variant|MODERATE|TP53|ENSG00000141510"
    assert cells(vcf(tmp_path / "a.vcf", "s", f"{ann}\tGT\t0/1", head=SNPEFF)) == {("s", "TP53"): 1}
    bare = TP53.replace("|TP53|", "||")
    assert cells(vcf(tmp_path / "b.vcf", "s", f"{bare}\tGT\t0/1")) == {("s", "TP53"): 1}
    for record, reason in (
        (bare.replace("ENSG00000141510", ""), "no-gene"),
        (TP53.replace("missense_variant", "odd_words"), "unknown-word"),
        (TP53.replace("CSQ=", "XYZ="), "not-annotated"),
    ):
        with pytest.raises(Unusable, match=reason):
            read_vcf([vcf(tmp_path / "c.vcf", "s", f"{record}\tGT\t0/1")])
    with pytest.raises(Unusable, match="no-genotypes"):
        read_vcf([vcf(tmp_path / "d.vcf", "s\tt", f"{TP53}\tAD\t3\t4")])


@pytest.mark.parametrize("seed", range(12))
def test_generated_files_of_six_callers_have_bcftools_genotypes(tmp_path: Path, seed: int) -> None:
    """Twice each caller of `benchmarks/generated_vcfs.py`, which compares 1,000."""
    if shutil.which("bcftools") is None:
        pytest.skip("no bcftools on this machine")
    pairs, differ = generated_vcfs.differences(seed, tmp_path)
    assert pairs and not differ


def test_genotypes_are_those_that_bcftools_reads(tmp_path: Path) -> None:
    if shutil.which("bcftools") is None:
        pytest.skip("no bcftools on this machine")
    rng = np.random.default_rng(5)
    genes = ["TP53", "KRAS", "EGFR", "BRAF", "PIK3CA"]
    calls = ["0/0", "0/1", "1/1", "./.", "1|0", "0|0", "./1", "."]
    lines = []
    for i in range(60):
        info = f"CSQ=T|missense_variant|{genes[i % 5]}||"
        lines.append(f"chr1\t{100 + i}\t.\tC\tT\t.\tPASS\t{info}\tGT\t" + "\t".join(rng.choice(calls, 4)))
    head = (
        VEP
        + "##contig=<ID=chr1>\n"
        + '##FORMAT=<ID=GT,Number=1,Type=String,Description="g">\n##FILTER=<ID=PASS,Description="p">\n'
    )
    path = vcf(tmp_path / "x.vcf", "a\tb\tc\td", *lines, head=head)
    (tmp_path / "x.vcf.gz").write_bytes(gzip.compress(path.read_bytes()))
    asked = ["bcftools", "query", "-f", "[%POS\t%SAMPLE\t%GT\n]", str(path)]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    carriers = {(int(pos), sample) for pos, sample, call in map(str.split, said.splitlines()) if "1" in call}
    data = read_vcf([tmp_path / "x.vcf.gz"])
    assert set(data.variants.select("start", "sample").rows()) == carriers


HEAD = ("Hugo_Symbol", "Chromosome", "Start_Position", "End_Position", "Variant_Classification", "Reference_Allele", "Tumor_Seq_Allele1",
        "Tumor_Seq_Allele2", "Tumor_Sample_Barcode", "Mutation_Status", "FILTER", "NCBI_Build", "Entrez_Gene_Id")  # fmt: skip
ROW = ("TP53", "17", "100", "100", "Missense_Mutation", "C", "C", "T", "a", "Somatic", "PASS", "GRCh38", "7157")


def maf(path: Path, *rows: dict[str, str], above: str = "") -> Path:
    lines = ["\t".join({**dict(zip(HEAD, ROW, strict=True)), **row}.values()) for row in rows]
    path.write_text(above + "\t".join(HEAD) + "\n" + "".join(f"{line}\n" for line in lines))
    return path


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        ({}, 1),
        ({"Mutation_Status": "Germline"}, 0),
        ({"Mutation_Status": "LOH"}, 0),
        ({"Mutation_Status": "None"}, 0),
        ({"Mutation_Status": ""}, 1),
        ({"FILTER": "common_variant"}, 0),
        ({"FILTER": "."}, 1),
        ({"Tumor_Seq_Allele2": "C"}, 0),
        ({"Tumor_Seq_Allele1": "T", "Tumor_Seq_Allele2": "C"}, 1),
        ({"Hugo_Symbol": ""}, 1),
        ({"Hugo_Symbol": "", "Entrez_Gene_Id": ""}, 0),
        ({"Variant_Classification": "missense_variant&splice_region_variant"}, 1),
        ({"Variant_Classification": "nonsynonymous SNV"}, 1),
        ({"Variant_Classification": "synonymous_variant"}, 0),
    ],
)
def test_rows_of_a_maf_that_are_mutations(tmp_path: Path, row: dict[str, str], kept: int) -> None:
    data = read_maf(maf(tmp_path / "x.maf", row, {"Tumor_Sample_Barcode": "b"}))
    table = gene_table(data)
    assert list(table.obs_names) == ["a", "b"], "a sample whose rows are left out was sequenced all the same"
    assert table["a", "TP53"].X[0, 0] == kept and table.obs["variants"].tolist() == [kept, 1]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"Variant_Classification": "Dupont"}, "unknown-word: Row 2"),
        ({"Variant_Classification": ""}, "unknown-word: Row 2"),
        ({"Mutation_Status": "Dupont"}, "unknown-word: Row 2"),
        ({"NCBI_Build": "37"}, "mixed-builds"),
        ({"Tumor_Sample_Barcode": ""}, "not-a-maf: Row 2"),
        ({"Start_Position": "x"}, "not-a-number: Row 2"),
    ],
)
def test_what_is_not_understood_is_refused_without_its_value(tmp_path: Path, row: dict[str, str], reason: str) -> None:
    with pytest.raises(Unusable, match=reason) as problem:
        read_maf(maf(tmp_path / "x.maf", {}, row))
    assert "Dupont" not in str(problem.value)


def test_sequenced_samples_transcripts_and_panels(tmp_path: Path) -> None:
    (tmp_path / "panel.txt").write_text("TP53\n")
    rows = [{}, {"Variant_Classification": "Silent"}, {"Hugo_Symbol": "WRAP53"}, {"Hugo_Symbol": "TTN", "Start_Position": "5"}]
    path = maf(tmp_path / "x.maf", *rows, above="#version 2.4\n#sequenced_samples: a lyon CHU-été\n")
    data = read_maf(path)
    assert data.profiled == ("CHU-été", "a", "lyon") and data.burden() == {"a": 2}
    on_panel = gene_table(read_maf(path, panel=tmp_path / "panel.txt"), callable_megabases=0.5)
    assert list(on_panel.var_names) == ["TP53"] and on_panel.obs["tmb"].tolist() == [0, 2, 0]


def test_words_of_every_dialect_are_of_a_class() -> None:
    assert (
        class_of("frameshift_variant", "CA", "C") == "Frame_Shift_Del"
        and class_of("nonframeshift substitution", "C", "CAAA") == "In_Frame_Ins"
    )
    assert class_of("stop_gained&splice_region_variant", "C", "T") == "Nonsense_Mutation"
    assert class_of("intron_variant,missense_variant", "C", "T") in NONSYNONYMOUS
    assert class_of("who_knows", "C", "T") is None


MAF_TITLES = [
    "Hugo_Symbol",
    "Entrez_Gene_Id",
    "NCBI_Build",
    "Chromosome",
    "Start_Position",
    "End_Position",
    "Variant_Classification",
    "Reference_Allele",
    "Tumor_Seq_Allele2",
    "Tumor_Sample_Barcode",
]
MAF_ROWS = [
    ["TP53", "7157", "GRCh37", "17", "7577120", "7577120", "Missense_Mutation", "C", "T", "lyon-1"],
    ["9-Sep", "10801", "GRCh37", "17", "75398300", "75398300", "Nonsense_Mutation", "C", "T", "lyon-2"],
]
WRITTEN = {
    "tabs": lambda rows: "\n".join("\t".join(row) for row in rows),
    "semicolons": lambda rows: "\r\n".join(";".join(row) for row in rows),
    "commas and quotes": lambda rows: "\n".join(",".join(f'"{cell}"' for cell in row) for row in rows),
    "tabs and quotes": lambda rows: "#version 2.4\n" + "\n".join("\t".join(f'"{cell}"' for cell in row) for row in rows),
}


@pytest.mark.parametrize("form", WRITTEN)
def test_a_maf_that_a_spreadsheet_wrote(tmp_path: Path, form: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(WRITTEN[form]([MAF_TITLES, *MAF_ROWS]).encode("utf-8-sig"))
    data = read_maf(path, ["lyon-1", "lyon-2", "lyon-3"])
    assert data.variants.select("gene", "sample").rows() == [("TP53", "lyon-1"), ("SEPTIN9", "lyon-2")]
    assert data.notes[-1].startswith("genome hg19")


REFUSED_MAFS = {
    "a position that lost its digits": (
        [[*MAF_ROWS[0][:4], "7.58E+06", "7.58E+06", *MAF_ROWS[0][6:]]],
        ["lyon-1"],
        "not-a-number",
    ),
    "a list of shorter names": (
        [[*MAF_ROWS[0][:-1], "TCGA-05-4244-01A-01D"]],
        ["TCGA-05-4244-01", "TCGA-05-4245-01"],
        "other-names",
    ),
    "a list of other names": (MAF_ROWS, ["A", "B", "C"], "other-names"),
}


@pytest.mark.parametrize("what", REFUSED_MAFS)
def test_a_maf_is_refused_where_it_would_make_wild_types(tmp_path: Path, what: str) -> None:
    rows, profiled, reason = REFUSED_MAFS[what]
    (tmp_path / "x.maf").write_text(WRITTEN["tabs"]([MAF_TITLES, *rows]))
    with pytest.raises(Unusable) as problem:
        read_maf(tmp_path / "x.maf", profiled)
    assert problem.value.reason == reason and problem.value.remedy


def test_a_normal_is_told_by_its_pair(tmp_path: Path) -> None:
    path = vcf(tmp_path / "x.vcf", "T_01\tN_01\tT_02\tN_03", f"{TP53}\tGT\t0/1\t0/0\t0/0\t0/1")
    assert sorted(read_vcf([path]).profiled) == ["N_03", "T_01", "T_02"]
    records = [f"{TP53}\tGT\t0/0\t0/1".replace("7675088", str(7675088 + i)) for i in range(6)]
    pair = read_vcf([vcf(tmp_path / "y.vcf", "22H1\t22H2", *records)])
    assert pair.profiled == ("22H2",) and "files of two columns" in pair.notes[0]
    two = read_vcf([vcf(tmp_path / "z.vcf", "22H1\t22H2", *records, f"{TP53}\tGT\t1/1\t0/0")])
    assert two.profiled == ("22H1", "22H2")
