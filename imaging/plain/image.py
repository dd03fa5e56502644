"""A NIfTI, Analyze, NRRD or MetaImage file to a volume."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unibase.groundwork.files import sha256_file
from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Grid
from unibase.imaging.plain.whole import check_whole
from unibase.imaging.reasons import UNREADABLE_IMAGE, UNSUPPORTED_IMAGE

if TYPE_CHECKING:
    import SimpleITK


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
    array = sitk.GetArrayFromImage(image)
    return Volume(
        np.ascontiguousarray(array, dtype=np.float64),
        Grid.of(image),
        stored_type=str(array.dtype),
        digest=sha256_file(path),
        dimensions=dimensions,
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
        raise Unusable(UNREADABLE_IMAGE, "SimpleITK cannot read the image file.", "Write it again as NIfTI or NRRD.") from None
    return three_dimensional(image)


def three_dimensional(image: SimpleITK.Image) -> tuple[SimpleITK.Image, int]:
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
        path: File in NIfTI, NRRD or MetaImage.
    """
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return None
    count = reader.GetDimension()
    if (count == 4 and reader.GetSize()[3] > 1) or count not in (2, 3, 4):
        return None
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
