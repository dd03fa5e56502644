"""The planes of a series: one for every classic instance, frame of an enhanced file or tile of a mosaic.

What follows (clusters, units, SUV) sees planes alone, so that a storage form has no rules of its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import TRUNCATED_FILE
from unibase.imaging.dicom.header import Header
from unibase.imaging.dicom.mosaic import Tile, is_mosaic, tiles_of
from unibase.imaging.dicom.opened import check_not_cut, read_dataset
from unibase.imaging.grid import Array
from unibase.imaging.reasons import UNSUPPORTED_IMAGE

if TYPE_CHECKING:
    from pydicom import Dataset

NO_VOLUME = frozenset({"SEG", "RTDOSE"})
"""Modalities whose objects have rows and columns and are no image of a patient."""

_REFERENCES = frozenset(
    {
        "ReferencedImageSequence",
        "DerivationImageSequence",
        "ConversionSourceAttributesSequence",
        "FrameAnatomySequence",
        "FrameVOILUTSequence",
        "RealWorldValueMappingSequence",
    }
)
"""Functional groups that hold values of other images, or values that have a reader of their own."""


class FrameHeader:
    """The header of one frame of an enhanced file: its own functional groups, then the shared ones, then the file.

    It answers as a pydicom dataset does: `get`, `in` and `private_block`.
    """

    def __init__(self, dataset: Dataset, own: dict[str, object], shared: dict[str, object]) -> None:
        self.dataset, self.own, self.shared = dataset, own, shared

    def get(self, keyword: str, default: Any = None) -> Any:
        """Return a value by keyword.

        Args:
            keyword: DICOM keyword.
            default: What stands in when it is absent.
        """
        for groups in (self.own, self.shared):
            if keyword in groups:
                return groups[keyword]
        return self.dataset.get(keyword, default)

    def __contains__(self, keyword: Any) -> bool:
        return keyword in self.own or keyword in self.shared or keyword in self.dataset

    def private_block(self, group: int, creator: str) -> Any:
        """Return a private block of the file; KeyError without one.

        Args:
            group: Number of the group.
            creator: Creator of the block.
        """
        return self.dataset.private_block(group, creator)


@dataclass(frozen=True, eq=False)
class Plane:
    """One plane of pixels.

    Attributes:
        header: What is said of it: a pydicom dataset, or a `FrameHeader`.
        path: Its file.
        frame: Number of the frame from 0; None for a classic instance.
        tile: Where it lies in a mosaic; else None.
    """

    header: Header
    path: Path
    frame: int | None = None
    tile: Tile | None = None

    @property
    def sop_uid(self) -> str:
        """SOPInstanceUID of the file, which the frames of one file share."""
        return str(self.header.get("SOPInstanceUID", "") or self.path.name)

    @property
    def key(self) -> tuple[str, int]:
        """What names the plane: SOPInstanceUID and number of the frame from 1 (0 for a classic instance)."""
        return self.sop_uid, 0 if self.frame is None else self.frame + 1

    @cached_property
    def position(self) -> Array:
        """Centre of the first voxel in mm."""
        return self.tile.position if self.tile else self.floats("ImagePositionPatient")

    @cached_property
    def orientation(self) -> Array:
        """Six direction cosines: of the rows, then of the columns."""
        return self.floats("ImageOrientationPatient")

    @cached_property
    def spacing(self) -> Array:
        """Distance of the rows, then of the columns, in mm."""
        return self.floats("PixelSpacing")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the plane."""
        return self.tile.shape if self.tile else (int(self.header.get("Rows")), int(self.header.get("Columns")))

    def missing(self) -> str:
        """Return the attribute without which the plane has no place in the patient, or an empty text."""
        placed = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
        return next((keyword for keyword in placed if not self.header.get(keyword)), "")

    def floats(self, keyword: str) -> Array:
        """Return a value of several numbers.

        Args:
            keyword: DICOM keyword.
        """
        return np.array([float(item) for item in self.header.get(keyword)])

    def text(self, keyword: str) -> str:
        """Return a value as one text; empty when it is absent.

        Args:
            keyword: DICOM keyword.
        """
        value = self.header.get(keyword)
        return "" if value is None else str(value).strip()

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The values of ImageType and FrameType in capitals."""
        values: list[str] = []
        for keyword in ("ImageType", "FrameType"):
            value = self.header.get(keyword) or ()
            values += [value] if isinstance(value, str) else list(value)
        return tuple(str(item).upper() for item in values)


def image_header(path: Path) -> Header | None:
    """Return the header of an image instance; None for any other file.

    Args:
        path: Any file.

    Raises:
        Unusable: `truncated-file` when it is DICOM that cannot be parsed, or an image cut within its header.
    """
    from pydicom.errors import InvalidDicomError

    try:
        header: Header = read_dataset(path)
    except (InvalidDicomError, OSError):
        return None
    except Exception:
        raise Unusable(TRUNCATED_FILE, "A DICOM file of the series cannot be parsed.", "Export the series again.") from None
    if "Rows" not in header or "SeriesInstanceUID" not in header:
        check_not_cut(header)
        return None
    return None if str(header.get("Modality")) in NO_VOLUME else header


def planes_of(headers: Sequence[tuple[Header, Path]]) -> list[Plane]:
    """Return the planes of the files of one series, in an order that no file name decides.

    Args:
        headers: Header and path of every file; further copies of an instance are left out before.

    Raises:
        Unusable: `unsupported-image` for frames without a place, and the reasons of `mosaic.tiles_of`.
    """
    planes: list[Plane] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for header, path in headers:
            if "PerFrameFunctionalGroupsSequence" in header:
                planes += _frames(header, path)
            elif int(header.get("NumberOfFrames") or 1) > 1:
                message = "The multi-frame file says nothing of the place of its frames."
                raise Unusable(UNSUPPORTED_IMAGE, message, "Export it as an enhanced or a classic series.")
            elif is_mosaic(header):
                planes += [Plane(header, path, tile=tile) for tile in tiles_of(header)]
            else:
                planes.append(Plane(header, path))
    return sorted(planes, key=lambda plane: plane.key)


def _frames(dataset: Any, path: Path) -> Iterator[Plane]:
    shared = _flat(next(iter(dataset.get("SharedFunctionalGroupsSequence") or []), None))
    for number, groups in enumerate(dataset.get("PerFrameFunctionalGroupsSequence")):
        yield Plane(FrameHeader(dataset, _flat(groups), shared), path, number)


def _flat(item: Dataset | None, depth: int = 0) -> dict[str, object]:
    """Return the values of an item and of the first items of its sequences by keyword; the outer ones win."""
    found: dict[str, Any] = {}
    for element in item if item is not None else ():
        if element.VR != "SQ":
            found.setdefault(element.keyword, element.value)
        elif element.keyword == "RealWorldValueMappingSequence":
            found[element.keyword] = element.value
        elif element.keyword not in _REFERENCES and element.value and depth < 4:
            for keyword, value in _flat(element.value[0], depth + 1).items():
                found.setdefault(keyword, value)
    return found
