"""Checks of what rows say together: treatment before diagnosis, stage against TNM, days heaped."""

from __future__ import annotations

import polars as pl

from unibase.clinical.words.concepts import Concepts

Check = tuple[str, pl.DataFrame, pl.Expr, bool]
"""Name, rows that are looked at, which of them violate it, and whether it is told by year."""

_BEFORE_DIAGNOSIS_DAYS = 180
"""Anticancer drugs so long before the first diagnosis of a cancer on record."""
FEWEST_ROWS = {"plausibility/first-of-month": 20}
"""Checks that tell nothing of fewer rows: counted over all blocks, since a block may hold any of them."""


def contradiction_checks(frame: pl.DataFrame) -> list[Check]:
    """Return the checks of a block of whole subjects.

    Args:
        frame: EVENTS with `centre`, `table` and `year`.
    """
    return [*_of_persons(frame), *_of_staging(frame), _heaped(frame)]


def _of_persons(frame: pl.DataFrame) -> list[Check]:
    concepts = Concepts.default()
    # The earliest day it may have been: of a year alone nobody knows that the drug came before.
    diagnosed = concepts.select(frame, "cancer_diagnosis").filter(pl.col("time_min").is_not_null())
    first = diagnosed.group_by("subject_id").agg(pl.col("time_min").min().alias("diagnosed"))
    drugs = concepts.select(frame, "anticancer_drug").filter(pl.col("time_min").is_not_null()).join(first, on="subject_id")
    early = pl.col("time_max") < pl.col("diagnosed") - pl.duration(days=_BEFORE_DIAGNOSIS_DAYS)
    return [("plausibility/treatment-before-diagnosis", drugs, early, True)]


_WHEN = ["subject_id", "time_min", "time_max"]
_SPREAD_IS_IV = r"^ICD10//C(?:1[89]|20|25|34|43|50)"
"""Colon, rectum, pancreas, lung, melanoma, breast: their stage IV is that of M1, and no other (UICC TNM, 8th edition)."""
_OFTEN_SPREAD = r"^ICD10//C(?:22|4[01]|7[1-4789])"
"""Where metastases lie: some records give them the code of a cancer of that organ."""
_GRADED = r"^ICD10//C(?:61|73)"
"""Prostate and thyroid: a T1 N0 M0 may be of stage III or IV by its grade or kind."""


def _of_staging(frame: pl.DataFrame) -> list[Check]:
    """Return the check of T, N, M and stage of one time.

    M1 stands beside a stage below IV, M0 beside a stage IV that is that of M1, or T1 N0 M0 beside a stage III or IV.
    """
    concepts = Concepts.default()
    said = pl.col("text_value").is_not_null() & pl.col("time_min").is_not_null()
    of = {name: concepts.select(frame, name).filter(said) for name in ("stage", "tnm_t", "tnm_n", "tnm_m")}
    near = [
        _all_of(of["tnm_m"], r"^[a-z]*M1", "spread", some=True),
        _all_of(of["tnm_m"], r"^[a-z]*M0", "m0"),
        _all_of(of["tnm_t"], r"^[a-z]*T1", "t1"),
        _all_of(of["tnm_n"], r"^[a-z]*N0", "n0"),
    ]
    cancers = concepts.select(frame, "cancer_diagnosis").group_by("subject_id")
    primary = pl.col("code").filter(pl.col("code").str.starts_with("ICD10//") & ~pl.col("code").str.contains(_OFTEN_SPREAD))
    sites = cancers.agg(
        (primary.str.contains(_SPREAD_IS_IV).all() & (primary.len() > 0)).alias("spreads"),
        pl.col("code").str.contains(_GRADED).any().alias("graded"),
    )
    staged = of["stage"].join(sites, on="subject_id", how="left")
    for one in near:
        staged = staged.join(one, on=_WHEN, how="left")
    names = ("spread", "m0", "t1", "n0", "spreads")
    spread, m0, t1, n0, spreads = (pl.col(name).fill_null(False) for name in names)
    below, fourth = (pl.col("text_value").str.contains(rf"^(?:{group})[ABC]?\d?$") for group in ("0|I{1,3}", "IV"))
    late = pl.col("text_value").str.contains(r"^(?:III|IV)[ABC]?\d?$")
    early = t1 & n0 & m0 & ~pl.col("graded").fill_null(True)
    looked_at = staged.filter(spread | m0)
    return [
        (
            "plausibility/stage-against-tnm",
            looked_at,
            (spread & below) | (m0 & ~spread & fourth & spreads) | (early & late),
            False,
        )
    ]


def _all_of(frame: pl.DataFrame, pattern: str, name: str, some: bool = False) -> pl.DataFrame:
    """Return by subject and time whether all, or `some`, of the values of a category are as a pattern says, in a column of a name."""
    fits = pl.col("text_value").str.contains(pattern)
    return frame.group_by(_WHEN).agg((fits.any() if some else fits.all()).alias(name))


def _heaped(frame: pl.DataFrame) -> Check:
    """Return the check of days on the first of a month: about 3 % lie there by chance; more are days that somebody made up.

    What is on record of a person counts, and deaths: the day of an enquiry is chosen, and shared by many.
    """
    concepts = Concepts.default()
    lived = frame.filter(concepts.matches("last_contact") | concepts.matches("death"))
    whole = (pl.col("time").dt.truncate("1d") == pl.col("time")).fill_null(False)
    days = lived.filter(whole)
    return ("plausibility/first-of-month", days, pl.col("time").dt.day() == 1, False)
