"""Days lived against a list of deaths: a shift of dates moves birth and death alike, so that a life span is a true one.

The attacker takes the narrowest of what a release tells: births and deaths of the timeline, age at the index, end of
follow-up by death. Two lists are tried. The one of the subjects alone is the hardest for the release: who has it knows
who is in the study. The other is what INSEE publishes, all deaths of a department with sex and days of birth and death.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from unibase.releases.attack.found import Attack

DEATHS_A_YEAR = 6_300
"""Deaths a year in an average department: 639,300 in France in 2023 (INSEE, first results), 101 departments."""
DAYS_OF_WEEK = 7
"""Who sees on which shifted days of the week a hospital works knows the true one."""
GOMPERTZ = {"F": (90.0, 9.0), "M": (85.0, 10.5)}
"""Commonest age at death and its spread in years, by sex: an assumption in the place of a life table."""
_YEAR = 365.25
_DAY_MS = 86_400_000.0
_AGE_COLUMNS = ("INDEXDT", "AGE")
_BOUNDS = ("from", "to")


@dataclass(frozen=True)
class LifeSpans:
    """What a release tells of the days its dead have lived.

    Attributes:
        sex: (dead,) M, F, or another text.
        least: (dead,) fewest days that each can have lived.
        most: (dead,) most days.
    """

    sex: np.ndarray
    least: np.ndarray
    most: np.ndarray


def life_spans(events: pl.DataFrame, subjects: pl.DataFrame, adtte: pl.DataFrame | None = None) -> LifeSpans:
    """Return the life spans that a release leaves open.

    Args:
        events: EVENTS of the release.
        subjects: Table `subjects`, for `SEX`, and for `AGE` at `INDEXDT` where it has them.
        adtte: Table `adtte`, for ends of follow-up by death.
    """
    born = _narrowest(_bounds(events, "MEDS_BIRTH"), _births_of_ages(subjects))
    died = _narrowest(_bounds(events, "MEDS_DEATH"), _deaths_of_endpoints(adtte))
    lived = born.join(died, on="subject_id", suffix="_death").sort("subject_id")
    if "SEX" in subjects.columns:
        lived = lived.join(subjects.select("subject_id", pl.col("SEX").fill_null("")), on="subject_id", maintain_order="left")
    least = (lived["from_death"] - lived["to"]).dt.total_milliseconds().to_numpy() / _DAY_MS
    most = (lived["to_death"] - lived["from"]).dt.total_milliseconds().to_numpy() / _DAY_MS
    sex = lived["SEX"].to_numpy() if "SEX" in lived.columns else np.full(lived.height, "")
    return LifeSpans(sex, least, np.maximum(most, least + 1 / _DAY_MS))


def among_members(spans: LifeSpans) -> Attack:
    """With a list of all deaths of the study: of how many dead fewer than one other can be expected in the span.

    Args:
        spans: What the release tells.
    """
    alone = 0
    for sex in np.unique(spans.sex):
        mine = spans.sex == sex
        least, most = spans.least[mine], spans.most[mine]
        # Each of the list may have lived any of the days that its own record leaves open: itself is one of those counted.
        expected = _share_below(most, least, most) - _share_below(least, least, most) - 1.0
        alone += int((expected < 1.0 - 1e-9).sum())
    return Attack("life-span", alone, len(spans.sex), "a list of deaths, with sex, birth and death to the day")


def _share_below(days: np.ndarray, least: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Return how many spans lie below each number of days, those that it cuts by their share below it.

    >>> _share_below(np.array([1.0, 3.0]), np.array([0.0, 2.0]), np.array([2.0, 4.0])).tolist()
    [0.5, 1.5]
    """
    starts, ends = np.argsort(least), np.argsort(most)
    width = 1.0 / (most - least)
    begun, ended = np.searchsorted(least[starts], days, "right"), np.searchsorted(most[ends], days, "right")
    slope = np.append(0.0, np.cumsum(width[starts]))[begun] - np.append(0.0, np.cumsum(width[ends]))[ended]
    passed = np.append(0.0, np.cumsum((least * width)[starts]))[begun] - np.append(0.0, np.cumsum((least * width)[ends]))[ended]
    return np.asarray(days * slope - passed + ended)


def among_all_dead(spans: LifeSpans, shift_days: int, deaths_a_year: int = DEATHS_A_YEAR) -> Attack:
    """With the deaths of a department, and the days of the week on which hospitals work: who is the only one that fits?

    The list is expected, not drawn: so many of its persons of the sex have lived days of the span, and died within the
    reach of the shift on that day of the week. That nobody else fits has the probability of a Poisson count of none.

    Args:
        spans: What the release tells.
        shift_days: Largest shift of dates.
        deaths_a_year: Deaths of the department in a year.
    """
    listed = deaths_a_year * shift_days / _YEAR / DAYS_OF_WEEK
    alone = 0.0
    for sex in np.unique(spans.sex):
        mine = spans.sex == sex
        # Of whom no sex is told, both are candidates.
        found = [
            _died_before(spans.most[mine], one) - _died_before(spans.least[mine], one) for one in GOMPERTZ if sex in (one, "")
        ]
        fits = listed / len(GOMPERTZ) * np.sum(found or [np.zeros(mine.sum())], axis=0)
        alone += float(np.exp(-fits).sum())
    return Attack(
        "list-of-deaths", round(alone), len(spans.sex), "the deaths of a department, with sex, birth and death to the day"
    )


def _died_before(days: np.ndarray, sex: str) -> np.ndarray:
    """Return the share of deaths before so many days of life, by Gompertz's law.

    >>> _died_before(np.array([0.0, 85 * 365.25]), "M").round(2).tolist()
    [0.0, 0.63]
    """
    mode, spread = GOMPERTZ[sex]
    years = np.maximum(days, 0.0) / _YEAR
    return np.asarray(1.0 - np.exp(-np.exp(-mode / spread) * np.expm1(years / spread)))


def _bounds(events: pl.DataFrame, code: str) -> pl.DataFrame:
    """Return `subject_id, from, to`: the days that the event of a code can mean."""
    midnight = pl.col("time").dt.truncate("1d") == pl.col("time")
    end = pl.when(midnight).then(pl.col("time") + pl.duration(days=1)).otherwise(pl.col("time"))
    rows = events.filter(pl.col("code") == code).select(
        "subject_id", pl.coalesce("time_min", "time").alias("from"), pl.coalesce("time_max", end).alias("to")
    )
    return rows.drop_nulls().group_by("subject_id").agg(pl.col("from").min(), pl.col("to").max())


def _births_of_ages(subjects: pl.DataFrame) -> pl.DataFrame | None:
    """Return `subject_id, from, to` of births by whole years of age on the day of the index."""
    if not {*_AGE_COLUMNS} <= set(subjects.columns) or not subjects.schema["AGE"].is_numeric():
        return None
    days = (pl.col("AGE") * _YEAR * _DAY_MS * 1_000).cast(pl.Int64)
    index = pl.col("INDEXDT").cast(pl.Datetime("us"))
    year = pl.duration(microseconds=int(_YEAR * _DAY_MS * 1_000))
    last = index - pl.duration(microseconds=days) + pl.duration(days=1)
    return subjects.select("subject_id", (last - year - pl.duration(days=1)).alias("from"), last.alias("to")).drop_nulls()


def _deaths_of_endpoints(adtte: pl.DataFrame | None) -> pl.DataFrame | None:
    """Return `subject_id, from, to` of deaths that ended a follow-up."""
    if adtte is None or not {"EVNTDESC", "ADT"} <= set(adtte.columns):
        return None
    first, last = ("ADT_MIN", "ADT_MAX") if {"ADT_MIN", "ADT_MAX"} <= set(adtte.columns) else ("ADT", "ADT")
    rows = adtte.filter(pl.col("EVNTDESC") == "DEATH").select(
        "subject_id",
        pl.col(first).cast(pl.Datetime("us")).alias("from"),
        (pl.col(last).cast(pl.Datetime("us")) + pl.duration(days=1)).alias("to"),
    )
    return rows.drop_nulls().group_by("subject_id").agg(pl.col("from").max(), pl.col("to").min())


def _narrowest(one: pl.DataFrame, other: pl.DataFrame | None) -> pl.DataFrame:
    """Return the bounds that both leave open; where they contradict one another, those of the first."""
    if other is None:
        return one
    both = one.join(other, on="subject_id", how="full", coalesce=True, suffix="_2")
    narrow = both.with_columns(pl.max_horizontal("from", "from_2").alias("from_3"), pl.min_horizontal("to", "to_2").alias("to_3"))
    agree = pl.col("from_3") < pl.col("to_3")
    chosen = [pl.when(agree).then(f"{name}_3").otherwise(name).alias(name) for name in _BOUNDS]
    return narrow.select("subject_id", *chosen).drop_nulls()
