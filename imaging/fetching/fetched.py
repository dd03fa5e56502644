"""Studies from an archive to a folder: each instance asked for once, each count proven, each kill survived.

A study is a folder, an instance a file named by its SOPInstanceUID that appears whole or not at all. What is there is not
asked for again. A study counts as fetched when the instances that the archive lists, before and after, are those that are
there, as many as it counts.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO, Any

import pydicom
from pydicom.valuerep import DT

from unibase.groundwork.files import atomic_file, write_text
from unibase.groundwork.outcomes import quarantined
from unibase.groundwork.problems import Unusable, UserError
from unibase.groundwork.work import Outcome, Unit
from unibase.imaging.fetching.answers import InstanceAnswer, Pacs, Query, StudyAnswer, file_name
from unibase.imaging.fetching.polite import Asking
from unibase.imaging.fetching.reasons import ANOTHER_STUDY_SENT, COUNT_DIFFERS, NOT_RETRIEVED, STILL_ARRIVING

_AT_REST = timedelta(days=2)
"""A study of an earlier day than this is taken to be at rest at first sight; its count is proven all the same."""


type _Known = Mapping[str, Any]
"""What the ledger remembers of a study: `instances`, `told`, and `pending`, a later state that waits to be quiet."""


@dataclass(frozen=True)
class Chosen:
    """The studies that answer what was asked.

    Attributes:
        studies: By StudyInstanceUID, in its order.
        others: Answers that are none of what was asked for; archives that pass over a key give such.
    """

    studies: Mapping[str, StudyAnswer]
    others: int


def choose(pacs: Pacs, asking: Asking, queries: Iterable[Query], persons: frozenset[str] | None = None) -> Chosen:
    """Ask an archive for studies.

    Args:
        pacs: The archive.
        asking: How it is asked.
        queries: What is asked for; a study that answers several counts once.
        persons: PatientIDs whose studies count, or None for all.

    Raises:
        UserError: If the archive cannot answer a question for studies, which all others rest on.
    """
    found: dict[str, StudyAnswer] = {}
    others: set[str] = set()
    for query in queries:
        try:
            answers = asking.ask(partial(pacs.studies, query))
        except Unusable as problem:
            raise UserError(f"{asking.archive} cannot be asked for studies. {problem.message}") from None
        for study in answers:
            mine = persons is None or study.patient.strip() in persons
            if study.uid and mine and query.answers(study):
                found[study.uid] = study
            else:
                others.add(study.uid)
    return Chosen(dict(sorted(found.items())), len(others - found.keys()))


@dataclass(frozen=True)
class Fetching:
    """What fetching a study needs.

    Attributes:
        pacs: The archive.
        asking: How it is asked.
        folder: Where studies are kept, a folder each.
        quiet: How long nothing of a study may have arrived.
        now: The moment of the run, with its zone.
    """

    pacs: Pacs
    asking: Asking
    folder: Path
    quiet: timedelta
    now: datetime

    def fetch(self, study: StudyAnswer, known: Outcome | None) -> Outcome:
        """Fetch what is missing of a study; return how it ended.

        Args:
            study: What the archive says of it now.
            known: How it ended in the run before, or None.

        Raises:
            SourceAway: If the archive is away.
        """
        unit = Unit(study.uid, study.told)
        before = known.result if known is not None and known.result else {}
        if study.instances is not None and before.get("told") == study.told and self._whole(study.uid, before):
            return Outcome(study.uid, study.told, "done", {**before, "pending": None})
        if not self._at_rest(study, before):
            return self._arriving(unit, before)
        try:
            instances = self._all(study, bool(before.get("told")) and before["told"] != study.told)
        except Unusable as problem:
            return quarantined(unit, problem.reason, problem.message, problem.remedy)
        told = {"instances": len(instances), "told": study.told, "pending": None}
        return Outcome(study.uid, study.told, "done", told, repeated=told != before)

    def _whole(self, uid: str, before: _Known) -> bool:
        return len(held(self.folder / file_name(uid))) == before.get("instances")

    def _at_rest(self, study: StudyAnswer, before: _Known) -> bool:
        """Return whether the archive received nothing of a study for long enough, by the best evidence there is."""
        updated = _moment(study.updated, self.now)
        if updated is not None:
            return self.now - updated >= self.quiet
        if not self.quiet or before.get("told") == study.told:
            return True
        pending = before.get("pending")
        if pending and pending["told"] == study.told:
            return self.now - datetime.fromisoformat(pending["since"]) >= self.quiet
        # It changed since it was last looked at, or it was never seen: of a day long past it is at rest, else it may still grow.
        return not before and bool(study.day) and study.day <= f"{self.now - _AT_REST:%Y%m%d}"

    def _arriving(self, unit: Unit, before: _Known) -> Outcome:
        """Return that a study waits; what was whole of it before stays in use until then."""
        pending = before.get("pending")
        if not pending or pending["told"] != unit.input_digest:
            pending = {"told": unit.input_digest, "since": self.now.isoformat()}
        if before.get("told"):
            return Outcome(unit.key, before["told"], "done", {**before, "pending": pending})
        return quarantined(unit, STILL_ARRIVING, STILL_ARRIVING.meaning, STILL_ARRIVING.remedy, {"pending": pending})

    def _all(self, study: StudyAnswer, changed: bool) -> set[str]:
        """Bring the folder of a study, which `changed` since it was whole or did not, to what the archive holds; return the
        SOPInstanceUIDs."""
        folder = self.folder / file_name(study.uid)
        _start(folder, study.owner)
        listed = self._listed(study)
        if changed:
            _forget_replaced(folder, study, {file_name(one.sop) for one in listed})
        self._bring(study, listed, folder)
        again = self._listed(study)
        if {one.sop for one in again} != {one.sop for one in listed}:
            raise Unusable(STILL_ARRIVING, "Instances came or went while the study was fetched.")
        names = {file_name(one.sop) for one in listed}
        for name, path in held(folder).items():
            if name not in names:
                path.unlink()
        return names

    def _listed(self, study: StudyAnswer) -> list[InstanceAnswer]:
        listed = self.asking.ask(partial(self.pacs.instances, study.uid))
        if not listed:
            raise Unusable(NOT_RETRIEVED, "The archive lists no instance of the study.")
        if study.instances is not None and len(listed) != study.instances:
            raise Unusable(COUNT_DIFFERS, f"The archive counts {study.instances} instances and lists {len(listed)}.")
        return listed

    def _bring(self, study: StudyAnswer, listed: Sequence[InstanceAnswer], folder: Path) -> None:
        """Ask for what is not there, series by series, and again for what did not come."""
        series: dict[str, list[InstanceAnswer]] = defaultdict(list)
        for one in listed:
            series[one.series].append(one)
        for mine in series.values():
            other = partial(self.pacs.instances, study.uid)
            if _missing(mine, folder):
                self.asking.ask_of_study(partial(self._take, study.uid, mine, folder), other)
            if lacking := _missing(mine, folder):
                # A server may leave out of a whole series what it cannot send; asked for alone it says why.
                self.asking.ask_of_study(partial(self._take, study.uid, mine, folder, lacking), other)
            if left := _missing(mine, folder):
                raise Unusable(NOT_RETRIEVED, f"{len(left)} of {len(listed)} instances did not come.")

    def _take(self, study: str, series: Sequence[InstanceAnswer], folder: Path, lacking: Sequence[InstanceAnswer] = ()) -> None:
        """Ask once for the instances of a series that are not there, and keep what comes."""
        wanted = _missing(lacking or series, folder)
        if not wanted:
            return
        allowed = {one.sop for one in series}
        for body in self.pacs.retrieve(study, wanted, not lacking and len(wanted) == len(series)):
            keep(body, study, allowed, folder)


def _start(folder: Path, owner: str) -> None:
    """Make the folder of a study; what stands there from before it was given to another person or request goes."""
    mark = folder / ".owner"
    if folder.exists() and not (mark.exists() and mark.read_text(encoding="utf-8") == owner):
        shutil.rmtree(folder)
    if not folder.exists():
        write_text(mark, owner)


def _forget_replaced(folder: Path, study: StudyAnswer, listed: set[str]) -> None:
    """Forget what is there of a study that changed since it was whole, where an instance may have been replaced.

    That is where the archive tells when it changed, or where it changed and holds the same instances. A mark tells a run that
    goes on from one that begins.
    """
    mark = folder / ".replaced"
    if mark.exists() and mark.read_text(encoding="utf-8") == study.told:
        return
    if study.updated or set(held(folder)) == listed:
        gone = folder.with_name(f".tmp-{folder.name}")
        shutil.rmtree(gone, ignore_errors=True)
        folder.rename(gone)
        shutil.rmtree(gone)
        _start(folder, study.owner)
    write_text(mark, study.told)


def _missing(listed: Iterable[InstanceAnswer], folder: Path) -> list[InstanceAnswer]:
    return [one for one in listed if not (folder / f"{file_name(one.sop)}.dcm").exists()]


def keep(body: IO[bytes], study: str, allowed: set[str], folder: Path) -> None:
    """Write an object that came to its file, byte for byte, if it is one that was asked for.

    Args:
        body: A DICOM file, open at its beginning.
        study: StudyInstanceUID that was asked for.
        allowed: SOPInstanceUIDs that were asked for.
        folder: Folder of the study.

    Raises:
        Unusable: If it is no DICOM, or another than was asked for.
    """
    try:
        header = pydicom.dcmread(body, stop_before_pixels=True, specific_tags=["SOPInstanceUID", "StudyInstanceUID"])
        sop, mine = str(header.get("SOPInstanceUID", "")), str(header.get("StudyInstanceUID", ""))
    except Exception:  # whatever a parser raises of it: its text may hold a value
        raise Unusable(NOT_RETRIEVED, "The archive sent an object that cannot be read as DICOM.") from None
    if mine != study or sop not in allowed:
        raise Unusable(ANOTHER_STUDY_SENT)
    body.seek(0)
    with atomic_file(folder / f"{file_name(sop)}.dcm") as temporary, temporary.open("wb") as file:
        shutil.copyfileobj(body, file, 2**20)


def held(folder: Path) -> dict[str, Path]:
    """Return the instances that are in the folder of a study, by the names of their files without an end.

    Args:
        folder: The folder; it may be absent.
    """
    return {path.stem: path for path in sorted(folder.glob("*.dcm")) if not path.name.startswith(".tmp-")}


def forget_others(folder: Path, studies: Iterable[str]) -> list[str]:
    """Remove the folders of studies that are asked for no more, or that their archive holds no more; return their names.

    Args:
        folder: Where studies are kept.
        studies: StudyInstanceUIDs that stay.
    """
    stay = {file_name(uid) for uid in studies}
    gone = [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name not in stay] if folder.exists() else []
    for path in gone:
        shutil.rmtree(path)
    return [path.name for path in gone]


def files_of(folder: Path, outcomes: Iterable[Outcome]) -> Iterator[Path]:
    """Yield the files of the studies that are whole.

    Args:
        folder: Where studies are kept.
        outcomes: How studies ended.
    """
    for outcome in outcomes:
        if outcome.status == "done":
            yield from held(folder / file_name(outcome.key)).values()


def _moment(text: str, now: datetime) -> datetime | None:
    """Return a DT with the zone of `now` where it has none; None where it cannot be read."""
    try:
        moment = DT(text) if text else None
    except ValueError:
        return None
    return moment and (moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo))
