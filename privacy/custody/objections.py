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


def read_register(path: Path) -> pl.DataFrame:
    """Return the register at `path`; empty where there is none yet.

    >>> read_register(Path("no register")).height
    0
    """
    return pl.read_parquet(path) if path.exists() else pl.DataFrame(schema=REGISTER)


def add_to_register(path: Path, found: pl.DataFrame) -> pl.DataFrame:
    """Add objections to the register, and return it whole; what stands in it already stays.

    Args:
        path: The register, written with mode 0600.
        found: In the columns of `REGISTER`.
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
    mine = pl.Series(
        [one in set(numbers) for one in before.select("centre", "system", "identifier").iter_rows()], dtype=pl.Boolean
    )
    goes = mine & (before["channel"] == channel) if channel is not None else mine
    if goes.any():
        write_parquet(before.filter(~goes), path)
        path.chmod(0o600)
    return sorted(before.filter(mine & ~goes)["channel"].unique())


def identifiers(register: pl.DataFrame) -> frozenset[tuple[str, str, str]]:
    """Return centre, system and identifier of everybody in the register."""
    return frozenset(register.select("centre", "system", "identifier").iter_rows())
