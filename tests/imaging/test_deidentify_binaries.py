"""Identities in values of bytes, in compressed frames and after the last pixel; headers that say the pixels show text.

Oracles: a byte search of what was written, and what pydicom, Pillow and the JPEG standard's own markers say of it.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageCms
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_fragments
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from tests.imaging.deidentify_help import ct, run, save
from unibase.groundwork.problems import Unusable
from unibase.imaging.confidentiality import frames, objects
from unibase.imaging.confidentiality.colour_profile import SRGB
from unibase.imaging.options import DeidentifyOptions

SECRETS = (b"Dupontel", b"DUPONTEL", b"12/03/2019", b"20190312")
SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"


def slide(**attributes: Any) -> Dataset:
    ds = ct(SOPClassUID=SLIDE, Modality="SM", ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], BurnedInAnnotation="NO")
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.Rows, ds.Columns = 7, 16, 16
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def left(content: bytes) -> list[bytes]:
    return [secret for secret in SECRETS if secret in content]


@pytest.mark.parametrize("policy", ["strict", "longitudinal", "research"])
def test_bytes_of_no_use_go(tmp_path: Path, policy: Any) -> None:
    ds = ct(ICCProfile=bytes(128) + b"desc Dupontel Eleonore")
    ds.EncryptedAttributesSequence = Sequence([Dataset()])
    ds.EncryptedAttributesSequence[0].EncryptedContent = b"Dupontel^Eleonore "
    ds.add_new(0x00281201, "OW", b"Dupontel 12/03/2019 ")
    ds.add_new(0x00100033, "LO", "12/03/2019")  # the birth date in another calendar
    _, clean, content = run(save(ds, tmp_path / "in.dcm"), tmp_path / "out", options=DeidentifyOptions(policy=policy))
    assert left(content) == []
    assert not [tag for tag in (0x00282000, 0x04000500, 0x00281201, 0x00100033) if tag in clean]


@pytest.mark.parametrize(
    "text", [b"DUPONTEL^ELEONORE", b"Dupontel-Eleonore", b"12 MAR 2019 ", b"2019-03-12", b"12.03.19", b"dupontel", b"12mars2019"]
)
def test_bytes_that_analyses_need_are_searched(tmp_path: Path, text: bytes) -> None:
    table = Dataset()
    table.LUTDescriptor = [16, 0, 8]
    table.add_new(0x00283006, "OW", bytes(6) + text.ljust(26))
    source = save(ct(ModalityLUTSequence=Sequence([table])), tmp_path / "in.dcm")
    for policy in ("strict", "longitudinal", "research"):
        with pytest.raises(Unusable, match="residual-identifier") as caught:
            run(source, tmp_path / "out", options=DeidentifyOptions(policy=policy))  # type: ignore[arg-type]
        assert "(0028,3006)" in str(caught.value)
    table.add_new(0x00283006, "OW", bytes(range(32)))
    _, clean, _ = run(save(ct(ModalityLUTSequence=Sequence([table])), tmp_path / "in.dcm"), tmp_path / "out")
    assert clean.ModalityLUTSequence[0][0x00283006].value == bytes(range(32))


def test_a_colour_profile_that_must_be_there_is_srgb(tmp_path: Path) -> None:
    path = Dataset()
    path.ICCProfile, path.OpticalPathIdentifier = bytes(128) + b"desc Dupontel", "1"
    _, clean, content = run(
        save(slide(OpticalPathSequence=Sequence([path]), PixelData=bytes(256)), tmp_path / "in.dcm"), tmp_path / "out"
    )
    profile = clean.OpticalPathSequence[0].ICCProfile
    assert profile == SRGB
    assert left(content) == []
    # Another engine reads it, and finds the colours of sRGB.
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), "RGB", "RGB"
    )
    colours = np.random.default_rng(3).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    same = np.asarray(ImageCms.applyTransform(Image.fromarray(colours), transform)).astype(int)
    assert np.abs(same - colours).max() <= 2


def test_bytes_after_the_last_pixel_are_cut(tmp_path: Path) -> None:
    for syntax in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"):
        ds = ct()
        pixels = ds.PixelData
        ds.PixelData = pixels + b"Dupontel 12/03/2019 "
        _, clean, content = run(save(ds, tmp_path / "in.dcm", syntax), tmp_path / "out")
        assert clean.PixelData == pixels
        assert left(content) == []
    with pytest.raises(Unusable, match="malformed-file"):
        run(save(ct(PixelData=ct().PixelData * 2), tmp_path / "in.dcm"), tmp_path / "out")


def frame(kind: str, comment: bytes = b"") -> bytes:
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (16, 16), dtype=np.uint8))
    stream = io.BytesIO()
    if kind == "JPEG":
        image.save(stream, "JPEG", comment=comment, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0" + comment)
    else:
        image.save(stream, "JPEG2000", no_jp2=True, comment=comment)
    return stream.getvalue()


def fragments(content: bytes) -> list[bytes]:
    _, *found = generate_fragments(content)  # the first is the table of offsets
    return found


@pytest.mark.parametrize(("kind", "syntax"), [("JPEG", JPEGBaseline8Bit), ("JPEG 2000", JPEG2000Lossless)])
@pytest.mark.parametrize("place", ["comment", "after the end"])
@pytest.mark.parametrize("divided", [False, True])
def test_what_is_no_pixel_in_a_compressed_frame_is_blanked(
    tmp_path: Path, kind: str, syntax: str, place: str, divided: bool
) -> None:
    text = b"Dupontel 12/03/2019 seen by Jlefloch"
    whole = [frame(kind, text if place == "comment" else b""), frame(kind)]
    if place != "comment":
        whole[0] += text
    ds = slide(NumberOfFrames=2)
    ds.PixelData = encapsulate(whole, fragments_per_frame=2 if divided else 1)
    ds["PixelData"].is_undefined_length, ds["PixelData"].VR = True, "OB"
    source = save(ds, tmp_path / "in.dcm", syntax)
    _, clean, content = run(source, tmp_path / "out")
    assert [one for one in (*SECRETS, b"Jlefloch") if one in content] == []
    before, after = fragments(pydicom.dcmread(source).PixelData), fragments(clean.PixelData)
    assert [len(one) for one in before] == [len(one) for one in after], "every table of offsets stays right"
    size = 2 if divided else 1
    for number in range(2):
        pictures = [
            np.asarray(Image.open(io.BytesIO(b"".join(one[number * size : (number + 1) * size])))) for one in (before, after)
        ]
        np.testing.assert_array_equal(*pictures)


def test_bytes_after_the_last_run_of_rle_are_blanked(tmp_path: Path) -> None:
    ds = slide(PixelData=np.random.default_rng(2).integers(0, 9, 256, dtype=np.uint8).tobytes())
    pixels = ds.pixel_array.copy()
    ds.compress(RLELossless, generate_instance_uid=False)
    (coded,) = fragments(ds.PixelData)
    ds.PixelData = encapsulate([coded + b"Dupontel 12/03/2019 "])
    ds["PixelData"].is_undefined_length, ds["PixelData"].VR = True, "OB"
    _, clean, content = run(save(ds, tmp_path / "in.dcm", RLELossless), tmp_path / "out")
    assert left(content) == []
    np.testing.assert_array_equal(clean.pixel_array, pixels)


@pytest.mark.parametrize(
    ("content", "syntax"),
    [
        (b"text that is no image", JPEGBaseline8Bit),
        (b"\xff\xd8\xff\xfe\xff\xff short", JPEGBaseline8Bit),
        (b"\xff\x4f\xff\x51\0\x04\0\0text", JPEG2000Lossless),
        (b"\1\0\0\0\1\0\0\0" + bytes(80), RLELossless),
        (frame("JPEG") * 2, JPEGBaseline8Bit),
        (b"anything", "1.2.840.10008.1.2.4.999"),
    ],
)
def test_frames_that_are_not_understood_are_refused(content: bytes, syntax: str) -> None:
    with pytest.raises(Unusable, match=r"malformed-file|unsupported-object"):
        frames.hidden(content, syntax, 256)


PAGES: list[dict[str, Any]] = [
    *({"SeriesDescription": text} for text in ("Dose Report", "Patient Protocol", "DOSE_SUMMARY", "Rapport de dose", "Screen Save", "screenshots 3")),
    *({"SeriesDescription": text} for text in ("CT Exam Protocol", "Capture d'écran", "Scanned documents", "Fiche patient", "Résumé de dose", "Smart Prep")),
    *({"ImageType": ["DERIVED", "SECONDARY", kind]} for kind in ("OTHER", "SCREEN SAVE", "DOSE_INFO", "CSA REPORT", "PROTOCOL", "POSDISP", "GRAPH", "TEXT")),
    {"ImageType": ["ORIGINAL", "SECONDARY", "OTHER", "CT_SOM5 PROT"]},
    {"SecondaryCaptureDeviceManufacturer": "ACME"},
    {"SecondaryCaptureDeviceManufacturerModelName": "Grabber"},
    {"SecondaryCaptureDeviceID": "1"},
    {"DateOfSecondaryCapture": "20190312"},
    {"VideoImageFormatAcquired": "NTSC"},
    {"DigitalImageFormatAcquired": "RGB"},
    {"ConversionType": "SI"},
    {"BurnedInAnnotation": "YES"},
    {"BurnedInAnnotation": "yes"},
    {"ProtocolName": "Dose report"},
    {"ImageComments": "Screen capture of the console"},
    {"DerivationDescription": "Digitized film"},
    {"ManufacturerModelName": "Film Digitizer 3"},
    {"BitsStored": 8, "HighBit": 7},
    {"Modality": "OT"},
]  # fmt: skip


@pytest.mark.parametrize("attributes", PAGES, ids=str)
def test_headers_that_hint_at_text_in_the_pixels_are_refused(tmp_path: Path, attributes: dict[str, Any]) -> None:
    with pytest.raises(Unusable, match="burned-in-annotation"):
        run(save(ct(**attributes), tmp_path / "in.dcm"), tmp_path / "out")


IMAGES: list[dict[str, Any]] = [
    *({"SeriesDescription": text} for text in ("TAP portal", "Scanographie", "MR angiographie", "CT thorax 1.25 mm", "Dose reduite", "Perfusion CBF", "T1 map", "Protocole foie", "Low dose protocol", "Radiographie")),
    *({"ImageType": ["ORIGINAL", "PRIMARY", *kind]} for kind in (["AXIAL"], ["LOCALIZER"], ["M", "NORM", "DIS2D"], ["PHOTON"], ["ANGIOGRAPHY"], ["MPR"], ["TEXTURE"], ["LABELMAP"])),
    {"ImageType": ["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"]},
    {"BurnedInAnnotation": "NO"},
]  # fmt: skip


@pytest.mark.parametrize("attributes", IMAGES, ids=str)
def test_headers_of_images_pass(tmp_path: Path, attributes: dict[str, Any]) -> None:
    assert run(save(ct(**attributes), tmp_path / "in.dcm"), tmp_path / "out")[0]["subject_id"]


def test_every_rule_of_the_catalogue_names_a_fact_and_a_reason() -> None:
    rules = objects.catalogue()
    assert len({rule.name for rule in rules}) == len(rules) > 15
    assert {rule.attribute for rule in rules} <= set(objects.FACTS.values())
    assert all(rule.why.endswith(".") and rule.objects for rule in rules)
