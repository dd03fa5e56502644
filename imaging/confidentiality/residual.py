"""Problems of files that more than one module finds, worded once; they hold no value of the source."""

from __future__ import annotations

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons


def residual(kind: str, tag: int | None) -> Unusable:
    """Return the problem of a file in which something known was found after cleaning; it names the attribute, no value.

    Args:
        kind: What was found: a name, a number, a date.
        tag: The attribute in which it stands, or None.
    """
    place = f"in ({tag >> 16:04X},{tag & 0xFFFF:04X})" if tag is not None else "between elements"
    return Unusable(
        reasons.RESIDUAL_IDENTIFIER,
        f"After cleaning, a {kind} of the source is still found {place}.",
        "The file was not released. The custodian can look at it in the source and report the attribute.",
    )
