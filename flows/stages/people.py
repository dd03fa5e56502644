"""Stage `people`: resolve who is who, from identifiers alone, before anything else is read."""

from __future__ import annotations

import polars as pl

from clinical.people import read_people as read_clinical_people
from flows.stages.run import Run
from flows.study import Centre
from groundwork.tables import PEOPLE
from privacy import identity


def resolve_people(run: Run) -> identity.LinkReport:
    """Bring the people of all centres into the identity ledger."""
    frames = [people_of(run, name, centre) for name, centre in run.study.centres.items()]
    people = pl.concat([PEOPLE.empty(), *frames])
    links = identity.read_links(run.study.path(run.study.links)) if run.study.links else None
    report = identity.update_ledger(
        run.study.work.identity,
        people,
        run.key,
        max_shift_days=run.study.deidentification.max_shift_days,
        links=links,
    )
    run.__dict__.pop("lookup", None)
    linked = f"{report.records} records are {report.persons} persons"
    run.say(f"people: {linked}" + (f", {report.review} pairs wait for review" if report.review else ""))
    return report


def people_of(run: Run, name: str, centre: Centre) -> pl.DataFrame:
    """Return the PEOPLE rows of one centre: its people file first, then what its clinical records say.

    A record of the clinical source that shares an identifier with the people file is the same person there.
    """
    frames = []
    if centre.people:
        frames.append(identity.read_people(run.study.path(centre.people), name))
    if centre.clinical and centre.clinical.format != "csv":
        frames.append(read_clinical_people(centre.clinical.format, run.study.path(centre.clinical.path), name))
    if not frames:
        return PEOPLE.empty()
    if len(frames) == 2:
        frames[1] = _under_known_keys(frames[0], frames[1])
    merged = pl.concat(frames).unique(["centre", "system", "identifier"], keep="first", maintain_order=True)
    return PEOPLE.conform(merged)


def _under_known_keys(known: pl.DataFrame, further: pl.DataFrame) -> pl.DataFrame:
    shared = further.join(
        known.select("system", "identifier", pl.col("person_key").alias("known_key")), on=["system", "identifier"], how="inner"
    )
    keys = shared.select("person_key", "known_key").unique("person_key", keep="first", maintain_order=True)
    renamed = further.join(keys, on="person_key", how="left", maintain_order="left")
    return renamed.with_columns(pl.coalesce("known_key", "person_key").alias("person_key")).drop("known_key")
