"""What a stage is given: the study, its key, the ledger of work, a Dask client, and who to tell of progress."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from importlib import metadata
from pathlib import Path

import polars as pl

from unibase.flows.runs.code import code_digest
from unibase.flows.runs.run_log import RunLog
from unibase.flows.runs.worker_check import refuse_unlike
from unibase.flows.study.places import ERASED, OBJECTIONS, Place
from unibase.flows.study.places import PEOPLE as PEOPLE_TABLE
from unibase.flows.study.study_file import Study
from unibase.groundwork.cluster import Workforce
from unibase.groundwork.faults import fault_of
from unibase.groundwork.files import digest_of
from unibase.groundwork.problems import MachineFault, SourceAway, UserError
from unibase.groundwork.tables import PEOPLE, QUARANTINE
from unibase.groundwork.work import Job, Outcome, Progress, Unit, Workers, WorkLedger, run_units
from unibase.privacy.custody.custodians import assemble, read_subjects, read_tokens
from unibase.privacy.custody.objections import identifiers, read_register
from unibase.privacy.keys import Key
from unibase.privacy.ledger.erased_numbers import read_erased
from unibase.privacy.ledger.persons import open_lookup, revisions, unlisted
from unibase.privacy.pseudonyms import token
from unibase.privacy.subjects import SubjectLookup

SOFTWARE = (
    "unibase",
    "pydicom",
    "SimpleITK",
    "pyradiomics-cuda",
    "anndata",
    "mudata",
    "numpy",
    "polars",
    "scipy",
    "numba",
    "zarr",
    "h5py",
)
"""Packages whose versions a release names."""


@dataclass
class Run:
    """One run of one or more stages over one study."""

    study: Study
    key: Key
    ledger: WorkLedger
    client: Workers = None
    progress: Progress | None = None
    say: Callable[[str], object] = field(default=lambda line: None)
    _declared: tuple[Place, ...] | None = None

    @contextmanager
    def within(self, places: tuple[Place, ...]) -> Iterator[None]:
        """Hold the run to the places that a stage declared."""
        before, self._declared = self._declared, places
        try:
            yield
        finally:
            self._declared = before

    def place(self, place: Place, **names: str) -> Path:
        """Return where a place of this study is.

        `place`: one that the running stage declared; `names`: what stands in its path: `centre`, `assay`.

        Raises:
            LookupError: If the running stage did not declare it: then the order of stages would not be known to be right.
        """
        if self._declared is not None and place not in self._declared:
            raise LookupError(f"the stage did not declare {place.path}")
        return place.of(self.study.work.root, **names)

    @cached_property
    def lookup(self) -> SubjectLookup:
        """The way from identifiers to subjects, as the ledger is or, where the study says so, was; without those who object,
        and those whom their hospital lists no more."""
        register = OBJECTIONS.of(self.study.work.root)
        known = self._everybody().without(identifiers(read_register(register))).unaware_of(self.unlisted())
        return replace(known, erased=read_erased(ERASED.of(self.study.work.root)))

    def unlisted(self) -> frozenset[tuple[str, str, str]]:
        """Return the numbers of records that their hospital lists no more; none where the study says that it may, or was."""
        listed = PEOPLE_TABLE.of(self.study.work.root)
        if self.study.ledger_revision is not None or not listed.exists():
            return frozenset()
        whole = [name for name, centre in self.study.centres.items() if not centre.keep_unlisted]
        return unlisted(self.study.work.identity, PEOPLE.read(listed), whole)

    def _everybody(self) -> SubjectLookup:
        """Return the lookup with those who object."""
        shared, revision = self.study.custodians, self.study.ledger_revision
        if shared is None:
            return open_lookup(self.study.work.identity, self.key, revision=revision)
        tokens, subjects = self.study.path(shared.tokens), self.study.path(shared.subjects)
        answers = read_subjects(subjects)
        most = self.study.deidentification.max_shift_days
        if any(not 1 <= -answer.shift_days <= most for answer in answers.values()):
            raise UserError(
                f"{subjects} moves dates by other than 1 to {most} days, which is what the study file says. Have the study custodian "
                f"make it again: unibase custodian subjects TOKENS OUT --key-file FILE --max-shift-days {most}"
            )
        return assemble(self.study.work.identity, read_tokens(tokens), answers, revision=revision)

    @property
    def ledger_revision(self) -> int:
        """Number of the ledger's revision that this run builds with."""
        return self.study.ledger_revision or len(revisions(self.study.work.identity))

    @cached_property
    def splits(self) -> int:
        """How many records were ever cut off a person: after a split, all that was read under the ledger is read again."""
        known = revisions(self.study.work.identity)[: self.study.ledger_revision]
        changes = [revision["counts"]["changes"] for revision in known]
        # A number that was given to another person stands for two as well.
        return sum(change.get("split", 0) + change.get("replaced", 0) for change in changes)

    def units(self, job: Job, units: Sequence[Unit], *, code: Sequence[str]) -> list[Outcome]:
        """Do a job on all units of a stage as `groundwork.work.run_units` does.

        What the stage had before and is not among `units` is forgotten: a file that a hospital takes back is in no later release.

        Args:
            job: The job; the key and `code` count as settings of it.
            units: The units.
            code: Modules of ours that the results depend on; what they import counts as well.

        Raises:
            UserError: If the machine made a unit fail: a release without it would have a hole.
        """
        gone = self.ledger.forget_others(job.stage, [unit.key for unit in units])
        if gone:
            self.say(f"{job.stage}: {gone} no longer in the source; left out from now on")
        settings = {"settings": job.settings, "code": code_digest(*code), "key": self.key.fingerprint}
        outcomes = run_units(replace(job, settings=settings), units, self.ledger, client=self.client, progress=self.progress)
        self._log_units(job.stage, outcomes)
        if mended := sum(outcome.mended for outcome in outcomes):
            self.say(f"{job.stage}: what {mended} units had left in staging was changed or cut since; it is made again")
        stop_if_failed(job.stage, outcomes)
        return outcomes

    @cached_property
    def log(self) -> RunLog:
        """The log of this study's runs."""
        return RunLog(self.study.path(self.study.log) if self.study.log else None, self.study.study)

    def _log_units(self, job: str, outcomes: Sequence[Outcome]) -> None:
        """Log how units of a job ended, and each that failed; `quarantine_rows` logs those that were refused."""
        ends = Counter(one.status for one in outcomes)
        self.log.write("units-ended", job=job, units=dict(sorted(ends.items())))
        for one in outcomes:
            if one.status == "failed":
                self.log.write("unit-failed", job=job, unit=self.token(job, one.key), reason=one.reason)

    def content(self, source: str, paths: Iterable[Path]) -> str:
        """Return a digest of names and contents of files and folders, wherever they are mounted; what did not change is not read.

        Args:
            source: What they belong to, such as `clinical-lyon`; with it they are remembered.
            paths: Files and folders.
        """
        files = {
            f"{place}/{file.relative_to(path.parent).as_posix()}": file
            for place, path in enumerate(paths)
            for file in (files_below(path) if path.is_dir() else [path])
        }
        return digest_of(sorted(self.ledger.contents.digests(source, files).items()))

    def quarantine_rows(self, stage: str, centre: str | None, outcomes: Iterable[Outcome]) -> pl.DataFrame:
        """Return QUARANTINE rows of the outcomes that were refused; the unit is a keyed token of its name.

        A part that is refused twice for one reason, such as a region of one name in two structure sets, has one row.

        Args:
            stage: Name of the stage.
            centre: Name of the centre, or None for all.
            outcomes: How the units ended.
        """
        refused = [outcome for outcome in outcomes if outcome.status == "quarantined"]
        rows = [
            {
                "stage": stage,
                "centre": centre,
                "unit": self.token(stage, outcome.key),
                "reason": outcome.reason,
                "message": outcome.message,
                "remedy": outcome.remedy,
            }
            for outcome in refused
        ]
        for row, outcome in zip(rows, refused, strict=True):
            if outcome.repeated:  # what an earlier night refused stands in its log
                told = {name: str(row[name] or "") for name in ("stage", "centre", "unit", "reason")}
                self.log.write("unit-refused", **told)
        frame = pl.DataFrame(rows, schema=QUARANTINE.schema())
        return QUARANTINE.conform(frame.unique(QUARANTINE.key, keep="first", maintain_order=True))

    def token(self, stage: str, name: str) -> str:
        """Return the token that stands for a unit in tables that leave the vault.

        Args:
            stage: Name of the stage.
            name: Name of the unit in the ledger.
        """
        return token(self.key, f"unit/{stage}", name)

    def quarantine_file(self, stage: str, centre: str | None = None) -> Path:
        """Return where a stage keeps its quarantine rows.

        Args:
            stage: Name of the stage.
            centre: Name of the centre, or None for a stage that runs once.
        """
        return self.study.work.staging / "quarantine" / f"{stage}{'-' + centre if centre else ''}.parquet"


@contextmanager
def open_run(
    study: Study,
    *,
    workers: Workers = None,
    progress: Progress | None = None,
    say: Callable[[str], object] | None = None,
) -> Iterator[Run]:
    """Yield a run with its ledger open.

    Args:
        study: The study.
        workers: Who works; None runs all units here, one after the other.
        progress: Told of progress.
        say: Told of what a stage did, line by line.
    """
    key = study.read_key()
    with WorkLedger(study.work.work_ledger) as ledger:
        run = Run(study, key, ledger, workers, progress)
        run.say = partial(_tell, run.log, say or (lambda line: None))
        yield run


def _tell(log: RunLog, say: Callable[[str], object], line: str) -> None:
    log.write("said", text=line)
    say(line)


def workforce(study: Study, address: str | None = None) -> Workforce:
    """Return the workers of a study, which start when there is work.

    Args:
        study: The study.
        address: A Dask scheduler; overrides the study's.

    Raises:
        UserError: If workers elsewhere would look for fetched images through a vault that is in this machine's memory alone.
    """
    elsewhere = address or study.dask.address
    fetched = [name for name, centre in study.centres.items() if centre.dicom and centre.dicom.local is None]
    if elsewhere and study.vault and fetched:
        raise UserError(
            f"centres.{fetched[0]}.dicom comes over a network, and the vault is open in this machine's memory alone: workers of a "
            "Dask scheduler do not find the images. Work without `dask.address` and `--scheduler`, or without `vault`."
        )
    return Workforce(elsewhere, study.dask.workers, partial(refuse_unlike, study=study))


def software_versions() -> dict[str, str]:
    """Return the versions of the packages that make a release's numbers.

    >>> "polars" in software_versions()
    True
    """
    return {name: metadata.version(name) for name in SOFTWARE}


def stop_if_failed(stage: str, outcomes: Iterable[Outcome]) -> None:
    """Stop the run when the machine made units fail, whatever their data are: each fault once, with what to do.

    Args:
        stage: Name of the stage.
        outcomes: How the units ended.

    Raises:
        MachineFault: With the faults, how many units each took, and the next step.
    """
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if not failed:
        return
    faults = Counter((outcome.reason, outcome.message, outcome.remedy) for outcome in failed)
    lines = [
        f"{stage}: {count} failed, {reason}: {message} {remedy}" for (reason, message, remedy), count in faults.most_common()
    ]
    raise MachineFault("\n".join([*lines, "Nothing is published, the last release stays; what was done is kept."]))


def files_below(folder: Path) -> list[Path]:
    """Return all files below a folder, sorted by path, links to folders not followed.

    Raises:
        SourceAway: If a folder cannot be listed: its files would look as if the hospital had taken them back.

    >>> _ = (getfixture("tmp_path") / "b.dcm").write_text("1")
    >>> [path.name for path in files_below(getfixture("tmp_path"))]
    ['b.dcm']
    """

    def stop(error: OSError) -> None:
        fault = fault_of(error)
        said = f"{fault.message} {fault.remedy}" if fault else f"{type(error).__name__}."
        raise SourceAway(f"A source cannot be listed: {said} Nothing is published, the last release stays.") from None

    found = [Path(root) / name for root, _, names in os.walk(folder, onerror=stop) for name in names]
    return sorted(found)


def summary(stage: str, outcomes: list[Outcome]) -> str:
    """Return how the units of a stage ended, in one line.

    Args:
        stage: Name of the stage.
        outcomes: How the units ended.
    """
    quarantined = sum(outcome.status == "quarantined" for outcome in outcomes)
    new = sum(outcome.repeated for outcome in outcomes)
    return f"{stage}: {len(outcomes)} in = {len(outcomes) - quarantined} done + {quarantined} quarantined; {new} processed now"
