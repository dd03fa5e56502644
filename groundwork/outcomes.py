"""Units of work and how they end: the words that whoever runs units and whoever remembers them share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from unibase.groundwork.problems import Unusable

Status = Literal["done", "quarantined", "failed"]


@dataclass(frozen=True)
class Unit:
    """One unit of work.

    Attributes:
        key: Stable name inside the stage, such as a path relative to its source; may name a source file.
        input_digest: Digest of what goes in (content, or size and time of modification for a first sight).
        arguments: What the stage's function is called with; picklable.
    """

    key: str
    input_digest: str
    arguments: Any = None


@dataclass(frozen=True)
class Outcome:
    """How one unit ended. `result` is the small JSON value that the stage's function returned, or, of a unit in quarantine,
    what it had found (`Unusable.found`)."""

    key: str
    input_digest: str
    status: Status
    result: Any = None
    reason: str = ""
    message: str = ""
    remedy: str = ""
    repeated: bool = field(default=False, compare=False)
    """True when this run did the work, False when the ledger already held the outcome."""
    mended: bool = field(default=False, compare=False)
    """True when this run did the work again because what the unit had left was changed or cut since."""
    worker: str = field(default="", compare=False)
    """Address of the Dask worker that did the work."""
    seals: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    """Stamp and digest of each file or folder that the unit left, in the order that `Job.leaves` names them."""


@dataclass(frozen=True)
class LeftOut:
    """A part of a unit that could not be used, where other parts could.

    Attributes:
        part: Name of the part, such as a volume of a series.
        reason: Code of the reason.
        message: What is wrong, without a value of a patient.
        remedy: What the operator can do.
    """

    part: str
    reason: str
    message: str
    remedy: str

    @classmethod
    def of(cls, part: str, problem: Unusable) -> LeftOut:
        """Return what is told of a `part` that has a `problem`."""
        return cls(part, problem.reason, problem.message, problem.remedy)


def quarantined(unit: Unit, reason: str, message: str, remedy: str, found: object = None) -> Outcome:
    """Return the outcome of a unit that is refused for what its data are, in this run.

    Args:
        unit: The unit.
        reason: Code of the reason.
        message: What is wrong, without a value of a patient.
        remedy: What the operator can do.
        found: What was found before the unit was refused; a small JSON value.

    >>> quarantined(Unit("a.dcm", "1f"), "no-pixels", "There are no pixels.", "Export it again.").status
    'quarantined'
    """
    return Outcome(unit.key, unit.input_digest, "quarantined", found, reason, message, remedy, repeated=True)
