"""Series that hold several volumes: CT in three phases, diffusion, dynamic MR, gated PET, each with its tumour drawn once.

What the tumour does from volume to volume is known: contrast comes and goes, diffusion decays with b, uptake stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from pydicom.dataset import FileDataset
from pydicom.uid import UID, CTImageStorage, MRImageStorage, PositronEmissionTomographyImageStorage

from unibase.simulation.dicom import (
    NewSeries,
    Seen,
    SeriesFiles,
    Study,
    base_dataset,
    instance_of,
    place_plane,
    save,
    set_pixels,
    write_rtstruct,
)
from unibase.simulation.dicom_pet import describe_pet
from unibase.simulation.phantom import Chest, Grid, Region

B_VALUES = (0, 400, 800)
"""Diffusion weightings in s/mm2."""

ADC = 1.1e-3
"""Apparent diffusion coefficient of the tumour in mm2/s."""

CT_PHASES = (("arterial", 25, 95.0), ("portal", 70, 75.0), ("late", 180, 60.0))
"""Phases of the CT: name, seconds after the injection, HU of the tumour."""

DYNAMIC = (0.0, 0.9, 1.4, 1.3, 1.2, 1.15)
"""Enhancement of the tumour at each time of the dynamic MR, over its signal before contrast."""

GATES = 8
"""Gates of the PET."""

Headers = Callable[[FileDataset, int, datetime], None]
"""Writes into a header what tells a volume, by its number from 0 and the start of its series."""


@dataclass(frozen=True)
class Kind:
    """One kind of series.

    Attributes:
        visit: Its study, a name of its own in the person.
        modality: DICOM Modality.
        sop_class: Storage class.
        signal: Value of the tumour in each volume: HU, SUV, or the arbitrary unit of MR.
        background: Value outside it.
        headers: What tells the volumes apart.
    """

    visit: str
    modality: str
    sop_class: UID
    signal: tuple[float, ...]
    background: float
    headers: Headers


@dataclass(frozen=True)
class Written:
    """One volume as written.

    Attributes:
        kind: Visit of its kind.
        series: Its series.
        number: Its number in the series, from 1.
        count: Volumes of the series.
        tumour_mean: Mean over the tumour's voxels, as the stored values tell it.
    """

    kind: str
    series: SeriesFiles
    number: int
    count: int
    tumour_mean: float


def _ct(ds: FileDataset, number: int, start: datetime) -> None:
    moment = start + timedelta(seconds=CT_PHASES[number][1])
    ds.ImageType, ds.KVP, ds.ConvolutionKernel = ["ORIGINAL", "PRIMARY", "AXIAL"], 120, "B31f"
    ds.AcquisitionNumber, ds.AcquisitionDate = number + 1, f"{moment:%Y%m%d}"
    ds.AcquisitionTime = ds.ContentTime = f"{moment:%H%M%S}.000000"
    ds.ContrastBolusAgent = "Iomeprol"
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = -1024, 1, "HU"


def _mr(ds: FileDataset, moment: datetime) -> None:
    ds.MagneticFieldStrength, ds.MRAcquisitionType, ds.SequenceVariant = 3, "2D", "SK"
    ds.AcquisitionDate, ds.AcquisitionTime = f"{moment:%Y%m%d}", f"{moment:%H%M%S}.000000"


def _diffusion(ds: FileDataset, number: int, start: datetime) -> None:
    _mr(ds, start)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"]
    ds.ScanningSequence, ds.EchoTime, ds.RepetitionTime = "EP", 62, 5200
    ds.DiffusionBValue = float(B_VALUES[number])


def _dynamic(ds: FileDataset, number: int, start: datetime) -> None:
    _mr(ds, start + timedelta(seconds=60 * number))
    ds.ImageType, ds.ScanningSequence = ["ORIGINAL", "PRIMARY", "M", "NONE"], "GR"
    ds.EchoTime, ds.RepetitionTime = 1.8, 4.6
    ds.TemporalPositionIdentifier, ds.NumberOfTemporalPositions = number + 1, len(DYNAMIC)


def _gated(ds: FileDataset, number: int, start: datetime) -> None:
    ds.SeriesType, ds.NumberOfTimeSlots = ["GATED", "IMAGE"], GATES
    ds.TriggerTime, ds.AcquisitionTime = 500.0 * number, f"{start:%H%M%S}.000000"
    ds.RescaleIntercept = 0


KINDS = (
    Kind("liver-ct", "CT", CTImageStorage, tuple(hu for *_, hu in CT_PHASES), 50.0, _ct),
    Kind("dwi", "MR", MRImageStorage, tuple(900 * math.exp(-b * ADC) for b in B_VALUES), 150.0, _diffusion),
    Kind("breast-mr", "MR", MRImageStorage, tuple(400 * (1 + more) for more in DYNAMIC), 300.0, _dynamic),
    Kind("gated-pet", "PT", PositronEmissionTomographyImageStorage, (6.0,) * GATES, 0.8, _gated),
)
"""The kinds of series that each person with images has."""


def write_acquisitions(study: Callable[[str], Study], chest: Chest, target: str, seen: Seen) -> list[Written]:
    """Write a study of each kind, and the outline of the tumour on it.

    Args:
        study: From the name of a visit to an examination of the person.
        chest: The person's anatomy, of which the tumour is taken.
        target: Name of the tumour's region.
        seen: Told of every header.

    Returns:
        What was written, volume by volume.
    """
    grid = _grid(chest.tumour)
    written = []
    for kind in KINDS:
        examination = study(kind.visit)
        found, series = _write(kind, examination, grid, chest.tumour, seen)
        write_rtstruct(examination, series, {target: chest.tumour}, grid, seen)
        written += found
    return written


def _grid(tumour: Region) -> Grid:
    """Return a small grid around the tumour, of whole millimetres and a half."""
    spacing = (2.5, 2.5, 3.0)
    half = max(*tumour.semi_axes, tumour.half_height) * 1.3 + 8
    shape = (2 * math.ceil(half / 3.0) + 1, 2 * math.ceil(half / 2.5) + 1, 2 * math.ceil(half / 2.5) + 1)
    x, y, z = (
        round(middle - step * (size - 1) / 2, 1) for middle, step, size in zip(tumour.centre, spacing, shape[::-1], strict=True)
    )
    return Grid(shape, spacing, (x, y, z))


def _write(kind: Kind, study: Study, grid: Grid, tumour: Region, seen: Seen) -> tuple[list[Written], SeriesFiles]:
    base = base_dataset(study, NewSeries(kind.sop_class, kind.modality, kind.visit, 2, 90))
    base.SeriesDescription = kind.visit
    # Bq/ml of a SUVbw of 1.
    scale = describe_pet(base, study) / (study.person.course.weight_kg * 1000.0) if kind.modality == "PT" else 1.0
    start = study.when + timedelta(seconds=90)
    mask = tumour.mask(grid)
    datasets: list[FileDataset] = []
    paths, means = [], []
    for number, value in enumerate(kind.signal):
        stored = _stored(kind, value, mask)
        means.append(float((stored[mask] * _slope(kind)).mean()) - (1024 if kind.modality == "CT" else 0))
        for k, plane in enumerate(stored):
            ds = instance_of(base)
            kind.headers(ds, number, start)
            ds.SOPInstanceUID = study.uid(kind.visit, number, k)
            ds.InstanceNumber = number * len(stored) + k + 1
            if kind.modality == "PT":
                ds.RescaleSlope = f"{_slope(kind) * scale:.10g}"
            place_plane(ds, grid, k)
            set_pixels(ds, plane)
            path = study.folder / kind.visit / f"{kind.modality}{ds.InstanceNumber:05d}.dcm"
            save(ds, path, study.scanner.implicit_vr)
            datasets.append(ds)
            paths.append(path)
            seen(ds)
    series = SeriesFiles(base.SeriesInstanceUID, kind.modality, datasets, paths)
    count = len(kind.signal)
    return [Written(kind.visit, series, number + 1, count, mean) for number, mean in enumerate(means)], series


def _slope(kind: Kind) -> float:
    """Return the value of a stored unit: of PET a thousandth of SUV."""
    return 1e-3 if kind.modality == "PT" else 1.0


def _stored(kind: Kind, value: float, mask: np.ndarray) -> np.ndarray:
    """Return stored values (z, y, x): the tumour in its background, both with a ripple of 4 %, so that texture has something."""
    x = np.arange(mask.shape[2])
    ripple = 1 + 0.04 * np.cos(x * 0.9)[np.newaxis, np.newaxis, :]
    values = np.where(mask, value, kind.background) * ripple
    offset = 1024 if kind.modality == "CT" else 0
    stored: np.ndarray = np.rint(values / _slope(kind) + offset).astype(np.int32)
    return stored


def names_of(kind: str) -> tuple[str, ...]:
    """Return how the volumes of a kind are called: what a person would say of them.

    Args:
        kind: Its visit.
    """
    return {
        "liver-ct": tuple(f"acquisition {number} of 3" for number in (1, 2, 3)),
        "dwi": tuple(f"b={b}" for b in B_VALUES),
        "breast-mr": tuple(f"phase {number} of 6" for number in range(1, 7)),
        "gated-pet": tuple(f"gate {number} of 8" for number in range(1, 9)),
    }[kind]
