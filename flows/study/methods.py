"""The normalisation methods that a study file and the command line may name."""

from __future__ import annotations

from typing import Literal

Method = Literal[
    "tmm",
    "tmmwsp",
    "rle",
    "upperquartile",
    "median-of-ratios",
    "poscounts",
    "cpm",
    "logcpm",
    "tpm",
    "vst",
    "vst-fast",
    "voom",
    "quantile",
    "none",
]
"""As `omics.models.normalise.normalise` takes them; listed here because importing that module takes seconds."""
