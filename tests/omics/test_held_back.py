"""What shapes drawn after the rules found misread: real layouts of counts, and units that pass for counts; a row a case."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from unibase.groundwork.problems import Unusable
from unibase.omics.assays.gates import check_counts
from unibase.omics.assays.registry import AssayFiles, read
from unibase.omics.genes import gene_table
from unibase.omics.recognise.expression_unit import rna_unit

GENES = [g for g in gene_table()._symbol.values() if g.ensembl and g.locus_type == "gene with protein product"][:4000]
RNG = np.random.default_rng(11)
LEVEL = RNG.gamma(0.35, 1.0, 4000)
DEPTH = np.array([2.1e7, 3.3e7, 1.4e7, 2.7e7, 4.1e7, 1.9e7])[:, None]
COUNTS = RNG.poisson(RNG.gamma(5.0, 0.2, (6, 4000)) * LEVEL / LEVEL.sum() * DEPTH / 50).astype(float)
SAMPLES = ["PAT1", "PAT2", "PAT3", "PAT4", "CHU-été-5", "lyon.6"]
PLAIN = [f"lyon-{i}" for i in range(6)]


def table(titles: list[str], rows: list[list[object]], path: Path) -> Path:
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in [titles, *rows]), encoding="utf-8")
    return path


def down(values: np.ndarray, path: Path) -> Path:
    rows: list[list[object]] = [
        [gene.ensembl, *(f"{x:.6g}" if x % 1 else int(x) for x in row)] for gene, row in zip(GENES, values.T, strict=True)
    ]
    return table(["gene_id", *PLAIN], rows, path)


def across(named: Callable[[str], str], path: Path, *whose: str) -> Path:
    rows: list[list[object]] = [
        [*(name if title == "sample_id" else f"PAT{i}" for title in whose), *map(int, row)]
        for i, (name, row) in enumerate(zip(SAMPLES, COUNTS, strict=True))
    ]
    return table([*whose, *(named(gene.symbol) for gene in GENES)], rows, path)


LAYOUTS: dict[str, Callable[[Path], Path]] = {
    # Samples that are named as genes are (PAT1 is an alias), beside another column that names their patients.
    "symbols in single quotes": lambda path: across(lambda name: f"'{name}'", path, "patient_id", "sample_id"),
    "patients before samples": lambda path: across(str, path, "patient_id", "sample_id"),
    "samples before patients": lambda path: across(str, path, "sample_id", "subject"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_counts_of_samples_in_rows_are_theirs(layout: str, tmp_path: Path) -> None:
    adata = read("rna", AssayFiles(LAYOUTS[layout](tmp_path / "x.tsv"))).adata
    assert list(map(str, adata.obs_names)) == SAMPLES
    np.testing.assert_array_equal(np.asarray(adata.X).sum(axis=1), COUNTS.sum(axis=1))


def per_million(values: np.ndarray) -> np.ndarray:
    return values / values.sum(axis=1, keepdims=True) * 1e6


def upper_quartile(values: np.ndarray) -> np.ndarray:
    lengths = np.random.default_rng(9).lognormal(0.8, 0.7, 4000) + 0.2
    return per_million(values) / lengths * values.sum(axis=1, keepdims=True) / np.quantile(values, 0.75, axis=1, keepdims=True)


UNITS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str, str]] = {
    # Unit, what is said of it, and a word of the next step.
    "counts with 1 added": (lambda x: x + 1, "counts with 1 added", "Subtract 1"),
    "covered bases, most genes expressed": (lambda x: x * 76 - np.minimum(x * 76, 7), "covered bases", "length of a read"),
    "FPKM-UQ of six digits": (lambda x: upper_quartile(x), "FPKM", "raw counts"),
    "counts multiplied by 10": (lambda x: np.maximum(x, 1) * 10, "multiple of 10", "raw counts"),
    "counts halved, rounded": (lambda x: np.rint(x * 0.6), "divided or multiplied by a factor", "prepDE"),
}


@pytest.mark.parametrize("unit", UNITS)
def test_another_unit_is_named(unit: str, tmp_path: Path) -> None:
    of, said, way_on = UNITS[unit]
    with pytest.raises(Unusable, match="not-counts") as raised:
        read("rna", AssayFiles(down(of(COUNTS), tmp_path / "x.tsv")))
    assert said in raised.value.message and way_on in raised.value.remedy
    assert read("rna", AssayFiles(down(COUNTS, tmp_path / "y.tsv"))).adata.n_obs == 6


@pytest.mark.parametrize("among", [4, 6])
@pytest.mark.parametrize("changed", [1, 3])
def test_samples_of_a_million_among_counts_are_set_aside(among: int, changed: int, tmp_path: Path) -> None:
    mixed = COUNTS.copy() * 9
    mixed[:changed] = np.rint(per_million(mixed[:changed]))
    path = down(mixed, tmp_path / "x.tsv")
    lines = [line.split("\t")[: among + 1] for line in path.read_text(encoding="utf-8").splitlines()]
    try:
        gated = read("rna", AssayFiles(table(lines[0], lines[1:], path)))  # type: ignore[arg-type]
    except Unusable as problem:
        assert problem.reason == "not-counts"
        return
    assert set(map(str, gated.adata.obs_names)).isdisjoint(PLAIN[:changed])


MANY = 20_000
DRAWN = np.random.default_rng(12)
LEVELS = DRAWN.gamma(0.3, 1.0, MANY)
SHARES = DRAWN.gamma(20.0, 0.05, (4, MANY)) * LEVELS / LEVELS.sum()
WIDE = DRAWN.poisson(SHARES * DEPTH[:4] / 4).astype(float)
KEPT = [
    # What a filter for expressed genes leaves: reads at least, in how many samples. A step, and no comb.
    (5, 2),
    (10, 2),
    (6, 4),
]


@pytest.mark.parametrize(("least", "samples"), KEPT)
def test_a_step_that_a_filter_leaves_is_no_comb(least: int, samples: int) -> None:
    enough = least <= WIDE
    assert rna_unit(WIDE[:, enough.sum(axis=0) >= samples]).kind == "counts"


UNCLEAR: dict[str, tuple[np.ndarray, str]] = {
    # Whole numbers that may be counts or not, and why nobody can tell.
    "a shallow library, or FPKM": (DRAWN.poisson(SHARES * 5e5).astype(float), "less than a million"),
    "a sample of rounded FPKM": (
        np.where(np.arange(4)[:, None] < 1, np.rint(per_million(WIDE) / (np.arange(MANY) % 9 + 1)), WIDE),
        "no single reads",
    ),
}


@pytest.mark.parametrize("name", UNCLEAR)
def test_what_nobody_can_tell_is_asked_with_the_key_that_answers(name: str) -> None:
    values, said = UNCLEAR[name]
    names = [f"CHU-été-{i}" for i in range(4)]
    adata = anndata.AnnData(values, pd.DataFrame(index=names), pd.DataFrame(index=[f"ENSG{i:011d}" for i in range(MANY)]))
    with pytest.raises(Unusable, match="not-counts") as raised:
        check_counts(adata)
    assert said in raised.value.message and "nothing shows which" in raised.value.message
    assert raised.value.remedy.startswith("If they are counts, say unit: counts")
    assert list(check_counts(adata, unit="counts").kept) == names


def test_real_counts_of_few_samples_pass(real_data: Path) -> None:
    """TCGA-LUAD and airway, 60 draws of 4 to 8 samples and of part of the genes: 3 of them were asked about."""
    rng = np.random.default_rng(5)
    asked = 0
    for name in ("tcga_luad32", "airway"):
        table = pd.read_csv(real_data / "omics" / name / "counts.csv.gz", index_col=0).to_numpy(dtype=float).T
        for _ in range(30):
            few = table[rng.choice(len(table), int(rng.integers(4, 9)), replace=False)]
            few = few[:, (few >= 5).sum(axis=0) >= 2] if rng.random() < 0.5 else few[:, rng.random(few.shape[1]) < 0.7]
            asked += rna_unit(few).kind != "counts"
    assert asked <= 3
