"""What changes over the volumes of one series: each later volume less the first, as rows of features."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from unibase.groundwork.files import digest_of
from unibase.groundwork.problems import Unusable
from unibase.groundwork.tables import FEATURES
from unibase.imaging.radiomics.task import region_name
from unibase.imaging.reasons import AMBIGUOUS_REGION

Row = Mapping[str, Any]

_IDENTITY = frozenset(column.name for column in FEATURES.columns)


def change_rows(rows: Sequence[Row]) -> tuple[list[dict[str, object]], list[tuple[str, str, Unusable]]]:
    """Return the rows that tell how the features of each region change from the first volume of its series.

    Args:
        rows: FEATURES rows of one series, of all its volumes.

    Returns:
        A row for each region, image type and later volume, and for each region that stands several times on one volume
        its target, its name and why its change is not told. The first volume is that whose name sorts first, numbers by
        their size: `phase 1 of 3`, `b=0`. Features of shape are left out: the region is the same.
    """
    by_region: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["volume"]:
            by_region[_target(row), row["roi_name"], row["image_type"]].append(row)
    found: list[dict[str, object]] = []
    problems: dict[tuple[str, str], Unusable] = {}
    for (target, roi_name, _), mine in by_region.items():
        ordered = sorted(mine, key=lambda row: natural(row["volume"]))
        if len({row["volume"] for row in ordered}) < len(ordered):
            message = f"Several regions of one name match the target {target} on one volume, so their change is not told."
            problems[target, roi_name] = Unusable(AMBIGUOUS_REGION, message)
            continue
        found += [_change(target, ordered[0], later) for later in ordered[1:]]
    return found, [(target, roi_name, problem) for (target, roi_name), problem in problems.items()]


def natural(volume: str) -> str:
    """Return a name whose numbers sort by their size.

    Args:
        volume: Name of a volume.

    Example:
        >>> sorted(["b=800", "b=50", "b=0"], key=natural)
        ['b=0', 'b=50', 'b=800']
    """
    return re.sub(r"\d+", lambda found: found[0].zfill(8), volume)


def _target(row: Row) -> str:
    target: str = row["region"]
    return target.removesuffix(region_name("", row["volume"]))


def _change(target: str, first: Row, later: Row) -> dict[str, object]:
    volume = f"{later['volume']} less {first['volume']}"
    names = [name for name in later if name not in _IDENTITY and not name.startswith(("shape_", "shape2D_"))]
    identity = {name: value for name, value in later.items() if name in _IDENTITY}
    changed = {
        "volume": volume,
        "region": region_name(target, volume),
        "source_digest": digest_of([later["source_digest"], first["source_digest"]]),
    }
    return {**identity, **changed, **{name: _difference(first.get(name), later[name]) for name in names}}


def _difference(first: float | None, later: float | None) -> float | None:
    if first is None or later is None or not (math.isfinite(first) and math.isfinite(later)):
        return None
    return float(later) - float(first)
