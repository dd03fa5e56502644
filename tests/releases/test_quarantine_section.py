"""The page's section of quarantine: the order of its rows tells nothing of those that are hidden."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from tests.releases.test_concordance_section import data
from unibase.groundwork.tables import QUARANTINE
from unibase.releases.disclosure.small_counts import MASK_TEXT
from unibase.releases.report.sections.quarantined_units import contents

UNITS = {"no-slices": 31, "no-region": 5, "no-pixels": 30, "no-body": 3, "no-index": 12}


def test_hidden_rows_stand_last_by_name_whatever_they_count(tmp_path: Path) -> None:
    rows = [
        {"stage": "features", "unit": f"{n}", "reason": reason, "message": ""}
        for reason, count in UNITS.items()
        for n in range(count)
    ]
    (tmp_path / "tables").mkdir()
    QUARANTINE.conform(pl.DataFrame(rows)).write_parquet(tmp_path / "tables" / "quarantine.parquet")
    page = replace(data(None, 11), folder=tmp_path)
    found = contents(page)["quarantine"]
    assert isinstance(found, list)
    assert [(row["reason"], row["count"]) for row in found] == [
        ("no-slices", "31"),
        ("no-pixels", "30"),
        ("no-index", "12"),
        ("no-body", MASK_TEXT),
        ("no-region", MASK_TEXT),
    ]
