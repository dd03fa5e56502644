"""What a folder holds, told before anything is extracted: volumes, what is set aside, what is refused."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from tests.imaging.odd_series import Maker, item, pattern, save
from unibase.flows.looks.volumes import LINES, in_lines
from unibase.groundwork.image_tables import VOLUMES
from unibase.groundwork.problems import UserError
from unibase.imaging.commands import index_plain
from unibase.imaging.dicom.inventory import volume_events, volumes_frame
from unibase.imaging.dicom.series import index_folder


def folder(root: Path) -> Path:
    make = Maker(1)
    phases = [
        dataset
        for n in range(2)
        for dataset in make.stack(n, TemporalPositionIdentifier=n + 1, AcquisitionTime=f"10210{3 * n}", ConvolutionKernel="B30f")
    ]
    scout = make.plane("CT", phases[0].pixel_array, 0.0, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    save(root / "lyon/ct", [*phases, scout])
    save(root / "CHU-été/gap", Maker(2).stack()[:3] + Maker(2).stack()[4:])
    tracer = item(
        RadionuclideTotalDose=3e8,
        RadionuclideHalfLife=6586.2,
        Radiopharmaceutical="FDG",
        RadiopharmaceuticalStartDateTime="20200102092100",
    )
    pet = Maker(3).stack(
        modality="PT",
        Units="BQML",
        DecayCorrection="START",
        CorrectedImage=["DECY", "ATTN"],
        PatientWeight=70,
        RadiopharmaceuticalInformationSequence=[tracer],
    )
    save(root / "lyon/pet", pet)
    return root


def test_volumes_what_is_set_aside_and_what_is_refused(tmp_path: Path) -> None:
    frame = index_plain(folder(tmp_path / "scans"), tmp_path / "volumes.parquet")
    assert VOLUMES.read(tmp_path / "volumes.parquet").equals(frame)
    told = {(row["folder"], row["volume"]): row for row in frame.to_dicts()}
    assert set(told) == {
        ("lyon/ct", "phase 1 of 2"),
        ("lyon/ct", "phase 2 of 2"),
        ("lyon/ct", "localizer"),
        ("CHU-été/gap", ""),
        ("lyon/pet", ""),
    }
    late = told["lyon/ct", "phase 2 of 2"]
    assert (late["status"], late["unit"], late["slices"], late["spacing_z"], late["coverage"]) == ("volume", "HU", 8, 3.0, 24.0)
    assert (late["ConvolutionKernel"], late["volume_time"]) == ("B30f", datetime(2020, 1, 2, 10, 21, 3))
    assert told["lyon/ct", "localizer"]["status"] == "aside"
    gap = told["CHU-été/gap", ""]
    assert (gap["status"], gap["reason"], gap["unit"]) == ("refused", "missing-slice", None)
    assert "9.0 mm" in gap["message"]
    pet = told["lyon/pet", ""]
    assert (pet["unit"], pet["nuclide"], pet["uptake"]) == ("SUVbw", "F-18", 60.0)


def test_one_screen(tmp_path: Path) -> None:
    frame = index_plain(folder(tmp_path), tmp_path / "volumes.csv")
    assert pl.read_csv(tmp_path / "volumes.csv").height == frame.height == 5
    lines = in_lines(frame)
    assert lines[0] == "3 series: 3 volumes, 1 set aside, 1 refused"
    assert lines[1].startswith("  refused  CHU-été/gap: CT: missing-slice. 1 slice is missing among 7")
    assert "  volume   lyon/ct: CT, phase 2 of 2: 7 x 6 x 8, 1.5 x 1.5 x 3 mm, HU" in lines
    many = pl.concat([frame] * 20)
    assert len(in_lines(many)) == LINES + 2
    assert in_lines(many)[-1] == "... and 60 more; --out FILE writes all of them as a table."


def test_projections_are_images_or_refused_with_the_reason(tmp_path: Path) -> None:
    no_place = {"ImagePositionPatient": None, "ImageOrientationPatient": None}
    for number, modality in enumerate(("DX", "MG", "XA", "CR"), start=1):
        header = {"PixelSpacing": None} if modality == "CR" else {}
        save(tmp_path / modality, [Maker(number).plane("CT", pattern(0, 0), 0.0, Modality=modality, **no_place, **header)])
    run = Maker(5).plane("CT", pattern(0, 0), 0.0, Modality="XA", NumberOfFrames=2, **no_place)
    run.PixelData = run.PixelData * 2
    save(tmp_path / "run", [run])
    save(tmp_path / "tilt", Maker(6).stack(ImagePositionPatient=lambda n: [0.0, 0.8 * n, 3.0 * n]))
    frame = index_plain(tmp_path)
    told = {(row["folder"], row["volume"]): (row["status"], row["reason"]) for row in frame.to_dicts()}
    assert told == {
        **{(modality, ""): ("image", "") for modality in ("DX", "MG", "XA")},
        **{("run", f"image {n} of 2"): ("image", "") for n in (1, 2)},
        ("CR", ""): ("refused", "unsupported-image"),
        ("tilt", ""): ("refused", "gantry-tilt"),
    }
    lines = in_lines(frame)
    assert lines[0] == "6 series: 0 volumes, 5 images of one plane, 0 set aside, 2 refused"
    assert "  image    DX: DX: 7 x 6, 1.5 x 1.5 mm" in lines
    assert any(line.startswith("  refused  CR: CR: unsupported-image. The image says no spacing") for line in lines)


def test_an_event_for_each_volume_of_a_series_that_holds_several(tmp_path: Path) -> None:
    folder(tmp_path)
    series = index_folder(tmp_path, "lyon", relative_to=tmp_path)
    files = {place: sorted((tmp_path / place).iterdir()) for place in series["folder"]}
    events = volume_events(volumes_frame(series, files))
    assert events["code"].to_list() == ["IMAGING//CT//phase 1 of 2", "IMAGING//CT//phase 2 of 2"]
    assert events["time"].to_list() == [datetime(2020, 1, 2, 10, 21, 0), datetime(2020, 1, 2, 10, 21, 3)]
    assert set(events["source"]) == {"lyon/dicom"}


def test_nothing_to_index_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no DICOM image"):
        index_plain(tmp_path)
    with pytest.raises(UserError, match="no folder"):
        index_plain(tmp_path / "absent")
