"""Features of a dose in the table of features: equal to those of the dose as a plain image, and to the metrics of `unibase dose`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pydicom
import pytest

from tests.imaging.dicom_maker import uid
from tests.imaging.test_dose import plan, truth
from unibase.groundwork.problems import UserError
from unibase.imaging.commands import PlainRun, extract_plain
from unibase.imaging.dicom.volume import read_series
from unibase.imaging.dose.measured import Wanted, measure_doses
from unibase.imaging.dose.rtdose import read_dose
from unibase.imaging.options import Choices
from unibase.imaging.radiomics.extraction import extract_region
from unibase.imaging.radiomics.feature_words import feature_dictionary
from unibase.imaging.radiomics.of_dose import settings_of_dose
from unibase.imaging.radiomics.settings import make_settings
from unibase.imaging.regions.masks import read_masks

SETTINGS = make_settings({"featureClass": {"firstorder": ["Mean", "Entropy"], "glcm": ["Contrast"]}, "setting": {"binWidth": 25}})
METRICS = ("Dmean", "d95%", "V50", "D1cc")


def rows(folder: Path, settings: Any = SETTINGS, **chosen: Any) -> tuple[pl.DataFrame, list[tuple[str, str]]]:
    choices = Choices(several="each", dose=True, dose_metrics=METRICS, **chosen)
    result = extract_plain(folder, folder / "out.parquet", settings, PlainRun(choices))
    told = result.regions.filter(pl.col("status") == "refused").select("target", "reason").rows()
    return pl.read_parquet(folder / "out.parquet"), told


def test_a_dose_has_the_features_of_its_values_and_its_metrics(tmp_path: Path) -> None:
    frame, told = rows(plan(tmp_path))
    image, dose = frame.filter(Modality="CT").row(0, named=True), frame.filter(Modality="RTDOSE").row(0, named=True)
    measured, _ = measure_doses(tmp_path, tmp_path / "d.parquet", None, Wanted(METRICS))
    metrics = dict(zip(measured["metric"], measured["value"], strict=True))
    assert not told and frame.height == 2
    assert [dose[f"dose_{name}"] for name in ("Dmean", "D95", "V50Gy", "D1cc")] == [metrics[name] for name in METRICS]
    assert dose["firstorder_Mean"] == pytest.approx(truth().mean(), abs=2e-4)
    assert image["dose_D95"] is None and image["firstorder_Mean"] == 0
    same = ("StudyInstanceUID", "region", "roi_name", "source_digest", "mask_coverage")
    assert [dose[name] for name in same] == [image[name] for name in same]
    assert (dose["SeriesInstanceUID"], dose["unit"], dose["image_notes"]) == (uid(70), "Gy", "dose-of-plan")


@pytest.mark.parametrize("engine", ["unibase", "pyradiomics"])
def test_the_texture_is_that_of_the_dose_on_the_voxels_of_the_image(tmp_path: Path, engine: Any) -> None:
    """The twin: the dose read at every voxel of the whole image by a loop, and extracted as an image of its own."""
    frame, _ = rows(plan(tmp_path), engine=engine, dose_bin_width=0.5)
    volume, dose = read_series(tmp_path / "ct"), read_dose(tmp_path / "rd.dcm")
    (mask,) = read_masks(tmp_path / "rs.dcm", volume)
    plane = np.argwhere(np.ones((30, 20, 1)))
    gray = np.stack([dose.at(volume.grid.centres(plane + np.array([0, 0, k]))).reshape(30, 20).T for k in range(5)])
    object.__setattr__(volume, "array", gray)
    object.__setattr__(volume, "stored_type", "float64")
    twin, _ = extract_region(volume, mask.region, settings_of_dose(SETTINGS, 0.5), engine)
    mine = frame.filter(Modality="RTDOSE").row(0, named=True)
    for name, value in twin["original"].items():
        assert mine[name] == pytest.approx(value, rel=1e-9), name
    assert mine["firstorder_Entropy"] > 3  # bins of half a Gy, not of 25


def test_filters_see_the_dose_to_its_end(tmp_path: Path) -> None:
    filtered = make_settings({"imageType": {"Original": {}, "Wavelet": {}}, "featureClass": {"firstorder": ["Mean"]}})
    frame, told = rows(plan(tmp_path), filtered)
    assert not told
    assert frame.filter(Modality="RTDOSE", image_type="wavelet-LLL")["firstorder_Mean"].is_finite().all()


def test_in_the_definitions_of_ibsi(tmp_path: Path) -> None:
    frame, _ = rows(plan(tmp_path), make_settings({"ibsi": {"families": ["intensity_statistics"]}}), mode="ibsi")
    assert frame.filter(Modality="RTDOSE")["stat_mean"][0] == pytest.approx(truth().mean(), abs=2e-4)


def test_eqd2_is_of_every_voxel_and_said(tmp_path: Path) -> None:
    frame, _ = rows(plan(tmp_path), dose_fractions=20, dose_alpha_beta=3.0)
    told = frame.filter(Modality="RTDOSE").row(0, named=True)
    assert told["firstorder_Mean"] == pytest.approx((truth() * (truth() / 20 + 3) / 5).mean(), abs=1e-3)
    assert (told["unit"], told["image_notes"]) == ("Gy EQD2", "dose-of-plan, eqd2-20-fractions-alpha-beta-3")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"DoseUnits": "RELATIVE"}, "unsupported-dose"),
        ({"DoseType": "EFFECTIVE"}, "unsupported-dose"),
        ({"DoseSummationType": "FRACTION"}, "unsupported-dose"),
        ({"ImagePositionPatient": [500.0, 0.0, 0.0]}, "outside-dose"),
    ],
)
def test_why_a_region_has_no_dose(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    frame, told = rows(plan(tmp_path, **changes), dose_fractions=20)
    assert frame["Modality"].to_list() == ["CT"]
    assert told == [("PTV (dose)", reason)]


def test_a_dose_of_no_image_is_told_by_its_place(tmp_path: Path) -> None:
    plan(tmp_path, FrameOfReferenceUID=uid(901))
    result = extract_plain(tmp_path, tmp_path / "o.parquet", SETTINGS, PlainRun(Choices(several="each", dose=True)))
    assert [(one["unit"], one["reason"]) for one in result.quarantined] == [("rd.dcm", "no-dose")]
    assert pl.read_parquet(tmp_path / "o.parquet")["Modality"].to_list() == ["CT"]
    assert not extract_plain(tmp_path, tmp_path / "o.parquet", SETTINGS).quarantined  # nobody asked for doses


def test_a_dose_that_holds_a_part_says_so_or_is_refused(tmp_path: Path) -> None:
    plan(tmp_path, ImagePositionPatient=[10.0, -3.0, -4.0])
    (dose,) = rows(tmp_path)[0].filter(Modality="RTDOSE").rows(named=True)
    assert dose["mask_coverage"] == pytest.approx(0.75)  # columns 10 to 24 of 5 to 24
    assert dose["mask_notes"] == "beyond-dose-grid"
    assert rows(tmp_path, cut_off="refuse")[1] == [("PTV (dose)", "cut-off-by-image")]


def test_several_doses_are_told_apart_and_a_copy_counts_once(tmp_path: Path) -> None:
    plan(tmp_path)
    dataset = pydicom.dcmread(tmp_path / "rd.dcm")
    dataset.save_as(tmp_path / "copy.dcm")
    dataset.SOPInstanceUID, dataset.DoseSummationType = uid(70, 2), "BEAM"
    dataset.save_as(tmp_path / "beam.dcm")
    named = rows(tmp_path)[0].filter(Modality="RTDOSE")["region"].to_list()
    assert len(named) == 2 and {name.split("_")[1] for name in named} == {"BEAM", "PLAN"}


def test_every_column_is_described(tmp_path: Path) -> None:
    frame, _ = rows(plan(tmp_path))
    words = feature_dictionary(frame.columns).filter(family="dose")
    assert dict(words.select("column", "unit").rows()) == {
        "dose_D1cc": "Gy",
        "dose_D95": "Gy",
        "dose_Dmean": "Gy",
        "dose_V50Gy": "%",
    }


def test_no_metric_is_refused_by_its_key() -> None:
    with pytest.raises((UserError, ValueError), match="V95% is no metric"):
        Choices(dose_metrics=("V95%",))
