from __future__ import annotations

import gzip
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from unibase.groundwork.problems import UserError
from unibase.omics.assays.methylation import read_chromosomes
from unibase.omics.readers.counts import read_counts
from unibase.omics.samples import sex


@pytest.fixture(scope="module")
def luad(real_data: Path) -> tuple[anndata.AnnData, dict[str, str]]:
    folder = real_data / "omics" / "tcga_luad32"
    adata = read_counts(folder / "counts.csv.gz")
    sheet = pd.read_csv(folder / "samples.csv", index_col=0)
    return adata, {name: sheet.loc[name, "sex"][0].upper() for name in adata.obs_names}


def test_real_samples_all_fit(luad: tuple[anndata.AnnData, dict[str, str]]) -> None:
    adata, declared = luad
    calls = sex.sex_from_expression(adata)
    assert dict(zip(calls["sample"], calls["sex"], strict=True)) == declared
    assert sex.sex_findings(calls, declared).is_empty()


def test_a_swap_of_two_sexes_flags_these_two_and_nobody_else(luad: tuple[anndata.AnnData, dict[str, str]]) -> None:
    adata, declared = luad
    # What the call looks at, and all other genes as one: the same calls from a matrix that is quick to exchange samples in.
    looked_at = [*sex.Y_GENES, sex.XIST]
    others = adata[:, ~adata.var_names.isin(looked_at)]
    small = anndata.AnnData(
        X=np.column_stack([adata[:, looked_at].X, np.asarray(others.X).sum(axis=1)]),
        obs=adata.obs[[]],
        var=pd.DataFrame(index=[*looked_at, "others"]),
    )
    assert sex.sex_from_expression(small).equals(sex.sex_from_expression(adata))
    names = list(small.obs_names)
    pairs = [(w, m) for w in names for m in names if declared[w] == "F" and declared[m] == "M"]
    assert len(pairs) == 220
    for woman, man in pairs:
        order = list(range(len(names)))
        i, j = names.index(woman), names.index(man)
        order[i], order[j] = j, i
        swapped = small.copy()
        swapped.X = small.X[order]
        findings = sex.sex_findings(sex.sex_from_expression(swapped), declared)
        assert set(findings["sample"]) == {woman, man}
        assert set(findings["other"]) == {woman, man}


def test_airway_donors(real_data: Path) -> None:
    calls = sex.sex_from_expression(read_counts(real_data / "omics" / "airway" / "counts.csv.gz"))
    assert calls["sex"].to_list() == ["M"] * 6 + ["F"] * 2


def test_unclear_samples_are_no_finding_and_mixtures_are() -> None:
    genes = [sex.XIST, *sex.Y_GENES]
    counts = np.full((3, 9), 0)
    counts[:, 8] = 1_000_000
    counts[1, 0] = counts[1, 1:8] = 100  # both
    counts[2, 0] = 100
    adata = anndata.AnnData(
        X=counts, obs=pd.DataFrame(index=["lost-y", "mixed", "woman"]), var=pd.DataFrame(index=[*genes, "other"])
    )
    calls = sex.sex_from_expression(adata)
    assert calls["sex"].to_list() == ["indeterminate", "both", "F"]
    findings = sex.sex_findings(calls, {"lost-y": "M", "mixed": "M", "woman": "F"})
    assert findings.select("sample", "finding").rows() == [("mixed", "sex-mixed")]
    assert set(sex.sex_from_expression(adata[:, 2:])["sex"]) == {"not-measured"}


def methylation(genders: str, *, probes: int = 300, chromosome: str = "chrX") -> anndata.AnnData:
    rng = np.random.default_rng(2)
    rows = []
    for gender in genders:
        one_active = np.where(rng.random(probes) < 0.6, rng.beta(2, 30, probes), rng.beta(30, 2, probes))
        rows.append(rng.beta(8, 8, probes) if gender == "F" else one_active)
    names = [f"{gender}{i}" for i, gender in enumerate(genders)]
    var = pd.DataFrame({"chromosome": [chromosome] * probes}, index=[f"cg{i}" for i in range(probes)])
    return anndata.AnnData(X=np.vstack(rows), obs=pd.DataFrame(index=names), var=var)


def test_methylation_of_x_tells_sex() -> None:
    adata = methylation("FFMM")
    adata.X[0, :50] = np.nan
    calls, why_not = sex.told_sex("methylation", adata)
    assert calls is not None and calls["sex"].to_list() == ["F", "F", "M", "M"] and not why_not
    adata.X[1, :250] = np.nan
    assert sex.sex_from_methylation(adata)["sex"].to_list() == ["F", "not-measured", "M", "M"]


def test_why_methylation_tells_no_sex_is_said() -> None:
    adata = methylation("FM")
    del adata.var["chromosome"]
    assert "name the table of probes" in sex.told_sex("methylation", adata)[1]
    assert "Only 99 probes lie on X" in sex.told_sex("methylation", methylation("FM", probes=99))[1]
    assert sex.told_sex("methylation", methylation("FM", chromosome="7"))[0] is None
    assert sex.told_sex("proteomics", adata) == (None, "")


def test_chromosomes_are_read_from_manifests(tmp_path: Path) -> None:
    illumina = tmp_path / "manifest.csv.gz"
    rows = ["Illumina, Inc.", "[Heading]", "Assay Format,Infinium 2", "[Assay]", "IlmnID,Name,Genome_Build,CHR,MAPINFO"]
    rows += ["cg1_TC21,cg1,38,X,100", "cg2_BC11,cg2,38,12,5", "cg3_TC11,cg3,38,,5", "[Controls],,", "21630339,STAINING,DarkGreen"]
    with gzip.open(illumina, "wt", encoding="utf-8") as file:
        file.write("\n".join(rows) + "\n")
    found = read_chromosomes(illumina)
    assert found["cg1"] == found["cg1_TC21"] == "X" and found["cg2"] == "12" and "cg3" not in found
    zhou = tmp_path / "HM450.hg38.manifest.tsv"
    zhou.write_text("CpG_chrm\tCpG_beg\tprobeID\nchrX\t1\tcg1\nNA\t2\tcg2\n")
    assert read_chromosomes(zhou)["cg1"] == "X"
    zhou.write_text("a\tb\n1\t2\n")
    with pytest.raises(UserError, match="Give the manifest of the array"):
        read_chromosomes(zhou)
    with pytest.raises(UserError, match="no table of probes at"):
        read_chromosomes(tmp_path / "none.csv")
