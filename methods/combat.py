"""Batch correction of continuous values by empirical Bayes.

Source: Johnson, Li and Rabinovic, Biostatistics 2007, 8:118. Oracle: sva 3.46.0 `ComBat(par.prior=TRUE)`.

`fit` learns on the samples it is given and `BatchModel.apply` corrects any samples of the batches it knows, each from
its own values alone: what is learned on training samples can be applied to test samples without leakage, and later
samples change no earlier row. `combat` fits and applies on the same samples, as R's function does.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unibase.groundwork.files import atomic_folder, digest_of, sha256_bytes, write_json
from unibase.groundwork.problems import Unusable, UserError
from unibase.methods.compiled.exact import FloatArray

CONVERGENCE = 1e-4
ROUNDING = 8 * np.finfo(np.float64).eps
"""A feature whose values in a batch differ by less, relative to them, is constant there."""
SATURATED = 1e-9
"""Degrees of freedom that a batch has left over; below this they are none."""
_ARRAYS = ("grand_mean", "covariate_effects", "pooled_variance", "shift", "scale", "adjusted")


@dataclass(frozen=True)
class BatchModel:
    """What was learned of the batches.

    Attributes:
        batches: Names of the batches, sorted.
        grand_mean: Mean per feature over the batches, weighted by their samples.
        covariate_effects: Covariates x features: effects kept in the data.
        pooled_variance: Per feature.
        shift: Batches x features: standardised additive effects, shrunk.
        scale: Batches x features: multiplicative effects (variances), shrunk.
        adjusted: Features that are corrected; those without variance in some batch are left as they are.
    """

    batches: tuple[str, ...]
    grand_mean: FloatArray
    covariate_effects: FloatArray
    pooled_variance: FloatArray
    shift: FloatArray
    scale: FloatArray
    adjusted: NDArray[np.bool_]

    def apply(self, values: FloatArray, batch: Sequence[str], covariates: FloatArray | None = None) -> FloatArray:
        """Correct samples x features of known batches.

        Raises:
            Unusable: `unknown-batch` when a batch was not among those fitted.
        """
        where = {name: i for i, name in enumerate(self.batches)}
        unknown = sum(name not in where for name in batch)
        if unknown:
            raise Unusable(
                "unknown-batch",
                f"{unknown} samples are of batches that the model has not seen.",
                "Fit a model that includes them, or leave them uncorrected.",
            )
        index = np.array([where[name] for name in batch], dtype=np.int64)
        effects = np.zeros((len(index), 0)) if covariates is None else np.asarray(covariates, dtype=np.float64)
        if effects.shape[1] != self.covariate_effects.shape[0]:
            raise Unusable(
                "different-covariates", "The covariates are not those of the fit.", "Give the same columns in the same order."
            )
        out = np.array(values, dtype=np.float64)
        keep = self.adjusted
        expected = self.grand_mean + effects @ self.covariate_effects
        deviation = np.sqrt(self.pooled_variance)
        standard = (out[:, keep] - expected) / deviation
        corrected = (standard - self.shift[index]) / np.sqrt(self.scale[index]) * deviation + expected
        out[:, keep] = corrected
        return out

    def _record(self) -> dict[str, Any]:
        digests = {name: sha256_bytes(np.ascontiguousarray(getattr(self, name)).tobytes()) for name in _ARRAYS}
        return {"format": 1, "batches": list(self.batches), "arrays": digests}

    @property
    def digest(self) -> str:
        """SHA-256 over all the model holds."""
        return digest_of(self._record())

    def save(self, folder: Path | str) -> None:
        """Write the model; equal models give equal bytes."""
        with atomic_folder(folder) as temporary:
            for name in _ARRAYS:
                np.save(temporary / f"{name}.npy", np.ascontiguousarray(getattr(self, name)), allow_pickle=False)
            write_json(temporary / "model.json", self._record())


def load(folder: Path | str) -> BatchModel:
    """Read a model that `save` wrote, and check every digest.

    Raises:
        UserError: If there is none.
        Unusable: `changed-model` when its files are not those that were written.
    """
    folder = Path(folder)
    if not (folder / "model.json").exists():
        raise UserError(f"There is no batch model at {folder}. Fit one first.")
    record = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    arrays = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in _ARRAYS}
    if any(sha256_bytes(value.tobytes()) != record["arrays"][name] for name, value in arrays.items()):
        raise Unusable("changed-model", "The model's files are not those that were written.", "Restore them, or fit again.")
    return BatchModel(batches=tuple(record["batches"]), **arrays)


def batch_design(batch: Sequence[str], covariates: FloatArray | None) -> tuple[tuple[str, ...], FloatArray, FloatArray]:
    """Return (batch names, indicator columns of the batches, covariates without constant columns); check they can be told apart."""
    names = tuple(sorted(set(batch)))
    index = np.array([names.index(name) for name in batch])
    indicators = (index[:, None] == np.arange(len(names))[None, :]).astype(np.float64)
    effects = np.zeros((len(batch), 0)) if covariates is None else np.asarray(covariates, dtype=np.float64)
    effects = effects[:, ~(effects == 1).all(axis=0)]
    design = np.hstack([indicators, effects])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise Unusable(
            "confounded-batch",
            "Batch and covariates cannot be told apart: a covariate is constant within every batch.",
            "Leave that covariate out, or do not correct for batch.",
        )
    return names, indicators, effects


def fit(values: FloatArray, batch: Sequence[str], covariates: FloatArray | None = None) -> BatchModel:
    """Learn batch effects from samples x features.

    Args:
        values: Continuous values such as log CPM.
        batch: Batch of each sample.
        covariates: Samples x columns of effects to keep (0/1 indicators or numbers).

    Raises:
        Unusable: `singleton-batch`, `one-batch`, `confounded-batch`, `saturated-batch`, `missing-values`.
    """
    x = np.asarray(values, dtype=np.float64)
    batch = [str(name) for name in batch]
    if not np.isfinite(x).all():
        raise Unusable("missing-values", "Batch correction needs every value.", "Leave out features or samples with gaps.")
    sizes = Counter(batch)
    if len(sizes) < 2:
        raise Unusable("one-batch", "All samples are of one batch.", "There is nothing to correct.")
    single = sorted(name for name, size in sizes.items() if size == 1)
    if single:
        raise Unusable(
            "singleton-batch",
            f"{len(single)} batches have one sample: no variance can be learned.",
            "Merge them with a like batch, or leave them out.",
        )
    names, indicators, effects = batch_design(batch, covariates)
    members = [np.flatnonzero(indicators[:, b] == 1) for b in range(len(names))]
    flat = np.zeros(x.shape[1], dtype=bool)
    for rows in members:
        top, bottom = x[rows].max(axis=0), x[rows].min(axis=0)
        # A silent gene's log CPM is one value up to its last bits: scaled to unit variance, that rounding would move all genes.
        flat |= top - bottom <= ROUNDING * np.maximum(np.abs(top), np.abs(bottom))
    adjusted = ~flat
    y = x[:, adjusted]
    if not y.size:
        raise Unusable("no-variance", "Every feature is constant within some batch.", "Filter features or merge batches.")
    n, k = len(batch), len(names)
    design = np.hstack([indicators, effects])
    _refuse_saturated(design, members)
    coefficients: FloatArray = np.asarray(np.linalg.solve(design.T @ design, design.T @ y), dtype=np.float64)
    share = np.array([rows.size for rows in members]) / n
    grand_mean = share @ coefficients[:k]
    pooled = ((y - design @ coefficients) ** 2).sum(axis=0) / n
    standard = (y - (grand_mean + effects @ coefficients[k:])) / np.sqrt(pooled)

    observed_shift = np.linalg.solve(indicators.T @ indicators, indicators.T @ standard)
    shift = np.empty_like(observed_shift)
    scale = np.empty_like(observed_shift)
    for b, rows in enumerate(members):
        observed_scale = standard[rows].var(axis=0, ddof=1)
        mean, variance = observed_scale.mean(), observed_scale.var(ddof=1)
        shape = (2 * variance + mean**2) / variance
        rate = (mean * variance + mean**3) / variance
        shift[b], scale[b] = _shrink(
            standard[rows],
            observed_shift[b],
            observed_scale,
            observed_shift[b].mean(),
            observed_shift[b].var(ddof=1),
            shape,
            rate,
        )
    return BatchModel(names, grand_mean, coefficients[k:], pooled, shift, scale, adjusted)


def _refuse_saturated(design: FloatArray, members: Sequence[NDArray[np.int64]]) -> None:
    """Refuse a batch whose samples the covariates fit exactly: its variance would be that of rounding."""
    basis = np.linalg.qr(design)[0]
    for rows in members:
        free = rows.size - 1 - ((basis[rows] - basis[rows].mean(axis=0)) ** 2).sum()
        if free < SATURATED:
            raise Unusable(
                "saturated-batch",
                "The covariates explain every difference between the samples of a batch: no variance can be learned in it.",
                "Leave a covariate out, or merge the batch with a like one.",
            )


def combat(values: FloatArray, batch: Sequence[str], covariates: FloatArray | None = None) -> FloatArray:
    """Fit and correct the same samples x features."""
    kept = None if covariates is None else np.asarray(covariates, dtype=np.float64)
    if kept is not None:
        kept = kept[:, ~(kept == 1).all(axis=0)]
    return fit(values, batch, kept).apply(values, [str(name) for name in batch], kept)


def _shrink(
    standard: FloatArray,
    shift: FloatArray,
    scale: FloatArray,
    prior_mean: float,
    prior_variance: float,
    shape: float,
    rate: float,
) -> tuple[FloatArray, FloatArray]:
    """Posterior means of shift and scale under normal and inverse gamma priors, by alternating until they settle."""
    n = standard.shape[0]
    old_shift, old_scale = shift, scale
    while True:
        new_shift = (prior_variance * n * shift + old_scale * prior_mean) / (prior_variance * n + old_scale)
        squares = ((standard - new_shift) ** 2).sum(axis=0)
        new_scale = (0.5 * squares + rate) / (n / 2 + shape - 1)
        # The relative change has the sign of the old shift: R's stopping rule, kept to stop at the same step.
        change = max((np.abs(new_shift - old_shift) / old_shift).max(), (np.abs(new_scale - old_scale) / old_scale).max())
        old_shift, old_scale = new_shift, new_scale
        if not change > CONVERGENCE:
            return new_shift, new_scale
