"""What a study's assay goes through a block at a time has the bits of the same work in memory."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from unibase.groundwork.problems import Unusable
from unibase.omics.models import frozen
from unibase.omics.options import Method
from unibase.omics.readers.counts import combine, stack
from unibase.omics.stores import blocks, store

EXCLUDED = frozenset({"s003", "s021"})


def matrix(
    first: int, genes: list[str], generator: np.random.Generator, samples: int = 10, dtype: type = np.int32
) -> anndata.AnnData:
    """Counts of samples whose names are not in their order."""
    names = [f"s{first + k:03d}" for k in generator.permutation(samples)]
    level = generator.gamma(0.7, 80.0, len(genes)) + 5
    values = generator.poisson(level * generator.uniform(0.5, 2, (samples, 1))).astype(dtype)
    obs = pd.DataFrame({"sample_type": ["tumour", "normal"] * (samples // 2), "batch": range(samples)}, index=names)
    var = pd.DataFrame({"symbol": [f"S{g}" for g in genes], "length": 1000.0}, index=pd.Index(genes, name="gene_id"))
    found = anndata.AnnData(X=values, obs=obs.astype({"sample_type": object}), var=var)
    found.uns["source_format"] = "table"
    return found


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    # Three samples in a chunk, so that no store and no block is whole.
    monkeypatch.setattr(store, "CHUNK_BYTES", 3 * 8 * 300)
    generator = np.random.default_rng(3)
    genes = [f"ENSG{k:011d}" for k in range(300)]
    later = [str(name) for name in generator.permutation([*genes[5:], "ENSG99999999999"])]
    parts = [matrix(0, genes, generator), matrix(10, later, generator, dtype=np.int64), matrix(20, genes[::-1], generator, 2)]
    paths = [tmp_path / f"part{place}.zarr" for place in range(len(parts))]
    for part, path in zip(parts, paths, strict=True):
        store.write_zarr(part, path)
    return paths


def in_memory(paths: list[Path]) -> list[anndata.AnnData]:
    parts = [store.read_zarr(path) for path in paths]
    return [part[~part.obs_names.isin(list(EXCLUDED))].copy() for part in parts]


def same(found: anndata.AnnData, expected: anndata.AnnData) -> None:
    assert np.asarray(found.X).tobytes() == np.asarray(expected.X).tobytes()
    assert set(found.layers) == set(expected.layers)
    for name, values in expected.layers.items():
        assert found.layers[name].dtype == np.asarray(values).dtype
        assert np.asarray(found.layers[name]).tobytes() == np.ascontiguousarray(values).tobytes(), name
    pd.testing.assert_frame_equal(found.obs, expected.obs)
    pd.testing.assert_frame_equal(found.var, expected.var)
    assert repr(dict(found.uns)) == repr(dict(expected.uns))


@pytest.mark.parametrize(
    "method", ["tmm", "tmmwsp", "upperquartile", "median-of-ratios", "poscounts", "cpm", "none", "voom", "vst", "tpm"]
)
def test_a_study_s_expression_has_the_bits_of_the_work_in_memory(stores: list[Path], tmp_path: Path, method: Method) -> None:
    parts = in_memory(stores)
    combined = combine(parts)
    expected = frozen.fit(combined, method)
    model, left_out = frozen.fit_stores(stores, EXCLUDED, method, tmp_path / "scratch")
    assert model.digest == expected.digest and left_out == int(combined.uns["genes_left_out"]) == 6
    assert not (tmp_path / "scratch").exists()
    done, transformed = [], []
    for part, path in zip(parts, stores, strict=True):
        assert model.transform_store(path, EXCLUDED, tmp_path / "done" / path.name) == part.n_obs
        done.append(tmp_path / "done" / path.name)
        # Once through the older way to disk, so that both are compared as they are read.
        store.write_zarr(expected.transform(part), tmp_path / "expected.zarr")
        transformed.append(store.read_zarr(tmp_path / "expected.zarr"))
        same(store.read_zarr(done[-1]), transformed[-1])
    assert blocks.stack(done, tmp_path / "all.zarr") == (sum(part.n_obs for part in parts), len(model.scale.genes))
    store.write_zarr(stack(transformed), tmp_path / "expected.zarr")
    same(store.read_zarr(tmp_path / "all.zarr"), store.read_zarr(tmp_path / "expected.zarr"))


def test_what_cannot_be_done_is_said_and_leaves_nothing(stores: list[Path], tmp_path: Path) -> None:
    model, _ = frozen.fit_stores(stores[:1], (), "tmm", tmp_path / "scratch")
    names = set(store.read_zarr(stores[0]).obs_names)
    assert model.transform_store(stores[0], names, tmp_path / "none.zarr") == 0
    with pytest.raises(Unusable, match="missing-genes"):
        model.transform_store(stores[1], (), tmp_path / "none.zarr")
    with pytest.raises(Unusable, match="no-sample-left"):
        frozen.fit_stores(stores[:1], names, "tmm", tmp_path / "scratch")
    with pytest.raises(Unusable, match="different-genes"):
        blocks.stack(stores, tmp_path / "none.zarr")
    assert not list(tmp_path.glob("none*")) and not list(tmp_path.glob(".tmp*"))


def test_samples_are_taken_in_the_order_asked_for(stores: list[Path], tmp_path: Path) -> None:
    whole = store.read_zarr(stores[0])
    names = [str(name) for name in whole.obs_names[[7, 2, 9, 0]]]
    folder = tmp_path / "scratch"
    folder.mkdir()
    taken = blocks.take_samples(stores[0], names, folder)
    blocks.write_store(tmp_path / "taken.zarr", taken)
    found, expected = store.read_zarr(tmp_path / "taken.zarr"), whole[names].copy()
    assert list(found.obs_names) == names
    np.testing.assert_array_equal(np.asarray(found.X), np.asarray(expected.X))
    assert found.obs["batch"].tolist() == expected.obs["batch"].tolist()
    pd.testing.assert_frame_equal(found.var, expected.var)
    with pytest.raises(KeyError, match="s999"):
        blocks.take_samples(stores[0], ["s999"], folder)
