"""Section: when subjects have images, samples and treatments; and the lives of a few of them where the study asks for it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from unibase.releases.content.released_timeline import read_timeline
from unibase.releases.disclosure.decisions import NOBODY_ALONE
from unibase.releases.read.index_day import days_from_index, index_days
from unibase.releases.report import charts
from unibase.releases.report.data import DAYS_PER_MONTH, Contents, ReportData
from unibase.releases.report.section import Section

LANES = 12
FIRST_WEEK, LAST_WEEK = -26, 104
SPANS = (1, 2, 5, 13, 26)
"""Weeks of a span, from short to long; each divides the whole."""
AGGREGATED = ("imaging", "sample", "treatment", "progression")

CONCEPT_CODES: Mapping[str, Sequence[str]] = {
    "imaging": ("IMAGING//",),
    "sample": ("SAMPLE//",),
    "death": ("MEDS_DEATH",),
    "treatment": ("ATC//L01", "ATC//L02", "ATC//L03", "CCAM//ZZNL", "SNOMED//108290001", "TREATMENT//"),
    "progression": ("OSIRIS_RWD//9.1", "OSIRIS_RWD//14.1", "SNOMED//419835002", "UMLS//C0242656", "PROGRESSION//"),
}
"""Which codes the timelines draw, by beginning, where the study does not say."""


@dataclass(frozen=True)
class Density:
    """When subjects have events: weeks of a span, and by kind how many subjects have one in each span, a multiple of `min_cell`."""

    weeks: int
    counts: Mapping[str, Sequence[int]]


def _densities(events: pl.DataFrame, kinds: Mapping[str, Sequence[str]], min_cell: int) -> Density | None:
    """Count subjects with an event in each span of weeks, down to a multiple of `min_cell`; None where nothing is left.

    A span is as short as half of the events allow that stand in spans of at least `min_cell` subjects.

    Args:
        events: `subject_id`, `code` and `week` of the index, whole.
        kinds: Kind of event to beginnings of codes.
        min_cell: Smallest count that may be drawn.
    """
    chosen = pl.concat([
        events.filter(pl.any_horizontal(pl.lit(False), *(pl.col("code").str.starts_with(b) for b in begins))).select(
            "subject_id", "week", pl.lit(kind).alias("kind")
        )
        for kind, begins in kinds.items()
    ]).filter(pl.col("week").is_between(FIRST_WEEK, LAST_WEEK - 1))  # fmt: skip
    for weeks in SPANS:
        span = ((pl.col("week") - FIRST_WEEK) // weeks).alias("span")
        counted = (
            chosen.unique(["subject_id", "week", "kind"]).group_by("kind", span).agg(pl.col("subject_id").n_unique().alias("n"))
        )
        kept = counted.filter(pl.col("n") >= min_cell)
        if kept["n"].sum() * 2 >= max(1, counted["n"].sum()):
            break
    if not kept.height:
        return None
    size = (LAST_WEEK - FIRST_WEEK) // weeks
    found = {(kind, place): n // min_cell * min_cell for kind, place, n in kept.select("kind", "span", "n").iter_rows()}
    return Density(weeks, {kind: [found.get((kind, place), 0) for place in range(size)] for kind in kinds})


def _aggregate(data: ReportData) -> str | None:
    """Draw when subjects have events, with nobody to be told apart; deaths are left to the survival curves."""
    index = index_days(data.folder, data.about)
    kinds = {kind: begins for kind, begins in (data.concepts or CONCEPT_CODES).items() if kind in AGGREGATED}
    if index.height < data.min_cell or not kinds:
        return None
    events = (
        read_timeline(data.folder / "timeline")
        .filter(pl.col("time").is_not_null())
        .select("subject_id", "time", "code")
        .join(index.lazy(), on="subject_id")
        .select("subject_id", "code", days_from_index("time").floordiv(7).alias("week"))
        .collect()
    )
    found = _densities(events, kinds, data.min_cell)
    data.ruled(
        "timelines",
        "events over time",
        NOBODY_ALONE,
        found is not None,
        "Subjects in spans of weeks, in multiples of the smallest count.",
    )
    if found is None:
        return None
    top = max(n for counts in found.counts.values() for n in counts)
    bands = [
        charts.Band(charts.MARKS[kind], kind, [n / top for n in found.counts[kind]])
        for kind in charts.MARKS
        if any(found.counts.get(kind, ()))
    ]
    return charts.density(bands, FIRST_WEEK, found.weeks)


def _timelines(data: ReportData) -> tuple[str, str] | None:
    """Draw a few subjects who have much to show: no pseudonym, whole weeks from the index; none in a small cohort."""
    index = index_days(data.folder, data.about)
    if index.height < data.min_cell:
        return None
    people = data.weighed.cohort.people.of

    def richness(subject: int) -> tuple[int, str]:
        return -sum(people[subject].has), hashlib.sha256(f"lane/{subject}".encode()).hexdigest()

    chosen = sorted(index["subject_id"].to_list(), key=richness)[:LANES]
    events = (
        read_timeline(data.folder / "timeline")
        .filter(pl.col("subject_id").is_in(chosen) & pl.col("time").is_not_null())
        .select("subject_id", "time", "code", "end_time")
        .collect()
        .join(index, on="subject_id")
    )
    lanes = []
    for place, subject in enumerate(chosen):
        own = events.filter(pl.col("subject_id") == subject).sort("time", "code")
        lanes.append(_lane(own, place, data.concepts or CONCEPT_CODES))
    lanes.sort(key=lambda lane: -lane.end)
    named = [
        charts.Lane((f"Sujet {i + 1}", f"Subject {i + 1}"), lane.start, lane.end, lane.treatments, lane.marks)
        for i, lane in enumerate(lanes)
    ]
    return charts.swimmer(named)


def _lane(own: pl.DataFrame, place: int, concepts: Mapping[str, Sequence[str]]) -> charts.Lane:
    def months(column: str) -> list[float | None]:
        days = own.select(days_from_index(column)).to_series()
        return [None if d is None else round(d / 7) * 7 / DAYS_PER_MONTH for d in days]

    starts, ends = months("time"), months("end_time")
    # The last two years before the index tell the story; birth would squeeze it into a corner.
    marks: list[tuple[str, float]] = []
    treatments: list[tuple[float, float]] = []
    for code, start, end in zip(own["code"], starts, ends, strict=True):
        kind = next((k for k in charts.MARKS if any(code.startswith(b) for b in concepts.get(k, ()))), None)
        if start is None or start < -24 or kind is None:
            continue
        if kind == "treatment" and end is not None and end > start:
            treatments.append((start, end))
        marks.append((kind, start))
    recent = [s for s in starts if s is not None and s >= -24]
    low = min([0.0, *recent])
    deaths = [start for kind, start in marks if kind == "death"]
    # Registries go on dating their updates after a death; a life's line ends with it.
    high = min(deaths) if deaths else max([0.0, *recent, *(e for _, e in treatments)])
    return charts.Lane((str(place), str(place)), low, high, treatments, list(dict.fromkeys(marks)))


def contents(data: ReportData) -> Contents:
    """Return what the template shows: an aggregate, and single lanes only where the study asks for them.

    `data`: the data of the page.
    """
    lanes = _timelines(data) if data.lanes else None
    data.ruled(
        "timelines", "single lanes", NOBODY_ALONE, lanes is not None, "Only where the study file says so (`release: lanes`)."
    )
    marks = [(charts.mark(kind, 8, 8), *names) for kind, names in charts.MARKS.items()]
    return {"lanes": lanes, "marks": marks, "density": _aggregate(data)}


SECTION = Section("timelines", ("Parcours", "Timelines"), ("Parcours", "Timelines"), contents, after="modalities")
