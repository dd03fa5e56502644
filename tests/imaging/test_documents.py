"""Documents: reports are cleaned item by item with their tree kept; what no rule reads is refused by name, with a way on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.imaging.deidentify_help import ANYONE, PYDICOM_FILES, both_paths, ct, run, save
from unibase.groundwork.problems import Unusable
from unibase.imaging.confidentiality import objects
from unibase.imaging.confidentiality.deidentified import DeidentifyOptions

BASE = "1.2.840.10008.5.1.4.1.1."
REPORTS = {"88.11": "Basic Text SR", "88.22": "Enhanced SR", "88.33": "Comprehensive SR", "88.50": "CAD", "88.65": "CAD"}
OTHERS = ("481.4", "481.6", "481.7", "481.8", "481.9", "11.1", "11.2")


def item(kind: str, meaning: str, **values: object) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "121071", "DCM", meaning
    one = Dataset()
    one.ValueType, one.RelationshipType, one.ConceptNameCodeSequence = kind, "CONTAINS", Sequence([code])
    for keyword, value in values.items():
        setattr(one, keyword, value)
    return one


def report(suffix: str) -> Dataset:
    ds = ct(SOPClassUID=BASE + suffix, Modality="SR", ValueType="CONTAINER", ContinuityOfContent="SEPARATE")
    for keyword in ("Rows", "Columns", "PixelData", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(ds, keyword)
    ds.ContentSequence = Sequence(
        [
            item("TEXT", "Finding", TextValue="Nodule 12 mm chez Mme Dupontel, vu le 12/03/2019 avec Kerbrat"),
            item("CONTAINER", "Findings", ContentSequence=Sequence([item("TEXT", "Finding", TextValue="foie normal")])),
            item("PNAME", "Person Observer Name", PersonName="Legrand^Aline"),
            item("TEXT", "History", TextValue="antecedents de la patiente " * 20),
        ]
    )
    return ds


@pytest.mark.parametrize("suffix", REPORTS)
def test_reports_keep_their_tree_and_lose_who_they_are_of(tmp_path: Path, suffix: str) -> None:
    source = save(report(suffix), tmp_path / "a.dcm")
    _, copy, content = run(source, tmp_path / "out")
    assert [one.ValueType for one in copy.ContentSequence] == ["TEXT", "CONTAINER", "PNAME", "TEXT"]
    assert copy.ContentSequence[0].TextValue.startswith("Nodule 12 mm")
    assert copy.ContentSequence[1].ContentSequence[0].TextValue == "foie normal"
    assert copy.ContentSequence[3].TextValue == "REMOVED", "a narrative: anyone may be named in it"
    for secret in (b"upontel", b"erbrat", b"egrand", b"12/03/2019", b"20190312"):
        assert secret not in content
    with pytest.raises(Unusable, match=f"{objects.name_of(BASE + suffix)}.*clean_structured_content"):
        run(source, tmp_path / "strict", options=DeidentifyOptions(policy="strict"))


@pytest.mark.parametrize("suffix", OTHERS)
def test_plans_records_and_presentation_states_pass(tmp_path: Path, suffix: str) -> None:
    ds = report(suffix)
    del ds.ContentSequence
    ds.Modality = "PR" if suffix.startswith("11") else "RTRECORD"
    ds.ContentLabel, ds.ContentCreatorName = "TUMEUR", "Legrand^Aline"
    _, _, content = run(save(ds, tmp_path / "a.dcm"), tmp_path / "out")
    assert b"upontel" not in content and b"egrand" not in content


def test_a_report_of_another_project(tmp_path: Path) -> None:
    """pydicom's Basic Text SR: as many items as before."""

    def count(ds: Dataset) -> int:
        return 1 + sum(count(one) for one in ds.get("ContentSequence", []))

    source = pydicom.dcmread(PYDICOM_FILES / "reportsi.dcm")
    source.PatientID = "IPP1"
    _, copy, _ = run(save(source, tmp_path / "a.dcm", source.file_meta.TransferSyntaxUID), tmp_path / "out", ANYONE)
    assert count(copy) == count(source) > 5


@pytest.mark.parametrize("suffix", ["104.1", "9.4.1", "88.40"])
def test_what_no_rule_reads_is_refused_by_name(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(Unusable) as problem:
        run(save(ct(SOPClassUID=BASE + suffix), tmp_path / "a.dcm"), tmp_path / "out")
    assert problem.value.reason == "unsupported-object"
    assert objects.DOCUMENTS[BASE + suffix] in problem.value.message and "table" in problem.value.remedy


def ecg(**group: object) -> Dataset:
    """A 12-lead ECG of 500 samples a second, with annotations as consoles and physicians write them."""
    ds = ct(SOPClassUID=f"{BASE}9.1.1", Modality="ECG", AcquisitionDateTime="20190312101500")
    for keyword in ("Rows", "Columns", "PixelData", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(ds, keyword)
    wave, channel = Dataset(), Dataset()
    channel.ChannelLabel, channel.ChannelSensitivity, channel.WaveformBitsStored = "V1", "1.25", 16
    wave.MultiplexGroupLabel, wave.WaveformOriginality, wave.SamplingFrequency = "RHYTHM", "ORIGINAL", "500"
    wave.NumberOfWaveformChannels, wave.NumberOfWaveformSamples, wave.WaveformBitsAllocated = 1, 500, 16
    wave.WaveformSampleInterpretation, wave.ChannelDefinitionSequence = "SS", Sequence([channel])
    wave.add_new("WaveformData", "OW", np.random.default_rng(9).integers(-900, 900, 500, dtype="<i2").tobytes())
    for keyword, value in group.items():
        setattr(wave, keyword, value)
    ds.WaveformSequence = Sequence([wave])
    ds.WaveformAnnotationSequence = Sequence([Dataset() for _ in range(3)])
    texts = ("rythme sinusal, Mme Dupontel", "lu par Kerbrat le 12/03/2019", "")
    for one, text in zip(ds.WaveformAnnotationSequence, texts, strict=True):
        one.UnformattedTextValue, one.AnnotationGroupNumber, one.ReferencedWaveformChannels = text, 0, [1, 0]
    ds.WaveformAnnotationSequence[2].NumericValue = "982"
    return ds


@pytest.mark.parametrize("suffix", ["9.1.1", "9.1.2", "9.1.3", "9.1.4", "9.2.1", "9.5.1", "9.6.1"])
@pytest.mark.parametrize("policy", ["research", "longitudinal", "strict"])
def test_waveforms_keep_their_samples_and_lose_who_they_are_of(tmp_path: Path, suffix: str, policy: str) -> None:
    ds = ecg()
    ds.SOPClassUID = BASE + suffix
    _, copy, content = run(save(ds, tmp_path / "a.dcm"), tmp_path / "out", options=DeidentifyOptions(policy=policy))  # type: ignore[arg-type]
    assert copy.WaveformSequence[0].WaveformData == ds.WaveformSequence[0].WaveformData
    for secret in (b"upontel", b"erbrat", b"egrand", b"12/03/2019", b"20190312"):
        assert secret not in content
    if policy == "research":
        said = [str(one.UnformattedTextValue) for one in copy.WaveformAnnotationSequence]
        assert said == ["rythme sinusal", "lu par le", ""] and copy.WaveformAnnotationSequence[2].NumericValue == 982
    else:
        assert "WaveformAnnotationSequence" not in copy, "an empty one is no valid object"


@pytest.mark.parametrize(
    "group",
    [
        {"WaveformSampleInterpretation": "MB"},
        {"WaveformSampleInterpretation": "AB"},
        {"SamplingFrequency": "8000"},
        {"SamplingFrequency": None},
    ],
)
def test_what_may_be_a_voice_is_refused(tmp_path: Path, group: dict[str, object]) -> None:
    with pytest.raises(Unusable, match="voice"):
        run(save(ecg(**group), tmp_path / "a.dcm"), tmp_path / "out")


def test_a_voice_in_a_nested_item_is_refused_and_a_text_in_the_place_of_samples_is_cleaned(tmp_path: Path) -> None:
    hidden, inner = ecg(), Dataset()
    inner.WaveformSequence = ecg(SamplingFrequency="8000").WaveformSequence
    hidden.WaveformAnnotationSequence[0].ConceptCodeSequence = Sequence([inner])
    with pytest.raises(Unusable, match="voice"):
        run(save(hidden, tmp_path / "a.dcm"), tmp_path / "out")
    source = save(ecg(), tmp_path / "b.dcm")
    text = source.read_bytes().replace(b"\x00\x54\x10\x10OW\0\0", b"\x00\x54\x10\x10UT\0\0")
    source.write_bytes(text.replace(ecg().WaveformSequence[0].WaveformData[:16], b"vu avec Kerbrat "))
    _, copy, content = run(source, tmp_path / "out")
    assert b"erbrat" not in content and copy.WaveformSequence


def test_samples_with_the_name_of_the_person_are_refused_and_those_of_an_image_go(tmp_path: Path) -> None:
    ds = ecg()
    ds.WaveformSequence[0].WaveformData = b"DUPONTEL" + ds.WaveformSequence[0].WaveformData[8:]
    with pytest.raises(Unusable) as problem:
        run(save(ds, tmp_path / "a.dcm"), tmp_path / "out")
    assert problem.value.reason == "residual-identifier"
    image = ct(WaveformSequence=ecg(SamplingFrequency="8000").WaveformSequence)
    _, copy, _ = run(save(image, tmp_path / "b.dcm"), tmp_path / "out")
    assert "WaveformData" not in copy.WaveformSequence[0]
    fast, slow = both_paths(tmp_path / "b.dcm", ANYONE, DeidentifyOptions())
    assert fast == slow
