"""Of 36 faults that hospitals have, each is told by its name; of tables without a fault nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clinical.planted_faults import FAULTS, Fault, hospital, told_of, with_fault


@pytest.mark.parametrize("seed", [18, 19, 20])
def test_nothing_is_told_of_clean_tables(seed: int, tmp_path: Path) -> None:
    assert told_of(hospital(seed), tmp_path) == set()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_told_by_name(fault: Fault, tmp_path: Path) -> None:
    assert fault.told in told_of(with_fault(fault), tmp_path)
