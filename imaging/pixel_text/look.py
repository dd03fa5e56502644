"""A look at the pixels of one image at risk: its frames, the boxes that rules and the reader propose, and two pictures."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from blake3 import blake3

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.confidentiality import objects
from unibase.imaging.confidentiality.device_layouts import layout_of
from unibase.imaging.dicom.opened import read_dataset
from unibase.imaging.grid import Array
from unibase.imaging.pixel_text import finder
from unibase.imaging.pixel_text.blanking import stored_values
from unibase.imaging.pixel_text.boxes import Box, outside_regions
from unibase.imaging.pixel_text.pixel_decisions import Decision

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

Finder = Callable[[Sequence[Array]], tuple[Box, ...]]
_WIDEST, _LINE = 640, 48
_SHOWN_MIDDLE = 128.0
_NARROW = 0.25
"""Share of the range of values below which a window shows what the whole range hides."""


@dataclass(frozen=True)
class Look:
    """What was seen of one image.

    Attributes:
        decision: The image and the boxes proposed, not yet decided.
        before: Its middle frame as a PNG, at most 640 pixels wide.
        after: The same with the boxes black.
    """

    decision: Decision
    before: bytes
    after: bytes


def look_at(path: Path, name: str, find: Finder | None) -> Look | None:
    """Look at a file; None where its header gives no cause to.

    Args:
        path: The file.
        name: Its name below the source folder.
        find: Finds texts in frames, such as `finder.to_blank`; without one only the header's regions give boxes.

    Raises:
        Unusable: `not-dicom`, `unreadable-pixels`.
    """
    content = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = read_dataset(content, pixels=True)
            risk = objects.at_risk(_facts(dataset))
        except Exception:
            raise Unusable(reasons.NOT_DICOM, "The file is no DICOM image.", reasons.NOT_DICOM.remedy) from None
        if risk is None or "PixelData" not in dataset:
            return None
        stored = stored_values(dataset)
        values = _as_seen(dataset, stored)
    boxes = (*outside_regions(dataset), *_of_the_device(dataset))
    if find is not None:
        # Not joined with those of the header: the box around an edge and a text that crosses it may be the whole image.
        # A line that crosses an edge is read whole: what lies within a line's height of it is not hidden.
        hidden = [inner for one in boxes if (inner := one.grown(-_LINE)).width > 0 and inner.height > 0]
        boxes = (*boxes, *find([*finder.looked_at(_blank(values, hidden)), *_in_window(dataset, stored)]))
    size = (values.shape[2], values.shape[1], values.shape[0])
    decision = Decision(blake3(content).hexdigest(), name, _device(dataset), size, boxes)
    middle = values[len(values) // 2 : len(values) // 2 + 1]
    return Look(decision, _png(middle[0]), _png(_blank(middle, boxes)[0]))


def _as_seen(dataset: FileDataset, values: Array) -> Array:
    """Return stored values in the colours that a person sees, for texts may be light on light as they are stored.

    Shape (frames, rows, columns, samples), before and after; PS3.3 C.7.6.3.1.2.
    """
    colour = str(dataset.get("PhotometricInterpretation"))
    if colour == "PALETTE COLOR":
        from pydicom.pixels import apply_color_lut

        seen = np.asarray(apply_color_lut(values[..., 0], dataset))
        # Palettes of 16 bits are seen by their high byte.
        return (seen >> 8).astype(np.uint8) if seen.dtype == np.uint16 else seen
    if colour == "YBR_FULL" and values.dtype == np.uint8:
        y, cb, cr = (values[..., number].astype(np.float32) for number in range(3))
        cb, cr = cb - _SHOWN_MIDDLE, cr - _SHOWN_MIDDLE
        return np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], -1).clip(0, 255).astype(np.uint8)
    return np.asarray(values.max() - values.astype(np.int32) if colour == "MONOCHROME1" else values)


def _in_window(dataset: FileDataset, stored: Array) -> Iterator[Array]:
    """Yield the middle frame in the window of its header, where that shows a small part of the range: texts may be faint in all of it."""
    if stored.shape[3] > 1 or "PALETTE" in str(dataset.get("PhotometricInterpretation")):
        return
    if dataset.get("WindowWidth") in (None, "") or dataset.get("WindowCenter") in (None, ""):
        return
    try:
        centre, width, slope = (float(_first(dataset.get(key))) for key in ("WindowCenter", "WindowWidth", "RescaleSlope"))
        middle = (centre - float(_first(dataset.get("RescaleIntercept", 0)))) / slope
    except (IndexError, TypeError, ValueError, ZeroDivisionError):
        return
    half = abs(width / slope) / 2
    if 0 < 2 * half < _NARROW * (float(stored.max()) - float(stored.min())):
        frame = stored[len(stored) // 2 : len(stored) // 2 + 1]
        yield _as_seen(dataset, np.clip(frame.astype(np.float32), middle - half, middle + half))[0]


def _first(value: object) -> str:
    """Return the first of an attribute's values as text; one that is absent is 1, as a slope is."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return str(value[0])
    return "1" if value is None else str(value)


def _facts(dataset: FileDataset) -> dict[str, str]:
    return {
        keyword: "\\".join(map(str, value)) if isinstance(value, (list, tuple)) or hasattr(value, "append") else str(value)
        for keyword in objects.FACTS.values()
        if (value := dataset.get(keyword)) not in (None, "")
    }


def _of_the_device(dataset: FileDataset) -> tuple[Box, ...]:
    """Return where the catalogue of devices says that this one writes."""
    layout = layout_of(_facts(dataset))
    return tuple(Box(*one) for one in layout.written(int(dataset.Columns), int(dataset.Rows))) if layout else ()


def _device(dataset: FileDataset) -> str:
    name = objects.name_of(str(dataset.get("SOPClassUID", "")))
    said = [name, *(str(dataset.get(keyword, "")) for keyword in ("Manufacturer", "ManufacturerModelName"))]
    return " / ".join(one.replace("\n", " ") for one in said if one)


def _blank(values: Array, boxes: Sequence[Box]) -> Array:
    shown = values.copy()
    for box in boxes:
        part = box.within(values.shape[2], values.shape[1])
        if part is not None:
            shown[:, part.y : part.y + part.height, part.x : part.x + part.width] = values.min()
    return shown


def _png(frame: Array) -> bytes:
    from PIL import Image

    picture = Image.fromarray(finder.as_shown(frame))
    if picture.width > _WIDEST:
        picture = picture.resize((_WIDEST, max(1, picture.height * _WIDEST // picture.width)))
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=False)
    return out.getvalue()
