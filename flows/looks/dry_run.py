"""What a build would do, and why, told without doing it: by what changed since the last one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from unibase.flows.looks.doctor import disk_of
from unibase.flows.runs import kept
from unibase.flows.runs.pipeline import ALL
from unibase.flows.runs.run import Run, files_below, open_run
from unibase.flows.runs.stage_cost import last_cost
from unibase.flows.study.study_file import Study
from unibase.groundwork.problems import SourceAway
from unibase.groundwork.work import WorkLedger


@dataclass(frozen=True)
class Change:
    """What changed in one source since it was last read, told by sizes, times and inodes alone.

    Attributes:
        source: Key of the study file.
        new: Files that were never read.
        changed: Files that are not as they were.
        gone: Files that are no more.
        size: Bytes of those that are new or changed.
    """

    source: str
    new: int
    changed: int
    gone: int
    size: int

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.gone)


@dataclass(frozen=True)
class Plan:
    """What a build would do.

    Attributes:
        changes: Sources that changed.
        stages: Stages that would run, with why.
        kept: Stages that would not.
        seconds: What these stages took when they last ran; None where one never ran.
        disk: Bytes that new and changed sources will take about once more in staging.
        free: Bytes free beside the workspace.
    """

    changes: list[Change]
    stages: dict[str, str]
    kept: list[str]
    seconds: float | None
    disk: int
    free: int


def plan_build(study: Study) -> Plan:
    """Return what a build of a study would do now.

    Args:
        study: The study.

    Raises:
        SourceAway: If a source cannot be listed.
    """
    root = next(folder for folder in (study.work.root, *study.work.root.parents) if folder.exists())
    free = shutil.disk_usage(root).free
    if not study.work.work_ledger.exists():
        first = [Change(key, *_first(path)) for key, path in _sources(study)]
        stages = {one.name: "nothing was built yet" for one in ALL}
        return Plan(first, stages, [], None, sum(one.size for one in first), free)
    with open_run(study) as run:
        changes = [found for key, path in _sources(study) if (found := _change(run.ledger, key, path))]
        stages = dict(_stages(run, changes))
        took = [last_cost(run.ledger, name) for name in stages]
    known = [one.seconds for one in took if one is not None]
    quiet = [one.name for one in ALL if one.name not in stages]
    return Plan(changes, stages, quiet, sum(known) if len(known) == len(took) else None, sum(one.size for one in changes), free)


def in_words(plan: Plan) -> str:
    """Return a plan as lines for the operator.

    Args:
        plan: The plan.
    """
    lines = [
        f"{one.source}: {one.new} new, {one.changed} changed, {one.gone} gone ({one.size / 1e6:.1f} MB to read)"
        for one in plan.changes
    ] or ["no source changed, by sizes, times and inodes (--verify-sources reads contents)"]
    lines += ["", *(f"would run   {name}: {why}" for name, why in plan.stages.items())]
    lines += [f"would stand {name}" for name in plan.kept]
    took = "not known: a stage never ran here" if plan.seconds is None else f"at most about {plan.seconds:.0f} s, as last time"
    lines += ["", f"time: {took}", f"disk: about {plan.disk / 1e9:.2f} GB more for staging, {plan.free / 1e9:.1f} GB free"]
    return "\n".join(lines)


def _sources(study: Study) -> Iterator[tuple[str, Path]]:
    """Yield the name under which the ledger remembers a source, and where it is."""
    for name, centre in study.centres.items():
        if centre.dicom and centre.dicom.local is not None:
            yield f"deidentify-{name}", study.path(centre.dicom.local)
        if centre.clinical and isinstance(path := study.records(centre.clinical), Path):
            yield f"clinical-{name}", path
        for source in centre.omics.values():
            for path in study.paths(source.matrix):
                yield "omics", path


def _first(path: Path) -> tuple[int, int, int, int]:
    files = _files(path)
    return len(files), 0, 0, sum(file.stat().st_size for file in files.values())


def _change(ledger: WorkLedger, source: str, path: Path) -> Change | None:
    files, known = _files(path), ledger.contents.stamps(source)
    if source.startswith("clinical-"):
        files = {f"0/{path.name}/{name}" if path.is_dir() else f"0/{path.name}": file for name, file in files.items()}
    elif source == "omics":
        files = {f"0/{path.name}": path}
        known = {name: stamp for name, stamp in known.items() if name in files}
    now = ledger.contents.stamps_of(files)
    new, changed = now.keys() - known.keys(), {name for name in now.keys() & known.keys() if now[name] != known[name]}
    found = Change(source, len(new), len(changed), len(known.keys() - now.keys()), _size(files, new | changed))
    return found or None


def _size(files: Mapping[str, Path], names: set[str]) -> int:
    return sum(disk_of(files[name]) for name in names)


def _files(path: Path) -> dict[str, Path]:
    if not path.exists():
        raise SourceAway(f"Nothing at {path}. Look whether the share is mounted.")
    return {file.relative_to(path).as_posix(): file for file in files_below(path)} if path.is_dir() else {path.name: path}


def _stages(run: Run, changes: list[Change]) -> Iterator[tuple[str, str]]:
    """Yield the stages that would run, and why; what a stage reads changes when one before it runs on new sources."""
    moved = {one.source.partition("-")[0] for one in changes}
    touched = set()
    for one in ALL:
        if one.name in moved:
            touched |= set(one.leaves)
            yield one.name, "its sources changed"
        elif touched & set(one.reads):
            touched |= set(one.leaves)
            yield one.name, "what it reads changes"
        elif not one.derived and one.name != "release":
            yield one.name, "its sources are looked at in every run"
        elif one.derived and not kept.stands(run, one.name, one.leaves, kept.inputs(run, one.name, one.reads)):
            touched |= set(one.leaves)
            yield one.name, "the study file, the code or what it left changed"
