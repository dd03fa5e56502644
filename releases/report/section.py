"""What a section of the page is, and which there are: every module of `sections/` that names its `SECTION`."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module

from unibase.releases.report import sections
from unibase.releases.report.data import Contents, ReportData

FIRST = ""
"""What the first section of the page comes after."""


@dataclass(frozen=True)
class Section:
    """One section of the page.

    Attributes:
        name: Its anchor, and the name of its template, `<name>.html.j2` beside its module.
        title: Its heading, in French and in English.
        menu: Its word in the navigation, in French and in English.
        contents: What its template needs, from the data of the page; None when there is nothing to say, and the
            section is left out.
        after: Name of the section that it follows; `FIRST` for the one that opens the page.
        evidence: Linked tables that it is drawn from and that the release does not hold; the release stage hands them over.
    """

    name: str
    title: tuple[str, str]
    menu: tuple[str, str]
    contents: Callable[[ReportData], Contents | None]
    after: str
    evidence: tuple[str, ...] = ()


def known_sections() -> tuple[Section, ...]:
    """Return the sections of the page in the order a reader meets them."""
    names = sorted(module.name for module in pkgutil.iter_modules(sections.__path__))
    modules = [import_module(f"{sections.__name__}.{name}") for name in names]
    return in_order(module.SECTION for module in modules)


def in_order(found: Iterable[Section]) -> tuple[Section, ...]:
    """Return sections so that each stands after the one that it names.

    Of several that name the same, those that none follows come first, so that an added section stands where it asks to; then
    by name.

    Args:
        found: Sections in any order.

    Raises:
        ValueError: If two have one name, or one names a section that is not there or follows itself in a circle.
    """
    by_name: dict[str, Section] = {}
    for one in found:
        if one.name in by_name:
            raise ValueError(f"two sections are named {one.name}")
        by_name[one.name] = one
    followers: dict[str, list[Section]] = {}
    for one in by_name.values():
        followers.setdefault(one.after, []).append(one)

    def walk(name: str) -> list[Section]:
        mine = sorted(followers.get(name, ()), key=lambda one: (one.name in followers, one.name))
        return [section for one in mine for section in (one, *walk(one.name))]

    ordered = walk(FIRST)
    lost = sorted(set(by_name) - {one.name for one in ordered})
    if lost:
        raise ValueError(f"sections that follow none of the page: {', '.join(lost)}")
    return tuple(ordered)


def evidence_names() -> tuple[str, ...]:
    """Return the linked tables that sections are drawn from and that no release holds, each once, by name."""
    return tuple(sorted({name for one in known_sections() for name in one.evidence}))
