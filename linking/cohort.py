"""Who is in the cohort, rule by rule, with the losses of each: the numbers of a flow diagram."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import polars as pl

from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import TIMESTAMP
from unibase.linking.conditions import ConceptCodes, concept_names, is_concept
from unibase.linking.index import scan_table
from unibase.linking.options import CohortRules
from unibase.linking.windows import earliest

_FLOW_SCHEMA = pl.Schema(
    {
        "step": pl.Int64(),
        "rule": pl.String(),
        "reason": pl.String(),
        "before": pl.Int64(),
        "removed": pl.Int64(),
        "after": pl.Int64(),
    }
)


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
    scan = scan_table(events)
    ids = [scan.select("subject_id").unique().collect()]
    images = _collect(series)
    samples = _collect(sample_map)
    marks = _collect(features)
    ids += [images.select("subject_id")] if images is not None else []
    ids += [samples.select(pl.col("primary").alias("subject_id"))] if samples is not None else []
    subjects = pl.concat(ids).drop_nulls().unique().sort("subject_id")
    subjects = subjects.join(
        index.select("subject_id", "index_time", "upper"), on="subject_id", how="left", maintain_order="left"
    )
    subjects = subjects.join(_ages(scan, subjects), on="subject_id", how="left", maintain_order="left")

    def since(rule: str, where: str) -> pl.DataFrame:
        """Return `subject_id, since` of the subjects that fulfil a rule."""
        kind, _, detail = rule.partition(":")
        never = pl.lit(None, TIMESTAMP).alias("since")
        if rule == "index":
            return index.select("subject_id", never)
        if kind in ("imaging", "features"):
            table = images if kind == "imaging" else marks
            if table is None:
                raise UserError(f"{where}: the rule {rule!r} needs imaging, and the study has none. Remove the rule.")
            table = table.filter(pl.col("Modality") == detail) if detail else table
            return table.select("subject_id", pl.col("series_time").alias("since"))
        if kind == "discordant":
            if findings is None:
                raise UserError(
                    f"{where}: the rule {rule!r} needs the checks of concordance. Switch them on, or remove the rule."
                )
            return (findings.filter(pl.col("check") == detail) if detail else findings).select("subject_id", never)
        if samples is not None and rule in samples["assay"].unique():
            usable = samples.filter((pl.col("assay") == rule) & (pl.col("status") == "used"))
            return usable.select(
                pl.col("primary").alias("subject_id"), pl.coalesce("sample_time_max", "sample_time").alias("since")
            )
        if rule in concept_names(concepts):
            day_end = pl.col("upper").dt.truncate("1d") + pl.duration(days=1)
            return (
                scan.filter(is_concept(concepts, rule, where))
                .join(subjects.lazy().select("subject_id", "upper"), on="subject_id")
                .filter(earliest().is_null() | pl.col("upper").is_null() | (earliest() < day_end))
                .select("subject_id", earliest().alias("since"))
                .collect()
            )
        allowed = ["index", "imaging", "imaging:CT", "features", "discordant", "discordant:sex", *concept_names(concepts)]
        allowed += sorted(samples["assay"].unique()) if samples is not None else []
        raise UserError(f"{where}: unknown rule {rule!r}. Allowed: {', '.join(dict.fromkeys(allowed))}.")

    def having(rule: str, where: str) -> pl.Series:
        found = since(rule, where)["subject_id"].drop_nulls().unique()
        return subjects["subject_id"].is_in(found.implode())

    include = rules.include if "index" in rules.include else (*rules.include, "index")
    steps = [(rule, f"no {_words(rule)}", having(rule, "cohort.include")) for rule in include]
    steps += [(f"not {rule}", f"{_words(rule)}", ~having(rule, "cohort.exclude")) for rule in rules.exclude]
    if rules.min_age is not None:
        old = subjects.select((pl.col("age") >= rules.min_age).fill_null(False)).to_series()
        steps.append((f"age >= {rules.min_age:g}", "too young, or age unknown", old))
    if rules.max_age is not None:
        young = subjects.select((pl.col("age") <= rules.max_age).fill_null(False)).to_series()
        steps.append((f"age <= {rules.max_age:g}", "too old, or age unknown", young))

    alive = pl.Series([True] * subjects.height, dtype=pl.Boolean)
    reason = pl.Series([""] * subjects.height, dtype=pl.String)
    flow = [(0, "known", "", subjects.height, 0, subjects.height)]
    for number, (rule, text, passes) in enumerate(steps, start=1):
        lost = alive & ~passes
        before = int(alive.sum())
        alive = alive & passes
        reason = pl.select(pl.when(lost).then(pl.lit(text)).otherwise(reason)).to_series()
        flow.append((number, rule, text, before, int(lost.sum()), int(alive.sum())))
    asked = [since(rule, "cohort.include").group_by("subject_id").agg(pl.col("since").cast(TIMESTAMP).min()) for rule in include]
    last = pl.concat(asked).group_by("subject_id").agg(pl.col("since").max())
    entry = pl.when(pl.col("index_time").is_not_null()).then(pl.max_horizontal("index_time", "since")).alias("entry_time")
    table = subjects.join(last, on="subject_id", how="left", maintain_order="left").select(
        "subject_id", alive.alias("included"), reason.alias("reason"), "index_time", "age", entry
    )
    return Cohort(table, pl.DataFrame(flow, schema=_FLOW_SCHEMA, orient="row"))


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
