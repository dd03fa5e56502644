"""Stage `link`: index event, temporal join, cohort and endpoints, from the tables of staging."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from clinical.at_index import charlson, staging
from clinical.concepts import Concepts
from clinical.endpoints import derive, with_entry
from clinical.meds import read_blocks
from flows.stages.clinical import quality_table, read_concepts
from flows.stages.features import stability
from flows.stages.harmonising import Material, harmonise
from flows.stages.run import Run
from groundwork.tables import FEATURES, SAMPLE_MAP, SERIES, write_parquet
from linking.cohort import build_cohort
from linking.concordance import check_concordance
from linking.index import index_events
from linking.join import join
from linking.missing import why_missing
from linking.repeated import repeated_measures
from linking.splits import folds_by_subject, leave_one_centre_out, split_by_subject, split_by_time
from omics.assays import chosen_values
from omics.store import read_zarr


@dataclass(frozen=True)
class Linked:
    """Where the tables of this stage stand."""

    folder: Path

    def table(self, name: str) -> pl.DataFrame:
        """Read one of cohort, flow, index, analysis, trace, adtte, subjects, robustness."""
        return pl.read_parquet(self.folder / f"{name}.parquet")


def link(run: Run) -> Linked:
    """Join everything at the index and write cohort, flow, index, analysis, trace, adtte and subjects.

    What looks at events goes through them by blocks of subjects, or asks for those of a concept alone: they are never all
    in memory.
    """
    study, here = run.study, run.study.work.staging
    concepts = read_concepts(run)
    timeline = study.work.timeline
    events = timeline / "data"
    series = SERIES.read(here / "imaging" / "series.parquet")
    features = FEATURES.read(here / "imaging" / "features.parquet")
    samples = SAMPLE_MAP.read(here / "omics" / "sample_map.parquet")
    known_samples = samples if samples.height else None

    findings = _findings(run, series, features, samples)
    index = index_events(events, concepts, study.index)
    cohort = build_cohort(
        events, series, known_samples, study.cohort, index=index, concepts=concepts, features=features, findings=findings
    )
    included = cohort.subjects.filter("included")
    members = included.select("subject_id")
    index = index.join(members, on="subject_id", how="semi")
    joined = join(events, features, known_samples, index, study.windows, concepts)
    endpoints: dict[str, list[pl.DataFrame]] = {code: [] for code in study.endpoints}
    subject_parts, bds, missing = [], [], []
    for block in read_blocks(timeline):
        mine = block.of(index)
        for code, parts in endpoints.items():
            parts.append(derive(block.events, mine, code, concepts))
        described = describe_subjects(block.events, block.of(included), series, samples, concepts)
        subject_parts.append(with_state_at_index(described, block.events, mine, concepts))
        bds.append(repeated_measures(block.events, mine, study.windows, concepts, block.of(joined.trace)))
        of_samples = block.of(samples, "primary")
        missing.append(why_missing(block.events, block.of(series), of_samples, mine, study.windows, concepts))
    adtte = pl.concat(part for parts in endpoints.values() for part in parts)
    entry = entries(study.cohort.include, series, samples)
    adtte = with_entry(adtte, entry) if entry.height else adtte
    subjects = pl.concat(subject_parts)
    analysis, trace = add_assay_values(run, joined.analysis, joined.trace)
    splits = make_splits(run, subjects, index)
    subjects = with_split(subjects, splits)
    analysis, trace = harmonise(run, analysis, trace, Material(subjects, series, features, samples, adtte, splits))

    folder = run.study.work.linked
    tables = {
        "robustness": stability(run, members),
        "cohort": cohort.subjects,
        "flow": cohort.flow,
        "index": index,
        "analysis": analysis,
        "trace": trace,
        "adtte": adtte,
        "subjects": subjects,
        "bds": pl.concat(bds),
        "missing": pl.concat(missing),
        "splits": splits,
        "concordance": findings,
        "quality": quality_table(run),
    }
    for name, frame in tables.items():
        write_parquet(frame, folder / f"{name}.parquet")
    run.say(
        f"link: {members.height} of {cohort.subjects.height} subjects in the cohort; {analysis.width - 2} variables at the index"
    )
    return Linked(folder)


def _findings(run: Run, series: pl.DataFrame, features: pl.DataFrame, samples: pl.DataFrame) -> pl.DataFrame:
    """Return the findings of concordance of all subjects."""
    expressed = _sample_sex(run)
    found = []
    for block in read_blocks(run.study.work.timeline):
        of_samples = block.of(samples, "primary") if samples.height else None
        found.append(
            check_concordance(block.events, block.of(series), of_samples, features=block.of(features), sample_sex=expressed)
        )
    return pl.concat(found)


def entries(include: Sequence[str], series: pl.DataFrame, samples: pl.DataFrame) -> pl.DataFrame:
    """Return `subject_id, time` of the first image and sample of each kind that the cohort asks for.

    A cohort that asks for an image or a sample is left-truncated: nobody in it can have died before having it.
    """
    found = [pl.DataFrame(schema={"subject_id": pl.Int64, "time": pl.Datetime("us")})]
    for rule in include:
        kind, _, modality = rule.partition(":")
        if kind in ("imaging", "features"):
            own = series.filter(pl.col("Modality") == modality) if modality else series
            found.append(own.group_by("subject_id").agg(pl.col("series_time").min().alias("time")))
        elif kind in samples["assay"]:
            own = samples.filter((pl.col("assay") == kind) & (pl.col("status") == "used"))
            first = pl.col("sample_time_max").min().alias("time")
            found.append(own.group_by(pl.col("primary").alias("subject_id")).agg(first))
    return pl.concat(found)


def with_state_at_index(subjects: pl.DataFrame, events: pl.DataFrame, index: pl.DataFrame, concepts: Concepts) -> pl.DataFrame:
    """Add TNM, stage and the Charlson index (without the cancer itself) as last known at the index, and the last day alive."""
    alive = (
        concepts.select(events, "last_contact").group_by("subject_id").agg(pl.col("time_min").max().dt.date().alias("LSTALVDT"))
    )
    score = charlson(events, index, without=("malignancy", "metastatic_tumour")).select("subject_id", "CHARLSON")
    for frame in (staging(events, index, concepts), score, alive):
        subjects = subjects.join(frame, on="subject_id", how="left", maintain_order="left")
    return subjects


def _sample_sex(run: Run) -> dict[str, str]:
    """Return the sex that each sample's expression says clearly."""
    found: dict[str, str] = {}
    for path in sorted((run.study.work.staging / "omics" / "rna").glob("*/*/sex.parquet")):
        found |= dict(pl.read_parquet(path).filter(pl.col("sex").is_in(["M", "F"])).select("sample", "sex").iter_rows())
    return found


SPLITS = pl.Schema({"subject_id": pl.Int64(), "scheme": pl.String(), "held_out": pl.String(), "part": pl.String()})
"""A row per subject and split: `scheme` is parts, folds, centre or time; `held_out` the fold or centre that is tested on."""


def make_splits(run: Run, subjects: pl.DataFrame, index: pl.DataFrame) -> pl.DataFrame:
    """Return the splits that the study file asks for, in the columns of `SPLITS`."""
    rules = run.study.splits
    found = [pl.DataFrame(schema=SPLITS)]

    def add(scheme: str, held_out: str | pl.Expr, table: pl.DataFrame) -> None:
        held = pl.lit(held_out) if isinstance(held_out, str) else held_out
        found.append(
            table.select("subject_id", pl.lit(scheme).alias("scheme"), held.alias("held_out"), pl.col("split").alias("part"))
        )

    if rules.parts:
        add("parts", "", split_by_subject(subjects, run.key, rules.parts))
    if rules.folds:
        folds = folds_by_subject(subjects, run.key, rules.folds)
        for fold in range(rules.folds):
            part = pl.when(pl.col("fold") == fold).then(pl.lit("test")).otherwise(pl.lit("train"))
            add("folds", str(fold), folds.with_columns(part.alias("split")))
    if rules.by_centre:
        places = subjects.select("subject_id", pl.col("centres").str.split(";").alias("centre")).explode("centre")
        add("centre", pl.col("held_out"), leave_one_centre_out(places))
    if rules.by_time:
        shifts = {subject.subject_id: subject.shift_days for subject in run.lookup.by_identifier.values()}
        cut = datetime(rules.by_time.year, rules.by_time.month, rules.by_time.day)
        add("time", "", split_by_time(index, shifts, cut))
    return pl.concat(found).sort(pl.all())


def with_split(subjects: pl.DataFrame, splits: pl.DataFrame) -> pl.DataFrame:
    """Return the subjects with their part (`split`) and the fold they are tested in (`fold`), where the study has such."""
    parts = splits.filter(pl.col("scheme") == "parts").select("subject_id", pl.col("part").alias("split"))
    folds = splits.filter((pl.col("scheme") == "folds") & (pl.col("part") == "test")).select(
        "subject_id", pl.col("held_out").cast(pl.Int64).alias("fold")
    )
    for table in (parts, folds):
        if table.height:
            subjects = subjects.join(table, on="subject_id", how="left", maintain_order="left")
    return subjects


def add_assay_values(run: Run, analysis: pl.DataFrame, trace: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Add the values of each subject's chosen sample (`omics.assays.chosen_values`).

    The column is `<assay>_<symbol>`. Its trace row is that of the sample it was taken from.
    """
    options = run.study.assays
    for assay in run.study.windows.assays:
        store = run.study.work.staging / "omics" / assay / "all.zarr"
        column = f"{assay}_sample"
        if not store.exists() or column not in analysis.columns:
            continue
        chosen = analysis.select(column).drop_nulls().to_series().to_list()
        values = chosen_values(assay, read_zarr(store), chosen, options.genes, options.mutations.min_samples)
        frame = values.rename({"colname": column})
        analysis = analysis.join(frame, on=column, how="left", maintain_order="left")
        mine = trace.filter(pl.col("variable") == column).with_columns(pl.lit(f"{assay}_*").alias("variable"))
        trace = pl.concat([trace.filter(pl.col("variable") != column), mine])
    keys = ["subject_id", "kind", "variable"]
    return analysis, trace.sort(keys, maintain_order=True)


def describe_subjects(
    events: pl.DataFrame, cohort: pl.DataFrame, series: pl.DataFrame, samples: pl.DataFrame, concepts: Concepts
) -> pl.DataFrame:
    """Return one ADSL-like row per subject of the cohort: centres, sex, age, index date, and which modalities there are."""
    mine = events.join(cohort.select("subject_id"), on="subject_id", how="semi")
    sex = (
        concepts.select(mine, "sex")
        .sort("source", "source_row")
        .with_columns(pl.coalesce("text_value", pl.col("code").str.split("//").list.last()).str.to_uppercase().alias("word"))
        .with_columns(pl.col("word").str.slice(0, 1).replace({"H": "M"}).alias("SEX"))
        .unique("subject_id", keep="first", maintain_order=True)
        .select("subject_id", "SEX")
    )
    places = pl.concat(
        [
            mine.select("subject_id", pl.col("source").str.split("/").list.first().alias("centre")),
            series.select("subject_id", "centre"),
            samples.select(pl.col("primary").alias("subject_id"), "centre"),
        ]
    )
    centres = (
        places.drop_nulls()
        .filter(pl.col("centre") != "")
        .unique()
        .sort("centre")
        .group_by("subject_id", maintain_order=True)
        .agg(pl.col("centre").first(), pl.col("centre").str.join(";").alias("centres"))
    )

    def has(frame: pl.DataFrame, column: str, name: str) -> pl.Expr:
        return pl.col("subject_id").is_in(frame[column].unique().implode()).alias(name)

    used = samples.filter(pl.col("status") == "used")
    assays = sorted(samples["assay"].unique())
    return (
        cohort.select("subject_id", pl.col("index_time").dt.date().alias("INDEXDT"), pl.col("age").alias("AGE"))
        .join(sex, on="subject_id", how="left")
        .join(centres, on="subject_id", how="left")
        .with_columns(
            has(series, "subject_id", "has_imaging"),
            *(has(used.filter(pl.col("assay") == assay), "primary", f"has_{assay}") for assay in assays),
        )
        .select("subject_id", "centre", "centres", "SEX", "AGE", "INDEXDT", pl.selectors.starts_with("has_"))
        .sort("subject_id")
    )
