"""Olink's NPX as NPX Manager exports them for a spreadsheet: assays in columns under lines that name them, samples in rows.

The lines above the samples begin with Panel, Assay, Uniprot ID and OlinkID; those below with LOD, Missing Data freq. and Normalization.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import NOT_A_NUMBER, REPEATED_SAMPLE, UNKNOWN_UNIT
from unibase.omics.readers.numerals import MISSING
from unibase.omics.readers.olink import CONTROL
from unibase.omics.readers.tabular import Table
from unibase.omics.recognise.matrix import Matrix
from unibase.omics.recognise.names import plain

_BELOW = ("lod", "maxlod", "platelod", "missingdatafreq", "normalization", "normalisation")
"""What the first cells of lines below the samples say."""


@dataclass(frozen=True)
class _Sheet:
    """The lines of an export.

    Attributes:
        rows: All lines as cells.
        heads: Place of each line above the samples, by its first cell.
    """

    rows: list[list[str]]
    heads: dict[str, int]

    @classmethod
    def of(cls, table: Table, most: int | None = None) -> _Sheet:
        """Return the lines of `table`, the first `most` of its body or all."""
        height = table.frame.height if most is None else min(most, table.frame.height)
        part = Table(table.titles, table.frame[:height])
        body = [list(row) for row in zip(*(part.texts(i) for i in range(len(table.titles))), strict=True)]
        rows = [list(table.titles), *([list(table.subtitles)] if table.subtitles else []), *body]
        heads: dict[str, int] = {}
        for place, row in enumerate(rows[:_HEAD]):
            heads.setdefault(plain(row[0]), place)
        return cls(rows, heads)

    def line(self, head: str) -> list[str]:
        """Return the line above the samples that begins with `head`."""
        return self.rows[self.heads[head]]

    def below_heads(self) -> list[list[str]]:
        """Return the lines below those that name the assays."""
        return self.rows[max(self.heads[name] for name in ("olinkid", "assay", "unit") if name in self.heads) + 1 :]


_HEAD = 12
"""Lines in which those above the samples stand."""


def is_wide_npx(table: Table) -> bool:
    """Whether a table is Olink's form for spreadsheets: lines of assays and of their numbers stand above the samples.

    Args:
        table: As `tabular.read_table` gives it.
    """
    return {"assay", "olinkid"} <= set(_Sheet.of(table, _HEAD).heads)


def matrix_of_wide_npx(table: Table) -> Matrix:
    """Return the samples x assays of Olink's form for spreadsheets. Control samples are left out; samples with a warning are counted.

    An assay is named as in the long form: `IL6`, and `IL6:OID20563` where several panels have it.

    Args:
        table: As `tabular.read_table` gives it.

    Raises:
        Unusable: `unknown-unit` for concentrations; `not-a-number`; `repeated-sample`.
    """
    sheet = _Sheet.of(table)
    _refuse_concentrations(sheet)
    numbers, assays = sheet.line("olinkid"), sheet.line("assay")
    columns = [i for i, cell in enumerate(numbers) if i and cell]
    rows = _samples(sheet.below_heads())
    measured = [row for row in rows if not CONTROL.match(row[0])]
    samples = _distinct_names(measured)
    evidence = (_FORM, *_counted(len(rows) - len(measured), measured))
    names = _names([assays[i] for i in columns], [numbers[i] for i in columns])
    return Matrix(samples, names, _values(measured, columns), None, None, "samples-in-rows", "Olink's assays", evidence)


_FORM = "Olink's form for spreadsheets: assays in columns under lines of panels, assays and OlinkID"


def _refuse_concentrations(sheet: _Sheet) -> None:
    if "unit" in sheet.heads and any(cell and plain(cell) != "npx" for cell in sheet.line("unit")[1:]):
        raise Unusable(UNKNOWN_UNIT, "The line Unit names concentrations.", "Export the table as NPX.")


def _distinct_names(measured: list[list[str]]) -> list[str]:
    """Return the names of the samples, each of its own."""
    samples = [row[0] for row in measured]
    if len(set(samples)) < len(samples):
        raise Unusable(REPEATED_SAMPLE, "Two rows have one name.", "Give each sample a name of its own.")
    return samples


def _counted(controls: int, measured: list[list[str]]) -> list[str]:
    """Return the sentences about controls that are left out and samples with a warning that are kept."""
    warned = sum(any(plain(cell) in ("warning", "warn") for cell in row) for row in measured)
    told = ((controls, "control samples left out"), (warned, "samples kept that have a QC warning"))
    return [f"{count} {what}" for count, what in told if count]


def _values(measured: list[list[str]], columns: list[int]) -> np.ndarray:
    """Return the numbers of samples x assays, with both lengths where there are none."""
    values = [[_number(row[i], place) for i in columns] for place, row in enumerate(measured, 1)]
    return np.array(values, dtype=np.float64).reshape(len(measured), len(columns))


def _samples(rows: Sequence[list[str]]) -> list[list[str]]:
    """Return the lines of samples: those with a name, above what is said of the assays."""
    found = []
    for row in rows:
        if plain(row[0]) in _BELOW:
            break
        if row[0]:
            found.append(row)
    return found


def _names(assays: list[str], numbers: list[str]) -> list[str]:
    named = [assay or number for assay, number in zip(assays, numbers, strict=True)]
    return [f"{name}:{number}" if named.count(name) > 1 else name for name, number in zip(named, numbers, strict=True)]


def _number(cell: str, row: int) -> float:
    if cell in MISSING or not cell:
        return float("nan")
    try:
        return float(cell.replace(",", "."))
    except ValueError:
        raise Unusable(
            NOT_A_NUMBER, f"A cell of the {row}. sample is no number.", "Correct it; missing values are empty."
        ) from None
