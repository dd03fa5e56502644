"""Stage `link`: index event, temporal join, cohort and endpoints, from the tables of staging."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import polars as pl

from unibase.clinical.derived.adrs import response_events
from unibase.clinical.derived.at_index import state_at_index
from unibase.clinical.derived.endpoints import derive, derive_responses, with_entry
from unibase.clinical.timelines.meds import read_blocks
from unibase.flows.runs.run import Run
from unibase.flows.runs.stage import Stage
from unibase.flows.stages.features import stability
from unibase.flows.stages.identity import findings_of_samples, genotyped_samples
from unibase.flows.stages.link_harmonise import Material, harmonise
from unibase.flows.stages.link_quality import coverage_table, quality_table
from unibase.flows.study.definitions import read_concepts, read_endpoints
from unibase.flows.study.places import (
    ASSAYS,
    HARMONISATION,
    HARMONISED,
    IDENTITY,
    LEDGER,
    LINKED,
    LOOKS,
    MATRICES,
    PERTURBED,
    RECORDS,
    SAMPLES,
    TIMELINE,
)
from unibase.flows.study.places import FEATURES as FEATURES_TABLE
from unibase.flows.study.places import SERIES as SERIES_TABLE
from unibase.groundwork.tables import FEATURES, SAMPLE_MAP, SERIES, write_parquet
from unibase.linking.asof.join import join
from unibase.linking.concordance import ORDER, check_concordance
from unibase.linking.entry import entries
from unibase.linking.inclusion import build_cohort
from unibase.linking.index_event import index_events
from unibase.linking.missing import why_missing
from unibase.linking.repeated import repeated_measures
from unibase.linking.sample_values import with_sample_values
from unibase.linking.series_checks import shared_series, suspect_masks
from unibase.linking.splits import Dealing, empty_parts, make_splits, places_of, with_split
from unibase.linking.subject_table import describe_subjects
from unibase.omics.assays.centroids import Centroids, read_centroids
from unibase.omics.assays.chosen import chosen_values, set_values
from unibase.omics.assays.set_scores import ScoredSets, scored_sets
from unibase.omics.options import AssayName
from unibase.omics.stores.store import open_zarr
from unibase.privacy.ledger.decided import families
from unibase.privacy.ledger.persons import first_seen

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class Linked:
    """Where the tables of this stage stand."""

    folder: Path

    def table(self, name: str) -> pl.DataFrame:
        """Read the table `name`: one of cohort, flow, index, analysis, trace, adtte, adrs, subjects, robustness."""
        return pl.read_parquet(self.folder / f"{name}.parquet")


@dataclass(frozen=True)
class _Staged:
    """What staging holds for the join.

    Attributes:
        events: Folder of the timeline's shards.
        series, features, samples: SERIES, FEATURES and SAMPLE_MAP.
    """

    events: Path
    series: pl.DataFrame
    features: pl.DataFrame
    samples: pl.DataFrame

    @classmethod
    def of(cls, run: Run) -> _Staged:
        return cls(
            run.place(TIMELINE) / "data",
            SERIES.read(run.place(SERIES_TABLE)),
            FEATURES.read(run.place(FEATURES_TABLE)),
            SAMPLE_MAP.read(run.place(SAMPLES)),
        )

    @property
    def known_samples(self) -> pl.DataFrame | None:
        """The samples, or None where the study has none."""
        return self.samples if self.samples.height else None


def link(run: Run) -> Linked:
    """Join all that `run` staged at the index; write cohort, flow, index, analysis, trace, adtte, adrs and subjects.

    What looks at events goes through them by blocks of subjects, or asks for those of a concept alone: they are never all
    in memory.
    """
    study, staged, concepts = run.study, _Staged.of(run), read_concepts(run.study)
    findings = _findings(run, staged)
    index = index_events(staged.events, concepts, study.index)
    cohort = build_cohort(
        staged.events,
        staged.series,
        staged.known_samples,
        study.cohort,
        index=index,
        concepts=concepts,
        features=staged.features,
        findings=findings,
    )
    included = cohort.subjects.filter("included")
    index = index.join(included.select("subject_id"), on="subject_id", how="semi")
    samples = staged.known_samples
    joined = join(staged.events, staged.features, samples, index, study.windows, concepts)
    by_block = _by_block(run, staged, included, index, joined.trace)
    splits = _splits(run, index, by_block)
    subjects = with_split(by_block["subjects"], splits)
    material = Material(subjects, staged.series, staged.features, staged.samples, by_block["adtte"], splits)
    analysis, trace = harmonise(run, *_add_assay_values(run, joined.analysis, joined.trace), material)
    tables = {
        **by_block,
        "robustness": stability(run, included.select("subject_id")),
        "cohort": cohort.subjects,
        "flow": cohort.flow,
        "index": index,
        "analysis": analysis,
        "trace": trace,
        "subjects": subjects,
        "splits": splits,
        "concordance": findings,
        "quality": quality_table(run),
        "coverage": coverage_table(run),
    }
    sizes = f"{included.height} of {cohort.subjects.height} subjects in the cohort"
    run.say(f"link: {sizes}; {analysis.width - 2} variables at the index")
    return _write(run, tables)


def _write(run: Run, tables: Mapping[str, pl.DataFrame]) -> Linked:
    folder = run.place(LINKED)
    for name, frame in tables.items():
        write_parquet(frame, folder / f"{name}.parquet")
    return Linked(folder)


def _splits(run: Run, index: pl.DataFrame, by_block: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return the splits of the study; the vault's date shifts are read only where a split by true time needs them."""
    dealing = _dealing(run, by_block["subjects"], by_block["adtte"])
    shifts = _shifts(run) if run.study.splits.by_time else {}
    splits = make_splits(by_block["subjects"], index, run.study.splits, run.key, shifts, dealing)
    if empty := empty_parts(splits, run.study.splits, set(places_of(by_block["subjects"])["centre"])):
        run.say(f"link: splits that cannot be trained or tested on: {'; '.join(empty)}")
    return splits


def _by_block(
    run: Run, staged: _Staged, included: pl.DataFrame, index: pl.DataFrame, trace: pl.DataFrame
) -> dict[str, pl.DataFrame]:
    """Return the tables that are made of events, a block of subjects at a time: adtte, adrs, subjects, bds, missing."""
    study, concepts = run.study, read_concepts(run.study)
    parts: dict[str, list[pl.DataFrame]] = {name: [] for name in ("subjects", "bds", "missing")}
    endpoints = _Endpoints(run)
    for block in read_blocks(run.place(TIMELINE)):
        mine = block.of(index)
        endpoints.add(block.events, mine)
        described = describe_subjects(
            block.events, block.of(included), staged.series, staged.samples, concepts, centres=list(study.centres)
        )
        state = state_at_index(block.events, mine, concepts)
        parts["subjects"].append(described.join(state, on="subject_id", how="left", maintain_order="left"))
        parts["bds"].append(repeated_measures(block.events, mine, study.windows, concepts, block.of(trace)))
        of_samples = block.of(staged.samples, "primary")
        parts["missing"].append(why_missing(block.events, block.of(staged.series), of_samples, mine, study.windows, concepts))
    entry = entries(study.cohort.include, staged.series, staged.samples)
    adtte = endpoints.adtte()
    others = {name: pl.concat(frames) for name, frames in parts.items()}
    return {"adtte": with_entry(adtte, entry) if entry.height else adtte, "adrs": endpoints.adrs(), **others}


class _Endpoints:
    """Collects the endpoints and responses of a study, a block of subjects at a time."""

    def __init__(self, run: Run) -> None:
        self._study, self._concepts, self._definitions = run.study, read_concepts(run.study), read_endpoints(run.study)
        self._found: dict[str, list[pl.DataFrame]] = {code: [] for code in run.study.endpoints}
        self._responses: list[pl.DataFrame] = []

    def add(self, events: pl.DataFrame, index: pl.DataFrame) -> None:
        """Derive what the events of some subjects say."""
        responses = derive_responses(events, index, self._study.responses, self._concepts, self._definitions)
        self._responses.append(responses)
        outcomes = pl.concat([events, response_events(responses)])
        for code, found in self._found.items():
            found.append(derive(outcomes, index, code, self._concepts, self._definitions))

    def adtte(self) -> pl.DataFrame:
        """Return the endpoints, one after the other."""
        return pl.concat(part for found in self._found.values() for part in found)

    def adrs(self) -> pl.DataFrame:
        """Return the responses, in order of subject."""
        order = ("subject_id", "PARAMCD", "ADT")
        return pl.concat(self._responses).sort(order, nulls_last=True, maintain_order=True)


def _findings(run: Run, staged: _Staged) -> pl.DataFrame:
    """Return the findings of concordance of all subjects."""
    told, pairs = _sample_sex(run), findings_of_samples(run)
    everything = pl.concat([staged.samples, genotyped_samples(run)])
    found = [shared_series(staged.series)]
    if run.place(LOOKS).exists():
        found.append(suspect_masks(pl.read_parquet(run.place(LOOKS))))
    for block in read_blocks(run.place(TIMELINE)):
        mine = block.of(everything, "primary") if everything.height else None
        found.append(
            check_concordance(
                block.events,
                block.of(staged.series),
                mine,
                features=block.of(staged.features),
                sample_sex=told,
                further=block.of(pairs),
                centres=list(run.study.centres),
            )
        )
    findings = pl.concat(found).sort(ORDER)
    if findings.height:
        checks = [f"{check} {count}" for check, count in findings.group_by("check").len().sort("check").iter_rows()]
        run.say(f"link: findings of concordance on {findings['subject_id'].n_unique()} subjects ({', '.join(checks)})")
    return findings


def _dealing(run: Run, subjects: pl.DataFrame, adtte: pl.DataFrame) -> Dealing:
    """Return what folds are balanced by: events of the first endpoint, centres, when the ledger first knew each, and families."""
    endpoint = next(iter(run.study.endpoints), "")
    had = adtte.filter((pl.col("PARAMCD") == endpoint) & (pl.col("CNSR") == 0))
    arrival: dict[int, int] = {}
    for *identifier, revision in first_seen(run.place(LEDGER)).iter_rows():
        subject = run.lookup.by_identifier.get(tuple(identifier))
        if subject is not None:
            arrival[subject.subject_id] = min(revision, arrival.get(subject.subject_id, revision))
    centre = dict(subjects.select("subject_id", pl.col("centre").fill_null("")).iter_rows())
    related = families(run.place(LEDGER), run.study.ledger_revision)
    known = ((run.lookup.by_identifier.get((one, system, number)), of) for one, system, number, of in related.iter_rows())
    family = {subject.subject_id: of for subject, of in known if subject is not None}
    return Dealing(frozenset(had["subject_id"]), centre, arrival, family)


def _shifts(run: Run) -> dict[int, int]:
    """Return the date shift of every subject: read from the vault only where a split by true time needs it."""
    return {subject.subject_id: subject.shift_days for subject in run.lookup.by_identifier.values()}


def _sample_sex(run: Run) -> dict[str, str]:
    """Return the sex that each sample's expression, methylation or genotype says clearly."""
    found: dict[str, str] = {}
    told = [
        path
        for assay in get_args(AssayName)
        for path in run.place(MATRICES, assay=assay, centre="*").parent.glob("*/*/sex.parquet")
    ]
    for path in sorted([*told, *run.place(IDENTITY).glob("genotypes/*/sex.parquet")]):
        found |= dict(pl.read_parquet(path).filter(pl.col("sex").is_in(["M", "F"])).select("sample", "sex").iter_rows())
    return found


def _scored(run: Run, adata: AnnData) -> list[ScoredSets | Centroids]:
    """Return what is computed of each chosen sample of expression beside its genes."""
    options = run.study.assays.rna.placed(run.study.path)
    return [scored for scored in (scored_sets(options, adata), read_centroids(options, adata)) if scored is not None]


def _add_assay_values(run: Run, analysis: pl.DataFrame, trace: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Add the values of each subject's chosen sample (`omics.assays.chosen`).

    The column is `<assay>_<symbol>`. Its trace row is that of the sample it was taken from.
    """
    options = run.study.assays
    for assay in run.study.windows.assays:
        store = run.place(ASSAYS, assay=assay)
        column = f"{assay}_sample"
        if not store.exists() or column not in analysis.columns:
            continue
        chosen = analysis.select(column).drop_nulls().to_series().to_list()
        adata = open_zarr(store)
        least = (options.rearrangements if assay == "rearrangements" else options.mutations).min_samples
        values = chosen_values(assay, adata, chosen, options.genes, least)
        for scored in _scored(run, adata) if assay == "rna" else ():
            values = values.join(set_values(adata, chosen, scored), on="colname", maintain_order="left")
            for note in scored.notes:
                run.say(f"link: rna: {note}")
        analysis, trace = with_sample_values(analysis, trace, assay, values)
    return analysis, trace.sort(["subject_id", "kind", "variable"], maintain_order=True)


STAGE = Stage(
    "link",
    "Join modalities at the index",
    reads=(
        LEDGER,
        RECORDS,
        SERIES_TABLE,
        FEATURES_TABLE,
        LOOKS,
        PERTURBED,
        MATRICES,
        IDENTITY,
        ASSAYS,
        SAMPLES,
        TIMELINE,
    ),
    leaves=(LINKED, HARMONISATION, HARMONISED),
    run=link,
    derived=True,
)
