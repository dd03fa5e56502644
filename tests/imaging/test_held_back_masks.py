"""Masks on images as outsiders bring them: each row is a situation with its truth, or it is refused and told by place.

The truth is taken from the arrays that were written: voxels and mean of each region. Nothing else may stand in the table.
"""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pydicom
import pytest
import SimpleITK as sitk

from tests.imaging.dicom_maker import uid, write_rtstruct, write_series
from tests.imaging.test_segmentation import write_seg
from unibase.groundwork.problems import UserError
from unibase.imaging.commands import PlainRun, extract_plain
from unibase.imaging.grid import Array
from unibase.imaging.options import Choices
from unibase.imaging.radiomics.settings import make_settings

SHAPE, SPACING, ORIGIN = (8, 18, 21), (0.9, 0.9, 2.5), (-31.0, 12.5, 40.0)
RNG = np.random.default_rng(2211)
IMAGE = RNG.integers(-200, 400, SHAPE).astype(np.int16)
OTHER = RNG.integers(0, 900, SHAPE).astype(np.int16)
A, B = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
A[2:6, 3:9, 4:13] = True
B[4:7, 11:16, 14:19] = True
LABELS = (A + 2 * B).astype(np.uint8)
BOTH = [(A, IMAGE), (B, IMAGE)]
NOTHING: list[tuple[Array, Array]] = []
FIRST = make_settings({"featureClass": {"firstorder": ["Mean"], "shape": ["VoxelVolume"]}})


def picture(array: Array, spacing: Any = SPACING, origin: Any = ORIGIN, direction: Any = None) -> Any:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing[: image.GetDimension()])
    image.SetOrigin(origin[: image.GetDimension()])
    if direction is not None:
        image.SetDirection(direction)
    return image


def write(path: Path, array: Any, compress: bool = False, **place: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(picture(array, **place) if isinstance(array, np.ndarray) else array, str(path), compress)
    return path


Build = Callable[[Path], Any]


def files(images: dict[str, Array], masks: dict[str, Array], text: dict[str, str] | None = None) -> Build:
    """Write images, masks and texts under their names."""

    def build(home: Path) -> Path:
        for name, array in {**images, **masks}.items():
            write(home / name, array)
        for name, words in (text or {}).items():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(words, encoding="utf-8")
        return home

    return build


def pair(mask: Any, suffix: str = ".nii.gz", image: Array = IMAGE, **place: Any) -> Build:
    """Write one image and one mask, given as an array or by a function of its path."""

    def build(home: Path) -> Path:
        write(home / f"p_image{'.nii.gz' if suffix != '.nrrd' else suffix}", image)
        if callable(mask):
            mask(home / f"p_mask{suffix}")
        else:
            write(home / f"p_mask{suffix}", mask, **place)
        return home

    return build


def changed(mask: Array, change: Callable[[Path], Any], suffix: str) -> Callable[[Path], Any]:
    """Write a mask and change its file."""

    def of(path: Path) -> None:
        write(path, mask)
        change(path)

    return of


def swapped_names(path: Path) -> None:
    """Give the content of a compressed file the name of a plain one, or the other way round."""
    content = path.read_bytes()
    path.write_bytes(gzip.decompress(content) if path.name.endswith(".gz") else gzip.compress(content))


def header(offset: int, form: str, *values: float) -> Callable[[Path], Any]:
    """Write values into the header of a NIfTI file."""

    def change(path: Path) -> None:
        content = bytearray(path.read_bytes())
        part = np.array(values, form).tobytes()
        content[offset : offset + len(part)] = part
        path.write_bytes(bytes(content))

    return change


def moved(axes: tuple[int, int, int], flips: tuple[int, ...] = ()) -> Callable[[Path], Any]:
    """Write the labels with axes in another order and some of them reversed, at their own place in the room."""

    def of(path: Path) -> None:
        image = sitk.PermuteAxes(picture(LABELS), axes)
        write(path, sitk.Flip(image, [k in flips for k in range(3)], False))

    return of


def cut(low: tuple[int, int, int], size: tuple[int, int, int]) -> Callable[[Path], Any]:
    """Write the labels cut to a box, given as x, y, z."""
    return lambda path: write(path, sitk.RegionOfInterest(picture(LABELS), size, low))


def wider(value: int) -> Callable[[Path], Any]:
    """Write the labels with three voxels more on every side, and this value in the outermost corner."""

    def of(path: Path) -> None:
        image = sitk.ConstantPad(picture(LABELS), (3, 3, 3), (3, 3, 3), 0)
        image[0, 0, 0] = value
        write(path, image)

    return of


def shifted(part: float) -> Callable[[Path], Any]:
    return lambda path: write(path, LABELS, origin=(ORIGIN[0] + part * SPACING[0], *ORIGIN[1:]))


def detached(path: Path) -> None:
    """Write an NRRD whose data lie in a file of their own, compressed."""
    raw = path.with_name("labels.raw.gz")
    raw.write_bytes(gzip.compress(LABELS.tobytes()))
    step = "({},0,0) (0,{},0) (0,0,{})".format(*SPACING)
    place = "({},{},{})".format(*ORIGIN)
    path.write_text(
        f"NRRD0004\ntype: uint8\ndimension: 3\nspace: left-posterior-superior\nsizes: 21 18 8\nspace directions: {step}\n"
        f"kinds: domain domain domain\nencoding: gzip\nspace origin: {place}\ndata file: {raw.name}\n"
    )


def detached_and_lost(path: Path) -> None:
    detached(path)
    path.with_name("labels.raw.gz").unlink()


def four_dimensional(arrays: list[Array]) -> Callable[[Path], Any]:
    return lambda path: write(path, sitk.JoinSeries([picture(array) for array in arrays]))


def capitals(home: Path) -> Path:
    for name, array in (("CAS1_IMAGE", IMAGE), ("CAS1_MASK", LABELS)):
        write(home / "x.nii.gz", array).rename(home / f"{name}.NII.GZ")
    return home


def series_of_images(home: Path) -> Path:
    """One 4-D image of three times and a mask of three dimensions."""
    write(home / "p_mask.nii.gz", LABELS)
    four_dimensional([IMAGE, OTHER, IMAGE])(home / "p_image.nii.gz")
    return home


def list_of(text: str, encoding: str = "utf-8") -> Build:
    """A list beside two cases, `un` and `deux`, in one folder each."""

    def build(home: Path) -> Path:
        for name, image in (("un", IMAGE), ("deux", OTHER)):
            write(home / name / "scan.nii.gz", image)
            write(home / name / "seg.nii.gz", LABELS)
        path = home / "liste.csv"
        path.write_bytes(text.replace("{home}", str(home)).encode(encoding))
        return path

    return build


def outline(low: float, high: float, slices: range) -> list[Array]:
    corners = [(low, low), (high, low), (high, high), (low, high)]
    return [np.array([(x, y, 2.0 * k) for x, y in corners]) for k in slices]


def box(low: float, high: float, slices: range) -> Array:
    mask = np.zeros(SHAPE, bool)
    k = slice(int(np.ceil(low)), int(np.floor(high)) + 1)
    mask[slices.start : slices.stop, k, k] = True
    return mask


DRAWN = (2.5, 9.5, range(2, 6))
SMALL = (4.5, 7.5, range(3, 5))
GTV, LITTLE = [(box(*DRAWN), IMAGE)], [(box(*SMALL), IMAGE)]


def ct(home: Path, array: Array = IMAGE, **options: Any) -> list[Path]:
    return write_series(home, array, spacing=(1.0, 1.0, 2.0), **options)


def structures(rois: Any, change: Callable[[Any], None] | None = None, **options: Any) -> Build:
    """A CT and a structure set."""

    def build(home: Path) -> Path:
        ct(home / "ct")
        path = write_rtstruct(home / "rs" / "rs.dcm", rois, **options)
        if change is not None:
            dataset = pydicom.dcmread(path)
            change(dataset)
            dataset.save_as(path)
        return home

    return build


def both(*builds: Callable[[Path], Any]) -> Build:
    def build(home: Path) -> Path:
        for one in builds:
            one(home)
        return home

    return build


def charset(name: str) -> Callable[[Any], None]:
    def change(dataset: Any) -> None:
        dataset.SpecificCharacterSet = name

    return change


def references(series: int, instances: list[str]) -> Callable[[Any], None]:
    """Have a structure set name a series and instances."""

    def change(dataset: Any) -> None:
        (frame,) = dataset.ReferencedFrameOfReferenceSequence
        (item,) = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence
        item.SeriesInstanceUID = uid(series)
        item.ContourImageSequence = []
        for instance in instances:
            one = pydicom.Dataset()
            one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", instance
            item.ContourImageSequence.append(one)

    return change


def no_contours(dataset: Any) -> None:
    del dataset.ROIContourSequence[0].ContourSequence


def no_number(dataset: Any) -> None:
    dataset.ROIContourSequence[0].ReferencedROINumber = 99


SEGMENTS = np.stack([box(*DRAWN), box(*SMALL)], axis=-1)


def segments(kind: str, pixels: Array, change: Callable[[Any], None] | None = None, **options: Any) -> Build:
    """A CT and a segmentation of it."""

    def build(home: Path) -> Path:
        paths = ct(home / "ct")
        path = write_seg(home / "seg.dcm", paths, pixels, kind, **options)
        if change is not None:
            dataset = pydicom.dcmread(path)
            change(dataset)
            dataset.save_as(path)
        return home

    return build


def without_reference(dataset: Any) -> None:
    for name in ("ReferencedSeriesSequence", "SourceImageSequence"):
        if name in dataset:
            delattr(dataset, name)


def of_another_frame(dataset: Any) -> None:
    dataset.FrameOfReferenceUID = uid(4321)
    without_reference(dataset)


Row = tuple[str, Build, list[tuple[Array, Array]]]
LAYOUTS: list[Row] = [
    (
        "nnU-Net with its dataset.json",
        files(
            {"imagesTr/lyon_001_0000.nii.gz": IMAGE},
            {"labelsTr/lyon_001.nii.gz": LABELS},
            {"dataset.json": '{"labels": {"background": 0, "tumor": 1, "node": 2}, "channel_names": {"0": "CT"}}'},
        ),
        BOTH,
    ),
    (
        "MSD with what a Mac leaves beside every file",
        files(
            {"imagesTr/lung_001.nii.gz": IMAGE},
            {"labelsTr/lung_001.nii.gz": LABELS},
            {"imagesTr/._lung_001.nii.gz": "Mac OS X", "labelsTr/._lung_001.nii.gz": "Mac OS X"},
        ),
        BOTH,
    ),
    (
        "BraTS 2023, two of its four images",
        files(
            {f"BraTS-GLI-00001-000/BraTS-GLI-00001-000-{kind}.nii.gz": a for kind, a in (("t1c", IMAGE), ("t2f", OTHER))},
            {"BraTS-GLI-00001-000/BraTS-GLI-00001-000-seg.nii.gz": LABELS},
        ),
        [*BOTH, (A, OTHER), (B, OTHER)],
    ),
    (
        "HECKTOR with the mask in a folder of its own",
        files({"imagesTr/MDA-036__CT.nii.gz": IMAGE, "imagesTr/MDA-036__PT.nii.gz": OTHER}, {"labelsTr/MDA-036.nii.gz": LABELS}),
        [*BOTH, (A, OTHER), (B, OTHER)],
    ),
    (
        "TotalSegmentator, a file an organ",
        files(
            {"s0011/ct.nii.gz": IMAGE},
            {"s0011/segmentations/liver.nii.gz": A.astype(np.uint8), "s0011/segmentations/spleen.nii.gz": B.astype(np.uint8)},
        ),
        BOTH,
    ),
    (
        "TotalSegmentator with an organ that is not in the image",
        files(
            {"s0012/ct.nii.gz": IMAGE},
            {"s0012/segmentations/liver.nii.gz": A.astype(np.uint8), "s0012/segmentations/brain.nii.gz": 0 * LABELS},
        ),
        [(A, IMAGE)],
    ),
    ("KiTS", files({"case_00007/imaging.nii.gz": IMAGE}, {"case_00007/segmentation.nii.gz": LABELS}), BOTH),
    ("LiTS, volume and segmentation", files({"volume-3.nii": IMAGE}, {"segmentation-3.nii": LABELS}), BOTH),
    ("PROMISE12 in MetaImage", files({"Case04.mhd": IMAGE}, {"Case04_segmentation.mhd": LABELS}), BOTH),
    (
        "ACDC with the 4-D file that its frames come from",
        both(
            files({"patient001_frame01.nii.gz": IMAGE}, {"patient001_frame01_gt.nii.gz": LABELS}),
            lambda home: four_dimensional([OTHER, OTHER])(home / "patient001_4d.nii.gz"),
        ),
        BOTH,
    ),
    ("suffixes in capitals", capitals, BOTH),
    ("accents and blanks", files({"CHU-été/Pièce 1_image.nrrd": IMAGE}, {"CHU-été/Pièce 1_mask.nrrd": LABELS}), BOTH),
    (
        "two readers in one folder",
        files({"c_image.nii.gz": IMAGE}, {"c_mask_R1.nii.gz": A.astype(np.uint8), "c_mask_R2.nii.gz": B.astype(np.uint8)}),
        BOTH,
    ),
    (
        "the same exam in two folders",
        files(
            {"site1/x_image.nii.gz": IMAGE, "site2/x_image.nii.gz": IMAGE}, {f"site{k}/x_mask.nii.gz": LABELS for k in (1, 2)}
        ),
        [*BOTH, *BOTH],
    ),
    ("codes of two cases", files({"p1_image.nii.gz": IMAGE}, {"p2_mask.nii.gz": LABELS}), NOTHING),
    ("a case and a number of its own for the mask", files({"pat007_ct.nii.gz": IMAGE}, {"lesion2_mask.nii.gz": LABELS}), BOTH),
    ("one letter apart", files({"p1_image.nii.gz": IMAGE}, {"p1l_mask.nii.gz": LABELS}), NOTHING),
    ("masks of patients 1 and 11", files({"p1_image.nii.gz": IMAGE, "p11_image.nii.gz": OTHER}, {"p11_mask.nii.gz": LABELS}), [
        (A, OTHER),
        (B, OTHER),
    ]),
]  # fmt: skip

FORMATS: list[Row] = [
    ("NRRD with a header of its own", pair(detached, ".nhdr"), BOTH),
    ("NRRD whose data are not there", pair(detached_and_lost, ".nhdr"), NOTHING),
    ("compressed under a plain name", pair(changed(LABELS, swapped_names, ".nii"), ".nii"), NOTHING),
    ("plain under a compressed name", pair(changed(LABELS, swapped_names, ".nii.gz"), ".nii.gz"), BOTH),
    ("labels in 32-bit floating point", pair(LABELS.astype(np.float32)), BOTH),
    ("labels in 64-bit floating point, NRRD", pair(LABELS.astype(np.float64), ".nrrd"), BOTH),
    ("labels a hair beside whole numbers", pair((LABELS * 1.0000001).astype(np.float64)), NOTHING),
    ("a probability map", pair((LABELS * 0.37).astype(np.float32)), NOTHING),
    ("labels that were interpolated", pair((A + 0.5 * B).astype(np.float32)), NOTHING),
    ("one region of value 255", pair((A * 255).astype(np.uint8)), [(A, IMAGE)]),
    ("signed bytes with -1 outside", pair(np.where(A, 1, -1).astype(np.int8)), [(A, IMAGE)]),
    ("64-bit whole numbers", pair(LABELS.astype(np.int64), ".nrrd"), BOTH),
    ("unsigned 64 bits", pair(LABELS.astype(np.uint64), ".nrrd"), BOTH),
    ("label 65535", pair((A * 65535).astype(np.uint16)), [(A, IMAGE)]),
    ("MetaImage on NIfTI", pair(LABELS, ".mha"), BOTH),
    ("Analyze pair with NIfTI header", pair(LABELS, ".hdr"), BOTH),
    ("a fourth axis of one", pair(four_dimensional([LABELS])), BOTH),
    ("two masks in a fourth axis", pair(four_dimensional([A.astype(np.uint8), B.astype(np.uint8)])), NOTHING),
    ("an image of three times with one mask", series_of_images, [*BOTH, (A, OTHER), (B, OTHER), *BOTH]),
    ("a slope of zero", pair(changed(LABELS, header(112, "<f4", 0.0), ".nii"), ".nii"), BOTH),
    ("a slope of two", pair(changed(LABELS, header(112, "<f4", 2.0), ".nii"), ".nii"), BOTH),
    ("a slope that gives no whole numbers", pair(changed(LABELS, header(112, "<f4", 0.3), ".nii"), ".nii"), NOTHING),
    ("neither of the two forms of NIfTI", pair(changed(LABELS, header(252, "<i2", 0, 0), ".nii"), ".nii"), NOTHING),
    ("one form of NIfTI alone", pair(changed(LABELS, header(252, "<i2", 0), ".nii"), ".nii"), BOTH),
    (
        "three colours that are equal",
        pair(lambda path: write(path, sitk.Compose(*[picture(LABELS)] * 3)), ".nrrd"),
        BOTH,
    ),
    ("no number anywhere", pair(np.full(SHAPE, np.nan, np.float32)), NOTHING),
    ("nothing marked", pair(0 * LABELS), NOTHING),
    ("the image as its own mask", pair(IMAGE), NOTHING),
    ("a text with the name of a mask", pair(lambda path: path.write_text("mask")), NOTHING),
    ("an empty file", pair(lambda path: path.write_bytes(b"")), NOTHING),
]

PLACES: list[Row] = [
    ("x reversed", pair(moved((0, 1, 2), (0,))), BOTH),
    ("all axes reversed", pair(moved((0, 1, 2), (0, 1, 2)), ".mha"), BOTH),
    ("axes as z, x, y", pair(moved((2, 0, 1))), BOTH),
    ("axes as y, x, z, two reversed", pair(moved((1, 0, 2), (0, 2)), ".nrrd"), BOTH),
    ("cut to a box", pair(cut((3, 2, 1), (17, 15, 7))), BOTH),
    ("cut to one region", pair(cut((4, 3, 2), (9, 6, 4))), [(A, IMAGE)]),
    ("wider than the image", pair(wider(0)), BOTH),
    ("off by 0.02 of a voxel", pair(shifted(0.02)), BOTH),
    ("off by half a voxel", pair(shifted(0.5)), NOTHING),
    ("off by two voxels", pair(shifted(2.0)), [(np.roll(A, 2, 2), IMAGE), (np.roll(B, 2, 2), IMAGE)]),
    ("voxels of another size", pair(LABELS, spacing=(1.0, 0.9, 2.5)), NOTHING),
    ("turned by five degrees", pair(LABELS, direction=[0.9962, -0.0872, 0, 0.0872, 0.9962, 0, 0, 0, 1]), NOTHING),
    ("in another place altogether", pair(LABELS, origin=(500.0, 500.0, 500.0)), NOTHING),
    ("a plane on a volume", pair(LABELS[4]), NOTHING),
]

LISTS: list[Row] = [
    ("semicolons", list_of("ID;Image;Mask\n1;un/scan.nii.gz;un/seg.nii.gz\n"), BOTH),
    ("tabs and a byte order mark", list_of("\ufeffImage\tMask\nun/scan.nii.gz\tun/seg.nii.gz\n"), BOTH),
    ("a label", list_of("Image,Mask,Label\nun/scan.nii.gz,un/seg.nii.gz,2\n"), [(B, IMAGE)]),
    ("a label that is not there", list_of("Image,Mask,Label\nun/scan.nii.gz,un/seg.nii.gz,7\n"), NOTHING),
    ("a file that is not there", list_of("Image,Mask\nun/scan.nii.gz,un/seg.nii.gz\nun/no.nii.gz,un/seg.nii.gz\n"), BOTH),
    ("whole paths", list_of("Image,Mask\n{home}/deux/scan.nii.gz,{home}/deux/seg.nii.gz\n"), [(A, OTHER), (B, OTHER)]),
    ("backslashes", list_of("Image,Mask\nun\\scan.nii.gz,un\\seg.nii.gz\n"), BOTH),
    ("latin-1 with an accent", list_of("Image,Mask,Hôpital\nun/scan.nii.gz,un/seg.nii.gz,CHU-été\n", "latin-1"), BOTH),
    ("an empty cell", list_of("Image,Mask\nun/scan.nii.gz,un/seg.nii.gz\ndeux/scan.nii.gz,\n"), BOTH),
]

STRUCTURES: list[Row] = [
    ("accents in UTF-8", structures([("Tumeur opérée", outline(*DRAWN))], charset("ISO_IR 192")), GTV),
    ("blanks around a name", structures([("  GTV ", outline(*DRAWN))]), GTV),
    ("two regions of one name", structures([("GTV", outline(*DRAWN)), ("GTV", outline(*SMALL))]), GTV + LITTLE),
    ("no series named", structures([("GTV", outline(*DRAWN))], series=None), GTV),
    ("the series of another export, right instances", structures([("GTV", outline(*DRAWN))], references(77, [uid(1, k + 1) for k in range(8)])), GTV),
    ("another frame of reference", structures([("GTV", outline(*DRAWN))], frame=12, series=None), NOTHING),
    ("points beside a region", structures([("Iso", [("POINT", np.array([[5.0, 5, 4]]))]), ("GTV", outline(*DRAWN))]), GTV),
    ("points alone", structures([("Iso", [("POINT", np.array([[5.0, 5, 4]]))])]), NOTHING),
    ("open lines", structures([("Cut", [("OPEN_PLANAR", c) for c in outline(*DRAWN)])]), NOTHING),
    ("a region without contours", structures([("None", outline(*SMALL)), ("GTV", outline(*DRAWN))], no_contours), GTV),
    ("contours of a region that is not named", structures([("X", outline(*SMALL)), ("GTV", outline(*DRAWN))], no_number), GTV),
    ("outside of the image", structures([("GTV", outline(500.5, 510.5, range(2, 5)))]), NOTHING),
    (
        "a region and one of another patient's structure set",
        both(structures([("GTV", outline(*DRAWN))]), lambda home: write_rtstruct(home / "o.dcm", [("O", outline(*SMALL))], frame=7, series=9, patient="2", study=8, number=78)),
        GTV,
    ),
    (
        "a series that was copied",
        both(structures([("GTV", outline(*DRAWN))]), lambda home: shutil.copytree(home / "ct", home / "copy" / "ct")),
        GTV,
    ),
    (
        "CT and MR in one folder, drawn on the CT",
        both(structures([("GTV", outline(*DRAWN))]), lambda home: ct(home / "ct2", OTHER, modality="MR", number=2, frame=55)),
        GTV,
    ),
    (
        "slices that do not follow one another",
        both(structures([("GTV", outline(*DRAWN))]), lambda home: (home / "ct" / "0004.dcm").unlink()),
        NOTHING,
    ),
]  # fmt: skip

SEGMENTATIONS: list[Row] = [
    ("overlapping segments", segments("BINARY", SEGMENTS), GTV + LITTLE),
    ("a label map", segments("LABELMAP", (SEGMENTS[..., 0] & ~SEGMENTS[..., 1]).astype(np.uint8) + 2 * SEGMENTS[..., 1].astype(np.uint8)), [(SEGMENTS[..., 0] & ~SEGMENTS[..., 1], IMAGE), *LITTLE]),
    ("full frames, empty ones too", segments("BINARY", SEGMENTS, omit_empty_frames=False), GTV + LITTLE),
    ("no reference", segments("BINARY", SEGMENTS, without_reference), GTV + LITTLE),
    ("another frame of reference and no reference", segments("BINARY", SEGMENTS, of_another_frame), NOTHING),
    ("fractional and certain", segments("FRACTIONAL", SEGMENTS.astype(float)), GTV + LITTLE),
    ("a NIfTI mask on a DICOM series", lambda home: ct(home / "ct") and write(home / "ct_mask.nii.gz", box(*DRAWN).astype(np.uint8), spacing=(1.0, 1.0, 2.0), origin=(0.0, 0.0, 0.0)) and home, GTV),
]  # fmt: skip


def outcome(source: Any, out: Path) -> tuple[list[tuple[float, float]], str]:
    """Return voxels' volume and mean of every row, and what was told of what has no row."""
    try:
        result = extract_plain(source, out, FIRST, PlainRun(Choices(engine="unibase", several="each")))
    except UserError as refused:
        return [], str(refused)
    rows = pl.read_parquet(out).select("shape_VoxelVolume", "firstorder_Mean").rows()
    told = [f"{one['unit']}: {one['reason']}" for one in result.quarantined]
    told += [
        f"{unit}: {reason}"
        for unit, reason in result.regions.filter(pl.col("status") == "refused").select("unit", "reason").rows()
    ]
    return sorted(rows), "; ".join(told)


def truth(want: list[tuple[Array, Array]], voxel: float) -> list[tuple[float, float]]:
    return sorted((float(mask.sum() * voxel), float(image[mask].mean())) for mask, image in want)


PLAIN = [*LAYOUTS, *FORMATS, *PLACES, *LISTS]
DICOM = [*STRUCTURES, *SEGMENTATIONS]
ROWS = [(*row, float(np.prod(SPACING))) for row in PLAIN] + [(*row, 2.0) for row in DICOM]


@pytest.mark.parametrize(("build", "want", "voxel"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_each_is_right_or_refused_by_name(tmp_path: Path, build: Build, want: Any, voxel: float) -> None:
    (tmp_path / "data").mkdir()
    rows, told = outcome(build(tmp_path / "data"), tmp_path / "out.parquet")
    # NIfTI keeps sizes of voxels in 32 bits.
    assert [pytest.approx(row, rel=1e-6) for row in truth(want, voxel)] == rows, told
    assert want or told
