"""Which masks to look at first: each is compared with those of its target, of its patient, and with what its name says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from unibase.imaging.grid import Array
from unibase.imaging.looks.tissue import believed
from unibase.imaging.tables import LOOKS

FEWEST = 5
"""Fewer masks of a target than this say nothing of what is usual."""

_LEFT = re.compile(r"(?<![a-z0-9])(left|lt|l|gauche|g|links|li|izquierd[ao]|sinistr[ao])(?![a-z0-9])", re.IGNORECASE)
_RIGHT = re.compile(r"(?<![a-z0-9])(right|rt|r|droite?|d|rechts|re|derech[ao]|destr[ao])(?![a-z0-9])", re.IGNORECASE)


@dataclass(frozen=True)
class Rule:
    """A number that a wrong mask moves away from what is usual for its target.

    Attributes:
        column: The number.
        words: What it means when it is unusual.
        weight: How much a robust standard deviation beyond two and a half counts.
        low, high: Which way is suspect.
        least: Smallest standard deviation that is believed; tells the numbers of few masks from chance.
    """

    column: str
    words: str
    weight: float
    low: bool
    high: bool
    least: float


RULES: tuple[Rule, ...] = (
    Rule("median", "intensity unlike its target's", 1.0, True, True, 10.0),
    Rule("contrast", "contrast unlike its target's", 1.5, True, True, 0.25),
    Rule("log_local_contrast", "no contrast on a part of its border", 2.0, True, False, 0.2),
    Rule("edge", "no edge of the image at its border", 2.0, True, False, 0.1),
    Rule("log_volume", "volume unlike its target's", 0.5, True, True, 0.3),
    Rule("air_share", "air in the region", 1.5, False, True, 0.03),
    Rule("floor_share", "lies outside the scan", 1.5, False, True, 0.02),
    Rule("flat_face", "cut straight", 2.0, False, True, 0.1),
    Rule("log_components", "many parts", 0.5, False, True, 0.5),
    Rule("across", "further to one side than its target's", 1.0, True, True, 0.02),
    Rule("depth", "further to the front or back than its target's", 1.0, True, True, 0.02),
    Rule("height", "further up or down in the image than its target's", 1.0, True, True, 0.03),
)

_BEYOND = 2.5
_TENTH = 3.5
"""At most a tenth of a target's masks lies so many standard deviations off: where more do, the number is no sign of a wrong one."""


def suspected(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a LOOKS frame with `suspicion` and `why` filled, the most suspect first.

    Numbers are compared with the median of the same modality and target, in robust standard deviations (1.4826 times the
    median absolute deviation, more where a tenth lies far off); a median with the tissue that the name says; a volume with that of the same person and target at other times and by other readers, and
    a centre with those of other readers of the image; the side with what the name of the region says.

    Args:
        frame: LOOKS but for those two columns.
    """
    if not frame.height:
        return LOOKS.empty()
    rows = frame.with_columns(
        log_volume=pl.col("volume_ml").log(),
        log_components=pl.col("components").cast(pl.Float64).log(),
        log_local_contrast=pl.col("local_contrast").clip(0.01).log(),
    )
    points: list[dict[str, float]] = [{} for _ in range(rows.height)]
    for group in _groups(rows, ["Modality", "region"]):
        _unusual(rows, group, points)
    whose = rows.with_row_index("at").filter(pl.col("subject_id").is_not_null())
    for group in _groups(whose, ["subject_id", "Modality", "region"]):
        _other_times(rows, group, points)
    for group in _groups(rows, ["SeriesInstanceUID", "region"]):
        _other_readers(rows, group, points)
    for number, row in enumerate(rows.iter_rows(named=True)):
        points[number] |= dict(_alone(row))
    ranked = [sorted(found.items(), key=lambda item: (-item[1], item[0])) for found in points]
    told = pl.DataFrame(
        {
            "suspicion": [round(sum(found.values()), 3) for found in points],
            "why": ["; ".join(words for words, _ in found[:3]) or None for found in ranked],
        },
        schema={"suspicion": pl.Float64, "why": pl.String},
    )
    whole = LOOKS.conform(pl.concat([frame, told], how="horizontal").with_columns(verdict=pl.lit(None, pl.String)))
    return whole.sort("suspicion", *LOOKS.key, descending=[True, *[False] * len(LOOKS.key)])


def _groups(rows: pl.DataFrame, keys: Sequence[str]) -> list[list[int]]:
    """Return the row numbers of each group of equal keys."""
    numbered = rows if "at" in rows.columns else rows.with_row_index("at")
    return [group["at"].to_list() for group in numbered.partition_by(list(keys), maintain_order=True)]


def _unusual(rows: pl.DataFrame, group: list[int], points: list[dict[str, float]]) -> None:
    if len(group) < FEWEST:
        return
    for rule in RULES:
        values = rows[rule.column].cast(pl.Float64).to_numpy()[group].astype(np.float64)
        known = np.isfinite(values)
        if known.sum() < FEWEST:
            continue
        middle = float(np.median(values[known]))
        spread = max(_spread(np.abs(values[known] - middle)), rule.least)
        for number, value in zip(group, values, strict=True):
            away = (value - middle) / spread
            if np.isfinite(away) and abs(away) > _BEYOND and ((away < 0 and rule.low) or (away > 0 and rule.high)):
                points[number][rule.words] = rule.weight * min(abs(away) - _BEYOND, 8.0)


def _spread(away: Array) -> float:
    """Return the robust standard deviation of distances from the median."""
    return max(1.4826 * float(np.median(away)), float(np.quantile(away, 0.9)) / _TENTH)


def _other_times(rows: pl.DataFrame, group: list[int], points: list[dict[str, float]]) -> None:
    """Compare volumes of one person and target: more than four times apart is a lesion that grew, or a wrong mask."""
    if len(group) < 2:
        return
    logs = rows["log_volume"].to_numpy()[group]
    for place, number in enumerate(group):
        others = float(np.median(np.delete(logs, place)))
        ratio = abs(float(logs[place]) - others)
        if ratio > np.log(4):
            points[number]["volume unlike the same target's at other times or by other readers"] = min(float(ratio), 4.0)


def _other_readers(rows: pl.DataFrame, group: list[int], points: list[dict[str, float]]) -> None:
    """Compare two masks of one target on one image: centres further apart than the larger one's radius."""
    if len(group) != 2:
        return
    centres = rows.select("x", "y", "z").to_numpy()[group]
    radius = float((3 * rows["volume_ml"].to_numpy()[group].max() * 1000 / (4 * np.pi)) ** (1 / 3))
    apart = float(np.linalg.norm(centres[0] - centres[1]))
    if radius > 0 and apart > radius:
        for number in group:
            points[number]["far from the other reader's"] = min(apart / radius, 5.0)


def _alone(row: dict[str, object]) -> Iterator[tuple[str, float]]:
    """Yield what makes a region suspect by itself, and by how many points."""
    coverage, slices, edges = row["coverage"], row["slices"], row["edges"]
    if isinstance(coverage, float) and coverage < 1:
        yield "cut off by the image", 2 + 5 * (1 - coverage)
    if slices == 1:
        yield "one slice", 5.0
    if edges:
        yield "touches the end of the image", 1.0
    name = f"{row['region']} {row['roi_name'] or ''}".replace("_", " ")
    said = {side for side, words in (("L", _LEFT), ("R", _RIGHT)) if words.search(name)}
    if row["side"] and len(said) == 1 and row["side"] not in said:
        yield "on the other side than its name says", 6.0
    median, tissue = row["median"], believed(name) if row["Modality"] == "CT" else None
    if tissue and isinstance(median, float) and not tissue[0] <= median <= tissue[1]:
        yield "intensity unlike the tissue of its name", 5.0
