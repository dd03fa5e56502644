"""Projections (DX, CR, MG, US, ...): DICOM images of one plane, which have no place in the patient and no thickness.

The spacing of their pixels is that of PS3.3: PixelSpacing, which is calibrated; else ImagerPixelSpacing, at the detector;
for ultrasound the physical step of its region (PhysicalDeltaX, PhysicalDeltaY).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from unibase.groundwork.files import digest_of
from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.header import Header
from unibase.imaging.dicom.pixels import padding_of, read_pixels
from unibase.imaging.dicom.planes import Plane, image_header
from unibase.imaging.dicom.rescale import of_volume
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Grid
from unibase.imaging.reasons import UNSUPPORTED_IMAGE

MODALITIES = frozenset({"CR", "DX", "MG", "PX", "IO", "RF", "XA", "US", "OP", "XC"})
"""Modalities whose images are planes without a place."""

_CENTIMETRE = 3
"""PhysicalUnitsXDirection of a length, PS3.3 C.8.5.5.1.15."""


def projections_of(paths: Iterable[Path], series_uid: str | None = None) -> list[tuple[str, Callable[[], Volume]]]:
    """Return the projections of a series, each with its name and what reads it; none when the series has a place in the patient.

    Args:
        paths: Files; those of other kinds are passed over.
        series_uid: Which SeriesInstanceUID; None takes all.
    """
    return [(name, partial(read, plane, name)) for name, plane in projected(paths, series_uid)]


def projected(paths: Iterable[Path], series_uid: str | None = None) -> list[tuple[str, Plane]]:
    """Return the planes of a series of projections, each with its name; none when the series has a place in the patient.

    Args:
        paths: As `projections_of`.
        series_uid: As `projections_of`.
    """
    planes: list[Plane] = []
    for path in paths:
        header = image_header(path)
        if header is None or series_uid not in (None, str(header.get("SeriesInstanceUID"))):
            continue
        if str(header.get("Modality")) not in MODALITIES or header.get("ImagePositionPatient"):
            return []
        if "PerFrameFunctionalGroupsSequence" in header:
            return []  # An enhanced object says of each frame where it lies.
        frames = int(header.get("NumberOfFrames") or 1)
        planes += [Plane(header, path, number if frames > 1 else None) for number in range(frames)]
    planes.sort(key=lambda plane: (int(plane.header.get("InstanceNumber") or 0), plane.key))
    many = len(planes) > 1
    return [(f"image {number} of {len(planes)}" if many else "", plane) for number, plane in enumerate(planes, 1)]


def read(plane: Plane, name: str = "") -> Volume:
    """Read a projection as a volume of one slice that has no thickness.

    Args:
        plane: The image, or one frame of it.
        name: Which of its series.

    Raises:
        Unusable: `unsupported-image` when it says no spacing or has colours; the reasons of `pixels.read_pixels`.
    """
    spacing_y, spacing_x = spacing_of(plane.header)
    pixels = read_pixels([plane], [1.0])
    rows, columns = plane.shape
    # Where low values are white, the row says it: such images are not compared with others unseen.
    inverted = "MONOCHROME1" if plane.text("PhotometricInterpretation") == "MONOCHROME1" else ""
    return Volume(
        pixels.array,
        Grid((columns, rows, 1), (spacing_x, spacing_y, 1.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)),
        plane.text("Modality"),
        " ".join(word for word in (of_volume([plane], suv=None), inverted) if word),
        pixels.stored_type,
        plane.text("StudyInstanceUID"),
        plane.text("SeriesInstanceUID"),
        plane.text("FrameOfReferenceUID"),
        (plane.sop_uid,),
        digest_of([*pixels.digests, plane.key[1]]),
        padding_of([plane]),
        dimensions=2,
        name=name,
        members=frozenset({plane.key}),
    )


def spacing_of(header: Header) -> tuple[float, float]:
    """Return the distance of the rows and of the columns in mm.

    Args:
        header: Header of a projection.

    Raises:
        Unusable: `unsupported-image` when the header names none.
    """
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        said: Sequence[object] = header.get(keyword) or ()
        if len(said) == 2 and all(float(str(item)) > 0 for item in said):
            return float(str(said[0])), float(str(said[1]))
    regions = header.get("SequenceOfUltrasoundRegions") or ()
    steps = {
        (abs(float(one.get("PhysicalDeltaY") or 0)) * 10, abs(float(one.get("PhysicalDeltaX") or 0)) * 10)
        for one in regions
        if one.get("PhysicalUnitsXDirection") == one.get("PhysicalUnitsYDirection") == _CENTIMETRE
    }
    if len(steps) == 1 and min(step := next(iter(steps))) > 0:
        return step
    message = "The image says no spacing of its pixels, or several."
    raise Unusable(UNSUPPORTED_IMAGE, message, "Export it with PixelSpacing, or as NIfTI or NRRD with the right spacing.")
