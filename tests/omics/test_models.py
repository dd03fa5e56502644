from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from unibase.groundwork.problems import Unusable
from unibase.omics.models import normalisation
from unibase.omics.models.normalised import METHODS, fit_model, normalise
from unibase.omics.options import Method


def cohort(samples: int = 14, genes: int = 1500) -> anndata.AnnData:
    rng = np.random.default_rng(21)
    mean = rng.gamma(0.6, 500.0, genes) + 1
    size = 1 / (0.1 + 2 / mean) * rng.lognormal(0, 0.2, genes)
    counts = rng.poisson(rng.gamma(size, np.outer(rng.uniform(0.5, 2, samples), mean) / size)).astype(np.int32)
    counts[:, -1] = 0
    counts[-1, -1] = 50  # expressed by a later sample only
    return anndata.AnnData(
        X=counts,
        obs=pd.DataFrame(index=[f"s{i:02d}" for i in range(samples)]),
        var=pd.DataFrame({"length": 500.0 + np.arange(genes)}, index=[f"g{i}" for i in range(genes)]),
    )


@pytest.mark.parametrize("method", METHODS)
def test_later_samples_change_no_earlier_byte(tmp_path: Path, method: Method) -> None:
    everyone = cohort()
    first = everyone[:9].copy()
    if method == "vst-fast":
        first.X[:, :1200] += 6
    model = fit_model(first, method)
    model.save(tmp_path / "model")
    again = normalisation.load(tmp_path / "model")
    assert again.digest == model.digest
    # What was in the fit comes out as normalise gave it, alone or in company.
    expected = normalise(first, method)
    np.testing.assert_array_equal(again.transform(first).X, expected.X)
    np.testing.assert_array_equal(again.transform(first[3:4].copy()).X[0], expected.X[3])
    later = again.transform(everyone[9:].copy())
    assert np.isfinite(later.X).all()
    both = anndata.concat([first, everyone[9:]])
    both.var = first.var.copy()
    np.testing.assert_array_equal(again.transform(both).X, np.vstack([expected.X, later.X]))
    for column in ("norm_factor", "size_factor"):
        np.testing.assert_array_equal(again.transform(both).obs[column].to_numpy()[:9], expected.obs[column])


def test_a_changed_model_is_refused(tmp_path: Path) -> None:
    fit_model(cohort(), "tmm").save(tmp_path / "m")
    path = tmp_path / "m" / "reference_counts.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(Unusable, match="changed-model"):
        normalisation.load(tmp_path / "m")


def test_genes_are_aligned_never_invented() -> None:
    data = cohort()
    model = fit_model(data, "tmm")
    shuffled = data[:, np.random.default_rng(1).permutation(data.n_vars)].copy()
    np.testing.assert_array_equal(model.transform(shuffled).X, model.transform(data).X)
    with pytest.raises(Unusable, match="missing-genes: The samples lack 10"):
        model.transform(data[:, 10:].copy())
