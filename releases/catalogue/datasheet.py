"""The datasheet of a release, for people."""

from __future__ import annotations

from unibase.releases.catalogue.described_release import Release
from unibase.releases.catalogue.description import Description


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
