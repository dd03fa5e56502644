"""Every object of `benchmarks/planted_objects.py` under every policy: nothing is left, or the object is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.planted_identifiers import POLICIES
from benchmarks.planted_objects import OBJECTS, clean, planted

REFUSED = {"PDF", "CDA"}
UNDER_RESEARCH_ALONE = {"Basic Text SR", "Enhanced SR", "Comprehensive SR", "TID 1500", "key object"}
WAITING = {"US", "SC"}


def test_the_objects_hold_as_many_secrets_as_the_benchmark_says() -> None:
    assert len(OBJECTS) == 25 and sum(len(make().secrets) for make in OBJECTS.values()) >= 441


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", OBJECTS)
def test_nothing_is_left_of_a_real_object(name: str, policy: str, tmp_path: Path) -> None:
    reason, left = clean(OBJECTS[name](), policy, tmp_path)
    refused = name in REFUSED or (name in UNDER_RESEARCH_ALONE and policy != "research")
    assert left == [] and reason.startswith("unsupported-object" if refused else "written")


@pytest.mark.parametrize("name", sorted(WAITING))
def test_pixels_that_nobody_has_seen_wait(name: str, tmp_path: Path) -> None:
    assert clean(OBJECTS[name](), "research", tmp_path, accepted=False)[0].startswith("burned-in-annotation")


@pytest.mark.parametrize("written", ["thorax [[foie]]", "axial [[lung]]"])
def test_the_judge_sees_what_stays(written: str, tmp_path: Path) -> None:
    made = planted("2", "CT")
    made.set(SeriesDescription=written)
    assert [where for _, where in clean(made, "research", tmp_path)[1]] == ["SeriesDescription LO"]
