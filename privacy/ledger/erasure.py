"""Erase a person from the identity ledger: from every revision, with the chain still verifying.

The person's rows leave every revision, and the chain of digests is made anew, so that it goes on verifying. `erasures.json`
keeps the seal of the ledger before and after, for who noted it elsewhere. What stays is a keyed digest of each number
(`erased_numbers`): who holds the vault cannot read one off, but can still try numbers one by one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection
from pathlib import Path

import polars as pl

from unibase.groundwork.files import digest_of, json_text, sha256_file, write_json
from unibase.groundwork.tables import PEOPLE, write_parquet
from unibase.privacy.ledger.comparable import RecordKey
from unibase.privacy.ledger.revisions import State, revision_folders

ERASURES = "erasures.json"
"""File of the ledger: how often persons were erased from it, with the seal of its newest revision before and after."""
_PAIRS = ("edges", "decisions", "review")


def erase_records(folder: Path, records: Collection[RecordKey]) -> int:
    """Take all rows of some records out of every revision of a ledger; return how many rows of people that were.

    Args:
        folder: The ledger.
        records: All records of a person: `(centre, person_key)`.

    Raises:
        UserError: If the ledger was changed by hand before.
    """
    made_whole(folder)
    before = State.load(folder)
    anew, old = _copies(folder)
    anew.mkdir(mode=0o700)
    removed, seal = 0, ""
    for revision in revision_folders(folder):
        rows, seal = _without(revision, anew / revision.name, set(records), seal)
        removed += rows
    known = folder / ERASURES
    done: list[dict[str, object]] = json.loads(known.read_text(encoding="utf-8")) if known.exists() else []
    entry = {"revision": before.revision, "records": len(records), "seal_before": before.digest, "seal_after": seal}
    write_json(anew / ERASURES, [*done, entry], mode=0o600)
    # A crash between the two leaves the one anew, whole, beside the old one: `made_whole` puts it in place.
    folder.rename(old)
    anew.rename(folder)
    shutil.rmtree(old)
    return removed


def made_whole(folder: Path) -> None:
    """Put the ledger that a killed erasure had ready in its place, and clear away what it left beside it.

    `folder`: the ledger.
    """
    anew, old = _copies(folder)
    # The old one is moved away only after the one anew is written to its end.
    if not folder.exists() and anew.exists() and old.exists():
        anew.rename(folder)
    if folder.exists():
        for path in (anew, old):
            shutil.rmtree(path, ignore_errors=True)


def _copies(folder: Path) -> tuple[Path, Path]:
    """Return where an erasure writes the ledger anew, and where it puts the old one."""
    return folder.with_name(f"{folder.name}.erasing"), folder.with_name(f"{folder.name}.erased")


def _without(revision: Path, target: Path, gone: set[RecordKey], previous: str) -> tuple[int, str]:
    """Write one revision without the records; return how many rows of people were left out, and its seal."""
    target.mkdir(mode=0o700)
    people = PEOPLE.conform(pl.read_parquet(revision / "people.parquet"))
    kept = _keep(people, gone, "centre", "person_key")
    write_parquet(kept, target / "people.parquet")
    names = {"/".join(record) for record in gone}
    changes = _keep(pl.read_parquet(revision / "changes.parquet"), gone, "centre", "person_key")
    # The name of a person begins with one of its records.
    of_gone = pl.col("previous").str.split("\t").list.first().is_in(sorted(names))
    write_parquet(
        changes.with_columns(pl.when(of_gone).then(None).otherwise("previous").alias("previous")), target / "changes.parquet"
    )
    for name in _PAIRS:
        pairs = pl.read_parquet(revision / f"{name}.parquet")
        for side in ("left", "right"):
            pairs = _keep(pairs, gone, f"{side}_centre", f"{side}_key")
        write_parquet(pairs, target / f"{name}.parquet")
    about = json.loads((revision / "revision.json").read_text(encoding="utf-8"))
    sealed = about.pop("seal", None) is not None
    about["previous"] = previous
    about["files"] = {path.name: sha256_file(path) for path in sorted(target.glob("*.parquet"))}
    seal = {"seal": digest_of(json.loads(json_text(about)))} if sealed else {}
    write_json(target / "revision.json", {**about, **seal})
    # When the revision was written is told by its file (`record_history`).
    shutil.copystat(revision / "revision.json", target / "revision.json")
    for path in target.iterdir():
        path.chmod(0o600)
    return people.height - kept.height, sha256_file(target / "revision.json")


def _keep(frame: pl.DataFrame, gone: set[RecordKey], centre: str, key: str) -> pl.DataFrame:
    keep = [record not in gone for record in frame.select(centre, key).iter_rows()]
    return frame.filter(pl.Series(keep, dtype=pl.Boolean))
