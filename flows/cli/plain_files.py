"""Single stages on plain files, without a study."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from unibase.flows.runs.progress import ProgressBoard
from unibase.flows.runs.run import files_below, stop_if_failed
from unibase.flows.stages.deidentify import deidentify_to
from unibase.groundwork.cluster import dask_client
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import PEOPLE, QUARANTINE
from unibase.groundwork.work import Outcome, Unit, WorkLedger, run_units
from unibase.imaging.confidentiality.deidentify import DeidentifyTask
from unibase.imaging.options import DeidentifyOptions
from unibase.privacy.keys import Key, read_key_file
from unibase.privacy.ledger import persons
from unibase.privacy.ledger.people_file import in_words, read_links, read_people
from unibase.privacy.pseudonyms import token
from unibase.privacy.subjects import SubjectLookup

CENTRE = "centre"


def _deidentify(shared: tuple[Path, DeidentifyOptions, Key, SubjectLookup], source: Path) -> dict[str, Any]:
    destination, options, key, lookup = shared
    return deidentify_to(DeidentifyTask(source, destination, CENTRE, options, key, lookup))


def deidentify_folder(
    source: Path, destination: Path, key_file: Path, people: Path | None, policy: str, workers: int | None
) -> str:
    """De-identify a folder of DICOM; return a summary in words.

    Beside the destination stands `<destination>.vault`, mode 0700, with the identity ledger and the work ledger.

    Raises:
        UserError: If there is no source or key.
    """
    if not source.is_dir():
        raise UserError(f"No folder at {source}. Name the folder that holds the DICOM files.")
    key = read_key_file(key_file)
    vault = destination.with_name(f"{destination.name}.vault")
    vault.mkdir(parents=True, exist_ok=True)
    vault.chmod(0o700)
    frame = read_people(people, CENTRE).people if people else patients_of(source)
    persons.update_ledger(vault / "identity", frame, key)
    lookup = persons.open_lookup(vault / "identity", key)
    options = DeidentifyOptions.model_validate({"policy": policy})
    units = [
        Unit(path.relative_to(source).as_posix(), f"{path.stat().st_size}-{path.stat().st_mtime_ns}", path)
        for path in files_below(source)
    ]
    with (
        WorkLedger(vault / "work.sqlite") as ledger,
        ProgressBoard() as board,
        dask_client(workers=workers) as client,
    ):
        outcomes = run_units(
            "deidentify",
            _deidentify,
            units,
            ledger,
            settings=[options.model_dump(mode="json"), key.fingerprint],
            shared=(destination, options, key, lookup),
            client=client,
            batch_size=32,
            progress=board,
            still_there=lambda result: (destination / result["path"]).exists(),
        )
    stop_if_failed("deidentify", outcomes)
    outcomes = _apart(outcomes, destination)
    refused = [outcome for outcome in outcomes if outcome.status == "quarantined"]
    _write_quarantine(vault, key, refused)
    written = len({outcome.result["path"] for outcome in outcomes if outcome.status == "done"})
    again = len(outcomes) - len(refused) - written
    said = f"{destination}: {len(outcomes)} in = {written} written + {len(refused)} quarantined"
    said += f" + {again} the same as another file" if again else ""
    return said + (f"; reasons by file in {vault / 'quarantine.csv'}" if refused else "")


def _apart(outcomes: list[Outcome], destination: Path) -> list[Outcome]:
    """Return the outcomes with files of one SOP Instance UID and other content set aside: none of them is taken for the right one."""
    contents: dict[str, set[str]] = defaultdict(set)
    for outcome in outcomes:
        if outcome.status == "done":
            contents[outcome.result["path"]].add(outcome.result["blake3"])
    conflicting = {path for path, digests in contents.items() if len(digests) > 1}
    for path in conflicting:
        (destination / path).unlink(missing_ok=True)
    return [
        replace(
            outcome,
            status="quarantined",
            reason="conflicting-duplicate",
            message="Another source file has the same SOP Instance UID and different content; neither is used.",
            remedy="Keep the right one in the source folder and run again.",
        )
        if outcome.status == "done" and outcome.result["path"] in conflicting
        else outcome
        for outcome in outcomes
    ]


def _write_quarantine(vault: Path, key: Key, refused: list[Outcome]) -> None:
    rows = [
        {
            "stage": "deidentify",
            "centre": CENTRE,
            "unit": token(key, "unit/deidentify", o.key),
            "reason": o.reason,
            "message": o.message,
            "remedy": o.remedy,
        }
        for o in refused
    ]
    QUARANTINE.write(pl.DataFrame(rows, schema=QUARANTINE.schema()), vault / "quarantine.parquet")
    names = pl.DataFrame([{"file": o.key, "reason": o.reason, "message": o.message, "remedy": o.remedy} for o in refused])
    if names.height:
        names.write_csv(vault / "quarantine.csv")
    else:
        (vault / "quarantine.csv").unlink(missing_ok=True)


def patients_of(folder: Path) -> pl.DataFrame:
    """Return PEOPLE of the PatientIDs below a folder: each is taken for one person."""
    from unibase.imaging.dicom.series import read_header

    found = set()
    for path in files_below(folder):
        header = read_header(path)
        if header is not None and str(header.get("PatientID", "")).strip():
            found.add(str(header.PatientID).strip())
    rows = [
        {"centre": CENTRE, "person_key": number, "system": "ipp", "identifier": number, "source": "dicom", "source_row": row}
        for row, number in enumerate(sorted(found), start=1)
    ]
    return PEOPLE.conform(pl.DataFrame(rows, schema=PEOPLE.schema()))


def link_people(people: list[Path], out: Path, key_file: Path, links: Path | None) -> str:
    """Update an identity ledger from people files; return a summary in words."""
    stems = [path.stem for path in people]
    if len(set(stems)) != len(stems):
        raise UserError("Two people files have the same name; each file is one centre, named by its stem. Rename one.")
    files = {path: read_people(path, path.stem) for path in people}
    frame = pl.concat([file.people for file in files.values()])
    decisions = read_links(links) if links else None
    report = persons.update_ledger(out, frame, read_key_file(key_file), links=decisions)
    by_rule = ", ".join(f"{rule} {count}" for rule, count in report.links.items()) or "none"
    return (
        f"{out}: revision {report.revision}, {report.records} records are {report.persons} persons "
        f"({report.new_persons} new, {report.merges} merged, {report.splits} split)\n"
        f"links made: {by_rule}; undone: {report.undone}; numbers given to another person: {report.replaced}; "
        f"pairs to review: {report.review}"
        + "".join(f"\n{path.name}: {line}" for path, file in files.items() for line in in_words(file))
    )
