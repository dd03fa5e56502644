"""The numbers of erased persons, as keyed digests: who comes back under one is known, and none can be read off."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import polars as pl

from unibase.groundwork.files import write_json
from unibase.privacy.ledger.traits import valid_ins

_INS = ("", "ins")


@dataclass(frozen=True)
class Erased:
    """Numbers of erased persons, as keyed digests.

    Attributes:
        salt: The key of the digests, of this vault alone.
        digests: In hexadecimal.
    """

    salt: bytes = field(default=b"", repr=False)
    digests: frozenset[str] = field(default=frozenset(), repr=False)

    def knows(self, centre: str, system: str, identifier: str) -> bool:
        """Return whether a number is one of an erased person.

        Args:
            centre: Name of the centre.
            system: Kind of number, such as `ipp`.
            identifier: The number; surrounding blanks do not count.

        Example:
            >>> erased = Erased(b"salt").adding([("lyon", "ipp", "12")])
            >>> erased.knows("lyon", "ipp", " 12"), erased.knows("lyon", "ipp", "13")
            (True, False)
        """
        return bool(self.digests) and self._digest(centre, system, identifier) in self.digests

    def adding(self, numbers: Collection[tuple[str, str, str]]) -> Erased:
        """Return these numbers as well.

        Args:
            numbers: Centre, system and identifier of each.
        """
        return Erased(self.salt, self.digests | {self._digest(*number) for number in numbers})

    def without(self, people: pl.DataFrame) -> pl.DataFrame:
        """Return PEOPLE rows without the records of erased persons: known by a number, or by their INS at any centre.

        Args:
            people: PEOPLE of all centres.
        """
        if not self.digests:
            return people
        gone = {
            (centre, person_key)
            for centre, person_key, system, identifier, ins in people.select(
                "centre", "person_key", "system", "identifier", "ins"
            ).iter_rows()
            if self.knows(centre, system, identifier) or self._knows_ins(ins)
        }
        keep = [record not in gone for record in people.select("centre", "person_key").iter_rows()]
        return people.filter(pl.Series(keep, dtype=pl.Boolean))

    def _knows_ins(self, text: str | None) -> bool:
        ins = valid_ins(text)
        return ins is not None and self.knows(*_INS, ins)

    def _digest(self, centre: str, system: str, identifier: str) -> str:
        text = "\x1f".join((centre, system, identifier.strip()))
        return hmac.new(self.salt, text.encode(), sha256).hexdigest()


def read_erased(path: Path) -> Erased:
    """Return the numbers of erased persons; none where nobody was erased.

    Args:
        path: File in the vault.
    """
    if not path.exists():
        return Erased()
    about = json.loads(path.read_text(encoding="utf-8"))
    return Erased(bytes.fromhex(about["salt"]), frozenset(about["digests"]))


def remember(path: Path, people: pl.DataFrame) -> Erased:
    """Keep the numbers of PEOPLE rows as digests, so that they stay out when they come back.

    Args:
        path: File in the vault, written with mode 0600.
        people: All rows of the person.
    """
    before = read_erased(path)
    # Drawn once a vault: it is a secret, not an output.
    erased = before if before.salt else Erased(secrets.token_bytes(32))
    numbers = set(people.select("centre", "system", "identifier").iter_rows())
    numbers |= {(*_INS, ins) for text in people["ins"].drop_nulls() if (ins := valid_ins(text))}
    erased = erased.adding(numbers)
    write_json(path, {"salt": erased.salt.hex(), "digests": sorted(erased.digests)}, mode=0o600)
    return erased
