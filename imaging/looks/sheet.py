"""The contact sheet: one page of all regions with their pictures, the most suspect first."""

from __future__ import annotations

import html
from pathlib import Path

import polars as pl

from unibase.groundwork.files import atomic_file

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Masks on their images</title>
<style>
body{font:14px/1.4 system-ui,sans-serif;margin:1.5rem;color:#1b1b1b;background:#fff}
ol{list-style:none;padding:0;display:grid;grid-template-columns:repeat(auto-fill,minmax(34rem,1fr));gap:1rem}
li{border:1px solid #ccc;border-radius:6px;padding:.6rem}
img{max-width:100%;height:auto;display:block;background:#000}
h2{font-size:1rem;margin:.2rem 0}
p{margin:.2rem 0}
.why{color:#8a1c00;font-weight:600}
</style></head><body>
<h1>Masks on their images, the most suspect first</h1>
<p>Outline: the region. Panels: across z, y and x through the largest sections; for PET the maximum projection from the front too.
Pseudonymised: this page and its pictures stay where the images are.</p>
<ol>
"""


def write_sheet(looks: pl.DataFrame, destination: Path, pictures: str) -> None:
    """Write the contact sheet of a LOOKS frame.

    Args:
        looks: LOOKS, in the order in which they are shown.
        destination: The HTML file.
        pictures: Folder of the pictures, relative to that file.
    """
    parts = [_HEAD, *(_item(row, pictures) for row in looks.iter_rows(named=True)), "</ol></body></html>\n"]
    with atomic_file(destination) as temporary:
        temporary.write_text("".join(parts), encoding="utf-8")


def _item(row: dict[str, object], pictures: str) -> str:
    said = {key: html.escape(str(value)) for key, value in row.items() if value is not None}
    title = " · ".join(said[key] for key in ("subject_id", "region", "roi_name", "Modality") if key in said)
    numbers = f"{row['volume_ml']:.2f} mL, median {row['median']:.4g}, contrast {row['contrast']:.2f}, edge {row['edge']:.2f}"
    why = f'<p class="why">{said["why"]}</p>' if "why" in said else ""
    notes = f"<p>{said['mask_notes']}</p>" if "mask_notes" in said else ""
    verdict = f"<p>verdict: {said['verdict']}</p>" if "verdict" in said else ""
    image = f'<img loading="lazy" alt="{title}" src="{html.escape(pictures)}/{said["picture"]}">' if "picture" in said else ""
    return (
        f"<li><h2>{title}</h2>{image}{why}<p>suspicion {row['suspicion']:.1f}: {numbers}</p>{notes}"
        f"{verdict}<p><small>{said['SeriesInstanceUID']}<br>source_digest {said['source_digest'][:16]}</small></p></li>\n"
    )
