"""How many persons there would be, answered from the safe cube of a release alone: between which two numbers.

Nothing is read but `cube.parquet`. Whole blocks give the least and the most; the counts that the page shows narrow them, by
the bounds of Fréchet: of `n` persons with `a` of one kind and `b` of another, at least `a + b - n` and at most the smaller
are of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unibase.groundwork.problems import UserError
from unibase.releases.content.released_cube import CENTRE, MODALITIES, NONE, OTHERS, UNKNOWN
from unibase.releases.disclosure import safe_cube
from unibase.releases.disclosure.safe_cube import WHOLE, Margin, SafeCube
from unibase.releases.explore.cohort_filter import Condition, parse

_RANGE = "–"


@dataclass(frozen=True)
class Asked:
    """Levels of a dimension that surely meet what is asked, and those that may: ages of 60 to 69 may be 65 and more."""

    dimension: str
    sure: frozenset[str]
    possible: frozenset[str]


@dataclass(frozen=True)
class Bounds:
    """Between how many persons there are."""

    least: int
    most: int

    def __str__(self) -> str:
        return str(self.least) if self.least == self.most else f"{self.least} to {self.most}"


@dataclass(frozen=True)
class OfRelease:
    """The answer of one release; `bounds` is None where it does not tell of something that is asked, named in `lacks`."""

    study: str
    version: str
    bounds: Bounds | None
    lacks: str = ""


def how_many(cube: SafeCube, asked: Sequence[Asked]) -> Bounds:
    """Return between how many persons of a cube meet all that is asked.

    Args:
        cube: Of a release.
        asked: At most one for each dimension.
    """
    inside = touched = 0
    for block in cube.blocks:
        of = [(one, frozenset(block.levels.get(one.dimension, ()))) for one in asked if one.dimension != CENTRE]
        touched += block.persons if all(levels & one.possible for one, levels in of) else 0
        inside += block.persons if all(levels <= one.sure for one, levels in of) else 0
    places = next((one for one in asked if one.dimension == CENTRE), None)
    others = [one for one in asked if one.dimension != CENTRE]
    if places is None:
        whole = _by_margins(cube, None, others)
        return Bounds(max(inside, whole.least), min(touched, whole.most))
    parts = [_by_margins(cube, centre, others) for centre in sorted(places.possible)]
    return Bounds(sum(one.least for one in parts), min(touched, sum(one.most for one in parts)))


def _by_margins(cube: SafeCube, centre: str | None, asked: Sequence[Asked]) -> Bounds:
    """Return the bounds by what the page shows of all persons, or of a centre."""
    own = [one for one in cube.margins if one.centre == centre]
    size = next((one.persons for one in own if one.dimension == WHOLE), None)
    if size is None:
        everybody = sum(block.persons for block in cube.blocks)
        known = sum(one.persons for one in cube.margins if one.dimension == WHOLE and one.centre is not None)
        return Bounds(0, max(0, everybody - known))
    bounds = [_of_dimension(one, own, cube, size) for one in asked]
    least = sum(one.least for one in bounds) - max(0, len(bounds) - 1) * size if bounds else size
    return Bounds(max(0, least), min([size, *(one.most for one in bounds)]))


def _of_dimension(asked: Asked, own: Iterable[Margin], cube: SafeCube, size: int) -> Bounds:
    counts = {one.level: one.persons for one in own if one.dimension == asked.dimension}
    every = {level for block in cube.blocks for level in block.levels.get(asked.dimension, ())}
    least = sum(counts.get(level, 0) for level in asked.sure)
    told = all(level in counts for level in asked.possible)
    most = sum(counts[level] for level in asked.possible) if told else size
    others = sum(counts.get(level, 0) for level in every - asked.possible)
    return Bounds(least, min(most, size - others))


def levels_of(cube: SafeCube) -> dict[str, tuple[str, ...]]:
    """Return the dimensions of a cube and their levels, in order.

    Args:
        cube: Of a release.
    """
    found: dict[str, list[str]] = {}
    for block in cube.blocks:
        for name, levels in block.levels.items():
            own = found.setdefault(name, [])
            own += [level for level in levels if level not in own]
    centres = [one.centre for one in cube.margins if one.dimension == WHOLE and one.centre is not None]
    listed = {name: tuple(levels) for name, levels in found.items()}
    return {**listed, CENTRE: tuple(centres)} if centres else listed


def ask(conditions: Sequence[str], cube: SafeCube) -> list[Asked]:
    """Return what conditions ask of a cube, one for each dimension.

    Args:
        conditions: Such as `SEX = F`, `AGE >= 60`, `STAGE = III|IV`, `rna known`.
        cube: Of a release.

    Raises:
        KeyError: If the cube does not tell of a condition; the text is what it lacks.
        UserError: If a condition is none.
    """
    levels = levels_of(cube)
    found: dict[str, Asked] = {}
    for condition in map(parse, conditions):
        name, sure, possible = _met(condition, levels)
        old = found.get(name, Asked(name, frozenset(levels[name]), frozenset(levels[name])))
        found[name] = Asked(name, old.sure & sure, old.possible & possible)
    return list(found.values())


def _met(condition: Condition, levels: Mapping[str, tuple[str, ...]]) -> tuple[str, frozenset[str], frozenset[str]]:
    if condition.name not in levels:
        return _of_modality(condition, levels.get(MODALITIES, ()))
    own = levels[condition.name]
    if condition.sign in ("known", "unknown"):
        chosen = frozenset(level for level in own if (level == UNKNOWN) == (condition.sign == "unknown"))
        return condition.name, chosen, chosen
    named = frozenset(map(str.strip, condition.value.split("|")))
    if condition.sign in ("=", "!=") and not (condition.name == "AGE" and named.isdisjoint(own)):
        chosen = frozenset(level for level in own if (level in named) == (condition.sign == "=") and level != UNKNOWN)
        return condition.name, chosen, chosen
    bands = {level: years(level) for level in own if is_band(level)}
    if not bands:
        raise UserError(f"The levels of {condition.name} have no order here. Compare them by = or !=, several as A|B.")
    return condition.name, *_of_bands(condition, bands)


def is_band(level: str) -> bool:
    """Return whether a `level` is a band of whole years.

    >>> is_band("60–69"), is_band("not known")
    (True, False)
    """
    parts = level.split(_RANGE)
    return len(parts) == 2 and all(part.isdecimal() for part in parts)


def years(band: str) -> tuple[int, int]:
    """Return the first and the last year of a `band`.

    >>> years("60–69")
    (60, 69)
    """
    first, last = band.split(_RANGE)
    return int(first), int(last)


def _of_bands(condition: Condition, bands: Mapping[str, tuple[int, int]]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the bands of years of which all ages meet a condition, and those of which some may."""
    try:
        value = float(condition.value)
    except ValueError:
        raise UserError(f"{condition.name} is compared with a number, and not with what was given.") from None
    # A band is all ages from its first year up to the end of its last.
    spans = {level: (low, high + 1) for level, (low, high) in bands.items()}
    tests: Mapping[str, Callable[[int, int], tuple[bool, bool]]] = {
        ">=": lambda low, end: (value <= low, value < end),
        ">": lambda low, end: (value < low, value < end),
        "<=": lambda low, end: (value >= end, value >= low),
        "<": lambda low, end: (value >= end, value > low),
        "=": lambda low, end: (False, low <= value < end),
        "!=": lambda low, end: (not low <= value < end, True),
    }
    met = {level: tests[condition.sign](*span) for level, span in spans.items()}
    return frozenset(level for level in met if met[level][0]), frozenset(level for level in met if met[level][1])


def _of_modality(condition: Condition, levels: Sequence[str]) -> tuple[str, frozenset[str], frozenset[str]]:
    names = {name for level in levels for name in level.split(" + ") if level not in (NONE, OTHERS)}
    if condition.name not in names:
        raise KeyError(condition.name)
    if condition.sign not in ("known", "unknown"):
        raise UserError(f"{condition.name} is a modality: ask `{condition.name} known` or `{condition.name} unknown`.")
    told = frozenset(levels) - {OTHERS}
    chosen = frozenset(one for one in told if (condition.name in one.split(" + ")) == (condition.sign == "known"))
    return MODALITIES, chosen, chosen | (frozenset(levels) - told)


def over_releases(folders: Iterable[Path], conditions: Sequence[str]) -> list[OfRelease]:
    """Return the answer of each release; one without a cube lacks it.

    Args:
        folders: Folders `<study>/<version>` of releases.
        conditions: What is asked; see `ask`.

    Raises:
        UserError: If a condition is none.
    """
    found = []
    for folder in folders:
        study, version = folder.parent.name, folder.name
        cube = safe_cube.read(folder)
        if cube is None:
            found.append(OfRelease(study, version, None, safe_cube.FILE))
            continue
        try:
            found.append(OfRelease(study, version, how_many(cube, ask(conditions, cube))))
        except KeyError as lacking:
            found.append(OfRelease(study, version, None, str(lacking.args[0])))
    return found


def total(found: Iterable[OfRelease]) -> Bounds:
    """Return the bounds over all releases that tell.

    Args:
        found: The answer of each.

    >>> str(total([OfRelease("a", "1.0.0", Bounds(20, 30)), OfRelease("b", "1.0.0", None, "STAGE")]))
    '20 to 30'
    """
    known = [one.bounds for one in found if one.bounds is not None]
    return Bounds(sum(one.least for one in known), sum(one.most for one in known))
