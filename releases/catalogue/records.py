"""Catalogue records of a release, all from one description: HealthDCAT-AP, Croissant, RO-Crate, data package, datasheet.

Records hold aggregates only, no count of persons below the release's `min_cell`, and no time of day. HealthDCAT-AP is
written so that one record passes both the French HDH profile and EU Release 8 (NON_PUBLIC); tests validate it with
their SHACL shapes, Croissant with mlcroissant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from unibase.groundwork.files import atomic_folder, write_json, write_text
from unibase.releases.catalogue.description import Description, Text
from unibase.releases.content import manifest
from unibase.releases.disclosure.small_counts import is_small

if TYPE_CHECKING:
    from rdflib import Graph

MAX_COLUMNS = 200
"""Variables of a table named in HealthDCAT-AP; the dictionary of the release has all."""

EU = "http://publications.europa.eu/resource/authority"
FORMATS: Mapping[str, tuple[str, str]] = {
    ".parquet": ("application/vnd.apache.parquet", f"{EU}/file-type/PARQUET"),
    ".csv": ("text/csv", f"{EU}/file-type/CSV"),
    ".h5mu": ("application/x-hdf5", f"{EU}/file-type/HDF"),
    ".json": ("application/json", f"{EU}/file-type/JSON"),
    ".html": ("text/html", f"{EU}/file-type/HTML"),
    ".txt": ("text/plain", f"{EU}/file-type/TXT"),
    ".R": ("text/x-r-source", f"{EU}/file-type/TXT"),
}

RDF_TYPES = {"integer": "integer", "float": "double", "boolean": "boolean", "date": "date", "datetime": "dateTime"}
CROISSANT_TYPES = {
    "integer": "sc:Integer",
    "float": "sc:Float",
    "boolean": "sc:Boolean",
    "date": "sc:Date",
    "datetime": "sc:DateTime",
}
PACKAGE_TYPES = {"integer": "integer", "float": "number", "boolean": "boolean", "date": "date", "datetime": "datetime"}


@dataclass(frozen=True)
class Release:
    """What a catalogue may know of a release."""

    folder: Path
    about: dict[str, Any]
    dictionary: pl.DataFrame

    @property
    def files(self) -> dict[str, dict[str, Any]]:
        """Files with digest and size."""
        return dict(self.about["files"])

    @property
    def individuals(self) -> int | None:
        """Number of subjects, None when too few to say."""
        count = self.about["subjects"]
        return None if count is None or is_small(int(count), int(self.about["min_cell"])) else int(count)

    def columns(self, table: str) -> list[dict[str, Any]]:
        """Dictionary rows of one table."""
        return self.dictionary.filter(pl.col("table") == table).to_dicts()

    def tables(self) -> list[str]:
        """Names of the released tables."""
        return sorted(Path(name).stem for name in self.files if name.startswith("tables/"))

    def in_csv(self) -> list[str]:
        """Names of the tables that are small enough to be in CSV as well."""
        return [table for table in self.tables() if f"csv/{table}.csv" in self.files]


def open_release(folder: Path | str) -> Release:
    """Read what a catalogue needs of a release.

    Raises:
        UserError: If `folder` is no release.
    """
    folder = Path(folder)
    return Release(folder, manifest.read(folder), pl.read_parquet(folder / "dictionary" / "dictionary.parquet"))


def write_records(folder: Path | str, description: Description, target: Path | str) -> Path:
    """Write all catalogue records of the release in `folder` to `target`, which is replaced; return it."""
    release = open_release(folder)
    with atomic_folder(target) as building:
        graph = health_dcat(release, description)
        write_text(building / "healthdcat.ttl", graph.serialize(format="turtle"))
        write_text(building / "healthdcat.jsonld", graph.serialize(format="json-ld", indent=2, sort_keys=True) + "\n")
        write_json(building / "croissant.json", croissant(release, description))
        write_json(building / "ro-crate-metadata.json", ro_crate(release, description))
        write_json(building / "datapackage.json", data_package(release, description))
        write_text(building / "datasheet.md", datasheet(release, description))
    return Path(target)


def identifier(release: Release, description: Description) -> str:
    """Return the IRI of the release."""
    return f"{str(description.base_url).rstrip('/')}/{release.about['study']}/{release.about['version']}"


def distributions(release: Release) -> list[tuple[str, str, str, int]]:
    """Return `(name, title, media type, bytes)` of what a reader would ask for."""
    wanted = [
        ("cohort.h5mu", "MuData, all modalities"),
        *((f"tables/{t}.parquet", f"Table {t}, Parquet") for t in release.tables()),
        *((f"csv/{t}.csv", f"Table {t}, CSV") for t in release.tables()),
    ]
    return [
        (name, title, FORMATS[Path(name).suffix][0], int(release.files[name]["bytes"]))
        for name, title in wanted
        if name in release.files
    ]


def health_dcat(release: Release, description: Description) -> Graph:
    """Return the HealthDCAT-AP record: a catalogue with one dataset, its distributions and variables.

    Every node has an IRI, so that equal releases give equal Turtle.
    """
    from rdflib import Graph, Literal, Namespace, URIRef
    from rdflib.namespace import DCAT, DCTERMS, FOAF, RDF, RDFS, SKOS, XSD

    adms, vcard = Namespace("http://www.w3.org/ns/adms#"), Namespace("http://www.w3.org/2006/vcard/ns#")
    dcatap, health = Namespace("http://data.europa.eu/r5r/"), Namespace("http://healthdataportal.eu/ns/health#")
    dpv, csvw, cv = (
        Namespace("https://w3id.org/dpv#"),
        Namespace("http://www.w3.org/ns/csvw#"),
        Namespace("http://data.europa.eu/m8g/"),
    )
    spdx, prov = Namespace("http://spdx.org/rdf/terms#"), Namespace("http://www.w3.org/ns/prov#")
    graph = Graph()
    for prefix, space in (
        ("adms", adms),
        ("vcard", vcard),
        ("dcatap", dcatap),
        ("healthdcatap", health),
        ("dpv", dpv),
        ("csvw", csvw),
        ("cv", cv),
        ("spdx", spdx),
        ("prov", prov),
        ("dct", DCTERMS),
    ):
        graph.bind(prefix, space, override=True, replace=True)
    iri = identifier(release, description)
    dataset = URIRef(iri)

    def node(name: str, *types: Any) -> URIRef:
        subject = URIRef(f"{iri}#{name}")
        for kind in types:
            graph.add((subject, RDF.type, kind))
        return subject

    def add(subject: URIRef, predicate: URIRef, *values: Any) -> None:
        for value in values:
            graph.add((subject, predicate, value))

    def both(text: Text) -> tuple[Literal, Literal]:
        return Literal(text.fr, lang="fr"), Literal(text.en, lang="en")

    def links(values: Any) -> list[URIRef]:
        return [URIRef(str(v)) for v in values]

    def concept(value: Any, label: str) -> URIRef:
        subject = URIRef(str(value))
        add(subject, RDF.type, SKOS.Concept)
        add(subject, SKOS.prefLabel, Literal(label, lang="en"))
        return subject

    def agent(name: str, who: Any) -> URIRef:
        subject = node(name, FOAF.Agent)
        add(subject, FOAF.name, Literal(who.name))
        add(subject, FOAF.homepage, URIRef(str(who.homepage)))
        add(subject, FOAF.mbox, URIRef(f"mailto:{who.email}"))
        point = node(f"{name}-contact", cv.ContactPoint)
        add(point, cv.email, Literal(who.email))
        add(point, cv.contactPage, URIRef(str(who.homepage)))
        add(subject, cv.contactPoint, point)
        return subject

    def typed(value: Any, kind: Any) -> URIRef:
        # DCAT-AP checks classes, and a record cannot lean on the authority tables being at hand.
        add(URIRef(str(value)), RDF.type, kind)
        return URIRef(str(value))

    legislation = [
        typed(v, URIRef("http://data.europa.eu/eli/ontology#LegalResource")) for v in description.applicable_legislation
    ]
    publisher = agent("publisher", description.publisher)
    add(publisher, health.publisherType, concept(description.publisher.type, "Publisher type"))
    add(publisher, health.publisherNote, *both(description.publisher.note))
    add(publisher, health.trustedDataHolder, Literal(description.publisher.trusted_data_holder, datatype=XSD.boolean))
    contact = node("contact", vcard.Kind)
    add(contact, vcard.fn, Literal(description.contact.name))
    add(contact, vcard.hasEmail, URIRef(f"mailto:{description.contact.email}"))
    add(contact, vcard.hasURL, URIRef(str(description.contact.homepage)))

    add(dataset, RDF.type, DCAT.Dataset)
    add(dataset, DCTERMS.title, *both(description.title))
    add(dataset, DCTERMS.description, *both(description.description))
    add(dataset, DCTERMS.identifier, Literal(iri, datatype=XSD.anyURI))
    add(dataset, URIRef(f"{DCAT}version"), Literal(release.about["version"]))
    add(dataset, DCTERMS.issued, Literal(description.issued))
    add(dataset, DCTERMS.accessRights, typed(description.access_rights, DCTERMS.RightsStatement))
    add(dataset, dcatap.applicableLegislation, *legislation)
    add(dataset, DCTERMS.publisher, publisher)
    add(dataset, health.hdab, agent("hdab", description.hdab))
    add(dataset, DCAT.contactPoint, contact)
    add(dataset, DCTERMS.spatial, typed(description.spatial, DCTERMS.Location))
    add(dataset, DCAT.theme, concept(description.theme, "Health"))
    add(dataset, DCTERMS.type, concept(description.dataset_type, "Dataset type"))
    add(dataset, DCAT.keyword, *(Literal(word) for word in description.keywords))
    add(dataset, DCTERMS.language, typed(f"{EU}/language/ENG", DCTERMS.LinguisticSystem))
    add(dataset, dpv.hasPurpose, *links(description.purpose))
    add(dataset, dpv.hasLegalBasis, *links(description.legal_basis))
    add(dataset, dpv.hasPersonalData, *links(description.personal_data))
    add(dataset, health.healthCategory, *links(description.health_category))
    add(dataset, health.healthTheme, *links(description.health_theme))
    add(dataset, health.hasCodingSystem, *links(description.coding_system))
    if description.population_coverage:
        add(dataset, health.populationCoverage, *both(description.population_coverage))
    if release.individuals is not None:
        add(dataset, health.numberOfUniqueIndividuals, Literal(release.individuals, datatype=XSD.nonNegativeInteger))
    statement = node("provenance", DCTERMS.ProvenanceStatement)
    add(statement, RDFS.label, *both(description.provenance))
    add(dataset, DCTERMS.provenance, statement)
    rights = node("rights", DCTERMS.RightsStatement)
    add(rights, RDFS.label, *both(description.rights))

    def distribution(name: str, title: str, media: str, size: int) -> URIRef:
        subject = URIRef(f"{iri}/{name}")
        add(subject, RDF.type, DCAT.Distribution)
        add(subject, DCTERMS.title, Literal(title, lang="en"))
        add(subject, DCAT.accessURL, URIRef(iri))
        add(subject, dcatap.applicableLegislation, *legislation)
        add(subject, DCAT.byteSize, Literal(size, datatype=XSD.nonNegativeInteger))
        add(subject, DCAT.mediaType, typed(f"http://www.iana.org/assignments/media-types/{media}", DCTERMS.MediaType))
        add(subject, DCTERMS.format, typed(FORMATS[Path(name).suffix][1], DCTERMS.MediaTypeOrExtent))
        add(subject, DCTERMS.rights, rights)
        if description.licence:
            add(subject, DCTERMS.license, typed(description.licence, DCTERMS.LicenseDocument))
        checksum = URIRef(f"{iri}/{name}#checksum")
        add(checksum, RDF.type, spdx.Checksum)
        add(checksum, spdx.algorithm, typed(spdx.checksumAlgorithm_sha256, spdx.ChecksumAlgorithm))
        add(checksum, spdx.checksumValue, Literal(release.files[name]["sha256"], datatype=XSD.hexBinary))
        add(subject, spdx.checksum, checksum)
        return subject

    for offered in distributions(release):
        add(dataset, DCAT.distribution, distribution(*offered))
    words = "dictionary/dictionary.csv"
    add(
        dataset,
        adms.sample,
        distribution(
            words,
            "Structure of the data: the dictionary, without a patient's value",
            "text/csv",
            int(release.files[words]["bytes"]),
        ),
    )

    group = node("variables", csvw.TableGroup)
    add(group, DCTERMS.title, Literal("Tables and variables", lang="en"))
    add(dataset, health.hasStructuredData, Literal(True, datatype=XSD.boolean))
    add(dataset, health.hasVariables, group)
    for table in release.tables():
        subject = node(f"table-{table}", csvw.Table)
        add(group, csvw.table, subject)
        add(subject, DCTERMS.title, Literal(table))
        kind = "csv" if table in release.in_csv() else "parquet"
        add(subject, csvw.url, URIRef(f"{iri}/{'csv' if kind == 'csv' else 'tables'}/{table}.{kind}"))
        for place, row in enumerate(release.columns(table)[:MAX_COLUMNS]):
            column = node(f"column-{table}-{place + 1}", csvw.Column)
            add(subject, csvw.column, column)
            add(column, csvw.name, Literal(row["column"]))
            for predicate in (csvw.title, csvw.titles):
                add(column, predicate, Literal(row["label"] or row["column"]))
            add(column, DCTERMS.description, Literal(row["derivation"] or row["label"] or row["column"]))
            add(column, csvw.datatype, Literal(RDF_TYPES.get(row["type"], "string")))

    catalogue = URIRef(f"{str(description.base_url).rstrip('/')}/")
    add(catalogue, RDF.type, DCAT.Catalog)
    add(catalogue, DCTERMS.title, Literal(f"Catalogue of {description.publisher.name}", lang="en"))
    add(catalogue, DCTERMS.description, Literal(f"Health datasets of {description.publisher.name}", lang="en"))
    add(catalogue, DCTERMS.publisher, publisher)
    add(catalogue, dcatap.applicableLegislation, *legislation)
    add(catalogue, DCAT.dataset, dataset)
    return graph


CROISSANT_CONTEXT: dict[str, Any] = {
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


def croissant(release: Release, description: Description) -> dict[str, Any]:
    """Return the Croissant 1.0 record (MLCommons): files, and a record set per table in CSV."""
    files = [
        {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "contentUrl": name,
            "encodingFormat": media,
            "contentSize": f"{size} B",
            "sha256": release.files[name]["sha256"],
        }
        for name, _, media, size in distributions(release)
    ]
    records = []
    for table in release.in_csv():
        fields = [
            {
                "@type": "cr:Field",
                "@id": f"{table}/{row['column']}",
                "name": f"{table}/{row['column']}",
                "description": row["derivation"] or row["label"] or row["column"],
                "dataType": CROISSANT_TYPES.get(row["type"], "sc:Text"),
                "source": {"fileObject": {"@id": f"csv/{table}.csv"}, "extract": {"column": row["column"]}},
            }
            for row in release.columns(table)
        ]
        records.append({"@type": "cr:RecordSet", "@id": table, "name": table, "description": f"Table {table}", "field": fields})
    return {
        "@context": CROISSANT_CONTEXT,
        "@type": "sc:Dataset",
        "name": f"{release.about['study']}-{release.about['version']}",
        "description": description.description.en,
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "url": identifier(release, description),
        "version": _three_parts(str(release.about["version"])),
        "datePublished": description.issued.isoformat(),
        "license": str(description.licence) if description.licence else description.rights.en,
        "creator": {"@type": "sc:Organization", "name": description.publisher.name, "url": str(description.publisher.homepage)},
        "publisher": {"@type": "sc:Organization", "name": description.publisher.name, "url": str(description.publisher.homepage)},
        "citeAs": f"{description.publisher.name}. {description.title.en}, version {release.about['version']}. {identifier(release, description)}",
        "keywords": list(description.keywords),
        "rai:personalSensitiveInformation": "Pseudonymised health data, not anonymous.",
        "distribution": files,
        "recordSet": records,
    }


def _three_parts(version: str) -> str:
    """Return a version of three numbers, as Croissant asks."""
    parts = version.split("-")[0].split("+")[0].split(".")
    return ".".join([*parts, "0", "0"][:3])


def ro_crate(release: Release, description: Description) -> dict[str, Any]:
    """Return RO-Crate 1.1 metadata with the run that made the release (Process Run Crate 0.5)."""
    about = release.about
    files = [
        {
            "@id": name,
            "@type": "File",
            "name": title,
            "encodingFormat": media,
            "contentSize": str(size),
            "sha256": release.files[name]["sha256"],
        }
        for name, title, media, size in distributions(release)
    ]
    software = [
        {
            "@id": f"https://pypi.org/project/{name}/{version}/",
            "@type": "SoftwareApplication",
            "name": name,
            "version": version,
            "url": f"https://pypi.org/project/{name}/",
        }
        for name, version in sorted(dict(about.get("software", {})).items())
    ]
    sources = [
        {
            "@id": f"#source-{name.replace('/', '-')}",
            "@type": "CreativeWork",
            "name": f"Source data {name}",
            "identifier": f"sha256:{digest}",
        }
        for name, digest in sorted(dict(about.get("source_digests", {})).items())
    ]
    publisher = {
        "@id": str(description.publisher.homepage),
        "@type": "Organization",
        "name": description.publisher.name,
        "url": str(description.publisher.homepage),
        "contactPoint": {"@id": f"mailto:{description.contact.email}"},
    }
    contact = {
        "@id": f"mailto:{description.contact.email}",
        "@type": "ContactPoint",
        "name": description.contact.name,
        "email": description.contact.email,
        "contactType": "request for access",
    }
    profile = "https://w3id.org/ro/wfrun/process/0.5"
    licence: Any = {"@id": str(description.licence)} if description.licence else {"@id": "#licence"}
    run = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"Build of {about['study']} {about['version']}",
        "description": f"Settings {about['settings_digest']}, key fingerprint {about.get('key_fingerprint', '')}",
        "instrument": [{"@id": s["@id"]} for s in software],
        "object": [{"@id": s["@id"]} for s in sources],
        "result": [{"@id": f["@id"]} for f in files],
        "agent": {"@id": publisher["@id"]},
        "endTime": description.issued.isoformat(),
    }
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": description.title.en,
        "description": description.description.en,
        "datePublished": description.issued.isoformat(),
        "identifier": identifier(release, description),
        "version": str(about["version"]),
        "keywords": list(description.keywords),
        "license": licence,
        "publisher": {"@id": publisher["@id"]},
        "author": {"@id": publisher["@id"]},
        "conformsTo": {"@id": profile},
        "hasPart": [{"@id": f["@id"]} for f in files],
        "mentions": {"@id": "#run"},
    }
    graph: list[dict[str, Any]] = [
        {
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        },
        root,
        {"@id": profile, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"},
        publisher,
        contact,
        run,
        *software,
        *sources,
        *files,
    ]
    if not description.licence:
        graph.append(
            {"@id": "#licence", "@type": "CreativeWork", "name": "Terms of access", "description": description.rights.en}
        )
    else:
        graph.append(
            {"@id": str(description.licence), "@type": "CreativeWork", "name": "Licence", "description": description.rights.en}
        )
    return {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph}


def data_package(release: Release, description: Description) -> dict[str, Any]:
    """Return a Frictionless data package (v1, tabular) of the CSV tables."""
    keys = {"subjects": ["subject_id"], "analysis": ["subject_id"], "adtte": ["subject_id", "PARAMCD"]}
    resources = []
    for table in release.in_csv():
        name = f"csv/{table}.csv"
        fields = []
        for row in release.columns(table):
            kind = PACKAGE_TYPES.get(row["type"], "string")
            one: dict[str, Any] = {"name": row["column"], "type": kind, "title": row["label"], "description": row["derivation"]}
            if kind == "datetime":
                one["format"] = "%Y-%m-%dT%H:%M:%S"
            if kind == "boolean":
                one |= {"trueValues": ["TRUE"], "falseValues": ["FALSE"]}
            fields.append(one)
        schema: dict[str, Any] = {"fields": fields, "missingValues": [""]}
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
                "bytes": release.files[name]["bytes"],
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


def datasheet(release: Release, description: Description) -> str:
    """Return a datasheet (after Gebru et al., Commun ACM 2021;64:86), in English."""
    about = release.about
    individuals = "fewer than the smallest count shown" if release.individuals is None else str(release.individuals)
    modalities = "\n".join(f"- {name}: {shape['variables']} variables" for name, shape in dict(about["modalities"]).items())
    software = (
        ", ".join(f"{name} {version}" for name, version in sorted(dict(about.get("software", {})).items())) or "not recorded"
    )
    methods = (release.folder / "methods.txt").read_text(encoding="utf-8") if (release.folder / "methods.txt").exists() else ""
    return f"""# {description.title.en}

Datasheet of {about["study"]} {about["version"]}.

## Motivation

{description.description.en}

Published by {description.publisher.name}. {description.publisher.note.en}

## Composition

Subjects: {individuals}. {description.population_coverage.en if description.population_coverage else ""}

{modalities}

The data are {about["status"]}. Dates are shifted by one number of days per subject; intervals are exact.

## Collection

{description.provenance.en}

## Preprocessing

{methods.strip()}

Software: {software}. Settings: SHA-256 {about["settings_digest"]}.

## Uses

{", ".join(str(p).rsplit("#", 1)[-1] for p in description.purpose)}. Attempts to identify a person are forbidden.

## Distribution

{description.rights.en} {description.request_access.en}

## Maintenance

Releases never change; a correction is a new version. Contact: {description.contact.name}, {description.contact.email}.
"""
