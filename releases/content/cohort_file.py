"""What the cohort file of a release is made of: radiomics, the assays, and clinical values with the endpoints beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from unibase.groundwork import tables
from unibase.releases.content import multimodal
from unibase.releases.content.column_words import SCORES
from unibase.releases.content.inputs import HARMONISED, ReleaseInputs
from unibase.releases.content.wide_tables import CELLS, slices

if TYPE_CHECKING:
    import pandas as pd


def make_modalities(
    inputs: ReleaseInputs, subjects: pl.DataFrame, samples: pl.DataFrame, folder: Path
) -> list[multimodal.Modality]:
    """Return the modalities of the cohort: radiomics, the assays, clinical.

    `inputs`, `folder`: what is released, the release with its tables; `subjects`, `samples`: released, and their sample map.
    """
    analysis = folder / "tables" / "analysis.parquet"
    schema = pl.read_parquet_schema(analysis)
    radiomic = _feature_columns(schema, pl.read_parquet_schema(folder / "tables" / "features.parquet"))
    names = [c for c in schema if c in ("subject_id", "index_time") or c.endswith("_sample")]
    narrow = pl.read_parquet(analysis, columns=names)
    centre = subjects.select("subject_id", *(["centre"] if "centre" in subjects.columns else []))
    harmonised = {c for c in radiomic if c.startswith(HARMONISED)}
    radiomic = [c for c in radiomic if c not in harmonised]
    imaged = np.flatnonzero(_known(analysis, radiomic, narrow.height))
    modalities = [multimodal.table_modality("radiomics", analysis, imaged, radiomic, centre)]
    if harmonised:
        columns_of = [HARMONISED + c if HARMONISED + c in harmonised else None for c in radiomic]
        modalities[0].add_layer("combat", columns_of)
    chosen = multimodal.choose_samples(samples, narrow)
    for name in sorted(inputs.assays):
        modality = multimodal.assay_modality(name, Path(inputs.assays[name]), chosen)
        add_scores(modality, analysis, schema)
        modalities.append(modality)
    prefixes = tuple(f"{before}{name}_" for name in inputs.assays for before in ("", HARMONISED))
    imaging = {*radiomic, *harmonised}
    numeric = [c for c, dtype in schema.items() if dtype.is_numeric() and c != "subject_id"]
    clinical = [c for c in numeric if c not in imaging and not c.startswith(prefixes)]
    endpoints = _wide_endpoints(pl.read_parquet(folder / "tables" / "adtte.parquet"))
    obs = subjects.join(endpoints, on="subject_id", how="left")
    if inputs.adrs is not None:
        obs = obs.join(
            _wide_responses(pl.read_parquet(folder / "tables" / "adrs.parquet"), inputs.settings["responses"]),
            on="subject_id",
            how="left",
        )
    modalities.append(multimodal.table_modality("clinical", analysis, np.arange(narrow.height), clinical, obs))
    return modalities


def add_scores(modality: multimodal.Modality, analysis: Path, columns: Iterable[str]) -> None:
    """Put the scores of gene sets that a table has of an assay's samples into its `obs`, by subject.

    Args:
        modality: The assay.
        analysis: The table.
        columns: Names of its columns.
    """
    names = {c: c.removeprefix(f"{modality.name}_") for c in columns if c.startswith(f"{modality.name}_")}
    scores = {column: name for column, name in names.items() if name.startswith(SCORES)}
    if not scores:
        return
    values = pl.read_parquet(analysis, columns=["subject_id", *scores]).with_columns(pl.col("subject_id").cast(pl.String))
    order = pl.DataFrame({"subject_id": modality.obs["subject_id"].astype(str).to_list()}, schema={"subject_id": pl.String})
    found = order.join(values, on="subject_id", how="left", maintain_order="left")
    for column, name in scores.items():
        modality.obs[name] = found[column].to_numpy()


def samples_of(inputs: ReleaseInputs, subjects: pl.DataFrame) -> pl.DataFrame:
    """Return the sample map of the released `subjects`, out of `inputs`, in order."""
    rows = tables.SAMPLE_MAP.conform(inputs.sample_map).filter(pl.col("primary").is_in(subjects["subject_id"].implode()))
    return rows.sort("assay", "primary", "colname", nulls_last=False, maintain_order=True)


def _known(table: Path, names: list[str], rows: int) -> np.ndarray:
    """Return which rows have a value in any of the columns, as booleans of shape (rows,)."""
    known = np.zeros(rows, dtype=bool)
    for start, block in slices(table, names, rows if names else 0, max(1, CELLS // max(1, len(names)))):
        known[start : start + block.height] = block.select(pl.any_horizontal(pl.all().is_not_null())).to_series().to_numpy()
    return known


def _feature_columns(analysis: Mapping[str, pl.DataType], features: Mapping[str, pl.DataType]) -> list[str]:
    """Return the columns of the analysis table that hold radiomic features: those that end with the name of one."""
    declared = {column.name for column in tables.FEATURES.columns}
    names = tuple(name for name, dtype in features.items() if name not in declared and dtype.is_numeric())
    return [c for c, dtype in analysis.items() if names and c.endswith(names) and dtype.is_numeric()]


def _wide_endpoints(adtte: pl.DataFrame) -> pl.DataFrame:
    """Return one row per subject with `<PARAMCD>_AVAL`, `<PARAMCD>_CNSR` and, where they are needed, `<PARAMCD>_ENTRY`
    (subjects enter late), `<PARAMCD>_AVAL_MIN` and `<PARAMCD>_AVAL_MAX` (some event is known in part: AVAL alone would lose it)."""
    wide = (
        adtte.select("subject_id").unique().sort("subject_id") if adtte.height else pl.DataFrame(schema={"subject_id": pl.Int64})
    )
    if not adtte.height:
        return wide
    for code in adtte["PARAMCD"].unique().sort().to_list():
        part = adtte.filter(pl.col("PARAMCD") == code).unique("subject_id", keep="first", maintain_order=True)
        bounds = ("AVAL_MIN", "AVAL_MAX") if _known_in_part(part) else ()
        columns = [name for name in ("AVAL", *bounds, "CNSR", "ENTRY") if name in part.columns]
        part = part.select("subject_id", *(pl.col(name).alias(f"{code}_{name}") for name in columns))
        wide = wide.join(part, on="subject_id", how="left")
    return wide


def _known_in_part(rows: pl.DataFrame) -> bool:
    """Tell whether an event among the rows of an endpoint is known as an interval alone."""
    if "AVAL_MIN" not in rows.columns:
        return False
    part = (pl.col("CNSR") == 0) & pl.col("AVAL").is_null() & pl.col("AVAL_MIN").is_not_null()
    return bool(rows.select(part.any()).item())


def _wide_responses(adrs: pl.DataFrame, codes: Sequence[str]) -> pl.DataFrame:
    """Return one row per subject with `<PARAMCD>_AVALC` of each best response."""
    best = adrs.filter(pl.col("PARAMCD").is_in(codes)).with_columns(pl.concat_str("PARAMCD", pl.lit("_AVALC")).alias("PARAMCD"))
    return best.pivot("PARAMCD", index="subject_id", values="AVALC").sort("subject_id")


def mark_chosen(sample_map: pl.DataFrame, modalities: list[multimodal.Modality]) -> pl.DataFrame:
    """Return `sample_map` with `chosen`: whether the sample is the row of its subject in one of the `modalities`."""
    pairs = [(m.name, str(sample)) for m in modalities if "sample" in m.obs.columns for sample in m.obs["sample"]]
    chosen = pl.DataFrame(pairs, schema={"assay": pl.String, "colname": pl.String}, orient="row").with_columns(
        chosen=pl.lit(True)
    )
    return sample_map.join(chosen, on=["assay", "colname"], how="left", maintain_order="left").with_columns(
        pl.col("chosen").fill_null(False)
    )


def symbols_of(var: pd.DataFrame) -> dict[str, str]:
    """Return the symbols of the variables of `var` that are not named by theirs.

    >>> import pandas as pd
    >>> symbols_of(pd.DataFrame({"symbol": ["TP53", ""]}, index=["ENSG00000141510", "ENSG00000000001"]))
    {'ENSG00000141510': 'TP53'}
    """
    column = next((name for name in ("symbol", "gene_name") if name in var), None)
    if column is None:
        return {}
    named = zip(var.index, var[column].astype(object), strict=True)
    return {str(variable): symbol for variable, symbol in named if isinstance(symbol, str) and symbol and symbol != variable}
