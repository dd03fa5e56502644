"""What a stage need not do again, and what stands in staging that no stage left so.

After a stage the content of each file that it left is written down, in the work ledger. Before a stage the files that it
reads are looked at: one that was changed, cut or lost since ends the run, by name. A derived stage whose inputs are those
of its last run, and whose outputs are as it left them, is not run: a night with nothing new costs the look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from unibase.flows.runs.code import ROOMS, ROOT, file_digest
from unibase.flows.study.named_files import files_of_settings
from unibase.flows.study.places import DICOM, EVERY, FETCHED, LEDGER, OBJECTIONS, PEOPLE, RELEASE, Place
from unibase.flows.study.study_file import NO_VALUE
from unibase.groundwork.contents import UNREAD
from unibase.groundwork.files import blake3_file, digest_of
from unibase.groundwork.problems import MachineFault

if TYPE_CHECKING:
    from unibase.flows.runs.run import Run
    from unibase.groundwork.work import WorkLedger

_LOOKED_AFTER = frozenset({DICOM, FETCHED, LEDGER, OBJECTIONS, RELEASE})
"""Places that see to themselves: copies are sealed one by one, what was fetched is proven by counts, the ledger of persons has digests of its own and is changed by
custodians too, a release has its manifest."""


def inputs(run: Run, stage: str, reads: Iterable[Place]) -> str:
    """Return a digest of all that a derived stage depends on.

    Args:
        run: The run.
        stage: Name of the stage.
        reads: Places that it reads.
    """
    study = run.study
    settings = {key: value for key, value in study.settings().items() if key not in NO_VALUE}
    known = set(reads)
    copies = [run.ledger.digest(f"deidentify-{name}") for name in study.centres] if DICOM in known else []
    persons = run.content(
        "persons", [path for place in (LEDGER, OBJECTIONS, PEOPLE) if (path := place.of(study.work.root)).exists()]
    )
    shared = {key: value for key, value in settings.items() if key != "centres"}
    files = run.content("study", files_of_settings(shared, study))
    found = [
        sorted(_found_in(run.ledger, run.study.work.root, place).items())
        for place in sorted(known - _LOOKED_AFTER, key=lambda place: place.path)
    ]
    return digest_of([stage, _code(), run.key.fingerprint, settings, files, persons, copies, found])


def stands(run: Run, stage: str, leaves: Iterable[Place], asked: str) -> bool:
    """Return whether a derived stage has nothing to do; say what was harmed of what it left.

    Args:
        run: The run.
        stage: Name of the stage.
        leaves: Places that it leaves.
        asked: What `inputs` returned.
    """
    if run.ledger.remembered(f"stage {stage}") != asked:
        return False
    harmed = [name for place in leaves for name in _differences(run, place)]
    harmed += _harmed_quarantine(run, stage)
    if harmed:
        run.say(f"{stage}: {_listed(harmed)} in {run.study.work.root} changed since the stage left it; the stage runs again")
    return not harmed


def refuse_harmed(run: Run, reads: Iterable[Place]) -> None:
    """Refuse to read what no stage left so.

    Args:
        run: The run.
        reads: Places that a stage is about to read.

    Raises:
        MachineFault: With the files, and the command that makes them again.
    """
    harmed = [name for place in reads for name in _differences(run, place)]
    if harmed:
        raise MachineFault(
            f"{_listed(harmed)} in {run.study.work.root} is not as the stage that makes it left it: changed, cut or lost since. "
            f"Make it again: unibase build {run.study.file}"
        )


def write_down(run: Run, stage: str, leaves: Iterable[Place], asked: str) -> None:
    """Remember what a stage left, and from what.

    Args:
        run: The run.
        stage: Name of the stage.
        leaves: Places that it leaves.
        asked: What `inputs` returned before it ran; nothing for a stage that is looked at every night.
    """
    for place in leaves:
        if place not in _LOOKED_AFTER:
            accept(run.ledger, run.study.work.root, place)
    run.ledger.remember(f"quarantine {stage}", _quarantine(run, stage))
    run.ledger.remember(f"stage {stage}", asked)


def accept(ledger: WorkLedger, root: Path, place: Place) -> None:
    """Remember a place as it is now: what changed it had a right to.

    Args:
        ledger: Where it is remembered.
        root: The workspace.
        place: The place.
    """
    ledger.remember(f"place {place.path}", _found_in(ledger, root, place))


def _found_in(ledger: WorkLedger, root: Path, place: Place) -> dict[str, str]:
    """Return the digest of each file of a place, by its path below the workspace; what did not change is not read.

    A file that could not be read is tried once more: the error then says what the machine did.

    Args:
        ledger: Where digests are remembered.
        root: The workspace.
        place: The place; of one by centre or assay, all of them.
    """
    files: dict[str, Path] = {}
    for path in root.glob(_pattern(place)):
        if any(path.relative_to(root).match(_pattern(other)) for other in _within(place)):
            continue  # `all.zarr` stands beside the folders of centres, and is no centre
        found = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        files |= {file.relative_to(root).as_posix(): file for file in found}
    digests = ledger.contents.digests(f"place {place.path}", dict(sorted(files.items())))
    return digests | {name: blake3_file(files[name]) for name, digest in digests.items() if digest == UNREAD}


def _pattern(place: Place) -> str:
    return place.of(Path(), centre="*", assay="*").as_posix()


def _within(place: Place) -> list[Place]:
    """Return the places whose paths a pattern covers as well, though they are named more closely."""
    return [other for other in EVERY if other.path.count("{") < place.path.count("{")]


@lru_cache
def _code() -> str:
    """Return a digest of our code and of the versions of all that is installed beside it."""
    files = sorted(file for room in (*ROOMS, "flows") for file in (ROOT / room).rglob("*") if _counts(file))
    ours = [(file.relative_to(ROOT).as_posix(), file_digest(file)) for file in files]
    installed = sorted({f"{one.name} {one.version}" for one in metadata.distributions() if one.name != "unibase"})
    return digest_of([ours, installed])


def _counts(file: Path) -> bool:
    return file.is_file() and "__pycache__" not in file.parts


def _differences(run: Run, place: Place) -> list[str]:
    """Return the files of a place that are not as the stage left them; none where nothing was written down."""
    left = None if place in _LOOKED_AFTER else run.ledger.remembered(f"place {place.path}")
    return [] if left is None else _unlike(left, _found_in(run.ledger, run.study.work.root, place))


def _unlike(left: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    return sorted(name for name in left.keys() | found.keys() if left.get(name) != found.get(name))


def _quarantine(run: Run, stage: str) -> dict[str, str]:
    """Return the digest of what a stage that runs once keeps in quarantine."""
    file = run.quarantine_file(stage)
    return run.ledger.contents.digests(f"quarantine {stage}", {file.name: file}) if file.exists() else {}


def _harmed_quarantine(run: Run, stage: str) -> list[str]:
    left = run.ledger.remembered(f"quarantine {stage}")
    return [f"staging/quarantine/{name}" for name in _unlike(left or {}, _quarantine(run, stage))]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
