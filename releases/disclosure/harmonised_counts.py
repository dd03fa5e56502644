"""What was fitted on persons (harmonisations, frozen models), with its counts of persons as they may be shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unibase.releases.disclosure.small_counts import is_small


def masked(made: Mapping[str, Any], min_cell: int) -> dict[str, object]:
    """Return the record with its counts of persons down to multiples of `min_cell`; None for a count of a few.

    Who was harmonised and who was left out are together those who have the modality, a count that may be hidden elsewhere;
    and two counts may differ by a few. No program weighs these numbers with others, so none of them is exact.

    Args:
        made: What was done: `subjects`, `left_out`, `effect` and more.
        min_cell: Smallest count that may be shown.

    Example:
        >>> masked({"subjects": 43, "left_out": 4, "effect": {"fitted": {"subjects": 38}}}, 11)
        {'subjects': 33, 'left_out': None, 'effect': {'fitted': {'subjects': 33}}}
    """
    effect = {
        kind: None if found is None else {**found, "subjects": _down(found["subjects"], min_cell)}
        for kind, found in dict(made.get("effect", {})).items()
    }
    return {**made, **{name: _down(made[name], min_cell) for name in ("subjects", "left_out")}, "effect": effect}


def _down(count: int, min_cell: int) -> int | None:
    return None if is_small(int(count), min_cell) else int(count) // min_cell * min_cell


def of_models(settings: Mapping[str, Any], min_cell: int) -> dict[str, Any]:
    """Return settings of a release with the samples of every fit of a model down to multiples of `min_cell`.

    Who has a sample has the assay: a count that may be hidden elsewhere. Two fits, or two versions, may differ by a few.

    Args:
        settings: Settings; `models` holds, by assay, `samples` and the `history` of fits.
        min_cell: Smallest count that may be shown.

    Example:
        >>> of_models({"models": {"rna": {"samples": 43, "history": [{"samples": 9}]}}}, 11)
        {'models': {'rna': {'samples': 33, 'history': [{'samples': 0}]}}}
    """
    models = {name: _fit_down(model, min_cell) for name, model in dict(settings.get("models") or {}).items()}
    return {**settings, **({"models": models} if models else {})}


def _fit_down(fit: Mapping[str, Any], min_cell: int) -> dict[str, Any]:
    told = {"samples": int(fit["samples"]) // min_cell * min_cell} if "samples" in fit else {}
    past = {"history": [_fit_down(one, min_cell) for one in fit["history"]]} if "history" in fit else {}
    return {**fit, **told, **past}
