"""What can be wrong with an input, said without a value of a patient."""

from __future__ import annotations

import re

from unibase.groundwork.reasons import Reason


class Unusable(Exception):
    """One unit of work cannot be used; it goes to quarantine and the run goes on.

    Args:
        reason: The code that its room declares (`reasons.MISSING_SLICE`), counted in reports.
        message: One sentence for the operator naming the place (tag, row, column), never a patient's value; the meaning
            of the reason when left out.
        remedy: What the operator can do about it; the remedy of the reason when left out.
        found: What was found before the unit was refused, a small JSON value; it stays in the work ledger, in the vault.
    """

    def __init__(self, reason: str, message: str = "", remedy: str = "", found: object = None) -> None:
        if isinstance(reason, Reason):
            message, remedy = message or reason.meaning, remedy or reason.remedy
        reason = str(reason)
        super().__init__(reason, message, remedy)
        self.reason = reason
        self.message = message
        self.remedy = remedy
        self.found = found

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}" + (f" {self.remedy}" if self.remedy else "")


def without_folders(text: str) -> str:
    """Return a text with its paths cut to their last part: where the files of a hospital stand is nobody else's business.

    >>> without_folders("There is no file /data/lyon/scans/a.dcm.")
    'There is no file a.dcm.'
    """
    return re.sub(r"(?<![\w/])/(?:[^\s/]+/)+", "", text)


class UserError(Exception):
    """The whole command cannot go on because of what the user gave; shown without a traceback.

    The text ends with the next step the user can take.
    """


class SourceAway(UserError):
    """A source that the study names is not there or cannot be read: a share that is not mounted, an export that broke off."""


class MachineFault(UserError):
    """The machine, not the data, kept the command from its end: a disk, a share, a worker."""


class Busy(UserError):
    """Another run holds what the command needs."""


class RefusedByPolicy(UserError):
    """A rule of the study or of the house forbids what was asked."""
