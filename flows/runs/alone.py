"""Builds and single stages without Prefect: the same stages, called one after the other."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unibase.flows.runs.guard import explained
from unibase.flows.runs.last_run import noted
from unibase.flows.runs.pipeline import STAGES, stage
from unibase.flows.runs.progress import ProgressBoard
from unibase.flows.runs.run import Run, open_run, workforce
from unibase.flows.runs.versions import publish_next
from unibase.flows.stages.link import link
from unibase.flows.stages.release import publish
from unibase.flows.study.named_sources import check_sources
from unibase.flows.study.places import TIMELINE
from unibase.flows.study.study_file import Study
from unibase.flows.study.validation import read_study
from unibase.groundwork.files import write_bytes
from unibase.groundwork.problems import UserError
from unibase.groundwork.work import WorkLedger


@contextmanager
def _noted_run(study_file: Path, scheduler: str | None, what: str) -> Iterator[Run]:
    """Yield a run whose end `unibase status` tells; `what`: as in `LastRun`."""
    study = read_study(study_file)
    with noted(study, what) as note, _owned_run(study, scheduler) as run:
        note.begins()
        yield run


@contextmanager
def _owned_run(study: Study, scheduler: str | None, local: bool = False) -> Iterator[Run]:
    check_sources(study)
    study.audit.reach_copy()
    with study.work.owned(), ProgressBoard() as board:
        try:
            with (
                workforce(study, scheduler) as workers,
                open_run(study, workers=None if local else workers, progress=board, say=board.say) as run,
            ):
                yield run
        except UserError:
            raise
        except Exception as error:
            raise explained(error, study.work.vault / "errors.log") from None


def build_alone(study_file: Path, scheduler: str | None, nightly: bool) -> Path:
    """Build a study without Prefect; return the release's folder.

    Args:
        study_file: The study file.
        scheduler: Address of a Dask scheduler, or None.
        nightly: Publish as the next patch version when anything changed.
    """
    with _noted_run(study_file, scheduler, "nightly" if nightly else "build") as run:
        for one in STAGES:
            one(run)
        folder = publish_next(run) if nightly else publish(run)
        run.study.audit.append(getpass.getuser(), "release", 0, {"release": folder.name})
        return folder


def forget_contents(study_file: Path) -> None:
    """Have the next run read the content of every source and every staged file, whatever its size and times say.

    Args:
        study_file: The study file.
    """
    study = read_study(study_file)
    with study.work.owned(), WorkLedger(study.work.work_ledger) as ledger:
        ledger.distrust()


def run_alone(study_file: Path, name: str, centre: str | None, scheduler: str | None) -> None:
    """Run one stage.

    Args:
        study_file: The study file.
        name: Name of the stage, or `release`.
        centre: Only this centre, for stages that work by centre.
        scheduler: Address of a Dask scheduler, or None.

    Raises:
        UserError: If there is no such stage or centre.
    """
    if name != "release":
        try:
            stage(name)
        except KeyError as error:
            raise UserError(f"{error.args[0]}, release.") from None
    with _noted_run(study_file, scheduler, f"stage {name}") as run:
        if centre is not None and centre not in run.study.centres:
            raise UserError(f"The study has no centre {centre}. It has {', '.join(run.study.centres)}.")
        run.study.audit.append(getpass.getuser(), "stage", 0, {"stage": name, "centre": centre or ""})
        if name == "release":
            publish(run)
        else:
            stage(name)(run, centre)


def join_alone(study_file: Path, out: Path) -> str:
    """Join at the index and copy the tables to a folder; return what was written, in words.

    `study_file`: the study file; `out`: the folder.

    Raises:
        UserError: If there is no timeline yet.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file, and a folder is written. Name another place.")
    with _owned_run(read_study(study_file), None, local=True) as run:
        if not TIMELINE.of(run.study.work.root).exists():
            raise UserError(f"There is no timeline to join yet. Build first: unibase build {study_file}")
        linked = link(run)
        for name in ("analysis", "trace", "index", "flow", "cohort", "adtte", "adrs"):
            write_bytes(out / f"{name}.parquet", (linked.folder / f"{name}.parquet").read_bytes())
        analysis = linked.table("analysis")
    return f"{out}: {analysis.height} subjects x {analysis.width} columns in analysis.parquet, each cell traced in trace.parquet"
