"""Where the body of a text table starts: separator, lines above the titles, and the titles, told from its first lines."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass

from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import TRUNCATED_FILE
from unibase.omics.readers.numerals import MISSING
from unibase.omics.reasons import NOT_A_MATRIX

_SNIFFED = 400
"""Lines from which separator, titles and kinds of columns are told."""
_SEPARATORS = ("\t", ";", ",", "|", " ")


@dataclass(frozen=True)
class Layout:
    """Where the body of a text starts, and what its first lines say."""

    separator: str
    above: tuple[str, ...]
    titles: tuple[str, ...]
    titled: bool
    start: int
    """Lines above the body."""
    width: int


def head_lines(data: bytes) -> list[str]:
    r"""Return the first lines of a text.

    Args:
        data: Its bytes, UTF-8.

    >>> head_lines(b"gene\tS1\nTP53\t5\n")
    ['gene\tS1', 'TP53\t5']
    """
    lines: list[str] = []
    at = 0
    while len(lines) < _SNIFFED and at < len(data):
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        lines.append(data[at:end].decode(errors="replace"))
        at = end + 1
    return lines


def unquoted(cell: str) -> str:
    """Return a `cell` without the single quotes around it, which readers of CSV leave.

    >>> unquoted("'TP53'"), unquoted("5'UTR")
    ('TP53', "5'UTR")
    """
    return cell[1:-1].strip() if len(cell) > 2 and cell[0] == cell[-1] == "'" else cell


def cells_of(line: str, separator: str) -> list[str]:
    """Return the cells of a line, without quotes and the blanks around them.

    `line`: the line; `separator`: what stands between cells.

    >>> cells_of('TP53,"1,5", 2', ",")
    ['TP53', '1,5', '2']
    """
    if separator == " ":
        line = re.sub(" +", " ", line.strip())
    if '"' not in line:  # the module csv refuses cells of over 128 KiB, which a wide line split at another separator has
        return [cell.strip() for cell in line.rstrip("\r\n").split(separator)]
    return [cell.strip() for cell in _quoted_cells(line, separator)]


def _quoted_cells(line: str, separator: str) -> list[str]:
    limit = csv.field_size_limit(max(csv.field_size_limit(), len(line)))
    try:
        return next(csv.reader([line], delimiter=separator), [])
    finally:
        csv.field_size_limit(limit)


def lay_out(lines: list[str]) -> Layout:
    """Tell separator, titles and where the body starts.

    Args:
        lines: The first lines of a text.

    Raises:
        Unusable: `not-a-matrix`.
    """
    filled = [(i, line) for i, line in enumerate(lines) if line.strip()]
    plain = [
        (i, line) for i, line in filled if not line.startswith("#") and not re.fullmatch(r"sep=.", line.strip(), re.IGNORECASE)
    ]
    if not plain:
        raise Unusable(NOT_A_MATRIX, "The first line has no tab, comma, semicolon or blank.", "Give a table with a header line.")
    tail = [line for _, line in plain[len(plain) // 4 :]]
    separator, width = _separator(tail)
    gct = next((i for i, line in filled[:1] if line.startswith(("#1.2", "#1.3"))), None)
    if gct is not None:
        return _gct_layout(lines, gct)
    return _table_layout(filled, plain, separator, width)


type _Numbered = list[tuple[int, str]]
"""Lines with their places."""


def _table_layout(filled: _Numbered, plain: _Numbered, separator: str, width: int) -> Layout:
    """Return the layout of a table whose rows have `width` cells; `plain` are the filled lines that are no comments."""
    first = next(n for n, (_, line) in enumerate(plain) if len(cells_of(line, separator)) >= width - 1)
    place, line = plain[first]
    cells = cells_of(line, separator)
    above = [text for i, text in filled if i < place]
    commented = above[-1].lstrip("#").strip(" ") if above and above[-1].startswith("#") else ""
    body = [cells_of(text, separator) for _, text in plain[first + 1 : first + 60]]
    if commented and len(cells_of(commented, separator)) in (width, width - 1) and _is_body(cells, body):
        titles, titled, start, above = cells_of(commented, separator), True, place, above[:-1]
    elif body and len(cells) == width and _is_body(cells, body):
        titles, titled, start = [""] * width, False, place
    else:
        titles, titled, start = cells, True, place + 1
    if len(titles) == width - 1:  # as R writes a table: no name above the row names
        titles = ["", *titles]
    titles = _without_trailing(titles, width)
    if len(titles) != width:
        raise Unusable(
            TRUNCATED_FILE,
            f"The table has {len(titles)} titles, and its rows have {width} cells.",
            "Copy the file again from its source, or mend its titles.",
        )
    return Layout(separator, tuple(above), tuple(titles), titled, start, width)


def _without_trailing(titles: list[str], width: int) -> list[str]:
    while len(titles) > width and not titles[-1]:
        titles = titles[:-1]
    return titles


def _separator(lines: list[str]) -> tuple[str, int]:
    """Return what separates cells and how many there are in a row: what most lines agree on."""
    best: tuple[float, str, int] = (0.0, "", 0)
    for separator in _SEPARATORS:
        widths = Counter(len(cells_of(line, separator)) for line in lines)
        width, times = widths.most_common(1)[0]
        share = times / len(lines)
        if width > 1 and share > best[0] + 0.1:
            best = (share, separator, width)
    if not best[1]:
        raise Unusable(NOT_A_MATRIX, "The first line has no tab, comma, semicolon or blank.", "Give a table with a header line.")
    return best[1], best[2]


def _gct_layout(lines: list[str], at: int) -> Layout:
    sizes = [int(cell) for cell in lines[at + 1].split("\t") if cell.strip().isdigit()]
    titles = cells_of(lines[at + 2], "\t")
    described = sizes[3] if len(sizes) > 3 else 0
    start = at + 3 + described
    return Layout("\t", tuple(lines[: at + 2]), tuple(titles), True, start, len(titles))


NUMBER = re.compile(r"^[+-]?(\d[\d.,' \u00a0\u202f]*|\.\d+)([eE][+-]?\d+)?$")


def _is_body(cells: list[str], body: list[list[str]]) -> bool:
    """Whether a first line is a row like the others: numbers where they have numbers, and a name of their form before them."""
    like = [row for row in body if len(row) == len(cells)]
    if not like:
        return False
    numeric = [
        i for i in range(1, len(cells)) if sum(NUMBER.match(r[i]) is not None or r[i] in MISSING for r in like) >= 0.9 * len(like)
    ]
    if not numeric or not all(NUMBER.match(cells[i]) or cells[i] in MISSING for i in numeric):
        return False
    if all(NUMBER.match(r[0]) for r in like):
        return bool(NUMBER.match(cells[0]))
    forms = Counter(_form(r[0]) for r in like)
    return bool(cells[0]) and (forms[_form(cells[0])] >= 0.5 * len(like) or _first_is_name(cells[0]))


def _form(text: str) -> str:
    return re.sub(r"[a-zà-ÿ]+", "a", re.sub(r"[A-ZÀ-Þ]+", "A", re.sub(r"\d+", "9", text)))


def _first_is_name(text: str) -> bool:
    from unibase.omics.genes import gene_table, parts_of

    counted = re.match(r"^(N_(unmapped|multimapping|noFeature|ambiguous)|__\w+)$", text)
    known = any(gene_table().match(part).gene is not None for part in parts_of(text))
    return known or bool(counted or re.match(r"^(ENS|cg)\w*\d{6,}", text))
