"""Lines of FHIR parted into what they have in common and what they do not: ids, dates and numbers.

Exports hold millions of resources of few shapes. Lines are of one shape when they are equal byte for byte but for the texts and numbers
of the fields named here, the slots. A line that is cut otherwise than plainly is odd, and is left to the reader of single resources.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa

Ints = np.ndarray[tuple[int], np.dtype[np.int64]]
Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]

_DATES = (
    "effectiveDateTime effectiveInstant authoredOn performedDateTime issued start end recordedDate onsetDateTime abatementDateTime "
    "lastUpdated started receivedTime collectedDateTime occurrenceDateTime whenHandedOver dateAsserted"
)
_NUMBERS = "value valueInteger valueDecimal"
_KEYS = [f'"{name}"' for name in f"id reference {_DATES} {_NUMBERS}".split()]

LEAST = 4
"""Lines of one shape that are worth a reading of the shape."""

_QUOTE, _COLON, _BLANK, _SLASH, _LINE_END, _RETURN, _BACKSLASH = (ord(one) for one in '": /\n\r\\')
_WIDEST = 24
"""Characters of the longest number that is a slot."""
_OF_NUMBERS = np.isin(np.arange(256), np.frombuffer(b"+-.0123456789eE", dtype=np.uint8))

_NUMBER = r"^-?(?:0|[1-9]\d{0,7})(?:\.\d{1,7})?$"
"""A number that is a slot: one of 15 digits is read to the same bits by every parser."""

_ELSEWHERE = r"[:#]"
"""What stands in the last part of a reference to a contained resource or to an entry of a Bundle."""


@dataclass(frozen=True)
class Parted:
    """The lines of a block in pieces.

    Attributes:
        pieces: Of each line in order, what is constant and slots by turns; a line begins and ends with a constant.
        first: The piece with which each line begins, and the number of pieces.
        groups: Lines of each shape that `LEAST` lines have, by number from 0.
        odd: Other lines that are asked for.
    """

    pieces: pl.Series
    first: Ints
    groups: Sequence[Ints]
    odd: Ints

    def of_line(self, line: int) -> list[str]:
        """Return the pieces of a `line`."""
        return [str(one) for one in self.pieces[int(self.first[line]) : int(self.first[line + 1])]]


def starts_of_lines(block: bytes) -> Ints:
    r"""Return where the lines of a `block` begin, and its length.

    >>> starts_of_lines(b"{}\n{}").tolist()
    [0, 3, 5]
    """
    ends = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == _LINE_END) + 1
    if block and not block.endswith(b"\n"):
        ends = np.append(ends, len(block))
    return np.concatenate([np.zeros(1, dtype=np.int64), ends])


def texts_between(block: bytes, places: Ints) -> pl.Series | None:
    """Return the texts of a `block` between `places`, which are in order; None where the block is no UTF-8."""
    if not block.isascii():
        try:
            block.decode()
        except UnicodeDecodeError:
            return None
    offsets = pa.py_buffer(np.ascontiguousarray(places, dtype=np.int64))
    array = pa.LargeStringArray.from_buffers(len(places) - 1, offsets, pa.py_buffer(block))
    return pl.Series(pl.from_arrow(array))


def lines_of_block(block: bytes, starts: Ints) -> pl.Series:
    r"""Return the lines of a `block`, which begin at `starts`; what is no UTF-8 is replaced.

    >>> lines_of_block(b"{}\n{}", starts_of_lines(b"{}\n{}")).to_list()
    ['{}\n', '{}']
    """
    found = texts_between(block, starts)
    if found is not None:
        return found
    return pl.Series([block[low:high].decode(errors="replace") for low, high in pairwise(starts.tolist())])


def filled_lines(block: bytes, starts: Ints) -> Flags:
    r"""Tell of each line of a `block` whether it holds more than blanks; `starts` are those of its lines.

    >>> filled_lines(b"{}\n \r\n", starts_of_lines(b"{}\n \r\n")).tolist()
    [True, False]
    """
    filled = np.ones(len(starts) - 1, dtype=np.bool_)
    # A line of nothing but blanks begins with one.
    for line in np.flatnonzero(np.frombuffer(block, dtype=np.uint8)[starts[:-1]] <= _BLANK).tolist():
        filled[line] = bool(block[starts[line] : starts[line + 1]].strip())
    return filled


def parted(block: bytes, starts: Ints, lines: Flags) -> Parted | None:
    """Return the lines of a block in pieces; None where it is no UTF-8, which leaves all to the reader of single resources.

    Args:
        block: Whole lines.
        starts: Where they begin; see `starts_of_lines`.
        lines: Of each line whether it is asked for.
    """
    data = np.frombuffer(block, dtype=np.uint8)
    quotes = np.flatnonzero(data == _QUOTE)
    whole = texts_between(block, np.array([0, len(block)], dtype=np.int64))
    if whole is None or not len(quotes):
        return None
    even = _evenly_quoted(block, starts, quotes)
    slots = _slots(data, starts, quotes, whole, even)
    line = _lines_at(starts, slots.begin)
    bounds = np.sort(np.concatenate([starts, slots.begin, slots.end]), kind="stable")
    pieces = texts_between(block, bounds)
    if pieces is None:
        return None
    count = np.bincount(line, minlength=len(starts) - 1)
    first = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(2 * count + 1)])
    plain = lines & even
    plain[line[~_well_formed(pieces, slots, 2 * np.arange(len(line)) + line + 1)]] = False
    groups = [
        group for number in np.unique(count[plain]) for group in _alike(pieces, first, plain & (count == number), int(number))
    ]
    odd = lines.copy()
    for group in groups:
        odd[group] = False
    return Parted(pieces, first, groups, np.flatnonzero(odd))


@dataclass(frozen=True)
class _Slots:
    """Where slots begin and end, in order; which are numbers, and which ids of a reference."""

    begin: Ints
    end: Ints
    number: Flags
    reference: Flags


def _slots(data: np.ndarray, starts: Ints, quotes: Ints, whole: pl.Series, even: Flags) -> _Slots:
    """Return the slots of the lines that are quoted evenly."""
    found = whole.str.find_many(_KEYS)[0].to_numpy().astype(np.int64)
    line = _lines_at(starts, found)
    found, line = found[even[line]], line[even[line]]
    at = np.searchsorted(quotes, found)
    opening = (at - np.searchsorted(quotes, starts)[line]) % 2 == 0
    close = quotes.take(at + 1, mode="clip")
    begin = close + 2 + (data.take(close + 2, mode="clip") == _BLANK)
    key = opening & (data.take(close + 1, mode="clip") == _COLON)
    numeric = (data[found + 1] == ord("v")) & key
    text = key & ~numeric & (data.take(begin, mode="clip") == _QUOTE) & (quotes.take(at + 2, mode="clip") == begin)
    reference = text & (data[found + 1] == ord("r")) & (data[found + 3] == ord("f"))
    end = np.where(text, quotes.take(at + 3, mode="clip"), 0)
    end[numeric] = begin[numeric] + _digits(data, begin[numeric])
    begin = begin + text
    begin[reference] = _behind_slash(data, begin[reference], end[reference])
    keep = (text | numeric) & (end > begin)
    return _Slots(begin[keep], end[keep], numeric[keep], reference[keep])


def _digits(data: np.ndarray, begin: Ints) -> Ints:
    """Return how many characters of a number stand at each of some places; 0 for too many."""
    window = _OF_NUMBERS[data.take(begin[:, None] + np.arange(_WIDEST), mode="clip")]
    return np.asarray(np.argmin(window, axis=1), dtype=np.int64)


def _behind_slash(data: np.ndarray, begin: Ints, end: Ints) -> Ints:
    """Return where the last part of the references that stand between `begin` and `end` begins."""
    slashes = np.flatnonzero(data == _SLASH)
    last = np.searchsorted(slashes, end) - 1
    place = np.where(last >= 0, slashes.take(last, mode="clip"), -1) if len(slashes) else np.full(len(end), -1)
    behind: Ints = np.maximum(begin, place + 1)
    return behind


def _evenly_quoted(block: bytes, starts: Ints, quotes: Ints) -> Flags:
    """Tell of each line whether every quote opens or closes a text: no character is written as an escape, or is none of a text."""
    data = np.frombuffer(block, dtype=np.uint8)
    plain = np.diff(np.searchsorted(quotes, starts)) % 2 == 0
    if b"\\" in block:
        plain[_lines_at(starts, np.flatnonzero(data == _BACKSLASH))] = False
    blanks = np.flatnonzero(data < _BLANK)
    plain[_lines_at(starts, blanks[~np.isin(data[blanks], (_LINE_END, _RETURN))])] = False
    return np.asarray(plain, dtype=np.bool_)


def _lines_at(starts: Ints, places: Ints) -> Ints:
    """Return the line of each of some places, which are in order; `starts` are those of the lines."""
    lines: Ints = np.repeat(np.arange(len(starts) - 1, dtype=np.int64), np.diff(np.searchsorted(places, starts)))
    return lines


def _well_formed(pieces: pl.Series, slots: _Slots, places: Ints) -> Flags:
    """Tell of each slot whether its text, the piece at its place, is one that can be filled in; a text that is no reference is."""
    fine = np.ones(len(places), dtype=np.bool_)
    fine[slots.number] = pieces.gather(places[slots.number]).str.contains(_NUMBER).to_numpy()
    fine[slots.reference] = ~pieces.gather(places[slots.reference]).str.contains(_ELSEWHERE).to_numpy()
    return fine


def _alike(pieces: pl.Series, first: Ints, lines: Flags, slots: int) -> list[Ints]:
    """Return the lines of each shape among `lines` with one number of `slots`, where there are `LEAST` of it."""
    chosen = np.flatnonzero(lines)
    columns = {str(turn): pieces.gather(first[chosen] + 2 * turn) for turn in range(slots + 1)}
    frame = pl.DataFrame({"line": chosen, **columns})
    found = frame.group_by(list(columns), maintain_order=True).agg("line")["line"]
    return [group.to_numpy() for group in found.filter(found.list.len() >= LEAST)]
