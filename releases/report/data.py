"""What the page of a release is drawn from, and how it writes a count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from unibase.releases.content.weighing import Weighed
from unibase.releases.disclosure.decisions import Decision, decide
from unibase.releases.disclosure.small_counts import MASK_TEXT
from unibase.releases.read.difference import Difference

DAYS_PER_MONTH = 30.4375
Contents = Mapping[str, object]
"""What a template is given, by the names that it uses."""


@dataclass(frozen=True)
class ReportData:
    """What the page is drawn from: the release being built in `folder`, and what its tables do not hold.

    `weighed` has the counts that stand in other outputs as well; what a section weighs itself it adds to `record`.
    """

    study: str
    title: str
    version: str
    description: str
    folder: Path
    weighed: Weighed
    about: Mapping[str, Any]
    min_cell: int
    concepts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    evidence: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    changes: Difference | None = None
    lanes: bool = False
    previous: Path | None = None
    record: list[Decision] = field(default_factory=list)

    @property
    def dictionary(self) -> pl.DataFrame:
        """The dictionary, its counts as they may be shown."""
        return self.weighed.dictionary

    def table(self, name: str, *columns: str) -> pl.DataFrame:
        """Read the released table `name`, or some `columns` of it: a wide one is never held whole for a page."""
        return pl.read_parquet(self.folder / "tables" / f"{name}.parquet", columns=list(columns) or None)

    def has(self, name: str) -> bool:
        """Return whether the release has the table `name`."""
        return (self.folder / "tables" / f"{name}.parquet").is_file()

    def columns(self, name: str) -> list[str]:
        """Return the names of the columns of the released table `name`."""
        return list(pl.read_parquet_schema(self.folder / "tables" / f"{name}.parquet"))

    def told(self, output: str, number: str, count: int | None) -> None:
        """Note in the record that a section, `output`, shows a number with this `count`, or hides it (None)."""
        self.record.append(decide(output, number, count, self.min_cell))

    def ruled(self, output: str, number: str, rule: str, shown: bool, why: str) -> None:
        """Note in the record what a rule decided of a picture or another thing that is no count.

        Args:
            output, number, rule: The section, what of it, and the rule.
            shown, why: What was decided, and the reason in words.
        """
        self.record.append(Decision(output, number, rule, shown, why))


def text(count: int | None) -> str:
    """Return a count as text, or the mask.

    >>> text(20), text(None)
    ('20', '•')
    """
    return MASK_TEXT if count is None else f"{count:,}".replace(",", "\u202f")


def at_least(count: int, min_cell: int) -> str:
    """Return a count that no other number is weighed with: down to a multiple of the smallest count, or the mask.

    Two such counts, and one beside the size of a group, leave at least `min_cell` values open.

    `count`: how many; `min_cell`: smallest count that may be shown.

    Example:
        >>> at_least(83, 11), at_least(7, 11)
        ('≥ 77', '•')
    """
    return f"≥ {count // min_cell * min_cell}" if count >= min_cell else MASK_TEXT


def centre_count(data: ReportData) -> int:
    """Return how many centres have subjects in the `data` of the page."""
    return len([centre for centre in data.weighed.cohort.centres if centre not in ("", "?")])
