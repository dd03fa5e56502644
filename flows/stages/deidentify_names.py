"""What the files of a hospital teach of names, read before any of them is de-identified: see `taught_names`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unibase.flows.runs.run import Run
from unibase.groundwork.work import Job, Unit
from unibase.imaging.confidentiality.taught_names import names_taught

BATCH = 512
"""Files per Dask task: some 50 microseconds of work each."""


def _taught(_: None, source: Path) -> list[str]:
    return sorted(names_taught(source))


def names_of_centre(run: Run, centre: str, files: Sequence[Unit]) -> tuple[str, ...]:
    """Return the names of staff and relatives of a centre that are words too, sorted: the same in whatever order files are read.

    They stand in the ledger of the work, in the vault, a file each: a file that did not change is not read again.

    Args:
        run: What a stage is given.
        centre: The centre, as in the study file.
        files: A unit for every source file.
    """
    job = Job(f"names-{centre}", _taught, batch_size=BATCH)
    outcomes = run.units(job, files, code=("unibase.imaging.confidentiality.taught_names",))
    return tuple(sorted({word for outcome in outcomes if outcome.status == "done" for word in outcome.result}))
