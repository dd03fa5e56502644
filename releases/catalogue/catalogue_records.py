"""Catalogue records of a release, all from one description: HealthDCAT-AP, Croissant, RO-Crate, DataCite, data package,
datasheet.

Records hold aggregates only, no count of persons below the release's `min_cell`, and no time of day. HealthDCAT-AP is
written so that one record passes both the French HDH profile and EU Release 8 (NON_PUBLIC); tests validate it with
their SHACL shapes, Croissant with mlcroissant.
"""

from __future__ import annotations

from pathlib import Path

from unibase.groundwork.files import atomic_folder, write_json, write_text
from unibase.releases.catalogue.croissant import croissant
from unibase.releases.catalogue.data_package import data_package
from unibase.releases.catalogue.datacite import datacite
from unibase.releases.catalogue.datasheet import datasheet
from unibase.releases.catalogue.described_release import open_release
from unibase.releases.catalogue.description import Description
from unibase.releases.catalogue.ro_crate import ro_crate


def write_records(folder: Path | str, description: Description, target: Path | str) -> Path:
    """Write all catalogue records of the release in `folder` to `target`, which is replaced; return it.

    Args:
        folder: Folder of the release.
        description: What people say of the study.
        target: Folder to write.
    """
    from unibase.releases.catalogue.healthdcat import health_dcat  # rdflib is heavy, and only a record asks for it.

    release = open_release(folder)
    with atomic_folder(target) as building:
        graph = health_dcat(release, description)
        write_text(building / "healthdcat.ttl", graph.serialize(format="turtle"))
        write_text(building / "healthdcat.jsonld", graph.serialize(format="json-ld", indent=2, sort_keys=True) + "\n")
        write_json(building / "croissant.json", croissant(release, description))
        write_json(building / "ro-crate-metadata.json", ro_crate(release, description))
        write_json(building / "datacite.json", datacite(release, description))
        write_json(building / "datapackage.json", data_package(release, description))
        write_text(building / "datasheet.md", datasheet(release, description))
    return Path(target)
