"""The demo's source tree, with a key that is no secret."""

from __future__ import annotations

import hashlib
from pathlib import Path

from unibase.privacy.keys import Key, write_key_file
from unibase.simulation.cohort import simulate


def write_demo(
    out: Path,
    *,
    persons: int,
    seed: int,
    centres: int,
    broken: bool,
    imaging: bool,
    wrong_links: float = 0.0,
    misplaced: bool = False,
    acquisitions: bool = False,
) -> None:
    """Write a simulated tree and its key. The key follows from the seed, so that two demos give the same bytes.

    Args:
        out: Folder or file to write to.
        persons: How many persons.
        seed: Seed of the tree.
        centres: How many centres.
        broken: Whether some inputs are broken on purpose.
        imaging: Whether images are written.
        wrong_links: Share of wrong links, 0 to 1.
        misplaced: Whether samples are planted that are not their person's.

    Raises:
        FileExistsError: If `out` holds files already.
    """
    simulate(
        out,
        persons=persons,
        seed=seed,
        centres=centres,
        broken=broken,
        imaging=imaging,
        wrong_links=wrong_links,
        misplaced=misplaced,
        acquisitions=acquisitions,
    )
    secret = hashlib.sha256(f"unibase demo key, no secret: {seed}".encode()).digest()
    write_key_file(Key(secret), out / "vault.key")
