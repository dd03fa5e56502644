"""The demo's source tree, with a key that is no secret."""

from __future__ import annotations

import hashlib
from pathlib import Path

from unibase.privacy.keys import Key, write_key_file
from unibase.simulation.cohort import simulate
from unibase.simulation.tree import Options


def write_demo(out: Path, options: Options) -> None:
    """Write a simulated tree and its key. The key follows from the seed, so that two demos give the same bytes.

    Args:
        out: Folder to make.
        options: What the tree holds.

    Raises:
        FileExistsError: If `out` holds files already.
        ValueError: If an option is out of range.
    """
    simulate(out, options)
    secret = hashlib.sha256(f"unibase demo key, no secret: {options.seed}".encode()).digest()
    write_key_file(Key(secret), out / "vault.key")
