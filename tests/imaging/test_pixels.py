"""Texts in pixels: blanked without a change outside the boxes, decided by a person or a rule, and said in the header."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import UID

from tests.imaging.deidentify_help import ct, run, save
from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.confidentiality.deidentified import DeidentifyOptions
from unibase.imaging.pixel_text import finder, recognition
from unibase.imaging.pixel_text.blanking import blanked
from unibase.imaging.pixel_text.boxes import Box, joined, outside_regions, parsed, written
from unibase.imaging.pixel_text.look import look_at
from unibase.imaging.pixel_text.pixel_decisions import Decision, read_decisions, write_decisions
from unibase.imaging.pixel_text.recognition import Line

US = "1.2.840.10008.5.1.4.1.1.6.1"
NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99")
RLE, JPEG_LOSSLESS, JPEG_LS, JPEG_2000 = "1.2.840.10008.1.2.5", *(f"1.2.840.10008.1.2.4.{one}" for one in (70, 80, 90))
BOXES = (Box(0, 0, 32, 6), Box(20, 40, 12, 8))


def image(samples: int = 1, frames: int = 1, bits: int = 8, colour: str = "", **more: Any) -> FileDataset:
    """An ultrasound image of random values, 32 columns and 48 rows."""
    colour = colour or ("MONOCHROME2" if samples == 1 else "RGB")
    ds = ct(SOPClassUID=US, Modality="US", Rows=48, Columns=32, SamplesPerPixel=samples, PhotometricInterpretation=colour)
    ds.BitsAllocated = ds.BitsStored = bits
    ds.HighBit = bits - 1
    if samples > 1:
        ds.PlanarConfiguration = 0
    if frames > 1:
        ds.NumberOfFrames = frames
    shape = (frames, 48, 32, samples)
    ds.PixelData = np.random.default_rng(3).integers(1, 2**bits - 1, shape, dtype=f"uint{bits}").tobytes()
    for keyword, value in more.items():
        setattr(ds, keyword, value)
    return ds


def values_of(content: bytes) -> np.ndarray:
    ds = pydicom.dcmread(io.BytesIO(content))
    array = pydicom.pixels.pixel_array(ds, raw=True)
    return array.reshape(int(ds.get("NumberOfFrames") or 1), ds.Rows, ds.Columns, ds.SamplesPerPixel)


def inside() -> np.ndarray:
    mask = np.zeros((48, 32), dtype=bool)
    for box in BOXES:
        mask[box.y : box.y + box.height, box.x : box.x + box.width] = True
    return mask


def compressed(ds: FileDataset, syntax: str, folder: Path) -> bytes:
    """The file in a lossless syntax, encoded by pydicom, pyjpegls or OpenJPEG (in pillow)."""
    stored = np.frombuffer(ds.PixelData, f"u{ds.BitsAllocated // 8}").reshape(-1, ds.Rows, ds.Columns, ds.SamplesPerPixel)
    if syntax in (RLE, JPEG_LS):
        ds.compress(UID(syntax), generate_instance_uid=False)
        return save(ds, folder / "a.dcm", syntax).read_bytes()
    frames = []
    for frame in stored:
        out = io.BytesIO()
        Image.fromarray(frame.squeeze()).save(out, "JPEG2000", irreversible=False, no_jp2=True)
        frames.append(out.getvalue())
    ds.PixelData = encapsulate(frames)
    ds["PixelData"].is_undefined_length = True
    return save(ds, folder / "a.dcm", syntax).read_bytes()


@pytest.mark.parametrize("syntax", (*NATIVE, RLE, JPEG_LS, JPEG_2000))
@pytest.mark.parametrize(("samples", "frames", "bits"), [(1, 1, 8), (3, 1, 8), (1, 3, 16), (3, 2, 8)])
def test_outside_the_boxes_not_one_value_changes(tmp_path: Path, syntax: str, samples: int, frames: int, bits: int) -> None:
    ds = image(samples, frames, bits)
    before = compressed(ds, syntax, tmp_path) if syntax not in NATIVE else save(ds, tmp_path / "a.dcm", syntax).read_bytes()
    after = blanked(before, BOXES)
    old, new, mask = values_of(before), values_of(after), inside()
    assert np.array_equal(old[:, ~mask], new[:, ~mask])
    assert len(np.unique(new[:, mask])) == 1, "one value, of which no text can be read"
    assert pydicom.dcmread(io.BytesIO(after)).BurnedInAnnotation == "NO"


@pytest.mark.parametrize("colour", ["MONOCHROME2", "MONOCHROME1", "RGB", "YBR_FULL"])
def test_jpeg_lossless_by_gdcm(tmp_path: Path, colour: str) -> None:
    """What pydicom has no decoder for: the values are those that SimpleITK encoded, whatever the header calls them.

    ITK turns MONOCHROME1 round and YBR to RGB when it reads; a copy would show the negative.
    """
    import SimpleITK as sitk

    shape, kind = ((48, 32), np.uint16) if colour.startswith("MONO") else ((48, 32, 3), np.uint8)
    values = np.random.default_rng(4).integers(0, np.iinfo(kind).max // 17, shape, dtype=kind)
    writer = sitk.ImageFileWriter()
    writer.SetFileName((tmp_path / "made.dcm").as_posix())
    writer.SetImageIO("GDCMImageIO")
    writer.SetUseCompression(True)
    writer.SetCompressor("JPEG")
    writer.Execute(sitk.GetImageFromArray(values, isVector=values.ndim == 3))
    made = pydicom.dcmread(tmp_path / "made.dcm")
    assert made.file_meta.TransferSyntaxUID == JPEG_LOSSLESS
    made.PhotometricInterpretation = colour
    made.save_as(tmp_path / "made.dcm")
    shown = pydicom.dcmread(io.BytesIO(blanked((tmp_path / "made.dcm").read_bytes(), BOXES)))
    after = pydicom.pixels.pixel_array(shown, raw=True)
    assert shown.PhotometricInterpretation == colour
    assert np.array_equal(after[~inside()], values[~inside()])
    assert len(np.unique(after[inside()], axis=0)) == 1


@pytest.mark.parametrize(("samples", "frames", "bits"), [(1, 1, 8), (3, 1, 8), (1, 3, 16), (3, 2, 16), (1, 1, 32), (3, 1, 32)])
def test_a_big_endian_image_is_written_in_little_endian(tmp_path: Path, samples: int, frames: int, bits: int) -> None:
    """What is compared: the same image as pydicom reads it, whose words of eight bits stand in pairs turned round."""
    ds = image(samples, frames, bits)
    step = Dataset()
    step.LUTDescriptor, step.LUTExplanation = [3, 0, 16], "thorax"
    step.add_new("LUTData", "OW", b"\1\2\3\4\5\6")
    ds.ModalityLUTSequence = Sequence([step])
    kind = np.dtype(f"u{bits // 8}")
    shape = (-1, 48, 32, samples)
    stored = np.frombuffer(ds.PixelData, kind)[: frames * 48 * 32 * samples].reshape(shape)
    # In big endian a word is turned round, one of two values of eight bits too (PS3.5 A.3).
    ds.PixelData = np.frombuffer(ds.PixelData, f"<u{max(2, bits // 8)}").byteswap().tobytes()
    ds["PixelData"].VR = "OW"
    before = save(ds, tmp_path / "a.dcm", "1.2.840.10008.1.2.2")
    after = pydicom.dcmread(io.BytesIO(blanked(before.read_bytes(), BOXES)))
    assert after.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    new = np.frombuffer(after.PixelData, f"<u{bits // 8}")[: frames * 48 * 32 * samples].reshape(shape)
    assert np.array_equal(new[:, ~inside()], stored[:, ~inside()]) and len(np.unique(new[:, inside()])) == 1
    assert after.Rows == 48 and after.ModalityLUTSequence[0].LUTData == b"\2\1\4\3\6\5", "words, as pydicom kept them"


def test_what_cannot_be_decoded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="cannot be decoded"):
        blanked(save(image(PixelData=b"1234"), tmp_path / "b.dcm").read_bytes(), BOXES)


def test_planes_of_colours_and_inverted_greys(tmp_path: Path) -> None:
    ds = image(3, PlanarConfiguration=1)
    planes = np.frombuffer(ds.PixelData, np.uint8).reshape(3, 48, 32)
    after = pydicom.dcmread(io.BytesIO(blanked(save(ds, tmp_path / "a.dcm").read_bytes(), BOXES)))
    assert after.PlanarConfiguration == 0
    assert np.array_equal(after.pixel_array[~inside()], planes.transpose(1, 2, 0)[~inside()])
    inverted = image(colour="MONOCHROME1")
    shown = pydicom.dcmread(io.BytesIO(blanked(save(inverted, tmp_path / "b.dcm").read_bytes(), BOXES))).pixel_array
    assert set(shown[inside()]) == {shown.max()}, "black, as MONOCHROME1 shows it"


def test_a_decision_lets_the_image_out_and_the_header_says_so(tmp_path: Path) -> None:
    from blake3 import blake3

    source = save(image(), tmp_path / "a.dcm")
    with pytest.raises(Unusable) as problem:
        run(source, tmp_path / "out")
    assert problem.value.reason == "burned-in-annotation"
    assert "unibase pixels" in problem.value.remedy and "SOPClass: Ultrasound" in problem.value.remedy

    name = blake3(source.read_bytes()).hexdigest()
    for verdict, codes in (("blank", {"113100", "113101"}), ("accept", {"113100"})):
        decision = Decision(name, "a.dcm", "", (32, 48, 1), BOXES, verdict, "someone")  # type: ignore[arg-type]
        _, copy, content = run(source, tmp_path / verdict, decisions={name: decision})
        assert codes == {item.CodeValue for item in copy.DeidentificationMethodCodeSequence} & {"113100", "113101"}
        assert (copy.get("BurnedInAnnotation") == "NO") == (verdict == "blank")
        assert b"Dupontel" not in content
        expected = np.frombuffer(image().PixelData, np.uint8).reshape(48, 32).copy()
        if verdict == "blank":
            expected[inside()] = expected.min()
        assert np.array_equal(copy.pixel_array, expected)
    reject = Decision(name, "a.dcm", "", (32, 48, 1), (), "reject", "someone")
    with pytest.raises(Unusable, match="decided to leave"):
        run(source, tmp_path / "no", decisions={name: reject})
    with pytest.raises(Unusable, match="usually show"):
        run(source, tmp_path / "no", decisions={"0" * 64: reject})
    assert not list((tmp_path / "no").rglob("*.dcm"))


RULES = [
    ({"Modality": "US", "Manufacturer": "siem.*"}, "accept", []),
    ({"SOPClass": "Ultrasound", "Rows": "48", "Columns": "32"}, "blank", [tuple(box) for box in BOXES]),
]


@pytest.mark.parametrize(("images", "action", "boxes"), RULES)
def test_a_rule_for_a_device(tmp_path: Path, images: dict[str, str], action: str, boxes: list[tuple[int, ...]]) -> None:
    rule = {"images": images, "action": action, "boxes": boxes, "reason": "seen by the custodian"}
    options = DeidentifyOptions.model_validate({"rules": [rule]})
    _, copy, _ = run(save(image(), tmp_path / "a.dcm"), tmp_path / "out", options=options)
    assert (copy.pixel_array[inside()].max() == copy.pixel_array.min()) == (action == "blank")
    with pytest.raises(Unusable, match="usually show"):
        run(save(image(Manufacturer="GE", Rows=47, NumberOfFrames=1), tmp_path / "b.dcm"), tmp_path / "out", options=options)


def test_a_rule_blanks_what_no_header_hints_at(tmp_path: Path) -> None:
    rule = {"images": {"Modality": "CT", "Rows": "8"}, "action": "blank", "boxes": [(0, 0, 8, 2)], "reason": "writes names"}
    _, copy, _ = run(
        save(ct(), tmp_path / "a.dcm"), tmp_path / "out", options=DeidentifyOptions.model_validate({"rules": [rule]})
    )
    assert len(np.unique(copy.pixel_array[:2])) == 1


WRONG_RULES = [
    {"attribute": "PatientName", "action": "keep"},
    {"attribute": "StudyInstanceUID", "action": "keep"},
    {"attribute": "NoSuchThing", "action": "keep"},
    {"attribute": "StudyDescription", "action": "accept"},
    {"attribute": "StudyDescription", "images": {"Modality": "US"}, "action": "keep"},
    {"images": {"Rows": "8"}, "action": "accept"},
    {"images": {"PatientID": ".*"}, "action": "accept"},
    {"images": {"Modality": "("}, "action": "accept"},
    {"images": {"Modality": "US"}, "action": "blank"},
    {"images": {"Modality": "US"}, "action": "blank", "boxes": [(0, 0, 0, 5)]},
]


@pytest.mark.parametrize("rule", WRONG_RULES, ids=str)
def test_a_rule_that_says_nothing_clear_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        DeidentifyOptions.model_validate({"rules": [{"reason": "because", **rule}]})
    with pytest.raises(ValueError):
        DeidentifyOptions.model_validate({"rules": [{"attribute": "StudyDescription", "action": "keep"}]})


def test_rules_for_attributes(tmp_path: Path) -> None:
    ds = ct(
        SeriesDescription="ZQX07 thorax Dupontel", ProtocolName="thorax", ContrastBolusAgent="Xenetix", PatientComments="thorax"
    )
    ds.add_new(0x00190010, "LO", "SIEMENS MR HEADER")
    ds.add_new(0x0019100C, "IS", "800")
    ds.add_new(0x0019100D, "CS", "DIR")
    rules = [
        {"attribute": "SeriesDescription", "action": "keep"},
        {"attribute": "(0018,1030)", "action": "remove"},
        {"attribute": "PatientComments", "action": "clean"},
        {"attribute": "SeriesDate", "action": "keep"},
        {"attribute": "(0019,xx0D,SIEMENS MR HEADER)", "action": "keep"},
    ]
    options = DeidentifyOptions.model_validate({"rules": [{"reason": "wanted", **rule} for rule in rules], "words": ["ZQ07"]})
    _, copy, _ = run(save(ds, tmp_path / "a.dcm"), tmp_path / "out", options=options)
    assert copy.SeriesDescription == "ZQX07 thorax", "kept, and still without the patient's name"
    assert "ProtocolName" not in copy and copy.PatientComments == "thorax"
    assert copy.SeriesDate != "20190312", "a date is shifted whatever the rule"
    assert (0x0019, 0x100D) in copy
    _, plain, _ = run(save(ct(SeriesDescription="ZQ07 thorax"), tmp_path / "b.dcm"), tmp_path / "b", options=options)
    assert plain.SeriesDescription == "ZQ07 thorax", "a word of the study"
    _, without, _ = run(save(ct(SeriesDescription="ZQ07 thorax"), tmp_path / "c.dcm"), tmp_path / "c")
    assert without.SeriesDescription == "thorax"


def test_decisions_are_read_as_they_are_written(tmp_path: Path) -> None:
    decisions = [
        Decision("b" * 64, 'é;,".dcm', "Ultrasound / GE", (640, 480, 3), BOXES, "blank", "M. Custodian"),
        Decision("a" * 64, "x.dcm", "", (8, 8, 1), ()),
    ]
    path = tmp_path / "pixels.csv"
    write_decisions(decisions, path)
    assert path.stat().st_mode & 0o077 == 0
    assert read_decisions(path) == {one.image: one for one in decisions}


WRONG_LINES = [
    ('"a","","","","","","","maybe","x"', "blank, accept, reject"),
    ('"a","","","","","","1,2,3","blank","x"', "x,y,width,height"),
    ('"a","","","","","","","blank","x"', "no box"),
    ('"a","","","","","","","accept",""', "who decided"),
    ('"a","","","","","","","accept","x"\n"a","","","","","","","reject","x"', "line 3"),
]


@pytest.mark.parametrize(("line", "said"), WRONG_LINES)
def test_a_line_that_decides_nothing_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "pixels.csv"
    path.write_text("image,source,device,columns,rows,frames,boxes,decision,by\n" + line + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=said):
        read_decisions(path)


def test_boxes_are_joined_written_and_cut() -> None:
    assert parsed(written(BOXES)) == BOXES
    assert joined([Box(0, 0, 4, 4), Box(8, 0, 4, 4), Box(2, 0, 8, 4)]) == (Box(0, 0, 12, 4),)
    assert Box(-5, 30, 10, 90).within(32, 48) == Box(0, 30, 5, 18) and Box(40, 0, 2, 2).within(32, 48) is None


def test_regions_of_an_ultrasound_image_leave_its_edges() -> None:
    region = Dataset()
    region.RegionLocationMinX0, region.RegionLocationMinY0, region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 4, 6, 27, 47
    ds = image(SequenceOfUltrasoundRegions=Sequence([region]))
    covered = np.zeros((48, 32), dtype=int)
    for box in outside_regions(ds):
        covered[box.y : box.y + box.height, box.x : box.x + box.width] += 1
    assert covered[6:48, 4:28].sum() == 0 and covered.max() == 1 and covered.sum() == 48 * 32 - 42 * 24
    region.RegionLocationMaxX1 = 99
    assert outside_regions(ds) == (), "a region that leaves the image says nothing"


@pytest.mark.parametrize(
    ("text", "stays"),
    [
        ("R", 1),
        ("5 cm", 1),
        ("10", 1),
        ("7.5MHz", 1),
        ("MLO", 1),
        ("DUPONT", 0),
        ("12/04/2019", 0),
        ("42317", 0),
        ("R DUPONT", 0),
    ],
)
def test_what_stays_in_pixels(text: str, stays: int) -> None:
    assert finder.stays(Line(Box(0, 0, 9, 9), text, 0.99)) == bool(stays)
    assert not finder.stays(Line(Box(0, 0, 9, 9), text, 0.6)), "what was read with doubt goes"


PLACES = [
    # What was read at several sizes (box, text, score), and how many boxes are blanked.
    ([((0, 0, 40, 12), "DUPONT", 0.99)], 1),
    ([((0, 0, 30, 12), "MLQ", 0.72), ((0, 0, 31, 12), "MLO", 0.99)], 0),  # the surest reading of one place counts
    ([((0, 0, 30, 12), "R", 0.71), ((0, 0, 31, 12), "DUPONT", 0.99)], 2),
    ([((0, 0, 40, 12), "5 cm", 0.99), ((18, 0, 22, 12), "cm", 0.98)], 0),  # a tile cut the mark
    ([((0, 0, 1000, 700), "G", 0.95), ((60, 90, 140, 20), "DUPONT", 0.99)], 1),  # an outline read as a letter hides no name
    ([((0, 0, 40, 12), "R", 0.99), ((90, 0, 40, 12), "DUPONT", 0.99)], 1),
]


@pytest.mark.parametrize(("read", "blanked_boxes"), PLACES)
def test_of_readings_of_one_place_the_surest_counts(read: list[tuple[Any, str, float]], blanked_boxes: int) -> None:
    lines = [Line(Box(*box), text, score) for box, text, score in read]
    assert len(finder.texts_of(lines)) == len(finder.texts_of(lines[::-1])) == blanked_boxes


def shown_to_the_reader(tmp_path: Path, ds: FileDataset) -> list[np.ndarray]:
    """The frames that a look hands to the reader."""
    frames: list[np.ndarray] = []

    def keep(seen: Any) -> tuple[Box, ...]:
        frames.extend(seen)
        return ()

    look_at(save(ds, tmp_path / "shown.dcm"), "shown.dcm", keep)
    return frames


SEEN = [
    # What the header says, and the values that three stored ones become in each frame that is read.
    ({}, [[0, 100, 4000]]),
    ({"PixelRepresentation": 1}, [[0, 100, 4000]]),
    ({"PhotometricInterpretation": "MONOCHROME1"}, [[4000, 3900, 0]]),
    ({"WindowCenter": 100, "WindowWidth": 200}, [[0, 100, 4000], [0, 100, 200]]),
    ({"WindowCenter": 100, "WindowWidth": 200, "RescaleIntercept": 100, "RescaleSlope": 1}, [[0, 100, 4000], [0, 100, 100]]),
    ({"WindowCenter": [100, 5], "WindowWidth": [400, 9], "RescaleSlope": 2}, [[0, 100, 4000], [0, 100, 150]]),
    ({"WindowCenter": 2000, "WindowWidth": 3000}, [[0, 100, 4000]]),
    ({"WindowCenter": 100, "WindowWidth": ""}, [[0, 100, 4000]]),
]


@pytest.mark.parametrize(("says", "seen"), SEEN)
def test_what_the_reader_is_shown(tmp_path: Path, says: dict[str, Any], seen: list[list[int]]) -> None:
    ds = image(bits=16)
    values = np.zeros((48, 32), dtype=np.int16)
    values[0, :3] = 0, 100, 4000
    ds.PixelData = values.tobytes()
    for keyword, value in says.items():
        setattr(ds, keyword, value)
    assert [frame[0, :3, 0].astype(int).tolist() for frame in shown_to_the_reader(tmp_path, ds)] == seen


def test_of_several_frames_the_brightest_and_darkest_are_read_too(tmp_path: Path) -> None:
    ds = image(frames=5)
    values = np.full((5, 48, 32), 100, dtype=np.uint8)
    values[1, 0, 0], values[3, 0, 1] = 250, 3
    ds.PixelData = values.tobytes()
    seen = [frame[0, :2, 0].astype(int).tolist() for frame in shown_to_the_reader(tmp_path, ds)]
    assert seen == [[100, 100]] * 3 + [[250, 100], [100, 3]]


def test_black_is_the_darkest_value_of_signed_pixels(tmp_path: Path) -> None:
    ds = image(bits=16, PixelRepresentation=1)
    values = np.arange(-1024, -1024 + 48 * 32, dtype=np.int16).reshape(48, 32)
    ds.PixelData = values.tobytes()
    after = pydicom.dcmread(io.BytesIO(blanked(save(ds, tmp_path / "a.dcm").read_bytes(), BOXES))).pixel_array
    assert np.array_equal(after[~inside()], values[~inside()]) and set(after[inside()]) == {-1024}


def test_a_text_across_the_edge_of_a_region_does_not_take_the_region_along(tmp_path: Path) -> None:
    region = Dataset()
    region.RegionLocationMinX0, region.RegionLocationMinY0, region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 4, 6, 27, 41
    crossing = (Box(0, 2, 8, 8), Box(20, 38, 12, 8))
    path = save(image(SequenceOfUltrasoundRegions=Sequence([region])), tmp_path / "a.dcm")
    look = look_at(path, "a.dcm", lambda frames: crossing)
    assert look is not None
    inner = np.ones((48, 32), dtype=bool)
    for box in look.decision.boxes:
        inner[box.y : box.y + box.height, box.x : box.x + box.width] = False
    assert inner[10:38, 8:28].all() and inner.sum() == 24 * 36 - 4 * 4 - 8 * 4


def test_a_look_proposes_boxes_and_draws_them(tmp_path: Path) -> None:
    look = look_at(save(image(3, 2), tmp_path / "a.dcm"), "a.dcm", lambda frames: (Box(3, 3, 9, 5),))
    assert look is not None and look.decision.boxes == (Box(3, 3, 9, 5),) and look.decision.size == (32, 48, 2)
    assert look.before.startswith(b"\x89PNG") and look.before != look.after
    assert look_at(save(ct(), tmp_path / "ct.dcm"), "ct.dcm", None) is None, "nothing in its header gives cause"


def test_reader_finds_and_leaves(tmp_path: Path) -> None:
    if not recognition.is_installed():
        pytest.skip("needs the extra: uv sync --extra ocr")
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("L", (320, 200), 30)
    draw = ImageDraw.Draw(picture)
    draw.text((10, 10), "DUPONT^ZOE 12/04/2019", fill=220, font=ImageFont.load_default(14))
    draw.text((290, 90), "R", fill=220, font=ImageFont.load_default(20))
    frame = np.asarray(picture)[:, :, None]
    boxes = finder.to_blank([frame])
    assert len(boxes) == 1 and boxes[0].within(320, 200) and boxes[0].x < 12 and boxes[0].x + boxes[0].width > 150
    after = frame.copy()
    box = boxes[0]
    after[box.y : box.y + box.height, box.x : box.x + box.width] = 0
    assert finder.to_blank([after]) == ()


READINGS = {
    "CC": [((189, 376, 62, 56), "cc", 0.67), ((198, 387, 51, 42), "CC", 0.99)],  # the surer reading of what says the same
    "7.5 MHz": [((0, 0, 177, 49), "7.5 MHz", 0.98), ((105, 4, 68, 43), "[Hz", 0.82)],
    "MLO": [((0, 0, 83, 46), "MLO", 0.84), ((1, 1, 82, 44), "ML0", 0.85)],
    "5 cm": [((0, 0, 30, 33), "5", 1.0), ((32, 0, 59, 37), "cm", 1.0)],
}


@pytest.mark.parametrize("read", READINGS.values(), ids=READINGS)
def test_marks_are_kept_however_they_are_read(read: list[tuple[Any, str, float]]) -> None:
    assert finder.texts_of([Line(Box(*box), text, score) for box, text, score in read]) == []


def test_a_turned_line_that_is_read_as_a_letter_goes() -> None:
    assert not finder.stays(Line(Box(320, 256, 25, 123), "d", 0.95)) and finder.stays(Line(Box(0, 0, 12, 30), "I", 0.95))


def test_the_margin_of_a_line_spares_a_mark_beside_it() -> None:
    line, mark = Line(Box(0, 30, 270, 48), "ID: 63759173", 0.97), Line(Box(100, 0, 50, 28), "20", 1.0)
    assert finder.texts_of([line]) == [Box(-8, 22, 286, 64)] and finder.texts_of([line, mark]) == [Box(-2, 28, 274, 52)]


def test_rows_of_small_letters_are_sought_closer() -> None:
    """Thin strokes side by side are a place to look at; the grain of an image alone gives few."""
    pytest.importorskip("cv2", reason="needs the extra: uv sync --extra ocr")
    from unibase.imaging.pixel_text.fine_print import small_rows

    grain = np.random.default_rng(5).normal(120, 6, (900, 1200)).clip(0, 255).astype(np.uint8)
    drawn = Image.fromarray(grain)
    ImageDraw.Draw(drawn).text((700, 400), "DUPONT MARIE 12/04/1950", fill=200)
    rows = small_rows(np.asarray(drawn))
    assert any(700 <= box.x < 850 and 395 <= box.y <= 412 for box in rows) and len(small_rows(grain)) < 20
