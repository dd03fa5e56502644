"""The page as a whole: its sections in order, and the frame around them."""

from __future__ import annotations

from pathlib import Path

from unibase.releases.disclosure.small_counts import MASK_TEXT
from unibase.releases.report import (
    anonymity,
    changes,
    concordance,
    dictionary,
    features,
    flow,
    harmonisation,
    modalities,
    opening,
    quality,
    quarantine,
    responses,
    stability,
    survival,
    timelines,
)
from unibase.releases.report.charts import both
from unibase.releases.report.data import ReportData, centre_count, shown

SECTIONS = (
    flow.SECTION,
    modalities.SECTION,
    timelines.SECTION,
    survival.SECTION,
    responses.SECTION,
    features.SECTION,
    stability.SECTION,
    harmonisation.SECTION,
    quality.SECTION,
    concordance.SECTION,
    quarantine.SECTION,
    changes.SECTION,
    anonymity.SECTION,
    dictionary.SECTION,
    opening.SECTION,
)
"""The sections of the page in the order a reader meets them. Add yours here."""

TEMPLATES = Path(__file__).parent / "templates"


def render(data: ReportData) -> str:
    """Return the page as HTML text."""
    from jinja2 import Environment, FileSystemLoader, select_autoescape
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html", "j2"]),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["svg"] = Markup
    environment.globals |= {"both": lambda fr, en: Markup(both(fr, en)), "data": data, "mask": MASK_TEXT}
    drawn = []
    for section in SECTIONS:
        contents = section.contents(data)
        if contents is not None:
            html = environment.get_template(f"{section.name}.html.j2").render(contents)
            drawn.append({"name": section.name, "title": section.title, "menu": section.menu, "html": Markup(html)})
    return environment.get_template("page.html.j2").render(
        sections=drawn,
        subjects=shown(data.table("subjects").height, data.min_cell),
        centres=centre_count(data),
    )
