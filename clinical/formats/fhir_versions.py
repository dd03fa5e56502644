"""Several versions of one resource in a FHIR export: the newest counts.

Exports made in steps, and those with a history, hold a resource more than once. A first look takes the hash of type and id of each
line; only lines that share one are parsed again to find out which is the newest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from unibase.clinical.formats.fhir_fields import Resource

Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]
_TYPE = re.compile(rb'"resourceType"\s*:\s*"([A-Za-z]+)"')
_ID = re.compile(rb'"id"\s*:\s*"([A-Za-z0-9.\-]{1,64})"')


def _hash_of(kind: str | bytes, identifier: str | bytes) -> int:
    """Return a number for the type (`kind`) and the `identifier` of a resource: equal ones have the same."""
    parts = [one.encode() if isinstance(one, str) else one for one in (kind, identifier)]
    name = b"/".join(parts)
    return int.from_bytes(blake2b(name, digest_size=8).digest())


def hash_of_line(line: bytes) -> int:
    """Return the hash of the resource in a `line` of JSON, 0 for none: that of its first type and id, which is not always its own.

    >>> hash_of_line(b'{"resourceType":"Patient","id":"p1"}') == hash_of_resource({"resourceType": "Patient", "id": "p1"})
    True
    """
    kind, identifier = _TYPE.search(line), _ID.search(line)
    return _hash_of(kind[1], identifier[1]) if kind and identifier else 0


def hash_of_resource(resource: Resource) -> int:
    """Return the hash of a `resource`, 0 where it has no id.

    >>> hash_of_resource({"resourceType": "Patient"})
    0
    """
    identifier = resource.get("id")
    return _hash_of(resource["resourceType"], identifier) if isinstance(identifier, str) and identifier else 0


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


def older(versions: Iterable[tuple[int, Version]]) -> frozenset[tuple[int, int]]:
    """Return part and line of every version that is not the newest of its resource; of equal ones the last counts.

    `versions`: hash of the resource, and the version.
    """
    newest: dict[int, Version] = {}
    found: set[tuple[int, int]] = set()
    for resource, version in versions:
        known = newest.get(resource)
        loser = version if known is not None and known > version else known
        if loser is not version:
            newest[resource] = version
        if loser is not None:
            found.add((loser.part, loser.line))
    return frozenset(found)
