"""The page as a whole: its sections in order, and the frame around them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from unibase.releases.disclosure.cohort_counts import Cell
from unibase.releases.disclosure.small_counts import MASK_TEXT
from unibase.releases.report.charts import both
from unibase.releases.report.data import ReportData, centre_count, text
from unibase.releases.report.french import french, french_cause
from unibase.releases.report.section import known_sections
from unibase.releases.report.sections.dictionary_words import dictionary_rows

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = [Path(__file__).parent / "templates", Path(__file__).parent / "sections"]


def render(data: ReportData) -> str:
    """Return the page over `data` as HTML text."""
    from markupsafe import Markup

    environment = _environment(data)
    drawn = []
    for section in known_sections():
        contents = section.contents(data)
        if contents is not None:
            html = environment.get_template(f"{section.name}.html.j2").render(contents)
            drawn.append({"name": section.name, "title": section.title, "menu": section.menu, "html": Markup(html)})
    return environment.get_template("page.html.j2").render(
        sections=drawn,
        subjects=text(data.weighed.cohort.counts[Cell()]),
        centres=centre_count(data),
    )


def render_dictionary(data: ReportData) -> str:
    """Return the page of the dictionary of `data` as HTML text; it stands in a folder beside the page of the release."""
    return _environment(data).get_template("words.html.j2").render(rows=dictionary_rows(data))


def _told(words: str) -> Markup | str:
    """Return the pipeline's own words in both languages, once where they are the same."""
    from markupsafe import Markup

    return words if french(words) == words else Markup(both(french(words), words))


def _environment(data: ReportData) -> Environment:
    from jinja2 import Environment, FileSystemLoader, select_autoescape  # Heavy, and only what draws a page asks for it.
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html", "j2"]),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["svg"] = Markup
    environment.globals |= {
        "both": lambda fr, en: Markup(both(fr, en)),
        "told": _told,
        "french_cause": french_cause,
        "data": data,
        "mask": MASK_TEXT,
    }
    return environment
