"""T, N, M and stage in one vocabulary: what each centre writes its own way becomes one ordered category, its text kept beside.

`cT3`, `pT3`, `T3` and `3` are all T3; the prefix (clinical, pathological, after treatment, ...) goes to a column of its
own. A text that is no category stays in the text column and leaves the category empty.

Source of the vocabulary: TNM Classification of Malignant Tumours, 8th edition (UICC 2017); AJCC Cancer Staging Manual, 8th edition.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

PREFIXES = "y?r?[cpa]?|r?y?[cpa]?"
"""c clinical, p pathological, y after treatment, r recurrence, a autopsy."""

_TNM = {
    "T": re.compile(rf"(?P<prefix>{PREFIXES})T?(?P<level>X|[0-4](?:mi|[a-d][1-3]?)?|is)(?P<rest>.*)", re.IGNORECASE),
    "N": re.compile(rf"(?P<prefix>{PREFIXES})N?(?P<level>X|[0-3](?:mi|[a-c])?)(?P<rest>.*)", re.IGNORECASE),
    "M": re.compile(rf"(?P<prefix>{PREFIXES})M?(?P<level>X|[01](?:[a-d])?)(?P<rest>.*)", re.IGNORECASE),
}
_REST = re.compile(r"(?:\s*\([^()]*\))*\s*")
"""What may follow: additions in brackets, such as (i+), (sn), (DCIS), (m)."""
_STAGE = re.compile(r"(?:stage|stade)?\s*(?P<level>0(?:is|a)?|IV[A-C]?[1-2]?|I{1,3}[A-D]?[1-3]?)", re.IGNORECASE)

ORDER = {
    "T": ("T0", "Tis", "T1", "T2", "T3", "T4", "TX"),
    "N": ("N0", "N1", "N2", "N3", "NX"),
    "M": ("M0", "M1", "MX"),
    "STAGE": ("0", "I", "II", "III", "IV"),
}
"""Categories in order; a finer one (T4b, IIIA) comes after its own."""


@dataclass(frozen=True)
class Category:
    """A category and the prefix before it; both empty where the text is none."""

    level: str | None
    prefix: str | None = None


def read_category(kind: str, text: str | None) -> Category:
    """Return the category that a text writes.

    Args:
        kind: T, N, M or STAGE.
        text: As the source has it.

    >>> read_category("T", "ypT2a (m)")
    Category(level='T2a', prefix='yp')
    >>> read_category("M", "0")
    Category(level='M0', prefix=None)
    >>> read_category("T", "unknown")
    Category(level=None, prefix=None)
    """
    written = (text or "").strip()
    if kind == "STAGE":
        found = _STAGE.fullmatch(written)
        return Category(_stage(found["level"])) if found else Category(None)
    match = _TNM[kind].fullmatch(written)
    if match is None or not _REST.fullmatch(match["rest"]):
        return Category(None)
    level = match["level"].lower()
    return Category(kind + ("X" if level == "x" else level), match["prefix"].lower() or None)


def _stage(level: str) -> str:
    return level.lower() if level.startswith("0") else level.upper()


def rank(kind: str, level: str) -> tuple[int, str]:
    """Return a key that orders the categories of a `kind` by `level`; unknown ones come last.

    >>> sorted(["T3", "TX", "T1b", "T1"], key=lambda level: rank("T", level))
    ['T1', 'T1b', 'T3', 'TX']
    """
    known = ORDER[kind]
    base = max((name for name in known if level.startswith(name)), key=len, default="")
    return (known.index(base) if base else len(known), level)


def in_one_vocabulary(subjects: pl.DataFrame) -> pl.DataFrame:
    """Return the subjects with T, N, M and STAGE as categories, and beside each its text; T, N and M have a prefix, too.

    `T` becomes `T`, `T_prefix` and `T_text`; a table without these columns, or with the texts already,
    stays as it is. A `T_prefix` that is there already, read from the source before, counts where the text holds none.
    """
    columns: list[pl.Series] = []
    given = {f"{name}_prefix": name for name in ORDER if f"{name}_text" not in subjects.columns}
    for column in subjects.columns:
        if given.get(column) in subjects.columns:
            continue
        if column not in ORDER or subjects.schema[column] != pl.String or f"{column}_text" in subjects.columns:
            columns.append(subjects[column])
            continue
        found = [read_category(column, text) for text in subjects[column].to_list()]
        columns.append(pl.Series(column, [one.level for one in found], dtype=pl.String))
        if column != "STAGE":
            told = subjects[name].to_list() if (name := f"{column}_prefix") in subjects.columns else [None] * subjects.height
            prefixes = [one.prefix or before for one, before in zip(found, told, strict=True)]
            columns.append(pl.Series(name, prefixes, dtype=pl.String))
        columns.append(subjects[column].alias(f"{column}_text"))
    return pl.DataFrame(columns)
