"""The demo, simulated and built once for all tests of the flows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.flows import demo


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
