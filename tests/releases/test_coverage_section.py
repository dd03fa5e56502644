"""The page's section of coverage: a centre without an event of a concept is named, unless that narrows a count of a few."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from tests.clinical.test_derivations import events
from tests.releases.test_concordance_section import data
from unibase.clinical.derived.code_counts import COVERAGE, coverage_of
from unibase.clinical.words.concepts import Concepts
from unibase.releases.content.weighing import Weighed
from unibase.releases.disclosure.cohort_counts import people_of, weigh
from unibase.releases.disclosure.small_counts import MASK_TEXT
from unibase.releases.report.data import ReportData
from unibase.releases.report.sections.coverage import contents


def test_a_concept_without_an_event_in_a_centre_is_told() -> None:
    lyon = events(*((n, "RECIST//OVRLRESP", "2020-01-05", "PD") for n in range(25))).with_columns(
        source=pl.lit("lyon/csv/recist")
    )
    ete = events((99, "RECIST//OVRLRESP", "2020-01-05", "SD")).with_columns(source=pl.lit("CHU-été/csv/recist"))
    asked = {"progression": "PFS", "tumour_assessment": "PFS, TTP"}
    table = coverage_of([lyon, ete], Concepts.default(), asked, ["lyon", "CHU-été"])
    assert table["persons"].to_list() == [0, 25, 1, 25]
    found = contents(page(table, {"CHU-été": 30, "lyon": 40}))
    assert found is not None
    assert found["none"] == [{"concept": "progression", "centre": "CHU-été", "asked_by": "PFS"}]
    # Beside the one of a few, who has it in all may be known: then so is the other.
    assert [row["cells"] for row in found["rows"]] == [["0", "≥ 22"], [MASK_TEXT, MASK_TEXT]]


CELLS = {
    "those without are a few": ({"lyon": 38, "Paris": 25}, {"lyon": 40, "Paris": 50}, {"lyon": MASK_TEXT, "Paris": MASK_TEXT}),
    "nobody is hidden beside a few": (
        {"lyon": 3, "Paris": 0, "derived": 30},
        {"lyon": 30, "Paris": 20, "derived": 60},
        {"lyon": MASK_TEXT, "Paris": MASK_TEXT, "derived": MASK_TEXT},
    ),
    "nobody is told beside many": (
        {"lyon": 25, "Paris": 0, "derived": 30},
        {"lyon": 50, "Paris": 20, "derived": 60},
        {"lyon": "≥ 22", "Paris": "0", "derived": "≥ 22"},
    ),
    "all of a centre": ({"lyon": 40, "Paris": 25}, {"lyon": 40, "Paris": 50}, {"lyon": "≥ 33", "Paris": "≥ 22"}),
    "a small centre": (
        {"lyon": 4, "Paris": 25, "derived": 30},
        {"lyon": 9, "Paris": 50, "derived": 60},
        {"lyon": MASK_TEXT, "Paris": MASK_TEXT, "derived": MASK_TEXT},
    ),
    "two small centres have a few together": (
        {"lyon": 2, "Paris": 25, "derived": 2, "CHU-été": 30},
        {"lyon": 9, "Paris": 50, "derived": 8, "CHU-été": 60},
        {"lyon": MASK_TEXT, "Paris": MASK_TEXT, "derived": MASK_TEXT, "CHU-été": "≥ 22"},
    ),
    "more persons than the cohort has": ({"lyon": 50, "Paris": 25}, {"lyon": 40, "Paris": 50}, {"lyon": "≥ 44", "Paris": "≥ 22"}),
}


@pytest.mark.parametrize("case", CELLS)
def test_a_count_is_told_where_neither_it_nor_those_without_narrow_a_few(case: str) -> None:
    persons, sizes, cells = CELLS[case]
    table = pl.DataFrame([("death", name, n, n, "OS") for name, n in persons.items()], schema=COVERAGE, orient="row")
    shown = page(table, sizes)
    found = contents(shown)
    assert found is not None
    assert dict(zip(found["centres"], found["rows"][0]["cells"], strict=True)) == cells
    assert {d.number: d.shown for d in shown.record} == {f"death; centre {c}": cell != MASK_TEXT for c, cell in cells.items()}


def page(table: pl.DataFrame, sizes: dict[str, int]) -> ReportData:
    """Return the data of a page of a cohort with centres of these sizes."""
    centres = [name for name, size in sizes.items() for _ in range(size)]
    people = people_of(pl.DataFrame({"subject_id": range(len(centres)), "centre": centres}), {})
    return replace(data(None, 11), weighed=Weighed(weigh(people, 11), [], pl.DataFrame()), evidence={"coverage": table})


def test_without_a_table_there_is_no_section() -> None:
    assert contents(data(None, 11)) is None
    assert contents(page(pl.DataFrame(schema=COVERAGE), {"lyon": 40})) is None
