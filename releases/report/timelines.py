"""Section: the lives of a few subjects, a lane each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from unibase.releases.content.timeline import read_timeline
from unibase.releases.report import charts
from unibase.releases.report.data import DAYS_PER_MONTH, ReportData
from unibase.releases.report.section import Section

LANES = 12

CONCEPT_CODES: Mapping[str, Sequence[str]] = {
    "imaging": ("IMAGING//",),
    "sample": ("SAMPLE//",),
    "death": ("MEDS_DEATH",),
    "treatment": ("ATC//L01", "ATC//L02", "ATC//L03", "CCAM//ZZNL", "SNOMED//108290001", "TREATMENT//"),
    "progression": ("OSIRIS_RWD//9.1", "OSIRIS_RWD//14.1", "SNOMED//419835002", "UMLS//C0242656", "PROGRESSION//"),
}
"""Which codes the timelines draw, by beginning, where the study does not say."""


def index_times(data: ReportData) -> pl.DataFrame:
    """Return `subject_id`, `index_time` from the first table that has it."""
    for name, column in (("analysis", "index_time"), ("subjects", "index_time"), ("adtte", "STARTDT")):
        if column not in data.columns(name):
            continue
        frame = data.table(name, "subject_id", column)
        if frame[column].dtype.is_temporal():
            return (
                frame.select("subject_id", pl.col(column).cast(pl.Datetime("us")).alias("index_time"))
                .drop_nulls()
                .unique("subject_id", keep="first", maintain_order=True)
            )
    return pl.DataFrame(schema={"subject_id": pl.Int64, "index_time": pl.Datetime("us")})


def timelines(data: ReportData) -> tuple[str, str] | None:
    """Draw a few subjects who have much to show: no pseudonym, whole weeks from the index; none in a small cohort."""
    index = index_times(data)
    if index.height < data.min_cell:
        return None
    have = {name: set(rows) for name, rows in data.modalities.items()}

    def richness(subject: int) -> tuple[int, str]:
        return -sum(str(subject) in rows for rows in have.values()), hashlib.sha256(f"lane/{subject}".encode()).hexdigest()

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
        days = (own[column] - own["index_time"]).dt.total_days()
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


def contents(data: ReportData) -> dict[str, Any]:
    """Return what the template shows."""
    return {"lanes": timelines(data), "marks": [(charts.mark(kind, 8, 8), *names) for kind, names in charts.MARKS.items()]}


SECTION = Section("timelines", ("Quelques parcours", "A few timelines"), ("Parcours", "Timelines"), contents)
