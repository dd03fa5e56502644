"""Why values are missing: every empty cell of a variable gets one of five reasons, and the dictionary counts them.

What is not done, not known, not applicable, not yet, and withheld. The rooms before say what they know of a subject
and a variable; for a cell they say nothing of, a row of the trace means that a source was read and gave no value
(`not known`), and no row means `not done`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from unibase.releases.reasons import NOT_APPLICABLE, NOT_DONE, NOT_KNOWN, NOT_YET, WITHHELD

REASONS = (NOT_DONE, NOT_KNOWN, NOT_APPLICABLE, NOT_YET, WITHHELD)

LEFT_EMPTY: Mapping[str, pl.Expr] = {
    "EVNTDESC": pl.col("CNSR") != 0,
    "CNSDTDSC": pl.col("CNSR") == 0,
    "CHG": pl.col("BASE").is_null() | pl.col("AVAL").is_null() | pl.col("ABLFL").is_not_null() | (pl.col("ADY") < 1),
    "ABLFL": pl.lit(True),
    "AVALC": pl.col("AVAL").is_not_null(),
    "problem": pl.lit(True),
}
"""Columns of the ADaM tables to the rows in which an empty cell is as it should be."""


class Reasons:
    """The reasons of one study: what the rooms say, and where the trace has a row.

    Args:
        told: `subject_id`, `variable`, `reason`; a variable that ends in `*` stands for all that begin so.
        traced: `subject_id`, `variable` of the trace, with the same stars.
    """

    def __init__(self, told: pl.DataFrame, traced: pl.DataFrame) -> None:
        self._told = {str(name): rows for (name,), rows in told.group_by("variable")}
        self._traced = {str(name): rows["subject_id"] for (name,), rows in traced.group_by("variable")}

    def count(self, table: str, block: pl.DataFrame) -> dict[str, dict[str, int]]:
        """Return, for each column of a `block` of a `table` that has empty cells, how many are empty for each reason."""
        if table in ("adtte", "adrs", "bds"):
            return _by_rule(block)
        if table == "subjects":
            return {c: {NOT_KNOWN: n} for c, n in zip(block.columns, block.null_count().row(0), strict=True) if n}
        return self._of_analysis(block) if table == "analysis" else {}

    def _of_analysis(self, block: pl.DataFrame) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        codes: dict[tuple[str, str], np.ndarray] = {}
        for column in block.columns:
            empty = block[column].is_null().to_numpy()
            if not empty.any():
                continue
            key = (_match(column, self._told), _match(column, self._traced))
            if key not in codes:
                codes[key] = self._codes(block["subject_id"], *key)
            counts = np.bincount(codes[key][empty], minlength=len(REASONS))
            found[column] = {reason: int(n) for reason, n in zip(REASONS, counts, strict=True) if n}
        return found

    def _codes(self, subjects: pl.Series, told: str, traced: str) -> np.ndarray:
        """Return the place in `REASONS` for each subject, shape (rows,)."""
        codes = np.full(len(subjects), REASONS.index(NOT_DONE))
        if traced:
            codes[subjects.is_in(self._traced[traced].implode()).to_numpy()] = REASONS.index(NOT_KNOWN)
        if told:
            rows = subjects.to_frame("subject_id").join(
                self._told[told].unique("subject_id", keep="first", maintain_order=True),
                on="subject_id",
                how="left",
                maintain_order="left",
            )
            for place, reason in enumerate(rows["reason"]):
                if reason is not None:
                    codes[place] = REASONS.index(reason)
        return codes


def _match(column: str, names: Mapping[str, object]) -> str:
    """Return the entry that speaks of a column: its own name, else the longest star that fits, else nothing."""
    if column in names:
        return column
    fits = [name for name in names if name.endswith("*") and column.startswith(name[:-1])]
    return max(fits, key=len, default="")


def row_reasons(block: pl.DataFrame) -> pl.DataFrame:
    """Return, for each column of a `block` of an ADaM table with empty cells, the reason of each; null where there is a value."""
    found = []
    for column, empty in zip(block.columns, block.null_count().row(0), strict=True):
        if not empty:
            continue
        rule = LEFT_EMPTY.get(column)
        known = rule is not None and set(rule.meta.root_names()) <= set(block.columns)
        apart = rule.fill_null(False) if rule is not None and known else pl.lit(False)
        reason = pl.when(apart).then(pl.lit(str(NOT_APPLICABLE))).otherwise(pl.lit(str(NOT_KNOWN)))
        found.append(pl.when(pl.col(column).is_null()).then(reason).alias(column))
    return block.select(found) if found else pl.DataFrame()


def _by_rule(block: pl.DataFrame) -> dict[str, dict[str, int]]:
    why = row_reasons(block)
    return {column: dict(why[column].drop_nulls().value_counts(sort=True).iter_rows()) for column in why.columns}
