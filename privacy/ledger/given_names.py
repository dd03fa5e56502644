"""What is known of given names before a file is read: which exist, how common they are, which are writings of one name.

A file of a few records cannot say whether LEA and LENA are two names or one with a slip of the pen. The table
`given_names.txt` can: names by class, and groups of writings (transliterations, spellings). A word that is not in it may
still be a name: it is `likely` when all its runs of three letters occur in names of the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).with_name("given_names.txt")
_SHARES = {"common": 0.015, "usual": 0.005, "known": 0.002}
UNKNOWN_SHARE = 0.01
"""Share of the persons of a sex who bear a name that is not in the table, before a file is read: nobody knows, so the
cautious share that a common name has."""

_SOUNDS = (
    ("OU", "U"), ("PH", "F"), ("DJ", "J"), ("SCH", "CH"), ("SH", "CH"), ("KH", "K"), ("GH", "G"), ("TH", "T"), ("CK", "K"),
    ("QU", "K"), ("CE", "SE"), ("CI", "SI"), ("CY", "SI"), ("CH", "@"), ("C", "K"), ("@", "CH"), ("W", "U"), ("Y", "I"),
    ("Z", "S"), ("X", "KS"), ("H", ""),
)  # fmt: skip


@dataclass(frozen=True)
class GivenNames:
    """The table of given names.

    Attributes:
        shares: Share of a sex that bears each name.
        writings: The first of its group, for each name that is written in several ways.
        runs: All runs of three letters of the names, with their beginnings and ends.
    """

    shares: dict[str, float]
    writings: dict[str, str]
    runs: frozenset[str]

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
    for line in _TABLE.read_text(encoding="ascii").splitlines():
        kind, *names = line.replace("-", "").split()
        if kind == "same":
            for name in names:
                writings.setdefault(name, writings.get(names[0], names[0]))
                shares.setdefault(name, _SHARES["known"])
        elif kind in _SHARES:
            for name in names:
                shares.setdefault(name, _SHARES[kind])
    return GivenNames(shares, writings, frozenset(run for name in shares for run in _runs(name)))


def _runs(name: str) -> frozenset[str]:
    padded = f"_{name}_"
    return frozenset(padded[at : at + 3] for at in range(len(padded) - 2))


def squeezed(name: str) -> str:
    """Return a name with doubled letters written once.

    Example:
        >>> squeezed("ISABELLE")
        'ISABELE'
    """
    return re.sub(r"(.)\1", r"\1", name)


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
