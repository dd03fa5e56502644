"""Which plain mask goes with which plain image: read from the names of files and folders, and from their grids.

A file is a mask when a word of its name or of its folder says so (`mask`, `label`, `seg`, `roi`, `GTV`, ...). Its images are, the
first rule that finds one wins:

1. those of the same name, such words aside (`a_image` and `a_label`; `image/a` and `mask/a`);
2. those of the same name when modalities are left out too (`S1_flair`, `S1_t2` and `S1_seg`), and channels of nnU-Net
   (`imagesTr/c_0000` and `labelsTr/c`);
3. the one whose name the mask's goes on from (`case1` and `case1_liver`);
4. all images of the nearest folder at or above it, when those are of one case (`P1/ct`, `P1/pet` and `P1/mask`).

5. those of the same name, with a number in it, further below (`labels/10005_1` and `images/10005/10005_1_t2w`).

A folder of a reader (`reader1/`) holds masks, and so do the derivatives of BIDS that are named so. Two kinds of files are known
beside others: one that goes on from an image of its folder by `lesion`, `tumor` or `reader` (`P1_CT` and `P1_CT_lesion1`), and one
of few whole numbers that has the name of images without their modality (HECKTOR 2025: `C1__CT`, `C1__PT` and `C1`).

Where a rule finds several images, the mask serves those on whose lattice it lies. A mask without an image is told, by place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging.plain.case_codes import another_code
from unibase.imaging.plain.image import read_grid, read_sitk
from unibase.imaging.plain.whole import suffix_of
from unibase.imaging.reasons import MASK_WITHOUT_IMAGE
from unibase.imaging.regions.lattice import align

MASK_WORDS = frozenset(
    [
        "mask",
        "masks",
        "masque",
        "masques",
        "label",
        "labels",
        "lbl",
        "seg",
        "segm",
        "dseg",
        "segs",
        "segmentation",
        "segmentations",
        "roi",
        "rois",
        "annotation",
        "annotations",
        "contour",
        "contours",
        "gt",
        "groundtruth",
        "gtv",
        "gtvp",
        "gtvn",
        "gtvt",
        "gtvnd",
        "ctv",
        "ptv",
    ]
)
GOES_ON = frozenset({"lesion", "lesions", "lésion", "tumor", "tumour", "tumeur", "nodule", "reader", "rater", "anatomy"})
"""Words that tell a mask where the words before them are the name of an image of its folder."""
IMAGE_WORDS = frozenset({"image", "images", "img", "imgs", "imaging", "volume", "volumes", "scan", "scans"})
MODALITY_WORDS = frozenset(
    [
        "ct",
        "ctres",
        "cect",
        "ncct",
        "cbct",
        "pt",
        "pet",
        "petct",
        "suv",
        "suvbw",
        "mr",
        "mri",
        "t1",
        "t1c",
        "t1ce",
        "t1gd",
        "t1n",
        "t1w",
        "t1km",
        "t2",
        "t2w",
        "t2f",
        "flair",
        "pd",
        "pdw",
        "dwi",
        "adc",
        "hbv",
        "tra",
        "sag",
        "cor",
        "dce",
        "swi",
        "us",
        "mg",
        "dx",
        "cr",
        "arterial",
        "portal",
        "venous",
        "delayed",
    ]
)
PLAIN_FOLDERS = frozenset(
    [
        "nifti",
        "niftis",
        "nii",
        "nrrd",
        "mha",
        "derived",
        "derivatives",
        "output",
        "outputs",
        "instances",
        "export",
        "exports",
        "anat",
        "pet",
    ]
)
"""Folders that tell the kind of a file and no case."""

_KIND_FOLDER = re.compile(r"(?P<word>[a-z]+?)(?P<part>tr|ts|te|val)?")
_READER = re.compile(r"(reader|rater|observer|annotator|expert|lecteur)[-_ ]?([a-z]|\d{1,2})")
_MOST_LABELS = 64


@dataclass(frozen=True)
class Unplaced:
    """A mask file that goes with no image.

    Attributes:
        place: Its path relative to the folder.
        message: Why.
        remedy: What can be done.
    """

    place: str
    message: str
    remedy: str = "Name both alike, such as a_image.nrrd and a_mask.nrrd, or list them: columns Image, Mask."
    reason: str = MASK_WITHOUT_IMAGE


@dataclass(frozen=True)
class Layout:
    """What a folder of plain images holds.

    Attributes:
        pairs: Image, relative to the folder, to its masks.
        unplaced: Masks that go with no image.
    """

    pairs: dict[str, tuple[Path, ...]]
    unplaced: list[Unplaced] = field(default_factory=list)


@dataclass(frozen=True)
class _File:
    """A file and what its name says: the folder of its case, the words left of its name, and those without modalities."""

    path: Path
    relative: str
    place: tuple[str, ...]
    words: tuple[str, ...]
    mask: bool
    in_kind_folder: bool

    @property
    def case(self) -> tuple[str, ...]:
        return tuple(word for word in self.words if word not in MODALITY_WORDS)


def find_pairs(folder: Path, resample: bool = False) -> Layout:
    """Return which masks of a folder go with which images, by the rules above.

    Args:
        folder: Searched with all that is below it.
        resample: Masks on other lattices will be resampled, so that lattices do not choose between images.
    """
    found_files = [
        _described(path, PurePosixPath(path.relative_to(folder).as_posix()))
        for path in sorted(folder.rglob("*"))
        if suffix_of(path) and not path.name.startswith(".") and path.is_file()
    ]
    files = [_beside(file, found_files) for file in found_files]
    images = [file for file in files if not file.mask]
    pairs: dict[str, list[Path]] = {image.relative: [] for image in images}
    unplaced = []
    masks = [file for file in files if file.mask]
    by_name = {mask.relative: _by_name(mask, _near(mask, images)) for mask in masks}
    named = {mask.place for mask in masks if mask.case and by_name[mask.relative]}
    for mask in masks:
        found = by_name[mask.relative] or _by_folder(mask, _near(mask, images), mask.place in named)
        if isinstance(found, str):
            found = _further_below(mask, images) or found
        if isinstance(found, str):
            unplaced.append(Unplaced(mask.relative, found))
            continue
        for image in found if len(found) == 1 or resample else _on_lattice(mask, found):
            pairs[image.relative].append(mask.path)
    return Layout({name: tuple(paths) for name, paths in pairs.items()}, unplaced)


def _described(path: Path, relative: PurePosixPath) -> _File:
    stem = relative.name[: -len(suffix_of(path))]
    # A capital after a small letter begins a word too: LesionMask.
    words = [word.lower() for word in re.split(r"[-_. ]+|(?<=[a-z])(?=[A-Z])", stem) if word]
    if len(words) == 1 and (numbered := re.fullmatch(r"([a-z]+)(\d+)", words[0])) and numbered[1] in MASK_WORDS | IMAGE_WORDS:
        words = [numbered[1], numbered[2]]  # img1 and mask1
    place, mask, kind = [], any(_tells_mask(word) for word in words), False
    for part in _of_case(relative.parts[:-1]):
        said = _kind_of_folder(part)
        place += [part] if said is None else said.left
        mask, kind = mask or (said is not None and said.mask), kind or said is not None
    left = tuple(word for word in words if word not in IMAGE_WORDS and not _tells_mask(word))
    return _File(path, relative.as_posix(), tuple(place), left, mask, kind)


def _tells_mask(word: str) -> bool:
    """Whether a word, or what stands before its number, says mask: `seg`, `gtv2`."""
    return word in MASK_WORDS or (word.rstrip("0123456789") in MASK_WORDS)


def _of_case(folders: tuple[str, ...]) -> tuple[str, ...]:
    """Return folders without those of BIDS' derivatives, `derivatives/<pipeline>`, which repeat the tree of the images."""
    repeats = len(folders) > 2 and folders[0] == "derivatives" and folders[2].startswith("sub-")
    return folders[2:] if repeats else folders


@dataclass(frozen=True)
class _Kind:
    """What a folder of masks or images says: which of both, and what is left of its name that may tell cases apart."""

    mask: bool
    left: list[str]


def _kind_of_folder(name: str) -> _Kind | None:
    """Return what a folder says of its files; None for one that is a case, or anything else.

    imagesTr and labelsTr are one place, imagesTs another; so are images_before and masks_before.
    """
    part, known = name.lower(), MASK_WORDS | IMAGE_WORDS
    if part in known:
        return _Kind(part in MASK_WORDS, [])
    if _READER.fullmatch(part):
        return _Kind(True, [])
    found = _KIND_FOLDER.fullmatch(part)
    if found and found["part"] and found["word"] in known:
        return _Kind(found["word"] in MASK_WORDS, [found["part"]])
    words = re.split(r"[-_. ]+", part)
    if not known & set(words) or any(word.isdigit() for word in words):
        return None
    return _Kind(bool(MASK_WORDS & set(words)), [word for word in words if word not in known])


def _beside(file: _File, files: Sequence[_File]) -> _File:
    """Return a file as a mask where its name beside those of its folder, and what it holds, say that it is one."""
    if file.mask:
        return file
    mates = [other for other in files if other.place == file.place and other is not file and not other.mask]
    for number, word in enumerate(file.words):
        before = file.words[:number]
        if before and word.rstrip("0123456789") in GOES_ON and any(other.words == before for other in mates):
            return replace(file, mask=True, words=before)
    without_modality = bool(file.words) and file.case == file.words
    if without_modality and any(other.case == file.words != other.words for other in mates) and _holds_labels(file.path):
        return replace(file, mask=True)
    return file


def _holds_labels(path: Path) -> bool:
    """Whether an image holds few whole numbers from 0 on, as a label image does."""
    import SimpleITK as sitk

    try:
        values = np.unique(sitk.GetArrayViewFromImage(read_sitk(path)[0]))
    except Unusable:
        return False
    few = 1 < len(values) <= _MOST_LABELS
    return bool(few and values[0] == 0 and (values == np.round(values)).all())


def reader_of(path: Path) -> str:
    """Return the reader that the folder or name of a mask tells; empty when neither does.

    Args:
        path: A plain mask file.

    Example:
        >>> reader_of(Path("reader2/A1.nii.gz")), reader_of(Path("adc_tumor_reader1.nii.gz")), reader_of(Path("A1.nii.gz"))
        ('reader2', 'reader1', '')
    """
    words = [path.parent.name.lower(), *re.split(r"[-_. ]+", path.name.lower())]
    return next((word for word in words if _READER.fullmatch(word)), "")


def _near(mask: _File, images: Sequence[_File]) -> list[_File]:
    """Return the images of the nearest place at or above the mask's that holds any."""
    for depth in range(len(mask.place), -1, -1):
        found = [image for image in images if image.place == mask.place[:depth]]
        if found:
            return found
    return []


def _by_name(mask: _File, images: Sequence[_File]) -> list[_File]:
    """Return the images that rules 1 to 3 find."""
    if not mask.words:
        return []
    same = [image for image in images if image.words == mask.words]
    if same:
        return same
    case = mask.case
    if not case:
        return []
    alike = [image for image in images if image.case == case]
    channels = [
        image for image in images if image.case[:-1] == case and re.fullmatch(r"\d{4}", image.case[-1] if image.case else "")
    ]
    if alike or channels:
        return alike or channels
    # Numbers that follow may be another visit or reader: they are not taken for a region's name.
    longer = [
        image
        for image in images
        if image.case and case[: len(image.case)] == image.case and not any(word.isdigit() for word in case[len(image.case) :])
    ]
    most = max((len(image.case) for image in longer), default=0)
    if longer:
        return [image for image in longer if len(image.case) == most]
    shorter = [image for image in images if image.case[: len(case)] == case]
    return shorter if len(shorter) == 1 else []


def _by_folder(mask: _File, images: Sequence[_File], others_are_named: bool) -> list[_File] | str:
    """Return the images that rule 4 finds, or why there is none."""
    if not images:
        return "No image lies in its folder or above it."
    if not tells_no_case(mask.place[len(images[0].place) :]):
        # A folder of its own may be another case, whose image is missing.
        return "No image lies in its folder, and none above it has its name."
    cases = {image.case for image in images}
    if mask.case and mask.case not in cases and all(word.isdigit() for case in (mask.case, *cases) for word in case or ("?",)):
        return "No image of its folder has its number."
    if mask.case and all(another_code(mask.case, case) for case in cases):
        return "Its name holds the code of another case than the images of its folder."
    if len(cases) > 1:
        return f"No image has its name, and its folder holds images of {len(cases)} cases."
    if mask.case and mask.in_kind_folder and others_are_named:
        # Where names tell cases apart, one that no image has is another case.
        return "No image has its name, as other masks of the folder have one."
    return list(images)


def _further_below(mask: _File, images: Sequence[_File]) -> list[_File]:
    """Return the images that rule 5 finds: of the mask's name, in one folder at or below its place."""
    if not any(any(sign.isdigit() for sign in word) for word in mask.case):
        return []
    found = _by_name(mask, [image for image in images if image.place[: len(mask.place)] == mask.place])
    apart = {part for image in found for part in image.place[len(mask.place) :] if part in ("tr", "ts", "te", "val")}
    return found if len({image.place for image in found}) == 1 and not apart else []


def tells_no_case(folders: Sequence[str]) -> bool:
    """Whether folders tell the kind of their files alone, so that what lies in them may go with what lies above.

    Example:
        >>> tells_no_case(("masks",)), tells_no_case(("P2",))
        (True, False)
    """
    return all(part.lower() in MASK_WORDS | IMAGE_WORDS | MODALITY_WORDS | PLAIN_FOLDERS for part in folders)


def _on_lattice(mask: _File, images: Sequence[_File]) -> list[_File]:
    """Return the images on whose lattice a mask lies; all of them when it lies on none, so that each says so."""
    grid = read_grid(mask.path)
    if grid is None:
        return list(images)
    found = [image for image in images if (own := read_grid(image.path)) is not None and align(grid, own) is not None]
    return found or list(images)
