"""Harmonisation across centres: ComBat (Johnson, Li and Rabinovic 2007), fitted on training subjects, applied to all.

Each feature of each centre gets a shift and a scale, drawn towards what is common to the centre's features (empirical
Bayes). The fit follows R's `sva::ComBat` to the last rule (version 3.46, with its stopping rule and its treatment of
missing values), so that both give the same numbers; unlike it, the parameters are kept and serve new subjects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from unibase.groundwork.problems import UserError
from unibase.methods.feature_blocks import Array, Room, Table, feature_blocks, in_memory

_TOLERANCE = 1e-4
"""Relative change at which sva stops its iteration; a tighter one would give other numbers than sva."""
_NOTHING_LEFT = 1e-9
"""Degrees of freedom below which a centre has none left."""

type Covariate = Sequence[float] | Sequence[str] | pl.Series


@dataclass(frozen=True)
class ComBat:
    """Fitted parameters; everything needed to harmonise further subjects of the same centres.

    Attributes:
        features: Names of the features, in the order of the arrays.
        centres: Names of the centres, sorted.
        levels: Per covariate, its levels when it is categorical (the first is the base), else None.
        reference: Centre that stays as it is, or None.
        adjusted: (features,) False where a feature is constant in a centre and is left as it is.
        coefficients: (covariate columns, features) effects that are kept.
        grand_mean, pooled_variance: (features,).
        gamma, delta: (centres, features) shift and squared scale taken off, in units of the pooled deviation.
    """

    features: tuple[str, ...]
    centres: tuple[str, ...]
    levels: dict[str, tuple[str, ...] | None]
    reference: str | None
    adjusted: np.ndarray
    coefficients: Array
    grand_mean: Array
    pooled_variance: Array
    gamma: Array
    delta: Array

    def apply(self, values: Array, centre: Sequence[str], covariates: Mapping[str, Covariate] | None = None) -> Array:
        """Return `values` (subjects, features) harmonised; missing values stay missing.

        Raises:
            UserError: If a centre or a covariate's level was not in the fit, or a covariate is missing. They are
                refused, never guessed.
        """
        values = np.asarray(values, dtype=np.float64)
        unseen = sorted(set(centre) - set(self.centres))
        if unseen:
            raise UserError(
                f"Centre {unseen[0]} was not among the centres that harmonisation was fitted on ({', '.join(self.centres)}). "
                "Fit again with training subjects of that centre, or leave it out."
            )
        if values.shape != (len(centre), len(self.features)):
            raise ValueError(f"values must be (subjects, features) = ({len(centre)}, {len(self.features)})")
        covariates = dict(covariates or {})
        if set(covariates) != set(self.levels):
            raise UserError(f"Harmonisation was fitted with the covariates {', '.join(self.levels) or 'none'}. Give the same.")
        design, _ = _covariate_columns({name: covariates[name] for name in self.levels}, len(centre), self.levels)
        batch = np.searchsorted(self.centres, np.asarray(centre, dtype=object).astype(str))
        with np.errstate(invalid="ignore", divide="ignore"):
            stand_mean = self.grand_mean + design @ self.coefficients
            scale = np.sqrt(self.pooled_variance)
            standard = (values - stand_mean) / scale
            result = (standard - self.gamma[batch]) / np.sqrt(self.delta[batch]) * scale + stand_mean
        result = np.where(self.adjusted, result, values)
        if self.reference is not None:
            stays = batch == self.centres.index(self.reference)
            result[stays] = values[stays]
        return result

    def of(self, features: slice) -> ComBat:
        """Return the parameters of some of the features."""
        arrays = ("adjusted", "coefficients", "grand_mean", "pooled_variance", "gamma", "delta")
        return replace(self, features=self.features[features], **{name: getattr(self, name)[..., features] for name in arrays})

    def to_json(self) -> dict[str, Any]:
        """Return the parameters as JSON; numbers come back to the last bit."""
        arrays = ("adjusted", "coefficients", "grand_mean", "pooled_variance", "gamma", "delta")
        lists = {}
        for name in arrays:
            numbers: np.ndarray = np.asarray(getattr(self, name), dtype=np.float64).astype(object)
            numbers[numbers != numbers] = None
            lists[name] = numbers.tolist()
        return {
            "method": "ComBat as sva 3.46",
            "features": list(self.features),
            "centres": list(self.centres),
            "levels": {name: list(levels) if levels else None for name, levels in self.levels.items()},
            "reference": self.reference,
            **lists,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ComBat:
        """Return what `to_json` gave."""
        shape = {"coefficients": (-1, len(content["features"]))}
        arrays = {
            name: np.array(content[name], dtype=np.float64).reshape(shape.get(name, np.shape(content[name])))
            for name in ("coefficients", "grand_mean", "pooled_variance", "gamma", "delta")
        }
        levels = {name: tuple(levels) if levels else None for name, levels in content["levels"].items()}
        return cls(
            tuple(content["features"]), tuple(content["centres"]), levels, content["reference"],
            np.array(content["adjusted"], dtype=bool), **arrays,
        )  # fmt: skip


def fit_combat(
    values: Table,
    centre: Sequence[str],
    features: Sequence[str],
    *,
    covariates: Mapping[str, Covariate] | None = None,
    outcomes: Sequence[str] = (),
    outcome_as_covariate: bool = False,
    reference: str | None = None,
    mean_only: bool = False,
    empirical_bayes: bool = True,
    least_per_centre: int = 2,
    room: Room = in_memory,
) -> ComBat:
    """Fit ComBat on training subjects, some features at a time.

    Args:
        values: (subjects, features), at least two features; missing values are NaN. It is read as `values[:, start:stop]`.
        centre: Centre of each subject; at least two centres.
        features: Names of the features.
        covariates: What may differ between centres for good reason and is kept: numbers, or texts (categories).
        outcomes: Names of the study's outcomes: as covariates they are refused, for they would write the outcome
            into the features.
        outcome_as_covariate: Allow it all the same.
        reference: Centre that the others are brought to.
        mean_only: Adjust the shift, not the scale.
        empirical_bayes: Draw parameters towards what is common to a centre's features; off, each stands alone.
        least_per_centre: Centres with fewer subjects are refused. With 1, a centre of one subject makes the whole fit
            `mean_only`, as in sva.
        room: Makes the arrays of standardised values, (features, subjects): in memory, or files for what is larger.

    Raises:
        UserError: If centres, covariates or the reference cannot be used; says which and what to do.
    """
    labels = np.asarray(list(centre), dtype=object).astype(str)
    centres, batch, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    names: list[str] = [str(name) for name in centres]
    covariates = dict(covariates or {})
    _check(values.shape, centres, sizes, features, covariates, outcomes, outcome_as_covariate, reference, least_per_centre)
    mean_only = mean_only or bool((sizes == 1).any())
    adjusted, missing = _look(values, batch, sizes)
    if adjusted.sum() < 2 and empirical_bayes:
        raise UserError("Fewer than two features vary within every centre. Switch empirical_bayes off, or give more features.")
    further, levels = _covariate_columns(covariates, len(labels))
    batch_design = np.eye(len(centres))[batch]
    ref = None if reference is None else int(np.flatnonzero(centres == reference)[0])
    if ref is not None:
        batch_design[:, ref] = 1.0
    design = np.hstack([batch_design, further])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise UserError("A covariate is confounded with the centre (or with another covariate). Leave it out.")
    _refuse_saturated(design, batch, names, ref, mean_only)
    standard = room((int(adjusted.sum()), len(labels)))
    parts: list[_Location] = []
    for block in feature_blocks(len(features)):
        used = _by_feature(values, block)[adjusted[block]]
        part, standardised = _standardise(used, design, batch, sizes, ref, missing)
        at = sum(len(before.grand_mean) for before in parts)
        standard[at : at + len(used)] = standardised
        parts.append(part)
    grand_mean = np.concatenate([part.grand_mean for part in parts])
    pooled = np.concatenate([part.pooled_variance for part in parts])
    effects = np.concatenate([part.effects for part in parts])
    gamma, delta = _estimates(standard, batch_design, batch, mean_only)
    if empirical_bayes:
        for b in (b for b in range(len(centres)) if b != ref):
            if mean_only:
                gamma[b], delta[b] = _shrink_means(gamma[b], delta[b])
                continue
            # By subject: what an iteration adds up lies apart, and the sum runs over one subject after the other.
            mine = room((int(sizes[b]), len(standard)))
            for block in feature_blocks(len(standard)):
                mine[:, block] = standard[block][:, batch == b].T
            gamma[b], delta[b] = _shrink(mine, gamma[b], delta[b])
    if ref is not None:
        gamma[ref], delta[ref] = 0.0, 1.0
    return ComBat(
        tuple(features), tuple(names), levels, reference, adjusted,
        _spread(effects.T, adjusted), _spread(grand_mean, adjusted), _spread(pooled, adjusted),
        _spread(gamma, adjusted), _spread(delta, adjusted),
    )  # fmt: skip


class _Location(NamedTuple):
    """What standardises some features: (features,), (features,) and (features, covariate columns)."""

    grand_mean: Array
    pooled_variance: Array
    effects: Array


def _by_feature(values: Table, block: slice) -> Array:
    """Return a block of features as (features, subjects)."""
    return np.ascontiguousarray(np.asarray(values[:, block], dtype=np.float64).T)


def _look(values: Table, batch: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return which features vary in every centre, and whether one of those has missing values."""
    adjusted, missing = np.empty(values.shape[1], dtype=bool), False
    for block in feature_blocks(values.shape[1]):
        data = _by_feature(values, block)
        holes = np.isnan(data)
        if holes.all(axis=1).any():
            raise UserError("A feature is missing in every training subject. Leave it out of the harmonisation.")
        adjusted[block] = _varies(data, batch, sizes)
        missing |= bool(holes[adjusted[block]].any())
    return adjusted, missing


def _standardise(
    used: Array, design: Array, batch: np.ndarray, sizes: np.ndarray, ref: int | None, missing: bool
) -> tuple[_Location, Array]:
    """Return what standardises (features, subjects) of the training subjects, and the standardised values."""
    coefficients = _regress(design, used)
    residuals = used - coefficients @ design.T
    if ref is not None:
        grand_mean, residuals = coefficients[:, ref], residuals[:, batch == ref]
    else:
        grand_mean = coefficients[:, : len(sizes)] @ (sizes / sizes.sum())
    # sva divides by n without missing values and by n - 1 with them.
    pooled = np.nanvar(residuals, axis=1, ddof=1) if missing else np.mean(residuals**2, axis=1)
    effects = coefficients[:, len(sizes) :]
    kept = effects @ design[:, len(sizes) :].T
    return _Location(grand_mean, pooled, effects), (used - grand_mean[:, None] - kept) / np.sqrt(pooled)[:, None]


def _estimates(standard: Array, batch_design: Array, batch: np.ndarray, mean_only: bool) -> tuple[Array, Array]:
    """Return each centre's shift and squared scale of (features, subjects) standardised values, (centres, features)."""
    gamma, delta = (np.ones((batch_design.shape[1], len(standard))) for _ in range(2))
    for block in feature_blocks(len(standard)):
        part = np.asarray(standard[block])
        gamma[:, block] = _regress(batch_design, part).T
        if not mean_only:
            delta[:, block] = [np.nanvar(part[:, batch == b], axis=1, ddof=1) for b in range(len(gamma))]
    return gamma, delta


def harmonise_table(
    table: pl.DataFrame,
    columns: Sequence[str],
    *,
    centre: str = "centre",
    training: pl.Series | None = None,
    covariates: Sequence[str] = (),
    **options: Any,
) -> tuple[pl.DataFrame, ComBat]:
    """Harmonise columns of an analysis table, fitted on the rows where `training` is true; return it and the fit.

    Rows without any value in `columns` stay as they are and take no part in the fit.
    """
    present = table.select(pl.any_horizontal(pl.col(list(columns)).is_not_null())).to_series()
    chosen = present if training is None else present & training
    numbers = table.select(pl.col(list(columns)).cast(pl.Float64)).fill_null(np.nan).to_numpy()

    def part(rows: pl.Series) -> tuple[Array, list[str], dict[str, pl.Series]]:
        some = table.filter(rows)
        return numbers[rows.to_numpy()], some[centre].to_list(), {name: some[name] for name in covariates}

    values, labels, kept = part(chosen)
    model = fit_combat(values, labels, columns, covariates=kept, **options)
    values, labels, kept = part(present)
    result = numbers.copy()
    result[present.to_numpy()] = model.apply(values, labels, kept)
    changed = [pl.Series(name, result[:, n], dtype=pl.Float64).fill_nan(None) for n, name in enumerate(columns)]
    return table.with_columns(changed), model


def centre_effect(values: Array, centre: Sequence[str]) -> Array:
    """Return, per feature, the share of its variance that the centre explains (eta squared): 0 none, 1 all."""
    values = np.asarray(values, dtype=np.float64)
    labels = np.asarray(list(centre), dtype=object).astype(str)
    mean = np.nanmean(values, axis=0)
    between = np.zeros(values.shape[1])
    for name in np.unique(labels):
        part = values[labels == name]
        there = np.sum(~np.isnan(part), axis=0)
        centre_mean = np.divide(np.nansum(part, axis=0), there, out=mean.copy(), where=there > 0)
        between += there * (centre_mean - mean) ** 2
    total = np.nansum((values - mean) ** 2, axis=0)
    found: Array = np.divide(between, total, out=np.zeros_like(total), where=total > 0)
    return found


def _check(
    shape: tuple[int, ...], centres: np.ndarray, sizes: np.ndarray, features: Sequence[str], covariates: Mapping[str, Covariate],
    outcomes: Sequence[str], outcome_as_covariate: bool, reference: str | None, least: int,
) -> None:  # fmt: skip
    if shape != (int(sizes.sum()), len(features)):
        raise ValueError(f"values must be (subjects, features) = ({int(sizes.sum())}, {len(features)})")
    if len(centres) < 2:
        raise UserError("Harmonisation needs training subjects of at least two centres. Switch it off, or add a centre.")
    small = [f"{name} ({size})" for name, size in zip(centres, sizes, strict=True) if size < least]
    if small:
        raise UserError(
            f"Too few training subjects to harmonise: {', '.join(small)}; at least {least} a centre are needed. "
            "Leave the centre out, or lower least_per_centre."
        )
    leaking = sorted(set(covariates) & set(outcomes))
    if leaking and not outcome_as_covariate:
        raise UserError(
            f"{leaking[0]} is an outcome of the study: as a covariate it would be written into the features. "
            "Leave it out, or set outcome_as_covariate."
        )
    if reference is not None and reference not in centres:
        raise UserError(f"The reference centre {reference} has no training subject. Known: {', '.join(centres)}.")


def _refuse_saturated(design: Array, batch: np.ndarray, names: Sequence[str], ref: int | None, mean_only: bool) -> None:
    """Refuse a centre whose subjects the covariates fit exactly: its variance would be that of rounding (sva divides by it)."""
    basis = np.linalg.qr(design)[0]
    for b, name in enumerate(names):
        part = basis[batch == b]
        between = len(part) - 1 - ((part - part.mean(axis=0)) ** 2).sum()
        if (not mean_only and between < _NOTHING_LEFT) or (b == ref and len(part) - (part**2).sum() < _NOTHING_LEFT):
            raise UserError(
                f"The covariates explain every difference between the training subjects of {name}: no scale can be learned "
                "there. Leave a covariate out, or leave the centre out."
            )


def _covariate_columns(
    covariates: Mapping[str, Covariate], count: int, levels: Mapping[str, tuple[str, ...] | None] | None = None
) -> tuple[Array, dict[str, tuple[str, ...] | None]]:
    """Return the design columns of the covariates, coded as R's model.matrix codes them (the first level is the base)."""
    columns: list[Array] = []
    found: dict[str, tuple[str, ...] | None] = {}
    for name, values in covariates.items():
        series = pl.Series(name, values)
        if series.null_count() or len(series) != count:
            raise UserError(f"The covariate {name} is missing in {series.null_count()} subjects. Fill it, or leave them out.")
        if series.dtype.is_numeric():
            found[name] = None
            columns.append(series.cast(pl.Float64).to_numpy())
            continue
        texts = series.cast(pl.String)
        known = levels[name] if levels is not None else tuple(sorted(texts.unique().to_list()))
        if known is None or not set(texts.to_list()) <= set(known):
            raise UserError(f"The covariate {name} has a level that was not in the fit. Fit again with it.")
        found[name] = known
        columns += [(texts == level).to_numpy().astype(np.float64) for level in known[1:]]
    # A column that is the same for all says nothing beside the centres.
    kept = columns if levels is not None else [column for column in columns if not np.all(column == 1.0)]
    return (np.column_stack(kept) if kept else np.empty((count, 0))), found


def _varies(data: Array, batch: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return which features vary in every centre of more than one subject; the others are left alone, as in sva."""
    varies = np.ones(len(data), dtype=bool)
    for b in np.flatnonzero(sizes > 1):
        part = data[:, batch == b]
        # Missing values hide a variance from sva too: such a feature counts as varying.
        constant = (part == part[:, :1]).all(axis=1)
        varies &= ~constant
    return varies


def _regress(design: Array, data: Array) -> Array:
    """Return (features, columns) least-squares coefficients; features with missing values are fitted on what they have."""
    coefficients = np.empty((len(data), design.shape[1]))
    holes = np.isnan(data).any(axis=1)
    whole = ~holes
    if whole.any():
        coefficients[whole] = np.linalg.solve(design.T @ design, design.T @ data[whole].T).T
    for row in np.flatnonzero(holes):
        there = ~np.isnan(data[row])
        part = design[there]
        try:
            coefficients[row] = np.linalg.solve(part.T @ part, part.T @ data[row, there])
        except np.linalg.LinAlgError:
            raise UserError("A feature has no value in one of the centres. Leave the feature out, or the centre.") from None
    return coefficients


def _shrink(standard: Array, gamma_hat: Array, delta_hat: Array) -> tuple[Array, Array]:
    """Return the posterior shift and squared scale of one centre (parametric priors, sva's iteration).

    Args:
        standard: (subjects of the centre, features), standardised.
        gamma_hat, delta_hat: (features,) what its values alone say.
    """
    gamma_bar, tau = gamma_hat.mean(), gamma_hat.var(ddof=1)
    mean, variance = delta_hat.mean(), delta_hat.var(ddof=1)
    # Moments of the inverse gamma prior.
    shape = (2 * variance + mean**2) / variance
    scale = (mean * variance + mean**3) / variance
    blocks = list(feature_blocks(standard.shape[1]))
    n = np.concatenate([np.sum(~np.isnan(standard[:, block]), axis=0) for block in blocks])
    gamma, delta = gamma_hat, delta_hat
    while True:
        new_gamma = (tau * n * gamma_hat + delta * gamma_bar) / (tau * n + delta)
        squares = np.concatenate([np.nansum((standard[:, block] - new_gamma[block]) ** 2, axis=0) for block in blocks])
        new_delta = (0.5 * squares + scale) / (n / 2 + shape - 1)
        # The sign of the denominator is sva's: it decides when the iteration stops.
        change = max(np.max(np.abs(new_gamma - gamma) / gamma), np.max(np.abs(new_delta - delta) / delta))
        gamma, delta = new_gamma, new_delta
        if not change > _TOLERANCE:
            return gamma, delta


def _shrink_means(gamma_hat: Array, delta_hat: Array) -> tuple[Array, Array]:
    gamma_bar, tau = gamma_hat.mean(), gamma_hat.var(ddof=1)
    return (tau * gamma_hat + gamma_bar) / (tau + 1.0), np.ones_like(delta_hat)


def _spread(values: Array, adjusted: np.ndarray) -> Array:
    """Put the parameters of adjusted features among all features; the others get NaN."""
    whole = np.full((*values.shape[:-1], len(adjusted)), np.nan)
    whole[..., adjusted] = values
    return whole
