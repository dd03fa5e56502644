"""Odd series: split into their volumes by name, with what is no volume set aside; or refused by name.

The oracle is the pattern of the voxels: each tells the volume and slice it was made for, so that a voxel of another
acquisition in a volume shows. Splits that dcm2niix makes too are compared with it, voxel by voxel.
"""

from __future__ import annotations

import shutil
import subprocess
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset

from tests.imaging.odd_series import Maker, csa, item, pattern, save
from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.read_as import Reading
from unibase.imaging.dicom.volume import open_folder, read_series

Build = Callable[[Maker], list[Dataset]]


@dataclass(frozen=True)
class Read:
    """What a series is read as.

    Attributes:
        build: Makes its instances.
        volumes: Name of each volume to (number of its pattern, slices of the pattern from and to, first z, distance).
        aside: What is set aside.
    """

    build: Build
    volumes: dict[str, tuple[int, range, float, float]]
    aside: set[str] = field(default_factory=set)


WHOLE = range(8)
ONE = {"": (0, WHOLE, 0.0, 3.0)}


def phases(make: Maker, count: int, modality: str = "CT", **headers: Callable[[int], Any]) -> list[Dataset]:
    """Stacks at one place; every header value is a function of the number of the stack from 0."""
    return [
        dataset
        for number in range(count)
        for dataset in make.stack(number, modality=modality, **{keyword: value(number) for keyword, value in headers.items()})
    ]


def named(form: str, *values: Any) -> dict[str, tuple[int, range, float, float]]:
    return {form.format(value): (number, WHOLE, 0.0, 3.0) for number, value in enumerate(values)}


def diffusion(make: Maker, group: int, creator: str, element: int, vr: str, values: list[Any]) -> list[Dataset]:
    found = []
    for number, value in enumerate(values):
        for dataset in make.stack(number, modality="MR"):
            dataset.private_block(group, creator, create=True).add_new(element, vr, value)
            found.append(dataset)
    return found


def mosaic(make: Maker, volume: int = 0, normal: float = 1.0, **header: Any) -> Dataset:
    """Five slices in a mosaic of three by three; the first is at (0, 0, 0)."""
    tiles = [pattern(volume, number) for number in range(5)] + [np.zeros((6, 7), np.int16)] * 4
    picture = np.block([[tiles[row * 3 + column] for column in range(3)] for row in range(3)])
    dataset = make.plane("MR", picture, 0.0, ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"], **header)
    dataset.SpacingBetweenSlices = 4.0
    # The place of the picture is that of one plane three times as large about the same centre.
    dataset.ImagePositionPatient = [-1.5 * (21 - 7) / 2, -1.5 * (18 - 6) / 2, 0.0]
    block = dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    block.add_new(0x10, "OB", csa(NumberOfImagesInMosaic=[5], SliceNormalVector=[0.0, 0.0, normal]))
    return dataset


def enhanced_frames(make: Maker, keyword: str, sequence: str, values: list[Any]) -> list[Dataset]:
    dataset = make.enhanced("MR", [(volume, number) for number in WHOLE for volume in range(len(values))])
    for index, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        setattr(groups, sequence, [item(**{keyword: values[index % len(values)]})])
    return [dataset]


def two_stacks(make: Maker) -> list[Dataset]:
    frames = [(volume, number) for volume in (0, 1) for number in WHOLE]
    dataset = make.enhanced("MR", frames)
    for groups, (volume, number) in zip(dataset.PerFrameFunctionalGroupsSequence, frames, strict=True):
        groups.PlanePositionSequence = [item(ImagePositionPatient=[0, 0, 3 * number + 1.5 * volume])]
        groups.FrameContentSequence = [item(StackID=str(volume + 1), InStackPositionNumber=number + 1)]
    return [dataset]


READ = {
    "plain": Read(lambda make: make.stack(), ONE),
    "one acquisition number a slice": Read(lambda make: make.stack(AcquisitionNumber=lambda n: n + 1), ONE),
    "one acquisition number a rotation": Read(lambda make: make.stack(AcquisitionNumber=lambda n: n // 2), ONE),
    "a time a slice": Read(lambda make: make.stack(AcquisitionTime=lambda n: f"1021{n:02d}"), ONE),
    "packages of one MR": Read(
        lambda make: make.stack(
            modality="MR", AcquisitionNumber=lambda n: n % 2 + 1, AcquisitionTime=lambda n: f"10{n % 2 + 20}00"
        ),
        ONE,
    ),
    "beds of one PET": Read(
        lambda make: make.stack(
            modality="PT", Units="GML", AcquisitionNumber=lambda n: n // 4, AcquisitionTime=lambda n: f"10{20 + 3 * (n // 4)}00"
        ),
        ONE,
    ),
    "trigger time a slice": Read(lambda make: make.stack(modality="MR", TriggerTime=lambda n: 500.0 + n), ONE),
    "phases by TemporalPositionIdentifier": Read(
        lambda make: phases(make, 3, TemporalPositionIdentifier=lambda n: n + 1), named("phase {} of 3", 1, 2, 3)
    ),
    "a phase of the declared three is absent": Read(
        lambda make: phases(make, 2, TemporalPositionIdentifier=lambda n: n + 2, NumberOfTemporalPositions=lambda n: 3),
        named("phase {} of 3", 2, 3),
    ),
    "phases half a slice apart": Read(
        lambda make: [
            *make.stack(0, TemporalPositionIdentifier=1),
            *make.stack(1, start=1.5, TemporalPositionIdentifier=2),
        ],
        {"phase 1 of 2": (0, WHOLE, 0.0, 3.0), "phase 2 of 2": (1, WHOLE, 1.5, 3.0)},
    ),
    "half a slice apart, told by acquisition number alone": Read(
        lambda make: [*make.stack(0, AcquisitionNumber=1), *make.stack(1, start=1.5, AcquisitionNumber=2)],
        {"acquisition 1 of 2": (0, WHOLE, 0.0, 3.0), "acquisition 2 of 2": (1, WHOLE, 1.5, 3.0)},
    ),
    "half a slice apart, told by time alone": Read(
        lambda make: [*make.stack(0, AcquisitionTime="102100"), *make.stack(1, start=1.5, AcquisitionTime="102200")],
        {"phase 1 of 2": (0, WHOLE, 0.0, 3.0), "phase 2 of 2": (1, WHOLE, 1.5, 3.0)},
    ),
    "half a slice apart, told by the time of writing alone": Read(
        lambda make: [*make.stack(0, ContentTime="102500"), *make.stack(1, start=1.5, ContentTime="102700")],
        {"phase 1 of 2": (0, WHOLE, 0.0, 3.0), "phase 2 of 2": (1, WHOLE, 1.5, 3.0)},
    ),
    "half a slice apart, told by the instance number alone": Read(
        lambda make: [*make.stack(0), *make.stack(1, start=1.5)],
        {"run 1 of 2": (0, WHOLE, 0.0, 3.0), "run 2 of 2": (1, WHOLE, 1.5, 3.0)},
    ),
    "half a slice apart, numbered by place, a time a slice": Read(
        lambda make: [
            *make.stack(0, AcquisitionTime=lambda n: f"1021{n:02d}", InstanceNumber=lambda n: 2 * n + 1),
            *make.stack(1, start=1.5, AcquisitionTime=lambda n: f"1021{12 + n:02d}", InstanceNumber=lambda n: 2 * n + 2),
        ],
        {"phase 1 of 2": (0, WHOLE, 0.0, 3.0), "phase 2 of 2": (1, WHOLE, 1.5, 3.0)},
    ),
    "half a slice apart, told by the description alone": Read(
        lambda make: [
            *make.stack(0, SeriesDescription="art", InstanceNumber=lambda n: 2 * n + 1),
            *make.stack(1, start=1.5, SeriesDescription="portal", InstanceNumber=lambda n: 2 * n + 2),
        ],
        {"part 1 of 2": (0, WHOLE, 0.0, 3.0), "part 2 of 2": (1, WHOLE, 1.5, 3.0)},
    ),
    "chest over abdomen by protocol": Read(
        lambda make: make.stack(ProtocolName=lambda n: "Chest" if n < 4 else "Abdomen"),
        {"protocol 1 of 2": (0, range(4, 8), 12.0, 3.0), "protocol 2 of 2": (0, range(4), 0.0, 3.0)},
    ),
    "thick below thin": Read(
        lambda make: make.stack(SliceThickness=lambda n: 3.0 if n < 4 else 1.0),
        {"1 mm thick": (0, range(4, 8), 12.0, 3.0), "3 mm thick": (0, range(4), 0.0, 3.0)},
    ),
    "supine over prone": Read(
        lambda make: make.stack(PatientPosition=lambda n: "HFS" if n < 4 else "HFP"),
        {"HFP": (0, range(4, 8), 12.0, 3.0), "HFS": (0, range(4), 0.0, 3.0)},
    ),
    "phases on two sides of midnight, of one date": Read(
        lambda make: phases(make, 2, "MR", AcquisitionTime=lambda n: ["235950", "000110"][n]), named("phase {} of 2", 1, 2)
    ),
    "a later scan of half the places": Read(
        lambda make: [
            *make.stack(0, AcquisitionTime=lambda n: f"1021{n:02d}"),
            *make.stack(1, count=4, start=6.0, AcquisitionTime=lambda n: f"1024{n:02d}"),
        ],
        {"phase 1 of 2": (0, WHOLE, 0.0, 3.0), "phase 2 of 2": (1, range(4), 6.0, 3.0)},
    ),
    "kernels of several values": Read(
        lambda make: phases(make, 2, ConvolutionKernel=lambda n: [["Br38f", "3"], ["Br64f", "3"]][n]),
        named("kernel {}", "Br38f 3", "Br64f 3"),
    ),
    "b-values by the name of the sequence": Read(
        lambda make: phases(make, 2, "MR", SequenceName=lambda n: ["*ep_b50t", "*ep_b800t"][n]), named("b={}", 50, 800)
    ),
    "slices that overlap": Read(lambda make: make.stack(SliceThickness=6.0), ONE),
    "instance numbers from the top": Read(lambda make: make.stack(InstanceNumber=lambda n: 100 - n), ONE),
    "written by two computers, in two times": Read(lambda make: make.stack(ContentTime=lambda n: f"10{21 + n // 4}00"), ONE),
    "odd slices first in one MR": Read(
        lambda make: make.stack(modality="MR", InstanceNumber=lambda n: 1 + n // 2 + 4 * (n % 2)), ONE
    ),
    "MR half a slice apart, thicker than their distance": Read(
        lambda make: [
            *make.stack(0, modality="MR", AcquisitionNumber=1),
            *make.stack(1, modality="MR", start=1.5, AcquisitionNumber=2),
        ],
        {"acquisition 1 of 2": (0, WHOLE, 0.0, 3.0), "acquisition 2 of 2": (1, WHOLE, 1.5, 3.0)},
    ),
    "arterial chest over portal abdomen by kernel": Read(
        lambda make: make.stack(ConvolutionKernel=lambda n: "B30f" if n < 4 else "B60f"),
        {"kernel B30f": (0, range(4), 0.0, 3.0), "kernel B60f": (0, range(4, 8), 12.0, 3.0)},
    ),
    "arterial chest over portal abdomen by number": Read(
        lambda make: make.stack(AcquisitionNumber=lambda n: 1 + n // 4),
        {"acquisition 1 of 2": (0, range(4), 0.0, 3.0), "acquisition 2 of 2": (0, range(4, 8), 12.0, 3.0)},
    ),
    "arterial chest over portal abdomen by time": Read(
        lambda make: make.stack(AcquisitionTime=lambda n: "102100" if n < 4 else "102230"),
        {"phase 1 of 2": (0, range(4), 0.0, 3.0), "phase 2 of 2": (0, range(4, 8), 12.0, 3.0)},
    ),
    "tube voltages": Read(lambda make: phases(make, 2, KVP=lambda n: [80, 140][n]), named("{} kVp", 80, 140)),
    "energies of a dual-energy CT": Read(
        lambda make: phases(make, 3, MonoenergeticEnergyEquivalent=lambda n: [40, 70, 100][n]),
        named("monochromatic {} keV", 40, 70, 100),
    ),
    "contrast and none": Read(
        lambda make: [*make.stack(0), *make.stack(1, ContrastBolusAgent="IODINE")],
        named("{}", "before contrast", "with contrast"),
    ),
    "kernels at one place": Read(
        lambda make: phases(make, 2, ConvolutionKernel=lambda n: ["Br40", "Br64"][n]), named("kernel {}", "Br40", "Br64")
    ),
    "echoes": Read(lambda make: phases(make, 2, "MR", EchoTime=lambda n: [2.46, 4.92][n]), named("echo {} of 2", 1, 2)),
    "echo time that rounds otherwise": Read(
        lambda make: make.stack(modality="MR", EchoTime=lambda n: 2.46 if n % 2 else 2.4601), ONE
    ),
    "T2 and PD alternate by slice": Read(
        lambda make: [*make.stack(0, modality="MR", EchoTime=90), *make.stack(1, start=1.5, modality="MR", EchoTime=14)],
        {"echo 1 of 2": (1, WHOLE, 1.5, 3.0), "echo 2 of 2": (0, WHOLE, 0.0, 3.0)},
    ),
    "magnitude and phase alternate by slice": Read(
        lambda make: [
            *make.stack(0, modality="MR", ImageType=["ORIGINAL", "PRIMARY", "M", "ND"]),
            *make.stack(1, start=1.5, modality="MR", ImageType=["ORIGINAL", "PRIMARY", "P", "ND"]),
        ],
        {"magnitude": (0, WHOLE, 0.0, 3.0), "phase": (1, WHOLE, 1.5, 3.0)},
    ),
    "Dixon": Read(
        lambda make: phases(
            make,
            4,
            "MR",
            ImageType=lambda n: [
                ["ORIGINAL", "PRIMARY", "IP"],
                ["ORIGINAL", "PRIMARY", "OP"],
                ["DERIVED", "PRIMARY", "W"],
                ["DERIVED", "PRIMARY", "F"],
            ][n],
        ),
        named("{}", "in phase", "out of phase", "water", "fat"),
    ),
    "GE's complex parts": Read(
        lambda make: diffusion(make, 0x0043, "GEMS_PARM_01", 0x2F, "SS", [0, 2, 3]), named("{}", "magnitude", "real", "imaginary")
    ),
    "flip angles": Read(lambda make: phases(make, 2, "MR", FlipAngle=lambda n: [3, 15][n]), named("flip angle {}", 3, 15)),
    "inversion times": Read(
        lambda make: phases(make, 2, "MR", InversionTime=lambda n: [150, 2500][n]), named("TI {} ms", 150, 2500)
    ),
    "b-values, standard": Read(
        lambda make: phases(make, 3, "MR", DiffusionBValue=lambda n: [0.0, 400.0, 800.0][n]), named("b={}", 0, 400, 800)
    ),
    "b-values, Siemens": Read(
        lambda make: diffusion(make, 0x0019, "SIEMENS MR HEADER", 0x0C, "IS", ["0", "800"]), named("b={}", 0, 800)
    ),
    "b-values, Philips": Read(
        lambda make: diffusion(make, 0x2001, "Philips Imaging DD 001", 0x03, "FL", [0.0, 1000.0]), named("b={}", 0, 1000)
    ),
    "b-values, GE": Read(
        lambda make: diffusion(make, 0x0043, "GEMS_PARM_01", 0x39, "IS", [[0, 0, 0, 0], [1000000600, 8, 0, 0]]),
        named("b={}", 0, 600),
    ),
    "b-values, GE as unknown bytes": Read(
        lambda make: diffusion(make, 0x0043, "GEMS_PARM_01", 0x39, "UN", [b"0\\8\\0\\0 ", b"1000000600\\8\\0\\0 "]),
        named("b={}", 0, 600),
    ),
    "gradients of one b-value": Read(
        lambda make: phases(
            make,
            3,
            "MR",
            DiffusionBValue=lambda n: [0.0, 700.0, 700.0][n],
            DiffusionGradientOrientation=lambda n: [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]][n],
        ),
        named("{}", "b=0", "b=700, direction 1 of 2", "b=700, direction 2 of 2"),
    ),
    "gates by trigger time that differs a little": Read(
        lambda make: [
            dataset
            for gate in range(4)
            for dataset in make.stack(gate, modality="MR", TriggerTime=lambda n, gate=gate: 30.0 * gate + 0.4 * n)
        ],
        named("gate {} of 4", 1, 2, 3, 4),
    ),
    "gated PET": Read(
        lambda make: [
            dataset
            for gate in range(3)
            for dataset in make.stack(
                gate,
                modality="PT",
                Units="GML",
                SeriesType=["GATED", "IMAGE"],
                NumberOfSlices=8,
                ImageIndex=lambda n, gate=gate: gate * 8 + n + 1,
            )
        ],
        named("gate {} of 3", 1, 2, 3),
    ),
    "dynamic PET by frame reference time": Read(
        lambda make: phases(
            make,
            2,
            "PT",
            Units=lambda n: "GML",
            SeriesType=lambda n: ["DYNAMIC", "IMAGE"],
            FrameReferenceTime=lambda n: [5e3, 15e3][n],
        ),
        named("frame {} of 2", 1, 2),
    ),
    "PET with and without attenuation correction": Read(
        lambda make: phases(make, 2, "PT", Units=lambda n: "GML", CorrectedImage=lambda n: [["DECY"], ["DECY", "ATTN"]][n]),
        named("{}", "not attenuation-corrected", "corrected"),
    ),
    "times alone tell phases": Read(
        lambda make: [
            dataset
            for phase in range(2)
            for dataset in make.stack(phase, AcquisitionTime=lambda n, phase=phase: f"10{21 + phase}{n:02d}")
        ],
        named("phase {} of 2", 1, 2),
    ),
    "localizer across": Read(
        lambda make: [*make.stack(), make.plane("CT", pattern(9, 0), 0.0, ImageOrientationPatient=[1, 0, 0, 0, 0, -1])],
        ONE,
        {"localizer"},
    ),
    "localizer by its word": Read(
        lambda make: [*make.stack(), make.plane("CT", pattern(9, 0), 6.0, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])],
        ONE,
        {"localizer"},
    ),
    "projection": Read(
        lambda make: [*make.stack(), make.plane("CT", pattern(9, 0), 6.0, ImageType=["DERIVED", "SECONDARY", "MIP"])],
        ONE,
        {"maximum intensity projection"},
    ),
    "ADC map inside": Read(
        lambda make: [
            *make.stack(0, modality="MR", DiffusionBValue=0.0),
            *make.stack(1, modality="MR", DiffusionBValue=800.0),
            *make.stack(2, modality="MR", ImageType=["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]),
        ],
        named("b={}", 0, 800),
        {"ADC map"},
    ),
    "derived average": Read(
        lambda make: [*make.stack(), make.plane("CT", pattern(9, 0), 6.0, ImageType=["DERIVED", "SECONDARY", "OTHER"])],
        ONE,
        {"derived image"},
    ),
    "page without a place": Read(
        lambda make: [*make.stack(), make.plane("CT", pattern(9, 0), 0.0, ImagePositionPatient=None)],
        ONE,
        {"image without a place"},
    ),
    "picture in colour": Read(
        lambda make: [*make.stack(), make.plane("CT", pattern(9, 0), 0.0, SamplesPerPixel=3)], ONE, {"picture in colour"}
    ),
    "positions rounded to 0.1 mm": Read(
        lambda make: [make.plane("CT", pattern(0, n), round(0.625 * n, 1), SliceThickness=0.625) for n in WHOLE],
        {"": (0, WHOLE, 0.0, 4.4 / 7)},
    ),
    "orientation that jitters": Read(
        lambda make: make.stack(ImageOrientationPatient=lambda n: [1, 3e-4 * (n % 2), 0, -3e-4 * (n % 2), 1, 0]), ONE
    ),
    "two matrices": Read(
        lambda make: [
            *make.stack(),
            *[make.plane("CT", pattern(1, n, (5, 5)), 3.0 * n) for n in WHOLE],
        ],
        {"axial 7 x 6 of 1.5 mm": (0, WHOLE, 0.0, 3.0), "axial 5 x 5 of 1.5 mm": (1, WHOLE, 0.0, 3.0)},
    ),
    "mosaic": Read(lambda make: [mosaic(make)], {"": (0, range(5), 0.0, 4.0)}),
    "mosaics over time": Read(
        lambda make: [mosaic(make, volume, AcquisitionTime=f"10210{3 * volume}") for volume in range(3)],
        {f"phase {n + 1} of 3": (n, range(5), 0.0, 4.0) for n in range(3)},
    ),
    "enhanced, rescale at the top": Read(
        lambda make: [make.enhanced("CT", [(0, n) for n in WHOLE], RescaleSlope=1, RescaleIntercept=0, RescaleType="HU")], ONE
    ),
    "enhanced, phases by their offset in time": Read(
        lambda make: enhanced_frames(make, "TemporalPositionTimeOffset", "TemporalPositionSequence", [0.0, 10.0, 20.0]),
        named("phase {} of 3", 1, 2, 3),
    ),
    "enhanced, two stacks half a slice apart": Read(
        lambda make: two_stacks(make),
        {"stack 1 of 2": (0, WHOLE, 0.0, 3.0), "stack 2 of 2": (1, WHOLE, 1.5, 3.0)},
    ),
    "enhanced, a file a frame": Read(lambda make: [make.enhanced("MR", [(0, n)]) for n in WHOLE], ONE),
    "enhanced, concatenated": Read(
        lambda make: [
            make.enhanced("MR", [(0, n) for n in part], ConcatenationUID="1.2.3", InConcatenationNumber=number)
            for number, part in enumerate((range(3), range(3, 8)), start=1)
        ],
        ONE,
    ),
    "enhanced, a file a time point": Read(
        lambda make: [
            make.enhanced(
                "MR", [(phase, n) for n in WHOLE], shared=item(FrameContentSequence=[item(TemporalPositionIndex=phase + 1)])
            )
            for phase in range(2)
        ],
        named("phase {} of 2", 1, 2),
    ),
    "enhanced, echoes in one file": Read(
        lambda make: enhanced_frames(make, "EffectiveEchoTime", "MREchoSequence", [4.6, 9.2]), named("echo {} of 2", 1, 2)
    ),
    "enhanced, b-values in one file": Read(
        lambda make: enhanced_frames(make, "DiffusionBValue", "MRDiffusionSequence", [0.0, 1000.0]), named("b={}", 0, 1000)
    ),
    "enhanced, parts of complex images": Read(
        lambda make: enhanced_frames(make, "ComplexImageComponent", "MRImageFrameTypeSequence", ["MAGNITUDE", "PHASE"]),
        named("{}", "magnitude", "phase"),
    ),
}
"""What is read, and as what."""

REFUSED: dict[str, tuple[Build, str, str]] = {
    "a gap": (lambda make: make.stack()[:3] + make.stack()[4:], "missing-slice", "1 slice is missing among 7, at 9.0 mm"),
    "two gaps": (
        lambda make: [s for n, s in enumerate(make.stack(count=12)) if n not in (4, 8, 9)],
        "missing-slice",
        "3 slices are missing among 9, at 12.0, 24.0, 27.0 mm",
    ),
    "a mosaic without Siemens' header": (
        lambda make: [make.plane("MR", pattern(0, 0), 0.0, ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"])],
        "mosaic",
        "how its slices lie",
    ),
    "one slice of another kernel": (
        lambda make: make.stack(ConvolutionKernel=lambda n: "B60f" if n == 3 else "B30f"),
        "inconsistent-series",
        "ConvolutionKernel",
    ),
    "an echo time a slice": (
        lambda make: make.stack(modality="MR", EchoTime=lambda n: 10.0 + n),
        "inconsistent-series",
        "EchoTime",
    ),
    "one slice in another unit": (
        lambda make: make.stack(RescaleType=lambda n: "US" if n == 3 else "HU"),
        "inconsistent-series",
        "RescaleType",
    ),
    "nothing tells two slices apart": (lambda make: [*make.stack(0), *make.stack(1)], "duplicate-slice", "nothing in the header"),
    "two persons": (
        lambda make: [*make.stack(0), *make.stack(1, start=24.0, PatientID="1002")],
        "inconsistent-series",
        "PatientID differs",
    ),
    "two exams": (
        lambda make: [*make.stack(0), *make.stack(1, start=24.0, StudyInstanceUID="1.2.3.4")],
        "inconsistent-series",
        "StudyInstanceUID differs",
    ),
    "a slope of 0": (lambda make: make.stack(RescaleSlope=lambda n: n % 2), "unsupported-image", "Rescale Slope"),
    "a tilt that the places do not show": (lambda make: make.stack(GantryDetectorTilt=-15), "gantry-tilt", "tells a tilt"),
    "a part of a concatenation": (
        lambda make: [
            make.enhanced(
                "MR",
                [(0, n) for n in range(4)],
                ConcatenationUID="1.2.3",
                InConcatenationNumber=1,
                InConcatenationTotalNumber=2,
            )
        ],
        "missing-slice",
        "A part of the enhanced image",
    ),
    "tilted": (
        lambda make: make.stack(ImagePositionPatient=lambda n: [0.0, 0.8 * n, 3.0 * n]),
        "gantry-tilt",
        "gantry",
    ),
    "whole millimetres are no rounding": (
        lambda make: [make.plane("CT", pattern(0, n), z) for n, z in enumerate([0, 2, 4, 7, 9])],
        "missing-slice",
        "uneven",
    ),
}
"""What is refused: the reason, and words of the message."""


@pytest.mark.parametrize("name", READ)
def test_a_series_is_read_as_its_volumes(tmp_path: Path, name: str) -> None:
    case = READ[name]
    series = open_folder(save(tmp_path, case.build(Maker())))
    assert {stack.name for stack in series.volumes} == set(case.volumes)
    assert {stack.name for stack in series.stacks if stack.aside} == case.aside
    for stack in series.volumes:
        number, slices, first, distance = case.volumes[stack.name]
        volume = series.read(stack, Reading(suv=None))
        expected = np.stack([pattern(number, index, volume.grid.shape[1:]) for index in slices])
        assert np.array_equal(volume.array, expected)
        assert volume.grid.origin == pytest.approx((0.0, 0.0, first), abs=1e-9)
        assert volume.grid.spacing == pytest.approx((1.5, 1.5, distance), abs=1e-6)
        assert volume.name == stack.name


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_volume_is_refused_by_name(tmp_path: Path, name: str) -> None:
    build, reason, words = REFUSED[name]
    with pytest.raises(Unusable) as caught:
        read_series(save(tmp_path, build(Maker())))
    assert caught.value.reason == reason
    assert words in caught.value.message
    assert caught.value.remedy


def test_several_volumes_are_told_by_name(tmp_path: Path) -> None:
    save(tmp_path, READ["b-values, standard"].build(Maker()))
    with pytest.raises(Unusable, match="3 volumes: b=0, b=400, b=800"):
        read_series(tmp_path)


@pytest.mark.parametrize("kind", ["IODINE", "EFF_ATOMIC_NUM", "LOCALIZER"])
def test_a_ct_that_is_no_attenuation_has_no_hounsfield_units(tmp_path: Path, kind: str) -> None:
    save(tmp_path / "a", Maker().stack(ImageType=["DERIVED", "PRIMARY", "AXIAL", kind]))
    assert read_series(tmp_path / "a").unit == "unspecified"
    save(tmp_path / "b", Maker().stack(ImageType=["DERIVED", "PRIMARY", "AXIAL", kind], RescaleType="MGML"))
    assert read_series(tmp_path / "b").unit == "mg/ml"


@pytest.mark.parametrize(
    ("header", "modality", "note"),
    [
        ({"LossyImageCompression": "01"}, "CT", "lossy-compressed"),
        ({"SliceThickness": 1.0}, "CT", "gaps-between-slices"),
        ({"NumberOfSlices": 12, "Units": "GML", "RescaleSlope": 0.01}, "PT", "fewer-slices-than-declared"),
    ],
)
def test_what_a_header_says_against_its_volume_is_noted(tmp_path: Path, header: dict[str, Any], modality: str, note: str) -> None:
    save(tmp_path, Maker().stack(modality=modality, **header))
    assert read_series(tmp_path).notes == (note,)


def test_files_without_a_preamble_are_read_and_cut_ones_refused(tmp_path: Path) -> None:
    files = sorted(save(tmp_path, Maker().stack()).iterdir())
    whole = read_series(tmp_path).array
    for number, path in enumerate(files):
        # As older archives write them: all of a file but its preamble, or the data set alone.
        content = path.read_bytes()[132:]
        length = 12 + int.from_bytes(content[8:12], "little")
        path.write_bytes(content if number % 2 else content[length:])
    assert np.array_equal(read_series(tmp_path).array, whole)
    files[7].write_bytes(b"\0" * 128 + b"DICM" + content[:400])
    with pytest.raises(Unusable, match="truncated-file"):
        read_series(tmp_path)


def test_values_that_stand_high_in_their_words(tmp_path: Path) -> None:
    series = Maker().stack()
    for number, dataset in enumerate(series):
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 15, 0
        dataset.PixelData = (pattern(0, number).astype("<u2") << 4 | 5).tobytes()
    save(tmp_path, series)
    assert read_series(tmp_path).array[:, 0, 0].tolist() == [10.0 * number for number in WHOLE]
    for dataset in series:
        dataset.PixelRepresentation = 1
    save(tmp_path, series)
    with pytest.raises(Unusable, match="High Bit"):
        read_series(tmp_path)


def test_a_downward_mosaic_is_read_upwards(tmp_path: Path) -> None:
    volume = read_series(save(tmp_path, [mosaic(Maker(), normal=-1.0)]))
    assert volume.grid.origin == pytest.approx((0.0, 0.0, -16.0))
    assert np.array_equal(volume.array, np.stack([pattern(0, number) for number in (4, 3, 2, 1, 0)]))


@pytest.mark.skipif(shutil.which("dcm2niix") is None, reason="dcm2niix is not installed")
@pytest.mark.parametrize(
    "name", ["plain", "echoes", "phases by TemporalPositionIdentifier", "b-values, standard", "kernels at one place", "mosaic"]
)
def test_as_dcm2niix_splits_it(tmp_path: Path, name: str) -> None:
    """The same voxels at the same places, volume by volume, as dcm2niix (which may stack volumes in time) writes them."""
    datasets = READ[name].build(Maker())
    for dataset in datasets:
        dataset.Manufacturer = "SIEMENS"
    folder = save(tmp_path / "dicom", datasets)
    (tmp_path / "nifti").mkdir()
    command = ["dcm2niix", "-b", "n", "-z", "n", "-m", "n", "-f", "%d_%e", "-o", str(tmp_path / "nifti"), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    theirs = []
    for path in sorted((tmp_path / "nifti").glob("*.nii")):
        image = sitk.ReadImage(str(path))
        images = [image[..., index] for index in range(image.GetSize()[3])] if image.GetDimension() == 4 else [image]
        theirs += [_values_at(one) for one in images]
    series = open_folder(folder)
    ours = [_values_at(volume.grid.to_sitk(volume.array)) for stack in series.volumes for volume in [series.read(stack)]]
    assert sorted(ours) == sorted(theirs)


def _values_at(image: sitk.Image) -> tuple[tuple[tuple[float, ...], float], ...]:
    """Places in the patient and values of all voxels, sorted: whatever way the axes run."""
    array = sitk.GetArrayFromImage(image)
    found = []
    for k, j, i in np.ndindex(array.shape):
        place = image.TransformIndexToPhysicalPoint((int(i), int(j), int(k)))
        found.append((tuple(round(value, 2) + 0.0 for value in place), float(array[k, j, i])))
    return tuple(sorted(found))


def test_library_warnings_reach_no_screen(
    tmp_path: Path, recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    datasets = Maker().stack()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for dataset in datasets:
            dataset.add_new(0x00100030, "DA", "not a date")
        save(tmp_path, datasets)
    read_series(tmp_path)
    assert [str(warning.message) for warning in recwarn] == []
    assert capfd.readouterr() == ("", "")
