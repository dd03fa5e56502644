"""What can be done about a reason of clinical records."""

from __future__ import annotations

from unibase.clinical import reasons
from unibase.groundwork import reasons as shared
from unibase.groundwork.reasons import declared

_REMEDIES = {str(reason): reason.remedy for module in (shared, reasons) for reason in declared(module).values()}


def remedy_of(code: str) -> str:
    """Return what can be done about a `code` of this room or of several; nothing for one that nobody declares.

    Example:
        >>> remedy_of("not-utf-8")
        'Save the file as UTF-8.'
    """
    return _REMEDIES.get(code, "")
