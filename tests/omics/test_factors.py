"""Library-size factors beside R: stored values of two real matrices, and live R on matrices made at random."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.omics.conftest import RANDOM_SEED, RunR, random_counts
from unibase.groundwork.problems import Unusable
from unibase.methods import factors
from unibase.methods.compiled.exact import median_inplace, select

REAL = ["tcga_luad32", "airway"]


def real_counts(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / "omics" / name / "counts.csv.gz", index_col=0)


@pytest.mark.parametrize("name", REAL)
def test_stored_r_values(real_data: Path, name: str) -> None:
    table = real_counts(real_data, name)
    counts = np.ascontiguousarray(table.to_numpy().T.astype(np.int32))
    reference = pd.read_csv(real_data / "omics" / name / "R_factors.csv").set_index("sample").loc[table.columns]
    for method, column in (("tmm", "TMM"), ("tmmwsp", "TMMwsp"), ("rle", "RLE"), ("upperquartile", "upperquartile")):
        np.testing.assert_allclose(factors.norm_factors(counts, method), reference[column], rtol=1e-12, err_msg=method)
    np.testing.assert_allclose(factors.median_of_ratios(counts), reference["DESeq2_ratio"], rtol=1e-12)
    np.testing.assert_allclose(factors.poscounts(counts), reference["DESeq2_poscounts"], rtol=1e-12)
    np.testing.assert_array_equal(factors.library_sizes(counts), reference["lib"])


def test_live_r_on_random_matrices(run_r: RunR) -> None:
    """Eight matrices that nobody tuned anything to, in one R session."""
    matrices = {}
    for seed in range(8):
        rng = np.random.default_rng(RANDOM_SEED + seed)
        counts = random_counts(rng, int(rng.integers(3, 25)), int(rng.integers(200, 2000)), zeros=float(rng.uniform(0, 0.8)))
        if seed >= 6:
            counts[:, :] = rng.poisson(1.5, counts.shape)  # ties everywhere
            counts[:, :3] += 1
        matrices[f"x{seed}"] = counts
    code = """
    all <- function(x) {
      d <- DESeqDataSetFromMatrix(x, data.frame(a=factor(rep(1, ncol(x)))), ~1)
      cbind(sapply(c("TMM", "TMMwsp", "RLE", "upperquartile"), function(m) calcNormFactors(x, method=m)),
            estimateSizeFactorsForMatrix(x), sizeFactors(estimateSizeFactors(d, type="poscounts")))
    }
    """ + "\n".join(f"r{name} <- all({name})" for name in matrices)
    results = run_r(["edgeR", "DESeq2"], code, matrices, [f"r{name}" for name in matrices])
    for name, counts in matrices.items():
        r = results[f"r{name}"]
        for row, method in enumerate(("tmm", "tmmwsp", "rle", "upperquartile")):
            np.testing.assert_allclose(factors.norm_factors(counts, method), r[row], rtol=1e-12, err_msg=f"{name} {method}")
        np.testing.assert_allclose(factors.median_of_ratios(counts), r[4], rtol=1e-12, err_msg=name)
        np.testing.assert_allclose(factors.poscounts(counts), r[5], rtol=1e-12, err_msg=name)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_selection_against_sorting(values: list[float]) -> None:
    array = np.array(values)
    for position in {0, len(values) // 2, len(values) - 1}:
        assert select(array.copy(), len(values), position) == np.sort(array)[position]
    assert median_inplace(array.copy(), len(values)) == np.median(array)


@pytest.mark.parametrize("method", ["tmm", "tmmwsp", "rle", "upperquartile"])
def test_order_of_samples_changes_no_bit(method: factors.FactorMethod) -> None:
    rng = np.random.default_rng(9)
    counts = random_counts(rng, 15, 700, zeros=0.1)
    counts[4] = counts[11]  # a tie for the reference
    names = [f"s{i}" for i in range(15)]
    order = rng.permutation(15)
    plain = factors.norm_factors(counts, method, names=names)
    shuffled = factors.norm_factors(counts[order], method, names=[names[i] for i in order])
    np.testing.assert_array_equal(plain[order], shuffled)


def test_empty_sample_is_named_not_spread() -> None:
    counts = random_counts(np.random.default_rng(1), 5, 100)
    counts[2] = 0
    with pytest.raises(Unusable, match="empty-sample: 1 samples"):
        factors.norm_factors(counts)
    with pytest.raises(Unusable, match="no-common-gene"):
        factors.median_of_ratios(np.eye(5, dtype=np.int32))
