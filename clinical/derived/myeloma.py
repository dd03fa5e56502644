"""Response of multiple myeloma: Kumar et al., Lancet Oncol 2016;17:e328-e346, Table 4 (International Myeloma Working Group).

Biochemical values need a second sample: `confirmed` gives the response that stands at each visit. The tables are in
`docs/clinical-rules.md`, row by row. Circulating plasma cells, and the longest diameter of a single plasmacytoma, are not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Imwg = Literal["sCR", "CR", "VGPR", "PR", "MR", "SD", "PD", "NE"]

MEASURABLE_SERUM, MEASURABLE_URINE, MEASURABLE_CHAIN, MEASURABLE_MARROW = 10.0, 200.0, 100.0, 30.0
"""g/L, mg in 24 hours, mg/L, %: what baseline must hold for a marker to be followed."""
_RANK: tuple[Imwg, ...] = ("NE", "SD", "MR", "PR", "VGPR", "CR", "sCR", "PD")
_RESPONSES: tuple[Imwg, ...] = ("MR", "PR", "VGPR", "CR", "sCR")
_TINY = 1e-6


@dataclass(frozen=True)
class MyelomaVisit:
    """One assessment; None where something was not assessed.

    Attributes:
        serum: M-protein of serum, g/L.
        urine: M-protein of urine, mg in 24 hours.
        involved: Involved free light chain, mg/L.
        uninvolved: The other one, mg/L.
        normal_ratio: Whether the ratio of free light chains is normal.
        fixation: Whether immunofixation finds M-protein, in serum or urine; False needs both.
        marrow: Plasma cells of the marrow, %.
        clonal: Whether clonal cells are left in the marrow.
        plasmacytomas: Product of diameters by plasmacytoma, mm2.
        new_lesion: Whether a new plasmacytoma or lesion of bone is seen.
    """

    serum: float | None = None
    urine: float | None = None
    involved: float | None = None
    uninvolved: float | None = None
    normal_ratio: bool | None = None
    fixation: bool | None = None
    marrow: float | None = None
    clonal: bool | None = None
    plasmacytomas: Mapping[str, float | None] = field(default_factory=dict)
    new_lesion: bool = False

    @property
    def chains(self) -> float | None:
        """The difference of involved and uninvolved light chains, mg/L."""
        return None if self.involved is None or self.uninvolved is None else self.involved - self.uninvolved


def imwg(baseline: MyelomaVisit, visits: Sequence[MyelomaVisit]) -> list[Imwg]:
    """Return the response of each of the `visits`, in the order given, before any is confirmed.

    Args:
        baseline: What was found before treatment.
        visits: The assessments.

    >>> imwg(MyelomaVisit(serum=40, urine=0), [MyelomaVisit(serum=20, urine=0), MyelomaVisit(serum=4, urine=0)])
    ['PR', 'VGPR']
    """
    seen = [baseline]
    out: list[Imwg] = []
    for visit in visits:
        out.append("PD" if imaged_progression(seen, visit) or _rose(seen, visit) else _response(baseline, seen, visit))
        seen.append(visit)
    return out


def imaged_progression(seen: Sequence[MyelomaVisit], visit: MyelomaVisit) -> bool:
    """Tell whether a `visit` shows a new lesion, or plasmacytomas half as large again as at their smallest, as `seen` before.

    >>> imaged_progression([MyelomaVisit()], MyelomaVisit(new_lesion=True))
    True
    """
    return visit.new_lesion or (len(_known(visit)) > 1 and _grown(seen, visit))


def confirmed(values: Sequence[Imwg], imaged: Sequence[bool]) -> list[Imwg]:
    """Return the response that stands at each visit, once the next evaluable one has confirmed it.

    Args:
        values: Responses of all visits, in order.
        imaged: Whether each is told by imaging, which needs no second sample.

    A subject stays in the best confirmed category until a better one, or progression, is confirmed.

    >>> confirmed(["PR", "VGPR", "CR", "PD"], [False] * 4)
    ['PR', 'VGPR', 'VGPR', 'VGPR']
    """
    out: list[Imwg] = []
    best: Imwg = "NE"
    for place, value in enumerate(values):
        after = next((one for one in values[place + 1 :] if one != "NE"), None)
        best = max(best, _stands(value, after, imaged[place]), key=_RANK.index)
        out.append(best)
    return out


def _stands(value: Imwg, after: Imwg | None, imaged: bool) -> Imwg:
    if value == "PD":
        return "PD" if imaged or after == "PD" else "NE"
    if value not in _RESPONSES:
        return value
    return "SD" if after is None or after == "PD" else min(value, after, key=_RANK.index)


def _followed(baseline: MyelomaVisit) -> tuple[str, ...]:
    """Return the markers that baseline makes measurable: M-protein, else light chains, else the marrow."""
    proteins = [("serum", baseline.serum, MEASURABLE_SERUM), ("urine", baseline.urine, MEASURABLE_URINE)]
    found = tuple(name for name, value, least in proteins if value is not None and value >= least)
    if found:
        return found
    if baseline.chains is not None and (baseline.involved or 0) >= MEASURABLE_CHAIN and baseline.normal_ratio is False:
        return ("chains",)
    return ("marrow",) if baseline.marrow is not None and baseline.marrow >= MEASURABLE_MARROW else ()


def _rose(seen: Sequence[MyelomaVisit], visit: MyelomaVisit) -> bool:
    """Tell whether a marker is 25 % above its smallest value so far, and by the least that counts."""
    followed = _followed(seen[0])
    asked = {"serum", "urine"} if not {"chains", "marrow"} & set(followed) else set(followed)
    return any(_one_rose(name, [getattr(one, name) for one in seen], getattr(visit, name)) for name in asked)


def _one_rose(name: str, before: Sequence[float | None], now: float | None) -> bool:
    known = [value for value in before if value is not None]
    if now is None or not known:
        return False
    low = min(known)
    if name == "serum" and low >= 50:
        return now - low >= 10 - _TINY
    least = {"serum": 5.0, "urine": 200.0, "chains": 100.0, "marrow": 10.0}[name]
    # Light chains must have risen by more than 100 mg/L, the others by at least so much.
    enough = now - low > least + _TINY if name == "chains" else now - low >= least - _TINY
    return enough and now - low >= 0.25 * low - _TINY


def _response(baseline: MyelomaVisit, seen: Sequence[MyelomaVisit], visit: MyelomaVisit) -> Imwg:
    followed = _followed(baseline)
    shrunk = _shrinkage(baseline, visit)
    one_grew = bool(_known(visit)) and _grown(seen, visit)
    if not followed or shrunk is None or one_grew or any(getattr(visit, name) is None for name in followed):
        return "NE"
    if _is_complete(followed, visit, shrunk):
        return "sCR" if visit.normal_ratio and visit.clonal is False else "CR"
    if shrunk >= 0.9 - _TINY and _is_very_good(baseline, followed, visit):
        return "VGPR"
    steps: tuple[Imwg, ...] = ("PR", "MR")
    reached = (step for step in steps if shrunk >= 0.5 - _TINY and all(_fell(baseline, name, visit, step) for name in followed))
    return next(reached, "SD")


def _is_complete(followed: Sequence[str], visit: MyelomaVisit, shrunk: float) -> bool:
    """No M-protein by immunofixation, no plasmacytoma, a marrow below 5 %; where light chains are followed, a normal ratio."""
    clean = visit.fixation is False and not visit.serum and not visit.urine and visit.marrow is not None and visit.marrow < 5
    clean = clean and shrunk >= 1
    return clean and ("chains" not in followed or visit.normal_ratio is True)


def _is_very_good(baseline: MyelomaVisit, followed: Sequence[str], visit: MyelomaVisit) -> bool:
    """Serum and urine without M-protein by electrophoresis, or 90 % less in serum and less than 100 mg in urine."""
    if "chains" in followed:
        return _left(baseline, "chains", visit) <= 0.1 + _TINY
    if "marrow" in followed or visit.serum is None or visit.urine is None:
        return False
    if visit.serum == 0 and visit.urine == 0:
        return True
    # Where serum is followed, urine has no part to fall by but its limit.
    leading = "serum" if "serum" in followed else "urine"
    return _left(baseline, leading, visit) <= 0.1 + _TINY and visit.urine < 100


def _fell(baseline: MyelomaVisit, name: str, visit: MyelomaVisit, step: Imwg) -> bool:
    """Tell whether a marker fell as far as PR or MR asks; MR is told by M-protein alone."""
    left = _left(baseline, name, visit)
    if name == "urine":
        return left <= (0.1 if step == "PR" else 0.5) + _TINY or (step == "PR" and (visit.urine or 0) < 200)
    return left <= 0.5 + _TINY if step == "PR" else name == "serum" and left <= 0.75 + _TINY


def _left(baseline: MyelomaVisit, name: str, visit: MyelomaVisit) -> float:
    before, now = getattr(baseline, name), getattr(visit, name)
    return float(now) / float(before)


def _known(visit: MyelomaVisit) -> dict[str, float]:
    return {name: size for name, size in visit.plasmacytomas.items() if size is not None}


def _shrinkage(baseline: MyelomaVisit, visit: MyelomaVisit) -> float | None:
    """Return by what part the plasmacytomas of baseline have shrunk; 1 where there were none, None where one was not assessed."""
    first = _known(baseline)
    total = sum(first.values())
    if total <= 0:
        return 1.0
    now = [visit.plasmacytomas.get(name) for name in first]
    return None if None in now else 1 - sum(size or 0.0 for size in now) / total


def _grown(seen: Sequence[MyelomaVisit], visit: MyelomaVisit) -> bool:
    now = _known(visit)
    before = [sum(one[name] for name in now) for one in map(_known, seen) if set(now) <= set(one)]
    return bool(before) and sum(now.values()) > 0 and sum(now.values()) >= 1.5 * min(before) - _TINY
