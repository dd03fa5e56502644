"""Stage `deidentify`: the DICOM of a hospital to pseudonymised copies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from unibase.flows.runs import unreadable_sources
from unibase.flows.runs.dicom_files import Images, images_of
from unibase.flows.runs.run import Run, summary
from unibase.flows.runs.stage import Stage
from unibase.flows.stages.deidentify_names import names_of_centre
from unibase.flows.study.places import DICOM, FETCHED, LEDGER, RECORDS
from unibase.groundwork.files import sha256_file
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import QUARANTINE
from unibase.groundwork.work import Job, Outcome, Output, Unit
from unibase.imaging.confidentiality.deidentified import DeidentifyTask, IndexEvent, copy_of, said_of_dates
from unibase.imaging.confidentiality.pseudonymised_copy import Deidentified
from unibase.imaging.options import DeidentifyOptions
from unibase.imaging.pixel_text.boxes import written
from unibase.imaging.pixel_text.pixel_decisions import Decision, read_decisions
from unibase.privacy.keys import Key
from unibase.privacy.subjects import SubjectLookup

BATCH = 256
"""Instances per Dask task: of half a millisecond to some seconds of work each."""


@dataclass(frozen=True)
class _Beside:
    """What a copy depends on beside its source: when any of it changes, the file is written again."""

    index: str
    shift_days: int
    known: str
    taught: str


@dataclass(frozen=True)
class _Copy(_Beside, Deidentified):
    """A copy, and what it depends on beside its source."""


@dataclass(frozen=True)
class _Door:
    """What every worker needs to de-identify one centre's files."""

    destination: Path
    centre: str
    options: DeidentifyOptions
    key: Key
    lookup: SubjectLookup
    index: dict[int, IndexEvent]
    shifts: dict[int, int]
    decisions: Mapping[str, Decision]
    taught: tuple[str, ...] = ()

    def said_of(self, subject_id: int, met: Iterable[str]) -> _Beside:
        """Return what a copy depends on beside its source, by the words of its texts that are names, `met`."""
        event = self.index.get(subject_id)
        # A name that another file teaches concerns the files in whose texts it stands, and no others.
        taught = " ".join(sorted(set(self.taught) & set(met)))
        return _Beside(
            index=f"{event.kind} {event.shifted_date.isoformat()}" if event else "",
            shift_days=self.shifts.get(subject_id, 0),
            # A name that the ledger learns is sought in the texts of all files of the person. Keyed: it tells nothing.
            known=self.key.mac("known-of-person", repr(self.lookup.persons.get(subject_id)))[:8].hex(),
            taught=self.key.mac("taught-names", taught)[:8].hex(),
        )

    def stands(self, result: Mapping[str, Any]) -> bool:
        """Return whether a copy, by what was written down of it, is what would be made today."""
        return vars(self.said_of(result["subject_id"], result.get("met", ()))).items() <= result.items()


def _deidentify(door: _Door, source: Path) -> _Copy:
    task = DeidentifyTask(
        source,
        door.destination,
        door.centre,
        door.options,
        door.key,
        door.lookup,
        door.index,
        decisions=door.decisions,
        taught=door.taught,
    )
    copy = deidentify_to(task)
    return _Copy(**vars(copy), **vars(door.said_of(copy.subject_id, copy.met)))


def deidentify_to(task: DeidentifyTask) -> Deidentified:
    """De-identify one instance; the returned path is relative to its root, so that a workspace can move.

    Args:
        task: The instance, and what is known of its person.
    """
    copy = copy_of(task)
    return replace(copy, path=Path(copy.path).relative_to(task.destination_root).as_posix())


def copies_of(destination: Path, result: Mapping[str, str]) -> list[Output]:
    """Return the copy that an instance left, whose digest is known.

    Args:
        destination: Root of the copies.
        result: What `deidentify_to` returned, as it is written down.
    """
    return [Output(destination / result["path"], result["blake3"])]


def deidentify_centre(run: Run, name: str) -> list[Outcome]:
    """De-identify every file below a centre's DICOM folder; return how each ended.

    Args:
        run: What a stage is given.
        name: The centre, as in the study file.

    Raises:
        UserError: If the folder gives nothing any more (see `sources`).
    """
    stage = f"deidentify-{name}"
    source = images_of(run.study, name)
    decisions = _decisions(run)
    allowed = run.study.deidentification
    if allowed.rules or allowed.words:
        rules = [one.model_dump(mode="json", exclude_defaults=True) for one in allowed.rules]
        _say_once(run, "unibase", "deidentification-rules", {"rules": rules, "words": sorted(allowed.words)})
    units = _files(run, stage, source, decisions) if source else []
    if source and not units:
        # Before the ledger forgets the files: when the share is mounted again, none of them is processed again.
        unreadable_sources.check(run, f"{name}.dicom", 0)
    door = _door(run, name, _index(run) if units else {})
    door = replace(door, decisions=decisions, taught=names_of_centre(run, name, units))
    job = Job(
        stage,
        _deidentify,
        shared=door,
        # What a person decided of one image counts for that image alone: see `_files`.
        settings=[
            door.options.model_dump(mode="json", exclude={"pixels"}),
            run.study.deidentification.max_shift_days,
            run.splits,
        ],
        batch_size=BATCH,
        leaves=partial(copies_of, door.destination),
        still_there=door.stands,
    )
    outcomes = run.units(job, units, code=("unibase.imaging.confidentiality.deidentified",))
    QUARANTINE.write(run.quarantine_rows(stage, name, outcomes), run.quarantine_file("deidentify", name))
    if source:
        _say(run, stage, outcomes)
        unreadable_sources.check(run, f"{name}.dicom", sum(outcome.status == "done" for outcome in outcomes))
    return outcomes


def _say(run: Run, stage: str, outcomes: list[Outcome]) -> None:
    """Say how files ended, and how many carry dates that another tool changed."""
    run.say(summary(stage, outcomes))
    dates = said_of_dates(outcome.result for outcome in outcomes if outcome.status == "done")
    if dates:
        run.say(f"{stage}: {dates}")


def _index(run: Run) -> dict[int, IndexEvent]:
    # Reads the records of the study, with all that takes: not for plain files.
    from unibase.flows.stages.deidentify_index_event import index_of_subjects

    return index_of_subjects(run)


def _decisions(run: Run) -> Mapping[str, Decision]:
    """Return what a person decided of pixels; whose decisions are read stands in the audit log once for each file of them."""
    named = run.study.deidentification.pixels
    if named is None:
        return {}
    file = run.study.path(named)
    decisions = read_decisions(file)
    counts = Counter(one.verdict or "open" for one in decisions.values())
    who = ", ".join(sorted({one.by for one in decisions.values() if one.by}))
    _say_once(run, who or "nobody", "pixels-decided", {"sha256": sha256_file(file), **dict(sorted(counts.items()))})
    return decisions


def _say_once(run: Run, actor: str, action: str, details: dict[str, object]) -> None:
    """Write into the audit log what the study allows, unless it stands there in the same words."""
    log = run.study.audit
    if not any(entry["action"] == action and entry["details"] == details for entry in log.entries()):
        log.append(actor, action, 0, details)


def _files(run: Run, stage: str, source: Images, decisions: Mapping[str, Decision]) -> list[Unit]:
    """Return a unit for every file of a source, known by its content and by what was decided of its pixels."""
    files = source.files(run.ledger)
    digests = run.ledger.contents.digests(stage, files)

    def known(digest: str) -> str:
        one = decisions.get(digest)
        return f"{digest} {one.verdict} {written(one.boxes)}" if one is not None and one.verdict else digest

    return [Unit(name, known(digests[name]), path) for name, path in files.items()]


def _door(run: Run, name: str, events: Mapping[int, IndexEvent]) -> _Door:
    """Return what the workers need for a centre: its persons, their shifts and index events."""
    mine = run.lookup.within(name)
    shifts = {subject.subject_id: subject.shift_days for subject in mine.by_identifier.values()}
    options = DeidentifyOptions(**run.study.deidentification.model_dump(include=set(DeidentifyOptions.model_fields)))
    index = {subject: event for subject, event in events.items() if subject in shifts}
    return _Door(run.place(DICOM), name, options, run.key, mine, index, shifts, {})


def written_files(run: Run, centre: str) -> list[tuple[str, str]]:
    """Return path below `places.DICOM` and BLAKE3 of every de-identified file of a centre, sorted.

    Args:
        run: What a stage is given.
        centre: The centre, as in the study file.

    Raises:
        UserError: If the workspace was filled by a version of unibase that kept another digest of them.
    """
    done = [o.result for _, o in run.ledger.known(f"deidentify-{centre}").values() if o.status == "done"]
    if any("blake3" not in result for result in done):
        raise UserError(
            f"The images of centre {centre} were de-identified by an earlier version of unibase. "
            "Run `unibase build` on the study file: it does again what has changed since, and no more."
        )
    return sorted((result["path"], result["blake3"]) for result in done)


STAGE = Stage("deidentify", "De-identify DICOM", reads=(LEDGER, RECORDS, FETCHED), leaves=(DICOM,), run_centre=deidentify_centre)
