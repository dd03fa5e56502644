"""What the codes of a study's records are, and which centres have no event of a concept that the study asks for."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from unibase.clinical.derived.code_counts import code_table, coverage
from unibase.clinical.words.vocabularies import plain
from unibase.flows.study.definitions import asked_concepts, read_concepts
from unibase.flows.study.places import RECORDS
from unibase.flows.study.study_file import Study
from unibase.groundwork.problems import UserError

SHOWN = 40
"""Codes in the text; the table has all."""


def _datasets(study: Study) -> dict[str, Path]:
    """Return the datasets of the centres whose records have been read.

    Args:
        study: The study.
    """
    folders = {name: RECORDS.of(study.work.root, centre=name) for name in study.centres}
    return {name: folder for name, folder in folders.items() if (folder / "data").is_dir()}


def codes_of(study: Study) -> pl.DataFrame:
    """Return every code that the records of a study hold (`clinical.derived.code_counts.CODES`).

    Raises:
        UserError: When no records have been read yet.
    """
    found = _datasets(study)
    if not found:
        raise UserError(f"No records of this study have been read. First: unibase run clinical {study.file}")
    return code_table(found, read_concepts(study))


def codes_text(table: pl.DataFrame) -> str:
    """Return how much of the records a concept takes, and the most common codes that none takes.

    Args:
        table: What `codes_of` returned.
    """
    events = int(table["events"].sum())
    free = table.filter(pl.col("concepts") == "")
    share = 100 * (1 - int(free["events"].sum()) / events) if events else 0.0
    lines = [f"{table['code'].n_unique()} codes in {events} events; a concept takes {share:.1f} % of the events."]
    for title, part in (("Taken by a concept", table.filter(pl.col("concepts") != "")), ("Taken by none", free)):
        lines += ["", f"{title}: {part['code'].n_unique()} codes"] if part.height else []
        for code, centre, count, persons, concepts, nearest in part.head(SHOWN).iter_rows():
            told = concepts or (f"nearest: {nearest}" if nearest else "")
            told = f"{told}  counts as {plain(code)}".strip() if plain(code) != code else told
            lines.append(f"  {code}  {centre}: {count} events, {persons} persons  {told}".rstrip())
        if part.height > SHOWN:
            lines.append(f"  ... and {part.height - SHOWN} more rows; --csv FILE has them all")
    return "\n".join(lines)


def coverage_text(study: Study) -> str:
    """Return a line for each concept that the study asks for and some centre has no event of; empty when there is none, or no
    records have been read yet."""
    found, concepts = _datasets(study), read_concepts(study)
    asked: dict[str, list[str]] = {}
    for concept, place in asked_concepts(study, concepts):
        asked.setdefault(concept, []).append(place)
    table = coverage(found, concepts, sorted(asked))
    lines = ["concept  " + "  ".join(sorted(found))] if found else []
    for (concept,), rows in table.group_by("concept", maintain_order=True):
        lines.append(f"{concept}  " + "  ".join(f"{count}" for count in rows["events"]))
        for centre in rows.filter(pl.col("events") == 0)["centre"]:
            lines.append(f"  {centre} has no event of {concept}, which {', '.join(asked[str(concept)])} asks for")
    return "\n".join(lines)
