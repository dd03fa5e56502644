"""ComBat, the one of the house (Johnson, Li and Rabinovic 2007): fitted on training subjects, applied to all.

Each feature of each centre gets a shift and a scale, drawn towards what is common to the centre's features (empirical
Bayes). The fit follows R's `sva::ComBat` to the last rule (version 3.46, with its stopping rule and its treatment of
missing values), so that both give the same numbers; unlike it, the parameters are kept and serve new subjects. Batches of a
laboratory are centres here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from unibase.groundwork.files import JsonObject
from unibase.groundwork.problems import UserError
from unibase.methods.combat_design import Centres, Covariate, Levels, covariate_columns, refuse_confounded, refuse_outcomes
from unibase.methods.combat_estimates import Location, by_feature, estimates, look, shrink, shrink_means, standardise
from unibase.methods.feature_blocks import Array, Room, Table, feature_blocks, in_memory
from unibase.methods.steady_products import product


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
    levels: Levels
    reference: str | None
    adjusted: np.ndarray
    coefficients: Array
    grand_mean: Array
    pooled_variance: Array
    gamma: Array
    delta: Array

    def apply(self, values: Array, centre: Sequence[str], covariates: Mapping[str, Covariate] | None = None) -> Array:
        """Return `values` harmonised; missing values stay missing.

        Args:
            values: (subjects, features).
            centre: Centre of each subject.
            covariates: A value for each subject, by name: those of the fit.

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
        design, _ = covariate_columns({name: covariates[name] for name in self.levels}, len(centre), self.levels)
        batch = np.searchsorted(self.centres, np.asarray(centre, dtype=object).astype(str))
        with np.errstate(invalid="ignore", divide="ignore"):
            stand_mean = self.grand_mean + product(design, self.coefficients)
            scale = np.sqrt(self.pooled_variance)
            standard = (values - stand_mean) / scale
            result = (standard - self.gamma[batch]) / np.sqrt(self.delta[batch]) * scale + stand_mean
        result = np.where(self.adjusted, result, values)
        if self.reference is not None:
            stays = batch == self.centres.index(self.reference)
            result[stays] = values[stays]
        return result

    def of(self, features: slice) -> ComBat:
        """Return the parameters of some of the `features`, given as a slice of them."""
        arrays = ("adjusted", "coefficients", "grand_mean", "pooled_variance", "gamma", "delta")
        return replace(self, features=self.features[features], **{name: getattr(self, name)[..., features] for name in arrays})

    def to_json(self) -> JsonObject:
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
        """Return the parameters whose `content` is what `to_json` gave."""
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
    if values.shape != (len(centre), len(features)):
        raise ValueError(f"values must be ({len(centre)}, {len(features)}): subjects and features")
    centres = Centres.of(centre, reference, least_per_centre)
    covariates = dict(covariates or {})
    refuse_outcomes(covariates, () if outcome_as_covariate else outcomes)
    mean_only = mean_only or bool((centres.sizes == 1).any())
    looked = _looked(values, centres, 2 if empirical_bayes else 0)
    design, levels = _design(centres, covariates, mean_only)
    location, standard = _standardised(values, design, centres, looked, room)
    gamma, delta = _effects(standard, centres, mean_only, room if empirical_bayes else None)
    learned = (location.effects.T, location.grand_mean, location.pooled_variance, gamma, delta)
    whole = (_spread(part, looked[0]) for part in learned)
    return ComBat(tuple(features), centres.names, levels, reference, looked[0], *whole)


def combat(values: Array, batch: Sequence[str], covariates: Mapping[str, Covariate] | None = None) -> Array:
    """Fit and correct the same values, as R's function does.

    Args:
        values: (samples, features), continuous, such as log CPM.
        batch: Batch of each sample.
        covariates: What is kept, a value for each sample, by name.

    Raises:
        UserError: As `fit_combat` says.

    >>> mixed = np.array([[1.0, 5.0], [2.0, 4.0], [3.0, 6.0], [11.0, 15.0], [12.0, 14.0], [13.0, 16.5]])
    >>> corrected = combat(mixed, ["lyon", "lyon", "lyon", "CHU-été", "CHU-été", "CHU-été"])
    >>> bool(abs(corrected[:3].mean() - corrected[3:].mean()) < abs(mixed[:3].mean() - mixed[3:].mean()))
    True
    """
    values = np.asarray(values, dtype=np.float64)
    return fit_combat(values, batch, [str(n) for n in range(values.shape[1])], covariates=covariates).apply(
        values, batch, covariates
    )


def _design(centres: Centres, covariates: Mapping[str, Covariate], mean_only: bool) -> tuple[Array, Levels]:
    """Return the (subjects, columns) of centres and covariates, and the levels of those."""
    further, levels = covariate_columns(covariates, len(centres.of_subject))
    design = np.hstack([centres.columns(), further])
    refuse_confounded(design, centres, mean_only)
    return design, levels


def _looked(values: Table, centres: Centres, least: int) -> tuple[np.ndarray, bool]:
    """Return which features vary in every centre and whether one of them has gaps; refuse fewer than `least`."""
    adjusted, missing = look(values, centres)
    if adjusted.sum() < least:
        raise UserError("Fewer than two features vary within every centre. Switch empirical_bayes off, or give more features.")
    return adjusted, missing


def _standardised(
    values: Table, design: Array, centres: Centres, looked: tuple[np.ndarray, bool], room: Room
) -> tuple[Location, Array]:
    """Return what standardises the adjusted features, and their standardised values, (features, subjects)."""
    adjusted, missing = looked
    standard = room((int(adjusted.sum()), len(centres.of_subject)))
    parts: list[Location] = []
    at = 0
    for block in feature_blocks(values.shape[1]):
        used = by_feature(values, block)[adjusted[block]]
        part, standardised = standardise(used, design, centres, missing)
        standard[at : at + len(used)] = standardised
        at += len(used)
        parts.append(part)
    joined = [np.concatenate([getattr(part, name) for part in parts]) for name in Location._fields]
    return Location(*joined), standard


def _effects(standard: Array, centres: Centres, mean_only: bool, room: Room | None) -> tuple[Array, Array]:
    """Return shift and squared scale of each centre, (centres, features); without `room` each stands alone."""
    gamma, delta = estimates(standard, centres, mean_only)
    if room is not None:
        _draw(gamma, delta, standard, centres, None if mean_only else room)
    if centres.reference is not None:
        gamma[centres.reference], delta[centres.reference] = 0.0, 1.0
    return gamma, delta


def _draw(gamma: Array, delta: Array, standard: Array, centres: Centres, room: Room | None) -> None:
    """Draw each centre's estimates, (centres, features), in place towards what its features share; without `room`, shifts alone."""
    for number in centres.adjusted():
        if room is None:
            gamma[number], delta[number] = shrink_means(gamma[number])
            continue
        # By subject: what an iteration adds up lies apart, and the sum runs over one subject after the other.
        mine = room((int(centres.sizes[number]), len(standard)))
        for block in feature_blocks(len(standard)):
            mine[:, block] = standard[block][:, centres.of_subject == number].T
        gamma[number], delta[number] = shrink(mine, gamma[number], delta[number])


def _spread(values: Array, adjusted: np.ndarray) -> Array:
    """Put the parameters of adjusted features among all features; the others get NaN."""
    whole = np.full((*values.shape[:-1], len(adjusted)), np.nan)
    whole[..., adjusted] = values
    return whole
