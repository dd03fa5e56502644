"""Measures over time in the manner of ADaM's BDS: a row for each value of each clinical variable, before and after the index.

The analysis table holds one value per subject; this table holds all of them, with the one that was chosen flagged as
baseline, and the change from it. Source of the columns: CDISC ADaM Implementation Guide 1.3, section 3.3.
"""

from __future__ import annotations

import polars as pl

from unibase.groundwork.analysis_tables import BDS
from unibase.groundwork.numbers import as_written
from unibase.linking.conditions import ConceptCodes, is_concept
from unibase.linking.options import Windows
from unibase.linking.windows import one_vocabulary


def repeated_measures(
    events: pl.DataFrame, index: pl.DataFrame, windows: Windows, concepts: ConceptCodes, trace: pl.DataFrame
) -> pl.DataFrame:
    """Return every dated value of the clinical variables of the index subjects.

    Args:
        events: EVENTS frame.
        index: `subject_id`, `index_time`.
        windows: Of the study file; `windows.clinical` names the variables, and the unit that counts.
        concepts: Names of concepts to codes.
        trace: Of the join: the row it chose is the baseline (`ABLFL` is Y). Aggregates have no single baseline.

    Returns:
        `BDS` columns, ordered by subject, PARAMCD, date and source. ADY has no day 0: the index day is day 1, the day
        before it day -1. CHG is null before the baseline.
    """
    codes = parameter_codes(list(windows.clinical))
    parts = [BDS.empty()]
    for name, window in windows.clinical.items():
        mine = is_concept(concepts, window.concept, f"windows.clinical.{name}")
        rows = one_vocabulary(events.filter(mine & pl.col("time").is_not_null()))
        if window.unit is not None:
            rows = rows.filter(pl.col("unit") == window.unit)
        single = window.choose in ("latest", "first", "closest")
        chosen = trace.filter((pl.col("variable") == name) & single).select("subject_id", "source", "source_row")
        label = f"{name} ({window.unit})" if window.unit else name
        parts.append(_in_columns(_with_baseline(rows, index, chosen), codes[name], label))
    return pl.concat(parts).sort("subject_id", "PARAMCD", "ADT", "SRCDOM", "SRCSEQ", nulls_last=False, maintain_order=True)


def _with_baseline(rows: pl.DataFrame, index: pl.DataFrame, chosen: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with AVAL, ADY, the flag of the chosen one, and that one's value and day beside all of its subject."""
    rows = rows.join(index.select("subject_id", "index_time"), on="subject_id", how="inner").join(
        chosen.with_columns(pl.lit("Y").alias("ABLFL")), on=["subject_id", "source", "source_row"], how="left"
    )
    day = (pl.col("time").dt.date() - pl.col("index_time").dt.date()).dt.total_days()
    rows = rows.with_columns(
        as_written("numeric_value").alias("AVAL"),
        pl.when(day >= 0).then(day + 1).otherwise(day).alias("ADY"),
    )
    base = rows.filter(pl.col("ABLFL") == "Y").select("subject_id", pl.col("AVAL").alias("BASE"), pl.col("ADY").alias("day"))
    return rows.join(base.unique("subject_id", keep="first", maintain_order=True), on="subject_id", how="left")


def _in_columns(rows: pl.DataFrame, code: str, label: str) -> pl.DataFrame:
    return rows.select(
        "subject_id",
        pl.lit(code).alias("PARAMCD"),
        pl.lit(label).alias("PARAM"),
        "AVAL",
        pl.when(pl.col("AVAL").is_null()).then(pl.coalesce("text_value", "code")).alias("AVALC"),
        pl.col("unit").alias("AVALU"),
        pl.col("time").dt.date().alias("ADT"),
        "ADY",
        "ABLFL",
        "BASE",
        pl.when(pl.col("ADY") > pl.col("day")).then(pl.col("AVAL") - pl.col("BASE")).alias("CHG"),
        pl.col("source").alias("SRCDOM"),
        pl.col("source_row").cast(pl.Int64).alias("SRCSEQ"),
    ).cast(BDS.schema())


def parameter_codes(names: list[str]) -> dict[str, str]:
    """Return a PARAMCD for each variable: at most 8 letters and digits in upper case, each its own.

    Args:
        names: Of the variables, in order.

    Example:
        >>> parameter_codes(["haemoglobin", "haemoglobin_last", "2nd"])
        {'haemoglobin': 'HAEMOGLO', 'haemoglobin_last': 'HAEMOGL2', '2nd': 'P2ND'}
    """
    codes: dict[str, str] = {}
    for name in names:
        stem = "".join(c for c in name.upper() if c.isascii() and c.isalnum()) or "P"
        stem = stem if stem[0].isalpha() else f"P{stem}"
        code, number = stem[:8], 1
        while code in codes.values():
            number += 1
            code = f"{stem[: 8 - len(str(number))]}{number}"
        codes[name] = code
    return codes
