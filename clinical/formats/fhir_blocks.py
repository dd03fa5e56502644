"""A block of lines of FHIR to what its resources say: shape by shape where lines are alike, one by one where they are odd."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from unibase.clinical.formats import fhir
from unibase.clinical.formats.fhir_fields import Context
from unibase.clinical.formats.fhir_shapes import Flags, Ints, Parted, parted
from unibase.clinical.formats.fhir_source_events import frame_of, read_lines
from unibase.clinical.formats.fhir_templates import Asked, Case, Stays, cases, filled, ids, shapes_of, told
from unibase.clinical.sources.problem_rows import RowProblem

Find = Callable[[set[str], set[str]], Context]
"""Gives what is known of Encounters and of Medications by their ids."""


@dataclass(frozen=True)
class Block:
    """Lines of a file: where they begin, which are asked for, and how many rows of the file come before."""

    content: bytes
    starts: Ints
    asked: Flags
    before: int


@dataclass(frozen=True)
class BlockRead:
    """What the resources of a block are read to, and what is told of them."""

    frame: pl.DataFrame
    problems: list[RowProblem]
    tally: dict[str, tuple[int, int]]


def read_block(block: Block, find: Find) -> BlockRead:
    """Return what the resources of a block are read to: the same as `fhir_source_events.read_lines` makes of its lines one by one.

    Args:
        block: The lines.
        find: Finds what they refer to.
    """
    parts = parted(block.content, block.starts, block.asked)
    if parts is None:
        return _one_by_one(block, np.flatnonzero(block.asked).tolist(), find)
    known, stays = _alike(parts, find)
    odd = sorted({*parts.odd.tolist(), *known.odd})
    frame = filled(parts, known.cases, stays, block.before)
    problems, counted = told(known.cases, block.before)
    rest = _one_by_one(block, odd, find)
    if odd:
        frame = pl.concat([frame, rest.frame]).sort("source_row", maintain_order=True)
    problems = sorted([*problems, *rest.problems], key=lambda one: one.row)
    counted += [(first, key, count) for key, (first, count) in rest.tally.items()]
    return BlockRead(frame, problems, _summed(counted))


@dataclass(frozen=True)
class _Known:
    """Lines that are read by templates, and those that none tells."""

    cases: list[Case]
    odd: list[int]


def _alike(parts: Parted, find: Find) -> tuple[_Known, Stays]:
    shapes, odd = shapes_of(parts)
    encounters = ids(parts, shapes, [one.shape.encounter for one in shapes])
    medications = ids(parts, shapes, [one.shape.medication for one in shapes])
    found = find(_distinct(encounters), _distinct(medications))
    stays = Stays.of(len(parts.first) - 1)
    out = _Known([], odd)
    for shape, *asked in zip(shapes, encounters, medications, strict=True):
        alike, left = cases(shape, Asked(*asked), found, stays)
        out.cases.extend(alike)
        out.odd.extend(left)
    return out, stays


def _distinct(asked: Sequence[Sequence[str | None]]) -> set[str]:
    return {each for some in asked for each in some if each is not None}


def _one_by_one(block: Block, lines: Sequence[int], find: Find) -> BlockRead:
    resources = [
        (block.before + line + 1, fhir.parse_line(block.content[block.starts[line] : block.starts[line + 1]])) for line in lines
    ]
    asked = [fhir.references(one) for _, found in resources for one in found or []]
    context = find({one for one, _ in asked if one}, {one for _, one in asked if one})
    return BlockRead(frame_of(read_lines(resources, context)), context.problems, context.tally)


def _summed(counted: list[tuple[int, str, int]]) -> dict[str, tuple[int, int]]:
    """Return the tallies by key, in the order in which they were met."""
    out: dict[str, tuple[int, int]] = {}
    for first, key, count in sorted(counted, key=lambda one: one[0]):
        known = out.get(key, (first, 0))
        out[key] = (known[0], known[1] + count)
    return out
