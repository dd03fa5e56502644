"""What every feature column means: family, IBSI code, aggregation, unit, definition, and where PyRadiomics departs from IBSI.

Three tables in the package: `pyradiomics_features.csv`, the features of PyRadiomics by their names in a FEATURES table
(`firstorder_Mean`), `ibsi_features.csv`, those of IBSI-1 by the tags of its reference manual (`cm_contrast_3D_avg`), and
`ibsi_definitions.csv`, what each of its codes means.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files

import polars as pl

from unibase.groundwork.tables import FEATURES
from unibase.imaging.dose.metric_names import metric_words
from unibase.imaging.radiomics.enhancement_curve import ENHANCEMENT

_DEEP = re.compile(r"deep_\d{4,}")

COLUMNS = {
    "column": "Name of the column in the FEATURES table.",
    "family": "Family of the feature, in IBSI's terms.",
    "ibsi_code": "Permanent code of the feature in the IBSI reference manual; null when IBSI has no such feature.",
    "aggregation": "How texture matrices of several directions or slices are joined; null where there is nothing to join.",
    "unit": "UCUM-like unit; `intensity` stands for the unit of the image (HU, SUVbw, ...).",
    "deprecated": "Whether PyRadiomics computes it only when it is named.",
    "definition": "What the value is.",
    "difference": "Where PyRadiomics departs from IBSI; null when it does not or the column is IBSI's own.",
}


@dataclass(frozen=True)
class _Words:
    """What is said of one column; the fields are `COLUMNS`."""

    column: str
    family: str
    ibsi_code: str | None = None
    aggregation: str | None = None
    unit: str | None = None
    deprecated: bool = False
    definition: str | None = None
    difference: str | None = None


def feature_dictionary(columns: Iterable[str]) -> pl.DataFrame:
    """Return one row per given column of a FEATURES table, in their order; the columns of the result are `COLUMNS`.

    Columns that identify a row (subject, series, region, ...) are described too, under the family `identity`.

    Raises:
        KeyError: If a column is neither a feature nor a declared column of the FEATURES table; a release must not
            hold a column that nobody can explain.
    """
    described = _described()
    identity = {column.name: column for column in FEATURES.columns}
    rows = []
    for column in columns:
        if column in described:
            rows.append(described[column])
        elif (dose := metric_words(column)) is not None:
            rows.append(_Words(column, "dose", unit=dose[0], definition=dose[1]))
        elif _DEEP.fullmatch(column):
            text = "Value of the output of the deep model that image_type and image_notes name by its digest, by its place."
            rows.append(_Words(column, "deep", definition=text))
        elif column in ENHANCEMENT:
            unit, text = ENHANCEMENT[column]
            rows.append(_Words(column, "enhancement", unit=unit, definition=text))
        elif column in identity:
            text, unit = identity[column].text, identity[column].unit
            rows.append(_Words(column, "identity", unit=unit, definition=text))
        else:
            raise KeyError(f"no description of the feature column {column}")
    schema = {name: pl.Boolean if name == "deprecated" else pl.String for name in COLUMNS}
    return pl.DataFrame([asdict(row) for row in rows], schema=schema)


def feature_names(feature_class: str, deprecated: bool = True) -> list[str]:
    """Return the features of one PyRadiomics class, `feature_class`, with or without the `deprecated` ones.

    >>> feature_names("ngtdm")
    ['Coarseness', 'Contrast', 'Busyness', 'Complexity', 'Strength']
    """
    rows = _pyradiomics().filter(pl.col("feature_class") == feature_class)
    if not deprecated:
        rows = rows.filter(~pl.col("deprecated"))
    return rows["feature"].to_list()


def pyradiomics_columns(deprecated: bool = True) -> list[str]:
    """Return all columns that PyRadiomics can fill (`firstorder_Mean`), with or without the deprecated ones."""
    rows = _pyradiomics() if deprecated else _pyradiomics().filter(~pl.col("deprecated"))
    return rows["column"].to_list()


@cache
def _pyradiomics() -> pl.DataFrame:
    return pl.read_csv(
        files("unibase.imaging.radiomics.data").joinpath("pyradiomics_features.csv").read_bytes(),
        schema_overrides={"deprecated": pl.Boolean},
    )


@cache
def _described() -> dict[str, _Words]:
    rows = {row["column"]: _Words(**{name: row[name] for name in COLUMNS}) for row in _pyradiomics().iter_rows(named=True)}
    ibsi = pl.read_csv(files("unibase.imaging.radiomics.data").joinpath("ibsi_features.csv").read_bytes())
    definitions = dict(
        pl.read_csv(files("unibase.imaging.radiomics.data").joinpath("ibsi_definitions.csv").read_bytes()).iter_rows()
    )
    for row in ibsi.iter_rows(named=True):
        rows[row["column"]] = _Words(
            row["column"],
            row["family"],
            ibsi_code=row["ibsi_code"],
            aggregation=row["aggregation"],
            unit=row["unit"],
            definition=f"{row['feature']}: {definitions[row['ibsi_code']]}",
        )
    return rows
