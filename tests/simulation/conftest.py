"""One small tree for all tests of the room."""

from __future__ import annotations

from pathlib import Path

import pytest

from unibase.simulation.cohort import simulate


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty persons in three centres with images, few genes."""
    out = tmp_path_factory.mktemp("simulation") / "tree"
    simulate(out, persons=20, genes=200)
    return out
