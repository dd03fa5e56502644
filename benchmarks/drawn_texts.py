"""Images with texts drawn into them, whose every pixel of ink is known: six kinds, four photometries, five ways of storing.

Each image is drawn from its number alone. The anatomy is drawn, too: bodies, bones and noise of the kind's grain. Texts
stand on black and over anatomy, light on dark and dark on light, in eight typefaces, some turned by 90 degrees. Their
size is that of the typeface (the height of an `M` is 0.7 of it); their contrast counts in 255ths of the range of values.
"""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.sequence import Sequence
from pydicom.uid import UID, generate_uid

_BASE = "1.2.840.10008.5.1.4.1.1."
NATIVE, RLE, JPEG_LOSSLESS, JPEG_LS, JPEG_2000 = (
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.5",
    *(f"1.2.840.10008.1.2.4.{one}" for one in (70, 80, 90)),
)
SYNTAXES = (NATIVE, RLE, JPEG_LOSSLESS, JPEG_LS, JPEG_2000)
TYPEFACES = (
    "DejaVuSans.ttf", "DejaVuSansMono.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "LiberationSans-Regular.ttf",
    "LiberationMono-Bold.ttf", "LiberationSerif-Regular.ttf", "NotoSansMono-Regular.ttf",
)  # fmt: skip
FAMILY = ("DUPONT", "LE BRIS", "Martin", "DUPONT-LAJOIE", "N'GUYEN", "Fernández", "BERNARD", "Kowalski", "ÖZDEMIR", "Petit")
GIVEN = ("ZOE", "Marie", "JEAN-PAUL", "Éléonore", "Ali", "LUCAS", "Ana", "Chloé")
WORDS = ("CHU LYON", "HOPITAL SAINT-LOUIS", "Clinique du Parc", "Dr LEGRAND", "Urgences", "Service de radiologie", "op: mdurand")
MARKS = ("R", "L", "D", "G", "5 cm", "10", "7.5 MHz", "15", "MLO", "CC", "AP", "20")


@dataclass(frozen=True)
class Kind:
    """A kind of image: its SOP classes (one frame, several), modality, sizes (rows, columns), bits stored, grain and colours."""

    name: str
    classes: tuple[str, str]
    modality: str
    sizes: tuple[tuple[int, int], ...]
    bits: tuple[int, ...]
    grain: float
    colours: tuple[str, ...]


_GREY = ("MONOCHROME2", "MONOCHROME2", "MONOCHROME1")
KINDS = {
    one.name: one
    for one in (
        Kind("CT", ("2", "2.1"), "CT", ((512, 512),), (12, 16), 4, _GREY),
        Kind("CR", ("1", "1"), "CR", ((1024, 1280), (1760, 2140)), (10, 12), 3, _GREY),
        Kind("US", ("6.1", "3.1"), "US", ((480, 640), (600, 800), (768, 1024)), (8,), 12, ("MONOCHROME2", "RGB", "YBR_FULL")),
        Kind("SC", ("7", "7.4"), "OT", ((512, 512), (768, 1024)), (8,), 2, ("MONOCHROME2", "MONOCHROME1", "RGB", "YBR_FULL")),
        Kind("MG", ("1.2", "1.2"), "MG", ((2294, 1914), (1770, 1040)), (12, 14), 3, _GREY),
        Kind("XA", ("12.1", "12.1"), "XA", ((512, 512), (1024, 1024)), (8, 10, 12), 5, _GREY),
    )
}


@dataclass(frozen=True)
class Inscription:
    """A text or mark that was drawn: where its ink is, in which frames, and how hard it is to see."""

    text: str
    mark: bool
    ink: np.ndarray
    frames: tuple[int, int]
    size: int
    contrast: int
    over_anatomy: bool
    turned: bool
    dark: bool


@dataclass(frozen=True)
class DrawnImage:
    """A file, the stored values that it holds (frames, rows, columns, samples), and what was written in them."""

    content: bytes
    values: np.ndarray
    inscriptions: tuple[Inscription, ...]
    kind: str
    colour: str
    syntax: str


def drawn(kind: str, number: int) -> DrawnImage:
    """Draw one image.

    Args:
        kind: CT, CR, US, SC, MG or XA.
        number: Which one; the same number gives the same image.
    """
    about = KINDS[kind]
    rng = np.random.default_rng([14, list(KINDS).index(kind), number])
    rows, columns = about.sizes[rng.integers(len(about.sizes))]
    several = (about.classes[0] != about.classes[1] and number % 5 == 4) or (kind == "XA" and number % 2 == 1)
    frames = int(rng.integers(3, 7)) if several else 1
    colour = about.colours[number % len(about.colours)]
    syntax = SYNTAXES[(number // len(about.colours)) % len(SYNTAXES)]
    body = _anatomy(rng, kind, rows, columns)
    shown = np.stack([_grainy(rng, np.roll(body, 3 * at, axis=1), about.grain) for at in range(frames)])
    region = (columns // 12, rows // 8, columns - columns // 12, rows - rows // 16) if kind == "US" and number % 2 else None
    picture = np.repeat(shown[..., None], 3, axis=3) if colour in ("RGB", "YBR_FULL") else shown[..., None]
    said = _inscriptions(rng, picture, body, region)
    signed = kind == "CT" and colour == "MONOCHROME2" and syntax in (NATIVE, RLE) and number % 4 < 2
    bits = 12 if signed else int(rng.choice(about.bits))
    values = _stored(rng, picture, colour, bits)
    if signed:
        values = (values.astype(np.int32) - 1024).astype(np.int16)
        bits = 16
    ds = _header(about, values, colour, bits, region, several)
    return DrawnImage(_encoded(ds, values, syntax), values, said, kind, colour, syntax)


def _anatomy(rng: np.random.Generator, kind: str, rows: int, columns: int) -> np.ndarray:
    """Return a body on black: shapes of several levels, 0 to 255; on projections it fills most of the image."""
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    body = np.zeros((rows, columns), np.float32)
    if kind == "US":
        away, angle = np.hypot(y + rows * 0.1, x - columns / 2), np.arctan2(x - columns / 2, y + rows * 0.1)
        fan = (np.abs(angle) < 0.6) & (away > rows * 0.25) & (away < rows * 1.02)
        return np.where(fan, 70 + 50 * np.sin(away / 23) * np.cos(angle * 9), 0).astype(np.float32)
    shapes = [(0.5, 0.5, 0.42, 0.36, 110.0)] if kind in ("CT", "SC") else [(0.5, 0.5, 0.9, 0.7, 120.0)]
    if kind == "MG":
        shapes = [(0.5, 0.0, 0.45, 0.75, 110.0)]
    for _ in range(12):
        shapes.append((*rng.uniform(0.2, 0.8, 2), *rng.uniform(0.02, 0.14, 2), rng.uniform(-60, 90)))  # type: ignore[arg-type]
    first = ((y / rows - shapes[0][0]) / shapes[0][2]) ** 2 + ((x / columns - shapes[0][1]) / shapes[0][3]) ** 2 < 1
    for top, left, high, wide, level in shapes:
        inside = ((y / rows - top) / high) ** 2 + ((x / columns - left) / wide) ** 2
        body += np.where(first, level / (1 + np.exp(np.clip((inside - 1) * 20, -30, 30))), 0)
    if kind in ("CR", "XA"):
        body += np.where(first, 25 * np.sin(y / rows * 50 + np.abs(x / columns - 0.5) * 12), 0)
    return np.clip(body, 0, 230)


def _grainy(rng: np.random.Generator, body: np.ndarray, grain: float) -> np.ndarray:
    noise = rng.standard_normal(body.shape, dtype=np.float32) * grain
    return np.clip(np.where(body > 0, body + noise, np.abs(noise) / 4), 0, 255)


def _words(rng: np.random.Generator) -> str:
    day = f"{rng.integers(1, 29):02d}/{rng.integers(1, 13):02d}/{rng.integers(1930, 2024)}"
    family, given = FAMILY[rng.integers(len(FAMILY))], GIVEN[rng.integers(len(GIVEN))]
    number = str(rng.integers(10**6, 10**8))
    return str(
        rng.choice([
            f"{family}^{given}", f"{family} {given}", f"{family}, {given} {day}", day, f"ID: {number}", number, f"Né(e) le {day}",
            str(rng.choice(WORDS)), f"{day} {rng.integers(24):02d}:{rng.integers(60):02d}:{rng.integers(60):02d}", f"Acc {number}",
        ])
    )  # fmt: skip


def _inscriptions(
    rng: np.random.Generator, picture: np.ndarray, body: np.ndarray, region: tuple[int, int, int, int] | None
) -> tuple[Inscription, ...]:
    """Draw texts and marks into a picture; marks stay inside the region, where one is named."""
    frames, rows, columns, _ = picture.shape
    taken = np.zeros((rows, columns), bool)
    said: list[Inscription] = []
    for mark in [False] * int(rng.integers(1, 5)) + [True] * int(rng.integers(0, 3)):
        text = str(rng.choice(MARKS)) if mark else _words(rng)
        size, turned = int(rng.integers(14 if mark else 9, 41)), not mark and rng.random() < 0.04
        glyphs = _glyphs(text, str(rng.choice(TYPEFACES)), size)
        glyphs = np.rot90(glyphs, int(rng.choice([1, 3]))) if turned else glyphs
        place = _place(rng, taken, body, glyphs.shape, region if mark else None)
        if place is None:
            continue
        top, left = place
        part = np.s_[top : top + glyphs.shape[0], left : left + glyphs.shape[1]]
        taken[max(0, top - 14) : top + glyphs.shape[0] + 14, max(0, left - 30) : left + glyphs.shape[1] + 30] = True
        ink = np.zeros((rows, columns), bool)
        ink[part] = glyphs > 0.35
        seen_under = picture[(slice(None), *part)]
        least = 110 if mark else 40
        level = _level(rng, seen_under, least)
        if level is None:
            continue
        dark = level < float(np.median(seen_under))
        contrast = int(np.percentile(np.abs(level - seen_under), 5))
        whole = frames == 1 or mark or rng.random() < 0.7
        first = 0 if whole else int(rng.integers(frames))
        last = frames if whole else int(rng.integers(first + 1, frames + 1))
        tint = _tint(rng, picture.shape[3]) if not dark else np.ones(picture.shape[3])
        seen = picture[(slice(first, last), *part)]
        picture[(slice(first, last), *part)] = seen + (level * tint - seen) * glyphs[None, :, :, None]
        said.append(Inscription(text, mark, ink, (first, last), size, contrast, bool(body[part].mean() > 20), turned, dark))
    return tuple(said)


def _level(rng: np.random.Generator, under: np.ndarray, least: int) -> float | None:
    """Return a level that differs from 95 in 100 values under the text by `least` or more; None where no level does."""
    low, high = (float(one) for one in np.percentile(under, (5, 95)))
    contrast = int(rng.integers(least, 256))
    choices = [min(255.0, high + contrast)] if high + least <= 255 else []
    choices += [max(0.0, low - contrast)] if low - least >= 0 else []
    return choices[0 if rng.random() < 0.7 else -1] if choices else None


def _tint(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Return the colour of a text: white, yellow, green or cyan, as ultrasound devices write."""
    if samples == 1:
        return np.ones(1)
    return np.array([(1, 1, 1), (1, 1, 1), (1, 1, 0.3), (0.4, 1, 0.4), (0.4, 1, 1)][rng.integers(5)])


def _glyphs(text: str, typeface: str, size: int) -> np.ndarray:
    font = ImageFont.truetype(typeface, size)
    left, top, right, bottom = (int(one) for one in font.getbbox(text))
    picture = Image.new("L", (right - left + 2, bottom - top + 2))
    ImageDraw.Draw(picture).text((1 - left, 1 - top), text, fill=255, font=font)
    return np.asarray(picture, dtype=np.float32) / 255


def _place(
    rng: np.random.Generator, taken: np.ndarray, body: np.ndarray, size: tuple[int, ...], region: tuple[int, int, int, int] | None
) -> tuple[int, int] | None:
    """Return a free place for glyphs, over anatomy or not as it was drawn; None when there is no room."""
    rows, columns = taken.shape
    left, top, right, bottom = region or (2, 2, columns - 2, rows - 2)
    high, wide = size
    if bottom - high <= top or right - wide <= left:
        return None
    over = rng.random() < 0.5
    for trial in range(40):
        y, x = int(rng.integers(top, bottom - high)), int(rng.integers(left, right - wide))
        part = np.s_[y : y + high, x : x + wide]
        if not taken[part].any() and (trial > 25 or bool((body[part] > 20).mean() > 0.8) == over):
            return y, x
    return None


def _stored(rng: np.random.Generator, picture: np.ndarray, colour: str, bits: int) -> np.ndarray:
    most = 2**bits - 1
    values = np.clip(np.rint(picture * (most / 255)), 0, most)
    if colour == "MONOCHROME1":
        values = most - values
    if colour == "YBR_FULL":
        turn = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
        values = np.clip(np.rint(values @ turn.T + [0, 128, 128]), 0, 255)
    return values.astype(np.uint8 if bits <= 8 else np.uint16)


def _header(
    about: Kind, values: np.ndarray, colour: str, bits: int, region: tuple[int, int, int, int] | None, several: bool
) -> FileDataset:
    ds = FileDataset("", {}, file_meta=FileMetaDataset(), preamble=bytes(128))
    ds.SpecificCharacterSet, ds.Modality = "ISO_IR 100", about.modality
    ds.SOPClassUID = _BASE + about.classes[several]
    ds.SOPInstanceUID = ds.StudyInstanceUID = ds.SeriesInstanceUID = generate_uid(entropy_srcs=["drawn"])
    ds.PatientID, ds.PatientName, ds.StudyDate = "IPP0081234", "NOBODY^Drawn", "20190312"
    ds.ImageType = ["DERIVED", "SECONDARY", "SCREEN SAVE"] if about.name == "CT" else ["ORIGINAL", "PRIMARY"]
    ds.Rows, ds.Columns, ds.SamplesPerPixel = *values.shape[1:3], values.shape[3]
    ds.PhotometricInterpretation = colour
    ds.BitsAllocated = 8 * values.dtype.itemsize
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits - 1, int(values.dtype.kind == "i")
    if values.shape[3] > 1:
        ds.PlanarConfiguration = 0
    if several:
        ds.NumberOfFrames = len(values)
    if region:
        item = Dataset()
        item.RegionLocationMinX0, item.RegionLocationMinY0, item.RegionLocationMaxX1, item.RegionLocationMaxY1 = region
        ds.SequenceOfUltrasoundRegions = Sequence([item])
    return ds


def _encoded(ds: FileDataset, values: np.ndarray, syntax: str) -> bytes:
    ds.file_meta.TransferSyntaxUID = UID(NATIVE)
    ds.PixelData = values.tobytes() + b"\0" * (values.nbytes % 2)
    ds["PixelData"].VR = "OB" if values.dtype.itemsize == 1 else "OW"
    if syntax in (RLE, JPEG_LS):
        ds.compress(UID(syntax), generate_instance_uid=False)
    elif syntax != NATIVE:
        encode = _jpeg_2000 if syntax == JPEG_2000 else _jpeg_lossless
        ds.PixelData = encapsulate([encode(frame) for frame in values])
        ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
        ds.file_meta.TransferSyntaxUID = UID(syntax)
        if syntax == JPEG_2000 and ds.PhotometricInterpretation == "RGB":
            ds.PhotometricInterpretation = "YBR_RCT"
    out = io.BytesIO()
    pydicom.dcmwrite(out, ds, enforce_file_format=True)
    return out.getvalue()


def _jpeg_2000(frame: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(frame.squeeze()).save(out, "JPEG2000", irreversible=False, no_jp2=True)
    return out.getvalue()


def _jpeg_lossless(frame: np.ndarray) -> bytes:
    """Return a frame as JPEG Lossless, by the GDCM that SimpleITK brings."""
    import SimpleITK as sitk

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.dcm"
        writer = sitk.ImageFileWriter()
        writer.SetFileName(path.as_posix())
        writer.SetImageIO("GDCMImageIO")
        writer.SetUseCompression(True)
        writer.SetCompressor("JPEG")
        writer.Execute(sitk.GetImageFromArray(frame.squeeze(), isVector=frame.shape[-1] > 1))
        return next(generate_frames(pydicom.dcmread(path).PixelData, number_of_frames=1))
