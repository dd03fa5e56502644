"""One sample under two names: found in real data, and the same bytes whatever the blocks, stores and order."""

from __future__ import annotations

import itertools
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import polars as pl
import pytest

from tests.omics.conftest import random_counts
from unibase.groundwork.problems import Unusable
from unibase.omics.assays.methylation import read_beta
from unibase.omics.readers.counts import read_counts
from unibase.omics.samples import duplicates
from unibase.omics.samples.duplicates import find_duplicates
from unibase.omics.stores import store


def write(path: Path, values: np.ndarray, names: list[str], features: list[str] | None = None) -> Path:
    features = features or [f"g{i:05d}" for i in range(values.shape[1])]
    adata = anndata.AnnData(X=values, obs=pd.DataFrame(index=names), var=pd.DataFrame(index=features))
    store.write_zarr(adata, path)
    return path


def persons(names: list[str]) -> dict[str, int]:
    return {name: place for place, name in enumerate(names)}


def pairs(found: duplicates.Alike) -> list[tuple[str, str]]:
    return found.findings.select("sample", "other").rows()


@pytest.mark.parametrize(("folder", "samples"), [("tcga_luad32", 32), ("airway", 8)])
def test_a_second_sequencing_of_a_real_library_is_found_and_nothing_else(
    real_data: Path, tmp_path: Path, folder: str, samples: int
) -> None:
    adata = read_counts(real_data / "omics" / folder / "counts.csv.gz")
    counts, names, genes = np.asarray(adata.X), list(map(str, adata.obs_names)), list(map(str, adata.var_names))
    sheet = pd.read_csv(real_data / "omics" / folder / "samples.csv", index_col=0)
    # The cell lines of airway were treated each with and without: what is alike of one donor is no finding.
    donors = sheet["cell"].astype("category").cat.codes if folder == "airway" else pd.Series(range(samples), index=sheet.index)
    own = {name: int(donors[name]) for name in names}
    clean = find_duplicates([write(tmp_path / "clean.zarr", counts, names, genes)], own, tmp_path, counts=True)
    assert clean.findings.is_empty() and (clean.samples, clean.features) == (samples, 1000)
    rng = np.random.default_rng(1)
    again = np.vstack([rng.binomial(counts[place], share) for place, share in ((0, 0.6), (3, 0.3), (7, 0.1))])
    second = write(tmp_path / "second.zarr", again, ["x0", "x3", "x7"], genes)
    found = find_duplicates([tmp_path / "clean.zarr", second], own | {"x0": 100, "x3": 101, "x7": 102}, tmp_path, counts=True)
    assert set(pairs(found)) == {tuple(sorted((names[place], f"x{place}"))) for place in (0, 3, 7)}
    of_one = own | {f"x{place}": own[names[place]] for place in (0, 3, 7)}
    assert not find_duplicates([tmp_path / "clean.zarr", second], of_one, tmp_path, counts=True).findings.height


def test_a_second_array_of_a_real_sample_is_found_and_nothing_else(real_data: Path, tmp_path: Path) -> None:
    adata = read_beta(real_data / "omics" / "tcga_coad_meth" / "beta_chr21.csv.gz")
    beta, names, probes = np.asarray(adata.X), list(map(str, adata.obs_names)), list(map(str, adata.var_names))
    patients = {name: hash(name[:12]) for name in names}
    clean = write(tmp_path / "clean.zarr", beta, names, probes)
    assert find_duplicates([clean], patients, tmp_path, counts=False).findings.is_empty()
    again = np.clip(beta[:2] + np.random.default_rng(1).normal(0, 0.02, (2, beta.shape[1])), 0, 1)
    again[0, ::50] = np.nan
    second = write(tmp_path / "second.zarr", again, ["x0", "x1"], probes)
    found = find_duplicates([clean, second], patients | {"x0": 1, "x1": 2}, tmp_path, counts=False)
    assert set(pairs(found)) == {(names[0], "x0"), (names[1], "x1")}


def test_blocks_stores_and_order_change_no_byte(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    counts = random_counts(rng, 60, 1500)
    counts[50:55] = rng.binomial(counts[:5], 0.7)
    names = [f"S{i:02d}" for i in range(60)]
    whole = find_duplicates([write(tmp_path / "a.zarr", counts, names)], persons(names), tmp_path, counts=True)
    assert whole.findings.height == 5
    order = rng.permutation(60)
    parts = []
    for number, places in enumerate((order[:1], order[1:23], order[23:])):
        turned = rng.permutation(1500)
        features = [f"g{i:05d}" for i in turned]
        parts.append(write(tmp_path / f"part{number}.zarr", counts[places][:, turned], [names[i] for i in places], features))
    for block, stores in itertools.product((1, 7, 64), ([*parts], [*reversed(parts)])):
        assert find_duplicates(stores, persons(names), tmp_path, counts=True, block=block).findings.equals(whole.findings)
    assert not list(tmp_path.glob("tmp*")), "the scratch file is gone"


def test_two_groups_do_not_make_their_members_alike(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    tissue = rng.normal(0, 3, (2, 1000))
    own = rng.normal(0, 0.5, (40, 1000))
    values = tissue[np.repeat([0, 1], 20)] + own
    names = [f"S{i}" for i in range(40)]
    # Without the means of the two tissues' features taken apart, members correlate above 0.93.
    found = find_duplicates([write(tmp_path / "x.zarr", values, names)], persons(names), tmp_path, counts=False)
    assert found.findings.is_empty()


def test_too_little_to_compare_is_said_and_too_much_alike_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = random_counts(np.random.default_rng(6), 12, 400)
    names = [f"S{i}" for i in range(12)]
    few = find_duplicates([write(tmp_path / "few.zarr", counts[:, :100], names)], persons(names), tmp_path, counts=True)
    assert few.note == "not compared: 100 features that all have and that differ, and 200 are needed"
    two = find_duplicates([write(tmp_path / "two.zarr", counts, names)], persons(names[:2]), tmp_path, counts=True)
    assert two.note == "not compared: 2 samples, and 3 are needed" and two.findings.schema == pl.Schema(few.findings.schema)
    counts[:6] = counts[0]
    monkeypatch.setattr(duplicates, "MOST_PAIRS", 10)
    with pytest.raises(Unusable, match="More than 10 pairs"):
        find_duplicates([write(tmp_path / "one.zarr", counts, names)], persons(names), tmp_path, counts=True)
