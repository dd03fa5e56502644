"""Fixtures shared by the tests of all rooms."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes depends on who else uses the machine: no test hangs on it.
settings.register_profile("unibase", deadline=None)
settings.load_profile("unibase")

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data, or a skip that says why."""
    folder = Path(os.environ.get("UNIBASE_REAL_DATA", CHECKOUT.parent / "shared" / "data")).resolve()
    if not (folder / "README.md").exists():
        pytest.skip(f"no real data at {folder}; set UNIBASE_REAL_DATA to the folder that holds it")
    return folder
