"""Regions of an image: RTSTRUCT, DICOM SEG, NIfTI, NRRD and MetaImage to masks on exactly the image's grid.

A mask on another lattice is refused, or resampled (nearest neighbour) when that is asked for; it is never bent in
silence. Regions are opened first and read one by one, so that one bad region does not take the others with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import TRUNCATED_FILE
from unibase.imaging import reasons
from unibase.imaging.dicom.opened import read_dataset
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.options import Gaps
from unibase.imaging.plain.whole import suffix_of
from unibase.imaging.regions.about import check_complete
from unibase.imaging.regions.labels import open_labels
from unibase.imaging.regions.lattice import GridRule
from unibase.imaging.regions.machine_made import made_of, marked
from unibase.imaging.regions.mask import AS_DRAWN, Mask, MaskRules, Roi
from unibase.imaging.regions.rtstruct import open_rtstruct
from unibase.imaging.regions.segmentation import open_segmentation

if TYPE_CHECKING:
    from pydicom import FileDataset


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


def open_masks(path: Path | str, volume: Volume, rules: MaskRules = AS_DRAWN) -> list[Roi]:
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
    path = Path(path)
    dataset = None if suffix_of(path) else _read_dicom(path)
    if dataset is None:
        rois, made = open_labels(path, volume, rules), made_of(path)
        return rois if made is None else [marked(roi, made, path, volume) for roi in rois]
    modality = str(dataset.get("Modality", ""))
    if modality == "RTSTRUCT":
        return open_rtstruct(dataset, volume, rules.gaps)
    if modality == "SEG":
        return open_segmentation(dataset, volume, rules)
    raise Unusable(reasons.NOT_A_MASK, "The DICOM file is neither RTSTRUCT nor SEG.", "Name the file that holds the regions.")


def _read_dicom(path: Path) -> FileDataset | None:
    """Return the DICOM object of a file, or None when it is none."""
    from pydicom.errors import InvalidDicomError

    try:
        dataset = read_dataset(path, pixels=True)
    except InvalidDicomError:
        return None
    except OSError:
        raise Unusable(reasons.UNREADABLE_MASK, "The mask file is absent or cannot be opened.", "Check the path.") from None
    except Exception:
        raise Unusable(reasons.UNREADABLE_MASK, "The mask is DICOM that cannot be parsed.", "Export it again.") from None
    check_complete(dataset)
    if "Modality" not in dataset:
        raise Unusable(TRUNCATED_FILE, "The mask file ends before it says what it is.", "Copy or export the file again.")
    return dataset
