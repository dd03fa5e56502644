"""Habitats against all possible cuts, and through a whole extraction."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.imaging.dicom_maker import write_rtstruct, write_series
from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.boxed import Boxed
from unibase.imaging.options import check_habitats
from unibase.imaging.radiomics.robustness import RobustnessTask, extract_perturbed
from unibase.imaging.radiomics.series_features import Choices, FeatureTask, extract_series
from unibase.imaging.radiomics.settings import make_settings
from unibase.imaging.regions.habitats import LEVELS, habitat, thresholds


def spread(values: np.ndarray, cuts: np.ndarray) -> float:
    """Sum of squared distances from the mean of each part."""
    parts = np.searchsorted(cuts, values, side="right")
    return sum(float(((values[parts == part] - values[parts == part].mean()) ** 2).sum()) for part in np.unique(parts))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=4, max_size=30), st.integers(2, 4))
def test_no_other_cuts_leave_less_spread(values: list[int], count: int) -> None:
    array = np.array(values, dtype=float)
    levels = np.unique(array)
    if len(levels) < count:
        with pytest.raises(Unusable, match="too-few-intensities"):
            thresholds(array, count)
        return
    cuts = thresholds(array, count)
    assert len(cuts) == count - 1
    least = min(spread(array, np.array(other)) for other in combinations(levels[1:], count - 1))
    assert spread(array, cuts) == pytest.approx(least, rel=1e-9, abs=1e-9)


def test_many_intensities_are_cut_between_their_modes() -> None:
    random = np.random.default_rng(1)
    values = np.concatenate([random.normal(centre, 1, 3000) for centre in (-20, 0, 30)])
    assert len(np.unique(values)) > LEVELS
    low, high = thresholds(values, 3)
    assert [(values < low).sum(), (values < high).sum()] == [3000, 6000]


def test_habitats_part_the_region_and_refuse_what_cannot_be_parted() -> None:
    random = np.random.default_rng(2)
    image, mask = random.normal(0, 50, (5, 6, 7)), random.random((5, 6, 7)) < 0.6
    region = Boxed.of(mask)
    parts = [habitat(image, region, number, 3).full() for number in (1, 2, 3)]
    assert np.array_equal(np.sum(parts, axis=0), mask.astype(int))
    assert image[parts[0]].max() < image[parts[1]].min() <= image[parts[1]].max() < image[parts[2]].min()
    with pytest.raises(Unusable, match="too-few-intensities"):
        habitat(np.full(image.shape, 3.0), region, 1, 2)
    with pytest.raises(Unusable, match="not-finite-in-region"):
        habitat(np.where(mask, np.nan, image), region, 1, 2)
    for wrong in (-1, 1, 10):
        with pytest.raises(UserError, match="from 2 to 9"):
            check_habitats(wrong)


def test_habitats_are_regions_of_their_own(tmp_path: Path) -> None:
    image = np.random.default_rng(5).integers(0, 20, (7, 30, 30)).astype(np.int16)
    image[:, :, 15:] += 500
    write_series(tmp_path / "ct", image, spacing=(1, 1, 2))
    squares = [np.array([[9.5, 9.5, z], [19.5, 9.5, z], [19.5, 19.5, z], [9.5, 19.5, z]]) for z in (4.0, 6.0, 8.0)]
    structure = write_rtstruct(tmp_path / "rs.dcm", [("GTV", squares)])
    settings = make_settings({"featureClass": {"firstorder": ["Mean"], "shape": ["VoxelVolume"]}})
    task = FeatureTask(tmp_path / "ct", (structure,), settings, {"GTV": ["gtv"]}, tmp_path / "o.parquet", Choices(habitats=2))
    result = extract_series(task)
    names = ["GTV", "GTV habitat 1 of 2", "GTV habitat 2 of 2"]
    assert [entry["target"] for entry in result["regions"]] == names
    frame = pl.read_parquet(tmp_path / "o.parquet").sort("region")
    inside = image[2:5, 10:20, 10:20]
    assert frame["firstorder_Mean"].to_list() == pytest.approx([inside.mean(), inside[..., :5].mean(), inside[..., 5:].mean()])
    assert frame["shape_VoxelVolume"].to_list() == [600.0, 300.0, 300.0]
    perturbed = extract_perturbed(RobustnessTask(task))
    assert [(entry["target"], entry["status"]) for entry in perturbed["regions"]] == [(name, "done") for name in names]
