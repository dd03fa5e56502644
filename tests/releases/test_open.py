"""Reading a part of a release gives what reading all of it gives, in the tools people use."""

from __future__ import annotations

from pathlib import Path

import anndata
import duckdb
import mudata
import numpy as np
import polars as pl
import pytest

from tests.releases.examples import make_inputs
from unibase.groundwork.problems import UserError
from unibase.releases.content.inputs import ReleaseInputs
from unibase.releases.content.publish import publish_release
from unibase.releases.read.open import read_subject, read_variables


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[ReleaseInputs, Path]:
    folder = tmp_path_factory.mktemp("open")
    inputs = make_inputs(folder / "in", subjects=50)
    return inputs, publish_release(inputs, folder / "out")


def test_one_gene_and_one_subject(published: tuple[ReleaseInputs, Path]) -> None:
    _, folder = published
    rna = mudata.read_h5mu(folder / "cohort.h5mu")["rna"]
    genes = ["ENSG00000000007", "ENSG00000000002"]
    frame = read_variables(folder, "rna", genes)
    np.testing.assert_array_equal(frame.select(genes).to_numpy(), rna[:, genes].X)
    assert [str(s) for s in frame["subject_id"]] == list(rna.obs_names)
    subject = int(rna.obs_names[3])
    np.testing.assert_array_equal(read_subject(folder, "rna", subject)["value"].to_numpy(), rna.X[3])
    mutations = read_variables(folder, "mutations", ["ENSG00000000004"])
    whole = mudata.read_h5mu(folder / "cohort.h5mu")["mutations"][:, "ENSG00000000004"].X
    assert mutations["ENSG00000000004"].null_count() == int(np.isnan(whole).sum())
    for modality, names, what in (("rna", ["NONE"], "has no NONE"), ("cnv", [], "no modality cnv")):
        with pytest.raises(UserError, match=what):
            read_variables(folder, modality, names)
    with pytest.raises(UserError, match="no such subject"):
        read_subject(folder, "rna", 5)


def test_sql_sees_dates_and_joins(published: tuple[ReleaseInputs, Path]) -> None:
    inputs, folder = published
    rows = duckdb.sql(
        f"""
        SELECT s.centre, count(*) AS n, max(e.time) AS last
        FROM '{folder}/tables/subjects.parquet' s JOIN '{folder}/timeline/data/*.parquet' e USING (subject_id)
        WHERE e.code = 'IMAGING//CT' GROUP BY 1 ORDER BY 1
        """
    ).fetchall()
    assert isinstance(inputs.events, pl.DataFrame)
    images = inputs.events.filter(pl.col("code") == "IMAGING//CT").join(inputs.subjects, on="subject_id")
    expected = images.group_by("centre").agg(pl.len(), pl.col("time").max()).sort("centre").rows()
    assert rows == expected


def test_layers_of_an_assay_go_along(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path / "in", subjects=12)
    path = inputs.assays["rna"]
    assay = anndata.read_zarr(path)
    assay.layers["counts"] = np.arange(assay.n_obs * assay.n_vars, dtype=np.int32).reshape(assay.shape)
    assay.write_zarr(path)
    folder = publish_release(inputs, tmp_path / "out")
    for whole in (mudata.read_h5mu(folder / "cohort.h5mu"), mudata.read_zarr(folder / "cohort.zarr")):
        rna = whole["rna"]
        assert rna.layers["counts"].dtype == np.int32
        source = assay[rna.obs["sample"].astype(str).tolist()]
        np.testing.assert_array_equal(rna.layers["counts"], source.layers["counts"])


def test_the_joins_choice_of_sample_is_the_row_of_the_subject(tmp_path: Path) -> None:
    from dataclasses import replace

    inputs = make_inputs(tmp_path / "in", subjects=30)
    used = inputs.sample_map.filter(pl.col("assay") == "rna")
    normal = used.filter(pl.col("sample_type") == "normal").select(
        pl.col("primary").alias("subject_id"), pl.col("colname").alias("rna_sample")
    )
    analysis = inputs.analysis.join(normal, on="subject_id", how="left", maintain_order="left")
    piece = pl.DataFrame({"column": ["rna_sample"], "label": ["Chosen sample"]})
    inputs = replace(inputs, analysis=analysis, dictionary=[*inputs.dictionary, piece])
    rna = mudata.read_h5mu(publish_release(inputs, tmp_path / "out") / "cohort.h5mu")["rna"]
    assert dict(zip(rna.obs_names, rna.obs["sample"], strict=True)) == {str(s): c for s, c in normal.iter_rows()}
