"""Every empty cell has one reason, whatever the blocks, and the dictionary counts them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tests.releases.examples import make_inputs
from unibase.groundwork.problems import UserError
from unibase.releases.content import publish
from unibase.releases.content.missingness import REASONS, Reasons
from unibase.releases.content.publish import publish_release


def told(*rows: tuple[int, str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["subject_id", "variable", "reason"], orient="row")


def test_the_reason_of_a_cell() -> None:
    reasons = Reasons(
        told((1, "rna_*", "withheld"), (2, "rna_*", "not yet"), (2, "rna_TP53", "not known")),
        pl.DataFrame({"subject_id": [3], "variable": ["rna_*"]}),
    )
    block = pl.DataFrame(
        {"subject_id": [1, 2, 3, 4], "rna_TP53": [None] * 4, "rna_KRAS": [None, None, 1.0, None], "age": [1, 2, 3, 4]}
    )
    assert reasons.count("analysis", block) == {
        # The exact name goes before the star; subject 3 has a row in the trace and yet no value.
        "rna_TP53": {"not done": 2, "not known": 2},
        "rna_KRAS": {"not done": 1, "not yet": 1, "withheld": 1},
    }
    traced = reasons.count("analysis", pl.DataFrame({"subject_id": [3], "rna_KRAS": [None]}))
    assert traced == {"rna_KRAS": {"not known": 1}}


def test_a_censored_subject_has_no_event_and_that_is_not_applicable() -> None:
    rows = pl.DataFrame({"CNSR": [0, 1, 1], "EVNTDESC": [None, None, "x"], "CNSDTDSC": [None, "a", None]})
    assert Reasons(told(), told()).count("adtte", rows) == {
        "EVNTDESC": {"not known": 1, "not applicable": 1},
        "CNSDTDSC": {"not known": 1, "not applicable": 1},
    }


def test_reasons_in_the_dictionary_add_up_whatever_the_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = make_inputs(tmp_path / "in", subjects=60)
    ids = inputs.subjects["subject_id"].to_list()
    given = replace(inputs, missing=told(*((i, "ldh", "not yet") for i in ids[:30])), min_cell=1)
    folder = publish_release(given, tmp_path / "out")
    words = pl.read_parquet(folder / "dictionary" / "dictionary.parquet")
    analysis = words.filter((pl.col("table") == "analysis") & (pl.col("missing") > 0))
    assert analysis.height > 1
    for row in analysis.iter_rows(named=True):
        counts = json.loads(row["missing_by_reason"])
        assert sum(counts.values()) == row["missing"]
        assert set(counts) <= set(REASONS)
    table = pl.read_parquet(folder / "tables" / "analysis.parquet")
    early = table.filter(pl.col("ldh").is_null() & pl.col("subject_id").is_in(ids[:30])).height
    assert json.loads(analysis.filter(pl.col("column") == "ldh")["missing_by_reason"].item())["not yet"] == early > 0
    monkeypatch.setattr(publish, "CELLS", 50)
    monkeypatch.setattr("unibase.releases.content.weighing.CELLS", 50)
    monkeypatch.setattr("unibase.releases.content.cohort_file.CELLS", 50)
    monkeypatch.setattr("unibase.releases.content.wide_tables.CELLS", 50)
    again = publish_release(given, tmp_path / "small")
    assert pl.read_parquet(again / "dictionary" / "dictionary.parquet").equals(words)


def test_another_word_for_a_reason_is_refused(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path / "in", subjects=12)
    with pytest.raises(UserError, match="not done, not known"):
        publish_release(replace(inputs, missing=told((1, "ldh", "lost"))), tmp_path / "out")
