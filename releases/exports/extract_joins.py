"""What who holds two extracts of a release can join: whose rows in both are one person's, told before a further one leaves.

Noise of each project's own hides equal values, not rows that lie near one another in several columns at once: of 2,000
simulated subjects, four shared columns join 1,849. So a request is tried against the extracts given before, by the
attackers of `releases.attack.of_extracts`, and refused where more rows join than chance and two. A release may set another
limit (`attack_limits: {extracts: 0.05}`); where it sets none, who may decide it says in the request why more may leave.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from unibase.groundwork.problems import UserError
from unibase.releases.attack.of_extracts import Opened, by_equal_values, by_nearest

LIMIT = "extracts"
"""How `release.attack_limits` names it, and the manifest under `extract_limit`."""
MOST_JOINED = 3
"""Rows that may be joined where the release sets no limit: one by chance, and two."""
MOST_TRIED = 2_000
"""Subjects whose rows are tried, at most: to pair all rows takes time by the cube of their number. Of fewer rows more are joined."""


@dataclass(frozen=True)
class Joined:
    """What a request and one earlier extract tell together.

    Attributes:
        project: Project of the earlier extract.
        joined: Subjects whose rows in both can be told to be one person's.
        of: Subjects of both that were tried.
        columns: Columns of numbers that both hold.
    """

    project: str
    joined: int
    of: int
    columns: tuple[str, ...]

    @property
    def words(self) -> str:
        """What the custodian is told.

        >>> Joined("lung", 18, 20, ("age", "ldh")).words
        'with the extract of lung, the rows of 18 of 20 subjects can be joined by 2 columns that both hold (age, ldh)'
        """
        named = ", ".join(self.columns[:5]) + (", ..." if len(self.columns) > 5 else "")
        what = f"{len(self.columns)} columns that both hold ({named})"
        return f"with the extract of {self.project}, the rows of {self.joined} of {self.of} subjects can be joined by {what}"


def joined(project: str, earlier: Opened, mine: Opened) -> Joined:
    """Try which rows of an earlier extract and of a request are one person's; the better of two attackers counts.

    Args:
        project: Project of the earlier extract.
        earlier: What it holds.
        mine: What the request asks for.
    """
    both = np.intersect1d(earlier.persons, mine.persons)
    tried = both[np.linspace(0, len(both) - 1, min(len(both), MOST_TRIED)).astype(np.int64)] if len(both) else both
    one, two = (_only(side, tried) for side in (earlier, mine))
    columns = tuple(sorted(set(one.names) & set(two.names)))
    most = max(by_equal_values(one, two), by_nearest(one, two)) if columns and len(tried) else 0
    return Joined(project, most, len(tried), columns)


def _only(side: Opened, persons: np.ndarray) -> Opened:
    kept = np.isin(side.persons, persons)
    return Opened(side.values[kept], side.names, side.persons[kept])


def refuse_over(found: Iterable[Joined], limit: float | None, why: str = "") -> None:
    """Refuse a request that joins more than a release allows, or more than chance and two where it sets no limit.

    Args:
        found: What it tells with each earlier extract.
        limit: Share of subjects, 0 to 1, as the release says; None where it sets none.
        why: Why more may leave, such as the approval that allows it; it lifts no limit that the release sets.

    Raises:
        UserError: With the extract, the columns, and the ways on.

    Example:
        >>> refuse_over([Joined("lung", 18, 20, ("age", "ldh"))], None, "approval 26-001 c")
        >>> refuse_over([Joined("lung", 3, 20, ("age",))], None)
        >>> refuse_over([Joined("lung", 4, 20, ("age",))], None)
        Traceback (most recent call last):
            ...
        unibase.groundwork.problems.UserError: ...
    """
    for one in found:
        if limit is not None and one.joined > limit * one.of:
            raise UserError(f"The request is refused: {one.words}, and `release.attack_limits` allows {limit:.1%}. {_WAYS_ON}.")
        if limit is None and one.joined > MOST_JOINED and not why.strip():
            raise UserError(
                f"The request is refused: {one.words}, and {MOST_JOINED} are allowed where `release.attack_limits` says nothing. "
                f"{_WAYS_ON}, or say in the request why they may leave (`joins: approval 26-001 c`)."
            )


_WAYS_ON = "Ask for fewer of these columns, for more `noise`, or give both projects one extract"
