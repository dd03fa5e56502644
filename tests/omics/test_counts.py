from __future__ import annotations

import gzip
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from tests.omics.conftest import random_counts
from unibase import omics
from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.assays.gates import check_counts
from unibase.omics.models.normalised import normalise
from unibase.omics.readers.counts import combine, read_counts
from unibase.omics.recognise.expression_unit import rna_unit
from unibase.omics.stores.store import read_zarr

GENES = ["ENSG00000000003.15", "ENSG00000000005.6", "ENSG00000000419.12"]


def adata_of(values: np.ndarray, names: list[str] | None = None) -> anndata.AnnData:
    n, genes = values.shape
    names = names or [f"s{i:02d}" for i in range(n)]
    return anndata.AnnData(
        X=values,
        obs=pd.DataFrame(index=pd.Index(names, dtype=object)),
        var=pd.DataFrame(index=pd.Index([f"g{i:04d}" for i in range(genes)], dtype=object)),
    )


def test_tables_lie_either_way(tmp_path: Path) -> None:
    down = tmp_path / "down.tsv"
    down.write_text("gene\tA\tB\n" + "".join(f"{g}\t{i}\t{i + 10}\n" for i, g in enumerate(GENES)))
    across = tmp_path / "across.csv.gz"
    with gzip.open(across, "wt") as file:
        file.write("sample," + ",".join(GENES) + "\nA,0,1,2\nB,10,11,12\n")
    for path in (down, across):
        adata = read_counts(path)
        assert list(adata.obs_names) == ["A", "B"]
        assert list(adata.var_names) == [g.split(".")[0] for g in GENES]
        assert adata.X.dtype == np.int32
        np.testing.assert_array_equal(adata.X, [[0, 1, 2], [10, 11, 12]])


def test_r_table_without_corner_and_featurecounts_and_star(tmp_path: Path) -> None:
    corner = tmp_path / "r.tsv"
    corner.write_text('"A"\t"B"\n' + "".join(f'"{g}"\t{i}\t{i + 10}\n' for i, g in enumerate(GENES)))
    np.testing.assert_array_equal(read_counts(corner).X, [[0, 1, 2], [10, 11, 12]])
    fc = tmp_path / "fc.txt"
    fc.write_text(
        "# Program:featureCounts v2.0.1\nGeneid\tChr\tStart\tEnd\tStrand\tLength\t/bam/A.markdup.sorted.bam\t/bam/B.bam\n"
        + "".join(f"{g}\tchr1\t1\t9\t+\t{1000 + i}\t{i}\t{i + 10}\n" for i, g in enumerate(GENES))
    )
    adata = read_counts(fc)
    assert list(adata.obs_names) == ["A", "B"]
    assert list(adata.var["length"]) == [1000, 1001, 1002]
    np.testing.assert_array_equal(adata.X, [[0, 1, 2], [10, 11, 12]])
    star = tmp_path / "star"
    for sample, add in (("A", 0), ("B", 10)):
        (star / sample).mkdir(parents=True)
        rows = "".join(f"{g}\t{i + add}\t0\t0\n" for i, g in enumerate(GENES))
        (star / sample / "ReadsPerGene.out.tab").write_text("N_unmapped\t5\t5\t5\n" + rows)
    adata = read_counts(star)
    assert list(adata.obs_names) == ["A", "B"]
    np.testing.assert_array_equal(adata.X, [[0, 1, 2], [10, 11, 12]])


def test_what_cannot_be_read_says_where(tmp_path: Path) -> None:
    bad = tmp_path / "bad.tsv"
    bad.write_text("gene\tA\tB\ng1\t1\t2\ng2\tsecret\t4\n")
    with pytest.raises(Unusable, match=r"not-a-number: Row 2, value column 1") as caught:
        read_counts(bad)
    assert "secret" not in str(caught.value)
    cut = tmp_path / "cut.tsv.gz"
    cut.write_bytes(gzip.compress(b"gene\tA\n" + b"".join(b"g%d\t%d\n" % (i, i * 7919) for i in range(5000)))[:9000])
    with pytest.raises(Unusable, match="truncated-file"):
        read_counts(cut)
    with pytest.raises(UserError, match="no count matrix"):
        read_counts(tmp_path / "absent.tsv")


def test_kinds_are_detected_not_believed() -> None:
    rng = np.random.default_rng(1)
    counts = random_counts(rng, 6, 500)
    assert rna_unit(counts).kind == "counts"
    assert rna_unit(counts.astype(np.float64)).kind == "counts"
    assert rna_unit(counts + rng.uniform(-1e-4, 1e-4, counts.shape).clip(0)).kind == "noisy-counts"
    assert rna_unit(counts / counts.sum(axis=1, keepdims=True) * 1e6).kind == "per-million"
    assert rna_unit(np.log2(counts + 1.0)).kind == "log"
    assert rna_unit(np.log2(counts + 1.0) - 5).kind == "negative"
    assert rna_unit(rng.random((6, 500))).kind == "fraction"
    estimated = np.where(rng.random(counts.shape) < 0.5, counts, counts * 0.731)
    assert rna_unit(estimated).kind == "estimated-counts"
    for wrong in (np.log2(counts + 1.0), counts / counts.sum(axis=1, keepdims=True) * 1e6):
        with pytest.raises(Unusable, match="not-counts"):
            check_counts(adata_of(wrong))


def test_every_sample_is_kept_or_refused_with_its_reason() -> None:
    counts = random_counts(np.random.default_rng(2), 12, 800)
    counts[3] = 0
    counts[5] = np.random.default_rng(0).binomial(counts[5], 0.002)
    counts[7] = counts[6]
    adata = adata_of(counts)
    report = check_counts(adata)
    assert report.reasons() == {"s03": "empty-sample", "s05": "failed-library", "s07": "duplicate-sample"}
    assert len(report.kept) + len(report.refused) == 12
    apart = check_counts(adata, {f"s{i:02d}": f"p{i}" for i in range(12)})
    assert apart.reasons()["s06"] == apart.reasons()["s07"] == "duplicate-sample"
    kept = report.apply(adata)
    assert kept.n_obs == 9
    assert np.isfinite(normalise(kept, "tmm").X).all()


def test_a_name_on_two_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text("gene\tA\tB\tA\ng1\t1\t2\t3\ng2\t3\t4\t6\n")
    assert {(r.sample, r.reason) for r in check_counts(read_counts(path)).refused} == {
        ("A", "duplicate-sample"),
        ("A#2", "duplicate-sample"),
    }


def test_genes_listed_twice_are_added_up_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text("gene\tA\tB\nENSG00000000003.1\t1\t2\nENSG00000000003.2\t3\t4\nENSG00000000005\t5\t7\n")
    report = check_counts(adata := read_counts(path))
    assert any("listed more than once" in note for note in report.notes)
    merged = report.apply(adata)
    np.testing.assert_array_equal(merged.X, [[4, 5], [6, 7]])


def test_combine_keeps_only_what_all_measured() -> None:
    a, b = adata_of(np.array([[1, 2, 3]]), ["z"]), adata_of(np.array([[4, 5]]), ["a"])
    both = combine([a, b])
    assert list(both.obs_names) == ["a", "z"]
    np.testing.assert_array_equal(both.X, [[4, 5], [1, 2]])
    assert both.uns["genes_left_out"] == 1


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr", ".parquet", ".tsv"])
def test_the_command_on_plain_files(tmp_path: Path, suffix: str) -> None:
    counts = random_counts(np.random.default_rng(3), 6, 300)
    source = tmp_path / "m.tsv"
    pd.DataFrame(counts.T, index=[f"g{i}" for i in range(300)], columns=list("ABCDEF")).to_csv(source, sep="\t")
    report = omics.normalise_file(source, tmp_path / f"o{suffix}", method="tmm")
    assert report.kept == tuple("ABCDEF")
    first = _content(tmp_path / f"o{suffix}")
    omics.normalise_file(source, tmp_path / f"again{suffix}", method="tmm")
    assert _content(tmp_path / f"again{suffix}") == first
    expected = normalise(read_counts(source), "tmm").X
    if suffix == ".zarr":
        np.testing.assert_array_equal(read_zarr(tmp_path / "o.zarr").X, expected)
    elif suffix == ".tsv":
        np.testing.assert_allclose(pd.read_csv(tmp_path / "o.tsv", sep="\t", index_col=0).to_numpy().T, expected, rtol=1e-15)


def _content(path: Path) -> dict[str, bytes]:
    if path.is_file():
        return {"": path.read_bytes()}
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}
