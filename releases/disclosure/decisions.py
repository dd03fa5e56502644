"""The record of what is shown of a release and what is not, for a privacy officer: one row for each number, in the manner of ACRO.

The file `disclosure.parquet` of a release. A hidden number has no value in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

FILE = "disclosure.parquet"

SCHEMA = pl.Schema(
    {
        "output": pl.String(),
        "number": pl.String(),
        "rule": pl.String(),
        "shown": pl.Boolean(),
        "why": pl.String(),
        "value": pl.Int64(),
    }
)

COUNTS = "no count of a few"
EITHER_SIDE = "persons on either side"
ROUNDED = "rounded counts"
NOBODY_ALONE = "nobody alone"


@dataclass(frozen=True)
class Decision:
    """What was decided of one number.

    Attributes:
        output: Where it stands: `cohort` (page, catalogue, manifest and dictionary alike), `dictionary`, `survival`, ...
        number: Whom it counts.
        rule: The rule that decided.
        shown: Whether it is shown.
        why: The reason in words; it holds no count.
        value: The number, where it is shown.
    """

    output: str
    number: str
    rule: str
    shown: bool
    why: str
    value: int | None = None


def decide(output: str, number: str, count: int | None, min_cell: int) -> Decision:
    """Return the decision on a `count`, the `number` of an `output`; None is hidden. Counts below `min_cell` are small.

    Whether a hidden count is small itself or would give a small one away is not said: that would narrow it.

    >>> decide("page", "subjects with rna", None, 10).shown
    False
    """
    if count is None:
        return Decision(
            output, number, COUNTS, False, f"It, or one that it would give away, is of fewer than {min_cell} persons."
        )
    return Decision(output, number, COUNTS, True, f"No count of fewer than {min_cell} persons can be worked out with it.", count)


def frame(decisions: Iterable[Decision]) -> pl.DataFrame:
    """Return the record of `decisions` as a table, in order of output as given and of number.

    >>> frame([decide("page", "subjects with rna", 40, 10)]).height
    1
    """
    return pl.DataFrame([asdict(one) for one in decisions], schema=SCHEMA)


def read(folder: Path) -> pl.DataFrame | None:
    """Return the record of the release in `folder`; None where it has none.

    >>> read(Path("no release")) is None
    True
    """
    path = folder / FILE
    return pl.read_parquet(path) if path.is_file() else None
