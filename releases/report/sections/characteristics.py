"""Section: who the subjects are, all and by centre (Table 1)."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from unibase.releases.content.leaving import IN_BANDS
from unibase.releases.content.weighing import Characteristic
from unibase.releases.disclosure.decisions import EITHER_SIDE
from unibase.releases.disclosure.level_counts import EVERYWHERE, MISSING
from unibase.releases.disclosure.quantiles import BOX_WHY, quantiles
from unibase.releases.disclosure.small_counts import MASK_TEXT
from unibase.releases.report.charts import number
from unibase.releases.report.data import Contents, ReportData, text
from unibase.releases.report.french import french
from unibase.releases.report.section import Section


@dataclass(frozen=True)
class Row:
    """A row of the table: its heading in French and in English, whether it opens a characteristic, and a cell for each group."""

    heading: tuple[str, str]
    opens: bool
    cells: tuple[str, ...]


def _rows_of(one: Characteristic, label: tuple[str, str], values: pl.DataFrame, data: ReportData, groups: list[str]) -> list[Row]:
    """Return the rows of one characteristic: its levels, or median and quartiles of a number, and who has no value.

    Args:
        one: What was weighed.
        label: The characteristic in French and in English.
        values: `centre` and `value` of each subject.
        data: The data of the page.
        groups: Centres, and `EVERYWHERE` for all subjects.
    """
    counts = one.counts.counts
    known = [level for level in one.counts.levels if level != MISSING]
    fr, en = label
    rows = [Row((fr, en), True, ("",) * len(groups))]
    if one.numeric:
        rows = [Row((f"{fr}, médiane (Q1 à Q3)", f"{en}, median (Q1 to Q3)"), True, _medians(one, values, data, groups))]
        known = []
    rows += [Row((level, level), False, tuple(text(counts[group, level]) for group in groups)) for level in known]
    if MISSING in one.counts.levels:
        rows.append(Row(("manquant", "missing"), False, tuple(text(counts[group, MISSING]) for group in groups)))
    return rows


def _medians(one: Characteristic, values: pl.DataFrame, data: ReportData, groups: list[str]) -> tuple[str, ...]:
    cells = []
    for group in groups:
        mine = values if group == EVERYWHERE else values.filter(pl.col("centre") == group)
        found = quantiles(mine["value"].drop_nulls().cast(pl.Float64).to_numpy(), data.min_cell)
        data.ruled("characteristics", f"{one.column} quantiles; {group or 'all'}", EITHER_SIDE, found is not None, BOX_WHY)
        if found is None:
            cells.append(MASK_TEXT)
        elif found.q1 is None or found.q3 is None:
            cells.append(number(found.median))
        else:
            cells.append(f"{number(found.median)} ({number(found.q1)}–{number(found.q3)})")
    return tuple(cells)


def contents(data: ReportData) -> Contents | None:
    """Return what the template shows; nothing where no column describes the subjects.

    Args:
        data: The data of the page.
    """
    found = data.weighed.characteristics
    if not found:
        return None
    centres = data.weighed.cohort.centres
    groups = [EVERYWHERE, *(centres if len(centres) > 1 else [])]
    words = data.dictionary.filter(pl.col("table") == "subjects")
    labels = {
        column: _with_unit(label or column, unit) for column, label, unit in words.select("column", "label", "unit").iter_rows()
    }
    subjects = data.table("subjects").sort("subject_id")
    centre_of = [data.weighed.cohort.people.of[i].centre for i in subjects["subject_id"]]
    rows = [
        row
        for one in found
        for row in _rows_of(
            one,
            labels.get(one.column, (one.column, one.column)),
            pl.DataFrame({"centre": centre_of, "value": subjects[one.column]}),
            data,
            groups,
        )
    ]
    of_age = words.filter(pl.col("column") == "AGE")["derivation"].fill_null("")
    return {"groups": groups[1:], "rows": rows, "in_bands": bool(of_age.str.contains(IN_BANDS, literal=True).any())}


def _with_unit(label: str, unit: str) -> tuple[str, str]:
    """Return a label with its unit in French and in English."""
    units = ("ans" if unit == "a" else unit, "years" if unit == "a" else unit)
    fr, en = (f"{words} ({told})" if told else words for words, told in zip((french(label), label), units, strict=True))
    return fr, en


SECTION = Section(
    "characteristics",
    ("Caractéristiques des sujets", "Characteristics of the subjects"),
    ("Sujets", "Subjects"),
    contents,
    after="flow",
)
