"""Matrices that are hard on the methods, live beside R: tiny, sparse, tied, huge, fractional, of unequal depth, without a parametric trend."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.omics.conftest import RANDOM_SEED, RunR, random_counts
from unibase.groundwork.problems import Unusable, UserError
from unibase.methods import combat, combat_seq, expressed_genes, factors, quantile, voom, vst
from unibase.omics.models import normalised


def hard_matrices() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(RANDOM_SEED + 400)
    shallow = random_counts(rng, 6, 400)
    shallow[2] //= 5000
    shallow[2, 0] = 1
    one_gene_rules = random_counts(rng, 6, 400).astype(np.int64)
    one_gene_rules[1, 3] = one_gene_rules.sum() * 20
    twice = random_counts(rng, 6, 200)
    lonely = random_counts(rng, 4, 400, zeros=0) + 1
    lonely[0, :200] = 0
    lonely[1, 200:] = 0
    return {
        "three": random_counts(rng, 3, 300),
        "five": random_counts(rng, 3, 5, zeros=0) + 1,
        "odd": random_counts(rng, 7, 501),
        "wide": random_counts(rng, 40, 120),
        "sparse": random_counts(rng, 9, 800, zeros=0.9) * (rng.random((9, 800)) > 0.6),
        "ties": rng.poisson(3, (10, 600)),
        "fewvalues": rng.integers(1, 4, (6, 400)) * 1000,
        "huge": random_counts(rng, 5, 400).astype(np.int64) * 30_000_000,
        "fractional": random_counts(rng, 6, 500) * rng.uniform(0.3, 1.7, (6, 500)),
        "twice": np.hstack([twice, twice[:, :70]]),
        "shallow": shallow,
        "ruled": one_gene_rules,
        "lonely": lonely,
        "depths": (random_counts(rng, 10, 500).astype(np.int64) * np.geomspace(0.01, 50, 10)[:, None]).astype(np.int64),
    }


@pytest.mark.slow
def test_factors_filters_and_voom(run_r: RunR) -> None:
    matrices = hard_matrices()
    inputs: dict[str, np.ndarray] = {}
    code, outputs = [], []
    for name, x in matrices.items():
        n = len(x)
        third, number = np.arange(n) * 3 // n, np.random.default_rng(n).normal(size=n)
        inputs |= {name: x, f"g{name}": np.arange(n) % 2, f"h{name}": third, f"c{name}": number}
        code.append(f"""
        x <- {name}; g <- g{name}; h <- h{name}; s <- colSums(x); d <- calcNormFactors(DGEList(x))
        f{name} <- rbind(calcNormFactors(x), calcNormFactors(x, method="TMMwsp"), calcNormFactors(x, refColumn=2),
          calcNormFactors(x, method="TMMwsp", refColumn=2), calcNormFactors(x, doWeighting=FALSE),
          calcNormFactors(x, logratioTrim=.1, sumTrim=.2), calcNormFactors(x, lib.size=s*(1+h)),
          calcNormFactors(x, method="RLE"), calcNormFactors(x, method="upperquartile"), calcNormFactors(x, method="upperquartile", p=.9))
        k{name} <- cbind(filterByExpr(d), filterByExpr(d, group=g), filterByExpr(x, design=model.matrix(~factor(h)+c{name})),
          filterByExpr(x, design=cbind(c{name})), filterByExpr(x, min.count=2, min.total.count=5, large.n=3, min.prop=.5))
        l{name} <- cbind(cpm(d, log=TRUE, prior.count=.5), cpm(x, log=TRUE), voom(x, model.matrix(~g), lib.size=s*(1+h))$E)
        w{name} <- cbind(voom(d, model.matrix(~g))$weights, voom(x, model.matrix(~g), lib.size=s*(1+h))$weights, voom(x, span=.3)$weights)
        y <- log2(x+1); q{name} <- normalizeQuantiles(y); y[(row(y)*7+col(y)*13) %% 11 == 0] <- NA
        n{name} <- if (nrow(x) > 5) normalizeQuantiles(y) else y
        """)
        outputs += [f"{part}{name}" for part in "fklwqn"]
    r = run_r(["edgeR"], "options(warn=-1)\n" + "\n".join(code), inputs, outputs)
    for name, x in matrices.items():
        sizes, n = factors.library_sizes(x), len(x)
        group, third, number = (inputs[f"{part}{name}"] for part in "ghc")
        options: list[dict[str, object]] = [
            {}, {"method": "tmmwsp"}, {"reference": 1}, {"method": "tmmwsp", "reference": 1}, {"weighted": False},
            {"log_ratio_trim": 0.1, "sum_trim": 0.2}, {"library_size": sizes * (1 + third)}, {"method": "rle"},
            {"method": "upperquartile"}, {"method": "upperquartile", "quantile": 0.9},
        ]  # fmt: skip
        for chosen, theirs in zip(options, r[f"f{name}"].T, strict=True):
            if np.isfinite(theirs).all() and (theirs > 0).all():
                ours = factors.norm_factors(x, **chosen)  # type: ignore[arg-type]
                np.testing.assert_allclose(ours, theirs, rtol=1e-12, err_msg=f"{name} {chosen}")
            else:
                with pytest.raises(Unusable, match=r"zero-quantile|no-common-gene"):
                    factors.norm_factors(x, **chosen)  # type: ignore[arg-type]
        effective = sizes * factors.norm_factors(x)
        design = np.column_stack([np.ones(n), group])
        thirds = np.column_stack([np.ones(n), *(third == level for level in np.unique(third)[1:]), number]).astype(float)
        kept = [
            expressed_genes.expressed_enough(x, library_size=effective),
            expressed_genes.expressed_enough(x, library_size=effective, group=group.tolist()),
            expressed_genes.expressed_enough(x, design=thirds),
            expressed_genes.expressed_enough(x, design=number[:, None]),
            expressed_genes.expressed_enough(x, min_count=2, min_total_count=5, large_n=3, min_proportion=0.5),
        ]
        np.testing.assert_array_equal(np.array(kept), r[f"k{name}"] == 1, err_msg=name)
        other = voom.voom(x, sizes * (1 + third), design)
        logs = [normalised.log_cpm(x, effective, 0.5), normalised.log_cpm(x, sizes), other.expression]
        np.testing.assert_allclose(np.vstack(logs), r[f"l{name}"], atol=1e-9, rtol=0, err_msg=name)
        weights = [voom.voom(x, effective, design).weights, other.weights, voom.voom(x, sizes, span=0.3).weights]
        np.testing.assert_allclose(np.vstack(weights), r[f"w{name}"], rtol=1e-7, err_msg=name)
        y = np.log2(x + 1.0)
        np.testing.assert_allclose(quantile.quantile_normalise(y), r[f"q{name}"], atol=1e-9, rtol=0, err_msg=name)
        if x.shape[1] > 5:
            sample, gene = np.indices(y.shape) + 1
            y[(gene * 7 + sample * 13) % 11 == 0] = np.nan
            np.testing.assert_allclose(quantile.quantile_normalise(y), r[f"n{name}"], atol=1e-9, rtol=0, err_msg=name)


def negative_binomial(rng: np.random.Generator, samples: int, mean: np.ndarray, dispersion: np.ndarray) -> np.ndarray:
    level = np.outer(rng.uniform(0.4, 2.5, samples), mean)
    size = np.maximum(1 / dispersion, 1e-3)
    return rng.poisson(rng.gamma(size, np.maximum(level, 1e-9) / size)).astype(np.int32)


@pytest.mark.slow
def test_stabilised_variance_without_a_parametric_trend(run_r: RunR) -> None:
    """Where a + b / mean does not fit, DESeq2 takes a local regression; so do we, with the same values."""
    rng = np.random.default_rng(RANDOM_SEED + 500)
    level = rng.gamma(0.5, 400.0, 600) + 0.2
    rising = 0.02 * level**0.35
    matrices = {
        "poisson": rng.poisson(np.outer(rng.uniform(0.5, 2, 6), level)).astype(np.int32),
        "flat": negative_binomial(rng, 6, rng.gamma(3.0, 800.0, 500), np.full(500, 0.08)),
        "rising": negative_binomial(rng, 8, level, rising),
        "few": negative_binomial(rng, 5, rng.gamma(0.5, 900.0, 60) + 1, np.full(60, 0.3)),
        "two": negative_binomial(rng, 2, rng.gamma(0.5, 900.0, 400) + 1, np.full(400, 0.2)),
        "scattered": negative_binomial(rng, 6, level, (0.08 + 3 / level) * rng.lognormal(0, 1.2, 600)),
    }
    code, outputs = [], []
    for name in matrices:
        code.append(f"""
        D <- function(x) suppressMessages(DESeqDataSetFromMatrix(x, data.frame(a=factor(rep(1, ncol(x)))), ~1))
        V <- function(...) assay(suppressMessages(varianceStabilizingTransformation(D({name}), ...)))
        p{name} <- V(); l{name} <- V(fitType="local"); m{name} <- V(fitType="mean")
        d <- estimateSizeFactors(D({name}), type="poscounts"); s{name} <- sizeFactors(d)
        c{name} <- assay(suppressMessages(varianceStabilizingTransformation(d)))
        f{name} <- {"p" + name if matrices[name].shape[1] < 300 else "assay(suppressMessages(vst(D(" + name + "), nsub=200)))"}
        """)
        outputs += [f"{part}{name}" for part in "plmscf"]
    r = run_r(["DESeq2"], "options(warn=-1)\n" + "\n".join(code), matrices, outputs)
    fell_back = 0
    for name, x in matrices.items():
        plain = vst.variance_stabilise(x)
        fell_back += isinstance(plain.trend, vst.LocalTrend)
        np.testing.assert_allclose(plain.values, r[f"p{name}"], atol=1e-6, rtol=0, err_msg=name)
        np.testing.assert_allclose(
            vst.variance_stabilise(x, trend="local").values, r[f"l{name}"], atol=1e-6, rtol=0, err_msg=name
        )
        np.testing.assert_allclose(vst.variance_stabilise(x, trend="mean").values, r[f"m{name}"], atol=1e-6, rtol=0, err_msg=name)
        positive = factors.poscounts(x)
        np.testing.assert_allclose(positive, r[f"s{name}"].ravel(), rtol=1e-12, err_msg=name)
        ours = vst.variance_stabilise(x, size_factors=positive).values
        np.testing.assert_allclose(ours, r[f"c{name}"], atol=1e-6, rtol=0, err_msg=name)
        if x.shape[1] >= 300:
            ours = vst.variance_stabilise(x, fast=True, subset=200).values
            np.testing.assert_allclose(ours, r[f"f{name}"], atol=1e-6, rtol=0, err_msg=name)
    assert fell_back >= 2


@pytest.mark.slow
def test_fast_fit_on_matrices_full_of_ties(run_r: RunR) -> None:
    """Genes whose means differ in the last bit only: the fast fit looks at R's genes when the size factors have R's bits."""
    rng = np.random.default_rng(RANDOM_SEED + 700)
    matrices = {f"hundreds{k}": random_counts(rng, samples, 600) // 100 * 100 for k, samples in enumerate((3, 5, 6, 7, 11, 12))}
    matrices |= {f"few{k}": rng.integers(1, 5, (samples, 700)) * 10 for k, samples in enumerate((3, 6, 8))}
    once = random_counts(rng, 6, 100, zeros=0) + 6
    matrices["shuffled"] = np.hstack([once[rng.permutation(6)] for _ in range(6)])
    code = [
        f"""
        d <- DESeqDataSetFromMatrix({name}, data.frame(a=factor(rep(1, ncol({name})))), ~1)
        s{name} <- estimateSizeFactorsForMatrix({name}); f{name} <- assay(vst(d, nsub=150))
        """
        for name in matrices
    ]
    outputs = [f"{part}{name}" for part in "sf" for name in matrices]
    r = run_r(["DESeq2"], "suppressMessages({options(warn=-1)\n" + "\n".join(code) + "})", matrices, outputs)
    for name, x in matrices.items():
        np.testing.assert_array_equal(factors.median_of_ratios(x), r[f"s{name}"].ravel(), err_msg=name)
        ours = vst.variance_stabilise(x, fast=True, subset=150).values
        np.testing.assert_allclose(ours, r[f"f{name}"], atol=1e-6, rtol=0, err_msg=name)


@pytest.mark.slow
def test_batches_with_groups_and_covariates(run_r: RunR) -> None:
    """Uneven batches, a group that one batch lacks, numbers as covariates, low and high counts."""
    inputs: dict[str, np.ndarray] = {}
    code, outputs = [], []
    designs = {
        "uneven": (np.repeat([0, 1, 2], [2, 5, 8]), np.arange(15) % 2, 0.2, 1),
        "lacking": (np.repeat([0, 1], 4), np.array([0, 0, 1, 1, 0, 0, 0, 0]), 0.2, 1),
        "low": (np.arange(12) % 2, np.arange(12) // 3 % 2, 0.2, 80),
        "silent": (np.arange(12) % 2, np.arange(12) // 3 % 2, 1.2, 1),
    }
    for k, (name, (batch, group, zeros, divisor)) in enumerate(designs.items()):
        rng = np.random.default_rng(RANDOM_SEED + 600 + k)
        x = random_counts(rng, len(batch), 120, zeros=zeros, spread=0.6)
        x = rng.poisson(x / divisor * np.exp(rng.normal(0, 0.5, (3, 120)))[batch]).astype(np.int32)
        # Rounded: a silent gene is one value exactly, where R else scales up the rounding of its last bits.
        logs = np.round(normalised.log_cpm(x, factors.library_sizes(x)), 12)
        inputs |= {name: x, f"b{name}": batch, f"g{name}": group, f"c{name}": rng.normal(size=len(batch)), f"l{name}": logs}
        code.append(f"""
        s{name} <- cbind(ComBat_seq({name}, b{name}), ComBat_seq({name}, b{name}, group=g{name}),
          ComBat_seq({name}, b{name}, covar_mod=model.matrix(~c{name})),
          ComBat_seq({name}, b{name}, group=g{name}, covar_mod=model.matrix(~c{name})))
        o{name} <- cbind(ComBat(l{name}, b{name}), ComBat(l{name}, b{name}, mod=model.matrix(~g{name}+c{name})))
        """)
        outputs += [f"s{name}", f"o{name}"]
    r = run_r(["edgeR", "sva"], 'sink("/dev/null")\n' + "\n".join(code) + "\nsink()", inputs, outputs)
    for name in designs:
        x, logs, number = inputs[name], inputs[f"l{name}"], inputs[f"c{name}"]
        batch, group = (list(map(str, inputs[f"{part}{name}"])) for part in "bg")
        ours = [
            combat_seq.combat_seq(x, batch),
            combat_seq.combat_seq(x, batch, group),
            combat_seq.combat_seq(x, batch, covariates=number[:, None]),
            combat_seq.combat_seq(x, batch, group, number[:, None]),
        ]
        np.testing.assert_array_equal(np.vstack(ours), r[f"s{name}"], err_msg=name)
        kept = np.column_stack([inputs[f"g{name}"], number]).astype(float)
        ours = [combat.combat(logs, batch), combat.combat(logs, batch, of_columns(kept))]
        np.testing.assert_allclose(np.vstack(ours), r[f"o{name}"], atol=1e-9, rtol=0, err_msg=name)


@pytest.mark.slow
def test_batches_of_random_designs(run_r: RunR) -> None:
    """Two to five batches of two samples or more, groups, a number of any size, genes silent in a batch or everywhere."""
    rng = np.random.default_rng(RANDOM_SEED + 800)
    inputs: dict[str, np.ndarray] = {}
    designs: dict[str, tuple[list[str], np.ndarray]] = {}
    code, outputs = [], []
    while len(designs) < 12:
        sizes = rng.integers(2, 10, int(rng.integers(2, 6)))
        batch = rng.permutation(np.repeat(np.arange(sizes.size), sizes))
        group = rng.integers(0, int(rng.integers(1, 4)), batch.size)
        number = rng.normal(size=batch.size) * rng.choice([0.01, 1, 50])
        effects = [*(group == level for level in np.unique(group)[1:]), *([number] if rng.random() < 0.5 else [])]
        kept = np.array(effects, dtype=float).reshape(-1, batch.size).T
        genes = int(rng.integers(40, 160))
        x = random_counts(rng, batch.size, genes, zeros=rng.choice([0, 0.3, 1.0]), spread=rng.choice([0.05, 0.5]))
        x = rng.poisson(x / rng.choice([1, 10, 60]) * np.exp(rng.normal(0, rng.choice([0.1, 0.7]), (sizes.size, genes)))[batch])
        x[np.ix_(batch == 0, np.arange(3))] = 0
        x[:, 3], x[:, 4] = 7, 0
        logs = np.round(normalised.log_cpm(x, factors.library_sizes(x)), 12)
        logs[:, 3] = 3.25
        names = [str(b) for b in batch]
        try:
            combat.combat(logs, names, of_columns(kept))
        except UserError as problem:
            assert re.search("confounded|explain every difference", str(problem))
            continue
        name = f"m{len(designs)}"
        designs[name] = names, kept
        inputs |= {name: x.astype(np.int32), f"b{name}": batch, f"l{name}": logs}
        # Where nothing is kept the table is still written, and neither side reads it.
        inputs[f"k{name}"] = kept if kept.shape[1] else np.zeros((batch.size, 1))
        mod = f"t(k{name})" if kept.shape[1] else "NULL"
        code.append(f"s{name} <- ComBat_seq({name}, b{name}, covar_mod={mod}); o{name} <- ComBat(l{name}, b{name}, mod={mod})")
        outputs += [f"s{name}", f"o{name}"]
    r = run_r(["edgeR", "sva"], 'options(warn=-1)\nsink("/dev/null")\n' + "\n".join(code) + "\nsink()", inputs, outputs)
    for name, (batch, kept) in designs.items():
        ours = combat_seq.combat_seq(inputs[name], batch, covariates=kept if kept.shape[1] else None)
        np.testing.assert_array_equal(ours, r[f"s{name}"], err_msg=name)
        corrected = combat.combat(inputs[f"l{name}"], batch, of_columns(kept))
        np.testing.assert_allclose(corrected, r[f"o{name}"], atol=1e-9, rtol=0, err_msg=name)


def of_columns(kept: np.ndarray) -> dict[str, list[float]]:
    return {f"c{n}": column.tolist() for n, column in enumerate(kept.T)}


def test_a_batch_that_the_covariates_fit_exactly_is_refused() -> None:
    """sva divides by the rounding that is left there."""
    logs = np.random.default_rng(1).normal(5, 1, (5, 30))
    group = np.array([[0.0, 1], [0, 0], [1, 0], [1, 0], [0, 0]])
    with pytest.raises(UserError, match="explain every difference between the training subjects of a:"):
        combat.combat(logs, ["a", "a", "b", "b", "b"], of_columns(group))
