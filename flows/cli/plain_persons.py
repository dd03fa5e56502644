"""What the files of a folder tell before any of them is de-identified: whose they are, and what they teach of names."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from unibase.groundwork.cluster import each
from unibase.groundwork.tables import PEOPLE
from unibase.imaging.confidentiality.deidentified import BY_STUDY
from unibase.imaging.confidentiality.taught_names import names_taught
from unibase.imaging.dicom.owner import read_owner

if TYPE_CHECKING:
    from distributed import Client

CENTRE = "centre"
_BATCH = 512
"""Files per Dask task: half a millisecond of work each."""


class Told(NamedTuple):
    """What files tell.

    Attributes:
        owners: `(system, identifier)` of the persons they say to be of: a PatientID, or an exam where there is none.
        names: Words that are names of staff and relatives as well.
    """

    owners: frozenset[tuple[str, str]]
    names: frozenset[str]


def told_by(files: Sequence[Path], client: Client | None) -> Told:
    """Return what files tell, whatever their order.

    Args:
        files: The files; one that is no DICOM tells nothing.
        client: Dask client, or None to read them here.
    """
    parts = list(each(client, _told, None, [list(batch) for batch in batched(files, _BATCH)]))
    return Told(frozenset().union(*(one.owners for one in parts)), frozenset().union(*(one.names for one in parts)))


def _told(_: None, files: Sequence[Path]) -> Told:
    owners = frozenset(owner for owner in map(_owner, files) if owner)
    return Told(owners, frozenset().union(*map(names_taught, files)))


def _owner(path: Path) -> tuple[str, str] | None:
    number, study = read_owner(path)
    return ("ipp", number) if number else (BY_STUDY, study) if study else None


def people_of(owners: frozenset[tuple[str, str]]) -> pl.DataFrame:
    """Return PEOPLE in which each PatientID is one person, and each exam of files that have none.

    Args:
        owners: As in `Told`.
    """
    rows = [
        {"centre": CENTRE, "person_key": key, "system": system, "identifier": key, "source": "dicom", "source_row": row}
        for row, (system, key) in enumerate(sorted(owners), start=1)
    ]
    return PEOPLE.conform(pl.DataFrame(rows, schema=PEOPLE.schema()))
