"""Section: what images there are and how good they are, by modality and centre."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from unibase.releases.disclosure.decisions import EITHER_SIDE
from unibase.releases.disclosure.quantiles import BOX_WHY, quantiles
from unibase.releases.disclosure.small_counts import is_small
from unibase.releases.report import charts
from unibase.releases.report.data import Contents, ReportData
from unibase.releases.report.section import Section

MEASURES = {
    "spacing_z": ("Distance entre coupes (mm)", "Slice distance (mm)"),
    "spacing_x": ("Taille du pixel (mm)", "Pixel size (mm)"),
    "coverage": ("Étendue (mm)", "Extent (mm)"),
    "noise": ("Bruit", "Noise"),
    "truncation": ("Part du champ bordée de tissu", "Share of the field's border with tissue"),
    "uptake": ("Temps d'attente (min)", "Uptake (min)"),
}
"""Measures of an image and how they are headed, in French and in English."""

NAMES = {
    "ConvolutionKernel": ("Filtre de reconstruction", "Reconstruction kernel"),
    "MagneticFieldStrength": ("Champ magnétique (T)", "Field strength (T)"),
    "nuclide": ("Radionucléide", "Nuclide"),
    "unit": ("Unité", "Unit"),
    "motion": ("Mouvement", "Motion"),
    "notes": ("Remarques", "Notes"),
}
"""What is listed by name, where enough persons have it."""

NAME_WHY = "A name is listed where enough persons have it."


@dataclass(frozen=True)
class _Listed:
    """Values that enough persons have, in one text, below what heads them in French and in English."""

    label: tuple[str, str]
    values: str


def _drawn(data: ReportData) -> list[dict[str, object]]:
    """Return for every modality its measures as boxes by centre, and the names that enough persons have.

    Args:
        data: The data of the page; its table `volumes` has a row for every volume.
    """
    images = data.table("volumes")
    found: list[dict[str, object]] = []
    for modality in sorted(images["Modality"].drop_nulls().unique().to_list()):
        mine = images.filter(pl.col("Modality") == modality)
        boxes = [box for column in MEASURES if (box := _box(data, mine, modality, column)) is not None]
        names = [listed for column in NAMES if (listed := _names(data, mine, modality, column)) is not None]
        if boxes or names:
            found.append({"modality": modality, "boxes": boxes, "names": names})
    return found


def _box(data: ReportData, images: pl.DataFrame, modality: str, column: str) -> charts.Labelled | None:
    """Draw one measure by centre, a value for each person: the median over the person's volumes."""
    of_persons = images.drop_nulls(column).group_by("subject_id", "centre").agg(pl.col(column).median())
    rows = []
    for centre in sorted(of_persons["centre"].drop_nulls().unique().to_list()):
        shown = quantiles(of_persons.filter(pl.col("centre") == centre)[column].to_numpy(), data.min_cell)
        data.ruled("image_quality", f"{modality} {column}, {centre}", EITHER_SIDE, shown is not None, BOX_WHY)
        rows.append(charts.Box(centre, shown))
    if not any(row.quantiles is not None for row in rows):
        return None
    svg = charts.boxes(f"volumes-{modality}-{column}", f"{modality} {MEASURES[column][1]}", rows)
    return charts.Labelled(MEASURES[column], svg)


def _names(data: ReportData, images: pl.DataFrame, modality: str, column: str) -> _Listed | None:
    """Return the values that enough persons have, in their order."""
    persons = images.drop_nulls(column).group_by(column).agg(pl.col("subject_id").n_unique().alias("persons")).sort(column)
    shown = []
    for value, count in persons.iter_rows():
        enough = not is_small(count, data.min_cell)
        data.ruled(
            "image_quality", f"{modality} {column} {value}" if enough else f"{modality} {column}", EITHER_SIDE, enough, NAME_WHY
        )
        if enough:
            shown.append(f"{value:g}" if isinstance(value, float) else str(value))
    return _Listed(NAMES[column], ", ".join(shown)) if shown else None


def contents(data: ReportData) -> Contents | None:
    """Return what the template shows; nothing where there are no images, or too few persons have them.

    Args:
        data: The data of the page.
    """
    found = _drawn(data) if data.has("volumes") else []
    return {"modalities": found} if found else None


SECTION = Section(
    "image_quality",
    ("Qualité des images", "Quality of the images"),
    ("Images", "Images"),
    contents,
    after="features",
)
