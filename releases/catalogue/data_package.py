"""The Frictionless data package of a release."""

from __future__ import annotations

from unibase.groundwork.files import JsonObject
from unibase.releases.catalogue.described_release import Release, identifier
from unibase.releases.catalogue.description import Description

PACKAGE_TYPES = {"integer": "integer", "float": "number", "boolean": "boolean", "date": "date", "datetime": "datetime"}


def data_package(release: Release, description: Description) -> JsonObject:
    """Return a Frictionless data package (v1, tabular) of the CSV tables of a `release`, with the words of its `description`."""
    keys = {"subjects": ["subject_id"], "analysis": ["subject_id"], "adtte": ["subject_id", "PARAMCD"]}
    resources = []
    for table in release.in_csv():
        name = f"csv/{table}.csv"
        fields = []
        for row in release.columns(table):
            kind = PACKAGE_TYPES.get(row["type"], "string")
            one: JsonObject = {"name": row["column"], "type": kind, "title": row["label"], "description": row["derivation"]}
            if kind == "datetime":
                one["format"] = "%Y-%m-%dT%H:%M:%S"
            if kind == "boolean":
                one |= {"trueValues": ["TRUE"], "falseValues": ["FALSE"]}
            fields.append(one)
        schema: JsonObject = {"fields": fields, "missingValues": [""]}
        if table in keys and fields:
            schema["primaryKey"] = keys[table]
        resources.append(
            {
                "name": table.replace("_", "-"),
                "path": name,
                "profile": "tabular-data-resource",
                "format": "csv",
                "mediatype": "text/csv",
                "encoding": "utf-8",
                "hash": f"sha256:{release.files[name]['sha256']}",
                "schema": schema,
            }
        )
    return {
        "profile": "tabular-data-package",
        "name": f"{release.about['study']}-{release.about['version']}".lower(),
        "id": identifier(release, description),
        "title": description.title.en,
        "description": description.description.en,
        "version": str(release.about["version"]),
        "created": f"{description.issued.isoformat()}T00:00:00Z",
        "homepage": identifier(release, description),
        "keywords": list(description.keywords),
        "contributors": [{"title": description.publisher.name, "path": str(description.publisher.homepage), "role": "publisher"}],
        "resources": resources,
    }
