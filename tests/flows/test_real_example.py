"""The example over real files: it runs to a release, and the features are those of the source files."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from tests.flows import demo
from unibase.groundwork.tables import FEATURES

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "real"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


def test_real_files_run_through_to_a_release_with_the_features_of_the_sources(tmp_path: Path, real_data: Path) -> None:
    from unibase.imaging.commands import PlainRun, extract_plain
    from unibase.imaging.radiomics.settings import read_settings

    home = tmp_path / "a" / "b"
    shutil.copytree(EXAMPLE, home)
    assert demo.unibase("key", "new", tmp_path / "work" / "real.key").returncode == 0
    demo.build(home, "--no-prefect", UNIBASE_REAL_DATA=str(real_data))
    release = tmp_path / "work" / "real" / "releases" / "plumbing-trial" / "1.0.0"
    released = pl.read_parquet(release / "tables" / "features.parquet")
    assert released.height == 18
    subjects = pl.read_parquet(release / "tables" / "subjects.parquet")
    assert subjects.height == 6 and subjects["centres"].unique().to_list() == ["MIMIC;STS;TCGA"]

    extract_plain(
        real_data / "dicom" / "sts",
        tmp_path / "source.parquet",
        read_settings(home / "params.yaml"),
        PlainRun(regions={"GTV": ["gtv_mass.*"]}),
    )
    source = pl.read_parquet(tmp_path / "source.parquet")
    names = [name for name in source.columns if name not in FEATURES.schema()]
    assert len(names) >= 100

    def rows(frame: pl.DataFrame) -> list[tuple[object, ...]]:
        return sorted(frame.select("Modality", *names).rows())

    assert rows(released) == rows(source)
