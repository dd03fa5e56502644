"""Sets of genes: files, genes found, scores beside live GSVA and decoupleR and beside a twin that walks, rows that stay as they are."""

from __future__ import annotations

import gzip
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from tests.omics.conftest import RunR
from unibase.groundwork.problems import UserError
from unibase.methods.single_sample import ssgsea, ulm
from unibase.omics.assays.chosen import set_values
from unibase.omics.assays.set_scores import scored_sets
from unibase.omics.options import RnaOptions
from unibase.omics.readers.gene_sets import read_gene_sets

LIVE = 1e-9


def expression(samples: int = 6, genes: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Return values with ties within and zeros, and membership in 12 sets."""
    rng = np.random.default_rng(17)
    values = np.round(rng.gamma(1.2, 2.0, (samples, genes)), 1)
    values[:, rng.random(genes) < 0.2] = 0.0
    members = rng.random((12, genes)) < rng.uniform(0.02, 0.4, (12, 1))
    return values, members


def test_scores_beside_live_r(run_r: RunR) -> None:
    values, members = expression()
    code = """
    rownames(x) <- paste0("g", seq_len(nrow(x))); colnames(x) <- paste0("s", seq_len(ncol(x)))
    sets <- lapply(seq_len(ncol(m)), function(i) rownames(x)[m[, i] > 0]); names(sets) <- sprintf("k%02d", seq_len(ncol(m)))
    invisible(capture.output(es <- suppressWarnings(gsva(x, sets, method="ssgsea", ssgsea.norm=FALSE, verbose=FALSE))))
    net <- do.call(rbind, lapply(names(sets), function(k) data.frame(source=k, target=sets[[k]], mor=1)))
    u <- suppressWarnings(run_ulm(x, net, minsize=5))
    t <- matrix(u$score[order(u$source, u$condition)], ncol=length(sets))
    """
    r = run_r(["GSVA", "decoupleR"], code, {"x": values, "m": members.astype(float)}, ["es", "t"])
    np.testing.assert_allclose(ssgsea(values, members) * values.shape[1], r["es"], rtol=LIVE)
    np.testing.assert_allclose(ulm(values, members), r["t"].T, rtol=LIVE)


def test_scores_beside_a_twin_that_walks_gene_by_gene() -> None:
    values, members = expression(3, 60)
    found, slopes = ssgsea(values, members), ulm(values, members)
    for s, sample in enumerate(values):
        ranks = [int((sample < v).sum() + ((sample == v).sum() + 1) / 2) for v in sample]
        walk = sorted(range(60), key=lambda gene: (-ranks[gene], gene))
        for k, member in enumerate(members):
            total = sum(ranks[g] ** 0.25 for g in walk if member[g])
            inside = outside = score = 0.0
            for gene in walk:
                inside += ranks[gene] ** 0.25 / total if member[gene] else 0.0
                outside += 0.0 if member[gene] else 1 / (60 - member.sum())
                score += inside - outside
            assert found[s, k] == pytest.approx(score / 60, abs=1e-12)
            design = np.column_stack([np.ones(60), member])
            (_, slope), (rest,), *_ = np.linalg.lstsq(design, sample, rcond=None)
            error = np.sqrt(rest / 58 * np.linalg.inv(design.T @ design)[1, 1])
            assert slopes[s, k] == pytest.approx(slope / error, rel=1e-9)


def store(values: np.ndarray) -> anndata.AnnData:
    genes = {"ENSG00000141510": "TP53", "ENSG00000133703": "KRAS", "ENSG00000141736": "ERBB2", "ENSG00000146648": "EGFR"}
    names = [*genes, *(f"ENSG9{i:010d}" for i in range(values.shape[1] - 4))]
    var = pd.DataFrame({"symbol": [genes.get(name, f"G{i}") for i, name in enumerate(names)]}, index=names)
    return anndata.AnnData(values, obs=pd.DataFrame(index=[f"s{i}" for i in range(len(values))]), var=var)


GMT = (
    "HYPOXIA\tdescription\tTP53\tHER2\t3845\tENSG00000146648.5\tG9\tNOT_A_GENE\n"
    "few genes\t\tTP53\tKRAS\n\nweighted\thttp://x\tG4,1.0\tG5,1.0\tG6,1\tG7,1.0\tG8,1.0\n"
)


def test_genes_are_found_by_any_name_and_a_new_patient_changes_no_score(tmp_path: Path) -> None:
    path = tmp_path / "lyon.gmt.gz"
    path.write_bytes(gzip.compress(GMT.encode()))
    values, _ = expression(6, 40)
    adata = store(values)
    options = RnaOptions(gene_sets=str(path), scores=["ulm", "ssgsea"])
    sets = scored_sets(options, adata)
    assert sets is not None and sets.names == ("HYPOXIA", "weighted")
    assert [list(np.flatnonzero(row)) for row in sets.members] == [[0, 1, 2, 3, 9], [4, 5, 6, 7, 8]]
    assert sets.notes == (
        "2 gene sets scored; 10 of their 11 genes are measured",
        "1 gene sets have no score, for fewer than 5 of their genes are measured: few genes",
    )
    both = set_values(adata, ["s5", "gone", "s0"], sets)
    assert both.columns == ["colname", "rna_ulm_HYPOXIA", "rna_ulm_weighted", "rna_ssgsea_HYPOXIA", "rna_ssgsea_weighted"]
    assert both.filter(colname="s0").equals(set_values(store(values[:1]), ["s0"], sets))
    assert scored_sets(RnaOptions(), adata) is None


FILES = [
    ("", "no gene set in"),
    ("A\tdescription\n", "Line 1 .* no gene"),
    ("\td\tTP53\n", "Line 1 .* no name"),
    ("A\td\tTP53\nA\td\tKRAS\n", "Line 2 .* second time"),
    ("A\td\tTP53,0.5\n", "Line 1 .* weighs"),
    ("A\td\tTrp53\tKras\tEgfr\tErbb2\tMyc\n", "No set of .* human genes"),
    ("A,d,TP53,KRAS\n", "Line 1 .* tabs"),
]


@pytest.mark.parametrize(("text", "said"), FILES)
def test_what_is_no_set_of_human_genes_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "CHU-été.gmt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=said):
        scored_sets(RnaOptions(gene_sets=str(path)), store(np.ones((2, 30))))
    with pytest.raises(UserError, match="no file of gene sets"):
        read_gene_sets(tmp_path / "gone.gmt")
