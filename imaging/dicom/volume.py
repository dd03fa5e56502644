"""From the files of one series to one volume on a regular grid; or a named refusal.

Slices are ordered by the projection of their position on the normal of their plane, never by file name or instance
number. PET becomes SUVbw. What is no regular grid (a missing slice, a tilted gantry, two volumes in one series) is
refused: features of a volume stretched in silence are wrong.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unibase.groundwork.files import digest_of, sha256_file
from unibase.groundwork.problems import Unusable
from unibase.imaging.boxed import Boxed
from unibase.imaging.dicom.suv import suv_factors
from unibase.imaging.grid import Array, Grid

if TYPE_CHECKING:
    import SimpleITK

POSITION_TOLERANCE = 0.05
"""How far a slice may lie from its place on the even grid, as a fraction of the slice distance (headers round)."""

ORIENTATION_TOLERANCE = 1e-4
"""How far direction cosines may differ between slices, and from an orthonormal pair."""


@dataclass(frozen=True)
class Volume:
    """One image volume.

    Attributes:
        array: float64, z, y, x.
        grid: Where the voxel centres lie.
        modality: DICOM Modality, or empty for NIfTI and NRRD.
        unit: HU, SUVbw, or empty where intensities have no unit.
        stored_type: NumPy type in which SimpleITK reads the same files. PyRadiomics' results depend on it (a
            resampled integer image is rounded, LoG of an integer image is float32), so its engine gets this type.
        study_uid, series_uid, frame_of_reference_uid: UIDs of the series; empty for plain images.
        instance_uids: SOPInstanceUID of every slice, in order of the array.
        digest: Digest over the content of all files of the volume.
        padding: Smallest and largest intensity that the header declares as padding, outside what was scanned; else None.
        dimensions: 2 for an image of one plane that has no thickness; the grid's third spacing is then a stand-in.
    """

    array: Array
    grid: Grid
    modality: str = ""
    unit: str = ""
    stored_type: str = "float64"
    study_uid: str = ""
    series_uid: str = ""
    frame_of_reference_uid: str = ""
    instance_uids: tuple[str, ...] = ()
    digest: str = ""
    padding: tuple[float, float] | None = None
    dimensions: int = 3

    def padded(self, region: Boxed) -> int:
        """Return how many voxels of a region hold padding and no measured value."""
        if self.padding is None:
            return 0
        inside = region.values(self.array)
        return int(((inside >= self.padding[0]) & (inside <= self.padding[1])).sum())

    def to_sitk(self, stored_type: bool = False) -> SimpleITK.Image:
        """Return the volume as a SimpleITK image, float64 or in the type its files are read in by SimpleITK."""
        return self.grid.to_sitk(self.array.astype(self.stored_type) if stored_type else self.array)


def read_series(folder: Path | str, series_uid: str | None = None, *, suv: bool = True, even: bool = True) -> Volume:
    """Read the image series in a folder.

    Args:
        folder: Folder of the series; files of other kinds (RTSTRUCT, SEG, text) in it are passed over.
        series_uid: Which SeriesInstanceUID, when the folder holds several image series.
        suv: Turn PET into SUVbw; False leaves PET in the unit that its header names.
        even: Refuse uneven slice distances; False returns them in `grid.slice_offsets` (for contours only).

    Raises:
        Unusable: `no-image-series`, `several-series`, `truncated-file`, `unreadable-pixels`, `inconsistent-series`,
            `missing-slice`, `duplicate-slice`, `gantry-tilt`, `suv-not-computable`, `unsupported-image`.
    """
    folder = Path(folder)
    # Hidden names are half-written files of a killed run.
    found = folder.iterdir() if folder.is_dir() else ()
    paths = sorted(path for path in found if path.is_file() and not path.name.startswith("."))
    return read_files(paths, series_uid, suv=suv, even=even)


def read_files(paths: Iterable[Path], series_uid: str | None = None, *, suv: bool = True, even: bool = True) -> Volume:
    """Read the image series that some files hold; as `read_series`."""
    headers: list[tuple[Any, Path]] = []
    for path in paths:
        header = _image_header(path)
        if header is not None and series_uid in (None, str(header.SeriesInstanceUID)):
            headers.append((header, path))
    if not headers:
        raise Unusable("no-image-series", "The folder holds no image series.", "Check that the series was exported.")
    if len({str(header.SeriesInstanceUID) for header, _ in headers}) > 1:
        raise Unusable("several-series", "The folder holds several image series.", "Name one, or give each a folder.")
    if any("NumberOfFrames" in header and int(header.NumberOfFrames) > 1 for header, _ in headers):
        from unibase.imaging.dicom.multiframe import read_multiframe

        return read_multiframe([path for _, path in headers], suv=suv, even=even)
    return _stack(headers, suv=suv, even=even)


def _image_header(path: Path) -> Any:
    """Return the header of an image instance with a place in the patient; None for any other file."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
        except (InvalidDicomError, OSError):
            return None
        except Exception:
            raise Unusable("truncated-file", "A DICOM file of the series cannot be parsed.", "Export the series again.") from None
    if "Rows" not in header or "SeriesInstanceUID" not in header or str(header.get("Modality")) in ("SEG", "RTDOSE"):
        return None
    return header


def _stack(headers: list[tuple[Any, Path]], *, suv: bool, even: bool) -> Volume:
    headers = _without_copies(headers)
    first = headers[0][0]
    for header, _ in headers:
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
            if not header.get(keyword):
                raise Unusable(
                    "unsupported-image",
                    f"{keyword} is missing, so the image has no place in the patient.",
                    "Use a volume series.",
                )
        if int(header.get("SamplesPerPixel", 1)) != 1:
            raise Unusable("unsupported-image", "The image is in colour.", "Use a series of grey values.")
    _same(headers, "Rows", "Columns", "FrameOfReferenceUID", "Modality")
    for keyword, tolerance in (("PixelSpacing", 1e-4), ("ImageOrientationPatient", ORIENTATION_TOLERANCE)):
        values = np.array([[float(item) for item in header.get(keyword)] for header, _ in headers])
        if np.ptp(values, axis=0).max() > tolerance:
            raise _inconsistent(keyword)
    row, column, normal = axes(np.array([float(item) for item in first.ImageOrientationPatient]))
    positions = np.array([[float(item) for item in header.ImagePositionPatient] for header, _ in headers])
    order = np.argsort(positions @ normal, kind="stable")
    headers = [headers[index] for index in order]
    positions = positions[order]
    first = headers[0][0]
    thickness = float(first.get("SpacingBetweenSlices") or first.get("SliceThickness") or 0)
    distance, offsets = slice_distance(positions, row, column, normal, thickness, even=even)
    slices = [header for header, _ in headers]
    modality = str(first.get("Modality", ""))
    factors = suv_factors(slices) if modality == "PT" and suv else [1.0] * len(slices)
    rows, columns = int(first.Rows), int(first.Columns)
    array = np.empty((len(headers), rows, columns))
    stored_types = []
    for index, (_, path) in enumerate(headers):
        array[index], stored_type = _pixels(path, (rows, columns))
        array[index] *= factors[index]
        stored_types.append("float64" if factors[index] != 1.0 else stored_type)
    # PixelSpacing is row spacing (along y), then column spacing (along x).
    spacing_y, spacing_x = (float(item) for item in first.PixelSpacing)
    grid = Grid(
        (columns, rows, len(headers)),
        (spacing_x, spacing_y, distance),
        (float(positions[0][0]), float(positions[0][1]), float(positions[0][2])),
        tuple(float(item) for item in np.column_stack([row, column, normal]).ravel()),
        offsets,
    )
    return Volume(
        array,
        grid,
        modality,
        unit_of(first, suv),
        np.result_type(*stored_types).name,
        str(first.get("StudyInstanceUID", "")),
        str(first.SeriesInstanceUID),
        str(first.get("FrameOfReferenceUID", "")),
        tuple(str(header.SOPInstanceUID) for header in slices),
        digest_of(sorted(sha256_file(path) for _, path in headers)),
        padding_of(slices) if set(factors) == {1.0} else None,
    )


def padding_of(headers: Sequence[Any]) -> tuple[float, float] | None:
    """Return the rescaled padding range that all slices declare (PS3.3 C.7.5.1.1.2), or None when they declare none in common."""
    found = set()
    for header in headers:
        value = header.get("PixelPaddingValue")
        if value is None:
            return None
        ends = float(value), float(header.get("PixelPaddingRangeLimit", value) or value)
        slope, intercept = float(header.get("RescaleSlope", 1) or 1), float(header.get("RescaleIntercept", 0) or 0)
        low, high = sorted(end * slope + intercept for end in ends)
        found.add((low, high))
    return found.pop() if len(found) == 1 else None


def unit_of(header: Any, suv: bool) -> str:
    """Return the unit of a volume with this header: HU for CT, SUVbw or the stored unit for PET, else empty."""
    modality = str(header.get("Modality", ""))
    if modality == "CT":
        return "HU"
    if modality == "PT":
        return "SUVbw" if suv else str(header.get("Units", ""))
    return ""


def _without_copies(headers: list[tuple[Any, Path]]) -> list[tuple[Any, Path]]:
    """Drop further copies of one instance that are equal byte for byte; refuse different files of one UID."""
    kept: dict[str, tuple[Any, Path]] = {}
    for header, path in headers:
        uid = str(header.get("SOPInstanceUID", path.name))
        if uid not in kept:
            kept[uid] = (header, path)
        elif sha256_file(kept[uid][1]) != sha256_file(path):
            raise Unusable("duplicate-slice", "Two different files hold one SOPInstanceUID.", "Export the series again.")
    return list(kept.values())


def _same(headers: list[tuple[Any, Path]], *keywords: str) -> None:
    for keyword in keywords:
        if len({str(header.get(keyword, "")) for header, _ in headers}) > 1:
            raise _inconsistent(keyword)


def _inconsistent(keyword: str) -> Unusable:
    return Unusable(
        "inconsistent-series", f"{keyword} differs between the slices of one series.", "Split the series into volumes."
    )


def axes(orientation: Array) -> tuple[Array, Array, Array]:
    """Return the directions of rows, columns and normal of ImageOrientationPatient; refuse what is not right-angled."""
    row, column = orientation[:3], orientation[3:]
    square = abs(np.linalg.norm(row) - 1) + abs(np.linalg.norm(column) - 1) + abs(float(row @ column))
    if not square <= 10 * ORIENTATION_TOLERANCE:
        raise Unusable(
            "inconsistent-series", "ImageOrientationPatient is no pair of right-angled unit vectors.", "Check the export."
        )
    return row, column, np.cross(row, column)


def slice_distance(
    positions: Array, row: Array, column: Array, normal: Array, thickness: float, *, even: bool = True
) -> tuple[float, tuple[float, ...]]:
    """Return the distance of the slices in mm, and their offsets from the first one when they are uneven.

    Args:
        positions: Image positions, shape (n, 3), ordered along `normal`.
        row: Direction of the rows.
        column: Direction of the columns.
        normal: Normal of the planes.
        thickness: What to take for a single slice, in mm.
        even: Refuse uneven distances.

    Raises:
        Unusable: `duplicate-slice`, `gantry-tilt`, `missing-slice`, `unsupported-image`.
    """
    count = len(positions)
    if count == 1:
        if not thickness > 0:
            message = "A single slice without SliceThickness has no volume."
            raise Unusable("unsupported-image", message, "Give the thickness in the header.")
        return float(thickness), ()
    offsets = (positions - positions[0]) @ normal
    steps = np.diff(offsets)
    typical = float(np.median(steps))
    if typical <= 1e-3 or steps.min() < 0.05 * typical:
        message = "Several slices lie at one position (two phases, or a copied slice)."
        raise Unusable("duplicate-slice", message, "Split the series into volumes, or remove the copy.")
    distance = float(offsets[-1] / (count - 1))
    drift = (positions - positions[0]) @ np.column_stack([row, column])
    if np.abs(drift).max() > POSITION_TOLERANCE * distance + 1e-3 * count * distance:
        message = "The slices are shifted against one another: the gantry was tilted."
        raise Unusable("gantry-tilt", message, "Resample the series to a right-angled grid.")
    if np.abs(offsets - np.arange(count) * distance).max() > POSITION_TOLERANCE * distance:
        if even:
            message = "The distances of the slices are uneven: a slice is missing, or two series were joined."
            raise Unusable("missing-slice", message, "Export the series again, complete.")
        return typical, tuple(float(item) for item in offsets)
    return distance, ()


def _pixels(path: Path, shape: tuple[int, int]) -> tuple[Array, str]:
    """Return the rescaled pixels of one slice in float64, and the type in which SimpleITK would read them."""
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(path)
        except Exception:
            raise Unusable("truncated-file", "A DICOM file of the series ends too early.", "Export the series again.") from None
        transfer_syntax = dataset.file_meta.get("TransferSyntaxUID")
        if transfer_syntax is not None and not transfer_syntax.is_compressed:
            expected = shape[0] * shape[1] * int(dataset.get("BitsAllocated", 16)) // 8
            if "PixelData" not in dataset or len(dataset.PixelData) < expected:
                raise Unusable("truncated-file", "The pixel data of a slice ends too early.", "Export the series again.")
        elif transfer_syntax is not None and not _stream_ends(dataset):
            raise Unusable("truncated-file", "The compressed pixel data of a slice ends too early.", "Export the series again.")
        if "ModalityLUTSequence" in dataset:
            raise Unusable("unsupported-image", "The series uses a Modality LUT.", "Export it with rescale slope and intercept.")
        try:
            stored = dataset.pixel_array
        except Exception:
            stored = _decoded_by_simpleitk(path, dataset)
    if stored.shape != shape:
        raise Unusable("unsupported-image", "The pixel data is no plane of grey values.", "Use a series of grey values.")
    slope, intercept = float(dataset.get("RescaleSlope", 1) or 1), float(dataset.get("RescaleIntercept", 0) or 0)
    return stored * slope + intercept, rescaled_type(dataset, slope, intercept)


def _stream_ends(dataset: Any) -> bool:
    """Whether a JPEG, JPEG-LS or JPEG 2000 stream has its end marker; decoders fill what is cut off without a word."""
    from pydicom.encaps import generate_frames

    if not str(dataset.file_meta.TransferSyntaxUID).startswith("1.2.840.10008.1.2.4."):
        return True
    try:
        frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    except Exception:
        return False
    return frame.rstrip(b"\0").endswith(b"\xff\xd9")


def _decoded_by_simpleitk(path: Path, dataset: Any) -> Array:
    """Return stored values that pydicom has no decoder for (JPEG Lossless); SimpleITK's GDCM has one.

    GDCM rescales what it reads: a whole slope and intercept are undone exactly, others are refused.
    """
    import SimpleITK as sitk

    message = "The pixel data of a slice cannot be decoded."
    refusal = Unusable("unreadable-pixels", message, "Export the series without compression.")
    slope, intercept = float(dataset.get("RescaleSlope", 1) or 1), float(dataset.get("RescaleIntercept", 0) or 0)
    if not (slope.is_integer() and intercept.is_integer()):
        raise refusal
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        values: Array = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[0]
    except RuntimeError:
        raise refusal from None
    if str(dataset.get("Modality")) == "MR":
        # GDCM does not rescale MR; with a slope of its own it is left to those who know what it did.
        if (slope, intercept) != (1.0, 0.0):
            raise refusal
        return values
    stored: Array = (values.astype(np.float64) - intercept) / slope
    return stored


def rescaled_type(dataset: Any, slope: float, intercept: float) -> str:
    """Return the NumPy type that holds all rescaled values: whole numbers stay whole when slope and intercept are."""
    signed = int(dataset.get("PixelRepresentation", 0)) == 1
    bits, allocated = int(dataset.get("BitsStored", 16)), int(dataset.get("BitsAllocated", 16))
    if (slope, intercept) == (1.0, 0.0):
        return f"{'' if signed else 'u'}int{max(8, allocated)}"
    if not (slope.is_integer() and intercept.is_integer()):
        return "float64"
    ends = [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] if signed else [0, 2**bits - 1]
    low, high = sorted(end * slope + intercept for end in ends)
    for name in ("uint8", "uint16", "uint32") if low >= 0 else ("int8", "int16", "int32"):
        if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
            return name
    return "float64"
