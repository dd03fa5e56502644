"""A simulated hospital tree: none of the identifiers that its truth lists is in any byte of what came out."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from ahocorasick_rs import BytesAhoCorasick

from tests.imaging.deidentify_help import ANYONE, run
from unibase.groundwork.problems import Unusable
from unibase.imaging.options import DeidentifyOptions
from unibase.simulation.cohort import simulate


@pytest.mark.slow
def test_nothing_of_the_truth_comes_out(tmp_path: Path) -> None:
    tree, root = tmp_path / "tree", tmp_path / "out"
    simulate(tree, persons=4, seed=11, genes=50)
    released, refused = 0, []
    contents = []
    for file in sorted(one for one in tree.rglob("*") if one.is_file() and "dicom" in one.parts):
        try:
            contents.append(run(file, root, ANYONE, DeidentifyOptions())[2])
            released += 1
        except Unusable as problem:
            refused.append(problem.reason)
    assert released > 100
    assert set(refused) <= {"truncated-file", "burned-in-annotation", "unknown-patient", "not-dicom", "malformed-file"}
    known = pl.read_parquet(tree / "truth" / "identifiers.parquet").filter(pl.col("distinctive"))
    needles = {form.encode(encoding) for value in known["value"] if len(value) >= 4 for form in (value, value.upper(), value.lower()) for encoding in ("utf-8", "latin-1")}  # fmt: skip
    assert len(needles) > 300
    search = BytesAhoCorasick(sorted(needles))
    assert [number for number, content in enumerate(contents) if search.find_matches_as_indexes(content)] == []
