"""The register of persons who object to the use of their records: once in it they stay out, whatever a source says later.

It stands in the vault, by identifier as the sources write it. Whom an identifier means is for the ledger to say, so that a
person who comes back under another number, or in another hospital, stays out as well.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import polars as pl

from unibase.groundwork.tables import write_parquet

REGISTER = pl.Schema({"centre": pl.String(), "system": pl.String(), "identifier": pl.String(), "channel": pl.String()})
"""A row per identifier and channel: `study-file`, `column`, `osiris-rwd`, `fhir-consent`, `custodian`."""

ANY_SYSTEM = ""
"""System of a number that a person wrote down: any number of the centre's, of whatever system, or the INS."""


def plain_number(identifier: str) -> str:
    """Return a number as it is compared where a person wrote it down: no blanks, capitals, no zeros at its beginning.

    Args:
        identifier: As it was written.

    Example:
        >>> plain_number(" 00 80106a"), plain_number("000")
        ('80106A', '0')
    """
    compact = "".join(identifier.split()).upper()
    return compact.lstrip("0") or compact[:1]


def stands_for(entry: tuple[str, str, str], number: tuple[str, str, str]) -> bool:
    """Return whether an entry of the register means a number: the same one, or one of any system that a person wrote down.

    `entry`: centre, system and identifier in the register; `number`: centre, system and identifier of a record.

    Example:
        >>> stands_for(("lyon", ANY_SYSTEM, "0801"), ("lyon", "nip", "801")), stands_for(("lyon", "ipp", "1"), ("lyon", "nip", "1"))
        (True, False)
    """
    if entry[1] != ANY_SYSTEM:
        return entry == number
    return entry[0] == number[0] and plain_number(entry[2]) == plain_number(number[2])


def read_register(path: Path) -> pl.DataFrame:
    """Return the register at `path`; empty where there is none yet.

    >>> read_register(Path("no register")).height
    0
    """
    return pl.read_parquet(path) if path.exists() else pl.DataFrame(schema=REGISTER)


def add_to_register(path: Path, found: pl.DataFrame) -> pl.DataFrame:
    """Add objections to the register, and return it whole; what stands in it already stays.

    `path`: the register, written with mode 0600; `found`: in the columns of `REGISTER`.
    """
    before = read_register(path)
    after = pl.concat([before, found.select(REGISTER.names())]).unique().sort(pl.all())
    if not after.equals(before):
        write_parquet(after, path)
        path.chmod(0o600)
    return after


def remove_from_register(path: Path, numbers: Collection[tuple[str, str, str]], channel: str | None) -> list[str]:
    """Take numbers out of the register; return the other channels that still hold one of them.

    Args:
        path: The register.
        numbers: Centre, system and identifier of each.
        channel: Whose rows go; None for all.
    """
    before = read_register(path)
    entries = before.select("centre", "system", "identifier").iter_rows()
    mine = pl.Series([any(stands_for(one, number) for number in numbers) for one in entries], dtype=pl.Boolean)
    goes = mine & (before["channel"] == channel) if channel is not None else mine
    if goes.any():
        write_parquet(before.filter(~goes), path)
        path.chmod(0o600)
    return sorted(before.filter(mine & ~goes)["channel"].unique())


def identifiers(register: pl.DataFrame) -> frozenset[tuple[str, str, str]]:
    """Return centre, system and identifier of everybody in the register."""
    return frozenset(register.select("centre", "system", "identifier").iter_rows())
