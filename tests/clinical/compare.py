"""Two records of the same persons side by side: what each counts, and for how many subjects they differ."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

DIFFERENCES = pl.Schema(
    {"count": pl.String, "left": pl.Int64, "right": pl.Int64, "difference": pl.Int64, "subjects_that_differ": pl.Int64}
)


def difference_table(
    left: pl.DataFrame, right: pl.DataFrame, counts: Mapping[str, tuple[pl.Expr, pl.Expr]], by: str = "subject_id"
) -> pl.DataFrame:
    """Return one row per count: how many events each side has, and how many subjects they count differently.

    Args:
        left: EVENTS from one source.
        right: EVENTS of the same subjects from another source.
        counts: `{name: (condition on left, condition on right)}`; each event that meets its condition counts 1.
        by: Column that says the subject on both sides.
    """
    rows: list[tuple[str, int, int, int, int]] = []
    everyone = (set(left[by]), set(right[by]))
    sizes = (len(everyone[0]), len(everyone[1]))
    rows.append(("subjects", *sizes, sizes[0] - sizes[1], len(everyone[0] ^ everyone[1])))
    for name, conditions in counts.items():
        sides = [
            frame.filter(condition).group_by(by).agg(pl.len().cast(pl.Int64).alias(side))
            for frame, condition, side in zip((left, right), conditions, ("left", "right"), strict=True)
        ]
        both = sides[0].join(sides[1], on=by, how="full", coalesce=True).fill_null(0)
        a, b = int(both["left"].sum()), int(both["right"].sum())
        rows.append((name, a, b, a - b, both.filter(pl.col("left") != pl.col("right")).height))
    return pl.DataFrame(rows, schema=DIFFERENCES, orient="row")
