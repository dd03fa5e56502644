"""Every volume and mask of a release beside its de-identified DICOM, read by others: `python -m benchmarks.released_voxels WORK RELEASE`.

WORK is the workspace that built RELEASE. Images are read by SimpleITK (GDCM), SEG by pydicom and the positions of its
frames, RTSTRUCT by plastimatch; an SUV is computed here from the header (body weight, decay from the series to the start of
the injection). Compared are each value, and the grid, and each voxel of each mask that people drew. Nothing of unibase
reads anything here.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pydicom
import SimpleITK as sitk
import zarr

PEER = "uv run --no-project --with plastimatch plastimatch"
Header = pydicom.Dataset


@dataclass(frozen=True)
class Found:
    """De-identified DICOM: the folder of each series of images, and the objects that refer to it."""

    folders: dict[str, Path]
    objects: dict[str, list[Path]]


def index(work: Path) -> Found:
    """Return what staging holds."""
    folders: dict[str, Path] = {}
    objects: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted((work / "staging/imaging/dicom").rglob("*.dcm")):
        if path.parent in folders.values():
            continue
        header = pydicom.dcmread(path, stop_before_pixels=True)
        if header.Modality in ("SEG", "RTSTRUCT"):
            objects[referenced(header)].append(path)
        else:
            folders[header.SeriesInstanceUID] = path.parent
    return Found(folders, objects)


def referenced(header: Header) -> str:
    """Return the series that a SEG or RTSTRUCT was drawn on."""
    if header.Modality == "SEG":
        return str(header.ReferencedSeriesSequence[0].SeriesInstanceUID)
    study = header.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    return str(study.RTReferencedSeriesSequence[0].SeriesInstanceUID)


def read(folder: Path, uid: str) -> tuple[sitk.Image, Header]:
    """Return a series in canonical orientation, and the header of one of its files."""
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid)
    return sitk.DICOMOrient(sitk.ReadImage(files), "LPS"), pydicom.dcmread(files[0], stop_before_pixels=True)


def suv(header: Header) -> float:
    """Return what values are multiplied by: from Bq/ml to SUV of the body weight, decay corrected to the start of the series."""
    if header.Units == "GML":  # such values are SUV already
        return 1.0
    dose = header.RadiopharmaceuticalInformationSequence[0]
    start = datetime.strptime(header.SeriesDate + header.SeriesTime[:6], "%Y%m%d%H%M%S")
    given = datetime.strptime(header.SeriesDate + dose.RadiopharmaceuticalStartTime[:6], "%Y%m%d%H%M%S")
    left = float(dose.RadionuclideTotalDose) * 2 ** (-(start - given).total_seconds() / float(dose.RadionuclideHalfLife))
    return float(header.PatientWeight) * 1000 / left


def seg_masks(path: Path, image: sitk.Image) -> Iterator[tuple[str, np.ndarray]]:
    """Yield label and mask of each segment of a SEG whose frames lie on the planes of an image."""
    header = pydicom.dcmread(path)
    frames = header.pixel_array.reshape(-1, header.Rows, header.Columns)
    masks = {int(one.SegmentNumber): np.zeros(image.GetSize()[::-1], dtype=bool) for one in header.SegmentSequence}
    for frame, about in zip(frames, header.PerFrameFunctionalGroupsSequence, strict=True):
        place = [float(one) for one in about.PlanePositionSequence[0].ImagePositionPatient]
        x, y, z = image.TransformPhysicalPointToIndex(place)
        number = int(about.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        masks[number][z, y : y + header.Rows, x : x + header.Columns] |= frame.astype(bool)
    for one in header.SegmentSequence:
        yield str(one.SegmentLabel), masks[int(one.SegmentNumber)]


def outlined(path: Path, image: sitk.Image, peer: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and mask of each structure of an RTSTRUCT, by plastimatch."""
    with tempfile.TemporaryDirectory() as home:
        sitk.WriteImage(image, f"{home}/image.mha")
        words = ["convert", "--input", str(path), "--fixed", f"{home}/image.mha", "--output-prefix", f"{home}/out"]
        subprocess.run([*peer, *words, "--prefix-format", "nrrd", "--xor-contours"], check=True, capture_output=True)
        for one in sorted(Path(home, "out").glob("*.nrrd")):
            yield one.stem, sitk.GetArrayFromImage(sitk.ReadImage(str(one))).astype(bool)


def compare_image(store: zarr.Group, image: sitk.Image, header: Header) -> str:
    """Return what a volume is beside its DICOM: equal, or by how much values differ."""
    about, theirs = store.attrs["unibase"], sitk.GetArrayFromImage(image).astype(np.float64)
    grid = zip(("origin", "spacing", "direction"), (image.GetOrigin(), image.GetSpacing(), image.GetDirection()), strict=True)
    if not all(np.allclose(about[name], one, atol=1e-6) for name, one in grid):  # type: ignore[index,call-overload,arg-type]
        return "another grid"
    ours = np.asarray(store["0"])
    if about["unit"] == "SUVbw":  # type: ignore[index,call-overload]
        theirs = theirs * suv(header)
    if np.array_equal(ours, theirs):
        return "equal to the bit"
    return f"within {np.abs(ours - theirs).max() / np.abs(theirs).max():.0e}" if ours.shape == theirs.shape else "another shape"


def drawn(store: zarr.Group) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name that a person gave each region of a store, and its mask; what a model made stands in no object."""
    labels, machines = store["labels"], store.attrs["unibase"]["machine_regions"]  # type: ignore[index,call-overload]
    for name in labels.attrs["ome"]["labels"]:  # type: ignore[index,call-overload,union-attr]
        array = np.asarray(labels[f"{name}/0"])  # type: ignore[index]
        for one in labels[name].attrs["ome"]["image-label"]["properties"]:  # type: ignore[index,call-overload,union-attr]
            if one["name"] not in machines:
                yield one["roi_name"], array == one["label-value"]


def compare_masks(store: zarr.Group, objects: Sequence[Path], image: sitk.Image, peer: Sequence[str]) -> Counter[str]:
    """Return how the masks of a store lie beside those of the objects drawn on its series."""
    told: Counter[str] = Counter()
    theirs: list[tuple[str, str, np.ndarray]] = []
    for path in objects:
        kind = pydicom.dcmread(path, stop_before_pixels=True).Modality
        read_by = seg_masks(path, image) if kind == "SEG" else outlined(path, image, peer)
        theirs += [(kind, name, mask) for name, mask in read_by]
    for name, mask in drawn(store):
        same = [(kind, one) for kind, other, one in theirs if other.replace(" ", "_") == name.replace(" ", "_")]
        if not same:
            told["not found by the peer"] += 1
        for kind, one in same:
            told[
                f"{kind}: {'equal to the voxel' if np.array_equal(mask, one) else f'{int((mask ^ one).sum())} voxels differ'}"
            ] += 1
    return told


def main() -> None:
    """Compare every volume of a release and print how many are what."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("release", type=Path)
    parser.add_argument("--plastimatch", default=PEER)
    asked = parser.parse_args()
    found, told = index(asked.work), Counter[str]()
    for row in pl.read_parquet(asked.release / "tables/images.parquet").iter_rows(named=True):
        uid = row["SeriesInstanceUID"]
        image, header = read(found.folders[uid], uid)
        store = zarr.open_group(asked.release / row["path"], mode="r")
        told[f"{row['Modality']} ({row['unit']}): {compare_image(store, image, header)}"] += 1
        told += compare_masks(store, found.objects[uid], image, shlex.split(asked.plastimatch))
    for what, count in sorted(told.items()):
        print(f"{count:6} {what}")


if __name__ == "__main__":
    main()
