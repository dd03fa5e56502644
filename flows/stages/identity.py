"""Stage `identity`: samples that are not their person's: one sample under two names, and what genotypes say.

Findings change no data. They stand in staging as `linking.tables.FINDINGS`, beside which the link stage makes its
own, and a study says which of them exclude.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unibase.flows.runs.run import Run
from unibase.flows.runs.stage import Stage
from unibase.flows.study.places import IDENTITY, LEDGER, MATRICES
from unibase.groundwork.files import atomic_folder, digest_of
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import QUARANTINE, SAMPLE_MAP, write_parquet
from unibase.groundwork.work import Job, Outcome, Output, Unit
from unibase.linking.concordance import ORDER, of_samples
from unibase.linking.tables import FINDINGS
from unibase.omics.options import Genotypes
from unibase.omics.reasons import UNUSABLE_SAMPLE_SHEET
from unibase.omics.samples import sheets
from unibase.omics.samples.sheet_file import read_samples
from unibase.privacy.keys import Key
from unibase.privacy.subjects import SubjectLookup

COMPARED = {"rna": "genes", "methylation": "probes"}
"""Assays whose samples are compared pair by pair, and what a feature of theirs is called."""
GENOTYPES = "genotypes"


def _find_misplaced(run: Run) -> pl.DataFrame:
    """Compare the samples of all centres, read what their genotypes say, and leave the findings in staging."""
    home = run.place(IDENTITY)
    refused = [QUARANTINE.empty()]
    findings = [pl.DataFrame(schema=FINDINGS.schema())]
    for part, rows in (_alike(run, home), _genotyped(run, home)):
        findings += part
        refused += rows
    found = pl.concat(findings).unique().sort(ORDER)
    write_parquet(found, home / "findings.parquet")
    QUARANTINE.write(pl.concat(refused), run.quarantine_file("identity"))
    return found


def findings_of_samples(run: Run) -> pl.DataFrame:
    """Return what this stage found in `run`; nothing where it never ran."""
    path = run.place(IDENTITY) / "findings.parquet"
    return pl.read_parquet(path) if path.exists() else pl.DataFrame(schema=FINDINGS.schema())


def genotyped_samples(run: Run) -> pl.DataFrame:
    """Return SAMPLE_MAP of the samples of `run` with genotypes, of all centres."""
    paths = sorted((run.place(IDENTITY) / GENOTYPES).glob("*/sample_map.parquet"))
    return pl.concat([SAMPLE_MAP.empty(), *(SAMPLE_MAP.read(path) for path in paths)])


# One sample under two names ----------------------------------------------------------------------------------------


def _alike(run: Run, home: Path) -> tuple[list[pl.DataFrame], list[pl.DataFrame]]:
    """Return findings and quarantine rows of the search over each assay of all centres together."""
    home.mkdir(parents=True, exist_ok=True)
    units, persons = [], {}
    for assay in COMPARED:
        # A centre that the study no longer names may still stand in staging.
        folders = [run.place(MATRICES, assay=assay, centre=name) for name in run.study.centres]
        stores = sorted(store for folder in folders for store in folder.glob("*/matrix.zarr"))
        if not stores:
            continue
        maps = [SAMPLE_MAP.read(store.parent / "sample_map.parquet") for store in stores]
        subjects = dict(pl.concat(maps).filter(pl.col("status") == "used").select("colname", "primary").iter_rows())
        persons[assay] = subjects
        digest = digest_of([run.content("identity", stores), sorted(subjects.items())])
        units.append(Unit(assay, digest, (assay, stores, subjects, home / f"duplicates-{assay}.parquet")))
    job = Job("identity-duplicates", _compare_samples, leaves=lambda result: [Output(home / result["file"])])
    outcomes = run.units(job, units, code=("unibase.omics.samples.duplicates",))
    found = []
    for outcome in outcomes:
        if outcome.status == "quarantined":
            run.say(f"identity: {outcome.key}: not compared, {outcome.reason}. {outcome.message} {outcome.remedy}")
            continue
        run.say(f"identity: {outcome.key}: {_in_words(outcome)}")
        found.append(of_samples(pl.read_parquet(home / outcome.result["file"]), persons[outcome.key], outcome.key))
    return found, [run.quarantine_rows("identity", None, outcomes)]


def _in_words(outcome: Outcome) -> str:
    result = outcome.result
    if result["note"]:
        return str(result["note"])
    compared = f"{result['samples']} samples compared over {result['features']} {COMPARED[outcome.key]}"
    return f"{compared}; {result['pairs']} pairs of two persons look like one sample"


type _CompareWork = tuple[str, list[Path], dict[str, int], Path]


@dataclass(frozen=True)
class _Compared:
    """Samples of an assay that were compared, over how many features, and the `pairs` that look like one; `file` names them."""

    file: str
    samples: int
    features: int
    pairs: int
    note: str


def _compare_samples(_: None, work: _CompareWork) -> _Compared:
    """Compare the samples of one assay pair by pair; write the findings."""
    from unibase.omics.samples.duplicates import find_duplicates

    assay, stores, subjects, target = work
    alike = find_duplicates(stores, subjects, target.parent, counts=assay == "rna")
    write_parquet(alike.findings, target)
    return _Compared(target.name, alike.samples, alike.features, alike.findings.height, alike.note)


# Genotypes ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GenotypeTask:
    """somalier's tables of one centre: the unit of work."""

    centre: str
    pairs: tuple[Path, ...]
    sexes: tuple[Path, ...]
    sheet: pl.DataFrame
    destination: Path
    key: Key
    lookup: SubjectLookup


@dataclass(frozen=True)
class _Genotyped:
    """Counts of a centre's samples, of names that the sheet lacks, and of findings."""

    centre: str
    samples: int
    unlisted: int
    findings: int


def _read_genotypes(_: None, task: GenotypeTask) -> _Genotyped:
    """Read somalier's tables of a centre and leave, under pseudonyms, what does not fit and which sex they tell.

    Returns:
        Counts of samples, of names that the sheet lacks, and of findings. The folder has `findings.parquet`
        (`omics.tables.SAMPLE_FINDINGS`), `sample_map.parquet`, `quarantine.parquet` and, with sexes, `sex.parquet`.
    """
    from unibase.omics.samples.genotypes import pair_findings, read_pairs, read_sexes

    pairs = pl.concat([read_pairs(path) for path in task.pairs])
    sexes = pl.concat([read_sexes(path) for path in task.sexes]) if task.sexes else None
    names = set(pairs["sample_a"]) | set(pairs["sample_b"]) | set(sexes["sample"] if sexes is not None else ())
    sheet = task.sheet.filter(pl.col("sample").is_in(sorted(names)))
    mapping = sheets.sample_map(GENOTYPES, sheet, task.centre, task.lookup, task.key)
    used = set(mapping["colname"])
    colnames = {name: sheets.column_name(task.key, GENOTYPES, task.centre, name) for name in sheet["sample"]}
    subjects = dict(mapping.select("colname", "primary").iter_rows())
    persons = {name: subjects[colname] for name, colname in colnames.items() if colname in used}
    findings = pair_findings(pairs, persons).with_columns(pl.col("sample", "other").replace_strict(colnames))
    with atomic_folder(task.destination) as folder:
        write_parquet(findings.sort("sample", "other"), folder / "findings.parquet")
        SAMPLE_MAP.write(mapping, folder / "sample_map.parquet")
        unknown = sheets.unknown_samples(GENOTYPES, sheet, task.centre, task.lookup, task.key)
        QUARANTINE.write(unknown, folder / "quarantine.parquet")
        if sexes is not None:
            told = sexes.filter(pl.col("sample").is_in(list(persons)))
            told = told.with_columns(pl.col("sample").replace_strict(colnames, return_dtype=pl.String))
            write_parquet(told.sort("sample"), folder / "sex.parquet")
    return _Genotyped(task.centre, len(persons), len(names) - sheet.height, findings.height)


def _genotyped(run: Run, home: Path) -> tuple[list[pl.DataFrame], list[pl.DataFrame]]:
    """Return findings and quarantine rows of the genotypes of each centre."""
    units, rows = _genotype_units(run, home)
    job = Job(f"identity-{GENOTYPES}", _read_genotypes, leaves=lambda result: [Output(home / GENOTYPES / result["centre"])])
    outcomes = run.units(job, units, code=("unibase.omics.samples.genotypes", "unibase.omics.samples.sheets"))
    done = {outcome.key for outcome in outcomes if outcome.status == "done"}
    for folder in (home / GENOTYPES).glob("*"):
        if folder.name not in done:
            shutil.rmtree(folder)
    found = []
    for outcome in outcomes:
        said = f"identity: {outcome.key}/{GENOTYPES}"
        if outcome.status == "quarantined":
            run.say(f"{said}: quarantined, {outcome.reason}. {outcome.message} {outcome.remedy}")
            rows.append(run.quarantine_rows("identity", outcome.key, [outcome]))
            continue
        result, folder = outcome.result, home / GENOTYPES / outcome.key
        unlisted = f"; {result['unlisted']} names that the sheet lacks left aside" if result["unlisted"] else ""
        run.say(f"{said}: {result['samples']} samples; {result['findings']} pairs do not fit{unlisted}")
        rows.append(QUARANTINE.read(folder / "quarantine.parquet"))
        subjects = dict(SAMPLE_MAP.read(folder / "sample_map.parquet").select("colname", "primary").iter_rows())
        found.append(of_samples(pl.read_parquet(folder / "findings.parquet"), subjects, GENOTYPES))
    return found, rows


def _genotype_units(run: Run, home: Path) -> tuple[list[Unit], list[pl.DataFrame]]:
    """Return the units of the centres that have genotypes, and the quarantine rows of those whose sheet cannot be used."""
    units, rows = [], []
    for name, centre in run.study.centres.items():
        if centre.genotypes is None:
            continue
        try:
            units.append(_unit(run, name, centre.genotypes, home / GENOTYPES / name))
        except UserError as problem:
            refusal = Outcome(f"{name}/{GENOTYPES}", "", "quarantined", None, UNUSABLE_SAMPLE_SHEET, str(problem))
            rows.append(run.quarantine_rows("identity", name, [refusal]))
            run.say(f"identity: {name}/{GENOTYPES}: quarantined, unusable-sample-sheet. {problem}")
    return units, rows


def _unit(run: Run, name: str, source: Genotypes, destination: Path) -> Unit:
    """Return the unit of a centre's genotypes.

    Raises:
        UserError: If its sample sheet cannot be used.
    """
    sheet = read_samples(run.study.path(source.samples))
    pairs = tuple(run.study.paths(source.pairs))
    sexes = tuple(run.study.paths(source.sexes)) if source.sexes else ()
    patients = set(sheet["patient"])
    lookup = run.lookup.within(name, patients)
    digest = digest_of(
        [
            run.content(f"genotypes-{name}", [*pairs, *sexes]),
            sheet.drop("source_row").rows(),
            sorted([*k, *v] for k, v in lookup.by_identifier.items()),
        ]
    )
    task = GenotypeTask(name, pairs, sexes, sheet, destination, run.key, lookup)
    return Unit(name, digest, task)


STAGE = Stage(
    "identity", "Look for samples that are not their person's", reads=(LEDGER, MATRICES), leaves=(IDENTITY,), run=_find_misplaced
)
