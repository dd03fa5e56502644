"""From names of regions in files to the targets of a study: patterns, and the list of every match and miss."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from unibase.imaging.options import Regions


@dataclass(frozen=True)
class Matches:
    """What the patterns found.

    Attributes:
        found: For every target with a match, the positions of its ROI names, in order.
        missing: Targets that no name matched.
        unused: Positions of names that no target asked for.
    """

    found: dict[str, list[int]]
    missing: list[str]
    unused: list[int]


def match_regions(names: Sequence[str], regions: Regions | None) -> Matches:
    """Find the targets of ROI `names` by the patterns of `regions`; without any every name is its own target.

    A pattern has to match the whole name (blanks around it aside), whatever the case: `gtv` matches `GTV` and not
    `GTV minus bone`; write `gtv.*` for both. One name may serve several targets.

    >>> match_regions(["GTV", "Heart"], {"tumour": ["gtv.*"]}).found
    {'tumour': [0]}
    """
    if regions is None:
        found: dict[str, list[int]] = {}
        for position, name in enumerate(names):
            found.setdefault(name.strip(), []).append(position)
        return Matches(found, [], [])
    found = {}
    for target, patterns in regions.items():
        compiled = [re.compile(pattern, re.IGNORECASE) for pattern in patterns]
        hits = [i for i, name in enumerate(names) if any(one.fullmatch(name.strip()) for one in compiled)]
        if hits:
            found[target] = hits
    used = {position for hits in found.values() for position in hits}
    return Matches(
        found,
        [target for target in regions if target not in found],
        [position for position in range(len(names)) if position not in used],
    )
