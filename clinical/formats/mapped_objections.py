"""Who objects by a column of a declared table, and in what words."""

from __future__ import annotations

import re
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


_SAME = (
    frozenset({"oui", "o", "yes", "y", "true", "vrai", "v", "t", "1", "x", "✓", "✔", "☑", "coche"}),
    frozenset({"non", "n", "no", "false", "faux", "f", "0"}),
)
"""Ways of systems to write one answer: where a mapping names one of them, the others are meant as well."""

_NOT_OPPOSED = re.compile(
    r"^(?:non|pas|sans|absence|aucune?|no|not|n'est pas|ne s'est pas|ne s'oppose pas)\b[ _-]*(?:d'|de |s'est |est )?(?:oppos|objec|refus)"
)
_OPPOSED = re.compile(
    r"oppos|objecti(?:on|ng)|objects?\b|refus|retrait\b|retire\b|revoqu|revok|withdr|declin|opt[ -]?out|den(?:y|ied)\b|non[ -]consent|desaccord"
)


def same_answer(word: str | None, listed: Iterable[str]) -> bool:
    """Return whether a `word` is one of those `listed`, or another way to write the same yes, no or number.

    Example:
        >>> [same_answer(word, ["OUI"]) for word in ("oui", "O", "true", "1.0", "non", "")]
        [True, True, True, True, False, False]
    """
    said, words = _bare(word), {_bare(one) for one in listed}
    return said in words or any(said in family and not words.isdisjoint(family) for family in _SAME)


def says_opposed(word: str | None) -> bool | None:
    """Return whether a `word` says by itself that a person objects, or that none does; None where it says neither.

    Example:
        >>> [says_opposed(word) for word in ("Opposition orale", "Non opposé", "pas d'opposition", "oui")]
        [True, False, False, None]
    """
    said = _bare(word)
    if _NOT_OPPOSED.match(said):
        return False
    return True if _OPPOSED.search(said) else None


def objects(word: str | None, stays: Iterable[str]) -> bool:
    """Return whether a `word` in a column says that the person objects: any but those of `stays`, or none.

    Example:
        >>> [objects(word, ["OUI"]) for word in ("NON", "oui", "", None, "refus", "non opposé")]
        [True, False, False, False, True, False]
    """
    return plain(word) not in NO_STATEMENT and not same_answer(word, stays) and says_opposed(word) is not False


def _bare(word: str | None) -> str:
    """Return a `word` as it is compared: without signs around it, one apostrophe, and a number without what a table adds."""
    said = plain(word).replace("’", "'").strip(" .;:!\"'*")
    number = re.fullmatch(r"0*(\d+)(?:[.,]0+)?", said)
    return number[1] if number else said


def plain(word: str | None) -> str:
    """Return a `word` in small letters, without accents and blanks around it.

    >>> plain(" Opposé ")
    'oppose'
    """
    letters = unicodedata.normalize("NFKD", str(word or "").strip().casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def nobody_named(table: str) -> str:
    """Return what stands in the register for an objection in a row without a number, which the run counts as nobody's.

    `table`: name of the table.
    """
    return f"(a row of {table} without a number)"


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
            if alone or objects(said, rule.objection.stays):
                who = str(row.get(person) or "").strip() or nobody_named(name)
                yield from (Objecting(system, who, rules.name) for system in rules.systems)


def _refuse_missing(rules: mapping_rules.TableMapping, read: set[str]) -> None:
    for rule in rules.tables:
        if rule.objection is not None and rule.name not in read:
            raise UserError(f"There is no table {rule.name}, which `objection` of the mapping names. {_CORRECT}")
