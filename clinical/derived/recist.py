"""Tumour response at one time point and over time: RECIST 1.1 and iRECIST, from lesion measurements.

RECIST 1.1 is Eisenhauer et al., Eur J Cancer 2009;45:228-247: target response (section 4.3.1), non-target response (4.3.3),
Table 1 (target disease), Table 2 (non-target disease only). iRECIST is Seymour et al., Lancet Oncol 2017;18:e143-e152,
Table 2. Diameters are in millimetres: longest diameter, or short axis of a lymph node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from unibase.clinical import reasons
from unibase.groundwork.problems import Unusable

Target = Literal["CR", "PR", "SD", "PD", "NE"]
NonTarget = Literal["CR", "NON-CR/NON-PD", "PD", "NE", "NA"]
Overall = Literal["CR", "PR", "SD", "NON-CR/NON-PD", "PD", "NE", "ND"]
Immune = Literal["iCR", "iPR", "iSD", "NON-iCR/NON-iUPD", "iUPD", "iCPD", "NE", "ND"]

NORMAL_NODE_MM = 10.0
"""A node with a short axis below this is normal."""
TARGET_NODE_MM = 15.0
"""A node is measurable from this short axis on."""
TARGET_LESION_MM = 10.0
"""Another lesion is measurable from this longest diameter on (CT)."""
PROGRESSION_RATIO = 1.2
PROGRESSION_MM = 5.0
RESPONSE_RATIO = 0.7
# Sums of decimal millimetres are not exact in binary; a tenth of a micrometre is far below any reader.
_TINY = 1e-7


@dataclass(frozen=True)
class Lesion:
    """A target lesion at baseline."""

    name: str
    diameter: float
    node: bool = False


@dataclass(frozen=True)
class Visit:
    """One assessment after baseline.

    Attributes:
        targets: Diameter by lesion; 0 when it has disappeared, None when it was not or could not be assessed. A lesion that
            is absent from the mapping was not assessed.
        non_target: Response of the non-target lesions as the reader gives it; `NA` when there were none at baseline.
        new_lesion: Whether an unequivocal new lesion is seen.
        new_lesion_count: How many new lesions are seen (iRECIST).
        new_lesion_sum: Sum of measured new lesions, in mm (iRECIST).
        non_target_worse: Whether non-target lesions grew since the visit before (iRECIST), be it not unequivocally.
        new_unmeasured_worse: Whether unmeasured new lesions grew since the visit before (iRECIST).
    """

    targets: dict[str, float | None] = field(default_factory=dict)
    non_target: NonTarget = "NA"
    new_lesion: bool = False
    new_lesion_count: int = 0
    new_lesion_sum: float = 0.0
    non_target_worse: bool = False
    new_unmeasured_worse: bool = False


@dataclass(frozen=True)
class Response:
    """What one visit amounts to; `total` is the sum of diameters, None when a target was not assessed."""

    target: Target | Literal["NA"]
    non_target: NonTarget
    new_lesion: bool
    overall: Overall
    total: float | None


def check_baseline(lesions: Sequence[Lesion]) -> None:
    """Check that target lesions are measurable: nodes from 15 mm, others from 10 mm, five at most.

    Raises:
        Unusable: `unmeasurable-target` (nodes of 10 to 14 mm are non-target lesions) or `too-many-targets`.
    """
    small = [one for one in lesions if one.diameter < (TARGET_NODE_MM if one.node else TARGET_LESION_MM)]
    if small:
        message = f"{len(small)} target lesions are below what RECIST 1.1 calls measurable (nodes 15 mm, others 10 mm)."
        raise Unusable(reasons.UNMEASURABLE_TARGET, message, "Record them as non-target lesions.")
    if len(lesions) > 5:
        raise Unusable(reasons.TOO_MANY_TARGETS)


def _target_response(lesions: Sequence[Lesion], visit: Visit, nadir: float) -> tuple[Target | Literal["NA"], float | None]:
    """Return the response of the target lesions and their sum.

    Args:
        lesions: Target lesions at baseline.
        visit: The assessment.
        nadir: Smallest sum so far, baseline included.
    """
    if not lesions:
        return "NA", None
    sizes = [visit.targets.get(one.name) for one in lesions]
    measured = [size for size in sizes if size is not None]
    total = sum(measured)
    gone = all(
        size is not None and (size < NORMAL_NODE_MM if one.node else size <= 0) for one, size in zip(lesions, sizes, strict=True)
    )
    # What was measured alone can prove progression, never anything better; normal nodes that wax and wane prove nothing.
    if not gone and _progressed(total, nadir):
        return "PD", total if len(measured) == len(sizes) else None
    if len(measured) < len(sizes):
        return "NE", None
    baseline = sum(one.diameter for one in lesions)
    if gone:
        return "CR", total
    if total <= RESPONSE_RATIO * baseline + _TINY:
        return "PR", total
    return "SD", total


def _progressed(total: float, nadir: float) -> bool:
    if nadir <= 0:
        # After a sum of zero there is no ratio: a lesion that comes back is progression.
        return total > 0
    return total >= PROGRESSION_RATIO * nadir - _TINY and total - nadir >= PROGRESSION_MM - _TINY


def overall_response(target: Target | Literal["NA"], non_target: NonTarget, new_lesion: bool) -> Overall:
    """Return the overall response of a visit from `target`, `non_target` and `new_lesion`: Tables 1 and 2 of RECIST 1.1.

    `NA` stands for no such lesions at baseline. Without any lesion at baseline and without a new one, the visit says
    nothing of response: `ND`.

    >>> overall_response("PR", "NON-CR/NON-PD", False), overall_response("PR", "NON-CR/NON-PD", True)
    ('PR', 'PD')
    """
    if new_lesion or target == "PD" or non_target == "PD":
        return "PD"
    if target == "NA":
        if non_target == "NA":
            return "ND"
        return non_target
    if target == "NE":
        return "NE"
    if target == "CR":
        return "CR" if non_target in {"CR", "NA"} else "PR"
    return target


def recist(lesions: Sequence[Lesion], visits: Sequence[Visit]) -> list[Response]:
    """Return the RECIST 1.1 response of each of the `visits`, in the order given, to target `lesions` at baseline.

    The nadir is the smallest complete sum so far, baseline included. Once all targets were gone (CR), a lesion that comes
    back is progression, be the sum of normal nodes what it may.

    >>> lesions = [Lesion("liver", 40.0)]
    >>> [one.overall for one in recist(lesions, [Visit({"liver": 20.0}), Visit({"liver": 26.0})])]
    ['PR', 'PD']
    """
    check_baseline(lesions)
    nadir = sum(one.diameter for one in lesions)
    cleared = False
    out: list[Response] = []
    for visit in visits:
        target, total = _target_response(lesions, visit, nadir)
        if cleared and target in {"PR", "SD"}:
            target = "PD"
        out.append(
            Response(
                target, visit.non_target, visit.new_lesion, overall_response(target, visit.non_target, visit.new_lesion), total
            )
        )
        cleared = cleared or target == "CR"
        if total is not None:
            nadir = min(nadir, total)
    return out


@dataclass(frozen=True)
class _Unconfirmed:
    """The progression that waits for confirmation: what it was, and how large things were."""

    target: bool
    non_target: bool
    new_lesion: bool
    total: float | None
    count: int
    new_sum: float


def irecist(lesions: Sequence[Lesion], visits: Sequence[Visit]) -> list[Immune]:
    """Return the iRECIST response of each of the `visits` (Seymour et al., Lancet Oncology 2017).

    Progression by RECIST 1.1 is first unconfirmed (iUPD). At the next visit it is confirmed (iCPD) by a further increase
    of the target sum of at least 5 mm, by non-target or new lesions that grew or became more, or by progression of
    another kind; it is taken back when what had progressed has receded; else it remains iUPD. Visits after iCPD are
    still evaluated and remain iCPD.

    >>> irecist([Lesion("liver", 40.0)], [Visit({"liver": 50.0}), Visit({"liver": 56.0})])
    ['iUPD', 'iCPD']
    """
    check_baseline(lesions)
    nadir = sum(one.diameter for one in lesions)
    waiting: _Unconfirmed | None = None
    confirmed = False
    out: list[Immune] = []
    for visit in visits:
        target, total = _target_response(lesions, visit, nadir)
        new = visit.new_lesion
        progressed = target == "PD" or visit.non_target == "PD" or new
        if confirmed:
            out.append("iCPD")
        elif waiting is not None and _confirms(waiting, visit, target, total):
            confirmed = True
            out.append("iCPD")
        elif progressed:
            out.append("iUPD")
            # Sizes count from the last iUPD at which they are known.
            unmeasured = waiting is not None and waiting.target and target == "NE"
            waiting = _Unconfirmed(
                target == "PD" or unmeasured,
                visit.non_target == "PD",
                new,
                waiting.total if unmeasured and waiting is not None else total,
                visit.new_lesion_count,
                visit.new_lesion_sum,
            )
        else:
            overall = overall_response(target, visit.non_target, False)
            if overall == "NE" and waiting is not None:
                out.append("NE")
            else:
                out.append(_IMMUNE[overall])
                waiting = None
        # The bar is reset by a sum that is lower, also after an iUPD that was taken back.
        if total is not None:
            nadir = min(nadir, total)
    return out


_IMMUNE: dict[Overall, Immune] = {
    "CR": "iCR", "PR": "iPR", "SD": "iSD", "NON-CR/NON-PD": "NON-iCR/NON-iUPD", "PD": "iUPD", "NE": "NE", "ND": "ND",
}  # fmt: skip


def _confirms(before: _Unconfirmed, visit: Visit, target: Target | Literal["NA"], total: float | None) -> bool:
    further = before.target and total is not None and before.total is not None and total - before.total >= PROGRESSION_MM - _TINY
    non_target = before.non_target and visit.non_target_worse
    new = before.new_lesion and (
        visit.new_lesion_count > before.count
        or visit.new_lesion_sum - before.new_sum >= PROGRESSION_MM - _TINY
        or visit.new_unmeasured_worse
    )
    other = (
        (target == "PD" and not before.target)
        or (visit.non_target == "PD" and not before.non_target)
        or (visit.new_lesion and not before.new_lesion)
    )
    return further or non_target or new or other
