"""Where the vault of a study holds a person."""

from __future__ import annotations

from pathlib import Path

from unibase.flows.study.places import CORRECTIONS, ERASED, LEDGER, OBJECTIONS, PEOPLE
from unibase.privacy.custody.erasing import Holders


def holders(root: Path) -> Holders:
    """Return where a vault holds persons.

    Args:
        root: Folder of the workspace.
    """
    review = root / "vault" / "review.html"
    return Holders(LEDGER.of(root), OBJECTIONS.of(root), ERASED.of(root), PEOPLE.of(root), review, CORRECTIONS.of(root))
