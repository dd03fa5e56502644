"""Response of prostate cancer by PCWG3: Scher et al., J Clin Oncol 2016;34:1402-1418. Bone scans, PSA, and what they say with RECIST.

The tables are in `docs/clinical-rules.md`, row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Literal, NamedTuple

Bone = Literal["PD", "PDu", "NON-PD", "NED", "NE"]
FLARE, BONE_LATER, PSA_EARLY, PSA_LATER = (timedelta(weeks=weeks) for weeks in (12, 6, 12, 3))
"""Until when new lesions may be a flare; how much later a second scan or value confirms; when PSA may rise before it falls."""
_NEW = 2
_TINY = 1e-6


class Scan(NamedTuple):
    """A bone scan: how many lesions are new since baseline (None when it cannot be read), and whether there is no lesion at all."""

    day: date
    new: int | None
    none_at_all: bool = False


def bone_responses(scans: Sequence[Scan], origin: date) -> list[Bone]:
    """Return the response of each of the `scans`, in order of day, by the rule of 2 + 2.

    Args:
        scans: Scans after baseline.
        origin: The day treatment starts.

    >>> bone_responses([Scan(date(2024, 2, 26), 2), Scan(date(2024, 4, 22), 4)], date(2024, 1, 1))
    ['PD', 'PD']
    """
    found: list[Bone] = []
    read = [one for one in scans if one.new is not None]
    reference = read[0] if read and read[0].day - origin <= FLARE else None
    for scan in scans:
        found.append("PD" if "PD" in found and scan.new is not None else _bone(scan, read, reference))
    return found


def _bone(scan: Scan, read: Sequence[Scan], reference: Scan | None) -> Bone:
    if scan.new is None:
        return "NE"
    in_flare = scan == reference
    since = 0 if reference is None or in_flare else reference.new or 0
    if scan.new - since < _NEW:
        return "NED" if scan.none_at_all else "NON-PD"
    after = next((one for one in read if one.day - scan.day >= BONE_LATER), None)
    if after is None:
        return "PDu"
    asked = scan.new + _NEW if in_flare else since + _NEW
    return "PD" if (after.new or 0) >= asked else "NON-PD"


def combined(soft: str, bone: Bone, had_targets: bool) -> str:
    """Return the overall response of a visit from those of soft tissue (RECIST 1.1, or `NED`) and of bone.

    Args:
        soft: Response of soft tissue; `NED` where there is no lesion at baseline and none now.
        bone: Response of bone.
        had_targets: Whether soft tissue had target lesions at baseline.

    >>> combined("CR", "NON-PD", True), combined("NED", "PDu", False), combined("NED", "NED", False)
    ('PR', 'PDu', 'NE')
    """
    if "PD" in (soft, bone):
        return "PD"
    if soft == "NED":
        return {"NON-PD": "NON-CR/NON-PD", "PDu": "PDu"}.get(bone, "NE")
    if soft == "CR" and bone != "NED":
        return "PR" if had_targets else "NON-CR/NON-PD"
    return soft


class Psa(NamedTuple):
    """A value of PSA, ng/mL."""

    day: date
    value: float


def psa_responses(baseline: float, values: Sequence[Psa], origin: date) -> list[str]:
    """Return PR (half of baseline or less), PD or SD for each of the `values`; NE where a second value has yet to confirm it.

    Args:
        baseline: Value before treatment, ng/mL.
        values: Values after it, in order of day.
        origin: The day treatment starts.

    >>> start = date(2024, 1, 1)
    >>> psa_responses(40, [Psa(date(2024, 2, 1), 18), Psa(date(2024, 3, 1), 16), Psa(date(2024, 4, 1), 30)], start)
    ['PR', 'SD', 'NE']
    """
    nadir = baseline
    out: list[str] = []
    for place, one in enumerate(values):
        rises, falls = _rises(one, baseline, nadir, origin), one.value <= 0.5 * baseline + _TINY
        after = next((other for other in values[place + 1 :] if other.day - one.day >= PSA_LATER), None)
        if not rises and not falls:
            out.append("SD")
        elif after is None:
            out.append("NE")
        elif rises:
            out.append("PD" if _is_above(after.value, nadir) else "SD")
        else:
            out.append("PR" if after.value <= 0.5 * baseline + _TINY else "SD")
        nadir = min(nadir, one.value)
    return out


def _rises(one: Psa, baseline: float, nadir: float, origin: date) -> bool:
    """A rise over the smallest value; where it never fell, only after 12 weeks."""
    return _is_above(one.value, nadir) and (nadir < baseline or one.day - origin > PSA_EARLY)


def _is_above(value: float, nadir: float) -> bool:
    return value >= 1.25 * nadir - _TINY and value - nadir >= 2 - _TINY
