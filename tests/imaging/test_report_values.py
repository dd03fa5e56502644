"""Values of reports: every number, unit and code as highdicom reads them back, texts only of files that were cleaned.

Oracles: highdicom's reader of TID 1500, and a walk of the tree by pydicom that shares no code with ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import highdicom as hd
import polars as pl
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes

from tests.imaging.deidentify_help import ANYONE, ct, run, save
from unibase.groundwork.problems import UserError
from unibase.imaging.commands import reports_plain
from unibase.imaging.dicom.report_values import ReportValue, values_of_report

SIZES = {"lesion 1": 31.5, "lesion 2": 12.25, "lesion 3": 7.0}


def tid1500() -> Dataset:
    """Return a report of three lesions, each with its long axis, finding and site, as highdicom writes one."""
    source = ct(FrameOfReferenceUID="1.2.3.9", StudyTime="101112", AccessionNumber="A1", StudyID="1", PatientSex="F")
    observer = hd.sr.DeviceObserverIdentifyingAttributes(uid=hd.UID("1.2.3.4.5"))
    context = hd.sr.ObservationContext(hd.sr.ObserverContext(codes.DCM.Device, observer))
    groups = [
        hd.sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=hd.sr.TrackingIdentifier(hd.UID(f"1.2.3.4.6.{number}"), name),
            finding_type=codes.SCT.Neoplasm,
            finding_sites=[hd.sr.FindingSite(codes.SCT.Lung, laterality=codes.SCT.Left)],
            measurements=[hd.sr.Measurement(name=codes.SCT.Length, value=size, unit=codes.UCUM.Millimeter)],
            source_images=[hd.sr.SourceImageForMeasurementGroup.from_source_image(source)],
        )
        for number, (name, size) in enumerate(SIZES.items(), 1)
    ]
    content = hd.sr.MeasurementReport(context, codes.LN.CTUnspecifiedBodyRegion, imaging_measurements=groups)
    uids = {"series_instance_uid": "1.2.3.77", "sop_instance_uid": "1.2.3.77.1"}
    return hd.sr.ComprehensiveSR([source], content[0], series_number=3, instance_number=1, manufacturer="m", **uids)


def of_code(keyword: str, value: str, scheme: str, meaning: str) -> dict[str, Sequence]:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return {keyword: Sequence([code])}


def node(kind: str, name: tuple[str, str, str], **values: Any) -> Dataset:
    one = Dataset()
    one.ValueType, one.RelationshipType = kind, "CONTAINS"
    for keyword, value in {**of_code("ConceptNameCodeSequence", *name), **values}.items():
        setattr(one, keyword, value)
    return one


def measured(value: object, unit: str, scheme: str = "UCUM") -> dict[str, Sequence]:
    one = Dataset()
    one.NumericValue = value
    one.update(Dataset.from_json({}))
    one.MeasurementUnitsCodeSequence = of_code("x", unit, scheme, unit)["x"]
    return {"MeasuredValueSequence": Sequence([one])}


def dose() -> Dataset:
    """Return a CT dose report: two irradiations, one whose dose is missing for a reason, and a narrative."""
    ds = ct(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.67", Modality="SR", ValueType="CONTAINER")
    for keyword in ("Rows", "Columns", "PixelData", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(ds, keyword)
    ds.ConceptNameCodeSequence = of_code("x", "113701", "DCM", "X-Ray Radiation Dose Report")["x"]
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "10011"
    ds.ContentTemplateSequence = Sequence([template])
    ctdi, start = ("113830", "DCM", "Mean CTDIvol"), ("111526", "DCM", "DateTime Started")
    why = of_code("NumericValueQualifierCodeSequence", "114006", "DCM", "Measurement failure")
    first = [node("NUM", ctdi, **measured("6.3", "mGy")), node("DATETIME", start, DateTime="20190312101112.5")]
    second = [node("NUM", ctdi, **why), node("NUM", ctdi, **measured(["1", "2"], "mGy"))]
    groups = [node("CONTAINER", ("113819", "DCM", "CT Acquisition"), ContentSequence=Sequence(one)) for one in (first, second)]
    ds.ContentSequence = Sequence([*groups, node("TEXT", ("121106", "DCM", "Comment"), TextValue="Nodule chez Mme Dupontel")])
    return ds


def numbers(tree: Dataset) -> Iterator[tuple[str, float]]:
    for one in tree.get("ContentSequence", []):
        if one.ValueType == "NUM" and "MeasuredValueSequence" in one:
            yield one.ConceptNameCodeSequence[0].CodeValue, float(one.MeasuredValueSequence[0].NumericValue)
        yield from numbers(one)


def test_a_measurement_report_is_as_highdicom_reads_it() -> None:
    report = tid1500()
    rows = list(values_of_report(report))
    groups = hd.sr.ComprehensiveSR.from_dataset(report).content.get_image_measurement_groups()
    for group in groups:
        (one,) = group.get_measurements()
        site = group.finding_sites[0]
        (row,) = [r for r in rows if r.value == one.value]
        own = {r.code: r for r in rows if r.container == row.container}
        assert (row.code, row.unit, row.container_code) == (f"SCT//{one.name.value}", one.unit.value, "DCM//125007")
        assert own["DCM//112040"].text == group.tracking_uid
        assert own["DCM//121071"].value_code == f"SCT//{group.finding_type.value}"
        assert own["SCT//363698007"].value_code == f"SCT//{site.value.value}"
        assert own["SCT//363698007"].modifiers == f"SCT//272741003=SCT//{site.laterality.value}"
    assert sorted(r.value for r in rows if r.value_type == "NUM") == sorted(SIZES.values())
    assert {(r.title, r.template) for r in rows} == {("DCM//126000", "1500")}
    assert sorted((r.code or "").partition("//")[2] for r in rows if r.value) == sorted(code for code, _ in numbers(report))


def test_a_dose_report_keeps_what_belongs_together_and_says_why_a_number_is_missing() -> None:
    rows = list(values_of_report(dose()))
    said = [(r.item, r.container, r.value_type, r.value, r.unit, r.missing_code) for r in rows]
    assert said == [
        ("1.1.1", "1.1", "NUM", 6.3, "mGy", None),
        ("1.1.2", "1.1", "DATETIME", None, None, None),
        ("1.2.1", "1.2", "NUM", None, None, "DCM//114006"),
        ("1.2.2", "1.2", "NUM", None, "mGy", None),
    ], "no text of a file that nobody cleaned, no number of several"
    assert rows[1].time == datetime(2019, 3, 12, 10, 11, 12)
    assert {(r.title, r.template, r.container_code) for r in rows} == {("DCM//113701", "10011", "DCM//113819")}


def test_texts_are_given_of_cleaned_files_and_uids_are_pseudonyms(tmp_path: Path) -> None:
    for number, report in enumerate((tid1500(), dose())):
        report.PatientID, report.PatientName = "IPP001", "Dupontel^Zoe"
        run(save(report, tmp_path / f"{number}.dcm"), tmp_path / "clean", ANYONE)
    frame = reports_plain(tmp_path / "clean", tmp_path / "r.csv")
    assert frame.filter(pl.col("value").is_not_null()).height == len(SIZES) + 1
    (text,) = frame.filter((pl.col("value_type") == "TEXT") & (pl.col("title") == "DCM//113701"))["text"]
    assert text == "Nodule chez"
    written = (tmp_path / "r.csv").read_text(encoding="utf-8")
    assert "upontel" not in written and "1.2.3.4.6." not in written and "20190312" not in written
    assert reports_plain(tmp_path / "clean", tmp_path / "r.parquet").equals(frame)


def test_what_holds_no_report_is_refused(tmp_path: Path) -> None:
    save(ct(), tmp_path / "a.dcm")
    with pytest.raises(UserError, match="holds no report"):
        reports_plain(tmp_path)
    with pytest.raises(UserError, match="is no folder"):
        reports_plain(tmp_path / "none")


def test_the_texts_of_a_presentation_state_need_cleaning() -> None:
    state, layer, one = ct(Modality="PR"), Dataset(), Dataset()
    one.UnformattedTextValue = "T1"
    layer.TextObjectSequence = Sequence([one])
    state.GraphicAnnotationSequence = Sequence([layer])
    assert list(values_of_report(state)) == []
    state.DeidentificationMethod = "unibase: x"
    assert [(r.item, r.text) for r in values_of_report(state)] == [("1.1.1", "T1")]
    assert isinstance(next(iter(values_of_report(state))), ReportValue)
