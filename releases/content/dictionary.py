"""The data dictionary of a release: a row for every column of every table and modality, or no release.

Descriptions come from the rooms that made the columns (pieces), from the table schemas of the house, and from the
standards (MEDS, CDISC ADaM). Empty cells are counted here, from the data released; `weighing` says what is shown of them.
"""

from __future__ import annotations

import fnmatch
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from unibase.groundwork.files import write_json
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import write_parquet
from unibase.releases.content.column_words import TEXT_FIELDS, house, of_annotation, of_value
from unibase.releases.content.csv_files import write_csv
from unibase.releases.content.inputs import HARMONISED
from unibase.releases.content.stability_words import Stability

SCHEMA = pl.Schema(
    {
        "table": pl.String(),
        "column": pl.String(),
        "label": pl.String(),
        "type": pl.String(),
        "unit": pl.String(),
        "codes": pl.String(),
        "derivation": pl.String(),
        "source": pl.String(),
        "icc_2_1": pl.Float64(),
        "icc_2_1_low": pl.Float64(),
        "rows": pl.Int64(),
        "missing": pl.Int64(),
        "missing_by_reason": pl.String(),
        "completeness_by_centre": pl.String(),
    }
)

COUNTS = ("rows", "missing", "missing_by_reason", "completeness_by_centre", "icc_2_1", "icc_2_1_low")
"""The columns that are counted or measured in the data released; all others describe them."""


@dataclass(frozen=True)
class ModalityNames:
    """The names a reader meets in a modality of the cohort file.

    Attributes:
        variables: Names of the variables (genes, features).
        annotations: Columns of obs and var.
        measured: Whether the variables are those of an assay, which one description holds for.
        symbols: Variable to its symbol, where it is named otherwise: ENSG00000141510 to TP53.
    """

    variables: Iterable[str]
    annotations: Iterable[str]
    measured: bool = False
    symbols: Mapping[str, str] = field(default_factory=dict)


Text = dict[str, str]
"""The words of one column, by `TEXT_FIELDS`."""
Row = dict[str, Any]
"""A row of the dictionary, by `SCHEMA`."""


@dataclass(frozen=True)
class Words:
    """What the pieces say: `(table, column)` to words, and `(table, pattern, words)` in order; no table stands for all."""

    exact: Mapping[tuple[str, str], Text]
    patterns: Sequence[tuple[str, str, Text]]

    def pattern(self, table: str, column: str) -> Text | None:
        """Return the words of the first pattern of a table that a column fits, or None."""
        return next((text for where, p, text in self.patterns if where == table and fnmatch.fnmatchcase(column, p)), None)


class Tally:
    """What the dictionary counts of one table, added up block by block.

    Attributes:
        schema: Columns and types.
        rows: Number of rows.
        missing: Nulls of each column.
        reasons: Of those, how many for each reason, where it is known.
    """

    def __init__(self, why: Callable[[pl.DataFrame], Mapping[str, Mapping[str, int]]] = lambda _: {}) -> None:
        """Start at nothing.

        `why`: gives, for a block, the reasons of the empty cells of its columns; see `missingness.Reasons`.
        """
        self._why = why
        self.reasons: dict[str, Counter[str]] = {}
        self.schema = pl.Schema()
        self.rows = 0
        self.missing: Counter[str] = Counter()

    def add(self, block: pl.DataFrame) -> None:
        """Count a further block of the table."""
        self.schema = block.schema
        self.rows += block.height
        if not block.width or not block.height:
            return
        for name, nulls in zip(block.columns, block.null_count().row(0), strict=True):
            self.missing[name] += nulls
        for name, reasons in self._why(block).items():
            self.reasons.setdefault(name, Counter()).update(reasons)


def build(
    counted: Mapping[str, Tally],
    pieces: Sequence[pl.DataFrame],
    modalities: Mapping[str, ModalityNames] | None = None,
    stability: Stability | None = None,
) -> pl.DataFrame:
    """Describe every column of the counted tables and of `modalities`.

    Args:
        counted: Table name to what was counted of it.
        pieces: See `ReleaseInputs.dictionary`. The first that fits wins; one for the table goes before one for all,
            a full name before a pattern.
        modalities: Modalities of the cohort file; a name described for a table keeps that description.
        stability: What is known of how stable the columns of the analysis table are: `icc_2_1` and its lower limit.

    Returns:
        The dictionary, ordered by table as given and by column as the table has it. Its counts are those of the data: what may
        be shown of them is for `weighing` to say.

    Raises:
        UserError: If a column has no description; the text names table and columns.
    """
    words = _index(pieces)
    undescribed: list[str] = []
    rows = [row for table, found in counted.items() for row in _of_table(table, found, words, undescribed)]
    known: dict[str, Text] = {row["column"]: {name: row[name] for name in TEXT_FIELDS} for row in reversed(rows)}
    for modality, names in (modalities or {}).items():
        rows += _of_modality(modality, names, words, known, undescribed)
    if undescribed:
        some = ", ".join(undescribed[:20]) + (f" and {len(undescribed) - 20} more" if len(undescribed) > 20 else "")
        raise UserError(
            f"The data dictionary says nothing of {len(undescribed)} columns: {some}. Describe them in a dictionary piece."
        )
    _add_symbols(rows, modalities or {})
    _add_stability(rows, stability or {})
    return pl.DataFrame(rows, schema=SCHEMA)


def _of_table(table: str, found: Tally, words: Words, undescribed: list[str]) -> Iterator[Row]:
    """Yield a row for each column of a table; one that nothing describes goes to `undescribed`."""
    for column, dtype in found.schema.items():
        text = _describe(table, column, words)
        if text is None:
            undescribed.append(f"{table}.{column}")
            continue
        text["type"] = text["type"] or _type_name(dtype)
        reasons = found.reasons.get(column)
        counts = {"rows": found.rows, "missing": found.missing[column]}
        why = json.dumps(reasons, sort_keys=True) if reasons else ""
        yield {"table": table, "column": column, **text, **counts, "missing_by_reason": why, "completeness_by_centre": ""}


def _of_modality(
    modality: str, names: ModalityNames, words: Words, known: Mapping[str, Text], undescribed: list[str]
) -> Iterator[Row]:
    """Yield a row for each variable and annotation of a modality; one that a table has keeps the words `known` of it there."""
    variables = dict.fromkeys(str(name) for name in names.variables)
    uncounted = {"rows": None, "missing": None, "missing_by_reason": "", "completeness_by_centre": ""}
    for column in dict.fromkeys([*variables, *(str(name) for name in names.annotations)]):
        text = _describe(modality, column, words) or known.get(column)
        if text is None:
            text = of_value(modality, column) if names.measured and column in variables else of_annotation(column)
        if text is None:
            undescribed.append(f"{modality}.{column}")
            continue
        if column in variables and column in names.symbols:
            text = {**text, "label": names.symbols[column]}
        yield {"table": modality, "column": column, **text, **uncounted}


def _add_symbols(rows: Iterable[Row], modalities: Mapping[str, ModalityNames]) -> None:
    """Put the symbol of a gene into the label of its column of the analysis table."""
    symbols = {f"{m}_{v}": symbol for m, names in modalities.items() for v, symbol in names.symbols.items()}
    for row in rows:
        column = row["column"].removeprefix(HARMONISED)
        if row["table"] == "analysis" and column in symbols:
            row["label"] = f"{row['label']}: {symbols[column]}"


def _add_stability(rows: Iterable[Row], stability: Stability) -> None:
    for row in rows:
        if row["table"] in ("analysis", "radiomics") and row["column"] in stability:
            row["icc_2_1"], row["icc_2_1_low"], _ = stability[row["column"]]


def to_json(dictionary: pl.DataFrame) -> list[dict[str, object]]:
    """Return the dictionary as JSON objects, reasons and completeness as objects."""
    rows = dictionary.to_dicts()
    for row in rows:
        for name in ("missing_by_reason", "completeness_by_centre"):
            row[name] = json.loads(row[name] or "{}")
    return rows


def write(dictionary: pl.DataFrame, folder: Path) -> None:
    """Write a dictionary as Parquet, CSV and JSON into a folder.

    Args:
        dictionary: As `build` returns it, weighed.
        folder: Where the three files go.
    """
    write_parquet(dictionary, folder / "dictionary.parquet")
    write_csv(dictionary, folder / "dictionary.csv")
    write_json(folder / "dictionary.json", to_json(dictionary))


def _index(pieces: Sequence[pl.DataFrame]) -> Words:
    exact: dict[tuple[str, str], Text] = {}
    patterns: list[tuple[str, str, Text]] = []
    for piece in pieces:
        for row in piece.to_dicts():
            text = {name: str(row.get(name) or "") for name in TEXT_FIELDS}
            table, column = str(row.get("table") or ""), str(row["column"])
            if "*" in column:
                patterns.append((table, column, text))
            else:
                exact.setdefault((table, column), text)
    return Words(exact, patterns)


def _describe(table: str, column: str, words: Words) -> Text | None:
    own = words.exact.get((table, column)) or words.pattern(table, column)
    if own is None:
        own = house(table).get(column) or words.exact.get(("", column)) or words.pattern("", column)
    return dict(own) if own is not None else None


def _type_name(dtype: pl.DataType) -> str:
    if dtype.is_integer():
        return "integer"
    if dtype.is_float():
        return "float"
    if dtype == pl.Boolean:
        return "boolean"
    if dtype == pl.Date:
        return "date"
    if isinstance(dtype, pl.Datetime):
        return "datetime"
    return "string"
