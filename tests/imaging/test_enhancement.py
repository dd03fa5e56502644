"""The course of regions over phases (DCE): by hand, by a loop over all curves, and from the headers of a series."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import SimpleITK as sitk

from tests.imaging.odd_series import Maker, save
from tests.imaging.test_volumes_of_series import INSIDE, structures, task
from unibase.imaging.commands import PlainRun, extract_plain
from unibase.imaging.dicom.clocks import shared_clock
from unibase.imaging.options import Choices
from unibase.imaging.radiomics.enhancement_curve import ENHANCEMENT, describe_curve
from unibase.imaging.radiomics.feature_words import feature_dictionary
from unibase.imaging.radiomics.series_features import extract_series
from unibase.imaging.radiomics.settings import make_settings

Told = dict[str, float | None]

# Times, means, and what a reader works out on paper.
BY_HAND: list[tuple[str, list[float], list[float], Told]] = [
    (
        "washes out",
        [0, 90, 180, 360],
        [100, 280, 250, 190],
        {"PeakEnhancement": 180, "TimeToPeak": 90, "WashIn": 2, "RelativeWashIn": 2, "WashOut": 1 / 3, "EnhancementRatio": 2},
    ),
    (
        "goes on rising",
        [0, 60, 120],
        [50, 75, 100],
        {"TimeToPeak": 120, "WashIn": 50 / 120, "WashOut": None, "AreaUnderCurve": 6000},
    ),
    ("only falls", [0, 60], [50, 40], {"Peak": 50, "TimeToPeak": 0, "WashIn": None, "WashOut": 10 / 60, "PeakEnhancement": 0}),
    ("two peaks: the first", [0, 60, 120], [10, 30, 30], {"TimeToPeak": 60, "WashOut": 0}),
    ("no enhancement", [0, 60, 120], [10, 10, 10], {"TimeToPeak": 0, "EnhancementRatio": None, "AreaUnderCurve": 0}),
    ("baseline below 0", [0, 60], [-20, 40], {"Baseline": -20, "WashIn": 1, "RelativeWashIn": None, "PeakEnhancement": None}),
]


@pytest.mark.parametrize(("seconds", "means", "want"), [case[1:] for case in BY_HAND], ids=[case[0] for case in BY_HAND])
def test_by_hand(seconds: list[float], means: list[float], want: Told) -> None:
    told = dict(describe_curve(seconds, means))
    assert {name: told[f"dce_{name}"] for name in want} == pytest.approx(want)


def by_loops(seconds: Any, means: Any) -> Told:
    """The twin: the definitions one after the other, by loops."""
    best = 0
    for k in range(len(means)):
        if means[k] > means[best]:
            best = k
    area = 0.0
    for k in range(1, len(means)):
        area += (seconds[k] - seconds[k - 1]) * ((means[k] - means[0]) + (means[k - 1] - means[0])) / 2 / means[0] * 100
    told: Told = {
        "dce_TimeToPeak": seconds[best] - seconds[0],
        "dce_AreaUnderCurve": area,
        "dce_WashOut": None,
        "dce_WashIn": None,
    }
    if best > 0:
        told["dce_WashIn"] = (means[best] - means[0]) / (seconds[best] - seconds[0])
    if best < len(means) - 1:
        told["dce_WashOut"] = (means[best] - means[-1]) / (seconds[-1] - seconds[best])
    return told


def test_as_loops_compute_it() -> None:
    random = np.random.default_rng(31)
    for _ in range(300):
        count = int(random.integers(2, 9))
        seconds, means = np.cumsum(random.uniform(1, 90, count)), random.uniform(1, 500, count)
        told, want = dict(describe_curve(seconds.tolist(), means.tolist())), by_loops(seconds, means)
        assert {name: told[name] for name in want} == pytest.approx(want)


@pytest.mark.parametrize(
    ("times", "want"),
    [
        ([(0.0, 5.0, None, None), (60.0, 5.0, None, None)], ("TemporalPositionTimeOffset", [0, 60])),
        ([(None, 10.0, 0.0, None), (None, 10.0, 30.0, None)], ("TriggerTime", [0, 30])),
        ([(None, 10.0, None, None), (None, None, None, None)], None),
        ([(None, 20.0, None, None), (None, 10.0, None, None)], None),
        ([(), ()], None),
        ([(0.0, None, None, None)], None),
    ],
)
def test_a_clock_must_tell_all_phases_in_their_order(times: list[tuple[float | None, ...]], want: Any) -> None:
    assert shared_clock(times) == want


def dynamic(folder: Path, moments: list[str], **chosen: Any) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    make = Maker()
    stacks = [
        make.stack(
            n, modality="MR", TemporalPositionIdentifier=n + 1, NumberOfTemporalPositions=len(moments), AcquisitionTime=moment
        )
        for n, moment in enumerate(moments)
    ]
    save(folder / "dicom", [dataset for stack in stacks for dataset in stack])
    asked = task(folder, structures(folder / "rs.dcm", [stacks[0]]))
    result = extract_series(replace(asked, choices=asked.choices.model_copy(update={"enhancement": True, **chosen})))
    found = pl.read_parquet(folder / "out.parquet").filter(image_type="enhancement")
    return found.to_dicts(), [(one["reason"], one["message"]) for one in result["regions"] if one["status"] == "refused"]


@pytest.mark.parametrize("volumes", ["drawn", "all"])
def test_a_series_of_phases_has_a_course_by_its_acquisition_times(tmp_path: Path, volumes: str) -> None:
    moments = [f"{100000 + 100 * minute}" for minute in range(12)]  # phase 10 comes after phase 9
    (row,), told = dynamic(tmp_path, moments, volumes=volumes)
    assert not told
    # Each phase of the pattern is 1,000 brighter than the one before.
    assert (row["dce_Baseline"], row["dce_Peak"], row["dce_TimeToPeak"]) == (INSIDE, 11000 + INSIDE, 660.0)
    assert row["dce_WashIn"] == pytest.approx(1000 / 60) and row["dce_WashOut"] is None
    assert (row["region"], row["volume"], row["image_notes"]) == ("GTV", None, "times-of-AcquisitionTime")
    drawn = pl.read_parquet(tmp_path / "out.parquet").filter(region="GTV_phase_1_of_12")
    assert row["source_digest"] == drawn["source_digest"][0]  # what a reviewer decides of the mask holds for its course


@pytest.mark.parametrize(
    ("moments", "words"),
    [(["100000", "100000"], "do not say when"), (["100100", "100000"], "do not say when")],
)
def test_phases_without_times_are_told(tmp_path: Path, moments: list[str], words: str) -> None:
    rows, told = dynamic(tmp_path, moments)
    assert not rows
    assert [reason for reason, _ in told] == ["no-phase-times"] and words in told[0][1]


def test_other_volumes_are_no_phases(tmp_path: Path) -> None:
    make = Maker()
    stacks = [make.stack(n, modality="MR", DiffusionBValue=float(b)) for n, b in enumerate((0, 800))]
    save(tmp_path / "dicom", [dataset for stack in stacks for dataset in stack])
    asked = task(tmp_path, structures(tmp_path / "rs.dcm", [stacks[0]]))
    result = extract_series(replace(asked, choices=asked.choices.model_copy(update={"enhancement": True})))
    assert "no phases" in next(one["message"] for one in result["regions"] if one["status"] == "refused")


@pytest.mark.parametrize(("unit", "seconds"), [(10, 30.0), (18, 0.03), (2, None)])
def test_a_fourth_axis_of_nifti_says_whether_it_is_time(tmp_path: Path, unit: int, seconds: float | None) -> None:
    planes = [np.full((4, 5, 6), value, dtype=np.float32) for value in (10, 30, 20)]
    whole = sitk.JoinSeries([sitk.GetImageFromArray(plane) for plane in planes], 0.0, 30.0)
    sitk.WriteImage(whole, str(tmp_path / "a_image.nii"))
    content = bytearray((tmp_path / "a_image.nii").read_bytes())
    content[123] = unit
    (tmp_path / "a_image.nii").write_bytes(content)
    mask = np.zeros((4, 5, 6), np.uint8)
    mask[1:3, 1:4, 1:4] = 1
    sitk.WriteImage(sitk.GetImageFromArray(mask), str(tmp_path / "a_mask.nii"))
    run = PlainRun(Choices(several="each", enhancement=True))
    settings = make_settings({"featureClass": {"firstorder": ["Mean"]}})
    extract_plain(tmp_path, tmp_path / "o.parquet", settings, run)
    found = pl.read_parquet(tmp_path / "o.parquet").filter(image_type="enhancement")
    assert (found["dce_TimeToPeak"].to_list() == pytest.approx([seconds])) if seconds else found.is_empty()


def test_every_column_is_described() -> None:
    assert feature_dictionary(ENHANCEMENT)["family"].unique().to_list() == ["enhancement"]
