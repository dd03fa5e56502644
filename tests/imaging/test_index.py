"""What a staging folder holds, and the events it makes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pydicom

from tests.imaging.dicom_maker import uid, write_rtstruct, write_series
from unibase.groundwork.files import blake3_file, digest_of
from unibase.imaging.dicom.series import index_folder, read_index, study_events

ARRAY = np.zeros((3, 4, 5), dtype=np.int16)


def staging(root: Path) -> Path:
    folder = root / "dicom"
    write_series(folder / "1001/s500/ct", ARRAY, number=1, SeriesTime="103000.25")
    write_series(folder / "1001/s500/pt", ARRAY, number=2, modality="PT", SeriesTime="104500")
    write_series(folder / "1001/s500/ct2", ARRAY, number=3, SeriesTime="110000")
    write_rtstruct(folder / "1001/s500/rs/rs.dcm", [("GTV", [])], series=1)
    write_series(
        folder / "1002/s501/mr",
        ARRAY,
        number=4,
        modality="MR",
        study=501,
        patient="1002",
        SeriesDate="",
        SeriesTime="",
        StudyTime="",
    )
    write_series(
        folder / "1003/s502/ct", ARRAY, number=5, study=502, patient="1003", SeriesDate="", StudyDate="", AcquisitionDate=""
    )
    return folder


def test_series_frame(tmp_path: Path) -> None:
    folder = staging(tmp_path)
    frame = index_folder(folder, lambda place: "A" if place.startswith("1001") else "B", relative_to=tmp_path)
    assert frame["SeriesInstanceUID"].to_list() == [uid(1), uid(2), uid(3), uid(77), uid(4), uid(5)]
    assert frame["subject_id"].to_list() == [1001] * 4 + [1002, 1003]
    assert frame["centre"].to_list() == ["A"] * 4 + ["B"] * 2
    assert frame["Modality"].to_list() == ["CT", "PT", "CT", "RTSTRUCT", "MR", "CT"]
    assert frame["instances"].to_list() == [3, 3, 3, 1, 3, 3]
    assert frame["folder"][0] == "dicom/1001/s500/ct"
    assert frame["ReferencedSeriesInstanceUID"].to_list() == [None, None, None, uid(1), None, None]
    assert frame["FrameOfReferenceUID"].to_list() == [uid(900)] * 6
    assert frame["series_time"].to_list() == [
        datetime(2020, 1, 2, 10, 30, 0, 250_000),
        datetime(2020, 1, 2, 10, 45),
        datetime(2020, 1, 2, 11),
        datetime(2020, 1, 2, 12),
        datetime(2020, 1, 2),
        None,
    ]
    files = sorted((folder / "1001/s500/ct").iterdir())
    assert frame["input_digest"][0] == digest_of(sorted(blake3_file(path) for path in files))
    known = {path.relative_to(folder).as_posix(): blake3_file(path) for path in files}
    assert index_folder(folder, digests=known)["input_digest"].equals(frame["input_digest"])
    told = index_folder(folder, digests={name: "00" for name in known})
    assert told["input_digest"][0] == digest_of(["00", "00", "00"])


def test_events_are_one_per_study_and_modality(tmp_path: Path) -> None:
    events = study_events(index_folder(staging(tmp_path), "A"))
    rows = events.select("subject_id", "time", "code", "time_min", "time_max", "source").rows()
    first, second, third = datetime(2020, 1, 2, 10, 30, 0, 250_000), datetime(2020, 1, 2, 10, 45), datetime(2020, 1, 2)
    # The two CT series of one study are one event; the structure set and the undated study are none.
    assert rows == [
        (1001, first, "IMAGING//CT", first, first, "A/dicom"),
        (1001, second, "IMAGING//PT", second, second, "A/dicom"),
        (1002, third, "IMAGING//MR", third, third, "A/dicom"),
    ]


def test_empty_folder(tmp_path: Path) -> None:
    frame = index_folder(tmp_path)
    assert frame.height == 0
    assert study_events(frame).height == 0


def test_files_outside_any_series_are_listed(tmp_path: Path) -> None:
    folder = staging(tmp_path)
    (folder / "notes.txt").write_text("hello")
    (folder / ".tmp-half").write_bytes(b"half")
    path = next((folder / "1002/s501/mr").iterdir())
    dataset = pydicom.dcmread(path)
    dataset.PatientID = "HOSP-77"
    dataset.save_as(path)
    index = read_index(folder, {"1001/s500/ct": "A"})
    assert index.not_dicom == ["notes.txt"]
    assert index.not_staged == [path.relative_to(folder).as_posix()]
    assert index.series.filter(pl.col("SeriesInstanceUID") == uid(4))["instances"].to_list() == [2]
    assert index.series["centre"].to_list() == ["A", None, None, None, None, None]
