"""Section: image features by centre."""

from __future__ import annotations

import re

import polars as pl

from unibase.releases.disclosure.decisions import EITHER_SIDE
from unibase.releases.disclosure.quantiles import BOX_WHY, quantiles
from unibase.releases.report import charts
from unibase.releases.report.data import Contents, ReportData
from unibase.releases.report.section import Section

FEATURES_SHOWN = 6
PREFERRED_FEATURES = (
    "original_shape_MeshVolume",
    "original_shape_Sphericity",
    "original_firstorder_Mean",
    "original_firstorder_Entropy",
    "original_glcm_JointEntropy",
    "original_glrlm_RunEntropy",
)


def _distributions(data: ReportData) -> list[dict[str, str]]:
    """Draw some features by centre: those quantiles alone that at least `min_cell` subjects stand on either side of."""
    if "centre" not in data.columns("subjects"):
        return []
    names = _features_to_show(data)
    analysis = data.table("analysis", "subject_id", *names).join(
        data.table("subjects", "subject_id", "centre"), on="subject_id", how="left"
    )
    found = []
    for place, name in enumerate(names):
        rows = []
        for centre in sorted(analysis["centre"].drop_nulls().unique().to_list()):
            values = analysis.filter(pl.col("centre") == centre)[name].drop_nulls().cast(pl.Float64).to_numpy()
            shown = quantiles(values, data.min_cell)
            data.ruled("features", f"{name}, {centre}", EITHER_SIDE, shown is not None, BOX_WHY)
            rows.append(charts.Box(centre, shown))
        found.append({"name": name, "label": _heading(name), "svg": charts.boxes(f"box-{place}", name, rows)})
    return found


def _heading(name: str) -> str:
    """Return a feature's name as words: `CT_GTV_original_shape_MeshVolume` is Mesh volume (CT GTV)."""
    *before, feature = name.split("_")
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", feature).capitalize()
    place = " ".join(word for word in before[:-1] if word != "original")
    return f"{words} ({place})" if place else words


def _features_to_show(data: ReportData) -> list[str]:
    dictionary = data.dictionary.filter(pl.col("table") == "radiomics")
    # Of a subject, not of an image: keys and columns that the radiomics matrix repeats.
    known = set(data.columns("analysis")) - set(data.columns("subjects"))
    names = [c for c in dictionary["column"] if c in known]
    preferred = [n for p in PREFERRED_FEATURES for n in names if n.endswith(p)]
    rest = [n for n in names if n not in set(preferred)]
    return [*preferred, *rest][:FEATURES_SHOWN]


def contents(data: ReportData) -> Contents:
    """Return what the template shows.

    Args:
        data: The data of the page.
    """
    return {"distributions": _distributions(data)}


SECTION = Section(
    "features",
    ("Caractéristiques d'image par centre", "Image features by centre"),
    ("Caractéristiques", "Features"),
    contents,
    after="responses",
)
