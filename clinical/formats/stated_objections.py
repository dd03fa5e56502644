"""Who objects to the use of their records, as clinical sources say it: OSIRIS-RWD item 2.3, FHIR Consent, a column by mapping.

An objection counts whatever its date. It is never an event. Where a source says both, or a word that is not understood,
the person is left out: a doubt is no consent.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from unibase.clinical.formats.declaration import Asked, Objecting, declared_format
from unibase.clinical.formats.mapped_objections import NO_STATEMENT, nobody_named, plain, same_answer, says_opposed
from unibase.clinical.formats.mapping_rules import packaged_mapping, read_mapping
from unibase.clinical.options import ClinicalSource, ObjectionColumn
from unibase.clinical.sources import databases, reading
from unibase.clinical.sources.workbooks import all_tables
from unibase.groundwork.problems import UserError

OBJECTIONS = pl.Schema({"centre": pl.String(), "system": pl.String(), "identifier": pl.String(), "channel": pl.String()})
"""An identifier of a person who objects, and the channel that says so."""


def read_objections(
    source: ClinicalSource,
    path: Path | str,
    centre: str,
    mapped: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> pl.DataFrame:
    """Return who objects, in the columns of `OBJECTIONS`, as a clinical source of a centre says it.

    Args:
        source: What the study file says of the source: its format, and the column of objections where one is named.
        path: Where it is.
        centre: Name of the centre.
        mapped: Mapping file of a CSV source.
        tell: Is told of words of the column that nobody named.

    Raises:
        UserError: If the source, or the table or column that the study file names, is not there.
    """
    own = declared_format(source.format).objections
    found = list(own(Asked(path, centre, mapped))) if own is not None else []
    if source.objection is not None:
        found += _of_column(source.objection, path, tell)
    rows = sorted({(centre, one.system, one.identifier.strip(), one.channel) for one in found if one.identifier.strip()})
    return pl.DataFrame(rows, schema=OBJECTIONS, orient="row")


def may_tell_objections(source: ClinicalSource, mapped: Path | None = None) -> bool:
    """Return whether a source is of a kind that says who objects: one that cannot be read is not one in which nobody does.

    Args:
        source: What the study file says of the source.
        mapped: Mapping file of the source.
    """
    if source.objection is not None:
        return True
    if declared_format(source.format).objections is None:
        return False
    try:
        rules = read_mapping(mapped) if mapped else packaged_mapping(source.format)
    except (FileNotFoundError, UserError):
        return True  # a format without a mapping, as FHIR with its Consent, or a mapping that nobody can read
    return any(rule.objection is not None for rule in rules.tables)


def _of_column(told: ObjectionColumn, path: Path | str, tell: Callable[[str], None]) -> Iterator[Objecting]:
    """Yield what a column says that the study file names."""
    if databases.is_database(path):
        with tempfile.TemporaryDirectory() as copies:
            files = databases.copy_database(path, {told.table.lower(): None}, Path(copies))
            table = reading.read_tables(files[told.table.lower()], told.table) if told.table.lower() in files else None
    else:
        with tempfile.TemporaryDirectory() as scratch:
            files = all_tables(Path(path), Path(scratch))
            table = reading.read_tables(files[told.table.lower()], told.table) if told.table.lower() in files else None
    wanted = [told.person.lower(), told.column.lower()]
    missing = [name for name in wanted if table is None or name not in table.frame.columns]
    if table is None or missing:
        what = f"table {told.table}" if table is None else f"column {missing[0]} in table {told.table}"
        raise UserError(f"There is no {what}, which `objection` names. Correct it: who objects must not be overlooked.")
    unknown = 0
    for person, word in table.frame.select(wanted).iter_rows():
        said = _in_column(word, told)
        unknown += said is None
        if said:
            yield Objecting(told.system, str(person or "").strip() or nobody_named(told.table), "column")
    if unknown:
        tell(
            f"{unknown} rows of column {told.column} in table {told.table} hold a word that `objection` does not name: they are taken "
            "to say no objection. Look at them; a word that says one belongs below `values`, the others below `stays`."
        )


def _in_column(word: str | None, told: ObjectionColumn) -> bool | None:
    """Return whether a word in a column of the study file says that a person objects; None where it is not known to say anything."""
    if same_answer(word, told.values) and plain(word):
        return True
    if same_answer(word, told.stays) or plain(word) in NO_STATEMENT:
        return False
    opposed = says_opposed(word)
    if opposed is None and told.stays:
        return True  # a doubt is no consent
    others = (("oui", "non"), ("non", "oui"))
    if opposed is None and any(same_answer(word, [one]) and same_answer(other, told.values) for one, other in others):
        return False  # the answer that was not asked for
    return opposed
