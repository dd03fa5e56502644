"""Olink's NPX as its software exports it: one row a sample and assay, with controls and warnings between them."""

from __future__ import annotations

import re

import numpy as np
import polars as pl

from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import NOT_A_NUMBER, REPEATED_SAMPLE
from unibase.omics.readers.tabular import Table
from unibase.omics.recognise.matrix import Matrix
from unibase.omics.recognise.names import plain

_NEEDED = ("sampleid", "olinkid", "npx")
_KINDS = {"sampletype": "sample", "assaytype": "assay"}
"""Titles that tell samples and assays from controls, and the word that is none of a control."""
CONTROL = re.compile(r"(?i)^(control|neg|negative|plate|inter.?plate|ipc|sc)[ _.-]*(control|ctrl|sample)")
"""Names of control samples in exports that do not say their kind."""
_WARNINGS = ("qcwarning", "sampleqc", "assayqc", "assaywarning")


def is_long_npx(table: Table) -> bool:
    """Whether a table is Olink's long form: it has a row for each sample and assay.

    Args:
        table: As `tabular.read_table` gives it.
    """
    return set(_NEEDED) <= {plain(title) for title in table.titles}


def matrix_of_npx(table: Table) -> Matrix:
    """Return the samples x assays of Olink's long form.

    Control samples and control assays are left out. A value whose QC says FAIL is missing; one that says WARN is kept and counted. An
    assay is named as Olink names it (`IL6`); one that several panels have, with its number (`IL6:OID20563`).

    Args:
        table: As `tabular.read_table` gives it.

    Raises:
        Unusable: `not-a-number`; `repeated-sample` when a sample has two values of one assay.
    """
    titles = [plain(title) for title in table.titles]
    frame = pl.DataFrame({title: table.texts(place) for place, title in enumerate(titles) if title})
    measured = _without_controls(frame)
    frame, failed, warned = _judged(measured.with_columns(_numbers(measured)))
    if frame.select("sampleid", "olinkid").is_duplicated().any():
        raise Unusable(
            REPEATED_SAMPLE, "A sample has two values of one assay.", "Keep one of the plates on which it was measured."
        )
    evidence = ["Olink's long form: a row a sample and assay"]
    for count, what in (
        (len(table.frame) - measured.height, "rows of control samples or control assays left out"),
        (failed, "values missing: their QC failed"),
        (warned, "values kept that have a QC warning"),
    ):
        evidence += [f"{count} {what}"] if count else []
    return _wide(_named(frame), tuple(evidence))


def _without_controls(frame: pl.DataFrame) -> pl.DataFrame:
    for title, word in _KINDS.items():
        if title in frame.columns:
            frame = frame.filter(pl.col(title).str.to_lowercase().is_in([word, ""]))
    # Older files have no column of kinds, and name their controls so.
    return frame.filter(~pl.col("sampleid").str.contains(CONTROL.pattern))


def _numbers(frame: pl.DataFrame) -> pl.Series:
    values = frame["npx"].replace({"": None, "NA": None, "NaN": None, "nan": None})
    numbers = values.str.replace(",", ".", literal=True).cast(pl.Float64(), strict=False)
    bad = int((values.is_not_null() & numbers.is_null()).sum())
    if bad:
        message = f"{bad} cells of NPX are no number."
        raise Unusable(NOT_A_NUMBER, message, "Correct them; missing values are empty.")
    return numbers.alias("value")


def _judged(frame: pl.DataFrame) -> tuple[pl.DataFrame, int, int]:
    """Return the rows without the values whose QC failed, how many those are, and how many have a warning."""
    quality = [name for name in _WARNINGS if name in frame.columns]
    if not quality:
        return frame, 0, 0
    words = [pl.col(name).str.to_uppercase() for name in quality]
    said = frame.select(pl.concat_str(words, separator=" ")).to_series()
    failed, warned = said.str.contains("FAIL"), said.str.contains("WARN")
    kept = frame.with_columns(pl.when(~failed).then(pl.col("value")).alias("value"))
    return kept, int(failed.sum()), int((warned & ~failed).sum())


def _named(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with the feature's name."""
    if "assay" not in frame.columns:
        return frame.with_columns(pl.col("olinkid").alias("feature"))
    numbers = pl.col("olinkid").n_unique().over("assay")
    label = pl.when(numbers > 1).then(pl.col("assay") + ":" + pl.col("olinkid")).otherwise(pl.col("assay"))
    return frame.with_columns(pl.when(pl.col("assay") == "").then(pl.col("olinkid")).otherwise(label).alias("feature"))


def _wide(frame: pl.DataFrame, evidence: tuple[str, ...]) -> Matrix:
    samples = frame["sampleid"].unique(maintain_order=True).to_list()
    features = sorted(frame["feature"].unique().to_list())
    values = np.full((len(samples), len(features)), np.nan)
    row, column = {name: i for i, name in enumerate(samples)}, {name: j for j, name in enumerate(features)}
    for sample, feature, value in frame.select("sampleid", "feature", "value").drop_nulls().iter_rows():
        values[row[sample], column[feature]] = value
    return Matrix(samples, features, values, None, None, "samples-in-rows", "Olink's assays", evidence)
