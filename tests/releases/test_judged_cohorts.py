"""The judges of others on three cohorts unlike one another: none has anything to say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.releases.judged import JUDGES, SHACL, SHAPES, published, shacl

pytestmark = pytest.mark.slow
SEED = 2601


@pytest.fixture(scope="module", params=SHAPES)
def release(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return published(request.param, SEED, tmp_path_factory.mktemp("judged"))


@pytest.mark.parametrize("judge", JUDGES)
def test_a_judge_finds_nothing(release: Path, judge: str) -> None:
    assert JUDGES[judge](release) == []


@pytest.mark.parametrize("shapes", SHACL)
def test_the_shapes_of_a_catalogue_hold(real_data: Path, release: Path, shapes: str) -> None:
    path = real_data / "clinical" / "healthdcat" / shapes
    if not path.exists():
        pytest.skip(f"no {shapes} in the real data")
    assert shacl(path)(release) == []
