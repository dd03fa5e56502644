"""One series and its regions: matches and misses, named refusals, degenerate regions, plain folders, planning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import SimpleITK as sitk
from pydantic import ValidationError

from tests.imaging.dicom_maker import uid, write_rtstruct, write_series
from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.commands import PlainRun, extract_plain
from unibase.imaging.dicom.series import index_folder
from unibase.imaging.dicom.volume import Volume, read_series
from unibase.imaging.grid import Grid
from unibase.imaging.options import check_regions
from unibase.imaging.plain.paired_by_name import find_pairs
from unibase.imaging.radiomics.feature_words import feature_dictionary
from unibase.imaging.radiomics.series_features import (
    Choices,
    FeatureTask,
    collect,
    extract_region,
    extract_series,
    list_regions,
    plan_units,
)
from unibase.imaging.radiomics.settings import make_settings
from unibase.imaging.radiomics.task import Asked
from unibase.imaging.regions.masks import open_masks
from unibase.imaging.regions.targets import match_regions

SETTINGS = make_settings({"featureClass": {"firstorder": None, "shape": None, "glcm": ["Contrast"]}})
FIRST = make_settings({"featureClass": {"firstorder": ["Mean", "Kurtosis"]}})
RNG = np.random.default_rng(11)
IMAGE = RNG.integers(-200, 300, (6, 20, 24)).astype(np.int16)


def square(x0: float, y0: float, x1: float, y1: float, z: float) -> np.ndarray:
    return np.array([[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]])


def block(x0: float, y0: float, x1: float, y1: float, slices: range = range(1, 4)) -> list[np.ndarray]:
    return [square(x0, y0, x1, y1, 2.0 * k) for k in slices]


ROIS: list[tuple[str, Any]] = [
    ("GTV-1", block(3.5, 3.5, 9.5, 9.5)),
    ("Tumour 2", block(12.5, 4.5, 18.5, 12.5)),
    ("GTV far", [square(0, 0, 5, 5, 400.0)]),
    ("Lung", block(1.5, 1.5, 20.5, 18.5)),
]


def unit(tmp_path: Path, regions: dict[str, list[str]] | None, **changes: Any) -> FeatureTask:
    if not (tmp_path / "ct").exists():
        write_series(tmp_path / "ct", IMAGE, spacing=(1, 1, 2))
        write_rtstruct(tmp_path / "rs/rs.dcm", ROIS)
    named = set(Choices.model_fields)
    options: dict[str, Any] = {"subject_id": 1001, "centre": "A"} | {k: v for k, v in changes.items() if k not in named}
    chosen = Choices(**{key: value for key, value in changes.items() if key in named})
    return FeatureTask(
        tmp_path / "ct",
        (tmp_path / "rs/rs.dcm",),
        options.pop("settings", SETTINGS),
        regions,
        tmp_path / "out.parquet",
        chosen,
        **options,
    )


def test_matches_misses_and_refusals_are_all_listed(tmp_path: Path) -> None:
    regions = {"GTV": ["gtv-\\d"], "SECOND": ["tumou?r.*"], "FAR": ["GTV FAR"], "HEART": ["heart"]}
    result = extract_series(unit(tmp_path, regions))
    assert [(entry["target"], entry["roi_name"], entry["status"], entry.get("reason")) for entry in result["regions"]] == [
        ("FAR", "GTV far", "refused", "region-outside-image"),
        ("GTV", "GTV-1", "done", None),
        ("SECOND", "Tumour 2", "done", None),
    ]
    assert result["missing_targets"] == ["HEART"]
    assert result["unused_rois"] == ["Lung"]
    listed = list_regions({"1001/ct": result})
    assert listed.select("target", "roi_name", "status", "reason").rows() == [
        ("GTV", "GTV-1", "done", None),
        ("SECOND", "Tumour 2", "done", None),
        ("HEART", None, "missing", None),
        ("FAR", "GTV far", "refused", "region-outside-image"),
        (None, "Lung", "unused", None),
    ]
    frame = pl.read_parquet(tmp_path / "out.parquet")
    assert frame.select("subject_id", "centre", "region", "roi_name", "Modality").rows() == [
        (1001, "A", "GTV", "GTV-1", "CT"),
        (1001, "A", "SECOND", "Tumour 2", "CT"),
    ]
    inside = IMAGE[1:4, 4:10, 4:10]
    assert frame["firstorder_Mean"][0] == pytest.approx(inside.mean(), rel=1e-14)
    assert frame["shape_VoxelVolume"][0] == 6 * 6 * 3 * 2.0
    assert frame["settings_digest"].unique().to_list() == [SETTINGS.digest]
    assert frame["SeriesInstanceUID"][0] == uid(1)


def test_several_rois_of_one_target(tmp_path: Path) -> None:
    regions = {"GTV": ["gtv-1", "tumou?r.*"]}
    with pytest.raises(Unusable, match="ambiguous-region"):
        extract_series(unit(tmp_path, regions))
    each = extract_series(unit(tmp_path, regions, several="each"))
    assert [(entry["target"], entry["roi_name"]) for entry in each["regions"]] == [("GTV", "GTV-1"), ("GTV", "Tumour 2")]
    # Lesions of one target share its columns; their names and digests tell them apart.
    frame = pl.read_parquet(tmp_path / "out.parquet")
    assert set(frame.select("region", "roi_name").rows()) == {("GTV", "GTV-1"), ("GTV", "Tumour 2")}
    assert frame["source_digest"].n_unique() == 2
    extract_series(unit(tmp_path, regions, several="union"))
    frame = pl.read_parquet(tmp_path / "out.parquet")
    assert frame["roi_name"].to_list() == ["GTV-1 + Tumour 2"]
    assert frame["shape_VoxelVolume"][0] == (6 * 6 + 6 * 8) * 3 * 2.0


def test_what_cannot_run_ends_in_quarantine(tmp_path: Path) -> None:
    def reason(**changes: Any) -> str:
        with pytest.raises(Unusable) as caught:
            extract_series(unit(tmp_path, {"GTV": ["gtv-1"]}, **changes))
        return caught.value.reason

    assert reason(settings=make_settings({"setting": {"resegmentRange": [5000, 6000]}})) == "empty-after-resegmentation"
    assert reason(settings=make_settings({"setting": {"minimumROISize": 5000}})) == "region-too-small"
    with pytest.raises(Unusable, match="no-region-matched"):
        extract_series(unit(tmp_path, {"GTV": ["nothing"]}))
    task = unit(tmp_path, None)
    with pytest.raises(Unusable, match="no-mask"):
        extract_series(FeatureTask(task.image_folder, (), SETTINGS, None, task.destination))


def test_wrong_tasks_stop_the_command(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="engine: unibase"):
        Choices(engine="pyradiomics", mode="ibsi")
    with pytest.raises(UserError, match="regular expression"):
        check_regions({"GTV": ["gtv("]})
    with pytest.raises(UserError, match="list of patterns"):
        check_regions({"GTV": "gtv"})


def test_memory_bound_follows_what_filters_see() -> None:
    from unibase.imaging.radiomics.series_features import memory_bound

    log = make_settings({"imageType": {"LoG": {"sigma": [1.0]}}})
    voxels = 10**8
    assert memory_bound(voxels, FIRST) < memory_bound(voxels, log)
    assert memory_bound(2 * voxels, log) - memory_bound(voxels, log) == 37 * voxels
    assert memory_bound(voxels, make_settings({"imageType": {"Wavelet": {}}})) == memory_bound(voxels, FIRST)


def test_patterns_match_whole_names_in_any_case() -> None:
    found = match_regions(["GTV", "gtv ", "PTV minus GTV", "GTVn"], {"A": ["gtv"], "B": [".*gtv.*"], "C": ["ctv"]})
    assert found.found == {"A": [0, 1], "B": [0, 1, 2, 3]}
    assert found.missing == ["C"]
    assert found.unused == []
    assert match_regions(["a", "b", "a"], None).found == {"a": [0, 2], "b": [1]}


# Degenerate regions: a defined value or a stated refusal, never a crash, never a silent 0.


def volume(array: np.ndarray, stored_type: str = "float64") -> Volume:
    size = array.shape[2], array.shape[1], array.shape[0]
    grid = Grid(size, (1.0, 1.0, 2.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    return Volume(array.astype(np.float64), grid, stored_type=stored_type)


def region(*voxels: tuple[slice | int, slice | int, slice | int]) -> np.ndarray:
    mask = np.zeros(IMAGE.shape, dtype=bool)
    for voxel in voxels:
        mask[voxel] = True
    return mask


ALL = make_settings({"setting": {"minimumROIDimensions": 1}})


def test_one_voxel_is_refused() -> None:
    with pytest.raises(Unusable, match="region-too-small"):
        extract_region(volume(IMAGE), region((2, 3, 4)), ALL)


@pytest.mark.parametrize(
    "mask",
    [
        region((2, slice(3, 9), slice(4, 11))),
        region((2, 3, slice(4, 6))),
        region((slice(1, 3), slice(1, 3), slice(1, 3)), (slice(4, 6), slice(10, 14), slice(10, 14))),
        region((slice(0, 6), slice(0, 20), slice(0, 24))),
        region((slice(0, 2), slice(0, 5), slice(20, 24))),
    ],
    ids=["one slice", "two voxels", "two islands", "whole image", "corner"],
)
def test_small_and_odd_regions_have_float_values(mask: np.ndarray) -> None:
    features, refused = extract_region(volume(IMAGE), mask, ALL)
    assert refused == {}
    assert set(features) == {"original"}
    values = features["original"]
    assert all(isinstance(value, float) for value in values.values())
    assert values["firstorder_Mean"] == pytest.approx(IMAGE[mask].mean(), rel=1e-13)
    assert values["shape_VoxelVolume"] == mask.sum() * 2.0


def test_constant_region_has_defined_values() -> None:
    features, _ = extract_region(volume(np.full(IMAGE.shape, 7.0)), region((slice(1, 4), slice(1, 8), slice(1, 8))), ALL)
    values = features["original"]
    assert values["firstorder_Variance"] == 0
    assert values["firstorder_Kurtosis"] == values["firstorder_Skewness"] == 0
    assert values["ngtdm_Coarseness"] == 1e6
    assert values["glcm_Correlation"] == 1


def test_values_that_are_no_number() -> None:
    mask = region((slice(1, 4), slice(3, 9), slice(4, 11)))
    holed = IMAGE.astype(np.float64)
    holed[2, 5, 5] = np.nan
    with pytest.raises(Unusable, match="not-finite-in-region"):
        extract_region(volume(holed), mask, FIRST)
    outside = IMAGE.astype(np.float64)
    outside[0, 0, 0] = np.nan
    features, _ = extract_region(volume(outside), mask, FIRST)
    assert features["original"]["firstorder_Mean"] == pytest.approx(IMAGE[mask].mean(), rel=1e-13)
    for parameters in ({"imageType": {"LoG": {"sigma": [1.0]}}}, {"setting": {"resampledPixelSpacing": [2, 2, 2]}}):
        with pytest.raises(Unusable, match="not-finite-in-image"):
            extract_region(volume(outside), mask, make_settings(parameters))


def test_padding_inside_a_region_is_said(tmp_path: Path) -> None:
    # GE fills what lies beyond its round field of view with a value of its own; PyRadiomics counts it as tissue.
    image = IMAGE.copy()
    image[2, 5, 5] = -2000
    write_series(tmp_path / "ct", image, spacing=(1, 1, 2), intercept=-1024.0, PixelPaddingValue=-2000)
    write_rtstruct(tmp_path / "rs/rs.dcm", ROIS)
    regions = extract_series(unit(tmp_path, {"G": ["gtv-1"], "T": ["tumour 2"]}, settings=FIRST))["regions"]
    assert [(region["target"], region["notes"]) for region in regions] == [("G", ["padding-in-region"]), ("T", [])]
    assert read_series(tmp_path / "ct").padding == (-3024.0, -3024.0)


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(Unusable, match="mask-geometry"):
        extract_region(volume(IMAGE), np.ones((2, 2, 2), dtype=bool), FIRST)
    with pytest.raises(Unusable, match="empty-region"):
        extract_region(volume(IMAGE), np.zeros(IMAGE.shape, dtype=bool), FIRST)


# Planning: which masks go with which series.


def test_plan_units(tmp_path: Path) -> None:
    write_series(tmp_path / "1/ct", IMAGE, number=1, spacing=(1, 1, 2), patient="1")
    # SUV that a body has.
    uptake = np.abs(IMAGE) // 60 + 1
    write_series(tmp_path / "1/pt", uptake, number=2, spacing=(1, 1, 2), modality="PT", patient="1", Units="GML")
    write_series(tmp_path / "1/mr", IMAGE, number=3, spacing=(1, 1, 2), modality="MR", patient="1", frame=901)
    write_rtstruct(tmp_path / "1/rs/rs.dcm", ROIS[:1], series=1, patient="1")
    series = index_folder(tmp_path, "A")
    units = plan_units(series, tmp_path, tmp_path / "out", Asked(FIRST, {"GTV": ["gtv.*"]})).units
    tasks = {unit.arguments.image_folder.name: unit.arguments for unit in units}
    assert set(tasks) == {"ct", "pt", "mr"}
    # The CT by reference, the PET by the shared frame of reference, the MR has none and will say so.
    assert [len(tasks[name].mask_paths) for name in ("ct", "pt", "mr")] == [1, 1, 0]
    results = {name: extract_series(tasks[name]) for name in ("ct", "pt")}
    with pytest.raises(Unusable, match="no-mask"):
        extract_series(tasks["mr"])
    frame = collect([result["path"] for result in results.values()], tmp_path / "all.parquet")
    assert frame["Modality"].to_list() == ["CT", "PT"]
    assert frame["subject_id"].to_list() == [1, 1]
    assert [unit.key for unit in plan_units(series, tmp_path, tmp_path, Asked(FIRST), ["PT"]).units] == [f"1/pt:{uid(2)}"]
    # The digest of a unit follows its masks.
    before = {unit.key: unit.input_digest for unit in units}
    write_rtstruct(tmp_path / "1/rs/rs.dcm", ROIS[:2], series=1, patient="1")
    after = {
        unit.key: unit.input_digest for unit in plan_units(index_folder(tmp_path, "A"), tmp_path, tmp_path, Asked(FIRST)).units
    }
    assert [key for key in before if before[key] == after[key]] == [f"1/mr:{uid(3)}"]


# Plain folders.


def write_image(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(volume(array).grid.to_sitk(array), str(path))


def test_pairs_are_found_by_name_and_by_folder(tmp_path: Path) -> None:
    for name in (
        "a_image.nrrd",
        "a_label.nrrd",
        "b/image/ct.nii.gz",
        "b/mask/gtv.nii.gz",
        "c/p1.nrrd",
        "c/p1_seg.nrrd",
        "c/p1-mask.nrrd",
        "c/p2.nrrd",
    ):
        write_image(tmp_path / name, np.zeros((2, 2, 2), dtype=np.uint8))
    pairs = {
        name: [mask.relative_to(tmp_path).as_posix() for mask in masks] for name, masks in find_pairs(tmp_path).pairs.items()
    }
    assert pairs == {
        "a_image.nrrd": ["a_label.nrrd"],
        "b/image/ct.nii.gz": ["b/mask/gtv.nii.gz"],
        "c/p1.nrrd": ["c/p1-mask.nrrd", "c/p1_seg.nrrd"],
        "c/p2.nrrd": [],
    }
    write_image(tmp_path / "c/other_mask.nrrd", np.zeros((2, 2, 2), dtype=np.uint8))
    layout = find_pairs(tmp_path)
    assert [(one.place, one.reason) for one in layout.unplaced] == [("c/other_mask.nrrd", "mask-without-image")]
    assert layout.pairs["c/p1.nrrd"] == (tmp_path / "c/p1-mask.nrrd", tmp_path / "c/p1_seg.nrrd")


def test_plain_folder_of_dicom_and_nifti(tmp_path: Path) -> None:
    source = tmp_path / "in"
    write_series(source / "x/ct", IMAGE, spacing=(1, 1, 2), patient="HOSP 7")
    write_rtstruct(source / "x/rs.dcm", ROIS[:2], patient="HOSP 7")
    write_series(source / "x/mr", IMAGE, number=3, modality="MR", frame=901, patient="HOSP 7")
    write_image(source / "y/image.nrrd", IMAGE)
    write_image(source / "y/mask.nrrd", region((slice(1, 4), slice(3, 9), slice(4, 11))).astype(np.uint8) * 3)
    result = extract_plain(source, tmp_path / "out.parquet", FIRST)
    frame = pl.read_parquet(tmp_path / "out.parquet")
    assert result.rows == frame.height == 3
    assert [(entry["unit"], entry["reason"]) for entry in result.quarantined] == [("x/mr", "no-mask")]
    assert sorted(frame["region"]) == ["GTV-1", "Tumour 2", "mask:3"]
    assert frame["subject_id"].null_count() == 3
    assert frame.filter(pl.col("region") == "mask:3")["SeriesInstanceUID"].item() == "y/image.nrrd"
    # A pair, whose image is a DICOM folder.
    pair = extract_plain(
        (source / "x/ct", source / "x/rs.dcm"), tmp_path / "pair.parquet", FIRST, PlainRun(regions={"GTV": ["gtv.*"]})
    )
    assert pair.rows == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no DICOM series"):
        extract_plain(tmp_path / "empty", tmp_path / "o.parquet", FIRST)
    with pytest.raises(UserError, match="is no folder"):
        extract_plain(tmp_path / "absent", tmp_path / "o.parquet", FIRST)


@pytest.mark.parametrize("mode", ["pyradiomics", "ibsi"])
def test_our_own_engine_fills_columns_that_the_dictionary_explains(tmp_path: Path, mode: str) -> None:
    result = extract_series(unit(tmp_path, {"L": ["lung"]}, engine="unibase", mode=mode, settings=make_settings({})))
    assert result["engine"].startswith("unibase ")
    frame = pl.read_parquet(tmp_path / "out.parquet")
    described = feature_dictionary(frame.columns)
    assert described.filter(pl.col("family") != "identity").height > 100
    if mode == "pyradiomics":
        volume = read_series(tmp_path / "ct")
        (lung,) = [roi for roi in open_masks(tmp_path / "rs/rs.dcm", volume) if roi.roi_name == "Lung"]
        reference, _ = extract_region(volume, lung.read().array, ALL)
        assert set(reference["original"]) == set(described.filter(pl.col("family") != "identity")["column"])


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    contents = set()
    for _ in range(2):
        extract_series(unit(tmp_path, {"GTV": ["gtv-1"], "L": ["lung"]}))
        contents.add((tmp_path / "out.parquet").read_bytes())
    assert len(contents) == 1
