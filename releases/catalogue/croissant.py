"""The Croissant record of a release (MLCommons): files, tables, and the parts that its splits name."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from unibase.groundwork.files import JsonObject
from unibase.releases.catalogue.caveats import MISUSES, USES, biases, traps
from unibase.releases.catalogue.described_release import Offered, Release, distributions, identifier
from unibase.releases.catalogue.description import Description
from unibase.releases.images.shipped import FOLDER

CROISSANT_TYPES = {
    "integer": "sc:Integer",
    "float": "sc:Float",
    "boolean": "sc:Boolean",
    "date": "sc:Date",
    "datetime": "sc:DateTime",
}
CROISSANT_CONTEXT: JsonObject = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


SPLITS = {"train": "cr:TrainingSplit", "validation": "cr:ValidationSplit", "test": "cr:TestSplit"}
"""Parts of the table `splits` to what Croissant calls them."""


def _file(release: Release, offered: Offered) -> JsonObject:
    return {
        "@type": "cr:FileObject",
        "@id": offered.name,
        "name": offered.name,
        "contentUrl": offered.name,
        "encodingFormat": offered.media,
        "contentSize": f"{offered.size} B",
        "sha256": release.files[offered.name]["sha256"],
    }


def _stores(release: Release) -> list[JsonObject]:
    """Return the stores of voxels as one set of files, where the release has any."""
    if not any(name.startswith(f"{FOLDER}/") for name in release.files):
        return []
    return [
        {
            "@type": "cr:FileSet",
            "@id": "voxels",
            "name": "voxels",
            "description": "Images and label maps as OME-Zarr 0.5; the table `images` has a row for each store.",
            "encodingFormat": "application/vnd.zarr",
            "includes": f"{FOLDER}/**",
        }
    ]


def _field(table: str, row: Mapping[str, str]) -> JsonObject:
    name = f"{table}/{row['column']}"
    field: JsonObject = {
        "@type": "cr:Field",
        "@id": name,
        "name": name,
        "description": row["derivation"] or row["label"] or row["column"],
        "dataType": CROISSANT_TYPES.get(row["type"], "sc:Text"),
        "source": {"fileObject": {"@id": f"csv/{table}.csv"}, "extract": {"column": row["column"]}},
    }
    return {**field, "references": {"field": {"@id": "parts/name"}}} if name == "splits/part" else field


def _parts(release: Release) -> list[JsonObject]:
    """Return the parts that the table `splits` names, as an enumeration with Croissant's own words for them."""
    if "splits" not in release.in_csv():
        return []
    path = release.folder / "tables" / "splits.parquet"
    found = pl.scan_parquet(path).select(pl.col("part").unique().sort()).collect()["part"].drop_nulls()
    fields = [
        {"@type": "cr:Field", "@id": f"parts/{name}", "name": f"parts/{name}", "description": text, "dataType": kind}
        for name, text, kind in (
            ("name", "Part, as the table splits names it.", "sc:Text"),
            ("url", "What Croissant calls it.", "sc:URL"),
        )
    ]
    return [
        {
            "@type": "cr:RecordSet",
            "@id": "parts",
            "name": "parts",
            "description": "Parts of the splits: train, validation, test.",
            "dataType": "cr:Split",
            "key": {"@id": "parts/name"},
            "field": fields,
            "data": [{"parts/name": part, "parts/url": SPLITS[part]} for part in found if part in SPLITS],
        }
    ]


def _tables(release: Release) -> list[JsonObject]:
    return [
        {
            "@type": "cr:RecordSet",
            "@id": table,
            "name": table,
            "description": f"Table {table}",
            "field": [_field(table, row) for row in release.columns(table)],
        }
        for table in release.in_csv()
    ]


def croissant(release: Release, description: Description) -> JsonObject:
    """Return the Croissant 1.0 record (MLCommons): files, a record set per table in CSV, and the parts of the splits.

    Args:
        release: The release.
        description: What people say of the study.
    """
    return {
        "@context": CROISSANT_CONTEXT,
        "@type": "sc:Dataset",
        "name": f"{release.about['study']}-{release.about['version']}",
        "description": description.description.en,
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "url": identifier(release, description),
        "version": _three_parts(str(release.about["version"])),
        "datePublished": description.issued.isoformat(),
        "license": str(description.licence) if description.licence else description.rights.en,
        "creator": {"@type": "sc:Organization", "name": description.publisher.name, "url": str(description.publisher.homepage)},
        "publisher": {"@type": "sc:Organization", "name": description.publisher.name, "url": str(description.publisher.homepage)},
        "citeAs": f"{description.publisher.name}. {description.title.en}, version {release.about['version']}. {identifier(release, description)}",
        "keywords": list(description.keywords),
        **_responsible(release, description),
        "distribution": [*(_file(release, offered) for offered in distributions(release)), *_stores(release)],
        "recordSet": [*_parts(release), *_tables(release)],
    }


def _responsible(release: Release, description: Description) -> JsonObject:
    """Return the fields of Croissant's vocabulary of responsible AI (RAI 1.0)."""
    methods = release.folder / "methods.txt"
    return {
        "rai:dataCollection": description.provenance.en,
        "rai:dataPreprocessingProtocol": methods.read_text(encoding="utf-8").strip() if methods.exists() else "",
        "rai:dataBiases": biases(release),
        "rai:dataLimitations": traps(release),
        "rai:dataUseCases": f"{USES} {MISUSES}",
        "rai:dataReleaseMaintenancePlan": "A release never changes; a correction is a new version.",
        "rai:personalSensitiveInformation": "Pseudonymised health data, not anonymous.",
    }


def _three_parts(version: str) -> str:
    """Return a version of three numbers, as Croissant asks."""
    parts = version.split("-")[0].split("+")[0].split(".")
    return ".".join([*parts, "0", "0"][:3])
