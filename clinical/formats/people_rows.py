"""A row of PEOPLE, as the readers of every format make it."""

from __future__ import annotations

from unibase.clinical.sources.events import Identifier
from unibase.groundwork.tables import PEOPLE

PersonRow = dict[str, object]
"""One row of PEOPLE, by column."""

_COLUMNS = tuple(column.name for column in PEOPLE.columns)


def person_row(centre: str, key: str, identifier: Identifier, place: tuple[str, int], **known: object) -> PersonRow:
    """Return a row of PEOPLE.

    Args:
        centre: Name of the centre.
        key: The person's key in the source: rows of one key are one person.
        identifier: One of the person's identifiers.
        place: Table and row that name the person.
        known: Further columns of PEOPLE; those that are not named are null.
    """
    row: PersonRow = dict.fromkeys(_COLUMNS)
    row |= {"centre": centre, "person_key": key, "system": identifier.system, "identifier": identifier.value}
    return row | {"source": place[0], "source_row": place[1]} | known
