"""Of 36 faults that hospitals have, each is told by its name; of tables without a fault nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clinical.planted_faults import FAULTS, Fault, hospital, told_of, with_faults


@pytest.mark.parametrize("seed", [18, 19, 20])
def test_nothing_is_told_of_clean_tables(seed: int, tmp_path: Path) -> None:
    assert told_of(hospital(seed), tmp_path) == set()


TOGETHER = 12
"""So many hospitals have three faults each, all told by different names: a build costs more than a fault."""


@pytest.mark.parametrize(
    "faults", [FAULTS[n::TOGETHER] for n in range(TOGETHER)], ids=lambda some: " + ".join(f.name for f in some)
)
def test_faults_are_told_by_name(faults: tuple[Fault, ...], tmp_path: Path) -> None:
    wanted = {fault.told for fault in faults}
    assert len(wanted) == len(faults)
    assert wanted <= told_of(with_faults(*faults), tmp_path)
