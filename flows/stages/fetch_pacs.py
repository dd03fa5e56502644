"""The part of the stage `fetch` that asks a PACS: for whom, what is passed over, and what was asked for and is not there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from unibase.flows.runs import unreadable_sources
from unibase.flows.runs.run import Run
from unibase.flows.stages.fetch_book import Book
from unibase.flows.study.who_asks import certificates, listening, who_asks
from unibase.groundwork.outcomes import quarantined
from unibase.groundwork.problems import UserError
from unibase.groundwork.work import Unit
from unibase.imaging.fetching.answers import Pacs, Query, read_accessions
from unibase.imaging.fetching.dicomweb import connect
from unibase.imaging.fetching.dimse import Node
from unibase.imaging.fetching.fetched import Chosen, Fetching, choose, forget_others
from unibase.imaging.fetching.options import DicomSource, StudyChoice
from unibase.imaging.fetching.polite import Asking
from unibase.imaging.fetching.reasons import NOT_IN_ARCHIVE

_WILD = frozenset("*?\\")


def fetch_from_pacs(book: Book, source: DicomSource, place: Path) -> None:
    """Fetch the studies that are asked for, and remove those that the archive holds no more.

    Args:
        book: Where it is written down.
        source: The archive.
        place: Where the centre's images are kept.

    Raises:
        SourceAway: If the archive is away, or gives nothing any more.
        UserError: If it refuses us.
    """
    run, folder = book.run, place / "studies"
    asking = Asking(source.pace, f"The PACS of centre {book.centre}")
    pacs = client(run, source, place)
    persons = patients(run, book.centre) if source.studies.persons == "ledger" else None
    accessions = read_accessions(run.study.path(source.studies.accessions)) if source.studies.accessions else []
    chosen = choose(pacs, asking, queries(book.centre, source.studies, persons, accessions), persons)
    if not chosen.studies:
        unreadable_sources.check(run, f"{book.centre}.dicom", 0)
    _say(book, chosen, forget_others(folder, chosen.studies))
    if persons is not None and not accessions:
        _say_absent(book, persons - {study.patient.strip() for study in chosen.studies.values()}, len(persons))
    quiet = timedelta(minutes=source.pace.quiet_minutes)
    fetching = Fetching(pacs, asking, folder, quiet, datetime.now().astimezone())
    for uid, study in chosen.studies.items():
        book.write(fetching.fetch(study, book.before.get(uid)), len(chosen.studies))
    answered = {study.accession.strip() for study in chosen.studies.values()}
    for number in accessions:
        if number not in answered:
            unit = Unit(f"accession {number}", "")
            book.write(quarantined(unit, NOT_IN_ARCHIVE, NOT_IN_ARCHIVE.meaning, NOT_IN_ARCHIVE.remedy), len(chosen.studies))


def _say(book: Book, chosen: Chosen, gone: Sequence[str]) -> None:
    if chosen.others:
        book.run.say(f"{book.stage}: the archive answered with {chosen.others} studies that were not asked for; passed over")
    if gone:
        book.run.say(f"{book.stage}: {len(gone)} studies are no longer asked for or no longer there; removed")


def _say_absent(book: Book, absent: Collection[str], asked: int) -> None:
    """Say how many hospital numbers answer nothing: where an archive writes them otherwise, nobody would miss their images."""
    if absent:
        book.run.say(
            f"{book.stage}: {len(absent)} of {asked} hospital numbers have no study there that is asked for. If these are many, "
            "compare how the archive writes its numbers (zeros in front, letters)"
        )


def client(run: Run, source: DicomSource, place: Path) -> Pacs:
    """Return a client of an archive.

    Args:
        run: The run, whose study says where secrets are.
        source: The archive.
        place: Where what is on its way waits.

    Raises:
        UserError: If a secret or certificate is not where the study file says.
    """
    tls = certificates(run.study, source.tls)
    if source.dimse is not None:
        encrypted, moves = source.dimse.encrypted, source.dimse.retrieve == "move"
        ours = listening(run.study, source.tls) if encrypted and moves else None
        return Node(source.dimse, place, source.pace.timeout, tls if encrypted else None, ours)
    return connect(source.dicomweb or "", place, tls, source.pace.timeout, dict(who_asks(run.study, source.credentials).headers))


def queries(centre: str, choice: StudyChoice, persons: frozenset[str] | None, accessions: Sequence[str]) -> list[Query]:
    """Return the questions for studies that a study file means; a list of requests is asked for, whoever's they are.

    Args:
        centre: The centre.
        choice: What the study file says.
        persons: Hospital numbers of the ledger, or None for anybody's.
        accessions: Accession numbers, or none for any.

    Raises:
        UserError: If a number would stand for many: `*`, `?` and the backslash are wild cards in DICOM.
    """
    numbers = sorted(persons) if persons is not None and not accessions else [""]
    wild = sum(bool(_WILD & set(one)) for one in (*numbers, *accessions))
    if wild:
        raise UserError(
            f"{wild} hospital or accession numbers of centre {centre} hold *, ? or \\, which stand for many in DICOM. "
            "Mend them at the source."
        )
    return [
        Query(number, accession, modality, choice.first_day, choice.last_day)
        for number in numbers
        for accession in accessions or [""]
        for modality in choice.modalities or [""]
    ]


def patients(run: Run, centre: str) -> frozenset[str]:
    """Return the hospital numbers of a centre's persons, without those who object.

    Args:
        run: The run.
        centre: The centre.
    """
    known = run.lookup.within(centre).by_identifier
    return frozenset(number for _, system, number in known if system == "ipp")
