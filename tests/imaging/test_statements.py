"""What a copy says was done to it, and its meta information, as pydicom reads them."""

from __future__ import annotations

from io import BytesIO

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from unibase.imaging.confidentiality.actions import STATEMENT_TAGS, _statements, meta_information, stand_in
from unibase.imaging.confidentiality.attributes import STAND_INS
from unibase.imaging.confidentiality.policy import policy_of
from unibase.imaging.confidentiality.structure import Encoding, write
from unibase.imaging.options import DeidentifyOptions

CODES = {"strict": ["113100"], "longitudinal": ["113100", "113107"]}
"""Codes of CID 7050 that a policy states whatever else is chosen, the profile first (PS3.15 E.2, PS3.16)."""
ENCODINGS = [Encoding(True, True), Encoding(False, True), Encoding(False, False)]


def parsed(content: bytes, encoding: Encoding) -> Dataset:
    return read_dataset(BytesIO(content), encoding.implicit, encoding.little)


def stated(encoding: Encoding, policy: str = "strict", offset: tuple[int, str] | None = None, blanked: bool = False) -> Dataset:
    found = _statements(policy_of(DeidentifyOptions.model_validate({"policy": policy})), encoding, offset, blanked)
    assert [tag for tag, _ in found] == sorted(tag for tag, _ in found)
    assert {tag for tag, _ in found} <= set(STATEMENT_TAGS), "what is stated replaces what the source stated"
    return parsed(b"".join(content for _, content in found), encoding)


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
@pytest.mark.parametrize("policy", CODES)
def test_a_copy_states_its_profile_and_every_option(policy: str, encoding: Encoding) -> None:
    said = stated(encoding, policy)
    assert said.PatientIdentityRemoved == "YES"
    assert said.DeidentificationMethod.startswith("unibase: ")
    codes = [item.CodeValue for item in said.DeidentificationMethodCodeSequence]
    assert codes[0] == "113100" and codes[1:] == sorted(codes[1:])
    assert set(CODES[policy]) <= set(codes) and "113101" not in codes
    assert {item.CodingSchemeDesignator for item in said.DeidentificationMethodCodeSequence} == {"DCM"}
    assert all(item.CodeMeaning for item in said.DeidentificationMethodCodeSequence)
    assert said.LongitudinalTemporalInformationModified == ("MODIFIED" if policy == "longitudinal" else "REMOVED")
    assert "LongitudinalTemporalOffsetFromEvent" not in said


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_texts_in_the_pixels_that_were_made_black_are_stated_in_their_place(encoding: Encoding) -> None:
    codes = [item.CodeValue for item in stated(encoding, "longitudinal", blanked=True).DeidentificationMethodCodeSequence]
    assert codes.count("113101") == 1 and codes[0] == "113100" and codes[1:] == sorted(codes[1:])


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
@pytest.mark.parametrize(("days", "kind"), [(0, "INDEX"), (-36524, "DIAGNOSIS"), (1, "C50 SURGERY")])
def test_days_from_the_index_are_read_back_as_they_were_given(days: int, kind: str, encoding: Encoding) -> None:
    said = stated(encoding, offset=(days, kind))
    assert said.LongitudinalTemporalOffsetFromEvent == float(days)
    assert said.LongitudinalTemporalEventType == kind


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
@pytest.mark.parametrize("tag", sorted(STAND_INS))
def test_a_sequence_that_must_stay_has_one_item_that_says_it_was_removed(tag: int, encoding: Encoding) -> None:
    (element,) = parsed(write([stand_in(tag, "" if encoding.implicit else "SQ", encoding)], encoding), encoding)
    (item,) = element.value
    texts = [one.value for one in item.iterall() if one.VR in ("LO", "SH", "PN") and one.tag != 0x00080102]
    assert texts and {str(text) for text in texts} == {"REMOVED"}


@pytest.mark.parametrize("instance", [b"1.2", b"1.2.3", b"2.25." + b"9" * 59])
def test_the_meta_information_holds_the_copy_and_nothing_of_the_source(instance: bytes) -> None:
    classes = b"1.2.840.10008.5.1.4.1.1.2", b"1.2.840.10008.1.2.1"
    content = meta_information(classes[0], instance, classes[1])
    meta = pydicom.dcmread(BytesIO(content), force=False).file_meta
    assert (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID) == (classes[0].decode(), instance.decode())
    assert meta.TransferSyntaxUID == classes[1].decode()
    assert meta.ImplementationVersionName == "UNIBASE"
    assert content[:128] == bytes(128), "a preamble may hold anything: it is written anew"
    assert meta.FileMetaInformationGroupLength == len(content) - 144, "the length counts what follows its own element"
    assert "PrivateInformation" not in meta and "SourceApplicationEntityTitle" not in meta
