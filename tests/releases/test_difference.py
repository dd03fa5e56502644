"""The difference of two versions names exactly the cells that were changed, and nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.releases.examples import make_inputs
from unibase.groundwork.problems import UserError
from unibase.releases.content.publish import publish_release
from unibase.releases.read.difference import diff


@pytest.mark.slow
def test_129_flags_and_163_times_are_named_exactly(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path / "in", subjects=300)
    rng = np.random.default_rng(4)
    ids = inputs.adtte["subject_id"].to_list()
    flags = set(rng.choice(ids, 129, replace=False).tolist())
    times = set(rng.choice(ids, 163, replace=False).tolist())
    changed = inputs.adtte.with_columns(
        pl.when(pl.col("subject_id").is_in(list(flags))).then(1 - pl.col("CNSR")).otherwise(pl.col("CNSR")).alias("CNSR"),
        pl.when(pl.col("subject_id").is_in(list(times))).then(pl.col("AVAL") + 0.5).otherwise(pl.col("AVAL")).alias("AVAL"),
    ).sample(fraction=1, shuffle=True, seed=1)
    old = publish_release(inputs, tmp_path / "out")
    other = replace(inputs, version="1.1.0", adtte=changed, settings={**inputs.settings, "endpoints": ["OS"]}, previous=old)
    new = publish_release(other, tmp_path / "out")
    found = diff(old, new)
    assert found.by_column().rows() == [("adtte", "AVAL", 163), ("adtte", "CNSR", 129)]
    assert set(found.cells.filter(pl.col("column") == "CNSR")["subject_id"]) == flags
    assert set(found.cells.filter(pl.col("column") == "AVAL")["subject_id"]) == times
    before = dict(zip(inputs.adtte["subject_id"], inputs.adtte["AVAL"], strict=True))
    for subject, one, two in found.cells.filter(pl.col("column") == "AVAL").select("subject_id", "old", "new").iter_rows():
        assert (float(one), float(two)) == (before[subject], before[subject] + 0.5)
    assert set(found.cells["cause"]) == {"new settings endpoints"}
    assert (found.added, found.removed, found.rows.height, found.columns, found.matrices) == ([], [], 0, [], {})
    assert "adtte.CNSR: 129 changed (new settings endpoints)" in found.text()
    page = (new / "report.html").read_text(encoding="utf-8")
    # The page tells everybody no exact count: 129 in multiples of the smallest count, 11.
    assert re.search(
        r"adtte\.CNSR</code></td><td class=\"n\">≥ 121</td><td>.*nouveaux réglages endpoints<.*>new settings endpoints<", page
    )
    assert "Compared with version 1.0.0:" in page


@pytest.mark.slow
def test_subjects_rows_columns_matrices_and_sources(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path / "in", subjects=60)
    gone = inputs.subjects["subject_id"][0]
    kept = inputs.subjects.filter(pl.col("subject_id") != gone)
    in_a = inputs.analysis.filter((pl.col("centre") == "A") & pl.col("ldh").is_not_null())["subject_id"][1]
    analysis = inputs.analysis.with_columns(
        pl.when(pl.col("subject_id") == in_a).then(999.0).otherwise(pl.col("ldh")).alias("ldh")
    )
    events = inputs.events
    assert isinstance(events, pl.DataFrame)
    first = publish_release(inputs, tmp_path / "out")
    second = publish_release(
        replace(
            inputs,
            version="2.0.0",
            subjects=kept.drop("sex"),
            analysis=analysis,
            events=events.filter(~((pl.col("subject_id") == in_a) & (pl.col("code") == "LOINC//718-7"))),
            source_digests={**inputs.source_digests, "A/omop": "c" * 64},
        ),
        tmp_path / "out",
    )
    found = diff(first, second)
    assert (found.added, found.removed) == ([], [gone])
    assert found.columns == [("subjects", "sex", "removed")]
    ours = found.cells.filter(pl.col("table") != "dictionary")
    assert ours.select("table", "subject_id", "column", "new").rows() == [("analysis", in_a, "ldh", "999.0")]
    assert ours["cause"].to_list() == ["new source data A/omop"]
    lost = found.rows.filter(pl.col("table") == "timeline")
    assert lost.select("subject_id", "change").rows() == [(in_a, "removed")]
    assert found.matrices == {"clinical": {"values": 1, "variables": 1, "subjects": 1}}
    assert not found.is_empty()
    same = diff(first, first)
    assert same.is_empty()
    assert "The data are the same." in same.text()


def test_releases_under_two_keys_are_not_compared(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path / "in", subjects=12)
    first = publish_release(inputs, tmp_path / "out")
    second = publish_release(replace(inputs, version="1.0.1", key_fingerprint="f" * 16), tmp_path / "out")
    with pytest.raises(UserError, match="different keys"):
        diff(first, second)
