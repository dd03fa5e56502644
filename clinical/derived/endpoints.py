"""Time-to-event endpoints in ADaM ADTTE columns, from versioned definitions, with the bounds that partial dates leave.

`AVAL` follows ADaM: days from the start to the event or censoring, the first day counted (`ADT - STARTDT + 1`; admiral's
`derive_vars_duration` does the same). When a date is partial, `AVAL` is null and `AVAL_MIN`, `AVAL_MAX` bound it.

A death is never outvoted here: a sign of life after it is named in `problem`, and so is a death that the timeline marks as refuted
(`clinical.timelines.plausibility`). Of several dates of death the narrowest counts when they can be the same day, else the earliest,
and `problem` says so. A death of an unknown day lies after the last day on which the person was seen alive.

What is found on the day of the start belongs to the baseline: an event, but for a death, ends the time from the day after.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from unibase.clinical import tables
from unibase.clinical.derived.adrs import ADRS, best_overall, overall_responses
from unibase.clinical.derived.endpoint_definitions import Definition, Endpoints
from unibase.clinical.derived.ends import Reached, first_after, last_of
from unibase.clinical.derived.vital import death_of, narrowed, refuted_of
from unibase.clinical.words.concepts import Concepts
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import TIMESTAMP

ADTTE = tables.ADTTE.schema()
"""One row per subject and endpoint. CNSR is 0 for an event, 1 for censoring, 2 for a competing event (ADaM asks for 0 and more than 0);
`problem` says what contradicts it."""

EVENT, CENSORED, COMPETING = 0, 1, 2
"""Values of CNSR."""

_DAY = timedelta(days=1)
_FOUND = ("response", "progression", "recurrence")
"""Origins that an assessment finds: one on the index day is the baseline."""


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
        `event-may-precede-start` (a partial date overlaps the start), `two-death-dates`, `alive-after-death` (kept as a death),
        `death-refuted` (by acts that only the living have: no event), `order-unknown` (a partial date leaves open whether the event
        or a competing one came first), `death-undated` (an event between the last day seen alive and the data cut-off).

    Raises:
        UserError: If there is no definition, or no concept, of a name.
    """
    concepts = concepts or Concepts.default()
    definition = (endpoints or Endpoints.default()).definition(code)
    start = _origin(events, index_bounds(index), definition.origin, concepts, definition.origin_before)
    alive = last_of(concepts.select(events, "living_act"), concepts).select("subject_id", pl.col("low").alias("alive"))
    seen = last_of(concepts.select(events, "contradicts_death"), concepts).select("subject_id", pl.col("low").alias("seen"))
    death = narrowed(death_of(concepts.select(events, "death")), alive)
    reached = Reached(events, start, definition, concepts, death)
    frame = start.join(reached.ends(), on="subject_id", how="left").join(reached.signs(), on="subject_id", how="left")
    for known in (death, seen, refuted_of(events)):
        frame = frame.join(known, on="subject_id", how="left")
    return _adtte(_described(frame, definition), code, definition.text)


def _described(frame: pl.DataFrame, definition: Definition) -> pl.DataFrame:
    """Return subjects with the bounds of their event or censoring, its words and source, and what contradicts it."""
    happened = pl.col("event_min").is_not_null()
    # The start itself is a sign of life, and the last one where there is none after it.
    from_start = pl.col("low").is_null() | (pl.col("low") < pl.col("start_min"))
    origin_text = "INDEX DATE" if definition.origin == "index" else definition.origin.replace("_", " ").upper()
    censored = pl.when(from_start).then(pl.lit(origin_text)).otherwise(pl.lit(definition.censor.text))
    stopped = pl.when(pl.col("stop_text").is_not_null()).then(censored + " BEFORE " + pl.col("stop_text")).otherwise(censored)
    return frame.with_columns(
        pl.when(happened).then("event_min").otherwise(pl.max_horizontal("low", "start_min")).alias("adt_min"),
        pl.when(happened).then("event_max").otherwise(pl.max_horizontal("high", "start_max")).alias("adt_max"),
        pl.when(happened & pl.col("competing")).then(COMPETING).when(happened).then(EVENT).otherwise(CENSORED).alias("CNSR"),
        pl.when(happened).then("event_text").alias("EVNTDESC"),
        pl.when(~happened).then(stopped).alias("CNSDTDSC"),
        pl.when(happened).then("event_source").when(~from_start).then("source").alias("SRCDOM"),
        pl.when(happened).then("event_row").when(~from_start).then("source_row").alias("SRCSEQ"),
        _problem(happened).alias("problem"),
    )


def _problem(happened: pl.Expr) -> pl.Expr:
    """Return what contradicts an event or censoring; null for nothing."""
    return (
        pl.when(happened & (pl.col("event_max").dt.date() < pl.col("start_min").dt.date()))
        .then(pl.lit("event-before-start"))
        .when(pl.col("death_conflict"))
        .then(pl.lit("two-death-dates"))
        .when(pl.col("seen") > pl.col("death_max") + _DAY)
        .then(pl.lit("alive-after-death"))
        .when(pl.col("death_refuted") & pl.col("death_min").is_null())
        .then(pl.lit("death-refuted"))
        .when(happened & pl.col("order_unknown"))
        .then(pl.lit("order-unknown"))
        .when(happened & (pl.col("event_min").dt.date() < pl.col("start_max").dt.date()))
        .then(pl.lit("event-may-precede-start"))
        .when(pl.col("death_undated"))
        .then(pl.lit("death-undated"))
    )


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
    late = pl.col("ENTRY") >= pl.coalesce("AVAL", "AVAL_MAX")
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


def _origin(
    events: pl.DataFrame, start: pl.DataFrame, origin: str, concepts: Concepts, before: str | None = None
) -> pl.DataFrame:
    """Return `subject_id, start_min, start_max`: the index, or the first event of the origin, up to the first one of `before`."""
    if origin == "index":
        return start
    own = concepts.select(events, origin).filter(pl.col("time_min").is_not_null()).join(start, on="subject_id")
    day, index_day = pl.col("time_max").dt.date(), pl.col("start_min").dt.date()
    own = own.filter(day > index_day if origin in _FOUND else day >= index_day)
    if before is not None:
        # What is found after the next treatment began is its result.
        first_stop = first_after(events, start, before, concepts)
        own = own.join(first_stop, on="subject_id", how="left").filter(
            pl.col("after_min").is_null() | (day <= pl.col("after_min").dt.date())
        )
    first = own.sort("subject_id", "time_min", "time_max").group_by("subject_id", maintain_order=True)
    return first.agg(pl.col("time_min").first().alias("start_min"), pl.col("time_max").min().alias("start_max"))


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
