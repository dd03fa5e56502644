"""Stage `fetch`: images that are not plain files of a folder, brought to the vault: archives, stores, PACS."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from unibase.flows.runs import unreadable_sources
from unibase.flows.runs.dicom_files import Images, images_of
from unibase.flows.runs.run import Run, files_below, summary
from unibase.flows.runs.stage import Stage
from unibase.flows.stages.fetch_book import Book
from unibase.flows.stages.fetch_pacs import fetch_from_pacs
from unibase.flows.study.places import FETCHED, LEDGER
from unibase.flows.study.who_asks import store_options
from unibase.groundwork.files import remove_temporaries, write_text
from unibase.groundwork.outcomes import quarantined
from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import Reason
from unibase.groundwork.tables import QUARANTINE
from unibase.groundwork.work import Outcome, Unit
from unibase.imaging.fetching.archives import is_archive, safe_name, unpack
from unibase.imaging.fetching.media import hidden_files, media_below, read_medium
from unibase.imaging.fetching.options import DicomSource
from unibase.imaging.fetching.polite import Asking
from unibase.imaging.fetching.reasons import MEDIUM_HIDES_FILE, MEDIUM_LACKS_FILE
from unibase.imaging.fetching.stores import open_store


def fetch_centre(run: Run, name: str) -> list[Outcome]:
    """Bring the images of a centre to where `deidentify` reads them; return how each archive, file and study ended.

    Args:
        run: What a stage is given.
        name: The centre, as in the study file.

    Raises:
        SourceAway: If an archive is away, may not be asked now, or gives nothing any more.
        UserError: If it refuses us, with what to mend.
    """
    source, images = run.study.centres[name].dicom, images_of(run.study, name)
    if source is None or images is None:
        return []
    place = run.place(FETCHED, centre=name)
    place.mkdir(parents=True, exist_ok=True)
    remove_temporaries(place)
    book = Book(run, name)
    if images.from_pacs:
        fetch_from_pacs(book, source, place)
    else:
        if source.store:
            _from_store(book, source, images)
        _from_files(book, images)
    outcomes = book.close()
    QUARANTINE.write(run.quarantine_rows(book.stage, name, outcomes), run.quarantine_file("fetch", name))
    if outcomes:
        run.say(summary(book.stage, outcomes))
    return outcomes


def _from_files(book: Book, images: Images) -> None:
    """Unpack the archives of a folder, and compare its DICOMDIRs with what is there."""
    files = images.there()
    if images.one_file is not None and not files:
        files = [images.one_file]
    media = media_below([*files, *([images.one_file] if images.one_file else [])])
    archives = {path.relative_to(images.root).as_posix(): path for path in files if is_archive(path)}
    digests = book.run.ledger.contents.digests(f"archives {book.centre}", archives)
    for name, path in archives.items():
        for outcome in _unpacked(book, Unit(name, digests[name], path), images.unpacked / f"{name}!"):
            book.write(outcome, len(archives))
    _forget_unpacked(images, archives)
    media += [path for name in archives for path in media_below(_below(images.unpacked / f"{name}!"))]
    for path in dict.fromkeys(media):
        for outcome in _lacking(path, images):
            book.write(outcome, 0)


def _below(folder: Path) -> list[Path]:
    return files_below(folder) if folder.exists() else []


def _unpacked(book: Book, unit: Unit, folder: Path) -> Iterator[Outcome]:
    """Yield how an archive ended, and each member of it that was refused."""
    before = book.before.get(unit.key)
    if before is not None and before.input_digest == unit.input_digest and _still_there(before, folder):
        yield before
        yield from (one for key, one in book.before.items() if key.startswith(f"{unit.key}!/"))
        return
    mark = folder.with_name(f"{folder.name}.digest")
    if folder.exists() and not (mark.exists() and mark.read_text(encoding="utf-8") == unit.input_digest):
        shutil.rmtree(folder)
    write_text(mark, unit.input_digest)
    try:
        done = unpack(unit.arguments, folder)
    except Unusable as problem:
        yield quarantined(unit, problem.reason, problem.message, problem.remedy)
        return
    count: Counter[str] = Counter()
    for name, why in done.refused:
        count[name] += 1
        again = f"~{count[name]}" if count[name] > 1 else ""
        yield quarantined(Unit(f"{unit.key}!/{name}{again}", unit.input_digest), why.reason, why.message, why.remedy)
    yield Outcome(unit.key, unit.input_digest, "done", {"files": done.files}, repeated=True)


def _still_there(before: Outcome, folder: Path) -> bool:
    return before.status == "quarantined" or len(_below(folder)) == before.result["files"]


def _forget_unpacked(images: Images, archives: Iterable[str]) -> None:
    """Remove what was unpacked of archives that are no more."""
    stay = {images.unpacked / f"{name}!" for name in archives}
    for mark in sorted(images.unpacked.rglob("*!.digest")) if images.unpacked.exists() else ():
        folder = mark.with_name(mark.name.removesuffix(".digest"))
        if folder not in stay and not any(one in folder.parents for one in stay):
            shutil.rmtree(folder, ignore_errors=True)
            mark.unlink()


def _lacking(dicomdir: Path, images: Images) -> Iterator[Outcome]:
    """Yield what a DICOMDIR names and the medium lacks."""
    root = images.root if dicomdir.is_relative_to(images.root) else images.unpacked
    name = dicomdir.relative_to(root).as_posix()
    try:
        missing = read_medium(dicomdir).missing
    except Unusable as problem:
        # One that lies in a folder is refused by `deidentify`, as any file that is no image.
        if dicomdir == images.one_file:
            yield quarantined(Unit(name, ""), problem.reason, problem.message, problem.remedy)
        return
    for one in missing:
        yield _told(f"{name}: {one}", MEDIUM_LACKS_FILE)
    for path in hidden_files(dicomdir) if dicomdir == images.one_file else ():
        yield _told(path.relative_to(root).as_posix(), MEDIUM_HIDES_FILE)


def _told(key: str, why: Reason) -> Outcome:
    return quarantined(Unit(key, ""), why, why.meaning, why.remedy)


def _from_store(book: Book, source: DicomSource, images: Images) -> None:
    """Copy what is new of a store, and remove what it has no more."""
    asking = Asking(source.pace, f"The store of centre {book.centre}")
    store = open_store(source.store or "", asking, store_options(book.run.study, source))
    listed = store.listed()
    if not listed:
        unreadable_sources.check(book.run, f"{book.centre}.dicom", 0)
    for name, about in listed.items():
        book.write(store.copy(name, about, images.root, book.before.get(name)), len(listed))
    kept = {safe_name(name).as_posix() for name, one in book.now.items() if one.status == "done"}
    for path in _below(images.root):
        if path.relative_to(images.root).as_posix() not in kept:
            path.unlink()


STAGE = Stage("fetch", "Fetch images from archives and PACS", reads=(LEDGER,), leaves=(FETCHED,), run_centre=fetch_centre)
