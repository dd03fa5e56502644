"""Project extracts: what an approval names and no more, under the project's own pseudonyms, encrypted for its recipient.

Pseudonyms are derived from the custodian's key and the project's name, so that the pseudonyms of two extracts say
nothing of one another, nor of the release. Measured numbers carry noise of the project's own (`extract_noise`): no value is
shared to its last digit. Who holds two extracts can still match persons by many columns that lie near one another.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unibase.groundwork.files import atomic_file, sha256_file, write_json
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import write_parquet
from unibase.privacy.audit import AuditLog
from unibase.privacy.keys import Key
from unibase.privacy.pseudonyms import subject_id as derive_pseudonym
from unibase.releases.attack.of_extracts import Opened, numbers_of, rows_of
from unibase.releases.content import manifest
from unibase.releases.content.csv_files import write_csv
from unibase.releases.disclosure.small_counts import is_small
from unibase.releases.exports.extract_images import add_images, check_images, images_left_out
from unibase.releases.exports.extract_joins import Joined, joined, refuse_over
from unibase.releases.exports.extract_noise import MOST_DAYS, OF_DAYS, Noise, agreement, moved
from unibase.releases.exports.extract_overlap import cuts_few
from unibase.releases.exports.extract_request import Condition, DateRule, Request, read_request, subjects_of
from unibase.releases.read.index_day import INDEX, days_from_index, index_days

__all__ = ["Request", "extract", "read_request"]

DAYS = "_days_from_index"
"""What a date is called that leaves as days from the index."""
FORBIDDEN = frozenset(
    {
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "colname",
        "sample",
        "primary",
        "source_row",
        "SRCSEQ",
        "source_digest",
        "digest",
        "path",
        "unit_token",
    }
)
"""Columns that name a row of the release, and so would join an extract to it."""


def extract(
    release: Path | str, request: Request, key: Key, target: Path | str, *, today: date, actor: str, audit: AuditLog | None = None
) -> Path:
    """Write the extract of `release` that `request` names to `<target>/<project>.tar.age` and return that file.

    Args:
        release: Folder of the release, checked against its manifest first.
        request: The approved request.
        key: The custodian's key; project pseudonyms are derived from it.
        target: Folder for the encrypted file.
        today: The day, to which the approval must still hold.
        actor: Who makes the extract, for the audit log.
        audit: Where it is logged, and where earlier extracts are found; without it no request is weighed beside others.

    Raises:
        UserError: If the approval has expired, the release is damaged, a variable is unknown or would name a row of the
            release, fewer subjects than `min_cell` remain, a recipient is no age key, or an earlier extract stands against it.
    """
    release, target = Path(release), Path(target)
    _refuse_stale(release, request, today)
    about = manifest.read(release)
    _check_variables(release, request)
    check_images(release, request)
    subjects = subjects_of(release, request.subjects)
    pseudonyms = _pseudonyms(subjects, request, key)
    _refuse_few(pseudonyms.height, int(about["min_cell"]))
    _refuse_beside_others(release, request, subjects, int(about["min_cell"]), audit)
    joins = _joins(release, request, key, audit)
    refuse_over(joins, about.get("extract_limit"), request.joins)
    destination = target / f"{request.name}.tar.age"
    target.mkdir(parents=True, exist_ok=True)
    # mkdtemp gives a folder that nobody else can read, and the block leaves nothing in clear behind.
    with tempfile.TemporaryDirectory(dir=target, prefix=".tmp-") as folder:
        leaves = Leaves(pseudonyms, _noise(release, request, key))
        _fill(Path(folder), release, about, request, leaves)
        _fill_images(Path(folder), release, request, leaves)
        _encrypt(Path(folder), request.recipients, destination)
    if audit is not None:
        logged = _logged(request, f"{about['study']} {about['version']}", release, destination)
        audit.append(actor, "extract", pseudonyms.height, {**dict(logged), "joins": [one.words for one in joins]})
    return destination


def _refuse_stale(release: Path, request: Request, today: date) -> None:
    """Raise where the approval has ended, or the release is not as it was published."""
    if request.expires < today:
        raise UserError(f"The approval {request.approval} ended on {request.expires}. Ask for a new one.")
    if damaged := manifest.verify(release):
        raise UserError(f"The release is not as published: {damaged[0]}. Copy it again from where it was published.")


def _refuse_few(subjects: int, min_cell: int) -> None:
    """Refuse to hand out a few.

    Raises:
        UserError: If there are fewer subjects than `min_cell`.
    """
    if subjects < min_cell:
        few = f"The request leaves fewer than {min_cell} subjects, which is too few to hand out."
        raise UserError(f"{few} Widen its conditions.")


def _logged(request: Request, named: str, release: Path, written: Path) -> Iterator[tuple[str, object]]:
    """Yield what the audit log holds of an extract: of its conditions those that hold no pseudonym."""
    yield "project", request.project
    yield "version", request.version
    yield "request", request.digest
    if not any(one.column == "subject_id" for one in request.subjects):
        yield "subjects", [one.model_dump(mode="json", by_alias=True) for one in request.subjects]
    yield "asked", request.model_dump(mode="json", by_alias=True, exclude={"recipients", "given_to", "subjects"})
    yield "approval", request.approval
    yield "expires", request.expires.isoformat()
    yield "given_to", request.given_to or ", ".join(request.recipients)
    yield "release", named
    yield "manifest", sha256_file(release / manifest.MANIFEST)
    yield "extract", sha256_file(written)


def _noise(release: Path, request: Request, key: Key) -> Noise:
    return Noise(_project_key(request, key), request.noise, agreement(release) if request.noise else {})


def _project_key(request: Request, key: Key) -> Key:
    return Key(key.derive(f"extract/{request.project}"))


def _pseudonyms(subjects: pl.Series, request: Request, key: Key) -> pl.DataFrame:
    """Return `subject_id` and the project's `pseudonym` of each, in order of pseudonym."""
    project = _project_key(request, key)
    new = [derive_pseudonym(project, str(s)) for s in subjects]
    return subjects.to_frame().with_columns(pl.Series("pseudonym", new, dtype=pl.Int64)).sort("pseudonym")


def _refuse_beside_others(release: Path, request: Request, subjects: pl.Series, min_cell: int, audit: AuditLog | None) -> None:
    """Refuse a name that stands for another request, and subjects who differ by a few from those of an earlier extract.

    Who holds two extracts of one release, of persons of 60 and more and of 61 and more, holds the few who are 60.

    Raises:
        UserError: With what to change.
    """
    digest = sha256_file(release / manifest.MANIFEST)
    mine, given = set(subjects), list[set[int]]()
    for entry in _extracts(audit):
        same_name = (entry["project"], entry.get("version", 1)) == (request.project, request.version)
        if same_name and entry.get("request") not in (None, request.digest):
            raise UserError(
                f"An extract {request.name} was given for another request. Give `version: {request.version + 1}` for a further one."
            )
        if entry["manifest"] != digest or "subjects" not in entry:
            continue
        others = set(subjects_of(release, [Condition.model_validate(one) for one in entry["subjects"]]))
        if is_small(len(mine - others), min_cell) or is_small(len(others - mine), min_cell):
            raise UserError(
                f"The subjects differ by fewer than {min_cell} from those of the extract of {entry['project']}: both together tell "
                "of these few. Use the same conditions, or ones that differ by more."
            )
        given.append(others)
    every = set(pl.read_parquet(release / "tables" / "subjects.parquet", columns=["subject_id"])["subject_id"])
    if is_small(len(every - mine), min_cell):
        raise UserError(
            f"The request leaves out fewer than {min_cell} of the release's subjects: its page and the extract together tell of "
            "these few. Ask for all, or for fewer."
        )
    if cuts_few(every, given, mine, min_cell):
        raise UserError(
            f"With all {len(given)} earlier extracts of the release, the request tells fewer than {min_cell} subjects apart. "
            "Use the conditions of one of them, or ones that differ by more."
        )


def _joins(release: Path, request: Request, key: Key, audit: AuditLog | None) -> list[Joined]:
    """Return what the request and each extract that other projects were given tell together, of any version of the study."""
    versions = {sha256_file(path): path.parent for path in sorted(release.parent.glob(f"*/{manifest.MANIFEST}"))}
    versions |= {sha256_file(release / manifest.MANIFEST): release}
    others = {
        (entry["project"], entry["manifest"]): entry
        for entry in _extracts(audit)
        if entry["manifest"] in versions and entry["project"] != request.project and "asked" in entry
    }
    mine = _leaving(release, request, key) if others else None
    found = []
    for (project, digest), entry in sorted(others.items()):
        asked = {**entry["asked"], "recipients": ["-"], "subjects": entry.get("subjects", [])}
        assert mine is not None
        found.append(joined(project, _leaving(versions[digest], Request.model_validate(asked), key), mine))
    return found


def _leaving(release: Path, request: Request, key: Key) -> Opened:
    """Return the numbers that a request would give, and whose each row is."""
    leaves = Leaves(_pseudonyms(subjects_of(release, request.subjects), request, key), _noise(release, request, key))
    frames: dict[str, pl.DataFrame] = {}
    for table, columns in request.variables.items():
        frames[table] = _table(release, table, columns, request, leaves)
    for name, variables in request.matrices.items():
        frames[name] = _rename(leaves.measured(_matrix(release, name, variables)), leaves.pseudonyms)
    known = dict(leaves.pseudonyms.select("pseudonym", "subject_id").iter_rows())
    return Opened(*numbers_of(frames), np.array([known[one] for one in rows_of(frames)], dtype=np.int64))


def _extracts(audit: AuditLog | None) -> list[Mapping[str, Any]]:
    return [] if audit is None else [entry["details"] for entry in audit.entries() if entry["action"] == "extract"]


def _check_variables(release: Path, request: Request) -> None:
    for table, columns in request.variables.items():
        forbidden = [c for c in columns if c in FORBIDDEN or c.endswith("_sample")]
        if forbidden:
            raise UserError(
                f"variables.{table}: {', '.join(forbidden)} names rows of the release and cannot leave it. Remove it."
            )
        known = pl.scan_parquet(release / "tables" / f"{table}.parquet").collect_schema().names()
        unknown = [c for c in columns if c not in known]
        if unknown:
            raise UserError(f"variables.{table}: the release has no {', '.join(unknown)}. dictionary/dictionary.csv lists all.")
    if request.endpoints:
        rows = pl.scan_parquet(release / "tables" / "adtte.parquet")
        codes = rows.select(pl.col("PARAMCD").unique().sort()).collect()["PARAMCD"].to_list()
        absent = [code for code in request.endpoints if code not in codes]
        if absent:
            raise UserError(f"endpoints: the release has no {', '.join(absent)}. It has: {', '.join(codes) or 'none'}.")


@dataclass(frozen=True)
class Leaves:
    """What is made of the rows of subjects before they leave: `pseudonyms` (`subject_id`, `pseudonym`) and `noise`."""

    pseudonyms: pl.DataFrame
    noise: Noise

    def measured(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return rows of one a subject, of all of the release (`frame`), with noise, of those who leave."""
        return self.noise.applied(frame, self.pseudonyms["subject_id"])


def _fill(folder: Path, release: Path, about: dict[str, Any], request: Request, leaves: Leaves) -> None:
    pseudonyms = leaves.pseudonyms
    frames: dict[str, pl.DataFrame] = {}
    for table, columns in request.variables.items():
        frames[table] = _table(release, table, columns, request, leaves)
    for name, variables in request.matrices.items():
        frames[name] = _rename(leaves.measured(_matrix(release, name, variables)), pseudonyms)
    for name, frame in frames.items():
        write_parquet(frame, folder / "tables" / f"{name}.parquet")
        write_csv(frame, folder / "csv" / f"{name}.csv")
    write_csv(_dictionary(release, frames), folder / "dictionary.csv")
    write_json(
        folder / "extract.json",
        {
            "project": request.project,
            "version": request.version,
            "approval": request.approval,
            "expires": request.expires.isoformat(),
            "study": about["study"],
            "release": about["version"],
            "manifest": sha256_file(release / manifest.MANIFEST),
            "subjects": pseudonyms.height,
            "variables": {**request.variables, **request.matrices},
            "endpoints": request.endpoints,
            "dates": request.dates,
            "noise": _told_noise(request),
            "status": "pseudonymised, not anonymous; delete it when the approval ends",
        },
    )


def _told_noise(request: Request) -> str:
    """Return what a reader must know of the noise in the numbers."""
    if request.noise == 0:
        return "none: values are exact"
    days = f"; days move by at most {MOST_DAYS}, for each subject as one" if request.dates == "relative" else ""
    return f"measured numbers by at most {request.noise:g} of a column's standard deviation (of logarithms where all are above 0){days}"


def _fill_images(folder: Path, release: Path, request: Request, leaves: Leaves) -> None:
    """Write the stores of voxels, their table and its words, and the program that loads them."""
    if not request.images:
        return
    pseudonyms = leaves.pseudonyms
    images = add_images(release, request, pseudonyms, leaves.noise.key, folder)
    write_parquet(images, folder / "tables" / "images.parquet")
    write_csv(images, folder / "csv" / "images.csv")
    write_csv(_dictionary(release, {"images": images}), folder / "dictionary_images.csv")
    shutil.copyfile(release / "dataset.py", folder / "dataset.py")
    if out := images_left_out(release, request, pseudonyms["subject_id"].to_list()):
        write_json(folder / "left_out.json", {"images_that_may_show_a_face": out})


def _table(release: Path, table: str, columns: list[str], request: Request, leaves: Leaves) -> pl.DataFrame:
    """Return the asked columns of a table, of the subjects and, in `adtte`, of the endpoints that leave."""
    rows = pl.scan_parquet(release / "tables" / f"{table}.parquet")
    if table == "adtte" and request.endpoints:
        rows = rows.filter(pl.col("PARAMCD").is_in(request.endpoints))
    frame = rows.select(list(dict.fromkeys(["subject_id", *columns]))).collect()
    if table == "analysis":
        frame = leaves.measured(frame)
    index = index_days(release, manifest.read(release))
    by_days = [name for name in OF_DAYS if name in frame.columns and table == "adtte"]
    frame = _minimise(frame, index, request.dates, leaves.noise.days(frame["subject_id"].unique()), by_days)
    return _rename(frame, leaves.pseudonyms)


def _dictionary(release: Path, frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return the words of the columns that leave, with rows and empty cells of the extract: those of the release tell of others."""
    words = pl.read_parquet(release / "dictionary" / "dictionary.parquet").drop("missing_by_reason", "completeness_by_centre")
    known = {(row["table"], row["column"]): row for row in words.iter_rows(named=True)}
    found = []
    for table, frame in frames.items():
        for column in frame.columns:
            row = known.get((table, column)) or known.get((table, column.removesuffix(DAYS)))
            if row is not None:
                named = {"label": f"{row['label']}, days from the index", "type": "integer", "unit": "d"}
                days = named if column.endswith(DAYS) else {}
                found.append({**row, **days, "column": column, "rows": frame.height, "missing": frame[column].null_count()})
    return pl.DataFrame(found, schema=words.schema)


def _rename(frame: pl.DataFrame, pseudonyms: pl.DataFrame) -> pl.DataFrame:
    joined = pseudonyms.join(frame, on="subject_id", how="inner", maintain_order="left")
    return joined.drop("subject_id").rename({"pseudonym": "subject_id"})


def _minimise(
    frame: pl.DataFrame, index: pl.DataFrame, rule: DateRule, movement: pl.DataFrame, by_days: Sequence[str]
) -> pl.DataFrame:
    """Return rows with their dates as the rule has it, and with columns that count days (`by_days`) moved as the dates are."""
    dates = [name for name, dtype in frame.schema.items() if dtype.is_temporal()]
    frame = frame.join(movement, on="subject_id", how="left", maintain_order="left").with_columns(map(moved, by_days))
    if rule == "none" or not dates:
        return frame.drop("_moved", *dates)
    if rule in ("month", "year"):
        return frame.drop("_moved").with_columns(pl.col(dates).dt.truncate("1mo" if rule == "month" else "1y"))
    if index.is_empty():
        raise UserError(
            f"The dates {', '.join(dates)} cannot be told in days from the index: the release does not tell it to the day. "
            "Ask for `dates: month`, `year` or `none`."
        )
    frame = frame.join(index, on="subject_id", how="left", maintain_order="left")
    frame = frame.with_columns(days_from_index(name).alias(f"{name}{DAYS}") for name in dates)
    return frame.with_columns(moved(f"{name}{DAYS}") for name in dates).drop(INDEX, "_moved", *dates)


def _matrix(release: Path, modality: str, variables: list[str]) -> pl.DataFrame:
    from unibase.releases.read.open import read_variables

    return read_variables(release, modality, variables)


def _tar(folder: Path, file: Path) -> None:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    with tarfile.open(file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in paths:
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size, entry.mode, entry.mtime = path.stat().st_size, 0o600, 0
            with open(path, "rb") as content:
                archive.addfile(entry, content)


def _encrypt(folder: Path, recipients: list[str], destination: Path) -> None:
    """Write a folder as an encrypted archive, block by block: voxels need not fit into memory."""
    import pyrage  # type: ignore[import-untyped]

    try:
        keys = [pyrage.x25519.Recipient.from_str(text) for text in recipients]
    except pyrage.RecipientError:
        raise UserError(
            "recipients: one of them is no age public key (age1...). Ask the recipient to run `age-keygen`."
        ) from None
    archive = folder.with_name(f"{folder.name}.tar")
    try:
        archive.touch(mode=0o600)
        _tar(folder, archive)
        with atomic_file(destination, 0o600) as temporary, archive.open("rb") as clear, temporary.open("wb") as encrypted:
            pyrage.encrypt_io(clear, encrypted, keys)
    finally:
        archive.unlink(missing_ok=True)
