"""Formats that are tables with a mapping of ours: what they declare follows from the mapping."""

from __future__ import annotations

from collections.abc import Iterable

from unibase.clinical.formats.declaration import Asked, ClinicalFormat, Objecting
from unibase.clinical.formats.mapped_batches import open_declared
from unibase.clinical.formats.mapped_objections import objecting_by_mapping
from unibase.clinical.formats.mapped_people import people_of_mapping
from unibase.clinical.formats.mapping_rules import TableMapping, packaged_mapping, read_mapping
from unibase.clinical.formats.people_rows import PersonRow
from unibase.clinical.sources.events import Opener
from unibase.clinical.sources.workbooks import table_files


def format_of_mapping(name: str, title: str) -> ClinicalFormat:
    """Return the declaration of a format whose tables a packaged mapping reads; a centre may give its own mapping.

    Args:
        name: Name of the mapping in `clinical/formats/mappings`.
        title: What the format is, in a few words.
    """

    def rules(asked: Asked) -> TableMapping:
        return read_mapping(asked.mapping) if asked.mapping else packaged_mapping(name)

    def opener(asked: Asked) -> Opener:
        return open_declared(asked, rules(asked))

    def people(asked: Asked) -> Iterable[PersonRow]:
        return people_of_mapping(asked, packaged_mapping(name))

    def objections(asked: Asked) -> Iterable[Objecting]:
        return objecting_by_mapping(asked, rules(asked))

    return ClinicalFormat(title, opener, table_files, people, objections)
