"""The search itself: one pass over bytes for all needles (Aho and Corasick 1975), and over texts, numbers and days."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from unibase.privacy.leaks.needles import FOLD, LONGEST_WORD, Finding, Needle, Pattern, counts, day_of, encodings, forms

CHUNK = 8 << 20
"""Bytes searched at a time."""

_WHOLE_DIGITS, _WHOLE_TEXT = 14, 8
_LEAST_RAW, _LEAST_INTEGER = 4, 100_000
_MARGIN = 2 * (LONGEST_WORD + 2)
_UTF_16 = re.compile(rb"\0[^\0]\0[^\0]\0[^\0]\0")


class Searcher:
    """The compiled needles and what was found so far."""

    def __init__(self, needles: list[Needle]) -> None:
        import ahocorasick_rs

        self.needles = needles
        self.bound_subjects = {needle.subject_id for needle in needles if needle.subject_id is not None}
        patterns: dict[bytes, list[Pattern]] = defaultdict(list)
        self.short: dict[str, list[int]] = defaultdict(list)
        self.integers: dict[int, list[int]] = defaultdict(list)
        self.days: dict[date, list[int]] = defaultdict(list)
        for number, needle in enumerate(needles):
            texts = forms(needle.value)
            if not texts or not all(texts):
                raise ValueError(f"needle {number} of kind {needle.kind} is empty")
            if isinstance(needle.value, date):
                self.days[day_of(needle.value)].append(number)
            else:
                digits = str(needle.value).strip()
                if digits.isascii() and digits.isdigit() and _LEAST_INTEGER <= int(digits) < 1 << 63:
                    self.integers[int(digits)].append(number)
            if min(len(text) for text in texts) < _LEAST_RAW:
                for folded in {text.casefold() for text in texts}:
                    self.short[folded].append(number)
                continue
            for text in texts:
                all_digits = not re.search(r"[^\W\d_]", text)
                length = len(text.lstrip("0")) if all_digits else len(text)
                whole = length < (_WHOLE_DIGITS if all_digits else _WHOLE_TEXT) or isinstance(needle.value, date)
                for content, step in encodings(text):
                    pattern = Pattern(number, step, whole, all_digits)
                    if pattern not in patterns[content]:
                        patterns[content].append(pattern)
        self.patterns = list(patterns.items())
        self.longest = max((len(content) for content, _ in self.patterns), default=1)
        self._automaton = ahocorasick_rs.BytesAhoCorasick([content for content, _ in self.patterns]) if self.patterns else None
        self._found: dict[tuple[str, str, str], dict[int, int]] = defaultdict(lambda: defaultdict(int))

    def findings(self) -> list[Finding]:
        """Return what was found so far, sorted."""
        return sorted(
            Finding(path, kind, place, sum(hits.values()), tuple(sorted(hits)))
            for (path, kind, place), hits in self._found.items()
        )

    def bytes_(self, path: str, place: str, content: bytes | memoryview) -> None:
        """Search bytes.

        Args:
            path: The file, as findings name it.
            place: Where in it the bytes stand.
            content: The bytes.
        """
        self._record(path, place, self.hits(content), None)

    def hits(self, content: bytes | memoryview) -> Iterator[tuple[int, int]]:
        """Yield `(position, needle)` of every hit, whomever it concerns.

        Args:
            content: The bytes.
        """
        if self._automaton is None:
            return
        for start in range(0, max(len(content), 1), CHUNK):
            # The chunk overlaps its neighbours, so that a hit is seen whole and with the word that it stands in.
            low = max(0, start - _MARGIN)
            part = bytes(content[low : start + CHUNK + 2 * self.longest + _MARGIN]).translate(FOLD)
            views = [(part, 1, 0)]
            if _UTF_16.search(part):
                # Each second byte of UTF-16 text is the text in Latin-1.
                views += [(part[0::2], 2, 0), (part[1::2], 2, 1)]
            for view, stride, offset in views:
                for index, begin, end in self._automaton.find_matches_as_indexes(view, overlapping=True):
                    position = low + begin * stride + offset
                    if start <= position < start + CHUNK:
                        for pattern in self.patterns[index][1]:
                            if counts(view, begin, end, pattern):
                                yield position, pattern.needle

    def texts(self, path: str, place: str, values: Iterable[str], rows: Rows | None = None) -> None:
        """Search decoded strings.

        Args:
            path: The file, as findings name it.
            place: Where in it they stand.
            values: The strings.
            rows: In which rows of which subjects they stand, where that is known.
        """
        values = list(values)
        found: list[tuple[int, int]] = []
        if self.short:
            found += [(at, number) for at, value in enumerate(values) for number in self.short.get(value.strip().casefold(), ())]
        pieces = [value.encode("utf-8", "surrogatepass") for value in values]
        starts = np.cumsum([0, *(len(piece) + 1 for piece in pieces)])
        for position, number in self.hits(b"\n".join(pieces)):
            found.append((int(np.searchsorted(starts, position, side="right")) - 1, number))
        self._record(path, place, found, rows)

    def numbers(self, path: str, place: str, values: np.ndarray, rows: Rows | None = None) -> None:
        """Search whole numbers. The values are an array of shape (values,).

        Args:
            path: The file, as findings name it.
            place: Where in it they stand.
            values: The numbers; one dimension.
            rows: In which rows of which subjects they stand, where that is known.
        """
        self._record(path, place, _among(values, self.integers, np.int64), rows)

    def dates(self, path: str, place: str, values: np.ndarray, rows: Rows | None = None) -> None:
        """Search days.

        The values are an array of shape (values,).

        Args:
            path: The file, as findings name it.
            place: Where in it they stand.
            values: The days, as datetime64; one dimension.
            rows: In which rows of which subjects they stand, where that is known.
        """
        self._record(path, place, _among(values.astype("datetime64[D]"), self.days, "datetime64[D]"), rows)

    def _record(self, path: str, place: str, found: Iterable[tuple[int, int]], rows: Rows | None) -> None:
        """Record hits `(value or position, needle)`; one bound to a subject counts in a row or under a path of the subject."""
        for at, number in found:
            needle = self.needles[number]
            bound = needle.subject_id
            times = 1 if bound is None or str(bound) in path else rows.count(at, bound) if rows else 0
            if times:
                self._found[(path, needle.kind, place)][number] += times


@dataclass(frozen=True)
class Rows:
    """In which rows of which subjects the values of a column stand."""

    subjects: np.ndarray
    """Per row."""
    value_of: np.ndarray | None = None
    """Per row, which of the distinct values stands there; None when every row has a value of its own."""

    def count(self, at: int, subject: int) -> int:
        """Return in how many rows of a subject a value stands.

        Args:
            at: Its number among the distinct values.
            subject: The pseudonym.
        """
        if self.value_of is None:
            return int(self.subjects[at] == subject)
        return int(((self.value_of == at) & (self.subjects == subject)).sum())


def _among(values: np.ndarray, wanted: Mapping[Any, list[int]], dtype: Any) -> Iterator[tuple[int, int]]:
    """Yield `(value's place, needle)` for the values that are wanted."""
    if not wanted or values.size == 0:
        return
    (places,) = np.nonzero(np.isin(values, np.array(list(wanted), dtype=dtype)))
    for place in places.tolist():
        for number in wanted[values[place].item()]:
            yield place, number
