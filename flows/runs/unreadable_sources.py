"""The one rule for a source that cannot be read, in every room: nothing an earlier night left passes for this night's.

A part of a source (an image, one matrix among several, a row) that cannot be read, or that its hospital took back, is
left out of the next release, and quarantine says why. A whole source that gave something before stops the run when it
cannot be read, or gives nothing: a share that is not mounted and an export that broke off look like that, and no
hospital loses all of its patients in a night. Nothing is published then; the last release stays. A source that never
gave anything holds up nobody: it is quarantined, and the run goes on without it. A people file is always needed, and so is
a clinical source of a kind that says who objects.
The work ledger remembers, as stage `sources`, what each source gave when it was last whole.
"""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import polars as pl

from unibase.flows.reasons import SOURCE_GIVES_NOTHING, UNREADABLE_SOURCE
from unibase.flows.runs.run import Run
from unibase.flows.study.places import FETCHED, MATRICES, RECORDS
from unibase.flows.study.study_file import Study
from unibase.groundwork.faults import fault_of
from unibase.groundwork.problems import SourceAway, UserError, without_folders
from unibase.groundwork.work import Outcome

STAGE = "sources"
UNREADABLE = (pl.exceptions.PolarsError, OSError, EOFError, UnicodeDecodeError, zlib.error)
"""What libraries raise for a file that is broken."""
_REMEDY = (
    "Look whether the share is mounted and the export whole, mend it, and start the same command again; "
    "if the hospital gives it no more, take it out of the study file."
)


def names(study: Study) -> Iterator[str]:
    """Yield the sources that hospitals give, by their keys below `centres` in the study file. `study`: the study."""
    for name, centre in study.centres.items():
        given = {"people": centre.people, "dicom": centre.dicom, "clinical": centre.clinical}
        yield from (f"{name}.{key}" for key, value in given.items() if value)
        yield from (f"{name}.omics.{assay}" for assay in centre.omics)


def check(run: Run, source: str, given: int, problem: str = "", machine: str = "") -> None:
    """Write down what a source gave; stop the run when it gave something before, and now cannot be read or gives nothing.

    Args:
        run: The run.
        source: The source, as `names` has it.
        given: How many files, persons or events of it this run can use.
        problem: What is wrong when nothing of it can be read.
        machine: What the machine did: mount, errno, host. It is said, and not kept: room on a disk is another every night.

    Raises:
        SourceAway: When the run must not go on without the source, with the next step.
    """
    _, known = run.ledger.known(STAGE).get(source, ("", None))
    before = known.result["given"] if known else 0
    if not problem and (given or not before):
        _record(run, known, Outcome(source, "", "done", {"given": given}))
        return
    reason = UNREADABLE_SOURCE if problem else SOURCE_GIVES_NOTHING
    message = without_folders(problem) if problem else "It gives nothing, and gave something before."
    _record(run, known, Outcome(source, "", "quarantined", {"given": before}, reason, message, _REMEDY))
    if before:
        raise SourceAway(_stopped([(source, f"{message} {machine}".rstrip())]))


@dataclass(frozen=True)
class Unread:
    """A source that never gave anything and cannot be read: why."""

    problem: str


def readable[**P, R](run: Run, source: str, read: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | Unread:
    """Return what `read` reads of a source; stop the run when it cannot be read and gave something before.

    Args:
        run: The run.
        source: The source, as `names` has it.
        read: Reads it.
        args: Arguments of `read`.
        kwargs: Further arguments of `read`.

    Raises:
        SourceAway: As `check`.
    """
    try:
        return read(*args, **kwargs)
    except UserError as error:
        problem, fault = str(error), fault_of(error)
    except UNREADABLE as error:
        # Without its text: libraries quote what they cannot read.
        problem, fault = f"It cannot be read ({type(error).__name__}).", fault_of(error)
    check(run, source, 0, problem, fault.message if fault else "")
    return Unread(without_folders(problem))


def refuse_stopped(run: Run) -> None:
    """Refuse to publish while a source stops the study: staging holds a part of this night and a part of an earlier one.

    Args:
        run: The run.

    Raises:
        SourceAway: With the sources and the next step.
    """
    known = run.ledger.known(STAGE)
    ends = {name: known[name][1] for name in names(run.study) if name in known}
    stopped = [(name, end.message) for name, end in ends.items() if end.status == "quarantined" and end.result["given"]]
    if stopped:
        raise SourceAway(_stopped(stopped))


def forget_unnamed(run: Run) -> None:
    """Remove from staging what was made of sources that the study file names no more.

    Args:
        run: The run.
    """
    study, staging, root = run.study, run.study.work.staging, run.study.work.root
    run.ledger.forget_others(STAGE, names(study))
    kept = {
        *(MATRICES.of(root, assay=assay, centre=name) for name, centre in study.centres.items() for assay in centre.omics),
        *(RECORDS.of(root, centre=name) for name, centre in study.centres.items() if centre.clinical),
        *(run.quarantine_file("clinical", name) for name, centre in study.centres.items() if centre.clinical),
        *(run.quarantine_file(stage, name) for name in study.centres for stage in ("fetch", "deidentify", "omics")),
    }
    assays = {assay for centre in study.centres.values() for assay in centre.omics}
    found = [path for path in (staging / "omics").glob("*/*") if path.name != "all.zarr" or path.parent.name not in assays]
    found += (staging / "clinical").glob("*")
    found += [
        path for stage in ("clinical", "fetch", "deidentify", "omics") for path in staging.glob(f"quarantine/{stage}-*.parquet")
    ]
    fetched = {FETCHED.of(root, centre=name) for name, centre in study.centres.items() if centre.dicom}
    found += [path for path in FETCHED.of(root, centre="none").parent.glob("*") if path not in fetched]
    for path in found:
        if path in kept:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _record(run: Run, known: Outcome | None, outcome: Outcome) -> None:
    if outcome != known:
        run.ledger.record(STAGE, [("", outcome)])


def _stopped(sources: Iterable[tuple[str, str]]) -> str:
    lines = [f"centres.{name}: {message}" for name, message in sources]
    return "\n".join([*lines, f"The run stops here: nothing is published, the last release stays. {_REMEDY}"])
