"""Instances to an archive, study by study in batches; what went is known, and goes once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Protocol

from unibase.groundwork.outcomes import quarantined
from unibase.groundwork.problems import Unusable
from unibase.groundwork.work import Outcome, Unit
from unibase.imaging.fetching.polite import Asking
from unibase.imaging.fetching.reasons import NOT_TAKEN

MOST_FILES, MOST_BYTES = 64, 64 * 2**20
"""A batch holds at most so many files, and bytes unless one file alone is larger."""


class Sender(Protocol):
    """A client that sends instances of one study and returns the SOPInstanceUIDs that were not taken."""

    def send(self, study: str, files: Sequence[tuple[str, Path]]) -> set[str]:
        """Send them."""
        ...


@dataclass(frozen=True)
class Leaving:
    """One file that is to be sent.

    Attributes:
        key: Its name in the work ledger.
        digest: Of its content.
        study: StudyInstanceUID.
        sop: SOPInstanceUID.
        path: Where it is.
    """

    key: str
    digest: str
    study: str
    sop: str
    path: Path


def batches(files: Iterable[Leaving]) -> Iterator[list[Leaving]]:
    """Yield files in batches of one study each.

    Args:
        files: The files, in any order.
    """
    ordered = sorted(files, key=lambda one: (one.study, one.key))
    for _, mine in groupby(ordered, key=lambda one: one.study):
        batch: list[Leaving] = []
        size = 0
        for one in mine:
            length = one.path.stat().st_size
            if batch and (len(batch) == MOST_FILES or size + length > MOST_BYTES):
                yield batch
                batch, size = [], 0
            batch.append(one)
            size += length
        yield batch


def send(sender: Sender, asking: Asking, files: Iterable[Leaving], write: Callable[[list[Outcome]], None]) -> None:
    """Send files.

    Args:
        sender: The client.
        asking: How the archive is asked.
        files: What is to be sent.
        write: Told how the files of a batch ended, before the next is sent.

    Raises:
        SourceAway: If the archive is away.
        UserError: If it refuses us.
    """
    for batch in batches(files):
        failed = _not_taken(sender, asking, batch)
        write([_ended(one, one.sop in failed) for one in batch])


def _not_taken(sender: Sender, asking: Asking, batch: Sequence[Leaving]) -> set[str]:
    """Send files of one study; return the SOPInstanceUIDs that the archive did not take.

    What is refused as a whole, for one object of a kind that it does not store or for its size, goes again in halves.
    """
    try:
        return asking.ask(partial(sender.send, batch[0].study, [(one.sop, one.path) for one in batch]))
    except Unusable:
        half = len(batch) // 2
        if not half:
            return {batch[0].sop}
        return _not_taken(sender, asking, batch[:half]) | _not_taken(sender, asking, batch[half:])


def _ended(one: Leaving, failed: bool) -> Outcome:
    if failed:
        return quarantined(Unit(one.key, one.digest), NOT_TAKEN, NOT_TAKEN.meaning, NOT_TAKEN.remedy)
    return Outcome(one.key, one.digest, "done", {"study": one.study}, repeated=True)
