"""Of 40 faults that hospitals have, each is told by its name, in four formats; of a hospital without a fault nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clinical.hospital_formats import WRITERS
from tests.clinical.planted_faults import FAULTS, Fault, hospital, told_of, with_faults
from tests.clinical.test_rules import rows

FORMATS = ("csv", "omop", "fhir", "osiris-rwd")
TOLD = {
    name: dict(zip(FORMATS, told, strict=True)) for name, *told in rows("| fault | declared tables | OMOP | FHIR | OSIRIS-RWD |")
}
"""By fault and format what must be told of it; nothing where the format cannot say it."""


def test_the_table_names_every_fault_and_thirty_of_them_are_told_in_each_format() -> None:
    assert list(TOLD) == [fault.name for fault in FAULTS]
    assert set(WRITERS) == set(FORMATS)
    assert all(sum(bool(told[form]) for told in TOLD.values()) >= 30 for form in FORMATS)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("seed", [18, 19, 20])
def test_nothing_is_told_of_a_clean_hospital(seed: int, form: str, tmp_path: Path) -> None:
    assert told_of(hospital(seed), tmp_path, form) == set()


def hospitals(form: str) -> list[list[Fault]]:
    """Return the faults of a format in as few hospitals as have each reason once: a build costs more than a fault."""
    found: list[list[Fault]] = []
    for fault in FAULTS:
        if not TOLD[fault.name][form]:
            continue
        for some in found:
            if len(some) < 3 and TOLD[fault.name][form] not in {TOLD[one.name][form] for one in some}:
                some.append(fault)
                break
        else:
            found.append([fault])
    return found


@pytest.mark.parametrize(
    ("form", "faults"),
    [
        pytest.param(form, some, id=f"{form}: {' + '.join(one.name for one in some)}")
        for form in FORMATS
        for some in hospitals(form)
    ],
)
def test_faults_are_told_by_name(form: str, faults: list[Fault], tmp_path: Path) -> None:
    wanted = {TOLD[fault.name][form] for fault in faults}
    assert len(wanted) == len(faults)
    assert wanted <= told_of(with_faults(*faults), tmp_path, form)
