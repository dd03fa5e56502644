"""Section: how far masks of models agree with those that people drew."""

from __future__ import annotations

import polars as pl

from unibase.releases.disclosure.decisions import EITHER_SIDE
from unibase.releases.disclosure.quantiles import BOX_WHY, quantiles
from unibase.releases.report import charts
from unibase.releases.report.data import Contents, ReportData
from unibase.releases.report.section import Section

MEASURES = {
    "dice": ("Coefficient de Dice", "Dice coefficient"),
    "mean_distance": ("Distance moyenne des surfaces (mm)", "Mean surface distance (mm)"),
    "hausdorff_95": ("Distance de Hausdorff, 95e centile (mm)", "Hausdorff distance, 95th percentile (mm)"),
}
"""What is drawn, and how it is headed, in French and in English."""


def _box(data: ReportData, column: str) -> charts.Labelled | None:
    """Draw one measure by model and label, a value for each person: the median over the person's images and readers."""
    rows = []
    table = data.table("mask_agreement").drop_nulls(column)
    for (model, label, target), mine in sorted(table.partition_by("model", "label", "target", as_dict=True).items()):
        persons = mine.group_by("subject_id").agg(pl.col(column).median())[column]
        shown = quantiles(persons.to_numpy(), data.min_cell)
        data.ruled("mask_agreement", f"{column} of {label} by {model} and {target}", EITHER_SIDE, shown is not None, BOX_WHY)
        rows.append(charts.Box(f"{model}: {label} / {target}", shown))
    if not any(row.quantiles is not None for row in rows):
        return None
    return charts.Labelled(MEASURES[column], charts.boxes(f"agreement-{column}", MEASURES[column][1], rows))


def contents(data: ReportData) -> Contents | None:
    """Return what the template shows; nothing where no model made a mask, or too few persons have one.

    Args:
        data: The data of the page.
    """
    models = dict(dict(data.about.get("settings", {})).get("segmenters") or {})
    if not models:
        return None
    boxes = [_box(data, column) for column in MEASURES] if data.has("mask_agreement") else []
    told = [{"name": name, "version": one["version"], "weights": one["weights"]} for name, one in sorted(models.items())]
    return {"models": told, "boxes": [box for box in boxes if box is not None]}


SECTION = Section(
    "mask_agreement",
    ("Masques faits par des modèles", "Masks made by models"),
    ("Modèles", "Models"),
    contents,
    after="image_quality",
)
