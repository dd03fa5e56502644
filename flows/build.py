"""The Prefect flows: the full build, each stage, and the nightly increment.

Prefect sees one task run per stage and centre. Inside a task a Dask client maps the units; Prefect never sees those.
Only paths and names travel as parameters: Prefect's database keeps them in clear.
"""

from __future__ import annotations

import getpass
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from prefect import flow, get_run_logger, runtime, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.states import Completed, Failed, State

import unibase.flows  # noqa: F401  # silences telemetry before Prefect is imported
from unibase.flows.runs.artifacts import artifacts_of
from unibase.flows.runs.guard import explained, kind
from unibase.flows.runs.last_run import noted
from unibase.flows.runs.pipeline import STAGES, stage
from unibase.flows.runs.progress import ProgressBoard
from unibase.flows.runs.run import open_run, workforce
from unibase.flows.runs.stage import Stage
from unibase.flows.runs.versions import publish_next
from unibase.flows.stages.release import publish
from unibase.flows.study.named_sources import check_sources
from unibase.flows.study.study_file import Study
from unibase.flows.study.validation import read_study
from unibase.groundwork.cluster import Workforce
from unibase.groundwork.problems import UserError


def _named() -> str:
    """Return the name of this flow run: what runs, and over which study file, without the folders above its own."""
    given = runtime.flow_run.parameters
    file = Path(given.get("study", "study.yaml"))
    return f"{given.get('name') or runtime.flow_run.flow_name} {file.resolve().parent.name}/{file.name}"


@task(name="stage", task_run_name="{name} {centre}", persist_result=False)
def stage_task(study_file: str, name: str, centre: str, scheduler: str | None) -> State[object]:
    """Run one stage, for one centre when it works by centre.

    Args:
        study_file: Path of the study file.
        name: Name of the stage.
        centre: Name of the centre; empty for all.
        scheduler: Address of a Dask scheduler, or None.
    """
    study = read_study(study_file)
    try:
        with (
            _board() as board,
            _team(study, scheduler) as workers,
            open_run(study, workers=workers, progress=board, say=board.say) as run,
        ):
            stage(name)(run, centre or None)
    except Exception as error:
        return _failed(error, study.work.vault / "errors.log")
    return Completed(message="done")


@task(name="release", task_run_name="release {version}", persist_result=False)
def release_task(study_file: str, version: str) -> State[object]:
    """Publish the release; the state's message is its folder.

    `study_file`: path of the study file; `version`: the version, or `next`.
    """
    study = read_study(study_file)
    try:
        with _board() as board, open_run(study, progress=board, say=board.say) as run:
            folder = publish_next(run) if version == "next" else publish(run, version)
    except Exception as error:
        return _failed(error, study.work.vault / "errors.log")
    return Completed(message=str(folder))


@flow(name="build", flow_run_name=_named, persist_result=False, log_prints=False)
def build_flow(study: str = "study.yaml", scheduler: str | None = None) -> State[object]:
    """Build a study from its sources to its release.

    Args:
        study: Path of the study file.
        scheduler: Address of a Dask scheduler; the study's own setting, or a local cluster, when absent.
    """
    return _run(study, scheduler, _Asked("build", list(STAGES), version=""))


@flow(name="nightly", flow_run_name=_named, persist_result=False, log_prints=False)
def nightly_flow(study: str = "study.yaml", scheduler: str | None = None) -> State[object]:
    """Take up what is new since the last run; publish the next version when anything changed.

    Args:
        study: Path of the study file.
        scheduler: As for `build`.
    """
    return _run(study, scheduler, _Asked("nightly", list(STAGES), version="next"))


@flow(name="stage", flow_run_name=_named, persist_result=False, log_prints=False)
def stage_flow(study: str = "study.yaml", name: str = "index", scheduler: str | None = None) -> State[object]:
    """Run one stage of a build over what the stages before it left.

    Args:
        study: Path of the study file.
        name: Name of the stage, or `release`.
        scheduler: As for `build`.
    """
    if name == "release":
        return _run(study, scheduler, _Asked("stage release", [], version=""))
    return _run(study, scheduler, _Asked(f"stage {name}", [stage(name)], version=None))


_TEAMS: dict[str, Workforce] = {}
"""Workers of the flow runs of this process, by study file: all stages of a run share them."""


@contextmanager
def _team(study: Study, scheduler: str | None) -> Iterator[Workforce]:
    """Yield the workers of the flow that this task belongs to, or its own where it runs alone."""
    shared = _TEAMS.get(str(study.file))
    if shared is not None:
        yield shared
        return
    with workforce(study, scheduler) as own:
        yield own


def _failed(error: Exception, log: Path | None) -> State[object]:
    """Return the state of a run that an error ended: its name tells the kind."""
    told = explained(error, log)
    return Failed(name=kind(told), message=str(told))


class _Asked(NamedTuple):
    """What a flow was asked for: its name, its stages, and the version it publishes ("" is the study's own, None is none)."""

    name: str
    stages: list[Stage]
    version: str | None


def _run(study_file: str, scheduler: str | None, asked: _Asked) -> State[object]:
    try:
        study = read_study(study_file)
        with noted(study, asked.name) as note:
            check_sources(study)
            study.audit.reach_copy()
            with study.work.owned():
                note.begins()
                ended = _run_stages(study, scheduler, asked.stages, asked.version)
                note.ends(ended.name or "", "" if ended.is_completed() else ended.message or "")
                _show(study, ended)
                return ended
    except UserError as error:
        return _failed(error, None)


def _show(study: Study, ended: State[object]) -> None:
    """Leave the artifacts of a run on its page; a server that takes none keeps no run from its end."""
    if not study.work.work_ledger.exists():
        return
    shown = artifacts_of(study, ended.message or "", ended.is_completed())
    try:
        create_table_artifact(shown.stages, key=f"{study.study}-stages", description="What each stage took in and how it ended")
        create_table_artifact(shown.quarantine, key=f"{study.study}-quarantine", description="Quarantine by reason")
        create_markdown_artifact(shown.end, key=f"{study.study}-end", description="Green or red, and why")
    except Exception as error:  # whatever the server says: the work is done
        get_run_logger().warning(f"The artifacts of this run were not kept ({type(error).__name__}).")


def _run_stages(study: Study, scheduler: str | None, stages: list[Stage], version: str | None) -> State[object]:
    file = str(study.file)
    audit = study.audit
    with workforce(study, scheduler) as workers:
        _TEAMS[file] = workers
        try:
            for one in stages:
                for centre in list(study.centres) if one.run_centre else [""]:
                    started = time.monotonic()
                    ended = stage_task(file, one.name, centre, scheduler, return_state=True)
                    if not ended.is_completed():
                        return Failed(name=ended.name, message=ended.message)
                    audit.append(
                        "unibase",
                        "stage",
                        0,
                        {"stage": one.name, "centre": centre, "seconds": round(time.monotonic() - started, 1)},
                    )
        finally:
            del _TEAMS[file]
    if version is None:
        return Completed(message="done")
    ended = release_task(file, version or study.release.version, return_state=True)
    if not ended.is_completed():
        return Failed(name=ended.name, message=ended.message)
    audit.append(getpass.getuser(), "release", 0, {"release": ended.message})
    return Completed(message=ended.message)


@contextmanager
def _board() -> Iterator[ProgressBoard]:
    """Yield a board that speaks to the run's logger in a deployment, and to the terminal elsewhere."""
    with ProgressBoard(get_run_logger().info if runtime.deployment.id else None) as board:
        yield board
