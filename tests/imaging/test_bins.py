"""Bins of images of small number types: what an image holds decides them, and not the type that it is stored in."""

from __future__ import annotations

import numpy as np
import pytest

from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Grid
from unibase.imaging.options import Engine
from unibase.imaging.radiomics.extraction import extract_region
from unibase.imaging.radiomics.settings import make_settings

GRID = Grid((10, 10, 6), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
MASK = np.zeros(GRID.shape, dtype=bool)
MASK[1:5, 1:9, 1:9] = True
SETTINGS = make_settings({"featureClass": {"firstorder": None, "glcm": None, "gldm": None}})


@pytest.mark.parametrize("engine", ["unibase", "pyradiomics"])
@pytest.mark.parametrize(("kind", "low", "high"), [("uint8", 0, 255), ("int8", -128, 127), ("uint16", 65_200, 65_535)])
def test_bins_of_8_bit_images(engine: Engine, kind: str, low: int, high: int) -> None:
    """Under NumPy 2, PyRadiomics' own bins of them turn round: a GLCM contrast of 18 came out as 0.17 here."""
    array = np.random.default_rng(8).integers(low, high, GRID.shape, endpoint=True).astype(np.float64)
    narrow, _ = extract_region(Volume(array, GRID, stored_type=kind), MASK, SETTINGS, engine)
    wide, _ = extract_region(Volume(array, GRID, stored_type="int32"), MASK, SETTINGS, engine)
    assert narrow["original"] == pytest.approx(wide["original"], rel=1e-12)
    assert narrow["original"]["firstorder_Entropy"] > 3
