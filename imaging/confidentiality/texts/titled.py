"""A title before a name that is a word as well: `dr masse`, `M MASSE`, `Me Rocher`, `Dr. med. Gross`."""

from __future__ import annotations

import re

from unibase.imaging.confidentiality.texts.vocabulary import allowed, vocabulary

_DEGREES = r"(?:[._ ]+(?:med|dent|vet|rer|nat|phil|habil|univ|ing|dipl|h\.? ?c|msc|phd|md)(?![^\W_]))*"
_TITLE = re.compile(
    r"(?<![^\W_])(?<!\d )(?:(?P<sure>mm?es?|mlles?|mrs|miss|maitre|monsieur|madame|mademoiselle|docteure?s?|doctors?|drs|prs|herr|frau|senora?|signora?|sra|sr\.|"
    rf"dott(?:\.?ssa)?|mevrouw|meneer|(?:prof(?:esseure?s?|essors?)?|[dp]r){_DEGREES}\.|prof(?:esseure?|essor)?{_DEGREES}|dr[. ]+med{_DEGREES})|dr|pr|mr|m)"
    r"[._^ ]+(?=[^\W\d_])"
)
_INITIALS = re.compile(r"(?:[^\W\d_](?:[.\-^]{1,2} ?| )){0,2}(?=[^\W\d_]{2})")
_PARTICLES = re.compile(
    r"(?:(?:le|la|les|l|de|du|des|d|van|von|der|den|el|al|ben|bin|abd|abou|saint|sainte|st|ste|mac|mc|o|da|di|do|dos|ter|ten)[ ^'’\-]+)*"
)
_WORD = re.compile(r"[^\W\d_]+")
_BETWEEN = re.compile(r"(?: ?[,;/&+] ?|[ ^'’\-_.]{1,2}| et | and )(?=[^\W\d_])")
_MOST_NAMES = 5
_INITIALS_ALONE = re.compile(
    r"(?<![^\W_])(?:mmes?|mlles?|mrs?|ms|miss|monsieur|madame|mademoiselle|docteure?|dr|pr)[. ]+(?:[^\W\d_]\.[ \-]?){1,4}(?:[^\W\d_](?![^\W_]))?(?![^\W_])"
)


def titled(plain: str) -> list[tuple[int, int]]:
    """Return where a title and the names after it stand in a folded text, `plain`, though these names are words too.

    `dr`, `pr`, `mr` and `m` may be radiography, an interval, a modality and a metre: after them a part of the body names nobody.

    >>> [len(titled(one)) for one in ("dr masse", "m masse", "me rocher", "dr bassin", "mr body", "3 m masse")]
    [1, 1, 1, 0, 0, 0]
    """
    spans = [match.span() for match in _INITIALS_ALONE.finditer(plain)]
    for match in _TITLE.finditer(plain):
        names = names_at(plain, match.end(), _named(sure=match["sure"] is not None))
        if names:
            spans += [(match.start(), names[0][1]), *names[1:]]
    return spans


def _named(*, sure: bool) -> frozenset[str]:
    known = vocabulary()
    return known.names | (known.also_names | known.rare_names if sure else known.also_names - known.body)


def names_at(plain: str, start: int, named: frozenset[str]) -> list[tuple[int, int]]:
    """Return where words of `named` stand from a place on, with initials and particles before them.

    Words that no vocabulary holds may stand between: they are names too, and go without being told here. A term of
    several words ends the search: `petit bassin`.

    Args:
        plain: The folded text.
        start: Where a name may begin.
        named: Words that are names here.

    >>> names_at("j. le grand foie", 0, frozenset({"grand"}))
    [(0, 11)]
    """
    spans: list[tuple[int, int]] = []
    at = start
    for _ in range(_MOST_NAMES):
        word = _word(plain, at, named)
        if word is None or vocabulary().phrases.match(plain, word.start()):
            break
        if word[0] in named:
            word = _second_half(plain, word)
            spans.append((at, word.end()))
        elif allowed(word[0]):
            break
        gap = _BETWEEN.match(plain, word.end())
        if gap is None:
            break
        at = gap.end()
    return spans


def _second_half(plain: str, word: re.Match[str]) -> re.Match[str]:
    """Return the last word of a name of two halves, whatever it means: `rocher` in `grand-rocher`."""
    known, second = vocabulary(), _WORD.match(plain, word.end() + 1)
    if second is None or plain[word.end()] != "-" or second[0] not in known.also_names | known.rare_names:
        return word
    return second


def _word(plain: str, at: int, named: frozenset[str]) -> re.Match[str] | None:
    """Return the word at a place, after initials and particles where a name follows these."""
    found = _INITIALS.match(plain, at)
    first = found.end() if found else at
    particles = _PARTICLES.match(plain, first)
    for place in (first, particles.end() if particles else first):
        word = _WORD.match(plain, place)
        if word is not None and (word[0] in named or not allowed(word[0])):
            return word
    return _WORD.match(plain, at)
