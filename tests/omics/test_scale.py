from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pytest

from tests.omics.conftest import random_counts
from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.models.normalised import fit_model, normalise
from unibase.omics.stores import chunks, gene_blocks, scale
from unibase.omics.stores.growing_cohort import Cohort


def stores(folder: Path, counts: np.ndarray, cuts: list[int], rows: int, order: np.ndarray | None = None) -> list[Path]:
    names = np.array([f"s{i:03d}" for i in range(len(counts))])
    if order is not None:
        counts, names = counts[order], names[order]
    genes = [f"g{i}" for i in range(counts.shape[1])]
    out = []
    for k, (start, stop) in enumerate(zip([0, *cuts], [*cuts, len(counts)], strict=True)):
        path = folder / f"part{k}.zarr"
        chunks.write_counts(path, list(names[start:stop]), genes, [counts[start:stop]], rows=rows)
        out.append(path)
    return out


def counts_of(samples: int = 37, genes: int = 500) -> np.ndarray:
    counts = random_counts(np.random.default_rng(8), samples, genes, zeros=0.3)
    counts[:, 5:9] = 0
    return counts


@pytest.mark.parametrize("method", scale.OUT_OF_CORE_METHODS)
def test_any_chunking_and_order_gives_the_bits_of_memory(tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    genes = 1500 if method == "vst-fast" else 500
    counts = counts_of(genes=genes) * (20 if method == "vst-fast" else 1)
    if method in ("median-of-ratios", "vst", "vst-fast"):
        counts[:, 100:200] += 1
    monkeypatch.setattr(gene_blocks, "GENE_CELLS", 37 * 90)
    whole = stores(tmp_path / "a", counts, [], 50)
    data = anndata.read_zarr(whole[0])
    np.testing.assert_array_equal(data.X, counts)
    in_memory = fit_model(data, method)
    order = np.random.default_rng(1).permutation(len(counts))
    for k, (cuts, rows, mixed) in enumerate([([], 50, None), ([10, 11], 4, None), ([20], 7, order)]):
        model = scale.fit(stores(tmp_path / f"b{k}", counts, cuts, rows, mixed), method)
        assert model.digest == in_memory.digest


def test_workers_change_no_bit_and_output_is_anndata(tmp_path: Path) -> None:
    from unibase.groundwork.cluster import dask_client

    counts = counts_of()
    source = stores(tmp_path, counts, [], 5)[0]
    with dask_client(workers=2) as client:
        model = scale.fit([source], "tmm", client=client)
        moments = scale.transform(source, tmp_path / "dask.zarr", model, client=client)
    here = scale.transform(source, tmp_path / "here.zarr", scale.fit([source], "tmm"), rows=11)
    np.testing.assert_array_equal(moments.sums, here.sums)
    np.testing.assert_array_equal(moments.squares, here.squares)
    one, two = anndata.read_zarr(tmp_path / "dask.zarr"), anndata.read_zarr(tmp_path / "here.zarr")
    np.testing.assert_array_equal(one.X, two.X)
    expected = normalise(anndata.read_zarr(source), "tmm")
    np.testing.assert_array_equal(one.X, expected.X.astype(np.float32))
    np.testing.assert_array_equal(one.obs["size_factor"], expected.obs["size_factor"])
    np.testing.assert_allclose(here.mean(), one.X.mean(axis=0, dtype=np.float64), atol=1e-8)
    np.testing.assert_allclose(here.variance(), one.X.var(axis=0, ddof=1, dtype=np.float64), atol=1e-6)


def test_log1p_against_numpy(tmp_path: Path) -> None:
    counts = counts_of()
    counts[3] = 0
    counts[4, 0] = 2**31 - 1
    source = stores(tmp_path, counts, [], 6)[0]
    moments = scale.log_normalise(source, tmp_path / "log.zarr")
    sizes = counts.sum(axis=1, dtype=np.int64)
    expected = np.log1p(counts * (1e4 / np.maximum(sizes, 1))[:, None])
    got = anndata.read_zarr(tmp_path / "log.zarr")
    np.testing.assert_allclose(got.X, expected, rtol=6.0e-8, atol=1e-12)
    np.testing.assert_allclose(moments.mean(), expected.mean(axis=0), atol=1e-9)
    np.testing.assert_array_equal(got.obs["library_size"], sizes)


def test_adding_samples_touches_nothing_that_is_there(tmp_path: Path) -> None:
    counts = counts_of()
    first, second = stores(tmp_path / "in", counts, [30], 8)
    model = scale.fit([first], "tmm")
    cohort = Cohort.start(tmp_path / "cohort", model)
    cohort.add(first)
    before = {p: p.read_bytes() for p in (tmp_path / "cohort" / "part-00000.zarr").rglob("*") if p.is_file()}
    cohort.add(second)
    assert {p: p.read_bytes() for p in before} == before
    again = Cohort(tmp_path / "cohort")
    assert again.to_dask().shape == counts.shape
    data = anndata.read_zarr(first)
    np.testing.assert_array_equal(again.to_dask()[:30].compute(), normalise(data, "tmm").X.astype(np.float32))
    with pytest.raises(Unusable, match="repeated-sample"):
        again.add(second)


def test_refusals(tmp_path: Path) -> None:
    counts = counts_of(6, 40)
    counts[2] = 0
    source = stores(tmp_path, counts, [], 3)
    with pytest.raises(Unusable, match="empty-sample: 1 samples"):
        scale.fit(source, "tmm")
    with pytest.raises(UserError, match="not fitted out of core"):
        scale.fit(source, "tpm")
