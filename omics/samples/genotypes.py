"""Whose samples they are by their genotypes: the tables that `somalier relate` writes.

Source: Pedersen et al., Genome Medicine 2020, 12:62, and somalier's page on tumours: relatedness is near 1 for two samples of
one person, 0.5 for siblings and for parent and child; its concordance of homozygous sites, which copy number does not
move, is above 0.6 for tumour and normal of one person.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from unibase.groundwork.problems import Unusable
from unibase.omics.reasons import NOT_SOMALIER
from unibase.omics.tables import SAMPLE_FINDINGS

SAME = 0.7
"""Relatedness of one person's samples, and of nobody else's but identical twins': siblings reach 0.6."""
CONCORDANT = 0.6
"""Concordance of homozygous sites of one person's samples: a tumour that lost heterozygosity may fall below `SAME`."""
MIN_SITES = 100
"""Pairs compared at fewer sites tell nothing."""
SEXES = {"1": "M", "2": "F"}


def read_pairs(path: Path | str) -> pl.DataFrame:
    """Read somalier's `*.pairs.tsv` at `path`.

    Returns:
        sample_a, sample_b, relatedness, concordance (null where the table has no `hom_concordance`); pairs without a number,
        or of fewer than 100 sites, are left out.

    Raises:
        Unusable: `not-somalier` when columns are missing or no number; names the row.
    """
    frame = _read(path, ("sample_a", "sample_b", "relatedness"), "pairs.tsv")
    rows = []
    for row, entry in enumerate(frame.iter_rows(named=True), start=1):
        relatedness, concordance, sites = (_number(entry.get(name), row) for name in ("relatedness", "hom_concordance", "n"))
        if relatedness is None or (sites is not None and sites < MIN_SITES):
            continue
        rows.append((entry["sample_a"], entry["sample_b"], relatedness, concordance))
    types = {"sample_a": pl.String(), "sample_b": pl.String(), "relatedness": pl.Float64(), "concordance": pl.Float64()}
    return pl.DataFrame(rows, schema=types, orient="row")


def pair_findings(pairs: pl.DataFrame, persons: Mapping[str, object]) -> pl.DataFrame:
    """Compare relatedness with who the samples are said to be.

    Args:
        pairs: As `read_pairs` gives them.
        persons: Person of each sample; pairs with an unlisted sample are left aside.

    Returns:
        `SAMPLE_FINDINGS`: `swap-suspected` for two samples of one person that are not related as one person's are,
        `duplicate-suspected` for those of two persons that are; `value` is the relatedness.
    """
    rows = []
    for a, b, relatedness, concordance in pairs.iter_rows():
        if a not in persons or b not in persons or a == b:
            continue
        first, second = sorted((a, b))
        if persons[a] != persons[b]:
            if relatedness >= SAME:
                rows.append(("genotype", first, second, "two persons", "one person", "duplicate-suspected", relatedness))
        elif relatedness < SAME and (concordance is None or concordance < CONCORDANT):
            rows.append(("genotype", first, second, "one person", "two persons", "swap-suspected", relatedness))
    return pl.DataFrame(sorted(rows), schema=SAMPLE_FINDINGS.schema(), orient="row").unique(maintain_order=True)


def read_sexes(path: Path | str) -> pl.DataFrame:
    """Read the sexes that somalier tells in `*.samples.tsv` at `path`: sample, sex (`M`, `F`, or `indeterminate`).

    Raises:
        Unusable: `not-somalier` when columns are missing.
    """
    frame = _read(path, ("sample_id", "sex"), "samples.tsv")
    told = pl.col("sex").replace_strict(SEXES, default="indeterminate", return_dtype=pl.String)
    read = frame.select(pl.col("sample_id").alias("sample"), told)
    return read.unique("sample", keep="first", maintain_order=True)


def _read(path: Path | str, columns: tuple[str, ...], name: str) -> pl.DataFrame:
    try:
        frame = pl.read_csv(path, separator="\t", infer_schema_length=0, quote_char=None)
    except (UnicodeDecodeError, OSError, pl.exceptions.PolarsError):
        raise Unusable(NOT_SOMALIER, "The table cannot be read.", f"Give the {name} that `somalier relate` writes.") from None
    frame = frame.rename({title: title.lstrip("#") for title in frame.columns})
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise Unusable(NOT_SOMALIER, f"The table lacks {', '.join(missing)}.", f"Give the {name} that `somalier relate` writes.")
    return frame


def _number(text: str | None, row: int) -> float | None:
    """Return a number; None where there is none (`nan`: no site could be compared)."""
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        message = f"Row {row} has no number where one belongs."
        remedy = "Give the pairs.tsv that `somalier relate` writes."
        raise Unusable(NOT_SOMALIER, message, remedy) from None
    return value if math.isfinite(value) else None
