"""Objects of the kinds of IBSI's SUV reference set: stored by each vendor's way, all of one body whose SUV are 0.20 to 4.00.

The images of the set itself carry a person's header and are not in this repository. An object here is made backwards: from the SUV
that it shall have, through the formulas of PS3.3 C.8.9 and QIBA's pseudo-code, to what a scanner stores.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from tests.imaging.dicom_maker import write_series
from tests.imaging.test_suv import DOSE, HALF_LIFE, WEIGHT, tracer
from unibase.imaging.dicom.volume import read_series

SUV = np.array([0.20, 0.5, 1.0, 1.0, 1.0, 1.5, 4.0, 0.8, 1.0]).reshape(1, 3, 3).repeat(3, axis=0)
"""SUV by body weight: minimum 0.20, median 1.00, maximum 4.00."""

GRAMS, HOUR = WEIGHT * 1000, 2 ** (-3600 / HALF_LIFE)
BODY = {"PatientSize": 1.7, "PatientSex": "F"}
JANMAHASATIAN = 9270 / (8780 + 244 * WEIGHT / 1.7**2)
SURFACE = 10 * 0.007184 * WEIGHT**0.425 * 170**0.725 / WEIGHT


def after_the_frame() -> float:
    """Decay from the injection at 09:20 to the moment of a frame of 180 s from 10:21 at which its activity is its mean."""
    within = math.log(2) / HALF_LIFE * 180
    mean = math.log(within / (1 - math.exp(-within))) / math.log(2) * HALF_LIFE
    return float(2 ** (-(61 * 60 + mean) / HALF_LIFE))


@dataclass(frozen=True)
class Stored:
    """How an object is stored.

    Attributes:
        per_suv: What its rescaled values are for an SUV of 1.
        header: What its header says beside the usual.
        private: Group, creator, element, VR and value of a private attribute.
    """

    per_suv: float
    header: dict[str, Any] = field(default_factory=dict)
    private: tuple[int, str, int, str, str] | None = None


OBJECTS = {
    "BQML, START": Stored(DOSE * HOUR / GRAMS),
    "BQML, ADMIN": Stored(DOSE / GRAMS, {"DecayCorrection": "ADMIN"}),
    "BQML, NONE": Stored(DOSE * after_the_frame() / GRAMS, {"DecayCorrection": "NONE", "CorrectedImage": ["ATTN", "SCAT"]}),
    "BQML, GE, sent again in the afternoon": Stored(
        DOSE * HOUR / GRAMS, {"SeriesTime": "150000"}, (0x0009, "GEMS_PETD_01", 0x0D, "DT", "20200102102000.00")
    ),
    "BQML, Siemens, reconstructed again": Stored(
        DOSE * HOUR / GRAMS, {"SeriesTime": "150000"}, (0x0071, "SIEMENS MED PT", 0x22, "DT", "20200102102000.000000")
    ),
    "CNTS, Philips, scale of SUV": Stored(
        1 / 0.00042, {"Units": "CNTS"}, (0x7053, "Philips PET Private Group", 0, "DS", "0.00042")
    ),
    "CNTS, Philips, scale of activity": Stored(
        DOSE * HOUR / GRAMS / 3.25, {"Units": "CNTS"}, (0x7053, "Philips PET Private Group", 9, "DS", "3.25")
    ),
    "GML, body weight": Stored(1.0, {"Units": "GML", "SUVType": "BW"}),
    "GML, no type": Stored(1.0, {"Units": "GML"}),
    "GML, lean body mass": Stored(JANMAHASATIAN, {"Units": "GML", "SUVType": "LBMJANMA", **BODY}),
    "CM2ML, body surface": Stored(SURFACE, {"Units": "CM2ML", "SUVType": "BSA", **BODY}),
}
"""What is stored, and how."""


@pytest.mark.parametrize("name", OBJECTS)
def test_every_object_is_the_same_body(tmp_path: Path, name: str) -> None:
    stored = OBJECTS[name]
    step = stored.per_suv / 1000
    header = {
        "Units": "BQML",
        "DecayCorrection": "START",
        "CorrectedImage": ["DECY", "ATTN", "SCAT"],
        "PatientWeight": WEIGHT,
        "RadiopharmaceuticalInformationSequence": [tracer()],
        "FrameReferenceTime": 90000.0,
        "ActualFrameDuration": 180000,
        **stored.header,
    }
    paths = write_series(tmp_path, np.round(SUV * 1000).astype(np.int16), modality="PT", slope=float(f"{step:.12g}"), **header)
    for path in paths if stored.private else ():
        dataset = pydicom.dcmread(path)
        group, creator, element, vr, value = stored.private
        dataset.private_block(group, creator, create=True).add_new(element, vr, value)
        dataset.save_as(path)
    volume = read_series(tmp_path)
    assert volume.unit == "SUVbw"
    assert np.allclose(volume.array, SUV, rtol=1e-9)
    told = [float(f(volume.array)) for f in (np.min, np.median, np.max)]
    assert told == pytest.approx([0.20, 1.00, 4.00], rel=1e-9)
