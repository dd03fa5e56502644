"""Persons of two versions of a release at once: a reader who has both knows the numbers of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

from unibase.releases.disclosure.small_counts import Statistic


def pairs[Kind: Hashable](
    now: Mapping[int, Kind], before: Mapping[int, Kind] | None
) -> dict[tuple[Kind | None, Kind | None], int]:
    """Count the persons alike in the version before and in this one: `(kind before, kind now)` to persons.

    Who came and who left is not known to a reader. So a kind may also have come or left where nobody did: with 0 persons.

    Args:
        now: Person to kind, in this version.
        before: Person to kind in the version before; None where there is none, and kinds before are None then.

    Example:
        >>> pairs({1: "a", 2: "b"}, {1: "a"})
        {('a', None): 0, (None, 'a'): 0, (None, 'b'): 1, ('a', 'a'): 1}
    """
    if before is None:
        return {(None, kind): count for kind, count in Counter(now.values()).items()}
    found = Counter((before.get(person), now.get(person)) for person in {**before, **now})
    gone: dict[tuple[Kind | None, Kind | None], int] = {(kind, None): 0 for kind in before.values()}
    come: dict[tuple[Kind | None, Kind | None], int] = {(None, kind): 0 for kind in now.values()}
    return {**gone, **come, **found}


def moved(groups: Sequence[tuple[object | None, object | None]], added: int | None, removed: int | None) -> list[Statistic]:
    """Return what a reader knows of who came and who left: where the page tells how many, or that nobody did.

    Args:
        groups: `(kind before, kind now)` of each base group.
        added: How many came, where it is told.
        removed: How many left, where it is told.
    """
    come = tuple(i for i, (before, _) in enumerate(groups) if before is None)
    gone = tuple(i for i, (_, now) in enumerate(groups) if now is None)
    return [Statistic(members, known=True) for members, told in ((come, added), (gone, removed)) if told is not None]
