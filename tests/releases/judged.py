"""Three cohorts unlike one another, and the judges that others made for what leaves a release: each returns what it has to say."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import polars as pl

from tests.releases.describe_example import DESCRIPTION
from tests.releases.examples import make_inputs
from unibase.groundwork.tables import EVENTS, SAMPLE_MAP
from unibase.releases.catalogue.catalogue_records import write_records
from unibase.releases.catalogue.described_release import open_release
from unibase.releases.catalogue.description import read_description
from unibase.releases.catalogue.healthdcat import health_dcat
from unibase.releases.content.inputs import ReleaseInputs
from unibase.releases.content.publish import publish_release


@dataclass(frozen=True)
class Shape:
    """What a cohort is like: subjects, weights of its centres, and whether it has images and samples."""

    subjects: int
    centres: Mapping[str, float]
    images: bool = True
    samples: bool = True


SHAPES: Mapping[str, Shape] = {
    "a centre of one person": Shape(47, {"lyon": 0.5, "Paris": 0.5, "CHU-été": 0.0}),
    "no images": Shape(83, {"derived": 0.2, "Hôpital Saint-Éloi": 0.8}, images=False),
    "no samples": Shape(31, {"Nœud n° 7": 1.0}, samples=False),
}


def inputs_of(name: str, seed: int, folder: Path) -> ReleaseInputs:
    """Return the inputs of a release of a shape; equal seeds give equal inputs."""
    shape, rng = SHAPES[name], random.Random(seed)
    inputs = make_inputs(folder, subjects=shape.subjects, seed=seed)
    drawn = rng.choices(list(shape.centres), list(shape.centres.values()), k=shape.subjects)
    last = list(shape.centres)[-1]
    centres = pl.Series("centre", [last, *drawn[1:]])
    stages = pl.Series("STAGE", rng.choices(["IA", "IIB", "III", "IV", None], k=shape.subjects), dtype=pl.String)
    words = pl.DataFrame([{"column": "STAGE", "label": "Stade à l’index", "derivation": "UICC, 8ᵉ édition."}])
    assert inputs.analysis is not None and inputs.events is not None and isinstance(inputs.events, pl.DataFrame)
    years = [datetime(rng.randint(1932, 1980), 1, 1) for _ in range(shape.subjects)]
    births = {"subject_id": inputs.subjects["subject_id"], "time": years, "code": "MEDS_BIRTH", "source": "Paris/omop/person"}
    events = EVENTS.conform(pl.concat([inputs.events, EVENTS.conform(pl.DataFrame(births))]))
    given = replace(
        inputs,
        events=events,
        subjects=inputs.subjects.with_columns(centres, stages),
        analysis=inputs.analysis.with_columns(centres),
        dictionary=[*inputs.dictionary, words],
    )
    if not shape.images:
        columns = [c for c in inputs.analysis.columns if "original_" not in c]
        events = events.filter(~pl.col("code").str.starts_with("IMAGING//"))
        given = replace(
            given,
            features=inputs.features.head(0),
            analysis=given.analysis.select(columns),
            events=events,
            trace=inputs.trace.head(0),
        )  # type: ignore[union-attr]
    if not shape.samples:
        given = replace(given, assays={}, sample_map=SAMPLE_MAP.empty())
    return given


def published(name: str, seed: int, folder: Path) -> Path:
    """Publish a cohort of a shape below `folder`, its records beside it in `records`, and return the release."""
    release = publish_release(inputs_of(name, seed, folder / "in"), folder / "out")
    words = folder / "catalogue.yaml"
    words.write_text(DESCRIPTION, encoding="utf-8")
    records = write_records(release, read_description(words), folder / "records")
    for path in release.iterdir():
        if not (records / path.name).exists():
            (records / path.name).symlink_to(path)
    return release


def _records(release: Path) -> Path:
    return release.parents[2] / "records"


def shacl(shapes: Path) -> Callable[[Path], list[str]]:
    """Return the judge that holds the HealthDCAT-AP record to the shapes of a file; warnings count."""

    def judge(release: Path) -> list[str]:
        from pyshacl import validate

        record = health_dcat(open_release(release), read_description(release.parents[2] / "catalogue.yaml"))
        conforms, _, text = validate(record, shacl_graph=str(shapes), inference="none", allow_warnings=False)
        return [] if conforms else [str(text)]

    return judge


def croissant(release: Path) -> list[str]:
    """The library of MLCommons opens the record without a word and reads the endpoints."""
    import mlcroissant

    dataset = mlcroissant.Dataset(jsonld=_records(release) / "croissant.json")
    issues = dataset.metadata.ctx.issues
    rows = sum(1 for _ in dataset.records("adtte"))
    expected = pl.read_parquet(release / "tables" / "adtte.parquet").height
    return [*issues.errors, *issues.warnings, *([] if rows == expected else [f"{rows} of {expected} endpoints"])]


def crate(profile: str) -> Callable[[Path], list[str]]:
    """Return the judge that holds the RO-Crate to a profile, recommendations included."""

    def judge(release: Path) -> list[str]:
        command = [sys.executable, "-m", "tests.releases.crate_validator", str(_records(release)), profile]
        ended = subprocess.run(command, capture_output=True, text=True)
        return [ended.stderr] if ended.returncode else list(json.loads(ended.stdout))

    return judge


def data_package(release: Path) -> list[str]:
    """Every cell of every CSV is of the type that the package names, keys are unique (what `frictionless validate` asks)."""
    package = json.loads((_records(release) / "datapackage.json").read_text(encoding="utf-8"))
    found = []
    for resource in package["resources"]:
        with (release / resource["path"]).open(encoding="utf-8", newline="") as stream:
            heads, *rows = csv.reader(stream)
        fields = resource["schema"]["fields"]
        if heads != [field["name"] for field in fields]:
            found.append(f"{resource['name']}: heads")
        for place, field in enumerate(fields):
            cells = {row[place] for row in rows} - {""}
            found += [f"{resource['name']}.{field['name']}: {cell}" for cell in sorted(cells) if not _is(field, cell)]
        key = [heads.index(name) for name in resource["schema"].get("primaryKey", [])]
        if key and len({tuple(row[place] for place in key) for row in rows}) < len(rows):
            found.append(f"{resource['name']}: a key twice")
    return found


def _is(field: Mapping[str, str], cell: str) -> bool:
    try:
        match field["type"]:
            case "integer":
                int(cell)
            case "number":
                float(cell)
            case "boolean":
                return cell in ("TRUE", "FALSE")
            case "date":
                datetime.strptime(cell, "%Y-%m-%d")
            case "datetime":
                datetime.strptime(cell, field["format"])
    except ValueError:
        return False
    return True


def meds(release: Path) -> list[str]:
    """The schemas of MEDS 0.4 take the timeline and the codes, and it is in order."""
    import pyarrow.parquet as pq
    from meds import CodeMetadataSchema, DataSchema

    found = []
    for path in sorted((release / "timeline" / "data").rglob("*.parquet")):
        DataSchema.validate(pq.read_table(path))
        frame = pl.read_parquet(path)
        found += [] if frame.equals(frame.sort("subject_id", "time", nulls_last=False, maintain_order=True)) else [path.name]
    CodeMetadataSchema.validate(pq.read_table(release / "timeline" / "metadata" / "codes.parquet"))
    return found


def define_xml(release: Path) -> list[str]:
    """CDISC's schema takes the dictionary as Define-XML 2.1."""
    import odmlib
    import xmlschema

    schema = xmlschema.XMLSchema(Path(odmlib.__file__).parent / "schemas" / "define" / "2.1" / "define2-1-0.xsd")
    return [str(error.reason) for error in schema.iter_errors(ET.parse(release / "dictionary" / "define.xml"))]


def portal(release: Path) -> list[str]:
    """What cBioPortal's validator asks, as `test_cbioportal_rules` states it."""
    from tests.releases import test_cbioportal_rules as rules
    from unibase.releases.exports.cbioportal import write_study

    study = write_study(release, release.parents[2] / "study", "nsclc")
    rules.test_the_study_names_its_genome_and_each_meta_file_its_data(study)
    rules.test_no_two_attributes_have_one_label(study)
    for level in ("patient", "sample"):
        rules.test_four_heads_describe_every_column(study, level)
    columns = rules.columns(study)
    return [name for name, holds in rules.RULES.items() if not holds(columns)]


def omop(release: Path) -> list[str]:
    """DuckDB loads the CDM by its own SQL, and no row breaks a rule of the data quality dashboard's kind."""
    from tests.releases.test_omop_cdm import broken_rules, database
    from unibase.releases.exports.omop_cdm import write_omop

    folder = release.parents[2] / "omop"
    write_omop(release, folder)
    con = database(folder)
    return [name for name, sql in broken_rules() if con.sql(sql).fetchall()]


def fhir(release: Path) -> list[str]:
    """Every resource is one by the models of fhir.resources, and has an identifier of its own."""
    from fhir.resources.R4B import get_fhir_model_class

    from tests.releases.test_bulk_fhir import resources
    from unibase.releases.exports.bulk_fhir import write_fhir

    write_fhir(release, release.parents[2] / "fhir")
    found = resources(release.parents[2] / "fhir")
    for one in found:
        get_fhir_model_class(str(one["resourceType"])).model_validate(one)
    return [] if len({(one["resourceType"], one["id"]) for one in found}) == len(found) else ["an id twice"]


JUDGES: Mapping[str, Callable[[Path], list[str]]] = {
    "mlcroissant": croissant,
    "RO-Crate 1.1": crate("ro-crate-1.1"),
    "Process Run Crate": crate("process-run-crate-0.5"),
    "data package": data_package,
    "MEDS": meds,
    "Define-XML": define_xml,
    "cBioPortal": portal,
    "OMOP": omop,
    "FHIR": fhir,
}
SHACL = (
    "hdh_fr_hdap-validator-sensitivity-shape.ttl",
    "r8_non-public-shapes.retyped.ttl",
    "dcat-ap-3.0.1/dcat-ap-SHACL.ttl",
)
"""Shapes of the HDH, of HealthDCAT-AP Release 8 and of DCAT-AP, in the real data."""
