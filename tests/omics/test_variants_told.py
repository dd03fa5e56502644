"""What leaves of a variant: a row each of cells as callers write them, and what may leave of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from unibase.omics.assays.registry import AssayFiles, read
from unibase.omics.options import Assays, MutationOptions

HEAD = ("Hugo_Symbol", "NCBI_Build", "Chromosome", "Start_Position", "End_Position", "Variant_Classification", "Reference_Allele",
        "Tumor_Seq_Allele2", "Tumor_Sample_Barcode", "Mutation_Status", "HGVSp_Short", "Variant_Type", "Comment")  # fmt: skip
KRAS = (
    "KRAS",
    "GRCh37",
    "chr12",
    "25398284",
    "25398284",
    "Missense_Mutation",
    "C",
    "T",
    "lyon-1",
    "Somatic",
    "p.G12D",
    "SNP",
    "M. Dupont",
)


def written(folder: Path, *rows: tuple[str, ...]) -> Path:
    path = folder / "CHU-été.maf"
    path.write_text("\n".join("\t".join(row) for row in (HEAD, *rows)) + "\n", encoding="utf-8")
    return path


def released(path: Path, **options: object) -> list[dict[str, object]]:
    study = Assays(mutations=MutationOptions(maf="all"))
    variants = read("mutations", AssayFiles.of(path, study, **options)).variants
    assert variants is not None
    return variants.to_dicts()


def with_cells(**cells: str) -> tuple[str, ...]:
    return tuple(cells.get(name, cell) for name, cell in zip(HEAD, KRAS, strict=True))


CELLS: dict[str, tuple[dict[str, str], dict[str, object]]] = {
    "as it is": ({}, {"Hugo_Symbol": "KRAS", "Entrez_Gene_Id": 3845, "NCBI_Build": "GRCh37", "Chromosome": "12", "HGVSp_Short": "p.G12D", "Variant_Type": "SNP"}),
    "a build by another word": ({"NCBI_Build": "hg19"}, {"NCBI_Build": "GRCh37"}),
    "a patch of a build": ({"NCBI_Build": "GRCh38.p13"}, {"NCBI_Build": "GRCh38"}),
    "a genome that GDC has no word for": ({"NCBI_Build": "hg18"}, {"NCBI_Build": None}),
    "an older symbol": ({"Hugo_Symbol": "MLL2"}, {"Hugo_Symbol": "KMT2D", "Entrez_Gene_Id": 8085}),
    "three letters": ({"HGVSp_Short": "p.Gly12Asp"}, {"HGVSp_Short": "p.Gly12Asp"}),
    "a frame shift": ({"HGVSp_Short": "p.R213Gfs*34"}, {"HGVSp_Short": "p.R213Gfs*34"}),
    "a stop": ({"HGVSp_Short": "p.Q61*"}, {"HGVSp_Short": "p.Q61*"}),
    "a deletion": ({"HGVSp_Short": "p.E746_A750del"}, {"HGVSp_Short": "p.E746_A750del"}),
    "an insertion": ({"HGVSp_Short": "p.A767_S768insSVD"}, {"HGVSp_Short": "p.A767_S768insSVD"}),
    "a splice site": ({"HGVSp_Short": "p.X125_splice"}, {"HGVSp_Short": "p.X125_splice"}),
    "a silent one": ({"HGVSp_Short": "p.L12=", "Variant_Classification": "Silent"}, {"HGVSp_Short": "p.L12=", "Variant_Classification": "Silent"}),
    "a name for a change": ({"HGVSp_Short": "Dupont Jean"}, {"HGVSp_Short": None}),
    "a note behind a change": ({"HGVSp_Short": "p.G12D (Dupont)"}, {"HGVSp_Short": None}),
    "a day for a change": ({"HGVSp_Short": "2021-03-04"}, {"HGVSp_Short": None}),
    "a kind that the alleles deny": ({"Variant_Type": "DEL"}, {"Variant_Type": "SNP"}),
    "a free word for a kind": ({"Variant_Type": "Dupont"}, {"Variant_Type": "SNP"}),
    "a deletion's alleles": ({"Reference_Allele": "CA", "Tumor_Seq_Allele2": "-", "End_Position": "25398285"}, {"Variant_Type": "DEL"}),
    "an insertion's alleles": ({"Reference_Allele": "-", "Tumor_Seq_Allele2": "GG", "End_Position": "25398285"}, {"Variant_Type": "INS", "End_Position": 25398285}),
    "an insertion without an end": ({"Reference_Allele": "-", "Tumor_Seq_Allele2": "GG", "End_Position": ""}, {"End_Position": 25398285}),
    "two bases": ({"Reference_Allele": "cc", "Tumor_Seq_Allele2": "tt", "End_Position": "25398285"}, {"Variant_Type": "DNP", "Reference_Allele": "CC"}),
    "an empty status": ({"Mutation_Status": ""}, {"Mutation_Status": "Somatic"}),
}  # fmt: skip


@pytest.mark.parametrize("case", CELLS)
def test_what_leaves_of_a_variant(case: str, tmp_path: Path) -> None:
    cells, expected = CELLS[case]
    (one,) = released(written(tmp_path, with_cells(**cells)))
    assert {name: one[name] for name in expected} == expected
    assert "Dupont" not in repr({name: cell for name, cell in one.items()})


LEFT_OUT: dict[str, dict[str, str]] = {
    "germline": {"Mutation_Status": "Germline"},
    "lost heterozygosity": {"Mutation_Status": "LOH"},
    "a scaffold": {"Chromosome": "GL000192.1"},
    "a name for a gene": {"Hugo_Symbol": "DUPONTJEAN"},
    "a symbol for alleles": {"Tumor_Seq_Allele2": "<DEL>"},
    "a fusion": {"Variant_Classification": "Fusion"},
    "off the panel": {"Hugo_Symbol": "TTN"},
    "a gene off the panel, silent": {"Hugo_Symbol": "TTN", "Variant_Classification": "Silent"},
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_what_does_not_leave(case: str, tmp_path: Path) -> None:
    panel = tmp_path / "panel.txt"
    panel.write_text("KRAS\nDUPONTJEAN\n")
    path = written(tmp_path, KRAS, with_cells(Start_Position="25398285", End_Position="25398285", **LEFT_OUT[case]))
    (one,) = released(path, panel=str(panel))
    assert one["Hugo_Symbol"] == "KRAS" and one["Start_Position"] == 25398284


def test_what_is_left_out_is_counted_and_nothing_is_staged_unasked(tmp_path: Path) -> None:
    path = written(tmp_path, KRAS, with_cells(Chromosome="GL000192.1"))
    gated = read("mutations", AssayFiles.of(path, Assays(mutations=MutationOptions(maf="frequent"))))
    assert any(note.startswith("1 variants left out of the MAF") for note in gated.notes)
    assert read("mutations", AssayFiles.of(path)).variants is None


def test_variants_of_a_vcf_stand_as_a_maf_has_them(tmp_path: Path) -> None:
    path = tmp_path / "lyon.vcf"
    csq = '##INFO=<ID=CSQ,Number=.,Type=String,Description="Format: Allele|Consequence|SYMBOL">\n'
    info = "CSQ=-|frameshift_variant|TP53"
    path.write_text(
        f"##fileformat=VCFv4.2\n{csq}##tumor_sample=T1\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tT1\n"
        f"chr17\t7577000\t.\tGCA\tG\t.\tPASS\t{info}\tGT\t0/1\n"
    )
    (one,) = released(path)
    told = (
        one["Chromosome"],
        one["Start_Position"],
        one["End_Position"],
        one["Reference_Allele"],
        one["Tumor_Seq_Allele2"],
        one["Variant_Type"],
    )
    assert told == ("17", 7577001, 7577002, "CA", "-", "DEL") and one["NCBI_Build"] is None
