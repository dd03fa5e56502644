"""Sections of the page: found where they are declared, in the order that they ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from unibase.releases.report import sections
from unibase.releases.report.section import FIRST, Section, evidence_names, in_order, known_sections


def _section(name: str, after: str) -> Section:
    return Section(name, (name, name), (name, name), lambda _: None, after=after)


def test_the_page_opens_with_the_cohort_and_ends_with_how_to_open_it() -> None:
    names = [one.name for one in known_sections()]
    assert names[:2] == ["flow", "characteristics"] and names[-2:] == ["dictionary", "open"]
    folder = Path(sections.__path__[0])
    assert sorted(names) == sorted(path.name.removesuffix(".html.j2") for path in folder.glob("*.j2"))


def test_a_section_stands_after_the_one_it_names_wherever_it_is_found() -> None:
    found = [_section("d", "b"), _section("c", "b"), _section("b", "a"), _section("a", FIRST), _section("e", "a")]
    for turned in (found, found[::-1]):
        assert [one.name for one in in_order(turned)] == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    "found",
    [
        [_section("a", FIRST), _section("a", FIRST)],
        [_section("a", FIRST), _section("b", "nobody")],
        [_section("a", "b"), _section("b", "a")],
    ],
)
def test_a_section_that_cannot_be_placed_stops_the_build_and_does_not_vanish(found: list[Section]) -> None:
    with pytest.raises(ValueError):
        in_order(found)


def test_sections_say_which_linked_tables_they_are_drawn_from() -> None:
    assert evidence_names() == ("concordance", "quality")
