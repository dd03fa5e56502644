"""Tables that a campaign of altered ones found misread; `benchmarks/altered_tables.py` makes more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unibase.groundwork.problems import Unusable
from unibase.omics.assays.registry import AssayFiles, read
from unibase.omics.genes import gene_table

ENTREZ = sorted(
    {int(g.entrez) for g in gene_table()._symbol.values() if g.entrez and g.locus_type == "gene with protein product"}
)[:300]
RNG = np.random.default_rng(4)


def write(path: Path, head: list[str], rows: list[list[str]]) -> Path:
    path.write_text("".join(";".join(row) + "\n" for row in [head, *rows]), encoding="utf-8")
    return path


def test_the_gene_number_1_is_a_gene_among_others_of_its_kind(tmp_path: Path) -> None:
    counts = RNG.negative_binomial(2, 0.001, (6, len(ENTREZ)))
    rows = [[f"CHU-été-{i}", *map(str, row)] for i, row in enumerate(counts)]
    adata = read("rna", AssayFiles(write(tmp_path / "x.csv", ["", *map(str, ENTREZ)], rows))).adata
    assert ENTREZ[0] == 1 and adata.n_vars == len(ENTREZ)
    np.testing.assert_array_equal(adata.X, counts)


def proteins(ddof: int | None, comma: bool) -> list[list[str]]:
    values = 2.0 ** (RNG.normal(26, 2, (200, 1)) + RNG.normal(0, 0.5, (200, 8)))
    if ddof is not None:
        logs = np.log2(values)
        values = (logs - logs.mean(axis=1, keepdims=True)) / logs.std(axis=1, ddof=ddof, keepdims=True)
    return [[f"P{10000 + i}", *(f"{x:.6g}".replace(".", "," if comma else ".") for x in row)] for i, row in enumerate(values)]


@pytest.mark.parametrize("ddof", [0, 1], ids=["as scikit-learn", "as R"])
def test_z_scores_of_proteins_are_no_log_ratios(ddof: int, tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", ["Protein", *(f"lyon-{i}" for i in range(8))], proteins(ddof, comma=False))
    with pytest.raises(Unusable, match="z-scores"):
        read("proteomics", AssayFiles(path))


def test_powers_with_decimal_commas_are_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", ["Protein", *(f"lyon-{i}" for i in range(8))], proteins(None, comma=True))
    assert "e+" in path.read_text(encoding="utf-8")
    assert read("proteomics", AssayFiles(path)).adata.shape == (8, 200)


GENES = [g.symbol for g in gene_table()._symbol.values() if g.locus_type == "gene with protein product"][:400]
REFUSED: dict[str, tuple[str, Callable[[], tuple[list[str], np.ndarray]], str]] = {
    "both reads of a pair counted": ("rna", lambda: (GENES, RNG.negative_binomial(2, 0.001, (8, 400)) * 2), "every value is a multiple of 2"),
    "beta averaged over genes": ("methylation", lambda: (GENES, RNG.random((8, 400)).round(4)), "rows are genes, not probes"),
    "spectral counts": ("proteomics", lambda: ([f"P{10000 + i}" for i in range(400)], RNG.poisson(8, (8, 400))), "spectral counts"),
}  # fmt: skip


@pytest.mark.parametrize("table", REFUSED)
def test_what_looks_like_the_assay_and_is_not_is_refused(table: str, tmp_path: Path) -> None:
    assay, make, said = REFUSED[table]
    names, values = make()
    rows = [[name, *map(str, row)] for name, row in zip(names, values.T, strict=True)]
    path = write(tmp_path / "x.csv", ["gene" if assay != "proteomics" else "Protein", *(f"lyon-{i}" for i in range(8))], rows)
    with pytest.raises(Unusable, match=said):
        read(assay, AssayFiles(path))


def test_samples_with_gaps_alone_are_set_aside_by_name(tmp_path: Path) -> None:
    counts = RNG.negative_binomial(2, 0.01, (6, 400))
    counts[:, 7] = 0
    rows = [[name, *("NA" if n == 0 else str(n) for n in row)] for name, row in zip(GENES, counts.T, strict=True)]
    gated = read("rna", AssayFiles(write(tmp_path / "x.csv", ["gene", *(f"lyon-{i}" for i in range(6))], rows)))
    assert gated.adata.n_obs == 0 and {reason for reason, _, _ in gated.refused.values()} == {"missing-values"}


def test_levels_of_a_hundred_percent_are_no_copies(tmp_path: Path) -> None:
    path = tmp_path / "x.seg"
    rows = [f"lyon-{i}\t{c}\t1\t100000000\t50\t{level}" for i in range(4) for c, level in (("1", 100), ("7", 150), ("8", 100))]
    path.write_text("\n".join(["ID\tchrom\tloc.start\tloc.end\tnum.mark\tseg.mean", *rows]) + "\n")
    with pytest.raises(Unusable):
        read("copy_number", AssayFiles(path))


def test_a_table_without_titles_whose_first_gene_is_a_compound_has_no_sample_names(tmp_path: Path) -> None:
    counts = RNG.negative_binomial(2, 0.001, (300, 6)) + 10001
    path = tmp_path / "x.tsv"
    path.write_text(
        "".join(
            f"{gene}|{i}\t" + "\t".join(f"{n}.0" for n in row) + "\n"
            for i, (gene, row) in enumerate(zip(["A1BG", *GENES], counts, strict=False))
        )
    )
    with pytest.raises(Unusable, match="no-sample-names"):
        read("rna", AssayFiles(path))
