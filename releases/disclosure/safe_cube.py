"""A cube of persons that may leave: disjoint blocks of at least `min_cell`, from which any question over them is answered.

Whatever is asked, the answer is a sum of whole blocks, or lies between two such sums. So questions that overlap tell no
more than the blocks do. Blocks are found by halving, as in Mondrian (LeFevre, DeWitt and Ramakrishnan, ICDE 2006).

Beside the page they narrow nothing. A block tells levels apart only where the page shows how many have each; hidden levels
of a characteristic stay together. Then whoever fills in hidden numbers as the page allows can always share these persons
out over the blocks: for each characteristic, both sides have the same sums.

Beside the cube of the version before, a block is told when nobody came into it or left it, or at least `min_cell` did.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

FILE = "cube.parquet"
MOST_BLOCKS = 400
WHOLE = ""
"""Dimension of a margin that counts all persons."""

SCHEMA = pl.Schema(
    {
        "block": pl.Int64(),
        "centre": pl.String(),
        "dimension": pl.String(),
        "level": pl.String(),
        "persons": pl.Int64(),
        "version": pl.String(),
    }
)


@dataclass(frozen=True)
class Dimension:
    """What persons are told apart by.

    Attributes:
        name: Such as `SEX`.
        levels: In order.
        groups: Levels that are told together, in order; each level is in one.
        of: Person to level.
        before: Person to level in the version before.
        parts: Sets of levels by which to halve; empty for cuts in order.
    """

    name: str
    levels: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    of: Mapping[int, str]
    before: Mapping[int, str]
    parts: tuple[frozenset[str], ...] = ()


@dataclass(frozen=True)
class Block:
    """Persons who are told together: how many, and which levels of each dimension they have."""

    persons: int
    levels: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Margin:
    """A count that the page shows: persons of a centre (None for all) with a level of a dimension."""

    centre: str | None
    dimension: str
    level: str
    persons: int


@dataclass(frozen=True)
class SafeCube:
    """Blocks and shown counts of a release.

    Attributes:
        blocks: Disjoint, all persons together.
        margins: Counts that the page shows.
        version: The version whose persons the blocks count.
    """

    blocks: tuple[Block, ...]
    margins: tuple[Margin, ...]
    version: str


@dataclass(frozen=True)
class _Node:
    """Persons of this version, or of the one before, who have some groups of levels in each dimension.

    Attributes:
        who: Their places.
        now: Which of them are in it in this version.
        before: Which are in it in the version before.
        groups: Groups of each dimension, by number.
    """

    who: np.ndarray
    now: np.ndarray
    before: np.ndarray
    groups: tuple[frozenset[int], ...]

    @property
    def changed(self) -> int:
        """How many came into it or left it."""
        return int((self.now ^ self.before).sum())


def groups_of(levels: Sequence[str], is_shown: Callable[[str], bool]) -> tuple[tuple[str, ...], ...]:
    """Return the levels that are told together: each shown one alone, all hidden ones in one group.

    Args:
        levels: In order.
        is_shown: Whether the page shows how many have a level.

    >>> groups_of(["I", "II", "III", "IV"], lambda level: level in ("II", "III"))
    (('I', 'IV'), ('II',), ('III',))
    """
    hidden = tuple(level for level in levels if not is_shown(level))
    first = hidden[0] if hidden else None
    return tuple(hidden if level == first else (level,) for level in levels if level == first or level not in hidden)


def blocks_of(
    dimensions: Sequence[Dimension], persons: Sequence[int], min_cell: int, before: Sequence[int] | None = None
) -> tuple[Block, ...] | None:
    """Return the blocks of a cohort; None where it is too small, or too few changed since the version before.

    Args:
        dimensions: What persons are told apart by.
        persons: Of this version.
        min_cell: Fewest persons of a block, and fewest that come or go.
        before: Persons of the version before, or None.
    """
    everybody = sorted({*persons, *(before or ())})
    now = np.isin(everybody, persons)
    # Without a version before, nothing was told: no change can be seen.
    then = now if before is None else np.isin(everybody, before)
    least = max(min_cell, math.ceil(len(persons) / MOST_BLOCKS))
    root = _Node(np.arange(len(everybody)), now, then, tuple(frozenset(range(len(one.groups))) for one in dimensions))
    codes = [[_codes(one, everybody, of) for one in dimensions] for of in ("of", "of" if before is None else "before")]
    if len(persons) < min_cell or 0 < _moved(codes, now, then) < min_cell:
        return None
    return tuple(_named(node, dimensions) for node in _halved(root, dimensions, codes, (least, min_cell)))


def _codes(one: Dimension, everybody: Sequence[int], of: str) -> np.ndarray:
    """Return the group of each person in a dimension; -1 for who has no level that it knows."""
    place = {level: number for number, group in enumerate(one.groups) for level in group}
    known: Mapping[int, str] = getattr(one, of)
    return np.array([place.get(known.get(person, ""), -1) if person in known else -1 for person in everybody], dtype=np.int64)


def _moved(codes: Sequence[Sequence[np.ndarray]], now: np.ndarray, then: np.ndarray) -> int:
    """Return how many persons came, left, or have another group in a dimension."""
    other = now ^ then
    for one, old in zip(*codes, strict=True):
        other = other | (one != old)
    return int(other.sum())


def _halved(
    node: _Node, dimensions: Sequence[Dimension], codes: Sequence[Sequence[np.ndarray]], least: tuple[int, int]
) -> Iterator[_Node]:
    """Yield the blocks of a node: of all ways to halve it, the most even one is taken, and each half is halved again."""
    best: tuple[_Node, _Node] | None = None
    size = 0
    for place, one in enumerate(dimensions):
        for chosen in _ways(one, node.groups[place]):
            halves = _split(node, place, chosen, codes)
            smaller = min(int(half.now.sum()) for half in halves)
            if smaller >= least[0] and smaller > size and all(h.changed == 0 or h.changed >= least[1] for h in halves):
                best, size = halves, smaller
    if best is None:
        yield node
        return
    for half in best:
        yield from _halved(half, dimensions, codes, least)


def _ways(one: Dimension, groups: frozenset[int]) -> Iterator[frozenset[int]]:
    """Yield the groups of one half, for every way to halve those of a node."""
    ordered = sorted(groups)
    if not one.parts:
        yield from (frozenset(ordered[:cut]) for cut in range(1, len(ordered)))
    for part in one.parts:
        chosen = frozenset(group for group in ordered if part.issuperset(one.groups[group]))
        if chosen and len(chosen) < len(ordered):
            yield chosen


def _split(node: _Node, place: int, chosen: frozenset[int], codes: Sequence[Sequence[np.ndarray]]) -> tuple[_Node, _Node]:
    def half(groups: frozenset[int]) -> _Node:
        now, before = (
            here & np.isin(of[place][node.who], list(groups)) for here, of in zip((node.now, node.before), codes, strict=True)
        )
        kept = now | before
        own = (*node.groups[:place], groups, *node.groups[place + 1 :])
        return _Node(node.who[kept], now[kept], before[kept], own)

    return half(chosen), half(node.groups[place] - chosen)


def _named(node: _Node, dimensions: Sequence[Dimension]) -> Block:
    levels = {
        one.name: tuple(level for level in one.levels if any(level in one.groups[group] for group in groups))
        for one, groups in zip(dimensions, node.groups, strict=True)
    }
    return Block(int(node.now.sum()), levels)


def frame(cube: SafeCube) -> pl.DataFrame:
    """Return a cube as a table: a row for each level of each dimension of a block, and for each margin (no `block`)."""
    rows: list[tuple[int | None, str | None, str, str, int, str]] = [
        (number, None, name, level, block.persons, cube.version)
        for number, block in enumerate(cube.blocks, 1)
        # Persons of whom nothing may be told apart are a block all the same.
        for name, levels in (block.levels or {WHOLE: ("",)}).items()
        for level in levels
    ]
    rows += [(None, one.centre, one.dimension, one.level, one.persons, cube.version) for one in cube.margins]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def read(folder: Path) -> SafeCube | None:
    """Return the cube of the release in `folder`; None where it has none.

    >>> read(Path("no release")) is None
    True
    """
    path = folder / FILE
    if not path.is_file():
        return None
    table = pl.read_parquet(path)
    blocks: dict[int, tuple[int, dict[str, tuple[str, ...]]]] = {}
    margins = []
    for number, centre, dimension, level, persons, _ in table.iter_rows():
        if number is None:
            margins.append(Margin(centre, dimension, level, persons))
            continue
        levels = blocks.setdefault(number, (persons, {}))[1]
        if dimension != WHOLE:
            levels[dimension] = (*levels.get(dimension, ()), level)
    found = tuple(Block(persons, levels) for persons, levels in blocks.values())
    return SafeCube(found, tuple(margins), str(table["version"][0]) if table.height else "")


def read_bytes(folder: Path) -> bytes | None:
    """Return the file of the cube of the release in `folder`; None where it has none.

    >>> read_bytes(Path("no release")) is None
    True
    """
    path = folder / FILE
    return path.read_bytes() if path.is_file() else None
