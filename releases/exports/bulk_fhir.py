"""A release as a bulk export of FHIR R4: a file of NDJSON for each type of resource.

Patients are subjects under their subject_id; dates are those of the release, shifted by subject, and as exact as they are
known: FHIR has days, months and years. A clock without a zone is written as UTC. What has no code system of the world's has
`urn:unibase:code`, and stays whole.

Sources: HL7 FHIR R4 (4.0.1); mCODE STU 3 for what a cancer patient and a cancer are; Bulk Data Access for the form of the files.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unibase.groundwork.outputs import Ours, replaced_folder
from unibase.groundwork.tables import EVENTS
from unibase.releases.content import manifest
from unibase.releases.exports.fhir_events import Event, resource_of
from unibase.releases.exports.fhir_forms import Json, without_nothing
from unibase.releases.exports.fhir_records import imaging_of, patient_of, specimen_of

_OURS = Ours(("*.ndjson",), "Patient.ndjson", "urn:unibase:subject")


@dataclass(frozen=True)
class Bulk:
    """What was written.

    Attributes:
        rows: Type of resource to the number of its resources.
        between: Events of which no day, month or year is known, but bounds: they are written without a date.
    """

    rows: Mapping[str, int]
    between: int


def write_fhir(release: Path | str, target: Path | str) -> Bulk:
    """Write the release in `release` as NDJSON files of FHIR R4 to `target`, which is replaced.

    Args:
        release: Folder of a release.
        target: Folder of the export.

    Raises:
        UserError: If `release` is no release.
    """
    release = Path(release)
    manifest.read(release)
    rows: Counter[str] = Counter()
    between = 0
    with replaced_folder(target, _OURS) as folder:
        for shard in sorted((release / "timeline" / "data").rglob("*.parquet")):
            events = EVENTS.conform(pl.read_parquet(shard))
            between += _append(folder, _of_timeline(events, rows))
        tables = release / "tables"
        _append(folder, _specimens(pl.read_parquet(tables / "sample_map.parquet"), rows))
        _append(folder, _images(pl.read_parquet(tables / "features.parquet"), rows))
    return Bulk(dict(sorted(rows.items())), between)


def _append(folder: Path, resources: Iterable[tuple[Json, bool]]) -> int:
    """Write resources to the files of their types; return how many events lie between bounds that no date of FHIR can tell."""
    lines: dict[str, list[str]] = {}
    vague = 0
    for resource, between in resources:
        vague += between
        text = json.dumps(without_nothing(resource), ensure_ascii=False, separators=(",", ":"))
        lines.setdefault(str(resource["resourceType"]), []).append(text + "\n")
    for kind, found in lines.items():
        with (folder / f"{kind}.ndjson").open("a", encoding="utf-8", newline="\n") as file:
            file.writelines(found)
    return vague


def _numbered(resource: Json, rows: Counter[str]) -> Json:
    """Return a resource with an id of its own, of the place of the resource among those of its type."""
    kind = str(resource["resourceType"])
    rows[kind] += 1
    return resource if "id" in resource else {"resourceType": kind, "id": f"{kind.lower()}-{rows[kind]}", **resource}


def _of_timeline(events: pl.DataFrame, rows: Counter[str]) -> Iterator[tuple[Json, bool]]:
    for (subject,), own in events.group_by("subject_id", maintain_order=True):
        found = [Event.of(row) for row in own.iter_rows(named=True)]
        yield _numbered(patient_of(str(subject), found), rows), False
        for event in found:
            resource = resource_of(event)
            if resource is not None:
                yield _numbered(resource, rows), event.between


def _specimens(samples: pl.DataFrame, rows: Counter[str]) -> Iterator[tuple[Json, bool]]:
    for row in samples.sort("primary", "assay", "colname").iter_rows(named=True):
        yield _numbered(specimen_of(row), rows), False


def _images(features: pl.DataFrame, rows: Counter[str]) -> Iterator[tuple[Json, bool]]:
    keys = ["subject_id", "StudyInstanceUID"]
    for _, study in features.sort(*keys, "SeriesInstanceUID", maintain_order=True).group_by(keys, maintain_order=True):
        for resource in imaging_of(study):
            yield _numbered(resource, rows), False
