"""Stage `link`: index event, temporal join, cohort and endpoints, from the tables of staging."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unibase.clinical.derived.adrs import response_events
from unibase.clinical.derived.at_index import state_at_index
from unibase.clinical.derived.endpoints import derive, derive_responses, with_entry
from unibase.clinical.timelines.meds import read_blocks
from unibase.flows.runs.run import Run
from unibase.flows.stages.clinical import quality_table, read_concepts, read_endpoints
from unibase.flows.stages.features import stability
from unibase.flows.stages.identity import findings_of_samples, genotyped_samples
from unibase.flows.stages.link_harmonise import Material, harmonise
from unibase.groundwork.tables import FEATURES, SAMPLE_MAP, SERIES, write_parquet
from unibase.linking.asof.join import join
from unibase.linking.cohort import build_cohort
from unibase.linking.concordance import check_concordance
from unibase.linking.entry import entries
from unibase.linking.index import index_events
from unibase.linking.missing import why_missing
from unibase.linking.repeated import repeated_measures
from unibase.linking.sample_values import with_sample_values
from unibase.linking.splits import make_splits, with_split
from unibase.linking.subjects import describe_subjects
from unibase.omics.assays.registry import chosen_values
from unibase.omics.stores.store import open_zarr


@dataclass(frozen=True)
class Linked:
    """Where the tables of this stage stand."""

    folder: Path

    def table(self, name: str) -> pl.DataFrame:
        """Read one of cohort, flow, index, analysis, trace, adtte, adrs, subjects, robustness."""
        return pl.read_parquet(self.folder / f"{name}.parquet")


def link(run: Run) -> Linked:
    """Join everything at the index and write cohort, flow, index, analysis, trace, adtte, adrs and subjects.

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
    definitions = read_endpoints(run)
    endpoints: dict[str, list[pl.DataFrame]] = {code: [] for code in study.endpoints}
    responses, subject_parts, bds, missing = [], [], [], []
    for block in read_blocks(timeline):
        mine = block.of(index)
        responses.append(derive_responses(block.events, mine, study.responses, concepts, definitions))
        outcomes = pl.concat([block.events, response_events(responses[-1])])
        for code, parts in endpoints.items():
            parts.append(derive(outcomes, mine, code, concepts, definitions))
        described = describe_subjects(block.events, block.of(included), series, samples, concepts)
        state = state_at_index(block.events, mine, concepts)
        subject_parts.append(described.join(state, on="subject_id", how="left", maintain_order="left"))
        bds.append(repeated_measures(block.events, mine, study.windows, concepts, block.of(joined.trace)))
        of_samples = block.of(samples, "primary")
        missing.append(why_missing(block.events, block.of(series), of_samples, mine, study.windows, concepts))
    adtte = pl.concat(part for parts in endpoints.values() for part in parts)
    entry = entries(study.cohort.include, series, samples)
    adtte = with_entry(adtte, entry) if entry.height else adtte
    subjects = pl.concat(subject_parts)
    analysis, trace = add_assay_values(run, joined.analysis, joined.trace)
    splits = make_splits(subjects, index, study.splits, run.key, _shifts(run) if study.splits.by_time else {})
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
        "adrs": pl.concat(responses).sort("subject_id", "PARAMCD", "ADT", nulls_last=True, maintain_order=True),
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
    told, pairs = _sample_sex(run), findings_of_samples(run)
    everything = pl.concat([samples, genotyped_samples(run)])
    found = []
    for block in read_blocks(run.study.work.timeline):
        mine = block.of(everything, "primary") if everything.height else None
        found.append(
            check_concordance(
                block.events, block.of(series), mine, features=block.of(features), sample_sex=told, further=block.of(pairs)
            )
        )
    findings = pl.concat(found)
    if findings.height:
        checks = [f"{check} {count}" for check, count in findings.group_by("check").len().sort("check").iter_rows()]
        run.say(f"link: findings of concordance on {findings['subject_id'].n_unique()} subjects ({', '.join(checks)})")
    return findings


def _shifts(run: Run) -> dict[int, int]:
    """Return the date shift of every subject: read from the vault only where a split by true time needs it."""
    return {subject.subject_id: subject.shift_days for subject in run.lookup.by_identifier.values()}


def _sample_sex(run: Run) -> dict[str, str]:
    """Return the sex that each sample's expression, methylation or genotype says clearly."""
    found: dict[str, str] = {}
    staging = run.study.work.staging
    for path in sorted([*staging.glob("omics/*/*/*/sex.parquet"), *staging.glob("identity/genotypes/*/sex.parquet")]):
        found |= dict(pl.read_parquet(path).filter(pl.col("sex").is_in(["M", "F"])).select("sample", "sex").iter_rows())
    return found


def add_assay_values(run: Run, analysis: pl.DataFrame, trace: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Add the values of each subject's chosen sample (`omics.assays.registry.chosen_values`).

    The column is `<assay>_<symbol>`. Its trace row is that of the sample it was taken from.
    """
    options = run.study.assays
    for assay in run.study.windows.assays:
        store = run.study.work.staging / "omics" / assay / "all.zarr"
        column = f"{assay}_sample"
        if not store.exists() or column not in analysis.columns:
            continue
        chosen = analysis.select(column).drop_nulls().to_series().to_list()
        values = chosen_values(assay, open_zarr(store), chosen, options.genes, options.mutations.min_samples)
        analysis, trace = with_sample_values(analysis, trace, assay, values)
    return analysis, trace.sort(["subject_id", "kind", "variable"], maintain_order=True)
