"""How well repeated measurements of one feature agree: intraclass correlation, concordance, repeatability.

ICC(2,1) (two-way random effects, absolute agreement, single measurement) and ICC(3,1) (two-way mixed effects,
consistency, single measurement) with their confidence limits after Shrout and Fleiss 1979 and McGraw and Wong 1996;
concordance after Lin 1989; within-subject deviation and repeatability coefficient as QIBA defines them
(RC = 1.96 * sqrt(2) * wSD).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import FEATURES

Array = np.ndarray

COLUMNS = {
    "image_type": "Image type of the feature.",
    "feature": "Column of the FEATURES table.",
    "subjects": "Number of regions with a finite value in every repetition.",
    "repetitions": "Number of repetitions of each region.",
    "mean": "Mean over all regions and repetitions.",
    "within_sd": "Standard deviation within a region: root of the mean variance over its repetitions.",
    "within_cv": "within_sd over the absolute mean; null when the mean is 0.",
    "repeatability": "Two repetitions of one region differ by less than this in 95 % of cases (1.96 * sqrt(2) * within_sd).",
    "icc_2_1": "ICC(2,1): absolute agreement, single measurement; null when nothing varies or subjects are fewer than 3.",
    "icc_2_1_low": "Lower end of its 95 % confidence interval.",
    "icc_2_1_high": "Upper end of its 95 % confidence interval.",
    "icc_3_1": "ICC(3,1): consistency, single measurement.",
    "icc_3_1_low": "Lower end of its 95 % confidence interval.",
    "icc_3_1_high": "Upper end of its 95 % confidence interval.",
}
"""Columns of an agreement table and what they say."""


def icc(values: Array, confidence: float = 0.95) -> dict[str, float]:
    """Return ICC(2,1) and ICC(3,1) of a table, with confidence limits.

    Args:
        values: Shape (subjects, repetitions), finite, at least 3 x 2.
        confidence: Coverage of the interval.

    Returns:
        `icc_2_1`, `icc_2_1_low`, `icc_2_1_high`, and the same for `icc_3_1`; NaN where the table does not vary.

    >>> round(icc(np.array([[1.0, 1.1], [2.0, 2.2], [3.0, 2.9], [4.0, 4.1]]))["icc_3_1"], 3)
    0.995
    """
    names = [f"icc_{kind}_1{end}" for kind in (2, 3) for end in ("", "_low", "_high")]
    squares = _squares(values) if values.shape[0] >= 3 and values.shape[1] >= 2 and np.isfinite(values).all() else None
    if squares is None:
        return dict.fromkeys(names, float("nan"))
    tail = 1 - (1 - confidence) / 2
    return dict(zip(names, map(float, (*_icc_two(squares, tail), *_icc_three(squares, tail))), strict=True))


class _Squares(NamedTuple):
    """Mean squares of a table of n subjects and k repetitions."""

    n: int
    k: int
    rows: float
    columns: float
    error: float

    @property
    def free(self) -> int:
        """Degrees of freedom of the error."""
        return (self.n - 1) * (self.k - 1)


def _squares(values: Array) -> _Squares | None:
    """Return the mean squares; None where nothing varies."""
    n, k = values.shape
    # Scaled to about 1 before squaring: energies of 1e20 and entropies of 1e-3 keep the same digits.
    scale = np.abs(values).max()
    spread = values / scale if scale > 0 else values
    rows, columns, grand = spread.mean(axis=1), spread.mean(axis=0), spread.mean()
    residual = spread - rows[:, np.newaxis] - columns[np.newaxis, :] + grand
    ms_rows = k * ((rows - grand) ** 2).sum() / (n - 1)
    ms_columns = n * ((columns - grand) ** 2).sum() / (k - 1)
    ms_error = (residual**2).sum() / ((n - 1) * (k - 1))
    rounding = (np.finfo(float).eps * 8) ** 2
    if ms_rows <= rounding and ms_error <= rounding and ms_columns <= rounding:
        return None
    return _Squares(n, k, ms_rows, ms_columns, 0.0 if ms_error <= rounding else ms_error)


def _icc_three(squares: _Squares, tail: float) -> tuple[float, float, float]:
    """Return ICC(3,1) and its limits."""
    from scipy.stats import f as f_distribution

    n, k, ms_rows, _, ms_error = squares
    three = (ms_rows - ms_error) / (ms_rows + (k - 1) * ms_error)
    if ms_error == 0:
        return three, 1.0, 1.0
    ratio = ms_rows / ms_error
    low = ratio / f_distribution.ppf(tail, n - 1, squares.free)
    high = ratio * f_distribution.ppf(tail, squares.free, n - 1)
    return three, (low - 1) / (low + k - 1), (high - 1) / (high + k - 1)


def _icc_two(squares: _Squares, tail: float) -> tuple[float, float, float]:
    """Return ICC(2,1) and its limits."""
    from scipy.stats import f as f_distribution

    n, k, ms_rows, ms_columns, ms_error = squares
    two = (ms_rows - ms_error) / (ms_rows + (k - 1) * ms_error + k * (ms_columns - ms_error) / n)
    if two >= 1:
        return two, 1.0, 1.0
    a = k * two / (n * (1 - two))
    b = 1 + k * two * (n - 1) / (n * (1 - two))
    spare = k * ms_columns + (k * n - k - n) * ms_error
    # Far below 0 the approximate degrees of freedom can vanish: then there are no limits, and NaN says so.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        v = (a * ms_columns + b * ms_error) ** 2 / ((a * ms_columns) ** 2 / (k - 1) + (b * ms_error) ** 2 / squares.free)
        low, high = f_distribution.ppf(tail, n - 1, v), f_distribution.ppf(tail, v, n - 1)
        return (
            two,
            n * (ms_rows - low * ms_error) / (low * spare + n * ms_rows),
            n * (high * ms_rows - ms_error) / (spare + n * high * ms_rows),
        )


def concordance(first: Array, second: Array) -> float:
    """Return Lin's concordance correlation coefficient of two series of measurements; NaN when neither varies.

    Args:
        first: (regions,) of one measurement.
        second: (regions,) of the other.

    >>> concordance(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
    1.0
    """
    spread = first.var() + second.var() + (first.mean() - second.mean()) ** 2
    if spread == 0:
        return float("nan")
    return float(2 * ((first - first.mean()) * (second - second.mean())).mean() / spread)


def agreement_table(frame: pl.DataFrame, repetition: str, by: Sequence[str]) -> pl.DataFrame:
    """Return how well each feature agrees over repetitions; one row per image type and feature, columns `COLUMNS`.

    Args:
        frame: Rows of a FEATURES table (further columns allowed), one per region, image type and repetition.
        repetition: Column that numbers the repetitions; every region must have all of them to count.
        by: Columns that together name a region.

    Raises:
        UserError: If a region has one repetition twice, or rows of different settings, engines or modes are mixed.
    """
    if frame.height == 0:
        raise UserError("There is no feature to compare. Extract features first.")
    _one_of_a_kind(frame)
    key = [*by, "image_type", repetition]
    if frame.select(key).is_duplicated().any():
        raise UserError(f"Several rows have the same {', '.join(key)}. Name what tells them apart.")
    repetitions = frame[repetition].unique().sort().to_list()
    rows = []
    for image_type, part in sorted(
        ((str(name[0]), part) for name, part in frame.group_by("image_type")), key=lambda pair: pair[0]
    ):
        # Regions without one of the repetitions do not count; the others are a block of rows each.
        whole = part.filter(pl.len().over(by) == len(repetitions)).sort(*by, repetition)
        for feature in feature_columns(part):
            if part[feature].is_finite().any():
                values = whole[feature].fill_null(float("nan")).to_numpy().reshape(-1, len(repetitions))
                rows.append({"image_type": image_type, "feature": feature, **dict(_agreement(values))})
    schema = {name: pl.String if name in ("image_type", "feature") else pl.Float64 for name in COLUMNS}
    return pl.DataFrame(rows, schema=schema | {"subjects": pl.Int64, "repetitions": pl.Int64})


def _agreement(values: Array) -> Iterator[tuple[str, float | int | None]]:
    """Yield the numbers of one row of an agreement table from values (regions, repetitions); NaN marks a gap."""
    complete = values[np.isfinite(values).all(axis=1)]
    n, k = len(complete), values.shape[1]
    mean = float(complete.mean()) if n else float("nan")
    within = float(np.sqrt(complete.var(axis=1, ddof=1).mean())) if n and k > 1 else float("nan")
    found = icc(complete) if n else icc(np.zeros((0, 2)))
    numbers = {
        "mean": mean,
        "within_sd": within,
        "within_cv": within / abs(mean) if mean else float("nan"),
        "repeatability": 1.96 * np.sqrt(2) * within,
        **found,
    }
    yield from (("subjects", n), ("repetitions", k))
    yield from ((name, None if np.isnan(value) else float(value)) for name, value in numbers.items())


def retest_table(first: pl.DataFrame, second: pl.DataFrame) -> pl.DataFrame:
    """Compare two scans of the same subjects: an agreement table with `bias` (second minus first) and `concordance`.

    Args:
        first: FEATURES frame of the test scans; one row per subject, modality, region and image type.
        second: The same for the retest scans.
    """
    by = ["subject_id", "Modality", "region"]
    frame = pl.concat([first.with_columns(scan=pl.lit(0)), second.with_columns(scan=pl.lit(1))], how="diagonal")
    table = agreement_table(frame, "scan", by)
    extra = []
    for image_type, feature in table.select("image_type", "feature").iter_rows():
        pairs = (
            first.filter(pl.col("image_type") == image_type)
            .select(*by, a=feature)
            .join(second.filter(pl.col("image_type") == image_type).select(*by, b=feature), on=by, nulls_equal=True)
            .filter(pl.col("a").is_finite() & pl.col("b").is_finite())
        )
        a, b = pairs["a"].to_numpy(), pairs["b"].to_numpy()
        agreed = concordance(a, b) if len(a) > 1 else float("nan")
        extra.append({"bias": float((b - a).mean()) if len(a) else None, "concordance": None if np.isnan(agreed) else agreed})
    return pl.concat([table, pl.DataFrame(extra, schema={"bias": pl.Float64, "concordance": pl.Float64})], how="horizontal")


def retest_pairs(features: pl.DataFrame, max_days: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the FEATURES rows of first and second scans: per person, modality and target the earliest two that are near.

    Two scans are of two studies (two series of one study may be two phases, which differ on purpose), follow one another
    and lie at most `max_days` apart. A series in which the target was drawn several times has no pair: which drawing to
    compare is not known.

    Args:
        features: FEATURES frame.
        max_days: Largest distance of the two series times in days.
    """
    by = ["subject_id", "Modality", "region"]
    series = [*by, "StudyInstanceUID", "SeriesInstanceUID", "series_time"]
    once = pl.len().over([*by, "SeriesInstanceUID", "image_type"]) == 1
    rows = features.filter(pl.col("subject_id").is_not_null() & pl.col("series_time").is_not_null() & once)
    scans = rows.select(series).unique().sort([*by, "series_time", "SeriesInstanceUID"])
    after = [pl.col(name).shift(-1).over(by).alias(f"{name}_after") for name in series[3:]]
    near = (
        scans.with_columns(after)
        .filter(
            (pl.col("StudyInstanceUID") != pl.col("StudyInstanceUID_after"))
            & (pl.col("series_time_after") - pl.col("series_time") <= pl.duration(seconds=max_days * 86_400))
        )
        .unique(by, keep="first", maintain_order=True)
    )
    later = near.select(*by, pl.col("SeriesInstanceUID_after").alias("SeriesInstanceUID"))
    first, second = (
        rows.join(pairs, on=[*by, "SeriesInstanceUID"], how="semi", nulls_equal=True).sort(*by, "image_type")
        for pairs in (near, later)
    )
    return first, second


def feature_columns(frame: pl.DataFrame) -> list[str]:
    """Return the feature columns of a FEATURES frame: all numbers that the table does not declare itself."""
    declared = {column.name for column in FEATURES.columns}
    return [name for name, dtype in frame.schema.items() if name not in declared and dtype == pl.Float64]


def _one_of_a_kind(frame: pl.DataFrame) -> None:
    """Refuse a frame that mixes engines, modes or settings: their values are not the same quantity.

    Raises:
        UserError: Naming the column that differs.
    """
    for column in ("engine", "mode", "settings_digest"):
        if column in frame.columns and frame[column].n_unique() > 1:
            raise UserError(f"Rows of different {column} cannot be compared. Keep one of them, or extract again.")
