"""Every assay that a study may name, from its file to the values of chosen samples."""

from __future__ import annotations

import gzip
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import polars as pl
import pytest

from unibase.groundwork.problems import Unusable
from unibase.omics.assays import chosen as chosen_module
from unibase.omics.assays.chosen import chosen_values
from unibase.omics.assays.methylation import m_values
from unibase.omics.assays.registry import AssayFiles, read, sample_names, together
from unibase.omics.options import Assays, AssaySource, CopyNumberOptions, MutationOptions
from unibase.omics.stores.store import open_zarr, write_zarr

MAF = "Hugo_Symbol\tVariant_Classification\tVariant_Type\tTumor_Sample_Barcode\tChromosome\tStart_Position\tEnd_Position\tReference_Allele\tTumor_Seq_Allele2\n"
VCF = """##fileformat=VCFv4.2
##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequence annotations from Ensembl VEP. Format: Allele|Consequence|SYMBOL|CANONICAL|HGVSp">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tnormal\ttumour
17\t7674220\t.\tC\tT\t.\tPASS\tCSQ=T|missense_variant|TP53|YES|p.R248Q\tGT\t0/0\t0/1
"""


def table(path: Path, rows: dict[str, list[float | None]], samples: list[str]) -> Path:
    lines = [",".join(["feature", *samples])]
    lines += [",".join([name, *("NA" if value is None else repr(value) for value in values)]) for name, values in rows.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_methylation_is_masked_gated_and_turned_to_m_values(tmp_path: Path) -> None:
    rows: dict[str, list[float | None]] = {f"cg{i:08d}": [0.1 + 0.01 * i, 0.5, None, 0.5 + 0.01 * i] for i in range(40)}
    beta = table(tmp_path / "beta.csv", rows, ["a", "b", "empty", "d"])
    detection = table(
        tmp_path / "p.csv",
        {name: [0.0, 0.5 if name == "cg00000003" else 0.0, 0.0, 0.0] for name in rows},
        ["a", "b", "empty", "d"],
    )
    (tmp_path / "mask.txt").write_text("cg00000001\ncg00000002\n")
    gated = read("methylation", AssayFiles.of(beta, detection=str(detection), masked=str(tmp_path / "mask.txt")))
    assert {name: why[0] for name, why in gated.refused.items()} == {"empty": "empty-sample"}
    assert gated.notes[-2:] == ("1 values not detected", "2 probes left out")
    assert "unit: beta (all values from 0 to 1)" in gated.notes
    assert gated.adata.shape == (3, 38) and np.isnan(gated.adata["b", "cg00000003"].X).all()
    joined = together("methylation", [gated.adata])
    assert "cg00000003" not in joined.var_names, "missing in more than a fifth of the samples"
    assert np.array_equal(joined["a"].X, m_values(np.asarray(joined["a"].layers["beta"])))
    values = chosen_values("methylation", joined, ["d", "gone"], ["cg00000000", "cg99999999"], 1)
    assert values.columns == ["colname", "methylation_cg00000000"]
    assert values.row(0) == ("d", pytest.approx(0.0))


def test_detection_p_values_of_other_arrays_are_refused(tmp_path: Path) -> None:
    beta = table(tmp_path / "beta.csv", {"cg1": [0.1, 0.2]}, ["a", "b"])
    other = table(tmp_path / "p.csv", {"cg1": [0.1]}, ["a"])
    with pytest.raises(Unusable) as problem:
        read("methylation", AssayFiles.of(beta, detection=str(other)))
    assert problem.value.reason == "no-detection-p"


def test_copy_number_gives_arms_and_the_altered_fraction(tmp_path: Path) -> None:
    path = tmp_path / "a.seg"
    path.write_text(
        "ID\tchrom\tloc.start\tloc.end\tnum.mark\tseg.mean\nt1\t1\t1\t100000000\t10\t-0.8\nt1\t2\t1\t50000000\t10\t0.0\n"
    )
    assert sample_names("copy_number", AssayFiles(path)) == ["t1"]
    gated = read("copy_number", AssayFiles(path))
    values = chosen_values("copy_number", together("copy_number", [gated.adata]), ["t1"], ["1p", "19q"], 1)
    assert values.row(0, named=True) == {
        "colname": "t1",
        "copy_number_1p": pytest.approx(-0.8),
        "copy_number_19q": None,
        "copy_number_fraction_altered": pytest.approx(2 / 3),
    }


def test_proteins_are_centred_and_missing_stays_missing(tmp_path: Path) -> None:
    path = table(tmp_path / "p.csv", {"P1": [8e6, 0.0, 2e6], "P2": [2e6, None, 8e6], "P3": [4e6, 0.0, 4e6]}, ["a", "none", "c"])
    gated = read("proteomics", AssayFiles(path))
    assert {name: why[0] for name, why in gated.refused.items()} == {"none": "empty-sample"}
    other = read("proteomics", AssayFiles(table(tmp_path / "q.csv", {"P1": [1e6], "P9": [4e6]}, ["z"])))
    joined = together("proteomics", [gated.adata, other.adata])
    assert list(joined.obs_names) == ["a", "c", "z"] and list(joined.var_names) == ["P1", "P2", "P3", "P9"]
    expected = [[1, -1, 0, np.nan], [-1, 1, 0, np.nan], [-1, np.nan, np.nan, 1]]
    assert np.allclose(joined.X, expected, atol=1e-12, equal_nan=True)


def test_mutations_come_from_maf_and_from_vcf_into_one_table(tmp_path: Path) -> None:
    (tmp_path / "a.maf").write_text(MAF + "KRAS\tMissense_Mutation\tSNP\tm1\t12\t25245350\t25245350\tC\tT\n")
    with gzip.open(tmp_path / "m2.vcf.gz", "wt") as file:
        file.write(VCF)
    assert sample_names("mutations", AssayFiles(tmp_path / "m2.vcf.gz")) == ["m2"], (
        "a column that says its role alone is named by the file"
    )
    parts = [read("mutations", AssayFiles(tmp_path / name)).adata for name in ("a.maf", "m2.vcf.gz")]
    parts.append(read("mutations", AssayFiles(None, profiled=("quiet",))).adata)
    values = chosen_values("mutations", together("mutations", parts), ["m1", "quiet", "m2"], [], 1)
    assert values.select("colname", "mutations_KRAS", "mutations_TP53").rows() == [
        ("m1", 1, 0),
        ("quiet", 0, 0),
        ("m2", 0, 1),
    ]


def test_a_cell_of_text_is_refused_without_its_value(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("protein,a,b\nP1,Dupont,3\nP2,4,5\n")
    with pytest.raises(Unusable) as problem:
        read("proteomics", AssayFiles(tmp_path / "p.csv"))
    assert problem.value.reason == "not-a-number" and "Dupont" not in str(problem.value)


@pytest.mark.parametrize(
    ("assay", "name", "samples"),
    [
        ("copy_number", "tcga_laml/LAML_CBS_segments.tsv.gz", 191),
        ("copy_number", "tcga_laml/TCGA.AB.3009.hg19.seg.txt", 1),
        ("methylation", "tcga_coad_meth/beta_chr21.csv.gz", 38),
        ("proteomics", "miniACC/RPPAArray.csv", 46),
    ],
)
def test_real_files_are_read_whole(real_data: Path, assay: str, name: str, samples: int) -> None:
    path = real_data / "omics" / name
    found = sample_names(assay, AssayFiles.of(path, Assays(copy_number=CopyNumberOptions(build="hg19"))))  # type: ignore[arg-type]
    assert len(found) == samples
    gated = read(assay, AssayFiles.of(path, Assays(copy_number=CopyNumberOptions(build="hg19"))))  # type: ignore[arg-type]
    assert set(map(str, gated.adata.obs_names)) | set(gated.refused) == set(found)
    # Reverse-phase arrays come as logarithms: that is seen, and said.
    assert any(note.startswith("unit: log2 ratio (") and "below zero" in note for note in gated.notes) == (assay == "proteomics")
    assert isinstance(together(assay, [gated.adata]), anndata.AnnData)  # type: ignore[arg-type]
    assert pl.Series(gated.adata.var["symbol"].tolist()).null_count() == 0


@pytest.mark.parametrize("cells", [1, 35, 10**6])
@pytest.mark.parametrize("assay", ["rna", "mutations"])
def test_values_are_chosen_from_a_store_as_from_memory(
    assay: str, cells: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    matrix = (
        rng.integers(0, 2, (30, 7)).astype(np.float32) if assay == "mutations" else rng.normal(size=(30, 7)).astype(np.float32)
    )
    matrix[3, 2] = np.nan
    whole = anndata.AnnData(
        matrix,
        obs=pd.DataFrame({"tmb": rng.normal(size=30)}, index=[f"s{i}" for i in range(30)]),
        var=pd.DataFrame({"symbol": [f"G{i}" if i else "" for i in range(7)]}, index=[f"E{i}" for i in range(7)]),
    )
    write_zarr(whole, tmp_path / "all.zarr")
    chosen = ["s9", "s3", "gone", "s29", "s0", "s9"]
    expected = matrix[[9, 3, 29, 0, 9]].astype(float)
    monkeypatch.setattr(chosen_module, "_BLOCK_CELLS", cells)
    for adata in (whole, open_zarr(tmp_path / "all.zarr")):
        values = chosen_values(assay, adata, chosen, ["G2", "E0", "unknown"], 2)
        assert values["colname"].to_list() == ["s9", "s3", "s29", "s0", "s9"]
        mutated = [i for i in range(7) if (expected[:, i] == 1).sum() >= 2]
        columns = (
            [f"mutations_{whole.var['symbol'].iloc[i] or 'E0'}" for i in mutated]
            if assay == "mutations"
            else ["rna_G2", "rna_E0"]
        )
        assert values.columns == ["colname", *columns, f"{assay}_tmb"]
        places = mutated if assay == "mutations" else [2, 0]
        np.testing.assert_array_equal(values.select(columns).to_numpy(), expected[:, places])
        assert values[f"{assay}_tmb"].to_list() == whole.obs["tmb"].iloc[[9, 3, 29, 0, 9]].to_list()


def test_an_option_needs_no_stage_its_section_is_the_digest(tmp_path: Path) -> None:
    """Every key of the sections is told, is a file, or is marked as asked for later: a new one cannot be forgotten."""
    whole = AssaySource(matrix="m.csv", samples="s.csv", masked="mask.txt", panel="${GENES}.txt", strand="reverse")
    placed = AssayFiles(tmp_path / "m.csv", whole.placed(lambda name: tmp_path / name), Assays())
    assert placed.files("methylation") == [tmp_path / "m.csv", tmp_path / "${GENES}.txt", tmp_path / "mask.txt"]
    for assay, key in (("mutations", "truncating"), ("copy_number", "build")):
        assert key in placed.told(assay)[1] and key not in placed.told("rna")[1]  # type: ignore[arg-type]
    other = AssayFiles(tmp_path / "m.csv", whole.model_copy(update={"strand": "forward"}), Assays())
    assert placed.told("rna") != other.told("rna")
    later = Assays(genes=["TP53"], mutations=MutationOptions(min_samples=3))
    assert AssayFiles(None, whole, later).told("mutations") == AssayFiles(None, whole, Assays()).told("mutations")
    keys = set(placed.told("rna")[0]) | {
        "matrix",
        "samples",
        "profiled",
        "masked",
        "panel",
        "panels",
        "panel_genes",
        "transcripts",
        "detection",
        "probes",
        "channels",
    }
    assert keys == set(AssaySource.model_fields)
