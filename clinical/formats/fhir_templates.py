"""One line of each shape is read as a resource; the events of the other lines of its shape are its events with their own slots.

The slots of that line hold marks when it is read, and the marks tell where each slot comes out. What a reader does may depend on a slot
in two ways only: an Encounter or a Medication that it names is known or not, so that lines are read by cases; and a death may be told by
a number, an event by a contained resource or a focus, which are left to the reader of single resources.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import numpy as np
import polars as pl

from unibase.clinical.formats.fhir import parse_line, references
from unibase.clinical.formats.fhir_deaths import DEATH
from unibase.clinical.formats.fhir_fields import Context
from unibase.clinical.formats.fhir_resources import Raw
from unibase.clinical.formats.fhir_shapes import Ints, Parted
from unibase.clinical.formats.fhir_source_events import RAW, read_lines
from unibase.clinical.sources.problem_rows import RowProblem

Period = tuple[str | None, str | None]

_CORE = "7046029"
_STAY = (f"{_CORE}-start", f"{_CORE}-end")
_ODD_WORDS = ('"Bundle"', '"contained"', '"focus"')
"""Words of lines whose slots may be compared with one another, or which hold several resources."""
_CONSTANT, _START, _END = -1, -2, -3
_KEPT = 4096
"""Shapes that a process remembers."""


def _mark(slot: int) -> str:
    return f"{_CORE}-{slot:04d}"


def _number(slot: int) -> str:
    return f"{_CORE}.{slot + 1:04d}"


@dataclass(frozen=True)
class Shape:
    """What lines have in common: the text of one with marks in its slots.

    Attributes:
        text: The text.
        encounter, medication: Slots of the resources that it asks for, None for none.
        numbers: Whether a slot is a number.
    """

    text: str
    encounter: int | None
    medication: int | None
    numbers: bool


@lru_cache(maxsize=_KEPT)
def _read(shape: Shape, codes: str | None, period: Period) -> Template | None:
    """Return what a `shape` is read to; None where that does not tell what its lines are.

    Args:
        shape: The shape.
        codes: Those of the Medication that it asks for, if it is known.
        period: Start and end of the Encounter that it asks for, marked where they are known.
    """
    context = Context()
    if shape.encounter is not None:
        context.periods[_mark(shape.encounter)] = period
    if shape.medication is not None and codes is not None:
        context.medications[_mark(shape.medication)] = codes
    events = tuple(raw for _, raw in read_lines([(0, parse_line(shape.text.encode()))], context))
    template = Template(events, tuple(context.problems), context.tally)
    return None if template.is_unsure() or (shape.numbers and template.tells_death()) else template


@dataclass(frozen=True)
class Template:
    """What one line is read to, marks in place of what differs from line to line."""

    events: tuple[Raw, ...]
    problems: tuple[RowProblem, ...]
    tally: Mapping[str, tuple[int, int]]

    def tells_death(self) -> bool:
        """Tell whether an event is a death."""
        return any(DEATH in one.code for one in self.events)

    def is_unsure(self) -> bool:
        """Tell whether a mark came out where no slot is filled in, or in part."""
        told = [*self.tally, *(text for one in self.problems for text in (one.message, one.column))]
        told += [str(text) for one in self.events for text in (one.code, one.text, one.unit)]
        told += [text for one in self.events for text in _fields(one) if text is not None and _slot_of(text) == _CONSTANT]
        return any(_CORE in text for text in told)


def _fields(raw: Raw) -> tuple[str | None, ...]:
    return raw.person, raw.start, raw.end, raw.recorded


def _slot_of(text: str | None) -> int:
    if text in _STAY:
        return _START if text == _STAY[0] else _END
    known = text is not None and text.startswith(_CORE) and len(text) == len(_mark(0)) and text[-4:].isdecimal()
    return int(str(text)[-4:]) if known else _CONSTANT


def _slot_of_number(number: float | None) -> int:
    known = number is not None and 0 < number - int(_CORE) < 1
    slot = round((float(number or 0) - int(_CORE)) * 10_000) - 1
    return slot if known and float(_number(slot)) == number else _CONSTANT


@dataclass(frozen=True)
class Alike:
    """A shape and its lines."""

    shape: Shape
    lines: Ints


def shapes_of(parts: Parted) -> tuple[list[Alike], list[int]]:
    """Return the shapes of lines in pieces, `parts`, and the lines of shapes that cannot be read once for all."""
    found: list[Alike] = []
    odd: list[int] = []
    for lines in parts.groups:
        pieces = parts.of_line(int(lines[0]))
        own_marks = any(_CORE in piece for piece in pieces[::2])
        numbers = [index for index in range(1, len(pieces), 2) if pieces[index - 1][-1] not in '"/']
        for index in range(1, len(pieces), 2):
            pieces[index] = (_number if index in numbers else _mark)(index // 2)
        shape = None if own_marks else _shape("".join(pieces), bool(numbers))
        if shape is None:
            odd += lines.tolist()
        else:
            found.append(Alike(shape, lines))
    return found, odd


@lru_cache(maxsize=_KEPT)
def _shape(text: str, numbers: bool) -> Shape | None:
    resources = None if any(word in text for word in _ODD_WORDS) else parse_line(text.encode())
    if resources is None or len(resources) != 1:
        return None
    asked = [None if one is None else _slot_of(one) for one in references(resources[0])]
    return None if _CONSTANT in asked else Shape(text, asked[0], asked[1], numbers)


@dataclass(frozen=True)
class Case:
    """Lines of one shape whose references are known alike, and what they are read to."""

    lines: Ints
    template: Template


@dataclass
class Stays:
    """Start and end of the Encounters that lines ask for: `texts`, and of each line `place`, where its two are."""

    place: Ints
    texts: list[str | None]

    @classmethod
    def of(cls, lines: int) -> Stays:
        """Return the stays of a number of lines that ask for none yet."""
        return cls(np.zeros(lines, dtype=np.int64), [])

    def take(self, lines: Ints, periods: Sequence[Period]) -> None:
        """Keep the `periods` of some `lines`."""
        self.place[lines] = len(self.texts) + 2 * np.arange(len(lines))
        self.texts += [text for period in periods for text in period]


def ids(parts: Parted, alike: Sequence[Alike], slots: Sequence[int | None]) -> list[list[str | None]]:
    """Return what the lines of each of some shapes hold in one of their slots; nothing for None.

    Args:
        parts: The lines in pieces.
        alike: The shapes.
        slots: The slot of each.
    """
    asked = [(one.lines, slot) for one, slot in zip(alike, slots, strict=True) if slot is not None]
    if not asked:
        return [[] for _ in alike]
    places = np.concatenate([parts.first[lines] + 2 * slot + 1 for lines, slot in asked])
    found = iter(parts.pieces.gather(places).to_list())
    return [[] if slot is None else list(islice(found, len(one.lines))) for one, slot in zip(alike, slots, strict=True)]


@dataclass(frozen=True)
class Asked:
    """Ids of the Encounters and of the Medications that the lines of a shape name; none where it asks for none."""

    encounters: Sequence[str | None]
    medications: Sequence[str | None]


def cases(one: Alike, asked: Asked, known: Context, stays: Stays) -> tuple[list[Case], list[int]]:
    """Return the lines of a shape by cases, and those that no template tells.

    Args:
        one: The shape and its lines.
        asked: What they ask for.
        known: Periods and medications by their ids.
        stays: Takes up the periods of the lines.
    """
    found: list[Case] = []
    odd: list[int] = []
    for (code, period), lines in _by_case(one, asked, known, stays).items():
        template = _read(one.shape, code, period)
        if template is None:
            odd += lines.tolist()
        else:
            found.append(Case(lines, template))
    return found, odd


def _by_case(one: Alike, asked: Asked, known: Context, stays: Stays) -> dict[tuple[str | None, Period], Ints]:
    if not asked.encounters and not asked.medications:
        return {(None, (None, None)): one.lines}
    nothing = [None] * len(one.lines)
    periods = [known.periods.get(str(each), (None, None)) for each in asked.encounters or nothing]
    codes = [known.medications.get(str(each)) for each in asked.medications or nothing]
    stays.take(one.lines, periods)
    groups: dict[tuple[str | None, Period], list[int]] = {}
    for line, code, (start, end) in zip(one.lines.tolist(), codes, periods, strict=True):
        marked = _STAY[0] if start else start, _STAY[1] if end else end
        groups.setdefault((code, marked), []).append(line)
    return {case: np.array(lines, dtype=np.int64) for case, lines in groups.items()}


def filled(parts: Parted, found: Sequence[Case], stays: Stays, before: int) -> pl.DataFrame:
    """Return the events of the lines of some cases, in the order of lines.

    Args:
        parts: The lines in pieces.
        found: The cases.
        stays: Periods of the Encounters that they name.
        before: Rows of the file before the first line.
    """
    if not found:
        return pl.DataFrame(schema=RAW)
    events = [raw for case in found for raw in case.template.events]
    counts = np.array([len(case.template.events) for case in found], dtype=np.int64)
    lines = np.concatenate([case.lines for case in found])
    order = np.argsort(lines, kind="stable")
    case = np.repeat(np.arange(len(found)), [len(case.lines) for case in found])[order]
    times = counts[case]
    line = np.repeat(lines[order], times)
    begin = np.cumsum(counts) - counts
    event = np.repeat(begin[case] - (np.cumsum(times) - times), times) + np.arange(len(line))
    places = _Places(parts, stays, line, event)
    constant = pl.DataFrame(events, schema=pl.Schema(list(RAW.items())[1:]), orient="row")[event]
    columns = {name: places.texts([getattr(raw, name) for raw in events]) for name in ("person", "start", "end", "recorded")}
    number = pl.Series("numeric_value", places.numbers([raw.number for raw in events]))
    rows = pl.Series("source_row", line + before + 1)
    return constant.with_columns(rows, number, **columns).select(RAW.names())


@dataclass(frozen=True)
class _Places:
    """Where the fields of events stand: each is an `event` of a template, on a `line`."""

    parts: Parted
    stays: Stays
    line: Ints
    event: Ints

    def texts(self, said: Sequence[str | None]) -> pl.Series:
        """Return the column of a field that the events of templates say so."""
        slot = np.array([_slot_of(text) for text in said], dtype=np.int64)[self.event]
        pool = pl.concat(
            [self.parts.pieces, pl.Series(self.stays.texts, dtype=pl.String), pl.Series(said, dtype=pl.String)], rechunk=True
        )
        stay = len(self.parts.pieces)
        at = self.parts.first[self.line] + 2 * slot + 1
        at = np.where(slot == _CONSTANT, stay + len(self.stays.texts) + self.event, at)
        at = np.where(slot <= _START, stay + self.stays.place[self.line] + (_START - slot), at)
        return pool.gather(at)

    def numbers(self, said: Sequence[float | None]) -> pl.Series:
        """Return the column of the numbers that the events of templates say so."""
        slot = np.array([_slot_of_number(number) for number in said], dtype=np.int64)[self.event]
        out = pl.Series(said, dtype=pl.Float64).gather(self.event)
        own = np.flatnonzero(slot != _CONSTANT)
        at = self.parts.first[self.line[own]] + 2 * slot[own] + 1
        return out.scatter(own, self.parts.pieces.gather(at).cast(pl.Float64)) if len(own) else out


def told(found: Iterable[Case], before: int) -> tuple[list[RowProblem], list[tuple[int, str, int]]]:
    """Return the problems of the lines of some cases, and what is tallied: the first row, the key and the count.

    Args:
        found: The cases.
        before: Rows of the file before the first line.
    """
    problems: list[RowProblem] = []
    tally: list[tuple[int, str, int]] = []
    for case in found:
        for row in (case.lines + before + 1).tolist() if case.template.problems else []:
            problems += [RowProblem(row, one.reason, one.message, one.column, one.refused) for one in case.template.problems]
        first = int(case.lines.min()) + before + 1
        tally += [(first, key, count * len(case.lines)) for key, (_, count) in case.template.tally.items()]
    return problems, tally
