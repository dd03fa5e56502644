"""An own answer key in the manner of the MIDI-B benchmark: its ten actions, over real headers with planted identities.

The key is written per attribute before the run, from the header's own values and what was planted; a score per action
is the share of checks that hold. 100 % on removal, at least 99.9 % on retention.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset

from tests.imaging.deidentify_help import ANYONE, KEY, PYDICOM_FILES, SUBJECT, ct, run, save
from unibase.groundwork.problems import Unusable
from unibase.imaging.confidentiality.deidentified import DeidentifyTask, deidentify_file
from unibase.privacy import pseudonyms

REMOVALS = {"text_removed", "date_shifted", "uid_changed", "uid_consistent", "patid_consistent", "pixels_hidden"}
RETENTIONS = {"tag_retained", "text_notnull", "text_retained", "pixels_retained"}
FAMILIES = ["Poulain", "Guillemot", "O'Connell", "N'Diaye", "Le Goff", "Müller", "Rodríguez", "Saint-Exupéry", "Ba", "Delacroix"]
GIVEN = ["Maëlle", "Jean-Baptiste", "Zoé", "Ibrahim", "Anne", "Côme"]
MEANINGS = [
    "CT thorax",
    "TAP injecté",
    "Rachis lombaire",
    "Cérébral sans injection",
    "T1 axial 3 mm",
    "Cou + thorax",
    "PET WB CTAC",
]
# What an analysis needs and no rule may take away.
USEFUL = (
    "Modality", "Manufacturer", "ManufacturerModelName", "SoftwareVersions", "BodyPartExamined", "SliceThickness", "KVP",
    "RepetitionTime", "EchoTime", "MagneticFieldStrength", "ConvolutionKernel", "PixelSpacing", "ImagePositionPatient",
    "ImageOrientationPatient", "SliceLocation", "Rows", "Columns", "RescaleSlope", "RescaleIntercept", "WindowCenter", "Units",
    "PatientWeight", "PatientSex", "ExposureTime", "XRayTubeCurrent", "InstanceNumber", "SeriesNumber", "PatientPosition",
    "ReconstructionDiameter", "FlipAngle", "DecayCorrection", "SpacingBetweenSlices", "PhotometricInterpretation", "ImageType",
)  # fmt: skip

Check = tuple[str, str, Callable[[Dataset], bool]]


def headers(real_data: Path) -> list[Dataset]:
    """Real CT, PET and MR headers with their pixels, and one made."""
    folder = real_data / "dicom" / "sts"
    files = [
        next((folder / patient / series / "image").glob("*.dcm"))
        for patient in ("STS_001", "STS_003")
        for series in ("CT", "PET", "MR_T1")
    ]
    files += [PYDICOM_FILES / "CT_small.dcm", PYDICOM_FILES / "MR_small.dcm"]
    files += [real_data / "dicom" / "highdicom" / "data" / "test_files" / "ct_image.dcm"]
    return [*map(pydicom.dcmread, files), ct()]


def plant(ds: Dataset, chance: random.Random, number: int) -> list[Check]:
    """Plant an identity in a header; return its checks."""
    ds.SpecificCharacterSet = "ISO_IR 192"
    family, given, meaning = chance.choice(FAMILIES), chance.choice(GIVEN), chance.choice(MEANINGS)
    hospital = f"H{chance.randrange(10**7):07d}"
    accession = f"A{chance.randrange(10**8):08d}"
    day = date(2015, 1, 1) + timedelta(days=chance.randrange(2000))
    born = date(1930, 1, 1) + timedelta(days=chance.randrange(20000))
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = f"{family}^{given}", hospital, born.strftime("%Y%m%d")
    ds.AccessionNumber, ds.InstitutionName = accession, "Hôpital Sainte-Ursule"
    ds.ReferringPhysicianName, ds.OperatorsName = "Kerguelen^Yann", "Bonnefoy^Alix"
    checks: list[Check] = []
    token = family.replace("'", " ").replace("-", " ").split()[-1]
    forms = [
        (f"{meaning} {family.upper()}", token.lower() if len(token) > 2 else None),
        (f"{meaning}, {given} {family}", given.split("-")[-1].lower()),
        (f"{meaning} {hospital}", hospital.lower()),
        (f"{meaning} {born.strftime('%d/%m/%Y')}", born.strftime("%d/%m/%Y")),
        (f"{meaning} {day.isoformat()}", day.isoformat()),
        (f"{meaning} Dr Kerguelen", "kerguelen"),
        (f"{meaning} tel 06 98 76 54 32", "98 76 54"),
        (meaning, None),
    ]
    for keyword in ("StudyDescription", "SeriesDescription", "ProtocolName", "RequestedProcedureDescription", "ImageComments"):
        text, secret = chance.choice(forms)
        setattr(ds, keyword, text)
        for word in meaning.split():
            checks.append(
                ("text_retained", f"{keyword}: meaning", lambda out, k=keyword, w=word: w.strip(",") in str(out.get(k, "")))
            )
        checks.append(("text_notnull", keyword, lambda out, k=keyword: bool(str(out.get(k, "")).strip())))
        if secret is not None:
            checks.append(("text_removed", keyword, lambda out, s=secret: s not in str(out).lower()))
    for secret in (hospital, accession, "kerguelen", "bonnefoy", "ursule", born.strftime("%Y%m%d")):
        checks.append(("text_removed", "anywhere", lambda out, s=secret: s.lower() not in str(out).lower()))
    for keyword in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(ds, keyword, day.strftime("%Y%m%d"))
        moved = (day + timedelta(days=SUBJECT.shift_days)).strftime("%Y%m%d")
        checks.append(("date_shifted", keyword, lambda out, k=keyword, m=moved: out[k].value == m))
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
        if keyword in ds:
            source = str(ds[keyword].value)
            checks.append(("uid_changed", keyword, lambda out, k=keyword, s=source: out[k].value != s))
            checks.append(("uid_consistent", keyword, lambda out, k=keyword, s=source: out[k].value == pseudonyms.uid(KEY, s)))
    checks.append(("patid_consistent", "PatientID", lambda out: out.PatientID == str(SUBJECT.subject_id)))
    for keyword in USEFUL:
        if keyword in ds and not ds[keyword].is_empty:
            value = ds[keyword].value
            checks.append(("tag_retained", keyword, lambda out, k=keyword, v=value: k in out and out[k].value == v))
    pixels = ds.PixelData
    checks.append(("pixels_retained", "PixelData", lambda out, p=pixels: out.PixelData == p))
    return checks


def test_answer_key(real_data: Path, tmp_path: Path) -> None:
    chance = random.Random(20)
    held: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    missed: list[str] = []
    for number in range(6):
        for place, ds in enumerate(headers(real_data)):
            checks = plant(ds, chance, number)
            source = save(ds, tmp_path / f"{number}-{place}.dcm", ds.file_meta.TransferSyntaxUID)
            _, clean, _ = run(source, tmp_path / "out" / str(number), ANYONE)
            for action, where, holds in checks:
                asked[action] += 1
                if holds(clean):
                    held[action] += 1
                else:
                    missed.append(f"{action} {where} {number}-{place}")
    for number, attributes in enumerate(BURNED):
        asked["pixels_hidden"] += 1
        held["pixels_hidden"] += refused(save(ct(**attributes), tmp_path / f"burned{number}.dcm"), tmp_path / "burned")
    assert set(asked) == REMOVALS | RETENTIONS
    assert sum(asked.values()) > 2000
    assert [one for one in missed if one.split()[0] in REMOVALS] == []
    for action in REMOVALS:
        assert held[action] == asked[action], action
    for action in RETENTIONS:
        assert held[action] >= 0.999 * asked[action], (action, held, asked, missed)


# Pixels that may show a name are hidden by not being released at all.
BURNED: list[dict[str, Any]] = [
    {"BurnedInAnnotation": "YES"},
    {"ConversionType": "WSD"},
    {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]},
    {"ImageType": ["DERIVED", "SECONDARY", "DOSE_INFO"]},
    {"Modality": "US"},
    {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
    {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.1"},
    {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1"},
    {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1"},
]


def refused(source: Path, root: Path) -> bool:
    from unibase.imaging.options import DeidentifyOptions

    try:
        deidentify_file(DeidentifyTask(source, root, "A", DeidentifyOptions(), KEY, ANYONE))
    except Unusable as problem:
        return problem.reason in ("burned-in-annotation", "unsupported-object")
    return False
