"""Single stages on plain files, without a study."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from unibase.flows.cli.earlier_copies import EarlierCopies
from unibase.flows.cli.plain_persons import CENTRE, people_of, told_by
from unibase.flows.reasons import CONFLICTING_DUPLICATE
from unibase.flows.runs.progress import ProgressBoard
from unibase.flows.runs.run import files_below, stop_if_failed
from unibase.flows.stages.deidentify import BATCH, copies_of, deidentify_to
from unibase.groundwork.files import sha256_file
from unibase.groundwork.outputs import check_apart
from unibase.groundwork.plain_csv import write_plain_csv
from unibase.groundwork.problems import SourceAway, UserError
from unibase.groundwork.tables import QUARANTINE
from unibase.groundwork.work import Job, Outcome, Unit, WorkLedger, run_units
from unibase.imaging.confidentiality.deidentified import DeidentifyTask, said_of_dates
from unibase.imaging.confidentiality.pseudonymised_copy import Deidentified
from unibase.imaging.options import DeidentifyOptions
from unibase.imaging.pixel_text.pixel_decisions import Decision, read_decisions
from unibase.privacy.keys import Key, read_key_file
from unibase.privacy.ledger import persons
from unibase.privacy.ledger.people_file import in_words, read_links, read_people
from unibase.privacy.pseudonyms import token
from unibase.privacy.subjects import SubjectLookup

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True)
class _Door:
    """What every worker needs: where copies go, how they are made, and who is who."""

    destination: Path
    options: DeidentifyOptions
    key: Key
    lookup: SubjectLookup
    decisions: Mapping[str, Decision]
    taught: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Means:
    """What the work is done with: the workers, or None to do it here, and where its progress is shown."""

    client: Client | None
    board: ProgressBoard


def _deidentify(door: _Door, source: Path) -> Deidentified:
    return deidentify_to(
        DeidentifyTask(
            source, door.destination, CENTRE, door.options, door.key, door.lookup, decisions=door.decisions, taught=door.taught
        )
    )


IN_PROCESS = 64
"""Up to this many files are de-identified here: workers would take longer to start than the work."""


@dataclass(frozen=True)
class PlainDeidentification:
    """A folder of DICOM to be de-identified without a study.

    Attributes:
        source: Folder with DICOM files at any depth.
        destination: Where the copies go. Beside it stands `<destination>.vault`, mode 0700, with both ledgers.
        key_file: The secret key.
        people: People file, where one person has several PatientIDs; None takes every PatientID for one person, and every
            exam of files that have none.
        policy: Name of the policy.
        workers: Processes; None takes the number of cores.
        rules: YAML with the keys of the study file's block `deidentification`, or None.
        pixels: The decisions of `unibase pixels`, or None.
    """

    source: Path
    destination: Path
    key_file: Path
    people: Path | None = None
    policy: str = "research"
    workers: int | None = None
    rules: Path | None = None
    pixels: Path | None = None

    @property
    def vault(self) -> Path:
        """The folder of the ledgers."""
        return self.destination.with_name(f"{self.destination.name}.vault")


def deidentify_folder(asked: PlainDeidentification) -> str:
    """De-identify a folder of DICOM; return a summary in words.

    Args:
        asked: What, where to and how.

    Raises:
        UserError: If there is no source or key, source and destination are not apart, or the machine made a file fail.
        SourceAway: If the source holds no files.
    """
    if not asked.source.is_dir():
        raise UserError(f"No folder at {asked.source}. Name the folder that holds the DICOM files.")
    check_apart(asked.source, asked.destination)
    key = read_key_file(asked.key_file)
    files = {path.relative_to(asked.source).as_posix(): path for path in files_below(asked.source)}
    if not files:
        raise SourceAway(f"{asked.source} holds no files. Look whether the share is mounted.")
    asked.vault.mkdir(parents=True, exist_ok=True)
    asked.vault.chmod(0o700)
    # What is wrong of these is said before anything starts.
    options, decisions = _options(asked), read_decisions(asked.pixels) if asked.pixels else {}
    people = read_people(asked.people, CENTRE).people if asked.people else None
    with ProgressBoard() as board, _client(len(files), asked.workers) as client:
        told = told_by(list(files.values()), client)
        lookup = _lookup(asked, key, people_of(told.owners) if people is None else people)
        door = _Door(asked.destination, options, key, lookup, decisions, tuple(sorted(told.names)))
        copied, taken_back = _copied(asked, door, files, _Means(client, board))
    outcomes = _apart(copied, asked.destination)
    refused = [outcome for outcome in outcomes if outcome.status == "quarantined"]
    _write_quarantine(asked.vault, key, refused)
    return _summary(asked, outcomes, taken_back)


def _summary(asked: PlainDeidentification, outcomes: list[Outcome], taken_back: int) -> str:
    """Return in words how the files ended: all that came in are written, set aside, or the same as another."""
    refused = [outcome for outcome in outcomes if outcome.status == "quarantined"]
    written = len({outcome.result["path"] for outcome in outcomes if outcome.status == "done"})
    again = len(outcomes) - len(refused) - written
    said = f"{asked.destination}: {len(outcomes)} in = {written} written + {len(refused)} quarantined"
    said += f" + {again} the same as another file" if again else ""
    said += f"; {taken_back} copies of an earlier run taken back, for their files are refused now" if taken_back else ""
    dates = said_of_dates(outcome.result for outcome in outcomes if outcome.status == "done")
    said += f"; {dates}" if dates else ""
    return said + (f"; reasons by file in {asked.vault / 'quarantine.csv'}" if refused else "")


def _lookup(asked: PlainDeidentification, key: Key, people: pl.DataFrame) -> SubjectLookup:
    """Bring the persons of the folder into its identity ledger, and return who is who."""
    persons.update_ledger(asked.vault / "identity", people, key)
    return persons.open_lookup(asked.vault / "identity", key)


def _copied(asked: PlainDeidentification, door: _Door, files: Mapping[str, Path], means: _Means) -> tuple[list[Outcome], int]:
    """De-identify every file; return how each ended, and how many copies of an earlier run were taken back."""
    job = Job(
        "deidentify",
        _deidentify,
        settings=[
            door.options.model_dump(mode="json"),
            door.key.fingerprint,
            sha256_file(asked.pixels) if asked.pixels else "",
            door.taught,
        ],
        shared=door,
        batch_size=BATCH,
        leaves=partial(copies_of, asked.destination),
    )
    with WorkLedger(asked.vault / "work.sqlite") as ledger:
        digests = ledger.contents.digests("deidentify", files)
        units = [Unit(name, digests[name], path) for name, path in files.items()]
        done = {(one.result["path"], name) for name, (_, one) in ledger.known("deidentify").items() if one.status == "done"}
        before = EarlierCopies.noted(asked.vault, done)
        outcomes = run_units(job, units, ledger, client=means.client, progress=means.board)
    stop_if_failed("deidentify", outcomes)
    taken_back = _take_back(asked.destination, before.copies, outcomes)
    before.forget()
    return outcomes, taken_back


def _take_back(destination: Path, earlier: Iterable[tuple[str, str]], outcomes: list[Outcome]) -> int:
    """Delete the copies that an earlier run wrote of files that are refused now; return how many there were.

    Args:
        destination: Root of the copies.
        earlier: Path of each copy below it, and the name of its source file.
        outcomes: How the files of this run ended.
    """
    written = {one.result["path"] for one in outcomes if one.status == "done"}
    again = {one.key for one in outcomes if one.status == "quarantined"}
    refused = {path for path, name in earlier if name in again} - written
    stale = [path for path in sorted(refused) if (destination / path).is_file()]
    for path in stale:
        (destination / path).unlink()
    return len(stale)


def _options(asked: PlainDeidentification) -> DeidentifyOptions:
    said: dict[str, Any] = {}
    if asked.rules is not None:
        try:
            said = YAML(typ="safe").load(asked.rules.read_text(encoding="utf-8")) or {}
            said = said.get("deidentification", said)
        except (OSError, YAMLError, AttributeError) as error:
            raise UserError(f"{asked.rules} cannot be read ({type(error).__name__}). It is YAML with words and rules.") from None
    try:
        return DeidentifyOptions.model_validate({"policy": asked.policy, **said})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(f"{asked.rules}: {place}: {first['msg']}. docs/study-file.md says what is allowed.") from None


@contextmanager
def _client(files: int, workers: int | None) -> Iterator[Client | None]:
    if files <= IN_PROCESS or workers == 1:
        yield None
        return
    from unibase.groundwork.cluster import dask_client  # Half a second, which a few files need not wait for.

    with dask_client(workers=workers) as client:
        yield client


def _apart(outcomes: list[Outcome], destination: Path) -> list[Outcome]:
    """Return the outcomes with files of one SOP Instance UID and other content set aside: none of them is taken for the right one."""
    contents: dict[str, set[str]] = defaultdict(set)
    for outcome in outcomes:
        if outcome.status == "done":
            contents[outcome.result["path"]].add(outcome.result["blake3"])
    conflicting = {path for path, digests in contents.items() if len(digests) > 1}
    for path in conflicting:
        (destination / path).unlink(missing_ok=True)
    return [
        replace(
            outcome,
            status="quarantined",
            reason=CONFLICTING_DUPLICATE,
            message="Another source file has the same SOP Instance UID and different content; neither is used.",
            remedy=CONFLICTING_DUPLICATE.remedy,
        )
        if outcome.status == "done" and outcome.result["path"] in conflicting
        else outcome
        for outcome in outcomes
    ]


def _write_quarantine(vault: Path, key: Key, refused: list[Outcome]) -> None:
    rows = [
        {
            "stage": "deidentify",
            "centre": CENTRE,
            "unit": token(key, "unit/deidentify", o.key),
            "reason": o.reason,
            "message": o.message,
            "remedy": o.remedy,
        }
        for o in refused
    ]
    QUARANTINE.write(pl.DataFrame(rows, schema=QUARANTINE.schema()), vault / "quarantine.parquet")
    names = pl.DataFrame([{"file": o.key, "reason": o.reason, "message": o.message, "remedy": o.remedy} for o in refused])
    if names.height:
        write_plain_csv(names, vault / "quarantine.csv", 0o600)
    else:
        (vault / "quarantine.csv").unlink(missing_ok=True)


def link_people(people: list[Path], out: Path, key_file: Path, links: Path | None) -> str:
    """Update an identity ledger from people files; return a summary in words.

    Args:
        people: People files; each is one centre, named by its stem.
        out: Folder of the ledger.
        key_file: The secret key.
        links: CSV of decided pairs, or None.

    Raises:
        UserError: If two files have one stem, or one cannot be read.
    """
    stems = [path.stem for path in people]
    if len(set(stems)) != len(stems):
        raise UserError("Two people files have the same name; each file is one centre, named by its stem. Rename one.")
    files = {path: read_people(path, path.stem) for path in people}
    frame = pl.concat([file.people for file in files.values()])
    decisions = read_links(links) if links else None
    report = persons.update_ledger(out, frame, read_key_file(key_file), links=decisions)
    by_rule = ", ".join(f"{rule} {count}" for rule, count in report.links.items()) or "none"
    return (
        f"{out}: revision {report.revision}, {report.records} records are {report.persons} persons "
        f"({report.new_persons} new, {report.merges} merged, {report.splits} split)\n"
        f"links made: {by_rule}; undone: {report.undone}; numbers given to another person: {report.replaced}; "
        f"pairs to review: {report.review}"
        + "".join(f"\n{path.name}: {line}" for path, file in files.items() for line in in_words(file))
    )
