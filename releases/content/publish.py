"""Publish a release: a folder that appears whole and never changes again."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeGuard

import polars as pl

from unibase.groundwork import image_tables, tables
from unibase.groundwork.files import JsonObject, digest_of, sha256_file, write_bytes, write_json, write_text
from unibase.groundwork.problems import UserError
from unibase.privacy.leaks import leak_scan
from unibase.privacy.leaks.leak_scan import Needle
from unibase.releases import report
from unibase.releases.attack.attackers import attack
from unibase.releases.content import cohort_file, dictionary, manifest, multimodal, released_cube, stability_words, weighing
from unibase.releases.content.coarser import Coarser, coarser
from unibase.releases.content.csv_files import write_csv_blocks
from unibase.releases.content.inputs import ReleaseInputs
from unibase.releases.content.methods_text import methods_paragraph
from unibase.releases.content.missingness import Reasons
from unibase.releases.content.preparation import write_preparation
from unibase.releases.content.released_maf import leaving_maf, write_maf
from unibase.releases.content.released_timeline import write_description, write_subject_splits, write_timeline
from unibase.releases.content.wide_tables import CELLS, columns, scan, slices, subject_blocks, write_blocks
from unibase.releases.disclosure import cohort_counts, decisions, disclosure_policy, harmonised_counts, told_elsewhere
from unibase.releases.exports.define_xml import define_xml
from unibase.releases.images import nifti, nnunet, shipped
from unibase.releases.read.difference import compare
from unibase.releases.tables import ROBUSTNESS, TABLES

__all__ = ["Following", "ReleaseInputs", "publish_release"]

FORMAT = 1
CSV_CELLS = 20_000_000
"""Larger tables are not written as CSV (gigabytes that few can open); Parquet and `cohort.h5mu` hold them."""

READERS = Path(__file__).parent.parent / "read"
LOAD_SCRIPT = READERS / "load_release.R"
PATCHES_SCRIPT = Path(__file__).parent.parent / "images" / "patch_dataset.py"


class VersionTaken(UserError):
    """The version is published already, with other content."""


@dataclass(frozen=True)
class Following:
    """The version to publish under when the asked one stands with other content, and the folder of the release before it."""

    version: str
    previous: Path | None


def publish_release(
    inputs: ReleaseInputs, releases_folder: Path | str, needles: Iterable[Needle] = (), following: Following | None = None
) -> Path:
    """Write the release to `<releases_folder>/<study>/<version>/` and return that folder.

    It is built beside its place and renamed into it, so a reader never sees a part of a release. A published version
    is never overwritten: when it holds the same bytes it is returned as it is.

    Args:
        inputs: All that goes into the release.
        releases_folder: Where releases of all studies are.
        needles: Identifiers of the sources; every byte of the release is searched for them before it is published.
        following: What to publish as when `inputs.version` stands with other content. The content is written once, and
            only what names the version is written anew.

    Raises:
        UserError: If the inputs do not make a release (see `ReleaseInputs.check`), a column has no description, the
            release fails its disclosure policy or holds an identifier of `needles`.
        VersionTaken: If the version is published already with other content, and nothing follows it.
    """
    inputs.check()
    target = Path(releases_folder) / inputs.study / inputs.version
    target.parent.mkdir(parents=True, exist_ok=True)
    building = target.with_name(f".tmp-{uuid.uuid4().hex}")
    building.mkdir()
    try:
        content = _write_content(inputs, building)
        inputs = _write_as(inputs, content, building, target, following)
        target = target.with_name(inputs.version)
        _refuse_leaks(building, inputs.leaving.sought(needles, building / "timeline"))
        _refuse_attacks(building, inputs.attack_limits)
        if target.exists():
            _same_or_refuse(building, target)
            return target
        building.rename(target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target


def _write_as(
    inputs: ReleaseInputs, content: _Content, building: Path, target: Path, following: Following | None
) -> ReleaseInputs:
    """Write what names the version: the asked one, or the following one where the asked one stands with other content.

    Returns:
        The inputs with the version it became.
    """
    if following is None or not target.exists():
        _write_version(inputs, content, building)
        return inputs
    if not _has_other_content(building, target):
        _write_version(inputs, content, building)
        if _are_same(building, target):
            return inputs
    inputs = replace(inputs, version=following.version, previous=following.previous)
    _write_version(inputs, content, building)
    return inputs


def _has_other_content(building: Path, target: Path) -> bool:
    """Return whether a file of the content, which names no version, is not in the release that stands, byte for byte."""
    stands = manifest.read(target)["files"]
    for path in sorted(building.rglob("*")):
        known = stands.get(path.relative_to(building).as_posix())
        if path.is_file() and (known is None or known["sha256"] != sha256_file(path)):
            return True
    return False


def _are_same(building: Path, target: Path) -> bool:
    return sha256_file(building / manifest.MANIFEST) == sha256_file(target / manifest.MANIFEST)


def _refuse_leaks(building: Path, needles: list[Needle]) -> None:
    findings = leak_scan.scan(building, needles) if needles else []
    if findings:
        places = ", ".join(sorted({f"{f.kind} in {f.path}" for f in findings})[:5])
        raise UserError(
            f"The release is not published: {sum(f.count for f in findings)} identifiers of the sources are in it ({places}). "
            "Find the stage that let them through, and build again."
        )


def _refuse_attacks(building: Path, limits: Mapping[str, float]) -> None:
    """Refuse a release that an outsider could tell more of than the study allows.

    Raises:
        UserError: If an attack singles out a larger share of subjects than its limit.
    """
    if not limits:
        return
    over = [one for one in attack(building) if one.share > limits.get(one.name, 1.0)]
    if over:
        told = "; ".join(f"{one.name}: {one.singled_out} of {one.of} subjects, {limits[one.name]:.1%} allowed" for one in over)
        raise UserError(
            f"The release is not published: attacks single out more subjects than `release.attack_limits` allows ({told}). "
            "Tell births to the year (`release.birth`), key the source rows (`release.provenance`), or raise the limit."
        )


def _same_or_refuse(building: Path, target: Path) -> None:
    if _are_same(building, target):
        return
    new, old = manifest.read(building), manifest.read(target)
    files = sorted(name for name in set(new["files"]) | set(old["files"]) if new["files"].get(name) != old["files"].get(name))
    what = ", ".join(files[:5]) + (f" and {len(files) - 5} more" if len(files) > 5 else "") if files else "the manifest"
    raise VersionTaken(
        f"Version {target.name} is published and would now differ ({what}). "
        "A published release never changes: give a new version under `release: version`."
    )


@dataclass(frozen=True)
class _Content:
    """What the content of a release tells the files that name its version."""

    modalities: Mapping[str, tuple[tuple[int, int], list[str]]]
    """Shape, and names of the rows."""
    described: pl.DataFrame
    told_elsewhere: Mapping[str, list[str]]
    """Column that the policy made coarser to where the value before still stands."""


def _write_content(inputs: ReleaseInputs, folder: Path) -> _Content:
    """Write all files that do not depend on the version of the release, nor on the release before it."""
    coarse = coarser(inputs)
    before, subjects = coarse.before, coarse.subjects
    disclosure_policy.enforce(disclosure_policy.measure(subjects, inputs.policy))
    images = None if inputs.voxels is None else shipped.released(inputs.voxels, before, inputs.volumes)
    counted = _write_tables(inputs, coarse, folder)
    if inputs.voxels is not None and images is not None:
        counted["images"] = _write_table("images", [images], dictionary.Tally(), folder)
        shipped.ship(inputs.voxels, images, folder)
        _write_copies(inputs.voxels, images, inputs.splits, folder)
    samples = cohort_file.samples_of(inputs, subjects)
    modalities = cohort_file.make_modalities(inputs, subjects, samples, folder)
    stable = stability_words.of_columns(inputs.robustness)
    modalities[0].var = stability_words.annotated(modalities[0].var, stable)
    sample_map = cohort_file.mark_chosen(samples, modalities)
    counted["sample_map"] = _write_table("sample_map", [sample_map], dictionary.Tally(), folder)
    write_maf(folder)
    counted["timeline"] = dictionary.Tally()
    write_timeline(inputs.events, subjects["subject_id"], folder / "timeline", counted["timeline"].add, inputs.leaving)
    if inputs.splits is not None:
        write_preparation(folder, inputs.min_cell)
        write_subject_splits(folder / "timeline", pl.read_parquet(folder / "tables" / "splits.parquet"))
    described = dictionary.build(
        {table.name: counted[table.name] for table in TABLES if table.name in counted},
        inputs.dictionary,
        {modality.name: _names_of(modality) for modality in modalities},
        stable,
    )
    beside = {"sample_map": sample_map} if images is None else {"sample_map": sample_map, "images": images}
    multimodal.write_cohort(modalities, subjects, beside, folder)
    for group, made in inputs.harmonisation.items():
        shown = {**made, "record": harmonised_counts.masked(made["record"], inputs.min_cell)}
        write_json(folder / "harmonisation" / f"{group}.json", shown)
    for name in ("load_release.R", "load_release.py", "baseline.ipynb"):
        shutil.copyfile(READERS / name, folder / name)
    told = told_elsewhere.told_elsewhere(inputs.policy, before, subjects, folder)
    rows = {m.name: (m.shape, m.obs.index.to_list()) for m in modalities}
    return _Content(rows, inputs.leaving.told(described), told)


def _write_copies(voxels: shipped.Voxels, images: pl.DataFrame, splits: pl.DataFrame | None, folder: Path) -> None:
    """Write what reads the stores of voxels, and the further copies that are asked for."""
    shutil.copyfile(PATCHES_SCRIPT, folder / "dataset.py")
    for path in images["path"] if "nifti" in voxels.copies else ():
        nifti.write_beside(folder / path)
    if "nnunet" in voxels.copies:
        nnunet.write_datasets(folder, images, splits, voxels.targets)


def _names_of(modality: multimodal.Modality) -> dictionary.ModalityNames:
    """Return the names that the dictionary describes of a modality."""
    annotations = [*modality.obs.columns, *modality.var.columns, *(f"layers/{layer}" for layer in modality.layers)]
    symbols = cohort_file.symbols_of(modality.var)
    return dictionary.ModalityNames(modality.var.index, annotations, modality.source is not None, symbols)


def _write_version(inputs: ReleaseInputs, content: _Content, folder: Path) -> None:
    """Write the files that name the version or tell what changed since the release before it; the manifest last."""
    write_description(folder / "timeline", inputs.study, inputs.version)
    years = cohort_counts.year_bands(inputs.subjects["subject_id"].to_list(), inputs.evidence.get("years"), inputs.min_cell)
    weighed = weighing.weigh(
        weighing.Subject(
            folder=folder,
            modalities={name: rows for name, (_, rows) in content.modalities.items()},
            years=years,
            flow=inputs.flow,
            dictionary=content.described,
            best_responses=list(inputs.settings.get("responses", [])) if inputs.adrs is not None else [],
            min_cell=inputs.min_cell,
            previous=inputs.previous,
        )
    )
    released_cube.write(folder, weighed, inputs.min_cell, inputs.version, inputs.previous)
    dictionary.write(weighed.dictionary, folder / "dictionary")
    about = _about(inputs, content, weighed)
    write_bytes(folder / "dictionary" / "define.xml", define_xml(weighed.dictionary, about))
    changes = None
    if inputs.previous is not None:
        before = manifest.read(inputs.previous)
        about["previous"] = before["version"]
        changes = compare(inputs.previous, folder, before, about)
    page = report.ReportData(
        study=inputs.study,
        title=inputs.title,
        version=inputs.version,
        description=inputs.description,
        folder=folder,
        weighed=weighed,
        about=about,
        min_cell=inputs.min_cell,
        concepts=inputs.concepts,
        evidence=inputs.evidence,
        changes=changes,
        lanes=inputs.lanes,
        previous=inputs.previous,
    )
    write_text(folder / "report.html", report.render(page))
    write_text(folder / "dictionary" / "dictionary.html", report.render_dictionary(page))
    _write_decisions(inputs, content, [*weighed.decisions, *page.record], folder)
    _write_methods(about, folder)
    manifest.write(folder, about)


def _write_methods(about: JsonObject, folder: Path) -> None:
    used = {name: scan(path) for name in METHODS_OF if (path := folder / "tables" / f"{name}.parquet").exists()}
    write_text(folder / "methods.txt", methods_paragraph(about, used) + "\n")


def _write_decisions(inputs: ReleaseInputs, content: _Content, made: list[decisions.Decision], folder: Path) -> None:
    """Write what is shown and what is not, with what is told outside the tables first."""
    kept = told_elsewhere.decisions(inputs.policy.coarser(), content.told_elsewhere)
    tables.write_parquet(decisions.frame([*kept, *made]), folder / decisions.FILE)


def _about(inputs: ReleaseInputs, content: _Content, weighed: weighing.Weighed) -> JsonObject:
    """Return the manifest without its files; its counts of persons are those that may be shown."""
    counts = weighed.cohort.counts
    promised = disclosure_policy.promised(inputs.policy)
    shapes = {name: width for name, ((_, width), _) in content.modalities.items()}
    settings = harmonised_counts.of_models(inputs.settings, inputs.min_cell)
    return {
        "format": FORMAT,
        "study": inputs.study,
        "title": inputs.title,
        "version": inputs.version,
        "subjects": counts[cohort_counts.Cell()],
        "modalities": {
            name: {"subjects": counts[cohort_counts.Cell(has=name)], "variables": width} for name, width in shapes.items()
        },
        "subject_codes": {column: list(codes) for column, codes in inputs.subject_codes.items()},
        "settings": settings,
        "settings_digest": digest_of(settings),
        "source_digests": dict(inputs.source_digests),
        "software": dict(inputs.software),
        "key_fingerprint": inputs.key_fingerprint,
        "ledger_revision": inputs.ledger_revision,
        "min_cell": inputs.min_cell,
        **({"extract_limit": inputs.attack_limits["extracts"]} if "extracts" in inputs.attack_limits else {}),
        "disclosure": {} if promised is None else asdict(promised),
        "coarsened": inputs.policy.coarser(),
        "told_elsewhere": dict(content.told_elsewhere),
        **({"births": "by age"} if inputs.leaving.born is not None else {}),
        "flow": [
            {"step": step.step, "kept": step.kept, "excluded": step.excluded, "reason": step.reason}
            for step in weighed.flow
            if step.step is not None
        ],
        "harmonisation": {
            group: harmonised_counts.masked(made["record"], inputs.min_cell) for group, made in inputs.harmonisation.items()
        },
        "status": "pseudonymised, not anonymous",
    }


METHODS_OF = ("features", "adtte", "adrs")
"""The tables that the paragraph on methods is written from."""


def _write_tables(inputs: ReleaseInputs, coarse: Coarser, folder: Path) -> dict[str, dictionary.Tally]:
    """Write the tables that depend on nothing else: subjects of the cohort only, in a stated order of rows."""
    reasons = Reasons(inputs.missing, scan(inputs.trace).select("subject_id", "variable").unique().collect())
    return {
        name: _write_table(name, map(coarse.leaving, found), dictionary.Tally(partial(reasons.count, name)), folder)
        for name, found in _blocks(inputs, coarse.subjects).items()
    }


def _blocks(inputs: ReleaseInputs, subjects: pl.DataFrame) -> dict[str, Iterable[pl.DataFrame]]:
    """Return the blocks of subjects of each table; an optional table without rows is not there."""
    ids = subjects["subject_id"]
    return {
        "subjects": [subjects],
        "analysis": subject_blocks(inputs.analysis, ids),
        "adtte": subject_blocks(inputs.adtte, ids, ["PARAMCD"]),
        **({"adrs": subject_blocks(inputs.adrs, ids, ["PARAMCD", "ADT"])} if inputs.adrs is not None else {}),
        **({"bds": subject_blocks(inputs.bds, ids, ["PARAMCD", "ADT", "SRCDOM", "SRCSEQ"])} if inputs.bds is not None else {}),
        "features": subject_blocks(inputs.features, ids, tables.FEATURES.key),
        "trace": subject_blocks(inputs.trace, ids, columns(inputs.trace)),
        **({"robustness": [inputs.robustness.sort(ROBUSTNESS.key)]} if _holds_rows(inputs.robustness) else {}),
        **({"volumes": subject_blocks(inputs.volumes, ids, image_tables.IMAGES.key)} if _holds_rows(inputs.volumes) else {}),
        **_blocks_of(image_tables.MASK_AGREEMENT, inputs.mask_agreement, ids),
        **_blocks_of(image_tables.REPORT_VALUES, inputs.report_values, ids),
        **_blocks_of(tables.MAF, leaving_maf(inputs, ids), ids),
        "missing": subject_blocks(inputs.missing, ids, ["variable"]),
        "quarantine": [tables.QUARANTINE.conform(inputs.quarantine)],
        **({"splits": subject_blocks(inputs.splits, ids, ["scheme", "held_out"])} if inputs.splits is not None else {}),
    }


def _blocks_of(table: tables.Table, frame: pl.DataFrame | None, ids: pl.Series) -> dict[str, Iterable[pl.DataFrame]]:
    return {table.name: subject_blocks(frame, ids, table.key)} if _holds_rows(frame) else {}


def _holds_rows(frame: pl.DataFrame | None) -> TypeGuard[pl.DataFrame]:
    return frame is not None and not frame.is_empty()


def _write_table(name: str, blocks: Iterable[pl.DataFrame], counted: dictionary.Tally, folder: Path) -> dictionary.Tally:
    """Write one table as Parquet and, unless it is very large, as CSV; return what the dictionary counts of it."""

    def counting() -> Iterator[pl.DataFrame]:
        for block in blocks:
            counted.add(block)
            yield block

    path = folder / "tables" / f"{name}.parquet"
    write_blocks(counting(), path)
    if counted.rows * len(counted.schema) <= CSV_CELLS:
        size = max(1, CELLS // len(counted.schema))
        write_csv_blocks(
            (block for _, block in slices(path, list(counted.schema), max(1, counted.rows), size)), folder / "csv" / f"{name}.csv"
        )
    return counted
