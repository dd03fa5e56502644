"""The DataCite record of a release: what a DOI is registered with."""

from __future__ import annotations

from typing import Any

from unibase.releases.catalogue.described_release import Release, distributions, identifier
from unibase.releases.catalogue.description import Description

Record = dict[str, Any]
"""A record in the JSON of DataCite's REST interface."""


def datacite(release: Release, description: Description) -> Record:
    """Return the metadata (DataCite Metadata Schema 4.6) to register a DOI with; `doi` is there once the description names one.

    Args:
        release: The release.
        description: What people say of the study; `doi` is that of this release's version series, with the version after it.
    """
    about = release.about
    address = identifier(release, description)
    publisher = description.publisher
    organisation = {"name": publisher.name, "nameType": "Organizational"}
    record: Record = {
        "creators": [organisation],
        "titles": [{"title": description.title.en, "lang": "en"}, {"title": description.title.fr, "lang": "fr"}],
        "publisher": {"name": publisher.name},
        "publicationYear": description.issued.year,
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Multimodal cohort"},
        "subjects": [{"subject": word} for word in description.keywords],
        "contributors": [{"name": description.contact.name, "nameType": "Organizational", "contributorType": "ContactPerson"}],
        "dates": [{"date": description.issued.isoformat(), "dateType": "Issued"}],
        "language": "en",
        "version": str(about["version"]),
        "formats": sorted({offered.media for offered in distributions(release)}),
        "rightsList": [
            {"rights": description.rights.en, **({"rightsUri": str(description.licence)} if description.licence else {})}
        ],
        "descriptions": [{"description": description.description.en, "descriptionType": "Abstract", "lang": "en"}],
        "relatedIdentifiers": _version_before(address, about.get("previous")),
        "url": address,
        "schemaVersion": "http://datacite.org/schema/kernel-4",
    }
    return {"doi": description.doi, **record} if description.doi else record


def _version_before(address: str, previous: str | None) -> list[Record]:
    """Return the relation to the version before, where there is one."""
    if not previous:
        return []
    before = f"{address.rsplit('/', 1)[0]}/{previous}"
    return [{"relatedIdentifier": before, "relatedIdentifierType": "URL", "relationType": "IsNewVersionOf"}]
