"""Checks of what rows say together: treatment before diagnosis, stage against TNM, days heaped."""

from __future__ import annotations

import polars as pl

from unibase.clinical.words.concepts import Concepts
from unibase.groundwork.tables import DERIVED

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
    diagnosed = concepts.select(frame, "cancer_diagnosis").filter(pl.col("time_max").is_not_null())
    first = diagnosed.group_by("subject_id").agg(pl.col("time_max").min().alias("diagnosed"))
    drugs = concepts.select(frame, "anticancer_drug").filter(pl.col("time_min").is_not_null()).join(first, on="subject_id")
    early = pl.col("time_max") < pl.col("diagnosed") - pl.duration(days=_BEFORE_DIAGNOSIS_DAYS)
    return [("plausibility/treatment-before-diagnosis", drugs, early, True)]


def _of_staging(frame: pl.DataFrame) -> list[Check]:
    """Return the check of M and stage: M1 beside a stage below IV on one day."""
    concepts = Concepts.default()
    far = concepts.select(frame, "tnm_m").filter(pl.col("text_value").str.contains(r"^[a-z]*M1"))
    spread = far.filter(pl.col("time").is_not_null()).select("subject_id", pl.col("time").dt.date().alias("day")).unique()
    staged = concepts.select(frame, "stage").filter(pl.col("text_value").is_not_null() & pl.col("time").is_not_null())
    same_day = staged.with_columns(pl.col("time").dt.date().alias("day")).join(spread, on=["subject_id", "day"])
    below = pl.col("text_value").str.contains(r"^(?:0|I{1,3})[ABC]?\d?$")
    return [
        ("plausibility/stage-against-tnm", same_day, below, False),
    ]


def _heaped(frame: pl.DataFrame) -> Check:
    """Return the check of days on the first of a month: about 3 % lie there by chance; more are days that somebody made up.

    What is on record of a person counts, and deaths: the day of an enquiry is chosen, and shared by many.
    """
    concepts = Concepts.default()
    lived = frame.filter(concepts.matches("last_contact") | concepts.matches("death"))
    whole = (pl.col("time").dt.truncate("1d") == pl.col("time")).fill_null(False)
    days = lived.filter(whole & (pl.col("source") != DERIVED))
    return ("plausibility/first-of-month", days, pl.col("time").dt.day() == 1, False)
