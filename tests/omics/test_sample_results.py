"""Results that others computed of samples: a row each of tables as tools and laboratories write them, what is taken and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from unibase.groundwork.problems import Unusable
from unibase.omics.assays.chosen import chosen_values
from unibase.omics.assays.registry import AssayFiles, read, sample_names, together
from unibase.omics.recognise.which_assay import assay_of

NAN = math.nan
LM22 = ("B cells naive", "B cells memory", "Plasma cells", "T cells CD8", "T cells CD4 naive", "T cells CD4 memory resting",
        "T cells CD4 memory activated", "T cells follicular helper", "T cells regulatory (Tregs)", "Macrophages M0")  # fmt: skip
TITLES = "\t".join(LM22)
QUANTISEQ = "B.cells\tMacrophages.M1\tMacrophages.M2\tMonocytes\tNeutrophils\tNK.cells\tT.cells.CD4\tT.cells.CD8\tTregs\tDendritic.cells\tOther"

RIGHT: dict[str, tuple[str, str, dict[str, float]]] = {
    "MSI in letters": ("m.csv", "sample,MSI status\nS1,MSI-H\nS2,MSS\n", {"MSI:MSI-H": 1, "MSI:MSI-L": 0, "MSI:MSS": 0}),
    "MSI of cBioPortal": ("m.txt", "SAMPLE_ID\tMSI_TYPE\tMSI_SCORE\nS1\tInstable\t31.3\nS2\tStable\t0.2\n", {"MSI:MSI-H": 1, "MSI_score": 31.3}),
    "MSI not told": ("m.txt", "SAMPLE_ID\tMSI_TYPE\nS1\tDo not report\nS2\tStable\n", {"MSI:MSI-H": NAN, "MSI:MSS": NAN}),
    "MANTIS": ("m.txt", "sample\tMSI_MANTIS_SCORE\nS1\t0.41\nS2\t0.3\n", {"MANTIS_score": 0.41}),
    "MMR": ("m.csv", "Sample;MMR_status\nS1;dMMR\nS2;pMMR\n", {"MMR:dMMR": 1, "MMR:pMMR": 0}),
    "TMB of the laboratory": ("m.tsv", "Tumor_Sample_Barcode\tTMB (nonsynonymous)\nS1\t11.5\nS2\tNA\n", {"TMB": 11.5}),
    "decimal commas": ("m.csv", "sample;TMB;purity\nS1;11,5;0,62\nS2;3,25;0,5\n", {"TMB": 11.5, "purity": 0.62}),
    "classes of TMB": ("m.csv", "sample,TMB status\nS1,TMB-High\nS2,TMB-Low\n", {"TMB_class:TMB-H": 1}),
    "purity and ploidy": ("m.tsv", "sample\tpurity\tploidy\nS1\t0.62\t3.1\nS2\t1\t2\n", {"purity": 0.62, "ploidy": 3.1}),
    "PAM50": ("m.csv", "sample,PAM50\nS1,LumA\nS2,HER2-enriched\n", {"PAM50:LumA": 1, "PAM50:Her2": 0}),
    "CMS without a class": ("m.csv", "sample,CMS_label\nS1,NOLBL\nS2,CMS4\n", {"CMS:CMS4": NAN}),
    "ESTIMATE": ("m.tsv", "sample\tStromalScore\tImmuneScore\tESTIMATEScore\tTumorPurity\nS1\t-311.5\t1200\t888.5\t0.74\nS2\t0\t0\t0\t0.8\n",
                 {"StromalScore": -311.5, "ImmuneScore": 1200, "ESTIMATEScore": 888.5, "purity": 0.74}),
    "CIBERSORT": ("m.txt", f"Mixture\t{TITLES}\tP-value\tCorrelation\tRMSE\nS1\t0.1\t" + "\t".join(["0.1"] * 9) + "\t0.01\t0.7\t0.8\n"
                  "S2\t1\t" + "\t".join(["0"] * 9) + "\t0.01\t0.7\t0.8\n", {"CIBERSORT_T cells CD8": 0.1, "CIBERSORT_Macrophages M0": 0.1}),
    "quanTIseq": ("m.txt", f"Sample\t{QUANTISEQ}\nS1\t0.2\t" + "\t".join(["0.05"] * 9) + "\t0.35\nS2\t0\t" + "\t".join(["0"] * 9) + "\t1\n",
                  {"quanTIseq_B.cells": 0.2, "quanTIseq_Other": 0.35, "quanTIseq_Monocytes": 0.05}),
    "HLA of arcasHLA": ("genotypes.tsv", "subject\tA1\tA2\tB1\tB2\nS1\tA*02:01:01\tA*02:01:05\tB*07:02:01\tB*08:01:01\nS2\tA*01:01:01\tA*24:02:01\tB*07:02:01\tB*07:02:01\n",
                        {"HLA-A*02:01": 2, "HLA-A*01:01": 0, "HLA-B*07:02": 1, "HLA-B*08:01": 1}),
    "HLA in two columns of long titles": ("h.csv", "sample,HLA-DRB1_1,HLA-DRB1_2\nS1,HLA-DRB1*15:01,HLA-DRB1*03:01\nS2,DRB1*15:01,DRB1*15:01\n",
                                          {"HLA-DRB1*15:01": 1, "HLA-DRB1*03:01": 1}),
    "HLA of which one allele is missing": ("h.csv", "sample,A1,A2\nS1,A*02:01,\nS2,A*02:01,A*01:01\n", {"HLA-A*02:01": NAN, "HLA-A*01:01": NAN}),
    "an allele that is not expressed": ("h.csv", "sample,A1,A2\nS1,A*24:09N,A*02:01\nS2,A*02:01,A*01:01\n", {"HLA-A*24:09N": 1}),
    "French titles": ("m.csv", "Échantillon;Statut MSI;Statut MMR;HLA-A allèle 1;HLA-A allèle 2;Pureté tumorale\nS1;instable;dMMR;A*02:01;A*03:01;0,4\n"
                      "S2;non fait;pMMR;A*02:01;A*24:02;0,5\n", {"MSI:MSI-H": 1, "MMR:dMMR": 1, "HLA-A*02:01": 1, "purity": 0.4}),
    "French titles behind a mark": ("m.csv", "\ufeffÉchantillon;Charge mutationnelle (mut/Mb);Statut TMB\nS1;11,5;élevée\nS2;3;basse\n",
                                    {"TMB": 11.5, "TMB_class:TMB-H": 1}),
    "rows with numbers": ("m.csv", ",sample,TMB\n0,S1,4\n1,S2,5\n", {"TMB": 4}),
}  # fmt: skip


@pytest.mark.parametrize("case", RIGHT)
def test_known_results_are_taken_as_they_are(case: str, tmp_path: Path) -> None:
    name, text, expected = RIGHT[case]
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    gated = read("results", AssayFiles(path))
    first = {
        **{name: NAN for name in gated.adata.var_names},
        **(gated.adata.to_df().loc["S1"].to_dict() if "S1" in gated.adata.obs_names else {}),
    }
    assert {name: first[name] for name in expected} == pytest.approx(expected, nan_ok=True)
    assert sample_names("results", AssayFiles(path)) == ["S1", "S2"]
    assert assay_of(path) == "results"


REFUSED: dict[str, tuple[str, str]] = {
    "a word of no class": ("sample,MSI status\nS1,MSI\nS2,MSS\n", "unknown-word"),
    "MMR in the column of MSI": ("sample,MSI status\nS1,dMMR\nS2,MSS\n", "unknown-word"),
    "a number for a class": ("sample,MSI status\nS1,1\nS2,0\n", "unknown-word"),
    "a class for a number": ("sample,TMB\nS1,high\nS2,5\n", "not-a-number"),
    "purity in percent": ("sample,purity\nS1,62\nS2,50\n", "impossible-result"),
    "a burden below nothing": ("sample,TMB\nS1,-4\nS2,5\n", "impossible-result"),
    "a ploidy of a hundred": ("sample,ploidy\nS1,200\nS2,2\n", "impossible-result"),
    "an unknown column": ("sample,TMB,my score\nS1,4,7\nS2,5,8\n", "not-recognised"),
    "a name beside the sample": ("sample,name,TMB\nS1,Dupont,4\nS2,Durand,5\n", "not-recognised"),
    "no known column": ("sample,age\nS1,61\nS2,50\n", "not-recognised"),
    "no column of samples": ("TMB,purity\n4,0.5\n5,0.4\n", "no-sample-names"),
    "two columns of samples": ("sample,barcode,TMB\nS1,B1,4\nS2,B2,5\n", "no-sample-names"),
    "a row without a sample": ("sample,TMB\nS1,4\n,5\n", "no-sample-names"),
    "a sample twice": ("sample,TMB\nS1,4\nS1,5\n", "repeated-sample"),
    "one result in two columns": ("sample,TMB,TMB score\nS1,4,4\nS2,5,5\n", "not-recognised"),
    "alleles of one field": ("sample,A1,A2\nS1,A*02,A*01\nS2,A*02,A*24\n", "unknown-word"),
    "alleles of another locus": ("sample,A1,A2\nS1,B*07:02,A*01:01\nS2,A*02:01,A*24:02\n", "unknown-word"),
    "serological types": ("sample,A1,A2\nS1,A2,A1\nS2,A2,A24\n", "unknown-word"),
    "one column of a locus": ("sample,A1\nS1,A*02:01\nS2,A*24:02\n", "not-recognised"),
    "scores of the absolute mode": (
        f"Mixture\t{TITLES}\nS1\t1\t" + "\t".join(["0.3"] * 9) + "\nS2\t0\t" + "\t".join(["0"] * 9) + "\n",
        "impossible-result",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_known_is_refused_without_a_value(case: str, tmp_path: Path) -> None:
    text, reason = REFUSED[case]
    path = tmp_path / "CHU-été.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Unusable) as caught:
        read("results", AssayFiles(path))
    assert caught.value.reason == reason and caught.value.remedy
    assert not any(value in caught.value.message for value in ("Dupont", "Durand", "A*02", "S1"))


def test_a_file_of_one_sample_is_named_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "lyon-7.optitype.tsv"
    path.write_text("\tA1\tA2\tB1\tB2\tReads\tObjective\n0\tA*02:01\tA*01:01\tB*07:02\tB*08:01\t1200\t1150.2\n")
    adata = read("results", AssayFiles.of(path, sample_from="file name")).adata
    assert list(adata.obs_names) == ["lyon-7"] and adata.to_df().loc["lyon-7", "HLA-B*08:01"] == 1


def test_an_allele_that_nobody_of_a_centre_has_is_no_missing_one(tmp_path: Path) -> None:
    texts = {"a": "sample,A1,A2,TMB\nS1,A*02:01,A*01:01,4\n", "b": "sample,A1,A2\nT1,A*24:02,A*24:02\nT2,,\n"}
    parts = []
    for name, text in texts.items():
        path = tmp_path / f"{name}.csv"
        path.write_text(text + ("S9,A*02:01,A*02:01,5\n" if name == "a" else ""))
        parts.append(read("results", AssayFiles(path)).adata)
    whole = together("results", parts).to_df()
    assert whole.loc["T1", "HLA-A*02:01"] == 0 and whole.loc["S1", "HLA-A*24:02"] == 0
    assert "T2" not in whole.index and np.isnan(whole.loc["T1", "TMB"])


def test_results_enter_the_analysis_table_and_alleles_where_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("sample,MSI,A1,A2\nS1,MSI-H,A*02:01,A*01:01\nS2,MSS,A*02:01,A*02:01\n")
    adata = read("results", AssayFiles(path)).adata
    frame = chosen_values("results", adata, ["S1", "S2"], ["HLA-A*02:01"], 1)
    assert frame.columns == ["colname", "results_HLA-A*02:01", "results_MSI:MSI-H", "results_MSI:MSI-L", "results_MSI:MSS"]
    assert frame["results_HLA-A*02:01"].to_list() == [1.0, 2.0]
