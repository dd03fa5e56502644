"""What ComBat is told of the samples: their centre and covariates as columns, and what is refused because nothing can be learned of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from unibase.groundwork.problems import UserError
from unibase.methods.feature_blocks import Array

_NOTHING_LEFT = 1e-9
"""Degrees of freedom below which a centre has none left."""

type Covariate = Sequence[float] | Sequence[str] | pl.Series
type Levels = Mapping[str, tuple[str, ...] | None]
"""Per covariate, its levels when it is categorical (the first is the base), else None."""


@dataclass(frozen=True)
class Centres:
    """The centres of the subjects of a fit.

    Attributes:
        names: Of the centres, sorted.
        of_subject: (subjects,) number of each subject's centre.
        sizes: (centres,) subjects of each.
        reference: Number of the centre that stays as it is, or None.
    """

    names: tuple[str, ...]
    of_subject: np.ndarray
    sizes: np.ndarray
    reference: int | None

    @classmethod
    def of(cls, labels: Sequence[str], reference: str | None, least: int) -> Centres:
        """Return the centres of labels, one for each subject.

        Args:
            labels: Centre of each subject.
            reference: Name of the centre that stays as it is, or None.
            least: Fewest subjects of a centre.

        Raises:
            UserError: With fewer than two centres, one of too few subjects, or without the reference among them.

        >>> Centres.of(["lyon", "lyon", "CHU-été", "CHU-été"], None, 2).names
        ('CHU-été', 'lyon')
        """
        names, of_subject, sizes = np.unique(
            np.asarray(list(labels), dtype=object).astype(str), return_inverse=True, return_counts=True
        )
        if len(names) < 2:
            raise UserError("Harmonisation needs training subjects of at least two centres. Switch it off, or add a centre.")
        small = [f"{name} ({size})" for name, size in zip(names, sizes, strict=True) if size < least]
        if small:
            raise UserError(
                f"Too few training subjects to harmonise: {', '.join(small)}; at least {least} a centre are needed. "
                "Leave the centre out, or lower least_per_centre."
            )
        if reference is not None and reference not in names:
            raise UserError(f"The reference centre {reference} has no training subject. Known: {', '.join(names)}.")
        place = None if reference is None else int(np.flatnonzero(names == reference)[0])
        return cls(tuple(str(name) for name in names), of_subject, sizes, place)

    def columns(self) -> Array:
        """Return the (subjects, centres) columns of the centres; that of the reference is one for all.

        >>> Centres.of(["a", "a", "b", "b"], None, 2).columns().tolist()
        [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
        """
        columns: Array = np.eye(len(self.names))[self.of_subject]
        if self.reference is not None:
            columns[:, self.reference] = 1.0
        return columns

    def adjusted(self) -> list[int]:
        """Return the numbers of the centres that are brought to the others."""
        return [number for number in range(len(self.names)) if number != self.reference]


def refuse_outcomes(covariates: Mapping[str, Covariate], outcomes: Sequence[str]) -> None:
    """Refuse a covariate that is an outcome.

    Args:
        covariates: By name.
        outcomes: Names of the study's outcomes.

    Raises:
        UserError: When one is among the others.
    """
    leaking = sorted(set(covariates) & set(outcomes))
    if leaking:
        raise UserError(
            f"{leaking[0]} is an outcome of the study: as a covariate it would be written into the features. "
            "Leave it out, or set outcome_as_covariate."
        )


def refuse_confounded(design: Array, centres: Centres, mean_only: bool) -> None:
    """Refuse a design of which the columns, or the subjects of a centre, cannot be told apart.

    Args:
        design: (subjects, columns) of centres and covariates.
        centres: The centres.
        mean_only: Whether the shift alone is learned.

    Raises:
        UserError: When a covariate follows from the others, or a centre's subjects are fitted exactly: their variance would be
            that of rounding (sva divides by it).
    """
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise UserError(
            "A covariate is confounded with the centre or batch, or with another covariate: they cannot be told apart. Leave it out."
        )
    basis = np.linalg.qr(design)[0]
    for number, name in enumerate(centres.names):
        part = basis[centres.of_subject == number]
        between = len(part) - 1 - ((part - part.mean(axis=0)) ** 2).sum()
        alone = number == centres.reference and len(part) - (part**2).sum() < _NOTHING_LEFT
        if (not mean_only and between < _NOTHING_LEFT) or alone:
            raise UserError(
                f"The covariates explain every difference between the training subjects of {name}: no scale can be learned "
                "there. Leave a covariate out, or leave the centre out."
            )


def covariate_columns(
    covariates: Mapping[str, Covariate], count: int, levels: Levels | None = None
) -> tuple[Array, dict[str, tuple[str, ...] | None]]:
    """Return the design columns of the covariates, coded as R's model.matrix codes them (the first level is the base).

    Args:
        covariates: A value for each subject, by name.
        count: Number of subjects.
        levels: Levels of an earlier fit; None takes those that there are.

    Returns:
        (subjects, columns), and the levels.

    Raises:
        UserError: When a value is missing or a level is none of the fit.

    >>> covariate_columns({"sex": ["F", "M", "F"], "age": [40, 51, 63]}, 3)[0].tolist()
    [[0.0, 40.0], [1.0, 51.0], [0.0, 63.0]]
    """
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
    return (np.column_stack(columns) if columns else np.empty((count, 0))), found
