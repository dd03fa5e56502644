from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.assays import copy_number, methylation, proteomics, registry
from unibase.omics.assays.gates import check_counts
from unibase.omics.assays.genome import ARMS
from unibase.omics.assays.mutations import combine_tables, gene_table
from unibase.omics.assays.pseudobulk import pseudobulk
from unibase.omics.assays.pseudobulk import read as read_cells
from unibase.omics.assays.registry import AssayFiles
from unibase.omics.commands import recognise_file
from unibase.omics.options import CellColumns
from unibase.omics.readers import cell_files, vcf
from unibase.omics.readers.counts import read_counts
from unibase.omics.readers.maf import read_maf
from unibase.omics.readers.segments import read_segments
from unibase.omics.samples.sheets import overlaps


def test_arms_end_where_ucsc_draws_the_centromere() -> None:
    """Ends of the short arms and of chromosomes, read off UCSC's cytoBand tables of hg19 and hg38 (end of the last p band, of the last q band)."""
    ends = {
        "hg19": {"1": (125_000_000, 249_250_621), "7": (59_900_000, 159_138_663), "9": (49_000_000, 141_213_431),
                 "17": (24_000_000, 81_195_210), "21": (13_200_000, 48_129_895), "X": (60_600_000, 155_270_560)},
        "hg38": {"1": (123_400_000, 248_956_422), "7": (60_100_000, 159_345_973), "9": (43_000_000, 138_394_717),
                 "17": (25_100_000, 83_257_441), "21": (12_000_000, 46_709_983), "X": (61_000_000, 156_040_895)},
    }  # fmt: skip
    for build, arms in ends.items():
        known = ARMS[build]  # type: ignore[index]
        assert {name: known[name] for name in arms} == arms
        assert list(known) == [*map(str, range(1, 23)), "X"]
        # A segment that ends at the centromere is all of the short arm and nothing of the long one.
        for chromosome, (middle, end) in known.items():
            rows = [("S", chromosome, 1, middle, -1.0, 1), ("S", chromosome, middle + 1, end, 0.5, 2)]
            names = ["sample", "chromosome", "start", "end", "log2", "source_row"]
            levels = copy_number.arm_levels(pl.DataFrame(rows, schema=names, orient="row"), build).to_df().loc["S"]  # type: ignore[arg-type]
            assert levels[f"{chromosome}q"] == 0.5
            assert levels.get(f"{chromosome}p", -1.0) == -1.0
            assert levels.notna().sum() == (1 if chromosome in ("13", "14", "15", "21", "22") else 2)


def test_methylation_of_real_tumours(real_data: Path) -> None:
    adata = methylation.read_beta(real_data / "omics" / "tcga_coad_meth" / "beta_chr21.csv.gz")
    assert adata.shape == (38, 3012)
    assert not methylation.check_beta(adata).refused
    m = methylation.to_m_values(adata)
    np.testing.assert_allclose(1 / (1 + 2.0**-m.X), m.layers["beta"], rtol=1e-12)


def test_methylation_gates_and_masks(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    beta = rng.random((4, 50))
    beta[1, :10] = np.nan
    beta[2] = np.nan
    beta[3] = beta[0]
    path = tmp_path / "b.csv"
    pd.DataFrame(beta.T, index=[f"cg{i}" for i in range(50)], columns=list("abcd")).to_csv(path)
    adata = methylation.read_beta(path)
    assert methylation.check_beta(adata).reasons() == {"b": "failed-array", "c": "empty-sample", "d": "duplicate-sample"}
    p = np.zeros((4, 50))
    p[0, :3] = 0.5
    masked = methylation.mask(adata, detection=p, probes=["cg7", "cg9"])
    assert masked.n_vars == 48
    assert np.isnan(masked.X[0, :3]).all()
    assert masked.uns["masked"] == {"values_not_detected": 3, "probes_left_out": 2}
    pd.DataFrame([[1.5, -0.2]], index=["cg1"], columns=["a", "b"]).to_csv(path)
    with pytest.raises(Unusable, match="not-beta"):
        methylation.read_beta(path)


def test_segments_to_arms_genes_and_altered_fraction(tmp_path: Path) -> None:
    middle, length = ARMS["hg19"]["1"]
    path = tmp_path / "x.seg"
    path.write_text(
        f"ID\tchrom\tloc.start\tloc.end\tnum.mark\tseg.mean\nS\tchr1\t1\t{middle}\t9\t-1\nS\tchr1\t{middle + 1}\t{length}\t9\t0.1\nT\t2\t1\t1000\t3\t0.5\n"
    )
    segments = read_segments(path).frame
    arms = copy_number.arm_levels(segments)
    assert arms["S", "1p"].X[0, 0] == -1
    assert arms["S", "1q"].X[0, 0] == pytest.approx(0.1)
    assert np.isnan(arms["T", "2p"].X[0, 0])
    genes = pl.DataFrame({"region": ["A", "B"], "chromosome": ["1", "1"], "start": [middle - 99, 1], "end": [middle + 300, 10]})
    np.testing.assert_allclose(copy_number.gene_levels(segments, genes).X[0], [(-1 * 100 + 0.1 * 300) / 400, -1])
    altered = dict(copy_number.fraction_altered(segments).select("sample", "fraction_altered").iter_rows())
    assert altered == {"S": pytest.approx(middle / length), "T": 1.0}
    path.write_text("ID\tchrom\tloc.start\tloc.end\tseg.mean\nS\t1\t10\t5\t0\n")
    with pytest.raises(Unusable, match="Row 1"):
        read_segments(path)


def test_real_segments(real_data: Path) -> None:
    folder = real_data / "omics" / "tcga_laml"
    cohort = read_segments(folder / "LAML_CBS_segments.tsv.gz").frame
    arms = copy_number.arm_levels(cohort)
    # Losses of 5q and 7q are the common large losses of acute myeloid leukaemia.
    low = (arms.X < -0.3).sum(axis=0)
    names = list(arms.var_names)
    assert [names[i] for i in np.argsort(-low)[:2]] == ["5q", "7q"]
    one = copy_number.fraction_altered(read_segments(folder / "TCGA.AB.3009.hg19.seg.txt").frame)
    assert one.height == 1
    assert 0 <= one["fraction_altered"][0] <= 1


def test_proteins() -> None:
    raw = np.array([[4.0, 0.0, 16.0], [8.0, 2.0, 32.0]])
    logs = proteomics.log_intensities(raw)
    np.testing.assert_array_equal(logs, [[2, np.nan, 4], [3, 1, 5]])
    np.testing.assert_array_equal(proteomics.median_centre(logs), [[-1, np.nan, 1], [0, -2, 2]])
    ratios = proteomics.to_reference(logs, ["p", "p"], [True, False])
    np.testing.assert_array_equal(ratios, [[0, np.nan, 0], [1, np.nan, 1]])
    with pytest.raises(Unusable, match="negative-intensity"):
        proteomics.log_intensities(-raw)
    with pytest.raises(Unusable, match="no-reference"):
        proteomics.to_reference(logs, ["p", "q"], [True, False])


def test_pseudobulk_sums_raw_counts_and_accounts_for_cells() -> None:
    rng = np.random.default_rng(2)
    counts = rng.poisson(1.0, (300, 20))
    obs = pd.DataFrame(
        {"who": rng.choice(["p1", "p2"], 300), "type": rng.choice(["T", "B", "rare"], 300, p=[0.6, 0.38, 0.02])},
        index=[f"c{i}" for i in range(300)],
    )
    obs.loc["c0", "type"] = None
    cells = anndata.AnnData(X=np.log1p(counts), obs=obs, layers={"counts": sparse.csr_matrix(counts)})
    bulk = pseudobulk(cells, patient="who", cell_type="type")
    expected = pd.DataFrame(counts).groupby([obs["who"].to_numpy(), obs["type"].to_numpy()]).sum()
    for name in bulk.obs_names:
        np.testing.assert_array_equal(bulk[name].X[0], expected.loc[tuple(name.split("/"))])
    left = bulk.uns["left_out"]
    assert int(bulk.obs["cells"].sum()) + left["cells_in_them"] + left["cells_without_patient_or_type"] == 300
    assert left["cells_without_patient_or_type"] == 1
    del cells.layers["counts"]
    with pytest.raises(Unusable, match="no-raw-counts"):
        pseudobulk(cells, patient="who", cell_type="type")


def test_cells_of_a_sample_side_by_side(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    counts = rng.poisson(2.0, (200, 4))
    obs = pd.DataFrame(
        {"who": ["s1"] * 90 + ["s2"] * 90 + ["s3"] * 20, "kind": ["T cell", "B"] * 100}, index=map(str, range(200))
    )
    obs.loc[obs["who"] == "s2", "kind"] = "T cell "
    obs.loc[obs["who"] == "s3", "kind"] = None
    genes = ["ENSG00000000003.15", "TSPAN6", "CD19", "unheard-of"]
    cells = anndata.AnnData(X=np.log1p(counts), obs=obs, var=pd.DataFrame(index=genes))
    cells.layers["umis"] = sparse.csr_matrix(counts)
    cells.write_h5ad(tmp_path / "cells.h5ad")
    cells.write_zarr(tmp_path / "cells.zarr")
    columns = {"sample_column": "who", "cell_type_column": "kind", "layer": "umis", "min_cells": 10}
    for file in ("cells.h5ad", "cells.zarr"):
        files = AssayFiles.of(tmp_path / file, None, **columns)
        assert registry.sample_names("single_cell", files) == ["s1", "s2", "s3"]
        gated = registry.read("single_cell", files)
        assert list(gated.adata.obs_names) == ["s1", "s2"] and list(gated.adata.obs["cells"]) == [90, 90]
        assert {name: why[0] for name, why in gated.refused.items()} == {"s3": "empty-sample"}
        assert "20 cells without sample or type left out" in gated.notes
        # Two names of one gene are one feature; blanks in the name of a type are none of a column's name.
        assert list(gated.adata.var["symbol"])[:3] == ["B:TSPAN6", "B:CD19", "B:unheard-of"]
        frame = gated.adata.to_df()
        assert frame.loc["s2", [name for name in frame.columns if name.startswith("B:")]].isna().all()
        mine = counts[90:180]
        total = mine.sum()
        expected = np.log2(np.array([mine[:, :2].sum(), mine[:, 2].sum(), mine[:, 3].sum()]) * 1e6 / total + 1)
        np.testing.assert_allclose(frame.loc["s2"].to_numpy()[3:], expected, rtol=1e-12)
    for wrong, reason in (({"layer": None}, "no-raw-counts"), ({"cell_type_column": "type"}, "missing-column"),
                          ({"layer": "counts"}, "no-raw-counts")):  # fmt: skip
        with pytest.raises(Unusable, match=reason):
            registry.read("single_cell", AssayFiles.of(tmp_path / "cells.h5ad", None, **{**columns, **wrong}))


@pytest.mark.parametrize(
    ("place", "said"), [("counts", None), ("raw_counts", None), ("raw", None), ("raw.X", None), ("raw.X", "raw")]
)
def test_counts_of_cells_are_found_where_programs_keep_them(tmp_path: Path, place: str, said: str | None) -> None:
    counts = np.random.default_rng(3).poisson(2.0, (40, 3)).astype(float)
    obs = pd.DataFrame({"sample": ["s1", "s2"] * 20, "cell_type": "T"}, index=map(str, range(40)))
    cells = anndata.AnnData(np.log1p(counts[:, :2]), obs=obs, var=pd.DataFrame(index=["TP53", "CD19"]))
    if place == "raw.X":
        cells.raw = anndata.AnnData(counts, obs=obs, var=pd.DataFrame(index=["TP53", "CD19", "KRAS"]))
    else:
        cells.layers[place] = counts[:, :2]
    cells.write_h5ad(tmp_path / "cells.h5ad")
    found = registry.read("single_cell", AssayFiles.of(tmp_path / "cells.h5ad", None, layer=said)).adata
    expected = np.array([counts[half::2, : found.n_vars].sum(0) for half in (0, 1)])
    np.testing.assert_array_equal(found.layers["counts"], expected)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("file", ["cells.h5ad", "cells.zarr"])
def test_cells_are_summed_by_blocks_as_at_once(
    tmp_path: Path, form: Callable[[np.ndarray], object], file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dense, by cells and by genes, a hundred values at a time; blocks are smaller than the matrix."""
    counts = np.random.default_rng(7).poisson(0.8, (60, 23)).astype(np.float32)
    obs = pd.DataFrame({"sample": ["s1", "s2", "s3"] * 20, "cell_type": ["T", "B"] * 30}, index=map(str, range(60)))
    cells = anndata.AnnData(form(counts), obs=obs, var=pd.DataFrame(index=[f"ENSG{i:011d}" for i in range(23)]))
    cells.write_h5ad(tmp_path / file) if file.endswith("h5ad") else cells.write_zarr(tmp_path / file)
    monkeypatch.setattr(cell_files, "_VALUES", 100)
    with cell_files.open_cells(tmp_path / file) as held:
        assert len(list(held.blocks("X"))) > 3
    bulk = read_cells(tmp_path / file, CellColumns(min_cells=1))
    expected = pd.DataFrame(counts).groupby([obs["sample"].to_numpy(), obs["cell_type"].to_numpy()]).sum()
    np.testing.assert_array_equal(bulk.X, expected.to_numpy())
    assert list(bulk.obs_names) == [f"{a}/{b}" for a, b in expected.index]


PROTEIN_TITLES = {
    "Spectronaut": lambda s, i: f"[{i + 1}] {s}.raw.PG.Quantity",
    "Proteome Discoverer": lambda s, i: f"Abundances (Grouped): {s}",
    "DIA-NN": lambda s, i: rf"D:\\runs\\{s}.raw",
    "FragPipe": lambda s, i: f"{s} MaxLFQ Intensity",
    "R's names": lambda s, i: f"Intensity.{s}",
}


@pytest.mark.parametrize("maker", PROTEIN_TITLES)
def test_samples_of_proteins_are_named_without_what_programs_add(tmp_path: Path, maker: str) -> None:
    samples, values = ["lyon-1", "CHU-été-2"], 2 ** np.random.default_rng(2).normal(25, 2, (30, 2))
    frame = pd.DataFrame(values, columns=[PROTEIN_TITLES[maker](s, i) for i, s in enumerate(samples)]).astype(object)
    frame.iloc[3, 1] = "Filtered"
    frame.insert(0, "# Peptides", 4)
    frame.insert(0, "Accession", [f"P{10000 + i}" for i in range(30)])
    frame.to_csv(tmp_path / "p.tsv", sep="\t", index=False)
    found = proteomics.read_intensities(tmp_path / "p.tsv")
    assert list(found.obs_names) == samples and found.n_vars == 30
    assert np.isnan(found.X[1, 3]) and np.isfinite(found.X).sum() == 59


def test_ratios_to_the_reference_channels_of_each_plex(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    names = ["a1", "a2", "refA", "b1", "b2", "refB", "c1", "d1"]
    raw = rng.uniform(10, 1000, (8, 6))
    raw[2, 4] = 0
    table = pd.DataFrame(raw.T, index=[f"P{i}" for i in range(6)], columns=names)
    table.to_csv(tmp_path / "tmt.tsv", sep="\t")
    (tmp_path / "channels.csv").write_text(
        "sample,plex,reference\na1,A,no\na2,A,no\nrefA,A,yes\nb1,B,no\nb2,B,no\nrefB,B,yes\nc1,C,no\n"
    )
    files = AssayFiles.of(tmp_path / "tmt.tsv", channels=str(tmp_path / "channels.csv"))
    assert registry.sample_names("proteomics", files) == ["a1", "a2", "b1", "b2", "c1", "d1"]
    gated = registry.read("proteomics", files)
    assert list(gated.adata.obs_names) == ["a1", "a2", "b1", "b2"]
    assert {name: why[0] for name, why in gated.refused.items()} == {"c1": "no-reference", "d1": "no-plex"}
    assert gated.notes[-1] == "ratios to 2 reference channels of 2 plexes"
    ratios = np.log2(raw[[0, 1, 3, 4]] / np.where(raw == 0, np.nan, raw)[[2, 2, 5, 5]])
    np.testing.assert_allclose(gated.adata.X, ratios - np.nanmedian(ratios, axis=1, keepdims=True), rtol=1e-9)
    assert np.isnan(gated.adata.X[:2, 4]).all() and np.isfinite(gated.adata.X[2:]).all()
    (tmp_path / "channels.csv").write_text("sample,plex,reference\na1,A,maybe\n")
    with pytest.raises(UserError, match=r"Row 1 of .* yes or no"):
        registry.read("proteomics", files)


VCF = """##fileformat=VCFv4.2
##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequence annotations from Ensembl VEP. Format: Allele|Consequence|SYMBOL|HGVSp|CANONICAL">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tNORMAL\tTUMOUR
chr17\t7675088\t.\tC\tT\t.\tPASS\tCSQ=T|missense_variant|TP53|ENSP1:p.Arg175His|YES,T|intron_variant|TP53||\tGT\t0/0\t0/1
chr12\t49033000\t.\tGA\tG\t.\tPASS\tCSQ=-|frameshift_variant|MLL2|ENSP2:p.Lys10fs|YES\tGT\t0/0\t0/1
chr12\t25245350\t.\tC\tT\t.\tpanel_of_normals\tCSQ=T|missense_variant|KRAS|ENSP3:p.Gly12Asp|YES\tGT\t0/0\t0/1
chr1\t100\t.\tC\tT\t.\tPASS\tCSQ=T|synonymous_variant|AGRN|ENSP4:p.Ala1%3D|YES\tGT\t0/0\t0/1
"""


def test_vcf_to_gene_table(tmp_path: Path) -> None:
    path = tmp_path / "a.vcf"
    path.write_text(VCF)
    quiet = tmp_path / "b.vcf"
    quiet.write_text("\n".join(VCF.splitlines()[:3]) + "\n")
    data = vcf.read_vcf([path, quiet], ["A", "B"])
    rows = data.variants.select("gene", "start", "end", "reference", "allele", "classification", "protein_change").rows()
    assert rows == [
        ("TP53", 7675088, 7675088, "C", "T", "Missense_Mutation", "p.R175H"),
        ("KMT2D", 49033001, 49033001, "A", "-", "Frame_Shift_Del", "p.K10fs"),
        ("AGRN", 100, 100, "C", "T", "Silent", "p.A1="),
    ]
    table = gene_table(data)
    assert list(table.var_names) == ["KMT2D", "TP53"]
    np.testing.assert_array_equal(table.X, [[1, 1], [0, 0]])
    path.write_text(VCF.replace("CSQ=", "XYZ="))
    with pytest.raises(Unusable, match="not-annotated"):
        vcf.read_vcf([path])


def test_a_gene_outside_a_panel_is_missing_when_centres_meet(tmp_path: Path) -> None:
    head = "Hugo_Symbol\tChromosome\tStart_Position\tVariant_Classification\tTumor_Sample_Barcode\n"
    (tmp_path / "a.maf").write_text(head + "TP53\t17\t1\tMissense_Mutation\tA1\nKRAS\t12\t1\tMissense_Mutation\tA1\n")
    (tmp_path / "b.maf").write_text(head + "TP53\t17\t1\tMissense_Mutation\tB1\n")
    (tmp_path / "panel.txt").write_text("TP53\nEGFR\n")
    both = combine_tables(
        [gene_table(read_maf(tmp_path / "a.maf")), gene_table(read_maf(tmp_path / "b.maf", panel=tmp_path / "panel.txt"))]
    )
    assert list(both.var_names) == ["KRAS", "TP53"]
    np.testing.assert_array_equal(both.X, [[1, 1], [np.nan, 1]])


def test_miniacc_overlaps_equal_its_sample_map(real_data: Path) -> None:
    folder = real_data / "omics" / "miniACC"
    truth = pl.read_csv(folder / "sampleMap.csv")
    rows = []
    for assay in sorted(truth["assay"].unique()):
        columns = pl.read_csv(folder / f"{assay}.csv", n_rows=0).columns[1:]
        rows += [(assay, name[:12], name) for name in columns]
    ours = pl.DataFrame(rows, schema=["assay", "primary", "colname"], orient="row")
    assert set(ours.rows()) == set(truth.select("assay", "primary", "colname").rows())
    table = overlaps(ours)
    assert table.rows() == overlaps(truth).rows()
    # The vignette of MultiAssayExperiment finds 43 patients with all five assays.
    assert dict(table.iter_rows())["&".join(sorted(truth["assay"].unique()))] == 43
    assert table["subjects"].sum() == pl.read_csv(folder / "colData.csv").height


def test_miniacc_rna_is_refused_as_counts(real_data: Path) -> None:
    with pytest.raises(Unusable, match="not-counts"):
        check_counts(read_counts(real_data / "omics" / "miniACC" / "RNASeq2GeneNorm.csv"))
    micro = check_counts(read_counts(real_data / "omics" / "miniACC" / "miRNASeqGene.csv"))
    assert micro.kind == "counts"


def test_positions_of_genes_are_read_and_faults_are_said_with_their_row(tmp_path: Path) -> None:
    path = tmp_path / "genes.csv"
    path.write_text("chromosome,start,end,gene\nchr2,5,9,B\n1,1,3,A\n")
    assert copy_number.read_genes(path).rows() == [("A", "1", 1, 3), ("B", "2", 5, 9)]
    for text, said in (
        ("gene,start,end\nA,1,3\n", "lacks chromosome"),
        ("gene,chromosome,start,end\nA,1,3,9\nB,1,9,3\n", "Row 2 of .* ends before it starts"),
        ("gene,chromosome,start,end\nA,1,one,9\n", "Row 1 of .* has no gene or no place"),
        ("gene,chromosome,start,end\nA,1,3,9\nA,1,3,9\n", "Row 2 of .* lists a gene a second time"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=said):
            copy_number.read_genes(path)
    with pytest.raises(UserError, match="There is no table of genes"):
        copy_number.read_genes(tmp_path / "none.csv")


def npx_rows() -> pl.DataFrame:
    """Olink's export as OlinkAnalyze documents its columns: two samples of CHU-été, a control, an assay on two panels."""
    rows = []
    for sample, shift in (("CHU-été-1", 0.0), ("lyon 2", 1.0), ("CONTROL_SAMPLE_AS 1", 9.0)):
        for number, (assay, oid) in enumerate(
            (("IL6", "OID20101"), ("IL6", "OID20563"), ("CXCL8", "OID20153"), ("TP53", "OID20999"))
        ):
            warning = (
                "Warn" if (sample, assay) == ("lyon 2", "TP53") else "FAIL" if (sample, assay) == ("lyon 2", "CXCL8") else "Pass"
            )
            rows.append(
                (sample, str(number), oid, "P05231", assay, "Inflammation", "plate 1", warning, "0,9", f"{number - 1.25 + shift}")
            )
    titles = ["SampleID", "Index", "OlinkID", "UniProt", "Assay", "Panel", "PlateID", "QC_Warning", "LOD", "NPX"]
    return pl.DataFrame(rows, schema=titles, orient="row")


def test_npx_in_olinks_long_form_stay_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    npx_rows().write_csv(path, separator=";")
    assert recognise_file(path).assay == "proteomics"
    files = AssayFiles(path)
    assert registry.sample_names("proteomics", files) == ["CHU-été-1", "lyon 2"]
    gated = registry.read("proteomics", files)
    assert gated.adata.var_names.tolist() == ["CXCL8", "IL6:OID20101", "IL6:OID20563", "TP53"]
    np.testing.assert_array_equal(gated.adata.X, [[0.75, -1.25, -0.25, 1.75], [np.nan, -0.25, 0.75, 2.75]])
    said = " | ".join(gated.notes)
    for words in (
        "unit: NPX",
        "4 rows of control samples",
        "1 values missing: their QC failed",
        "1 values kept that have a QC warning",
    ):
        assert words in said
    pl.concat([npx_rows(), npx_rows()[:1]]).write_csv(path, separator=";")
    with pytest.raises(Unusable, match="repeated-sample"):
        registry.read("proteomics", files)
    npx_rows().with_columns(NPX=pl.lit("low")).write_csv(path, separator=";")
    with pytest.raises(Unusable, match="not-a-number: 8 cells"):
        registry.read("proteomics", files)


COPIES = {
    "GISTIC's calls": ("Gene Symbol\tLocus ID\tCytoband\tlyon-1\tlyon-2", [[-2, 0], [2, 1], [0, -1]], "calls"),
    "cBioPortal's calls": ("Hugo_Symbol\tEntrez_Gene_Id\tlyon-1\tlyon-2", [[-1.5, 0], [2, np.nan], [0, -1]], "calls"),
    "log2 ratios": ("Gene Symbol\tLocus ID\tCytoband\tlyon-1\tlyon-2", [[-1.213, 0.01], [2.5, 0.2], [0.003, -0.4]], "log2 ratio"),
    "copies": ("gene\tlyon-1\tlyon-2", [[1, 2], [8, 2], [2, 3]], "absolute copies"),
}


@pytest.mark.parametrize("form", COPIES)
def test_copy_number_by_gene(tmp_path: Path, form: str) -> None:
    titles, values, unit = COPIES[form]
    beside = {3: [["7157", "17p13.1"], ["1956", "7p11.2"], ["8085", "12q13"]], 2: [["7157"], ["1956"], ["8085"]]}
    left = beside.get(titles.count("\t") - 1, [[], [], []])
    rows = [[name, *more, *map(str, row)] for name, more, row in zip(["TP53", "EGFR", "MLL2"], left, values, strict=True)]
    path = tmp_path / "data.txt"
    path.write_text("\n".join([titles, *("\t".join(row) for row in rows)]).replace("nan", "NA") + "\n")
    files = AssayFiles(path)
    assert registry.sample_names("copy_number", files) == ["lyon-1", "lyon-2"]
    gated = registry.read("copy_number", files)
    names = [f"{gene}:call" if unit == "calls" else gene for gene in ("TP53", "EGFR", "KMT2D")]
    expected = np.array(values).T if unit != "absolute copies" else np.log2(np.array(values).T / 2)
    assert list(gated.adata.var["symbol"]) == names and f"unit: {unit}" in gated.notes[-1]
    np.testing.assert_array_equal(gated.adata.X, expected)
    if "Cytoband" in titles:
        assert recognise_file(path).assay == "copy_number"


@pytest.mark.parametrize(("cells", "said"), [("0\t1\n2\t1", None), ("0\t3\n2\t1", "calls"), ("0.5\t1.2\n0.7\t0.9", None)])
def test_copies_of_genes_that_nothing_tells_are_asked_about(tmp_path: Path, cells: str, said: str | None) -> None:
    first, second = cells.split("\n")
    (tmp_path / "x.txt").write_text(f"Hugo_Symbol\ta\tb\nTP53\t{first}\nEGFR\t{second}\n")
    with pytest.raises(Unusable, match="not-a-seg"):
        registry.read("copy_number", AssayFiles.of(tmp_path / "x.txt", None, unit=said))


ALLELES = {
    "ASCAT": ("sample chr startpos endpos nMajor nMinor", "S1 {} {} {} {major} {minor}"),
    "GDC": (
        "GDC_Aliquot Chromosome Start End Copy_Number Major_Copy_Number Minor_Copy_Number",
        "S1 chr{} {} {} {total} {major} {minor}",
    ),
    "FACETS": ("chrom start end cnlr.median tcn.em lcn.em", "{} {} {} 0.1 {total} {minor}"),
    "Sequenza": ("chromosome start.pos end.pos depth.ratio CNt A B", "{} {} {} 1.0 {total} {major} {minor}"),
}


@pytest.mark.parametrize("maker", ALLELES)
def test_ploidy_and_loss_of_heterozygosity(tmp_path: Path, maker: str) -> None:
    """Bases by hand: 30 Mb of 2 + 1 copies, 20 Mb of 2 + 0, 10 Mb of 0 + 0, and X, which does not count."""
    titles, row = ALLELES[maker]
    pieces = [("1", 1, 30_000_000, 2, 1), ("2", 1, 20_000_000, 2, 0), ("3", 1, 10_000_000, 0, 0), ("X", 1, 10_000_000, 1, 0)]
    rows = [row.format(c, a, b, major=x, minor=y, total=x + y).replace(" ", "\t") for c, a, b, x, y in pieces]
    (tmp_path / "S1.txt").write_text("\n".join([titles.replace(" ", "\t"), *rows]) + "\n")
    adata = registry.read("copy_number", AssayFiles(tmp_path / "S1.txt")).adata
    np.testing.assert_allclose(adata.obs[["ploidy", "loh"]].to_numpy(), [[130 / 60, 20 / 60]], rtol=1e-12)


def test_ratios_tell_no_ploidy(tmp_path: Path) -> None:
    (tmp_path / "x.seg").write_text("ID\tchrom\tloc.start\tloc.end\tseg.mean\nS1\t1\t1\t9000000\t-0.5\n")
    assert not {"ploidy", "loh"} & set(registry.read("copy_number", AssayFiles(tmp_path / "x.seg")).adata.obs)
