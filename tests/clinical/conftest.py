"""A lookup that knows the people of a source, and a simulated tree without images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import settings

from unibase.privacy.subjects import Subject, SubjectLookup

# An example is no measure of time: a busy machine must not fail a property.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")


def lookup_of(people: pl.DataFrame, shift: int = -37) -> SubjectLookup:
    """Give subjects 1001, 1002, ... to persons in the order of their keys, each with a shift of its own."""
    numbers = {key: number for number, key in enumerate(sorted(people["person_key"].unique()), start=1001)}
    return SubjectLookup(
        {
            (row["centre"], row["system"], row["identifier"]): Subject(
                numbers[row["person_key"]], shift - numbers[row["person_key"]] % 7
            )
            for row in people.iter_rows(named=True)
        }
    )


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated source tree of 60 persons in three centres, without images."""
    from unibase.simulation.cohort import simulate

    folder = tmp_path_factory.mktemp("simulated") / "tree"
    simulate(folder, persons=60, imaging=False, genes=20)
    return folder


@pytest.fixture
def table(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a text file into a folder of its own and return the folder."""

    def write(name: str, text: str) -> Path:
        folder = tmp_path / "source"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
        return folder

    return write
