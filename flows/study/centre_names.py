"""What a centre may be called: its name becomes a folder, and stands beside others in `centres` of a subject and `source` of an event."""

from __future__ import annotations

import re

_CENTRE = re.compile(r"\w[\w .'-]{0,63}")


def no_centre_name(name: str) -> str:
    """Return what is wrong with the name of a centre; nothing where it may be used.

    Args:
        name: The name.

    >>> no_centre_name("CHU-été")
    ''
    >>> no_centre_name("lyon;paris").partition(":")[0]
    "'lyon;paris' is no name of a centre"
    """
    if _CENTRE.fullmatch(name) and name.strip():
        return ""
    return (
        f"{name!r} is no name of a centre: letters, digits, spaces, hyphens and dots inside, for it becomes the name of a folder"
    )
