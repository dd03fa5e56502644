"""Documents inside DICOM objects: STL, OBJ, MTL and CDA are read by their grammar and written anew; what is not read is refused."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pydicom
import pytest

from benchmarks.planted_documents import CDA, DOCUMENTS, clinical_document, materials, solid, wavefront
from benchmarks.planted_identifiers import POLICIES
from benchmarks.planted_objects import clean
from tests.imaging.deidentify_help import LOOKUP, ct, run, save
from unibase.groundwork.problems import Unusable
from unibase.imaging.confidentiality.embedded import surfaces
from unibase.imaging.options import DeidentifyOptions

BASE = "1.2.840.10008.5.1.4.1.1."
HL7 = "{urn:hl7-org:v3}"


def document(made: object, folder: Path) -> bytes:
    """De-identify a planted document and return what its copy holds."""
    reason, left = clean(made, "research", folder, accepted=False)  # type: ignore[arg-type]
    assert (reason, left) == ("written", [])
    copy = pydicom.dcmread(next((folder / "out").rglob("*.dcm")))
    assert copy.BurnedInAnnotation == "NO" and "EncapsulatedDocumentLength" not in copy
    return bytes(copy.EncapsulatedDocument)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_nothing_is_left_of_a_document(name: str, policy: str, tmp_path: Path) -> None:
    reason, left = clean(DOCUMENTS[name](), policy, tmp_path, accepted=False)
    refused = name.startswith("CDA") and policy != "research"
    assert left == [] and reason.startswith("unsupported-object: The policy does not clean" if refused else "written")


@pytest.mark.parametrize("text", [False, True])
def test_a_surface_keeps_its_triangles(text: bool, tmp_path: Path) -> None:
    content = document(solid(text), tmp_path)
    assert content[:80] == bytes(80) and struct.unpack_from("<I", content, 80) == (3,) and len(content) == 84 + 150
    numbers = np.frombuffer(content, surfaces._TRIANGLE, 3, 84)
    assert np.array_equal(numbers["numbers"], [[0, 0, 1, 0, 0, 0, 1.5, 0, 0, 0, 2.25, 0]] * 3) and not numbers["attribute"].any()


def test_faces_and_materials_stay_and_name_each_other_alike(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    lines = document(wavefront(), tmp_path / "a").decode().split("\n")
    colours = document(materials(), tmp_path / "b").decode().split("\n")
    assert lines[:6] == ["o object1", "v 0 0 0", "v 1.5 0 0", "v 0 2.25 0", "vn 0 0 1", "g group2 group3"]
    assert lines[7:9] == ["s off", "f 1//1 2//1 3//1"] and colours[1:3] == ["Ka 1 0 0", "Kd 0.800000012 0.100000001 0.100000001"]
    assert lines[6].split()[1] == colours[0].split()[1] and lines[6].startswith("usemtl material")


TRIANGLE = struct.pack("<12fH", *[0.0] * 12, 0)
NOT_READ = {
    "104.3": (
        b"DUPONTEL Eleonore",
        b"solid a\nfacet normal 0 0 1\nendsolid",
        b"solid a\n" + b"facet normal 0 0 DUPONT outer loop vertex 0 0 0 vertex 0 0 0 vertex 0 0 0 endloop endfacet " + b"endsolid",
        b"solid a\n" + b"facet normal 0 0 nan outer loop vertex 0 0 0 vertex 0 0 0 vertex 0 0 0 endloop endfacet " + b"endsolid",
        b"solid a\n" + b"facet normal 0 0 1 outer loop vertex 0 0 0 vertex 0 0 0 DUPONT 0 0 0 endloop endfacet " + b"endsolid",
        bytes(80) + struct.pack("<I", 1) + struct.pack("<12fH", *[float("nan")] * 12, 0),
        bytes(80) + struct.pack("<I", 1) + struct.pack("<12fH", *[2.7e8] * 12, 0),
        bytes(80) + struct.pack("<I", 9) + TRIANGLE,
    ),
    "104.4": (b"v 0 0 0\nDUPONT 1\n", b"v 0 0 DUPONT\n", b"v 0 0 0\nf 1 2 298401277\n", b"v 0 0 0\nf 1 2 DUPONT\n", b"# DUPONT\n", b"v 298401277 0 0\n"),
    "104.5": (b"Ka 1 0 0\n", b"newmtl a\nDUPONT 1\n", b"newmtl a\nKa DUPONT\n", b"newmtl a\nNs 1 2 3 4\n"),
    "104.2": (
        b"<ClinicalDocument>Dupontel</ClinicalDocument>",
        b"Dupontel",
        b'<!DOCTYPE a [<!ENTITY b "Dupontel">]>' + CDA.partition("?>")[2].encode(),
        b'<ClinicalDocument xmlns="urn:hl7-org:v3"><component><nonXMLBody><text>RHVwb250ZWw=</text></nonXMLBody></component></ClinicalDocument>',
        b'<ClinicalDocument xmlns="urn:hl7-org:v3"><title>Dupontel</title></ClinicalDocument>',
    ),
}  # fmt: skip


@pytest.mark.parametrize(("suffix", "content"), [(suffix, one) for suffix, some in NOT_READ.items() for one in some])
def test_what_is_not_read_is_refused_with_a_way_on(suffix: str, content: bytes, tmp_path: Path) -> None:
    ds = ct(SOPClassUID=BASE + suffix, EncapsulatedDocument=content + b"\0" * (len(content) % 2))
    with pytest.raises(Unusable) as problem:
        run(save(ds, tmp_path / "a.dcm"), tmp_path / "out", LOOKUP)
    assert problem.value.reason == "unsupported-object" and "upont" not in problem.value.message.lower() and problem.value.remedy


def test_what_follows_the_last_triangle_and_the_grammar_goes() -> None:
    whole = bytes(80) + struct.pack("<I", 1) + TRIANGLE
    assert surfaces.stl(b"Dupontel".ljust(80) + whole[80:] + b"Dupontel") == whole == surfaces.stl(whole)


def entries(content: bytes) -> list[ElementTree.Element]:
    return [
        one for one in ElementTree.fromstring(content.rstrip(b" \0")).iter() if one.tag in (HL7 + "value", HL7 + "effectiveTime")
    ]


def test_a_clinical_document_keeps_codes_measures_and_sentences(tmp_path: Path) -> None:
    content = document(clinical_document(), tmp_path)
    root = ElementTree.fromstring(content.rstrip(b" \0"))
    said = [one.text for one in root.iter(HL7 + "paragraph")]
    assert said[1] == "Nodule de 12 mm du lobe supérieur droit." and {"foie normal", "Poumon D"} <= set(said)
    size = next(one for one in root.iter(HL7 + "code") if one.get("code") == "246120007")
    assert size.get("codeSystem") == "2.16.840.1.113883.6.96" and size.get("displayName") == "Nodule size"
    days, measured = ([one.attrib for one in entries(content) if one.tag == HL7 + name] for name in ("effectiveTime", "value"))
    assert days == [{"value": "20190227101500+0100"}, {"value": "20190227"}], "731 days before"
    kept = [(one.get("value"), one.get("unit"), one.get("nullFlavor")) for one in measured]
    assert kept[:2] == [("12.5", "mm", None), (None, None, None)]
    assert kept[2:] == [(None, None, "MSK")] * 3, (
        "no number without its unit, no value without its type; what has no known class is gone"
    )
    assert not [one for one in root.iter() if not one.tag.startswith(HL7)] and not list(root.iter(HL7 + "observationMedia"))
    relative = root.find(f".//{HL7}subject/{HL7}relatedSubject")
    assert relative is not None and [one.get("code") for one in relative] == ["MTH"], "of her mother, and not of her"
    patient = root.find(f"{HL7}recordTarget/{HL7}patientRole/{HL7}id")
    assert patient is not None and patient.get("extension") == "9001234567890"


@pytest.mark.parametrize("said", ['negationInd="oui"', 'moodCode="PLANNED"', 'classCode="DUPONT"', 'inversionInd="DUPONT"'])
def test_what_may_not_have_happened_is_not_told_as_if_it_had(said: str, tmp_path: Path) -> None:
    made = clinical_document()
    whole = made.ds.EncapsulatedDocument.rstrip(b"\0")
    name = said.partition("=")[0]
    odd = re.sub(
        rb'<observation classCode="OBS" moodCode="EVN"><templateId',
        f'<observation classCode="OBS" moodCode="EVN" {said}><templateId'.encode(),
        whole,
    )
    if name in ("moodCode", "classCode"):
        odd = re.sub(rf' {name}="[A-Z]+" ?'.encode() + b"(?=[^>]*" + said.encode() + b")", b" ", odd)
    assert odd != whole
    made.ds.EncapsulatedDocument = odd + b"\0" * (len(odd) % 2)
    content = document(made, tmp_path)
    assert b"246120007" not in content and b"Poumon D" in content


def test_its_days_stay_where_a_policy_retains_them(tmp_path: Path) -> None:
    source = save(clinical_document().ds, tmp_path / "a.dcm")
    from benchmarks.planted_identifiers import LOOKUP as KNOWN

    _, copy, _ = run(source, tmp_path / "out", KNOWN, DeidentifyOptions(retain_full_dates=True))
    assert [one.get("value") for one in entries(copy.EncapsulatedDocument) if one.tag == HL7 + "effectiveTime"] == [
        "20210227101500+0100",
        "20210227",
    ]
