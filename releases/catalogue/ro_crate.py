"""The RO-Crate of a release, with the run that made it."""

from __future__ import annotations

from unibase.releases.catalogue.described_release import Release, distributions, identifier
from unibase.releases.catalogue.description import Description

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"

Entity = dict[str, object]
"""One entity of the crate, as JSON-LD."""


def ro_crate(release: Release, description: Description) -> Entity:
    """Return RO-Crate 1.1 metadata with the run that made the release (Process Run Crate 0.5).

    Args:
        release: The release.
        description: What people say of the study.
    """
    files, software, sources = _files(release), _software(release), _sources(release)
    publisher, contact = _publisher(description), _contact(description)
    licence = str(description.licence) if description.licence else "#licence"
    name = "Licence" if description.licence else "Terms of access"
    graph = [
        {
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        },
        _root(release, description, files, licence),
        {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"},
        publisher,
        contact,
        _run(release, description, _ids(software), _ids(sources), _ids(files)),
        *software,
        *sources,
        *files,
        {"@id": licence, "@type": "CreativeWork", "name": name, "description": description.rights.en},
    ]
    return {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph}


def _ids(entities: list[Entity]) -> list[Entity]:
    return [{"@id": entity["@id"]} for entity in entities]


def _files(release: Release) -> list[Entity]:
    return [
        {
            "@id": offered.name,
            "@type": "File",
            "name": offered.title,
            "encodingFormat": offered.media,
            "contentSize": str(offered.size),
            "sha256": release.files[offered.name]["sha256"],
        }
        for offered in distributions(release)
    ]


def _software(release: Release) -> list[Entity]:
    return [
        {
            "@id": f"https://pypi.org/project/{name}/{version}/",
            "@type": "SoftwareApplication",
            "name": name,
            "version": version,
            "url": f"https://pypi.org/project/{name}/",
        }
        for name, version in sorted(dict(release.about.get("software", {})).items())
    ]


def _sources(release: Release) -> list[Entity]:
    return [
        {
            "@id": f"#source-{name.replace('/', '-')}",
            "@type": "CreativeWork",
            "name": f"Source data {name}",
            "identifier": f"sha256:{digest}",
        }
        for name, digest in sorted(dict(release.about.get("source_digests", {})).items())
    ]


def _publisher(description: Description) -> Entity:
    return {
        "@id": str(description.publisher.homepage),
        "@type": "Organization",
        "name": description.publisher.name,
        "url": str(description.publisher.homepage),
        "contactPoint": {"@id": f"mailto:{description.contact.email}"},
    }


def _contact(description: Description) -> Entity:
    return {
        "@id": f"mailto:{description.contact.email}",
        "@type": "ContactPoint",
        "name": description.contact.name,
        "email": description.contact.email,
        "contactType": "request for access",
    }


def _run(
    release: Release, description: Description, software: list[Entity], sources: list[Entity], files: list[Entity]
) -> Entity:
    about = release.about
    return {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"Build of {about['study']} {about['version']}",
        "description": f"Settings {about['settings_digest']}, key fingerprint {about.get('key_fingerprint', '')}",
        "instrument": software,
        "object": sources,
        "result": files,
        "agent": {"@id": str(description.publisher.homepage)},
        "endTime": description.issued.isoformat(),
    }


def _root(release: Release, description: Description, files: list[Entity], licence: str) -> Entity:
    publisher = {"@id": str(description.publisher.homepage)}
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": description.title.en,
        "description": description.description.en,
        "datePublished": description.issued.isoformat(),
        "identifier": identifier(release, description),
        "version": str(release.about["version"]),
        "keywords": list(description.keywords),
        "license": {"@id": licence},
        "publisher": publisher,
        "author": publisher,
        "conformsTo": {"@id": PROFILE},
        "hasPart": _ids(files),
        "mentions": {"@id": "#run"},
    }
