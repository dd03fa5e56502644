"""Stage `omics`: matrices of every centre through the gates, to staging under pseudonyms."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import get_args

import polars as pl

from unibase.flows.runs import unreadable_sources
from unibase.flows.runs.run import Run
from unibase.flows.runs.stage import Stage
from unibase.flows.study.places import LEDGER, MATRICES
from unibase.flows.study.study_file import Study
from unibase.groundwork.files import atomic_folder, digest_of
from unibase.groundwork.reasons import REPEATED_SAMPLE
from unibase.groundwork.tables import MAF, QUARANTINE, SAMPLE_MAP, write_parquet
from unibase.groundwork.work import Job, Outcome, Output, Unit
from unibase.omics.assays.registry import AssayFiles, read, sample_names
from unibase.omics.options import LISTED, AssayName, AssaySource
from unibase.omics.reasons import UNREAD_MATRIX, UNUSABLE_PROFILED_LIST, UNUSABLE_SAMPLE_SHEET
from unibase.omics.samples import sheets
from unibase.omics.samples.sheet_file import read_samples
from unibase.omics.stores import blocks
from unibase.privacy.keys import Key
from unibase.privacy.subjects import SubjectLookup

type _Refused = dict[str, tuple[str, str, str]]

REPEATED = (
    REPEATED_SAMPLE,
    "The sample is in more than one matrix of the centre; nobody can tell which is right.",
    "Keep it in one of them.",
)
UNREAD = (
    UNREAD_MATRIX,
    "The sample was profiled and is in no matrix that could be read; a matrix of the centre could not.",
    "Mend the matrix that is in quarantine: until then nobody knows what the sample has.",
)
RECOGNISED = ("unit: ", "genome ", "segments of ", "names of genes: ")
"""How notes begin that say what a matrix is; a release keeps them, without the figures that show it."""
DONE = (
    "values rounded to whole counts", "rows of genes listed more than once", "names are no human gene", "outdated gene symbols replaced",
    "repeated variants merged", "rows left out: ", "no list of profiled samples", "records left out: ", "variants left out: ", "rearrangements left out: ",
    "structural or symbolic alleles left out", "folded into means", "off the panel of their sample left out", "joined with their mates",
    "left out of the MAF that is released",
)  # fmt: skip
"""What notes hold that say what was done to the values; a release keeps them whole. They count genes and variants, never persons."""
VARIANTS = "variants.parquet"
"""Variants of a matrix as a release may hold them, where the study asks for a MAF."""
NO_MATRIX = "no-matrix"
"""Unit of what the sheet or the list of profiled samples names and no matrix holds."""


@dataclass(frozen=True)
class AssayTask:
    """One matrix of one assay of one centre: the unit of work."""

    assay: AssayName
    centre: str
    said: str
    """What a run calls it: a file's own name may be a patient's."""
    files: AssayFiles
    sheet: pl.DataFrame
    """Rows of the sample sheet that belong to it."""
    refused: _Refused
    destination: Path
    key: Key
    lookup: SubjectLookup


@dataclass(frozen=True)
class _Names:
    """Names of the samples that a matrix holds."""

    samples: list[str]


def _read_names(_: None, source: tuple[AssayName, AssayFiles]) -> _Names:
    """Return the names of the samples that a matrix holds; they stay in the vault's ledger."""
    return _Names(sample_names(*source))


@dataclass(frozen=True)
class _Staged:
    """Name of the folder of a staged matrix, and counts of its samples."""

    assay: AssayName
    folder: str
    samples: int
    quarantined: int
    notes: list[str]


def _stage_matrix(_: None, task: AssayTask) -> _Staged:
    """Read one matrix, gate it, and leave it in staging under pseudonyms.

    Returns:
        Name of the `folder` with `matrix.zarr` (when a sample is left; `sex.parquet` where the assay tells it),
        `sample_map.parquet`, `quarantine.parquet` and `recognised.json` (what the matrix is), and counts.
    """
    from unibase.omics.samples.sex import told_sex

    task.destination.parent.mkdir(parents=True, exist_ok=True)
    files = replace(task.files, scratch=task.destination.parent)
    gated = read(task.assay, files, dict(task.sheet.select("sample", "patient").iter_rows()))
    staged = sheets.stage(
        gated.adata,
        task.sheet,
        assay=task.assay,
        centre=task.centre,
        lookup=task.lookup,
        key=task.key,
        refused={**gated.refused, **task.refused},
        keep_obs=gated.keep,
    )
    sexes, why_not = told_sex(task.assay, staged.adata) if staged.adata.n_obs else (None, "")
    with atomic_folder(task.destination) as folder:
        if staged.adata.n_obs:
            blocks.write_gated(staged.adata, folder / "matrix.zarr")
        if gated.variants is not None:
            MAF.write(sheets.named_variants(gated.variants, staged.sample_map, task.centre, task.key), folder / VARIANTS)
        if sexes is not None:
            write_parquet(sexes, folder / "sex.parquet")
        said = _for_methods(gated.notes)
        (folder / "recognised.json").write_text(json.dumps(said), encoding="utf-8")
        SAMPLE_MAP.write(staged.sample_map, folder / "sample_map.parquet")
        QUARANTINE.write(staged.quarantine, folder / "quarantine.parquet")
    used = int((staged.sample_map["status"] == "used").sum())
    notes = [note for note in (*gated.notes, why_not) if note]
    return _Staged(task.assay, task.destination.name, used, staged.quarantine.height, notes)


def _for_methods(notes: Sequence[str]) -> list[str]:
    """Return what a release says of a matrix: what it is, and what was done to its values."""
    of_what = [note.partition(" (")[0] for note in notes if note.startswith(RECOGNISED)]
    return of_what + [note for note in notes if any(part in note for part in DONE)]


def _stage_omics(run: Run, name: str) -> list[Outcome]:
    """Stage every matrix of every assay of one centre; what did not change is not read again.

    Args:
        run: The run.
        name: Name of the centre.

    Raises:
        UserError: If a sample sheet cannot be read, or no matrix of an assay can be used (see `sources`).
    """
    rows: list[pl.DataFrame] = []
    unnamed: dict[AssayName, list[Outcome]] = {}
    units: list[Unit] = []
    for assay, source in sorted(run.study.centres[name].omics.items()):
        lists = _lists(run, name, assay, source)
        if isinstance(lists, pl.DataFrame):
            rows.append(lists)
            continue
        files = assay_files(run.study, source)
        paths = run.study.paths(source.matrix)
        named = _named(run, name, assay, files, paths)
        rows.append(run.quarantine_rows("omics", name, named))
        unnamed[assay] = [outcome for outcome in named if outcome.status == "quarantined"]
        held = {o.key: set(o.result["samples"]) for o in named if o.status == "done"}
        matrices = {path: held[path.name] for path in paths if path.name in held}
        units += _matrix_units(run, _Assay(assay, name, files, *lists, matrices, bool(unnamed[assay])))
    outcomes = _staged_matrices(run, name, units)
    tasks = {unit.key: unit.arguments for unit in units}
    done = [tasks[outcome.key].destination for outcome in outcomes if outcome.status == "done"]
    _remove_others(run, name, set(done))
    rows.append(run.quarantine_rows("omics", name, outcomes))
    rows += [QUARANTINE.read(folder / "quarantine.parquet") for folder in done]
    QUARANTINE.write(pl.concat([QUARANTINE.empty(), *rows]), run.quarantine_file("omics", name))
    _say(run, outcomes, {key: task.said for key, task in tasks.items()})
    for assay, refused in unnamed.items():
        read = [o for o in outcomes if tasks[o.key].assay == assay and tasks[o.key].files.matrix is not None]
        _check_matrices(run, f"{name}.omics.{assay}", [*refused, *read])
    return outcomes


def _lists(run: Run, name: str, assay: AssayName, source: AssaySource) -> tuple[pl.DataFrame, set[str] | None] | pl.DataFrame:
    """Return the sample sheet and the profiled samples of an assay, or the quarantine row of what cannot be read."""
    place, path = f"{name}.omics.{assay}", run.study.path(source.samples)
    sheet = unreadable_sources.readable(run, place, read_samples, path)
    if isinstance(sheet, unreadable_sources.Unread):
        return _refused(run, name, assay, UNUSABLE_SAMPLE_SHEET, sheet)
    profiled = _profiled(run, name, assay, source)
    if isinstance(profiled, unreadable_sources.Unread):
        return _refused(run, name, assay, UNUSABLE_PROFILED_LIST, profiled)
    return sheet, profiled


def _named(run: Run, name: str, assay: AssayName, files: AssayFiles, paths: list[Path]) -> list[Outcome]:
    """Return which samples each matrix holds."""
    each = [(path.name, replace(files, matrix=path)) for path in paths]
    units = [Unit(file, _digest(run, assay, one), (assay, one)) for file, one in each]
    job = Job(f"omics-names-{name}-{assay}", _read_names)
    return run.units(job, units, code=("unibase.omics",))


def _staged_matrices(run: Run, name: str, units: list[Unit]) -> list[Outcome]:
    homes = {assay: run.place(MATRICES, assay=assay, centre=name) for assay in get_args(AssayName)}
    job = Job(f"omics-{name}", _stage_matrix, leaves=lambda result: [Output(homes[result["assay"]] / result["folder"])])
    return run.units(job, units, code=("unibase.omics",))


def _say(run: Run, outcomes: list[Outcome], names: Mapping[str, str]) -> None:
    """Say what became of each matrix; of one that was read now, its notes too."""
    for outcome in outcomes:
        said = f"omics: {names[outcome.key]}{' (new)' if outcome.repeated else ''}: "
        if outcome.status == "quarantined":
            run.say(f"{said}quarantined, {outcome.reason}. {outcome.message} {outcome.remedy}")
        elif outcome.result["samples"] or outcome.result["quarantined"]:
            run.say(f"{said}{outcome.result['samples']} samples used, {outcome.result['quarantined']} quarantined")
        if outcome.repeated and outcome.status == "done":
            for note in outcome.result["notes"]:
                run.say(f"omics: {names[outcome.key]}: {note}")


def _check_matrices(run: Run, source: str, outcomes: list[Outcome]) -> None:
    """Stop the run when no matrix of an assay of a centre can be used."""
    refused = [outcome for outcome in outcomes if outcome.status == "quarantined"]
    problem = ""
    if refused and len(refused) == len(outcomes):
        why = f"{refused[0].reason}. {refused[0].message} {refused[0].remedy}".strip()
        problem = f"None of its matrices ({len(outcomes)}) can be used: {why}"
    unreadable_sources.check(run, source, len(outcomes) - len(refused), problem)


def assay_files(study: Study, source: AssaySource) -> AssayFiles:
    """Return what all matrices of a source share: what the study file says, its files where they are.

    Args:
        study: The study.
        source: The section of one assay of one centre.
    """
    return AssayFiles(None, source.placed(study.path), study.assays.placed(study.path))


def _digest(run: Run, assay: AssayName, files: AssayFiles) -> str:
    """Tell a matrix, and how it is read, from another."""
    return digest_of([run.content("omics", files.files(assay)), files.told(assay)])


def _refused(run: Run, name: str, assay: AssayName, reason: str, unread: unreadable_sources.Unread) -> pl.DataFrame:
    """Say that an assay of a centre is left out, and return its quarantine row."""
    run.say(f"omics: {name}/{assay}: quarantined, {reason}. {unread.problem}")
    unit = f"{name}/{assay}"
    outcome = Outcome(unit, "", "quarantined", None, reason, unread.problem)
    return run.quarantine_rows("omics", name, [outcome])


def _profiled(run: Run, name: str, assay: AssayName, source: AssaySource) -> set[str] | unreadable_sources.Unread | None:
    """Return the samples that were sequenced, or None where no list says it."""
    if assay not in LISTED or not (source.profiled or source.panels):
        return None
    from unibase.omics.readers.panels import read_sample_panels
    from unibase.omics.readers.profiles import read_profiled

    if not source.profiled:
        read = partial(read_sample_panels, profile="mutations" if assay == "mutations" else "structural_variants")
        panels = unreadable_sources.readable(run, f"{name}.omics.{assay}", read, run.study.path(str(source.panels)))
        return panels if isinstance(panels, unreadable_sources.Unread) else set(panels)
    found = unreadable_sources.readable(run, f"{name}.omics.{assay}", read_profiled, run.study.path(source.profiled))
    return found if isinstance(found, unreadable_sources.Unread) else set(found)


@dataclass(frozen=True)
class _Assay:
    """One assay of one centre: what is said of it, and what its files hold.

    Attributes:
        name: Name of the assay.
        centre: Name of the centre.
        files: What all matrices share.
        sheet: The sample sheet.
        profiled: Samples that were sequenced, or None where no list says it.
        held: Samples of each matrix that could be read.
        unread: Whether another could not: nobody knows what a profiled sample in no matrix has. It is missing, not wild type.
    """

    name: AssayName
    centre: str
    files: AssayFiles
    sheet: pl.DataFrame
    profiled: set[str] | None
    held: dict[Path, set[str]]
    unread: bool

    def work(self) -> list[tuple[str, Path | None, set[str]]]:
        """Return label, file and samples of each matrix, and of what is named and in no matrix."""
        found: list[tuple[str, Path | None, set[str]]] = [(path.name, path, names) for path, names in self.held.items()]
        present = {sample for names in self.held.values() for sample in names}
        if self.profiled is not None:
            # Of samples that were never sequenced nothing is missing: one sheet serves several assays.
            found.append((NO_MATRIX, None, self.profiled - present))
        elif self.name == "rna":
            found.append((NO_MATRIX, None, set(self.sheet["sample"]) - present))
        return found

    def refused(self) -> _Refused:
        """Return the samples that cannot be used whatever their values are."""
        counts = Counter(sample for names in self.held.values() for sample in names)
        found: _Refused = {sample: REPEATED for sample, count in counts.items() if count > 1}
        if self.unread and self.profiled is not None:
            found |= dict.fromkeys(sorted(self.profiled - set(counts)), UNREAD)
        return found


def _matrix_units(run: Run, one: _Assay) -> list[Unit]:
    """Return a unit per matrix, and one for what is named and in no matrix."""
    refused = one.refused()
    units = []
    for label, path, names in one.work():
        mine = one.sheet.filter(pl.col("sample").is_in(sorted(names)))
        lookup = run.lookup.within(one.centre, set(mine["patient"]))
        destination = run.place(MATRICES, assay=one.name, centre=one.centre) / run.token("matrix", label)
        own = {sample: why for sample, why in refused.items() if sample in names}
        listed = tuple(sorted(names)) if one.name in LISTED and (one.profiled is not None or path is None) else None
        files = replace(one.files, matrix=path, profiled=listed)
        said = f"{one.centre}/{one.name}/{label if path is None else _said(path, one.held)}"
        task = AssayTask(one.name, one.centre, said, files, mine, own, destination, run.key, lookup)
        known = sorted([*k, *v] for k, v in lookup.by_identifier.items())
        digest = digest_of([_digest(run, one.name, files), mine.drop("source_row").rows(), known, listed, sorted(own)])
        units.append(Unit(f"{one.centre}/{one.name}/{label}", digest, task))
    return units


def _said(path: Path, held: Iterable[Path]) -> str:
    """Return the name of a matrix as the study file gives it; of one among several its place, for they may be one a patient."""
    paths = sorted(held)
    return path.name if len(paths) == 1 else f"matrix {paths.index(path) + 1} of {len(paths)}, by name"


def _staged(run: Run, name: str) -> list[Path]:
    """Return what stands in staging of a centre, of all assays; also of those that the study no longer names."""
    assays = get_args(AssayName)
    return [entry for assay in assays for entry in run.place(MATRICES, assay=assay, centre=name).glob("*")]


def _remove_others(run: Run, name: str, kept: set[Path]) -> None:
    """Remove what was staged from matrices that are gone."""
    for entry in _staged(run, name):
        if entry.is_file():
            entry.unlink()
        elif entry not in kept:
            shutil.rmtree(entry)


STAGE = Stage("omics", "Read and gate omics matrices", reads=(LEDGER,), leaves=(MATRICES,), run_centre=_stage_omics)
