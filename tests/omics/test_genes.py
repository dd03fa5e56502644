from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest

from unibase.groundwork.problems import Unusable
from unibase.omics import genes
from unibase.omics.assays.gates import check_counts
from unibase.omics.readers.counts import read_counts


@pytest.mark.parametrize(
    ("name", "how", "symbol"),
    [
        ("KMT2D", "symbol", "KMT2D"),
        ("MLL2", "previous", "KMT2D"),
        ("C10orf54", "previous", "VSIR"),
        ("ENSG00000141510.18", "ensembl", "TP53"),
        ("7157", "entrez", "TP53"),
        ("2-Sep", "spreadsheet-date", None),
        ("NOT-A-GENE", "unknown", None),
        ("CAP", "ambiguous", None),
    ],
)
def test_names_of_genes(name: str, how: str, symbol: str | None) -> None:
    match = genes.gene_table().match(name)
    assert (match.how, match.gene.symbol if match.gene else None) == (how, symbol)


def test_table_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(genes, "SHA256", "0" * 64)
    with pytest.raises(Unusable, match="changed-gene-table"):
        genes.GeneTable()


def test_an_old_symbol_is_followed_only_when_nothing_else_is_the_gene(tmp_path) -> None:
    path = tmp_path / "x.tsv"
    pd.DataFrame({"P1": [1, 2, 4, 7], "P2": [8, 16, 32, 9]}, index=["KMT2D", "MLL2", "LINC-NOBODY", "C10orf54"]).to_csv(
        path, sep="\t"
    )
    adata = read_counts(path)
    report = check_counts(adata)
    assert report.notes[1:] == (
        "1 names that stand for several genes, or for one that has a row of its own, left as they are: MLL2",
        "1 of 4 names are no human gene that is known; they stay as they are",
    )
    merged = report.apply(adata)
    assert list(merged.var_names) == ["ENSG00000167548", "MLL2", "LINC-NOBODY", "ENSG00000107738"]
    np.testing.assert_array_equal(merged.X, [[1, 2, 4, 7], [8, 16, 32, 9]])
    rows = genes.ledger(["KMT2D", "MLL2", "LINC-NOBODY"]).rows()
    assert rows == [("LINC-NOBODY", "unknown", None, None), ("MLL2", "ambiguous", None, None)]
    assert genes.current_symbols(["MLL2"]) == {"MLL2": "KMT2D"} and genes.current_symbols(["MLL2", "KMT2D"]) == {}


@pytest.mark.parametrize(
    ("names", "how"),
    [
        (["TP53", "NA", ""], ["symbol", "no-name", "no-name"]),
        (["TP53", "KRAS", "44256", "1-mars", "sept-02", "01/09/2021", "2-Sep"], ["symbol"] * 2 + ["spreadsheet-date"] * 5),
        (["7157", "3845", "672"], ["entrez"] * 3),
        (["TP53", "KRAS", "672"], ["symbol", "symbol", "unknown"]),
        (["TP53|7157", "?|100130426", "KRAS (3845)", "ENSG00000141510.18_TP53"], ["symbol", "unknown", "symbol", "ensembl"]),
        (["CAP2", "p16"], ["symbol", "ambiguous"]),
    ],
)
def test_a_name_is_understood_among_the_others(names: list[str], how: list[str]) -> None:
    assert [match.how for match in genes.understood(names)] == how


def test_pseudo_autosomal_genes_and_sums_beyond_32_bits() -> None:
    assert genes.identifiers(["ENSG00000182378.15_PAR_Y", "ENSGR0000182378.10", "ENSG00000182378.15"]) == [
        "ENSG00000182378_PAR_Y", "ENSG00000182378_PAR_Y", "ENSG00000182378",
    ]  # fmt: skip
    twice = anndata.AnnData(np.full((1, 2), 2**31 - 1, np.int32), var=pd.DataFrame(index=["TP53", "TP53"]))
    assert genes.merge_repeated(twice).X.tolist() == [[2**32 - 2]]
