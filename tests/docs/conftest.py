"""The demo as a reader of the pages has it beside them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import Built


@pytest.fixture(scope="session")
def readers_demo(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the session's demo that pages may add to (an audit log grows by every look)."""
    return Path(shutil.copytree(built.home, tmp_path_factory.mktemp("reader") / "demo"))
