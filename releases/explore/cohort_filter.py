"""Filters over all that a release knows of its subjects: which columns there are, and who meets conditions on them.

A column is read when a condition first asks for it, one gene of a wide assay as well, and then kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from math import isfinite
from pathlib import Path

import polars as pl

from unibase.groundwork.problems import UserError
from unibase.releases.content import manifest
from unibase.releases.read.open import gene_symbols, read_variables, variable_names

EVENT = "event:"
"""What the name of a column begins with that says whether a subject has an event of a code, at whatever time."""
SIGNS: Mapping[str, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    "=": pl.Expr.eq,
    "!=": pl.Expr.ne,
    ">=": pl.Expr.ge,
    ">": pl.Expr.gt,
    "<=": pl.Expr.le,
    "<": pl.Expr.lt,
}
"""Signs that compare; `known` and `unknown` ask whether there is a value."""
_MOST_KEPT = 200


@dataclass(frozen=True)
class Condition:
    """What is asked of a column.

    Attributes:
        name: A column of `subjects` or `analysis`, `MODALITY:VARIABLE`, or `event:CODE`.
        sign: One of `SIGNS`, or `known`, `unknown`.
        value: What is compared with, as text.
    """

    name: str
    sign: str
    value: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.sign} {self.value}".strip()


@dataclass
class Columns:
    """The columns of a release, aligned with its subjects.

    Attributes:
        folder: Folder of the release.
        kept: Columns that were read.
    """

    folder: Path
    kept: dict[str, pl.Series] = field(default_factory=dict)

    @cached_property
    def about(self) -> Mapping[str, object]:
        """The manifest."""
        return manifest.read(self.folder)

    @cached_property
    def subjects(self) -> pl.DataFrame:
        """The table of subjects, in order of subject_id."""
        return pl.read_parquet(self.folder / "tables" / "subjects.parquet").sort("subject_id")

    @cached_property
    def analysis(self) -> Sequence[str]:
        """Names of the columns of the analysis table that the table of subjects does not have."""
        names = pl.scan_parquet(self.folder / "tables" / "analysis.parquet").collect_schema().names()
        return [name for name in names if name not in self.subjects.columns]

    @cached_property
    def variables(self) -> Mapping[str, Sequence[str]]:
        """Names of the variables of each modality."""
        modalities = dict(self.about.get("modalities", {}))  # type: ignore[call-overload]
        return {modality: variable_names(self.folder, modality) for modality in modalities}

    @cached_property
    def symbols(self) -> Mapping[str, Mapping[str, Sequence[str]]]:
        """Modality to the symbols of its genes, and the variables that each stands for."""
        found: dict[str, dict[str, list[str]]] = {}
        for modality, own in self.variables.items():
            for symbol, name in zip(gene_symbols(self.folder, modality), own, strict=False):
                if symbol not in ("", name):
                    found.setdefault(modality, {}).setdefault(symbol, []).append(name)
        return found

    def variable(self, name: str) -> tuple[str, str]:
        """Return modality and variable of the column `name`; a gene may be named by its symbol.

        Raises:
            UserError: If the modality has no such variable, or several of one symbol.
        """
        modality, _, variable = name.partition(":")
        stand_for = self.symbols.get(modality, {}).get(variable, [variable])
        if variable in self.variables[modality]:
            return modality, variable
        if len(stand_for) > 1:
            raise UserError(f"{variable} is the symbol of {', '.join(stand_for)}. Name one of them.")
        return modality, stand_for[0]

    def of(self, name: str) -> pl.Series:
        """Return the column `name`, a value a subject; null where there is none.

        Raises:
            UserError: If the release has no such column.
        """
        if name not in self.kept:
            if len(self.kept) >= _MOST_KEPT:
                self.kept.pop(next(iter(self.kept)))
            self.kept[name] = self._read(name)
        return self.kept[name]

    def _read(self, name: str) -> pl.Series:
        if name in self.subjects.columns:
            return self.subjects[name]
        if name in self.analysis:
            return self._aligned(pl.read_parquet(self.folder / "tables" / "analysis.parquet", columns=["subject_id", name]), name)
        if name.startswith(EVENT):
            return self._has_event(name.removeprefix(EVENT))
        if ":" in name and name.partition(":")[0] in self.variables:
            modality, variable = self.variable(name)
            return self._aligned(read_variables(self.folder, modality, [variable]), variable).alias(name)
        raise UserError(f"The release has no column {name}. Its dictionary lists them; write a variable as MODALITY:VARIABLE.")

    def _aligned(self, frame: pl.DataFrame, name: str) -> pl.Series:
        return self.subjects.select("subject_id").join(frame, on="subject_id", how="left", maintain_order="left")[name]

    def _has_event(self, code: str) -> pl.Series:
        files = sorted((self.folder / "timeline" / "data").rglob("*.parquet"))
        scan = pl.scan_parquet(files, hive_partitioning=False).filter(pl.col("code") == code).select("subject_id").unique()
        have = scan.collect(engine="streaming")["subject_id"]
        return self.subjects["subject_id"].is_in(have.implode()).alias(EVENT + code)

    def chosen(self, conditions: Sequence[Condition]) -> pl.Series:
        """Return which subjects meet all `conditions`; a value that is not known meets none but `unknown`.

        Raises:
            UserError: If a column is not there, or its values cannot be compared so.
        """
        mask = pl.Series("chosen", [True], dtype=pl.Boolean).new_from_index(0, self.subjects.height)
        for condition in conditions:
            column = self.of(condition.name).alias("column")
            met = pl.select(column).select(expression(condition, column.dtype).fill_null(False)).to_series()
            mask = mask & met
        return mask.alias("chosen")


def expression(condition: Condition, dtype: pl.DataType) -> pl.Expr:
    """Return a condition on `column`, of a type.

    Args:
        condition: What is asked.
        dtype: Type of the column.

    Raises:
        UserError: If the sign is none, or does not go with the type, or the value is not of it.

    >>> pl.DataFrame({"column": [59.0, 60.0, None]}).select(expression(Condition("AGE", ">=", "60"), pl.Float64()))["column"].to_list()
    [False, True, None]
    """
    column = pl.col("column")
    if condition.sign in ("known", "unknown"):
        there = column if dtype == pl.Boolean else column.is_not_null()
        return there if condition.sign == "known" else ~there
    if condition.sign not in SIGNS:
        raise UserError(f"{condition.sign} compares nothing. Use {', '.join(SIGNS)}, known or unknown.")
    if dtype in (pl.String, pl.Boolean) and condition.sign not in ("=", "!="):
        raise UserError(f"The values of {condition.name} have no order here. Compare them by = or !=.")
    return SIGNS[condition.sign](column, pl.lit(value_of(condition, dtype)))


def value_of(condition: Condition, dtype: pl.DataType) -> float | bool | date | str:
    """Return the value of a condition in the type of its column.

    Args:
        condition: What is asked.
        dtype: Type of the column.

    Raises:
        UserError: If the value is not of the type.
    """
    text = condition.value.strip()
    try:
        if dtype.is_numeric():
            return _finite(text)
        if dtype.is_temporal():
            return date.fromisoformat(text)
        if dtype == pl.Boolean:
            return {"true": True, "false": False}[text.lower()]
    except (ValueError, KeyError):
        kind = "a number" if dtype.is_numeric() else "a day as 2016-01-31" if dtype.is_temporal() else "true or false"
        raise UserError(f"{condition.name} is compared with {kind}, and not with what was given.") from None
    return text


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):  # Every number is at most what is no number, to polars.
        raise ValueError(text)
    return number


_WRITTEN = re.compile(r"(?P<name>[^<>=!]+?)\s*(?P<sign>>=|<=|!=|=|>|<|\bknown$|\bunknown$)\s*(?P<value>.*)$")


def parse(text: str) -> Condition:
    """Return a condition as it is written.

    Args:
        text: Such as `AGE >= 60`, `rna:MKI67 known`.

    Raises:
        UserError: If it is none.

    >>> parse("AGE >= 60"), parse("event:ICD10//C34.1 known").sign
    (Condition(name='AGE', sign='>=', value='60'), 'known')
    """
    found = _WRITTEN.match(text.strip())
    if found is None:
        raise UserError("A filter is a column, a sign and a value, such as AGE >= 60 or rna:MKI67 known.")
    return Condition(found["name"].strip(), found["sign"], found["value"].strip())
