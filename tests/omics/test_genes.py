from __future__ import annotations

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


def test_symbols_of_two_ages_become_one_gene_with_a_ledger_line(tmp_path) -> None:
    path = tmp_path / "x.tsv"
    pd.DataFrame({"A": [1, 2, 4], "B": [8, 16, 32]}, index=["KMT2D", "MLL2", "LINC-NOBODY"]).to_csv(path, sep="\t")
    adata = read_counts(path)
    report = check_counts(adata)
    assert report.notes == ("1 rows of genes listed more than once added to the first: KMT2D + MLL2",)
    merged = report.apply(adata)
    assert list(merged.var_names) == ["ENSG00000167548", "LINC-NOBODY"]
    np.testing.assert_array_equal(merged.X, [[3, 4], [24, 32]])
    rows = genes.ledger(["KMT2D", "MLL2", "LINC-NOBODY"]).rows()
    assert rows == [("LINC-NOBODY", "unknown", None, None), ("MLL2", "previous", "KMT2D", "ENSG00000167548")]
