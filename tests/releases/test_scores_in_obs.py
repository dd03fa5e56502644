"""Scores of gene sets stand beside the expression they were computed from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from unibase.releases.content.cohort_file import add_scores
from unibase.releases.content.column_words import of_annotation
from unibase.releases.content.multimodal import Modality


@pytest.mark.parametrize(
    "column", ["profiled", "variants", "tmb", "panel", "events", "cells", "fraction_altered", "hrd_sum", "signature_SBS1"]
)
def test_what_readers_compute_of_samples_has_words(column: str) -> None:
    assert of_annotation(column)  # without them a study with the assay is not published


def test_each_subject_has_its_own_scores_and_genes_are_none(tmp_path: Path) -> None:
    analysis = tmp_path / "analysis.parquet"
    scores = {"rna_ssgsea_IMMUNE": [0.3, 0.1, None], "rna_ulm_IMMUNE": [3.0, 1.0, 2.0]}
    pl.DataFrame({"subject_id": [3, 1, 2], **scores, "rna_TP53": [1.0, 2.0, 3.0]}).write_parquet(analysis)
    obs = pd.DataFrame({"subject_id": ["1", "2", "3"]}, index=["1", "2", "3"])
    rna = Modality("rna", obs, pd.DataFrame(index=["TP53"]))
    add_scores(rna, analysis, pl.read_parquet_schema(analysis))
    assert list(rna.obs.columns) == ["subject_id", "ssgsea_IMMUNE", "ulm_IMMUNE"]
    np.testing.assert_array_equal(rna.obs["ssgsea_IMMUNE"], [0.1, np.nan, 0.3])
    np.testing.assert_array_equal(rna.obs["ulm_IMMUNE"], [1.0, 2.0, 3.0])
    assert all(of_annotation(name) for name in rna.obs.columns[1:])  # a column without words stops a release
