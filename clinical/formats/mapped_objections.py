"""Who objects by a column of a declared table, and in what words."""

from __future__ import annotations

import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from unibase.clinical.formats import mapping_rows, mapping_rules
from unibase.clinical.formats.declaration import Asked, Objecting
from unibase.clinical.formats.declared_tables import declared_tables
from unibase.clinical.sources import reading
from unibase.groundwork.problems import UserError

_CORRECT = "Bring it, or correct the mapping: who objects must not be overlooked."
NO_STATEMENT = frozenset({"", "na", "un", "nr", "nc", "non renseigne", "information manquante", "not collected", "inconnu"})


def _objects(word: str | None, stays: Iterable[str]) -> bool:
    """Return whether a `word` in a column says that the person objects: any but those of `stays`, or none.

    Example:
        >>> [_objects(word, ["OUI"]) for word in ("NON", "oui", "", None, "refus")]
        [True, False, False, False, True]
    """
    said = plain(word)
    return said not in NO_STATEMENT and said not in {plain(one) for one in stays}


def plain(word: str | None) -> str:
    """Return a `word` in small letters, without accents and blanks around it.

    >>> plain(" Opposé ")
    'oppose'
    """
    letters = unicodedata.normalize("NFKD", str(word or "").strip().casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def objecting_by_mapping(asked: Asked, rules: mapping_rules.TableMapping) -> Iterator[Objecting]:
    """Yield who objects by the tables of which a mapping names the column.

    Args:
        asked: The source.
        rules: The mapping.

    Raises:
        UserError: If a table cannot be read, or a mapping of the centre's own names one, or a column, that is not there.
    """
    with tempfile.TemporaryDirectory() as scratch:
        found = declared_tables(asked, rules, Path(scratch))
        pairs = [(rule, name) for rule, name in mapping_rules.rules_of(rules, found) if rule.objection is not None]
        tables = {name: reading.read_tables(found[name], name) for _, name in pairs}
    if asked.mapping is not None:
        _refuse_missing(rules, {rule.name for rule, _ in pairs})
    for rule, name in pairs:
        assert rule.objection is not None
        table = tables[name]
        column, person = rule.objection.column.lower(), rule.person.lower()
        dated = [rule.objection.date.lower() + part for part in ("", "year", "_year", "_yyyy")] if rule.objection.date else []
        frame = mapping_rows.renamed(table.frame, rule)
        if asked.mapping is not None and not {column, *dated} & set(frame.columns):
            raise UserError(f"There is no column {column} in table {name}, which `objection` of the mapping names. {_CORRECT}")
        for row in frame.iter_rows(named=True):
            said = row.get(column)
            # A date of objection beside no word says that there was one.
            alone = plain(said) in NO_STATEMENT and any(plain(row.get(one)) not in NO_STATEMENT for one in dated)
            if row.get(person) and (alone or _objects(said, rule.objection.stays)):
                yield from (Objecting(system, str(row[person]), rules.name) for system in rules.systems)


def _refuse_missing(rules: mapping_rules.TableMapping, read: set[str]) -> None:
    for rule in rules.tables:
        if rule.objection is not None and rule.name not in read:
            raise UserError(f"There is no table {rule.name}, which `objection` of the mapping names. {_CORRECT}")
