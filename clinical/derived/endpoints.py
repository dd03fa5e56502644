"""Time-to-event endpoints in ADaM ADTTE columns, from versioned definitions, with the bounds that partial dates leave.

`AVAL` follows ADaM: days from the start to the event or censoring, the first day counted (`ADT - STARTDT + 1`; admiral's
`derive_vars_duration` does the same). When a date is partial, `AVAL` is null and `AVAL_MIN`, `AVAL_MAX` bound it.

A death is never outvoted here: a sign of life after it is named in `problem`. (Deaths that many later records refute never
reach the timeline, see `clinical.timelines.plausibility`.) Of several dates of death the narrowest counts when they can be the
same day, else the earliest, and `problem` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML, YAMLError

from unibase.clinical.derived.adrs import ADRS, BestOf, VisitResponse, best_overall, overall_responses
from unibase.clinical.words.concepts import Concepts
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import TIMESTAMP

ADTTE = pl.Schema(
    {
        "subject_id": pl.Int64(),
        "PARAMCD": pl.String(),
        "PARAM": pl.String(),
        "STARTDT": pl.Date(),
        "STARTDT_MIN": pl.Date(),
        "STARTDT_MAX": pl.Date(),
        "ADT": pl.Date(),
        "ADT_MIN": pl.Date(),
        "ADT_MAX": pl.Date(),
        "AVAL": pl.Int64(),
        "AVAL_MIN": pl.Int64(),
        "AVAL_MAX": pl.Int64(),
        "AVALU": pl.String(),
        "CNSR": pl.Int64(),
        "EVNTDESC": pl.String(),
        "CNSDTDSC": pl.String(),
        "SRCDOM": pl.String(),
        "SRCSEQ": pl.Int64(),
        "problem": pl.String(),
    }
)
"""One row per subject and endpoint. CNSR is 0 for an event, 1 for censoring (ADaM); `problem` says what contradicts it."""

_DAY = timedelta(days=1)


class EventOf(BaseModel):
    """A concept that ends the time, and what EVNTDESC says of it."""

    model_config = ConfigDict(extra="forbid")

    concept: str
    text: str


class Definition(BaseModel):
    """One endpoint; see `endpoints.yaml`."""

    model_config = ConfigDict(extra="forbid")

    version: str
    text: str
    origin: str = "index"
    events: list[EventOf] = Field(min_length=1)
    censor: EventOf


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    endpoints: Literal[1]
    endpoint: dict[str, Definition] = Field(default_factory=dict)
    response: dict[str, VisitResponse] = Field(default_factory=dict)
    best_response: dict[str, BestOf] = Field(default_factory=dict)


@dataclass(frozen=True)
class Endpoints:
    """Definitions by PARAMCD: of times to an event, of responses at visits, and of the best of these."""

    by_code: dict[str, Definition] = field(default_factory=dict)
    responses: dict[str, VisitResponse] = field(default_factory=dict)
    best: dict[str, BestOf] = field(default_factory=dict)

    @classmethod
    def default(cls) -> Self:
        """Return the definitions that come with the package: OS, PFS, DFS, ...; responses OVR, IOVR; BOR, CBOR, IBOR, ..."""
        text = files("unibase.clinical.derived").joinpath("endpoints.yaml").read_text(encoding="utf-8")
        return cls()._with(YAML(typ="safe").load(text), "unibase")

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read a study's definitions over the packaged ones.

        Raises:
            UserError: Naming the key that is wrong.
        """
        try:
            content = YAML(typ="safe").load(Path(path).read_text(encoding="utf-8"))
        except (OSError, YAMLError) as error:
            raise UserError(f"The endpoints {path} cannot be read as YAML: {type(error).__name__}.") from None
        return cls.default()._with(content, Path(path).name)

    def _with(self, content: Any, place: str) -> Self:
        """Return these definitions with those of a file over them; best responses refer to responses that there are."""
        own = _parsed(content, place)
        merged = type(self)(
            {**self.by_code, **own.endpoint}, {**self.responses, **own.response}, {**self.best, **own.best_response}
        )
        for code, best in merged.best.items():
            if best.of not in merged.responses:
                known = ", ".join(sorted(merged.responses))
                raise UserError(
                    f"The endpoints {place} are not usable:\n  best_response.{code}.of: no response {best.of}; known: {known}."
                )
        return merged

    def definition(self, code: str) -> Definition:
        """Return a definition.

        Raises:
            UserError: If there is none of this name.
        """
        if code not in self.by_code:
            raise UserError(
                f"No endpoint is named {code}. Known are {', '.join(sorted(self.by_code))}; more can be declared in YAML."
            )
        return self.by_code[code]


def _parsed(content: Any, place: str) -> _File:
    try:
        return _File.model_validate(content)
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
        raise UserError(f"The endpoints {place} are not usable:\n  " + "\n  ".join(lines)) from None


def overall_survival(events: pl.DataFrame, index: pl.DataFrame, concepts: Concepts | None = None) -> pl.DataFrame:
    """Return overall survival from the index: death of any cause, else the last day known to be alive.

    `derive` with the packaged definition of OS.
    """
    return derive(events, index, "OS", concepts)


def derive(
    events: pl.DataFrame,
    index: pl.DataFrame,
    code: str,
    concepts: Concepts | None = None,
    endpoints: Endpoints | None = None,
) -> pl.DataFrame:
    """Return ADTTE of one endpoint, one row per subject of `index` that has the endpoint's origin, by subject.

    Args:
        events: EVENTS of any number of subjects; derived events (changes of treatment) included where a definition asks.
        index: One row per subject: `subject_id` and `index_time` (or `time`); bounds of a partial index date in
            `index_time_min`, `index_time_max` (or `time_min`, `time_max`).
        code: PARAMCD of the definition.
        concepts: What the names in the definition mean; the packaged ones by default.
        endpoints: The definitions; the packaged ones by default.

    Returns:
        ADTTE. `problem` is null or: `event-before-start` (AVAL is null; no negative time is ever given),
        `event-may-precede-start` (a partial date overlaps the start), `two-death-dates`, `alive-after-death`.
    """
    concepts = concepts or Concepts.default()
    definition = (endpoints or Endpoints.default()).definition(code)
    start = _origin(events, index_bounds(index), definition.origin, concepts)
    death = _death(concepts.select(events, "death"))
    ends = pl.concat([_candidates(events, start, event, concepts, death) for event in definition.events])
    first = _first(ends)
    signs = _last(concepts.select(events, definition.censor.concept))
    alive = _last(concepts.select(events, "last_contact")).select("subject_id", pl.col("low").alias("seen"))
    frame = (
        start.join(first, on="subject_id", how="left")
        .join(signs, on="subject_id", how="left")
        .join(death, on="subject_id", how="left")
        .join(alive, on="subject_id", how="left")
    )
    happened = pl.col("event_min").is_not_null()
    # The start itself is a sign of life, and the last one where there is none after it.
    from_start = pl.col("low").is_null() | (pl.col("low") < pl.col("start_min"))
    origin_text = "INDEX DATE" if definition.origin == "index" else definition.origin.replace("_", " ").upper()
    frame = frame.with_columns(
        pl.when(happened).then("event_min").otherwise(pl.max_horizontal("low", "start_min")).alias("adt_min"),
        pl.when(happened).then("event_max").otherwise(pl.max_horizontal("high", "start_max")).alias("adt_max"),
        (1 - happened.cast(pl.Int64)).alias("CNSR"),
        pl.when(happened).then("event_text").alias("EVNTDESC"),
        pl.when(~happened)
        .then(pl.when(from_start).then(pl.lit(origin_text)).otherwise(pl.lit(definition.censor.text)))
        .alias("CNSDTDSC"),
        pl.when(happened).then("event_source").when(~from_start).then("source").alias("SRCDOM"),
        pl.when(happened).then("event_row").when(~from_start).then("source_row").alias("SRCSEQ"),
        pl.when(happened & (pl.col("event_max").dt.date() < pl.col("start_min").dt.date()))
        .then(pl.lit("event-before-start"))
        .when(pl.col("death_conflict"))
        .then(pl.lit("two-death-dates"))
        .when(pl.col("seen") > pl.col("death_max") + _DAY)
        .then(pl.lit("alive-after-death"))
        .when(happened & (pl.col("event_min").dt.date() < pl.col("start_max").dt.date()))
        .then(pl.lit("event-may-precede-start"))
        .alias("problem"),
    )
    return _adtte(frame, code, definition.text)


def derive_responses(
    events: pl.DataFrame,
    index: pl.DataFrame,
    codes: Sequence[str],
    concepts: Concepts | None = None,
    endpoints: Endpoints | None = None,
) -> pl.DataFrame:
    """Return ADRS of some best responses and of the visits they are the best of, one parameter after the other.

    Args:
        events: EVENTS of any number of subjects.
        index: As for `derive`. A start known in part gives no response: what lies after it cannot be told.
        codes: PARAMCDs of best responses.
        concepts: What the names in the definitions mean; the packaged ones by default.
        endpoints: The definitions; the packaged ones by default.

    Raises:
        UserError: If there is no best response of one of these names.
    """
    concepts, endpoints = concepts or Concepts.default(), endpoints or Endpoints.default()
    parts: dict[str, pl.DataFrame] = {}
    starts: dict[str, pl.DataFrame] = {}
    for code in codes:
        if code not in endpoints.best:
            raise UserError(f"No best response is named {code}. Known are {', '.join(sorted(endpoints.best))}.")
        best = endpoints.best[code]
        if best.of not in parts:
            rule = endpoints.responses[best.of]
            start = _origin(events, index_bounds(index), rule.origin, concepts)
            low, high = pl.col("start_min").dt.date(), pl.col("start_max").dt.date()
            starts[best.of] = start.select("subject_id", pl.when(low == high).then(low).alias("day"))
            parts[best.of] = overall_responses(events, starts[best.of], best.of, rule, concepts)
        parts[code] = best_overall(parts[best.of], starts[best.of], code, best)
    return pl.concat([pl.DataFrame(schema=ADRS), *parts.values()])


def with_entry(adtte: pl.DataFrame, entry: pl.DataFrame) -> pl.DataFrame:
    """Add the entry of each subject into the risk set, for cohorts defined by having an image or a sample.

    Who must have lived until the sample cannot have died before it: survival of such a cohort is left-truncated, and a
    subject counts from `ENTRY` on (`Surv(ENTRY, AVAL, event)` in R, `entry=` in lifelines).

    Args:
        adtte: ADTTE.
        entry: `subject_id` and `time` of the event that lets the subject into the cohort; the latest counts when several must
            have happened.

    Returns:
        ADTTE with `ENTRYDT`, `ENTRY` (days from the start, 0 when at or before it) and, in `problem`, `entry-after-end` for
        subjects that were never at risk in the cohort.
    """
    when = entry.group_by("subject_id").agg(pl.col("time").max().dt.date().alias("ENTRYDT"))
    days = (pl.col("ENTRYDT") - pl.col("STARTDT")).dt.total_days()
    frame = adtte.join(when, on="subject_id", how="left", maintain_order="left").with_columns(
        pl.max_horizontal(days, pl.lit(0)).alias("ENTRY")
    )
    late = pl.col("ENTRY") >= pl.col("AVAL")
    return frame.with_columns(pl.when(late).then(pl.lit("entry-after-end")).otherwise("problem").alias("problem"))


def index_bounds(index: pl.DataFrame) -> pl.DataFrame:
    """Return `subject_id, start_min, start_max` of an index frame; an index without bounds is exact to the day."""
    time = "index_time" if "index_time" in index.columns else "time"
    low, high = (next((n for n in (f"index_{name}", name) if n in index.columns), time) for name in ("time_min", "time_max"))
    return index.select(
        "subject_id",
        pl.coalesce(time, low).cast(TIMESTAMP).alias("start_min"),
        pl.coalesce(time, high).cast(TIMESTAMP).alias("start_max"),
    ).unique("subject_id", keep="first", maintain_order=True)


def _origin(events: pl.DataFrame, start: pl.DataFrame, origin: str, concepts: Concepts) -> pl.DataFrame:
    if origin == "index":
        return start
    own = concepts.select(events, origin).filter(pl.col("time_min").is_not_null()).join(start, on="subject_id")
    own = own.filter(pl.col("time_max").dt.date() >= pl.col("start_min").dt.date())
    first = own.sort("subject_id", "time_min", "time_max").group_by("subject_id", maintain_order=True)
    return first.agg(pl.col("time_min").first().alias("start_min"), pl.col("time_max").min().alias("start_max"))


_CANDIDATES = {
    "subject_id": pl.Int64(),
    "event_min": TIMESTAMP,
    "event_max": TIMESTAMP,
    "event_text": pl.String(),
    "event_source": pl.String(),
    "event_row": pl.Int64(),
}


def _candidates(
    events: pl.DataFrame, start: pl.DataFrame, event: EventOf, concepts: Concepts, death: pl.DataFrame
) -> pl.DataFrame:
    """Return the events of one concept that can end the time: on or after the start, or a death at any time."""
    if event.concept == "death":
        found = death.join(start, on="subject_id", how="semi").rename(
            {"death_min": "event_min", "death_max": "event_max", "death_source": "event_source", "death_row": "event_row"}
        )
    else:
        own = concepts.select(events, event.concept).filter(pl.col("time_min").is_not_null()).join(start, on="subject_id")
        found = own.filter(pl.col("time_max").dt.date() >= pl.col("start_min").dt.date()).rename(
            {"time_min": "event_min", "time_max": "event_max", "source": "event_source", "source_row": "event_row"}
        )
        if event.concept in {"treatment_change", "new_line"}:
            found = found.filter(pl.col("event_min").dt.date() > pl.col("start_max").dt.date())
    found = found.with_columns(pl.lit(event.text).alias("event_text"))
    return found.select(pl.col(name).cast(dtype) for name, dtype in _CANDIDATES.items())


def _first(ends: pl.DataFrame) -> pl.DataFrame:
    """Return the bounds of the earliest candidate of each subject: between the earliest of all bounds on either side."""
    order = ["subject_id", "event_max", "event_min", "event_text", "event_source", "event_row"]
    return (
        ends.sort(order)
        .group_by("subject_id", maintain_order=True)
        .agg(
            pl.col("event_min").min(),
            pl.col("event_max").first(),
            pl.col("event_text", "event_source", "event_row").first(),
        )
    )


def _adtte(frame: pl.DataFrame, code: str, text: str) -> pl.DataFrame:
    """Return ADTTE from the bounds `start_min/max` and `adt_min/max`, CNSR, descriptions and sources."""
    frame = frame.with_columns(
        pl.lit(code).alias("PARAMCD"),
        pl.lit(text).alias("PARAM"),
        pl.lit("DAYS").alias("AVALU"),
        pl.col("start_min").dt.date().alias("STARTDT_MIN"),
        pl.col("start_max").dt.date().alias("STARTDT_MAX"),
        pl.col("adt_min").dt.date().alias("ADT_MIN"),
        pl.col("adt_max").dt.date().alias("ADT_MAX"),
    ).with_columns(
        pl.when(pl.col("STARTDT_MIN") == pl.col("STARTDT_MAX")).then("STARTDT_MIN").alias("STARTDT"),
        pl.when(pl.col("ADT_MIN") == pl.col("ADT_MAX")).then("ADT_MIN").alias("ADT"),
        _length("STARTDT_MAX", "ADT_MIN").alias("low_days"),
        _length("STARTDT_MIN", "ADT_MAX").alias("high_days"),
    )
    possible = pl.col("high_days") >= 1
    frame = frame.with_columns(
        # Of dates that overlap, the event is taken not to lie before the start.
        pl.when(possible).then(pl.max_horizontal("low_days", pl.lit(1))).alias("AVAL_MIN"),
        pl.when(possible).then("high_days").alias("AVAL_MAX"),
    )
    exact = pl.col("AVAL_MIN") == pl.col("AVAL_MAX")
    frame = frame.with_columns(pl.when(exact).then("AVAL_MIN").alias("AVAL"))
    return frame.select(pl.col(name).cast(dtype) for name, dtype in ADTTE.items()).sort("subject_id", maintain_order=True)


def _length(start: str, end: str) -> pl.Expr:
    return (pl.col(end) - pl.col(start)).dt.total_days() + 1


def _death(deaths: pl.DataFrame) -> pl.DataFrame:
    """Return the bounds of each subject's date of death, its source, and whether two dates exclude one another."""
    narrow = (pl.col("time_max") - pl.col("time_min")).alias("width")
    ordered = deaths.filter(pl.col("time_min").is_not_null()).with_columns(narrow)
    # All dates can be one when the latest earliest instant is not after the earliest latest instant, by day.
    apart = pl.col("time_min").max().dt.date() > pl.col("time_max").min().dt.date()
    conflict = ordered.group_by("subject_id").agg(apart.alias("death_conflict"))
    ordered = ordered.join(conflict, on="subject_id").sort(
        "subject_id", pl.when("death_conflict").then("time_max"), "width", "time_max", "source", "source_row", nulls_last=True
    )
    return ordered.group_by("subject_id", maintain_order=True).agg(
        pl.col("time_min").first().alias("death_min"),
        pl.col("time_max").first().alias("death_max"),
        pl.col("source").first().alias("death_source"),
        pl.col("source_row").first().alias("death_row"),
        pl.col("death_conflict").first(),
    )


def _last(signs: pl.DataFrame) -> pl.DataFrame:
    """Return the bounds of the latest event of each subject: at least the latest earliest instant of all of them."""
    ends = signs.filter(pl.col("time_min").is_not_null()).with_columns(
        pl.max_horizontal("time_min", "end_time").alias("low"), pl.max_horizontal("time_max", "end_time").alias("high")
    )
    return (
        ends.sort("subject_id", "low", "high", "source", "source_row")
        .group_by("subject_id", maintain_order=True)
        .agg(pl.col("low").last(), pl.col("high").max(), pl.col("source", "source_row").last())
    )
