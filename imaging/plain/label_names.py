"""Names of labels, as the makers of label images write them: in the file's own header, or in a file beside it."""

from __future__ import annotations

import gzip
import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

Names = dict[tuple[int, int], str]
"""(layer, label) to name."""


def label_names(path: Path, header: Mapping[str, str]) -> Names:
    """Return the names of the labels of a mask file, as far as it or its data set says them.

    Read, the first that says a name wins: the segments of a `.seg.nrrd` file of 3D Slicer; the `dataset.json` of nnU-Net and of
    the Medical Segmentation Decathlon, in the folder of the mask or one of the two above it; the label table (XML) that
    TotalSegmentator and Connectome Workbench put into a NIfTI extension.

    Args:
        path: The mask file.
        header: Text fields of its header.
    """
    return _slicer_names(header) or _dataset_names(path) or _extension_names(path)


def _slicer_names(header: Mapping[str, str]) -> Names:
    names = {}
    for key in header:
        if key.startswith("Segment") and key.endswith("_LabelValue"):
            stem = key.removesuffix("_LabelValue")
            if f"{stem}_Name" in header:
                names[_whole(header.get(f"{stem}_Layer", "0")), _whole(header[key])] = header[f"{stem}_Name"]
    return names


def _whole(text: str) -> int:
    return int(text) if re.fullmatch(r"-?\d+", text.strip()) else 0


def _dataset_names(path: Path) -> Names:
    for folder in (path.parent, *path.parent.parents[:2]):
        file = folder / "dataset.json"
        if file.is_file():
            try:
                labels = json.loads(file.read_text(encoding="utf-8")).get("labels")
            except (ValueError, AttributeError, OSError):
                return {}
            return _named(labels)
    return {}


def _named(labels: object) -> Names:
    """Return names of `labels` of a dataset.json: number to name (Decathlon), or name to number (nnU-Net 2).

    nnU-Net's regions are lists of labels, which overlap: only single labels have a name of their own.
    """
    if not isinstance(labels, Mapping):
        return {}
    names: Names = {}
    for key, value in labels.items():
        if isinstance(value, int) and not isinstance(value, bool):
            names[0, value] = str(key)
        elif isinstance(value, str) and str(key).isdigit():
            names[0, int(key)] = value
    return names


_LABEL = re.compile(rb"<Label\b[^>]*\bKey=\"(\d+)\"[^>]*>\s*(?:<!\[CDATA\[)?([^\]<]+)")


def _extension_names(path: Path) -> Names:
    """Return the names in the label table of a NIfTI-1 file's header extension; it stands between header and data."""
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        return {}
    try:
        with path.open("rb") as raw:
            compressed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if compressed else path.open("rb") as stream:
            header = stream.read(352)
            if len(header) < 352 or header[344:347] != b"n+1" or header[348] == 0:
                return {}
            order: Literal["little", "big"] = "little" if header[:4] == (348).to_bytes(4, "little") else "big"
            size = int.from_bytes(stream.read(4), order)
            extension = stream.read(max(0, min(size, 1 << 22) - 4))
    except (OSError, EOFError):
        return {}
    return {(0, int(key)): html.unescape(name.decode("utf-8", "replace")).strip() for key, name in _LABEL.findall(extension)}
