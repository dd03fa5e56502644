"""From lesions of the timeline to visits of RANO and of the Lugano classification: what each event of `LESION//` says in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from unibase.clinical.derived.lesions import DatedResponse, Measurement, by_visit, dated, non_target_state, seen_new
from unibase.clinical.derived.lugano import LymphomaVisit, Size, Uptake, lugano
from unibase.clinical.derived.rano import BrainVisit, Course, rano

_COURSE: dict[str, Course] = {
    "NONE": "NONE", "OFF": "NONE", "STABLE": "STABLE", "UNCHANGED": "STABLE", "SAME": "STABLE", "IMPROVED": "BETTER", "BETTER": "BETTER",
    "DECREASED": "BETTER", "WORSE": "WORSE", "INCREASED": "WORSE", "DETERIORATED": "WORSE",
}  # fmt: skip
"""Words of `LESION//FLAIR`, `LESION//STEROIDS` and `LESION//CLINICAL`; every other one is not evaluable."""
_UPTAKE: dict[str, Uptake] = {
    "LESS": "LESS", "DECREASED": "LESS", "REDUCED": "LESS", "SAME": "SAME", "UNCHANGED": "SAME", "STABLE": "SAME", "MORE": "MORE",
    "INCREASED": "MORE",
}  # fmt: skip
"""Words of `LESION//DEAUVILLE`, beside the score."""


def rano_course(of_subject: Sequence[Measurement], origin: date, baseline_days: int, visit_days: int) -> list[DatedResponse]:
    """Return the RANO response of each visit of one subject.

    Args:
        of_subject: Its measurements, in order of day.
        origin: The day treatment starts.
        baseline_days: How long before it baseline may lie.
        visit_days: What one visit may take.
    """
    before = _baseline(of_subject, origin, baseline_days)
    first = {one.lesion: one.size for one in before if one.kind == "PRODUCT" and one.size is not None}
    groups = by_visit([one for one in of_subject if one.day > origin], visit_days)
    visits = [
        BrainVisit(
            {one.lesion: one.size for one in group if one.kind == "PRODUCT"},
            _last(group, "FLAIR"),
            _last(group, "STEROIDS"),
            _last(group, "CLINICAL"),
            seen_new(group),
        )
        for group in groups
    ]
    return dated(groups, rano(first, visits)) if before else []


def lugano_course(
    of_subject: Sequence[Measurement], nodes: set[str], origin: date, baseline_days: int, visit_days: int
) -> list[DatedResponse]:
    """Return the Lugano response of each visit of one subject.

    Args:
        of_subject: Its measurements, in order of day.
        nodes: Names of its targets that are lymph nodes.
        origin: The day treatment starts.
        baseline_days: How long before it baseline may lie.
        visit_days: What one visit may take.
    """
    before = _baseline(of_subject, origin, baseline_days)
    first = {name: size for name, size in _sizes(before).items() if size is not None}
    hidden = {one.lesion for one in before if one.kind == "NON_TARGET"}
    groups = by_visit([one for one in of_subject if one.day > origin], visit_days)
    visits = []
    for group in groups:
        score = next((one for one in reversed(group) if one.kind == "DEAUVILLE" and one.size is not None), None)
        uptake = _UPTAKE.get((score.state if score else None) or "", "NE")
        number = round(score.size) if score and score.size is not None and 1 <= score.size <= 5 else None
        visits.append(LymphomaVisit(number, uptake, _sizes(group), non_target_state(group, hidden), seen_new(group)))
    return dated(groups, lugano(first, frozenset(nodes), visits)) if before else []


def _baseline(of_subject: Sequence[Measurement], origin: date, baseline_days: int) -> list[Measurement]:
    return [one for one in of_subject if origin - timedelta(days=baseline_days) <= one.day <= origin]


def _last(group: Sequence[Measurement], kind: str) -> Course:
    said = [one.state or "" for one in group if one.kind == kind]
    return _COURSE.get(said[-1], "NE") if said else "NE"


def _sizes(group: Sequence[Measurement]) -> Mapping[str, Size | None]:
    """Return the size of each lesion of which both diameters are there; None for one of which one is."""
    found: dict[str, dict[str, float | None]] = {}
    for one in group:
        if one.kind in ("TARGET", "SHORT_AXIS"):
            found.setdefault(one.lesion, {})[one.kind] = one.size
    return {name: _size(of.get("TARGET"), of.get("SHORT_AXIS")) for name, of in found.items()}


def _size(longest: float | None, shortest: float | None) -> Size | None:
    if longest == 0 or shortest == 0:
        return Size(0.0, 0.0)
    return None if longest is None or shortest is None else Size(longest, shortest)
