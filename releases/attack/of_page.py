"""The page against the tables: whose own values and days does the page print or draw, for one who holds the tables too?

The page may travel further than the tables, and to others. Who holds both, under whatever pseudonyms, looks for numbers of
the page that are one person's: a median that is a value, a step of a curve at the day of an event. A printed number is that
of a person when, to its last digit, one person alone has it in a column. Numbers agree by chance too. So the numbers beside
the printed ones, and steps moved aside, are tried ten times: what is found beyond the most of these counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import polars.selectors as cs

from unibase.releases.attack.found import Attack

PAGE = "report.html"
DAYS_A_MONTH = 30.4375
_DIGITS = 3
"""Significant digits of a number that may be a person's; with fewer it is anybody's."""
_BESIDE = (-6, -5, -4, -3, -2, 2, 3, 4, 5, 6)
"""Steps of the last digit, and of half a pixel, by which the numbers beside lie away."""
_HALF_PIXEL = 0.05
"""Corners are drawn to a tenth of a pixel."""
_NUMBER = re.compile(r"(?<![\w.,])-?\d+(?:[.,]\d+)?(?![\w]|[.,]\d)")
_SILENT = frozenset({"script", "style", "template"})


@dataclass
class _Picture:
    """A picture of a page: corners of its lines, and its words with their places."""

    corners: list[float] = field(default_factory=list)
    words: list[tuple[float, float, str]] = field(default_factory=list)


class _Page(HTMLParser):
    """Reads the words of a page that are no picture's, and its pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.pictures: list[_Picture] = []
        self._silent, self._drawing = 0, False
        self._at: tuple[float, float] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Read the places of a picture. `tag`, `attrs`: the element."""
        told = dict(attrs)
        self._silent += tag in _SILENT
        if tag == "svg":
            self._drawing = True
            self.pictures.append(_Picture())
        elif self._drawing and tag == "polyline":
            pairs = [pair.split(",") for pair in str(told.get("points") or "").split()]
            self.pictures[-1].corners += [float(one[0]) for one in pairs if len(one) == 2]
        elif self._drawing and tag == "text":
            self._at = (float(told.get("x") or 0), float(told.get("y") or 0))

    def handle_endtag(self, tag: str) -> None:
        """Leave an element. `tag`: its name."""
        self._silent -= tag in _SILENT
        self._drawing = self._drawing and tag != "svg"
        self._at = None if tag == "text" else self._at

    def handle_data(self, data: str) -> None:
        """Read words. `data`: the words."""
        if self._at is not None:
            self.pictures[-1].words.append((*self._at, data.strip()))
        elif not self._silent and not self._drawing:
            self.words.append(data)


def page_against_tables(release: Path) -> Attack:
    """With the tables: whose values and days does the page tell?

    Args:
        release: Folder of a release with its page.

    Raises:
        OSError: If the page or a table is not there.
    """
    page = _Page()
    page.feed((release / PAGE).read_text(encoding="utf-8"))
    subjects = pl.read_parquet(release / "tables" / "subjects.parquet")
    words = " ".join(page.words)
    named = {one for one in subjects["subject_id"].to_list() if str(one) in words}
    columns = [*_columns(release, subjects)]
    days = _days(release)
    found = _by_numbers(words, columns)
    for by in found:
        found[by] |= set(_by_steps(page.pictures, days, by))
    by_chance = max(len(found[by] - named) for by in _BESIDE)
    beyond = max(0, len(found[0] - named) - by_chance)
    return Attack("page", len(named) + beyond, subjects.height, "the page, which may travel further than the tables")


def _columns(release: Path, subjects: pl.DataFrame) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield subjects and values of every column of numbers of the tables of one row a subject, and of times to endpoints."""
    tables = [subjects]
    if (path := release / "tables" / "analysis.parquet").exists():
        tables.append(pl.read_parquet(path))
    if (path := release / "tables" / "adtte.parquet").exists():
        tables += pl.read_parquet(path, columns=["subject_id", "PARAMCD", "AVAL"]).drop_nulls().partition_by("PARAMCD")
    for table in tables:
        for name in table.select(cs.numeric() - cs.by_name("subject_id")).columns:
            rows = table.select("subject_id", pl.col(name).cast(pl.Float64)).drop_nulls().filter(pl.col(name).is_finite())
            yield rows["subject_id"].to_numpy(), rows[name].to_numpy()


def _days(release: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return, per endpoint, subjects and months of those who had the event."""
    path = release / "tables" / "adtte.parquet"
    if not path.exists() or "CNSR" not in pl.read_parquet_schema(path):
        return []
    events = pl.read_parquet(path).filter(pl.col("CNSR") == 0).drop_nulls("AVAL")
    return [
        (part["subject_id"].to_numpy(), part["AVAL"].cast(pl.Float64).to_numpy() / DAYS_A_MONTH)
        for part in events.partition_by("PARAMCD")
    ]


def _by_numbers(words: str, columns: list[tuple[np.ndarray, np.ndarray]]) -> dict[int, set[int]]:
    """Return who alone has a printed number in a column, to its last digit: of the numbers printed (0), and of those beside."""
    printed: dict[int, set[int]] = {}
    for text in _NUMBER.findall(words):
        whole, _, part = text.replace(",", ".").partition(".")
        if len((whole + part).lstrip("-0")) >= _DIGITS:
            printed.setdefault(len(part), set()).add(int(whole + part))
    found: dict[int, set[int]] = {by: set() for by in (0, *_BESIDE)}
    for decimals, numbers in printed.items():
        wanted = np.array(sorted(numbers), dtype=np.float64)
        for ids, values in columns:
            units, first, counts = np.unique(np.round(values * 10.0**decimals), return_index=True, return_counts=True)
            units, first = units[counts == 1], first[counts == 1]
            for by, mine in found.items():
                mine.update(ids[first[np.isin(units, wanted + by)]].tolist())
    return found


def _by_steps(pictures: list[_Picture], endpoints: list[tuple[np.ndarray, np.ndarray]], beside: int) -> Iterator[int]:
    """Yield whose event, and nobody else's, stands where a curve has a step; of steps moved `beside` by half pixels."""
    for picture in pictures:
        scale = _months_a_pixel(picture)
        if scale is None or not picture.corners:
            continue
        first, month = scale
        steps = (np.unique(picture.corners) - first + beside * 2 * _HALF_PIXEL) * month
        for ids, months in endpoints:
            near = np.abs(months[None, :] - steps[:, None]) <= max(_HALF_PIXEL * month, 0.5 / DAYS_A_MONTH)
            alone = near[near.sum(axis=1) == 1].any(axis=0) if len(months) else np.zeros(0, dtype=np.bool_)
            yield from ids[alone].tolist()


def _months_a_pixel(picture: _Picture) -> tuple[float, float] | None:
    """Return the place of month 0 and the months of a pixel, as the axis beneath a picture tells them."""
    rows: dict[float, list[tuple[float, float]]] = {}
    for x, y, text in picture.words:
        if re.fullmatch(r"\d+", text):
            rows.setdefault(y, []).append((x, float(text)))
    for _, ticks in sorted(rows.items()):
        places = sorted(set(ticks))
        months = [month for _, month in places]
        if len(places) >= 2 and months[0] == 0 and months == sorted(months) and len(set(months)) == len(months):
            (left, _), (right, last) = places[0], places[-1]
            return left, last / (right - left)
    return None
