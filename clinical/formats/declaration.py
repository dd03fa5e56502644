"""What a clinical format declares, and where the declarations are found.

A format is one module in `clinical/formats/declared/`, named as the format with `_format` behind it (`osiris_rwd_format` declares
`osiris-rwd`), that holds `FORMAT`. Nothing else names it: study file, command line, people, objections and the account of unread
files all ask here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from unibase.clinical.formats.format_names import format_names
from unibase.groundwork.problems import UserError

if TYPE_CHECKING:
    from distributed import Client

    from unibase.clinical.formats.people_rows import PersonRow
    from unibase.clinical.sources.events import Opener, TableEvents
    from unibase.clinical.timelines.target import BuildReport, Target


@dataclass(frozen=True)
class Asked:
    """A source that is to be read.

    Attributes:
        path: Its folder or file; of a database also its address.
        centre: Name of the centre.
        mapping: Mapping file, where the study names one.
        texts: Further texts that count as controlled.
    """

    path: Path | str
    centre: str
    mapping: Path | None = None
    texts: frozenset[str] = frozenset()

    @property
    def folder(self) -> Path:
        """The path of a source on this machine.

        Raises:
            UserError: If there is nothing.
        """
        path = Path(self.path)
        if not path.exists():
            raise UserError(f"There is nothing at {path}. Check the path of the records ({self.centre}).")
        return path


class Objecting(NamedTuple):
    """An identifier of a person who objects, of what kind it is, and which channel says so."""

    system: str
    identifier: str
    channel: str


Quick = Callable[["Target", "Client | None", "Sequence[TableEvents]"], "BuildReport | None"]
"""Writes a dataset in a way of its own, given what is to be told of the source as a whole; None where the source is not fit for it."""


@dataclass(frozen=True)
class ClinicalFormat:
    """A format of clinical records.

    Attributes:
        title: What it is, in a few words.
        open: Gives what opens a source.
        files: Which files of a folder it reads; the others are told.
        people: Who its persons are, as rows of PEOPLE; None where it holds no identities.
        objections: Who objects; None where it cannot say.
        quick: A quicker way to write the dataset of a source, where there is one for it.
    """

    title: str
    open: Callable[[Asked], Opener]
    files: Callable[[Path], Iterable[Path]]
    people: Callable[[Asked], Iterable[PersonRow]] | None = None
    objections: Callable[[Asked], Iterable[Objecting]] | None = None
    quick: Callable[[Asked], Quick | None] | None = None


def declared_format(name: str) -> ClinicalFormat:
    """Return the declaration of a format.

    Args:
        name: As the study file writes it, such as `omop`.

    Raises:
        UserError: If there is no such format.
    """
    if name not in format_names():
        raise UserError(f"{name} is no format of clinical records. Allowed: {', '.join(format_names())}.")
    module = import_module(f"unibase.clinical.formats.declared.{name.replace('-', '_')}_format")
    found: ClinicalFormat = module.FORMAT
    return found
