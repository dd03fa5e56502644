from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.assays.mutations import gene_table
from unibase.omics.readers.maf import read_maf
from unibase.omics.readers.profiles import read_hotspots, read_panel, read_profiled

MAF = """#version 2.4
Hugo_Symbol\tChromosome\tStart_Position\tEnd_Position\tVariant_Classification\tVariant_Type\tReference_Allele\tTumor_Seq_Allele2\tTumor_Sample_Barcode\tHGVSp_Short
TP53\t17\t100\t100\tMissense_Mutation\tSNP\tG\tA\tS1\tp.R175H
TP53\t17\t100\t100\tMissense_Mutation\tSNP\tG\tA\tS1\tp.R175H
TP53\t17\t120\t120\tNonsense_Mutation\tSNP\tG\tA\tS2\tp.R213*
KRAS\t12\t100\t100\tSilent\tSNP\tG\tA\tS2\tp.G12G
KRAS\t12\t101\t101\tMissense_Mutation\tSNP\tG\tA\tS3\tp.G12D
"""


def test_not_profiled_is_missing_never_wild_type(tmp_path: Path) -> None:
    maf, listed = tmp_path / "x.maf", tmp_path / "profiled.txt"
    maf.write_text(MAF)
    listed.write_text("S1\nS2\nS3\nS4\n")
    data = read_maf(maf, listed)
    assert data.notes == ("1 repeated variants merged",)
    table = gene_table(data, cohort=["S1", "S5"], callable_megabases=2)
    assert list(table.var_names) == ["KRAS", "TP53"]
    expected = {"S1": [0, 1], "S2": [0, 1], "S3": [1, 0], "S4": [0, 0], "S5": [np.nan, np.nan]}
    np.testing.assert_array_equal(table.X, [expected[s] for s in table.obs_names])
    np.testing.assert_array_equal(table.obs["tmb"], [0.5, 0.5, 0.5, 0, np.nan])
    np.testing.assert_array_equal(gene_table(data, view="truncating").X[:, 0], [0, 1, 0, 0])
    hot = gene_table(data, view="hotspot", hotspots=[("KRAS", 12), ("TP53", 175)])
    np.testing.assert_array_equal(hot.X, [[0, 1], [0, 0], [1, 0], [0, 0]])
    assert list(gene_table(data, min_samples=2).var_names) == ["TP53"]


def test_what_is_no_maf_says_so(tmp_path: Path) -> None:
    bad = tmp_path / "x.maf"
    bad.write_text("a\tb\n1\t2\n")
    with pytest.raises(Unusable, match="lacks the column Hugo_Symbol"):
        read_maf(bad)
    bad.write_text(MAF + "TP53\t17\n")
    with pytest.raises(Unusable, match="truncated-file: Row 6"):
        read_maf(bad)
    listed = tmp_path / "p.csv"
    listed.write_text("sample,panel\nS2,x\nS1,x\n")
    assert read_profiled(listed) == ("S1", "S2")


def test_tcga_laml_as_maftools_summarises_it(real_data: Path) -> None:
    folder = real_data / "omics" / "tcga_laml"
    cohort = pd.read_csv(folder / "tcga_laml_annot.tsv", sep="\t")["Tumor_Sample_Barcode"].tolist()
    data = read_maf(folder / "tcga_laml.maf.gz")
    table = gene_table(data, cohort=cohort)
    assert table.n_obs == 200
    assert int(table.obs["profiled"].sum()) == 193
    # The ten genes of maftools' summary of this data set, with mutated samples.
    top = {
        "FLT3": 52,
        "DNMT3A": 48,
        "NPM1": 33,
        "IDH2": 20,
        "IDH1": 18,
        "TET2": 17,
        "RUNX1": 16,
        "TP53": 15,
        "NRAS": 15,
        "CEBPA": 13,
    }
    assert table.var["mutated_samples"][list(top)].to_dict() == top
    assert table.var["mutated_samples"].nlargest(10).min() == 13
    # maftools' tcgaCompare and tmb give a median of 0.18 per megabase at 50 megabases.
    assert np.nanmedian(table.obs["tmb"]) == 0.18
    assert np.isnan(table.X[~table.obs["profiled"].to_numpy()]).all()

    # maftools is in no archive at hand. This is what its manual defines, counted anew from the file for every gene and every
    # sample: the nine protein-changing classes, a variant once per chromosome, start and sample, one megabase in fifty.
    classes = {
        "Frame_Shift_Del", "Frame_Shift_Ins", "Splice_Site", "Translation_Start_Site", "Nonsense_Mutation", "Nonstop_Mutation",
        "In_Frame_Del", "In_Frame_Ins", "Missense_Mutation",
    }  # fmt: skip
    with gzip.open(folder / "tcga_laml.maf.gz", "rt") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    mutated: dict[str, set[str]] = {}
    burden = {row["Tumor_Sample_Barcode"]: 0 for row in rows}
    seen = set()
    now = dict(data.renamed)
    for row in rows:
        place = (row["Chromosome"], row["Start_Position"], row["Tumor_Sample_Barcode"])
        if row["Variant_Classification"] in classes and place not in seen:
            seen.add(place)
            burden[row["Tumor_Sample_Barcode"]] += 1
            mutated.setdefault(now.get(row["Hugo_Symbol"], row["Hugo_Symbol"]), set()).add(row["Tumor_Sample_Barcode"])
    assert len(burden) == 193
    assert table.var["mutated_samples"].to_dict() == {gene: len(samples) for gene, samples in mutated.items()}
    ours = table.obs["tmb"].dropna()
    assert {name: round(value * 50) for name, value in ours.items()} == burden
    for gene, samples in mutated.items():
        assert set(table.obs_names[np.asarray(table[:, gene].X).ravel() == 1]) == samples


def test_panels_and_hotspots_are_read_with_current_symbols_and_faults_are_said(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("MLL2\nTP53\n\n")
    assert read_panel(path) == {"KMT2D", "TP53"}
    path.write_text("gene\tposition\tnote\nMLL2\t12\tx\nKRAS\t61\n")
    assert read_hotspots(path) == {("KMT2D", 12), ("KRAS", 61)}
    for text, said in (("gene,place\nKRAS,12\n", "lacks gene or position"), ("gene,position\nKRAS,12\nKRAS,p.12\n", "Row 2 of")):
        path.write_text(text)
        with pytest.raises(UserError, match=said):
            read_hotspots(path)
    path.write_text("\n")
    with pytest.raises(UserError, match="is empty"):
        read_panel(path)
    for read in (read_panel, read_hotspots):
        with pytest.raises(UserError, match="There is no"):
            read(tmp_path / "none")
