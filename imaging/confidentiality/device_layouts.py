"""Where devices are known to write who the patient is: the catalogue `data/device_layouts.csv`, read by maker, model and size.

Its figures are facts that users of CTP (RSNA) and of pydicom's deid published of their devices: how high the banner is,
at the top and the bottom, or how large the written corner. Banners are taken over the whole width. The manual page
docs/device-layouts.md holds the same rows, and a test compares them. Other software of a device may write elsewhere:
boxes are proposals, and a person decides.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_ASKED = {
    "modality": "Modality",
    "maker": "Manufacturer",
    "model": "ManufacturerModelName",
    "rows": "Rows",
    "columns": "Columns",
    "image_type": "ImageType",
    "series": "SeriesDescription",
}
_WHOLE = frozenset({"modality", "rows", "columns"})


@dataclass(frozen=True)
class DeviceLayout:
    """One row of the catalogue.

    Attributes:
        device: Its name, for the operator.
        asked: Keyword and pattern of what a header must say.
        top: Height of the banner at the top, in pixels.
        bottom: Height of that at the bottom.
        corner: Width and height of the left upper corner that is written, or zeros.
    """

    device: str
    asked: tuple[tuple[str, re.Pattern[str]], ...]
    top: int
    bottom: int
    corner: tuple[int, int]

    def matches(self, facts: Mapping[str, str]) -> bool:
        """Return whether a header says all that is asked.

        Args:
            facts: Keyword and value as text, several values joined by backslashes.
        """
        return all(pattern.search(facts.get(keyword, "")) for keyword, pattern in self.asked)

    def written(self, columns: int, rows: int) -> tuple[tuple[int, int, int, int], ...]:
        """Return the boxes (x, y, width, height) that the device writes in, in pixels.

        Args:
            columns: Width of the image in pixels.
            rows: Its height.
        """
        boxes = ((0, 0, columns, self.top), (0, rows - self.bottom, columns, self.bottom), (0, 0, *self.corner))
        return tuple(one for one in boxes if one[2] and one[3])


@cache
def device_layouts() -> tuple[DeviceLayout, ...]:
    """Return the catalogue, in order."""
    with open(Path(__file__).parent / "data" / "device_layouts.csv", encoding="utf-8", newline="") as file:
        return tuple(map(_layout, csv.DictReader(file)))


def layout_of(facts: Mapping[str, str]) -> DeviceLayout | None:
    """Return the first row of the catalogue that an image answers to, or None.

    `facts`: keyword and value as text: Modality, Manufacturer, ManufacturerModelName, Rows, Columns, ImageType, SeriesDescription.

    Example:
        >>> said = {"Modality": "US", "Manufacturer": "Philips Medical Systems", "ManufacturerModelName": "iU22", "Rows": "600"}
        >>> found = layout_of(said)
        >>> found.device, found.written(800, 600)
        ('Philips iU22 (600)', ((0, 0, 800, 59),))
    """
    return next((one for one in device_layouts() if one.matches(facts)), None)


def _layout(row: Mapping[str, str]) -> DeviceLayout:
    asked = tuple((keyword, _pattern(key, row[key])) for key, keyword in _ASKED.items() if row[key])
    wide, high = (int(one) for one in (row["corner"] or "0x0").split("x"))
    return DeviceLayout(row["device"], asked, int(row["top"] or 0), int(row["bottom"] or 0), (wide, high))


def _pattern(key: str, said: str) -> re.Pattern[str]:
    # A maker stands at the beginning of a word: GE is no part of IMAGE.
    form = {"maker": rf"\b(?:{said})\b"} | dict.fromkeys(_WHOLE, rf"\A(?:{said})\Z")
    return re.compile(form.get(key, said), re.IGNORECASE)
