"""The page's section of coverage: who has no event of a concept is said by name, and few persons are masked."""

from __future__ import annotations

import polars as pl

from tests.clinical.test_derivations import events
from tests.releases.test_concordance_section import data
from unibase.clinical.derived.code_counts import COVERAGE, coverage_of
from unibase.clinical.words.concepts import Concepts
from unibase.releases.disclosure.small_counts import MASK_TEXT
from unibase.releases.report.sections.coverage import contents


def test_a_concept_without_an_event_in_a_centre_is_told() -> None:
    lyon = events(*((n, "RECIST//OVRLRESP", "2020-01-05", "PD") for n in range(25))).with_columns(
        source=pl.lit("lyon/csv/recist")
    )
    ete = events((99, "RECIST//OVRLRESP", "2020-01-05", "SD")).with_columns(source=pl.lit("CHU-été/csv/recist"))
    asked = {"progression": "PFS", "tumour_assessment": "PFS, TTP"}
    table = coverage_of([lyon, ete], Concepts.default(), asked, ["lyon", "CHU-été"])
    assert table["persons"].to_list() == [0, 25, 1, 25]
    shown = data(None, 11)
    shown.evidence["coverage"] = table  # type: ignore[index]
    found = contents(shown)
    assert found is not None
    assert found["none"] == [{"concept": "progression", "centre": "CHU-été", "asked_by": "PFS"}]
    assert [row["cells"] for row in found["rows"]] == [["0", "≥ 22"], [MASK_TEXT, "≥ 22"]]


def test_without_a_table_there_is_no_section() -> None:
    assert contents(data(None, 11)) is None
    empty = data(None, 11)
    empty.evidence["coverage"] = pl.DataFrame(schema=COVERAGE)  # type: ignore[index]
    assert contents(empty) is None
