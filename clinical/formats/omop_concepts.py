"""Concepts of OMOP: their codes and units, through the CONCEPT table where the source has one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from unibase.clinical.formats.omop_columns import text_of
from unibase.clinical.words.vocabularies import WHOLE, whole_code

COLUMNS = ("concept_id", "vocabulary_id", "concept_code", "concept_class_id", "concept_name")
"""What is read of a CONCEPT table; the last two may be absent."""
_OURS = "unibase"
"""Class of concepts whose name is a whole code of ours (`releases.exports.site_concepts`)."""
_UNITS = {
    8713: "g/dL", 8636: "g/L", 8645: "U/L", 8840: "mg/dL", 8751: "mg/L", 8753: "mmol/L", 8876: "mm[Hg]", 9529: "kg",
    8582: "cm", 8588: "mm", 8554: "%", 8512: "d", 8505: "h", 8749: "umol/L", 8848: "10*3/uL", 8815: "10*6/uL", 9448: "a",
}  # fmt: skip
"""Standard concepts of common units (OMOP UCUM), for sources without a CONCEPT table."""


def find_concepts(concept: Sequence[Path], used: set[int]) -> pl.DataFrame:
    """Return `concept_id, vocabulary_id, concept_code` of the concepts in use.

    Args:
        concept: The parts of a CONCEPT table, in Parquet; none gives an empty frame.
        used: Numbers of the concepts in use.
    """
    if not concept:
        return no_concepts()
    frames = []
    for path in concept:
        scan = pl.scan_parquet(path)
        names = {name: name.strip().lower() for name in scan.collect_schema().names()}
        number = pl.col("concept_id").cast(pl.Int64, strict=False)
        columns = [name for name in COLUMNS if name in names.values()]
        frames.append(scan.rename(names).select(columns).filter(number.is_in(sorted(used))).collect(engine="streaming"))
    return known_concepts(pl.concat(frames, how="diagonal"), used)


def codes_of(concepts: pl.DataFrame) -> dict[int, str]:
    """Return the code, `VOCABULARY//code`, of each of the `concepts`, by its number.

    >>> codes_of(pl.DataFrame({"concept_id": [1], "vocabulary_id": ["LOINC"], "concept_code": ["718-7"]}))
    {1: 'LOINC//718-7'}
    """
    return {number: whole_code(vocabulary.replace(" ", "_"), code) for number, vocabulary, code in concepts.iter_rows()}


def units_of(concepts: pl.DataFrame) -> dict[int, str]:
    """Return the UCUM code of those `concepts` that are units, and of the common ones, by number."""
    return {**_UNITS, **{number: code for number, vocabulary, code in concepts.iter_rows() if vocabulary == "UCUM"}}


def concepts_in(frame: pl.DataFrame) -> set[int]:
    """Return the concepts that the rows of a `frame` name, in whatever column."""
    columns = [pl.col(name).cast(pl.Int64, strict=False).unique() for name in frame.columns if name.endswith("concept_id")]
    return set[int]().union(*(frame.select(column).to_series().drop_nulls() for column in columns))


def no_concepts() -> pl.DataFrame:
    """Return the concepts of a source without a CONCEPT table."""
    return pl.DataFrame(schema={"concept_id": pl.Int64, "vocabulary_id": pl.String, "concept_code": pl.String})


def known_concepts(frame: pl.DataFrame, used: set[int]) -> pl.DataFrame:
    """Return `concept_id, vocabulary_id, concept_code` of the concepts in use.

    Args:
        frame: Rows of a CONCEPT table.
        used: Numbers of the concepts in use.
    """
    ours = _is_ours(frame)
    name = text_of("concept_name") if "concept_name" in frame.columns else pl.lit(None, dtype=pl.String)
    concept = frame.select(
        pl.col("concept_id").cast(pl.Int64, strict=False),
        pl.when(ours).then(pl.lit(WHOLE)).otherwise(text_of("vocabulary_id")).alias("vocabulary_id"),
        pl.when(ours).then(name).otherwise(text_of("concept_code")).alias("concept_code"),
    )
    wanted = pl.col("concept_id").is_in(sorted(used - {0})) & (pl.col("vocabulary_id") != "None")
    return concept.filter(wanted).unique("concept_id", keep="first", maintain_order=True)


def _is_ours(frame: pl.DataFrame) -> pl.Expr:
    """Return which rows of CONCEPT an export of ours wrote, with a whole code as the name."""
    if not {"concept_class_id", "concept_name"} <= set(frame.columns):
        return pl.lit(False)
    return ((text_of("concept_class_id") == _OURS) & text_of("concept_name").is_not_null()).fill_null(False)
