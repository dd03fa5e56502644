"""The audit log of the vault: who did what to how many persons, when; append-only, each line sealed to the one before.

Every line carries the SHA-256 of the line before it and of itself, so a line that was changed, removed or put in
between shows. (Lines cut off at the end do not show from the file alone: note the last `seal` elsewhere, as releases
do in their manifests.)
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from unibase.groundwork.files import digest_of
from unibase.groundwork.problems import UserError

_FIRST = "0" * 64


class AuditLog:
    """An audit log in one file of JSON lines, mode 0600; several processes may append to it.

    Args:
        path: The file; made at the first entry.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def append(self, actor: str, action: str, subject_count: int, details: Mapping[str, Any] | None = None) -> str:
        """Add one entry, flush it to disk, and return its seal.

        Args:
            actor: Who did it: a person's or a service's login, not a patient.
            action: What was done, in kebab case (`link`, `release`, `re-identify`).
            subject_count: How many persons it concerned.
            details: Counts, digests and fingerprints; never a value of a patient.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
            # The lock makes reading the last seal and adding a line one step.
            fcntl.flock(file, fcntl.LOCK_EX)
            last = _last_line(file.read())
            entry: dict[str, Any] = {
                "number": last["number"] + 1 if last else 1,
                "time": datetime.now(UTC).isoformat(timespec="seconds"),
                "actor": actor,
                "action": action,
                "subject_count": subject_count,
                "details": dict(details or {}),
                "previous": last["seal"] if last else _FIRST,
            }
            entry["seal"] = digest_of(entry)
            file.write(json.dumps(entry, sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
        return str(entry["seal"])

    def entries(self) -> list[dict[str, Any]]:
        """Return all entries, oldest first."""
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]

    def verify(self) -> int:
        """Return how many entries there are, after checking that each follows from the one before.

        Raises:
            UserError: If a line was changed, removed or inserted; names the first such line.
        """
        previous = _FIRST
        entries = self.entries()
        for number, entry in enumerate(entries, start=1):
            seal = entry.pop("seal", "")
            if entry.get("number") != number or entry.get("previous") != previous or digest_of(entry) != seal:
                raise UserError(f"{self.path}, line {number}: the audit log was changed after it was written. Restore a backup.")
            previous = seal
        return len(entries)


def _last_line(text: str) -> dict[str, Any] | None:
    lines = text.splitlines()
    return json.loads(lines[-1]) if lines else None
