"""The datasheet of a release, for people."""

from __future__ import annotations

from unibase.releases.catalogue.caveats import MISUSES, USES, biases, traps
from unibase.releases.catalogue.described_release import Release
from unibase.releases.catalogue.description import Description

SHEET = """# {title}

Datasheet of {study} {version}.

## Motivation

{description}

Published by {publisher}. {publisher_note}

## Composition

Subjects: {individuals}. {coverage}

{modalities}

The data are {status}. Dates are shifted by one number of days per subject; intervals are exact.

## Collection

{provenance}

## Preprocessing

{methods}

Software: {software}. Settings: SHA-256 {settings}.

## Uses

Intended: {uses} {misuses}

Purposes: {purposes}. Attempts to identify a person are forbidden.

## Bias and known traps

{caveats}

## Distribution

{rights} {access}

## Maintenance

Releases never change; a correction is a new version. Contact: {contact}, {email}.
"""


def datasheet(release: Release, description: Description) -> str:
    """Return a datasheet (after Gebru et al., Commun ACM 2021;64:86), in English.

    Args:
        release: The release; counts below its smallest one are not told.
        description: What people say of the study.
    """
    about = release.about
    software = ", ".join(f"{name} {version}" for name, version in sorted(dict(about.get("software", {})).items()))
    methods = release.folder / "methods.txt"
    return SHEET.format(
        title=description.title.en,
        study=about["study"],
        version=about["version"],
        description=description.description.en,
        publisher=description.publisher.name,
        publisher_note=description.publisher.note.en,
        individuals="fewer than the smallest count shown" if release.individuals is None else release.individuals,
        coverage=description.population_coverage.en if description.population_coverage else "",
        modalities="\n".join(f"- {name}: {shape['variables']} variables" for name, shape in dict(about["modalities"]).items()),
        status=about["status"],
        provenance=description.provenance.en,
        methods=methods.read_text(encoding="utf-8").strip() if methods.exists() else "",
        software=software or "not recorded",
        settings=about["settings_digest"],
        uses=USES,
        misuses=MISUSES,
        caveats="\n".join(f"- {one}" for one in (*biases(release), *traps(release))),
        purposes=", ".join(str(purpose).rsplit("#", 1)[-1] for purpose in description.purpose),
        rights=description.rights.en,
        access=description.request_access.en,
        contact=description.contact.name,
        email=description.contact.email,
    )
