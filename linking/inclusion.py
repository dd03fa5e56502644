"""Who is in the cohort, rule by rule, with the losses of each: the numbers of a flow diagram."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl

from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import TIMESTAMP
from unibase.linking.conditions import ConceptCodes, concept_names, is_concept
from unibase.linking.index_event import scan_table
from unibase.linking.options import CohortRules
from unibase.linking.tables import FLOW
from unibase.linking.windows import earliest


class Cohort(NamedTuple):
    """Every subject with the first rule that left it out, and the flow of numbers.

    `subjects`: `subject_id`, `included`, `reason` (empty when included), `index_time`, `age` (years at the index),
    `entry_time`: when the last of what the rules ask for was there, at the earliest the index. Who could not be in the
    cohort before (a sample taken at relapse) must not count as at risk before: left truncation.
    `flow`: `step`, `rule`, `reason`, `before`, `removed`, `after`; step 0 is everybody known.
    """

    subjects: pl.DataFrame
    flow: pl.DataFrame


def build_cohort(
    events: pl.DataFrame | pl.LazyFrame | Path | str,
    series: pl.DataFrame | Path | str | None,
    sample_map: pl.DataFrame | Path | str | None,
    rules: CohortRules,
    *,
    index: pl.DataFrame,
    concepts: ConceptCodes,
    features: pl.DataFrame | Path | str | None = None,
    findings: pl.DataFrame | None = None,
) -> Cohort:
    """Apply the rules to every subject that any table knows.

    A concept counts when one of its events can have happened by the end of the index day: whether a subject belongs
    to the cohort must not depend on its later course. Subjects without an index are judged on all their events, for the
    numbers of the flow; they are left out by the rule `index`, which is added when the rules do not name it.

    Args:
        events: EVENTS, as a frame or Parquet path.
        series: SERIES, or None.
        sample_map: SAMPLE_MAP, or None.
        rules: Of the study file.
        index: From `index.index_events`.
        concepts: Concepts by name.
        features: FEATURES, for rules that ask for them.
        findings: From `concordance.check_concordance`, for rules that ask for them.

    Raises:
        UserError: If a rule is neither known nor a concept nor an assay; names it and what is allowed.
    """
    known = _Known(scan_table(events), _collect(series), _collect(sample_map), _collect(features), findings, index, concepts)
    subjects = known.subjects()
    alive, reason, flow = _passed(_steps(known, rules, subjects), subjects.height)
    last = _last_asked(known, rules, subjects)
    entry = pl.when(pl.col("index_time").is_not_null()).then(pl.max_horizontal("index_time", "since")).alias("entry_time")
    table = subjects.join(last, on="subject_id", how="left", maintain_order="left").select(
        "subject_id", alive.alias("included"), reason.alias("reason"), "index_time", "age", entry
    )
    return Cohort(table, pl.DataFrame(flow, schema=FLOW.schema(), orient="row"))


@dataclass(frozen=True)
class _Known:
    """The tables that rules are asked of."""

    scan: pl.LazyFrame
    images: pl.DataFrame | None
    samples: pl.DataFrame | None
    marks: pl.DataFrame | None
    findings: pl.DataFrame | None
    index: pl.DataFrame
    concepts: ConceptCodes

    def subjects(self) -> pl.DataFrame:
        """Return `subject_id, index_time, upper, age` of everybody whom any table knows."""
        ids = [self.scan.select("subject_id").unique().collect()]
        ids += [self.images.select("subject_id")] if self.images is not None else []
        ids += [self.samples.select(pl.col("primary").alias("subject_id"))] if self.samples is not None else []
        found = pl.concat(ids).drop_nulls().unique().sort("subject_id")
        indexed = self.index.select("subject_id", "index_time", "upper")
        found = found.join(indexed, on="subject_id", how="left", maintain_order="left")
        return found.join(_ages(self.scan, found), on="subject_id", how="left", maintain_order="left")

    def since(self, rule: str, where: str, subjects: pl.DataFrame) -> pl.DataFrame:
        """Return `subject_id, since` of the subjects that fulfil a rule.

        Raises:
            UserError: If the rule is not known, or the study has nothing to answer it with.
        """
        kind, _, detail = rule.partition(":")
        never = pl.lit(None, TIMESTAMP).alias("since")
        if rule == "index":
            return self.index.select("subject_id", never)
        if kind in ("imaging", "features"):
            return self._with_images(rule, where)
        if kind == "discordant":
            if self.findings is None:
                raise UserError(
                    f"{where}: the rule {rule!r} needs the checks of concordance. Switch them on, or remove the rule."
                )
            found = self.findings.filter(pl.col("check") == detail) if detail else self.findings
            return found.select("subject_id", never)
        if self.samples is not None and rule in self.samples["assay"].unique():
            usable = self.samples.filter((pl.col("assay") == rule) & (pl.col("status") == "used"))
            return usable.select(
                pl.col("primary").alias("subject_id"), pl.coalesce("sample_time_max", "sample_time").alias("since")
            )
        if rule in concept_names(self.concepts):
            return self._with_concept(rule, where, subjects)
        allowed = ["index", "imaging", "imaging:CT", "features", "discordant", "discordant:sex", *concept_names(self.concepts)]
        allowed += sorted(self.samples["assay"].unique()) if self.samples is not None else []
        raise UserError(f"{where}: unknown rule {rule!r}. Allowed: {', '.join(dict.fromkeys(allowed))}.")

    def _with_images(self, rule: str, where: str) -> pl.DataFrame:
        kind, _, modality = rule.partition(":")
        table = self.images if kind == "imaging" else self.marks
        if table is None:
            raise UserError(f"{where}: the rule {rule!r} needs imaging, and the study has none. Remove the rule.")
        table = table.filter(pl.col("Modality") == modality) if modality else table
        return table.select("subject_id", pl.col("series_time").alias("since"))

    def _with_concept(self, rule: str, where: str, subjects: pl.DataFrame) -> pl.DataFrame:
        day_end = pl.col("upper").dt.truncate("1d") + pl.duration(days=1)
        return (
            self.scan.filter(is_concept(self.concepts, rule, where))
            .join(subjects.lazy().select("subject_id", "upper"), on="subject_id")
            .filter(earliest().is_null() | pl.col("upper").is_null() | (earliest() < day_end))
            .select("subject_id", earliest().alias("since"))
            .collect()
        )


@dataclass(frozen=True)
class _Step:
    """A rule in words, why it leaves somebody out, and who passes it."""

    rule: str
    reason: str
    passes: pl.Series


def _included_by(rules: CohortRules) -> tuple[str, ...]:
    return tuple(rules.include) if "index" in rules.include else (*rules.include, "index")


def _last_asked(known: _Known, rules: CohortRules, subjects: pl.DataFrame) -> pl.DataFrame:
    """Return `subject_id, since`: when the last of what the rules ask for was there first."""
    asked = [
        known.since(rule, "cohort.include", subjects).group_by("subject_id").agg(pl.col("since").cast(TIMESTAMP).min())
        for rule in _included_by(rules)
    ]
    return pl.concat(asked).group_by("subject_id").agg(pl.col("since").max())


def _steps(known: _Known, rules: CohortRules, subjects: pl.DataFrame) -> list[_Step]:
    """Return the rules in the order in which they are applied, each asked of everybody."""

    def having(rule: str, where: str) -> pl.Series:
        found = known.since(rule, where, subjects)["subject_id"].drop_nulls().unique()
        return subjects["subject_id"].is_in(found.implode())

    steps = [_Step(rule, f"no {_words(rule)}", having(rule, "cohort.include")) for rule in _included_by(rules)]
    steps += [_Step(f"not {rule}", f"{_words(rule)}", ~having(rule, "cohort.exclude")) for rule in rules.exclude]
    if rules.min_age is not None:
        old = subjects.select((pl.col("age") >= rules.min_age).fill_null(False)).to_series()
        steps.append(_Step(f"age >= {rules.min_age:g}", "too young, or age unknown", old))
    if rules.max_age is not None:
        young = subjects.select((pl.col("age") <= rules.max_age).fill_null(False)).to_series()
        steps.append(_Step(f"age <= {rules.max_age:g}", "too old, or age unknown", young))
    return steps


def _passed(steps: list[_Step], everybody: int) -> tuple[pl.Series, pl.Series, list[tuple[int, str, str, int, int, int]]]:
    """Return who is left after all steps, the first reason of who is not, and the rows of the flow."""
    alive = pl.Series([True] * everybody, dtype=pl.Boolean)
    reason = pl.Series([""] * everybody, dtype=pl.String)
    flow = [(0, "known", "", everybody, 0, everybody)]
    for number, step in enumerate(steps, start=1):
        lost = alive & ~step.passes
        before = int(alive.sum())
        alive = alive & step.passes
        reason = pl.select(pl.when(lost).then(pl.lit(step.reason)).otherwise(reason)).to_series()
        flow.append((number, step.rule, step.reason, before, int(lost.sum()), int(alive.sum())))
    return alive, reason, flow


def _ages(scan: pl.LazyFrame, subjects: pl.DataFrame) -> pl.DataFrame:
    """Return the age at the index in years, from the middle of what is known of the birth date."""
    births = (
        scan.filter(pl.col("code").cast(pl.String) == "MEDS_BIRTH")
        .select("subject_id", pl.coalesce("time_min", "time").alias("_from"), pl.coalesce("time_max", "time").alias("_to"))
        .drop_nulls()
        .collect()
        .sort("subject_id", "_from", "_to")
        .unique("subject_id", keep="first", maintain_order=True)
    )
    middle = pl.col("_from") + (pl.col("_to") - pl.col("_from")) / 2
    years = (pl.col("index_time") - middle).dt.total_microseconds() / (365.25 * 86_400_000_000)
    return births.join(subjects, on="subject_id").select("subject_id", years.floor().alias("age"))


def _collect(table: pl.DataFrame | Path | str | None) -> pl.DataFrame | None:
    return None if table is None else scan_table(table).collect()


def _words(rule: str) -> str:
    kind, _, detail = rule.partition(":")
    return f"{detail} {kind}" if detail else rule.replace("_", " ")
