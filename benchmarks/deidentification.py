# /// script
# requires-python = ">=3.12,<3.14"
# dependencies = ["dicognito", "dicom-anonymizer", "deid", "psutil"]
# ///
"""De-identification beside its peers, in one run: files per CPU-second, large files, memory.

    uv run --with dicognito --with dicom-anonymizer --with deid python benchmarks/deidentification.py [FOLDER]

Every contender runs in a process of its own on the same 300 CT instances of 512 x 512 and 262 elements (the header of a
real GE scanner from pydicom's test files, private groups included), three times, in turn; medians are shown. Ours
runs as the pipeline does: verifier on, BLAKE3 of the copy, write to a temporary name, flush, rename. FOLDER is where
files are read and written (default: a temporary folder); the memory file system /dev/shm leaves the disk out.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
FILES = int(os.environ.get("FILES", "300"))
REPEATS = int(os.environ.get("REPEATS", "3"))


def make_series(folder: Path) -> None:
    import numpy as np
    import pydicom

    folder.mkdir(parents=True)
    ds = pydicom.dcmread(Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm")
    chance = np.random.default_rng(0)
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = "Dupontel^Eleonore", "IPP0012345", "19500612"
    ds.StudyDescription, ds.SeriesDescription = "CT thorax", "Thorax 1.25 mm"
    ds.Rows = ds.Columns = 512
    for number in range(FILES):
        instance = f"1.2.840.113619.2.55.3.{number + 1000}.77"
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = instance
        ds.InstanceNumber, ds.ImagePositionPatient = number, [-158.135803, -179.035797, -75.699997 - 1.25 * number]
        ds.SliceLocation = ds.ImagePositionPatient[2]
        ds.PixelData = chance.integers(-1024, 2000, (512, 512), dtype=np.int16).tobytes()
        ds.save_as(folder / f"{number:04d}.dcm")
    ds = pydicom.dcmread(folder / "0000.dcm")
    print(f"{FILES} files of {sum(1 for _ in ds.iterall())} elements, {(folder / '0000.dcm').stat().st_size / 1e6:.2f} MB each")


def run_copy(source: Path, target: Path) -> None:
    for file in sorted(source.iterdir()):
        shutil.copyfile(file, target / file.name)


def run_pydicom(source: Path, target: Path) -> None:
    import pydicom

    for file in sorted(source.iterdir()):
        pydicom.dcmread(file).save_as(target / file.name)


def ours(source: Path, target: Path) -> Any:
    from unibase.imaging.confidentiality.deidentified import DeidentifyTask, deidentify_file
    from unibase.imaging.options import DeidentifyOptions
    from unibase.privacy.keys import Key
    from unibase.privacy.subjects import Subject, SubjectLookup

    lookup = SubjectLookup({("A", "ipp", "IPP0012345"): Subject(6_100_200_300_400, -345)})
    options, key = DeidentifyOptions(), Key(bytes(32))
    return lambda file: deidentify_file(DeidentifyTask(file, target, "A", options, key, lookup))


def run_ours(source: Path, target: Path) -> None:
    one = ours(source, target)
    for file in sorted(source.iterdir()):
        one(file)


def run_dicognito(source: Path, target: Path) -> None:
    import pydicom
    from dicognito.anonymizer import Anonymizer

    anonymizer = Anonymizer(seed="benchmark")
    for file in sorted(source.iterdir()):
        ds = pydicom.dcmread(file)
        anonymizer.anonymize(ds)
        ds.save_as(target / file.name)


def run_dicom_anonymizer(source: Path, target: Path) -> None:
    from dicomanonymizer import anonymize_dicom_file

    for file in sorted(source.iterdir()):
        anonymize_dicom_file(str(file), str(target / file.name))


def run_deid(source: Path, target: Path) -> None:
    from deid.config import DeidRecipe
    from deid.dicom import get_identifiers, replace_identifiers

    recipe = DeidRecipe()
    for file in sorted(source.iterdir()):
        ids = get_identifiers([str(file)])
        replace_identifiers(dicom_files=[str(file)], deid=recipe, ids=ids, output_folder=str(target), overwrite=True)


CONTENDERS = {
    "raw copy": (run_copy, ""),
    "unibase": (run_ours, ""),
    "pydicom read + write": (run_pydicom, ""),
    "dicognito": (run_dicognito, "dicognito"),
    "dicom-anonymizer": (run_dicom_anonymizer, "dicomanonymizer"),
    "deid": (run_deid, "deid"),
}


def measure(name: str, source: Path, target: Path) -> None:
    """In a process of its own: one untimed file (imports, tables), then the series; prints CPU seconds."""
    import contextlib
    import io
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    function = CONTENDERS[name][0]
    first = target / "first"
    first.mkdir(parents=True)
    one = target / "one"
    one.mkdir()
    shutil.copyfile(min(source.iterdir()), one / "0000.dcm")
    quiet = io.StringIO()
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        function(one, first)
        out = target / "out"
        out.mkdir()
        start = time.process_time()
        function(source, out)
        used = time.process_time() - start
    print(json.dumps(used))


def large_structure_set(path: Path) -> None:
    import pydicom
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    ds = pydicom.dcmread(Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm")
    for tag in [element.tag for element in ds if element.tag.group > 0x20 or element.tag.is_private]:
        del ds[tag]
    ds.PatientID, ds.PatientName = "IPP0012345", "Dupontel^Eleonore"
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.481.3"
    ds.Modality, ds.ImageType = "RTSTRUCT", ["ORIGINAL", "PRIMARY"]
    roi, contours = Dataset(), []
    roi.ReferencedROINumber = 1
    for slice_number in range(660):
        contour, image = Dataset(), Dataset()
        image.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        image.ReferencedSOPInstanceUID = f"1.2.840.113619.2.55.3.{slice_number + 1000}.77"
        contour.ContourImageSequence = Sequence([image])
        contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", 100
        contour.ContourData = [f"{-100 + 0.37 * i:.4f}" for i in range(300)]
        contours.append(contour)
    roi.ContourSequence = Sequence(contours)
    ds.ROIContourSequence = Sequence([roi])
    ds.save_as(path)


def many_elements(path: Path) -> int:
    """An enhanced multi-frame header: functional groups of many frames, 29,000 elements."""
    import pydicom
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    ds = pydicom.dcmread(Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm")
    for tag in [element.tag for element in ds if element.tag.is_private]:
        del ds[tag]
    ds.PatientID, ds.PatientName = "IPP0012345", "Dupontel^Eleonore"
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
    ds.Modality = "MR"
    frames = []
    for number in range(2080):
        frame, content, plane, position, pixel = Dataset(), Dataset(), Dataset(), Dataset(), Dataset()
        content.FrameAcquisitionDateTime, content.FrameReferenceDateTime = "20190312101010.5", "20190312101010.5"
        content.FrameAcquisitionNumber, content.StackID, content.InStackPositionNumber = 1, "1", number + 1
        content.TemporalPositionIndex = 1
        plane.ImagePositionPatient = [0, 0, number]
        position.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        pixel.SliceThickness, pixel.PixelSpacing = "1", [1, 1]
        frame.FrameContentSequence, frame.PlanePositionSequence = Sequence([content]), Sequence([plane])
        frame.PlaneOrientationSequence, frame.PixelMeasuresSequence = Sequence([position]), Sequence([pixel])
        frames.append(frame)
    ds.PerFrameFunctionalGroupsSequence = Sequence(frames)
    ds.save_as(path)
    return sum(1 for _ in ds.iterall())


def huge(path: Path, size: int) -> None:
    """A multi-frame file of `size` bytes of pixels, written in blocks."""
    import numpy as np
    import pydicom

    ds = pydicom.dcmread(Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm")
    ds.PatientID, ds.PatientName = "IPP0012345", "Dupontel^Eleonore"
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    ds.Rows = ds.Columns = 512
    ds.NumberOfFrames = size // (512 * 512 * 2)
    del ds.PixelData
    if "DataSetTrailingPadding" in ds:
        del ds.DataSetTrailingPadding
    ds.save_as(path)
    block = np.random.default_rng(1).integers(0, 2000, 2**21, dtype=np.int16).tobytes()
    with open(path, "ab") as file:
        file.write(b"\xe0\x7f\x10\x00OW\0\0" + size.to_bytes(4, "little"))
        for _ in range(size // len(block)):
            file.write(block)


def measure_one(source: Path, target: Path) -> None:
    one = ours(source, target)
    warm = source.parent / "warm.dcm"
    if not warm.exists():
        shutil.copyfile(source.parent / "series" / "0000.dcm", warm)
    one(warm)
    start = time.process_time()
    one(source)
    print(json.dumps([time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))


def call(*arguments: str) -> Any:
    output = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=False)
    lines = output.stdout.strip().splitlines()
    return json.loads(lines[-1]) if output.returncode == 0 and lines else None


def main(folder: Path) -> None:
    make_series(folder / "series")
    found: dict[str, list[float]] = {}
    for _ in range(REPEATS):
        for name, (_, module) in CONTENDERS.items():
            if module and importlib.util.find_spec(module) is None:
                continue
            target = folder / "target"
            shutil.rmtree(target, ignore_errors=True)
            used = call("--measure", name, str(folder / "series"), str(target))
            if used is None:
                print(f"{name}: failed")
                continue
            found.setdefault(name, []).append(used)
            print(f"  {name}: {FILES / used:,.0f}", flush=True)
    base = statistics.median(found["unibase"])
    print(f"\n{'':24}{'files per CPU-second':>22}{'times slower than unibase':>28}")
    for name, seconds in found.items():
        middle = statistics.median(seconds)
        print(f"{name:24}{FILES / middle:>22,.0f}{middle / base:>28.1f}")
    shutil.rmtree(folder / "target", ignore_errors=True)
    large_structure_set(folder / "structures.dcm")
    elements = many_elements(folder / "elements.dcm")
    for name, text in (("structures.dcm", "structure set, 66,000 points"), ("elements.dcm", f"{elements:,} elements")):
        runs = [call("--one", str(folder / name), str(folder / "target")) for _ in range(REPEATS)]
        print(f"{text}: {statistics.median(run[0] for run in runs):.3f} CPU-s, {(folder / name).stat().st_size / 1e6:.1f} MB")
    free = shutil.disk_usage(folder).free
    size = 2 * 10**9 // 2**22 * 2**22
    if free > 3 * size:
        huge(folder / "huge.dcm", size)
        seconds, memory = call("--one", str(folder / "huge.dcm"), str(folder / "target"))
        print(f"multi-frame file of {size / 1e9:.2f} GB: {seconds:.1f} CPU-s, peak memory {memory:.0f} MB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
    elif sys.argv[1:2] == ["--one"]:
        measure_one(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
            main(Path(name))
