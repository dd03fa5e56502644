"""Every transformation beside R: stored values of two real matrices, and live R on matrices that nobody tuned to."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from tests.omics.conftest import RANDOM_SEED, RunR, random_counts
from unibase.groundwork.problems import Unusable, UserError
from unibase.methods import combat, combat_seq, expressed_genes, factors, quantile, voom, vst
from unibase.omics.models import normalised, per_million
from unibase.omics.options import Method

REAL = ["tcga_luad32", "airway"]
STORED = 1e-10  # R's values are stored with 12 significant digits
LIVE = 1e-9


@cache
def real(folder: Path, name: str) -> tuple[np.ndarray, pd.Index, pd.Index]:
    table = pd.read_csv(folder / "omics" / name / "counts.csv.gz", index_col=0)
    return np.ascontiguousarray(table.to_numpy().T.astype(np.int32)), table.index, table.columns


@pytest.mark.parametrize("name", REAL)
def test_stored_values(real_data: Path, name: str) -> None:
    counts, genes, _ = real(real_data, name)

    def stored(file: str) -> tuple[np.ndarray, np.ndarray]:
        table = pd.read_csv(real_data / "omics" / name / f"{file}.csv.gz", index_col=0)
        return table.to_numpy(dtype=np.float64).T, genes.get_indexer(table.index)

    sizes = factors.library_sizes(counts)
    effective = sizes * factors.norm_factors(counts, "tmm")
    for file, values in (
        ("R_edgeR_logcpm_TMM", normalised.log_cpm(counts, effective)),
        ("R_edgeR_logcpm_none", normalised.log_cpm(counts, sizes)),
    ):
        expected, where = stored(file)
        np.testing.assert_allclose(values[:, where], expected, atol=STORED, rtol=0)
    expected, where = stored("R_edgeR_cpm_TMM")
    np.testing.assert_allclose(per_million.cpm(counts, effective)[:, where], expected, rtol=1e-11)
    keep = pd.read_csv(real_data / "omics" / name / "R_filterByExpr.csv.gz", index_col=0)["keep"]
    np.testing.assert_array_equal(expressed_genes.expressed_enough(counts, library_size=effective), keep.loc[genes])
    expected, where = stored("R_limma_quantile")
    np.testing.assert_allclose(quantile.quantile_normalise(np.log2(counts[:, where] + 1.0)), expected, atol=STORED, rtol=0)
    fitted = voom.voom(counts, effective)
    expected, where = stored("R_voom_E")
    np.testing.assert_allclose(fitted.expression[:, where], expected, atol=STORED, rtol=0)
    weights = pd.read_csv(real_data / "omics" / name / "R_voom_weights.csv.gz", index_col=0).to_numpy().T
    np.testing.assert_allclose(fitted.weights[:, where], weights, rtol=1e-10)
    for file, fast in (("R_DESeq2_VST_full", False), ("R_DESeq2_vst_fast", True)):
        expected, where = stored(file)
        np.testing.assert_allclose(vst.variance_stabilise(counts, fast=fast).values[:, where], expected, atol=1e-7, rtol=0)


def test_stored_batch_corrections(real_data: Path) -> None:
    counts, genes, samples = real(real_data, "tcga_luad32")
    folder = real_data / "omics" / "tcga_luad32"
    batch = pd.read_csv(folder / "batch.csv", dtype=str).set_index("sample")["batch"].loc[samples].tolist()
    table = pd.read_csv(folder / "R_ComBat_on_logcpmTMM.csv.gz", index_col=0)
    where = genes.get_indexer(table.index)
    effective = factors.library_sizes(counts) * factors.norm_factors(counts, "tmm")
    logs = normalised.log_cpm(counts, effective)[:, where]
    np.testing.assert_allclose(combat.combat(logs, batch), table.to_numpy().T, atol=STORED, rtol=0)
    table = pd.read_csv(folder / "R_ComBat_seq.csv.gz", index_col=0)
    where = genes.get_indexer(table.index)
    np.testing.assert_array_equal(combat_seq.combat_seq(counts[:, where], batch), table.to_numpy().T)


def _matrices(number: int, genes: int, min_samples: int = 4) -> dict[str, np.ndarray]:
    out = {}
    for k in range(number):
        rng = np.random.default_rng(RANDOM_SEED + 100 + k)
        out[f"x{k}"] = random_counts(rng, int(rng.integers(min_samples, 20)), genes + 137 * k, zeros=float(rng.uniform(0, 0.6)))
    return out


def test_live_edger_and_limma(run_r: RunR) -> None:
    matrices = _matrices(5, 800)
    code = ["filtered <- function(x, g) filterByExpr(calcNormFactors(DGEList(x)), group=g)"]
    outputs = []
    inputs = dict(matrices)
    for name, counts in matrices.items():
        group = np.arange(counts.shape[0]) % 2
        inputs[f"g{name}"] = group
        code.append(f"""
        d <- calcNormFactors(DGEList({name}))
        tmm{name} <- cpm(d, log=TRUE); plain{name} <- cpm(d); wide{name} <- cpm(d, log=TRUE, prior.count=5)
        kept{name} <- cbind(filterByExpr(d), filterByExpr(d, group=g{name}), filterByExpr({name}, min.count=3, min.total.count=40))
        design <- cbind(1, g{name})
        v <- voom(d, design); e{name} <- v$E; w{name} <- v$weights
        v <- voom({name}); w1{name} <- v$weights
        q{name} <- normalizeQuantiles(log2({name}+1))
        """)
        outputs += [f"{part}{name}" for part in ("tmm", "plain", "wide", "kept", "e", "w", "w1", "q")]
    r = run_r(["edgeR"], "\n".join(code), inputs, outputs)
    for name, counts in matrices.items():
        sizes = factors.library_sizes(counts)
        effective = sizes * factors.norm_factors(counts, "tmm")
        group = np.arange(counts.shape[0]) % 2
        np.testing.assert_allclose(normalised.log_cpm(counts, effective), r[f"tmm{name}"], atol=LIVE, rtol=0)
        np.testing.assert_allclose(normalised.log_cpm(counts, effective, 5), r[f"wide{name}"], atol=LIVE, rtol=0)
        np.testing.assert_allclose(per_million.cpm(counts, effective), r[f"plain{name}"], rtol=1e-12)
        ours = [
            expressed_genes.expressed_enough(counts, library_size=effective),
            expressed_genes.expressed_enough(counts, library_size=effective, group=group.tolist()),
            expressed_genes.expressed_enough(counts, min_count=3, min_total_count=40),
        ]
        np.testing.assert_array_equal(np.array(ours), r[f"kept{name}"] == 1)
        fitted = voom.voom(counts, effective, np.column_stack([np.ones(len(group)), group]))
        np.testing.assert_allclose(fitted.expression, r[f"e{name}"], atol=LIVE, rtol=0)
        np.testing.assert_allclose(fitted.weights, r[f"w{name}"], rtol=1e-7)
        np.testing.assert_allclose(voom.voom(counts, sizes).weights, r[f"w1{name}"], rtol=1e-7)
        np.testing.assert_allclose(quantile.quantile_normalise(np.log2(counts + 1.0)), r[f"q{name}"], atol=LIVE, rtol=0)


@pytest.mark.slow
def test_live_deseq2(run_r: RunR, real_data: Path) -> None:
    """VST with the parametric trend, filtered and not, on random matrices and on filtered real counts."""
    matrices = {}
    for k, (samples, genes) in enumerate([(6, 2400), (14, 1500)]):
        rng = np.random.default_rng(RANDOM_SEED + 200 + k)
        mean = rng.gamma(0.4, 900.0, genes) * (rng.random(genes) > 0.1)
        size = 1 / (0.08 + 3.0 / (mean + 0.5)) * rng.lognormal(0, 0.3, genes)
        level = np.outer(rng.uniform(0.4, 2.5, samples), mean)
        matrices[f"x{k}"] = rng.poisson(rng.gamma(np.maximum(size, 1e-3), level / np.maximum(size, 1e-3))).astype(np.int32)
    counts, _, _ = real(real_data, "tcga_luad32")
    matrices["x3"] = np.ascontiguousarray(counts[:, (counts >= 10).sum(axis=0) >= 6][:, ::8])
    code, outputs = [], []
    for name, values in matrices.items():
        fast = int((values / factors.median_of_ratios(values)[:, None]).mean(axis=0).__gt__(5).sum()) >= 1000
        code.append(f"""
        d <- DESeqDataSetFromMatrix({name}, data.frame(a=factor(rep(1, ncol({name})))), ~1)
        full{name} <- assay(varianceStabilizingTransformation(d)); fast{name} <- {"assay(vst(d))" if fast else f"full{name}"}
        d <- estimateDispersionsGeneEst(estimateSizeFactors(d)); disp{name} <- mcols(d)$dispGeneEst
        disp{name}[is.na(disp{name})] <- -1
        """)
        outputs += [f"full{name}", f"fast{name}", f"disp{name}"]
    r = run_r(["DESeq2"], "\n".join(code), matrices, outputs)
    for name, values in matrices.items():
        full = vst.variance_stabilise(values).values
        np.testing.assert_allclose(full, r[f"full{name}"], atol=1e-6, rtol=0, err_msg=name)
        if not np.array_equal(r[f"fast{name}"], r[f"full{name}"]):
            np.testing.assert_allclose(
                vst.variance_stabilise(values, fast=True).values, r[f"fast{name}"], atol=1e-6, rtol=0, err_msg=name
            )
        seen = (values > 0).any(axis=0)
        ours = vst.gene_dispersions(np.ascontiguousarray(values[:, seen].T, np.float64), factors.median_of_ratios(values))
        theirs = r[f"disp{name}"][0][seen]
        # At dispersions near zero R's likelihood is flat to rounding; nothing that is fitted looks at them.
        solid = theirs > 1e-6
        assert np.quantile(np.abs(ours[solid] / theirs[solid] - 1), 0.999) < 1e-6


@pytest.mark.slow
def test_live_combat_and_combat_seq(run_r: RunR) -> None:
    matrices, inputs, code, outputs = {}, {}, [], []
    for k, (samples, genes, batches) in enumerate([(12, 300, 2), (18, 250, 3), (24, 300, 3)]):
        rng = np.random.default_rng(RANDOM_SEED + 300 + k)
        counts = random_counts(rng, samples, genes, zeros=0.2, spread=0.6)
        batch = np.arange(samples) % batches
        group = (np.arange(samples) // batches) % 2
        counts = rng.poisson(counts * np.exp(rng.normal(0, 0.5, (batches, genes)))[batch]).astype(np.int32)
        counts[batch == 0, :5] = 0  # silent in one batch
        name = f"x{k}"
        matrices[name] = counts
        inputs |= {name: counts, f"b{name}": batch, f"g{name}": group}
        # R gets our logs: whether a silent gene is exactly constant depends on the last bit.
        inputs[f"l{name}"] = normalised.log_cpm(counts, factors.library_sizes(counts))
        code.append(f"""
        sink("/dev/null")
        seq{name} <- ComBat_seq({name}, b{name}); grp{name} <- ComBat_seq({name}, b{name}, group=g{name})
        com{name} <- ComBat(l{name}, b{name}); mod{name} <- ComBat(l{name}, b{name}, mod=model.matrix(~g{name}))
        sink()
        """)
        outputs += [f"{part}{name}" for part in ("seq", "grp", "com", "mod")]
    r = run_r(["edgeR", "sva"], "\n".join(code), inputs, outputs)
    for name, counts in matrices.items():
        batch = [str(b) for b in inputs[f"b{name}"]]
        group = inputs[f"g{name}"]
        np.testing.assert_array_equal(combat_seq.combat_seq(counts, batch), r[f"seq{name}"])
        np.testing.assert_array_equal(combat_seq.combat_seq(counts, batch, [str(g) for g in group]), r[f"grp{name}"])
        logs = inputs[f"l{name}"]
        np.testing.assert_allclose(combat.combat(logs, batch), r[f"com{name}"], atol=LIVE, rtol=0)
        np.testing.assert_allclose(
            combat.combat(logs, batch, {"group": group.astype(float).tolist()}), r[f"mod{name}"], atol=LIVE, rtol=0
        )


def _adata(counts: np.ndarray, names: list[str]) -> anndata.AnnData:
    index = pd.Index([f"g{i}" for i in range(counts.shape[1])], dtype=object)
    return anndata.AnnData(
        X=counts,
        obs=pd.DataFrame(index=pd.Index(names, dtype=object)),
        var=pd.DataFrame({"length": 100.0 + np.arange(counts.shape[1])}, index=index),
    )


@pytest.mark.parametrize("method", normalised.METHODS)
def test_order_of_samples_changes_no_bit(method: Method) -> None:
    rng = np.random.default_rng(4)
    genes = 1600
    mean = rng.gamma(0.6, 500.0, genes) + 1
    size = 1 / (0.1 + 2 / mean) * rng.lognormal(0, 0.2, genes)
    counts = rng.poisson(rng.gamma(size, np.outer(rng.uniform(0.5, 2, 9), mean) / size)).astype(np.int32)
    names = [f"s{i}" for i in range(9)]
    order = rng.permutation(9)
    plain = normalised.normalise(_adata(counts, names), method)
    mixed = normalised.normalise(_adata(counts[order], [names[i] for i in order]), method)
    assert np.isfinite(plain.X).all()
    np.testing.assert_array_equal(plain.X[order], mixed.X)
    np.testing.assert_array_equal(plain.obs["size_factor"].to_numpy()[order], mixed.obs["size_factor"])
    np.testing.assert_array_equal(mixed.layers["counts"], counts[order])
    assert plain.uns["normalisation"] == mixed.uns["normalisation"]


def test_tpm_sums_to_a_million() -> None:
    counts = random_counts(np.random.default_rng(5), 4, 50)
    lengths = np.arange(1, 51) * 100.0
    values = per_million.tpm(counts, lengths)
    np.testing.assert_allclose(values.sum(axis=1), 1e6, rtol=1e-12)
    # Twice the length at the same count is half the rate.
    np.testing.assert_allclose(values[0, 9] * counts[0, 19], values[0, 19] * counts[0, 9] * 2, rtol=1e-12)


def test_refusals_say_why() -> None:
    rng = np.random.default_rng(6)
    logs = rng.normal(size=(6, 40))
    with pytest.raises(UserError, match="Too few training subjects to harmonise: c"):
        combat.combat(logs, ["a", "a", "a", "b", "b", "c"])
    with pytest.raises(UserError, match="at least two centres"):
        combat.combat(logs, ["a"] * 6)
    with pytest.raises(UserError, match="confounded"):
        combat.combat(logs, ["a"] * 3 + ["b"] * 3, {"group": [0.0] * 3 + [1.0] * 3})
    with pytest.raises(Unusable, match="too-few-genes"):
        vst.variance_stabilise(random_counts(rng, 5, 200, zeros=0) + 1, fast=True)
    with pytest.raises(Unusable, match="too-few-samples"):
        voom.voom(random_counts(rng, 2, 50), np.array([1e6, 1e6]), np.eye(2))
