"""Batches, groups and the filter of `unibase normalise` beside R: stored values of a real matrix, and live R on a random one."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import polars as pl
import pytest

from tests.omics.conftest import RANDOM_SEED, RunR, random_counts
from unibase import omics
from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.readers.batches import read_labels

BATCHES = ["a"] * 6 + ["b"] * 5 + ["c"] * 5
GROUPS = ["x", "y"] * 8


def write_matrix(path: Path, counts: np.ndarray) -> list[str]:
    """Write samples x genes as a table of genes; the samples' names are not in the order of the file."""
    names = [f"S{(7 * i) % 16:02d}" for i in range(len(counts))]
    pd.DataFrame(counts.T, index=[f"ENSG{g:011d}" for g in range(counts.shape[1])], columns=names).to_csv(path, sep="\t")
    return names


def write_labels(path: Path, column: str, names: list[str], labels: list[str]) -> Path:
    pl.DataFrame({"sample": names, column: labels}).reverse().write_csv(path)
    return path


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    return random_counts(np.random.default_rng(RANDOM_SEED), 16, 500)


def test_combat_seq_of_a_real_file_is_rs(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "omics" / "tcga_luad32"
    expected = pd.read_csv(folder / "R_ComBat_seq.csv.gz", index_col=0)
    everything = pd.read_csv(folder / "counts.csv.gz", index_col=0)
    everything.loc[expected.index].to_csv(tmp_path / "kept.csv")
    out = tmp_path / "seq.h5ad"
    omics.normalise_file(tmp_path / "kept.csv", out, "tmm", omics.Design(folder / "batch.csv", "combat-seq"))
    found = anndata.read_h5ad(out)
    np.testing.assert_array_equal(found[list(expected.columns)].layers["counts"], expected.to_numpy().T)
    assert found.uns["batch_correction"]["method"] == "combat-seq"


def test_filter_and_corrections_of_a_file_are_rs(counts: np.ndarray, run_r: RunR, tmp_path: Path) -> None:
    names = write_matrix(tmp_path / "counts.tsv", counts)
    batches = write_labels(tmp_path / "batches.csv", "batch", names, BATCHES)
    groups = write_labels(tmp_path / "groups.csv", "group", names, GROUPS)
    code = f"""
    b <- c({",".join(f"'{name}'" for name in BATCHES)}); g <- c({",".join(f"'{name}'" for name in GROUPS)})
    keep <- filterByExpr(DGEList(x), group=g); y <- x[keep,]
    logs <- function(y) cpm(calcNormFactors(DGEList(y)), log=TRUE)
    plain <- ComBat(logs(y), b); grouped <- ComBat(logs(y), b, mod=model.matrix(~g))
    seq <- logs(ComBat_seq(y, b, group=g)); all <- logs(ComBat_seq(x, b)); keep <- as.matrix(as.numeric(keep))
    """
    r = run_r(["edgeR", "sva"], code, {"x": counts}, ["keep", "plain", "grouped", "seq", "all"])
    for name, design in (
        ("plain", omics.Design(batches, filter_by_expression=True)),
        ("grouped", omics.Design(batches, groups=groups, filter_by_expression=True)),
        ("seq", omics.Design(batches, "combat-seq", groups, filter_by_expression=True)),
        ("all", omics.Design(batches, "combat-seq")),
    ):
        # The filter of R looked at the groups in each case.
        if name == "plain":
            kept = [f"ENSG{g:011d}" for g in np.flatnonzero(r["keep"].ravel())]
            everything = pd.read_csv(tmp_path / "counts.tsv", sep="\t", index_col=0)
            everything.loc[kept].to_csv(tmp_path / "kept.tsv", sep="\t")
            source, design = tmp_path / "kept.tsv", omics.Design(batches)
        else:
            source = tmp_path / "counts.tsv"
        omics.normalise_file(source, tmp_path / "out.parquet", "tmm", design)
        table = pl.read_parquet(tmp_path / "out.parquet")
        np.testing.assert_allclose(table.select(names).to_numpy().T, r[name], atol=1e-9, rtol=0, err_msg=name)


def test_the_order_of_the_samples_changes_no_bit(counts: np.ndarray, tmp_path: Path) -> None:
    names = write_matrix(tmp_path / "counts.tsv", counts)
    batches = write_labels(tmp_path / "batches.csv", "batch", names, BATCHES)
    table = pl.read_csv(tmp_path / "counts.tsv", separator="\t")
    table.select(table.columns[0], *reversed(names)).write_csv(tmp_path / "turned.tsv", separator="\t")
    for method in ("combat", "combat-seq"):
        for source in ("counts", "turned"):
            omics.normalise_file(
                tmp_path / f"{source}.tsv", tmp_path / f"{source}.parquet", "logcpm", omics.Design(batches, method)
            )
        one, two = (pl.read_parquet(tmp_path / f"{source}.parquet") for source in ("counts", "turned"))
        assert one.equals(two.select(one.columns))


def test_what_is_wrong_with_a_design_is_said(counts: np.ndarray, tmp_path: Path) -> None:
    names = write_matrix(tmp_path / "counts.tsv", counts)
    out = tmp_path / "out.tsv"

    def refuses(text: str, labels: list[str], method: str = "tmm", **further: object) -> None:
        batches = write_labels(tmp_path / "b.csv", "batch", names[: len(labels)], labels)
        with pytest.raises((UserError, Unusable), match=text):
            omics.normalise_file(tmp_path / "counts.tsv", out, method, omics.Design(batches, **further))  # type: ignore[arg-type]
        assert not out.exists()

    refuses(rf"3 of 16 samples have no batch, {names[13]} the first", BATCHES[:13])
    refuses("The batch lonely has one sample only", [*BATCHES[:15], "lonely"])
    refuses("The batch lonely has one sample only", [*BATCHES[:15], "lonely"], batch_method="combat-seq")
    refuses("one batch", ["a"] * 16)
    refuses("cannot be told apart", BATCHES, groups=write_labels(tmp_path / "g.csv", "group", names, BATCHES))
    refuses("cpm is not. Choose logcpm", BATCHES, "cpm")
    with pytest.raises(UserError, match="needs --batches"):
        omics.Design(batch_method="combat-seq")
    with pytest.raises(UserError, match="Add --batches or --filter-by-expression"):
        omics.Design(groups=tmp_path / "g.csv")
    logs = tmp_path / "logs.tsv"
    write_matrix(logs, np.log2(counts + 1.5))
    with pytest.raises(Unusable, match="logarithms, not counts"):
        omics.normalise_file(logs, out, "tmm", omics.Design(tmp_path / "b.csv", "combat-seq"))


def test_what_is_wrong_with_a_table_is_said_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "batches.tsv"
    for text, said in (
        ("sample\tkit\nS1\ta\n", "lacks the column batch"),
        ("sample\tbatch\nS1\ta\nS2\t\n", "Row 2 of .* has no sample or no batch"),
        ("sample\tbatch\nS1\ta\nS1\tb\n", "Row 2 of .* lists S1 a second time"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=said):
            read_labels(path, "batch")
    with pytest.raises(UserError, match="There is no table"):
        read_labels(tmp_path / "none.tsv", "batch")
    path.write_text("﻿sample;batch;note\nS1;a;x\n", encoding="utf-8")
    assert read_labels(path, "batch") == {"S1": "a"}
