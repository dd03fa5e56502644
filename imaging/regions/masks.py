"""Regions of an image: RTSTRUCT, DICOM SEG, NIfTI, NRRD and MetaImage to masks on exactly the image's grid.

A mask on another lattice is refused, or resampled (nearest neighbour) when that is asked for; it is never bent in
silence. Regions are opened first and read one by one, so that one bad region does not take the others with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unibase.groundwork.problems import Unusable
from unibase.imaging.boxed import Boxed
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Array
from unibase.imaging.regions.about import NOTHING, About, check_complete
from unibase.imaging.regions.lattice import REFUSING, GridRule

if TYPE_CHECKING:
    from unibase.imaging.regions.rtstruct import Gaps


@dataclass(frozen=True)
class Mask:
    """One region on the grid of a volume.

    Attributes:
        roi_name: Name of the region in its file.
        region: Its voxels.
        number: ROI Number, Segment Number or label value.
        notes: What a user should know of how it was made, as short codes, such as `gap-between-contours`.
        coverage: Share of what was drawn that lies within the image; 1 when nothing was cut off.
    """

    roi_name: str
    region: Boxed
    number: int = 0
    notes: tuple[str, ...] = ()
    coverage: float = 1.0

    @property
    def array(self) -> Array:
        """The mask of the whole image, boolean, z, y, x; made anew at each call."""
        return self.region.full()


@dataclass(frozen=True)
class Roi:
    """A region that can be read: its name and number, known without the cost of making the mask.

    Attributes:
        roi_name: Name in its file.
        number: ROI Number, Segment Number or label value.
        read: Makes the mask; raises `Unusable` when it cannot be made.
        about: What its file says of itself.
        layer: Layer of a file in which labels of several layers overlap.
    """

    roi_name: str
    number: int
    read: Callable[[], Mask]
    about: About = field(default=NOTHING, compare=False)
    layer: int = 0


@dataclass(frozen=True)
class MaskRules:
    """How masks are read.

    Attributes:
        grid: What holds for masks on other grids.
        threshold: Least fraction (fractional SEG) at which a voxel is inside.
        gaps: What to do with slices between contours (RTSTRUCT) that carry none: `keep` them empty, as drawn, `fill` them
            by interpolating the shape, or `refuse` the region.
        label: The one label of a label image to read; None reads all.
        label_channel: The one layer of a label image of several layers to read; None reads all.
        components: Read every connected part of a label as a region of its own.
    """

    grid: GridRule = REFUSING
    threshold: float = 0.5
    gaps: Gaps = "keep"
    label: int | None = None
    label_channel: int | None = None
    components: bool = False


AS_DRAWN = MaskRules()
"""All regions, as they were drawn."""


def read_masks(
    path: Path | str, volume: Volume, *, resample: bool = False, threshold: float = 0.5, gaps: Gaps = "keep"
) -> list[Mask]:
    """Read all regions of a file on the grid of `volume`.

    Args:
        path: RTSTRUCT, SEG, NIfTI, NRRD or MetaImage file.
        volume: The image that the regions belong to.
        resample: Resample masks that lie on another lattice; False refuses them.
        threshold: As `MaskRules`.
        gaps: As `MaskRules`.

    Raises:
        Unusable: As `open_masks`, and for the first region that cannot be read.
    """
    rules = MaskRules(GridRule(resample), threshold, gaps)
    return [roi.read() for roi in open_masks(path, volume, rules)]


def open_masks(path: Path | str, volume: Volume, rules: MaskRules = MaskRules()) -> list[Roi]:
    """Open the regions of a file, to be read one by one.

    Args:
        path: RTSTRUCT, SEG, NIfTI, NRRD or MetaImage file.
        volume: The image that the regions belong to.
        rules: How masks are read.

    Raises:
        Unusable: `unreadable-mask` when the file is neither DICOM nor an image, `truncated-file`, `not-a-mask` when it is
            another kind of DICOM object, `label-absent`. Reading a region may raise `mask-geometry`, `frame-of-reference`,
            `empty-region`, `region-outside-image`, `no-closed-contour`, `contour-not-in-slice-plane`.
    """
    from unibase.imaging.plain.whole import suffix_of

    path = Path(path)
    if suffix_of(path):
        from unibase.imaging.regions.labels import open_labels

        return open_labels(path, volume, rules)
    dataset = _read_dicom(path)
    if dataset is None:
        from unibase.imaging.regions.labels import open_labels

        return open_labels(path, volume, rules)
    modality = str(dataset.get("Modality", ""))
    if modality == "RTSTRUCT":
        from unibase.imaging.regions.rtstruct import open_rtstruct

        return open_rtstruct(dataset, volume, rules.gaps)
    if modality == "SEG":
        from unibase.imaging.regions.segmentation import open_segmentation

        return open_segmentation(dataset, volume, rules)
    raise Unusable("not-a-mask", "The DICOM file is neither RTSTRUCT nor SEG.", "Name the file that holds the regions.")


def _read_dicom(path: Path) -> Any:
    """Return the DICOM object of a file, or None when it is none."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        dataset = pydicom.dcmread(path)
    except InvalidDicomError:
        return None
    except OSError:
        raise Unusable("unreadable-mask", "The mask file is absent or cannot be opened.", "Check the path.") from None
    except Exception:
        raise Unusable("unreadable-mask", "The mask is DICOM that cannot be parsed.", "Export it again.") from None
    check_complete(dataset)
    if "Modality" not in dataset:
        raise Unusable("truncated-file", "The mask file ends before it says what it is.", "Copy or export the file again.")
    return dataset


def checked(mask: Mask) -> Mask:
    """Return the mask; refuse it when no voxel is inside."""
    if mask.region.empty:
        raise Unusable("empty-region", "No voxel centre lies inside the region.", "The region is smaller than a voxel, or empty.")
    return mask
