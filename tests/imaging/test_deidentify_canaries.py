"""Identifiers planted wherever a DICOM file can hold one: none is found by raw byte search, whatever the policy."""

from __future__ import annotations

import re
import struct
import zlib
from datetime import date
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.imaging.deidentify_help import LOOKUP, PATIENT_ID, SUBJECT, ct, run, save
from unibase.groundwork.files import blake3_file
from unibase.groundwork.problems import Unusable
from unibase.imaging.confidentiality.deidentified import IndexEvent
from unibase.imaging.options import DeidentifyOptions

NIR = "248067512345629"


def nir() -> str:
    from unibase.privacy.french_identifiers import nir_key

    return f"{NIR[:13]}{nir_key(NIR[:13]):02d}"


def keyed(thirteen: str) -> str:
    from unibase.privacy.french_identifiers import nir_key

    return f"{thirteen}{nir_key(thirteen):02d}"


def spaced_nir() -> str:
    whole = nir()
    return " ".join((whole[0], whole[1:3], whole[3:5], whole[5:7], whole[7:10], whole[10:13], whole[13:]))


def private(ds: Dataset, group: int, creator: str, elements: dict[int, tuple[str, Any]], block: int = 0x10) -> None:
    ds.add(DataElement(group << 16 | block, "LO", creator))
    for low, (vr, value) in elements.items():
        ds.add(DataElement(group << 16 | block << 8 | low, vr, value))


def canary() -> tuple[Dataset, list[bytes]]:
    """Return a file with planted identifiers, and the bytes that must not be in the output."""
    ds = ct()
    needles: list[bytes] = []

    def plant(level: Dataset, keyword: str, value: Any, *found: str) -> None:
        setattr(level, keyword, value)
        needles.extend(one.encode("latin-1") for one in (found or (str(value),)))

    needles += [b"Dupontel", b"DUPONTEL", b"dupontel", "Éléonore".encode("latin-1"), "Éléonore".encode(), PATIENT_ID.encode()]
    needles += [b"19480611", b"ACC7788991", b"LEGRAND", b"1.2.3.4.55.6.7.", b"20190312", b"20190313"]
    plant(ds, "OtherPatientIDs", ["HOPX55512", "HOPX55513"], "HOPX55512", "HOPX55513")
    plant(ds, "OtherPatientNames", "Vasseur^Eleonore", "Vasseur")
    plant(ds, "PatientBirthName", "Quettier^E", "Quettier")
    plant(ds, "PatientMotherBirthName", "Quimper^Jeanne", "Quimper")
    plant(ds, "PatientAddress", "12 rue des Lilas 75011 Paris", "rue des Lilas")
    plant(ds, "PatientTelephoneNumbers", "06 12 34 56 78")
    plant(ds, "MilitaryRank", "Capitaine")
    plant(ds, "MedicalRecordLocator", "MRL-445-991")
    plant(ds, "InstitutionName", "Clinique du Belvedere", "Belvedere")
    plant(ds, "InstitutionAddress", "4 quai de Seine", "quai de Seine")
    plant(ds, "InstitutionalDepartmentName", "Radiologie Tour B", "Tour B")
    plant(ds, "OperatorsName", "Kervella^Anne", "Kervella")
    plant(ds, "PerformingPhysicianName", "Lemarchal^Luc", "Lemarchal")
    plant(ds, "NameOfPhysiciansReadingStudy", "Oudinot^Iris", "Oudinot")
    plant(ds, "StationName", "SCAN4477B")
    plant(ds, "DeviceSerialNumber", "SN998877")
    plant(ds, "PatientComments", "Voisine de Mme Carpentier", "Carpentier")
    plant(ds, "AdditionalPatientHistory", "suivie par Dr Malherbe", "Malherbe")
    plant(ds, "Occupation", "notaire a Quimperle", "Quimperle")
    plant(ds, "AdmissionID", "ADM-20-4471")
    plant(ds, "RequestedProcedureID", "RP884422")
    plant(ds, "ScheduledProcedureStepID", "SPS771133")
    plant(ds, "RetrieveAETitle", "PACSBELV")
    plant(ds, "PatientInsurancePlanCodeSequence", Sequence([]), "nothing-here")
    plant(ds, "TimezoneOffsetFromUTC", "+0100")
    plant(ds, "StudyDescription", "CT thorax Mme DUPONTEL Eleonore", "DUPONTEL", "Eleonore")
    plant(ds, "SeriesDescription", "dupontel_eleonore axial", "eleonore")
    plant(ds, "ProtocolName", f"Thorax {PATIENT_ID} du 12/03/2019", "12/03/2019")
    plant(ds, "ImageComments", f"NIR {spaced_nir()} tel 01.44.55.66.77", spaced_nir(), "01.44.55.66.77")
    plant(ds, "DerivationDescription", f"INS {nir()} (1.2.250.1.213.1.4.8)", nir(), "1.2.250.1.213.1.4.8")
    corsican, other_corsican = keyed("1780620041088"[:5] + "2A" + "041088"), keyed("251112B033201")
    plant(ds, "ReasonForStudy", f"NIR {corsican} {other_corsican[:13]}", corsican, other_corsican[:13])
    plant(ds, "AcquisitionComments", "INS-C 1234567890123456789012", "1234567890123456789012")
    plant(ds, "RequestedProcedureDescription", "Scanner IPP: 77665544 e-mail el.dup@example.org", "77665544", "el.dup@")
    plant(ds, "PerformedProcedureStepDescription", "Vu par Docteur Malherbe 11 juin 1948", "Malherbe", "11 juin 1948")
    plant(ds, "SoftwareVersions", "VB20 Dupontel", "Dupontel")
    plant(ds, "AcquisitionProtocolDescription", "ELEONORE-DUPONTEL chest", "ELEONORE")
    other = Dataset()
    plant(other, "PatientID", "NESTED55661")
    plant(other, "IssuerOfPatientID", "ISSUERX")
    ds.OtherPatientIDsSequence = Sequence([other])
    request = Dataset()
    plant(request, "RequestedProcedureDescription", "Bilan Dupontel", "Dupontel")
    plant(request, "AccessionNumber", "ACCNEST7788")
    plant(request, "ReferringPhysicianName", "Tanguy^Paul", "Tanguy")
    ds.RequestAttributesSequence = Sequence([request])
    modified = Dataset()
    plant(modified, "PatientName", "Precedente^Nom", "Precedente")
    original = Dataset()
    original.ModifiedAttributesSequence = Sequence([modified])
    plant(original, "ModifyingSystem", "MODSYS99")
    ds.OriginalAttributesSequence = Sequence([original])
    icon = Dataset()
    icon.Rows = icon.Columns = 2
    icon.BitsAllocated, icon.PixelRepresentation = 16, 0
    icon.PixelData = b"ICONLEAK"
    needles.append(b"ICONLEAK")
    ds.IconImageSequence = Sequence([icon])
    deep = ds
    for _ in range(3):
        inner = Dataset()
        deep.add(DataElement(0x00081115, "SQ", Sequence([inner])))
        deep = inner
    plant(deep, "SeriesInstanceUID", "1.2.3.4.55.6.7.8888")
    plant(deep, "SeriesDescription", "profond dupontel", "dupontel")
    plant(deep, "PersonAddress", "9 place des Vosges", "Vosges")
    inside_private = Dataset()
    plant(inside_private, "PatientName", "Privee^Nom", "Privee")
    private(ds, 0x0029, "SIEMENS CSA HEADER", {0x10: ("OB", b"CSALEAK Dupontel"), 0x20: ("LO", "PRIVLEAK1")})
    private(ds, 0x0009, "UNKNOWN CREATOR", {0x01: ("SQ", Sequence([inside_private])), 0x02: ("PN", "Cachee^Nom")})
    private(ds, 0x7053, "Philips PET Private Group", {0x00: ("DS", "0.000551"), 0x05: ("LO", "PRIVLEAK2")})
    needles += [b"CSALEAK", b"PRIVLEAK1", b"PRIVLEAK2", b"Cachee"]
    unknown = Dataset()
    plant(unknown, "ResponsiblePerson", "Inconnue^Nom", "Inconnue")
    private(ds, 0x0033, "ANOTHER CREATOR", {0x01: ("UN", b"UNLEAK01"), 0x02: ("SQ", Sequence([unknown]))})
    ds.add(DataElement(0x00102297, "UN", b"Cachottier^Nom"))  # Responsible Person, its VR hidden
    needles += [b"UNLEAK01", b"Cachottier"]
    ds.add(DataElement(0x60003000, "OW", b"OVERLAYLEAK!"))
    ds.add(DataElement(0x60000022, "LO", "OVERDESC"))
    ds.add(DataElement(0x60004000, "LT", "OVERCOMM"))
    ds.add(DataElement(0x50003000, "OW", b"CURVELEAK!"))
    ds.add(DataElement(0x00200FFF, "LO", "UNKNOWNTAG"))
    ds.add(DataElement(0xFFFCFFFC, "OB", b"PADLEAK!"))
    needles += [b"OVERLAYLEAK", b"OVERDESC", b"OVERCOMM", b"CURVELEAK", b"UNKNOWNTAG", b"PADLEAK"]
    ds.preamble = b"PREAMBLELEAK".ljust(128, b"\0")
    ds.file_meta.SourceApplicationEntityTitle = "AELEAK"
    ds.file_meta.PrivateInformationCreatorUID = "1.2.77.88.99"
    ds.file_meta.PrivateInformation = b"METALEAK"
    needles += [b"PREAMBLELEAK", b"AELEAK", b"1.2.77.88.99", b"METALEAK"]
    needles.remove(b"nothing-here")
    return ds, needles


DEFLATED, RLE = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5"


def haystack(content: bytes, syntax: str) -> bytes:
    """The bytes of a copy, and those of its deflated data set."""
    if syntax != DEFLATED:
        return content
    length = struct.unpack("<I", content[140:144])[0]
    return content + zlib.decompress(content[144 + length :], -15)


@pytest.mark.parametrize("policy", ["strict", "longitudinal", "research"])
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", DEFLATED, RLE])
def test_no_planted_identifier_is_found(tmp_path: Path, policy: str, syntax: str) -> None:
    ds, needles = canary()
    assert len(needles) >= 50
    if syntax == RLE:
        ds.compress(RLE, generate_instance_uid=False)
    source = save(ds, tmp_path / "Dupontel Eleonore.dcm", syntax)
    with open(source, "ab") as file:
        file.write(b"TRAILINGLEAK Dupontel")
    result, clean, content = run(source, tmp_path / "out", options=DeidentifyOptions(policy=policy))  # type: ignore[arg-type]
    found = [needle for needle in [*needles, b"TRAILINGLEAK"] if needle in haystack(content, syntax)]
    assert found == []
    assert b"THORAX" in haystack(content, syntax).upper() or policy != "research", "the search looks at what was written"
    assert "upontel" not in str(result)
    assert clean.PatientID == clean.PatientName == str(SUBJECT.subject_id)


def test_research_keeps_the_meaning(tmp_path: Path) -> None:
    ds, _ = canary()
    _, clean, _ = run(save(ds, tmp_path / "in.dcm"), tmp_path / "out")
    assert clean.StudyDescription == "CT thorax"
    assert clean.SeriesDescription == "axial"
    assert clean.ProtocolName == "Thorax du"
    assert clean.AcquisitionProtocolDescription == "chest"
    assert clean.SoftwareVersions == "VB20"
    assert clean[0x70531000].value == 0.000551
    assert clean[0x70530010].value == "Philips PET Private Group"
    assert 0x00290010 not in clean
    assert clean.PatientWeight == 61.5
    assert clean.PatientAge == "070Y"
    assert clean.PatientSex == "F"
    assert clean.PatientBirthDate == ""
    assert clean.PixelData == ds.PixelData


RETAINED = {
    "retain_institution_identity": ["InstitutionName", "InstitutionAddress"],
    "retain_device_identity": ["StationName", "DeviceSerialNumber"],
    "retain_uids": ["StudyInstanceUID", "SOPInstanceUID"],
    "retain_full_dates": ["StudyDate", "ContentDate"],
}


@pytest.mark.parametrize("option", RETAINED)
def test_retained_identity_is_retained_and_nothing_else(tmp_path: Path, option: str) -> None:
    ds, needles = canary()
    options = DeidentifyOptions.model_validate({"policy": "research", option: True})
    _, clean, content = run(save(ds, tmp_path / "in.dcm"), tmp_path / "out", options=options)
    for keyword in RETAINED[option]:
        assert clean[keyword].value == ds[keyword].value
    kept = {
        "retain_institution_identity": [b"Belvedere", b"quai de Seine", b"Tour B"],
        "retain_device_identity": [b"SCAN4477B", b"SN998877"],
        "retain_uids": [b"1.2.3.4.55.6.7.", b"1.2.3.4.55.6.7.8888"],
        "retain_full_dates": [b"20190312", b"20190313", b"+0100"],
    }[option]
    assert [needle for needle in needles if needle in content and needle not in kept] == []


@pytest.mark.parametrize(
    ("charset", "name", "text", "expected"),
    [
        ("ISO_IR 192", "Noël^Hélène", "Thorax HELENE NOEL", "Thorax"),
        ("ISO_IR 100", "Noël^Hélène", "hélène, thorax", "thorax"),
        ("ISO_IR 144", "Люкceмбypг^Иван", "Иван грудь", "грудь"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", "胸部 山田", "胸部"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동", "흉부 길동", "흉부"),
        ("GB18030", "Wang^XiaoDong=王^小东=", "胸部 小东", "胸部"),
        ("ISO_IR 192", "O'Brien^Séan", "brien knee", "knee"),
        ("ISO_IR 192", "De la Tour^Anne", "TOUR_ANNE cou", "cou"),
        ("ISO_IR 192", "Martin^Léa", "MARTINLEA bassin", "bassin"),
        ("ISO_IR 192", "Li^Ma", "Lima scan, liver", "Lima scan, liver"),
        ("ISO_IR 192", "Max^Leo", "Maximum Leo maxillaire", "Maximum maxillaire"),
    ],
)
def test_names_in_any_order_case_accent_and_character_set(
    tmp_path: Path, charset: Any, name: str, text: str, expected: str
) -> None:
    ds = ct(SpecificCharacterSet=charset)
    ds.PatientName = name
    ds.ReferringPhysicianName = ""
    ds.SeriesDescription = text
    source = save(ds, tmp_path / "in.dcm")
    before, _, after = source.read_bytes().partition(b"\x10\0\x10\0PN")
    parts = re.split(rb"[\^= ]+", after[2 : 2 + struct.unpack("<H", after[:2])[0]])
    assert before and len(parts) > 1
    _, clean, content = run(source, tmp_path / "out")
    assert clean.SeriesDescription == expected
    assert [part for part in parts if len(part) > 3 and part in content and part.decode("latin-1") not in expected] == []


def test_utf8_in_a_file_that_declares_latin_1(tmp_path: Path) -> None:
    ds = ct()
    ds.SeriesDescription = "place"
    source = save(ds, tmp_path / "in.dcm")
    text = "Éléonore thx".encode()
    content = source.read_bytes()
    old = b"\x08\x00\x3e\x10LO" + struct.pack("<H", 6) + b"place "
    assert old in content
    source.write_bytes(content.replace(old, old[:6] + struct.pack("<H", len(text)) + text))
    _, _, output = run(source, tmp_path / "out")
    assert "Éléonore".encode() not in output


def test_an_identifier_in_the_pixels_is_refused(tmp_path: Path) -> None:
    ds = ct()
    ds.PixelData = b"xx" + PATIENT_ID.encode() + bytes(128 - 2 - len(PATIENT_ID))
    with pytest.raises(Unusable, match="residual-identifier"):
        run(save(ds, tmp_path / "in.dcm"), tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.dcm"))
    assert not list((tmp_path / "out").rglob(".tmp-*"))


def test_an_identifier_where_nothing_is_cleaned_is_refused(tmp_path: Path) -> None:
    """The verifier is no echo of the cleaner: it finds what stands in numbers and binary values, and fails closed."""
    ds = ct()
    ds.add(DataElement(0x00283006, "OW", b"Dupontel" * 4))  # a lookup table, kept as it is
    with pytest.raises(Unusable, match="residual-identifier") as caught:
        run(save(ds, tmp_path / "in.dcm"), tmp_path / "out")
    assert "(0028,3006)" in str(caught.value)
    assert "upontel" not in str(caught.value)


def test_identifiers_given_with_the_task_are_found(tmp_path: Path) -> None:
    ds = ct(SeriesDescription="Thorax ZX81QT77")
    _, clean, _ = run(save(ds, tmp_path / "in.dcm"), tmp_path / "out", identifiers=("ZX81QT77",))
    assert clean.SeriesDescription == "Thorax"


def test_other_numbers_of_the_ledger_are_found(tmp_path: Path) -> None:
    from unibase.privacy.subjects import SubjectLookup

    lookup = SubjectLookup({**LOOKUP.by_identifier, ("A", "omop", "OM55331"): SUBJECT})
    ds = ct(SeriesDescription="Thorax om-55331")
    _, clean, _ = run(save(ds, tmp_path / "in.dcm"), tmp_path / "out", lookup)
    assert clean.SeriesDescription == "Thorax"


def test_statements_say_what_was_done(tmp_path: Path) -> None:
    # Ten days before the study: 2019-03-02, shifted by SUBJECT's 731 days.
    index = {SUBJECT.subject_id: IndexEvent(date(2017, 3, 1), "SURGERY")}
    _, clean, _ = run(save(ct(), tmp_path / "in.dcm"), tmp_path / "out", index=index)
    assert clean.PatientIdentityRemoved == "YES"
    assert clean.LongitudinalTemporalInformationModified == "MODIFIED"
    codes = [item.CodeValue for item in clean.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113104", "113105", "113107", "113108", "113111"]
    assert clean.LongitudinalTemporalOffsetFromEvent == 10.0
    assert clean.LongitudinalTemporalEventType == "SURGERY"
    _, strict, _ = run(tmp_path / "in.dcm", tmp_path / "strict", options=DeidentifyOptions(policy="strict"), index=index)
    assert strict.LongitudinalTemporalInformationModified == "REMOVED"
    assert [item.CodeValue for item in strict.DeidentificationMethodCodeSequence] == ["113100"]
    assert "LongitudinalTemporalOffsetFromEvent" not in strict


def test_same_input_same_bytes(tmp_path: Path) -> None:
    source = save(ct(), tmp_path / "in.dcm")
    first = run(source, tmp_path / "one")[0]
    assert run(source, tmp_path / "two")[0]["blake3"] == first["blake3"] == blake3_file(first["path"])
    assert pydicom.dcmread(source).PatientID == PATIENT_ID
