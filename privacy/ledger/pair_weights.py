"""Why two records were linked, or are asked about: what each trait weighs for their being one person, in bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from unibase.privacy.ledger.comparable import RecordKey, read_traits
from unibase.privacy.ledger.matching import prior_bits, score_rows
from unibase.privacy.ledger.weights import weights_of, without_default_dates


@dataclass(frozen=True)
class PairWeights:
    """What speaks for and against two records being one person.

    Attributes:
        family, given, birth, sex, place, residence: Bits of each trait; below 0 where it speaks against, minus infinity where it excludes.
        prior: Bits that must be made up for, since two records of a file mostly are two persons; below 0.
    """

    family: float
    given: float
    birth: float
    sex: float
    place: float
    residence: float
    prior: float

    @property
    def total(self) -> float:
        """All bits together: the score of the pair."""
        return self.family + self.given + self.birth + self.sex + self.place + self.residence + self.prior


def weigh_pairs(people: pl.DataFrame, pairs: Sequence[tuple[RecordKey, RecordKey]]) -> list[PairWeights]:
    """Return the weights of pairs of records, of the writings that speak most for each.

    Args:
        people: PEOPLE rows of the whole ledger, which say how common names and days are.
        pairs: Records to compare.
    """
    if not pairs:
        return []
    traits = without_default_dates(read_traits(people))
    numbers = {key: at for at, key in enumerate(traits.keys)}
    ends = np.searchsorted(traits.record, np.arange(len(numbers) + 1))
    rows = [[range(ends[numbers[one]], ends[numbers[one] + 1]) for one in pair] for pair in pairs]
    of = np.repeat(np.arange(len(pairs)), [len(left) * len(right) for left, right in rows])
    at = np.array([(a, b) for left, right in rows for a in left for b in right], dtype=np.int64).T
    scored = score_rows(traits, at, weights_of(traits))
    best = [int(mine[np.argmax(scored.bits[mine])]) for mine in (np.flatnonzero(of == pair) for pair in range(len(pairs)))]
    parts = [*(part[best] for part in scored.parts), np.full(len(best), -prior_bits(traits))]
    return [PairWeights(*row) for row in np.column_stack(parts).tolist()]
