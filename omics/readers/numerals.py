"""How numbers are written: decimal points and commas, separators of thousands, and what is told of which is which."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import NOT_A_NUMBER

MISSING = ("", "NA", "NaN", "nan", "N/A", "n/a", "#N/A", "#NUM!", "#DIV/0!", "null", "NULL", "None", "na",
           "NAN", "<NA>", "ND", "N.D.", "nd", "n.d.", "Filtered", "-", "--", ".")  # fmt: skip
"""Cells that say that a value is missing."""
_BLANKS = " \u00a0\u202f'’"
_PLAIN = re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
_GROUPS_COMMA = re.compile(r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$")
_GROUPS_DOT = re.compile(r"^[+-]?\d{1,3}(\.\d{3})+(,\d+)?$")
_DECIMAL_COMMA = re.compile(r"^[+-]?\d+,\d+([eE][+-]?\d+)?$")


@dataclass(frozen=True)
class Numerals:
    """One style of writing numbers.

    Attributes:
        decimal_comma: `1,5` is one and a half.
        thousands: What stands between groups of three digits: `,`, `.`, or empty; blanks and apostrophes always may.
    """

    decimal_comma: bool = False
    thousands: str = ""

    def plain(self, column: pl.Series) -> pl.Series:
        """Return the texts of numbers in `column` as a computer writes them."""
        texts = (
            column.str.strip_chars()
            .str.replace_all(rf"(\d)[{_BLANKS}](\d)", "$1$2")
            .str.replace_all(rf"(\d)[{_BLANKS}](\d)", "$1$2")
        )
        if self.thousands:
            texts = texts.str.replace_all(self.thousands, "", literal=True)
        return texts.str.replace(",", ".", literal=True) if self.decimal_comma else texts

    def numbers(self, column: pl.Series) -> pl.Series | None:
        """Return a column of texts as numbers; None when a cell is none.

        >>> numeral_style([pl.Series(["1 234,5", "2,25"])]).numbers(pl.Series(["1 234,5", "NA"])).to_list()
        [1234.5, None]
        """
        texts = self.plain(column)
        found = texts.cast(pl.Float64(), strict=False)
        bad = texts.is_not_null() & ~texts.is_in(list(MISSING)) & found.is_null()
        return None if bad.any() else found

    def is_number(self, cell: str) -> bool:
        """Whether one cell is a number in this style, or missing.

        >>> numeral_style([pl.Series(["1,5", "2,25"])]).is_number("3,75")
        True
        """
        text = re.sub(rf"(?<=\d)[{_BLANKS}](?=\d)", "", cell.strip())
        return text in MISSING or bool(_PLAIN.match(text)) or bool(_DECIMAL_COMMA.match(text))

    def traits(self) -> tuple[str, ...]:
        """Say what is unusual of the style."""
        said = ("decimal commas",) if self.decimal_comma else ()
        return (*said, "separators of thousands") if self.thousands else said


@dataclass(frozen=True)
class Seen:
    """What was found in cells.

    Attributes:
        decimal_comma: Commas that can only be decimal.
        thousands: Separator of thousands that can only be one; empty when there is none.
        unclear: Commas or dots that can be read in two ways.
    """

    decimal_comma: bool
    thousands: str
    unclear: bool


def numerals_of(cells: Sequence[str]) -> Seen:
    """Tell how cells write numbers.

    Groups of three digits separate thousands when a number has two of them, or a point behind them; or when every number of one
    to three digits stands bare, none of four does, and none begins with `0` before the separator.

    >>> numerals_of(["1.234,5", "2,25"])
    Seen(decimal_comma=True, thousands='.', unclear=False)
    """
    comma = [cell for cell in cells if "," in cell]
    dots = [cell for cell in cells if "." in cell and "e" not in cell.lower()]
    bare = any(re.fullmatch(r"[+-]?\d{4,}", cell) for cell in cells)
    small = any(re.fullmatch(r"[+-]?[1-9]\d{0,2}", cell) for cell in cells)
    by_comma = [cell for cell in comma if _GROUPS_COMMA.match(cell) and not re.match(r"^[+-]?0", cell)]
    by_dot = [cell for cell in dots if _GROUPS_DOT.match(cell) and not re.match(r"^[+-]?0", cell)]
    decimal_comma = any((_DECIMAL_COMMA.match(c) and c not in by_comma) or (_GROUPS_DOT.match(c) and "." in c) for c in comma)
    points = any("." in cell and "," not in cell and cell not in by_dot for cell in cells)
    if decimal_comma:
        return Seen(True, "." if by_dot else "", points or any(cell.count(",") > 1 for cell in comma))
    grouped = any(cell.count(",") > 1 or "." in cell for cell in by_comma)
    if comma:
        alike = len(by_comma) == len(comma) and not bare
        return Seen(False, ",", False) if alike and (grouped or small) else Seen(False, "", True)
    if any(cell.count(".") > 1 for cell in dots):
        return Seen(False, ".", len(by_dot) < len(dots))
    return Seen(False, "", len(by_dot) == len(dots) > 20 and small and not bare)


def numeral_style(columns: Sequence[pl.Series]) -> Numerals:
    """Return the style in which the numbers of columns are written.

    Raises:
        Unusable: `not-a-number` when two styles fit, or cells contradict each other.

    >>> numeral_style([pl.Series(["1 234,5", "2,25"])]).decimal_comma
    True
    """
    seen = numerals_of([cell for column in columns for cell in _telling(column)])
    if seen.unclear:
        raise Unusable(
            NOT_A_NUMBER,
            "Of its commas or points nobody can tell whether they are decimal or separate thousands.",
            "Save the table with decimal points and without separators of thousands.",
        )
    return Numerals(seen.decimal_comma, seen.thousands)


def _telling(column: pl.Series) -> list[str]:
    """Return the distinct cells of a column that are numbers in any style."""
    texts = column.drop_nulls().str.strip_chars()
    return [str(cell) for cell in texts.filter(texts.str.contains(r"^[+-]?[\d.,]+([eE][+-]?\d+)?$")).unique().to_list()]


_ROUNDED = re.compile(rb"\b\d[.,](\d{1,2})E\+(\d\d)\b")


def rounded_by_spreadsheets(data: bytes) -> int:
    """Count numbers such as `1.23E+05`: a spreadsheet kept fewer digits than the whole number had.

    Args:
        data: Text of a table.
    """
    if b"E+" not in data:
        return 0
    return sum(int(match[2]) > len(match[1]) for match in _ROUNDED.finditer(data))


def cell_text(cell: object) -> str:
    """Return the text of a `cell` of a spreadsheet.

    >>> cell_text(5.0), cell_text(None)
    ('5', '')
    """
    return number_text(cell) if isinstance(cell, float) else "" if cell is None else str(cell).replace("\n", " ")


def number_text(value: float | None) -> str:
    """Return a number, `value`, as a text; whole ones without a point, missing ones empty.

    >>> number_text(5.0), number_text(0.5), number_text(None)
    ('5', '0.5', '')
    """
    if value is None or value != value:
        return ""
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(value)
