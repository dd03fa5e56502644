"""Peritumoral shells against a brute-force twin, and through a whole extraction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.imaging.dicom_maker import write_rtstruct, write_series
from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.boxed import Boxed
from unibase.imaging.grid import Grid
from unibase.imaging.options import check_shells
from unibase.imaging.radiomics.series_features import Choices, FeatureTask, extract_series
from unibase.imaging.radiomics.settings import make_settings
from unibase.imaging.regions.shells import shell


def grid_of(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Grid:
    return Grid((shape[2], shape[1], shape[0]), spacing, (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.sampled_from([0.5, 1.0, 2.0]), st.sampled_from([0.75, 1.0]), st.sampled_from([1.0, 3.0])),
    st.sampled_from([(0.0, 1.0), (0.0, 3.0), (1.0, 2.0), (2.0, 5.5)]),
)
def test_shell_is_what_its_definition_says(seed: int, spacing: tuple[float, float, float], ends: tuple[float, float]) -> None:
    mask = np.random.default_rng(seed).random((5, 7, 8)) < 0.05
    mask[2, 3, 3] = True
    scale = np.array([spacing[2], spacing[1], spacing[0]])
    centres = np.argwhere(np.ones(mask.shape)) * scale
    inside = np.argwhere(mask) * scale
    distance = np.sqrt(((centres[:, None, :] - inside[None, :, :]) ** 2).sum(axis=2)).min(axis=1).reshape(mask.shape)
    want = (distance > ends[0]) & (distance <= ends[1]) & ~mask
    if not want.any():
        with pytest.raises(Unusable, match="empty-region"):
            shell(Boxed.of(mask), grid_of(mask.shape, spacing), *ends)
    else:
        assert np.array_equal(shell(Boxed.of(mask), grid_of(mask.shape, spacing), *ends)[0].full(), want)


def test_shell_says_when_the_image_ends_and_keeps_to_an_organ() -> None:
    mask = np.zeros((9, 9, 9), dtype=bool)
    mask[4, 4, 4] = True
    grid = grid_of(mask.shape, (1.0, 1.0, 1.0))
    assert shell(Boxed.of(mask), grid, 0, 4.0)[1] == ()
    assert shell(Boxed.of(mask), grid, 0, 5.0)[1] == ("cut-off-at-edge",)
    organ = np.zeros_like(mask)
    organ[:, :, :5] = True
    ring, _ = shell(Boxed.of(mask), grid, 0, 2.0, within=Boxed.of(organ))
    assert not ring.empty
    assert not ring.full()[:, :, 5:].any()
    for wrong in ((-1.0, 2.0), (3.0, 3.0)):
        with pytest.raises(UserError, match="inner"):
            check_shells((wrong,))


def test_shells_are_regions_of_their_own(tmp_path: Path) -> None:
    image = np.random.default_rng(5).integers(0, 900, (7, 30, 30)).astype(np.int16)
    write_series(tmp_path / "ct", image, spacing=(1, 1, 2))
    squares = [np.array([[9.5, 9.5, z], [19.5, 9.5, z], [19.5, 19.5, z], [9.5, 19.5, z]]) for z in (4.0, 6.0, 8.0)]
    structure = write_rtstruct(tmp_path / "rs.dcm", [("GTV", squares)])
    settings = make_settings({"featureClass": {"firstorder": ["Mean"], "shape": ["VoxelVolume"]}})
    task = FeatureTask(
        tmp_path / "ct", (structure,), settings, {"GTV": ["gtv"]}, tmp_path / "o.parquet", Choices(shells=((0, 2), (2, 4)))
    )
    result = extract_series(task)
    assert [entry["target"] for entry in result["regions"]] == ["GTV", "GTV shell 0-2 mm", "GTV shell 2-4 mm"]
    frame = pl.read_parquet(tmp_path / "o.parquet")
    mask = np.zeros(image.shape, dtype=bool)
    mask[2:5, 10:20, 10:20] = True
    ring, _ = shell(Boxed.of(mask), grid_of(image.shape, (1.0, 1.0, 2.0)), 0, 2)
    row = frame.filter(pl.col("region") == "GTV shell 0-2 mm")
    assert row["firstorder_Mean"].item() == pytest.approx(image[ring.full()].mean(), rel=1e-13)
    assert row["shape_VoxelVolume"].item() == ring.voxels * 2.0
