"""Modalities of images, as the standard and as people name them."""

from __future__ import annotations

IMAGE_MODALITIES = frozenset(
    [
        "CR",
        "CT",
        "DX",
        "ES",
        "GM",
        "IO",
        "IVOCT",
        "MG",
        "MR",
        "NM",
        "OCT",
        "OP",
        "OPT",
        "OT",
        "PT",
        "PX",
        "RF",
        "RG",
        "RTDOSE",
        "RTIMAGE",
        "SC",
        "SM",
        "US",
        "XA",
        "XC",
    ]
)
"""Defined terms of Modality (DICOM PS3.3, C.7.3.1.1.1) whose instances hold images."""

SPOKEN_MODALITIES = {"PET": "PT", "TEP": "PT", "MRI": "MR", "IRM": "MR", "SCANNER": "CT", "TDM": "CT", "RTSTRUCT": "CT, PT or MR"}
"""What people say for a modality, and what the standard calls it; a structure set is drawn on one of these."""
