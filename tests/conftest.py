"""Fixtures shared by the tests of all rooms."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from tests.flows import demo

# How long an example takes depends on who else uses the machine: no test depends on it.
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


@dataclass(frozen=True)
class Built:
    """A built demo: its folder, what the command said, and whom its processes spoke to."""

    home: Path
    said: str
    connections: list[str]


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated tree of 20 persons."""
    home = tmp_path_factory.mktemp("demo") / "sources"
    ended = demo.unibase("simulate", home)
    assert ended.returncode == 0, ended.stderr
    return home


@pytest.fixture(scope="session")
def built(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The demo built as a Prefect flow, every connection written down."""
    watch = tmp_path_factory.mktemp("watch")
    (watch / "sitecustomize.py").write_text(demo.WATCH)
    log = watch / "connections"
    said = demo.build(sources, PYTHONPATH=str(watch), UNIBASE_TEST_CONNECTIONS=str(log))
    return Built(sources, said, log.read_text(encoding="utf-8").splitlines())
