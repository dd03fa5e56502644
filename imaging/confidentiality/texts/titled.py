"""A title before a name that is a word as well: `dr masse`, `M MASSE`, `Me Rocher`."""

from __future__ import annotations

import re

from unibase.imaging.confidentiality.texts.vocabulary import vocabulary

_TITLE = re.compile(
    r"(?<![^\W_])(?<!\d )(?:(?P<sure>mm?es?|mlles?|mrs|maitre|monsieur|madame|docteure?|prof(?:esseure?)?|[dp]r\.)|dr|pr|mr|m)"
    r"[._^ ]+(?=[^\W\d_]{2})"
)
_WORD = re.compile(r"[^\W\d_]+(?:['\-][^\W\d_]+)*")
_BETWEEN = re.compile(r"[ ^\-']{1,2}")
_MOST_NAMES = 3


def titled(plain: str) -> list[tuple[int, int]]:
    """Return where a title and the names after it stand in a folded text, `plain`, though these names are words too.

    `dr`, `pr`, `mr` and `m` may be radiography, an interval, a modality and a metre: after them a part of the body names nobody.

    >>> [len(titled(one)) for one in ("dr masse", "m masse", "me rocher", "dr bassin", "mr body", "3 m masse")]
    [1, 1, 1, 0, 0, 0]
    """
    spans = []
    for match in _TITLE.finditer(plain):
        end = _end_of_names(plain, match.end(), sure=match["sure"] is not None)
        if end > match.end():
            spans.append((match.start(), end))
    return spans


def _end_of_names(plain: str, start: int, *, sure: bool) -> int:
    known = vocabulary()
    named = known.names | (known.also_names if sure else known.also_names - known.body)
    end = at = start
    for _ in range(_MOST_NAMES):
        word = _WORD.match(plain, at)
        if word is None or word[0] not in named:
            break
        end = word.end()
        gap = _BETWEEN.match(plain, end)
        at = gap.end() if gap else end
    return end
