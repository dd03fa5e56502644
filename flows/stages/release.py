"""Stage `release`: gather what the rooms left in staging and publish it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import polars as pl

from unibase.clinical.derived.quality_checks import stop_if_poor
from unibase.clinical.timelines.account_words import Account
from unibase.flows.runs import kept, unreadable_sources
from unibase.flows.runs.quarantine_table import read_quarantine
from unibase.flows.runs.run import Run, software_versions
from unibase.flows.runs.stage import Stage
from unibase.flows.runs.stage_cost import weighed
from unibase.flows.runs.stopping import check
from unibase.flows.stages.deidentify import written_files
from unibase.flows.stages.identity import GENOTYPES
from unibase.flows.stages.link import Linked
from unibase.flows.stages.link_harmonise import read_records
from unibase.flows.stages.normalise_models import released_models
from unibase.flows.stages.omics import VARIANTS
from unibase.flows.stages.people import needles
from unibase.flows.stages.release_words import describe_columns
from unibase.flows.stages.segment import released_segmenters
from unibase.flows.study.definitions import read_concepts, read_quality
from unibase.flows.study.places import (
    ASSAYS,
    DICOM,
    HARMONISATION,
    HARMONISED,
    IDENTITY,
    LEDGER,
    LINKED,
    MATRICES,
    MODELS,
    PEOPLE,
    RECORDS,
    RELEASE,
    SAMPLES,
    TIMELINE,
    VOXEL_STORES,
)
from unibase.flows.study.places import FEATURES as FEATURES_TABLE
from unibase.flows.study.places import IMAGES as IMAGES_TABLE
from unibase.flows.study.places import MASK_AGREEMENT as AGREEMENT_TABLE
from unibase.flows.study.places import REPORT_VALUES as REPORT_VALUES_TABLE
from unibase.flows.study.places import VOXELS as VOXELS_TABLE
from unibase.flows.study.study_file import NO_VALUE
from unibase.flows.vault.marking import mark_releases
from unibase.groundwork.files import digest_of, sha256_file, sha256_folder
from unibase.groundwork.image_tables import IMAGES, MASK_AGREEMENT, REPORT_VALUES, VOXELS
from unibase.groundwork.problems import UserError
from unibase.groundwork.seals import Output, sealed, still_sealed
from unibase.groundwork.tables import FEATURES, MAF, QUARANTINE, SAMPLE_MAP
from unibase.omics.options import AssayName
from unibase.privacy.dates import shift
from unibase.releases.catalogue.marked_versions import MARKS
from unibase.releases.catalogue.site import published, version_key
from unibase.releases.content import manifest
from unibase.releases.content.leaving import Leaving, rows_key
from unibase.releases.content.publish import Following, ReleaseInputs, publish_release
from unibase.releases.content.signing import sign
from unibase.releases.content.told_ages import births_left_open, told_ages
from unibase.releases.content.wide_tables import Source, columns
from unibase.releases.disclosure.disclosure_policy import DisclosurePolicy, measure
from unibase.releases.images.nnunet import told_of_datasets
from unibase.releases.images.shipped import Voxels
from unibase.releases.options import Release
from unibase.releases.report.section import evidence_names


def release_inputs(run: Run, version: str) -> ReleaseInputs:
    """Return all of `run` that goes into the release of a `version`."""
    study, staging = run.study, run.study.work.staging
    linked = Linked(run.place(LINKED))
    splits = linked.table("splits")
    subjects, born = _ages(linked.table("subjects"), study.release)
    return ReleaseInputs(
        study=study.study,
        title=study.title or study.study,
        version=version,
        subjects=subjects,
        events=run.place(TIMELINE),
        features=_features(run),
        analysis=linked.folder / "analysis.parquet",
        trace=linked.folder / "trace.parquet",
        bds=linked.folder / "bds.parquet",
        missing=linked.table("missing"),
        robustness=linked.table("robustness"),
        volumes=IMAGES.read(run.place(IMAGES_TABLE)),
        report_values=REPORT_VALUES.read(run.place(REPORT_VALUES_TABLE)),
        adtte=linked.table("adtte"),
        adrs=linked.table("adrs") if study.responses else None,
        sample_map=SAMPLE_MAP.read(run.place(SAMPLES)),
        assays=_assays(run),
        quarantine=QUARANTINE.write(_told_outside(read_quarantine(staging)), staging / "quarantine.parquet"),
        flow=_flow(linked),
        dictionary=describe_columns(run, columns(linked.folder / "analysis.parquet")),
        settings=_released_settings(run),
        source_digests=dict(_source_digests(run)),
        software=software_versions(),
        key_fingerprint=run.key.fingerprint,
        ledger_revision=run.ledger_revision,
        min_cell=study.release.min_cell,
        evidence=_evidence(run, linked),
        splits=splits if splits.height else None,
        harmonisation=read_records(run.place(HARMONISATION)),
        previous=_previous(run, version),
        voxels=_voxels(run),
        mask_agreement=MASK_AGREEMENT.read(run.place(AGREEMENT_TABLE)),
        maf=_maf(run),
        maf_places=study.assays.mutations.maf == "all",
        lanes=study.release.lanes,
        subject_codes=_subject_codes(run),
        leaving=Leaving(_rows_key(run), study.release.birth, born, study.release.ages == "bands"),
        attack_limits={str(name): limit for name, limit in study.release.attack_limits.items()},
        policy=DisclosurePolicy(**study.release.disclosure.model_dump()),
        description=" ".join(text for text in (study.notice, study.description) if text),
    )


def _assays(run: Run) -> dict[str, Path]:
    """Return the store of each assay; where one was harmonised, that of the chosen samples, with the harmonised values as a layer."""
    stores = {assay: run.place(ASSAYS, assay=assay) for assay in sorted(get_args(AssayName))}
    found = {assay: store for assay, store in stores.items() if store.exists()}
    return found | {path.stem: path for path in sorted(run.place(HARMONISED).glob("*.zarr"))}


def _ages(subjects: pl.DataFrame, asked: Release) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Return the subjects with their ages as they are told, and the births that these leave open; none where more is told."""
    if asked.birth != "year":
        return subjects, None
    if asked.ages == "bands":
        subjects = told_ages(subjects)
    return subjects, births_left_open(subjects, in_bands=asked.ages == "bands")


def _flow(linked: Linked) -> list[dict[str, object]]:
    """Return the steps from all known subjects to the cohort."""
    return [
        {"step": row["rule"], "kept": row["after"], "excluded": row["removed"], "reason": row["reason"]}
        for row in linked.table("flow").to_dicts()
    ]


def _rows_key(run: Run) -> bytes | None:
    """Return the secret under which numbers of source rows leave, or None where they leave as they are."""
    return rows_key(run.key) if run.study.release.provenance == "keyed" else None


def _told_outside(quarantine: pl.DataFrame) -> pl.DataFrame:
    """Return the quarantine without what is there because a person objects: a release tells nothing of them, nor how many."""
    return quarantine.filter(pl.col("reason") != "objects")


def _subject_codes(run: Run) -> dict[str, list[str]]:
    """Return which events the columns of the subjects are read from, as the study's concepts name them."""
    concepts = read_concepts(run.study)
    named = {"T": "tnm_t", "N": "tnm_n", "M": "tnm_m", "STAGE": "stage", "SEX": "sex"}
    found = {column: concepts.codes(concept) for column, concept in named.items()}
    return {**found, "AGE": ["MEDS_BIRTH"], "CHARLSON": ["ICD10//*", "ICD10CM//*", "ICD10GM//*"]}


def _evidence(run: Run, linked: Linked) -> dict[str, pl.DataFrame]:
    """Return what the page is drawn from and no table holds."""
    found = {name: linked.table(name) for name in evidence_names()}
    return {**found, "years": _true_years(run, linked)} if run.study.release.true_years else found


def _true_years(run: Run, linked: Linked) -> pl.DataFrame:
    """Return the calendar year of each subject's index, the shift taken back: the page counts by it, and releases no year of one."""
    index = linked.table("index").select("subject_id", "index_time").drop_nulls()
    days = {subject.subject_id: subject.shift_days for subject in run.lookup.by_identifier.values()}
    years = [shift(time, -days[subject]).year for subject, time in index.iter_rows()]
    return index.select("subject_id", pl.Series("year", years, dtype=pl.Int64))


def _voxels(run: Run) -> Voxels | None:
    """Return the stores of voxels that the release holds; None where it asks for none."""
    wanted, features = run.study.release, run.study.features
    if wanted.images == "none" or features is None:
        return None
    table = VOXELS.read(run.place(VOXELS_TABLE))
    return Voxels(table, run.place(VOXEL_STORES), wanted.image_copies, tuple(features.regions))


def _maf(run: Run) -> pl.DataFrame | None:
    """Return the variants of all centres, as staging has them; None where the study asks for no MAF."""
    if run.study.assays.mutations.maf == "none":
        return None
    folder = run.place(MATRICES, assay="mutations", centre="*").parent
    return pl.concat([MAF.empty(), *(MAF.read(path) for path in sorted(folder.glob(f"*/*/{VARIANTS}")))])


def _features(run: Run) -> Source:
    path = run.place(FEATURES_TABLE)
    return path if path.exists() else FEATURES.empty()


def _previous(run: Run, version: str) -> Path | None:
    """Return the folder of the latest release before `version` that was made under the same key."""
    wanted = version_key(version)
    folder = run.study.path(run.study.releases) / run.study.study
    earlier = [path for path in published(folder.parent) if path.parent == folder and version_key(path.name) < wanted]
    if not earlier:
        return None
    last = max(earlier, key=lambda path: version_key(path.name))
    return last if manifest.read(last).get("key_fingerprint") == run.key.fingerprint else None


PRIVATE = NO_VALUE | {"links", "custodians", "ledger_revision", "centres", "segmenters"}
"""Sections of a study file that say where things are; no release repeats them as they stand."""


def _released_settings(run: Run) -> dict[str, object]:
    """Return the settings of the study without paths, and the frozen models: what changes numbers, and nothing of this machine."""
    study = run.study
    settings = {name: value for name, value in study.settings().items() if name not in PRIVATE}
    settings["centres"] = {
        name: {
            "clinical": centre.clinical.format if centre.clinical else None,
            "cutoff": str(centre.clinical.cutoff) if centre.clinical and centre.clinical.cutoff else None,
            "dicom": centre.dicom is not None,
            "omics": sorted(centre.omics),
        }
        for name, centre in study.centres.items()
    }
    settings["models"] = dict(released_models(run.place(MODELS)))
    if study.segmenters:
        settings["segmenters"] = dict(released_segmenters(run))
    settings["recognised"] = dict(_recognised(run))
    settings["kept_out_by"] = read_quality(study).kept_out()
    if study.features:
        settings["features"]["settings"] = sha256_file(study.path(study.features.settings))
    for name in ("concepts", "quality", "definitions"):
        if path := getattr(study, name):
            settings[name] = sha256_file(study.path(path))
    if study.vocabulary:
        settings["vocabulary"] = run.content("vocabulary", [study.path(study.vocabulary)])
    if study.deidentification.pixels:
        settings["deidentification"]["pixels"] = sha256_file(study.path(study.deidentification.pixels))
    return settings


def _recognised(run: Run) -> Iterator[tuple[str, list[str]]]:
    """Yield what the matrices of each centre and assay are (unit, maker, names, genome), and what of its records was read."""
    found: dict[str, set[str]] = {}
    for name, centre in run.study.centres.items():
        if (records := run.place(RECORDS, centre=name)).exists():
            found[f"{name}/clinical"] = set(Account.of(records).recognised())
        for assay in centre.omics:
            for path in sorted(run.place(MATRICES, assay=assay, centre=name).glob("*/recognised.json")):
                found.setdefault(f"{name}/{assay}", set()).update(json.loads(path.read_text(encoding="utf-8")))
    yield from ((key, sorted(lines)) for key, lines in sorted(found.items()) if lines)


def _source_digests(run: Run) -> Iterator[tuple[str, str]]:
    """Yield what was read, by keyed name: the content each stage's units started from."""
    for name in run.study.centres:
        if rows := written_files(run, name):
            yield f"{name}/dicom", digest_of(rows)
        for kind in ("clinical", *run.study.windows.assays):
            folder = run.place(RECORDS, centre=name) if kind == "clinical" else run.place(MATRICES, assay=kind, centre=name)
            if folder.exists():
                yield f"{name}/{kind}", sha256_folder(folder)
        if (genotypes := run.place(IDENTITY) / GENOTYPES / name).exists():
            yield f"{name}/{GENOTYPES}", sha256_folder(genotypes)


def publish(run: Run, version: str | None = None, following: str | None = None) -> Path:
    """Publish the release under the study's version, or another one, and return its folder.

    Args:
        run: The run.
        version: The version; that of the study file when None.
        following: The version to take when `version` stands with other content.

    Raises:
        UserError: While a source stops the study (see `sources`); as `releases.content.publish.publish_release`; `VersionTaken` when
            the version stands with other content and nothing follows.
    """
    with weighed(run.ledger, STAGE.name), run.within((*STAGE.reads, *STAGE.leaves)):
        folder = _publish(run, version, following)
    if mark_releases(run.study, run.key, {subject.subject_id for subject in run.lookup.by_identifier.values()}):
        run.say(f"release: {folder.parent / MARKS}: which versions hold a person who left or whose identity was corrected")
    return folder


def _publish(run: Run, version: str | None, following: str | None) -> Path:
    check()
    unreadable_sources.refuse_stopped(run)
    kept.refuse_harmed(run, STAGE.reads)
    releases, signer = run.study.path(run.study.releases), _signer(run)
    stood = set(published(releases))
    version, content = version or run.study.release.version, _depends_on(run)
    if last := _stands(run, content, version, releases):
        run.say(f"release: {last.parent.name} {last.name} stands as it was published: nothing changed")
        return last
    if run.study.quality:
        stop_if_poor(Linked(run.place(LINKED)).table("quality"))
    inputs = release_inputs(run, version)
    other = Following(following, _previous(run, following)) if following else None
    check()
    folder = publish_release(inputs, releases, needles(run), other)
    if signer:
        run.say(f"release: signed, {sign(folder, signer).name}")
    asked = digest_of([content, _versions(releases)])
    seals = sealed([Output(folder)])
    run.ledger.remember("release", {"asked": asked, "folder": folder.relative_to(releases).as_posix(), "seals": seals})
    said = "stands as it was published: nothing changed" if folder in stood else "is published"
    run.say(f"release: {folder.parent.name} {folder.name} {said}")
    _say_told(run, manifest.read(folder))
    for line in told_of_datasets(folder):
        run.say(f"release: {line}")
    subjects = pl.read_parquet(folder / "tables" / "subjects.parquet")
    if measured := measure(subjects, inputs.policy):
        run.say(f"release: the smallest group alike in {', '.join(measured.quasi_identifiers)} is of {measured.k}")
    return folder


def _signer(run: Run) -> Path | None:
    """Return the key that signs releases, or None; it must be there before a release is made."""
    if run.study.signing_key is None:
        return None
    private = run.study.path(run.study.signing_key)
    if not private.exists():
        raise UserError(f"signing_key: there is no key at {private}. Make one: unibase key signing {private}")
    return private


def _say_told(run: Run, about: Mapping[str, Any]) -> None:
    """Say which columns the disclosure policy made coarser while another file tells the value before."""
    for column, places in about["told_elsewhere"].items():
        if places:
            some = ", ".join(places[:4]) + (f" and {len(places) - 4} more" if len(places) > 4 else "")
            run.say(f"release: {column} leaves as {about['coarsened'][column]}, but its value before stands in {some}")


def _depends_on(run: Run) -> str:
    """Return a digest of all that the content of a release depends on, the releases before it apart."""
    quarantine = run.content("quarantine", [run.quarantine_file("x").parent])
    signed = [sha256_file(signer)] if (signer := _signer(run)) else []
    return digest_of([kept.inputs(run, "release", STAGE.reads), quarantine, *signed])


def _stands(run: Run, content: str, version: str, releases: Path) -> Path | None:
    """Return the release of a version when it was published of the same content and is still as it was published."""
    last = run.ledger.remembered("release")
    if not last or last["asked"] != digest_of([content, _versions(releases)]):
        return None
    folder = releases / last["folder"]
    seals = tuple((stamp, digest) for stamp, digest in last["seals"])
    return folder if folder.name == version and still_sealed([Output(folder)], seals) is not None else None


def _versions(releases: Path) -> list[str]:
    return sorted(path.relative_to(releases).as_posix() for path in published(releases))


STAGE = Stage(
    "release",
    "Publish the release",
    reads=(
        PEOPLE,
        LEDGER,
        RECORDS,
        DICOM,
        FEATURES_TABLE,
        IMAGES_TABLE,
        AGREEMENT_TABLE,
        REPORT_VALUES_TABLE,
        VOXELS_TABLE,
        VOXEL_STORES,
        MATRICES,
        IDENTITY,
        MODELS,
        ASSAYS,
        SAMPLES,
        TIMELINE,
        LINKED,
        HARMONISATION,
        HARMONISED,
    ),
    leaves=(RELEASE,),
    run=publish,
)
