"""The times of an endpoint as they are known: to the day, or as the interval that the known dates allow.

Everything that a release computes of its endpoints takes them from here, so that a death of which the month is known counts in
curves, ratios and models as it does in the counts.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from unibase.methods.expected_events import KnownTimes


def with_known_times(adtte: pl.DataFrame) -> pl.DataFrame:
    """Return the rows whose time is known at least in part, and whose subjects came under observation before it ended.

    Args:
        adtte: ADTTE; `AVAL_MIN`, `AVAL_MAX` and `ENTRY` may be absent.

    Returns:
        The rows with `_low` and `_high` (the same for a known time and for who is censored, at the last day known to be
        without the event), `_event`, and `_entry`, null from the start.

    >>> adtte = pl.DataFrame({"AVAL": [9, None, None], "AVAL_MIN": [9, 3, 5], "AVAL_MAX": [9, 30, 8], "CNSR": [0, 0, 1]})
    >>> with_known_times(adtte).select("_low", "_high", "_event").rows()
    [(9.0, 9.0, True), (3.0, 30.0, True), (5.0, 5.0, False)]
    """
    low, high = (pl.coalesce(name for name in ("AVAL", bound) if name in adtte.columns) for bound in ("AVAL_MIN", "AVAL_MAX"))
    event = (pl.col("CNSR") == 0).fill_null(False)
    entry = pl.col("ENTRY") if "ENTRY" in adtte.columns else pl.lit(None)
    rows = adtte.with_columns(
        low.cast(pl.Float64).alias("_low"),
        pl.when(event).then(high).otherwise(low).cast(pl.Float64).alias("_high"),
        event.alias("_event"),
        entry.cast(pl.Float64).alias("_entry"),
    )
    return rows.filter((pl.col("_low") >= 0) & pl.col("_high").is_not_null() & (pl.col("_entry").fill_null(-1) < pl.col("_high")))


def times_of(rows: pl.DataFrame) -> KnownTimes:
    """Return the times of rows that `with_known_times` returned, in their order.

    Args:
        rows: The rows.
    """
    return KnownTimes(
        rows["_low"].to_numpy(), rows["_high"].to_numpy(), rows["_event"].to_numpy(), rows["_entry"].fill_null(-np.inf).to_numpy()
    )
