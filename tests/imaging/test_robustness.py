"""Perturbed copies against what each kind must do, and agreement over them from files to table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from tests.imaging.dicom_maker import write_rtstruct, write_series
from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Grid
from unibase.imaging.perturbation_options import DEFAULT_PERTURBATIONS, Perturbation, check_perturbations
from unibase.imaging.radiomics.perturbations import noise_level, perturb, signed_distance
from unibase.imaging.radiomics.robustness import RobustnessTask, extract_perturbed, robustness_table
from unibase.imaging.radiomics.series_features import FeatureTask
from unibase.imaging.radiomics.settings import make_settings

GRID = Grid((25, 25, 25), (1.0, 1.0, 1.0), (-5.0, 3.0, 7.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
RNG = np.random.default_rng(8)
IMAGE = RNG.normal(100.0, 10.0, GRID.shape)
MASK = np.zeros(GRID.shape, dtype=bool)
MASK[8:17, 6:19, 10:15] = True


def volume(stored_type: str = "float64", grid: Grid = GRID) -> Volume:
    return Volume(IMAGE.astype(stored_type).astype(float), grid, stored_type=stored_type)


def test_no_perturbation_changes_nothing() -> None:
    copy, mask = perturb(volume(), MASK, Perturbation(), 1)
    assert np.array_equal(copy.array[mask], IMAGE[MASK])
    assert mask.sum() == MASK.sum()


def test_a_quarter_turn_is_a_quarter_turn() -> None:
    copy, mask = perturb(volume(), MASK, Perturbation(rotation=90.0), 1)
    turned = [np.rot90(IMAGE, k, axes=(1, 2)) for k in (1, -1)]
    assert mask.sum() == MASK.sum()
    assert any(
        np.allclose(np.sort(copy.array[mask]), np.sort(one[np.rot90(MASK, k, axes=(1, 2))]))
        for one, k in zip(turned, (1, -1), strict=True)
    )
    assert np.ptp(np.argwhere(mask), axis=0).tolist() == [8, 4, 12]
    assert any(np.abs(copy.array - one).max() < 1e-6 for one in turned)


def test_a_shift_by_whole_voxels_moves_image_and_region_together() -> None:
    copy, mask = perturb(volume(), MASK, Perturbation(translation=(2.0, -1.0, 0.0)), 1)
    assert np.allclose(copy.array[mask], IMAGE[MASK], atol=1e-9)
    assert not np.array_equal(mask, MASK)


def test_perturbation_does_not_depend_on_how_the_patient_lies() -> None:
    # A proper rotation (its determinant is 1).
    turn = np.linalg.qr(np.array([[0.9, 0.3, 0.1], [-0.2, 0.8, 0.4], [0.1, -0.3, 0.9]]))[0]
    oblique = replace(GRID, direction=tuple(float(x) for x in turn.ravel()))
    for one in (Perturbation(rotation=5.0), Perturbation(translation=(0.25, 0.5, 0.75)), Perturbation(contour=1.0)):
        straight, mask = perturb(volume(), MASK, one, 3)
        lying, other = perturb(volume(grid=oblique), MASK, one, 3)
        # Beyond the border of the image there is no value: what is repeated there may be either of two neighbours.
        assert np.allclose(straight.array[mask], lying.array[mask], atol=1e-6)
        assert np.array_equal(mask, other)


@pytest.mark.parametrize("change", [-0.4, -0.1, 0.1, 0.5])
def test_growth_and_shrinkage_reach_the_nearest_layer(change: float) -> None:
    _, mask = perturb(volume(), MASK, Perturbation(volume=change), 1)
    layers = np.cumsum(np.unique(signed_distance(MASK, GRID), return_counts=True)[1])
    assert mask.sum() == layers[np.abs(layers - MASK.sum() * (1 + change)).argmin()]
    assert (mask & MASK).sum() == min(mask.sum(), MASK.sum())


def test_noise_is_as_strong_as_the_image_has_it() -> None:
    assert noise_level(IMAGE, MASK) == pytest.approx(10.0, rel=0.1)
    copy, _ = perturb(volume(), MASK, Perturbation(noise=1.0), 5)
    assert (copy.array - IMAGE).std() == pytest.approx(noise_level(IMAGE, MASK), rel=0.05)


def test_a_random_contour_stays_near_the_drawn_one() -> None:
    masks = [perturb(volume(), MASK, Perturbation(contour=1.0), seed)[1] for seed in (1, 1, 2)]
    assert np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[0], masks[2])
    changed = masks[0] ^ MASK
    assert 0 < changed.sum() < MASK.sum()
    assert np.abs(signed_distance(MASK, GRID))[changed].max() < 4.5


def test_whole_numbers_stay_whole() -> None:
    copy, _ = perturb(volume("int16"), MASK, Perturbation(rotation=7.0, noise=1.0), 5)
    assert np.array_equal(copy.array, np.round(copy.array))
    assert copy.stored_type == "int16"


def test_plans_and_losses() -> None:
    check_perturbations(DEFAULT_PERTURBATIONS)
    assert len({one.name for one in DEFAULT_PERTURBATIONS}) == len(DEFAULT_PERTURBATIONS)
    for wrong in ([Perturbation()], [Perturbation(), Perturbation()]):
        with pytest.raises(UserError):
            check_perturbations(wrong)
    for outside in ({"noise": -1.0}, {"volume": -1.0}, {"contour": -0.5}, {"contour_length": 0.0}, {"rotate": 3.0}):
        with pytest.raises(ValidationError):
            Perturbation.model_validate(outside)
    thin = np.zeros_like(MASK)
    thin[3, 3, 3] = True
    with pytest.raises(Unusable, match="empty-region"):
        perturb(volume(), thin, Perturbation(translation=(0.5, 0.5, 0.5)), 1)


def test_from_files_to_a_table_of_agreement(tmp_path: Path) -> None:
    settings = make_settings({"featureClass": {"firstorder": ["Mean", "Maximum"], "shape": ["MeshVolume", "Flatness"]}})
    plan = (
        Perturbation(),
        Perturbation(rotation=5.0, volume=0.1),
        Perturbation(noise=1.0, contour=0.5),
        Perturbation(translation=(0.5, 0.5, 0)),
    )
    paths = []
    for number in range(4):
        image = (RNG.normal(100 * number, 10, (12, 40, 40)) + np.linspace(0, 30, 40)).astype(np.int16)
        write_series(tmp_path / str(number) / "ct", image, spacing=(1, 1, 2), number=number + 1)
        radius = 6 + number
        angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
        contours = [
            np.stack([20 + radius * np.cos(angles), 20 + radius * np.sin(angles), np.full(90, 2.0 * k)], axis=1)
            for k in range(3, 9)
        ]
        structure = write_rtstruct(tmp_path / str(number) / "rs.dcm", [("GTV", contours)], series=number + 1)
        task = FeatureTask(
            tmp_path / str(number) / "ct",
            (structure,),
            settings,
            {"GTV": ["gtv"]},
            tmp_path / f"{number}.parquet",
            subject_id=number + 1,
        )
        result = extract_perturbed(RobustnessTask(task, plan))
        again = extract_perturbed(RobustnessTask(replace(task, destination=tmp_path / "again.parquet"), plan))
        assert result["rows"] == 4
        assert again["sha256"] == result["sha256"]
        paths.append(result["path"])
    frame = pl.concat([pl.read_parquet(path) for path in paths])
    table = robustness_table(frame)
    assert table["subjects"].to_list() == [4] * 4
    assert table["repetitions"].to_list() == [4] * 4
    by_feature = {row["feature"]: row for row in table.iter_rows(named=True)}
    # Means 100 HU apart withstand these perturbations.
    assert by_feature["firstorder_Mean"]["icc_2_1"] > 0.99
    assert by_feature["firstorder_Mean"]["icc_2_1_low"] > 0.9
    means = frame.sort("subject_id", "perturbation")["firstorder_Mean"].to_numpy().reshape(4, 4)
    assert by_feature["firstorder_Mean"]["within_sd"] == pytest.approx(np.sqrt(means.var(axis=1, ddof=1).mean()), rel=1e-12)
