"""The demo's source tree, with a key that is no secret."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from unibase.privacy.keys import Key, write_key_file
from unibase.simulation.cohort import simulate
from unibase.simulation.tree import Options


def write_demo(out: Path, options: Options) -> None:
    """Write a simulated tree and its key. The key follows from the seed, so that two demos give the same bytes.

    The tree is made in a hidden folder beside: what is there is whole, and a call that was stopped can be made again.

    Args:
        out: Folder to make.
        options: What the tree holds.

    Raises:
        FileExistsError: If `out` holds files already.
        ValueError: If an option is out of range.
    """
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(out)
    partial = out.resolve().with_name(f".{out.resolve().name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    simulate(partial, options)
    secret = hashlib.sha256(f"unibase demo key, no secret: {options.seed}".encode()).digest()
    write_key_file(Key(secret), partial / "vault.key")
    if not out.exists():
        partial.rename(out.resolve())
        return
    for path in sorted(partial.iterdir()):  # `out` may be the folder that the caller stands in
        path.rename(out / path.name)
    partial.rmdir()
