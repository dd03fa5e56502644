"""Centroids: likeness beside SciPy's correlation pair by pair, genes found by any name, rows that stay as they are, faults of the file."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from unibase.groundwork.problems import UserError
from unibase.omics.assays.centroids import read_centroids
from unibase.omics.assays.chosen import set_values
from unibase.omics.options import RnaOptions

NAMED = {"ENSG00000141510": "TP53", "ENSG00000133703": "KRAS", "ENSG00000141736": "ERBB2", "ENSG00000146648": "EGFR"}
RNG = np.random.default_rng(8)
GENES = ["TP53", "HER2", "3845", "ENSG00000146648.5", *(f"G{i}" for i in range(4, 20))]
"""As the file names them; the assay has them in the order TP53, KRAS, ERBB2, EGFR, G4, ..."""
PLACES = [0, 2, 1, 3, *range(4, 20)]
CENTRES, PROFILES = RNG.normal(5, 2, 20).round(3), RNG.normal(0, 1, (20, 3)).round(3)


def store(values: np.ndarray) -> anndata.AnnData:
    names = [*NAMED, *(f"ENSG9{i:010d}" for i in range(values.shape[1] - 4))]
    symbols = [*NAMED.values(), *(f"G{i}" for i in range(4, values.shape[1]))]
    return anndata.AnnData(
        values, obs=pd.DataFrame(index=[f"s{i}" for i in range(len(values))]), var=pd.DataFrame({"symbol": symbols}, index=names)
    )


def file(folder: Path, **changed: str) -> RnaOptions:
    rows = [
        f"{gene},{centre},{','.join(map(str, row))}" for gene, centre, row in zip(GENES, CENTRES, PROFILES.tolist(), strict=True)
    ]
    text = "gene,centre,LumA,LumB,Basal\n" + "\n".join(rows) + "\n"
    for old, new in changed.values():
        text = text.replace(old, new)
    (folder / "centroids.csv").write_text(text)
    return RnaOptions(centroids=str(folder / "centroids.csv"))


def test_likeness_is_scipys_correlation_and_a_new_sample_changes_no_earlier_one(tmp_path: Path) -> None:
    values = RNG.gamma(2, 2, (5, 24)).round(1)  # with ties
    adata = store(values)
    centroids = read_centroids(file(tmp_path), adata)
    assert centroids is not None
    assert centroids.notes == ("3 centroids compared over 20 of their 20 genes",)
    frame = set_values(adata, ["s3", "s0"], centroids)
    assert frame.columns == ["colname", "rna_centroid_LumA", "rna_centroid_LumB", "rna_centroid_Basal"]
    for name, *found in frame.iter_rows():
        centred = values[int(name[1:]), PLACES] - CENTRES
        np.testing.assert_allclose(found, [spearmanr(centred, PROFILES[:, k]).statistic for k in range(3)], atol=1e-12)
    alone = set_values(store(values[:1]), ["s0"], centroids)
    assert alone.row(0)[1:] == pytest.approx(frame.row(by_predicate=None, index=1)[1:], abs=1e-12)
    flat = store(np.tile(np.insert(CENTRES[np.argsort(PLACES)], 20, [0, 0, 0, 0]), (1, 1)))
    assert set_values(flat, ["s0"], centroids)["rna_centroid_LumA"].null_count() == 1


def test_what_is_no_table_of_centroids_is_said(tmp_path: Path) -> None:
    adata = store(RNG.gamma(2, 2, (2, 24)))
    assert read_centroids(RnaOptions(), adata) is None
    with pytest.raises(UserError, match="no centroids at"):
        read_centroids(RnaOptions(centroids=str(tmp_path / "none.csv")), adata)
    for old, new, said in (
        ("centre", "median", "need the columns gene, centre"),
        ("HER2", "TP53", "Row 2 .* a second time"),
        ("G7,", ",", "Row 8 .* lacks a gene"),
        (f"G9,{CENTRES[9]},", "G9,NA,", "Row 10 .* lacks a gene or a number"),
        ("G1", "NOT_A_GENE", "10 of the 20 genes"),
    ):
        options = file(tmp_path, change=(old, new))  # type: ignore[arg-type]
        with pytest.raises(UserError, match=said):
            read_centroids(options, adata)
