"""RCC files of the nCounter: quality as NACHO defines it, values by the lane's own housekeeping genes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unibase.groundwork.problems import Unusable
from unibase.omics.assays import registry
from unibase.omics.assays.nanostring import CONCENTRATIONS, log_ratios, quality
from unibase.omics.assays.registry import AssayFiles
from unibase.omics.readers.rcc import read_lane
from unibase.omics.recognise.which_assay import assay_of

POSITIVE = (12000, 3100, 790, 205, 48, 14)
NEGATIVE = (3, 5, 2, 6, 4, 1, 7, 4)
GENES = {"CD8A": 800, "PDCD1": 5, "GZMB": 64, "KRT5": 0}
HOUSE = {"ACTB": 4096, "GUSB": 256, "TBP": 64}


def rcc(path: Path, sample: str = "lyon-1", fields: tuple[int, int] = (280, 275), density: str = "0.85", positive: tuple[int, ...] = POSITIVE) -> Path:  # fmt: skip
    probes = [
        f"Positive,POS_{'ABCDEF'[i]}({c:g}),ERCC,{n}" for i, (c, n) in enumerate(zip(CONCENTRATIONS, positive, strict=True))
    ]
    probes += [f"Negative,NEG_{'ABCDEFGH'[i]}(0),ERCC,{n}" for i, n in enumerate(NEGATIVE)]
    probes += [f"Endogenous,{gene},NM,{n}" for gene, n in GENES.items()]
    probes += [f"Housekeeping,{gene},NM,{n}" for gene, n in HOUSE.items()]
    parts = {
        "Header": ["FileVersion,1.7", "SoftwareVersion,4.0.0.3"],
        "Sample_Attributes": [f"ID,{sample}", "Owner,", "Date,20200101", "GeneRLF,NS_IMMUNE"],
        "Lane_Attributes": ["ID,1", f"FovCount,{fields[0]}", f"FovCounted,{fields[1]}", f"BindingDensity,{density}"],
        "Code_Summary": ["CodeClass,Name,Accession,Count", *reversed(probes)],
    }
    path.write_text("".join(f"<{name}>\n" + "\n".join(lines) + f"\n</{name}>\n\n" for name, lines in parts.items()))
    return path


def test_quality_is_nachos(tmp_path: Path) -> None:
    """Its definitions by hand: least squares of the logarithms, and the z-score of POS_E."""
    told = quality(read_lane(rcc(tmp_path / "a.RCC")))
    x, y = np.log2(CONCENTRATIONS), np.log2(POSITIVE)
    slope, intercept = np.polyfit(x, y, 1)
    residual = ((y - slope * x - intercept) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    assert told.linearity == pytest.approx(1 - residual, rel=1e-12)
    assert told.detection == pytest.approx((48 - np.mean(NEGATIVE)) / np.std(NEGATIVE, ddof=1), rel=1e-12)
    assert told.fields == 275 / 280 and told.density == 0.85 and not told.faults()


def test_values_are_ratios_to_the_housekeeping_genes(tmp_path: Path) -> None:
    lane = read_lane(rcc(tmp_path / "a.RCC"))
    floor = np.mean(NEGATIVE) + 2 * np.std(NEGATIVE, ddof=1)
    expected = [np.log2(max(n, floor)) - (12 + 8 + 6) / 3 for n in reversed(GENES.values())]
    np.testing.assert_allclose(log_ratios(lane), expected, rtol=1e-12)
    doubled = rcc(tmp_path / "b.RCC")
    doubled.write_text(doubled.read_text().replace("CD8A,NM,800", "CD8A,NM,1600"))
    assert log_ratios(read_lane(doubled))[-1] - log_ratios(lane)[-1] == pytest.approx(1)


FAULTS: dict[str, tuple[dict[str, object], str]] = {
    "few fields": ({"fields": (280, 200)}, "fields of view"),
    "no field asked for": ({"fields": (0, 0)}, "fields of view"),
    "too dense": ({"density": "2.6"}, "binding density"),
    "not linear": ({"positive": (900, 3100, 790, 205, 4800, 14)}, "R squared"),
    "not above the background": ({"positive": (12000, 3100, 790, 205, 4, 14)}, "background"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_lane_out_of_its_limits_is_set_aside(tmp_path: Path, fault: str) -> None:
    changed, said = FAULTS[fault]
    gated = registry.read("nanostring", AssayFiles(rcc(tmp_path / "a.RCC", **changed)))  # type: ignore[arg-type]
    assert gated.adata.n_obs == 0
    reason, message, _ = gated.refused["lyon-1"]
    assert reason == "failed-lane" and said in message


def test_lanes_of_a_study_come_together_and_keep_their_values(tmp_path: Path) -> None:
    first, second = (registry.read("nanostring", AssayFiles(rcc(tmp_path / f"{n}.RCC", n))) for n in ("lyon-1", "CHU-été"))
    assert registry.sample_names("nanostring", AssayFiles(tmp_path / "lyon-1.RCC")) == ["lyon-1"]
    joined = registry.together("nanostring", [first.adata, second.adata])
    np.testing.assert_array_equal(joined["lyon-1", "GZMB"].X, first.adata[:, "GZMB"].X)
    assert list(joined.obs_names) == ["CHU-été", "lyon-1"] and assay_of(tmp_path / "lyon-1.RCC") == "nanostring"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("</Code_Summary>", "", "truncated-file"),
        ("<Code_Summary>", "<Codes>", "not-an-rcc"),
        ("CD8A,NM,800", "CD8A,NM,many", "not-a-number"),
        ("Housekeeping", "Endogenous", "failed-lane"),
        ("Negative", "Ligation", "not-an-rcc"),
    ],
)
def test_what_is_no_whole_lane_is_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    path = rcc(tmp_path / "a.RCC")
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(Unusable, match=reason):
        registry.read("nanostring", AssayFiles(path))
