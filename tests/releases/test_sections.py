"""Sections of the page: found where they are declared, in the order that they ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from unibase.releases.disclosure.harmonised_counts import masked
from unibase.releases.report import sections
from unibase.releases.report.data import at_least
from unibase.releases.report.section import FIRST, Section, evidence_names, in_order, known_sections
from unibase.releases.report.sections import quality


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
        assert [one.name for one in in_order(turned)] == ["a", "e", "b", "c", "d"]


def test_a_section_added_beside_the_thread_of_the_page_stands_at_once_after_the_one_it_names() -> None:
    found = [_section("flow", FIRST), _section("survival", "flow"), _section("open", "survival"), _section("walked", "flow")]
    assert [one.name for one in in_order(found)] == ["flow", "walked", "survival", "open"]


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


def test_tables_that_sections_are_drawn_from_are_left_by_the_stage_before() -> None:
    link = (CHECKOUT / "flows" / "stages" / "link.py").read_text(encoding="utf-8")
    assert all(f'"{name}": ' in link for name in evidence_names())
    assert "concordance" in evidence_names()


def test_what_no_program_weighs_is_told_in_multiples_of_the_smallest_count() -> None:
    # 12 of 38 persons without a sex, and 83 of 90 cells that changed: the exact numbers would say 12, and 7 that did not.
    assert quality._share({"violations": 12, "rows": 38}, 11) == pytest.approx(100 * 11 / 38)
    assert quality._share({"violations": 38, "rows": 38}, 11) == 100
    assert quality._share({"violations": 0, "rows": 0}, 11) == 0
    assert [at_least(n, 11) for n in (10, 11, 21, 22, 83)] == ["•", "≥ 11", "≥ 11", "≥ 22", "≥ 77"]


def test_counts_of_a_harmonisation_do_not_differ_by_a_few() -> None:
    # 43 harmonised and 12 left out; of the 43, the effect was measured on 38: the difference is of five persons.
    record = {"subjects": 43, "left_out": 12, "effect": {"fitted": {"subjects": 38, "q50": 1.0}, "held_out": {"subjects": 26}}}
    found = masked(record, 11)
    assert (found["subjects"], found["left_out"]) == (33, 11)
    assert found["effect"] == {"fitted": {"subjects": 33, "q50": 1.0}, "held_out": {"subjects": 22}}
    assert masked({**record, "left_out": 4}, 11)["left_out"] is None
    assert masked({**record, "left_out": 0}, 11)["left_out"] == 0
