"""Files that lack what Part 10 puts in front, that name no patient, or that are of no exam: read, or refused by name."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tests.imaging.deidentify_help import LOOKUP, PYDICOM_FILES, SUBJECT, ct, run, save
from tests.known_keys import known_key
from unibase.flows.cli.plain_persons import CENTRE, people_of, told_by
from unibase.groundwork.problems import Unusable
from unibase.imaging.confidentiality.objects import AT_RISK, at_risk
from unibase.imaging.pixel_text.look import look_at
from unibase.privacy.ledger import persons
from unibase.privacy.subjects import SubjectLookup

STUDY = "1.2.3.4.55.6.7.1"
META_LENGTH = 12
"""Bytes of the element (0002,0000), whose value counts those of the meta information behind it."""


def bare(content: bytes, what: str) -> bytes:
    """Return a Part 10 file without its preamble, or without its meta information too."""
    behind = content[132:]
    if what == "preamble":
        return behind
    return behind[META_LENGTH + int.from_bytes(behind[8:META_LENGTH], "little") :]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("what", ["preamble", "meta information"])
def test_what_lacks_its_front_gives_the_copy_of_the_whole_file(tmp_path: Path, syntax: str, what: str) -> None:
    whole = save(ct(), tmp_path / "whole.dcm", syntax)
    without = tmp_path / "without"
    without.write_bytes(bare(whole.read_bytes(), what))
    assert run(without, tmp_path / "a")[2] == run(whole, tmp_path / "b")[2]


def test_big_endian_without_meta_information_is_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(Unusable) as caught:
        run(PYDICOM_FILES / "ExplVR_BigEndNoMeta.dcm", tmp_path)
    assert caught.value.reason == "not-dicom"


BY_STUDY = SubjectLookup({("A", "study", STUDY): SUBJECT})


@pytest.mark.parametrize(
    ("number", "lookup", "said"),
    [
        ("", BY_STUDY, None),
        (" ", BY_STUDY, None),
        ("IPP0000001", BY_STUDY, "is not an `ipp`"),  # A number that is there and unknown is not passed over.
        ("", LOOKUP, "is empty"),
        ("", SubjectLookup({("B", "study", STUDY): SUBJECT}), "is empty"),
    ],
)
def test_a_file_without_a_number_is_its_exams(tmp_path: Path, number: str, lookup: SubjectLookup, said: str | None) -> None:
    source = save(ct(PatientID=number), tmp_path / "a.dcm")
    if said is None:
        assert run(source, tmp_path / "out", lookup)[0]["subject_id"] == SUBJECT.subject_id
        return
    with pytest.raises(Unusable, match=said) as caught:
        run(source, tmp_path / "out", lookup)
    assert caught.value.reason == "unknown-patient"
    assert number or "`study`" in caught.value.remedy


def test_an_objection_by_exam_is_heard(tmp_path: Path) -> None:
    lookup = SubjectLookup({("A", "study", STUDY): SUBJECT}, objecting=frozenset({("A", "study", STUDY)}))
    with pytest.raises(Unusable) as caught:
        run(save(ct(PatientID=""), tmp_path / "a.dcm"), tmp_path / "out", lookup)
    assert caught.value.reason == "objects"


def test_a_folder_without_a_people_file_knows_numbers_and_exams(tmp_path: Path) -> None:
    for name, number in (("a", "IPP7"), ("b", "IPP7"), ("c", "")):
        save(ct(PatientID=number), tmp_path / "in" / f"{name}.dcm")
    frame = people_of(told_by(sorted((tmp_path / "in").iterdir()), None).owners)
    assert frame.select("system", "identifier").rows() == [("ipp", "IPP7"), ("study", STUDY)]
    persons.update_ledger(tmp_path / "ledger", frame, known_key("bare files"))
    lookup = persons.open_lookup(tmp_path / "ledger", known_key("bare files"))
    both = {lookup.find(CENTRE, "ipp", "IPP7"), lookup.find(CENTRE, "study", STUDY)}
    assert None not in both and len(both) == 2
    assert frame.filter(pl.col("system") == "study").height == 1


@pytest.mark.parametrize(
    ("name", "said"), [("dicomdirtests/DICOMDIR", "directory of a medium"), ("../palettes/hotiron.dcm", "palette")]
)
def test_what_is_of_no_exam_says_so(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(Unusable, match=said) as caught:
        run(PYDICOM_FILES / name, tmp_path)
    assert caught.value.reason == "unsupported-object"


def test_an_object_without_a_class_is_malformed(tmp_path: Path) -> None:
    source = save(ct(), tmp_path / "a.dcm")
    ds = pydicom.dcmread(source)
    del ds.SOPClassUID
    ds.save_as(source)
    with pytest.raises(Unusable, match="SOPClassUID is absent") as caught:
        run(source, tmp_path / "out")
    assert caught.value.reason == "malformed-file"


@pytest.mark.parametrize("suffix", ["3", "5", "6"])
def test_retired_classes_are_images_at_risk(suffix: str) -> None:
    retired = f"1.2.840.10008.5.1.4.1.1.{suffix}"
    assert "retired" in AT_RISK[retired] and at_risk({"SOPClassUID": retired, "BurnedInAnnotation": "NO"})


def test_a_look_at_an_unknown_syntax_is_refused_and_nothing_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    source = ct(Modality="US", SOPClassUID="1.2.840.10008.5.1.4.1.1.6.1")
    content = save(source, path).read_bytes()
    private = b"1.2.3.4.5.6.7.8.9.1"
    assert content.count(b"1.2.840.10008.1.2.1\0") == 1 and len(private) == 19
    path.write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", private + b"\0"))
    with pytest.raises(Unusable) as caught:
        look_at(path, "a.dcm", None)
    assert caught.value.reason == "unreadable-pixels"
