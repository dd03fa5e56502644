"""A region on the grid of an image, how it is told before it is read, and the rules by which it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.boxed import Boxed
from unibase.imaging.grid import Array
from unibase.imaging.options import Gaps
from unibase.imaging.regions.about import NOTHING, About
from unibase.imaging.regions.lattice import REFUSING, GridRule


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
        drawn_here: Of a series of several volumes, whether it was drawn on this one; None when its file does not say it.
    """

    roi_name: str
    number: int
    read: Callable[[], Mask]
    about: About = field(default=NOTHING, compare=False)
    layer: int = 0
    drawn_here: bool | None = None


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


def checked(mask: Mask) -> Mask:
    """Return the mask; refuse it when no voxel is inside.

    Raises:
        Unusable: `empty-region`.
    """
    if mask.region.empty:
        message = "No voxel centre lies inside the region."
        raise Unusable(reasons.EMPTY_REGION, message, "The region is smaller than a voxel, or empty.")
    return mask
