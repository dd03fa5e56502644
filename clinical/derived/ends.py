"""What ends the time of an endpoint: the first event that counts, and else the last sign that nothing has happened yet.

Three rules of a definition say what counts. `stop_at`: nothing after the first of these events (a new therapy, a transplant).
`missed_days`: no event that comes so long after the last assessment before it that visits were missed. `after`: only events after
the first one of another concept (the second progression is one after the next treatment).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from unibase.clinical.derived.endpoint_definitions import Definition, EventOf
from unibase.clinical.words.concepts import Concepts
from unibase.groundwork.tables import TIMESTAMP

_BEGINNINGS = ("treatment_change", "new_line")
"""Concepts that may begin on the last day of a start known in part: they count from the day after it."""

_DEATHS = ("death", "cancer_death")
"""Concepts of deaths: their day is that of `clinical.derived.vital`."""

_CANDIDATES = pl.Schema(
    {
        "subject_id": pl.Int64(),
        "event_min": TIMESTAMP,
        "event_max": TIMESTAMP,
        "event_text": pl.String(),
        "event_source": pl.String(),
        "event_row": pl.Int64(),
        "competing": pl.Boolean(),
        "rank": pl.Int32(),
    }
)


def first_after(events: pl.DataFrame, start: pl.DataFrame, concept: str, concepts: Concepts) -> pl.DataFrame:
    """Return `subject_id, after_min`: the first event of a concept after each start.

    Args:
        events: EVENTS.
        start: `subject_id, start_min, start_max`.
        concept: Name of the concept.
        concepts: What it means.

    Raises:
        UserError: If there is no such concept.
    """
    own = concepts.select(events, concept).filter(pl.col("time_min").is_not_null()).join(start, on="subject_id")
    after = own.filter(pl.col("time_min").dt.date() > pl.col("start_max").dt.date())
    return after.group_by("subject_id").agg(pl.col("time_min").min().alias("after_min"))


@dataclass(frozen=True)
class Reached:
    """What the subjects of one endpoint reached.

    Attributes:
        events: EVENTS of any number of subjects.
        start: `subject_id, start_min, start_max`.
        definition: The endpoint.
        concepts: What its names mean.
        death: Of `clinical.derived.vital`.
    """

    events: pl.DataFrame
    start: pl.DataFrame
    definition: Definition
    concepts: Concepts
    death: pl.DataFrame

    def ends(self) -> pl.DataFrame:
        """Return bounds, words and source of the first event of each subject, and whether it is a competing one.

        Of events of one day the one that the definition names first counts. `order_unknown` says that a partial date leaves open
        whether a competing event came first.
        """
        ends = self._counted
        first = ends.group_by("subject_id", maintain_order=True).agg(
            pl.col("event_min").min(),
            pl.col("event_max", "event_text", "event_source", "event_row", "competing").first(),
            (
                (pl.col("competing") != pl.col("competing").first())
                & (pl.col("event_min").dt.date() < pl.col("event_max").first().dt.date())
            )
            .any()
            .alias("order_unknown"),
        )
        return first

    def signs(self) -> pl.DataFrame:
        """Return the last sign of each subject that censors, and the words of what cut its time short."""
        signs = last_of(self._before_stop(self._censoring), self.concepts)
        missed = self._missed.join(self._counted.select("subject_id").unique(), on="subject_id", how="anti")
        # Who comes back after missed visits is censored before them.
        kept = signs.join(missed.select("subject_id"), on="subject_id", how="anti")
        signs = pl.concat([kept, missed.select(kept.columns)])
        words = [self._cut.select("subject_id", "stop_text")] if self.definition.stop_at else []
        words += [missed.select("subject_id", pl.lit("MISSED VISITS").alias("stop_text"))] if self.definition.missed_days else []
        empty = pl.DataFrame(schema={"subject_id": pl.Int64, "stop_text": pl.String})
        said = pl.concat([empty, *reversed(words)]).unique("subject_id", keep="first", maintain_order=True)
        return signs.join(said, on="subject_id", how="full", coalesce=True)

    @cached_property
    def _counted(self) -> pl.DataFrame:
        """The candidates that count, the first of each subject first."""
        late = self._missed.select("subject_id", pl.col("missed_from").dt.date())
        if late.is_empty():
            return self._candidates
        joined = self._candidates.join(late, on="subject_id", how="left", maintain_order="left")
        return joined.filter(pl.col("missed_from").is_null() | (pl.col("event_max").dt.date() < pl.col("missed_from"))).drop(
            "missed_from"
        )

    @cached_property
    def _candidates(self) -> pl.DataFrame:
        found = [self._of(event, rank) for rank, event in enumerate(self.definition.events)]
        order = ["subject_id", "event_max", "rank", "event_min", "event_source", "event_row"]
        ends = pl.concat(found).sort(order)
        if not self.definition.stop_at:
            return ends
        stop = self._stop.select("subject_id", pl.col("stop_min").dt.date().alias("stop_day"))
        joined = ends.join(stop, on="subject_id", how="left", maintain_order="left")
        # What is found on the day on which the new therapy begins is why it begins.
        return joined.filter(pl.col("stop_day").is_null() | (pl.col("event_max").dt.date() <= pl.col("stop_day"))).drop(
            "stop_day"
        )

    def _of(self, event: EventOf, rank: int) -> pl.DataFrame:
        """Return the events of one concept that can end the time: after the day of the start, or a death at any time."""
        names = {"time_min": "event_min", "time_max": "event_max", "source": "event_source", "source_row": "event_row"}
        if event.concept in _DEATHS:
            deaths = {
                "death_min": "event_min",
                "death_max": "event_max",
                "death_source": "event_source",
                "death_row": "event_row",
            }
            of_cause = self.concepts.select(self.events, event.concept).select("subject_id").unique()
            mine = self.death.join(of_cause, on="subject_id", how="semi", maintain_order="left")
            found = mine.join(self.start, on="subject_id", how="semi", maintain_order="left").rename(deaths)
        else:
            own = self.concepts.select(self.events, event.concept).filter(pl.col("time_min").is_not_null())
            own = own.join(self.start, on="subject_id")
            after = pl.col("time_max").dt.date() > pl.col("start_min").dt.date()
            if event.concept in _BEGINNINGS:
                after = pl.col("time_min").dt.date() > pl.col("start_max").dt.date()
            found = own.filter(after).rename(names)
        if event.after is not None:
            before = first_after(self.events, self.start, event.after, self.concepts)
            found = found.join(before, on="subject_id").filter(pl.col("event_min").dt.date() > pl.col("after_min").dt.date())
        said = {"event_text": pl.lit(event.text), "competing": pl.lit(event.competing), "rank": pl.lit(rank)}
        found = found.with_columns(**said)
        return found.select(pl.col(name).cast(dtype) for name, dtype in _CANDIDATES.items())

    @cached_property
    def _stop(self) -> pl.DataFrame:
        """`subject_id, stop_min, stop_text` of the first event at which each subject's time stops."""
        found = [pl.DataFrame(schema={"subject_id": pl.Int64, "stop_min": TIMESTAMP, "stop_text": pl.String, "rank": pl.Int32})]
        for rank, stop in enumerate(self.definition.stop_at):
            first = first_after(self.events, self.start, stop.concept, self.concepts)
            words = (pl.lit(stop.text).alias("stop_text"), pl.lit(rank, dtype=pl.Int32).alias("rank"))
            found.append(first.select("subject_id", pl.col("after_min").alias("stop_min"), *words))
        ordered = pl.concat(found).sort("subject_id", "stop_min", "rank")
        return ordered.unique("subject_id", keep="first", maintain_order=True).drop("rank")

    @cached_property
    def _cut(self) -> pl.DataFrame:
        """Those of `_stop` whose time was really cut short: no event counts."""
        return self._stop.join(self._counted.select("subject_id").unique(), on="subject_id", how="anti")

    @cached_property
    def _censoring(self) -> pl.DataFrame:
        """The events that can censor: those of the concept, and of the one in its place for subjects without any response."""
        censor = self.definition.censor
        own = self.concepts.select(self.events, censor.concept)
        if censor.otherwise is None:
            return own
        reported = self.concepts.select(self.events, "reported_response")
        others = self.concepts.select(self.events, censor.otherwise)
        return pl.concat([own, others.join(reported, on="subject_id", how="anti")])

    def _before_stop(self, signs: pl.DataFrame) -> pl.DataFrame:
        if not self.definition.stop_at:
            return signs
        joined = signs.join(self._stop, on="subject_id", how="left", maintain_order="left")
        in_time = pl.col("time_max").dt.date() <= pl.col("stop_min").dt.date()
        until = pl.min_horizontal("end_time", "stop_min")
        return (
            joined.filter(pl.col("stop_min").is_null() | in_time)
            .with_columns(pl.when(pl.col("stop_min").is_null()).then("end_time").otherwise(until).alias("end_time"))
            .select(signs.columns)
        )

    @cached_property
    def _missed(self) -> pl.DataFrame:
        """The last sign before each first event that came too late after it, and from when on nothing counts (`missed_from`)."""
        empty = last_of(self.events.head(0), self.concepts).with_columns(pl.lit(None, dtype=TIMESTAMP).alias("missed_from"))
        if self.definition.missed_days is None:
            return empty
        first = self._candidates.group_by("subject_id", maintain_order=True).agg(pl.col("event_min").first().alias("missed_from"))
        before = self._before_stop(self._censoring).join(first, on="subject_id")
        before = before.filter(pl.col("time_max").dt.date() < pl.col("missed_from").dt.date()).drop("missed_from")
        last = first.join(last_of(before, self.concepts), on="subject_id", how="left", maintain_order="left")
        last = last.join(self.start, on="subject_id", maintain_order="left")
        seen = pl.max_horizontal("low", "start_min")
        gap = (pl.col("missed_from").dt.date() - seen.dt.date()).dt.total_days()
        return last.filter(gap > self.definition.missed_days).select(empty.columns)


def last_of(signs: pl.DataFrame, concepts: Concepts) -> pl.DataFrame:
    """Return `subject_id, low, high, source, source_row` of the latest event of each subject: at least the latest earliest instant.

    Of a stay (concept `stay`) the end counts; of other intervals, such as a drug's supply, the end may be a plan.

    Args:
        signs: EVENTS that are signs of life.
        concepts: What a `stay` is.
    """
    end = pl.when(concepts.matches("stay")).then("end_time")
    ends = signs.filter(pl.col("time_min").is_not_null()).with_columns(
        pl.max_horizontal("time_min", end).alias("low"), pl.max_horizontal("time_max", end).alias("high")
    )
    return (
        ends.sort("subject_id", "low", "high", "source", "source_row")
        .group_by("subject_id", maintain_order=True)
        .agg(pl.col("low").last(), pl.col("high").max(), pl.col("source", "source_row").last())
    )
