"""From events of `LESION//` to visits of IMWG and PCWG3: what each says in them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from unibase.clinical.derived.lesions import KINDS, Course, DatedResponse, Measurement, by_visit, course, dated
from unibase.clinical.derived.myeloma import MyelomaVisit, confirmed, imaged_progression, imwg
from unibase.clinical.derived.prostate import Bone, Psa, Scan, bone_responses, combined, psa_responses
from unibase.clinical.derived.recist import recist
from unibase.clinical.derived.response_rules import VisitResponse

_MARKERS = ("M_SERUM", "M_URINE", "FLC_INVOLVED", "FLC_UNINVOLVED", "FLC_RATIO", "IF_SERUM", "IF_URINE", "MARROW", "CLONAL_CELLS", "PLASMACYTOMA")  # fmt: skip
_SEEN = {"POSITIVE": True, "PRESENT": True, "DETECTED": True, "NEGATIVE": False, "ABSENT": False, "NOT-DETECTED": False}
_NORMAL = {"NORMAL": True, "ABNORMAL": False}


def imwg_course(of_subject: Sequence[Measurement], origin: date, definition: VisitResponse) -> list[DatedResponse]:
    """Return the response by IMWG that stands at each visit of one subject, once confirmed by the next.

    Args:
        of_subject: Its measurements, in order of day.
        origin: The day treatment starts.
        definition: How long before it baseline may lie, and what one visit may take.
    """
    own = [one for one in of_subject if one.kind in (*_MARKERS, "NEW")]
    before = _before(own, origin, definition)
    groups = by_visit([one for one in own if one.day > origin], definition.visit_days)
    if not before:
        return []
    first, visits = _myeloma(before), [_myeloma(group) for group in groups]
    imaged = [imaged_progression([first, *visits[:place]], visit) for place, visit in enumerate(visits)]
    return dated(groups, confirmed(imwg(first, visits), imaged))


def _before(own: Sequence[Measurement], origin: date, definition: VisitResponse) -> list[Measurement]:
    begin = origin - timedelta(days=definition.baseline_days)
    return [one for one in own if begin <= one.day <= origin]


def _myeloma(group: Sequence[Measurement]) -> MyelomaVisit:
    size = {one.kind: one.size for one in group}
    state = {one.kind: one.state or "" for one in group}
    return MyelomaVisit(
        size.get("M_SERUM"),
        size.get("M_URINE"),
        size.get("FLC_INVOLVED"),
        size.get("FLC_UNINVOLVED"),
        _NORMAL.get(state.get("FLC_RATIO", "")),
        _fixation(_SEEN.get(state.get("IF_SERUM", "")), _SEEN.get(state.get("IF_URINE", ""))),
        size.get("MARROW"),
        _SEEN.get(state.get("CLONAL_CELLS", "")),
        {one.lesion: one.size for one in group if one.kind == "PLASMACYTOMA"},
        any(one.kind == "NEW" and (one.state or "") not in ("EQUIVOCAL", "ABSENT", "NE") for one in group),
    )


def _fixation(serum: bool | None, urine: bool | None) -> bool | None:
    """Tell whether M-protein is found; that there is none takes both."""
    if serum or urine:
        return True
    return None if serum is None or urine is None else False


def psa_course(of_subject: Sequence[Measurement], origin: date, definition: VisitResponse) -> list[DatedResponse]:
    """Return the response of PSA at each value of one subject.

    Args:
        of_subject: Its measurements, in order of day.
        origin: The day treatment starts.
        definition: How long before it baseline may lie.
    """
    own = [one for one in of_subject if one.kind == "PSA" and one.size is not None]
    before = _before(own, origin, definition)
    groups = [[one] for one in own if one.day > origin]
    values = [Psa(one.day, one.size or 0.0) for (one,) in groups]
    return dated(groups, psa_responses(before[-1].size or 0.0, values, origin)) if before else []


def pcwg3_course(
    of_subject: Sequence[Measurement], nodes: set[str], origin: date, definition: VisitResponse
) -> list[DatedResponse]:
    """Return the response by PCWG3 at each visit of one subject: of soft tissue by RECIST 1.1, of bone by 2 + 2.

    Args:
        of_subject: Its measurements, in order of day.
        nodes: Names of its targets that are lymph nodes.
        origin: The day treatment starts.
        definition: How long before it baseline may lie, and what one visit may take.
    """
    spans = {"baseline_days": definition.baseline_days, "visit_days": definition.visit_days}
    own = [one for one in of_subject if one.kind in (*KINDS, "BONE_NEW")]
    groups = by_visit([one for one in own if one.day > origin], definition.visit_days)
    if not _before(own, origin, definition):
        return []
    soft = course(of_subject, nodes, origin, **spans)
    scans = [scan for group in groups for scan in _scans(group)]
    bone = dict(zip(scans, bone_responses(scans, origin), strict=True))
    said = _soft(soft)
    values = []
    for group in groups:
        of_bone: Bone = next((bone[scan] for scan in reversed(_scans(group))), "NE")
        of_soft = next((value for day, value in said.items() if group[0].day <= day <= group[-1].day), _without(soft, group))
        values.append(combined(of_soft, of_bone, bool(soft.targets)))
    return dated(groups, values)


def _scans(group: Sequence[Measurement]) -> list[Scan]:
    """Return the bone scans of a visit."""
    own = [one for one in group if one.kind == "BONE_NEW"]
    return [Scan(one.day, _count(one), one.state in ("NED", "ABSENT", "NONE")) for one in own]


def _count(one: Measurement) -> int | None:
    if one.size is not None:
        return round(one.size)
    return 0 if one.state in ("NED", "ABSENT", "NONE") else None


def _soft(soft: Course) -> dict[date, str]:
    """Return the response of soft tissue by the first day of its visit."""
    found = recist(soft.targets, [visit.seen for visit in soft.visits])
    return {visit.first: one.overall for visit, one in zip(soft.visits, found, strict=True) if one.overall != "ND"}


def _without(soft: Course, group: Sequence[Measurement]) -> str:
    """Return what a visit without a response by RECIST says: nothing there at baseline, and nothing now; or nothing at all."""
    if any(one.kind == "NEW" and (one.state or "") not in ("EQUIVOCAL", "ABSENT", "NE") for one in group):
        return "PD"
    none = any(one.kind == "NON_TARGET" and one.state in ("ABSENT", "NED", "NONE") for one in group)
    return "NED" if none and not soft.targets and not soft.visits else "NE"
