"""Features of a series that holds several volumes: each region on the volume it was drawn on, or on those asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydicom.dataset import Dataset

from tests.imaging.dicom_maker import read, write_rtstruct
from tests.imaging.odd_series import Maker, item, save
from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.commands import PlainRun, extract_plain
from unibase.imaging.options import check_volumes
from unibase.imaging.radiomics.delta import delta_volumes
from unibase.imaging.radiomics.series_features import Choices, FeatureTask, extract_series
from unibase.imaging.radiomics.settings import read_settings

SQUARE = [(1.5, 1.5), (6.0, 1.5), (6.0, 4.5), (1.5, 4.5)]


def structures(path: Path, drawn_on: Sequence[Sequence[Dataset]], names: Sequence[str] = ("GTV",)) -> Path:
    """A structure set; each name is drawn on the slices 2 to 5 of the instances of its place in `drawn_on`."""
    contours = [
        [np.array([(x, y, float(dataset.ImagePositionPatient[2])) for x, y in SQUARE]) for dataset in instances[2:6]]
        for instances in drawn_on
    ]
    write_rtstruct(path, list(zip(names, contours, strict=True)))
    dataset = read(path)
    for roi, instances in zip(dataset.ROIContourSequence, drawn_on, strict=True):
        for contour, image in zip(roi.ContourSequence, instances[2:6], strict=True):
            contour.ContourImageSequence = [
                item(ReferencedSOPClassUID=image.SOPClassUID, ReferencedSOPInstanceUID=image.SOPInstanceUID)
            ]
    dataset.save_as(path)
    return path


def task(folder: Path, mask: Path, volumes: tuple[str, ...] = ("drawn",)) -> FeatureTask:
    settings = folder / "settings.yaml"
    settings.write_text("featureClass: {firstorder: [Mean, Minimum, Maximum]}\n")
    return FeatureTask(
        folder / "dicom",
        (mask,),
        read_settings(settings),
        {"GTV": ["gtv.*"]},
        folder / "out.parquet",
        Choices(engine="unibase", volumes=volumes),
    )


def means(folder: Path) -> dict[str, float]:
    frame = pl.read_parquet(folder / "out.parquet").sort("region")
    return dict(zip(frame["region"], frame["firstorder_Mean"], strict=True))


# Slices 2 to 5 and the columns 1 to 3 that the square holds: the mean of the pattern is 35 and that of its columns.
INSIDE = 35 + 2.0


def test_a_region_is_measured_on_the_volume_it_was_drawn_on(tmp_path: Path) -> None:
    make = Maker()
    early, late = (make.stack(n, TemporalPositionIdentifier=n + 1) for n in range(2))
    save(tmp_path / "dicom", [*early, *late])
    mask = structures(tmp_path / "rs.dcm", [late])
    result = extract_series(task(tmp_path, mask))
    assert means(tmp_path) == {"GTV_phase_2_of_2": 1000 + INSIDE}
    assert [region["volume"] for region in result["regions"]] == ["phase 2 of 2"]
    frame = pl.read_parquet(tmp_path / "out.parquet")
    assert frame["volume"].to_list() == ["phase 2 of 2"]
    assert frame["unit"].to_list() == ["HU"]


def test_all_volumes_or_those_of_a_name(tmp_path: Path) -> None:
    make = Maker()
    stacks = [make.stack(n, modality="MR", DiffusionBValue=float(b)) for n, b in enumerate((0, 400, 800))]
    save(tmp_path / "dicom", [dataset for stack in stacks for dataset in stack])
    mask = structures(tmp_path / "rs.dcm", [stacks[0]])
    result = extract_series(task(tmp_path, mask, ("all",)))
    assert means(tmp_path) == {f"GTV_b{b}": 1000 * n + INSIDE for n, b in enumerate((0, 400, 800))}
    assert [region["notes"] for region in result["regions"]] == [[], ["drawn-on-another-volume"], ["drawn-on-another-volume"]]
    extract_series(task(tmp_path, mask, ("B=[48]00",)))
    assert set(means(tmp_path)) == {"GTV_b400", "GTV_b800"}
    with pytest.raises(Unusable, match="no-volume-matched"):
        extract_series(task(tmp_path, mask, ("b=1000",)))


def test_delta_features_across_the_volumes_of_a_series(tmp_path: Path) -> None:
    make = Maker()
    stacks = [make.stack(n, modality="MR", DiffusionBValue=float(b)) for n, b in enumerate((0, 50, 800))]
    save(tmp_path / "dicom", [dataset for stack in stacks for dataset in stack])
    extract_series(task(tmp_path, structures(tmp_path / "rs.dcm", [stacks[0]]), ("all",)))
    features = pl.read_parquet(tmp_path / "out.parquet")
    delta = delta_volumes(features.sample(fraction=1.0, shuffle=True, seed=1))
    assert delta.select("region", "first_volume", "later_volume").rows() == [("GTV", "b=0", "b=50"), ("GTV", "b=0", "b=800")]
    assert delta["firstorder_Mean_difference"].to_list() == [1000.0, 2000.0]
    assert delta["firstorder_Mean_relative"].to_list() == [1000 / INSIDE, 2000 / INSIDE]
    with pytest.raises(UserError, match="several rows of one volume"):
        delta_volumes(pl.concat([features, features.head(1)]))


def test_changes_over_the_volumes_are_rows_beside_them(tmp_path: Path) -> None:
    make = Maker()
    stacks = [make.stack(n, modality="MR", DiffusionBValue=float(b)) for n, b in enumerate((0, 50, 800))]
    save(tmp_path / "dicom", [dataset for stack in stacks for dataset in stack])
    asked = task(tmp_path, structures(tmp_path / "rs.dcm", [stacks[0]]), ("all",))
    extract_series(replace(asked, choices=asked.choices.model_copy(update={"changes": True})))
    found = means(tmp_path)
    assert {name for name in found if "less" not in name} == {"GTV_b0", "GTV_b50", "GTV_b800"}
    assert {name: value for name, value in found.items() if "less" in name} == {
        "GTV_b50_less_b0": 1000.0,
        "GTV_b800_less_b0": 2000.0,
    }
    # The twin: the frame of differences that a user computes from the table.
    features = pl.read_parquet(tmp_path / "out.parquet")
    delta = delta_volumes(features.filter(~pl.col("volume").str.contains(" less ")))
    mine = features.filter(pl.col("volume").str.contains(" less ")).sort("volume")
    assert mine["firstorder_Minimum"].to_list() == delta["firstorder_Minimum_difference"].to_list()


def test_a_change_of_two_regions_of_one_name_is_not_told(tmp_path: Path) -> None:
    make = Maker()
    stacks = [make.stack(n, modality="MR", DiffusionBValue=float(b)) for n, b in enumerate((0, 50))]
    save(tmp_path / "dicom", [dataset for stack in stacks for dataset in stack])
    asked = task(tmp_path, structures(tmp_path / "rs.dcm", [stacks[0], stacks[0]], ("GTV", "GTV")), ("all",))
    choices = asked.choices.model_copy(update={"changes": True, "several": "each"})
    result = extract_series(replace(asked, choices=choices))
    assert not [name for name in means(tmp_path) if "less" in name]
    refused = [region for region in result["regions"] if region["status"] == "refused"]
    assert [region["reason"] for region in refused] == ["ambiguous-region"]


def test_what_is_set_aside_is_measured_when_it_is_named(tmp_path: Path) -> None:
    make = Maker()
    stack = make.stack(0, modality="MR", DiffusionBValue=0.0)
    adc = make.stack(3, modality="MR", ImageType=["DERIVED", "PRIMARY", "ADC"])
    save(tmp_path / "dicom", [*stack, *adc])
    extract_series(task(tmp_path, structures(tmp_path / "rs.dcm", [stack]), ("ADC map",)))
    assert means(tmp_path)["GTV_ADC_map"] == 3000 + INSIDE


def test_contours_of_two_phases_stay_apart(tmp_path: Path) -> None:
    make = Maker()
    early = make.stack(0, TemporalPositionIdentifier=1)
    late = make.stack(1, start=1.5, TemporalPositionIdentifier=2)
    save(tmp_path / "dicom", [*early, *late])
    mask = structures(tmp_path / "rs.dcm", [[*early[:4], *late[4:]]])
    extract_series(task(tmp_path, mask))
    # Slices 2 and 3 of the first phase, 4 and 5 of the second: no contour serves both.
    assert means(tmp_path) == {"GTV_phase_1_of_2": 25 + 2.0, "GTV_phase_2_of_2": 1000 + 45 + 2.0}


def test_a_region_whose_images_are_not_named_is_measured_on_every_volume(tmp_path: Path) -> None:
    make = Maker()
    stacks = [make.stack(n, TemporalPositionIdentifier=n + 1) for n in range(2)]
    save(tmp_path / "dicom", [dataset for stack in stacks for dataset in stack])
    contours = [np.array([(x, y, 3.0 * k) for x, y in SQUARE]) for k in range(2, 6)]
    extract_series(task(tmp_path, write_rtstruct(tmp_path / "rs.dcm", [("GTV", contours)])))
    assert means(tmp_path) == {"GTV_phase_1_of_2": INSIDE, "GTV_phase_2_of_2": 1000 + INSIDE}


def test_a_volume_with_a_gap_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    make = Maker()
    whole, broken = (make.stack(n, TemporalPositionIdentifier=n + 1) for n in range(2))
    save(tmp_path / "dicom", [*whole, *broken[:3], *broken[4:]])
    result = extract_series(task(tmp_path, structures(tmp_path / "rs.dcm", [whole]), ("all",)))
    assert set(means(tmp_path)) == {"GTV_phase_1_of_2"}
    (refused,) = [region for region in result["regions"] if region["status"] == "refused"]
    assert (refused["volume"], refused["reason"]) == ("phase 2 of 2", "missing-slice")
    assert "9.0 mm" in refused["message"]


def test_a_region_drawn_on_a_localizer_alone_is_not_moved_elsewhere(tmp_path: Path) -> None:
    make = Maker()
    stack, scouts = make.stack(), make.stack(9, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    save(tmp_path / "dicom", [*stack, *scouts])
    with pytest.raises(Unusable, match="drawn-elsewhere"):
        extract_series(task(tmp_path, structures(tmp_path / "rs.dcm", [scouts])))


def test_frames_of_one_file_are_told_apart_by_their_number(tmp_path: Path) -> None:
    make = Maker()
    dataset = make.enhanced("MR", [(volume, number) for volume in range(2) for number in range(8)])
    for index, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        groups.MREchoSequence = [item(EffectiveEchoTime=[4.6, 9.2][index // 8])]
    save(tmp_path / "dicom", [dataset])
    contours = [np.array([(x, y, 3.0 * k) for x, y in SQUARE]) for k in range(2, 6)]
    mask = write_rtstruct(tmp_path / "rs.dcm", [("GTV", contours)])
    drawn = read(mask)
    for k, contour in enumerate(drawn.ROIContourSequence[0].ContourSequence, start=2):
        contour.ContourImageSequence = [
            item(
                ReferencedSOPClassUID=dataset.SOPClassUID,
                ReferencedSOPInstanceUID=dataset.SOPInstanceUID,
                ReferencedFrameNumber=8 + k + 1,
            )
        ]
    drawn.save_as(mask)
    extract_series(task(tmp_path, mask))
    assert means(tmp_path) == {"GTV_echo_2_of_2": 1000 + INSIDE}
    first = pl.read_parquet(tmp_path / "out.parquet")["source_digest"]
    extract_series(task(tmp_path, mask, ("echo 1 of 2",)))
    assert pl.read_parquet(tmp_path / "out.parquet")["source_digest"].to_list() != first.to_list()


def test_plain_files_by_volume(tmp_path: Path) -> None:
    make = Maker()
    stacks = [make.stack(n, TemporalPositionIdentifier=n + 1) for n in range(2)]
    save(tmp_path / "scans/lyon", [dataset for stack in stacks for dataset in stack])
    structures(tmp_path / "scans/lyon/rs.dcm", [stacks[0]])
    settings = tmp_path / "settings.yaml"
    settings.write_text("featureClass: {firstorder: [Mean]}\n")
    run = PlainRun(Choices(engine="unibase", volumes=("all",)))
    result = extract_plain(tmp_path / "scans", tmp_path / "out.parquet", read_settings(settings), run)
    assert result.rows == 2
    assert set(result.regions["volume"]) == {"phase 1 of 2", "phase 2 of 2"}


@pytest.mark.parametrize("wrong", ["drawn", (), ("b=(800",)])
def test_a_wrong_choice_of_volumes_is_told(wrong: str | tuple[str, ...]) -> None:
    with pytest.raises(UserError, match="volumes"):
        check_volumes(wrong)
