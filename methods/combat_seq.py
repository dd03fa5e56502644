"""Batch correction of counts that stays with whole counts.

Source: Zhang, Parmigiani and Johnson, NAR Genomics and Bioinformatics 2020, 2:lqaa078. Oracle: sva 3.46.0 `ComBat_seq`
without shrinkage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unibase.groundwork.problems import Unusable
from unibase.methods import negative_binomial as nb
from unibase.methods.compiled.exact import AnyArray, FloatArray
from unibase.methods.reasons import CONFOUNDED_BATCH, ONE_BATCH, SINGLETON_BATCH

PRIOR_COUNT = 1e-4
_FUZZ = 64 * np.finfo(np.float64).eps


def combat_seq(
    counts: AnyArray, batch: Sequence[str], group: Sequence[str] | None = None, covariates: FloatArray | None = None
) -> NDArray[np.int64]:
    """Correct samples x genes counts.

    Args:
        counts: Whole counts.
        batch: Batch of each sample.
        group: Biological group whose effect is kept.
        covariates: Further effects to keep, samples x columns.

    Genes without a count in some batch are left as they are.

    Raises:
        Unusable: `singleton-batch`, `one-batch`, `confounded-batch`.
    """
    x = np.asarray(counts)
    model = _kept(len(batch), group, covariates)
    design = _Design.of([str(name) for name in batch], model)
    seen = np.logical_and.reduce([(x[rows] > 0).any(axis=0) for rows in design.members])
    y = np.ascontiguousarray(x[:, seen].T, dtype=np.float64)
    dispersions = _dispersions(y, design, model)
    phi = dispersions[:, design.of_sample]
    batches = len(design.members)

    offset = np.broadcast_to(np.log(y.sum(axis=0)), y.shape)
    first, _ = nb.fit_with_prior(y, design.columns, offset, phi, PRIOR_COUNT)
    share = np.array([rows.size for rows in design.members]) / len(batch)
    level = first[:, :batches] @ share
    shifts, mean = nb.fit_with_prior(y, design.columns, offset + level[:, None], phi, PRIOR_COUNT)
    target_mean = np.exp(np.log(mean) - shifts[:, :batches][:, design.of_sample])
    target_phi = dispersions.mean(axis=1)

    out = x.astype(np.int64)
    out[:, seen] = _map_counts(y, mean, phi, target_mean, np.broadcast_to(target_phi[:, None], y.shape)).T
    return out


@dataclass(frozen=True)
class _Design:
    """Batches and kept effects as columns.

    Attributes:
        columns: Samples x columns: an indicator of each batch, then the kept effects.
        kept: Number of the kept effects.
        members: Samples of each batch.
        of_sample: (samples,) number of each sample's batch.
    """

    columns: FloatArray
    kept: int
    members: tuple[NDArray[np.int64], ...]
    of_sample: NDArray[np.int64]

    @classmethod
    def of(cls, batch: Sequence[str], model: FloatArray) -> _Design:
        """Return the design; check that its columns can be told apart."""
        sizes = Counter(batch)
        if len(sizes) < 2:
            raise Unusable(ONE_BATCH, "All samples are of one batch.", "There is nothing to correct.")
        if min(sizes.values()) < 2:
            raise Unusable(SINGLETON_BATCH, "A batch has one sample only.", "Merge it with a like batch, or leave it out.")
        names = sorted(sizes)
        of_sample = np.array([names.index(name) for name in batch])
        indicators = (of_sample[:, None] == np.arange(len(names))[None, :]).astype(np.float64)
        effects = model[:, ~(model == 1).all(axis=0)]
        columns = np.hstack([indicators, effects])
        if np.linalg.matrix_rank(columns) < columns.shape[1]:
            raise Unusable(
                CONFOUNDED_BATCH,
                "Batch and covariates cannot be told apart: a covariate is constant within every batch.",
                "Leave that covariate out, or do not correct for batch.",
            )
        members = tuple(np.flatnonzero(of_sample == b) for b in range(len(names)))
        return cls(columns, effects.shape[1], members, of_sample)


def _kept(samples: int, group: Sequence[str] | None, covariates: FloatArray | None) -> FloatArray:
    """Return the effects that are kept, an intercept first, samples x columns."""
    effects = [np.ones((samples, 1))]
    if group is not None:
        labels = [str(name) for name in group]
        levels = sorted(set(labels))[1:]
        effects.append(np.array([[float(label == level) for level in levels] for label in labels]).reshape(samples, len(levels)))
    if covariates is not None:
        effects.append(np.asarray(covariates, dtype=np.float64))
    return np.hstack(effects)


def _dispersions(y: FloatArray, design: _Design, model: FloatArray) -> FloatArray:
    """Return the dispersion of each gene in each batch, genes x batches."""
    found = np.empty((y.shape[0], len(design.members)))
    for b, rows in enumerate(design.members):
        part = model[rows]
        if rows.size <= design.kept + 1 or np.linalg.matrix_rank(part) < model.shape[1]:
            found[:, b] = nb.common_dispersion(y[:, rows], np.ones((rows.size, 1)))
        else:
            common = nb.common_dispersion(y[:, rows], part)
            found[:, b] = nb.genewise_dispersion(y[:, rows], part, common)
    return found


def _cumulative(count: FloatArray, mean: FloatArray, size: FloatArray) -> FloatArray:
    from scipy.special import betainc

    return np.where(count < 0, 0.0, betainc(size, np.maximum(count, 0.0) + 1.0, size / (size + mean)))


def _map_counts(y: FloatArray, mean: FloatArray, phi: FloatArray, new_mean: FloatArray, new_phi: FloatArray) -> NDArray[np.int64]:
    """Give each count above 1 the count of the same cumulative probability under the batch-free distribution."""
    out = y.copy()
    p = np.zeros_like(y)
    above = y > 1
    p[above] = _cumulative(y[above] - 1, mean[above], 1 / phi[above])
    # A count in the far tail would become infinite: it stays as it is.
    change = above & ~(np.abs(p - 1) < 1e-4)
    out[change] = 1 + _quantile(p[change], new_mean[change], 1 / new_phi[change])
    return np.rint(out).astype(np.int64)


def _quantile(p: FloatArray, mean: FloatArray, size: FloatArray) -> FloatArray:
    """Smallest count whose cumulative probability reaches `p`, with a fuzz for rounding."""
    from scipy.stats import nbinom

    goal = p * (1 - _FUZZ)
    q = np.nan_to_num(nbinom.ppf(np.clip(goal, 0, 1), size, size / (size + mean)), nan=0.0, posinf=0.0)
    low = _cumulative(q - 1, mean, size) < goal
    high = _cumulative(q, mean, size) >= goal
    while True:
        down, up = ~low & (q > 0), ~high
        if not (down.any() or up.any()):
            return np.asarray(q)
        q = q - down + up
        moved = down | up
        low[moved] = _cumulative(q[moved] - 1, mean[moved], size[moved]) < goal[moved]
        high[moved] = _cumulative(q[moved], mean[moved], size[moved]) >= goal[moved]
