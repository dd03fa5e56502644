"""What the concepts and persons of an OMOP source mean, as places in lists: numbers instead of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from unibase.clinical.formats import omop_concepts, omop_persons
from unibase.clinical.timelines.pieces import Numbers
from unibase.clinical.words.units import TARGET_UNIT, ucum
from unibase.groundwork.arrow import to_arrow, to_numpy

if TYPE_CHECKING:
    import pyarrow as pa


DAY = 86_400_000_000
"""Microseconds of a day."""


_SPARSE = 16


NO_UNIT, STRANGE_UNIT = -1, -2


NOWHERE = -1


@dataclass(frozen=True)
class Codebook:
    """What every concept in use means, as places in `names` and `units`.

    Attributes:
        concept_id: The concepts in use, ascending.
        code: By prefix of the table: place in `names` of the concept's code, or -1 when the vocabulary does not hold it.
        answer: Place in `names` of the concept as a value; -1 for 0.
        unit: Place in `units` of the concept as a unit, -1 when it is none, -2 when it is not known as UCUM.
        names: Codes and coded values.
        units: UCUM codes.
        target: For each name the place of the unit its values are kept in, or -1.
    """

    concept_id: Numbers
    code: Mapping[str, Numbers]
    answer: Numbers
    unit: Numbers
    names: tuple[str, ...]
    units: tuple[str, ...]
    target: Numbers

    @cached_property
    def place(self) -> dict[str, int]:
        """Place of each of the names."""
        return {name: number for number, name in enumerate(self.names)}

    @cached_property
    def listed(self) -> pl.Series:
        """The names as a column."""
        return pl.Series(self.names, dtype=pl.String)


def codebook(used: Sequence[int], concepts: pl.DataFrame, prefixes: Sequence[str]) -> Codebook:
    """Return the codebook of the concepts in use.

    Args:
        used: Every concept number in the tables.
        concepts: `concept_id, vocabulary_id, concept_code` of those in the vocabulary.
        prefixes: What the tables write before a code.
    """
    units: dict[str, int] = {}
    ids = sorted({*used} - {0})
    known = omop_concepts.codes_of(concepts)
    unit_of = omop_concepts.units_of(concepts)
    answers = [known.get(one, f"OMOP//{one}") for one in ids]
    coded = {prefix: [prefix + known[one] if one in known else None for one in ids] for prefix in sorted(set(prefixes))}
    # In order, and with those of every person, so that a shard need not sort the names it uses.
    names = sorted(
        {*answers, *omop_persons.PERSON_CODES} | {name for codes in coded.values() for name in codes if name is not None}
    )
    place = {name: number for number, name in enumerate(names)} | {None: NOWHERE}

    def unit(one: int) -> int:
        written = unit_of.get(one)
        if written is None:
            return NO_UNIT
        spelled = ucum(written)
        return STRANGE_UNIT if spelled is None else units.setdefault(spelled, len(units))

    unit_places = np.array([unit(one) for one in ids], dtype=np.int32)
    target = np.array(
        [units.setdefault(TARGET_UNIT[name], len(units)) if name in TARGET_UNIT else NO_UNIT for name in names], dtype=np.int32
    )
    return Codebook(
        np.array(ids, dtype=np.int64),
        {prefix: np.array([place[code] for code in codes], dtype=np.int32) for prefix, codes in coded.items()},
        np.array([place[answer] for answer in answers], dtype=np.int32),
        unit_places,
        tuple(names),
        tuple(units),
        target,
    )


@dataclass(frozen=True)
class Persons:
    """The persons of a source by their number: `rank` is the place of their subject among all, `shift` microseconds."""

    person_id: Numbers
    rank: Numbers
    shift: Numbers

    @classmethod
    def of(cls, known: pl.DataFrame, subjects: pl.Series) -> Persons:
        """Return the persons whose key is a number, of a frame `known` of `person, subject_id, shift_days`.

        `subjects` are all pseudonyms, ascending: a person is known by its place among them.
        """
        number = pl.col("person").cast(pl.Int64, strict=False)
        frame = known.with_columns(number.alias("number")).sort("number")
        frame = frame.filter(pl.col("number").cast(pl.String) == pl.col("person"))
        rank = subjects.search_sorted(frame["subject_id"]).to_numpy().astype(np.uint32)
        return cls(frame["number"].to_numpy(), rank, frame["shift_days"].to_numpy() * DAY)

    @cached_property
    def _direct(self) -> Numbers | None:
        """A table from number to place where the numbers lie close together, else nothing."""
        known = self.person_id
        span = int(known[-1] - known[0]) if len(known) else 0
        if not len(known) or span > _SPARSE * len(known):
            return None
        table = np.full(span + 1, NOWHERE, dtype=np.int32)
        table[known - known[0]] = np.arange(len(known), dtype=np.int32)
        return table

    def places(self, numbers: pa.Array) -> Numbers:
        """Return the place of each person number of `numbers`, shape (rows,), -1 where it is not known or null."""
        import pyarrow.compute as pc

        if self._direct is not None and not numbers.null_count:
            offset = to_numpy(numbers) - self.person_id[0]
            if not len(offset) or (offset.min() >= 0 and offset.max() < len(self._direct)):
                result: Numbers = self._direct.take(offset)
                return result
        found = pc.index_in(numbers, value_set=to_arrow(pl.Series(self.person_id), numbers.type), skip_nulls=True)
        return to_numpy(pc.fill_null(found, NOWHERE))
