"""Codes of cases in the names of files: two that differ are two cases, and no mask of one goes with an image of the other."""

from __future__ import annotations

import re
from collections.abc import Sequence

_CODE = re.compile(r"([^\W\d]+)\d.*")
"""A word of letters and a number, as cases are numbered: `p1`, `pat007`."""


def another_code(mask: Sequence[str], image: Sequence[str]) -> bool:
    """Return whether the words of two names hold codes that begin with the same letters, and none alike.

    >>> another_code(["p1"], ["p2"]), another_code(["p1"], ["p1", "ct"]), another_code(["lesion2"], ["p1"])
    (True, False, False)
    """
    own, other = ({word: found[1] for word in words if (found := _CODE.fullmatch(word))} for words in (mask, image))
    return bool(set(own.values()) & set(other.values())) and not set(own) & set(other)
