"""Publish a release: a folder that appears whole and never changes again."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unibase.groundwork import tables
from unibase.groundwork.files import digest_of, sha256_file, write_bytes, write_json, write_text
from unibase.groundwork.problems import UserError
from unibase.privacy.leaks import leak_scan
from unibase.privacy.leaks.leak_scan import Needle
from unibase.releases import report
from unibase.releases.content import dictionary, manifest, multimodal, stability_words
from unibase.releases.content.inputs import HARMONISED, ReleaseInputs
from unibase.releases.content.methods_text import methods_paragraph
from unibase.releases.content.missingness import Reasons
from unibase.releases.content.timeline import write_description, write_timeline
from unibase.releases.content.wide_tables import CELLS, columns, scan, slices, subject_blocks, write_blocks
from unibase.releases.disclosure import policy
from unibase.releases.exports.define_xml import define_xml
from unibase.releases.read.difference import compare

__all__ = ["Following", "ReleaseInputs", "publish_release"]

FORMAT = 1
CSV_CELLS = 20_000_000
"""Larger tables are not written as CSV (gigabytes that few can open); Parquet and `cohort.h5mu` hold them."""

LOAD_SCRIPT = Path(__file__).parent.parent / "read" / "load_release.R"


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
        _refuse_leaks(building, needles)
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

    subjects: int
    modalities: Mapping[str, tuple[tuple[int, int], list[str]]]
    """Shape, and names of the rows."""
    described: pl.DataFrame
    measured: Mapping[str, Any]


def _write_content(inputs: ReleaseInputs, folder: Path) -> _Content:
    """Write all files that do not hang on the version of the release, nor on the release before it."""
    subjects = policy.coarsen(inputs.subjects.sort("subject_id"), inputs.policy)
    measured = policy.measure(subjects, inputs.policy)
    policy.enforce(measured)
    counted = _write_tables(inputs, subjects, folder)
    samples = _samples(inputs, subjects)
    modalities = make_modalities(inputs, subjects, samples, folder)
    stable = stability_words.of_columns(inputs.robustness)
    modalities[0].var = stability_words.annotated(modalities[0].var, stable)
    sample_map = mark_chosen(samples, modalities)
    counted["sample_map"] = _write_table("sample_map", [sample_map], dictionary.Tally(subjects), folder)
    counted["timeline"] = dictionary.Tally(subjects)
    write_timeline(inputs.events, subjects["subject_id"], folder / "timeline", counted["timeline"].add)
    described = dictionary.build(
        {name: counted[name] for name in TABLES if name in counted},
        inputs.dictionary,
        inputs.min_cell,
        {
            m.name: dictionary.ModalityNames(
                m.var.index,
                [*m.obs.columns, *m.var.columns, *(f"layers/{layer}" for layer in m.layers)],
                m.source is not None,
            )
            for m in modalities
        },
        stable,
    )
    multimodal.write_cohort(modalities, subjects, {"sample_map": sample_map}, folder)
    tables.write_parquet(described, folder / "dictionary" / "dictionary.parquet")
    write_csv(described, folder / "dictionary" / "dictionary.csv")
    write_json(folder / "dictionary" / "dictionary.json", dictionary.to_json(described))
    for group, parameters in inputs.harmonisation.items():
        write_json(folder / "harmonisation" / f"{group}.json", parameters)
    shutil.copyfile(LOAD_SCRIPT, folder / "load_release.R")
    rows = {m.name: (m.shape, m.obs.index.to_list()) for m in modalities}
    return _Content(subjects.height, rows, described, measured)


def _write_version(inputs: ReleaseInputs, content: _Content, folder: Path) -> None:
    """Write the files that name the version or tell what changed since the release before it; the manifest last."""
    write_description(folder / "timeline", inputs.study, inputs.version)
    about: dict[str, Any] = {
        "format": FORMAT,
        "study": inputs.study,
        "title": inputs.title,
        "version": inputs.version,
        "subjects": content.subjects,
        "modalities": {name: {"subjects": n, "variables": width} for name, ((n, width), _) in content.modalities.items()},
        "settings": dict(inputs.settings),
        "settings_digest": digest_of(inputs.settings),
        "source_digests": dict(inputs.source_digests),
        "software": dict(inputs.software),
        "key_fingerprint": inputs.key_fingerprint,
        "ledger_revision": inputs.ledger_revision,
        "min_cell": inputs.min_cell,
        "disclosure": content.measured,
        "flow": [dict(step) for step in inputs.flow],
        "harmonisation": {group: dict(made["record"]) for group, made in inputs.harmonisation.items()},
        "status": "pseudonymised, not anonymous",
    }
    write_bytes(folder / "dictionary" / "define.xml", define_xml(content.described, about))
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
            folder=folder,
            modalities={name: rows for name, (_, rows) in content.modalities.items()},
            flow=inputs.flow,
            dictionary=content.described,
            about=about,
            min_cell=inputs.min_cell,
            concepts=inputs.concepts,
            evidence=inputs.evidence,
            changes=changes,
        )
    )
    write_text(folder / "report.html", page)
    write_text(
        folder / "methods.txt",
        methods_paragraph(
            about, {name: scan(path) for name in METHODS_OF if (path := folder / "tables" / f"{name}.parquet").exists()}
        )
        + "\n",
    )
    manifest.write(folder, about)


METHODS_OF = ("features", "adtte", "adrs")
"""The tables that the paragraph on methods is written from."""

TABLES = (
    "subjects",
    "analysis",
    "adtte",
    "adrs",
    "bds",
    "features",
    "robustness",
    "trace",
    "sample_map",
    "quarantine",
    "splits",
    "timeline",
)
"""The tables of a release, in the order of its dictionary."""


def _write_tables(inputs: ReleaseInputs, subjects: pl.DataFrame, folder: Path) -> dict[str, dictionary.Tally]:
    """Write the tables that hang on nothing else: subjects of the cohort only, in a stated order of rows."""
    ids = subjects["subject_id"]
    rare = policy.rare_values(scan(inputs.analysis).filter(pl.col("subject_id").is_in(ids.implode())), inputs.policy)
    blocks: dict[str, Iterable[pl.DataFrame]] = {
        "subjects": [subjects],
        "analysis": (policy.coarsen(block, inputs.policy, rare) for block in subject_blocks(inputs.analysis, ids)),
        "adtte": subject_blocks(inputs.adtte, ids, ["PARAMCD"]),
        **({"adrs": subject_blocks(inputs.adrs, ids, ["PARAMCD", "ADT"])} if inputs.adrs is not None else {}),
        **({"bds": subject_blocks(inputs.bds, ids, ["PARAMCD", "ADT", "SRCDOM", "SRCSEQ"])} if inputs.bds is not None else {}),
        "features": subject_blocks(inputs.features, ids, tables.FEATURES.key),
        "trace": subject_blocks(inputs.trace, ids, columns(inputs.trace)),
        **(
            {}
            if inputs.robustness is None or inputs.robustness.is_empty()
            else {"robustness": [inputs.robustness.sort(stability_words.KEY)]}
        ),
        "quarantine": [tables.QUARANTINE.conform(inputs.quarantine)],
        **({"splits": subject_blocks(inputs.splits, ids, ["scheme", "held_out"])} if inputs.splits is not None else {}),
    }
    traced = scan(inputs.trace).select("subject_id", "variable").unique().collect()
    reasons = Reasons(inputs.missing, traced)
    return {
        name: _write_table(name, found, dictionary.Tally(subjects, partial(reasons.count, name)), folder)
        for name, found in blocks.items()
    }


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


def make_modalities(
    inputs: ReleaseInputs, subjects: pl.DataFrame, samples: pl.DataFrame, folder: Path
) -> list[multimodal.Modality]:
    """Return the modalities of the cohort: radiomics, the assays, clinical."""
    analysis = folder / "tables" / "analysis.parquet"
    schema = pl.read_parquet_schema(analysis)
    radiomic = feature_columns(schema, pl.read_parquet_schema(folder / "tables" / "features.parquet"))
    names = [c for c in schema if c in ("subject_id", "index_time") or c.endswith("_sample")]
    narrow = pl.read_parquet(analysis, columns=names)
    centre = subjects.select("subject_id", *(["centre"] if "centre" in subjects.columns else []))
    harmonised = {c for c in radiomic if c.startswith(HARMONISED)}
    radiomic = [c for c in radiomic if c not in harmonised]
    imaged = np.flatnonzero(_known(analysis, radiomic, narrow.height))
    modalities = [multimodal.table_modality("radiomics", analysis, imaged, radiomic, centre)]
    if harmonised:
        columns_of = [HARMONISED + c if HARMONISED + c in harmonised else None for c in radiomic]
        modalities[0].add_layer("combat", columns_of)
    chosen = multimodal.choose_samples(samples, narrow)
    for name in sorted(inputs.assays):
        modalities.append(multimodal.assay_modality(name, Path(inputs.assays[name]), chosen))
    prefixes = tuple(f"{before}{name}_" for name in inputs.assays for before in ("", HARMONISED))
    imaging = {*radiomic, *harmonised}
    numeric = [c for c, dtype in schema.items() if dtype.is_numeric() and c != "subject_id"]
    clinical = [c for c in numeric if c not in imaging and not c.startswith(prefixes)]
    endpoints = wide_endpoints(pl.read_parquet(folder / "tables" / "adtte.parquet"))
    obs = subjects.join(endpoints, on="subject_id", how="left")
    if inputs.adrs is not None:
        obs = obs.join(wide_responses(inputs.adrs, inputs.settings["responses"]), on="subject_id", how="left")
    modalities.append(multimodal.table_modality("clinical", analysis, np.arange(narrow.height), clinical, obs))
    return modalities


def _samples(inputs: ReleaseInputs, subjects: pl.DataFrame) -> pl.DataFrame:
    rows = tables.SAMPLE_MAP.conform(inputs.sample_map).filter(pl.col("primary").is_in(subjects["subject_id"].implode()))
    return rows.sort("assay", "primary", "colname", nulls_last=False, maintain_order=True)


def _known(table: Path, names: list[str], rows: int) -> np.ndarray:
    """Return which rows have a value in any of the columns, as booleans of shape (rows,)."""
    known = np.zeros(rows, dtype=bool)
    for start, block in slices(table, names, rows if names else 0, max(1, CELLS // max(1, len(names)))):
        known[start : start + block.height] = block.select(pl.any_horizontal(pl.all().is_not_null())).to_series().to_numpy()
    return known


def feature_columns(analysis: Mapping[str, pl.DataType], features: Mapping[str, pl.DataType]) -> list[str]:
    """Return the columns of the analysis table that hold radiomic features: those that end with the name of one."""
    declared = {column.name for column in tables.FEATURES.columns}
    names = tuple(name for name, dtype in features.items() if name not in declared and dtype.is_numeric())
    return [c for c, dtype in analysis.items() if names and c.endswith(names) and dtype.is_numeric()]


def wide_endpoints(adtte: pl.DataFrame) -> pl.DataFrame:
    """Return one row per subject with `<PARAMCD>_AVAL`, `<PARAMCD>_CNSR` and, where subjects enter late, `<PARAMCD>_ENTRY`."""
    wide = (
        adtte.select("subject_id").unique().sort("subject_id") if adtte.height else pl.DataFrame(schema={"subject_id": pl.Int64})
    )
    if not adtte.height:
        return wide
    for code in adtte["PARAMCD"].unique().sort().to_list():
        part = adtte.filter(pl.col("PARAMCD") == code).unique("subject_id", keep="first", maintain_order=True)
        columns = [name for name in ("AVAL", "CNSR", "ENTRY") if name in part.columns]
        part = part.select("subject_id", *(pl.col(name).alias(f"{code}_{name}") for name in columns))
        wide = wide.join(part, on="subject_id", how="left")
    return wide


def wide_responses(adrs: pl.DataFrame, codes: Sequence[str]) -> pl.DataFrame:
    """Return one row per subject with `<PARAMCD>_AVALC` of each best response."""
    best = adrs.filter(pl.col("PARAMCD").is_in(codes)).with_columns(pl.concat_str("PARAMCD", pl.lit("_AVALC")).alias("PARAMCD"))
    return best.pivot("PARAMCD", index="subject_id", values="AVALC").sort("subject_id")


def mark_chosen(sample_map: pl.DataFrame, modalities: list[multimodal.Modality]) -> pl.DataFrame:
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
    write_csv_blocks([frame], path)


def write_csv_blocks(blocks: Iterable[pl.DataFrame], path: Path) -> None:
    """Write the blocks of one table as one CSV file; see `write_csv`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for place, block in enumerate(blocks):
            _for_csv(block).write_csv(file, include_header=not place, datetime_format="%Y-%m-%dT%H:%M:%S", float_scientific=None)


def _for_csv(frame: pl.DataFrame) -> pl.DataFrame:
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    # R reads TRUE and FALSE as logical, but takes true and false for text.
    words = {
        name: pl.when(pl.col(name)).then(pl.lit("TRUE")).when(~pl.col(name)).then(pl.lit("FALSE")).alias(name)
        for name, dtype in frame.schema.items()
        if dtype == pl.Boolean
    }
    flat = frame.with_columns(*words.values())
    return flat.with_columns(pl.col(name).map_elements(_json_text, return_dtype=pl.String) for name in nested)


def _json_text(value: Any) -> str:
    import json

    return json.dumps(value.to_list() if isinstance(value, pl.Series) else value, default=str)
