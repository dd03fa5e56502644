"""The record of a harmonisation across centres, with its counts of persons as they may be shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unibase.releases.disclosure.small_counts import is_small


def masked(made: Mapping[str, Any], min_cell: int) -> dict[str, Any]:
    """Return the record with None for counts of a few persons, and for those from which one follows.

    Who was harmonised and who was left out are together those who have the modality, which is shown elsewhere.

    Args:
        made: What was done: `subjects`, `left_out`, `effect` and more.
        min_cell: Smallest count that may be shown.
    """
    hide = is_small(int(made["left_out"]), min_cell) or is_small(int(made["subjects"]), min_cell)
    effect = {
        kind: None if found is None else {**found, "subjects": None if hide else _shown(int(found["subjects"]), min_cell)}
        for kind, found in dict(made.get("effect", {})).items()
    }
    counts = {"subjects": None, "left_out": None} if hide else {}
    return {**made, **counts, "effect": effect}


def _shown(count: int, min_cell: int) -> int | None:
    return None if is_small(count, min_cell) else count
