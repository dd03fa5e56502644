"""A study with every assay, from the files of two centres to the release."""

from __future__ import annotations

from pathlib import Path

import mudata
import numpy as np
import polars as pl
import pytest
from ruamel.yaml import YAML

from omics.samples import read_samples
from tests.flows import demo

pytestmark = [pytest.mark.slow]
ASSAYS = ("methylation", "copy_number", "proteomics")


def write_assays(home: Path) -> dict[str, int]:
    """Write the files of three more assays for the centres' own tumour samples; return how many samples each has."""
    generator = np.random.default_rng(11)
    yaml = YAML()
    study = yaml.load((home / "study.yaml").read_text(encoding="utf-8"))
    counts = dict.fromkeys(ASSAYS, 0)
    for centre in "AB":
        omics = home / f"centre_{centre.lower()}" / "omics"
        sheet = read_samples(omics / "samples.csv")
        names = sheet["sample"].to_list()
        for name, feature, low, high in (("methylation", "cg{:08d}", 0.0, 1.0), ("proteomics", "P{:05d}", 1.0, 900.0)):
            table = {"feature": [feature.format(i) for i in range(30)]}
            table |= {sample: generator.uniform(low, high, 30).round(4).tolist() for sample in names}
            pl.DataFrame(table).write_csv(omics / f"{name}.csv")
        rows = ["ID\tchrom\tloc.start\tloc.end\tseg.mean"]
        rows += [f"{sample}\t{c}\t1\t170000000\t{generator.normal():.3f}" for sample in names for c in (1, 7)]
        (omics / "copy.seg").write_text("\n".join(rows) + "\n")
        for name in ASSAYS:
            counts[name] += len(names)
            file = "copy.seg" if name == "copy_number" else f"{name}.csv"
            samples = f"centre_{centre.lower()}/omics/samples.csv"
            study["centres"][centre]["omics"][name] = {"matrix": f"centre_{centre.lower()}/omics/{file}", "samples": samples}
    study["assays"]["genes"] = [*study["assays"].get("genes", []), "cg00000003", "7q", "P00002"]
    for name in ASSAYS:
        study["windows"][name] = {"from_days": -365, "to_days": 0, "choose": "latest"}
    with open(home / "study.yaml", "w", encoding="utf-8") as file:
        yaml.dump(study, file)
    return counts


def test_every_assay_reaches_the_release(tmp_path: Path) -> None:
    home = tmp_path / "assays"
    assert demo.unibase("simulate", home, "--no-imaging").returncode == 0
    counts = write_assays(home)
    assert demo.unibase("check", home / "study.yaml").returncode == 0
    demo.build(home, "--no-prefect")
    release = demo.release(home)
    cohort = mudata.read_h5mu(release / "cohort.h5mu")
    mapping = pl.read_parquet(home / "work" / "staging" / "omics" / "sample_map.parquet")
    analysis = pl.read_parquet(release / "tables" / "analysis.parquet")
    dictionary = pl.read_parquet(release / "dictionary" / "dictionary.parquet")
    for name in ASSAYS:
        assert name in cohort.mod
        assert mapping.filter(pl.col("assay") == name).height == counts[name], "every sample that enters is in the map"
        assert analysis[f"{name}_sample"].drop_nulls().len() >= 5
    for column in ("methylation_cg00000003", "copy_number_7q", "proteomics_P00002", "copy_number_fraction_altered"):
        assert analysis[column].drop_nulls().len() >= 5, column
        assert dictionary.filter((pl.col("table") == "analysis") & (pl.col("column") == column))["derivation"].item()
    # What is in the table is what is in the matrix of the subject's chosen sample.
    beta = cohort.mod["methylation"]
    table = dict(analysis.select("subject_id", "methylation_cg00000003").drop_nulls().iter_rows())
    matrix = {int(subject): float(row["cg00000003"]) for subject, row in beta.to_df().iterrows()}
    assert {subject: matrix[subject] for subject in table} == pytest.approx(table)


def test_a_window_of_no_assay_is_an_error(tmp_path: Path) -> None:
    home = tmp_path / "typo"
    assert demo.unibase("simulate", home, "--no-imaging").returncode == 0
    text = (home / "study.yaml").read_text(encoding="utf-8").replace("windows:\n", "windows:\n  rnaseq: {to_days: 0}\n")
    (home / "study.yaml").write_text(text)
    ended = demo.unibase("check", home / "study.yaml")
    assert ended.returncode == 1 and "rnaseq is no assay; allowed: imaging, clinical, rna" in ended.stderr
