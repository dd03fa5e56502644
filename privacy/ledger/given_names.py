"""What is known of given names before a file is read: which exist, how common they are, which are writings of one name.

A file of a few records cannot say whether LEA and LENA are two names or one with a slip of the pen. The table
`given_names.txt` can: names by class, and groups of writings (transliterations, spellings). A word that is not in it may
still be a name: it is `likely` when all its runs of three letters occur in names of the table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import combinations
from pathlib import Path
from string import ascii_uppercase

from rapidfuzz.distance import OSA

_TABLE = Path(__file__).with_name("given_names.txt")
_SHARES = {"common": 0.015, "usual": 0.005, "known": 0.002}
_FAR_RARER = 5
UNKNOWN_SHARE = 0.01
"""Share of the persons of a sex who bear a name that is not in the table, before a file is read: nobody knows, so the
cautious share that a common name has."""

_SOUNDS = (
    ("OU", "U"), ("PH", "F"), ("DJ", "J"), ("SCH", "CH"), ("SH", "CH"), ("KH", "K"), ("GH", "G"), ("TH", "T"), ("CK", "K"),
    ("QU", "K"), ("CE", "SE"), ("CI", "SI"), ("CY", "SI"), ("CH", "@"), ("C", "K"), ("@", "CH"), ("W", "U"), ("Y", "I"),
    ("Z", "S"), ("X", "KS"), ("H", ""),
)  # fmt: skip
_ONE_FOR_ANOTHER = frozenset({"EF", "UV", "CK", "IY"})
"""Two letters of one shape, or of one sound."""
_NASAL = re.compile(r"N(?![AEIOUYN])")
"""What follows A or E where both are heard alike."""


@dataclass(frozen=True)
class GivenNames:
    """The table of given names.

    Attributes:
        shares: Share of a sex that bears each name.
        writings: The first of its group, for each name that is written in several ways.
        runs: All runs of three letters of the names, with their beginnings and ends.
        compounds: Both halves of names that are usually compound (JEAN-FRANCOIS).
        united: Both halves of compound names that are written without a hyphen (MOHAMED AMINE).
    """

    shares: dict[str, float]
    writings: dict[str, str]
    runs: frozenset[str]
    compounds: frozenset[tuple[str, str]]
    united: frozenset[tuple[str, str]]

    def exists(self, name: str) -> bool:
        """Return whether the table has the name.

        Example:
            >>> given_names().exists("LENZO"), given_names().exists("LENZZO")
            (True, False)
        """
        return name in self.shares

    def share(self, name: str) -> float:
        """Return the share of a sex that bears the name, before a file is read.

        >>> given_names().share("MARIE") > given_names().share("ZEPHYRINE")
        True
        """
        return self.shares.get(name, UNKNOWN_SHARE)

    def likely(self, name: str) -> bool:
        """Return whether a word could be a given name: all its runs of three letters occur in names.

        Example:
            >>> given_names().likely("LEANDRA"), given_names().likely("ELEONRE")
            (True, False)
        """
        return self.exists(name) or _runs(name) <= self.runs

    def compound(self, words: Sequence[str]) -> bool:
        """Return whether the first two given names usually are one, written rightly or with a slip in either.

        Args:
            words: Given names in order, in capitals without accents.

        Example:
            >>> given_names().compound(["JEAN", "FRANCOIS", "ADAM"]), given_names().compound(["ADAM", "JEAN"])
            (True, False)
            >>> given_names().compound(["JEAN", "FRANCEIS"])
            True
        """
        pair = tuple(words[:2])
        if pair in self.compounds or len(pair) < 2 or all(map(self.exists, pair)):
            return pair in self.compounds
        return _nearly_compound(pair[0], pair[1])

    def may_be(self, word: str, name: str) -> bool:
        """Return whether a word is a name, or is none and a slip away from it.

        Args:
            word, name: Given names, in capitals without accents.

        >>> given_names().may_be("FRANCEIS", "FRANCOIS"), given_names().may_be("LEA", "LENA")
        (True, False)
        """
        return word == name or (not self.exists(word) and OSA.distance(word, name, score_cutoff=1) <= 1)

    def between(self, name: str) -> bool:
        """Return whether a word is no name, and a slip of either of two names a letter apart (LNA: LEA or LENA).

        A name that is far rarer than the other does not count: JAAN is JEAN rather than JAN.

        Example:
            >>> given_names().between("LNA"), given_names().between("CHRSTOPHE")
            (True, False)
        """
        if self.exists(name):
            return False
        near = sorted({self.one_writing(one) for one in _a_slip_away(name) if one in self.shares})
        return any(OSA.distance(a, b) <= 1 and self._as_common(a, b) for a, b in combinations(near, 2))

    def _as_common(self, one: str, two: str) -> bool:
        return max(self.shares[one], self.shares[two]) <= _FAR_RARER * min(self.shares[one], self.shares[two])

    def one_writing(self, name: str) -> str:
        """Return what stands for all writings of a name.

        Example:
            >>> given_names().one_writing("YUSUF") == given_names().one_writing("YOUSSEF")
            True
        """
        return self.writings.get(name, name)


@cache
def given_names() -> GivenNames:
    """Return the table, read once."""
    shares: dict[str, float] = {}
    writings: dict[str, str] = {}
    compounds: set[tuple[str, str]] = set()
    united: set[tuple[str, str]] = set()
    for line in _TABLE.read_text(encoding="ascii").splitlines():
        kind, *names = line.replace("-", "").split()
        if kind == "compound":
            compounds.update((names[0], other) for other in names[1:])
        elif kind == "united":
            united.update((names[0], other) for other in names[1:])
        elif kind == "same":
            for name in names:
                writings.setdefault(name, writings.get(names[0], names[0]))
                shares.setdefault(name, _SHARES["known"])
        elif kind in _SHARES:
            for name in names:
                shares.setdefault(name, _SHARES[kind])
    runs = frozenset(run for name in shares for run in _runs(name))
    return GivenNames(shares, writings, runs, frozenset(compounds), frozenset(united))


@lru_cache(maxsize=65_536)
def _nearly_compound(first: str, second: str) -> bool:
    known = given_names()
    return any(known.may_be(first, one) and known.may_be(second, other) for one, other in known.compounds)


def _runs(name: str) -> frozenset[str]:
    padded = f"_{name}_"
    return frozenset(padded[at : at + 3] for at in range(len(padded) - 2))


def _a_slip_away(name: str) -> set[str]:
    """Return all words that are one letter more, less or other, or have two neighbours exchanged."""
    cuts = [(name[:at], name[at:]) for at in range(len(name) + 1)]
    fewer = {a + b[1:] for a, b in cuts if b}
    turned = {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    other = {a + letter + rest for a, b in cuts for letter in ascii_uppercase for rest in (b, b[1:])}
    return fewer | turned | other


def squeezed(name: str) -> str:
    """Return a name with doubled letters written once.

    Example:
        >>> squeezed("ISABELLE")
        'ISABELE'
    """
    return re.sub(r"(.)\1+", r"\1", name)


def misread(one: str, two: str) -> bool:
    """Return whether one name is the other with two neighbours exchanged, or one letter read or heard as its like.

    So nobody names twins: JAEN and JEAN, MARIF and MARIE, ENDRE and ANDRE are one name where only one of them exists.

    Args:
        one, two: Given names, in capitals without accents.

    Example:
        >>> misread("JAEN", "JEAN"), misread("MARIF", "MARIE"), misread("ENDRE", "ANDRE"), misread("LENA", "LANA")
        (True, True, True, False)
    """
    places = [at for at, (a, b) in enumerate(zip(one, two, strict=False)) if a != b]
    if len(one) != len(two) or not 1 <= len(places) <= 2:
        return False
    first, last = places[0], places[-1]
    if first != last:
        return last == first + 1 and one[first] == two[last] and one[last] == two[first]
    pair = "".join(sorted(one[first] + two[first]))
    return pair in _ONE_FOR_ANOTHER or (pair == "AE" and _NASAL.match(one[first + 1 :]) is not None)


def skeleton(name: str) -> str:
    """Return the consonants of a name by their sound in French: what two transliterations of one name share.

    Two names may share it (HASSAN and HUSSEIN), so it proves nothing: it asks for a person to look.

    Example:
        >>> skeleton("CHOUAIB"), skeleton("SHUAYB")
        ('CB', 'CB')
    """
    for letters, sound in _SOUNDS:
        name = name.replace(letters, sound)
    return squeezed(re.sub(r"[AEIOU]", "", name))
