"""Response of lymphoma by the Lugano classification: Cheson et al., J Clin Oncol 2014;32:3059-3068, Table 3.

With PET the five-point score decides (complete, partial, no metabolic response, progressive metabolic disease, told as CR, PR, SD and
PD); without it CT does. The tables are in `docs/clinical-rules.md`, row by row. Length of the spleen, and the marrow apart from new
foci, are not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from unibase.clinical.derived.recist import NonTarget, Target

Uptake = Literal["LESS", "SAME", "MORE", "NE"]
"""Uptake of FDG against baseline."""

NORMAL_NODE_MM = 15.0
"""A node whose longest diameter is at most this is normal."""
SMALL_MM, GROWN_SMALL_MM, GROWN_LARGE_MM = 20.0, 5.0, 10.0
"""A lesion up to 20 mm has grown by 5 mm, a larger one by 10 mm."""
PROGRESSION, RESPONSE = 1.5, 0.5
_TINY = 1e-7


@dataclass(frozen=True)
class Size:
    """Longest diameter and the one perpendicular to it, in mm; both 0 when a lesion is gone."""

    longest: float
    shortest: float

    @property
    def product(self) -> float:
        """The product of the two, in mm2."""
        return self.longest * self.shortest


@dataclass(frozen=True)
class LymphomaVisit:
    """One assessment after baseline.

    Attributes:
        score: Deauville score, 1 to 5; None without PET.
        uptake: Uptake against baseline.
        sizes: Size by lesion, None when it was not assessed.
        non_target: Other lesions, spleen and liver as the reader gives them.
        new_lesion: Whether a new lesion or focus of lymphoma is seen.
    """

    score: int | None = None
    uptake: Uptake = "NE"
    sizes: Mapping[str, Size | None] = field(default_factory=dict)
    non_target: NonTarget = "NA"
    new_lesion: bool = False


def metabolic(score: int, uptake: Uptake, new_lesion: bool) -> Target:
    """Return the metabolic response from the five-point `score`, the `uptake` against baseline and `new_lesion`: Table 3, PET-CT.

    >>> metabolic(3, "LESS", False), metabolic(4, "LESS", False), metabolic(2, "LESS", True)
    ('CR', 'PR', 'PD')
    """
    if new_lesion:
        return "PD"
    if score <= 3:
        return "CR"
    by_uptake: dict[Uptake, Target] = {"LESS": "PR", "SAME": "SD", "MORE": "PD", "NE": "NE"}
    return by_uptake[uptake]


def lugano(baseline: Mapping[str, Size], nodes: frozenset[str], visits: Sequence[LymphomaVisit]) -> list[Target]:
    """Return the Lugano response of each of the `visits`, in the order given: by PET where there is a score, else by CT.

    Args:
        baseline: Size of each target lesion, six at most.
        nodes: Names of those that are lymph nodes, which are normal up to 15 mm; others must be gone.
        visits: The assessments.

    >>> lugano({"a": Size(40, 30)}, frozenset(["a"]), [LymphomaVisit(sizes={"a": Size(20, 15)}), LymphomaVisit(score=2)])
    ['PR', 'CR']
    """
    smallest = dict(baseline)
    out: list[Target] = []
    for visit in visits:
        known = {name: size for name, size in visit.sizes.items() if size is not None and name in baseline}
        by_ct = _anatomic(baseline, nodes, visit, _grown(known, smallest, nodes))
        out.append(by_ct if visit.score is None else metabolic(visit.score, visit.uptake, visit.new_lesion))
        smallest |= {name: size for name, size in known.items() if size.product < smallest[name].product}
    return out


def _anatomic(baseline: Mapping[str, Size], nodes: frozenset[str], visit: LymphomaVisit, grown: bool) -> Target:
    """Return the response by CT: Table 3, its right half."""
    if visit.new_lesion or grown or visit.non_target == "PD":
        return "PD"
    sizes = {name: visit.sizes.get(name) for name in baseline}
    known = {name: size for name, size in sizes.items() if size is not None}
    if len(known) < len(sizes) or not sizes or visit.non_target == "NE":
        return "NE"
    normal = all(size.longest <= (NORMAL_NODE_MM if name in nodes else 0) for name, size in known.items())
    if normal and visit.non_target in ("CR", "NA"):
        return "CR"
    total, first = (sum(size.product for size in of.values()) for of in (known, baseline))
    return "PR" if normal or total <= RESPONSE * first + _TINY else "SD"


def _grown(sizes: Mapping[str, Size], smallest: Mapping[str, Size], nodes: frozenset[str]) -> bool:
    """Tell whether a single lesion progressed: abnormal, half as large again as at its smallest, and longer by 5 or 10 mm.

    A lesion outside nodes that was gone and is back has regrown, whatever its size; a node may be seen again and be normal.
    """
    back = (name not in nodes and smallest[name].longest == 0 < size.longest for name, size in sizes.items())
    return any(back) or any(_one_grew(size, smallest[name]) for name, size in sizes.items())


def _one_grew(size: Size, least: Size) -> bool:
    by = GROWN_SMALL_MM if least.longest <= SMALL_MM else GROWN_LARGE_MM
    longer = max(size.longest - least.longest, size.shortest - least.shortest) >= by - _TINY
    return size.longest > NORMAL_NODE_MM and size.product >= PROGRESSION * least.product - _TINY and longer
