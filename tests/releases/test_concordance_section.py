"""The page's section of concordance: subjects by check, small counts masked, no pseudonym."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from unibase.linking.tables import FINDINGS
from unibase.releases.content.weighing import Weighed
from unibase.releases.disclosure.cohort_counts import CohortCounts, People
from unibase.releases.disclosure.small_counts import MASK_TEXT
from unibase.releases.report.data import ReportData
from unibase.releases.report.section import known_sections
from unibase.releases.report.sections.discordance import SECTION


def data(findings: pl.DataFrame | None, min_cell: int) -> ReportData:
    evidence = {} if findings is None else {"concordance": findings}
    nobody = CohortCounts(People((), {}), {})
    weighed = Weighed(nobody, [], pl.DataFrame())
    return ReportData("s", "S", "1.0.0", "", Path(), weighed, {}, min_cell, evidence=evidence)


def test_subjects_are_counted_once_by_check_and_few_are_masked() -> None:
    rows = [(subject, "duplicate", 0.99, "rna", f"s{subject}-{n}", "like another's") for subject in range(12) for n in range(2)]
    rows += [(subject, "sex", 1.0, "methylation", "x", "not that of the records") for subject in range(3)]
    findings = pl.DataFrame(rows, schema=FINDINGS.schema(), orient="row")
    found = SECTION.contents(data(findings, 11))
    assert found is not None and found["subjects"] == "12"
    assert [(row["check"][1], row["modality"], row["subjects"]) for row in found["findings"]] == [
        ("sample under two names", "rna", "12"),
        ("sex", "methylation", MASK_TEXT),
    ]


def test_no_finding_is_said_and_no_check_is_no_section() -> None:
    assert SECTION.contents(data(None, 1)) is None
    assert SECTION.contents(data(pl.DataFrame(schema=FINDINGS.schema()), 1)) == {"findings": [], "subjects": "0"}
    assert SECTION in known_sections()
