"""Assays and methods by name, as the study file and the command line offer them; apart, because they cost nothing to import."""

from __future__ import annotations

from typing import Literal

AssayName = Literal[
    "rna", "mutations", "methylation", "copy_number", "proteomics", "single_cell", "rearrangements", "nanostring", "results"
]
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
