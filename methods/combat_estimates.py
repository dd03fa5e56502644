"""The arithmetic of ComBat on blocks of features: least squares, standardised values, and estimates drawn to what features share.

Source: Johnson, Li and Rabinovic, Biostatistics 2007, 8:118. Oracle: sva 3.46.0 `ComBat`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from unibase.groundwork.problems import UserError
from unibase.methods.combat_design import Centres
from unibase.methods.feature_blocks import Array, Table, feature_blocks
from unibase.methods.steady_products import product, projections

_TOLERANCE = 1e-4
"""Relative change at which sva stops its iteration; a tighter one would give other numbers than sva."""
_ROUNDING = 8 * np.finfo(np.float64).eps
"""A feature whose values in a centre differ by less, relative to them, is constant there."""


class Location(NamedTuple):
    """What standardises some features: (features,), (features,) and (features, covariate columns)."""

    grand_mean: Array
    pooled_variance: Array
    effects: Array


def by_feature(values: Table, block: slice) -> Array:
    """Return a block of features as (features, subjects).

    Args:
        values: (subjects, features).
        block: Which features.
    """
    return np.ascontiguousarray(np.asarray(values[:, block], dtype=np.float64).T)


def look(values: Table, centres: Centres) -> tuple[np.ndarray, bool]:
    """Return which features vary in every centre, and whether one of those has missing values.

    Args:
        values: (subjects, features).
        centres: The centres of the subjects.

    Raises:
        UserError: When a feature is missing in every subject.
    """
    adjusted, missing = np.empty(values.shape[1], dtype=bool), False
    for block in feature_blocks(values.shape[1]):
        data = by_feature(values, block)
        holes = np.isnan(data)
        if holes.all(axis=1).any():
            raise UserError("A feature is missing in every training subject. Leave it out of the harmonisation.")
        adjusted[block] = _varies(data, centres)
        missing |= bool(holes[adjusted[block]].any())
    return adjusted, missing


def _varies(data: Array, centres: Centres) -> np.ndarray:
    """Return which features vary in every centre of more than one subject; the others are left alone, as in sva."""
    varies = np.ones(len(data), dtype=bool)
    for number in np.flatnonzero(centres.sizes > 1):
        part = data[:, centres.of_subject == number]
        # Missing values hide a variance from sva too: such a feature counts as varying.
        top, bottom = part.max(axis=1), part.min(axis=1)
        # A silent gene's log CPM is one value up to its last bits: scaled to unit variance, that rounding would move all genes.
        varies &= ~(top - bottom <= _ROUNDING * np.maximum(np.abs(top), np.abs(bottom)))
    return varies


def standardise(used: Array, design: Array, centres: Centres, missing: bool) -> tuple[Location, Array]:
    """Return what standardises the values of training subjects, and the standardised values.

    Args:
        used: (features, subjects).
        design: (subjects, columns): centres, then covariates.
        centres: The centres of the subjects.
        missing: Whether any feature of the whole fit has missing values: sva divides by n without them and by n - 1 with them.
    """
    coefficients = _regress(design, used)
    residuals = used - product(coefficients, design.T)
    if centres.reference is not None:
        grand_mean, residuals = coefficients[:, centres.reference], residuals[:, centres.of_subject == centres.reference]
    else:
        shares = centres.sizes / centres.sizes.sum()
        grand_mean = product(coefficients[:, : len(shares)], shares[:, None])[:, 0]
    pooled = np.nanvar(residuals, axis=1, ddof=1) if missing else np.mean(residuals**2, axis=1)
    effects = coefficients[:, len(centres.sizes) :]
    kept = product(effects, design[:, len(centres.sizes) :].T)
    return Location(grand_mean, pooled, effects), (used - grand_mean[:, None] - kept) / np.sqrt(pooled)[:, None]


def estimates(standard: Array, centres: Centres, mean_only: bool) -> tuple[Array, Array]:
    """Return each centre's shift and squared scale, (centres, features).

    Args:
        standard: (features, subjects), standardised.
        centres: The centres of the subjects.
        mean_only: Leave the scale at one.
    """
    columns = centres.columns()
    gamma, delta = (np.ones((columns.shape[1], len(standard))) for _ in range(2))
    for block in feature_blocks(len(standard)):
        part = np.asarray(standard[block])
        gamma[:, block] = _regress(columns, part).T
        if not mean_only:
            delta[:, block] = [np.nanvar(part[:, centres.of_subject == b], axis=1, ddof=1) for b in range(len(gamma))]
    return gamma, delta


def _regress(design: Array, data: Array) -> Array:
    """Return (features, columns) least-squares coefficients; features with missing values are fitted on what they have."""
    coefficients = np.empty((len(data), design.shape[1]))
    holes = np.isnan(data).any(axis=1)
    whole = ~holes
    if whole.any():
        inverse = np.linalg.inv(design.T @ design).astype(np.float64)
        coefficients[whole] = product(projections(data[whole], design), inverse.T)
    for row in np.flatnonzero(holes):
        there = ~np.isnan(data[row])
        part = design[there]
        try:
            coefficients[row] = np.linalg.solve(part.T @ part, part.T @ data[row, there])
        except np.linalg.LinAlgError:
            raise UserError("A feature has no value in one of the centres. Leave the feature out, or the centre.") from None
    return coefficients


def shrink(standard: Array, gamma_hat: Array, delta_hat: Array) -> tuple[Array, Array]:
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


def shrink_means(gamma_hat: Array) -> tuple[Array, Array]:
    """Return the posterior shift of one centre whose scale is left as it is, and that scale.

    Args:
        gamma_hat: (features,) shift that its values alone say.
    """
    gamma_bar, tau = gamma_hat.mean(), gamma_hat.var(ddof=1)
    return (tau * gamma_hat + gamma_bar) / (tau + 1.0), np.ones_like(gamma_hat)
