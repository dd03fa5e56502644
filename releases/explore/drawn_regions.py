"""A subject's regions drawn on its images: one slice of a store of voxels as SVG, with the outline of each region on it.

The slice is the one on which the asked region has most voxels. Only that slice of the image, and the boxes of its regions,
are read. What lies under the outlines are the values as they are, in a window of grey: nothing is smoothed or resampled.
"""

from __future__ import annotations

import base64
import html
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unibase.groundwork.problems import UserError

COLOURS = ("#ffd24a", "#4ad7ff", "#ff7ab8", "#8cff6b", "#ff9a4a", "#c9a6ff")
SOFT_TISSUE = (-160.0, 240.0)
"""Window of grey of CT, in HU; of other images the 1st to the 99th percentile of the slice."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Drawable:
    """A picture that can be asked for: number of the image among the subject's, its modality and day from the index, the region."""

    image: int
    modality: str
    day: int | None
    region: str


def drawable(folder: Path, subject: int) -> list[Drawable]:
    """Return the pictures of a subject: one for each region of each image whose voxels the release holds.

    Args:
        folder: Folder of the release.
        subject: A subject_id.
    """
    found = []
    for place, row in enumerate(_rows(folder, subject)):
        regions = filter(None, str(row["regions"] or "").split(", "))
        found += [Drawable(place, str(row["Modality"]), row["days_from_index"], region) for region in regions]
    return found


def drawn(folder: Path, subject: int, image: int, region: str) -> str:
    """Return the slice with most of a region, and the outlines of all regions on it, as SVG in mm.

    Args:
        folder: Folder of the release.
        subject: A subject_id.
        image: As in `Drawable`.
        region: As in `Drawable`.

    Raises:
        UserError: If the release holds no such image or region.
    """
    rows = _rows(folder, subject)
    if not 0 <= image < len(rows):
        raise UserError("The release holds no such image of the subject.")
    store = (folder / rows[image]["path"]).resolve()
    if not store.is_relative_to(folder.resolve()) or not store.is_dir():
        raise UserError("The voxels of this image are not in the folder of the release. Copy the whole release.")
    import zarr  # Heavy, and only who looks at an image asks for it.

    root: Any = zarr.open_group(store, mode="r")
    maps = list(_maps(root))
    level = _fullest(maps, region)
    values = np.asarray(root["0"][level], dtype=np.float64)
    window = SOFT_TISSUE if rows[image]["Modality"] == "CT" else tuple(np.percentile(values, (1, 99)))
    outlines = [(name, _outline(_on_slice(array, value, level))) for name, array, value, _ in maps]
    spacing = root.attrs["unibase"]["spacing"]
    return _svg(_png(_grey(values, window)), values.shape, (spacing[0], spacing[1]), [one for one in outlines if one[1]])


def _rows(folder: Path, subject: int) -> list[dict[str, Any]]:
    path = folder / "tables" / "images.parquet"
    if not path.exists():
        return []
    return pl.scan_parquet(path).filter(pl.col("subject_id") == subject).collect().sort("path").to_dicts()


def _maps(root: Any) -> Iterator[tuple[str, Any, int, list[list[int]]]]:
    """Yield of each region of a store: name, label map, value in it, and box (z, y, x)."""
    for name in root["labels"].attrs["ome"]["labels"] if "labels" in root else ():
        group = root[f"labels/{name}"]
        for one in group.attrs["ome"]["image-label"]["properties"]:
            yield str(one["name"]), group["0"], int(one["label-value"]), one["box"]


def _fullest(maps: list[tuple[str, Any, int, list[list[int]]]], region: str) -> int:
    """Return the slice on which a region has most voxels, the first of several.

    Raises:
        UserError: If no map has the region.
    """
    for name, array, value, box in maps:
        if name == region:
            inside = np.asarray(array[tuple(slice(low, high) for low, high in box)]) == value
            return int(box[0][0]) + int(inside.sum(axis=(1, 2)).argmax())
    raise UserError("The image has no such region.")


def _on_slice(array: Any, value: int, level: int) -> Mask:
    found: Mask = np.asarray(array[level]) == value
    return found


def _grey(values: NDArray[np.float64], window: tuple[float, ...]) -> NDArray[np.uint8]:
    low, high = window
    share = (values - low) / ((high - low) or 1.0)
    return np.round(255 * np.clip(np.nan_to_num(share), 0, 1)).astype(np.uint8)


def _outline(mask: Mask) -> str:
    """Return the edges between voxels inside and outside as the data of an SVG path; empty where the mask is."""
    around = np.pad(mask, 1)
    across = around[1:, 1:-1] != around[:-1, 1:-1]  # Edges above each row, (y + 1, x).
    along = (around[1:-1, 1:] != around[1:-1, :-1]).T  # Edges left of each column, (x + 1, y).
    parts = [f"M{first} {y}h{last - first}" for y, row in enumerate(across) for first, last in _runs(row)]
    parts += [f"M{x} {first}v{last - first}" for x, column in enumerate(along) for first, last in _runs(column)]
    return "".join(parts)


def _runs(line: Mask) -> list[tuple[int, int]]:
    """Return first and end of each run of True."""
    steps = np.diff(np.concatenate([[0], line.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist(), strict=True))


def _png(grey: NDArray[np.uint8]) -> bytes:
    """Return an image of bytes as PNG (RFC 2083)."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = grey.shape
    lines = b"".join(b"\0" + row.tobytes() for row in grey)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def _svg(png: bytes, shape: tuple[int, ...], spacing: tuple[float, float], outlines: list[tuple[str, str]]) -> str:
    height, width = shape
    across, down = width * spacing[0], height * spacing[1]
    paths = "".join(
        f'<path d="{path}" fill="none" stroke="{COLOURS[n % len(COLOURS)]}" stroke-width="1.5" vector-effect="non-scaling-stroke">'
        f"<title>{html.escape(name)}</title></path>"
        for n, (name, path) in enumerate(outlines)
    )
    picture = f'<image width="{width}" height="{height}" href="data:image/png;base64,{base64.b64encode(png).decode()}"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across:g} {down:g}" width="{across:g}mm" height="{down:g}mm">'
        f'<g transform="scale({spacing[0]:g} {spacing[1]:g})" image-rendering="pixelated">{picture}{paths}</g></svg>'
    )
