"""Series as scanners and archives write them and as no textbook shows them; a voxel tells its volume, slice and column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from tests.imaging.dicom_maker import AXIAL, base, uid

SHAPE = (6, 7)
ENHANCED = {"CT": "1.2.840.10008.5.1.4.1.1.2.1", "MR": "1.2.840.10008.5.1.4.1.1.4.1", "PT": "1.2.840.10008.5.1.4.1.1.130"}


def pattern(volume: int, number: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Values of one slice: its volume in thousands, its number in tens, its column in ones."""
    return np.tile(1000 * volume + 10 * number + np.arange(shape[1]), (shape[0], 1)).astype(np.int16)


class Maker:
    """Makes the instances of one series, each with a UID of its own."""

    def __init__(self, number: int = 1) -> None:
        self.number, self.count = number, 0

    def plane(self, modality: str, values: np.ndarray, z: float, **header: Any) -> Dataset:
        self.count += 1
        dataset = base(modality, uid(self.number, self.count), uid(self.number), uid(500))
        dataset.FrameOfReferenceUID = uid(900)
        dataset.SeriesDate = dataset.AcquisitionDate = "20200102"
        dataset.SeriesTime, dataset.AcquisitionTime = "102000", "102100"
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.Rows, dataset.Columns = values.shape
        dataset.PixelSpacing, dataset.SliceThickness = [1.5, 1.5], 3.0
        dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0.0, 0.0, z], list(AXIAL)
        dataset.InstanceNumber = self.count
        stored(dataset, values)
        if modality != "MR":
            dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
        for keyword, value in header.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        return dataset

    def stack(
        self, volume: int = 0, count: int = 8, start: float = 0.0, step: float = 3.0, modality: str = "CT", **header: Any
    ) -> list[Dataset]:
        """A stack; a header value that is a list of `count` lists or a function of the slice varies from slice to slice."""
        return [
            self.plane(
                modality,
                pattern(volume, number),
                round(start + number * step, 6),
                **{keyword: value(number) if callable(value) else value for keyword, value in header.items()},
            )
            for number in range(count)
        ]

    def enhanced(self, modality: str, frames: Sequence[tuple[int, int]], *, shared: Dataset | None = None, **top: Any) -> Dataset:
        """An enhanced file of frames (volume, slice); `shared` is added to the shared functional groups."""
        self.count += 1
        dataset = base(modality, uid(self.number, self.count), uid(self.number), uid(500))
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = ENHANCED[modality]
        dataset.FrameOfReferenceUID, dataset.NumberOfFrames = uid(900), len(frames)
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
        values = np.stack([pattern(volume, number) for volume, number in frames])
        dataset.Rows, dataset.Columns = SHAPE
        stored(dataset, values)
        groups = shared or Dataset()
        groups.PlaneOrientationSequence = [item(ImageOrientationPatient=list(AXIAL))]
        groups.PixelMeasuresSequence = [item(PixelSpacing=[1.5, 1.5], SliceThickness=3, SpacingBetweenSlices=3)]
        dataset.SharedFunctionalGroupsSequence = [groups]
        dataset.PerFrameFunctionalGroupsSequence = [
            item(PlanePositionSequence=[item(ImagePositionPatient=[0, 0, 3 * number])]) for _, number in frames
        ]
        for keyword, value in top.items():
            setattr(dataset, keyword, value)
        return dataset


def item(**values: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def stored(dataset: Dataset, values: np.ndarray) -> None:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.PixelData = np.ascontiguousarray(values, dtype="<i2").tobytes()


def save(folder: Path, datasets: Sequence[Dataset]) -> Path:
    """Write instances under names that tell nothing of their order."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, dataset in enumerate(datasets):
        dataset.save_as(folder / f"{(number * 7919) % 10007:05d}.dcm", enforce_file_format=True)
    return folder


def csa(**tags: Sequence[Any]) -> bytes:
    """Siemens' CSA image header (SV10) with some tags."""
    content = b"SV10\4\3\2\1" + len(tags).to_bytes(4, "little") + (77).to_bytes(4, "little")
    for name, values in tags.items():
        numbers = [len(values), 0, len(values), 77]
        content += name.encode().ljust(64, b"\0") + numbers[0].to_bytes(4, "little") + b"FD\0\0" + (4).to_bytes(4, "little")
        content += numbers[2].to_bytes(4, "little") + numbers[3].to_bytes(4, "little")
        for value in values:
            text = str(value).encode() + b"\0"
            sizes = [len(text)] * 4
            content += b"".join(size.to_bytes(4, "little") for size in sizes) + text.ljust((len(text) + 3) // 4 * 4, b"\0")
    return content
