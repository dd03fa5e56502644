"""A NIfTI, Analyze, NRRD or MetaImage file to a volume."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unibase.groundwork.files import digest_of, sha256_file
from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Grid
from unibase.imaging.plain.nifti_forms import notes_of_forms
from unibase.imaging.plain.nifti_numbers import with_no_numbers
from unibase.imaging.plain.whole import PICTURE_SUFFIXES, check_whole, suffix_of
from unibase.imaging.reasons import UNREADABLE_IMAGE, UNSUPPORTED_IMAGE

if TYPE_CHECKING:
    import SimpleITK


def plain_volumes(path: Path | str) -> list[tuple[str, Callable[[], Volume]]]:
    """Return the volumes of a plain image, each with its name and what reads it; one of four dimensions holds several.

    `path`: the file. Volumes are named by their order along the fourth axis, such as `volume 2 of 5`.
    """
    path = Path(path)
    count = _fourth(path)
    if count < 2:
        return [("", partial(read_image, path))]
    names = [f"volume {number} of {count}" for number in range(1, count + 1)]
    return [(name, partial(_read_one, path, number, name)) for number, name in enumerate(names)]


def _fourth(path: Path) -> int:
    """Return the length of the fourth axis; 1 when there is none, or the header cannot be read."""
    reader = _reader(path)
    return int(reader.GetSize()[3]) if reader is not None and reader.GetDimension() == 4 else 1


def _reader(path: Path) -> SimpleITK.ImageFileReader | None:
    """Return a reader that knows the header of an image; None when it cannot be read."""
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return None
    return reader


def _read_one(path: Path, number: int, name: str) -> Volume:
    """Read one volume of an image of four dimensions, counted from 0."""
    import SimpleITK as sitk

    check_whole(path)
    reader = _reader(path)
    if reader is None:
        raise _unreadable()
    try:
        reader.SetExtractSize([*reader.GetSize()[:3], 0])
        reader.SetExtractIndex([0, 0, 0, number])
        image = reader.Execute()
    except RuntimeError:
        raise _unreadable() from None
    array = sitk.GetArrayFromImage(image)
    digest = digest_of([sha256_file(path), number])
    values = with_no_numbers(np.array(array, dtype=np.float64), path, number)
    times = _times(reader, number)
    return Volume(values, Grid.of(image), stored_type=str(array.dtype), digest=digest, name=name, times=times)


_TIMES = (8, 16, 24)
"""Units of the fourth axis of NIfTI that are times: s, ms, us (nifti1.h, xyzt_units). SimpleITK gives all of them in seconds."""


def _times(reader: SimpleITK.ImageFileReader, number: int) -> tuple[float | None, ...]:
    """Return when a volume of a NIfTI file begins, if the header says of its fourth axis that it is time."""
    said = reader.GetMetaData("xyzt_units") if reader.HasMetaDataKey("xyzt_units") else "0"
    step = float(reader.GetSpacing()[3])
    return (number * step, None, None, None) if int(float(said)) & 0x38 in _TIMES and step > 0 else ()


def _unreadable() -> Unusable:
    return Unusable(UNREADABLE_IMAGE, "SimpleITK cannot read the image file.", "Write it again as NIfTI or NRRD.")


def read_image(path: Path | str) -> Volume:
    """Read a plain image; one of two dimensions is a volume of one slice that says so (`dimensions`).

    Args:
        path: File in NIfTI, NRRD or MetaImage.

    Raises:
        Unusable: `truncated-file`, `unreadable-image` when SimpleITK cannot read it, `unsupported-image` when it has not one
            value per voxel of a grid of two or three dimensions.
    """
    import SimpleITK as sitk

    path = Path(path)
    image, dimensions = read_sitk(path)
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise Unusable(UNSUPPORTED_IMAGE, "The image has several values per voxel.", "Give an image of one value per voxel.")
    array = sitk.GetArrayViewFromImage(image)
    return Volume(
        with_no_numbers(np.array(array, dtype=np.float64), path),
        Grid.of(image),
        stored_type=str(array.dtype),
        digest=sha256_file(path),
        dimensions=dimensions,
        notes=notes_of_forms(path),
    )


def read_sitk(path: Path) -> tuple[SimpleITK.Image, int]:
    """Read any image file with SimpleITK; return it with three dimensions, and how many it has in the file.

    Args:
        path: File in NIfTI, NRRD or MetaImage.

    Raises:
        Unusable: As `read_image`.
    """
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    if not path.is_file():
        raise Unusable(UNREADABLE_IMAGE, "The image file is absent.", "Check the path.")
    check_whole(path)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError:
        raise _unreadable() from None
    if suffix_of(path) in PICTURE_SUFFIXES:
        image = _grey(image)
    return _three_dimensional(image)


def _grey(image: SimpleITK.Image) -> SimpleITK.Image:
    """Return a picture as one value a pixel, where its colours are equal; its pixels have no size in mm."""
    import SimpleITK as sitk

    array = sitk.GetArrayFromImage(image)
    coloured = array.ndim == 3 and array.shape[2] >= 3
    if coloured and (array[..., 1:3] == array[..., :1]).all():
        image = sitk.GetImageFromArray(np.ascontiguousarray(array[..., 0]))
    image.SetSpacing((1.0, 1.0))
    return image


def _three_dimensional(image: SimpleITK.Image) -> tuple[SimpleITK.Image, int]:
    """Return an image with three dimensions, and how many it had; a plane becomes one slice."""
    import SimpleITK as sitk

    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[:, :, :, 0]
    dimensions = image.GetDimension()
    if dimensions == 2:
        image = sitk.JoinSeries(image)
    if image.GetDimension() != 3:
        raise Unusable(UNSUPPORTED_IMAGE, "The image has not three dimensions.", "Split it into volumes.")
    return image, dimensions


def read_grid(path: Path) -> Grid | None:
    """Return the grid of a plain image from its header alone; None when the header cannot be read.

    Args:
        path: File in NIfTI, NRRD, MetaImage or PNG.
    """
    reader = _reader(path)
    if reader is None or reader.GetDimension() not in (2, 3, 4):
        return None
    count = reader.GetDimension()
    size, spacing, origin = (list(values)[:3] for values in (reader.GetSize(), reader.GetSpacing(), reader.GetOrigin()))
    direction = np.eye(3)
    own = np.array(reader.GetDirection()).reshape(count, count)
    direction[: min(count, 3), : min(count, 3)] = own[:3, :3]
    while len(size) < 3:
        size, spacing, origin = [*size, 1], [*spacing, 1.0], [*origin, 0.0]
    return Grid(
        (size[0], size[1], size[2]),
        (spacing[0], spacing[1], spacing[2]),
        (origin[0], origin[1], origin[2]),
        tuple(float(item) for item in direction.ravel()),
    )
