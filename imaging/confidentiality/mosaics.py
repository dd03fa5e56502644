"""What is kept of the private header of a Siemens mosaic: how its slices lie, and nothing else of it."""

from __future__ import annotations

import warnings
from pathlib import Path

from unibase.imaging.confidentiality.structure import Encoding
from unibase.imaging.dicom.mosaic import carried


def mosaic_elements(path: Path | str, encoding: Encoding) -> bytes:
    """Return the elements that end the header of a de-identified mosaic, so that its slices can be told apart.

    Args:
        path: The source file.
        encoding: How the copy is encoded.

    Returns:
        Four numbers in a private block of ours; nothing when the source does not tell how the slices lie.
    """
    # Mosaics are few: the library is loaded where one is met.
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return carried(pydicom.dcmread(path, stop_before_pixels=True), encoding.little, encoding.implicit)
