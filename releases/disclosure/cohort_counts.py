"""Counts of the cohort by centre, years and modality: which of them may stand together, and beside those of the version before.

Every cell says which persons it counts. Page, catalogue, manifest and dictionary take the counts from here, so one
number is shown in all of them or in none.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from unibase.releases.disclosure.decisions import Decision, decide
from unibase.releases.disclosure.small_counts import Statistic, is_small, protect
from unibase.releases.disclosure.two_versions import pairs

OUTPUT = "cohort"
MOST_BANDS = 6


@dataclass(frozen=True)
class Person:
    """What the counts know of a person: centre, band of years of the index, and which modalities there are."""

    centre: str
    years: str
    has: tuple[bool, ...]


@dataclass(frozen=True)
class People:
    """The persons of one version: names of the modalities, and each person by number."""

    modalities: tuple[str, ...]
    of: Mapping[int, Person]


@dataclass(frozen=True)
class Cell:
    """Whom a count counts: all, or those of a centre, of years, who have or lack a modality, who have these and no others."""

    centre: str | None = None
    years: str | None = None
    has: str | None = None
    lacks: str | None = None
    only: tuple[bool, ...] | None = None

    def holds(self, person: Person, modalities: Sequence[str]) -> bool:
        """Return whether the `person` is counted; `modalities` are the names of what a person may have, in order."""
        return (
            self.centre in (None, person.centre)
            and self.years in (None, person.years)
            and self.only in (None, person.has)
            and (self.has is None or person.has[modalities.index(self.has)])
            and (self.lacks is None or not person.has[modalities.index(self.lacks)])
        )

    def text(self, modalities: Sequence[str]) -> str:
        """Return the cell in words; `modalities` are the names of what a person may have, in order.

        >>> Cell(centre="lyon", has="rna").text(["rna", "CT"])
        'centre lyon; with rna'
        """
        parts = [f"centre {self.centre}"] if self.centre is not None else []
        parts += [f"years {self.years}"] if self.years is not None else []
        parts += [f"with {self.has}"] if self.has is not None else []
        parts += [f"without {self.lacks}"] if self.lacks is not None else []
        if self.only is not None:
            names = [name for name, on in zip(modalities, self.only, strict=True) if on]
            parts.append(f"with {', '.join(names)} alone" if names else "with no modality")
        return "; ".join(parts) or "all subjects"


@dataclass(frozen=True)
class Before:
    """What is known of the version before: its persons, and the value of each number it shows; None shows all that are not small."""

    people: People
    shown: Mapping[str, int] | None = None


@dataclass(frozen=True)
class CohortCounts:
    """The counts that may be shown together; None is hidden.

    Attributes:
        people: The persons counted.
        counts: Cell to count.
        added: Persons that the version before did not have; None where hidden or where there is none before.
        removed: Persons that only the version before has.
        decisions: What was decided of each.
    """

    people: People
    counts: Mapping[Cell, int | None]
    added: int | None = None
    removed: int | None = None
    decisions: tuple[Decision, ...] = ()

    @property
    def centres(self) -> list[str]:
        """Centres in order of name."""
        return sorted({person.centre for person in self.people.of.values()})

    @property
    def years(self) -> list[str]:
        """Bands of years, in order."""
        return sorted({person.years for person in self.people.of.values()})

    @property
    def patterns(self) -> list[tuple[bool, ...]]:
        """Combinations of modalities that occur, most frequent first."""
        return patterns(self.people)


def patterns(people: People) -> list[tuple[bool, ...]]:
    """Return the combinations that occur among `people`, most frequent first."""
    totals = Counter(person.has for person in people.of.values())
    return sorted(totals, key=lambda p: (-totals[p], [not on for on in p]))


def _cells(people: People) -> list[tuple[Cell, int]]:
    """Return the cells that are drawn, with what each is worth: totals, which stand at most places, are hidden last."""
    modalities = people.modalities
    centres = sorted({person.centre for person in people.of.values()})
    years = sorted({person.years for person in people.of.values()})
    return [
        *((Cell(only=pattern), 3) for pattern in patterns(people)),
        *((Cell(has=name), 6) for name in modalities),
        *((Cell(centre=centre), 5) for centre in centres),
        *((Cell(centre=centre, has=name), 2) for centre in centres for name in modalities),
        *((Cell(years=band), 4) for band in years),
        *((Cell(years=band, has=name), 1) for band in years for name in modalities),
    ]


def _complements(people: People) -> list[Cell]:
    """Return the cells that are never drawn, but must not be computable: who lack a modality, by centre and years."""
    centres = sorted({person.centre for person in people.of.values()})
    years = sorted({person.years for person in people.of.values()})
    return [
        cell
        for name in people.modalities
        for cell in (
            Cell(lacks=name),
            *(Cell(centre=centre, lacks=name) for centre in centres),
            *(Cell(years=band, lacks=name) for band in years),
        )
    ]


def weigh(people: People, min_cell: int, before: Before | None = None) -> CohortCounts:
    """Decide which counts of the cohort may be shown together, and beside those of the version before.

    The base groups are the persons alike in all that is counted, in both versions. Who came and who left is not known to
    a reader unless the page says so: then `added` and `removed` are numbers like the others.

    Args:
        people: The persons.
        min_cell: Smallest count of persons that may be shown.
        before: The version before, or None.
    """
    groups = pairs(people.of, before.people.of if before else None)
    sizes = list(groups.values())
    now, then = ([atom[place] for atom in groups] for place in (1, 0))

    def of(cell: Cell) -> tuple[int, ...]:
        return _members(cell, people, now)

    drawn = _cells(people)
    named = [*(cell for cell, _ in drawn), Cell()]
    rows = [*(Statistic(of(cell), worth) for cell, worth in drawn), Statistic(of(Cell()), fixed=True)]
    moved = [Statistic(tuple(i for i, person in enumerate(side) if person is None)) for side in (then, now)]
    rows += moved if before else []
    rows += [Statistic(of(cell), shown=False) for cell in _complements(people)]
    rows += _rows_before(before, then, min_cell) if before else []
    allowed = protect(sizes, rows, min_cell)
    totals = [sum(sizes[i] for i in row.members) for row in rows]
    found = [total if show else None for total, show in zip(totals, allowed, strict=True)]
    words = [(OUTPUT, cell.text(people.modalities)) for cell in named] + ([("changes", w) for w in MOVED] if before else [])
    decisions = tuple(decide(*word, count, min_cell) for word, count in zip(words, found, strict=False))
    added, removed = found[len(named) : len(named) + 2] if before else (None, None)
    return CohortCounts(people, dict(zip(named, found, strict=False)), added, removed, decisions)


MOVED = ("added", "removed")


def _members(cell: Cell, people: People, atoms: Sequence[Person | None]) -> tuple[int, ...]:
    return tuple(i for i, person in enumerate(atoms) if person is not None and cell.holds(person, people.modalities))


def _rows_before(before: Before, atoms: Sequence[Person | None], min_cell: int) -> list[Statistic]:
    """Return the numbers of the version before: those it shows are known, its small ones must stay hidden."""
    of = before.people
    tally = Counter(of.of.values())
    rows = []
    for cell in [*(cell for cell, _ in _cells(of)), Cell(), *_complements(of)]:
        if cell.years is not None:
            continue  # The true years of the version before are not in its tables.
        count = sum(n for person, n in tally.items() if cell.holds(person, of.modalities))
        small, name = is_small(count, min_cell), cell.text(of.modalities)
        if name in before.shown if before.shown is not None else cell.lacks is None and not small:
            rows.append(Statistic(_members(cell, of, atoms), known=True))
        elif small:
            rows.append(Statistic(_members(cell, of, atoms), shown=False))
    return rows


def people_of(subjects: pl.DataFrame, modalities: Mapping[str, Sequence[str]], years: Mapping[int, str] | None = None) -> People:
    """Return the persons of a release.

    Args:
        subjects: `subject_id` and, where it is known, `centre`.
        modalities: Name to the subjects who have it, as text.
        years: Band of years of each subject; none where they are not shown.
    """
    members = {name: set(rows) for name, rows in modalities.items()}
    centres = subjects["centre"].fill_null("?").to_list() if "centre" in subjects.columns else [""] * subjects.height
    found = {
        int(subject): Person(centre, (years or {}).get(int(subject), ""), tuple(str(subject) in members[n] for n in modalities))
        for subject, centre in zip(subjects["subject_id"], centres, strict=True)
    }
    return People(tuple(modalities), found)


def year_bands(subjects: Sequence[int], years: pl.DataFrame | None, min_cell: int) -> dict[int, str]:
    """Return the band of years of each subject, such as 2013–2015; empty text for all where no year is known.

    Neighbouring years go together until a band has `min_cell` subjects, and a sixth of the cohort.
    """
    known = {} if years is None else {int(s): int(y) for s, y in years.select("subject_id", "year").drop_nulls().iter_rows()}
    per_year = sorted(Counter(known[i] for i in subjects if i in known).items())
    least = max(min_cell, math.ceil(len(subjects) / MOST_BANDS))
    groups: list[list[int]] = []
    size = least
    for year, count in per_year:
        if size >= least:
            groups.append([])
            size = 0
        groups[-1].append(year)
        size += count
    if len(groups) > 1 and size < least:
        groups[-2:] = [groups[-2] + groups[-1]]
    name = {y: str(g[0]) if g[0] == g[-1] else f"{g[0]}–{g[-1]}" for g in groups for y in g}
    return {i: name[known[i]] if i in known else ("?" if known else "") for i in subjects}
