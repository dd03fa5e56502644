from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from omics import identity
from omics.counts import read_counts
from tests.omics.conftest import random_counts


@pytest.fixture(scope="module")
def luad(real_data: Path) -> tuple[anndata.AnnData, dict[str, str]]:
    folder = real_data / "omics" / "tcga_luad32"
    adata = read_counts(folder / "counts.csv.gz")
    sheet = pd.read_csv(folder / "samples.csv", index_col=0)
    return adata, {name: sheet.loc[name, "sex"][0].upper() for name in adata.obs_names}


def test_real_samples_all_fit(luad: tuple[anndata.AnnData, dict[str, str]]) -> None:
    adata, declared = luad
    calls = identity.sex_from_expression(adata)
    assert dict(zip(calls["sample"], calls["sex"], strict=True)) == declared
    assert identity.sex_findings(calls, declared).is_empty()


def test_a_swap_of_two_sexes_flags_these_two_and_nobody_else(luad: tuple[anndata.AnnData, dict[str, str]]) -> None:
    adata, declared = luad
    # What the call looks at, and all other genes as one: the same calls from a matrix that is quick to exchange samples in.
    looked_at = [*identity.Y_GENES, identity.XIST]
    others = adata[:, ~adata.var_names.isin(looked_at)]
    small = anndata.AnnData(
        X=np.column_stack([adata[:, looked_at].X, np.asarray(others.X).sum(axis=1)]),
        obs=adata.obs[[]],
        var=pd.DataFrame(index=[*looked_at, "others"]),
    )
    assert identity.sex_from_expression(small).equals(identity.sex_from_expression(adata))
    names = list(small.obs_names)
    pairs = [(w, m) for w in names for m in names if declared[w] == "F" and declared[m] == "M"]
    assert len(pairs) == 220
    for woman, man in pairs:
        order = list(range(len(names)))
        i, j = names.index(woman), names.index(man)
        order[i], order[j] = j, i
        swapped = small.copy()
        swapped.X = small.X[order]
        findings = identity.sex_findings(identity.sex_from_expression(swapped), declared)
        assert set(findings["sample"]) == {woman, man}
        assert set(findings["other"]) == {woman, man}


def test_airway_donors(real_data: Path) -> None:
    calls = identity.sex_from_expression(read_counts(real_data / "omics" / "airway" / "counts.csv.gz"))
    assert calls["sex"].to_list() == ["M"] * 6 + ["F"] * 2


def test_unclear_samples_are_no_finding_and_mixtures_are() -> None:
    genes = [identity.XIST, *identity.Y_GENES]
    counts = np.full((3, 9), 0)
    counts[:, 8] = 1_000_000
    counts[1, 0] = counts[1, 1:8] = 100  # both
    counts[2, 0] = 100
    adata = anndata.AnnData(
        X=counts, obs=pd.DataFrame(index=["lost-y", "mixed", "woman"]), var=pd.DataFrame(index=[*genes, "other"])
    )
    calls = identity.sex_from_expression(adata)
    assert calls["sex"].to_list() == ["indeterminate", "both", "F"]
    findings = identity.sex_findings(calls, {"lost-y": "M", "mixed": "M", "woman": "F"})
    assert findings.select("sample", "finding").rows() == [("mixed", "sex-mixed")]
    assert set(identity.sex_from_expression(adata[:, 2:])["sex"]) == {"not-measured"}


def test_a_second_sequencing_under_another_patient_is_found(luad: tuple[anndata.AnnData, dict[str, str]]) -> None:
    adata, _ = luad
    counts = adata.X.copy()
    counts[5] = np.random.default_rng(1).binomial(counts[9], 0.6)
    logs = np.log2(counts / counts.sum(axis=1, keepdims=True) * 1e6 + 1)
    names = list(adata.obs_names)
    findings = identity.duplicate_findings(logs, names)
    assert findings.select("sample", "other").rows() == [tuple(sorted((names[5], names[9])))]
    assert identity.duplicate_findings(logs, names, {names[5]: "p", names[9]: "p"}).is_empty()
    clean = np.log2(adata.X / adata.X.sum(axis=1, keepdims=True) * 1e6 + 1)
    assert identity.duplicate_findings(clean, names).is_empty()


def test_methylation_of_x_tells_sex() -> None:
    rng = np.random.default_rng(2)
    female = rng.beta(8, 8, (2, 300))
    male = np.where(rng.random((2, 300)) < 0.6, rng.beta(2, 30, (2, 300)), rng.beta(30, 2, (2, 300)))
    calls = identity.sex_from_methylation(np.vstack([female, male]), ["chrX"] * 300, list("abcd"))
    assert calls["sex"].to_list() == ["F", "F", "M", "M"]


def test_somalier_tables(tmp_path: Path) -> None:
    path = tmp_path / "x.pairs.tsv"
    path.write_text("#sample_a\tsample_b\trelatedness\tibs0\nT1\tN1\t0.98\t0\nT2\tN2\t0.01\t9\nT1\tN2\t0.97\t0\nT1\tX\t0.9\t0\n")
    findings = identity.somalier_findings(path, {"T1": 1, "N1": 1, "T2": 2, "N2": 2})
    assert findings.select("sample", "other", "finding").rows() == [
        ("N2", "T1", "duplicate-suspected"),
        ("N2", "T2", "swap-suspected"),
    ]


def test_random_matrix_has_no_duplicates() -> None:
    counts = random_counts(np.random.default_rng(3), 20, 1000)
    assert identity.duplicate_findings(np.log2(counts + 1.0), [str(i) for i in range(20)]).is_empty()
