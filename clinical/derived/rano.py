"""Response of high-grade glioma by RANO: Wen et al., J Clin Oncol 2010;28:1963-1972, Table 4.

The measure is the sum of the products of perpendicular diameters of enhancing lesions. A response needs every criterion of its column,
progression any of its own. The table is in `docs/clinical-rules.md`, row by row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from unibase.clinical.derived.recist import Target

Enhancing = Target | Literal["NA"]
Course = Literal["NONE", "BETTER", "STABLE", "WORSE", "NE"]
"""What became of something since baseline: T2/FLAIR, the dose of corticosteroids (`NONE` is off them), the clinical state."""

PROGRESSION, RESPONSE = 1.25, 0.5
_TINY = 1e-7


@dataclass(frozen=True)
class BrainVisit:
    """One assessment after baseline.

    Attributes:
        products: Product of diameters by lesion in mm2; 0 when it is gone, None when it was not assessed.
        flair: T2/FLAIR lesions against baseline or the best response.
        steroids: Dose of corticosteroids against baseline.
        clinical: Clinical state against baseline.
        new_lesion: Whether a new lesion is seen.
    """

    products: Mapping[str, float | None] = field(default_factory=dict)
    flair: Course = "NE"
    steroids: Course = "NE"
    clinical: Course = "NE"
    new_lesion: bool = False


def rano_overall(enhancing: Enhancing, visit: BrainVisit) -> Target:
    """Return the overall response of a visit from its `enhancing` lesions and all else that the `visit` says: Table 4.

    What is gone while corticosteroids are still taken is a partial response. Under a higher dose, or with a criterion that nobody
    assessed, there is no response to tell: `NE`.

    >>> rano_overall("CR", BrainVisit(flair="STABLE", steroids="NONE", clinical="STABLE"))
    'CR'
    """
    if enhancing == "PD" or visit.new_lesion or "WORSE" in (visit.flair, visit.clinical):
        return "PD"
    if enhancing == "NE" or "NE" in (visit.flair, visit.steroids, visit.clinical) or visit.steroids == "WORSE":
        return "NE"
    if enhancing == "CR" and visit.steroids != "NONE":
        return "PR"
    return "SD" if enhancing == "NA" else enhancing


def rano(baseline: Mapping[str, float], visits: Sequence[BrainVisit]) -> list[Target]:
    """Return the RANO response of each of the `visits`, in the order given.

    Args:
        baseline: Product of diameters of each target lesion in mm2; none for disease that cannot be measured.
        visits: The assessments.

    Progression is an increase of 25 % over the smallest sum so far, baseline included.

    >>> still = BrainVisit({"a": 400.0}, "STABLE", "STABLE", "STABLE")
    >>> rano({"a": 1000.0}, [still, BrainVisit({"a": 500.0}, "STABLE", "STABLE", "STABLE")])
    ['PR', 'PD']
    """
    nadir = first = sum(baseline.values())
    out: list[Target] = []
    for visit in visits:
        sizes = [visit.products.get(name) for name in baseline]
        out.append(rano_overall(_enhancing(sizes, first, nadir), visit))
        if sizes and None not in sizes:
            nadir = min(nadir, sum(size or 0.0 for size in sizes))
    return out


def _enhancing(sizes: Sequence[float | None], first: float, nadir: float) -> Enhancing:
    if not sizes:
        return "NA"
    total = sum(size for size in sizes if size is not None)
    if total > 0 and total >= PROGRESSION * nadir - _TINY:
        return "PD"
    if None in sizes:
        return "NE"
    if total <= 0:
        return "CR"
    return "PR" if total <= RESPONSE * first + _TINY else "SD"
