"""Several versions of one resource in a FHIR export: the newest counts.

Exports made in steps, and those with a history, hold a resource more than once. A first look takes the hash of type and id of each
line; only lines that share one are parsed again to find out which is the newest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from unibase.clinical.formats.fhir_fields import Resource

Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]
_TYPE = r'"resourceType"[ \t]*:[ \t]*"([A-Za-z]+)"'
_ID = r'"id"[ \t]*:[ \t]*"([A-Za-z0-9.\-]{1,64})"'
_BEGIN = rf"^\{{{_TYPE},{_ID}"
"""How most lines begin, which is found quickly."""


def hashes_of_lines(lines: pl.Series) -> Hashes:
    """Return the hash of the resource in each of `lines` of JSON, 0 for none: of its first type and id, which are not always its own.

    >>> hashes_of_lines(pl.Series(['{"resourceType":"Patient","id":"p1"}', "{}"])) == hashes_of([{"resourceType": "Patient", "id": "p1"}, {}])
    array([ True,  True])
    """
    begin = lines.str.extract_groups(_BEGIN).struct
    names = begin.field("1") + "/" + begin.field("2")
    other = np.flatnonzero(names.is_null().to_numpy())
    if len(other):
        rest = lines.gather(other)
        names = names.scatter(other, rest.str.extract(_TYPE) + "/" + rest.str.extract(_ID))
    return _hashes(names)


def hashes_of(resources: Sequence[Resource]) -> Hashes:
    """Return the hashes of `resources`, 0 for those without an id."""
    return _hashes(pl.Series([name_of(one) for one in resources], dtype=pl.String))


def name_of(resource: Resource) -> str | None:
    """Return type and id of a `resource`, None where it has no id.

    >>> name_of({"resourceType": "Patient", "id": "p1"})
    'Patient/p1'
    """
    identifier = resource.get("id")
    return f"{resource['resourceType']}/{identifier}" if isinstance(identifier, str) and identifier else None


def _hashes(names: pl.Series) -> Hashes:
    hashes = names.hash().to_numpy().copy()
    hashes[names.is_null().to_numpy()] = 0
    return hashes


def met_twice(hashes: Sequence[Hashes]) -> frozenset[int]:
    """Return the hashes that several lines of an export share.

    Args:
        hashes: Of each part, one for each line.
    """
    if not hashes:
        return frozenset()
    values, counts = np.unique(np.concatenate(hashes), return_counts=True)
    return frozenset(values[(counts > 1) & (values != 0)].tolist())


@dataclass(frozen=True, order=True)
class Version:
    """One version of a resource: when it was changed, its number, and where it stands (part and line)."""

    changed: str
    number: int
    part: int
    line: int

    @classmethod
    def of(cls, resource: Resource, part: int, line: int) -> Version:
        """Return the version of a `resource` on a `line` of a `part`."""
        meta = resource.get("meta")
        known = meta if isinstance(meta, dict) else {}
        number = str(known.get("versionId") or "")
        return cls(str(known.get("lastUpdated") or ""), int(number) if number.isdecimal() else 0, part, line)


def older(versions: Iterable[tuple[str, Version]]) -> frozenset[tuple[int, int]]:
    """Return part and line of every version that is not the newest of its resource; of equal ones the last counts.

    `versions`: `name_of` the resource, and the version.
    """
    newest: dict[str, Version] = {}
    found: set[tuple[int, int]] = set()
    for resource, version in versions:
        known = newest.get(resource)
        loser = version if known is not None and known > version else known
        if loser is not version:
            newest[resource] = version
        if loser is not None:
            found.add((loser.part, loser.line))
    return frozenset(found)
