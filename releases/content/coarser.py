"""The disclosure policy applied to every table of a release that has a column it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from unibase.releases.content.inputs import ReleaseInputs
from unibase.releases.content.staging_words import in_one_vocabulary
from unibase.releases.content.wide_tables import scan
from unibase.releases.disclosure import disclosure_policy

TABLES = ("analysis", "adtte", "adrs", "bds", "features", "trace")
"""Tables that are made coarser beside the subjects, the first that has a column deciding which of its texts are rare."""


@dataclass(frozen=True)
class Coarser:
    """What a release makes of its subjects and of blocks of its other tables.

    Attributes:
        inputs: What the release is made from.
        before: The subjects in one vocabulary, in order, nothing made coarser.
        subjects: The subjects as they are released.
        rare: Column to the texts that are rolled up, in every table alike.
    """

    inputs: ReleaseInputs
    before: pl.DataFrame
    subjects: pl.DataFrame
    rare: Mapping[str, Sequence[str]]

    def leaving(self, block: pl.DataFrame) -> pl.DataFrame:
        """Return a block of a table other than `subjects` as it leaves.

        Args:
            block: Rows of any table of the release.
        """
        return self.inputs.leaving.apply(disclosure_policy.coarsen(block, self.inputs.policy, self.rare))


def coarser(inputs: ReleaseInputs) -> Coarser:
    """Return how a release is made coarser, and its subjects.

    Args:
        inputs: What the release is made from.

    Raises:
        UserError: If the policy cannot be kept: see `disclosure_policy.check_columns`.
    """
    before = in_one_vocabulary(inputs.subjects.sort("subject_id"))
    sources = {name: source for name in TABLES if (source := getattr(inputs, name)) is not None}
    tables = {"subjects": before.lazy(), **{name: scan(source) for name, source in sources.items()}}
    disclosure_policy.check_columns(inputs.policy, {name: rows.collect_schema() for name, rows in tables.items()})
    ids, rare = before["subject_id"].implode(), dict[str, list[str]]()
    for rows in tables.values() if inputs.policy.rare else ():
        rare = {**disclosure_policy.rare_values(rows.filter(pl.col("subject_id").is_in(ids)), inputs.policy), **rare}
    return Coarser(inputs, before, disclosure_policy.coarsen(before, inputs.policy, rare), rare)
