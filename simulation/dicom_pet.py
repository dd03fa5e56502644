"""PET as scanners write it: Bq/ml, decay-corrected to its start, with what the header says of tracer and corrections."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import PositronEmissionTomographyImageStorage

from unibase.simulation.dicom import NewSeries, Seen, SeriesFiles, Study, base_dataset, instance_of, place_plane, save, set_pixels
from unibase.simulation.phantom import Chest
from unibase.simulation.seeds import stream

FLUORINE_18_HALF_LIFE_S = 6586.2


def write_pet(study: Study, chest: Chest, suv: np.ndarray, seen: Seen) -> SeriesFiles:
    """Write a PET series in Bq/ml, decay-corrected to its start, whose header gives back `suv` as SUVbw.

    SUVbw = activity concentration x weight in g / dose decayed to the start of the series (QIBA's vendor-neutral
    pseudo-code for DecayCorrection START).

    Args:
        study: The examination.
        chest: The anatomy, for the grid.
        suv: SUVbw (z, y, x).
        seen: Told of every header.
    """
    base = base_dataset(study, NewSeries(PositronEmissionTomographyImageStorage, "PT", "pet", 3, 90))
    start = study.when + timedelta(seconds=90)
    activity = suv * describe_pet(base, study) / (study.person.course.weight_kg * 1000.0)
    base.NumberOfSlices = len(suv)
    count = len(suv)
    datasets, paths = [], []
    for k, plane in enumerate(activity):
        ds = instance_of(base)
        number = count - k
        ds.SOPInstanceUID = study.uid("pet", k)
        ds.InstanceNumber, ds.ImageIndex = number, number
        ds.AcquisitionTime = f"{start:%H%M%S}.000000"
        place_plane(ds, chest.pet, k)
        # A slope of its own in every slice, as PET scanners do; 10 significant digits fit in a decimal string.
        ds.RescaleSlope = f"{max(float(plane.max()), 1.0) / 32_767:.10g}"
        set_pixels(ds, np.rint(plane / float(ds.RescaleSlope)).clip(0, 32_767))
        ds.WindowCenter, ds.WindowWidth = 16384, 32768
        path = study.folder / "pet" / f"PT{number:05d}.dcm"
        save(ds, path, study.scanner.implicit_vr)
        datasets.append(ds)
        paths.append(path)
        seen(ds)
    return SeriesFiles(base.SeriesInstanceUID, "PT", datasets, paths)


def describe_pet(base: Dataset, study: Study) -> float:
    """Write what a PET in Bq/ml, decay-corrected to its start, says of the tracer and of its corrections.

    Args:
        base: Header to write to, of a series that starts 90 s after its study.
        study: The examination.

    Returns:
        The dose decayed to the start of the series, in Bq.
    """
    rng = stream(study.seed, "injection", study.person.index, study.visit)
    start = study.when + timedelta(seconds=90)
    injected = study.when - timedelta(minutes=int(rng.integers(55, 75)), seconds=int(rng.integers(60)))
    dose = round(3.5e6 * study.person.course.weight_kg * float(rng.uniform(0.95, 1.05)))
    decayed = dose * 2.0 ** (-(start - injected).total_seconds() / FLUORINE_18_HALF_LIFE_S)
    base.ImageType = ["ORIGINAL", "PRIMARY"]
    base.AcquisitionDate = base.SeriesDate
    base.SeriesType, base.Units, base.CountsSource = ["WHOLE BODY", "IMAGE"], "BQML", "EMISSION"
    base.DecayCorrection, base.CollimatorType = "START", "NONE"
    base.CorrectedImage = ["DECY", "ATTN", "SCAT", "DTIM", "RAN", "NORM"]
    base.AttenuationCorrectionMethod, base.ReconstructionMethod = "measured,AC CT", "OSEM3D 3i24s"
    base.ConvolutionKernel = "XYZ Gauss4.00"
    base.FrameReferenceTime, base.ActualFrameDuration, base.DecayFactor = 0, 120_000, 1
    base.RescaleIntercept = 0
    base.RadiopharmaceuticalInformationSequence = Sequence([_tracer(injected, dose)])
    _acquisition(base)
    return float(decayed)


def _tracer(injected: datetime, dose: int) -> Dataset:
    """Return what a header says of the FDG: when it was injected, and how many Bq."""
    drug = Dataset()
    drug.Radiopharmaceutical = "Fluorodeoxyglucose"
    drug.RadiopharmaceuticalVolume = 0.6
    drug.RadiopharmaceuticalStartTime = f"{injected:%H%M%S}.000000"
    drug.RadiopharmaceuticalStartDateTime = f"{injected:%Y%m%d%H%M%S}.000000"
    drug.RadionuclideTotalDose = dose
    drug.RadionuclideHalfLife = FLUORINE_18_HALF_LIFE_S
    drug.RadionuclidePositronFraction = 0.97
    drug.RadionuclideCodeSequence = Sequence([_code("77004003", "SCT", "^18^Fluorine")])
    drug.RadiopharmaceuticalCodeSequence = Sequence([_code("35321007", "SCT", "Fluorodeoxyglucose F^18^")])
    return drug


def _acquisition(base: Dataset) -> None:
    """Add the energy window and how the patient lies."""
    window = Dataset()
    window.EnergyWindowLowerLimit, window.EnergyWindowUpperLimit = 435, 650
    base.EnergyWindowRangeSequence = Sequence([window])
    supine = _code("102538003", "SCT", "recumbent")
    modifier = _code("40199007", "SCT", "supine")
    supine.PatientOrientationModifierCodeSequence = Sequence([modifier])
    base.PatientOrientationCodeSequence = Sequence([supine])
    gantry = _code("102540008", "SCT", "headfirst")
    base.PatientGantryRelationshipCodeSequence = Sequence([gantry])


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item
