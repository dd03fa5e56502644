"""What extracts of one release tell together: the parts into which they cut its subjects.

Who holds several extracts, and the page of the release, can count every part: persons of 60 and more less those of 61 and
more, all less women less men of another age. A request must not cut off a part of a few.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from unibase.releases.disclosure.small_counts import is_small


def cuts_few(every: Iterable[int], earlier: Sequence[Collection[int]], mine: Collection[int], min_cell: int) -> bool:
    """Tell whether a further extract cuts off a part of fewer than `min_cell` subjects that was not cut off before.

    Args:
        every: The subjects of the release.
        earlier: Those of each extract that was given.
        mine: Those of the further one.
        min_cell: The smallest count that may be told.

    >>> cuts_few(range(20), [range(10)], range(8), 5), cuts_few(range(20), [range(10)], range(5), 5)
    (True, False)
    """
    sets, asked = [set(one) for one in earlier], set(mine)
    inside: Counter[tuple[bool, ...]] = Counter()
    outside: Counter[tuple[bool, ...]] = Counter()
    for subject in every:
        part = tuple(subject in one for one in sets)
        (inside if subject in asked else outside)[part] += 1
    # A part that the request does not divide is as it was.
    divided = inside.keys() & outside.keys()
    return any(is_small(side[part], min_cell) for part in divided for side in (inside, outside))
