"""Which versions of a study stand published; light, for commands that only look."""

from __future__ import annotations

from pathlib import Path


def published_versions(folder: Path) -> list[tuple[int, int, int]]:
    """Return the versions below a study's folder of releases, ascending.

    Args:
        folder: The folder.

    Example:
        >>> for name in ("1.0.10", "1.0.9", "notes"):
        ...     (getfixture("tmp_path") / name).mkdir()
        >>> published_versions(getfixture("tmp_path"))
        [(1, 0, 9), (1, 0, 10)]
    """
    found = []
    for path in folder.glob("*"):
        parts = path.name.split(".")
        if len(parts) == 3 and all(part.isdigit() for part in parts):
            found.append((int(parts[0]), int(parts[1]), int(parts[2])))
    return sorted(found)
