"""Stage `people`: resolve who is who, from identifiers alone, before anything else is read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import partial

import polars as pl

from unibase.clinical.formats.registrations import read_people as read_clinical_people
from unibase.clinical.formats.stated_objections import may_tell_objections, read_objections
from unibase.flows.runs import unreadable_sources
from unibase.flows.runs.run import Run
from unibase.flows.runs.stage import Stage
from unibase.flows.study.places import CORRECTIONS, ERASED, LEDGER, OBJECTIONS
from unibase.flows.study.places import PEOPLE as PEOPLE_TABLE
from unibase.flows.study.study_file import Centre
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import PEOPLE, QUARANTINE
from unibase.privacy.custody.corrected import corrected, read_corrections, wrong_rows
from unibase.privacy.custody.objections import ANY_SYSTEM, REGISTER, add_to_register, identifiers, read_register
from unibase.privacy.leaks.leak_scan import Needle
from unibase.privacy.ledger import persons
from unibase.privacy.ledger.erased_numbers import read_erased
from unibase.privacy.ledger.given_away import objections_that_stay
from unibase.privacy.ledger.people_file import PeopleFile, read_links, read_people
from unibase.privacy.ledger.traits import parse_date

_MANY_GONE = 20
"""Persons of a hospital, and half of all, that must be gone before a run stops for it."""


def resolve_people(run: Run) -> persons.LinkReport:
    """Bring the people of all centres into the identity ledger; first, forget the sources that the study names no more.

    Args:
        run: The run.

    Raises:
        UserError: If a people file or a clinical source cannot be read, or a people file gives nobody any more (see `sources`).
    """
    unreadable_sources.forget_unnamed(run)
    files = {name: people_file(run, name, centre) for name, centre in run.study.centres.items()}
    frames = [_people_of(run, name, centre, files[name]) for name, centre in run.study.centres.items()]
    listed = read_erased(run.place(ERASED)).without(pl.concat([PEOPLE.empty(), *frames]))
    listed = _with_corrections(run, listed)
    _check_whole(run, listed)
    people = PEOPLE.write(listed, run.place(PEOPLE_TABLE))
    run.place(PEOPLE_TABLE).chmod(0o600)
    _tell_problems(run, files)
    links = read_links(run.study.path(run.study.links)) if run.study.links else None
    before = len(persons.revisions(run.place(LEDGER)))
    report = persons.update_ledger(
        run.place(LEDGER),
        people,
        run.key,
        max_shift_days=run.study.deidentification.max_shift_days,
        links=links,
    )
    run.__dict__.pop("lookup", None)
    if report.replaced:
        _keep_objections(run, before)
    _obey_objections(run)
    if gone := run.unlisted():
        run.say(f"people: {len(gone)} numbers are listed no more by their hospital; whoever has no other is left out")
    linked = f"{report.records} records are {report.persons} persons"
    told = {
        "links undone, for what they rested on was corrected": report.undone,
        "numbers under which another person stands now": report.replaced,
        "pairs to decide": report.review,
    }
    run.say("; ".join([f"people: {linked}", *(f"{what}: {count}" for what, count in told.items() if count)]))
    return report


def _with_corrections(run: Run, listed: pl.DataFrame) -> pl.DataFrame:
    """Return the people with what the custodian corrected (`unibase person correct`), and tell what the sources say of it."""
    found = corrected(listed, read_corrections(CORRECTIONS.of(run.study.work.root)))
    if found.applied:
        run.say(f"people: {found.applied} values stand as the custodian corrected them; the sources still say otherwise")
    if found.contradicted:
        run.say(
            f"people: of {len(found.contradicted)} records the source now says neither the value that was corrected nor the right one. "
            "The source counts; look at it: unibase person find"
        )
    return found.people


def _check_whole(run: Run, listed: pl.DataFrame) -> None:
    """Stop the run where most persons of a hospital are gone since the last night: an export that broke off looks like that.

    Raises:
        UserError: If so, with the centre and the ways on.
    """
    before = run.place(PEOPLE_TABLE)
    if not before.exists():
        return
    record = ["centre", "person_key"]
    try:
        known = PEOPLE.read(before).select(record).unique()
    except pl.exceptions.PolarsError:
        run.say(f"people: {before} cannot be read and is made again: nobody was compared with the persons of the last night")
        return
    gone = known.join(listed, on=record, how="anti")
    for name, centre in run.study.centres.items():
        lost, of = (frame.filter(pl.col("centre") == name).height for frame in (gone, known))
        if not centre.keep_unlisted and lost >= _MANY_GONE and lost > of / 2:
            raise UserError(
                f"centres.{name}: of {of} persons of the last night, {lost} are listed no more. Look whether the export is whole. "
                "If the hospital sends only what is new, write `keep_unlisted: true` below the centre. If they are to leave, "
                "list them below `objections`."
            )


def _keep_objections(run: Run, before: int) -> None:
    """Keep persons who object out under their other numbers, where one is another person's now; that person is told."""
    known = read_register(run.place(OBJECTIONS))
    further = objections_that_stay(run.place(LEDGER), before, known)
    if further.height:
        add_to_register(run.place(OBJECTIONS), further)
        run.say(
            "people: a number of a person who objects is another person's now. Both are left out; look at it: unibase person find"
        )


def _obey_objections(run: Run) -> None:
    """Bring who objects into the register of the vault: the lookup knows them no more, on this night and on all that follow.

    Raises:
        UserError: If the table or column that the study file names for it is not there, or a source that may say who objects
            cannot be read, also one that never gave anything.
    """
    found = [pl.DataFrame(schema=REGISTER)]
    for name, centre in run.study.centres.items():
        listed = [(name, ANY_SYSTEM, number.strip(), "study-file") for number in centre.objections]
        found.append(pl.DataFrame(listed, schema=REGISTER, orient="row"))
        if centre.clinical:
            mapped = run.study.path(centre.clinical.mapping) if centre.clinical.mapping else None
            records = run.study.records(centre.clinical)
            tell = partial(_tell_words, run, name)
            said = unreadable_sources.readable(
                run, f"{name}.clinical", read_objections, centre.clinical, records, name, mapped, tell
            )
            if not isinstance(said, unreadable_sources.Unread):
                found.append(said)
            elif may_tell_objections(centre.clinical, mapped):
                raise UserError(
                    f"centres.{name}.clinical: {said.problem} It may say who objects, so nothing is built without it. Mend it, or take "
                    "it out of the study file and list who objects below `objections`."
                )
    register = add_to_register(run.place(OBJECTIONS), pl.concat(found))
    run.__dict__.pop("lookup", None)
    if register.height:
        meant = persons.open_lookup(run.place(LEDGER), run.key, revision=run.study.ledger_revision).meant(identifiers(register))
        subjects = frozenset().union(*meant.values())
        nobody = sum(not whom for whom in meant.values())
        more = f"; {nobody} numbers in the register are nobody's in the ledger" if nobody else ""
        run.say(f"people: {len(subjects)} persons object and are left out{more}")


def _tell_words(run: Run, name: str, words: str) -> None:
    run.say(f"people: {name}: {words}")


def people_file(run: Run, name: str, centre: Centre) -> PeopleFile | None:
    """Return the people file of a centre, or None where it has none.

    Args:
        run: The run.
        name: Name of the centre.
        centre: The centre, as the study file has it.

    Raises:
        UserError: If it cannot be read, or gives nobody any more.
    """
    if not centre.people:
        return None
    listed = unreadable_sources.readable(run, f"{name}.people", read_people, run.study.path(centre.people), name)
    if isinstance(listed, unreadable_sources.Unread):
        raise UserError(f"centres.{name}.people: {listed.problem}")
    unreadable_sources.check(run, f"{name}.people", listed.people.height)
    return listed


def _tell_problems(run: Run, files: Mapping[str, PeopleFile | None]) -> None:
    """Say which rows of people files were set aside, and put them into quarantine by row and column, without a value."""
    rows = []
    for name, file in files.items():
        if file is None or not file.problems:
            continue
        run.say(f"people: {name}: {len(file.problems)} rows or values set aside (reasons: unibase quarantine)")
        for one in file.problems:
            place = f"{name}/people" + (f"#{one.row}" if one.row else "") + (f"/{one.column}" if one.column else "")
            message = one.message + (" The row is kept." if one.kept and one.row else "")
            rows.append(("people", name, place, one.reason, message, one.remedy))
    frame = pl.DataFrame(rows, schema=QUARANTINE.schema(), orient="row").unique(["unit", "reason"], maintain_order=True)
    QUARANTINE.write(frame, run.quarantine_file("people"))


def _people_of(run: Run, name: str, centre: Centre, listed: PeopleFile | None) -> pl.DataFrame:
    """Return the PEOPLE rows of one centre: its people file first, then what its clinical records say.

    A record of the clinical source that shares an identifier with the people file is the same person there.
    """
    frames = [] if listed is None else [listed.people]
    if centre.clinical and centre.clinical.format != "csv":
        records = run.study.records(centre.clinical)
        found = unreadable_sources.readable(run, f"{name}.clinical", read_clinical_people, centre.clinical.format, records, name)
        if not isinstance(found, unreadable_sources.Unread):  # else the clinical stage says of it what there is to say
            frames.append(found)
    if not frames:
        return PEOPLE.empty()
    if len(frames) == 2:
        frames[1] = _under_known_keys(frames[0], frames[1])
    merged = pl.concat(frames).unique(["centre", "system", "identifier"], keep="first", maintain_order=True)
    return PEOPLE.conform(merged)


def _under_known_keys(known: pl.DataFrame, further: pl.DataFrame) -> pl.DataFrame:
    theirs = known.select("system", "identifier", pl.col("person_key").alias("known_key"))
    shared = further.join(theirs, on=["system", "identifier"], how="inner")
    keys = shared.select("person_key", "known_key").unique("person_key", keep="first", maintain_order=True)
    renamed = further.join(keys, on="person_key", how="left", maintain_order="left")
    key = pl.coalesce("known_key", "person_key").alias("person_key")
    return renamed.with_columns(key).drop("known_key")


_LEAST_IDENTIFIER = 6
"""Shorter numbers (an OMOP person_id of 12) occur by chance in any table."""


_LEAST_RESIDENCE = 9
"""Shorter addresses (2 quai B) and telephones may be words of a text."""


def needles(run: Run) -> list[Needle]:
    """Return what must not be found in a release of `run`: identifiers, whole names, addresses, telephones and birth dates."""
    people = PEOPLE.read(run.place(PEOPLE_TABLE))
    found: set[Needle] = set()
    wrong = wrong_rows(people, read_corrections(CORRECTIONS.of(run.study.work.root)))
    for row in [*people.to_dicts(), *wrong.to_dicts()]:
        subject = run.lookup.find(row["centre"], row["system"], row["identifier"])
        for value in (row["identifier"], row["ins"]):
            if value and len(value) >= _LEAST_IDENTIFIER:
                found.add(Needle("identifier", value))
        found |= {
            Needle("residence", value) for value in (row["address"], row["phone"]) if value and len(value) >= _LEAST_RESIDENCE
        }
        given = (row["given_names"] or "").split()
        for family in (row["birth_family_name"], row["used_family_name"]):
            if family and given:
                found |= {Needle("name", f"{family}{gap}{given[0]}") for gap in (" ", "^", ", ")}
                found.add(Needle("name", f"{given[0]} {family}"))
        born = parse_date(row["birth_date"])
        if subject and born and born.day:
            found.add(Needle("birth-date", date(*born), subject.subject_id))
    return sorted(found, key=str)


STAGE = Stage(
    "people",
    "Resolve who is who across sources and centres",
    leaves=(PEOPLE_TABLE, LEDGER, OBJECTIONS, ERASED),
    run=resolve_people,
)
