"""Dose-volume histograms beside dicompyler-core, on a dose grid whose voxels are those of the image.

dicompyler-core measures at the voxels of the dose grid; where it resamples (by skimage), its voxels move by a part of a voxel,
so that the two are compared where neither interpolates. Interpolation is held by ITK in `test_dose`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pydicom.dicomio
import pytest

from tests.imaging.dicom_maker import write_rtstruct, write_series
from tests.imaging.test_dose import dose_file
from unibase.imaging.dose.histogram import Fractions
from unibase.imaging.dose.measured import Wanted, measure_doses

SHAPE, SPACING = (12, 64, 70), (1.0, 1.0, 2.0)
METRICS = ("Dmean", "Dmin", "Dmax", "D2", "D50", "D95", "D98", "D2cc", "V20Gy", "V40Gy", "V60Gy")
EQD2 = Fractions(25, 3.0)


def gray() -> np.ndarray:
    z, y, x = np.meshgrid(*(np.arange(n) * step for n, step in zip(SHAPE, SPACING[::-1], strict=True)), indexing="ij")
    dose: np.ndarray = 66 * np.exp(-(((x - 30) / 24) ** 2) - ((y - 29) / 21) ** 2 - ((z - 11) / 16) ** 2) + 2 + 0.03 * x
    return dose


def ellipse(height: float, across: float, down: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 97)[:-1]
    return np.column_stack([32.3 + across * np.cos(angle), 30.7 + down * np.sin(angle), np.full(96, height)])


def plan(folder: Path, dose: np.ndarray) -> Path:
    write_series(folder / "ct", np.zeros(SHAPE, np.int16), spacing=SPACING)
    whole = [ellipse(2.0 * k, 25.2, 22.1) for k in range(1, 11)]
    write_rtstruct(folder / "rs.dcm", [("PTV", whole), ("RING", whole + [ellipse(2.0 * k, 9.2, 8.1) for k in range(1, 11)])])
    dose_file(
        folder / "rd.dcm",
        NumberOfFrames=SHAPE[0],
        Rows=SHAPE[1],
        Columns=SHAPE[2],
        PixelSpacing=[1.0, 1.0],
        ImagePositionPatient=[0.0, 0.0, 0.0],
        GridFrameOffsetVector=[2.0 * k for k in range(SHAPE[0])],
        DoseGridScaling=1e-6,
        PixelData=np.round(dose * 1e6).astype("<u4").tobytes(),
    )
    return folder


def of_the_peer(folder: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    # Its last version asks for a name that pydicom 3 has no more.
    monkeypatch.setattr(pydicom.dicomio, "read_file", pydicom.dcmread, raising=False)
    from dicompylercore import dvhcalc

    found = dvhcalc.get_dvh(str(folder / "rs.dcm"), str(folder / "rd.dcm"), number)
    share = found.relative_volume
    named = {"Dmean": found.mean, "Dmin": found.min, "Dmax": found.max, "volume": found.volume}
    for metric in METRICS[3:]:
        named[metric] = getattr(share if metric.startswith("V") else found, metric).value
    return named


@pytest.mark.parametrize("fractions", [None, EQD2], ids=["physical", "EQD2"])
def test_equal_to_dicompyler_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fractions: Fractions | None) -> None:
    frame, refused = measure_doses(plan(tmp_path / "ours", gray()), tmp_path / "o.parquet", None, Wanted(METRICS, fractions))
    # The peer knows no EQD2: it gets a dose that was turned into it voxel by voxel.
    theirs = plan(tmp_path / "theirs", gray() if fractions is None else EQD2.eqd2(gray()))
    assert not refused
    for number, region in ((1, "PTV"), (2, "RING")):
        peer = of_the_peer(theirs, number, monkeypatch)
        mine = frame.filter(region=region)
        told = dict(zip(mine["metric"], mine["value"], strict=True))
        assert mine["volume_cc"][0] == pytest.approx(peer["volume"], rel=1e-9)
        for metric in METRICS:
            # 0.1 %, and the width of its bins, 0.01 Gy.
            assert told[metric] == pytest.approx(peer[metric], rel=1e-3, abs=0.011), (region, metric)
