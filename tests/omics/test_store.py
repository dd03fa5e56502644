"""A store has the same bytes whether a matrix stands alone or is a part of a larger one; its layers and unstructured parts stay."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from unibase.omics.stores.store import plain_strings, read_zarr, write, write_zarr


@pytest.fixture
def whole() -> anndata.AnnData:
    obs = pd.DataFrame({"centre": ["lyon", "CHU-été", "lyon", "derived"]}, index=[f"s{n}" for n in range(4)])
    made = anndata.AnnData(np.arange(12.0).reshape(4, 3), obs=obs, var=pd.DataFrame(index=["TP53", "KRAS", "EGFR"]))
    made.layers["counts"] = np.arange(12).reshape(4, 3)
    made.uns["unit"] = "log2 CPM"
    return made


def stored(folder: Path) -> dict[str, bytes]:
    return {one.relative_to(folder).as_posix(): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()}


def test_a_part_of_a_matrix_is_written_as_its_copy(whole: anndata.AnnData, tmp_path: Path) -> None:
    write_zarr(whole[1:3], tmp_path / "part.zarr")
    write_zarr(whole[1:3].copy(), tmp_path / "copy.zarr")
    assert stored(tmp_path / "part.zarr") == stored(tmp_path / "copy.zarr")


@pytest.mark.parametrize("suffix", ["zarr", "h5ad"])
def test_all_parts_come_back(whole: anndata.AnnData, tmp_path: Path, suffix: str) -> None:
    write(whole[:, ::-1], tmp_path / f"x.{suffix}")
    back = read_zarr(tmp_path / "x.zarr") if suffix == "zarr" else anndata.read_h5ad(tmp_path / "x.h5ad")
    assert np.array_equal(back.X, np.asarray(whole.X)[:, ::-1])
    assert np.array_equal(back.layers["counts"], whole.layers["counts"][:, ::-1])
    assert back.obs["centre"].tolist() == whole.obs["centre"].tolist()
    assert back.uns["unit"] == "log2 CPM"


def test_names_are_plain_and_the_source_is_left_as_it_is(whole: anndata.AnnData) -> None:
    whole.obs.index = whole.obs.index.astype("string")
    assert plain_strings(whole).obs.index.dtype == object
    assert whole.obs.index.dtype != object
