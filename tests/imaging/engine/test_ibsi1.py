"""The published IBSI-1 values, and what must hold of any region."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.imaging.engine.one_region import extract_ibsi
from tests.imaging.engine.phantoms import CONFIGURATIONS, load, options, three_digits
from unibase.groundwork.problems import Unusable
from unibase.imaging.engine.morphology import ellipsoid_area, spatial_autocorrelation
from unibase.imaging.engine.options import AGGREGATIONS_2D, AGGREGATIONS_3D, IbsiOptions
from unibase.imaging.radiomics.series_features import Choices, FeatureTask, extract_series
from unibase.imaging.radiomics.settings import make_settings

COUNTS = {
    "digital_phantom": 482,
    "ct_config_A": 346,
    "ct_config_B": 346,
    "ct_config_C": 210,
    "ct_config_D": 210,
    "ct_config_E": 210,
}


@pytest.mark.parametrize("dataset", list(CONFIGURATIONS))
def test_published_values(real_data: Path, dataset: str) -> None:
    image, mask, spacing = load(real_data, dataset)
    _agrees_with_the_published_values(real_data, dataset, extract_ibsi(image, mask, spacing, options(dataset))["original"])


@pytest.mark.parametrize("dataset", [name for name in CONFIGURATIONS if name != "digital_phantom"])
def test_published_values_from_dicom_and_structure_set(real_data: Path, tmp_path: Path, dataset: str) -> None:
    # The whole way: series and RTSTRUCT, the ibsi section of a parameter file, one row of a FEATURES table.
    folder = real_data / "ibsi/ibsi_1_ct_radiomics_phantom/dicom"
    parameters = make_settings(
        {"ibsi": {k: list(v) if isinstance(v, tuple) else v for k, v in CONFIGURATIONS[dataset][1].items()}}
    )
    task = FeatureTask(
        folder / "image",
        tuple(sorted((folder / "mask").iterdir())),
        parameters,
        None,
        tmp_path / "features.parquet",
        Choices(engine="unibase", mode="ibsi"),
    )
    result = extract_series(task)
    assert [region["status"] for region in result["regions"]] == ["done"]
    (row,) = pl.read_parquet(tmp_path / "features.parquet").to_dicts()
    _agrees_with_the_published_values(real_data, dataset, row)


def _agrees_with_the_published_values(real_data: Path, dataset: str, features: Mapping[str, Any]) -> None:
    with open(real_data / "ibsi" / "ibsi1_reference_values.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["dataset"] == dataset]
    assert len(rows) == COUNTS[dataset]
    wrong = {
        row["tag"]: (features.get(row["tag"]), row["value"])
        for row in rows
        if row["tag"] not in features
        or abs(three_digits(features[row["tag"]]) - float(row["value"])) > float(row["tolerance"]) * (1 + 1e-9) + 1e-12
    }
    assert not wrong


ALL = IbsiOptions(discretisation="fbn", bins=8, aggregations=AGGREGATIONS_2D + AGGREGATIONS_3D)


def _phantom(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    image = np.cumsum(rng.normal(0, 20, (6, 9, 8)), axis=1)
    mask = np.zeros(image.shape, dtype=bool)
    mask[1:5, 2:8, 1:7] = rng.random((4, 6, 6)) < 0.8
    return image, mask


def _equal(a: dict[str, float], b: dict[str, float], tolerance: float = 1e-9) -> None:
    assert a.keys() == b.keys()
    off = {k: (a[k], b[k]) for k in a if not np.isclose(a[k], b[k], rtol=tolerance, atol=1e-9, equal_nan=True)}
    assert not off


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("axes", [(0, 2, 1), (2, 1, 0), (1, 2, 0)])
def test_turning_and_reflecting_a_region_changes_nothing(seed: int, axes: tuple[int, ...]) -> None:
    image, mask = _phantom(seed)
    spacing = np.array([2.0, 1.0, 1.5])
    chosen = IbsiOptions(bins=8)
    before = extract_ibsi(image, mask, tuple(spacing), chosen)["original"]
    turned = extract_ibsi(
        image.transpose(axes)[::-1, :, ::-1].copy(),
        mask.transpose(axes)[::-1, :, ::-1].copy(),
        tuple(spacing[list(axes)]),
        chosen,
    )["original"]
    _equal(before, turned)


def test_padding_changes_nothing() -> None:
    image, mask = _phantom(4)
    # Local peaks reach beyond the region, so what is added must lie farther away than their sphere.
    wide, wider = np.pad(image, 7, mode="reflect"), np.pad(np.pad(image, 7, mode="reflect"), 50)
    a = extract_ibsi(wide, np.pad(mask, 7), (1.0, 1.0, 1.0), ALL)["original"]
    b = extract_ibsi(wider, np.pad(mask, 57), (1.0, 1.0, 1.0), ALL)["original"]
    assert a == b


def _named_result(mask: np.ndarray, image: np.ndarray, chosen: IbsiOptions = ALL) -> dict[str, float]:
    return extract_ibsi(image, mask, (1.0, 1.0, 1.0), chosen)["original"]


@pytest.mark.parametrize("kind", ["one voxel", "one slice", "constant", "two islands", "whole image"])
def test_degenerate_regions_have_a_named_result(kind: str) -> None:
    image, mask = _phantom(5)
    if kind == "one voxel":
        mask = np.zeros_like(mask)
        mask[2, 3, 4] = True
    elif kind == "one slice":
        mask[np.arange(6) != 2] = False
    elif kind == "constant":
        image[:] = 7.0
    elif kind == "two islands":
        mask = np.zeros_like(mask)
        mask[0, 0, 0] = mask[5, 8, 7] = True
    else:
        mask[:] = True
    features = _named_result(mask, image)
    assert set(features) == set(_named_result(*_phantom(6)[::-1]))
    assert all(isinstance(value, float) for value in features.values())
    assert not any(np.isinf(value) for value in features.values())
    if kind in ("one voxel", "two islands"):
        # No neighbours: co-occurrence does not exist, and is not zero.
        assert np.isnan(features["cm_contrast_3D_avg"])
    if kind == "constant":
        assert features["stat_var"] == 0 and features["ih_entropy"] == 0
        assert np.isnan(features["morph_moran_i"])


def test_empty_regions_are_refused_by_name() -> None:
    image, mask = _phantom(7)
    with pytest.raises(Unusable, match="empty-region"):
        _named_result(np.zeros_like(mask), image)
    with pytest.raises(Unusable, match="empty-after-resegmentation"):
        _named_result(mask, image, IbsiOptions(resegment_range=(1e6, 2e6)))


def test_missing_values_leave_the_region() -> None:
    image, mask = _phantom(8)
    holes = mask & (np.random.default_rng(1).random(mask.shape) < 0.1)
    spoiled = np.where(holes, np.nan, image)
    features = _named_result(mask, spoiled)
    assert features["stat_mean"] == pytest.approx(image[mask & ~holes].mean(), rel=1e-12)
    assert not any(np.isinf(value) for value in features.values())


def test_autocorrelation_equals_the_double_loop() -> None:
    image, mask = _phantom(9)
    spacing = np.array([2.0, 0.7, 1.1])
    where, x = np.argwhere(mask) * spacing, image[mask]
    distance = np.linalg.norm(where[:, None] - where[None], axis=2)
    weights = np.where(distance > 0, 1 / np.where(distance > 0, distance, 1), 0)
    d, n = x - x.mean(), len(x)
    moran = n / weights.sum() * (weights * np.outer(d, d)).sum() / (d**2).sum()
    geary = (n - 1) / (2 * weights.sum()) * (weights * (x[:, None] - x[None]) ** 2).sum() / (d**2).sum()
    assert spatial_autocorrelation(image, mask, spacing) == pytest.approx((moran, geary), rel=1e-11)


def test_ellipsoid_area_is_the_published_series() -> None:
    from scipy.special import eval_legendre

    assert ellipsoid_area(3, 3, 3) == pytest.approx(4 * np.pi * 9, rel=1e-12)
    a, b, c = 5.0, 3.0, 2.0
    alpha, beta = np.sqrt(1 - b**2 / a**2), np.sqrt(1 - c**2 / a**2)
    terms = [
        (alpha * beta) ** v / (1 - 4 * v**2) * eval_legendre(v, (alpha**2 + beta**2) / (2 * alpha * beta)) for v in range(21)
    ]
    assert ellipsoid_area(a, b, c) == pytest.approx(4 * np.pi * a * b * sum(terms), rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0.02, 0.2, 0.6, 1.0]), st.booleans())
def test_any_small_region_has_finite_or_missing_values(seed: int, density: float, by_slice: bool) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 7, 3))
    mask = rng.random(shape) < density
    mask[tuple(rng.integers(0, shape))] = True
    image = rng.normal(0, 50, shape)
    features = _named_result(mask, image, IbsiOptions(by_slice=by_slice, bins=6))
    assert not any(np.isinf(value) for value in features.values())
    assert 0 < features["morph_vol_dens_conv_hull"] <= 1 + 1e-9
    # The box on a facet of the hull is never larger than the one along the axes by more than rounding, nor the hull.
    assert features["morph_vol_dens_ombb"] >= features["morph_vol_dens_aabb"] * (1 - 1e-9)


def test_smallest_box_equals_trying_every_facet_and_every_edge_of_its_outline() -> None:
    from scipy.spatial import ConvexHull

    from unibase.imaging.engine.ibsi import minimum_box
    from unibase.imaging.engine.morphology import convex_hull

    rng = np.random.default_rng(8)
    for points in (rng.normal(size=(60, 3)), np.argwhere(rng.random((4, 5, 6)) < 0.5) * np.array([2.0, 0.7, 1.1])):
        best = np.inf
        for normal in ConvexHull(points).equations[:, :3]:
            u = np.linalg.svd(normal[None])[2][1:]
            flat = points @ u.T
            outline = flat[ConvexHull(flat).vertices]
            for edge in np.roll(outline, -1, axis=0) - outline:
                along = edge / np.linalg.norm(edge)
                turned = flat @ np.array([along, [-along[1], along[0]]]).T
                best = min(best, np.ptp(points @ normal) * np.prod(np.ptp(turned, axis=0)))
        assert minimum_box(convex_hull(points))[0] == pytest.approx(best, rel=1e-9)
