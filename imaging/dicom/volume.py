"""From the files of one series to its volumes, each on a regular grid; or a named refusal.

A series is split into the volumes it holds (`stacks`). Slices are ordered by the projection of their position on the
normal of their plane, never by file name or instance number. PET becomes SUVbw. What is no regular grid (a missing
slice, a tilted gantry) is refused: features of a volume stretched in silence are wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unibase.groundwork.files import digest_of, sha256_file
from unibase.groundwork.problems import Unusable
from unibase.imaging.boxed import Boxed
from unibase.imaging.dicom.cautions import cautions, check_parts, check_tilt
from unibase.imaging.dicom.clocks import times_of
from unibase.imaging.dicom.header import Header
from unibase.imaging.dicom.pixels import padding_of, read_pixels
from unibase.imaging.dicom.planes import Plane, image_header, planes_of
from unibase.imaging.dicom.read_as import USUAL, Reading
from unibase.imaging.dicom.resampled import WHOLE, Seen, Shear, shear_of, sheared_grid, straightened, with_filled
from unibase.imaging.dicom.rescale import of_volume
from unibase.imaging.dicom.spacing import Placement, common_axes, place_slices, rounding
from unibase.imaging.dicom.stacks import Stack, inconsistent, split
from unibase.imaging.dicom.suv import check_values, suv_of
from unibase.imaging.grid import Array, Grid
from unibase.imaging.reasons import DUPLICATE_SLICE, NO_IMAGE_SERIES, SEVERAL_SERIES, SEVERAL_VOLUMES

if TYPE_CHECKING:
    import SimpleITK

PlaneKey = tuple[str, int]
"""SOPInstanceUID of a plane and its frame from 1 (0 for a classic instance)."""


@dataclass(frozen=True)
class Volume:
    """One image volume.

    Attributes:
        array: float64, z, y, x.
        grid: Where the voxel centres lie.
        modality: DICOM Modality, or empty for NIfTI and NRRD.
        unit: What the header says of the values (`rescale`), SUVbw, or empty for NIfTI and NRRD.
        stored_type: NumPy type in which SimpleITK reads the same files. PyRadiomics' results depend on it (a
            resampled integer image is rounded, LoG of an integer image is float32), so its engine gets this type.
        study_uid, series_uid, frame_of_reference_uid: UIDs of the series; empty for plain images.
        instance_uids: SOPInstanceUID of every file, in order of the array.
        digest: Digest over the content of all files of the volume.
        padding: Smallest and largest intensity that the header declares as padding, outside what was scanned; else None.
        dimensions: 2 for an image of one plane that has no thickness; the grid's third spacing is then a stand-in.
        name: Which volume of its series, such as `phase 2 of 3`; empty when the series holds one alone.
        members: The planes of the volume.
        notes: What to know of the volume, as short codes: `tilt-resampled`, `slices-filled`, `weight-from-table`, ...
        seen: What of a resampled volume was scanned.
        others: The planes of the series that are in no place of this volume.
        patient: PatientID, to be compared and never shown; empty for plain images.
        times: When it begins in seconds, on each of `clocks.CLOCKS`; empty when nothing tells it.
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
    name: str = ""
    members: frozenset[PlaneKey] = field(default=frozenset(), repr=False)
    others: frozenset[PlaneKey] = field(default=frozenset(), repr=False)
    notes: tuple[str, ...] = ()
    seen: Seen = field(default=WHOLE, repr=False)
    patient: str = field(default="", repr=False)
    times: tuple[float | None, ...] = ()

    def notes_of(self, region: Boxed) -> tuple[str, ...]:
        """Return what of a region was not measured as it stands, as short codes for its row.

        Args:
            region: A region on the grid of the volume that is not empty.
        """
        return (*(("padding-in-region",) if self.padded(region) else ()), *self.seen.notes_of(region))

    def padded(self, region: Boxed) -> int:
        """Return how many voxels of a region hold padding and no measured value."""
        if self.padding is None:
            return 0
        inside = region.values(self.array)
        return int(((inside >= self.padding[0]) & (inside <= self.padding[1])).sum())

    def to_sitk(self, stored_type: bool = False) -> SimpleITK.Image:
        """Return the volume as a SimpleITK image, float64 or in the type its files are read in by SimpleITK.

        Args:
            stored_type: Give values in the type in which SimpleITK reads the files.
        """
        return self.grid.to_sitk(self.array.astype(self.stored_type) if stored_type else self.array)


@dataclass(frozen=True)
class Series:
    """One image series, split and not yet read.

    Attributes:
        stacks: Its volumes, then what is set aside.
    """

    stacks: tuple[Stack, ...]

    @property
    def volumes(self) -> tuple[Stack, ...]:
        """The volumes to measure."""
        return tuple(stack for stack in self.stacks if not stack.aside)

    def read(self, stack: Stack, reading: Reading = USUAL) -> Volume:
        """Read one volume of the series.

        Args:
            stack: One of `stacks`.
            reading: What is asked.

        Raises:
            Unusable: As `read_series`, for this volume.
        """
        keys = frozenset(plane.key for plane in stack.planes)
        others = frozenset(plane.key for other in self.stacks for plane in other.planes) - keys
        return replace(_read(stack.planes, reading), name=stack.name, members=keys, others=others)


def open_folder(folder: Path | str, series_uid: str | None = None) -> Series:
    """Open the image series in a folder and split it.

    Args:
        folder: Folder of the series; files of other kinds (RTSTRUCT, SEG, text) in it are passed over.
        series_uid: Which SeriesInstanceUID, when the folder holds several image series.

    Raises:
        Unusable: As `open_files`.
    """
    folder = Path(folder)
    # Hidden names are half-written files of a killed run.
    found = folder.iterdir() if folder.is_dir() else ()
    return open_files(sorted(path for path in found if path.is_file() and not path.name.startswith(".")), series_uid)


def open_files(paths: Iterable[Path], series_uid: str | None = None) -> Series:
    """Open the image series that some files hold and split it.

    Args:
        paths: Files; those that are no image of a patient are passed over.
        series_uid: Which SeriesInstanceUID, when they hold several image series.

    Raises:
        Unusable: `no-image-series`, `several-series`, `truncated-file`, `unsupported-image`, `inconsistent-series`,
            `duplicate-slice`, `mosaic`.
    """
    headers: list[tuple[Header, Path]] = []
    for path in paths:
        header = image_header(path)
        if header is not None and series_uid in (None, str(header.get("SeriesInstanceUID"))):
            headers.append((header, path))
    if not headers:
        raise Unusable(NO_IMAGE_SERIES, "The folder holds no image series.", "Check that the series was exported.")
    if len({str(header.get("SeriesInstanceUID")) for header, _ in headers}) > 1:
        raise Unusable(SEVERAL_SERIES, "The folder holds several image series.", "Name one, or give each a folder.")
    return Series(tuple(split(planes_of(_without_copies(headers)))))


def read_series(folder: Path | str, series_uid: str | None = None, reading: Reading = USUAL) -> Volume:
    """Read the only volume of the image series in a folder.

    Args:
        folder: As `open_folder`.
        series_uid: As `open_folder`.
        reading: What is asked: of SUV, a tilt, missing slices.

    Raises:
        Unusable: `no-image-series`, `several-series`, `several-volumes`, `truncated-file`, `unreadable-pixels`,
            `inconsistent-series`, `missing-slice`, `duplicate-slice`, `gantry-tilt`, `mosaic`, `suv-not-computable`,
            `unsupported-image`.
    """
    return _only(open_folder(folder, series_uid), reading)


def read_files(paths: Iterable[Path], series_uid: str | None = None, reading: Reading = USUAL) -> Volume:
    """Read the only volume of the image series that some files hold.

    `paths`: as `open_files`; `series_uid`: as `open_files`; `reading`: as `read_series`.

    Raises:
        Unusable: As `read_series`.
    """
    return _only(open_files(paths, series_uid), reading)


def _only(series: Series, reading: Reading) -> Volume:
    volumes = series.volumes
    if len(volumes) > 1:
        names = ", ".join(stack.name for stack in volumes[:6]) + (", ..." if len(volumes) > 6 else "")
        message = f"The series holds {len(volumes)} volumes: {names}."
        raise Unusable(SEVERAL_VOLUMES, message, "Say which of them is meant.")
    return series.read(volumes[0], reading)


def _read(planes: Sequence[Plane], reading: Reading) -> Volume:
    first = planes[0]
    for keyword in ("Rows", "Columns", "Modality", "FrameOfReferenceUID", "SamplesPerPixel"):
        if len({plane.shape if keyword in ("Rows", "Columns") else plane.text(keyword) for plane in planes}) > 1:
            raise inconsistent(keyword)
    lies = place(planes, reading)
    unit = of_volume(planes, reading.suv)
    suv = suv_of(planes, reading)
    pixels = read_pixels(planes, suv.factors if suv else [1.0] * len(planes))
    if suv:
        check_values(pixels.array, suv.over_weight)
    changed = lies.seen is not WHOLE
    return Volume(
        lies.applied(pixels.array),
        lies.grid,
        first.text("Modality"),
        unit,
        "float64" if changed else pixels.stored_type,
        first.text("StudyInstanceUID"),
        first.text("SeriesInstanceUID"),
        first.text("FrameOfReferenceUID"),
        tuple(dict.fromkeys(plane.sop_uid for plane in planes)),
        _digest(planes, pixels.digests),
        None if suv and set(suv.factors) != {1.0} else padding_of(planes),
        notes=(*lies.notes(planes), *(suv.notes if suv else ())),
        seen=lies.seen,
        patient=first.text("PatientID"),
        times=times_of(planes),
    )


@dataclass(frozen=True, eq=False)
class Place:
    """Where a volume lies, and what brings its slices there.

    Attributes:
        grid: Where the voxel centres lie.
        placement: Where its slices were scanned.
        shear: How they are shifted by a tilt; None without one.
        seen: What of the grid was scanned.
    """

    grid: Grid
    placement: Placement
    shear: Shear | None = None
    seen: Seen = WHOLE

    def notes(self, planes: Sequence[Plane]) -> tuple[str, ...]:
        """Return what is to be known of the volume, as short codes.

        Args:
            planes: All its planes.
        """
        return (*self.seen.notes(), *cautions(planes, self.placement.distance))

    def applied(self, array: Array) -> Array:
        """Return the slices on the grid.

        Args:
            array: Slices (n, y, x) as they were scanned.

        Returns:
            The array itself (z, y, x) when nothing is to be resampled.
        """
        if self.placement.missing:
            array = with_filled(array, self.placement)
        return array if self.shear is None else straightened(array, self.shear)


def place(planes: Sequence[Plane], reading: Reading = USUAL) -> Place:
    """Return where the planes of one volume lie.

    Args:
        planes: All planes of the volume, in the order of their normal.
        reading: Whether a tilt, missing slices and uneven distances are taken.

    Raises:
        Unusable: `missing-slice`, `duplicate-slice`, `gantry-tilt`, `inconsistent-series`, `unsupported-image`.
    """
    first = planes[0]
    check_parts(planes)
    row, column, normal = common_axes(np.array([plane.orientation for plane in planes]))
    positions = np.array([plane.position for plane in planes])
    # A negative spacing is how some makers write that slices run downwards.
    between = abs(float(first.header.get("SpacingBetweenSlices") or 0))
    thickness = between or float(first.header.get("SliceThickness") or 0)
    rounded = 0.0 if first.tile else rounding([item for plane in planes for item in plane.header.get("ImagePositionPatient")])
    placement = place_slices(positions, np.array([row, column, normal]), thickness, reading, rounded)
    check_tilt(planes, normal, placement.drift is not None)
    # PixelSpacing is row spacing (along y), then column spacing (along x).
    spacing_y, spacing_x = (float(item) for item in first.spacing)
    grid = Grid(
        (first.shape[1], first.shape[0], placement.count),
        (spacing_x, spacing_y, placement.distance),
        (float(positions[0][0]), float(positions[0][1]), float(positions[0][2])),
        tuple(float(item) for item in np.column_stack([row, column, normal]).ravel()),
        placement.offsets,
    )
    shear = shear_of(placement, first.shape, grid.spacing)
    if shear is None:
        return Place(grid, placement, None, Seen(filled=placement.missing) if placement.missing else WHOLE)
    return Place(sheared_grid(grid, shear), placement, shear, Seen(shear.windows(), placement.missing))


def _digest(planes: Sequence[Plane], digests: Sequence[str]) -> str:
    """Return the digest of a volume: of its files, and of the frames when it has not all of one file."""
    frames = [plane.key[1] for plane in planes]
    whole = len(planes) == len(digests) or sorted(frames) == list(range(1, len(planes) + 1)) or planes[0].tile is not None
    return digest_of(sorted(digests) if whole else [sorted(digests), sorted(frames)])


def _without_copies(headers: list[tuple[Header, Path]]) -> list[tuple[Header, Path]]:
    """Drop further copies of one instance that are equal byte for byte; refuse different files of one UID."""
    kept: dict[str, tuple[Header, Path]] = {}
    for header, path in headers:
        uid = str(header.get("SOPInstanceUID", path.name))
        if uid not in kept:
            kept[uid] = (header, path)
        elif sha256_file(kept[uid][1]) != sha256_file(path):
            message = "Two different files hold one SOPInstanceUID."
            raise Unusable(DUPLICATE_SLICE, message, "Export the series again.")
    return list(kept.values())
