"""The page of a release: one self-contained HTML file for the people who decide whether to trust the data.

It shows aggregates in which no count of fewer than `min_cell` persons can be read or computed back
(`releases.content.weighing`), and no time of one person unless the study asks for single timelines. It opens offline, on a
phone and in print, in French and in English.

A section is one module in `sections/` that names its `SECTION`, with its template beside it; nothing else lists it. Its
module turns `ReportData` into what the template shows, says after which section it stands, and names the linked tables that
it needs and that are not part of the release.
"""

from unibase.releases.report.data import ReportData
from unibase.releases.report.page import render, render_dictionary

__all__ = ["ReportData", "render", "render_dictionary"]
