"""What volumes a folder of DICOM holds, on one screen."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

LINES = 40
"""Lines of one screen; a longer list is cut, and the table has the rest."""


def in_lines(volumes: pl.DataFrame) -> list[str]:
    """Return the lines of the screen: the counts, then every volume by folder; what is refused comes first, with its reason.

    Args:
        volumes: VOLUMES frame.
    """
    count = {status: volumes.filter(pl.col("status") == status).height for status in ("volume", "image", "aside", "refused")}
    series = volumes.select("folder", "SeriesInstanceUID").n_unique()
    images = f"{count['image']} images of one plane, " if count["image"] else ""
    lines = [f"{series} series: {count['volume']} volumes, {images}{count['aside']} set aside, {count['refused']} refused"]
    order = pl.col("status").replace_strict({"refused": 0, "volume": 1, "image": 2, "aside": 3}, return_dtype=pl.Int8)
    rows = volumes.with_columns(order.alias("order")).sort("order", "folder", "SeriesInstanceUID", "volume").to_dicts()
    lines += [_line(row) for row in rows[:LINES]]
    if len(rows) > LINES:
        lines.append(f"... and {len(rows) - LINES} more; --out FILE writes all of them as a table.")
    return lines


def _line(row: Mapping[str, object]) -> str:
    name = f"{row['folder']}: {row['Modality'] or 'image'}" + (f", {row['volume']}" if row["volume"] else "")
    if row["status"] == "refused":
        return f"  refused  {name}: {row['reason']}. {row['message']} {row['remedy']}".rstrip()
    size = f"{row['Columns']} x {row['Rows']}"
    if row["status"] == "image":
        return f"  image    {name}: {size}, {row['spacing_x']:.4g} x {row['spacing_y']:.4g} mm"
    size += f" x {row['slices']}"
    if row["spacing_z"] is not None:
        size += f", {row['spacing_x']:.4g} x {row['spacing_y']:.4g} x {row['spacing_z']:.4g} mm"
    unit = f", {row['unit']}" if row["unit"] and row["status"] == "volume" else ""
    notes = f" ({row['notes']})" if row["notes"] else ""
    return f"  {row['status']:8} {name}: {size}{unit}{notes}"
