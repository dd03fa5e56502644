"""Who the persons of declared tables are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from unibase.clinical.formats import mapping_rules
from unibase.clinical.formats.declaration import Asked
from unibase.clinical.formats.declared_tables import declared_tables
from unibase.clinical.formats.mapped_batches import open_mapped
from unibase.clinical.formats.people_rows import PersonRow, person_row
from unibase.clinical.sources.events import Identifier
from unibase.clinical.words import partial_dates


def people_of_mapping(asked: Asked, rules: mapping_rules.TableMapping) -> Iterator[PersonRow]:
    """Yield rows for each person that the tables of a mapping list: the patient number, birth and sex.

    Args:
        asked: The source.
        rules: The mapping; only its tables of `persons` are read.

    Raises:
        UserError: If a table cannot be read.
    """
    rules = rules.model_copy(update={"tables": [rule for rule in rules.tables if rule.persons]})
    with tempfile.TemporaryDirectory() as scratch:
        found = declared_tables(asked, rules, Path(scratch))
        # The others need not be read for this.
        wanted = {name: found[name] for _, name in mapping_rules.rules_of(rules, found)}
        plan = open_mapped(wanted, Path(scratch), None, rules)
        facts: dict[str, dict[str, object]] = {}
        places: dict[str, tuple[str, int]] = {}
        for table in (table for part in plan.parts for table in plan.read(part)):
            for row in table.events.iter_rows(named=True):
                known = facts.setdefault(row["person"], {})
                places.setdefault(row["person"], (table.table, row["source_row"]))
                if row["code"] == "MEDS_BIRTH":
                    known["birth_date"] = partial_dates.iso_date(row["time_min"], row["time_max"])
                elif row["code"].startswith("SEX//"):
                    known["sex"] = row["code"].removeprefix("SEX//")
    for person, known in sorted(facts.items()):
        for system in rules.systems:
            yield person_row(asked.centre, person, Identifier(system, person), places[person], **known)
