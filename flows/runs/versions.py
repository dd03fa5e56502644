"""The version of a nightly release: the last one when nothing changed, else the next patch."""

from __future__ import annotations

from pathlib import Path

from unibase.flows.runs.run import Run
from unibase.flows.stages.release import publish
from unibase.flows.study.released import published_versions


def publish_next(run: Run) -> Path:
    """Publish as the last version of the study's major.minor when the bytes are the same, else as the next patch.

    Args:
        run: The run.

    Raises:
        UserError: As `flows.stages.release.publish`.
    """
    first = tuple(int(part) for part in run.study.release.version.split("."))
    folder = run.study.path(run.study.releases) / run.study.study
    mine = [version for version in published_versions(folder) if version[:2] == first[:2]]
    last = max([*mine, first])
    return publish(run, _text(last), following=_text((last[0], last[1], last[2] + 1)))


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
