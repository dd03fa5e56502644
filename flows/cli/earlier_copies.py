"""The copies that stood when `unibase deidentify` began, noted until those of refused files are deleted.

The ledger of work forgets the path of a copy as soon as its file is refused. A run that ends between that and the deletion
would leave the copy for ever, so its path is written down before the work begins and the next run takes the note up.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from unibase.groundwork.files import atomic_file

_NAME = "earlier_copies.json"


@dataclass(frozen=True)
class EarlierCopies:
    """The note.

    Attributes:
        note: Where it stands: in the vault, for it holds names of source files.
        copies: Path of a copy below the destination, and the name of its source file.
    """

    note: Path
    copies: frozenset[tuple[str, str]]

    @staticmethod
    def noted(vault: Path, done: set[tuple[str, str]]) -> EarlierCopies:
        """Write down the copies that stand, with those that an interrupted run noted.

        Args:
            vault: Folder of the ledgers.
            done: Path of a copy, and the name of its source file, of every file that the ledger calls done.
        """
        note = vault / _NAME
        pairs = json.loads(note.read_text(encoding="utf-8")) if note.exists() else []
        copies = frozenset((path, name) for path, name in pairs) | done
        if copies:
            with atomic_file(note, 0o600) as temporary:
                temporary.write_text(json.dumps(sorted(copies)), encoding="utf-8")
        return EarlierCopies(note, copies)

    def forget(self) -> None:
        """Delete the note: what had to go has gone."""
        self.note.unlink(missing_ok=True)
