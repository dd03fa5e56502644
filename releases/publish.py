"""Publish a release: a folder that appears whole and never changes again."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from groundwork import tables
from groundwork.files import digest_of, sha256_file, write_json, write_text
from groundwork.problems import UserError
from privacy import leak_scan
from privacy.leak_scan import Needle
from releases import cohort, dictionary, manifest, policy, report, stability
from releases.difference import compare
from releases.inputs import ReleaseInputs
from releases.provenance import methods_paragraph
from releases.timeline import write_timeline

__all__ = ["ReleaseInputs", "publish_release"]

FORMAT = 1
CSV_CELLS = 20_000_000
"""Larger tables are not written as CSV (gigabytes that few can open); Parquet and `cohort.h5mu` hold them."""

LOAD_SCRIPT = Path(__file__).with_name("load_release.R")


class VersionTaken(UserError):
    """The version is published already, with other content."""


def publish_release(inputs: ReleaseInputs, releases_folder: Path | str, needles: Iterable[Needle] = ()) -> Path:
    """Write the release to `<releases_folder>/<study>/<version>/` and return that folder.

    It is built beside its place and renamed into it, so a reader never sees a part of a release. A published version
    is never overwritten: when it holds the same bytes it is returned as it is.

    Args:
        inputs: All that goes into the release.
        releases_folder: Where releases of all studies are.
        needles: Identifiers of the sources; every byte of the release is searched for them before it is published.

    Raises:
        UserError: If the inputs do not make a release (see `ReleaseInputs.check`), a column has no description, the
            release fails its disclosure policy or holds an identifier of `needles`.
        VersionTaken: If the version is published already with other content.
    """
    inputs.check()
    target = Path(releases_folder) / inputs.study / inputs.version
    target.parent.mkdir(parents=True, exist_ok=True)
    building = target.with_name(f".tmp-{uuid.uuid4().hex}")
    building.mkdir()
    try:
        _build(inputs, building)
        _refuse_leaks(building, needles)
        if target.exists():
            _same_or_refuse(building, target)
            return target
        building.rename(target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target


def _refuse_leaks(building: Path, needles: Iterable[Needle]) -> None:
    needles = list(needles)
    if not needles:
        return
    findings = leak_scan.scan(building, needles)
    if findings:
        places = ", ".join(sorted({f"{f.kind} in {f.path}" for f in findings})[:5])
        raise UserError(
            f"The release is not published: {sum(f.count for f in findings)} identifiers of the sources are in it ({places}). "
            "Find the stage that let them through, and build again."
        )


def _same_or_refuse(building: Path, target: Path) -> None:
    if sha256_file(building / manifest.MANIFEST) == sha256_file(target / manifest.MANIFEST):
        return
    new, old = manifest.read(building), manifest.read(target)
    files = sorted(name for name in set(new["files"]) | set(old["files"]) if new["files"].get(name) != old["files"].get(name))
    what = ", ".join(files[:5]) + (f" and {len(files) - 5} more" if len(files) > 5 else "") if files else "the manifest"
    raise VersionTaken(
        f"Version {target.name} is published and would now differ ({what}). "
        "A published release never changes: give a new version under `release: version`."
    )


def _build(inputs: ReleaseInputs, folder: Path) -> None:
    frames = released_tables(inputs)
    measured = policy.measure(frames["subjects"], inputs.policy)
    policy.enforce(measured)
    subject_ids = frames["subjects"]["subject_id"]
    codes = write_timeline(inputs.events, subject_ids, folder / "timeline", inputs.study, inputs.version)
    modalities = make_modalities(inputs, frames)
    stable = stability.of_columns(frames.get("robustness"))
    modalities[0].var = stability.annotated(modalities[0].var, stable)
    frames["sample_map"] = mark_chosen(frames["sample_map"], modalities)
    described = dictionary.build(
        {**frames, "timeline": tables.EVENTS.empty()},
        inputs.dictionary,
        inputs.min_cell,
        {
            m.name: dictionary.ModalityNames(m.var.index, [*m.obs.columns, *m.var.columns], m.source is not None)
            for m in modalities
        },
        frames["subjects"],
        stable,
    )
    for name, frame in frames.items():
        tables.write_parquet(frame, folder / "tables" / f"{name}.parquet")
        if frame.height * frame.width <= CSV_CELLS:
            write_csv(frame, folder / "csv" / f"{name}.csv")
    cohort.write_cohort(modalities, frames["subjects"], {"sample_map": frames["sample_map"]}, folder)
    tables.write_parquet(described, folder / "dictionary" / "dictionary.parquet")
    write_csv(described, folder / "dictionary" / "dictionary.csv")
    write_json(folder / "dictionary" / "dictionary.json", dictionary.to_json(described))
    shutil.copyfile(LOAD_SCRIPT, folder / "load_release.R")
    about: dict[str, Any] = {
        "format": FORMAT,
        "study": inputs.study,
        "title": inputs.title,
        "version": inputs.version,
        "subjects": frames["subjects"].height,
        "modalities": {m.name: {"subjects": m.shape[0], "variables": m.shape[1]} for m in modalities},
        "settings": dict(inputs.settings),
        "settings_digest": digest_of(inputs.settings),
        "source_digests": dict(inputs.source_digests),
        "software": dict(inputs.software),
        "key_fingerprint": inputs.key_fingerprint,
        "min_cell": inputs.min_cell,
        "disclosure": measured,
        "flow": [dict(step) for step in inputs.flow],
        "status": "pseudonymised, not anonymous",
    }
    changes = None
    if inputs.previous is not None:
        before = manifest.read(inputs.previous)
        about["previous"] = before["version"]
        changes = compare(inputs.previous, folder, before, about)
    page = report.render(
        report.ReportData(
            study=inputs.study,
            title=inputs.title,
            version=inputs.version,
            description=inputs.description,
            tables=frames,
            timeline=folder / "timeline",
            codes=codes,
            modalities={m.name: m.obs.index.to_list() for m in modalities},
            flow=inputs.flow,
            dictionary=described,
            about=about,
            min_cell=inputs.min_cell,
            concepts=inputs.concepts,
            evidence=inputs.evidence,
            changes=changes,
        )
    )
    write_text(folder / "report.html", page)
    write_text(folder / "methods.txt", methods_paragraph(about, frames) + "\n")
    manifest.write(folder, about)


def released_tables(inputs: ReleaseInputs) -> dict[str, pl.DataFrame]:
    """Return the tables of the release: subjects of the cohort only, in a stated order of rows."""
    subjects = policy.coarsen(inputs.subjects.sort("subject_id"), inputs.policy)
    ids = subjects["subject_id"].to_list()

    def only(frame: pl.DataFrame, *order: str, column: str = "subject_id") -> pl.DataFrame:
        if column not in frame.columns:
            return frame
        # Wide tables come in order and complete most of the time; then nothing is copied.
        mine = frame[column].is_in(ids).fill_null(False)
        kept = frame if mine.all() else frame.filter(mine)
        keys = [name for name in order if name in kept.columns]
        place = kept.select(keys).with_row_index("__place").sort(keys, nulls_last=False, maintain_order=True)["__place"]
        return kept if place.is_sorted() else kept[place]

    robustness = inputs.robustness
    return {
        "subjects": subjects,
        "analysis": policy.coarsen(only(inputs.analysis, "subject_id"), inputs.policy),
        "adtte": only(inputs.adtte, "subject_id", "PARAMCD"),
        "features": only(inputs.features, *tables.FEATURES.key),
        **({} if robustness is None or robustness.is_empty() else {"robustness": robustness.sort(stability.KEY)}),
        "trace": only(inputs.trace, *inputs.trace.columns),
        "sample_map": only(tables.SAMPLE_MAP.conform(inputs.sample_map), "assay", "primary", "colname", column="primary"),
        "quarantine": tables.QUARANTINE.conform(inputs.quarantine),
    }


def make_modalities(inputs: ReleaseInputs, frames: dict[str, pl.DataFrame]) -> list[cohort.Modality]:
    """Return the modalities of the cohort: radiomics, the assays, clinical."""
    subjects, analysis = frames["subjects"], frames["analysis"]
    radiomic = feature_columns(analysis, frames["features"])
    numeric = [c for c, dtype in analysis.schema.items() if dtype.is_numeric() and c != "subject_id"]
    known = pl.any_horizontal(pl.col(radiomic).is_not_null()) if radiomic else pl.lit(False)
    imaged = analysis.select(known.alias("known"))["known"] if radiomic else pl.Series("known", [False])
    measured = analysis if imaged.all() else analysis.filter(known)
    centre = subjects.select("subject_id", *(["centre"] if "centre" in subjects.columns else []))
    modalities = [cohort.frame_modality("radiomics", measured, radiomic, centre)]
    chosen = cohort.choose_samples(frames["sample_map"], analysis)
    for name in sorted(inputs.assays):
        modalities.append(cohort.assay_modality(name, Path(inputs.assays[name]), chosen))
    prefixes = tuple(f"{name}_" for name in inputs.assays)
    imaging = set(radiomic)
    clinical = [c for c in numeric if c not in imaging and not c.startswith(prefixes)]
    modalities.append(
        cohort.frame_modality(
            "clinical", analysis, clinical, subjects.join(wide_endpoints(frames["adtte"]), on="subject_id", how="left")
        )
    )
    return modalities


def feature_columns(analysis: pl.DataFrame, features: pl.DataFrame) -> list[str]:
    """Return the columns of `analysis` that hold radiomic features: those that end with the name of one."""
    declared = {column.name for column in tables.FEATURES.columns}
    names = tuple(name for name, dtype in features.schema.items() if name not in declared and dtype.is_numeric())
    if not names:
        return []
    return [c for c, dtype in analysis.schema.items() if c.endswith(names) and dtype.is_numeric()]


def wide_endpoints(adtte: pl.DataFrame) -> pl.DataFrame:
    """Return one row per subject with `<PARAMCD>_AVAL` and `<PARAMCD>_CNSR`."""
    wide = (
        adtte.select("subject_id").unique().sort("subject_id") if adtte.height else pl.DataFrame(schema={"subject_id": pl.Int64})
    )
    if not adtte.height:
        return wide
    for code in adtte["PARAMCD"].unique().sort().to_list():
        part = adtte.filter(pl.col("PARAMCD") == code).unique("subject_id", keep="first", maintain_order=True)
        part = part.select("subject_id", pl.col("AVAL").alias(f"{code}_AVAL"), pl.col("CNSR").alias(f"{code}_CNSR"))
        wide = wide.join(part, on="subject_id", how="left")
    return wide


def mark_chosen(sample_map: pl.DataFrame, modalities: list[cohort.Modality]) -> pl.DataFrame:
    """Return the sample map with `chosen`: whether the sample is the row of its subject in the cohort file."""
    pairs = [(m.name, str(sample)) for m in modalities if "sample" in m.obs.columns for sample in m.obs["sample"]]
    chosen = pl.DataFrame(pairs, schema={"assay": pl.String, "colname": pl.String}, orient="row").with_columns(
        chosen=pl.lit(True)
    )
    return sample_map.join(chosen, on=["assay", "colname"], how="left", maintain_order="left").with_columns(
        pl.col("chosen").fill_null(False)
    )


def write_csv(frame: pl.DataFrame, path: Path) -> None:
    """Write `frame` as CSV that R and others read: ISO dates, empty for missing, shortest exact decimals."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    # R reads TRUE and FALSE as logical, but takes true and false for text.
    words = {
        name: pl.when(pl.col(name)).then(pl.lit("TRUE")).when(~pl.col(name)).then(pl.lit("FALSE")).alias(name)
        for name, dtype in frame.schema.items()
        if dtype == pl.Boolean
    }
    flat = frame.with_columns(*words.values())
    flat = flat.with_columns(pl.col(name).map_elements(_json_text, return_dtype=pl.String) for name in nested)
    flat.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%S", float_scientific=None)


def _json_text(value: Any) -> str:
    import json

    return json.dumps(value.to_list() if isinstance(value, pl.Series) else value, default=str)
