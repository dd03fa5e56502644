"""Curves of two versions: who has both must not read the time of a few persons from where they differ.

Of a survival curve no linear program can weigh what a step moved by one person tells. So a curve is drawn anew when the
times of at least `min_cell` persons are others than those that the curve before was drawn from; until then it stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unibase.releases.disclosure import decisions
from unibase.releases.disclosure.decisions import Decision
from unibase.releases.disclosure.small_counts import is_small
from unibase.releases.read.known_times import with_known_times

OUTPUT = "survival"
DRAWN_FROM = "drawn from"
TIMES = ("_low", "_high", "_event", "_entry")
"""What a curve is drawn from, as `with_known_times` returns it."""


@dataclass(frozen=True)
class Basis:
    """What a curve is drawn from: rows of `adtte` of one endpoint, and the version that holds them; None for the one at hand."""

    rows: pl.DataFrame
    version: str | None = None

    def decision(self, code: str, version: str) -> Decision:
        """Return the record of the basis of the endpoint `code`, in the `version` at hand."""
        return Decision(OUTPUT, f"{code} {DRAWN_FROM}", self.version or version, True, "Drawn anew when enough persons changed.")


def changed(one: pl.DataFrame, other: pl.DataFrame) -> int:
    """Return how many persons have other times in two versions of an endpoint, or are drawn in one of them alone.

    A time known in part is the interval that `AVAL_MIN` and `AVAL_MAX` allow: it changes with either bound, and where it
    comes to be known to the day. Columns that a version lacks are as if nothing of them were known.

    Args:
        one: Rows of `adtte`, one a person.
        other: Those of the other version.

    Example:
        >>> now = pl.DataFrame({"subject_id": [1, 2, 3], "AVAL": [9, 8, 7], "CNSR": [0, 1, 1]})
        >>> changed(now, now.head(2).with_columns(AVAL=pl.Series([9, 5])))
        2
    """
    left, right = (with_known_times(frame).select("subject_id", *TIMES) for frame in (one, other))
    alike = left.join(right, on=left.columns, how="inner", nulls_equal=True)["subject_id"].n_unique()
    return pl.concat([left["subject_id"], right["subject_id"]]).n_unique() - alike


def basis_of(code: str, rows: pl.DataFrame, previous: Path | None, min_cell: int) -> Basis:
    """Return what the curve of an endpoint is drawn from: its rows, or earlier ones that differ in fewer persons than may be told.

    Args:
        code: PARAMCD.
        rows: Its rows of `adtte` in the version at hand.
        previous: Folder of the version before, beside those before it; None where there is none.
        min_cell: Smallest count of persons that may be shown.
    """
    if previous is None:
        return Basis(rows)
    before = _drawn_from(code, previous)
    folder = previous.parent / before
    if not (folder / "tables" / "adtte.parquet").is_file():
        folder, before = previous, previous.name
    earlier = pl.read_parquet(folder / "tables" / "adtte.parquet").filter(pl.col("PARAMCD") == code)
    return Basis(earlier, before) if earlier.height and is_small(changed(rows, earlier), min_cell) else Basis(rows)


def _drawn_from(code: str, previous: Path) -> str:
    """Return the version that the curve of the version before was drawn from."""
    kept = decisions.read(previous)
    if kept is None:
        return previous.name
    told = kept.filter((pl.col("output") == OUTPUT) & (pl.col("number") == f"{code} {DRAWN_FROM}"))
    return str(told["rule"][0]) if told.height else previous.name
