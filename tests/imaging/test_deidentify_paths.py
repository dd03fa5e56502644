"""The fast path and the complete path give the same bytes; broken files never crash, hang or tell."""

from __future__ import annotations

import copy
import io
import random
import struct
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.datadict import DicomDictionary
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.imaging.deidentify_help import ANYONE, KEY, PATIENT_ID, PYDICOM_FILES, both_paths, ct, run, save
from unibase.groundwork.problems import Unusable
from unibase.imaging.confidentiality import fast as fast_path
from unibase.imaging.confidentiality import standard
from unibase.imaging.confidentiality.deidentified import DeidentifyTask, batch_report, deidentify_file
from unibase.imaging.options import DeidentifyOptions

POLICIES = [DeidentifyOptions(policy=name) for name in ("strict", "longitudinal", "research")]  # type: ignore[arg-type]


def real_files(folder: Path) -> list[Path]:
    """Every object of the real data, but of long series only some."""
    files = sorted((folder / "dicom").rglob("*.dcm"))
    return [file for i, file in enumerate(files) if "sts" not in file.parts or file.name == "RS.dcm" or i % 60 == 0]


def test_same_bytes_on_real_and_on_pydicoms_files(real_data: Path) -> None:
    compared = 0
    files = [*real_files(real_data), *PYDICOM_FILES.glob("*.dcm")]
    for file in files:
        for options in POLICIES:
            try:
                fast, slow = both_paths(file, ANYONE, options)
            except Unusable:
                continue
            if fast is not None:
                compared += 1
                assert fast == slow, file.name
    assert compared > 150


SAFE = [
    ("Philips PET Private Group", 0x7053, 0x00, "DS"),
    ("SIEMENS MR HEADER", 0x0019, 0x0C, "IS"),
    ("ACME", 0x0011, 0x20, "LO"),
]
TAGS = sorted(
    (tag, vr)
    for tag, (vr, _, _, _, keyword) in DicomDictionary.items()
    if keyword and len(vr) == 2 and 0x00080000 < tag < 0x60000000 and not tag >> 16 & 1 and vr not in ("OB", "OW", "OD", "OF", "OL", "OV")
    and keyword not in ("SpecificCharacterSet", "SOPClassUID", "PatientID", "BurnedInAnnotation", "ConversionType", "Modality",
                        "NumberOfFrames", "Rows", "ImageType", "PhotometricInterpretation", "StudyInstanceUID", "SeriesInstanceUID",
                        "SOPInstanceUID", "Columns", "BitsAllocated", "SamplesPerPixel", "TimezoneOffsetFromUTC")
)  # fmt: skip
WORDS = st.sampled_from(
    ["thorax", "Dupontel", "DUPONTEL_X", PATIENT_ID, "12/03/2019", "1.25 mm", "éléonore", "Mme Roux", "a", "06 12 34 56 78", "CT"]
)
TEXTS = st.lists(WORDS, max_size=4).map(" ".join)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "SQ": st.just(None),
    "UI": st.sampled_from(["1.2.3.4.5", "1.2.840.10008.1.2", "1.2.3.99999.1", "", "x"]),
    "DA": st.sampled_from(["20190312", "2019", "", "19991231", "2019.03.12", "abc"]),
    "TM": st.sampled_from(["101010", "10", "Dupontel", "", "999999"]),
    "DT": st.sampled_from(["20190312101010.5+0100", "2019", "201903", "", "x", "20190312"]),
    "PN": st.sampled_from(["Roux^Anne", "", "Dupontel^Éléonore"]),
    "DS": st.sampled_from(["1.5", "", "3\\4\\5"]),
    "IS": st.sampled_from(["3", ""]),
    "AS": st.sampled_from(["093Y", "012M", "", "x"]),
    "CS": st.sampled_from(["YES", "HEAD", "DUPONTEL", "", "A\\B"]),
    "US": st.integers(0, 9),
    "UL": st.integers(0, 9),
    "SS": st.integers(0, 9),
    "SL": st.integers(0, 9),
    "FD": st.floats(0, 1),
    "FL": st.just(0.5),
    "AT": st.just(0x00100010),
    "UN": st.just(b"ab"),
    "UV": st.integers(0, 9),
    "SV": st.integers(0, 9),
}

EXAMPLES: dict[str, Any] = {
    **dict.fromkeys(("US", "UL", "SS", "SL", "UV", "SV", "IS"), 3),
    **dict.fromkeys(("FD", "FL", "DS"), 0.5),
    **{"DA": "20190312", "TM": "101010", "DT": "20190312101010", "AS": "093Y", "PN": "Roux^Anne"},
    **{"SQ": [Dataset()], "AT": 0x00100010, "UN": b"ab", "UI": "1.2.3.4.5"},
}


@st.composite
def data_sets(draw: st.DrawFn, depth: int = 0) -> Dataset:
    ds = Dataset()
    for tag, vr in draw(st.lists(st.sampled_from(TAGS), max_size=10 if depth else 40, unique=True)):
        if vr == "SQ":
            if depth < 3:
                items = draw(st.lists(data_sets(depth=depth + 1), max_size=2))
                for item in items:
                    item.is_undefined_length_sequence_item = draw(st.booleans())
                element = DataElement(tag, "SQ", Sequence(items))
                element.is_undefined_length = draw(st.booleans())
                ds.add(element)
            continue
        ds.add(DataElement(tag, vr, draw(VALUES.get(vr, TEXTS))))
    if draw(st.booleans()):
        creator, group, low, vr = draw(st.sampled_from(SAFE))
        block = draw(st.sampled_from([0x10, 0x11, 0xE0]))
        ds.add(DataElement(group << 16 | block, "LO", creator))
        ds.add(DataElement(group << 16 | block << 8 | low, vr, draw(VALUES.get(vr, TEXTS))))
    return ds


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(extra=data_sets(), implicit=st.booleans(), options=st.sampled_from(POLICIES))
def test_same_bytes_on_generated_files(
    tmp_path_factory: pytest.TempPathFactory, extra: Dataset, implicit: bool, options: Any
) -> None:
    ds = ct()
    for element in extra:
        if element.tag not in ds:
            ds.add(element)
    folder = tmp_path_factory.mktemp("generated")
    try:
        source = save(ds, folder / "in.dcm", "1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1")
    except (ValueError, OverflowError, TypeError):
        return  # pydicom will not write it
    fast_path._LAYOUTS.clear()
    try:
        fast, slow = both_paths(source, ANYONE, options)
    except Unusable as refused:
        assert refused.reason == "burned-in-annotation"  # such as a date of secondary capture: no bytes to compare
        return
    assert fast is not None, "a well-formed little-endian file is for the fast path"
    assert fast == slow
    again, _ = both_paths(source, ANYONE, options)
    assert again == fast, "and so from a remembered layout"


def one_of_each_vr() -> list[tuple[int, str]]:
    """For each VR of the standard's dictionary and each letter of E.1-1, an attribute of the generated files."""
    table = standard.table()
    chosen: dict[tuple[str, str], tuple[int, str]] = {}
    for tag, vr in TAGS:
        row = table.get(tag)
        chosen.setdefault((vr, row.basic if row else ""), (tag, vr))
    return sorted(chosen.values())


@pytest.mark.parametrize(("tag", "vr"), one_of_each_vr(), ids=lambda value: f"{value:08X}" if isinstance(value, int) else value)
def test_same_bytes_for_every_vr_and_action(tmp_path: Path, tag: int, vr: str) -> None:
    """What generated files only meet by chance: each VR under each action, empty or not, at the top and in a sequence."""
    for value in (None, EXAMPLES.get(vr, "A")):
        element = DataElement(tag, vr, Sequence(value or []) if vr == "SQ" else value)
        inner = Dataset()
        inner.add(element)
        ds = ct(ReferencedSeriesSequence=Sequence([inner]))
        if tag not in ds:
            ds.add(element)
        for syntax in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1"):
            source = save(ds, tmp_path / "in.dcm", syntax)
            for options in POLICIES:
                fast, slow = both_paths(source, ANYONE, options)
                assert fast is not None, "a well-formed little-endian file is for the fast path"
                assert fast == slow


def test_a_remembered_layout_serves_only_its_like(tmp_path: Path) -> None:
    """Values of equal and of other lengths, another private creator, a changed tag: each as if walked for the first time."""
    variants = []
    for number in range(12):
        ds = ct(InstanceNumber=number, SOPInstanceUID=f"1.2.3.4.55.6.7.{1000 + number}", SeriesDescription=f"thorax {number:03d}")
        creator = "Philips PET Private Group" if number % 3 else "Philips PET Private Grouq"
        ds.add(DataElement(0x70530010, "LO", creator))
        ds.add(DataElement(0x70531000, "DS", "0.5"))
        if number % 2:
            ds.add(DataElement(0x00180060, "DS", "120"))
        else:
            ds.add(DataElement(0x00180061, "DS", "120"))
        variants.append(save(ds, tmp_path / f"{number}.dcm"))
    fast_path._LAYOUTS.clear()
    remembered = [both_paths(file, ANYONE, POLICIES[2])[0] for file in variants * 2]
    for file, header in zip(variants * 2, remembered, strict=True):
        fast_path._LAYOUTS.clear()
        assert both_paths(file, ANYONE, POLICIES[2]) == (header, header)


def bases() -> list[bytes]:
    nested = ct()
    level: Dataset = nested
    for _ in range(4):
        inner = Dataset()
        inner.PatientName, inner.SeriesDescription = "Dupontel^Inner", "thorax Dupontel"
        level.ReferencedSeriesSequence = Sequence([inner])
        level["ReferencedSeriesSequence"].is_undefined_length = True
        inner.is_undefined_length_sequence_item = True
        level = inner
    made = []
    for syntax in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"):
        ds = copy.deepcopy(nested)
        ds.file_meta.TransferSyntaxUID = syntax
        ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
        buffer = io.BytesIO()
        pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
        made.append(buffer.getvalue())
    return made


def mutate(content: bytes, chance: random.Random) -> bytes:
    mutant = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(128, len(mutant))
        kind = chance.randrange(7)
        if kind == 0:
            del mutant[place:]
        elif kind == 1:
            mutant[place] ^= 1 << chance.randrange(8)
        elif kind == 2:
            mutant[place : place + 4] = struct.pack("<I", chance.choice([0, 1, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFFFFE]))
        elif kind == 3:
            mutant[place : place + 2] = chance.choice([b"SQ", b"UN", b"OB", b"ZZ", b"\0\0", b"PN", b"UI"])
        elif kind == 4:
            mutant[place:place] = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * chance.choice(
                [1, 60, 400]
            )
        elif kind == 5:
            mutant[place:place] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 9)))
        else:
            del mutant[place : place + chance.randrange(1, 9)]
        if len(mutant) <= 140:
            break
    return bytes(mutant)


def fuzz(tmp_path: Path, count: int, seed: int) -> None:
    chance = random.Random(seed)
    originals = bases()
    source, root = tmp_path / "mutant.dcm", tmp_path / "out"
    released, refused = 0, []
    for _ in range(count):
        source.write_bytes(mutate(chance.choice(originals), chance))
        task = DeidentifyTask(source, root, "A", chance.choice(POLICIES), KEY, ANYONE)
        try:
            result = deidentify_file(task)
        except Unusable as problem:
            text = f"{problem} {problem.__cause__ or ''}"
            assert not any(value in text for value in ("upontel", "léonore", PATIENT_ID, "ACC7788991", "1.2.3.4.55", "19480611"))
            refused.append(problem.reason)
            continue
        released += 1
        assert "upontel" not in str(result)
        assert Path(result["path"]).exists()
    assert released + len(refused) == count
    assert released and refused
    report = batch_report([], refused)
    assert report["files"] == sum(report["quarantined"].values()) == len(refused)


def test_mutated_files(tmp_path: Path) -> None:
    fuzz(tmp_path, 1_200, seed=1)


@pytest.mark.slow
def test_ten_thousand_mutated_files(tmp_path: Path) -> None:
    fuzz(tmp_path, 10_000, seed=2)


def test_endless_nesting_is_refused(tmp_path: Path) -> None:
    source = save(ct(), tmp_path / "in.dcm")
    head = source.read_bytes()
    source.write_bytes(head[:400] + b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 200_000)
    with pytest.raises(Unusable, match=r"malformed-file|truncated-file"):
        run(source, tmp_path / "out")


def test_report_counts_actions_by_attribute(tmp_path: Path) -> None:
    results = [run(save(ct(InstanceNumber=n), tmp_path / f"{n}.dcm"), tmp_path / "out")[0] for n in range(3)]
    report = batch_report(results, ["truncated-file", "not-dicom", "not-dicom"])
    assert report["files"] == 6
    # The three share a SOP Instance UID and differ in their number: one copy is left.
    assert report["conflicting"] == 1
    assert report["released"] == 3
    assert report["quarantined"] == {"not-dicom": 2, "truncated-file": 1}
    assert report["actions"]["date"]["StudyDate"] == 3
    assert report["actions"]["empty"]["AccessionNumber"] == 3
    assert report["actions"]["uid"]["StudyInstanceUID"] == 3
