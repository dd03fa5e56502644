"""Dates, ages and UIDs as bytes, and the options that decide about them. Oracle: Python's calendar, DICOM PS3.5 6.2."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.imaging.deidentify_help import ANYONE, KEY, LOOKUP, SUBJECT, ct, run, save
from unibase.groundwork.problems import Unusable
from unibase.imaging.confidentiality import values
from unibase.imaging.confidentiality.deidentified import said_of_dates
from unibase.imaging.options import DeidentifyOptions


@given(st.dates(date(1900, 1, 1), date(2030, 1, 1)), st.integers(-1826, -1))
def test_dates_move_by_whole_days(day: date, days: int) -> None:
    moved = (day + timedelta(days=days)).strftime("%Y%m%d").encode()
    assert values.shift_date(day.strftime("%Y%m%d").encode(), days) == moved
    assert values.shift_date(day.strftime("%Y.%m.%d").encode(), days) == moved
    assert values.shift_datetime(day.strftime("%Y%m%d101112.5").encode(), days) == values.pad(moved + b"101112.5", "DT")


@pytest.mark.parametrize(
    ("source", "after"),
    [
        (b"20190312\\20190313", b"20190302\\20190303 "),
        (b"", b""),
        (b"        ", b""),
        (b"20190230", b""),
        (b"Dupontel", b""),
        (b"20190312-20190314", b""),
        (b"00010102", b""),
    ],
)
def test_odd_dates(source: bytes, after: bytes) -> None:
    assert values.shift_date(source, -10) == after


@pytest.mark.parametrize(
    ("source", "zone", "after"),
    [
        (b"20190312101112.5+0100", b"", b"20190302101112.5+0100 "),
        (b"20190312101112+0100", b"+0100", b"20190302101112"),
        (b"20190312233000+0000", b"+0200", b"20190303013000"),
        (b"201903", b"", b"2019"),  # shifted, it spans February and March
        (b"201907", b"", b"2019"),
        (b"2019", b"", b""),  # shifted, it spans two years
        (b"20190312996161", b"", b""),
        (b"x", b"", b""),
    ],
)
def test_times_with_zones_and_parts(source: bytes, zone: bytes, after: bytes) -> None:
    assert values.shift_datetime(source, -10, zone) == after


@given(st.integers(1990, 2030), st.integers(1, 12), st.integers(-1826, -1))
def test_a_partial_time_tells_no_more_than_both_its_ends(year: int, month: int, days: int) -> None:
    shifted = values.shift_datetime(b"%04d%02d" % (year, month), days).strip()
    first = date(year, month, 1) + timedelta(days=days)
    following = date(year + month // 12, month % 12 + 1, 1)
    last = following - timedelta(days=1) + timedelta(days=days)
    assert first.strftime("%Y%m").encode().startswith(shifted)
    assert last.strftime("%Y%m").encode().startswith(shifted)


@pytest.mark.parametrize(
    ("source", "after"), [(b"089Y", b"089Y"), (b"090Y", b"090Y"), (b"104Y", b"090Y"), (b"012M", b"012M"), (b"old", b"")]
)
def test_ages(source: bytes, after: bytes) -> None:
    assert values.age(source) == after


def test_uids_keep_their_number_and_never_the_source() -> None:
    uids = values.UidMap(KEY)
    assert uids.replace(b"1.2.3\0") == uids.replace(b"1.2.3") != uids.replace(b"1.2.4")
    assert uids.replace(b"1.2.3\\1.2.4").count(b"2.25.") == 2
    assert uids.refer(b"1.2.840.10008.1.2\0") == b"1.2.840.10008.1.2\0"
    assert uids.refer(b"1.2.840.10008x") != b"1.2.840.10008x"
    assert values.UidMap(type(KEY)(bytes(32))).one(b"1.2.3") != uids.one(b"1.2.3")


def test_dates_of_devices_and_vocabularies_do_not_tell_the_shift(tmp_path: Path) -> None:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "T-D3000", "SRT", "Chest"
    code.ContextGroupVersion, code.ContextIdentifier = "20020904", "4030"
    ds = ct(DateOfLastCalibration="20190101", DateOfManufacture="20110101", AnatomicRegionSequence=Sequence([code]))
    _, clean, content = run(save(ds, tmp_path / "in.dcm"), tmp_path / "out")
    assert clean.AnatomicRegionSequence[0].CodeMeaning == "Chest"
    shifted = [
        (date.fromisoformat(day) + timedelta(days=SUBJECT.shift_days)).strftime("%Y%m%d").encode()
        for day in ("2002-09-04", "2019-01-01", "2011-01-01")
    ]
    assert not any(day in content for day in (*shifted, b"20020904", b"20190101", b"20110101"))


def test_report_texts_are_cleaned_and_stay_reports(real_data: Path, tmp_path: Path) -> None:
    ds = pydicom.dcmread(real_data / "dicom" / "dcmqi" / "data" / "sr-example" / "sr.dcm")
    ds.PatientName = "Dupontel^Éléonore"
    ds.SpecificCharacterSet = "ISO_IR 192"
    text, person, moment, narrative = Dataset(), Dataset(), Dataset(), Dataset()
    for item, kind in ((text, "TEXT"), (person, "PNAME"), (moment, "DATETIME"), (narrative, "TEXT")):
        item.ValueType, item.RelationshipType = kind, "CONTAINS"
    text.TextValue = "lésion de 12 mm chez DUPONTEL Éléonore"
    person.PersonName = "Lemoine^Guy"
    moment.DateTime = "20190312101010"
    narrative.TextValue = "Une longue histoire. " * 40
    ds.ContentSequence = Sequence([*ds.ContentSequence, text, person, moment, narrative])
    _, clean, content = run(save(ds, tmp_path / "in.dcm"), tmp_path / "out", ANYONE)
    texts = clean.ContentSequence[-4:]
    assert texts[0].TextValue == "lésion de 12 mm chez"
    assert texts[1].PersonName == "REMOVED"
    assert texts[2].DateTime == (date(2019, 3, 12) + timedelta(days=SUBJECT.shift_days)).strftime("%Y%m%d") + "101010"
    assert texts[3].TextValue == "REMOVED"
    assert b"DUPONTEL" not in content
    assert b"Lemoine" not in content
    with pytest.raises(Unusable, match="unsupported-object"):
        run(tmp_path / "in.dcm", tmp_path / "out", ANYONE, DeidentifyOptions(policy="strict"))


def test_roi_names_are_kept_unless_they_hold_an_identifier(real_data: Path, tmp_path: Path) -> None:
    ds = pydicom.dcmread(real_data / "dicom" / "sts" / "STS_001" / "CT" / "mask" / "RS.dcm")
    ds.PatientName = "Dupontel^Eleonore"
    first, second = ds.StructureSetROISequence[0], Dataset()
    second.update(first)
    second.ROINumber, second.ROIName = 77, "GTV Dupontel T1"
    ds.StructureSetROISequence = Sequence([first, second])
    _, clean, _ = run(save(ds, tmp_path / "in.dcm", "1.2.840.10008.1.2"), tmp_path / "out", ANYONE)
    assert [roi.ROIName for roi in clean.StructureSetROISequence] == [first.ROIName, "GTV T1"]


def test_unknown_patients_wait(tmp_path: Path) -> None:
    for number in ("IPP9999999", ""):
        with pytest.raises(Unusable, match="unknown-patient") as caught:
            run(save(ct(PatientID=number), tmp_path / "in.dcm"), tmp_path / "out", LOOKUP)
        assert "9999999" not in str(caught.value)


def test_options() -> None:
    with pytest.raises(ValidationError, match="contradict"):
        DeidentifyOptions(retain_full_dates=True, modify_dates=True)
    with pytest.raises(ValidationError):
        DeidentifyOptions.model_validate({"policy": "careless"})
    assert DeidentifyOptions(retain_full_dates=True).enabled() >= {"full_dates"}
    assert "modified_dates" not in DeidentifyOptions(retain_full_dates=True).enabled()


def test_an_overlay_in_the_bits_of_the_pixels_is_refused(tmp_path: Path) -> None:
    ds = ct()
    for tag, vr, value in ((0x60000010, "US", 8), (0x60000011, "US", 8), (0x60000102, "US", 12)):
        ds.add_new(tag, vr, value)
    with pytest.raises(Unusable, match="burned-in-annotation"):
        run(save(ds, tmp_path / "in.dcm"), tmp_path / "out")


def test_dates_that_another_tool_changed_are_told(tmp_path: Path) -> None:
    said = [None, "UNMODIFIED", "MODIFIED", "REMOVED"]
    results = []
    for number, one in enumerate(said):
        ds = ct()
        if one is not None:
            ds.LongitudinalTemporalInformationModified = one
        results.append(run(save(ds, tmp_path / f"{number}.dcm"), tmp_path / f"out{number}")[0])
    assert said_of_dates(results) == "2 files say (0028,0303) that their dates were changed before: they do not match records"
    assert said_of_dates(results[:2]) == ""
