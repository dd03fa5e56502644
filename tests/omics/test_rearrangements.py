"""Fusions and structural variants: one event once, by the genes that are joined or broken; who was not looked at is missing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from unibase.groundwork.problems import Unusable
from unibase.omics.assays.fusions import rearranged
from unibase.omics.assays.registry import AssayFiles, read, together
from unibase.omics.readers.breakends import read_breakends
from unibase.omics.readers.rearrangements import read_rearrangements
from unibase.omics.recognise.which_assay import assay_of

ARRIBA = "#gene1\tgene2\tstrand1(gene/fusion)\tstrand2(gene/fusion)\tbreakpoint1\tbreakpoint2\tsite1\tsite2\ttype\tsplit_reads1\tconfidence\n"
STAR = "#FusionName\tJunctionReadCount\tSpanningFragCount\tSpliceType\tLeftGene\tLeftBreakpoint\tRightGene\tRightBreakpoint\n"
PORTAL = "Sample_Id\tSV_Status\tSite1_Hugo_Symbol\tSite2_Hugo_Symbol\tSite1_Chromosome\tSite1_Position\tClass\n"
OLD = "Hugo_Symbol\tEntrez_Gene_Id\tTumor_Sample_Barcode\tFusion\tFusion_Status\n"
CATCHER = "Gene_1_symbol(5end_fusion_partner)\tGene_2_symbol(3end_fusion_partner)\tFusion_description\n"
ALK = "EML4\tALK\t+/+\t-/-\t2:42295516\t2:29223528\tCDS\tCDS\tinversion\t12\t"
TABLES: dict[str, tuple[str, str, dict[str, set[str]]]] = {
    # File, its text, and the features that are 1 in each profiled sample.
    "Arriba": ("lyon-1.fusions.tsv", f"{ARRIBA}{ALK}high\n{ALK}medium\n", {"lyon-1": {"ALK", "EML4", "ALK::EML4"}}),
    "Arriba's low confidence": ("lyon-1.fusions.tsv", f"{ARRIBA}{ALK}low\n", {"lyon-1": set()}),
    "between genes": ("lyon-1.tsv", ARRIBA + ALK.replace("EML4", "COX7A2L(9011),EML4(1200)") + "high\n", {"lyon-1": {"ALK"}}),
    "no event": ("lyon-1.fusions.tsv", ARRIBA, {"lyon-1": set()}),
    "named by the folder": ("fusions.tsv", f"{ARRIBA}{ALK}high\n", {"CHU-été": {"ALK", "EML4", "ALK::EML4"}}),
    "STAR-Fusion": (
        "s.tsv", f"{STAR}KIF5B--RET\t9\t3\tONLY_REF_SPLICE\tKIF5B^ENSG00000170759.10\tchr10:32017143:-\tRET^ENSG00000165731.18\tchr10:43114480:+\n",
        {"s": {"KIF5B", "RET", "KIF5B::RET"}},
    ),
    "FusionCatcher": ("s.txt", f"{CATCHER}BCR\tABL1\tknown\n", {"s": {"BCR", "ABL1", "ABL1::BCR"}}),
    "cBioPortal": (
        "data_sv.txt", f"{PORTAL}a\tSOMATIC\tTMPRSS2\tERG\t21\t1\tDELETION\na\tSOMATIC\tERG\tTMPRSS2\t21\t1\tDELETION\nb\tGERMLINE\tBRCA1\tBRCA1\t17\t1\tDELETION\n"
        "b\tSOMATIC\tPTEN\t\t10\t1\tDELETION\nc\tSOMATIC\tEGFR\tEGFR\t7\t1\tDELETION\n",
        {"a": {"ERG", "TMPRSS2", "ERG::TMPRSS2"}, "b": {"PTEN"}, "c": {"EGFR"}},
    ),
    "GENIE's older form": (
        "data_fusions.txt", f"{OLD}EML4\t27436\ta\tEML4-ALK fusion\tSOMATIC\nALK\t238\ta\tEML4-ALK fusion\tSOMATIC\nMLL\t4297\tb\tMLL-intragenic\tSOMATIC\n",
        {"a": {"ALK", "EML4", "ALK::EML4"}, "b": {"KMT2A"}},
    ),
    "plain": ("t.csv", "sample,gene1,gene2\na,EWSR1,FLI1\nb,EWSR1,ERG\n", {"a": {"EWSR1", "FLI1", "EWSR1::FLI1"}, "b": {"ERG", "EWSR1", "ERG::EWSR1"}}),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLES)
def test_tables_of_every_maker(tmp_path: Path, case: str) -> None:
    name, text, expected = TABLES[case]
    path = tmp_path / "CHU-été" / name
    path.parent.mkdir()
    path.write_text(text)
    table = rearranged(read_rearrangements(path)).to_df()
    assert {str(s): {str(f) for f in table.columns if row[f] == 1} for s, row in table.iterrows()} == expected
    assert not (table.isna()).to_numpy().any()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("gene,S1\nTP53,3\n", "not-rearrangements"),
        (f"{PORTAL}a\tMAYBE\tTMPRSS2\tERG\t21\t1\tDELETION\n", "unknown-word"),
        (f"{PORTAL}\tSOMATIC\tTMPRSS2\tERG\t21\t1\tDELETION\n", "no-sample-names"),
        ("sample,gene1,gene2\na,EWSR1,FLI1\nb,BCR,ABL1\n", "other-names"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "x.txt").write_text(text)
    with pytest.raises(Unusable, match=reason):
        read_rearrangements(tmp_path / "x.txt", ["c", "d"] if reason == "other-names" else None)


def test_a_list_of_shorter_names_makes_nobody_wild_type(tmp_path: Path) -> None:
    (tmp_path / "sv.csv").write_text("sample,gene1,gene2\nlyon-1-T,EML4,ALK\nlyon-2,CD74,ROS1\n")
    with pytest.raises(Unusable, match="by a shorter name"):
        read_rearrangements(tmp_path / "sv.csv", ["lyon-1", "lyon-2"])


def test_profiled_by_list_and_by_panel_and_nobody_else_is_wild_type(tmp_path: Path) -> None:
    """A sample of a panel without ROS1 has it missing; a sample without a panel has all missing."""
    (tmp_path / "sv.csv").write_text("sample,gene1,gene2\na,EML4,ALK\nb,CD74,ROS1\nc,BCR,ABL1\n")
    (tmp_path / "matrix.txt").write_text("SAMPLE_ID\tmutations\tstructural_variants\na\tM\tP\nb\tM\tQ\nd\tM\tP\ne\tM\tNA\n")
    (tmp_path / "genes.csv").write_text("panel,gene\nP,ALK\nP,EML4\nP,BCR\nQ,ROS1\nQ,ALK\n")
    said = {"panels": str(tmp_path / "matrix.txt"), "panel_genes": str(tmp_path / "genes.csv")}
    files = AssayFiles.of(tmp_path / "sv.csv", None, **said)
    gated = read("rearrangements", AssayFiles(files.matrix, files.said, files.study, ("a", "b", "d")))
    joined = together("rearrangements", [gated.adata]).to_df()
    assert list(joined.index) == ["a", "b", "d"]
    assert list(joined["ALK"]) == [1, 0, 0] and list(joined["ALK::EML4"]) == [1, 0, 0]
    np.testing.assert_array_equal(joined["ROS1"], [np.nan, 1, np.nan])
    np.testing.assert_array_equal(joined["CD74::ROS1"], [np.nan, 1, np.nan])
    assert list(gated.adata.obs["events"]) == [1, 1, 0]


HEAD = (
    '##fileformat=VCFv4.2\n##contig=<ID=chr2>\n##contig=<ID=chr5>\n##FILTER=<ID=LOW,Description="l">\n'
    '##INFO=<ID=CSQ,Number=.,Type=String,Description="From VEP. Format: Allele|Consequence|SYMBOL|Gene">\n'
    '##INFO=<ID=SVTYPE,Number=1,Type=String,Description="s">\n##INFO=<ID=END,Number=1,Type=Integer,Description="e">\n'
    '##INFO=<ID=MATEID,Number=.,Type=String,Description="m">\n##FORMAT=<ID=GT,Number=1,Type=String,Description="g">\n'
)
MATES = (
    "chr2\t100\tm1\tA\tA]chr5:900]\t.\tPASS\tSVTYPE=BND;MATEID=m2;CSQ=]|intron_variant|EML4|",
    "chr5\t900\tm2\tG\tG]chr2:100]\t.\tPASS\tSVTYPE=BND;MATEID=m1;CSQ=]|intron_variant|ALK|",
)


def sv_vcf(path: Path, columns: str, *records: str) -> Path:
    titles = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO" + (f"\tFORMAT\t{columns}" if columns else "")
    path.write_text(HEAD + titles + "\n" + "".join(f"{record}\n" for record in records))
    return path


VCFS: dict[str, tuple[str, tuple[str, ...], dict[str, set[str]]]] = {
    "mates": ("NORMAL\tTUMOR", tuple(f"{m}\tPR:SR\t9,0:3,0\t4,9:1,3" for m in MATES), {"lyon-1": {"ALK", "EML4", "ALK::EML4"}}),
    "mates without MATEID": (
        "a\tb", tuple(m.replace("MATEID=m2;", "").replace("MATEID=m1;", "") + "\tGT\t0/1\t0/0" for m in MATES),
        {"a": {"ALK", "EML4", "ALK::EML4"}, "b": set()},
    ),
    "the normal has it": ("a\tnormal", tuple(f"{m}\tGT\t0/1\t0/1" for m in MATES), {"a": set()}),
    "failed": ("a", tuple(m.replace("PASS", "LOW") + "\tGT\t0/1" for m in MATES), {"a": set()}),
    "within a gene": ("a", ("chr2\t50\td\tN\t<DEL>\t.\tPASS\tSVTYPE=DEL;END=80;CSQ=<DEL>|intron_variant|EGFR|\tGT\t0/1",), {"a": {"EGFR"}}),
    "a whole gene lost": ("a", ("chr2\t50\td\tN\t<DEL>\t.\tPASS\tSVTYPE=DEL;END=80;CSQ=<DEL>|transcript_ablation|EGFR|,<DEL>|feature_truncation|ALK|\tGT\t0/1",), {"a": {"ALK"}}),
    "small variants are none": ("a", ("chr2\t50\td\tA\tT\t.\tPASS\tCSQ=T|missense_variant|ALK|\tGT\t0/1",), {"a": set()}),
}  # fmt: skip


@pytest.mark.parametrize("case", VCFS)
def test_structural_variants_of_vcf(tmp_path: Path, case: str) -> None:
    columns, records, expected = VCFS[case]
    data = read_breakends(sv_vcf(tmp_path / "lyon-1.sv.vcf", columns, *records))
    table = rearranged(data).to_df()
    assert {str(s): {str(f) for f in table.columns if row[f] == 1} for s, row in table.iterrows()} == expected
    assert rearranged(data).obs["events"].to_list() == [float(bool(features)) for features in expected.values()]


def test_a_missing_genotype_is_missing_and_several_tumours_need_genotypes(tmp_path: Path) -> None:
    table = rearranged(read_breakends(sv_vcf(tmp_path / "x.vcf", "a\tb", *(f"{m}\tGT\t0/1\t./." for m in MATES)))).to_df()
    assert np.isnan(table.loc["b", ["ALK", "EML4"]]).all()
    with pytest.raises(Unusable, match="no-genotypes"):
        read_breakends(sv_vcf(tmp_path / "y.vcf", "a\tb", *(f"{m}\tPR\t1\t2" for m in MATES)))
    with pytest.raises(Unusable, match="no-gene"):
        read_breakends(sv_vcf(tmp_path / "z.vcf", "a", *(m.replace("CSQ=", "XX=") + "\tGT\t0/1" for m in MATES)))


def test_generated_breakends_as_bcftools_and_a_plain_reading_have_them(tmp_path: Path) -> None:
    """Two tumours and a normal, mates, filters and missing genotypes; genes by their positions; carriers as bcftools reads them."""
    if shutil.which("bcftools") is None:
        pytest.skip("no bcftools on this machine")
    rng = np.random.default_rng(11)
    spans = pl.DataFrame([(f"invented-{c}-{i}", c, i * 1000, i * 1000 + 700) for c in "25" for i in range(9)], ["region", "chromosome", "start", "end"], orient="row")  # fmt: skip
    records = []
    for i in range(120):
        here, there = (int(v) for v in rng.integers(1, 9000, 2))
        calls = "\t".join(rng.choice(["0/1", "0/0", "1/1", "./."], 2)) + "\t" + str(rng.choice(["0/0", "0/0", "0/0", "0/1"]))
        told = f".\t{rng.choice(['PASS', 'PASS', 'LOW'])}"
        records += [
            f"chr2\t{here}\tm{i}a\tA\tA[chr5:{there}[\t{told}\tSVTYPE=BND;MATEID=m{i}b\tGT\t{calls}",
            f"chr5\t{there}\tm{i}b\tA\t]chr2:{here}]A\t{told}\tSVTYPE=BND;MATEID=m{i}a\tGT\t{calls}",
        ]
    order = sorted(records, key=lambda record: (record.split("\t")[0], int(record.split("\t")[1])))
    path = sv_vcf(tmp_path / "x.vcf", "a\tb\tnormal", *order)
    asked = ["bcftools", "query", "-f", "%ID\t%CHROM\t%POS\t%FILTER\t%INFO/MATEID[\t%GT]\n", str(path)]
    said = [line.split("\t") for line in subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()]
    places = {row[0]: (row[1].removeprefix("chr"), int(row[2])) for row in said}
    inside = {
        key: [str(g) for g, c, s, e in spans.iter_rows() if c == chromosome and s <= at <= e]
        for key, (chromosome, at) in places.items()
    }
    expected = set()
    for identifier, _, _, passed, mate, *calls in said:
        if passed == "PASS" and "1" not in calls[2]:
            for sample, call in zip("ab", calls, strict=False):
                pairs = [sorted((x, y)) for x in inside[identifier] or [""] for y in inside[mate] or [""]]
                expected |= {(sample, *pair) for pair in pairs if "1" in call and any(pair)}
    assert set(read_breakends(path, genes=spans).events.iter_rows()) == expected
    assert len(expected) > 40


def test_the_assay_is_told_by_titles(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text(f"{PORTAL}a\tSOMATIC\tTMPRSS2\tERG\t21\t1\tDELETION\n")
    assert assay_of(tmp_path / "x.tsv") == "rearrangements"
