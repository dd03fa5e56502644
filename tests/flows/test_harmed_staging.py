"""Every file of a workspace, flipped or cut: the same bytes in the end, or a refusal that names it and what mends it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.small_study import write_study
from tests.flows.test_machine_faults import digests
from tests.flows.test_sources import night
from unibase.flows.runs.alone import run_alone
from unibase.groundwork.problems import UserError

pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = write_study(tmp_path_factory.mktemp("built") / "study")
    night(home)
    return home


@pytest.fixture
def home(built: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy: nothing of it runs again for having moved."""
    yield shutil.copytree(built, tmp_path / "study")


def harm(path: Path, number: int) -> None:
    content = bytearray(path.read_bytes())
    if number % 2 or not content:
        path.write_bytes(bytes(content[: len(content) // 2]))
        return
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_moved_workspace_runs_nothing_again(home: Path, built: Path) -> None:
    folder, said = night(home)
    text = "\n".join(said)
    assert digests(folder) == digests(next((built / "releases" / "trial").iterdir()))
    assert text.count("nothing new; what it left stands") == 5
    assert "0 processed now" in text and "nothing changed" in text
    assert "changed" not in text.replace("nothing changed", "")


def test_every_harmed_file_of_staging_is_made_again(home: Path) -> None:
    release = digests(next((home / "releases" / "trial").iterdir()))
    staged = sorted(path for folder in ("staging", "linked") for path in (home / "work" / folder).rglob("*") if path.is_file())
    assert len(staged) > 20
    for number, path in enumerate(staged):
        harm(path, number)
    folder, said = night(home)
    assert digests(folder) == release
    assert "changed since the stage left it" in "\n".join(said) or "is made again" in "\n".join(said)


@pytest.mark.parametrize(
    "name", ["vault/work.sqlite", "vault/people.parquet", "vault/identity/*/people.parquet", "vault/identity/*/revision.json"]
)
def test_a_harmed_file_of_the_vault_is_made_again_or_named(home: Path, name: str) -> None:
    release = digests(next((home / "releases" / "trial").iterdir()))
    (path,) = home.glob(f"work/{name}")
    harm(path, 1)
    try:
        folder, _ = night(home)
    except UserError as error:
        assert path.name in str(error) and "Unexpected" not in str(error), str(error)
        assert any(word in str(error) for word in ("Restore", "restore", "start the same command again", "again"))
    else:
        assert digests(folder) == release


@pytest.mark.parametrize("stage", ["link", "release"])
def test_a_single_stage_reads_nothing_that_no_stage_left_so(home: Path, stage: str) -> None:
    path = next((home / "work" / "staging" / "timeline" / "data").rglob("*.parquet"))
    harm(path, 0)
    with pytest.raises(UserError, match=rf"{path.name}.*\n?.*unibase build"):
        run_alone(home / "study.yaml", stage, None, None)
