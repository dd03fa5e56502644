"""IBSI phantoms and the processing of the published configurations."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from unibase.imaging.engine.options import AGGREGATIONS_2D, AGGREGATIONS_3D, IbsiOptions

CONFIGURATIONS = {
    "digital_phantom": ("ibsi_1_digital_phantom", {"discretisation": "none", "aggregations": AGGREGATIONS_2D + AGGREGATIONS_3D}),
    "ct_config_A": (
        "ibsi_1_ct_radiomics_phantom",
        {"by_slice": True, "resegment_range": (-500, 400), "discretisation": "fbs", "bin_size": 25},
    ),
    "ct_config_B": (
        "ibsi_1_ct_radiomics_phantom",
        {"by_slice": True, "spacing": (3, 2, 2), "round_intensities": True, "resegment_range": (-500, 400), "bins": 32},
    ),
    "ct_config_C": (
        "ibsi_1_ct_radiomics_phantom",
        {
            "spacing": (2, 2, 2),
            "round_intensities": True,
            "resegment_range": (-1000, 400),
            "discretisation": "fbs",
            "bin_size": 25,
            "ivh_discretisation": "fbs",
            "ivh_bin_size": 2.5,
        },
    ),
    "ct_config_D": (
        "ibsi_1_ct_radiomics_phantom",
        {"spacing": (2, 2, 2), "round_intensities": True, "resegment_sigma": 3, "bins": 32},
    ),
    "ct_config_E": (
        "ibsi_1_ct_radiomics_phantom",
        {
            "spacing": (2, 2, 2),
            "interpolation": "cubic",
            "round_intensities": True,
            "resegment_range": (-1000, 400),
            "resegment_sigma": 3,
            "bins": 32,
            "ivh_discretisation": "fbn",
            "ivh_bins": 1000,
        },
    ),
}


def options(dataset: str) -> IbsiOptions:
    return IbsiOptions(**CONFIGURATIONS[dataset][1])


def load(real_data: Path, dataset: str) -> tuple[np.ndarray, np.ndarray, tuple[float, ...]]:
    """Image, mask and spacing (z, y, x) from the NIfTI files."""
    import SimpleITK as sitk

    folder = real_data / "ibsi" / CONFIGURATIONS[dataset][0] / "nifti"
    image, mask = sitk.ReadImage(str(folder / "image/phantom.nii.gz")), sitk.ReadImage(str(folder / "mask/mask.nii.gz"))
    return sitk.GetArrayFromImage(image).astype(float), sitk.GetArrayFromImage(mask) > 0, image.GetSpacing()[::-1]


def three_digits(value: float) -> float:
    """Rounded to three significant digits, as the values are published."""
    return value if value == 0 or not math.isfinite(value) else round(value, 2 - math.floor(math.log10(abs(value))))
