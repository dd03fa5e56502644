"""The audit log of the vault: who did what to how many persons, when; append-only, each line sealed to the one before.

Every line carries the SHA-256 of the line before it and of itself, so a line that was changed, removed or put in
between shows. A file beside it names the last entry, so that lines cut off at the end show too. Who changes both leaves
no trace here, but in a copy in a second place, and in manifests of releases, which hold the last `seal`.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from unibase.groundwork.files import digest_of, write_json
from unibase.groundwork.problems import UserError
from unibase.privacy.second_place import bring_up_to_date, lacking

_FIRST = "0" * 64


def now() -> str:
    """Return this moment as entries write it: UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class AuditLog:
    """An audit log in one file of JSON lines, mode 0600; several processes may append to it.

    Args:
        path: The file; made at the first entry.
        copy: A second place that gets every entry, or None.
    """

    def __init__(self, path: Path | str, copy: Path | None = None) -> None:
        self.path = Path(path)
        self.copy = copy

    def append(self, actor: str, action: str, subject_count: int, details: Mapping[str, object] | None = None) -> str:
        """Add one entry, flush it to disk, and return its seal.

        Args:
            actor: Who did it: a person's or a service's login, not a patient.
            action: What was done, in kebab case (`link`, `release`, `re-identify`).
            subject_count: How many persons it concerned.
            details: Counts, digests and fingerprints; never a value of a patient.

        Raises:
            UserError: If the log, or its copy in a second place, was changed.
            MachineFault: If the second place cannot be reached; the entry stays in the log.

        >>> log = AuditLog(getfixture("tmp_path") / "audit.log")
        >>> _ = log.append("mc", "reidentify", 1, {"why": "a relapse"})
        >>> log.verify(), log.entries()[0]["action"]
        (1, 'reidentify')
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "r+", encoding="utf-8", errors="replace") as file:
            # The lock makes reading the last seal and adding a line one step.
            fcntl.flock(file, fcntl.LOCK_EX)
            text = file.read()
            torn = _torn(text)
            if torn:
                # The machine stopped while the line was written: what it says never counted.
                os.ftruncate(descriptor, len(text[: len(text) - len(torn)].encode()))
                text = text[: len(text) - len(torn)]
            last = self._last(text)
            entry: dict[str, Any] = {
                "number": last["number"] + 1 if last else 1,
                "time": now(),
                "actor": actor,
                "action": action,
                "subject_count": subject_count,
                "details": {**(details or {}), **({"torn_line_removed": len(torn.encode())} if torn else {})},
                "previous": last["seal"] if last else _FIRST,
            }
            entry["seal"] = digest_of(entry)
            file.write(json.dumps(entry, sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
            write_json(self.head, {"number": entry["number"], "seal": entry["seal"]}, mode=0o600)
            if self.copy:
                bring_up_to_date(self.path, self.copy)
        return str(entry["seal"])

    def reach_copy(self) -> int:
        """Return how many entries the second place lacks, which the next entry brings; 0 where there is none.

        Raises:
            UserError: If the copy is not a beginning of the log.
            MachineFault: If it cannot be read.
        """
        return lacking(self.path, self.copy).count(b"\n") if self.copy else 0

    @property
    def head(self) -> Path:
        """File beside the log that names its last entry: lines that were cut off at the end show by it.

        >>> AuditLog("vault/audit.log").head.parent.name
        'vault'
        """
        return self.path.with_name(f"{self.path.name}.head")

    def _refuse_cut(self, entries: list[dict[str, object]]) -> None:
        """Refuse a log that ends before the entry that its head names.

        Raises:
            UserError: If lines are missing at the end.
        """
        try:
            head = json.loads(self.head.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return  # of a log that an earlier version wrote
        except ValueError:
            raise UserError(f"{self.head} was changed after it was written. Restore a backup of it and of {self.path}.") from None
        if len(entries) < head["number"]:
            raise UserError(
                f"{self.path} ends at line {len(entries)}, and {head['number']} entries were written: the end was cut off. "
                "Restore a backup."
            )

    def _last(self, text: str) -> dict[str, Any] | None:
        lines = text.splitlines()
        if not lines:
            return None
        try:
            return dict(json.loads(lines[-1]))
        except ValueError:
            raise self._changed(len(lines)) from None

    def _changed(self, number: int) -> UserError:
        return UserError(f"{self.path}, line {number}: the audit log was changed after it was written. Restore a backup.")

    def entries(self) -> list[dict[str, Any]]:
        """Return all entries, oldest first; a torn last line, which the next entry mends, is none.

        Raises:
            UserError: If a line inside the log is none that this class wrote.
        """
        if not self.path.exists():
            return []
        text = self.path.read_bytes().decode("utf-8", "replace")
        found = []
        for number, line in enumerate(text[: len(text) - len(_torn(text))].splitlines(), start=1):
            try:
                found.append(dict(json.loads(line)))
            except (ValueError, TypeError):
                raise self._changed(number) from None
        return found

    def verify(self) -> int:
        """Return how many entries there are, after checking that each follows from the one before.

        Raises:
            UserError: If a line was changed, removed or inserted, or the end was cut off; names the first such line. Also if
                the copy in a second place is not a beginning of the log.
            MachineFault: If that copy cannot be read.
        """
        previous = _FIRST
        entries = self.entries()
        for number, entry in enumerate(entries, start=1):
            seal = entry.pop("seal", "")
            if entry.get("number") != number or entry.get("previous") != previous or digest_of(entry) != seal:
                raise self._changed(number)
            previous = seal
        self._refuse_cut(entries)
        self.reach_copy()
        return len(entries)


def _torn(text: str) -> str:
    """Return the beginning of a line that a machine stopped writing: a whole one ends with a newline."""
    return text[text.rfind("\n") + 1 :]
