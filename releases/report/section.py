"""What a section of the page is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from unibase.releases.report.data import ReportData


@dataclass(frozen=True)
class Section:
    """One section of the page.

    Attributes:
        name: Its anchor, and the name of its template, `templates/report/<name>.html.j2`.
        title: Its heading, in French and in English.
        menu: Its word in the navigation, in French and in English.
        contents: What its template needs, from the data of the page; None when there is nothing to say, and the
            section is left out.
    """

    name: str
    title: tuple[str, str]
    menu: tuple[str, str]
    contents: Callable[[ReportData], Mapping[str, Any] | None]
